"""Learning curves: errors of ridge regression on a grid of problems and regressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array
from rmt.budget import MAX_SECONDS, checked_seconds
from rmt.display import Part, Shown, Table, draw
from rmt.features.stages import stage_names
from rmt.frames import frame_of, telling
from rmt.grids.driver import Executors, Failure, Means, Progress, attempted, solved
from rmt.grids.grid import Grid, Over, grid
from rmt.problem import Problem
from rmt.regression import RidgeErrors, ridge
from rmt.regression.errors import QUANTITIES, stage_rows
from rmt.status import ConvergenceError, InvalidInputError
from rmt.vocabulary import RTOL

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["RidgeSweep", "sweep_ridge"]


SAMPLES, REGULARISATION = "readout_samples_per_dim", "regularisation"
_QUANTITIES = tuple(name for name in QUANTITIES if name != "effective_ridge")


@dataclass(frozen=True, slots=True, eq=False)
class RidgeSweep(Shown):
    """Errors of ridge regression on a grid.

    Attributes
    ----------
    problem : Problem
        What stays as it is everywhere.
    axes : dict of str to array
        The values along each dimension, in order.
    stages : tuple of str
        ``"untrained"``, ``"step 1"``, ``"step 2"``.
    test_error, training_error, bias, variance, degrees_of_freedom : array (n_stages, *shape)
        As in `RidgeErrors`; nan where a point failed.
    error : array (n_stages, *shape)
        Relative error estimate of the test and training errors.
    status : array of Status (n_stages, *shape)
    messages : tuple of str
        What went wrong, where points have failed.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> curves = rmt.sweep_ridge(
    ...     problem, {"readout_samples_per_dim": [1, 2, 4]}, regularisation=1e-3
    ... )
    >>> curves.shape, curves.stages, curves.test_error.shape
    ((3,), ('untrained', 'step 1'), (2, 3))
    >>> curves.test_error[1].round(3).tolist()
    [0.246, 0.217, 0.201]
    """

    problem: Problem
    axes: dict[str, NDArray[Any]]
    stages: tuple[str, ...]
    test_error: Array
    training_error: Array
    bias: Array
    variance: Array
    degrees_of_freedom: Array
    error: Array
    status: NDArray[Any]
    messages: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""
        return self._grid.shape

    @property
    def _grid(self) -> Grid:
        return Grid(tuple((name,) for name in self.axes), self.axes)

    def to_frame(self) -> pandas.DataFrame:
        """One row for each stage and point, as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        arrays = {name: getattr(self, name) for name in _QUANTITIES}
        return frame_of(
            telling(stage_rows(self.stages, self._grid.coordinates() | arrays, self.status))
        )

    def plot(self) -> Figure:
        """Draw test and training error against the first dimension, a panel for each value of the
        second (needs the extra ``plot``)."""
        return draw(self)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        lines: list[Part] = [
            f"ridge regression on a grid of {' x '.join(map(str, self.shape))} over "
            f"{', '.join(self.axes)}"
        ]
        rows, points = [], self._grid.points()
        for i, stage in enumerate(self.stages):
            test = self.test_error[i]
            good = np.isfinite(test)
            if good.any():
                best = points[int(np.nanargmin(np.where(good, test, np.nan)))]
                where = ", ".join(
                    f"{name} = {value}" if isinstance(value, str) else f"{name} = {value:g}"
                    for name, value in best.items()
                )
                least, largest = np.min(test[good]), np.max(test[good])
                rows.append([stage, f"{least:.5f}", where, f"{largest:.5f}"])
        if rows:
            header = ["stage", "least test error", "at", "largest"]
            lines.append(Table("lrlr", header, rows))
        return [*lines, *(f"failed: {message}" for message in self.messages)]


def sweep_ridge(
    problem: Problem,
    over: Mapping[str, Any],
    *,
    samples: float | None = None,
    regularisation: float | None = None,
    rtol: float = RTOL,
    executor: Executors | None = None,
    progress: Progress = False,
    throw: bool = False,
    max_seconds: float | None = MAX_SECONDS,
) -> RidgeSweep:
    """Learning curves over any parameters of the problem, the samples and the regularisation.

    Parameters
    ----------
    problem : Problem
        What stays as it is everywhere.
    over : mapping of str to one-dimensional array
        The grid is the tensor product of these axes. Names are those of `rmt.sweep`, among them
        ``aspect_ratio`` (``N/d``) and ``samples_per_dim`` of the steps, and of the regression
        ``readout_samples_per_dim`` (``m/d``) and ``regularisation`` (``lambda``).
    samples, regularisation : float, optional
        ``m`` and ``lambda`` where they are not swept over.
    rtol : float
        As for `rmt.ridge`.
    executor : concurrent.futures.Executor or dask.distributed.Client, optional
        Solves problems of the grid in parallel; points that differ in samples or regularisation
        alone are one problem, and cost next to nothing.
    progress : bool or callable
        As for `rmt.sweep`; what is counted are problems.
    throw : bool
        Whether a point that fails raises after all points have been computed. If not, it keeps its
        status and message in the result.
    max_seconds : float or None
        As for `rmt.ridge`, for each problem of the grid.

    Returns
    -------
    RidgeSweep

    Raises
    ------
    InvalidInputError
        For axes that are not allowed, when ``samples`` or ``regularisation`` are neither given nor
        swept over, and when no point of the grid can be computed.
    ConvergenceError
        With ``throw=True``, when a point fails; ``best`` is the whole result.

    Notes
    -----
    Every point is what `rmt.ridge` gives for it; docs/theory.md, section 7.

    Examples
    --------
    >>> from rmt import Problem, Step, sweep_ridge
    >>> p = Problem("erf(z)", "sin(z)", 400, 400, 800, [Step(3, 0.3)])
    >>> over = {"aspect_ratio": [0.5, 1.0, 2.0], "readout_samples_per_dim": [1.0, 3.0]}
    >>> sweep_ridge(p, over, regularisation=1e-3).test_error.shape
    (2, 3, 2)
    """
    if not isinstance(over, Mapping) or not over:
        raise InvalidInputError(f"over must map names to one-dimensional arrays, got {over!r}")
    if any(isinstance(key, tuple) for key in over):
        raise InvalidInputError("over: the axes of a ridge sweep cannot be zipped")
    if {"n_steps", "steps"} & set(over):
        raise InvalidInputError(
            "over: a ridge sweep has a stage for each step of the problem, and does not run over "
            "n_steps or steps"
        )
    inner = {name: _axis(name, over[name]) for name in (SAMPLES, REGULARISATION) if name in over}
    for name, given in ((SAMPLES, samples), (REGULARISATION, regularisation)):
        if (name in inner) == (given is not None):
            keyword = "samples" if name == SAMPLES else name
            raise InvalidInputError(f"give either {keyword} or over[{name!r}], and not both")
    outer: Over = {name: values for name, values in over.items() if name not in inner}
    axes = grid(problem, outer) if outer else Grid((), {})
    ask = partial(
        _asked, _Asked(inner, samples, regularisation, rtol, checked_seconds(max_seconds))
    )
    found = solved(problem, axes, ask, lambda number, _: number, Means(executor, progress))[1]
    result = _collected(problem, list(over), axes, inner, found)
    if throw and result.messages:
        status = next(s for s in result.status.ravel() if not s.ok)
        raise ConvergenceError(f"points failed: {'; '.join(result.messages)}", status, result)
    return result


@dataclass(frozen=True, slots=True)
class _Asked:
    """The regressions on the features of every problem of the grid."""

    inner: dict[str, Array]
    samples: float | None
    regularisation: float | None
    rtol: float
    max_seconds: float | None

    def of(self, problem: Problem) -> RidgeErrors:
        m: Any = self.samples
        if SAMPLES in self.inner:
            m = np.maximum(np.rint(self.inner[SAMPLES] * problem.dim), 1.0)
            m = m[:, None] if REGULARISATION in self.inner else m
        lam: Any = self.inner.get(REGULARISATION, self.regularisation)
        return ridge(problem, m, lam, rtol=self.rtol, throw=False, max_seconds=self.max_seconds)


def _asked(regressions: _Asked, problems: Sequence[Problem]) -> list[RidgeErrors | Failure]:
    return [attempted(regressions.of, problem) for problem in problems]


def _collected(
    problem: Problem,
    over: list[str],
    outer: Grid,
    inner: dict[str, Array],
    found: list[RidgeErrors | Failure],
) -> RidgeSweep:
    stages = stage_names(problem)
    axes: dict[str, NDArray[Any]] = {**outer.axes, **inner}
    sizes = [values.size for values in inner.values()]
    # Computed with the regression's axes last; the result has the axes as they were asked for.
    names = [*outer.axes, "stage", *inner]
    order = [names.index(name) for name in ("stage", *over)]

    def arranged(name: str) -> NDArray[Any]:
        kind = object if name == "status" else float
        array = np.empty((len(found), len(stages), *sizes), dtype=kind)
        for row, one in zip(array, found, strict=True):
            row[...] = getattr(one, name, np.nan)
        array = array.reshape(*outer.shape, len(stages), *sizes)
        return np.ascontiguousarray(array.transpose(order))

    failures = [one.message for one in found if isinstance(one, Failure)]
    good = [one for one in found if isinstance(one, RidgeErrors)]
    failures += [s.value for one in good for s in one.status.ravel() if not s.ok]
    return RidgeSweep(
        problem,
        {name: axes[name] for name in over},
        stages,
        **{name: arranged(name) for name in (*_QUANTITIES, "status")},
        messages=tuple(dict.fromkeys(failures)),
    )


def _axis(name: str, values: ArrayLike) -> Array:
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    least = 0.0 if name == REGULARISATION else np.finfo(float).tiny
    if array.ndim != 1 or not array.size or not (np.isfinite(array) & (array >= least)).all():
        kind = "not negative" if name == REGULARISATION else "positive"
        raise InvalidInputError(f"over: {name} must be an array of {kind} numbers, got {values!r}")
    return array
