"""Gaps between predictions and the networks of one width, paired by readout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.prediction import Prediction
from validation.comparison.bulk_distance import BulkDistance
from validation.comparison.compare import PredictedOutliers, numbers_of
from validation.simulation.bulk import kolmogorov_distance
from validation.simulation.samples import Samples, standard_error

__all__ = ["Gap", "PairedLevel", "bulk_gap", "outlier_gaps", "paired_gap", "ranked"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A mean difference with its standard error.

    Attributes
    ----------
    gap, error : float
    resolution : float
        What the gap would be from the samples' fluctuations alone; zero for an unbiased one.
    """

    gap: float
    error: float
    resolution: float = 0.0


def ranked(prediction: Prediction, count: int) -> Array:
    """What a level predicts of the ``count`` largest singular values, outliers or not.

    Returns
    -------
    array (count, 1 + r)
        As of `numbers_of`; from the first rank on that is no outlier the bulk's edge, and no
        overlap.
    """
    outliers = PredictedOutliers.of(prediction)
    found = np.zeros((count, 1 + prediction.problem.n_directions))
    found[:, 0] = outliers.edge
    numbers = outliers.numbers[:count]
    found[: len(numbers)] = numbers
    return found


@dataclass(frozen=True, slots=True, eq=False)
class PairedLevel:
    """Predictions of one level at one width, as arrays of `ranked`.

    Attributes
    ----------
    at_law : array (k, 1 + r)
        For the law of the readout.
    own : array (m, k, 1 + r)
        For the readouts of the first networks, or of all; empty when they are not paired.
    stand_in : PairedLevel or None
        A cheaper level with predictions for all networks, where this one has fewer.
    """

    at_law: Array
    own: Array
    stand_in: PairedLevel | None = None


def outlier_gaps(samples: Samples, level: PairedLevel) -> dict[tuple[int, int], Gap]:
    """Gaps by rank and column: of singular values (0, relative) and of squared overlaps."""
    cheap = level.stand_in or level
    simulated = numbers_of(samples.singular_values, samples.target_overlaps)
    found = {}
    for i, j in np.ndindex(level.at_law.shape):
        scale = 1.0 if j else float(simulated[:, i, 0].mean())
        found[i, j] = paired_gap(
            simulated[:, i, j] / scale,
            cheap.own[:, i, j] / scale,
            level.own[:, i, j] / scale,
            float(level.at_law[i, j]) / scale,
            float(cheap.at_law[i, j]) / scale,
        )
    return found


def paired_gap(
    simulated: Array, cheap: Array, own: Array, at_law: float, cheap_at_law: float
) -> Gap:
    """Mean of ``simulated_i - predicted_i`` over networks, and its standard error.

    With a level that is predicted for the first ``k`` of ``m`` networks only, and a cheaper one
    for all of them,

        gap = mean_m(simulated - cheap) - mean_k(own - cheap),

    which is unbiased for the level's paired gap. The error takes both means and their covariance
    into account. Without any own predictions the second mean is ``at_law - cheap_at_law`` instead.

    Parameters
    ----------
    simulated : array (m,)
    cheap : array (m,) or (0,)
        Predictions for each network's readout; without any the gap is that to ``at_law``.
    own : array (k,)
        Predictions of the level itself; ``k`` is 0, or from 2 to ``m``.
    at_law, cheap_at_law : float
        Predictions of both levels for the law of the readout.

    Examples
    --------
    >>> import numpy as np
    >>> simulated, cheap = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.1])
    >>> paired_gap(simulated, cheap, cheap[:2] + 0.5, 1.5, 1.0)
    Gap(gap=0.475, error=0.025, resolution=0.0)
    """
    m, k = simulated.size, own.size
    if not cheap.size:
        return _mean(simulated - at_law)
    if k == m:
        return _mean(simulated - own)
    plain = simulated - cheap
    if not k:
        shifted = _mean(plain)
        return Gap(shifted.gap - (at_law - cheap_at_law), shifted.error)
    correction = own - cheap[:k]
    covariance = np.cov(plain[:k], correction)
    variance = plain.var(ddof=1) / m + covariance[1, 1] / k - 2 * covariance[0, 1] / m
    gap = float(plain.mean() - correction.mean())
    return Gap(gap, math.sqrt(max(float(variance), 0.0)))


def bulk_gap(law: Prediction, values: Array) -> Gap:
    """Kolmogorov distance of a predicted bulk from pooled spectra, with its jackknife error.

    Parameters
    ----------
    law : Prediction
    values : array (n_spectra, m)
        Of `bulk_values`; at least two spectra.
    """
    k, m = values.shape
    at = np.asarray(law.bulk.cdf(values), dtype=np.float64)

    # A distribution function is monotone: distances are the same in its values.
    def distance(kept: Array) -> float:
        return kolmogorov_distance(lambda x: x, kept)

    without = np.array([distance(np.delete(at, i, axis=0)) for i in range(k)])
    error = math.sqrt((k - 1) / k * float(np.sum((without - without.mean()) ** 2)))
    return Gap(distance(at), error, BulkDistance(0.0, 0.0, k, m).resolution)


def _mean(differences: Array) -> Gap:
    return Gap(float(differences.mean()), float(standard_error(differences)))
