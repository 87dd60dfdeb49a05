"""Graphs in arbitrary precision: the same operations in mpmath arithmetic."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from rmt.budget import count_work
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.lowering import lower
from rmt.evaluation.operations import OPERATIONS
from rmt.lazy import mpmath

__all__ = ["precise_value", "precise_values"]

_WORK = 2e4  # in simple operations on an element of an array


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
    count_work(_WORK)
    with mpmath.workdps(digits + 10):
        values: dict[NodeId, Any] = {}
        last_digit = mpmath.mpf(10) ** -digits
        for node in graph.ancestors(list(outputs)):
            operation, payload = graph.operations[node], graph.payloads[node]
            arguments = [values[a] for a in graph.arguments[node]]
            try:
                if operation == "const":
                    values[node] = _constant(mpmath.mp, payload)
                elif operation == "var":
                    values[node] = mpmath.mpf(point[payload])
                else:
                    numbers = arguments if payload is None else [*arguments, payload]
                    values[node] = OPERATIONS[operation].in_digits(mpmath.mp, *numbers)
            except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                values[node] = mpmath.nan
            if node in disturbed:
                values[node] += arguments[0] * last_digit
        return [values[node] for node in outputs]


def precise_value(expr: Any, symbol: Any, point: Any, digits: int) -> Any:
    """The value of a sympy expression in one symbol; see `precise_values`."""
    graph = Graph()
    return precise_values(graph, [lower(graph, expr, (symbol,))], [point], digits)[0]


def _constant(mp: Any, payload: Any) -> Any:
    if not payload.is_finite:
        return mp.nan
    number = payload.evalf(mp.dps) if not payload.is_Rational else payload
    return mp.mpf(number.p) / number.q if number.is_Rational else number._to_mpmath(mp.prec)
