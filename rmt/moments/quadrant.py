"""Two correlated standard normal variables over a quadrant."""

from __future__ import annotations

import math

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.budget import count_work

__all__ = ["normal_density", "quadrant"]


_TINY = 1e-150  # its inverse squared does not overflow
_WORK = 130.0  # of a point, mostly Owen's function


def quadrant(u: float, x: Array, r: Array, q: Array) -> tuple[Array, Array, Array]:
    """``P(Z < u, X > x)``, ``E[Z; Z < u, X > x]`` and ``E[X; Z < u, X > x]``.

    ``Z, X`` are standard normals of correlation ``r``, ``q = sqrt(1 - r^2) > 0``. The probability
    by Owen's function (Owen 1956), the means by Stein's identity:

        E[Z; ..] = r p(x) Phi((u - r x)/q) - p(u) Phi((r u - x)/q),

    and that of ``X`` with ``p(x)`` and ``r p(u)``.
    """
    count_work(_WORK * x.size)
    ndtr, owens_t = scipy.special.ndtr, scipy.special.owens_t
    zero = np.zeros(np.broadcast_shapes(x.shape, r.shape))
    density = np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi)
    if u == -math.inf:
        return zero, zero, zero
    if u == math.inf:
        return ndtr(-x) + zero, r * density, density + zero
    # At zero Owen's function is taken from the right.
    u, x = u if abs(u) > _TINY else _TINY, np.where(np.abs(x) > _TINY, x, _TINY)
    to_x, to_u = (np.clip(p / q, -1.0 / _TINY, 1.0 / _TINY) for p in (x - r * u, u - r * x))
    owen = owens_t(u, to_x / u) + owens_t(x, to_u / x)
    opposite = (u < 0) != (x < 0)
    both_below = (ndtr(u) + ndtr(x)) / 2.0 - owen - 0.5 * opposite
    at_x, at_u = density * ndtr(to_u), normal_density(u) * ndtr(-to_x)
    return ndtr(u) - both_below, r * at_x - at_u, at_x - r * at_u


def normal_density(u: float) -> float:
    """``exp(-u^2 / 2) / sqrt(2 pi)``."""
    return math.exp(-(u**2) / 2.0) / math.sqrt(2.0 * math.pi)
