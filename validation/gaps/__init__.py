"""The gap between theory and simulation against the width."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from validation.gaps.result import FiniteSize, GapCurve

__all__ = ["FiniteSize", "GapCurve"]

load_on_demand(
    __name__,
    {
        "validation.gaps.result": "FiniteSize GapCurve",
    },
)
