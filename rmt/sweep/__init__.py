"""Predictions along axes of a problem: arrays in, arrays out."""

from rmt.sweep.driver import sweep
from rmt.sweep.result import Sweep, SweepError
from rmt.sweep.ridge_curves import RidgeSweep, sweep_ridge

__all__ = ["RidgeSweep", "Sweep", "SweepError", "sweep", "sweep_ridge"]
