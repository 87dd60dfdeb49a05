"""A user's own trained weights against the prediction."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import none_or_several
from rmt.arrays import Array
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.predict import predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.problem.supported import settings_of
from rmt.spikes.deformed.outliers import Forms
from rmt.vocabulary import RTOL
from validation.comparison.compare import PredictedOutliers, best_level, level, numbers_of
from validation.own.models import for_check
from validation.own.network import OwnNetwork
from validation.simulation.weights import run_samples
from validation.weights.given import WeightsLike, checked_problem, given_weights
from validation.weights.notes import odd_weights
from validation.weights.readings import (
    Reading,
    bulk_of,
    found_outliers,
    outlier_count,
    read_weights,
)
from validation.weights.weight_check import CheckRow, Noise, WeightCheck

__all__ = ["check"]


# Largest min(N, d) of which all singular values are computed unasked: some seconds a matrix.
_SPECTRUM_SIZE = 2000
# Tolerance of the predictions for other losses, whose kinks may take long to resolve: a tenth of
# the allowance.
_LOOSER = 3e-3


def check(
    problem: Problem,
    weights: WeightsLike | OwnNetwork | Any,
    readout: ArrayLike | str | os.PathLike[str] | None = None,
    *,
    directions: ArrayLike | str | os.PathLike[str] | None = None,
    method: Method | None = None,
    forms: Forms | None = None,
    n_reference: int = 0,
    seed: int = 0,
    spectrum: bool | None = None,
    progress: bool | str = False,
    max_seconds: float | None = MAX_SECONDS,
) -> WeightCheck:
    """Hold weights that were trained elsewhere against the prediction.

    The network is ``h(x) = s sum_i a_i sigma(<w_i, x>)`` with ``w_i`` the rows of ``W`` and the
    problem's output scale ``s``, by default ``N^{-1/2}``; its steps are ``(1 - eta_k lambda_k) W +
    eta_k G_k``, ``G_k = -(1/s) grad_W (1/n) sum_j l(h(x_j), y_j)``, of the problem's loss, by
    default ``(y - h)^2 / 2`` (see `Problem`). With ``a`` given the prediction is conditional on it.

    Parameters
    ----------
    problem : Problem
        What the network was trained on.
    weights : array (N, d) or (k, N, d), list of arrays (N, d), path, or model
        First layer after the problem's last step, of one or several networks. A model of PyTorch,
        or what `validation.own.from_torch` made of it, or a list of these, holds both layers, which
        are brought to the convention above; initial weights are not asked for. A ``.npy`` file
        holds such an array, a ``.npz`` file an array ``weights`` (or no other) and perhaps
        ``readout``. Pickled objects are not read.
    readout : array (N,) or (k, N), or path of a ``.npy`` file, optional
        Second layer ``a_i = g_i / sqrt(N)``, of mean square about ``1/N``. Left out: the prediction
        is for the problem's readout.
    directions : array (r, d), or path of a ``.npy`` file, optional
        Orthonormal target directions in rows; by default the first ``r`` axes.
    method, forms
        Level of theory, as in `rmt.predict`; by default ``deformed``, and ``resummed`` for more
        than two steps or giant ones, and for antisymmetric networks, of which the former has no
        prediction. The outliers are told
        from the predicted bulk, which only the deformed level knows at finite width; where there is
        none they are told from the spectrum's own edge, and the bulk is not compared.
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
        For weights, readouts, directions, files or models that do not fit; the message says why.
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
    weights, readout, unseen = for_check(checked_problem(problem), weights, readout)
    given = given_weights(problem, weights, readout, directions)
    if method is None:
        method, best = best_level(problem)
        forms = best if forms is None else forms
    n_reference = none_or_several("n_reference", n_reference)
    if spectrum is None:
        spectrum = min(problem.width, problem.dim) <= _SPECTRUM_SIZE

    n_weights = len(given.matrices)
    problems = [problem] * n_weights
    if given.readouts is not None:
        problems = [problem.replace(readout=g, readout_sum=None) for g in given.readouts]
    distinct = {one.content_hash: one for one in problems}
    rtol = _LOOSER if settings_of(problem) else RTOL
    with time_limit(seconds):
        prediction_of = {
            key: predict(one, method, rtol, forms=forms, max_seconds=None)
            for key, one in distinct.items()
        }
    predictions = list(prediction_of.values())
    readings = [
        read_weights(given, number, prediction_of[one.content_hash], spectrum)
        for number, one in enumerate(problems)
    ]
    references = _references(predictions, n_reference, seed, progress)
    noise: Noise = "reference" if n_reference else "weights" if n_weights > 1 else "unknown"
    rows = _rows(readings, references)
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
        return replace(found, notes=(*odd_weights(readings, found.agrees()), *unseen))


def _references(
    predictions: Sequence[Prediction], n_reference: int, seed: int, progress: bool | str
) -> list[tuple[Prediction, Array]]:
    """Simulated networks, shared between the readouts, each as its prediction and `numbers_of`."""
    n_outliers = max(1, *(len(prediction.outliers) for prediction in predictions))
    found = []
    shares = np.array_split(np.arange(n_reference), len(predictions))
    for prediction, share in zip(predictions, shares, strict=True):
        if share.size:
            drawn = run_samples(
                prediction.problem, share.size, seed, n_outliers=n_outliers, progress=progress
            )
            numbers = numbers_of(drawn.singular_values, drawn.target_overlaps)
            found += [(prediction, one) for one in numbers]
    return found


def _rows(
    readings: Sequence[Reading], references: Sequence[tuple[Prediction, Array]]
) -> tuple[CheckRow, ...]:
    """Of the outliers that every prediction has."""
    outliers = {id(one.prediction): PredictedOutliers.of(one.prediction) for one in readings}
    n_rows = min(each.singular_values.size for each in outliers.values())

    def differences(seen: Sequence[tuple[Prediction, Array]]) -> Array:
        """Of each network from its own prediction, shape (n, n_rows, 1 + r)."""
        pairs = ((numbers, outliers[id(prediction)].numbers) for prediction, numbers in seen)
        return np.array([numbers[:n_rows] - predicted[:n_rows] for numbers, predicted in pairs])

    own = [outliers[id(one.prediction)] for one in readings]
    predicted = np.mean([each.numbers[:n_rows] for each in own], axis=0)
    errors = np.mean([each.errors[:n_rows] for each in own], axis=0)
    ours = differences([(one.prediction, numbers_of(one.values, one.overlaps)) for one in readings])
    theirs = differences(references)
    observed = predicted + ours.mean(axis=0)
    reference = predicted + theirs.mean(axis=0) if len(theirs) else None
    scatter = theirs if len(theirs) else ours
    deviation = scatter.std(axis=0, ddof=1) if len(scatter) > 1 else None
    return tuple(
        CheckRow(
            spike=spike,
            direction=j or None,
            predicted=float(predicted[spike, j]),
            predicted_error=float(errors[spike, j]),
            observed=float(observed[spike, j]),
            deviation=math.nan if deviation is None else float(deviation[spike, j]),
            reference=math.nan if reference is None else float(reference[spike, j]),
        )
        for spike, j in np.ndindex(predicted.shape)
    )
