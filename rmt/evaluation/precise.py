"""Graphs in arbitrary precision: the same operations in mpmath arithmetic."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence, Set
from typing import Any

from rmt.budget import count_work
from rmt.evaluation.graph import DOMAIN_OPERATIONS, Graph, NodeId
from rmt.evaluation.lowering import lower

__all__ = ["precise_value", "precise_values"]

_WORK = 2e4  # in simple operations on an element of an array
# mpmath divides large arguments by as many digits of log 2 or pi as they have, and would do so for
# hours. Beyond this power of 2 an argument is infinite: one that a double holds never is, but for
# error functions, which mpmath cannot do beyond, and at 3000 digits none takes a tenth of a second.
_LARGEST_ARGUMENT = {
    **dict.fromkeys("exp expm1 sinh cosh tanh sech sech2".split(), 1024),
    **dict.fromkeys("sigmoid sigmoid_slope softplus logcosh".split(), 1024),
    **dict.fromkeys("erf erfc".split(), 505),
    **dict.fromkeys("sin cos tan".split(), 8192),
}

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


def precise_values(
    graph: Graph,
    outputs: Sequence[NodeId],
    point: Sequence[Any],
    digits: int,
    disturbed: Set[NodeId] = frozenset(),
) -> list[Any]:
    """The outputs at one point as mpmath numbers, computed with this many digits.

    A value that is not real, or not a number, is mpmath's nan. The sums that are ``disturbed`` get
    an error in the last digit of their first term: a sum that cancels to zero would be zero at
    other precisions too, and look certain.
    """
    import mpmath

    count_work(_WORK)
    with mpmath.workdps(digits + 10):
        values: dict[NodeId, Any] = {}
        last_digit = mpmath.mpf(10) ** -digits
        for node in graph.ancestors(list(outputs)):
            arguments = [values[a] for a in graph.arguments[node]]
            try:
                values[node] = _operation(
                    graph.operations[node], graph.payloads[node], arguments, point
                )
            except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                values[node] = mpmath.nan
            if node in disturbed:
                values[node] += arguments[0] * last_digit
        return [values[node] for node in outputs]


def precise_value(expr: Any, symbol: Any, point: Any, digits: int) -> Any:
    """The value of a sympy expression in one symbol; see `precise_values`."""
    graph = Graph()
    return precise_values(graph, [lower(graph, expr, (symbol,))], [point], digits)[0]


def _operation(operation: str, payload: Any, arguments: list[Any], point: Sequence[Any]) -> Any:
    """One operation in mpmath arithmetic."""
    import mpmath

    mp = mpmath.mp
    if operation == "const":
        if not payload.is_finite:
            return mp.nan
        number = payload.evalf(mp.dps) if not payload.is_Rational else payload
        return mp.mpf(number.p) / number.q if number.is_Rational else number._to_mpmath(mp.prec)
    if operation == "var":
        return mp.mpf(point[payload])
    if operation in _COMPARE:
        return _COMPARE[operation](*arguments)
    if operation == "and":
        return arguments[0] and arguments[1]
    if operation == "or":
        return arguments[0] or arguments[1]
    if operation == "not":
        return not arguments[0]
    if operation == "where":
        return arguments[1] if arguments[0] else arguments[2]
    if any(mp.isnan(a) for a in arguments):
        return mp.nan
    if operation == "max":
        return max(arguments)
    if operation == "min":
        return min(arguments)
    if len(arguments) == 2:
        return _two_arguments(operation, arguments[0], arguments[1])
    u = arguments[0]
    if operation in _LARGEST_ARGUMENT:
        if mp.mag(u) > _LARGEST_ARGUMENT[operation]:
            u = mp.sign(u) * mp.inf
    elif operation in ("log", "log1p", "asinh") and mp.isinf(u):
        return mp.nan  # the logarithm of what was too large is not
    if operation == "ipow":
        return u**payload
    if operation in DOMAIN_OPERATIONS:
        value = getattr(mp, operation)(u)
        return value if isinstance(value, mp.mpf) else mp.nan
    if operation == "sigmoid":
        return 1 / (1 + mp.exp(-u))
    if operation == "sigmoid_slope":
        e = mp.exp(-abs(u))
        return e / (1 + e) ** 2
    if operation == "softplus":
        return mp.log1p(mp.exp(-abs(u))) + max(u, 0)
    if operation == "logcosh":
        size = abs(u)
        if size < 1:
            return mp.log1p(2 * mp.sinh(u / 2) ** 2)
        return size + mp.log1p(mp.exp(-2 * size)) - mp.ln2
    if operation == "sech2":
        return mp.sech(u) ** 2
    if operation == "softsign":
        return u / (1 + abs(u))
    if operation == "softsign_slope":
        return 1 / (1 + abs(u)) ** 2
    if operation == "heaviside":
        return mp.mpf(mp.sign(u) + 1) / 2
    if operation == "neg":
        return -u
    if operation == "abs":
        return abs(u)
    return getattr(mp, operation)(u)


def _two_arguments(operation: str, a: Any, b: Any) -> Any:
    import mpmath

    if operation == "add":
        return a + b
    if operation == "sub":
        return a - b
    if operation == "mul":
        return a * b
    if operation == "div":
        return a / b
    if operation == "power":
        return a**b if a >= 0 else mpmath.nan
    raise AssertionError(f"no form of {operation} in mpmath arithmetic")
