"""Which results of a graph certainly lie beyond the largest double: every node is enclosed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.evaluation.bounds import Bounds, stored
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS

__all__ = ["certain_overflow", "enclosures"]

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
        In the operations of `rmt.evaluation.numeric_form.numeric_form`.
    points : sequence of array
        One for each variable, of one shape, finite.
    constant : callable
        Turns the payload of a constant into a float.
    """
    beyond = stored(LARGEST)
    enclosed = enclosures(graph, outputs, points, constant)
    return [(one.low > beyond) * 1.0 - (one.high < -beyond) * 1.0 for one in enclosed]


def enclosures(
    graph: Graph,
    outputs: Sequence[NodeId],
    points: Sequence[Array],
    constant: Callable[[Any], float],
) -> list[Bounds]:
    """Bounds on the outputs; see `certain_overflow`."""
    known: dict[NodeId, Bounds] = {}
    for node in graph.ancestors(list(outputs)):
        operation, payload = graph.operations[node], graph.payloads[node]
        if operation == "const":
            number = np.full_like(points[0], stored(constant(payload)))
            found = Bounds(number, number)
        elif operation == "var":
            found = Bounds(stored(points[payload]), stored(points[payload]))
        else:
            found = OPERATIONS[operation].bounds(*[known[a] for a in graph.arguments[node]])
        # The stored form may itself overflow: then no more is known than that.
        low, high = np.minimum(found.low, LARGEST), np.maximum(found.high, -LARGEST)
        low = low - (SLACK * np.abs(low) + SMALLEST)
        high = high + (SLACK * np.abs(high) + SMALLEST)
        known[node] = Bounds(low, high)
    return [known[node] for node in outputs]
