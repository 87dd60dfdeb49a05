"""Rule A: the trapezoid rule on every smooth piece, refined by halving the step."""

from __future__ import annotations

from dataclasses import dataclass

from rmt.arrays import WholeNumbers
from rmt.moments.precise.nodes import trapezoid_nodes
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.precise.sums import Budget, hermite_sums

__all__ = ["TrapezoidSum", "halve_step", "trapezoid_sums"]

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
    nodes = trapezoid_nodes(plan, part.piece, level, first)
    new = hermite_sums(plan, part.piece, nodes, budget)
    sums = new if part.sums is None else part.sums + new
    value = sums >> level
    if part.value is not None:
        part.change = abs(value - part.value)
    part.level, part.sums, part.value = level, sums, value
