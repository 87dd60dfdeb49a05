"""From a `Problem` to a `Prediction`: the one place where the parts of the theory meet."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from numbers import Real
from typing import Any

import numpy as np

from rmt import notes
from rmt.arrays import Array, Bools
from rmt.blas import one_blas_thread
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.cache import remembered
from rmt.prediction import Method, Prediction, Spike, SpikeError, TrainingPath
from rmt.problem import Problem
from rmt.problem.supported import check_supported, has_prediction
from rmt.spectra.laws.law import SpectralLaw
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.deformed.outliers import (
    DEFAULT_FORMS,
    DeformedOutliers,
    Forms,
    check_forms,
    deformed_outliers,
)
from rmt.spikes.mean_update import SpikeStrengths, no_spikes
from rmt.spikes.on_rows import RowsOutliers, on_plain_rows, outliers_on_rows
from rmt.spikes.path import walked
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.row_lengths import with_row_lengths
from rmt.spikes.scaling.strengths import scaling_strengths
from rmt.status import IN_BEST, ConvergenceError, InvalidInputError, Status
from rmt.vocabulary import BULKS, METHODS, RTOL, Bulk

__all__ = [
    "METHODS",
    "along_path",
    "check_arguments",
    "on_bulk",
    "on_marchenko_pastur",
    "predict",
    "training_path",
]

_LEAST_SECONDS = 1e-3  # what is left of a limit that is used up


@one_blas_thread()
def predict(
    problem: Problem,
    method: Method = "resummed",
    rtol: float = RTOL,
    throw: bool = True,
    forms: Forms | None = None,
    max_seconds: float | None = MAX_SECONDS,
    bulk: Bulk | None = None,
) -> Prediction:
    r"""Outliers of the weights after the last step, and what they have learned of the target.

    The mean update is a matrix of finite rank with singular values ``theta_k``, left functions
    ``u_k`` of the readout ``g`` and right directions of alignment ``o_k`` with the target. Beside
    it a row of readout ``g`` has a part of its own, whose length training has made ``b(g)``. With
    ``gamma = N/d`` each eigenvalue ``q`` of ``b^2 + sum_k theta_k^2 u_k u_k^T``, of unit
    eigenvector ``x``, makes one outlier of singular value and squared overlap with the target

    .. math::
       s^2 = \psi(q) = q \Big(1 + \gamma\, E_g \frac{b^2}{q - b^2}\Big), \qquad
       \frac{\psi'(q)}{q} \Big(\sum_k \theta_k \langle u_k, x\rangle o_k\Big)^2

    if ``q`` exceeds all ``b^2`` and ``psi'(q) > 0``. On the initial weights ``b = 1``,
    ``q = 1 + theta_k^2``, that is ``theta_k > gamma^{1/4}`` and
    ``s_k = ((1 + theta_k^2) (gamma + theta_k^2))^{1/2} / theta_k``.

    Parameters
    ----------
    problem : Problem
    method : {"resummed", "scaling", "deformed"}
        Level of theory. ``scaling``: the leading terms of large ``N``, evaluated at the width (see
        `rmt.scaling` for exponents and constants), on the bulk of the initial weights.
        ``resummed``: finite width, all orders in the first step, on the bulk of rows of their new
        lengths. ``deformed``: on the bulk that the rest of the gradients leaves at this width.
    rtol : float
        Relative tolerance on the strengths and absolute tolerance on the squared alignments of
        outliers, from 1e-10 to 1e-2. It is relaxed for spikes below the threshold
        ``theta_c = (N/d)^{1/4}``: to ``rtol * theta_c^2`` in ``theta^2``, and by
        ``theta_c / theta`` in the alignments.
    throw : bool
        Whether a solve that did not converge raises, or is returned with its `status`.
    forms : {"linked", "exact", "simple"}, optional
        At the level ``deformed`` only, ``linked`` by default: what the outlier equation knows.
        ``simple``: spikes and bulk are independent; ``exact``: they are made of the same inputs;
        ``linked``: and the second step acts on the fluctuation of the first, which is the closest
        to simulation. The first two are those of docs/theory.md.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit. A computation
        that reaches it ends as one that has not converged, with the status ``OUT_OF_TIME`` and the
        best prediction so far. Nearly all predictions take less than a second.
    bulk : {"rows", "marchenko-pastur"}, optional
        At the level ``resummed`` only: what the strengths come out of. ``rows``, the default:
        initial weights whose rows have the lengths ``b(g)`` that training has given them. Where
        these are not found with the work of a few seconds, as of rows that have become very long,
        the initial weights take their place and a note says so; asked for by name, that is an
        error. So is a limit of time that comes first.
        ``marchenko-pastur``: the initial weights, which is what the limit of large widths has;
        after one or two steps it takes an eighth to three quarters of the time.

    Returns
    -------
    Prediction

    Raises
    ------
    InvalidInputError
        For a problem or an argument that is not allowed.
    UnsupportedProblemError
        For a problem that the level has no prediction for (`rmt.supported`).
    ConvergenceError
        When ``rtol`` is not reached, or not in time; ``best`` holds the best `Prediction` so far.

    Notes
    -----
    docs/theory.md, sections 2 to 4.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z + 7/10)",
    ...     "sin(2*z)",
    ...     width=1000,
    ...     dim=1000,
    ...     samples=2000,
    ...     steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)],
    ...     readout="rademacher",
    ... )
    >>> for method in ("scaling", "resummed", "deformed"):
    ...     prediction = rmt.predict(problem, method)
    ...     print(method, [round(spike.singular_value, 2) for spike in prediction.outliers])
    scaling [22.97, 2.55]
    resummed [19.86, 2.47]
    deformed [19.86, 2.51]
    """
    check_arguments(problem, method, rtol, forms, bulk)
    if method == "deformed" and forms is None:
        forms = _default_forms(problem)
    check_supported(problem, method, forms)
    seconds = checked_seconds(max_seconds)

    def solved() -> Prediction:
        failure = None
        try:
            prediction = _at_level(problem, method, rtol, forms, seconds, bulk)
        except ConvergenceError as error:
            failure = error
            prediction = _unsolved(problem, method, error, forms)
        prediction = replace(prediction, rtol=float(rtol))
        if throw and not prediction.status.ok:
            raise _error(prediction, rtol, failure)
        return prediction

    asked: dict[str, Any] = {"method": method, "forms": forms, "bulk": bulk, "rtol": float(rtol)}
    return remembered("prediction", problem, solved, **asked)


@one_blas_thread()
def training_path(
    problem: Problem,
    rtol: float = RTOL,
    max_seconds: float | None = MAX_SECONDS,
    *,
    method: Method = "resummed",
    forms: Forms | None = None,
    bulk: Bulk | None = None,
    throw: bool = True,
) -> TrainingPath:
    r"""The network after every step: predictions, training and test errors, alignments of its rows.

    For any schedule of batches and steps up to giant ones, ``eta_s = c_s N^{1/2}``: the mean-field
    process of the rows, in which nothing is expanded. For two steps it is the level ``resummed``.

    Parameters
    ----------
    problem : Problem
    rtol : float
        Tolerance of strengths (relative), of squared alignments, and of errors relative to the
        first, as `predict` has it.
    max_seconds : float or None
        As in `predict`, for the whole path.
    method : {"resummed", "scaling", "deformed"}
        Level of the predictions at the points. ``resummed``: of the spikes that the walk has found.
        The others: what `predict` says of the problem cut to its first steps. Errors and
        alignments of rows are the walk's at every level: the others have none.
    forms : {"linked", "exact", "simple"}, optional
        As in `predict`.
    bulk : {"rows", "marchenko-pastur"}, optional
        As in `predict`.
    throw : bool
        Whether a path that did not converge raises, or is returned with its `status`.

    Returns
    -------
    TrainingPath
        One point more than there are steps; the first is the untrained network.

    Raises
    ------
    InvalidInputError
        An argument that is not allowed.
    UnsupportedProblemError
        A level without a prediction for some number of the first steps.
    ConvergenceError
        The tolerance was not reached, or not in time; ``best`` holds the path so far.

    Notes
    -----
    docs/theory.md, any number of steps.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z + 7/10)",
    ...     "tanh(z) + (cos(2*z) - exp(-2))/2",
    ...     width=1000,
    ...     dim=1000,
    ...     samples=2000,
    ...     steps=[rmt.Step(2, 0.3)] * 3,
    ...     batch="reused",
    ...     readout="rademacher",
    ... )
    >>> for point in rmt.training_path(problem):
    ...     print(point.step, round(point.training_error, 4), round(point.test_error, 4))
    0 0.5148 0.5148
    1 0.3463 0.4264
    2 0.2613 0.3765
    3 0.2117 0.3449
    """
    check_arguments(problem, method, rtol, forms, bulk)
    if method == "deformed" and forms is None:
        forms = _default_forms(problem)
    for n in range(1, problem.n_steps + 1):
        check_supported(problem.with_n_steps(n), method, forms)
        if method != "resummed":  # whose walk has the errors and the alignments of rows
            check_supported(problem.with_n_steps(n), "resummed", None)
    seconds = checked_seconds(max_seconds)
    asked: dict[str, Any] = {"method": method, "forms": forms, "bulk": bulk, "rtol": float(rtol)}
    try:
        return remembered("path", problem, lambda: _path(problem, seconds, **asked), **asked)
    except ConvergenceError as error:
        if throw or not isinstance(error.best, TrainingPath):
            raise
        return error.best


def _path(
    problem: Problem,
    seconds: float | None,
    method: Method,
    forms: Forms | None,
    bulk: Bulk | None,
    rtol: float,
) -> TrainingPath:
    start = time.thread_time()
    with time_limit(seconds):
        points = walked(problem, rtol)
    left = None if seconds is None else seconds - (time.thread_time() - start)
    spikes = [point.spikes for point in points if point.spikes is not None]
    predictions = along_path(problem, spikes, rtol, method, forms, bulk, left)
    path = TrainingPath.of(
        problem,
        [{one.name: getattr(point, one.name) for one in fields(point)} for point in points],
        predictions,
        method=method,
        forms=forms,
        bulk=bulk,
        rtol=rtol,
    )
    status = path.status
    if not status.ok:
        raise ConvergenceError(f"{status.value} Requested: rtol = {rtol:.1e}.", status, path)
    return path


def along_path(
    problem: Problem,
    spikes: Sequence[SpikeStrengths],
    rtol: float,
    method: Method,
    forms: Forms | None,
    bulk: Bulk | None,
    max_seconds: float | None = MAX_SECONDS,
) -> list[Prediction]:
    """The prediction after each step, of spikes from a walk or, at other levels, solved for.

    One that did not converge has its status.
    """
    cut = [problem.with_n_steps(s) for s, _ in enumerate(spikes, 1)]
    if method == "resummed":
        made = zip(cut, spikes, strict=True)
        return [replace(on_bulk(one, s, bulk), rtol=rtol) for one, s in made]
    end = None if max_seconds is None else time.thread_time() + max_seconds
    predictions = []
    for one in cut:
        left = None if end is None else max(end - time.thread_time(), _LEAST_SECONDS)
        predictions.append(predict(one, method, rtol, False, forms, left))
    return predictions


def check_arguments(
    problem: Problem, method: Method, rtol: float, forms: Forms | None, bulk: Bulk | None = None
) -> None:
    """Raise `InvalidInputError` unless all of them are allowed, one with the other."""
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    if method not in METHODS:
        raise InvalidInputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if isinstance(rtol, bool) or not isinstance(rtol, Real) or not 1e-10 <= rtol <= 1e-2:
        raise InvalidInputError(f"rtol must lie between 1e-10 and 1e-2, got {rtol!r}")
    check_forms(forms, method)
    if bulk is None:
        return
    if bulk not in BULKS:
        raise InvalidInputError(f"bulk must be one of {', '.join(BULKS)}; got {bulk!r}")
    if method != "resummed":
        raise InvalidInputError(
            f"bulk belongs to method='resummed'; got bulk={bulk!r} with method={method!r}"
        )


def _at_level(
    problem: Problem,
    method: Method,
    rtol: float,
    forms: Forms | None,
    seconds: float | None,
    bulk: Bulk | None,
) -> Prediction:
    """What is solved has its limit of time; how it is presented does not count."""
    if forms is not None:
        with time_limit(seconds):
            found = deformed_outliers(problem, rtol, forms)
        return _deformed(problem, found, forms)
    with time_limit(seconds):
        if method == "resummed":
            return on_bulk(problem, resummed_strengths(problem, rtol), bulk, rtol)
        factors = scaling_strengths(problem)
    prediction = on_marchenko_pastur(problem, method, factors)
    return replace(prediction, notes=(*notes.of_scaling(problem), *prediction.notes))


def _error(
    prediction: Prediction, rtol: float, failure: ConvergenceError | None
) -> ConvergenceError:
    relative = (spike.error.strength / spike.strength for spike in prediction.outliers)
    errors = ", ".join(f"{error:.1e}" for error in relative)
    what = (
        f"{prediction.status.value} Requested: rtol = {rtol:.1e}; relative errors of the "
        f"outliers' strengths: {errors or 'none found'}."
        if failure is None
        else f"The strengths are found, their outliers are not: {failure}"
        if prediction.spikes
        else f"{failure}"
    )
    for function in (prediction.problem.activation, prediction.problem.target):
        for known in (table.known_to for table in function.tables if table.known_to < math.inf):
            what = f"{what.rstrip('.')}. {function.short} is known for |z| <= {known:.4g} only"
    return ConvergenceError(f"{what.rstrip('.')}.{IN_BEST}", prediction.status, prediction)


def on_bulk(
    problem: Problem, factors: SpikeStrengths, bulk: Bulk | None = None, rtol: float = RTOL
) -> Prediction:
    """The prediction of spikes of the level ``resummed``, on the bulk of this name or the default.

    What is not known of the lengths of rows is found to what goes with ``rtol``.

    Raises
    ------
    ConvergenceError
        The lengths of the rows were asked for by name and not found, or not in time.
    """
    in_pairs = problem.initialisation == "antisymmetric"
    if in_pairs and bulk == "rows":
        raise InvalidInputError(
            "bulk='rows' needs the lengths of rows, which for initialisation='antisymmetric' come "
            "in pairs and are not known; bulk='marchenko-pastur' is that of the untrained pairs"
        )
    if in_pairs:
        return _on_rows(problem, outliers_on_rows(problem, on_plain_rows(problem, factors)))
    not_found = []
    # Of spikes that were not found lengths are not worth their time.
    if bulk != "marchenko-pastur" and (factors.status.ok or factors.row_lengths is not None):
        try:
            (factors,) = with_row_lengths([problem], [factors], rtol, at_any_cost=bulk == "rows")
        except ConvergenceError as end:
            if bulk == "rows" or end.status is Status.OUT_OF_TIME:  # the bulk is no matter of haste
                raise ConvergenceError(str(end), end.status, factors) from end
            not_found = [notes.without_lengths(problem)]
        if factors.row_lengths is not None:
            return _on_rows(problem, outliers_on_rows(problem, factors))
    if any(step.weight_decay for step in problem.steps):
        found = _on_rows(problem, outliers_on_rows(problem, on_plain_rows(problem, factors)))
    else:
        found = on_marchenko_pastur(problem, "resummed", factors)
    return replace(found, notes=(*not_found, *found.notes))


def _default_forms(problem: Problem) -> Forms:
    """Those closest to simulation, or the simple ones where these are not worked out."""
    known = has_prediction(problem, "deformed", DEFAULT_FORMS)
    return DEFAULT_FORMS if known or not has_prediction(problem, "deformed") else "simple"


def _on_rows(problem: Problem, found: RowsOutliers) -> Prediction:
    return Prediction(
        problem=problem,
        method="resummed",
        spikes=_spikes_of(found, min(problem.width, problem.dim), found.inside_error),
        bulk=found.bulk,
        notes=(
            *notes.of_rows(problem, found),
            *notes.of_scattered(problem),
            *notes.of_problem(problem),
        ),
        status=found.spikes.status,
        factors=found.spikes,
        bulk_edge_error=found.edge_error,
    )


def on_marchenko_pastur(problem: Problem, method: Method, factors: SpikeStrengths) -> Prediction:
    """The prediction of given spikes on the bulk of the initial weights."""
    return Prediction(
        problem=problem,
        method=method,
        # An N x d matrix has no more singular values.
        spikes=_spikes(factors, problem.aspect_ratio, min(problem.width, problem.dim)),
        bulk=MarchenkoPasturBulk(problem.aspect_ratio),
        notes=(
            *notes.of_strengths(problem, factors),
            *notes.of_scattered(problem),
            *notes.of_problem(problem),
        ),
        status=factors.status,
        factors=factors,
    )


def _spikes(factors: SpikeStrengths, aspect_ratio: float, at_most: int) -> tuple[Spike, ...]:
    theta, theta_error = factors.strengths, factors.strength_errors
    outliers = rectangular_outliers(theta, aspect_ratio)
    # Position and overlaps increase with the strength: their errors follow from its interval.
    ends = [
        rectangular_outliers(np.maximum(theta + sign * theta_error, 0.0), aspect_ratio)
        for sign in (-1.0, 1.0)
    ]
    names = ("singular_value", "left_overlap", "right_overlap")
    values = {name: getattr(outliers, name) for name in names}
    errors = {
        name: np.max([np.abs(getattr(end, name) - values[name]) for end in ends], axis=0)
        for name in names
    }
    alignments, alignment_errors = factors.alignments**2, factors.alignment_sq_errors
    right, right_error = values["right_overlap"][:, None], errors["right_overlap"][:, None]
    values |= {
        "strength": theta,
        "target_alignments": alignments,
        "target_overlaps": right * alignments,
    }
    errors |= {
        "strength": theta_error,
        "target_alignments": alignment_errors,
        "target_overlaps": right_error * (alignments + alignment_errors) + right * alignment_errors,
    }
    if factors.initial_alignments is not None and factors.initial_sq_errors is not None:
        initial, off = factors.initial_alignments**2, factors.initial_sq_errors
        values["initial_output_overlap"] = right[:, 0] * initial
        errors["initial_output_overlap"] = right_error[:, 0] * (initial + off) + right[:, 0] * off
    return _made(values, errors, outliers.is_outlier[:at_most])


def _made(
    values: dict[str, Array], errors: dict[str, Array], is_outlier: Bools
) -> tuple[Spike, ...]:
    """Spikes of arrays of their numbers, by name, which may hold more than there are spikes."""

    def at(arrays: dict[str, Array], k: int) -> dict[str, Any]:
        numbers = {name: array[k].tolist() for name, array in arrays.items()}
        return {name: tuple(x) if isinstance(x, list) else x for name, x in numbers.items()}

    return tuple(
        Spike(**at(values, k), is_outlier=out, error=SpikeError(**at(errors, k)))
        for k, out in enumerate(is_outlier.tolist())
    )


def _deformed(problem: Problem, found: DeformedOutliers, forms: Forms) -> Prediction:
    if found.bulk is None:
        bulk: SpectralLaw = MarchenkoPasturBulk(problem.aspect_ratio)
    else:
        bulk = found.bulk.singular_values()
    return Prediction(
        problem=problem,
        method="deformed",
        spikes=_spikes_of(found, min(problem.width, problem.dim), found.edge_error),
        bulk=bulk,
        notes=(*notes.of_deformed(problem, found, forms), *notes.of_problem(problem)),
        status=found.spikes.status,
        factors=found.spikes,
        forms=forms,
        bulk_edge_error=found.edge_error,
    )


def _spikes_of(
    found: DeformedOutliers | RowsOutliers, at_most: int, inside_error: float
) -> tuple[Spike, ...]:
    """The ``k``-th largest outlier belongs to the ``k``-th strongest spike."""
    factors, outliers = found.spikes, found.singular_value.size
    count = min(max(factors.strengths.size, outliers), at_most)

    def filled(array: Array, missing: float = 0.0) -> Array:
        """One entry for each spike, whether there is one or not."""
        full = np.full((count, *array.shape[1:]), missing)
        full[: len(array)] = array[:count]
        return full

    values = {
        "strength": filled(factors.strengths),
        "singular_value": filled(found.singular_value, found.edge),
        "left_overlap": filled(found.left_overlap),
        "right_overlap": filled(found.right_overlap),
        "target_alignments": filled(factors.alignments**2),
        "target_overlaps": filled(found.target_overlap),
    }
    errors = {
        "strength": filled(factors.strength_errors),
        "singular_value": filled(found.singular_value_error, inside_error),
        "left_overlap": filled(found.left_error),
        "right_overlap": filled(found.right_error),
        "target_alignments": filled(factors.alignment_sq_errors),
        "target_overlaps": filled(found.target_error),
    }
    if isinstance(found, RowsOutliers) and factors.initial_alignments is not None:
        values["initial_output_overlap"] = filled(found.initial_overlap)
        errors["initial_output_overlap"] = filled(found.initial_error)
    return _made(values, errors, np.arange(count) < outliers)


def _unsolved(
    problem: Problem, method: Method, failure: ConvergenceError, forms: Forms | None
) -> Prediction:
    """The strengths if they were found, with everything that needs the deformed bulk undefined."""
    factors = failure.best
    if not isinstance(factors, SpikeStrengths):
        factors = no_spikes(problem.n_directions)
    on_bulk = _spikes(factors, problem.aspect_ratio, min(problem.width, problem.dim))
    spikes = tuple(
        replace(
            spike,
            singular_value=math.nan,
            left_overlap=math.nan,
            right_overlap=math.nan,
            target_overlaps=(math.nan,) * len(spike.target_overlaps),
        )
        for spike in on_bulk
    )
    return Prediction(
        problem=problem,
        method=method,
        spikes=spikes,
        bulk=MarchenkoPasturBulk(problem.aspect_ratio),
        notes=tuple(notes.of_problem(problem)) if spikes else (),
        status=failure.status,
        factors=factors,
        forms=forms,
    )
