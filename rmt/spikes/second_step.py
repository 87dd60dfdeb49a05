"""What a neuron's slope and output average to in the second step, given ``(y, zeta)``.

A neuron with readout ``g`` has been shifted by the first step: its pre-activation is ``Z + S`` with

    S = t (phi_1 y sigma'(Z) [reused batch only] + mu_1 zeta + mu_2 Ey Z + tau xi),

``t = eta_1 g / sqrt(N)``, ``Z, xi`` independent standard normals. The functions below return
``E[sigma(Z + S)]`` and ``Phi_t = E[sigma'(Z + S)]`` at all points of a `LabelLaw` for many ``t``
(theory.md, section 3).

Independent batch: ``Z + S`` is Gaussian given ``zeta``, so it is one Gaussian smoothing. Reused
batch: ``sigma'(Z)`` inside makes ``Z + S`` a nonlinear function of ``Z``: in closed form for a
piecewise linear activation (`rmt.spikes.piecewise_linear`), on grids for any other
(`rmt.spikes.second_step_on_grid`).
"""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array
from rmt.functions import ScalarFunction
from rmt.moments.smoothing import smoothed
from rmt.spikes.constants import Constants
from rmt.spikes.label_law import LabelLaw
from rmt.spikes.piecewise_linear import is_piecewise_linear, moments_of_piecewise_linear
from rmt.spikes.second_step_on_grid import reused_on_grid

__all__ = ["after_independent_batch", "after_reused_batch"]

Pair = tuple[Array, Array]


def after_independent_batch(
    sigma: ScalarFunction, c: Constants, t: Array, law: LabelLaw, nodes_per_unit: float
) -> Pair:
    """``E[sigma(Z + S)]``, ``E[sigma'(Z + S)]`` at the ``zeta`` nodes, each of shape (Q, J)."""
    std = np.hypot(1.0 + t * (c.mu2 * c.Ey), t * c.tau)
    return smoothed(sigma, np.multiply.outer(t * c.mu1, law.zeta), std[:, None], nodes_per_unit)


def after_reused_batch(
    sigma: ScalarFunction, c: Constants, phi: float, t: Array, law: LabelLaw, nodes_per_unit: float
) -> Pair:
    """The same at the points ``(y_a, zeta_j)``, each of shape (Q, A * J), by the best route."""
    if is_piecewise_linear(sigma):
        assert law.y is not None
        y, zeta = np.repeat(law.y, law.zeta.size), np.tile(law.zeta, law.y.size)
        value, slope, *_ = moments_of_piecewise_linear(sigma, c, phi, t, y, zeta)
        return value, slope
    return reused_on_grid(sigma, c, phi, t, law, nodes_per_unit)
