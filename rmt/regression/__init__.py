"""Ridge regression on the features of a network, before and after its training steps."""

from rmt.regression.errors import RidgeErrors, ridge

__all__ = ["RidgeErrors", "ridge"]
