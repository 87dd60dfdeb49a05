"""Independent against reused batches, for targets of information exponent 1, 2 and 3."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, IE2, IE3, Case, both_batches, by_name

__all__ = ["BATCHES", "CASES"]


def _two_steps(name: str, title: str, target: str) -> tuple[Case, Case]:
    """The setting of theory.md, section 8, at N = 1000."""
    problem = Problem("tanh(z + 7/10)", target, 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)])
    return both_batches(name, title, problem)


_FIRST = _two_steps("ie1", "information exponent 1", IE1)
_SECOND = _two_steps("ie2", "information exponent 2", IE2)
_THIRD = _two_steps("ie3", "information exponent 3", IE3)

# The demo's problems.
CASES: dict[str, Case] = by_name(*_FIRST, *_THIRD)

BATCHES: dict[str, Case] = by_name(*_FIRST, *_SECOND, *_THIRD)
