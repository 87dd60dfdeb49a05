"""What the second step averages over a reused batch, for a piecewise linear activation.

On the piece ``p`` of ``sigma`` that contains ``Z`` the slope is a constant ``s_p``. There ``Z + S =
V + m_p`` with ``V = alpha Z + t tau xi`` Gaussian, ``alpha = r + t mu_2 Ey`` and ``m_p = t (phi_1 y
s_p + mu_1 zeta)``; and the outer slope is a sum of steps at the kinks. So every average is one of
two standard normals ``Z`` and ``X = V / rho`` over a quadrant (`quadrant`), with ``rho^2 =
E[V^2]`` and the correlation ``r = alpha / rho``.
"""

from __future__ import annotations

import itertools
import math
from typing import get_args

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.functions import ScalarFunction
from rmt.moments.quadrant import normal_density, quadrant
from rmt.spikes.second_step import Average, SecondStep, Wanted

__all__ = ["is_piecewise_linear", "of_piecewise_linear"]


_TINY = 1e-150  # its inverse squared does not overflow
_BLOCK = 1 << 14  # entries of a temporary array that stays in cache


def is_piecewise_linear(sigma: ScalarFunction) -> bool:
    """Whether `of_piecewise_linear` applies: linear pieces, and at least one kink."""
    pieces = sigma.polynomial_pieces if sigma.kinks else None
    return pieces is not None and all(len(coefficients) <= 2 for _, _, coefficients in pieces)


def of_piecewise_linear(step: SecondStep, t: Array, y: Array, zeta: Array, wanted: Wanted) -> Array:
    """Averages at the pairs ``(y_p, zeta_p)``, shape (len(wanted), Q, P), in closed form.

    Exact but for rounding, about 1e-15 of the slopes.
    """
    result = np.empty((len(wanted), t.size, y.size))
    block = max(1, _BLOCK // t.size)
    for start in range(0, y.size, block):
        check_time()
        rows = slice(start, start + block)
        found = _averages(step, t[:, None], y[rows], zeta[rows], "bend" in wanted)
        result[:, :, rows] = [found[name] for name in wanted]
    return result


def _averages(
    step: SecondStep, t: Array, y: Array, zeta: Array, with_bend: bool
) -> dict[Average, Array]:
    c, phi, polynomials = step.c, step.phi, step.sigma.polynomial_pieces
    assert polynomials is not None
    pieces = [(low, high, (*coefficients, 0.0, 0.0)[:2]) for low, high, coefficients in polynomials]
    alpha = step.along(t)
    spread = np.maximum(np.abs(t) * c.tau, _TINY)
    rho = np.hypot(alpha, spread)
    value, slope, slope_z, square, product, bend = result = np.zeros((6, t.size, y.size))
    first_constant, first_slope = pieces[0][2]
    for low, high, (_, inner) in pieces:
        m = t * (phi * inner * y + c.mu1 * zeta)
        mass = scipy.special.ndtr(high) - scipy.special.ndtr(low)
        mean = normal_density(low) - normal_density(high)  # E[Z; piece]
        value += first_constant * mass + first_slope * (m * mass + alpha * mean)
        slope += first_slope * mass
        slope_z += first_slope * mean
        square += first_slope**2 * mass
        product += inner * first_slope * mass
        for before, after in itertools.pairwise(pieces):
            kappa, old, new = after[0], before[2][1], after[2][1]
            x = (kappa - m) / rho
            up_to_high, up_to_low = (
                quadrant(end, x, alpha / rho, spread / rho) for end in (high, low)
            )
            mass_above, z_above, x_above = (
                upper - lower for upper, lower in zip(up_to_high, up_to_low, strict=True)
            )
            value += (new - old) * (rho * x_above - (kappa - m) * mass_above)
            slope += (new - old) * mass_above
            slope_z += (new - old) * z_above
            square += (new**2 - old**2) * mass_above
            product += inner * (new - old) * mass_above
            if with_bend:  # the density of Z + S at the kink, with Z on the piece
                below_low, below_high = (
                    scipy.special.ndtr((end - alpha / rho * x) * (rho / spread))
                    for end in (low, high)
                )
                density = np.exp(-(x**2) / 2.0) / (math.sqrt(2.0 * math.pi) * rho)
                bend += (new - old) * density * (below_high - below_low)
    return dict(zip(get_args(Average), result, strict=True))
