"""Predictions held against samples: what is tested, when it agrees, and the result."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from validation.comparison.result import Comparison

__all__ = ["Comparison"]

load_on_demand(
    __name__,
    {
        "validation.comparison.result": "Comparison",
    },
)
