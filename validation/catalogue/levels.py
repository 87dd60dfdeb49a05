"""The 24 problems on which the deformed level has to stand at N = 1000."""

from __future__ import annotations

from typing import Any

from rmt.problem import Problem
from validation.catalogue.case import IE1, IE3, Case, by_name

__all__ = ["LEVELS"]

# Name, title, activation, target, d, n, steps, readout; label noise and initial rows where they
# are not the usual ones.
_INDEPENDENT: tuple[tuple[Any, ...], ...] = (
    ("shifted-tanh-ie1", "shifted tanh, information exponent 1, label noise",
     "tanh(z + 7/10)", IE1, 1000, 2000, ((4, 0.35), (4, 0.42)), "rademacher", 0.5),
    ("shifted-tanh-he3", "shifted tanh, third Hermite polynomial",
     "tanh(z + 7/10)", "He3(z)/sqrt(6)", 1000, 2000, ((4, 0.35), (4, 0.4)), "gaussian"),
    ("shifted-tanh-staircase", "shifted tanh, staircase of two indices, unequal batches",
     "tanh(z + 7/10)", "z1 + z1*z2", 2000, (5000, 4000), ((2, 0.35), (3, 0.42)), "uniform"),
    ("tanh-sine", "tanh, sine target",
     "tanh(z)", "sin(2*z)", 2000, 4000, ((3, 0.3), (4, 0.4)), "gaussian"),
    ("erf-ie1", "erf, information exponent 1, label noise",
     "erf(z)", IE1, 500, 1500, ((3, 0.3), (4, 0.42)), "uniform", 0.5),
    ("shifted-erf-ie2", "shifted erf, information exponent 2",
     "erf(z + 1/2)", "cos(2*z) - exp(-2)", 500, 1500, ((4, 0.35), (4, 0.4)), "rademacher"),
    ("gelu-ie1", "GELU, information exponent 1",
     "gelu(z)", IE1, 1000, 2000, ((3, 0.3), (3, 0.4)), "rademacher"),
    ("relu-ie1", "ReLU, information exponent 1, Gaussian initial rows",
     "relu(z)", IE1, 2000, 4000, ((3, 0.3), (4, 0.35)), "uniform", 0.0, "gaussian"),
    ("relu-staircase", "ReLU, staircase of two indices",
     "relu(z)", "z1 + z1*z2", 500, 1500, ((2, 0.3), (2, 0.35)), "rademacher"),
    ("softplus-ie1", "softplus, information exponent 1, label noise",
     "softplus(z)", IE1, 1000, 2000, ((4, 0.35), (5, 0.4)), "uniform", 0.5),
    ("softplus-absolute-value", "softplus, absolute value as target",
     "softplus(z)", "abs(z)", 500, 1000, ((4, 0.3), (4, 0.3)), "gaussian"),
    ("shifted-sine-ie1", "shifted sine, information exponent 1",
     "sin(z + 3/5)", IE1, 1000, 2000, ((3, 0.35), (3, 0.42)), "rademacher"),
)  # fmt: skip
_REUSED: tuple[tuple[Any, ...], ...] = (
    ("shifted-tanh-ie1", "shifted tanh, information exponent 1, label noise",
     "tanh(z + 7/10)", IE1, 1000, 2000, ((4, 0.38), (5, 0.42)), "rademacher", 0.3),
    ("shifted-tanh-ie3", "shifted tanh, information exponent 3",
     "tanh(z + 7/10)", IE3, 1000, 2000, ((4, 0.3), (4, 0.4)), "uniform"),
    ("shifted-tanh-staircase", "shifted tanh, staircase of two indices",
     "tanh(z + 7/10)", "z1 + z1*z2", 1000, 3000, ((3, 0.35), (3, 0.42)), "gaussian"),
    ("tanh-sine", "tanh, sine target, label noise",
     "tanh(z)", "sin(2*z)", 1000, 2000, ((4, 0.3), (4, 0.4)), "uniform", 0.3),
    ("shifted-erf-ie1", "shifted erf, information exponent 1, label noise",
     "erf(z + 1/2)", IE1, 1000, 2000, ((3, 0.35), (4, 0.4)), "rademacher", 0.5),
    ("shifted-erf-product", "shifted erf, product of two indices",
     "erf(z + 1/2)", "z1*z2", 1000, 2000, ((4, 0.3), (3, 0.4)), "rademacher"),
    ("gelu-quadratic", "GELU, quadratic target",
     "gelu(z)", "z + He2(z)/2", 2000, 4000, ((2, 0.3), (2, 0.3)), "uniform"),
    ("gelu-ie3", "GELU, information exponent 3",
     "gelu(z)", IE3, 500, 1500, ((2, 0.3), (3, 0.35)), "rademacher"),
    ("relu-tanh", "ReLU, tanh target, label noise",
     "relu(z)", "tanh(z)", 1000, 2000, ((3, 0.3), (3, 0.3)), "rademacher", 0.5),
    ("softplus-ie3", "softplus, information exponent 3",
     "softplus(z)", IE3, 1000, 2000, ((4, 0.3), (4, 0.4)), "rademacher"),
    ("shifted-sine-ie3", "shifted sine, information exponent 3",
     "sin(z + 3/5)", IE3, 500, 1500, ((2, 0.35), (4, 0.35)), "uniform"),
    ("sine-staircase", "sine, staircase of two indices",
     "sin(z)", "z1 + z1*z2", 1000, 3000, ((2, 0.35), (2, 0.4)), "rademacher"),
)  # fmt: skip


def _level(
    batch: Any, name: str, title: str, activation: str, target: str, dim: int, samples: Any,
    steps: Any, readout: Any, noise_std: float = 0.0, init: Any = "sphere",
) -> Case:  # fmt: skip
    problem = Problem(
        activation, target, 1000, dim, samples, steps, batch=batch, readout=readout,
        noise_std=noise_std, init=init,
    )  # fmt: skip
    return Case(f"{name}-{batch}", title, problem)


# The problems on which the deformed level has to stand at N = 1000, whatever the readout law,
# aspect ratio or activation; steps large enough that the bulk is visibly deformed.
LEVELS: dict[str, Case] = by_name(
    *(_level("independent", *row) for row in _INDEPENDENT),
    *(_level("reused", *row) for row in _REUSED),
)
