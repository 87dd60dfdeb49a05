"""Which signs an output has wrong, as a mean over nodes of samples."""

from __future__ import annotations

import math

import numpy as np
import scipy

from rmt.arrays import Array

__all__ = ["wrong_signs"]


WIDTH = 0.25  # of the smoothing, in standard deviations of the output
TINY = 1e-300


def wrong_signs(margin: Array, weights: Array) -> tuple[float, float]:
    """``P(y h < 0)`` and an estimate of its error; nan for an output that is nothing.

    Of margins ``y h`` and their probabilities.

    A sum over nodes of what jumps converges like their distance. Smoothed by a normal law of width
    ``delta`` it converges fast, and ``delta`` is extrapolated to zero: the error is of its sixth
    power where ``y h`` has a smooth density at zero.
    """
    size = float(np.sqrt(weights @ margin**2))
    if not size > TINY:
        return math.nan, math.nan
    ndtr, delta = scipy.special.ndtr, WIDTH * size
    one, two, four = (float(weights @ ndtr(-margin / (delta * 2.0 ** (k / 2.0)))) for k in range(3))
    linear, found = 2.0 * one - two, (8.0 * one - 6.0 * two + four) / 3.0  # in delta^2
    return min(max(found, 0.0), 1.0), abs(found - linear)
