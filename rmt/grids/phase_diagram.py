"""Number of outliers and what they have learned, over the plane of the two steps' exponents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array, Bools, Integers
from rmt.budget import MAX_SECONDS
from rmt.display import Block, Part, Shown, draw
from rmt.frames import frame_of, plain, plain_fields, rows_of, telling
from rmt.grids.driver import Executors, Means, Progress
from rmt.grids.grid import Over
from rmt.grids.points import Level
from rmt.grids.sweep import Sweep, outcome, swept
from rmt.prediction import Method
from rmt.problem import Problem
from rmt.status import InvalidInputError
from rmt.vocabulary import Bulk, Forms

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PhaseDiagram", "phase_diagram"]


_MOST_ROWS, _MOST_COLUMNS = 60, 72  # of a printed map
_OF_POINTS = (
    "n_outliers",
    "undecided",
    "asymptotic_count",
    "target_overlap",
    "target_overlap_error",
)


@dataclass(frozen=True, slots=True, eq=False)
class PhaseDiagram(Shown):
    """Outliers over the plane ``(alpha_1, alpha_2)``. Printing: the counts as a map.

    Every array has the shape ``(n1, n2)`` of the two axes unless stated otherwise; where there is
    no prediction a count is -1 and an overlap nan. Overlaps are squared.

    Attributes
    ----------
    sweep : Sweep
        All the numbers behind the diagram. Those of spikes below the threshold have large errors.
    largest_count : int or None
        Upper bound on the number of spikes that the law of the readout sets; None without one.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z + 7/10)", "z", 500, 500, 1000, [(4, 0), (4, 0)])
    >>> diagram = rmt.phase_diagram(problem, [0.1, 0.3], [0.1, 0.4])
    >>> diagram.n_outliers.tolist(), diagram.asymptotic_count.tolist()
    ([[1, 2], [1, 3]], [[1, 2], [1, 3]])
    >>> diagram.target_overlap.round(2).tolist()
    [[0.81, 0.73], [0.75, 0.85]]
    """

    sweep: Sweep = field(repr=False)
    largest_count: int | None

    @property
    def problem(self) -> Problem:
        """What is the same everywhere."""
        return self.sweep.problem

    @property
    def alpha_1(self) -> Array:
        """Exponents of the first step, shape (n1,)."""
        return self.sweep.axes["alpha_1"]

    @property
    def alpha_2(self) -> Array:
        """Exponents of the second step, shape (n2,)."""
        return self.sweep.axes["alpha_2"]

    @property
    def n_outliers(self) -> Integers:
        """Number of outliers at the width of the problem."""
        return self.sweep.n_outliers

    @property
    def undecided(self) -> Bools:
        """Whether a spike is at the threshold within its error estimate."""
        return self.sweep.undecided

    @property
    def status(self) -> NDArray[Any]:
        """`Status` of every point."""
        return self.sweep.status

    @property
    def target_overlap(self) -> Array:
        """Largest over the outliers of the overlap with the span of all target directions."""
        return self._largest(self.sweep.target_overlap)

    @property
    def target_overlap_error(self) -> Array:
        """Absolute error estimate of `target_overlap`."""
        return self._largest(self.sweep.error.target_overlap)

    @property
    def target_overlaps(self) -> Array:
        """Largest over the outliers for each target direction, shape (n1, n2, r)."""
        directions = np.moveaxis(self.sweep.target_overlaps, -1, 0)
        return np.stack([self._largest(overlap) for overlap in directions], axis=-1)

    @property
    def asymptotic_count(self) -> Integers:
        """Outliers as ``N -> infinity``: ``1 + floor(alpha_2 / (1/2 - alpha_1))``.

        The paper's formula: it counts the spikes whose size does not decay, on the assumption that
        every order has a coefficient and none vanishes. Those of size O(1), on a boundary line and
        at the origin, are outliers only above the threshold. A Rademacher readout has two spikes
        at most. On a reused batch, orders above `last_order` have no coefficient when the
        activation has kinks; the formula counts them all the same. Decimals are taken as they
        print, so that boundary lines are exact. -1 outside of [0, 1/2).
        """
        counts = np.array(
            [[_limit_count(a, b) for b in self.alpha_2] for a in self.alpha_1], dtype=np.int64
        )
        return counts if self.largest_count is None else np.minimum(counts, self.largest_count)

    @property
    def last_order(self) -> int | None:
        """The last ``k`` for which the limit has a spike; None when there is no last one.

        1 for a Rademacher readout. On a reused batch ``2 p`` for an activation with kinks and
        ``p`` continuous derivatives, 0 for ReLU: beyond, `rmt.scaling` refuses.

        Examples
        --------
        >>> import rmt
        >>> p = rmt.Problem("elu(z)", "z", 100, 100, 200, [(1, 0), (1, 0)], batch="reused")
        >>> rmt.phase_diagram(p, 1, 1).last_order
        2
        """
        lasts = [] if self.largest_count is None else [self.largest_count - 1]
        kinked = None
        if self.problem.batch == "reused":
            from rmt.spikes.scaling.activation_moments import ExactActivationMoments  # loads mpmath

            kinked = ExactActivationMoments(self.problem.activation, 0, reused=True).last_order
        return min([*lasts, *([] if kinked is None else [kinked])], default=None)

    def boundary(self, k: int) -> tuple[Array, Array]:
        """End points ``(alpha_1, alpha_2)`` of the line ``alpha_2 = k (1/2 - alpha_1)``.

        Above it spike ``k`` grows with ``N``, for ``k`` up to `last_order`; clipped to
        ``[0, 1/2]^2``.

        Examples
        --------
        >>> import rmt
        >>> p = rmt.Problem("tanh(z + 1)", "z", 100, 100, 200, [(1, 0.1), (1, 0.1)])
        >>> [ends.tolist() for ends in rmt.phase_diagram(p, 2, 2).boundary(2)]
        [[0.25, 0.5], [0.5, 0.0]]
        """
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise InvalidInputError(f"k must be a positive integer, got {k!r}")
        return np.array([0.5 - 0.5 / int(k), 0.5]), np.array([0.5, 0.0])

    def _largest(self, overlap: Array) -> Array:
        """Largest over the outliers; 0 without one, nan without a prediction."""
        if not overlap.shape[-1]:
            largest = np.zeros(self.sweep.shape)
        else:
            largest = np.where(self.sweep.is_outlier, np.nan_to_num(overlap), 0.0).max(axis=-1)
        return np.where(self.n_outliers < 0, np.nan, largest)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each point: exponents, counts, overlaps, error estimate and status."""
        columns: dict[str, NDArray[Any]] = {"alpha_1": self.alpha_1[:, None]}
        columns |= {name: getattr(self, name) for name in ("alpha_2", *_OF_POINTS)}
        for r in range(self.target_overlaps.shape[-1]):
            columns[f"target_overlap_{r + 1}"] = self.target_overlaps[..., r]
        return rows_of(columns | {"status": plain(self.status)})

    def to_frame(self) -> pandas.DataFrame:
        """`rows` as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        return frame_of(telling(self.rows()))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and nested lists, ready for JSON; None in place of nan."""
        return {
            **plain_fields(self.sweep, ("method", "rtol", "problem")),
            **plain_fields(self, ("alpha_1", "alpha_2", *_OF_POINTS, "target_overlaps", "status")),
            "message": plain(self.sweep.message),
        }

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Two maps: number of outliers with the boundary lines, and target overlap.

        Needs the extra ``plot``. Dots mark undecided points; grey ones have no prediction. A count
        has the same colour in every diagram. Boundaries are drawn up to ``k = 5``, and no further
        than `last_order`; the legend says which ones there are.

        Parameters
        ----------
        axes : pair of matplotlib Axes, optional
            A new figure is made when left out.
        """
        return draw(self, axes)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        n1, n2 = self.sweep.shape
        overlap = self.target_overlap
        parts: list[Part] = [
            f"phase diagram, {n1} x {n2} points ({self.sweep.method}), {outcome(self.sweep)}; "
            f"N = {self.problem.width}, {self.problem.batch} batch"
        ]
        if np.any(np.isfinite(overlap)):
            i, j = divmod(int(np.nanargmax(overlap)), n2)
            parts.append(
                f"largest target overlap {overlap[i, j]:.4f} at alpha_1 = {self.alpha_1[i]:.4g}, "
                f"alpha_2 = {self.alpha_2[j]:.4g}"
            )
        parts.append("number of outliers (? undecided, - failed): alpha_2 upwards, alpha_1 across")
        columns, rows = _thinned(n1, _MOST_COLUMNS), _thinned(n2, _MOST_ROWS)
        gap = " " if len(columns) <= _MOST_COLUMNS // 2 else ""  # dense where spaces would be wide
        lines = []
        for j in reversed(rows):
            cells = [
                "-" if self.n_outliers[i, j] < 0
                else "?" if self.undecided[i, j]
                else str(min(int(self.n_outliers[i, j]), 9))
                for i in columns
            ]  # fmt: skip
            lines.append(f"{self.alpha_2[j]:7.4g}  {gap.join(cells)}")
        lines.append(f"{'':9}{_axis_ends(self.alpha_1, len(gap.join('0' * len(columns))))}")
        parts.append(Block("\n".join(lines)))
        out = [(n2 - len(rows), f"{n2} rows"), (n1 - len(columns), f"{n1} columns")]
        if any(count for count, _ in out):
            parts.append(", ".join(f"{count} of {of} left out" for count, of in out if count))
        return parts


def phase_diagram(
    problem: Problem,
    alpha_1: int | ArrayLike = 50,
    alpha_2: int | ArrayLike = 50,
    method: Method = "resummed",
    rtol: float = 1e-3,
    executor: Executors | None = None,
    progress: Progress = False,
    throw: bool = False,
    forms: Forms | None = None,
    max_seconds: float | None = MAX_SECONDS,
    bulk: Bulk | None = None,
) -> PhaseDiagram:
    """Number of outliers and largest target overlap over the exponents of the two steps.

    Beside it stands the count of the limit ``N -> infinity``,
    ``1 + floor(alpha_2 / (1/2 - alpha_1))``, whose boundaries are the lines
    ``alpha_2 = k (1/2 - alpha_1)``.

    Parameters
    ----------
    problem : Problem
        Two steps, whose scales are kept. One batch at a time: call it twice for both.
    alpha_1, alpha_2 : int or array
        Values of the exponents, in [0, 1/2); a number of values stands for the mid-points of as
        many cells of equal size.
    method : {"resummed", "scaling", "deformed"}
        As for `rmt.predict`.
    rtol : float
        Looser than for single predictions; every point has its error estimate, and one where the
        count of outliers is in doubt is marked in ``undecided``. It holds for outliers; spikes
        below the threshold are (at the resummed level) only seen to be below it.
    executor, progress, throw, forms, max_seconds, bulk
        As for `rmt.sweep`.

    Returns
    -------
    PhaseDiagram

    Raises
    ------
    InvalidInputError, ConvergenceError
        As `rmt.sweep`; ``best`` of the latter is a `Sweep`.

    Notes
    -----
    docs/theory.md, sections 2 and 3; the limit: arXiv:2605.17767.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z + 7/10)",
    ...     "He3(z)/sqrt(6)",
    ...     width=2000,
    ...     dim=2000,
    ...     samples=4000,
    ...     steps=[(4, 0), (4, 0)],
    ...     readout="rademacher",
    ... )
    >>> found = rmt.phase_diagram(problem, [0.1, 0.3], [0.1, 0.25, 0.4])
    >>> found.n_outliers
    array([[1, 1, 1],
           [1, 2, 2]])
    >>> found.asymptotic_count
    array([[1, 1, 2],
           [1, 2, 2]])
    """
    if isinstance(problem, Problem) and len(problem.steps) != 2:
        count = len(problem.steps)
        raise InvalidInputError(
            "a phase diagram needs a problem with two steps, "
            f"got {'one step' if count == 1 else f'{count} steps'}; rmt.sweep runs over the "
            "exponents of any number of steps"
        )
    over: Over = {"alpha_1": _values(alpha_1), "alpha_2": _values(alpha_2)}
    level = Level(method, rtol, forms, max_seconds, bulk, outliers_only=True)
    found = swept(problem, over, level, Means(executor, progress, throw))
    return PhaseDiagram(found, 2 if _two_valued(problem) else None)


def _limit_count(alpha_1: float, alpha_2: float) -> int:
    if not (0 <= alpha_1 < 0.5 and 0 <= alpha_2 < 0.5):
        return -1
    gap = Fraction(1, 2) - Fraction(repr(float(alpha_1)))
    return 1 + int(Fraction(repr(float(alpha_2))) // gap)


def _two_valued(problem: Problem) -> bool:
    """Whether ``g^2`` is constant: the powers of ``g`` then span two functions."""
    if isinstance(problem.readout, str):
        return problem.readout == "rademacher"
    return np.unique(problem.readout).size == 2


def _values(given: int | ArrayLike) -> Any:
    if isinstance(given, Integral) and not isinstance(given, bool):
        if not 1 <= given <= 10_000:
            raise InvalidInputError(
                f"a number of exponents must lie between 1 and 10000, got {given}"
            )
        return (np.arange(int(given)) + 0.5) / (2 * int(given))
    return given


def _axis_ends(values: Array, width: int) -> str:
    """The first value and, below the last column where there is room, the last one."""
    first, last = f"{values[0]:.4g}", f"{values[-1]:.4g}"
    if values.size == 1:
        return first
    return (
        f"{first}{last.rjust(width - len(first))}"
        if width > len(first) + len(last)
        else (f"{first} .. {last}")
    )


def _thinned(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
