"""What the gradient steps add to the weights besides their mean: its Gaussian equivalent.

Given the readout ``a = g / sqrt(N)`` of a neuron, its update fluctuates by ``(1/n) sum_j kappa_j
x_j`` around the mean of theory.md, section 3, with

    kappa1 = eta_1 a y (sigma'(Z) - mu_1),     kappa2 = eta_2 a (y - h) (sigma'(Z + S) - Phi_t)

and ``kappa = kappa1 + kappa2`` on the one batch (reused), ``kappa_b`` on batch ``b`` (independent).
To leading order only two functions of ``a`` and of the sample ``(y, zeta)`` matter (section 4):

    L = E[kappa Z],     V = Var[kappa] - L^2          (over Z, xi).

The second step also acts on the first step's fluctuation ``delta_i`` of a neuron: ``kappa2`` of a
sample depends on ``delta_i^T x``, and by Stein's identity ``E[kappa2 x | delta_i]`` contains ``c(a)
delta_i`` with

    c(a) = eta_2 a E[(y - h) sigma''(Z + S)].

Linked steps have ``(1 + c(a)) kappa1`` in the place of ``kappa1``, and, for the mean of ``delta_i``
is in ``S`` already, ``L - c(a) t mu_2 Ey`` in that of ``L`` (docs/deformed.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array, Integers
from rmt.budget import check_time
from rmt.functions import ScalarFunction
from rmt.moments.rules import gauss_legendre, gaussian_rule, tensor_rule
from rmt.problem import Problem
from rmt.spikes.constants import Constants, activation_moments, constants
from rmt.spikes.deformed.fluctuations_reused import curvature, moments_of_reused_batch
from rmt.spikes.label_law import hermite_nodes
from rmt.spikes.piecewise_linear import is_piecewise_linear, moments_of_piecewise_linear

__all__ = ["BatchFluctuations", "fluctuations"]


_HALF_WIDTH = 7.5
# By the number of directions: nodes per unit of z, nodes of omega, nodes of small label noise, and
# the share of E[1 + y^2 / Ey2] that rare nodes may add up to for all of them to be dropped.
_SAMPLE_RULES = {1: (4.0, 12.0, 5.0, 1e-6), 2: (2.0, 9.0, 4.0, 1e-5), 3: (1.4, 8.0, 3.0, 1e-4)}
_PANEL_ORDER = 48
_SHIFT = 0.05  # of the pre-activation, at the largest readout


@dataclass(frozen=True, slots=True)
class BatchFluctuations:
    """``L`` and ``V`` of one batch, on the nodes of the readout and of the samples.

    Attributes
    ----------
    weights : array, shape (P,)
        Probability weights of the sample nodes.
    linear : array, shape (Q, P)
        ``L(a_q; p)``.
    variance : array, shape (Q, P)
        ``V(a_q; p) >= 0``.
    sample_ratio : float
        ``phi_b = d / n_b``.
    mean : array, shape (Q, P)
        What the update is proportional to in the mean, per unit of ``eta_b a``: ``psi_t = (y - h)
        Phi_t`` of the second step, ``mu_1 y`` for a batch of the first step alone.
    y : array, shape (P,)
        Labels of the sample nodes, noise included.
    z : array, shape (r, P)
        Their index values.
    omega : array of shape (P,), or None
        ``(zeta - b.z) / sqrt(phi_1 Ey2)``, standard normal and independent of ``z`` and ``y``.
        None when the nodes do not resolve ``zeta``, on which nothing in a first step depends.
    """

    weights: Array
    linear: Array
    variance: Array
    sample_ratio: float
    mean: Array
    y: Array
    z: Array
    omega: Array | None


@dataclass(frozen=True, slots=True)
class _Samples:
    """Quadrature nodes of ``(y, zeta)``, each of shape (P,), with the ``z`` and ``omega`` below.

    ``z`` has shape (r, P); without ``omega`` (None) ``zeta`` is ``b.z`` alone.
    """

    weights: Array
    y: Array
    zeta: Array
    z: Array | None = None
    omega: Array | None = None


def fluctuations(
    problem: Problem, g: Array, w: Array, resolution: float = 1.0, linked: bool = False
) -> list[BatchFluctuations]:
    """Gaussian equivalent of the fluctuations of every batch.

    Parameters
    ----------
    problem : Problem
    g, w : array, shape (Q,)
        Nodes and weights of the law of the readout.
    resolution : float
        Multiplies the number of nodes of every other variable.
    linked : bool
        Whether the second step acts on the fluctuation of the first.

    Notes
    -----
    At a node, ``L`` and ``V`` are closed form (piecewise linear activation) or accurate to about
    1e-8, divided by what the node contributes to ``E[1 + y^2 / Ey2]``. Averages over the samples
    depend on their rule: relative errors are about 1e-5 for one direction and moderate steps, 1e-3
    for three, 1e-2 for a cubic target and steps near ``N^{1/2}``. `fluctuation_error` estimates
    them.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem("relu(z)", "sin(2*z)", 500, 500, 900, [Step(2, 0.3)] * 2, batch="reused")
    >>> (batch,) = fluctuations(problem, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    >>> (batch.variance @ batch.weights).round(3).tolist()
    [0.04, 0.04]
    """
    c = constants(problem)
    a = g / math.sqrt(problem.width)
    first = problem.learning_rates[0] * a
    if len(problem.steps) == 1:
        return [_first_batch(problem, c, first, resolution)]
    t, second = first, problem.learning_rates[1] * a
    samples = _samples(problem, c, resolution, with_zeta=True)
    y, phi = samples.y, problem.sample_ratios
    if problem.batch == "independent":
        zeta, back = np.unique(samples.zeta, return_inverse=True)
        value, slope, slope_z, square = (
            part[:, back] for part in _fresh_moments(problem.activation, c, t, zeta, resolution)
        )
        residual = y - (w * g) @ value
        linear = second[:, None] * residual * slope_z
        variance = (second[:, None] * residual) ** 2 * (square - slope**2) - linear**2
        if linked:
            # Z + S is Gaussian: E[sigma''] = E[Z sigma'] / E[Z (Z + S)].
            response = linear @ samples.weights / (1.0 + t * c.mu2 * c.Ey)
            linear = linear - (response * t * c.mu2 * c.Ey)[:, None]
            first = first * (1.0 + response)
        later = _batch(samples, linear, variance, phi[1], residual * slope)
        return [_first_batch(problem, c, first, resolution), later]
    value, slope, slope_z, square, product = _reused_moments(
        problem.activation, c, phi[0], t, samples, resolution
    )
    moments = activation_moments(problem.activation)
    residual = y - (w * g) @ value
    k2 = second[:, None] * residual
    response = np.zeros_like(t)
    if linked:
        curved = _curvature(problem.activation, c, phi[0], t, samples, resolution)
        response = (k2 * curved) @ samples.weights
    k1 = (first * (1.0 + response))[:, None] * y
    linear = k1 * c.mu2 + k2 * slope_z
    variance = k1**2 * moments.slope_variance + k2**2 * (square - slope**2)
    variance += 2.0 * k1 * k2 * (product - c.mu1 * slope) - linear**2
    linear -= (response * t * c.mu2 * c.Ey)[:, None]
    return [_batch(samples, linear, variance, phi[0], residual * slope)]


def _batch(
    samples: _Samples, linear: Array, variance: Array, sample_ratio: float, mean: Array
) -> BatchFluctuations:
    assert samples.z is not None
    return BatchFluctuations(
        samples.weights,
        linear,
        np.maximum(variance, 0.0),
        sample_ratio,
        mean,
        samples.y,
        samples.z,
        samples.omega,
    )


def _first_batch(
    problem: Problem, c: Constants, first: Array, resolution: float
) -> BatchFluctuations:
    """``kappa1`` alone, in closed form: ``L = eta_1 a y mu_2``."""
    samples = _samples(problem, c, resolution, with_zeta=False)
    k1 = first[:, None] * samples.y
    rest = max(activation_moments(problem.activation).slope_variance - c.mu2**2, 0.0)
    mean = np.broadcast_to(c.mu1 * samples.y, k1.shape)
    return _batch(samples, k1 * c.mu2, k1**2 * rest, problem.sample_ratios[0], mean)


def _samples(problem: Problem, c: Constants, resolution: float, with_zeta: bool) -> _Samples:
    """Tensor rule over ``(z, omega, eps)``, ``zeta = b.z + sqrt(phi_1 Ey2) omega``."""
    target, r = problem.target, problem.n_directions
    per_unit, n_omega, n_noise, negligible = _SAMPLE_RULES[r]
    per_unit, negligible = per_unit * resolution, negligible**resolution / 2.0
    kinks = [target.kinks] if r == 1 else [target.kinks_along(i) for i in range(r)]
    rule = tensor_rule([gaussian_rule(per_unit, c.target_half_width, one) for one in kinks])
    z, weights = rule.nodes, rule.weights
    y = np.asarray(target(*z), dtype=float)
    if problem.noise_std > 0:
        n_noise *= 1.0 + problem.noise_std**2 / c.Ey2
        eps, weight = _gauss_hermite(n_noise * resolution)
        y = np.add.outer(y, problem.noise_std * eps).ravel()
        z = np.repeat(z, eps.size, axis=1)
        weights = np.outer(weights, weight).ravel()
    keep = _all_but(negligible, _share(weights, y, c))
    y, z, weights = y[keep], z[:, keep], weights[keep]
    if not with_zeta:
        return _Samples(weights / weights.sum(), y, c.b @ z, z)
    nodes, weight = _gauss_hermite(n_omega * resolution)
    omega = np.tile(nodes, y.size)
    y, z = np.repeat(y, nodes.size), np.repeat(z, nodes.size, axis=1)
    weights = np.outer(weights, weight).ravel()
    keep = _all_but(negligible, _share(weights, y, c))
    y, z, omega, weights = y[keep], z[:, keep], omega[keep], weights[keep]
    zeta = c.b @ z + math.sqrt(problem.sample_ratios[0] * c.Ey2) * omega
    return _Samples(weights / weights.sum(), y, zeta, z, omega)


def _share(weights: Array, y: Array, c: Constants) -> Array:
    """What a sample node contributes to ``E[1 + y^2 / Ey2]``."""
    return np.asarray(weights * (1.0 + y**2 / c.Ey2))


def _all_but(negligible: float, share: Array) -> Integers:
    """Which nodes to keep: the smallest ones, that add up to less than ``negligible``, go."""
    order = np.argsort(share, kind="stable")
    dropped = np.searchsorted(np.cumsum(share[order]), negligible)
    return np.asarray(np.sort(order[dropped:]))


def _gauss_hermite(order: float) -> tuple[Array, Array]:
    nodes, vectors = hermite_nodes(max(2, round(order)))
    return nodes, vectors[0] ** 2


def _fresh_moments(
    sigma: ScalarFunction, c: Constants, t: Array, zeta: Array, resolution: float
) -> tuple[Array, ...]:
    """``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2]`` at ``Z + S`` given ``zeta``: (Q, J) each.

    ``Z + S = t mu_1 zeta + s U`` with a standard normal ``U`` of correlation ``rho`` with ``Z``.
    """
    results = np.empty((4, t.size, zeta.size))
    kinks = np.array(sigma.kinks, dtype=float)
    for q, tq in enumerate(t):
        check_time()
        along = 1.0 + tq * c.mu2 * c.Ey
        s = math.hypot(along, tq * c.tau)
        mean = tq * c.mu1 * zeta
        if kinks.size:
            breaks = np.sort((kinks - mean[:, None]) / s, axis=1)
            u, weights = _panels(np.clip(breaks, -_HALF_WIDTH, _HALF_WIDTH))
        else:
            sharpness = math.sqrt(max(1.0, curvature(sigma)))
            rule = gaussian_rule(4.0 * resolution * sharpness * max(1.0, s), _HALF_WIDTH)
            u, weights = rule.nodes, np.broadcast_to(rule.weights, (1, rule.weights.size))
        value, slope = sigma.value_and_derivative(mean[:, None] + s * u)
        results[0, q] = (value * weights).sum(axis=1)
        results[1, q] = (slope * weights).sum(axis=1)
        results[2, q] = (slope * (u * weights)).sum(axis=1) * along / s
        results[3, q] = (slope**2 * weights).sum(axis=1)
    return tuple(results)


def _panels(breaks: Array) -> tuple[Array, Array]:
    """Gauss-Legendre rules for the normal law between breaks of shape (J, K): (J, nodes) each."""
    ends = np.full((breaks.shape[0], 1), _HALF_WIDTH)
    middle = np.zeros((breaks.shape[0], 1))
    edges = np.sort(np.concatenate([-ends, breaks, middle, ends], axis=1), axis=1)
    x, w = gauss_legendre(_PANEL_ORDER)
    half = np.diff(edges, axis=1)[..., None] / 2.0
    u = (edges[:, :-1, None] + half * (x + 1.0)).reshape(breaks.shape[0], -1)
    weights = (half * w).reshape(u.shape) * np.exp(-(u**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return u, weights


def _reused_moments(
    sigma: ScalarFunction,
    c: Constants,
    phi: float,
    t: Array,
    samples: _Samples,
    resolution: float,
) -> Array:
    """``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2], E[sigma'(Z) sigma']`` at ``Z + S``.

    Each of shape (Q, P). Samples of one label and ``zeta``, as a symmetric target or one of few
    values has many, are one.
    """
    pairs, place = np.unique(np.stack([samples.y, samples.zeta]), axis=1, return_inverse=True)
    y, zeta = pairs
    place = place.reshape(-1)
    if is_piecewise_linear(sigma):
        moments = moments_of_piecewise_linear(sigma, c, phi, t, y, zeta)
    else:
        share = np.bincount(place, _share(samples.weights, samples.y, c)).astype(float)
        moments = moments_of_reused_batch(sigma, c, phi, t, y, zeta, resolution, share)
    return moments[:, :, place]


def _curvature(
    sigma: ScalarFunction, c: Constants, phi: float, t: Array, samples: _Samples, resolution: float
) -> Array:
    """``E[sigma''(Z + S)]``, shape (Q, P): how ``E[sigma']`` answers to a shift of ``Z + S``."""
    # With mu_1 = 1 a shift of zeta by h is one of Z + S by t h.
    shifted = replace(c, mu1=1.0)
    h = _SHIFT / np.abs(t).max()
    above, below = (
        _reused_moments(
            sigma,
            shifted,
            phi,
            t,
            _Samples(samples.weights, samples.y, c.mu1 * samples.zeta + step),
            resolution,
        )[1]
        for step in (h, -h)
    )
    moved = 2.0 * h * t[:, None]
    return np.asarray(np.divide(above - below, moved, out=np.zeros_like(above), where=moved != 0))
