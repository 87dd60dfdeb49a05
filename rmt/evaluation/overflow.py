"""Which results of a graph certainly lie beyond the largest double.

Every node is enclosed between two bounds, and a bound ``x`` is stored as ``sign(x) log(1 + |x|)``,
so that ``exp(1e8)`` is a number like any other. Not a number stands for a bound that is not known;
NumPy's functions hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.evaluation.graph import Graph, NodeId

__all__ = ["certain_overflow"]

Bounds: TypeAlias = tuple[Array, Array]

LARGEST = float(np.finfo(np.float64).max)

# By how much a bound is moved outwards after each operation: relative to its stored form, far more
# than rounding does to it and to what the next operation makes of it; absolute for what underflows.
SLACK = 1e-11
SMALLEST = 1e-300


def certain_overflow(
    graph: Graph,
    outputs: Sequence[NodeId],
    points: Sequence[Array],
    constant: Callable[[Any], float],
) -> list[Array]:
    """1 where an output certainly exceeds the doubles, -1 where it falls below them, else 0.

    What cancels is left open: ``cosh(z) - sinh(z)`` at 1000, but not ``exp(z) - exp(2*z)``, nor
    ``z**12 - 66*z**10`` at ``1e40``.

    Parameters
    ----------
    graph, outputs
        In the operations of `rmt.evaluation.numeric_form.NumericForm`.
    points : sequence of array
        One for each variable, of one shape, finite.
    constant : callable
        Turns the payload of a constant into a float.
    """
    known: dict[NodeId, Bounds] = {}
    for node in graph.ancestors(list(outputs)):
        operation, payload = graph.operations[node], graph.payloads[node]
        if operation == "const":
            low = high = np.full_like(points[0], _stored(constant(payload)))
        elif operation == "var":
            low = high = _stored(points[payload])
        else:
            low, high = _bounds(operation, *[known[a] for a in graph.arguments[node]])
        # The stored form may itself overflow: then no more is known than that.
        low, high = np.minimum(low, LARGEST), np.maximum(high, -LARGEST)
        low = low - (SLACK * np.abs(low) + SMALLEST)
        high = high + (SLACK * np.abs(high) + SMALLEST)
        known[node] = low, high
    beyond = _stored(LARGEST)
    return [(known[n][0] > beyond) * 1.0 - (known[n][1] < -beyond) * 1.0 for n in outputs]


def _stored(x: Array | float) -> Array:
    p: Array = np.copysign(np.log1p(np.abs(x)), x)
    return p


def _double(p: Array) -> Array:
    """What a bound is; infinite where that is no double."""
    x: Array = np.copysign(np.expm1(np.abs(p)), p)
    return x


def _log_size(p: Array) -> Array:
    """``log |x|``."""
    size = np.abs(p)
    return size + np.log(-np.expm1(-size))


def _exponential(u: Array) -> Array:
    """The stored form of ``exp(u)``."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def _add(p: Array, q: Array) -> Array:
    first = np.abs(p) >= np.abs(q)
    large, small = np.where(first, p, q), np.where(first, q, p)
    size = np.abs(large)
    ratio = np.exp(np.abs(small) - size) - np.exp(-size)
    beyond = size + np.log1p(np.copysign(ratio, np.sign(large) * np.sign(small)))
    total = np.where(size < 700, _stored(_double(p) + _double(q)), np.copysign(beyond, large))
    return np.where(np.isinf(large), large, total)


def _square(p: Array) -> Array:
    return _exponential(2 * _log_size(p))


def _multiply(one: Bounds, other: Bounds) -> Bounds:
    first, second = ([(np.sign(p), _log_size(p)) for p in bounds] for bounds in (one, other))
    products = [r * s * _exponential(m + n) for r, m in first for s, n in second]
    return np.minimum.reduce(products), np.maximum.reduce(products)


def _invert(bounds: Bounds) -> Bounds:
    low, high = bounds
    away = np.where((low <= 0) & (high >= 0), np.nan, 1)  # a pole is no overflow
    inverse = [away * np.sign(p) * _exponential(-_log_size(p)) for p in (high, low)]
    return inverse[0], inverse[1]


def _logarithm(p: Array) -> Array:
    return np.where(p >= 0, _stored(_log_size(p)), np.nan)


def _sinh(p: Array) -> Array:
    u = _double(np.abs(p))
    size = np.where(u < 700, np.log1p(np.sinh(u)), u - np.log(2))
    return np.copysign(size, p)


def _asinh(p: Array) -> Array:
    size = np.where(np.abs(p) < 700, np.arcsinh(_double(np.abs(p))), np.abs(p) + np.log(2))
    return np.copysign(_stored(size), p)


def _erf(u: Any) -> Any:
    return scipy.special.erf(u)


def _erfc(u: Any) -> Any:
    return scipy.special.erfc(u)


def _through_doubles(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    return lambda p: _stored(function(_double(p)))


_INCREASING: dict[str, Callable[..., Array]] = {
    "add": _add,
    "max": np.maximum,
    "min": np.minimum,
    # Truth values are the numbers 0 and 1.
    "and": np.minimum,
    "or": np.maximum,
    "copy": np.positive,
    "exp": lambda p: _exponential(_double(p)),
    "expm1": lambda p: np.where(p > 0, _double(p), _stored(np.expm1(_double(p)))),
    "log": _logarithm,
    "log1p": lambda p: np.where(p > 0, _stored(p), _stored(np.log1p(_double(p)))),
    "sqrt": lambda p: np.where(p >= 0, _exponential(_log_size(p) / 2), np.nan),
    "sinh": _sinh,
    "asinh": _asinh,
    "tanh": _through_doubles(np.tanh),
    "atan": _through_doubles(np.arctan),
    "asin": _through_doubles(np.arcsin),
    "atanh": _through_doubles(np.arctanh),
    "erf": _through_doubles(_erf),
    "sign": _through_doubles(np.sign),
}
_DECREASING: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative,
    "not": lambda p: _stored(1 - _double(p)),
    "erfc": _through_doubles(_erfc),
    "acos": _through_doubles(np.arccos),
}


def _bounds(operation: str, *arguments: Bounds) -> Bounds:
    if operation in _INCREASING:
        function = _INCREASING[operation]
        return function(*[a for a, _ in arguments]), function(*[b for _, b in arguments])
    (a, b), (c, d) = arguments[0], arguments[-1]
    if operation in _DECREASING:
        return _DECREASING[operation](b), _DECREASING[operation](a)
    if operation == "sub":
        return _add(a, -d), _add(b, -c)
    if operation == "mul":
        return _multiply(*arguments)
    if operation == "div":
        return _multiply(arguments[0], _invert(arguments[1]))
    if operation in ("abs", "square", "cosh"):
        smallest, largest = np.maximum(np.maximum(a, -b), 0), np.maximum(-a, b)
        if operation == "abs":
            return smallest, largest
        if operation == "square":
            return _square(smallest), _square(largest)
        # cosh x = 1 + 2 sinh(x/2)^2 lies between sinh |x| and 1 + sinh |x|.
        return _sinh(smallest), _add(_sinh(largest), _stored(np.ones_like(largest)))
    if operation == "power":
        return _bounds("exp", _bounds("mul", arguments[1], _bounds("log", arguments[0])))
    if operation == "where":
        (truth, possible), (a, b), _ = arguments
        yes, no = truth > 0.5, possible < 0.5
        low = np.where(yes, a, np.where(no, c, np.minimum(a, c)))
        return low, np.where(yes, b, np.where(no, d, np.maximum(b, d)))
    if operation in ("gt", "ge"):
        low, high = _bounds("sub", *arguments)
        return _stored(np.heaviside(low, 0)), _stored(np.heaviside(high, 1))
    if operation in ("lt", "le"):
        return _bounds("gt", *arguments[::-1])
    limit = np.where(np.isnan(a * b), np.nan, _stored(1.0))
    if operation in ("sin", "cos"):
        return -limit, limit
    if operation in ("eq", "ne"):
        return 0 * limit, limit
    unknown = np.full_like(a, np.nan)
    return unknown, unknown
