"""The 24 problems on which the deformed level has to stand at N = 1000."""

from __future__ import annotations

from rmt.problem import Init, Problem, ReadoutLaw, Step
from validation.catalogue.case import IE1, IE3, Case

__all__ = ["LEVELS"]


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
        "tanh(z + 7/10)", IE1, (1000, 1000, 2000), ((4, 0.35), (4, 0.42)), "rademacher", 0.5,
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
        "erf(z)", IE1, (1000, 500, 1500), ((3, 0.3), (4, 0.42)), "uniform", 0.5,
    ),
    "shifted-erf-ie2": _level(
        "shifted erf, information exponent 2",
        "erf(z + 1/2)", "cos(2*z) - exp(-2)", (1000, 500, 1500), ((4, 0.35), (4, 0.4)),
        "rademacher",
    ),
    "gelu-ie1": _level(
        "GELU, information exponent 1",
        "gelu(z)", IE1, (1000, 1000, 2000), ((3, 0.3), (3, 0.4)), "rademacher",
    ),
    "relu-ie1": _level(
        "ReLU, information exponent 1, Gaussian initial rows",
        "relu(z)", IE1, (1000, 2000, 4000), ((3, 0.3), (4, 0.35)), "uniform", 0.0, "gaussian",
    ),
    "relu-staircase": _level(
        "ReLU, staircase of two indices",
        "relu(z)", "z1 + z1*z2", (1000, 500, 1500), ((2, 0.3), (2, 0.35)), "rademacher",
    ),
    "softplus-ie1": _level(
        "softplus, information exponent 1, label noise",
        "softplus(z)", IE1, (1000, 1000, 2000), ((4, 0.35), (5, 0.4)), "uniform", 0.5,
    ),
    "softplus-absolute-value": _level(
        "softplus, absolute value as target",
        "softplus(z)", "abs(z)", (1000, 500, 1000), ((4, 0.3), (4, 0.3)), "gaussian",
    ),
    "shifted-sine-ie1": _level(
        "shifted sine, information exponent 1",
        "sin(z + 3/5)", IE1, (1000, 1000, 2000), ((3, 0.35), (3, 0.42)), "rademacher",
    ),
}  # fmt: skip

_REUSED_LEVELS = {
    "shifted-tanh-ie1": _level(
        "shifted tanh, information exponent 1, label noise",
        "tanh(z + 7/10)", IE1, (1000, 1000, 2000), ((4, 0.38), (5, 0.42)), "rademacher", 0.3,
    ),
    "shifted-tanh-ie3": _level(
        "shifted tanh, information exponent 3",
        "tanh(z + 7/10)", IE3, (1000, 1000, 2000), ((4, 0.3), (4, 0.4)), "uniform",
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
        "erf(z + 1/2)", IE1, (1000, 1000, 2000), ((3, 0.35), (4, 0.4)), "rademacher", 0.5,
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
        "gelu(z)", IE3, (1000, 500, 1500), ((2, 0.3), (3, 0.35)), "rademacher",
    ),
    "relu-tanh": _level(
        "ReLU, tanh target, label noise",
        "relu(z)", "tanh(z)", (1000, 1000, 2000), ((3, 0.3), (3, 0.3)), "rademacher", 0.5,
    ),
    "softplus-ie3": _level(
        "softplus, information exponent 3",
        "softplus(z)", IE3, (1000, 1000, 2000), ((4, 0.3), (4, 0.4)), "rademacher",
    ),
    "shifted-sine-ie3": _level(
        "shifted sine, information exponent 3",
        "sin(z + 3/5)", IE3, (1000, 500, 1500), ((2, 0.35), (4, 0.35)), "uniform",
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
