"""Which problems the levels of the theory have a prediction for."""

from __future__ import annotations

from rmt.problem.problem import Problem
from rmt.status import UnsupportedProblemError

__all__ = ["check_two_steps", "two_steps"]


def two_steps(problem: Problem) -> bool:
    """One or two steps with exponents below 1/2: what all levels are derived for."""
    return len(problem.steps) <= 2 and all(step.exponent < 0.5 for step in problem.steps)


def check_two_steps(problem: Problem, what: str) -> None:
    """Raise `UnsupportedProblemError` unless the problem is one of `two_steps`.

    Parameters
    ----------
    what : str
        Of the level or the quantity, for the message.
    """
    if two_steps(problem):
        return
    steps = len(problem.steps)
    giant = any(step.exponent == 0.5 for step in problem.steps)
    given = f"{steps} steps" if steps > 2 else "a step of exponent 1/2"
    nearest = "its first two steps" if steps > 2 else "an exponent below 1/2"
    if steps > 2 and giant:
        nearest += " with exponents below 1/2"
    raise UnsupportedProblemError(
        f"{what} has a prediction for one or two steps with exponents below 1/2, got {given}; the "
        f"level resummed has one for this problem, and {what} one for {nearest}"
    )
