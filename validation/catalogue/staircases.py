"""Targets of several indices, of which the second step learns what the first one has opened."""

from __future__ import annotations

from rmt.problem import Problem, ReadoutLaw, Step
from validation.catalogue.case import Case, both_batches, by_name

__all__ = ["STAIRCASES"]


def _pair(
    name: str, title: str, target: str, second: Step, readout: ReadoutLaw
) -> tuple[Case, Case]:
    """The same problem with independent and reused batches."""
    problem = Problem(
        activation="tanh(z + 7/10)",
        target=target,
        width=1000,
        dim=1000,
        samples=3000,
        steps=[Step(2, 0.35), second],
        readout=readout,
    )
    return both_batches(name, title, problem)


STAIRCASES: dict[str, Case] = by_name(
    *_pair("staircase-2", "z1 + z1 z2", "z1 + z1*z2", Step(2, 0.4), "rademacher"),
    *_pair(
        "staircase-fork", "z1 + z1 z2 + z1 z3", "z1 + z1*z2 + z1*z3", Step(2, 0.4), "rademacher"
    ),
    *_pair("staircase-3", "z1 + z1 z2 + z2 z3", "z1 + z1*z2 + z2*z3", Step(3, 0.42), "uniform"),
)
