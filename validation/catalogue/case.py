"""A problem with a name, and the targets that several of them share."""

from __future__ import annotations

from dataclasses import dataclass

from rmt.problem import Problem

__all__ = ["IE1", "IE2", "IE3", "Case", "both_batches", "by_name"]

# Targets of information exponent 1, 2 and 3. The second is not even: all powers of an even function
# are even, so that no reuse of a batch could learn its direction.
IE1 = "tanh(z) + (cos(2*z) - exp(-2))/2"
IE2 = "remove_hermite(2*tanh(2*z) + abs(z) - sqrt(2/pi), 1)"
IE3 = "remove_hermite(3*tanh(2*z), 1)"


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
    known : str
        In what theory and simulation are known to differ at this size, and why; empty where they
        do not.
    """

    name: str
    title: str
    problem: Problem
    known: str = ""

    def __str__(self) -> str:
        batch = f", {self.problem.batch_text} batch" if len(self.problem.steps) > 1 else ""
        return f"{self.name}: {self.title}{batch}"


def both_batches(name: str, title: str, problem: Problem) -> tuple[Case, Case]:
    """The same problem with independent batches and with a reused one, told apart by the name."""
    return (
        Case(f"{name}-independent", title, problem.replace(batch="independent")),
        Case(f"{name}-reused", title, problem.replace(batch="reused")),
    )


def by_name(*cases: Case) -> dict[str, Case]:
    """Cases by their names."""
    return {found.name: found for found in cases}
