"""Training and test error of ridge regression on the features, before and after each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.budget import MAX_SECONDS, OutOfTime, checked_seconds, time_limit
from rmt.display import Cell, Formula, InPapers, Part, Table, draw, with_error
from rmt.features.stages import Stage, stage_names, stages
from rmt.features.target import target_expansion
from rmt.features.trained import TrainedFeatures, trained_features
from rmt.frames import frame_of, plain, plain_fields, rows_of, telling
from rmt.json_form import InJson
from rmt.problem import Problem
from rmt.regression.points import Points, solved_points
from rmt.regression.risk import Risk, RiskTable, effective_ridge, risk
from rmt.spikes.mean_update import SpikeStrengths, no_spikes
from rmt.status import ConvergenceError, InvalidInputError, Status
from rmt.vocabulary import RTOL

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["QUANTITIES", "RidgeErrors", "ridge", "stage_rows"]


QUANTITIES = (
    *("test_error", "training_error", "bias", "variance"),
    *("degrees_of_freedom", "effective_ridge", "error"),
)
_LEAST = 1e-8  # of an effective ridge, relative to the features, in the search for the best


@dataclass(frozen=True, slots=True, eq=False)
class RidgeErrors(InJson, InPapers):
    """Errors of the network whose readout is trained by ridge regression, at each stage.

    The shape of every array is ``(n_stages, *shape)``, ``shape`` that of ``samples`` broadcast with
    ``regularisation``. An error is the mean of ``(y - h)^2``, label noise included.

    Attributes
    ----------
    problem : Problem
    stages : tuple of str
        ``"untrained"``, ``"step 1"``, ``"step 2"``.
    samples : array
        ``m``, fresh samples that the readout is trained on.
    regularisation : array
        ``lambda``; the optimal ones differ from stage to stage.
    test_error, training_error : array
    bias : array
        ``E[(f - E h)^2]``: what remains of the noise-free target at the effective ridge.
    variance : array
        ``test_error - bias - noise_std^2``: of the random training set.
    degrees_of_freedom : array
        ``df1 = tr C (C + tau)^{-1}``, the effective number of features that are fitted.
    effective_ridge : array
        ``tau``, the ridge of the equivalent regression on infinitely many samples.
    error : array
        Relative error estimate of ``test_error`` and ``training_error``: of the solution of the
        equations, not of their distance from a finite network.
    status : array of Status

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> errors = rmt.ridge(problem, samples=[400, 1200], regularisation=1e-3)
    >>> errors.stages, errors.test_error.shape
    (('untrained', 'step 1'), (2, 2))
    >>> errors.test_error.round(3).tolist()
    [[0.646, 0.529], [0.246, 0.206]]
    >>> rmt.RidgeErrors.from_json(errors.to_json()).test_error.round(3).tolist()
    [[0.646, 0.529], [0.246, 0.206]]
    """

    problem: Problem
    stages: tuple[str, ...]
    samples: Array
    regularisation: Array
    test_error: Array
    training_error: Array
    bias: Array
    variance: Array
    degrees_of_freedom: Array
    effective_ridge: Array
    error: Array
    status: NDArray[Any]
    _stages: tuple[Stage, ...] = field(repr=False)

    @one_blas_thread()
    def spike_contributions(self, stage: int = -1) -> Array:
        """By how much the test error would rise without each spike of the weights.

        The spikes interact (a product of two is learned only with both), so the contributions do
        not add up to the drop since the first stage.

        Parameters
        ----------
        stage : int
            Index into ``stages``.

        Returns
        -------
        array, shape (K, *shape)
            In the order of the spikes' strengths; no rows before the first step.

        Examples
        --------
        >>> from rmt import Problem, Step, ridge
        >>> p = Problem("tanh(z)", "z", 200, 200, 400, [Step(2, 0.4)])
        >>> contributions = ridge(p, samples=600, regularisation=1e-2).spike_contributions()
        >>> contributions.shape, bool(contributions[0] > 0)
        ((1,), True)
        """
        spikes, shape = self._stages[stage].spikes, self.samples.shape
        rest = np.empty((spikes.strengths.size, *shape))
        for k in range(spikes.strengths.size):
            features = trained_features(
                self.problem, _without(spikes, k), self._stages[stage].lengths
            )
            solved = solved_points(
                features, self.samples, self.problem.width * self.regularisation[stage]
            )
            rest[k] = solved.test_error
        return np.asarray(rest - self.test_error[stage])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        names = ("problem", "stages", "samples", "regularisation", *QUANTITIES, "status")
        return plain_fields(self, names)

    def to_frame(self) -> pandas.DataFrame:
        """One row for each stage and point, as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        names = ("samples", "regularisation", *QUANTITIES)
        columns = {name: getattr(self, name) for name in names}
        return frame_of(telling(stage_rows(self.stages, columns, self.status)))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw test and training errors against what varies (needs the extra ``plot``)."""
        return draw(self, ax)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        p = self.problem
        lines: list[Part] = [
            f"ridge regression on the features, N = {p.width}, d = {p.dim}, {p.batch} batch"
        ]
        header = ["stage", "samples", "lambda", "test", "training", "bias", "variance", "df"]
        rows = []
        points = list(np.ndindex(self.samples.shape))
        shown = points if len(points) <= 8 else [*points[:4], *points[-4:]]
        for i, stage in enumerate(self.stages):
            for point in shown:
                at = (i, *point)
                errors = (self.test_error, self.training_error, self.bias, self.variance)
                rows.append(
                    [
                        *(stage, f"{self.samples[point]:.0f}", f"{self.regularisation[at]:.3g}"),
                        *(f"{values[at]:.5f}" for values in errors),
                        f"{self.degrees_of_freedom[at]:.1f}",
                    ]
                )
        lines.append(Table("lrrrrrrr", header, rows))
        if len(points) > len(shown):
            lines.append(f"({len(points)} points, of which the first and last four are shown)")
        return lines

    def _for_paper(self) -> list[Part]:
        """All points, with errors in brackets where they are known."""
        p = self.problem
        header: list[Cell] = [
            "stage",
            Formula("samples that the readout is trained on", ("m",)),
            Formula("regularisation", (r"\lambda",)),
            *("test error", "training error", "bias", "variance"),
            Formula("degrees of freedom", (r"\mathrm{df}_1",)),
        ]
        rows = []
        for i, stage in enumerate(self.stages):
            for point in np.ndindex(self.samples.shape):
                at = (i, *point)
                cells = [stage, f"{self.samples[point]:.6g}", f"{self.regularisation[at]:.3g}"]
                for values in (self.test_error, self.training_error):
                    value = float(values[at])
                    cells.append(with_error(value, value * float(self.error[at])))
                for values in (self.bias, self.variance):
                    cells.append(with_error(float(values[at]), 0.0, 4))
                rows.append([*cells, with_error(float(self.degrees_of_freedom[at]), 0.0)])
        about = f"activation {p.activation.text}, {'labels' if p.labels else 'target'} "
        lines = [part for part in self._parts() if not isinstance(part, Table)][:1]
        return [f"{about}{p.label_text}", *lines, Table("lrrrrrrr", header, rows)]


def stage_rows(
    stages: Sequence[str], columns: dict[str, Array], status: NDArray[Any]
) -> list[dict[str, Any]]:
    """One row for each stage and point, of arrays whose first dimension is that of the stages."""
    names = np.reshape(stages, (-1, *(1,) * (status.ndim - 1)))
    return rows_of({"stage": names, **columns, "status": plain(status)})


@one_blas_thread()
def ridge(
    problem: Problem,
    samples: ArrayLike,
    regularisation: ArrayLike | Literal["optimal"],
    *,
    rtol: float = RTOL,
    throw: bool = True,
    max_seconds: float | None = MAX_SECONDS,
) -> RidgeErrors:
    r"""Errors of ridge regression on the features, before any step and after each.

    On ``m`` fresh samples the readout ``c`` minimises

    .. math::
       \frac{1}{m} \left|y - F c / \sqrt{N}\right|^2 + \lambda |c|^2, \qquad
       F = \sigma(X W_s^T),

    and the test error is that of ``h(x) = c . sigma(W_s x) / sqrt(N)`` on new samples, in the limit
    of large ``N, d, m`` at fixed ratios with the spikes at their strengths for the given width.

    Parameters
    ----------
    problem : Problem
        The network and its steps; a stage for each step, and one for the untrained network.
    samples : array_like
        ``m``, positive.
    regularisation : array_like or "optimal"
        ``lambda``, not negative. Zero is the ridgeless limit, whose test error is infinite at the
        interpolation threshold ``m = N``. ``"optimal"`` finds the ``lambda >= 0`` of least test
        error for each number of samples and stage.
    rtol : float
        Relative tolerance of the spikes (see `rmt.predict`).
    throw : bool
        Raise when a stage has not converged; otherwise its ``status`` says so.
    max_seconds : float or None
        Limit of time as for `rmt.predict`, for the whole call.

    Returns
    -------
    RidgeErrors

    Raises
    ------
    InvalidInputError
        For samples or regularisations out of range, or shapes that do not broadcast.
    ConvergenceError
        When a stage has not converged, or time ran out; ``best`` holds the result with its error
        estimates, nan for the stages that time was too short for.

    Notes
    -----
    docs/theory.md, section 7, with the mean features to all orders and the bulk of neurons that
    have moved (`rmt.features`). The spikes and some thirty to a hundred solutions of small linear
    systems are shared by all points.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> p = Problem("erf(z)", "sin(z)", 400, 400, 800, [Step(3, 0.3), Step(3, 0.4)])
    >>> found = ridge(p, samples=[400, 1200], regularisation=1e-3)
    >>> found.test_error.shape
    (3, 2)
    >>> bool((found.test_error[2] < found.test_error[0]).all())
    True
    """
    m, lam = _checked(samples, regularisation)
    solved: list[_SolvedStage] = []
    try:
        with time_limit(checked_seconds(max_seconds)):
            for stage in stages(problem, rtol):
                solved.append(_solved_stage(problem, stage, m, lam))
    except OutOfTime as end:
        solved += [
            _unsolved_stage(name, problem.n_directions, m, end.status)
            for name in stage_names(problem)[len(solved) :]
        ]
    result = _collected(problem, m, solved)
    bad = [status for status in result.status.ravel() if not status.ok]
    if bad and throw:
        raise ConvergenceError(f"ridge: {bad[0].value}", bad[0], result)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _SolvedStage:
    """A stage at all points."""

    stage: Stage
    regularisation: Array
    points: Points
    error: Array


def _solved_stage(problem: Problem, stage: Stage, m: Array, lam: Array | None) -> _SolvedStage:
    features = trained_features(problem, stage.spikes, stage.lengths)
    stage_lam = _optimal(features, m) / problem.width if lam is None else lam
    points = solved_points(features, m, problem.width * stage_lam)
    error = _error(problem, stage, features, points, m, stage_lam)
    return _SolvedStage(stage, stage_lam, points, error)


def _unsolved_stage(name: str, r: int, m: Array, status: Status) -> _SolvedStage:
    unknown = np.full(m.shape, np.nan)
    spikes = replace(no_spikes(r), status=status)
    points = Points(unknown, Risk(*[unknown] * 4), unknown, unknown, np.nan)
    return _SolvedStage(Stage(name, spikes, np.ones(1)), unknown, points, unknown)


def _collected(problem: Problem, m: Array, solved: list[_SolvedStage]) -> RidgeErrors:
    test = np.array([one.points.test_error for one in solved])
    bias = np.array([one.points.risk.bias for one in solved])
    return RidgeErrors(
        problem=problem,
        stages=tuple(one.stage.name for one in solved),
        samples=m,
        regularisation=np.array([one.regularisation for one in solved]),
        test_error=test,
        training_error=np.array([one.points.training_error for one in solved]),
        bias=bias,
        variance=test - bias - problem.noise_std**2,
        degrees_of_freedom=np.array([one.points.risk.df1 for one in solved]),
        effective_ridge=np.array([one.points.t for one in solved]) / problem.width,
        error=np.array([one.error for one in solved]),
        status=np.stack([np.full(m.shape, one.stage.spikes.status, object) for one in solved]),
        _stages=tuple(one.stage for one in solved),
    )


def _optimal(features: TrainedFeatures, m: Array) -> Array:
    """``N lambda`` of least test error, sought in the effective ridge, which determines it."""
    scale = features.bulk.trace
    lowest = max(effective_ridge(features, float(m.max()), 0.0), _LEAST * scale)
    table = RiskTable(features, lowest, 1e4 * scale * (1.0 + features.width / float(m.min())))
    return np.array([_best(features, table, float(x), scale) for x in m.ravel()]).reshape(m.shape)


def _best(features: TrainedFeatures, table: RiskTable, m: float, scale: float) -> float:
    low = np.log(max(effective_ridge(features, m, 0.0), _LEAST * scale))
    high = np.log(1e4 * scale * (1.0 + features.width / m))

    def test_error(log_t: Array) -> Array:
        now = table(np.exp(log_t))
        below = 1.0 - now.df2 / m
        with np.errstate(divide="ignore"):
            return np.where(below > 0, (now.bias + features.noise_variance) / below, np.inf)

    # The error may have two minima, one beyond the spikes' scale: look everywhere first.
    grid = np.linspace(low, high, 61)
    best = int(np.argmin(test_error(grid)))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)])
    t = float(np.exp(scipy.optimize.minimize_scalar(test_error, bounds=around, method="bounded",
                                     options={"xatol": 1e-7}).x))  # fmt: skip
    return max(t * (1.0 - float(risk(features, t).df1) / m), 0.0)


def _error(
    problem: Problem, stage: Stage, features: TrainedFeatures, here: Points, m: Array, lam: Array
) -> Array:
    """Relative error: of the spikes, of orders left out, of the interpolation, of rounding."""
    spikes = stage.spikes
    change = np.zeros(m.shape)
    if spikes.strengths.size:
        moved = replace(spikes, strengths=spikes.strengths + spikes.strength_errors)
        shifted = solved_points(
            trained_features(problem, moved, stage.lengths + stage.length_errors),
            m,
            problem.width * lam,
        )
        with np.errstate(invalid="ignore"):
            change = np.nan_to_num(np.abs(shifted.test_error / here.test_error - 1.0))
    cut = problem.width * features.mean.truncation / features.bulk.trace
    expansion = target_expansion(problem.target)
    # Of the target beyond its degree, only what neurons see at these orders could be explained.
    beyond = np.sum(features.mean.coefficients[0][:, expansion.degree + 1 :] ** 2, axis=1)
    seen = problem.width * float(features.mean.weights @ beyond) / features.bulk.trace
    with np.errstate(invalid="ignore", divide="ignore"):
        missed = expansion.missing * expansion.second_moment * min(seen, 1.0) / here.test_error
    return np.asarray(2.0 * change + cut + missed + 10.0 * here.error + 1e-10)


def _without(spikes: SpikeStrengths, k: int) -> SpikeStrengths:
    per_spike = (
        *("strengths", "alignments", "left_functions"),
        *("strength_errors", "alignment_sq_errors"),
    )
    rest: dict[str, Any] = {name: np.delete(getattr(spikes, name), k, 0) for name in per_spike}
    return replace(spikes, **rest)


def _checked(samples: Any, regularisation: Any) -> tuple[Array, Array | None]:
    m = _numbers("samples", samples)
    if not (m > 0).all():
        raise InvalidInputError(f"samples must be positive, got {m.min():g}")
    if isinstance(regularisation, str):
        if regularisation != "optimal":
            raise InvalidInputError(
                f"regularisation must be numbers or 'optimal', got {regularisation!r}"
            )
        return m, None
    lam = _numbers("regularisation", regularisation)
    if not (lam >= 0).all():
        raise InvalidInputError(f"regularisation must not be negative, got {lam.min():g}")
    try:
        m, lam = (np.array(x) for x in np.broadcast_arrays(m, lam))
    except ValueError:
        raise InvalidInputError(
            f"samples and regularisation must broadcast, got shapes {m.shape} and {lam.shape}"
        ) from None
    return m, lam


def _numbers(name: str, value: Any) -> Array:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name} must be numbers, got {value!r}") from None
    boolean = isinstance(value, bool) or not (isinstance(value, Real | Sequence | np.ndarray))
    if boolean or not np.isfinite(array).all() or not array.size:
        raise InvalidInputError(f"{name} must be finite numbers, got {value!r}")
    return array
