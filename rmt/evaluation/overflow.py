"""Bounds on the results of a graph: what certainly lies beyond the largest double."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmt.arrays import Array
from rmt.evaluation.bounds import LARGEST, Bounds, stored
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS

__all__ = ["enclosures"]

# By how much a bound is moved outwards after each operation: relative to its stored form, far more
# than rounding does to it and to what the next operation makes of it; absolute for what underflows.
SLACK = 1e-11
SMALLEST = 1e-300


def enclosures(graph: Graph, outputs: Sequence[NodeId], points: Sequence[Array]) -> list[Bounds]:
    """Bounds on the outputs, whatever the rounding.

    What cancels is left open: ``cosh(z) - sinh(z)`` at 1000, but not ``exp(z) - exp(2*z)``, nor
    ``z**12 - 66*z**10`` at ``1e40``.

    Parameters
    ----------
    graph, outputs
        In the operations of `rmt.evaluation.numeric_form.numeric_form`.
    points : sequence of array
        One for each variable, of one shape, finite.
    """
    known: dict[NodeId, Bounds] = {}
    for node in graph.ancestors(list(outputs)):
        operation, payload = graph.operations[node], graph.payloads[node]
        if operation == "const":
            number = np.full_like(points[0], stored(graph.double(node)))
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
