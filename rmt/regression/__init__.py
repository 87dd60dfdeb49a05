"""Ridge regression on the features of a network, before and after its training steps."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.regression.errors import RidgeErrors, ridge

__all__ = ["RidgeErrors", "ridge"]

load_on_demand(
    __name__,
    {
        "rmt.regression.errors": "RidgeErrors ridge",
    },
)
