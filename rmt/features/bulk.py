"""The bulk of the features: what is left of them beside their mean.

Given the spike coordinates ``kappa`` of an input, a feature is equivalent to

    M_0(kappa, g_i) + M_1(kappa, g_i) b(g_i) <w_i, x> + nu(g_i) xi,

with ``b_i w_i`` the neuron's weights beside the spikes, ``M_1`` the mean slope and ``xi`` a
standard normal of its own, ``nu^2 = E[sigma(b Z + p)^2] - E[M_0^2] - b^2 E[M_1^2]``: the Gaussian
equivalent of the untrained network (where ``M_1 = mu_1``, ``nu = mu_*``, ``b = 1``) for neurons
that have moved. ``W_0`` below stands for the rows ``w_i``, which are taken as independent, and
``M_1`` for ``b M_1``. The slopes differ from neuron to neuron and with the input, so the population
covariance of this bulk is

    sum_alpha D_alpha W_0 W_0^T D_alpha + D_{nu^2},

``D_alpha`` the coefficients of ``H_alpha(kappa)`` in ``M_1``. The diagonal ``R`` of
``(covariance + t)^{-1}`` solves, on the nodes of the readout and with ``gamma = N / d``,

    R_q = 1 / (t + nu_q^2 + B_qq),     B = K (1 + Lambda K)^{-1},     Lambda = diag(gamma w_q R_q),

``K = E_kappa[M_1 M_1']`` between nodes (the kernel holds all ``alpha`` at once), and forms in
functions ``f W_0 v`` on unit vectors ``v`` take the values ``f^T Omega f'`` with
``Omega = Lambda - Lambda B Lambda``. Slopes that do not vary give the law of Marchenko and Pastur.

theory.md, section 7, keeps the constants of the untrained network; what that costs is measured in
docs/features.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.features.mean_features import MeanFeatures

__all__ = ["BulkResolvent", "FeatureBulk", "feature_bulk"]


_MAX_ITERATIONS = 40
_RESOLUTION = 1e-10  # of the edge, relative
_RTOL = 1e-14
_STALLED = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class BulkResolvent:
    """The bulk's resolvent at one ``t``, with two derivatives in ``t``.

    Attributes
    ----------
    diagonal : tuple of three arrays (Q,)
        ``R``, ``R'``, ``R''``.
    forms : tuple of three arrays (Q, Q)
        ``Omega``, ``Omega'``, ``Omega''``.
    """

    diagonal: tuple[Array, Array, Array]
    forms: tuple[Array, Array, Array]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBulk:
    """The bulk of the features on the nodes of the readout.

    Attributes
    ----------
    weights : array (Q,)
    slopes : array (Q, Q)
        ``K = E_kappa[M_1 M_1']``.
    variance : array (Q,)
        ``nu^2``.
    aspect_ratio : float
        ``gamma = N / d``.
    """

    weights: Array
    slopes: Array
    variance: Array
    aspect_ratio: float

    @property
    def linear(self) -> float:
        """Root mean square slope, ``mu_1`` of the untrained network."""
        return math.sqrt(max(float(self.weights @ self.slopes.diagonal()), 0.0))

    @property
    def nonlinear(self) -> float:
        """Root mean square of ``nu``, ``mu_*`` of the untrained network."""
        return math.sqrt(float(self.weights @ self.variance))

    @property
    def trace(self) -> float:
        """``(1/N) tr`` of the covariance."""
        return self.linear**2 + self.nonlinear**2

    def resolvent(self, t: float) -> BulkResolvent | None:
        """At ``t >= 0``, or at ``t < 0`` beyond minus the edge; None where there is no solution.

        Examples
        --------
        >>> bulk = FeatureBulk(np.ones(1), np.ones((1, 1)), np.zeros(1), aspect_ratio=1.0)
        >>> float(bulk.resolvent(2.0).diagonal[0][0])  # 2 r^2 + 2 r - 1 = 0
        0.3660254037844386
        """
        r = self._solve(t)
        if r is None:
            return None
        b, stiffness = self._response(r)
        measure = self.aspect_ratio * self.weights
        r1 = np.linalg.solve(stiffness, -(r**2))
        lam, lam1 = measure * r, measure * r1
        # B' = - B Lambda' B,  B'' = 2 B Lambda' B Lambda' B - B Lambda'' B.
        bend = 2.0 * np.einsum("ij,j,jk,k,ki->i", b, lam1, b, lam1, b, optimize=True)
        r2 = np.linalg.solve(stiffness, 2.0 * r1**2 / r - r**2 * bend)
        e = np.eye(r.size) - b * lam  # 1 - B Lambda
        omega = np.diag(lam) - lam[:, None] * b * lam
        omega1 = e.T @ (lam1[:, None] * e)
        omega2 = e.T @ ((np.diag(measure * r2) - 2.0 * lam1[:, None] * b * lam1) @ e)
        diagonal = (r, np.asarray(r1), np.asarray(r2))
        return BulkResolvent(diagonal, (omega, omega1, np.asarray(omega2)))

    def population_edge(self) -> float:
        """The largest eigenvalue of the covariance: below it there is no solution at ``-l``."""
        high = 4.0 * (
            float(self.variance.max())
            + float(self.slopes.diagonal().max()) * (1.0 + math.sqrt(self.aspect_ratio)) ** 2
        )

        # Below the edge the map has no fixed point. What is returned is a point that has one.
        low = 0.0
        while high - low > _RESOLUTION * high:
            middle = 0.5 * (low + high)
            if self._solve(-middle) is None:
                low = middle
            else:
                high = middle
        return high

    def _solve(self, t: float) -> Array | None:
        """``R`` at ``t``. The map is increasing, so iterates from below rise to the solution."""
        diagonal = self.slopes.diagonal()
        base = t + self.variance
        start = base + diagonal
        if t < 0 and not (start < 0).all():
            return None
        r, previous = 1.0 / start, math.inf
        for _ in range(_MAX_ITERATIONS):
            check_time()
            b = self._response(r)[0]
            mapped = 1.0 / (base + b.diagonal())
            if not np.isfinite(mapped).all() or (mapped * r <= 0).any():
                return None
            # Newton for r = map(r); the map's Jacobian at the mapped point.
            jacobian = np.eye(r.size) - mapped[:, None] ** 2 * b**2 * (
                self.aspect_ratio * self.weights
            )
            step = np.linalg.solve(jacobian, mapped - r)
            following = r + step
            if not np.isfinite(following).all() or (following * r <= 0).any():
                following = mapped
            change = float(np.max(np.abs(following - r)) / np.max(np.abs(following)))
            # Next to the edge rounding stops the iteration earlier, at the root of its size.
            if change <= _RTOL or (change < _STALLED and change >= previous):
                return np.asarray(following)
            r, previous = following, change
        return None

    def _response(self, r: Array) -> tuple[Array, Array]:
        """``B``, and the matrix of ``dR`` in ``dR = -R^2 (dt + dB_qq)``."""
        measure = self.aspect_ratio * self.weights
        b = np.linalg.solve(np.eye(r.size) + self.slopes * (measure * r), self.slopes)
        b = 0.5 * (b + b.T)
        return b, np.eye(r.size) - r[:, None] ** 2 * b**2 * measure


def feature_bulk(mean: MeanFeatures, aspect_ratio: float, largest: float = math.inf) -> FeatureBulk:
    """The bulk behind the mean features.

    Parameters
    ----------
    mean : MeanFeatures
    aspect_ratio : float
        ``N / d``.
    largest : float
        Size of the readouts that one of ``N`` neurons exceeds. Neurons beyond it are taken to be
        like those there: a law without bounds would give the bulk a tail of neurons that do not
        exist, and no edge.

    Examples
    --------
    >>> from rmt.spikes.mean_update import no_spikes
    >>> from rmt.features.mean_features import mean_features
    >>> from rmt.functions import ScalarFunction
    >>> untrained = mean_features(ScalarFunction.parse("z"), no_spikes(1), width=100)
    >>> bulk = feature_bulk(untrained, aspect_ratio=2.0)
    >>> round(bulk.linear, 12), bulk.nonlinear
    (1.0, 0.0)
    """
    slopes = mean.kernel(1, 1) * np.outer(mean.lengths, mean.lengths)
    squares = np.sum(mean.coefficients[0] ** 2, axis=1) + slopes.diagonal()
    variance = mean.second_moment - squares
    # A linear activation leaves rounding, not a number.
    variance = np.where(variance < 1e-12 * mean.second_moment, 0.0, variance)
    if np.abs(mean.nodes).max() > largest:
        within = _interpolation(mean.nodes, np.clip(mean.nodes, -largest, largest))
        slopes = within @ slopes @ within.T
        variance = np.maximum(within @ variance, 0.0)
    return FeatureBulk(mean.weights, slopes, variance, aspect_ratio)


def _interpolation(nodes: Array, points: Array) -> Array:
    """The matrix that interpolates from nodes to points by parabolas through the nearest three."""
    matrix = np.zeros((points.size, nodes.size))
    for i, point in enumerate(points):
        near = np.argsort(np.abs(nodes - point))[:3]
        for k in near:
            others = nodes[near[near != k]]
            matrix[i, k] = np.prod((point - others) / (nodes[k] - others))
    return matrix
