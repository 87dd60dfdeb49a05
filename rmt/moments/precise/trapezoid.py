"""Rule A: the trapezoid rule, refined by halving the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rmt.arrays import WholeNumbers
from rmt.moments.precise.nodes import trapezoid_nodes
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.precise.sums import Budget, hermite_sums

__all__ = ["TrapezoidSum", "halve_step", "integral_and_change", "trapezoid_sums"]

# On the line the first step is 1/32, so that nothing narrow is passed over.
FIRST_LEVEL_ON_LINE = 5
FIRST_LEVEL = 2


def integral_and_change(added: Sequence[Any], first: int) -> tuple[Any, Any]:
    """Of whole numbers that the levels from ``first`` on have added, the integral with the last
    step, and its difference from that with twice the step.
    """
    fine, coarse, level = sum(added), sum(added[:-1]), first + len(added) - 1
    return fine >> level, abs(fine - 2 * coarse) >> level


@dataclass(slots=True)
class TrapezoidSum:
    """The integral over one piece: sums over the nodes that each level has added.

    ``value`` and ``change`` are None as long as they are not known.
    """

    piece: Piece
    first: int
    added: list[WholeNumbers] = field(default_factory=list)

    @property
    def value(self) -> WholeNumbers | None:
        """The integral."""
        return integral_and_change(self.added, self.first)[0] if self.added else None

    @property
    def change(self) -> WholeNumbers | None:
        """What it changed by when the step was halved last."""
        several = len(self.added) > 1
        return integral_and_change(self.added, self.first)[1] if several else None


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
    level = part.first + len(part.added)
    nodes = trapezoid_nodes(plan, part.piece, level, not part.added)
    part.added.append(hermite_sums(plan, part.piece, nodes, budget))
