"""The features on average and their slopes, given the spike coordinates of an input.

theory.md, section 6. With the spikes ``theta_k``, their left functions ``u_k(g)`` and the
coordinates ``kappa_k = <v_k, x>`` of an input along their right directions, the pre-activation of a
neuron of readout ``g`` is ``b Z + p``, ``p = N^{-1/2} sum_k theta_k u_k(g) kappa_k``, with ``b(g)``
the length of the neuron's weights beside the spikes, and

    M_a(kappa, g) = E_Z[ sigma^{(a)}(b Z + p(g, kappa)) ]

is the mean of the features for ``a = 0``, their mean slope for ``a = 1``. For given ``g`` only one
combination of the coordinates enters: ``p = rho s`` with ``s = n(g) . kappa`` standard normal and
``rho(g) n(g)`` the vector ``N^{-1/2} theta_k u_k(g)``. Since ``b Z + rho s`` has the variance
``v^2 = b^2 + rho^2`` and the correlation ``rho / v`` with ``s``,

    M_a = sum_j c^a_j(g) h_j(s),     h_j = He_j / sqrt(j!),
    c^a_j = v^{-a} (rho / v)^j sqrt((j + a)!/j!) E[ sigma(v zeta) h_{j+a}(zeta) ],

an integral over one variable whatever the number of spikes, and no derivative of ``sigma``. In the
orthonormal polynomials ``H_alpha(kappa)``, ``|alpha| = j``, the coefficient is
``c^a_j sqrt(j!/alpha!) n^alpha``, and

    E_kappa[ M_a(kappa, g) M_b(kappa, g') ] = sum_j c^a_j(g) c^b_j(g') (n . n')^j

holds all orders at once. Truncation at order ``J`` leaves out at most
``(rho / v)^{2 (J + 1)} (E[sigma(v zeta)^2] - sum_{j <= J} E[sigma(v zeta) h_j]^2)`` of
``E[M_0^2]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.functions import ScalarFunction
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import gaussian_rule, negligible_beyond
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["MeanFeatures", "mean_features"]


_FIRST_ORDER = 24
_MAX_ORDER = 192
_DERIVATIVES = 3  # of sigma, whose means are needed
_NODES_PER_UNIT = 12.0  # of the pre-activation
_LEAST_HALF_WIDTH = 13.0  # sqrt(density) there is 4e-19, a bound on h_j times the density


@dataclass(frozen=True, slots=True)
class MeanFeatures:
    """The functions ``M_a`` on the nodes of the readout's rule.

    Attributes
    ----------
    width : int
        ``N``.
    weights : array (Q,)
        Of the readout's nodes; they add up to 1.
    nodes : array (Q,)
        ``g_q``.
    moved : array (Q, K)
        ``N^{-1/2} theta_k u_k(g_q)``.
    lengths : array (Q,)
        ``b(g_q)``.
    coefficients : tuple of four arrays (Q, J + 1)
        ``c^a_j(g_q)`` for ``a = 0, .., 3``.
    second_moment : array (Q,)
        ``E[sigma(v_q zeta)^2]``.
    truncation : float
        Bound on what orders beyond ``J`` hold of ``E[M_0^2]``, averaged over the readout.
    """

    width: int
    weights: Array
    nodes: Array
    moved: Array
    lengths: Array
    coefficients: tuple[Array, ...]
    second_moment: Array
    truncation: float

    @property
    def order(self) -> int:
        """``J``."""
        return int(self.coefficients[0].shape[1]) - 1

    @property
    def n_spikes(self) -> int:
        """``K``."""
        return int(self.moved.shape[1])

    @property
    def directions(self) -> Array:
        """``n(g_q)``, (Q, K): unit vectors; zero where the neuron has not moved."""
        rho = np.linalg.norm(self.moved, axis=1)
        return np.asarray(self.moved / np.where(rho > 0, rho, 1.0)[:, None])

    def kernel(self, a: int, b: int) -> Array:
        """``E_kappa[M_a(kappa, g_q) M_b(kappa, g_q')]``, shape (Q, Q)."""
        directions = self.directions
        cosine = directions @ directions.T
        left, right = self.coefficients[a], self.coefficients[b]
        kernel = np.zeros(cosine.shape)
        for j in range(self.order, -1, -1):  # Horner's scheme in the cosine
            kernel = kernel * cosine + np.outer(left[:, j], right[:, j])
        return kernel


def mean_features(
    activation: ScalarFunction,
    spikes: SpikeStrengths,
    width: int,
    lengths: Array | None = None,
    tolerance: float = 1e-10,
) -> MeanFeatures:
    """The mean features of weights with these spikes.

    Parameters
    ----------
    activation : ScalarFunction
    spikes : SpikeStrengths
        Of the weights; without any, the features keep their mean ``mu_0`` alone.
    width : int
        ``N``.
    lengths : array (Q,), optional
        ``b`` at the readout's nodes, by default 1 as at initialisation.
    tolerance : float
        Of the truncation, relative to ``E[sigma(v zeta)^2] / N``: what the bulk of the features
        adds to an eigenvalue. The order stops at 192 all the same (a kinked activation on neurons
        that have moved far); `MeanFeatures.truncation` says what was reached.
    """
    moved = (spikes.strengths[:, None] * spikes.left_functions).T / math.sqrt(width)
    w, rho = spikes.readout_weights, np.linalg.norm(moved, axis=1)
    b = np.ones(w.size) if lengths is None else lengths
    scale = np.sqrt(b**2 + rho**2)
    order = _FIRST_ORDER
    while True:
        hermite, second_moment = _rescaled_coefficients(activation, scale, order + _DERIVATIVES)
        left = second_moment - np.sum(hermite[:, : order + 1] ** 2, axis=1)
        truncation = float(w @ ((rho / scale) ** (2 * order + 2) * np.maximum(left, 0.0)))
        if truncation <= tolerance * float(w @ second_moment) / width or order == _MAX_ORDER:
            break
        order *= 2
    j = np.arange(order + 1)
    shrink, factor, coefficients = (rho / scale)[:, None] ** j, np.ones(j.size), []
    for a in range(_DERIVATIVES + 1):
        factor = factor * np.sqrt(j + a) if a else factor
        coefficients.append(factor * hermite[:, a : a + j.size] * shrink / scale[:, None] ** a)
    nodes = spikes.readout_nodes
    return MeanFeatures(width, w, nodes, moved, b, tuple(coefficients), second_moment, truncation)


def _rescaled_coefficients(
    activation: ScalarFunction, scale: Array, order: int
) -> tuple[Array, Array]:
    """``E[sigma(v zeta) h_j(zeta)]``, (Q, J + 1), and ``E[sigma(v zeta)^2]``, (Q,)."""
    coefficients = np.empty((scale.size, order + 1))
    second_moment = np.empty(scale.size)
    # Nodes resolve the pre-activation v zeta. Where no kink has to be met, neurons of similar v
    # share a rule.
    shared = np.exp2(np.ceil(np.log2(scale)))
    groups = (
        [np.array([q]) for q in range(scale.size)]
        if activation.kinks
        else [np.flatnonzero(shared == v) for v in np.unique(shared)]
    )
    for group in groups:
        check_time()
        v = scale[group]
        widest = float(v.max())
        half_width = negligible_beyond(lambda z, v=widest: activation(v * z))
        rule = gaussian_rule(
            _NODES_PER_UNIT * widest + math.sqrt(order) / 2.0,
            max(_LEAST_HALF_WIDTH, half_width if math.isfinite(half_width) else 0.0),
            [kink / widest for kink in activation.kinks],
        )
        z = rule.nodes[0]
        values = activation(v[:, None] * z)
        coefficients[group] = values @ orthonormal_hermite(z, order + 1, rule.weights).T
        second_moment[group] = values**2 @ rule.weights
    return coefficients, second_moment
