"""The mean part of the features: what they are on average, given the spike coordinates.

theory.md, section 6. With the spikes ``theta_k``, their left functions ``u_k(g)`` and the
coordinates ``kappa_k = <v_k, x>`` of an input along their right directions, the pre-activation of a
neuron of readout ``g`` is ``Z + p``, ``p = N^{-1/2} sum_k theta_k u_k(g) kappa_k``, and

    M(kappa, g) = E_Z[ sigma(Z + p(g, kappa)) ].

For given ``g`` only one combination of the coordinates enters: ``p = rho s`` with
``s = n(g) . kappa`` standard normal and ``rho(g) n(g)`` the vector ``N^{-1/2} theta_k u_k(g)``.
Since ``Z + rho s`` has the variance ``v^2 = 1 + rho^2`` and the correlation ``rho / v`` with ``s``,

    M = sum_j c_j(g) h_j(s),     c_j = (rho / v)^j E[ sigma(v zeta) h_j(zeta) ],

``h_j = He_j / sqrt(j!)``: an integral over one variable whatever the number of spikes. In the
orthonormal polynomials ``H_alpha(kappa)``, ``|alpha| = j``, the coefficient is
``c_j sqrt(j!/alpha!) n^alpha``, and

    E_kappa[ M(kappa, g) M(kappa, g') ] = sum_j c_j(g) c_j(g') (n . n')^j

holds all orders at once. Truncation at order ``J`` leaves out at most
``(rho / v)^{2 (J + 1)} (E[sigma(v zeta)^2] - sum_{j <= J} E[sigma(v zeta) h_j]^2)`` of ``E[M^2]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt.functions import ScalarFunction
from rmt.functions.gaussian import gaussian_rule, negligible_beyond
from rmt.functions.hermite_values import orthonormal_hermite
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["MeanFeatures", "mean_features"]

Array = NDArray[np.float64]

_FIRST_ORDER = 24
_MAX_ORDER = 192
_NODES_PER_UNIT = 12.0  # of the pre-activation
_LEAST_HALF_WIDTH = 13.0  # sqrt(density) there is 4e-19, a bound on h_j times the density


@dataclass(frozen=True, slots=True)
class MeanFeatures:
    """The operator ``M`` on the nodes of the readout's rule.

    Attributes
    ----------
    width : int
        ``N``.
    weights : array (Q,)
        Of the readout's nodes; they add up to 1.
    coefficients : array (Q, J + 1)
        ``c_j(g_q)``.
    directions : array (Q, K)
        ``n(g_q)``, unit vectors; zero where the neuron has not moved.
    square_slope, second_moment : float
        ``E[(E_Z sigma'(Z + p))^2]`` and ``E[sigma(Z + p)^2]``, averaged over the readout.
    truncation : float
        Bound on what the orders beyond ``J`` hold of ``E[M^2]``, averaged over the readout.
    """

    width: int
    weights: Array
    coefficients: Array
    directions: Array
    square_slope: float
    second_moment: float
    truncation: float

    @property
    def order(self) -> int:
        """``J``."""
        return int(self.coefficients.shape[1]) - 1

    @property
    def mean_square(self) -> float:
        """``E[M^2]``, averaged over the readout."""
        return float(self.weights @ np.sum(self.coefficients**2, axis=1))

    @property
    def n_spikes(self) -> int:
        """``K``."""
        return int(self.directions.shape[1])

    def gram(self) -> Array:
        """``sqrt(w_q w_q') E_kappa[M M']`` between readout nodes, shape (Q, Q)."""
        cosine = self.directions @ self.directions.T
        scaled = np.sqrt(self.weights)[:, None] * self.coefficients
        gram = np.zeros(cosine.shape)
        for column in scaled.T[::-1]:  # Horner's scheme in the cosine
            gram = gram * cosine + np.outer(column, column)
        return gram

    def linear(self) -> Array:
        """``sqrt(w_q)`` times the coefficients of the ``kappa_k`` themselves, shape (Q, K)."""
        first = self.coefficients[:, 1] * np.sqrt(self.weights)
        return first[:, None] * self.directions

    def coefficient(self, alpha: tuple[int, ...]) -> Array:
        """``sqrt(w_q)`` times the coefficient of ``H_alpha(kappa)``, shape (Q,)."""
        j = sum(alpha)
        if j > self.order:
            return np.zeros(self.weights.size)
        multinomial = math.factorial(j) / math.prod(map(math.factorial, alpha))
        power = np.prod(self.directions ** np.array(alpha, dtype=int), axis=1)
        return np.asarray(np.sqrt(self.weights * multinomial) * self.coefficients[:, j] * power)


def mean_features(
    activation: ScalarFunction, spikes: SpikeStrengths, width: int, tolerance: float = 1e-10
) -> MeanFeatures:
    """The mean part of the features of weights with these spikes.

    Parameters
    ----------
    activation : ScalarFunction
    spikes : SpikeStrengths
        Of the weights; without any, the features keep their mean ``mu_0`` alone.
    width : int
        ``N``.
    tolerance : float
        Of the truncation, relative to ``E[sigma(v zeta)^2] / N``: what the bulk of the features
        adds to an eigenvalue. The order stops at 192 all the same (a kinked activation on neurons
        that have moved far); `MeanFeatures.truncation` says what was reached.
    """
    moved = (spikes.strengths[:, None] * spikes.left_functions).T / math.sqrt(width)  # (Q, K)
    rho = np.linalg.norm(moved, axis=1)
    directions = moved / np.where(rho > 0, rho, 1.0)[:, None]
    scale = np.sqrt(1.0 + rho**2)
    shrink = rho / scale
    order = _FIRST_ORDER
    while True:
        hermite, second_moment = _rescaled_coefficients(activation, scale, order)
        left = np.maximum(second_moment - np.sum(hermite**2, axis=1), 0.0)
        truncation = float(spikes.readout_weights @ (shrink ** (2 * order + 2) * left))
        enough = tolerance * float(spikes.readout_weights @ second_moment) / width
        if truncation <= enough or order == _MAX_ORDER:
            break
        order *= 2
    powers = shrink[:, None] ** np.arange(order + 1)
    # rho E_Z[sigma'(Z + rho s)] is the derivative of M in s, and h_j' = sqrt(j) h_{j-1}.
    slopes = np.sqrt(np.arange(1, order + 1)) * hermite[:, 1:] * powers[:, :-1] / scale[:, None]
    w = spikes.readout_weights
    return MeanFeatures(
        width=width,
        weights=w,
        coefficients=hermite * powers,
        directions=directions,
        square_slope=float(w @ np.sum(slopes**2, axis=1)),
        second_moment=float(w @ second_moment),
        truncation=truncation,
    )


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
