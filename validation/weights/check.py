"""A user's own trained weights against the prediction."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.predict import predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from validation.arguments import none_or_several
from validation.comparison.compare import PredictedOutliers, level
from validation.simulation.weights import run_samples
from validation.weights.given import GivenWeights, WeightsLike, given_weights
from validation.weights.notes import odd_weights
from validation.weights.readings import (
    Reading,
    bulk_of,
    found_outliers,
    outlier_count,
    read_weights,
)
from validation.weights.rows import CheckRow
from validation.weights.weight_check import Noise, WeightCheck

__all__ = ["check"]


# Largest min(N, d) of which all singular values are computed unasked: some seconds a matrix.
_SPECTRUM_SIZE = 2000


def check(
    problem: Problem,
    weights: WeightsLike,
    readout: ArrayLike | str | os.PathLike[str] | None = None,
    *,
    directions: ArrayLike | str | os.PathLike[str] | None = None,
    method: Method = "deformed",
    forms: Forms | None = None,
    n_reference: int = 0,
    seed: int = 0,
    spectrum: bool | None = None,
    progress: bool | str = False,
    max_seconds: float | None = MAX_SECONDS,
) -> WeightCheck:
    """Hold weights that were trained elsewhere against the prediction.

    The network is ``h(x) = N^{-1/2} sum_i a_i sigma(<w_i, x>)`` with ``w_i`` the rows of ``W``, and
    its steps are ``W + eta_s G_s``, ``G_s = -sqrt(N) grad_W (1/2n) |y - h(X)|^2`` (see `Problem`).
    With ``a`` given the prediction is conditional on it.

    Parameters
    ----------
    problem : Problem
        What the network was trained on.
    weights : array (N, d) or (k, N, d), list of arrays (N, d), or path
        First layer after the problem's last step, of one or several networks. A ``.npy`` file
        holds such an array, a ``.npz`` file an array ``weights`` (or no other) and perhaps
        ``readout``. Pickled objects are not read.
    readout : array (N,) or (k, N), or path of a ``.npy`` file, optional
        Second layer ``a_i = g_i / sqrt(N)``, of mean square about ``1/N``. Left out: the prediction
        is for the problem's readout.
    directions : array (r, d), or path of a ``.npy`` file, optional
        Orthonormal target directions in rows; by default the first ``r`` axes.
    method, forms
        Level of theory, as in `rmt.predict`. The outliers are told from the predicted bulk, which
        only the deformed level knows at finite width.
    n_reference : int
        Networks to simulate with the same readout, to know by how much one network scatters
        around its prediction: 0, or at least 2; about 20 tell the noise within a sixth. Several
        given matrices tell it themselves.
    seed : int
        Of the reference networks.
    spectrum : bool, optional
        Whether to compute all singular values and compare the bulk; by default when ``min(N, d)``
        is at most 2000. Otherwise only leading triplets are computed.
    progress : bool or str
        Whether to show a progress bar for the reference networks.
    max_seconds : float or None
        Limit of time for all predictions together, as for `rmt.predict`, and once more for those
        that explain weights that differ. Decompositions of the weights and reference networks come
        on top.

    Returns
    -------
    WeightCheck

    Raises
    ------
    InvalidInputError
        For weights, readouts, directions or files that do not fit; the message says why.
    ConvergenceError
        When the prediction does not converge, or not in time.

    Notes
    -----
    A singular value is an outlier when the Tracy-Widom law of the predicted bulk's edge gives it
    and every larger one a chance below 1 percent (`rmt.spectra.edge_pvalue`), the error estimate of
    the edge granted; see `Reading.edge` for a bulk without a sharp edge. Beside this
    `bulk_edge` counts without any theory. Overlaps are squared, so signs do not
    matter; where two outliers are closer than they fluctuate, only the sum of their overlaps has a
    meaning.

    docs/validation.md, your own weights.

    Examples
    --------
    >>> import rmt
    >>> from validation import simulate
    >>> problem = rmt.Problem(
    ...     "tanh(z)", "z", width=200, dim=200, samples=800, steps=[rmt.Step(8, 0.3)],
    ...     readout="rademacher",
    ... )
    >>> network = simulate(problem)  # stands for a network trained elsewhere
    >>> a = network.readout / np.sqrt(200)
    >>> found = check(problem, network.weights[-1], a, n_reference=10)
    >>> len(found.outliers), found.conditional, found.agrees()
    (1, True, True)
    >>> print(found.verdict_of(found.row(0)))
    agrees
    """  # fmt: skip
    seconds = checked_seconds(max_seconds)
    given = given_weights(problem, weights, readout, directions)
    n_reference = none_or_several("n_reference", n_reference)
    if spectrum is None:
        spectrum = min(problem.width, problem.dim) <= _SPECTRUM_SIZE

    groups = _groups(problem, given)
    with time_limit(seconds):
        predictions = [
            predict(group.problem, method, forms=forms, max_seconds=None) for group in groups
        ]
    n_weights = len(given.matrices)
    prediction_of = {
        number: prediction
        for group, prediction in zip(groups, predictions, strict=True)
        for number in group.numbers
    }
    readings = [
        read_weights(given, number, prediction_of[number], spectrum) for number in range(n_weights)
    ]
    simulated = _references(groups, predictions, n_reference, seed, progress)
    noise: Noise = "reference" if n_reference else "weights" if n_weights > 1 else "unknown"
    rows = _rows(readings, simulated)
    deviations = {row.spike: row.deviation for row in rows if row.direction is None}
    found = WeightCheck(
        problem=problem,
        n_weights=n_weights,
        method=level(predictions[0]),
        conditional=given.readouts is not None or not isinstance(problem.readout, str),
        noise=noise,
        n_noise={"reference": n_reference, "weights": n_weights, "unknown": 0}[noise],
        rows=rows,
        found=found_outliers(readings),
        count=outlier_count(readings, deviations),
        bulk=bulk_of(readings),
        notes=(),
    )
    with time_limit(seconds):
        return replace(found, notes=odd_weights(given, readings, found.agrees()))


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Matrices that share a readout, and the problem conditional on it."""

    problem: Problem
    numbers: tuple[int, ...]


def _groups(problem: Problem, given: GivenWeights) -> list[_Group]:
    everyone = tuple(range(len(given.matrices)))
    if given.readouts is None:
        return [_Group(problem, everyone)]
    same: dict[bytes, list[int]] = {}
    for i in everyone:
        same.setdefault(given.readouts[i].tobytes(), []).append(i)
    return [
        _Group(problem.replace(readout=given.readouts[numbers[0]]), tuple(numbers))
        for numbers in same.values()
    ]


class _Observed(Protocol):
    """The leading singular values and overlaps of one network, and its prediction."""

    @property
    def prediction(self) -> Prediction: ...
    @property
    def values(self) -> Array: ...
    @property
    def overlaps(self) -> Array: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    prediction: Prediction
    values: Array
    overlaps: Array


def _references(
    groups: Sequence[_Group],
    predictions: Sequence[Prediction],
    n_reference: int,
    seed: int,
    progress: bool | str,
) -> list[_Reference]:
    """Simulated networks, shared between the readouts."""
    shares = [part.size for part in np.array_split(np.arange(n_reference), len(groups))]
    n_outliers = max(1, *(len(prediction.outliers) for prediction in predictions))
    found = []
    for group, prediction, share in zip(groups, predictions, shares, strict=True):
        if share:
            drawn = run_samples(
                group.problem, share, seed, n_outliers=n_outliers, progress=progress
            )
            pairs = zip(drawn.singular_values, drawn.target_overlaps, strict=True)
            found += [_Reference(prediction, values, overlaps) for values, overlaps in pairs]
    return found


def _rows(readings: Sequence[Reading], references: Sequence[_Reference]) -> tuple[CheckRow, ...]:
    """Of the outliers that every prediction has."""
    outliers = {id(one.prediction): PredictedOutliers.of(one.prediction) for one in readings}
    n_rows = min(each.singular_values.size for each in outliers.values())
    r = readings[0].overlaps.shape[1]

    def differences(seen: Sequence[_Observed], spike: int, direction: int | None) -> Array:
        """Of each network from its own prediction."""
        if direction is None:
            return np.array(
                [
                    one.values[spike] - outliers[id(one.prediction)].singular_values[spike]
                    for one in seen
                ]
            )
        j = direction - 1
        return np.array(
            [
                one.overlaps[spike, j] - outliers[id(one.prediction)].overlaps[spike, j]
                for one in seen
            ]
        )

    def row(spike: int, direction: int | None) -> CheckRow:
        own = [outliers[id(one.prediction)] for one in readings]
        if direction is None:
            predicted = np.mean([each.singular_values[spike] for each in own])
            error = np.mean([each.singular_value_errors[spike] for each in own])
        else:
            predicted = np.mean([each.overlaps[spike, direction - 1] for each in own])
            error = np.mean([each.overlap_errors[spike, direction - 1] for each in own])
        ours = differences(readings, spike, direction)
        theirs = differences(references, spike, direction)
        scatter = theirs if theirs.size else ours
        return CheckRow(
            spike=spike,
            direction=direction,
            predicted=float(predicted),
            predicted_error=float(error),
            observed=float(predicted + ours.mean()),
            deviation=float(scatter.std(ddof=1)) if scatter.size > 1 else math.nan,
            reference=float(predicted + theirs.mean()) if theirs.size else math.nan,
        )

    return tuple(
        row(spike, direction) for spike in range(n_rows) for direction in (None, *range(1, r + 1))
    )
