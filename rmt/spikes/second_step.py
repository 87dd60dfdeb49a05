"""What a neuron's slope and output average to in the second step, given ``(y, zeta)``.

A neuron with readout ``g`` has been shifted by the first step: its pre-activation is ``Z + S`` with

    S = t (phi_1 y sigma'(Z) [reused batch only] + mu_1 zeta + mu_2 Ey Z + tau xi),   t = eta_1 g /
    sqrt N,

``Z, xi`` independent standard normals. The functions below return ``E[sigma(Z + S)]`` and
``Phi_t = E[sigma'(Z + S)]`` at all points of a `LabelLaw` for many ``t`` (theory.md, section 3).

Independent batch: ``Z + S`` is Gaussian given ``zeta``, so it is one Gaussian smoothing. Reused
batch: ``sigma'(Z)`` inside makes ``Z + S`` a nonlinear function of ``Z``, and the route depends on
the activation: smooth, piecewise linear (closed form), or kinked otherwise.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import CubicSpline

from rmt.functions import ScalarFunction
from rmt.functions.gaussian import gauss_legendre, gaussian_rule
from rmt.functions.smoothing import HALF_WIDTH, smoothed
from rmt.spikes.constants import Constants
from rmt.spikes.labels import LabelLaw, hermite_nodes, orthonormal_hermite, significant

__all__ = [
    "after_independent_batch",
    "after_reused_batch",
    "reused_kinked",
    "reused_piecewise_linear",
    "reused_smooth",
]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

_TINY = 1e-300
_MOST_OF_W = 2.0
_NARROWEST = 64.0
_STENCIL = 8
_LARGE = 0.1  # of the largest label that counts, to which the integral over Z is resolved
_BLOCK = 1 << 14  # entries of a temporary array that stays in cache


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
    if not sigma.kinks:
        return reused_smooth(sigma, c, phi, t, law, nodes_per_unit)
    pieces = sigma.polynomial_pieces
    if pieces is not None and all(len(coefficients) <= 2 for _, _, coefficients in pieces):
        return reused_piecewise_linear(sigma, c, phi, t, law)
    return reused_kinked(sigma, c, phi, t, law, nodes_per_unit)


def reused_smooth(
    sigma: ScalarFunction, c: Constants, phi: float, t: Array, law: LabelLaw, nodes_per_unit: float
) -> Pair:
    """Smooth activation: quadrature over ``Z`` on nodes of ``mu_1 zeta + tau xi``.

    ``zeta`` and ``xi`` enter through ``w = mu_1 zeta + tau xi`` alone, and ``Z + S = U + t w`` with
    ``U = alpha Z + t phi y sigma'(Z)``. The expectation over ``Z`` is taken on Gauss-Hermite nodes
    of ``w``, where it pays after the law of ``U`` given ``y`` has been spread over a grid. That
    over ``xi`` given ``zeta`` is Mehler's formula, a fixed matrix, since ``w`` and ``zeta`` are
    jointly Gaussian.
    """
    assert law.y is not None
    std_w = math.hypot(c.mu1 * math.sqrt(c.B), c.tau)
    value = np.empty((t.size, law.y.size, law.zeta.size))
    slope = np.empty_like(value)
    # U moves with Z up to 1 + |t phi y sigma''| times as fast, and the integrand narrows.
    probe = np.linspace(-HALF_WIDTH, HALF_WIDTH, 341)
    curvature = np.abs(np.gradient(sigma.derivative(probe), probe)).max()
    narrowing = phi * curvature * np.minimum(np.abs(law.y), _LARGE * c.large_label)
    narrowing = 1.0 + np.multiply.outer(np.abs(t), narrowing)
    levels = np.ceil(2.0 * np.log2(np.minimum(narrowing, _NARROWEST))).astype(int)  # half octaves
    rules = {}
    for level in np.unique(levels):
        rule = gaussian_rule(nodes_per_unit * 2.0 ** (level / 2.0), HALF_WIDTH)
        rules[level] = rule.nodes[0], rule.weights, sigma.derivative(rule.nodes[0])
    spacing = 1.0 / (5.0 * nodes_per_unit)
    for q, tq in enumerate(t):
        groups = []
        for level in np.unique(levels[q]):
            z, weights, inner = rules[level]
            same = np.flatnonzero(levels[q] == level)
            block = max(1, _BLOCK // z.size)
            for rows in np.split(same, range(block, same.size, block)):
                u = np.multiply.outer(tq * phi * law.y[rows], inner)
                u += (1.0 + tq * c.mu2 * c.Ey) * z
                groups.append((rows, u, weights))
        order = _nodes_of_w(abs(tq) * std_w, law.n_hermite)
        w = tq * std_w * hermite_nodes(order)[0]
        at_w = _mean_over_z(sigma, groups, law.y.size, w, spacing)
        value[q], slope[q] = at_w @ _regression(
            order, law.n_hermite, c.mu1 * math.sqrt(c.B) / std_w
        )
    return value.reshape(t.size, -1), slope.reshape(t.size, -1)


def _mean_over_z(
    sigma: ScalarFunction,
    groups: list[tuple[NDArray[np.int64], Array, Array]],
    n_rows: int,
    w: Array,
    spacing: float,
) -> Array:
    """``E[sigma(U + w)]`` and ``E[sigma'(U + w)]``, shape (2, n_rows, w.size), for groups of rows.

    A group holds the rows, values of ``U`` in each and their common weights. Either every value
    is evaluated with every ``w``, or the law of ``U`` is first spread over a grid: whichever is
    cheaper, by costs counted in evaluations.
    """
    low = min(u.min() for _, u, _ in groups) - _STENCIL * spacing
    high = max(u.max() for _, u, _ in groups) + _STENCIL * spacing
    count = math.ceil((high - low) / spacing)
    points = sum(u.size for _, u, _ in groups)
    means = np.zeros((2, n_rows, w.size))
    if points * w.size < points * 10.0 + count * w.size * (1.0 + 0.015 * n_rows):
        for rows, u, weights in groups:
            block = max(1, _BLOCK // (u.shape[1] * w.size))
            for start in range(0, rows.size, block):
                some = slice(start, start + block)
                parts = sigma.value_and_derivative(u[some, None, :] + w[:, None])
                for mean, part in zip(means, parts, strict=True):
                    mean[rows[some]] = part @ weights
        return means
    law_of_u = np.empty((n_rows, count))
    for rows, u, weights in groups:
        law_of_u[rows] = _spread_evenly((u - low) / spacing, weights, count)
    block = max(1, _BLOCK // w.size)
    for start in range(0, count, block):
        grid = low + spacing * np.arange(start, min(start + block, count))
        parts = sigma.value_and_derivative(grid[:, None] + w)
        for mean, part in zip(means, parts, strict=True):
            mean += law_of_u[:, start : start + block] @ part
    return means


def _spread_evenly(position: Array, weights: Array, count: int) -> Array:
    """Row by row, weights on ``0 .. count - 1`` that integrate like ``weights`` at the positions.

    Exact for polynomials of degree 7: the weights of Lagrange interpolation on the 8 nearest nodes.
    """
    first = position.astype(np.int64) - (_STENCIL // 2 - 1)
    distances = [position - first - i for i in range(_STENCIL)]
    rows = (np.arange(position.shape[0]) * count)[:, None] + first
    before = [np.broadcast_to(weights, position.shape)]
    for distance in distances[:-1]:
        before.append(before[-1] * distance)
    after = np.ones_like(position)
    total = np.zeros(position.shape[0] * count)
    for i in reversed(range(_STENCIL)):
        scale = math.factorial(i) * math.factorial(_STENCIL - 1 - i) * (-1) ** (_STENCIL - 1 - i)
        cardinal = before[i] * after / scale
        total += np.bincount((rows + i).ravel(), cardinal.ravel(), total.size)
        after *= distances[i]
    return total.reshape(position.shape[0], count)


def _nodes_of_w(size: float, n_hermite: int) -> int:
    """Gauss-Hermite nodes for a function of ``size * x`` that varies on the scale 1.

    Its Hermite coefficients decay like ``(size^2 / (1 + size^2))^(k/2)``: the number of nodes that
    a given accuracy takes grows with the size, as long as the large sizes are not too rare to
    matter.
    """
    decay = math.log1p(1.0 / max(size, 1e-8) ** 2)
    share = min(math.log(2.0) / decay, _MOST_OF_W)
    return 4 * math.ceil(max(8.0, n_hermite * share) / 4.0)


@lru_cache(maxsize=256)
def _regression(order: int, n_hermite: int, correlation: float) -> Array:
    """From values at the nodes of ``w`` to expectations given the nodes of ``zeta`` (Mehler)."""
    at_w = hermite_nodes(order)[1]
    x_zeta = hermite_nodes(n_hermite)[0][significant(n_hermite)]
    damped = at_w.T * correlation ** np.arange(order)
    return np.asarray(at_w[0][:, None] * (damped @ orthonormal_hermite(x_zeta, order)))


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
        mass = special.ndtr(high) - special.ndtr(low)
        mean = m * mass + alpha * (_density(low) - _density(high))  # E[V + m; piece]
        value += first_constant * mass + first_slope * mean
        slope += first_slope * mass
        for before, after in itertools.pairwise(pieces):
            jump = after[2][1] - before[2][1]
            kappa = after[0]
            x = (kappa - m) / rho
            above = _upper_mass(high, x, r, q) - _upper_mass(low, x, r, q)
            first = _upper_mean(high, x, r, q) - _upper_mean(low, x, r, q)
            value += jump * (rho * first - (kappa - m) * above)
            slope += jump * above
    shape = (t.shape[0], -1)
    return value.reshape(shape), slope.reshape(shape)


def _density(u: float) -> float:
    return math.exp(-(u**2) / 2.0) / math.sqrt(2.0 * math.pi)


def _upper_mass(u: float, x: Array, r: Array, q: Array) -> Array | float:
    """``P(Z < u, X > x)`` for standard normals of correlation ``r``, ``q = sqrt(1 - r^2)``."""
    if u == -math.inf:
        return 0.0
    if u == math.inf:
        return np.asarray(special.ndtr(-x))
    u = u if u != 0 else _TINY
    x = np.where(x == 0, _TINY, x)
    owen = special.owens_t(u, (x - r * u) / (u * q)) + special.owens_t(x, (u - r * x) / (x * q))
    both_below = (special.ndtr(u) + special.ndtr(x)) / 2.0 - owen - np.where(u * x < 0, 0.5, 0.0)
    return np.asarray(special.ndtr(u) - both_below)


def _upper_mean(u: float, x: Array, r: Array, q: Array) -> Array | float:
    """``E[X; Z < u, X > x]``."""
    if u == -math.inf:
        return 0.0
    density = np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi)
    if u == math.inf:
        return np.asarray(density)
    return np.asarray(
        density * special.ndtr((u - r * x) / q) - r * _density(u) * special.ndtr((r * u - x) / q)
    )


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
        smooth = CubicSpline(fine, np.stack(smoothed(sigma, fine, std, nodes_per_unit), axis=1))
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
