"""The second step on a fresh batch: given ``zeta``, ``Z + S`` is Gaussian."""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.smoothing import smoothed
from rmt.spikes.second_step import Average, SecondStep, Wanted

__all__ = ["in_fresh_batch", "squared_slope"]


def in_fresh_batch(
    step: SecondStep, t: Array, zeta: Array, wanted: Wanted, nodes_per_unit: float
) -> Array:
    """Averages at the ``zeta``, shape (len(wanted), Q, J), by Gaussian smoothing."""
    sigma, c = step.sigma, step.c
    along = step.along(t)[:, None]
    std = np.hypot(along, t[:, None] * c.tau)
    mean = np.multiply.outer(t * c.mu1, zeta)
    value, slope = smoothed(sigma, mean, std, nodes_per_unit)
    found: dict[Average, Array] = {"value": value, "slope": slope}
    if "square" in wanted:
        found["square"] = smoothed(squared_slope(sigma), mean, std, nodes_per_unit)[0]
    if "slope_z" in wanted or "bend" in wanted:
        moment = smoothed(_slope_times_argument(sigma), mean, std, nodes_per_unit)[0]
        # By parts, so that jumps of the slope count.
        found["bend"] = (moment - mean * slope) / std**2
        found["slope_z"] = along * found["bend"]
    return np.stack([found[name] for name in wanted])


@cached(64)
def squared_slope(sigma: ScalarFunction) -> ScalarFunction:
    """``sigma'^2``."""
    return ScalarFunction.parse(sigma.derivative_function.expression**2)


@cached(64)
def _slope_times_argument(sigma: ScalarFunction) -> ScalarFunction:
    return ScalarFunction.parse(sigma.symbols[0] * sigma.derivative_function.expression)
