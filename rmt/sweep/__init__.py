"""Predictions along axes of a problem: arrays in, arrays out."""

from rmt.sweep.driver import sweep
from rmt.sweep.result import Sweep, SweepError

__all__ = ["Sweep", "SweepError", "sweep"]
