"""The problems on which learned features and ridge errors have to stand at N = 1000."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, IE2, Case, both_batches, by_name

__all__ = ["FEATURES", "SMALL_FEATURES"]


_SHIFTED_TANH = Problem(
    "tanh(z + 7/10)", IE1, 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)], noise_std=0.3
)
_SHIFTED_SINE = Problem(
    "sin(z + 3/5)", "z1 + z1*z2", 1000, 1000, 3000, [Step(2, 0.35), Step(2, 0.4)],
    readout="rademacher",
)  # fmt: skip

FEATURES: dict[str, Case] = by_name(
    *both_batches(
        "features-shifted-tanh-ie1", "shifted tanh, information exponent 1, label noise",
        _SHIFTED_TANH,
    ),
    *both_batches("features-shifted-erf-ie2", "shifted erf, information exponent 2", Problem(
        "erf(z + 1/2)", IE2, 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)], readout="rademacher",
    )),
    *both_batches("features-relu-tanh", "ReLU, tanh target, label noise", Problem(
        "relu(z)", "tanh(z)", 1000, 1000, 2000, [Step(3, 0.3), Step(3, 0.3)],
        readout="uniform", noise_std=0.5,
    )),
    *both_batches(
        "features-gelu-quadratic", "GELU, quadratic target, twice as many neurons as inputs",
        Problem(
            "gelu(z)", "z + He2(z)/2", 1000, 500, 1500, [Step(2, 0.3), Step(2, 0.3)],
            readout="uniform",
        ),
    ),
    *both_batches(
        "features-softplus-ie1", "softplus, information exponent 1, label noise",
        Problem(
            "softplus(z)", IE1, 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)], noise_std=0.5
        ),
    ),
    *both_batches(
        "features-shifted-sine-staircase", "shifted sine, staircase of two indices", _SHIFTED_SINE
    ),
)  # fmt: skip

# Two of them at half the size, for a look that takes seconds.
SMALL_FEATURES: dict[str, Case] = by_name(
    *both_batches(
        "features-small-tanh", "shifted tanh, information exponent 1, label noise, N = 500",
        _SHIFTED_TANH.replace(width=500, dim=500, samples=1000),
    ),
)  # fmt: skip
