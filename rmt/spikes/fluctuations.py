"""What the gradient steps add to the weights besides their mean: its Gaussian equivalent.

Given the readout ``a = g / sqrt(N)`` of a neuron, its update fluctuates by ``(1/n) sum_j kappa_j
x_j`` around the mean of theory.md, section 3, with

    kappa1 = eta_1 a y (sigma'(Z) - mu_1),     kappa2 = eta_2 a (y - h) (sigma'(Z + S) - Phi_t)

and ``kappa = kappa1 + kappa2`` on the one batch (reused), ``kappa_b`` on batch ``b`` (independent).
To leading order only two functions of ``a`` and of the sample ``(y, zeta)`` matter (section 4):

    L = E[kappa Z],     V = Var[kappa] - L^2          (over Z, xi).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt.functions import ScalarFunction
from rmt.functions.gaussian import gauss_legendre, gaussian_rule, tensor_rule
from rmt.problem import Problem
from rmt.spikes.constants import Constants, activation_moments, constants
from rmt.spikes.labels import hermite_nodes
from rmt.status import InvalidInputError

__all__ = ["BatchFluctuations", "fluctuations"]

Array = NDArray[np.float64]

_HALF_WIDTH = 7.5
_NEGLIGIBLE = 1e-11  # share of E[1 + y^2 / Ey2] below which a sample node is dropped
_BLOCK = 1 << 15  # entries of a temporary array that stays in cache
_PANEL_ORDER = 48
_MOST_NODES = 24.0  # per unit of Z, at the largest steps


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
    """

    weights: Array
    linear: Array
    variance: Array
    sample_ratio: float


@dataclass(frozen=True, slots=True)
class _Samples:
    """Quadrature nodes of ``(y, zeta)``, each of shape (P,)."""

    weights: Array
    y: Array
    zeta: Array


def fluctuations(
    problem: Problem, g: Array, w: Array, resolution: float = 1.0
) -> list[BatchFluctuations]:
    """Gaussian equivalent of the fluctuations of every batch.

    Parameters
    ----------
    problem : Problem
    g, w : array, shape (Q,)
        Nodes and weights of the law of the readout.
    resolution : float
        Multiplies the number of nodes of every other variable.

    Raises
    ------
    InvalidInputError
        For a reused batch with a kinked activation: ``sigma'`` inside ``S`` then jumps, which the
        quadrature over ``Z`` does not resolve.
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
        later = BatchFluctuations(samples.weights, linear, np.maximum(variance, 0.0), phi[1])
        return [_first_batch(problem, c, first, resolution), later]
    if problem.activation.kinks:
        raise InvalidInputError(
            "activation: the deformed bulk of a reused batch needs a smooth activation, got "
            f"{problem.activation.text}; use independent batches, one step, or the resummed spikes"
        )
    value, slope, slope_z, square, product = _reused_moments(
        problem.activation, c, phi[0], t, samples, resolution
    )
    moments = activation_moments(problem.activation)
    k1, k2 = first[:, None] * y, second[:, None] * (y - (w * g) @ value)
    linear = k1 * c.mu2 + k2 * slope_z
    variance = k1**2 * moments.slope_variance + k2**2 * (square - slope**2)
    variance += 2.0 * k1 * k2 * (product - c.mu1 * slope) - linear**2
    return [BatchFluctuations(samples.weights, linear, np.maximum(variance, 0.0), phi[0])]


def _first_batch(
    problem: Problem, c: Constants, first: Array, resolution: float
) -> BatchFluctuations:
    """``kappa1`` alone, in closed form: ``L = eta_1 a y mu_2``."""
    samples = _samples(problem, c, resolution, with_zeta=False)
    k1 = first[:, None] * samples.y
    rest = max(activation_moments(problem.activation).slope_variance - c.mu2**2, 0.0)
    return BatchFluctuations(samples.weights, k1 * c.mu2, k1**2 * rest, problem.sample_ratios[0])


def _samples(problem: Problem, c: Constants, resolution: float, with_zeta: bool) -> _Samples:
    """Tensor rule over ``(z, omega, eps)``, ``zeta = b.z + sqrt(phi_1 Ey2) omega``."""
    target, r = problem.target, problem.n_directions
    per_unit = resolution * {1: 4.0, 2: 2.0}.get(r, 1.4)
    kinks = [target.kinks] if r == 1 else [target.kinks_along(i) for i in range(r)]
    rule = tensor_rule([gaussian_rule(per_unit, c.target_half_width, one) for one in kinks])
    z, weights = rule.nodes, rule.weights
    y, zeta = np.asarray(target(*z), dtype=float), c.b @ z
    if problem.noise_std > 0:
        eps, weight = _gauss_hermite(8.0 * resolution)
        y = np.add.outer(y, problem.noise_std * eps).ravel()
        zeta = np.repeat(zeta, eps.size)
        weights = np.outer(weights, weight).ravel()
    y, zeta, weights = _kept(y, zeta, weights, c)
    if with_zeta:
        omega, weight = _gauss_hermite(10.0 * resolution)
        spread = math.sqrt(problem.sample_ratios[0] * c.Ey2)
        zeta = np.add.outer(zeta, spread * omega).ravel()
        y = np.repeat(y, omega.size)
        weights = np.outer(weights, weight).ravel()
        y, zeta, weights = _kept(y, zeta, weights, c)
    return _Samples(weights / weights.sum(), y, zeta)


def _kept(y: Array, zeta: Array, weights: Array, c: Constants) -> tuple[Array, Array, Array]:
    keep = weights * (1.0 + y**2 / c.Ey2) > _NEGLIGIBLE
    return y[keep], zeta[keep], weights[keep]


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
        along = 1.0 + tq * c.mu2 * c.Ey
        s = math.hypot(along, tq * c.tau)
        mean = tq * c.mu1 * zeta
        if kinks.size:
            breaks = np.sort((kinks - mean[:, None]) / s, axis=1)
            u, weights = _panels(np.clip(breaks, -_HALF_WIDTH, _HALF_WIDTH))
        else:
            rule = gaussian_rule(4.0 * resolution * max(1.0, s), _HALF_WIDTH)
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
) -> tuple[Array, ...]:
    """``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2], E[sigma'(Z) sigma']`` at ``Z + S``.

    Each of shape (Q, P); quadrature over ``Z`` and ``xi`` for every readout and sample.
    """
    results = np.empty((5, t.size, samples.y.size))
    probe = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, 341)
    curvature = float(np.abs(np.gradient(sigma.derivative(probe), probe)).max())
    for q, tq in enumerate(t):
        # Z + t phi y sigma'(Z) moves faster than Z.
        narrowing = 1.0 + abs(tq) * phi * c.large_label * curvature
        rule = gaussian_rule(min(3.0 * math.sqrt(narrowing), _MOST_NODES) * resolution, _HALF_WIDTH)
        z, wz = rule.nodes[0], rule.weights
        xi, wx = _gauss_hermite(resolution * (8.0 + 12.0 * min(abs(tq) * c.tau, 3.0)))
        inner = sigma.derivative(z)
        weights = np.stack([wz, wz * z, wz * inner])
        block = max(1, _BLOCK // (z.size * xi.size))
        for start in range(0, samples.y.size, block):
            rows = slice(start, start + block)
            base = z + tq * (np.multiply.outer(phi * samples.y[rows], inner) + c.mu2 * c.Ey * z)
            shift = tq * np.add.outer(c.mu1 * samples.zeta[rows], c.tau * xi)
            value, slope = sigma.value_and_derivative(base[:, None, :] + shift[:, :, None])
            results[0, q, rows] = (value @ wz) @ wx
            first = np.tensordot(wx, slope, axes=(0, 1)) @ weights.T
            results[1, q, rows], results[2, q, rows], results[4, q, rows] = first.T
            results[3, q, rows] = ((slope * slope) @ wz) @ wx
    return tuple(results)
