"""The bulk of the features: what is left of them beside their mean part.

Given the spike coordinates, a feature is ``M + E_Z[sigma'(Z + p)] <w_i, x>`` and an independent
rest: the features are equivalent to ``M + mu_1 X W_0^T + mu_* Xi`` with iid normal ``Xi``, and the
population covariance of the bulk to ``mu_1^2 W_0 W_0^T + mu_*^2``, with

    mu_1^2 = E[ (E_Z sigma'(Z + p))^2 ],     mu_*^2 = E[sigma(Z + p)^2] - E[M^2] - mu_1^2,

averaged over the spike coordinates and the readout: the covariance of the features is such an
average over inputs, and neurons differ little. Before training these are the constants of
theory.md, section 7, which keeps them after it; but a step of order one in the pre-activations
lowers the slope, and with it the bulk's edge, by several percent (docs/features.md).

All that is needed of the bulk, at ``t = N tau`` (a ridge, or minus an eigenvalue), are

    r(t) = (1/N) tr (mu_1^2 W_0 W_0^T + mu_*^2 + t)^{-1},
    e(t) = (mu_1^2 / d) tr W_0^T (mu_1^2 W_0 W_0^T + mu_*^2 + t)^{-1} W_0,

which one function of Marchenko and Pastur gives in closed form: with ``a = (mu_*^2 + t) / mu_1^2``,
``gamma = N / d`` and ``s(a) = (1/N) tr (W_0 W_0^T + a)^{-1}``, the root of

    gamma a s^2 + (a + 1 - gamma) s - 1 = 0,

``r = s / mu_1^2`` and ``e = gamma (1 - a s)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.features.mean_features import MeanFeatures

__all__ = ["FeatureBulk", "Transforms", "feature_bulk"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Transforms:
    """``r`` and ``e`` at some ``t`` with two derivatives in ``t``; arrays of the shape of ``t``."""

    r: Array
    r1: Array
    r2: Array
    e: Array
    e1: Array
    e2: Array


@dataclass(frozen=True, slots=True)
class FeatureBulk:
    """The Gaussian equivalent of the features beside their mean part.

    Attributes
    ----------
    linear, nonlinear : float
        ``mu_1`` and ``mu_*``, not negative.
    aspect_ratio : float
        ``gamma = N / d``.
    """

    linear: float
    nonlinear: float
    aspect_ratio: float

    @property
    def population_edge(self) -> float:
        """The largest eigenvalue of the population covariance."""
        return float(self.linear**2 * (1.0 + self.aspect_ratio**0.5) ** 2 + self.nonlinear**2)

    def transforms(self, t: ArrayLike) -> Transforms:
        """``r`` and ``e`` outside of the population's support: at ``t >= 0`` or beyond minus the
        edge.

        Examples
        --------
        >>> bulk = FeatureBulk(linear=1.0, nonlinear=0.0, aspect_ratio=1.0)
        >>> float(bulk.transforms(2.0).r)  # a s^2 + a s - 1 = 0 at a = 2
        0.3660254037844386
        """
        t = np.asarray(t, dtype=float)
        if self.linear == 0.0:
            shifted = self.nonlinear**2 + t
            zero = np.zeros(t.shape)
            return Transforms(1 / shifted, -(shifted**-2), 2 * shifted**-3, zero, zero, zero)
        unit = self.linear**2
        gamma = self.aspect_ratio
        a = (self.nonlinear**2 + t) / unit
        half = a + 1.0 - gamma
        # The branch that decays at infinity, on either side; of its two expressions the one
        # without cancellation.
        root = np.sqrt(np.maximum(half**2 + 4.0 * gamma * a, 0.0)) * np.where(a < 0, -1.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.where(half * root > 0, 2.0 / (half + root), (root - half) / (2.0 * gamma * a))
            s1 = -(gamma * s**2 + s) / root
            slope = 2.0 * gamma * s + 2.0 * gamma * a * s1 + 1.0
            s2 = -(s1 * (2.0 * gamma * s + 1.0) + slope * s1) / root
        return Transforms(
            r=s / unit,
            r1=s1 / unit**2,
            r2=s2 / unit**3,
            e=gamma * (1.0 - a * s),
            e1=-gamma * (s + a * s1) / unit,
            e2=-gamma * (2.0 * s1 + a * s2) / unit**2,
        )


def feature_bulk(mean: MeanFeatures, aspect_ratio: float) -> FeatureBulk:
    """The bulk behind the mean features.

    Examples
    --------
    >>> from rmt.features.stages import no_spikes
    >>> from rmt.features.mean_features import mean_features
    >>> from rmt.functions import ScalarFunction
    >>> untrained = mean_features(ScalarFunction.parse("z"), no_spikes(1), width=100)
    >>> feature_bulk(untrained, aspect_ratio=2.0)
    FeatureBulk(linear=1.0, nonlinear=0.0, aspect_ratio=2.0)
    """
    rest = mean.second_moment - mean.mean_square - mean.square_slope
    if rest < 1e-12 * mean.second_moment:  # a linear activation: rounding, not a number
        rest = 0.0
    linear = mean.square_slope if mean.square_slope > 1e-24 * mean.second_moment else 0.0
    return FeatureBulk(linear**0.5, rest**0.5, aspect_ratio)
