"""One network at growing width, to see the gap between theory and simulation close."""

from __future__ import annotations

from rmt.problem import Problem, Step
from validation.catalogue.case import Case, by_name

__all__ = ["WIDTHS"]

_PROBLEM = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [Step(4, 0.3), Step(4, 0.4)],
    batch="reused", readout="rademacher",
)  # fmt: skip

WIDTHS: dict[str, Case] = by_name(
    *(
        Case(
            f"widths-{width}",
            f"N = {width}",
            _PROBLEM.replace(width=width, dim=width, samples=2 * width),
        )
        for width in (200, 400, 800, 1600)
    )
)
