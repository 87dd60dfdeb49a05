"""The number of outliers over the plane of the two steps' exponents."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, Case

__all__ = ["COUNTS", "PLANE", "PLANE_EXPONENTS"]


def _count(title: str, target: str, steps: tuple[tuple[float, float], ...]) -> tuple[str, Problem]:
    """A title, and its problem at N = d = n = 1000."""
    return title, Problem(
        activation="softplus(z + 1/2)",
        target=target,
        width=1000,
        dim=1000,
        samples=1000,
        steps=[Step(*step) for step in steps],
        readout="uniform",
    )


# Points on both sides of the line alpha_2 = 1/2 - alpha_1, on which the second outlier appears.
# The steps and labels are such that at N = 250 the number of outliers is still that of the other
# side, and the growth or decay of the second spike's strength, N^(alpha_1 + alpha_2 - 1/2), turns
# it within the sizes that can be simulated.
COUNTS: dict[str, Case] = {
    name: Case(name, title, problem)
    for name, (title, problem) in {
        "below-1": _count("(0.05, 0.1)", f"11*({IE1})/5", ((5, 0.05), (5, 0.1))),
        "below-2": _count("(0.1, 0.05)", f"11*({IE1})/5", ((5, 0.1), (5, 0.05))),
        "below-3": _count("(0, 0.15)", f"11*({IE1})/5", ((5, 0.0), (5, 0.15))),
        "above-1": _count("(0.2, 0.45)", IE1, ((2.25, 0.2), (2, 0.45))),
        "above-2": _count("(0.25, 0.42)", IE1, ((2, 0.25), (2, 0.42))),
        "above-3": _count("(0.3, 0.38)", IE1, ((2, 0.3), (2, 0.38))),
    }.items()
}


# No pair of them lies on a line alpha_2 = k (1/2 - alpha_1), a boundary of the limit.
PLANE_EXPONENTS = (0.03, 0.13, 0.23, 0.33, 0.43)


def _plane() -> dict[str, Case]:
    problem = Problem(
        activation="softplus(z + 1/2)",
        target=IE1,
        width=500,
        dim=500,
        samples=500,
        steps=[Step(4, 0.0), Step(2, 0.0)],
        readout="uniform",
    )
    return {
        f"plane-{first:g}-{second:g}": Case(
            f"plane-{first:g}-{second:g}",
            f"exponents {first:g} and {second:g}",
            problem.replace(steps=[Step(4, first), Step(2, second)]),
        )
        for first in PLANE_EXPONENTS
        for second in PLANE_EXPONENTS
    }


# Every pair of exponents, for one network with fixed step scales.
PLANE: dict[str, Case] = _plane()
