"""The named problems on which theory and simulation have to agree."""

from __future__ import annotations

from dataclasses import dataclass

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError

__all__ = ["CASES", "Case", "case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A problem with a name.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    title : str
        One line for tables and figures.
    problem : Problem
    """

    name: str
    title: str
    problem: Problem

    def __str__(self) -> str:
        return f"{self.name}: {self.title}, {self.problem.batch} batch"


# Target, by name: what its title says and its expression.
_TARGETS = {
    "ie1": ("information exponent 1", "tanh(z) + (cos(2*z) - exp(-2))/2"),
    "ie3": ("information exponent 3", "remove_hermite(3*tanh(2*z), 1)"),
}


def _two_steps(name: str, title: str, target: str) -> list[Case]:
    """The setting of theory.md, section 8, at N = 1000, with independent and reused batches."""
    independent = Problem(
        activation="tanh(z + 7/10)",
        target=target,
        width=1000,
        dim=1000,
        samples=2000,
        steps=[Step(4, 0.3), Step(4, 0.4)],
        batch="independent",
    )
    return [
        Case(f"{name}-independent", title, independent),
        Case(f"{name}-reused", title, independent.replace(batch="reused")),
    ]


CASES: dict[str, Case] = {
    found.name: found
    for name, (title, target) in _TARGETS.items()
    for found in _two_steps(name, title, target)
}


def case(name: str) -> Case:
    """The case of this name.

    Raises
    ------
    InvalidInputError
        For an unknown name; the message lists the known ones.

    Examples
    --------
    >>> print(case("ie3-reused"))
    ie3-reused: information exponent 3, reused batch
    """
    if name not in CASES:
        raise InvalidInputError(f"case must be one of {', '.join(CASES)}; got {name!r}")
    return CASES[name]
