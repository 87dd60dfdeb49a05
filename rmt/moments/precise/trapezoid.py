"""Rule A: the trapezoid rule, refined by halving the step.

On the line itself where the function is smooth; otherwise on every smooth piece after a double
exponential change of variable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rmt.arrays import WholeNumbers
from rmt.caching import cached
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.precise.sums import Budget, Node, moment_sums, node_near_end
from rmt.moments.singular_ends import closeness

__all__ = ["TrapezoidSum", "halve_step", "trapezoid_sums"]

NATURAL = math.log(10.0)
# On the line the first step is 1/32, so that nothing narrow is passed over.
FIRST_LEVEL_ON_LINE = 5
FIRST_LEVEL = 2


@dataclass(slots=True)
class TrapezoidSum:
    """The integral over one piece with steps of ``2**-level``, and its last change.

    None is what is not known yet.
    """

    piece: Piece
    level: int
    sums: WholeNumbers | None = None
    value: WholeNumbers | None = None
    change: WholeNumbers | None = None


def trapezoid_sums(plan: Plan) -> list[TrapezoidSum]:
    """One for each piece within the cut-off; nothing is evaluated yet."""
    return [
        TrapezoidSum(
            piece, FIRST_LEVEL_ON_LINE if piece.lower is piece.upper is None else FIRST_LEVEL
        )
        for piece in plan.visible_pieces
    ]


def halve_step(plan: Plan, part: TrapezoidSum, budget: Budget) -> None:
    """Add the nodes of the next level; at first, those of the first."""
    first = part.sums is None
    level = part.level if first else part.level + 1
    new = moment_sums(plan, part.piece, _nodes(plan, part.piece, level, first), budget)
    sums = new if part.sums is None else part.sums + new
    value = sums >> level
    if part.value is not None:
        part.change = abs(value - part.value)
    part.level, part.sums, part.value = level, sums, value


def _nodes(plan: Plan, piece: Piece, level: int, first: bool) -> Iterator[Node]:
    """The nodes that a level adds, for steps of ``2**-level`` in the variable of the rule."""
    import mpmath

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
    import mpmath

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
    import mpmath

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
