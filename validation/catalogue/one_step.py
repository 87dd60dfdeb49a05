"""One gradient step: the transition of its outlier, larger steps, and what they cannot learn."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, IE2, Case, by_name

__all__ = ["ONE_STEP", "TRANSITION"]


def _one_step(activation: str, target: str, scale: float, exponent: float) -> Problem:
    return Problem(
        activation=activation,
        target=target,
        width=1000,
        dim=1000,
        samples=2000,
        steps=Step(scale, exponent),
        readout="rademacher",
    )


# Steps that do not grow with N: the outlier leaves the bulk where the strength of its spike, which
# grows with the step, passes (N/d)^(1/4).
TRANSITION: dict[str, Case] = by_name(
    *(
        Case(
            f"onestep-constant-{scale:g}",
            f"constant step {scale:g}",
            _one_step("tanh(z + 7/10)", IE1, scale, 0.0),
        )
        for scale in (1, 2, 3, 4, 6, 8, 12)
    )
)

ONE_STEP: dict[str, Case] = by_name(
    Case(
        "onestep-quarter",
        "one step of size 4 N^(1/4)",
        _one_step("tanh(z + 7/10)", IE1, 4.0, 0.25),
    ),
    Case(
        "onestep-near-half",
        "one step of size 2 N^0.45",
        _one_step("tanh(z + 7/10)", IE1, 2.0, 0.45),
    ),
    Case(
        "onestep-relu",
        "one step of a ReLU network",
        _one_step("relu(z)", "tanh(z)", 4.0, 0.25),
    ),
    Case(
        "onestep-ie2",
        "one step, information exponent 2",
        _one_step("tanh(z + 7/10)", IE2, 4.0, 0.25),
    ),
    Case(
        "onestep-staircase",
        "one step, staircase of two indices",
        _one_step("tanh(z + 7/10)", "z1 + z1*z2", 4.0, 0.25),
    ),
)
