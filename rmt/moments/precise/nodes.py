"""Nodes of the trapezoid rule, on the line or after a double exponential change of variable.

The rule converges faster than any power of its step for a function that is smooth on the line; on
a half line and on an interval the change of variable makes it so, whatever happens at the ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

from rmt.caching import cached
from rmt.lazy import mpmath
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.singular_ends import SingularEnd, closeness

__all__ = ["Node", "node_near_end", "trapezoid_nodes"]

NATURAL = math.log(10.0)

Node: TypeAlias = tuple[Any, int, Any]
"""Point, extra digits to evaluate with, weight."""


def node_near_end(
    place: Any, side: int, distance: Any, end: SingularEnd | None, weight: Any
) -> Node:
    """The node at a distance from an end, with the digits that cancel there."""
    extra = 0
    if end is not None and end.loss:
        extra = max(0, math.ceil(-0.302 * mpmath.mp.mag(distance))) * end.loss
    return place + side * distance, extra, weight


def trapezoid_nodes(plan: Plan, piece: Piece, level: int, first: bool) -> Iterator[Node]:
    """The nodes of a piece for steps of ``2**-level`` in the variable of the rule.

    All of them the first time, afterwards those that the level before did not have. The weights
    are without the step.
    """
    mpf = mpmath.mp.mpf
    left, right = plan.reach
    if piece.lower is None and piece.upper is None:
        for i in _indices(-left, right, level, first):
            weight = 1 if plan.fold == 2 and i == 0 else plan.fold
            yield mpmath.ldexp(mpf(i), -level), 0, weight
        return
    lower, upper = (piece.lower, piece.lower_end, 1), (piece.upper, piece.upper_end, -1)
    if piece.lower is None or piece.upper is None:
        place, end, side = lower if piece.upper is None else upper
        far = _rounded_up(float(right - place if side == 1 else place + left))
        for distance, weight in _half_line(
            closeness(end, plan.target), far, level, first, plan.bits
        ):
            yield node_near_end(place, side, distance, end, plan.fold * weight)
        return
    width = piece.upper - piece.lower
    for place, end, side in (lower, upper):
        for distance, weight in _interval(
            closeness(end, plan.target), level, first, side, plan.bits
        ):
            yield node_near_end(place, side, distance * width, end, plan.fold * width * weight)


def _indices(low: float, high: float, level: int, first: bool) -> range:
    count = 2**level
    start, stop = math.ceil(low * count), math.floor(high * count)
    return range(start, stop + 1) if first else range(start + 1 - start % 2, stop + 1, 2)


def _rounded_up(value: float) -> float:
    return math.ceil(4 * value) / 4


@cached(32)
def _half_line(
    closest: int, far: float, level: int, first: bool, bits: int
) -> list[tuple[Any, Any]]:
    """Distances ``exp(t - exp(-t))`` and weights: double exponential at 0, exponential far out."""
    high = math.log(far) + 0.25
    for _ in range(5):
        high = math.log(far) + math.exp(-high)
    nodes = []
    with mpmath.workprec(bits):
        for i in _indices(-math.log(NATURAL * closest), high, level, first):
            t = mpmath.ldexp(mpmath.mpf(i), -level)
            inverse = mpmath.exp(-t)
            distance = mpmath.exp(t - inverse)
            nodes.append((distance, distance * (1 + inverse)))
    return nodes


@cached(32)
def _interval(closest: int, level: int, first: bool, side: int, bits: int) -> list[tuple[Any, Any]]:
    """Tanh-sinh nodes of the unit interval next to one end; the middle belongs to the lower."""
    nodes = []
    high = math.asinh(NATURAL * closest / math.pi)
    with mpmath.workprec(bits):
        for i in _indices(0.0, high, level, first):
            if i == 0 and side == -1:
                continue
            e = mpmath.exp(mpmath.ldexp(mpmath.mpf(i), -level))
            q = mpmath.exp(-mpmath.pi / 2 * (e - 1 / e))
            distance = q / (1 + q)
            nodes.append((distance, mpmath.pi / 2 * (e + 1 / e) * distance / (1 + q)))
    return nodes
