"""Predictions along axes of a problem: arrays in, arrays out."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.sweep.driver import sweep
    from rmt.sweep.result import Sweep, SweepError
    from rmt.sweep.ridge_curves import RidgeSweep, sweep_ridge

__all__ = ["RidgeSweep", "Sweep", "SweepError", "sweep", "sweep_ridge"]

load_on_demand(
    __name__,
    {
        "driver": "sweep",
        "result": "Sweep SweepError",
        "ridge_curves": "RidgeSweep sweep_ridge",
    },
)
