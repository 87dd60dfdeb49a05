"""Predictions on a grid of problems: arrays in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array, Bools, Integers
from rmt.budget import MAX_SECONDS, checked_seconds
from rmt.display import Formula, InPapers, Part, Table, cut, draw, shortened, with_error
from rmt.expressions.table import in_short
from rmt.frames import frame_of, plain, plain_fields, rows_of, telling, write_csv
from rmt.grids.driver import Executors, Failure, Means, Progress, solved
from rmt.grids.grid import Grid, Over, actual_value, grid, parameters
from rmt.grids.points import OF_SPIKES, PREDICTED, Level, Point, family, predicted
from rmt.json_form import InJson
from rmt.predict import check_arguments
from rmt.prediction import Method
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError, Status
from rmt.vocabulary import RTOL, TEXTS, Bulk, Forms

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Sweep", "SweepError", "outcome", "sweep", "swept"]


_SHOWN = 4  # outliers of a printed row


@dataclass(frozen=True, slots=True, eq=False)
class SweepError:
    """Absolute error estimates of the arrays of a `Sweep`, under the same names and shapes.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> found = rmt.sweep(problem, {"alpha_1": [0.1, 0.3]})
    >>> found.error.strength.shape, bool((found.error.strength < 1e-5).all())
    ((2, 1), True)
    """

    strength: Array
    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    target_alignments: Array
    target_overlaps: Array

    @property
    def target_overlap(self) -> Array:
        """Error estimate of the sum over the target directions, shape (*grid, K)."""
        return _sum_of_directions(self.target_overlaps)


@dataclass(frozen=True, slots=True, eq=False)
class Sweep(InJson, InPapers):
    """Predictions on a grid of problems. Printing: a table of the points, shortened.

    Arrays have the shape of the grid, followed by ``K``, the largest number of spikes at any point
    (strongest first), and by ``r``, the largest number of target directions. Where a point has no
    such spike or direction there is nan (False in ``is_outlier``). Overlaps are squared.

    Attributes
    ----------
    problem : Problem
        What the axes do not change.
    method : str
        Level of theory.
    rtol : float
    dims : tuple of tuples of str
        The names that vary along each dimension of the grid: one, or several zipped ones.
    axes : dict of str to array of shape (n,)
        Values of each name as they were asked for.
    problems : object array, shape (*grid,)
        The `Problem` of each point; None where it is not allowed.
    strength, singular_value, left_overlap, right_overlap : array, shape (*grid, K)
        As in `rmt.Spike`; the singular value of a spike that makes no outlier is the bulk's edge.
    target_alignments, target_overlaps : array, shape (*grid, K, r)
    is_outlier : array of bool, shape (*grid, K)
    n_outliers : array of int, shape (*grid,)
        -1 where there is no prediction.
    undecided : array of bool, shape (*grid,)
        Whether some spike is at the threshold strength within its error estimate, so that the
        number of outliers may be another; True where there is no prediction.
    bulk_edges : array, shape (*grid, 2)
        Lowest and highest edge of the bulk of singular values.
    status : object array of Status, shape (*grid,)
    message : object array of str, shape (*grid,)
        Empty where the status is ok.
    error : SweepError
        Absolute error estimate of each number.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 500, 500, 1000, [(4, 0.3), (4, 0.4)])
    >>> found = rmt.sweep(problem, {"alpha_2": [0.1, 0.45], "scale_2": [1, 2, 4]})
    >>> found.dims, found.shape, found.strength.shape
    ((('alpha_2',), ('scale_2',)), (2, 3), (2, 3, 5))
    >>> found.n_outliers.tolist()
    [[1, 1, 1], [1, 2, 3]]
    >>> rmt.Sweep.from_json(found.to_json()).n_outliers.tolist()
    [[1, 1, 1], [1, 2, 3]]
    """

    problem: Problem
    method: Method
    rtol: float
    dims: tuple[tuple[str, ...], ...]
    axes: dict[str, NDArray[Any]]
    problems: NDArray[Any] = field(repr=False)
    strength: Array
    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    target_alignments: Array
    target_overlaps: Array
    is_outlier: Bools
    n_outliers: Integers
    undecided: Bools
    bulk_edges: Array
    status: NDArray[Any]
    message: NDArray[Any]
    error: SweepError = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid."""
        return self.status.shape

    @property
    def target_overlap(self) -> Array:
        """Squared overlap with the span of all target directions, shape (*grid, K)."""
        return _sum_of_directions(self.target_overlaps)

    @property
    def ok(self) -> Bools:
        """Where the status is ok, shape (*grid,)."""
        return np.array([status.ok for status in self.status.flat]).reshape(self.shape)

    def actual(self, name: str) -> NDArray[Any]:
        """A parameter at every point as rounding has left it, shape (*grid,).

        Nan (None for texts) where there is no problem. Names: those of `rmt.sweep`.
        """
        allowed = parameters(self.problem)
        if name not in allowed:
            raise InvalidInputError(
                f"unknown parameter {name!r}; the parameters are {', '.join(allowed)}"
            )
        values = [None if p is None else actual_value(p, name) for p in self.problems.flat]
        kind = object if name in TEXTS else np.float64
        return np.array(values, dtype=kind).reshape(self.shape)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each spike of each point, and one for a point without spikes.

        Columns: the axes, width, dim and samples, ``spike`` (None in a point without), the numbers
        of the spike with their error estimates, and what holds for the whole point.
        """
        most = max((len(p.samples) for p in self.problems.flat if p is not None), default=0)
        sizes = ["N", "d", *(f"n_{s + 1}" for s in range(most))]
        low, high = np.moveaxis(self.bulk_edges, -1, 0)
        of_points = {
            "n_outliers": self.n_outliers,
            "undecided": self.undecided,
            "status": plain(self.status),
            "bulk_low": low,
            "bulk_high": high,
        }
        of_spikes: dict[str, Array] = {}
        for name in (*OF_SPIKES, "target_overlap"):
            of_spikes |= {name: getattr(self, name), f"{name}_error": getattr(self.error, name)}
        for i, overlaps in enumerate(np.moveaxis(self.target_overlaps, -1, 0), 1):
            of_spikes[f"target_overlap_{i}"] = overlaps
        made = []
        points = zip(np.ndindex(self.shape), self._grid.points(), rows_of(of_points), strict=True)
        for index, values, outcomes in points:
            p: Any = self.problems[index]
            known = () if p is None else (p.width, p.dim, *p.samples)
            row = {**values, **dict.fromkeys(sizes), **dict(zip(sizes, known, strict=False))}
            row |= outcomes
            row |= {"spike": None, "is_outlier": None, **dict.fromkeys(of_spikes, np.nan)}
            spikes = [
                {
                    "spike": k,
                    "is_outlier": bool(self.is_outlier[index][k]),
                    **{name: float(array[index][k]) for name, array in of_spikes.items()},
                }
                for k in np.flatnonzero(np.isfinite(self.strength[index])).tolist()
            ]
            made += [row | numbers for numbers in spikes] or [row]
        return made

    def to_frame(self) -> pandas.DataFrame:
        """`rows` as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        return frame_of(telling(self.rows()))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` as a CSV file, in UTF-8: every number so that the same one is read.

        Parameters
        ----------
        path : path
            Of the file; what is there is replaced. Nan is ``nan``, None is empty.

        Raises
        ------
        InvalidInputError
            When the file cannot be written.
        """
        write_csv(self.rows(), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and nested lists, ready for JSON; None for what is not finite."""
        of_points = ("is_outlier", "n_outliers", "undecided", "bulk_edges", "status", "message")
        return {
            **plain_fields(self, ("method", "rtol", "problem", "dims", "axes")),
            **plain_fields(self, PREDICTED + of_points),
            "error": plain_fields(self.error, PREDICTED),
        }

    def plot(self) -> Figure:
        """Draw the sweep (needs the extra ``plot``).

        One dimension: positions of the outliers and their target overlaps, as curves. Two: heat
        maps of the number of outliers, the largest singular value and the largest target overlap.
        More can be drawn on ``figure.axes``: the two panels of curves, positions first, or the
        three maps and their colour bars.
        """
        return draw(self)  # type: ignore[no-any-return]

    @property
    def _grid(self) -> Grid:
        return Grid(self.dims, self.axes)

    def _parts(self) -> list[Part]:
        shown = min(int(max(self.n_outliers.max(), 0)), _SHOWN)
        header = [*self.axes, "outliers"]
        for k in range(shown):
            header += [f"s_{k}", "overlap"]
        overlap = self.target_overlap
        rows: list[list[str] | str] = []
        messages: dict[str, None] = {}
        points = list(zip(np.ndindex(self.shape), self._grid.points(), strict=True))
        for point in shortened(points):
            if isinstance(point, str):
                rows.append(point)
                continue
            index, values = point
            cells = [cell(value) for value in values.values()]
            count = int(self.n_outliers[index])
            cells.append("-" if count < 0 else f"{count}{'?' * bool(self.undecided[index])}")
            for k in range(shown):
                if k < self.strength.shape[-1] and self.is_outlier[index][k]:
                    cells += [f"{self.singular_value[index][k]:.5g}", f"{overlap[index][k]:.4f}"]
                else:
                    cells += ["", ""]
            status: Any = self.status[index]
            rows.append([*cells, "" if status.ok else status.name])
            if not status.ok:
                messages.setdefault(f"{status.name}: {self.message[index]}")
        size = "1 point" if self.ok.size == 1 else f"{' x '.join(map(str, self.shape))} points"
        title = f"{size} ({self.method}), {outcome(self)}"
        parts: list[Part] = [title, Table("r" * len(header) + "l", [*header, ""], rows)]
        if np.any(self.undecided & (self.n_outliers >= 0)):
            parts.append("?: undecided within the error estimate")
        return [*parts, *messages]

    def _for_paper(self) -> list[Part]:
        """All points, with errors in brackets."""
        p = self.problem
        about = f"activation {in_short(p.activation.text)}, {'labels' if p.labels else 'target'} "
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        shown = min(int(max(self.n_outliers.max(), 0)), _SHOWN)
        header = [*(symbol(name) for name in self.axes), "outliers"]
        for k in range(shown):
            text = "squared overlap, right singular vector and target"
            header.append(Formula(f"singular value of outlier {k}", (f"s_{k}",)))
            header.append(Formula(text, (rf"|P_*\hat v_{k}|^2",)))
        overlap, overlap_error = self.target_overlap, self.error.target_overlap
        rows = []
        for index, values in zip(np.ndindex(self.shape), self._grid.points(), strict=True):
            count = int(self.n_outliers[index])
            cells = [cell(value) for value in values.values()]
            cells.append("--" if count < 0 else f"{count}{'?' * bool(self.undecided[index])}")
            for k in range(shown):
                at = (*index, k)
                if k < self.strength.shape[-1] and self.is_outlier[at]:
                    value, off = self.singular_value[at], self.error.singular_value[at]
                    cells.append(with_error(float(value), float(off)))
                    value, off = overlap[at], overlap_error[at]
                    cells.append(with_error(float(value), float(off), decimals=4))
                else:
                    cells += ["", ""]
            rows.append(cells)
        align = ["l" if axis.dtype == object else "r" for axis in self.axes.values()]
        table = Table("".join(align) + "r" * (len(header) - len(align)), header, rows)
        return [f"{about}{in_short(p.label_text)}, N = {p.width}, d = {p.dim}", *lines, table]


def sweep(
    problem: Problem,
    over: Over,
    method: Method = "resummed",
    rtol: float = RTOL,
    executor: Executors | None = None,
    progress: Progress = False,
    throw: bool = False,
    forms: Forms | None = None,
    max_seconds: float | None = MAX_SECONDS,
    bulk: Bulk | None = None,
) -> Sweep:
    """Predictions on a grid of problems.

    Every point is what `rmt.predict` gives for it, within the error estimates of both. Points that
    differ only in the size of the second step (or, at the resummed level, in the size of a fresh
    second batch, or in ``N/d`` at fixed ``N`` and ``d/n``), or in ``n_steps``, share nearly all of
    their work.

    Parameters
    ----------
    problem : Problem
        What stays as it is everywhere.
    over : mapping of str to one-dimensional array
        The grid is the tensor product of these axes; the first is the first dimension of every
        result. Names:

        * ``alpha_1, alpha_2, .., scale_1, .., weight_decay_1, ..``: of a step its exponent, scale
          and weight decay;
        * ``n_steps``: the first so many steps, or more where all are equal
          (`Problem.with_n_steps`); ``steps``: a list of schedules, each as `Problem` takes it, or
          a text ``"2,0.3 2,0.4"``;
        * ``noise_std, output_scale, readout_sum``: numbers, the last two or None;
        * ``width``: ``N``, at fixed ``N/d`` and ``n/d``; ``dim``: ``d``, at fixed ``N`` and ``n``;
        * ``aspect_ratio``: ``N/d``, at fixed ``N`` and ``n/d``;
        * ``samples``: ``n`` of all batches, and ``samples_per_dim``: ``n/d``, at fixed ``d``
          (``samples_1, samples_per_dim_1, ..``: of one batch);
        * ``activation, target, batch, readout, loss, init, initialisation``: lists of texts, of
          functions, laws of labels, losses or schedules of batches.

        ``N``, ``d`` and ``n`` are rounded to integers: `Sweep.actual` tells the values that
        result. A tuple of names with a tuple of arrays of one length makes a single axis along
        which they vary together.
    method : {"resummed", ...}
        As for `rmt.predict`.
    rtol : float
        As for `rmt.predict`, at every point.
    executor : concurrent.futures.Executor or dask.distributed.Client, optional
        Runs the tasks: threads, processes, a cluster. The result does not depend on it. Points that
        share their work stay together, and each task has one BLAS thread.
    progress : bool or callable
        True shows a bar (needs the extra ``progress``); a callable is given the number of points
        done and of all points.
    throw : bool
        Whether a point that fails raises after all points have been computed. If not, it keeps its
        status and message in the result, and the others are not affected.
    forms : {"linked", "exact", "simple"}, optional
        As for `rmt.predict`.
    max_seconds : float or None
        As for `rmt.predict`, for each point; points that share their work share their time.
    bulk : {"rows", "marchenko-pastur"}, optional
        As for `rmt.predict`; of one or two steps every point finds the lengths of its own rows.

    Returns
    -------
    Sweep

    Raises
    ------
    InvalidInputError
        For an argument that is not allowed, and when no point of the grid is a problem that the
        method can take. With ``throw=True``, when any is not.
    ConvergenceError
        With ``throw=True``, when a point does not converge; ``best`` is the whole `Sweep`. When no
        worker of the executor comes back.

    Notes
    -----
    docs/theory.md, section 3: ``eta_2`` enters in the last line only.

    Examples
    --------
    >>> import numpy as np
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [(4, 0.3), (4, 0.4)], batch="reused"
    ... )
    >>> found = rmt.sweep(problem, over={"alpha_2": [0.1, 0.3, 0.45]})
    >>> found.n_outliers
    array([1, 2, 3])
    >>> found.singular_value[:, 0].round(2)
    array([10.49, 13.4 , 20.82])
    """
    level = Level(method, rtol, forms, max_seconds, bulk)
    return swept(problem, over, level, Means(executor, progress, throw))


def swept(problem: Problem, over: Over, level: Level, means: Means) -> Sweep:
    """The sweep at a level, by the means given."""
    check_arguments(problem, level.method, level.rtol, level.forms, level.bulk)
    checked_seconds(level.max_seconds)
    axes = grid(problem, over)
    # The points with which one shares all but the number of steps.
    alike: list[Any] | None = None
    if "n_steps" in axes.axes:
        alike = [tuple((k, v) for k, v in p.items() if k != "n_steps") for p in axes.points()]
    problems, found = solved(
        problem, axes, partial(predicted, level), partial(family, level, alike), means
    )
    points = [
        Point.without_numbers(one.status, one.message) if isinstance(one, Failure) else one
        for one in found
    ]
    result = _collected(problem, level, axes, problems, points)
    failed = [point for point in points if not point.status.ok]
    bad = [point for point in failed if point.status is Status.INVALID_INPUT]
    if means.throw and bad:
        raise InvalidInputError(
            f"{len(bad)} points of the grid cannot be computed; the first: {bad[0].message}"
        )
    if means.throw and failed:
        raise ConvergenceError(
            f"{len(failed)} of {len(points)} points failed; the first: {failed[0].message} The "
            "sweep so far is the attribute `best` of this error, and is what throw=False returns.",
            failed[0].status,
            result,
        )
    return result


def _collected(
    problem: Problem,
    level: Level,
    axes: Grid,
    problems: Sequence[Problem | None],
    points: Sequence[Point],
) -> Sweep:
    """The points of a grid as arrays."""

    def stacked(arrays: Iterable[ArrayLike]) -> NDArray[Any]:
        return _stacked([np.asarray(array) for array in arrays], axes.shape)

    return Sweep(
        problem=problem,
        method=level.method,
        rtol=float(level.rtol),
        dims=axes.dims,
        axes=axes.axes,
        problems=_objects(problems, axes.shape),
        **{name: stacked(point.values[name] for point in points) for name in PREDICTED},
        is_outlier=stacked(point.is_outlier for point in points),
        n_outliers=stacked(point.n_outliers for point in points),
        undecided=stacked(point.undecided for point in points),
        bulk_edges=stacked(point.bulk_edges for point in points),
        status=_objects([point.status for point in points], axes.shape),
        message=_objects([point.message for point in points], axes.shape),
        error=SweepError(
            **{name: stacked(point.errors[name] for point in points) for name in PREDICTED}
        ),
    )


def _stacked(arrays: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """One array of a grid; those of its points are filled up to the largest, by nan or False."""
    sizes = np.max([array.shape for array in arrays], axis=0).astype(int)
    missing = np.nan if arrays[0].dtype.kind == "f" else 0
    full = np.full((len(arrays), *sizes), missing, arrays[0].dtype)
    for number, array in enumerate(arrays):
        place: Any = (number, *map(slice, array.shape))
        full[place] = array
    return full.reshape(*shape, *sizes)


def _objects(values: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def outcome(sweep: Sweep) -> str:
    """How many points failed, in words."""
    failed = int(np.count_nonzero(~sweep.ok))
    return f"{failed} failed" if failed else "all converged"


def _sum_of_directions(values: Array) -> Array:
    missing = np.all(np.isnan(values), axis=-1)
    return np.where(missing, np.nan, np.nansum(values, axis=-1))


# Of docs/notation.md, by the names that a sweep runs over.
_SYMBOLS = {
    "alpha": r"\alpha",
    "scale": "c",
    "noise_std": r"\mathrm{std}(\varepsilon)",
    "width": "N",
    "dim": "d",
    "samples": "n",
    "weight_decay": r"\lambda",
    "output_scale": "s",
    "readout_sum": r"\sum_i a_i",
    "aspect_ratio": "N/d",
    "samples_per_dim": "n/d",
}


def symbol(name: str) -> str | Formula:
    """The header of an axis."""
    kind, _, number = name.rpartition("_")
    words = name.replace("_", " ")
    if name in _SYMBOLS:
        return Formula(words, (_SYMBOLS[name],))
    if kind == "samples_per_dim":
        return Formula(words, (f"n_{number}/d",))
    if kind in _SYMBOLS:
        return Formula(words, (f"{_SYMBOLS[kind]}_{{{number}}}",))
    return words


def cell(value: Any) -> str:
    return (
        cut(in_short(value), 28)
        if isinstance(value, str)
        else "none"
        if value is None
        else f"{value:.6g}"
    )
