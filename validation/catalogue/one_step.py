"""One gradient step: the transition of its outlier, larger steps, and what they cannot learn."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, IE2, Case, by_name

__all__ = ["ONE_STEP", "TRANSITION"]


_PROBLEM = Problem("tanh(z + 7/10)", IE1, 1000, 1000, 2000, Step(4, 0.25), readout="rademacher")

# Steps that do not grow with N: the outlier leaves the bulk where the strength of its spike, which
# grows with the step, passes (N/d)^(1/4).
TRANSITION: dict[str, Case] = by_name(
    *(
        Case(
            f"onestep-constant-{scale:g}",
            f"constant step {scale:g}",
            _PROBLEM.replace(steps=Step(scale, 0.0)),
        )
        for scale in (1, 2, 3, 4, 6, 8, 12)
    )
)

ONE_STEP: dict[str, Case] = by_name(
    Case("onestep-quarter", "one step of size 4 N^(1/4)", _PROBLEM),
    Case(
        "onestep-near-half",
        "one step of size 2 N^0.45",
        _PROBLEM.replace(steps=Step(2, 0.45)),
    ),
    Case(
        "onestep-relu",
        "one step of a ReLU network",
        _PROBLEM.replace(activation="relu(z)", target="tanh(z)"),
    ),
    Case("onestep-ie2", "one step, information exponent 2", _PROBLEM.replace(target=IE2)),
    Case(
        "onestep-staircase",
        "one step, staircase of two indices",
        _PROBLEM.replace(target="z1 + z1*z2"),
    ),
)
