"""The problems whose weights are looked at, by what they show; `levels` has all kinds."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import IE1, IE2, IE3, Case, both_batches, by_name

__all__ = [
    "BATCHES", "CASES", "COUNTS", "ONE_STEP", "PLANE", "PLANE_EXPONENTS", "SCATTERED",
    "STAIRCASES", "TRANSITION", "WIDTHS",
]  # fmt: skip


# --- independent against reused batches, for targets of information exponent 1, 2 and 3 -----------


def _two_steps(name: str, title: str, target: str) -> tuple[Case, Case]:
    """The setting of theory.md, section 8, at N = 1000."""
    problem = Problem("tanh(z + 7/10)", target, 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)])
    return both_batches(name, title, problem)


_FIRST = _two_steps("ie1", "information exponent 1", IE1)
_SECOND = _two_steps("ie2", "information exponent 2", IE2)
_THIRD = _two_steps("ie3", "information exponent 3", IE3)

# The demo's problems.
CASES: dict[str, Case] = by_name(*_FIRST, *_THIRD)

BATCHES: dict[str, Case] = by_name(*_FIRST, *_SECOND, *_THIRD)


# --- one step: the transition of its outlier, larger steps, and what they cannot learn ------------

_ONE_STEP = Problem("tanh(z + 7/10)", IE1, 1000, 1000, 2000, Step(4, 0.25), readout="rademacher")

# Steps that do not grow with N: the outlier leaves the bulk where the strength of its spike, which
# grows with the step, passes (N/d)^(1/4).
TRANSITION: dict[str, Case] = by_name(
    *(
        Case(
            f"onestep-constant-{scale:g}",
            f"constant step {scale:g}",
            _ONE_STEP.replace(steps=Step(scale, 0.0)),
        )
        for scale in (1, 2, 3, 4, 6, 8, 12)
    )
)

ONE_STEP: dict[str, Case] = by_name(
    Case("onestep-quarter", "one step of size 4 N^(1/4)", _ONE_STEP),
    Case(
        "onestep-near-half",
        "one step of size 2 N^0.45",
        _ONE_STEP.replace(steps=Step(2, 0.45)),
    ),
    Case(
        "onestep-relu",
        "one step of a ReLU network",
        _ONE_STEP.replace(activation="relu(z)", target="tanh(z)"),
    ),
    Case("onestep-ie2", "one step, information exponent 2", _ONE_STEP.replace(target=IE2)),
    Case(
        "onestep-staircase",
        "one step, staircase of two indices",
        _ONE_STEP.replace(target="z1 + z1*z2"),
    ),
)

# --- targets of several indices: the second step learns what the first one has opened -------------

_STAIRCASE = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [Step(2, 0.35), Step(2, 0.4)],
    readout="rademacher",
)  # fmt: skip

STAIRCASES: dict[str, Case] = by_name(
    *both_batches("staircase-2", "z1 + z1 z2", _STAIRCASE),
    *both_batches(
        "staircase-fork", "z1 + z1 z2 + z1 z3", _STAIRCASE.replace(target="z1 + z1*z2 + z1*z3")
    ),
    *both_batches(
        "staircase-3",
        "z1 + z1 z2 + z2 z3",
        _STAIRCASE.replace(
            target="z1 + z1*z2 + z2*z3", steps=[Step(2, 0.35), Step(3, 0.42)], readout="uniform"
        ),
    ),
)

# --- an outlier that no mean update makes, but what the steps scatter along the target ------------

SCATTERED: dict[str, Case] = by_name(
    Case(
        "scattered-ie2",
        "two fresh steps of a ReLU network with many samples, information exponent 2",
        Problem(
            "relu(z)", "He2(z)/sqrt(2)", 1000, 1000, 8000, [Step(4.5, 0.3)] * 2, "independent",
            "rademacher",
        ),
    ),
)  # fmt: skip

# --- the number of outliers over the plane of the two steps' exponents ----------------------------

_SOFTPLUS = Problem(
    "softplus(z + 1/2)", IE1, 1000, 1000, 1000, [Step(4, 0.0), Step(2, 0.0)], readout="uniform"
)
_STRONGER = f"11*({IE1})/5"

# Points on both sides of the line alpha_2 = 1/2 - alpha_1, on which the second outlier appears.
# The steps and labels are such that at N = 250 the number of outliers is still that of the other
# side, and the growth or decay of the second spike's strength, N^(alpha_1 + alpha_2 - 1/2), turns
# it within the sizes that can be simulated.
COUNTS: dict[str, Case] = {
    name: Case(name, title, _SOFTPLUS.replace(target=target, steps=steps))
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

_HALF = _SOFTPLUS.replace(width=500, dim=500, samples=500)

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

# --- one network at growing width, to see the gap between theory and simulation close -------------

_SINE = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)],
    batch="reused", readout="rademacher",
)  # fmt: skip

WIDTHS: dict[str, Case] = by_name(
    *(
        Case(
            f"widths-{width}",
            f"N = {width}",
            _SINE.replace(width=width, dim=width, samples=2 * width),
        )
        for width in (200, 400, 800, 1600)
    )
)
