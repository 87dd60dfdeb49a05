"""What a neuron's slope and output average to in the second step, given ``(y, zeta)``.

A neuron with readout ``g`` has been shifted by the first step: its pre-activation is ``Z + S`` with

    S = t (phi_1 y sigma'(Z) [reused batch only] + mu_1 zeta + mu_2 Ey Z + tau xi),

``t = eta_1 g / sqrt(N)``, ``Z, xi`` independent standard normals. The functions below return
``E[sigma(Z + S)]`` and ``Phi_t = E[sigma'(Z + S)]`` at all points of a `LabelLaw` for many ``t``
(theory.md, section 3).

Independent batch: ``Z + S`` is Gaussian given ``zeta``, so it is one Gaussian smoothing. Reused
batch: ``sigma'(Z)`` inside makes ``Z + S`` a nonlinear function of ``Z``, and the route depends on
the activation: smooth (here), piecewise linear in closed form, or kinked otherwise
(`rmt.spikes.second_step_kinked`).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt.budget import check_time
from rmt.functions import ScalarFunction
from rmt.functions.gaussian import gaussian_rule
from rmt.functions.hermite_values import orthonormal_hermite
from rmt.functions.smoothing import HALF_WIDTH, smoothed
from rmt.spikes.constants import Constants
from rmt.spikes.labels import LabelLaw, hermite_nodes, significant
from rmt.spikes.refinement import TooCostly
from rmt.spikes.second_step_kinked import reused_kinked, reused_piecewise_linear

__all__ = [
    "after_independent_batch",
    "after_reused_batch",
    "reused_smooth",
]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

_MOST_OF_W = 2.0  # nodes of w at the largest steps, relative to those of zeta
_LARGE = 0.1  # of the largest label that counts, to which the integral over Z is resolved
_NARROWEST = 64.0
_STENCIL = 8
_BLOCK = 1 << 14  # entries of a temporary array that stays in cache
_MAX_EVALUATIONS = 1e10  # of the activation in one solve


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
    evaluations = 0.0
    for q, tq in enumerate(t):
        check_time()
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
        at_w, work = _mean_over_z(sigma, groups, law.y.size, w, spacing)
        evaluations += work
        if evaluations > _MAX_EVALUATIONS:
            raise TooCostly
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
) -> tuple[Array, float]:
    """``E[sigma(U + w)]`` and ``E[sigma'(U + w)]``, shape (2, n_rows, w.size), and their cost.

    A group holds the rows, values of ``U`` in each and their common weights. Either every value is
    evaluated with every ``w``, or the law of ``U`` is first spread over a grid: whichever is
    cheaper, by costs counted in evaluations. Raises OverflowError where the largest shifts take the
    activation beyond floating point.
    """
    low, high = min(u.min() for _, u, _ in groups), max(u.max() for _, u, _ in groups)
    ends = np.array([low + w.min(), high + w.max()])
    if not np.all(np.isfinite(sigma.value_and_derivative(ends))):
        raise OverflowError  # at two points: each would be tried again in unbounded arithmetic
    low, high = low - _STENCIL * spacing, high + _STENCIL * spacing
    count = math.ceil((high - low) / spacing)
    points = sum(u.size for _, u, _ in groups)
    means = np.zeros((2, n_rows, w.size))
    directly = float(points * w.size)
    spread = points * 10.0 + count * w.size * (1.0 + 0.015 * n_rows)
    if directly < spread:
        for rows, u, weights in groups:
            block = max(1, _BLOCK // (u.shape[1] * w.size))
            for start in range(0, rows.size, block):
                some = slice(start, start + block)
                parts = sigma.value_and_derivative(u[some, None, :] + w[:, None])
                for mean, part in zip(means, parts, strict=True):
                    mean[rows[some]] = part @ weights
        return means, directly
    law_of_u = np.empty((n_rows, count))
    for rows, u, weights in groups:
        law_of_u[rows] = _spread_evenly((u - low) / spacing, weights, count)
    block = max(1, _BLOCK // w.size)
    for start in range(0, count, block):
        grid = low + spacing * np.arange(start, min(start + block, count))
        parts = sigma.value_and_derivative(grid[:, None] + w)
        for mean, part in zip(means, parts, strict=True):
            mean += law_of_u[:, start : start + block] @ part
    return means, spread


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
