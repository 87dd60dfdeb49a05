"""Rule B: Gauss-Legendre panels, bisected until every panel agrees with its two halves.

Towards a singular end the panels are uniform in the logarithm of the distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rmt.arrays import WholeNumbers
from rmt.caching import cached
from rmt.lazy import mpmath
from rmt.moments.precise.nodes import Node, node_near_end
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.precise.sums import Budget, hermite_sums
from rmt.moments.singular_ends import SingularEnd, closeness

__all__ = ["panel_sums"]

NATURAL = math.log(10.0)
WIDTH = 2.0
WIDTH_OF_LOGARITHM = 12.0
LEAST_WIDTH = 1e-12


def panel_sums(plan: Plan, budget: Budget) -> tuple[WholeNumbers, WholeNumbers]:
    """The integral by panels, and the sum of the differences between panels and their halves."""
    tolerances = plan.tolerances >> 6
    total = change = np.zeros(len(tolerances), dtype=object)
    for piece in plan.visible_pieces:
        for segment in _segments(plan, piece):

            def integrate(
                low: Any, high: Any, piece: Piece = piece, segment: _Segment = segment
            ) -> WholeNumbers:
                return hermite_sums(plan, piece, _nodes(plan, segment, low, high), budget)

            for halves, apart in _bisected(integrate, segment.edges(), tolerances):
                total, change = total + halves, change + apart
    return total, change


@dataclass(frozen=True, slots=True)
class _Segment:
    """Part of a piece: ``z`` from ``low`` to ``high``, or ``place + side * exp(-t)`` for such t."""

    low: Any
    high: Any
    place: Any = None
    side: int = 0
    end: SingularEnd | None = None

    def edges(self) -> list[Any]:
        """Those of the panels to begin with."""
        width = WIDTH if self.end is None else WIDTH_OF_LOGARITHM
        count = max(1, round(float(self.high - self.low) / width))
        step = (self.high - self.low) / count
        return [self.low + i * step for i in range(count)] + [self.high]


def _segments(plan: Plan, piece: Piece) -> list[_Segment]:
    """The neighbourhood of each singular end, and what is between them."""
    left, right = plan.reach
    low = mpmath.mpf(-left) if piece.lower is None else piece.lower
    high = mpmath.mpf(right) if piece.upper is None else piece.upper
    near = min(mpmath.mpf(1), (high - low) / 2)
    segments = []
    inner = [low, high]
    for i, (place, end, side) in enumerate(
        ((low, piece.lower_end, 1), (high, piece.upper_end, -1))
    ):
        if end is not None:
            closest = mpmath.mpf(NATURAL * closeness(end, plan.target + 3))
            segments.append(_Segment(-mpmath.log(near), closest, place, side, end))
            inner[i] = place + side * near
    if inner[0] < inner[1]:
        segments.append(_Segment(*inner))
    return segments


def _nodes(plan: Plan, segment: _Segment, low: Any, high: Any) -> Iterator[Node]:
    middle, half = (low + high) / 2, (high - low) / 2
    for x, u in _legendre(_panel_order(plan.target), plan.bits):
        t, weight = middle + half * x, plan.fold * half * u
        if segment.end is None:
            yield t, 0, weight
        else:
            distance = mpmath.mp.exp(-t)
            yield node_near_end(
                segment.place, segment.side, distance, segment.end, weight * distance
            )


def _bisected(
    integrate: Callable[[Any, Any], WholeNumbers], edges: list[Any], tolerances: WholeNumbers
) -> Iterator[tuple[WholeNumbers, WholeNumbers]]:
    """For every panel that has settled: the sum of its halves, and its difference from that."""
    stack = [(a, b, integrate(a, b)) for a, b in pairwise(edges)]
    while stack:
        low, high, whole = stack.pop()
        middle = (low + high) / 2
        first, second = integrate(low, middle), integrate(middle, high)
        halves = first + second
        apart = abs(whole - halves)
        if high - low < LEAST_WIDTH or (apart <= tolerances).all():
            yield halves, apart
        else:
            stack += [(middle, high, second), (low, middle, first)]


def _panel_order(target: int) -> int:
    return min(8 * math.ceil(max(target, 48) / 8), 400)


@cached(32)
def _legendre(count: int, bits: int) -> list[tuple[Any, Any]]:
    """Gauss-Legendre nodes and weights on [-1, 1], by Newton's method in fixed point."""
    fixed = bits + 20
    one = 1 << fixed
    starts = np.polynomial.legendre.leggauss(count)[0]
    nodes: list[tuple[Any, Any]] = []
    with mpmath.workprec(bits + 10):
        for start in starts[count // 2 :]:
            x = int(mpmath.ldexp(mpmath.mpf(float(start)), fixed))
            for _ in range(max(1, math.ceil(math.log2(fixed / 45))) + 1):
                previous, current = one, x
                for k in range(1, count):
                    previous, current = (
                        current,
                        ((2 * k + 1) * (x * current >> fixed) - k * previous) // (k + 1),
                    )
                gap = one - (x * x >> fixed)
                slope = (count * (previous - (x * current >> fixed)) << fixed) // gap
                x -= (current << fixed) // slope
            node = mpmath.ldexp(mpmath.mpf(x), -fixed)
            steepness = mpmath.ldexp(mpmath.mpf(slope), -fixed)
            nodes.append((node, 2 / ((1 - node * node) * steepness**2)))
        # The count is even, so that no node is at 0.
        return [(-x, u) for x, u in nodes[::-1]] + nodes
