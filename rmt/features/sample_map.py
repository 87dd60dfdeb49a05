"""From eigenvalues of the population covariance of the features to singular values of a sample."""

from __future__ import annotations

import math

import scipy

from rmt.features.bulk import FeatureBulk

__all__ = ["SampleMap"]


class SampleMap:
    """The Silverstein map of the bulk of ``m`` inputs' features.

    An eigenvalue ``l`` of the population covariance outside of its bulk leads to

        z(l) = l (1 - df1(-l) / m),     df1(t) = tr C (C + t)^{-1} = N (1 - t r(t)),

    an eigenvalue of ``F^T F / m``, while ``z`` increases with ``l``; where it stops to is the edge
    of the sample's bulk.

    Attributes
    ----------
    samples : int
        ``m``.
    population_edge : float
        The largest eigenvalue of the population's bulk.
    edge : float
        Upper edge of the bulk of singular values of ``F``.
    """

    __slots__ = ("_bulk", "_width", "edge", "population_edge", "samples")

    def __init__(self, bulk: FeatureBulk, width: int, samples: int) -> None:
        self._bulk, self._width, self.samples = bulk, width, samples
        self.population_edge = bulk.population_edge()
        # z is convex beyond the population's edge, where its slope is minus infinity.
        low = math.log(self.population_edge * (1.0 + 1e-9))
        high = low + math.log(4.0 + 4.0 * width / samples)
        found = scipy.optimize.minimize_scalar(
            lambda x: self.eigenvalue(math.exp(x))[0], bounds=(low, high), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        self.edge = math.sqrt(samples * float(found.fun))

    def eigenvalue(self, ell: float) -> tuple[float, float]:
        """``z`` and its derivative at ``l``."""
        resolvent = self._bulk.resolvent(-ell)
        assert resolvent is not None
        n, w = self._width, self._bulk.weights
        r, r1 = (float(w @ diagonal) for diagonal in resolvent.diagonal[:2])
        df1, df1_slope = n * (1.0 + ell * r), n * (r - ell * r1)
        return ell * (1.0 - df1 / self.samples), 1.0 - (df1 + ell * df1_slope) / self.samples
