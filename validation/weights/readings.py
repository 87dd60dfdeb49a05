"""What is read off a user's weight matrix beside a prediction: outliers, their number, the bulk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.prediction import Prediction
from rmt.spectra.laws.tracy_widom import TracyWidom
from rmt.spectra.outliers.edge_pvalue import edge_pvalue
from validation.comparison.bulk_distance import BulkDistance, bulk_distance
from validation.comparison.compare import PredictedOutliers, best_level
from validation.comparison.verdict import DEFAULT_CRITERIA
from validation.simulation.bulk import FEWEST_VALUES, bulk_edge
from validation.simulation.triplets import Triplets, leading_triplets
from validation.weights.given import GivenWeights, RealArray
from validation.weights.weight_check import FoundOutlier, OutlierCount

__all__ = ["Reading", "bulk_of", "found_outliers", "outlier_count", "read_weights"]


# Of the Tracy-Widom test at the predicted edge.
_SIGNIFICANCE = 0.01
# Triplets looked at beyond the predicted outliers, and the most in all.
_MORE_TRIPLETS, _MOST_TRIPLETS = 2, 64
# Within so many standard deviations of the edge an outlier may be missing in a single network.
_DOUBTFUL = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one matrix.

    Attributes
    ----------
    given : GivenWeights
    number : int
        Which matrix of these it is.
    prediction : Prediction
        For this matrix's readout.
    triplets : Triplets
        The leading ``m``, at least one more than there are outliers (up to 64).
    overlaps : array (m, r)
        Squared, of the right vectors with the target directions.
    p_values : array (m,)
        Of each as the largest singular value of a bulk that ends at ``edge``
        (`rmt.spectra.outliers.edge_pvalue`).
    edge : float
        Where the bulk is taken to end: the predicted edge and its error estimate. When that error
        is beyond the Tracy-Widom scale the predicted bulk has no sharp edge (rare neurons or
        samples reach beyond the others), and the spectrum's own edge counts if it is larger; so it
        does where no level predicts what training leaves of the bulk.
    spectrum : array (min(N, d),) or None
        All singular values, in decreasing order, when they were asked for.
    """

    given: GivenWeights
    number: int
    prediction: Prediction
    triplets: Triplets
    overlaps: Array
    p_values: Array
    edge: float
    spectrum: Array | None

    @property
    def matrix(self) -> RealArray:
        """Shape (N, d)."""
        return self.given.matrices[self.number]

    @property
    def name(self) -> str:
        """What the matrix is called in sentences."""
        return "the weights" if len(self.given.matrices) == 1 else f"matrix {self.number}"

    @property
    def readout(self) -> Array | None:
        """The values ``g_i`` that the prediction is for, if they are known."""
        readout = self.prediction.problem.readout
        return None if isinstance(readout, str) else readout

    @property
    def knows_bulk(self) -> bool:
        """Whether some level of theory predicts the bulk after training."""
        return _knows_bulk(self.prediction)

    @property
    def is_soft(self) -> bool:
        """Whether the predicted bulk has no sharp edge."""
        return _is_soft(self.prediction)

    @property
    def values(self) -> Array:
        """The leading singular values, shape (m,)."""
        return self.triplets.values

    @property
    def n_outliers(self) -> int:
        """The leading run of small p-values."""
        inside = np.flatnonzero(self.p_values >= _SIGNIFICANCE)
        return int(inside[0]) if inside.size else self.p_values.size

    @property
    def n_clear(self) -> int:
        """Outliers beyond the edge by more than the finite-size allowance."""
        bar = self.edge * (1 + DEFAULT_CRITERIA.allowance)
        return int(np.count_nonzero(self.values[: self.n_outliers] > bar))


def read_weights(
    given: GivenWeights, number: int, prediction: Prediction, spectrum: bool
) -> Reading:
    """Read matrix ``number``: as many triplets as it takes to reach the bulk."""
    problem, matrix = prediction.problem, given.matrices[number]
    size = min(problem.width, problem.dim)
    values = None
    if spectrum:
        with one_blas_thread():
            values = np.linalg.svd(matrix, compute_uv=False).astype(np.float64)
    edge = prediction.bulk.upper_edge + prediction.bulk_edge_error
    own_edge = _is_soft(prediction) or not _knows_bulk(prediction)
    if own_edge and values is not None and size >= FEWEST_VALUES:
        edge = max(edge, bulk_edge(values).position)
    count = len(prediction.outliers) + _MORE_TRIPLETS
    if prediction.method == "resummed":  # whose bulk is not that of data: the values tell its end
        count = max(count, FEWEST_VALUES)
    count = min(count, size)
    while True:
        triplets = leading_triplets(matrix, count)
        # A law of singular values has a square-root edge as that of their squares has, with the
        # same chances to first order.
        lowered = triplets.values - (edge - prediction.bulk.upper_edge)
        reading = Reading(
            given,
            number,
            prediction,
            triplets,
            given.overlaps(triplets.right, problem.n_directions),
            edge_pvalue(lowered, prediction.bulk, size),
            edge,
            values,
        )
        if reading.n_outliers < count or count >= min(_MOST_TRIPLETS, size):
            return reading
        count = min(2 * count, size)


def found_outliers(readings: Sequence[Reading]) -> tuple[FoundOutlier, ...]:
    """By rank, up to the first that is no outlier in every matrix."""
    found: list[FoundOutlier] = []
    for i in range(min(one.values.size for one in readings)):
        found.append(
            FoundOutlier(
                singular_value=float(np.mean([one.values[i] for one in readings])),
                overlaps=tuple(np.mean([one.overlaps[i] for one in readings], axis=0).tolist()),
                p_value=float(max(one.p_values[i] for one in readings)),
                is_outlier=all(one.n_outliers > i for one in readings),
            )
        )
        if not found[-1].is_outlier:
            break
    return tuple(found)


def outlier_count(readings: Sequence[Reading], deviations: Mapping[int, float]) -> OutlierCount:
    """Outliers predicted and found.

    Parameters
    ----------
    readings : sequence of Reading
    deviations : mapping of int to float
        Standard deviation of one network's outlier, by rank; unknown ones are missing or nan.
    """
    numbers = np.array([_predicted_numbers(one, deviations) for one in readings])
    predicted, least, most = numbers.mean(axis=0).tolist()
    edges = [bulk_edge(one.spectrum) for one in readings if _has_edge(one)]  # type: ignore[arg-type]
    return OutlierCount(
        predicted=predicted,
        least=least,
        most=most,
        found=tuple(one.n_outliers for one in readings),
        clear=tuple(one.n_clear for one in readings),
        by_spectrum=tuple(edge.n_outliers for edge in edges) if edges else None,
        edge=float(np.mean([one.edge for one in readings])),
        edge_by_spectrum=float(np.mean([edge.position for edge in edges])) if edges else None,
    )


def _predicted_numbers(
    reading: Reading, deviations: Mapping[int, float]
) -> tuple[float, float, float]:
    """Outliers: all, those that must be seen beyond the edge, and those that may be."""
    prediction = reading.prediction
    problem, outliers = prediction.problem, PredictedOutliers.of(prediction)
    scale = prediction.bulk.edge_scale(min(problem.width, problem.dim))
    limit = reading.edge + scale * float(TracyWidom(1).isf(_SIGNIFICANCE))
    values = outliers.singular_values
    # A network's outliers scatter by about 1/sqrt(N), relative, where nothing better is known.
    scatter = np.array([deviations.get(i, math.nan) for i in range(values.size)])
    scatter = np.where(np.isfinite(scatter), scatter, values / math.sqrt(problem.width))
    slack = DEFAULT_CRITERIA.allowance * values + _DOUBTFUL * scatter
    slack = slack + outliers.errors[:, 0]
    sure, possible = np.sum(values - slack > limit), np.sum(values + slack > limit)
    return float(values.size), float(sure), float(possible)


def bulk_of(readings: Sequence[Reading]) -> BulkDistance | None:
    """All spectra below the outliers from the mean of their predicted laws.

    None without spectra, with fewer than 24 values in each, or where no level predicts it.
    """
    if not all(_has_edge(one) and one.knows_bulk for one in readings):
        return None
    spectra = np.array([one.spectrum for one in readings])
    values = spectra[:, bulk_edge(spectra.mean(axis=0)).n_outliers :]
    laws = {id(one.prediction): one.prediction.bulk for one in readings}
    weights = [sum(id(one.prediction) == key for one in readings) for key in laws]

    def mean_law(points: Array) -> Array:
        each = [law.cdf(points) for law in laws.values()]
        return np.asarray(np.average(each, axis=0, weights=weights))

    return bulk_distance(mean_law, values, readings[0].prediction.problem.aspect_ratio)


def _has_edge(reading: Reading) -> bool:
    return reading.spectrum is not None and reading.spectrum.size >= FEWEST_VALUES


def _knows_bulk(prediction: Prediction) -> bool:
    return best_level(prediction.problem)[0] == "deformed"


def _is_soft(prediction: Prediction) -> bool:
    size = min(prediction.problem.width, prediction.problem.dim)
    return prediction.bulk_edge_error > prediction.bulk.edge_scale(size)
