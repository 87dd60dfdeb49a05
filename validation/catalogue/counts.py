"""The number of outliers over the plane of the two steps' exponents."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, Case, by_name

__all__ = ["COUNTS", "PLANE", "PLANE_EXPONENTS"]


_PROBLEM = Problem(
    "softplus(z + 1/2)", IE1, 1000, 1000, 1000, [Step(4, 0.0), Step(2, 0.0)], readout="uniform"
)
_STRONGER = f"11*({IE1})/5"

# Points on both sides of the line alpha_2 = 1/2 - alpha_1, on which the second outlier appears.
# The steps and labels are such that at N = 250 the number of outliers is still that of the other
# side, and the growth or decay of the second spike's strength, N^(alpha_1 + alpha_2 - 1/2), turns
# it within the sizes that can be simulated.
COUNTS: dict[str, Case] = {
    name: Case(name, title, _PROBLEM.replace(target=target, steps=steps))
    for name, title, target, steps in (
        ("below-1", "(0.05, 0.1)", _STRONGER, [Step(5, 0.05), Step(5, 0.1)]),
        ("below-2", "(0.1, 0.05)", _STRONGER, [Step(5, 0.1), Step(5, 0.05)]),
        ("below-3", "(0, 0.15)", _STRONGER, [Step(5, 0.0), Step(5, 0.15)]),
        ("above-1", "(0.2, 0.45)", IE1, [Step(2.25, 0.2), Step(2, 0.45)]),
        ("above-2", "(0.25, 0.42)", IE1, [Step(2, 0.25), Step(2, 0.42)]),
        ("above-3", "(0.3, 0.38)", IE1, [Step(2, 0.3), Step(2, 0.38)]),
    )
}

# No pair of them lies on a line alpha_2 = k (1/2 - alpha_1), a boundary of the limit.
PLANE_EXPONENTS = (0.03, 0.13, 0.23, 0.33, 0.43)

_HALF = _PROBLEM.replace(width=500, dim=500, samples=500)

# Every pair of exponents, for one network with fixed step scales.
PLANE: dict[str, Case] = by_name(
    *(
        Case(
            f"plane-{first:g}-{second:g}",
            f"exponents {first:g} and {second:g}",
            _HALF.replace(steps=[Step(4, first), Step(2, second)]),
        )
        for first in PLANE_EXPONENTS
        for second in PLANE_EXPONENTS
    )
)
