"""Predictions of several levels for the networks of one width, and gaps paired by readout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from rmt.arrays import Array
from rmt.predict import predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from validation.comparison.bulk_distance import BulkDistance
from validation.comparison.compare import PredictedOutliers, numbers_of
from validation.comparison.conditional import own_problems
from validation.simulation.bulk import kolmogorov_distance
from validation.simulation.samples import Samples, standard_error

__all__ = [
    "Gap", "PairedLevel", "bulk_gap", "outlier_gaps", "paired_gap", "paired_levels",
    "predictions_at", "ranked",
]  # fmt: skip


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


def predictions_at(
    problem: Problem, methods: Iterable[Method], forms: Forms
) -> dict[Method, Prediction]:
    """Of each level for one problem; an error says which level and width it came from."""
    found: dict[Method, Prediction] = {}
    for method in methods:
        try:
            own = forms if method == "deformed" else None
            found[method] = predict(problem, method, forms=own, max_seconds=None)
        except ArithmeticError as error:
            error.add_note(f"at the level {method} and width {problem.width}")
            raise
    return found


def paired_levels(
    samples: Samples,
    of_law: Mapping[Method, Prediction],
    forms: Forms,
    count: int,
    paired: bool,
    n_own: int,
    executor: Executor | None,
) -> dict[Method, PairedLevel]:
    """What all levels predict for the networks of one width.

    The resummed level stands in for the deformed one, which takes seconds.

    Parameters
    ----------
    samples : Samples
    of_law : mapping of level to Prediction
        For the law of the readout.
    forms
        Of the deformed level.
    count : int
        Ranks to read off each prediction.
    paired : bool
        Whether to predict for the networks' own readouts at all.
    n_own : int
        For how many of them at the deformed level.
    executor : concurrent.futures.Executor or None
        What runs the predictions.
    """
    at_law = {method: ranked(law, count) for method, law in of_law.items()}
    problem = samples.problem
    if not paired:
        none = np.empty((0, count, 1 + problem.n_directions))
        return {method: PairedLevel(numbers, none) for method, numbers in at_law.items()}
    problems = own_problems(samples)

    def level(method: Method, stand_in: PairedLevel | None = None) -> PairedLevel:
        chosen = problems if stand_in is None else problems[:n_own]
        own_of = partial(_own, method, forms, count)
        own = map(own_of, chosen) if executor is None else executor.map(own_of, chosen)
        if method not in at_law:
            at_law[method] = ranked(predict(problem, method, max_seconds=None), count)
        shape = len(chosen), *at_law[method].shape
        return PairedLevel(at_law[method], np.array([*own]).reshape(shape), stand_in)

    found: dict[Method, PairedLevel] = {}
    for method in sorted(of_law, key="deformed".__eq__):
        if method == "deformed":
            found[method] = level(method, found.get("resummed") or level("resummed"))
        else:
            found[method] = level(method)
    return found


def _own(method: Method, forms: Forms, count: int, problem: Problem) -> Array:
    """The prediction for a given readout; small enough to be sent between processes."""
    return ranked(predictions_at(problem, [method], forms)[method], count)
