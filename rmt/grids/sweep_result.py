"""What a sweep is: arrays over a grid of problems, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools, Integers
from rmt.display import Part, Shown, Table, draw
from rmt.frames import frame_of, plain
from rmt.grids.grid import Grid, actual_value, parameters
from rmt.grids.points import OF_DIRECTIONS, OF_SPIKES, Point
from rmt.prediction import Method
from rmt.problem import Problem
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Sweep", "SweepError", "collected"]


_ROWS = 24  # of a printed table
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
class Sweep(Shown):
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
    [[1, 1, 1], [1, 2, 2]]
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
        text = any(isinstance(value, str) for value in values)
        return np.array(values, dtype=object if text else np.float64).reshape(self.shape)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each spike of each point, and one for a point without spikes.

        Columns: the axes, width, dim and samples, ``spike`` (None in a point without), the numbers
        of the spike with their error estimates, and what holds for the whole point.
        """
        made = []
        overlap, overlap_error = self.target_overlap, self.error.target_overlap
        for index in np.ndindex(self.shape):
            problem: Any = self.problems[index]
            status: Any = self.status[index]
            row: dict[str, Any] = {
                name: self.axes[name][i]
                for i, names in zip(index, self.dims, strict=True)
                for name in names
            }
            row = {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
            row["N"] = problem.width if problem is not None else None
            row["d"] = problem.dim if problem is not None else None
            for s in range(len(self.problem.steps)):
                row[f"n_{s + 1}"] = problem.samples[s] if problem is not None else None
            row["n_outliers"] = int(self.n_outliers[index])
            row["undecided"] = bool(self.undecided[index])
            row["status"] = status.name
            low, high = self.bulk_edges[index]
            row["bulk_low"], row["bulk_high"] = float(low), float(high)
            spikes = np.flatnonzero(np.isfinite(self.strength[index])).tolist()
            for k in spikes or (None,):
                here = (*index, k)
                numbers: dict[str, Any] = {
                    "spike": k,
                    "is_outlier": bool(self.is_outlier[here]) if k is not None else None,
                }
                for name in (*OF_SPIKES, "target_overlap"):
                    arrays = (
                        (overlap, overlap_error)
                        if name == "target_overlap"
                        else (getattr(self, name), getattr(self.error, name))
                    )
                    for suffix, array in zip(("", "_error"), arrays, strict=True):
                        numbers[name + suffix] = float(array[here]) if k is not None else np.nan
                for i in range(self.target_overlaps.shape[-1]):
                    numbers[f"target_overlap_{i + 1}"] = (
                        float(self.target_overlaps[(*here, i)]) if k is not None else np.nan
                    )
                made.append(row | numbers)
        return made

    def to_frame(self) -> pandas.DataFrame:
        """`rows` as a pandas frame (needs the extra ``frame``)."""
        return frame_of(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and nested lists, ready for JSON; None for what is not finite."""
        arrays = (*OF_SPIKES, *OF_DIRECTIONS)
        return {
            "method": self.method,
            "rtol": self.rtol,
            "problem": self.problem.to_dict(),
            "dims": [list(names) for names in self.dims],
            "axes": {name: plain(values) for name, values in self.axes.items()},
            **{name: plain(getattr(self, name)) for name in arrays},
            "is_outlier": self.is_outlier.tolist(),
            "n_outliers": self.n_outliers.tolist(),
            "undecided": self.undecided.tolist(),
            "bulk_edges": plain(self.bulk_edges),
            "status": _names(self.status).tolist(),
            "message": self.message.tolist(),
            "error": {name: plain(getattr(self.error, name)) for name in arrays},
        }

    def plot(self) -> Figure:
        """Draw the sweep (needs the extra ``plot``).

        One dimension: positions of the outliers and their target overlaps, as curves. Two: heat
        maps of the number of outliers, the largest singular value and the largest target overlap.
        More can be drawn on ``figure.axes``: the two panels of curves, positions first, or the
        three maps and their colour bars.
        """
        return draw(self)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        names = [name for dim in self.dims for name in dim]
        shown = min(int(max(self.n_outliers.max(), 0)), _SHOWN)
        header = [*names, "outliers"]
        for k in range(shown):
            header += [f"s_{k}", "overlap"]
        points = list(np.ndindex(self.shape))
        left_out = max(0, len(points) - _ROWS)
        if left_out:
            points = points[: _ROWS // 2] + points[-(_ROWS // 2) :]
        overlap = self.target_overlap
        rows: list[list[str] | str] = []
        messages: dict[str, None] = {}
        for index in points:
            at = dict(zip(self.dims, index, strict=True))
            cells = [_cell(self.axes[name][at[dim]]) for dim in self.dims for name in dim]
            count = int(self.n_outliers[index])
            cells.append("-" if count < 0 else f"{count}{'?' * bool(self.undecided[index])}")
            for k in range(shown):
                if k < self.strength.shape[-1] and self.is_outlier[(*index, k)]:
                    cells += [f"{self.singular_value[(*index, k)]:.5g}"]
                    cells += [f"{overlap[(*index, k)]:.4f}"]
                else:
                    cells += ["", ""]
            status: Any = self.status[index]
            rows.append([*cells, "" if status.ok else status.name])
            if not status.ok:
                messages.setdefault(f"{status.name}: {self.message[index]}")
        if left_out:
            rows.insert(_ROWS // 2, f"({left_out} more)")
        sizes = " x ".join(str(n) for n in self.shape)
        bad = int(np.count_nonzero(~self.ok))
        title = f"{sizes} points ({self.method}), {'all converged' if not bad else f'{bad} failed'}"
        parts: list[Part] = [title, Table("r" * len(header) + "l", [*header, ""], rows)]
        if np.any(self.undecided & (self.n_outliers >= 0)):
            parts.append("?: undecided within the error estimate")
        return [*parts, *messages]


def collected(
    problem: Problem,
    method: Method,
    rtol: float,
    axes: Grid,
    problems: Sequence[Problem | None],
    points: Sequence[Point],
) -> Sweep:
    """The points of a grid, the last dimension fastest, as arrays."""
    shape = axes.shape
    n_spikes = max(point.is_outlier.size for point in points)
    n_directions = max(point.values["target_overlaps"].shape[-1] for point in points)
    sizes = dict.fromkeys(OF_SPIKES, (n_spikes,)) | dict.fromkeys(
        OF_DIRECTIONS, (n_spikes, n_directions)
    )
    values, errors = (
        {
            name: np.stack([_padded(getattr(point, kind)[name], size) for point in points]).reshape(
                *shape, *size
            )
            for name, size in sizes.items()
        }
        for kind in ("values", "errors")
    )
    is_outlier = np.zeros((len(points), n_spikes), dtype=bool)
    for row, point in zip(is_outlier, points, strict=True):
        row[: point.is_outlier.size] = point.is_outlier
    counts = [
        -1 if np.isnan(point.bulk_edges[0]) else int(np.count_nonzero(point.is_outlier))
        for point in points
    ]
    return Sweep(
        problem=problem,
        method=method,
        rtol=rtol,
        dims=axes.dims,
        axes=axes.axes,
        problems=_objects(problems, shape),
        **values,
        is_outlier=is_outlier.reshape(*shape, n_spikes),
        n_outliers=np.array(counts, dtype=np.int64).reshape(shape),
        undecided=np.array([point.undecided for point in points]).reshape(shape),
        bulk_edges=np.array([point.bulk_edges for point in points]).reshape(*shape, 2),
        status=_objects([point.status for point in points], shape),
        message=_objects([point.message for point in points], shape),
        error=SweepError(**errors),
    )


def _padded(values: Array, size: tuple[int, ...]) -> Array:
    full = np.full(size, np.nan)
    full[tuple(slice(n) for n in values.shape)] = values
    return full


def _objects(values: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array.reshape(shape)


def _sum_of_directions(values: Array) -> Array:
    missing = np.all(np.isnan(values), axis=-1)
    return np.where(missing, np.nan, np.nansum(values, axis=-1))


def _names(status: NDArray[Any]) -> NDArray[Any]:
    return _objects([one.name for one in status.flat], status.shape)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= 28 else value[:25] + "..."
    return f"{value:.6g}"
