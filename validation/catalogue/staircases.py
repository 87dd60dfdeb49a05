"""Targets of several indices, of which the second step learns what the first one has opened."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import Case, both_batches, by_name

__all__ = ["STAIRCASES"]


_PROBLEM = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [Step(2, 0.35), Step(2, 0.4)],
    readout="rademacher",
)  # fmt: skip

STAIRCASES: dict[str, Case] = by_name(
    *both_batches("staircase-2", "z1 + z1 z2", _PROBLEM),
    *both_batches(
        "staircase-fork", "z1 + z1 z2 + z1 z3", _PROBLEM.replace(target="z1 + z1*z2 + z1*z3")
    ),
    *both_batches(
        "staircase-3",
        "z1 + z1 z2 + z2 z3",
        _PROBLEM.replace(
            target="z1 + z1*z2 + z2*z3", steps=[Step(2, 0.35), Step(3, 0.42)], readout="uniform"
        ),
    ),
)
