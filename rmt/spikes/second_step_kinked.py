"""The second step on a reused batch when the activation has kinks (see `rmt.spikes.second_step`).

Given ``(y, zeta)`` the pre-activation is ``Z + S`` with
``S = t (phi_1 y sigma'(Z) + mu_1 zeta + mu_2 Ey Z + tau xi)``. Both the inner slope ``sigma'(Z)``
and the outer ``sigma'(Z + S)`` jump, at places that meet as ``t -> 0``. Below,
``alpha = 1 + t mu_2 Ey``.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import scipy
from numpy.typing import NDArray

from rmt.functions import ScalarFunction
from rmt.functions.gaussian import gauss_legendre
from rmt.functions.quadrant import normal_density, quadrant
from rmt.functions.smoothing import HALF_WIDTH, smoothed
from rmt.spikes.constants import Constants
from rmt.spikes.labels import LabelLaw

__all__ = ["reused_kinked", "reused_piecewise_linear"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

_TINY = 1e-150  # its inverse squared does not overflow


def reused_piecewise_linear(
    sigma: ScalarFunction, c: Constants, phi: float, t: Array, law: LabelLaw
) -> Pair:
    """Piecewise linear activation: closed form by the bivariate normal distribution function.

    On a piece of ``sigma`` that contains ``Z`` the slope is a constant ``s_p``, so there ``Z + S =
    V + m_p`` with ``V = alpha Z + t tau xi`` Gaussian and ``m_p = t (phi y s_p + mu_1 zeta)``. With
    ``rho^2 = E[V^2]``, ``r = alpha / rho``, ``q = |t| tau / rho`` and ``x = (kappa - m_p) / rho``
    for a kink ``kappa`` where the slope jumps by ``J``, everything follows from

        P(Z < u, V > kappa - m_p)       = Phi(u) - Phi_2(u, x; r)
        E[V / rho; Z < u, V > rho x]    = p(x) Phi((u - r x)/q) - r p(u) Phi((r u - x)/q).
    """
    assert law.y is not None and sigma.polynomial_pieces is not None
    pieces = [
        (low, high, (*coefficients, 0.0, 0.0)[:2])
        for low, high, coefficients in sigma.polynomial_pieces
    ]
    t = t[:, None, None]
    alpha = 1.0 + t * (c.mu2 * c.Ey)
    q = np.maximum(np.abs(t) * c.tau, _TINY)
    rho = np.hypot(alpha, q)
    r, q = alpha / rho, q / rho
    value = np.zeros((t.shape[0], law.y.size, law.zeta.size))
    slope = np.zeros_like(value)
    first_constant, first_slope = pieces[0][2]
    for low, high, (_, inner_slope) in pieces:
        m = t * (phi * inner_slope * law.y[:, None] + c.mu1 * law.zeta)
        mass = scipy.special.ndtr(high) - scipy.special.ndtr(low)
        mean = m * mass + alpha * (normal_density(low) - normal_density(high))  # E[V + m; piece]
        value += first_constant * mass + first_slope * mean
        slope += first_slope * mass
        for before, after in itertools.pairwise(pieces):
            jump = after[2][1] - before[2][1]
            kappa = after[0]
            x = (kappa - m) / rho
            above, _, first = (
                to_high - to_low
                for to_high, to_low in zip(
                    quadrant(high, x, r, q), quadrant(low, x, r, q), strict=True
                )
            )
            value += jump * (rho * first - (kappa - m) * above)
            slope += jump * above
    shape = (t.shape[0], -1)
    return value.reshape(shape), slope.reshape(shape)


def reused_kinked(
    sigma: ScalarFunction, c: Constants, phi: float, t: Array, law: LabelLaw, nodes_per_unit: float
) -> Pair:
    """Any kinked activation: ``xi`` smoothed first, then the law of ``Z`` pushed onto a grid.

    Smoothed over ``xi``, ``sigma'`` at ``Z + S = U + t mu_1 zeta`` still rises within ``|t| tau``
    of each of its kinks, and for small ``t`` it does so next to a kink of the inner ``sigma'(Z)``.
    Panels over ``Z`` that grow geometrically from width ``|t| tau`` away from the kinks resolve
    both, for every ``t`` at the same cost. The law of ``U = alpha Z + t phi y sigma'(Z)`` given
    ``y`` is spread over a grid of ``u`` (by the weights of cubic interpolation), after which all
    ``zeta`` are one matrix product.
    """
    assert law.y is not None
    value = np.empty((t.size, law.y.size, law.zeta.size))
    slope = np.empty_like(value)
    order = max(6, math.ceil(1.5 * nodes_per_unit))
    for q, tq in enumerate(t):
        std = abs(tq) * c.tau
        z, weights = _graded_rule(sigma.kinks, std, order)
        inner = sigma.value_and_derivative(z)[1]
        u = (1.0 + tq * c.mu2 * c.Ey) * z + np.multiply.outer(tq * phi * law.y, inner)
        shift = tq * c.mu1 * law.zeta
        reach = np.abs(shift).max()
        grid = _graded_grid(sigma.kinks, std, u.min(), u.max(), reach, nodes_per_unit)
        far = grid[0] - reach, grid[-1] + reach
        fine = _graded_grid(sigma.kinks, std, *far, 0.0, 1.5 * nodes_per_unit)
        smooth = scipy.interpolate.CubicSpline(
            fine, np.stack(smoothed(sigma, fine, std, nodes_per_unit), axis=1)
        )
        law_of_u = _spread(u, weights, grid)
        at_grid = smooth(grid[:, None] + shift)  # (grid, zeta, value or slope)
        value[q], slope[q] = law_of_u @ at_grid[..., 0], law_of_u @ at_grid[..., 1]
    return value.reshape(t.size, -1), slope.reshape(t.size, -1)


def _graded_grid(
    kinks: tuple[float, ...],
    layer: float,
    low: float,
    high: float,
    reach: float,
    nodes_per_unit: float,
) -> Array:
    """Points from ``low`` to ``high``, closer where a smoothed kink may be shifted to."""
    coarse = max(0.2 / nodes_per_unit, (high - low) / 20_000)
    fine = max(layer / (2.5 * nodes_per_unit), 1e-9)
    points = [np.arange(low - 2.0 * coarse, high + 3.0 * coarse, coarse)]
    if fine < coarse:
        width = reach + 9.0 * layer
        for kink in kinks:
            near = np.arange(kink - width, kink + width + fine, fine)
            points.append(near[(near > low) & (near < high)])
    grid = np.unique(np.concatenate(points))
    apart = np.diff(grid) > 0.2 * min(fine, coarse)
    return np.asarray(grid[np.concatenate([[True], apart])])


def _spread(u: Array, weights: Array, grid: Array) -> Array:
    """Row by row, weights on ``grid`` that integrate cubics like ``weights`` at points ``u``."""
    first = np.clip(np.searchsorted(grid, u) - 2, 0, grid.size - 4)
    nodes = [grid[first + i] for i in range(4)]
    rows = (np.arange(u.shape[0]) * grid.size)[:, None] + first
    spread = np.zeros(u.shape[0] * grid.size)
    for i in range(4):
        cardinal = np.broadcast_to(weights, u.shape).copy()
        for j in range(4):
            if j != i:
                cardinal *= (u - nodes[j]) / (nodes[i] - nodes[j])
        spread += np.bincount((rows + i).ravel(), cardinal.ravel(), spread.size)
    return spread.reshape(u.shape[0], grid.size)


def _graded_rule(kinks: tuple[float, ...], layer: float, order: int) -> Pair:
    """Gauss-Legendre panels on |z| < 8.5, from width ``layer`` at the kinks growing by 1.7."""
    edges = {-HALF_WIDTH, HALF_WIDTH, *(k for k in kinks if abs(k) < HALF_WIDTH)}
    distance, width = 0.0, min(1.0, max(layer, 1e-9))
    while distance < 2.0 * HALF_WIDTH:
        distance += width
        width = min(1.0, 1.7 * width)
        for kink in kinks:
            edges |= {e for e in (kink - distance, kink + distance) if abs(e) < HALF_WIDTH}
    points = np.array(sorted(edges))
    points = points[np.concatenate([[True], np.diff(points) > 1e-12])]
    x, w = gauss_legendre(order)
    half = np.diff(points)[:, None] / 2.0
    z = (points[:-1, None] + half * (x + 1.0)).ravel()
    weights = (half * w).ravel() * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return z, weights
