"""The named problems on which theory and simulation have to agree."""

from __future__ import annotations

from dataclasses import dataclass

from rmt.problem import Init, Problem, ReadoutLaw, Step
from rmt.status import InvalidInputError

__all__ = ["CASES", "COUNTS", "LEVELS", "Case", "case"]


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


_IE1 = "tanh(z) + (cos(2*z) - exp(-2))/2"
_IE3 = "remove_hermite(3*tanh(2*z), 1)"
# Target, by name: what its title says and its expression.
_TARGETS = {
    "ie1": ("information exponent 1", _IE1),
    "ie3": ("information exponent 3", _IE3),
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


def _level(
    title: str,
    activation: str,
    target: str,
    sizes: tuple[int, int, int | tuple[int, int]],
    steps: tuple[tuple[float, float], tuple[float, float]],
    readout: ReadoutLaw,
    noise_std: float = 0.0,
    init: Init = "sphere",
) -> tuple[str, Problem]:
    """A title, and its problem with independent batches; sizes are N, d and n."""
    width, dim, samples = sizes
    return title, Problem(
        activation=activation,
        target=target,
        width=width,
        dim=dim,
        samples=samples,
        steps=[Step(*step) for step in steps],
        batch="independent",
        readout=readout,
        noise_std=noise_std,
        init=init,
    )


_INDEPENDENT_LEVELS = {
    "shifted-tanh-ie1": _level(
        "shifted tanh, information exponent 1, label noise",
        "tanh(z + 7/10)", _IE1, (1000, 1000, 2000), ((4, 0.35), (4, 0.42)), "rademacher", 0.5,
    ),
    "shifted-tanh-he3": _level(
        "shifted tanh, third Hermite polynomial",
        "tanh(z + 7/10)", "He3(z)/sqrt(6)", (1000, 1000, 2000), ((4, 0.35), (4, 0.4)), "gaussian",
    ),
    "shifted-tanh-staircase": _level(
        "shifted tanh, staircase of two indices, unequal batches",
        "tanh(z + 7/10)", "z1 + z1*z2", (1000, 2000, (5000, 4000)), ((2, 0.35), (3, 0.42)),
        "uniform",
    ),
    "tanh-sine": _level(
        "tanh, sine target",
        "tanh(z)", "sin(2*z)", (1000, 2000, 4000), ((3, 0.3), (4, 0.4)), "gaussian",
    ),
    "erf-ie1": _level(
        "erf, information exponent 1, label noise",
        "erf(z)", _IE1, (1000, 500, 1500), ((3, 0.3), (4, 0.42)), "uniform", 0.5,
    ),
    "shifted-erf-ie2": _level(
        "shifted erf, information exponent 2",
        "erf(z + 1/2)", "cos(2*z) - exp(-2)", (1000, 500, 1500), ((4, 0.35), (4, 0.4)),
        "rademacher",
    ),
    "gelu-ie1": _level(
        "GELU, information exponent 1",
        "gelu(z)", _IE1, (1000, 1000, 2000), ((3, 0.3), (3, 0.4)), "rademacher",
    ),
    "relu-ie1": _level(
        "ReLU, information exponent 1, Gaussian initial rows",
        "relu(z)", _IE1, (1000, 2000, 4000), ((3, 0.3), (4, 0.35)), "uniform", 0.0, "gaussian",
    ),
    "relu-staircase": _level(
        "ReLU, staircase of two indices",
        "relu(z)", "z1 + z1*z2", (1000, 500, 1500), ((2, 0.3), (2, 0.35)), "rademacher",
    ),
    "softplus-ie1": _level(
        "softplus, information exponent 1, label noise",
        "softplus(z)", _IE1, (1000, 1000, 2000), ((4, 0.35), (5, 0.4)), "uniform", 0.5,
    ),
    "softplus-absolute-value": _level(
        "softplus, absolute value as target",
        "softplus(z)", "abs(z)", (1000, 500, 1000), ((4, 0.3), (4, 0.3)), "gaussian",
    ),
    "shifted-sine-ie1": _level(
        "shifted sine, information exponent 1",
        "sin(z + 3/5)", _IE1, (1000, 1000, 2000), ((3, 0.35), (3, 0.42)), "rademacher",
    ),
}  # fmt: skip

_REUSED_LEVELS = {
    "shifted-tanh-ie1": _level(
        "shifted tanh, information exponent 1, label noise",
        "tanh(z + 7/10)", _IE1, (1000, 1000, 2000), ((4, 0.38), (5, 0.42)), "rademacher", 0.3,
    ),
    "shifted-tanh-ie3": _level(
        "shifted tanh, information exponent 3",
        "tanh(z + 7/10)", _IE3, (1000, 1000, 2000), ((4, 0.3), (4, 0.4)), "uniform",
    ),
    "shifted-tanh-staircase": _level(
        "shifted tanh, staircase of two indices",
        "tanh(z + 7/10)", "z1 + z1*z2", (1000, 1000, 3000), ((3, 0.35), (3, 0.42)), "gaussian",
    ),
    "tanh-sine": _level(
        "tanh, sine target, label noise",
        "tanh(z)", "sin(2*z)", (1000, 1000, 2000), ((4, 0.3), (4, 0.4)), "uniform", 0.3,
    ),
    "shifted-erf-ie1": _level(
        "shifted erf, information exponent 1, label noise",
        "erf(z + 1/2)", _IE1, (1000, 1000, 2000), ((3, 0.35), (4, 0.4)), "rademacher", 0.5,
    ),
    "shifted-erf-product": _level(
        "shifted erf, product of two indices",
        "erf(z + 1/2)", "z1*z2", (1000, 1000, 2000), ((4, 0.3), (3, 0.4)), "rademacher",
    ),
    "gelu-quadratic": _level(
        "GELU, quadratic target",
        "gelu(z)", "z + He2(z)/2", (1000, 2000, 4000), ((2, 0.3), (2, 0.3)), "uniform",
    ),
    "gelu-ie3": _level(
        "GELU, information exponent 3",
        "gelu(z)", _IE3, (1000, 500, 1500), ((2, 0.3), (3, 0.35)), "rademacher",
    ),
    "relu-tanh": _level(
        "ReLU, tanh target, label noise",
        "relu(z)", "tanh(z)", (1000, 1000, 2000), ((3, 0.3), (3, 0.3)), "rademacher", 0.5,
    ),
    "softplus-ie3": _level(
        "softplus, information exponent 3",
        "softplus(z)", _IE3, (1000, 1000, 2000), ((4, 0.3), (4, 0.4)), "rademacher",
    ),
    "shifted-sine-ie3": _level(
        "shifted sine, information exponent 3",
        "sin(z + 3/5)", _IE3, (1000, 500, 1500), ((2, 0.35), (4, 0.35)), "uniform",
    ),
    "sine-staircase": _level(
        "sine, staircase of two indices",
        "sin(z)", "z1 + z1*z2", (1000, 1000, 3000), ((2, 0.35), (2, 0.4)), "rademacher",
    ),
}  # fmt: skip

# The problems on which the deformed level has to stand at N = 1000, whatever the readout law,
# aspect ratio or activation; steps large enough that the bulk is visibly deformed.
LEVELS: dict[str, Case] = {
    f"{name}-{batch}": Case(f"{name}-{batch}", title, problem.replace(batch=batch))
    for batch, levels in (("independent", _INDEPENDENT_LEVELS), ("reused", _REUSED_LEVELS))
    for name, (title, problem) in levels.items()
}


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
        "below-1": _count("(0.05, 0.1)", f"11*({_IE1})/5", ((5, 0.05), (5, 0.1))),
        "below-2": _count("(0.1, 0.05)", f"11*({_IE1})/5", ((5, 0.1), (5, 0.05))),
        "below-3": _count("(0, 0.15)", f"11*({_IE1})/5", ((5, 0.0), (5, 0.15))),
        "above-1": _count("(0.2, 0.45)", _IE1, ((2.25, 0.2), (2, 0.45))),
        "above-2": _count("(0.25, 0.42)", _IE1, ((2, 0.25), (2, 0.42))),
        "above-3": _count("(0.3, 0.38)", _IE1, ((2, 0.3), (2, 0.38))),
    }.items()
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
