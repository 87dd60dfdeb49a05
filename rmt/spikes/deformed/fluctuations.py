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
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Integers
from rmt.moments.rules import gaussian_rule, tensor_rule
from rmt.problem import Problem
from rmt.problem.supported import check_two_steps
from rmt.spikes.constants import Constants, activation_moments, constants
from rmt.spikes.label_law import hermite_nodes
from rmt.spikes.second_step import Average, SecondStep
from rmt.spikes.second_step.averages import averages_at_samples

__all__ = ["BatchFluctuations", "fluctuations"]


# By the number of directions: nodes per unit of z, nodes of omega, nodes of small label noise, and
# the share of E[1 + y^2 / Ey2] that rare nodes may add up to for all of them to be dropped.
_SAMPLE_RULES = {1: (4.0, 12.0, 5.0, 1e-6), 2: (2.0, 9.0, 4.0, 1e-5), 3: (1.4, 8.0, 3.0, 1e-4)}
_NODES_PER_UNIT = {True: 10.0, False: 6.0}  # of the second step, on a reused or a fresh batch


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
class _SampleNodes:
    """Quadrature nodes of ``(y, zeta)``, each of shape (P,), with the ``z`` and ``omega`` below.

    ``z`` has shape (r, P); without ``omega`` (None) ``zeta`` is ``b.z`` alone.
    """

    weights: Array
    y: Array
    zeta: Array
    z: Array
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
    1e-9, divided by what the node contributes to ``E[1 + y^2 / Ey2]``. Averages over the samples
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
    check_two_steps(problem, "the level deformed")
    c = constants(problem)
    a = g / math.sqrt(problem.width)
    first = problem.learning_rates[0] * a
    if len(problem.steps) == 1:
        return [_first_batch(problem, c, first, resolution)]
    t, second = first, problem.learning_rates[1] * a
    samples = _sample_nodes(problem, c, resolution, with_zeta=True)
    reused, phi = problem.batch == "reused", problem.sample_ratios
    wanted: list[Average] = ["value", "slope", "slope_z", "square"]
    wanted += ["product"] if reused else []
    wanted += ["bend"] if linked else []
    averages = averages_at_samples(
        SecondStep(problem.activation, c, phi[0]),
        t,
        samples.y if reused else None,
        samples.zeta,
        wanted,
        _NODES_PER_UNIT[reused] * resolution,
    )
    at = dict(zip(wanted, averages, strict=True))
    slope = at["slope"]
    residual = samples.y - (w * g) @ at["value"]
    k2 = second[:, None] * residual
    response = (k2 * at["bend"]) @ samples.weights if linked else np.zeros_like(t)
    first = first * (1.0 + response)
    k1 = first[:, None] * samples.y if reused else np.zeros_like(k2)
    linear = k1 * c.mu2 + k2 * at["slope_z"]
    variance = k1**2 * activation_moments(problem.activation).slope_variance
    variance += k2**2 * (at["square"] - slope**2)
    both = 2.0 * k1 * k2 * (at["product"] - c.mu1 * slope) if reused else 0.0
    variance += both - linear**2
    linear -= (response * t * c.mu2 * c.Ey)[:, None]
    batch = _batch(samples, linear, variance, phi[0 if reused else 1], residual * slope)
    return [batch] if reused else [_first_batch(problem, c, first, resolution), batch]


def _batch(
    samples: _SampleNodes, linear: Array, variance: Array, sample_ratio: float, mean: Array
) -> BatchFluctuations:
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
    samples = _sample_nodes(problem, c, resolution, with_zeta=False)
    k1 = first[:, None] * samples.y
    rest = max(activation_moments(problem.activation).slope_variance - c.mu2**2, 0.0)
    mean = np.broadcast_to(c.mu1 * samples.y, k1.shape)
    return _batch(samples, k1 * c.mu2, k1**2 * rest, problem.sample_ratios[0], mean)


def _sample_nodes(
    problem: Problem, c: Constants, resolution: float, with_zeta: bool
) -> _SampleNodes:
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
        return _SampleNodes(weights / weights.sum(), y, c.b @ z, z)
    nodes, weight = _gauss_hermite(n_omega * resolution)
    omega = np.tile(nodes, y.size)
    y, z = np.repeat(y, nodes.size), np.repeat(z, nodes.size, axis=1)
    weights = np.outer(weights, weight).ravel()
    keep = _all_but(negligible, _share(weights, y, c))
    y, z, omega, weights = y[keep], z[:, keep], omega[keep], weights[keep]
    zeta = c.b @ z + math.sqrt(problem.sample_ratios[0] * c.Ey2) * omega
    return _SampleNodes(weights / weights.sum(), y, zeta, z, omega)


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
