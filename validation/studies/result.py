"""A study: predictions on a grid, what networks show at its points, and how it is kept."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools, Integers
from rmt.display import InNotebooks, InPapers, Part
from rmt.frames import frame_of, telling, write_csv
from rmt.grids.grid import Grid
from rmt.grids.sweep import Sweep, cell
from rmt.problem import Problem
from rmt.status import InvalidInputError
from rmt.vocabulary import Bulk, Forms
from validation.folders import write_files
from validation.json_form import InJson

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["ErrorCurve", "Study", "StudyFailure"]

Overlaps: TypeAlias = Literal["each", "together"]
_WHAT = {
    "prediction": "converged prediction",
    "errors": "predicted errors",
    "networks": "networks, or not all of them,",
}


@dataclass(frozen=True, slots=True)
class StudyFailure(InNotebooks):
    """Something that is missing at a point, and why.

    Attributes
    ----------
    point : dict of str
        The point's values of the axes, by name.
    what : {"prediction", "errors", "networks"}
        ``errors``: the predicted ones, of training and test.
    message : str

    Examples
    --------
    >>> print(StudyFailure({"alpha_2": 0.6}, "prediction", "Step.exponent must lie in [0, 1/2]"))
    no converged prediction at alpha_2 = 0.6: Step.exponent must lie in [0, 1/2]
    """

    point: dict[str, Any]
    what: str
    message: str

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {cell(value)}" for name, value in self.point.items())
        return f"no {_WHAT.get(self.what, self.what)} at {values}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve(InNotebooks):
    """An error before training and after each step, at the points of a grid.

    Attributes
    ----------
    predicted, estimate : array (*grid, T + 1)
        And its numerical error; nan where there is none, and beyond a point's own last step.
    simulated : array (*grid, M, T + 1)
        Of every network.

    Examples
    --------
    >>> import rmt
    >>> from validation import study
    >>> problem = rmt.Problem("erf(z)", "z", 60, 60, 240, [(2, 0.3)], readout="rademacher")
    >>> options = {"level": "resummed", "n_test": 100, "workers": 1}
    >>> curve = study(problem, {"noise_std": [0, 1]}, networks=3, **options).errors["test_error"]
    >>> curve.predicted.shape, curve.simulated.shape
    ((2, 2), (2, 3, 2))
    >>> curve.predicted.round(3).tolist()
    [[1.0, 0.478], [2.0, 1.515]]
    """

    predicted: Array
    estimate: Array
    simulated: Array

    def __str__(self) -> str:
        *shape, networks, stages = self.simulated.shape
        points = " x ".join(map(str, shape))
        return f"an error at {points} points, after 0 to {stages - 1} steps, of {networks} networks"


@dataclass(frozen=True, slots=True, eq=False)
class Study(InJson, InPapers):
    """Predictions on a grid, and networks at its points; made by `validation.study`.

    The first dimension of the grid is that along which it is drawn, the others tell its curves
    apart. Arrays have the shape of the grid, then ``M`` networks, ``K`` observed singular values
    (largest first) and ``r`` target directions; nan where there is none. Overlaps are squared.
    Printing: a table of all outliers, predicted and simulated, with verdicts.

    Attributes
    ----------
    theory : Sweep
        Predictions at all points, as `rmt.sweep` gives them.
    forms, bulk : str or None
        What was asked for beside `theory.method`.
    n_networks : int
        At each point that has any.
    seed : int
    dtype : str
        Precision of the simulation.
    has_networks : array of bool, shape (*grid,)
        Where networks were asked for.
    singular_values : array (*grid, M, K)
    target_overlaps : array (*grid, M, K, r)
        Of every network, after its last step.
    errors : dict of str to ErrorCurve
        Training and test error, and losses and shares of misclassified samples where these say
        something of their own, after every step; empty where they were not asked for.
    failures : tuple of StudyFailure
        What is missing, and why.

    Examples
    --------
    >>> import rmt
    >>> from validation import study
    >>> problem = rmt.Problem("erf(z)", "z", 80, 80, 320, [(2, 0.3)], readout="rademacher")
    >>> found = study(problem, {"samples_per_dim": [2, 4]}, networks=4, workers=1, errors=False)
    >>> found.singular_values.shape, found.mean_singular_values.shape
    ((2, 4, 4), (2, 4))
    >>> Study.from_json(found.to_json()).to_json() == found.to_json()
    True
    """

    _FORMAT: ClassVar[int] = 1
    _READ: ClassVar[Any] = {}  # below

    theory: Sweep
    forms: Forms | None
    bulk: Bulk | None
    n_networks: int
    seed: int
    dtype: str
    has_networks: Bools
    singular_values: Array
    target_overlaps: Array
    errors: dict[str, ErrorCurve] = field(repr=False)
    failures: tuple[StudyFailure, ...]

    @property
    def problem(self) -> Problem:
        """What the axes do not change."""
        return self.theory.problem

    @property
    def problems(self) -> NDArray[Any]:
        """The `Problem` of each point; None where it is not allowed."""
        return self.theory.problems

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the grid."""
        return self.theory.shape

    @property
    def n_steps(self) -> Integers:
        """Of the problem of each point; 0 where there is none."""
        steps = [0 if p is None else p.n_steps for p in self.problems.flat]
        return np.array(steps).reshape(self.shape)

    @property
    def mean_singular_values(self) -> Array:
        """Means over the networks, shape (*grid, K)."""
        return mean_over(self.singular_values, -2)

    @property
    def singular_value_errors(self) -> Array:
        """Standard errors of these means, shape (*grid, K)."""
        return standard_error_over(self.singular_values, -2)

    @property
    def mean_target_overlaps(self) -> Array:
        """Means over the networks, shape (*grid, K, r)."""
        return mean_over(self.target_overlaps, -3)

    @property
    def target_overlap_errors(self) -> Array:
        """Standard errors of these means, shape (*grid, K, r)."""
        return standard_error_over(self.target_overlaps, -3)

    @property
    def n_together(self) -> int:
        """How many singular vectors span what is compared ``together``.

        As many as there are outliers at any point, at least one, at most those observed.
        """
        most = max(int(self.theory.n_outliers.max(initial=0)), 1)
        return min(most, self.singular_values.shape[-1]) if self.n_networks else most

    @property
    def predicted_together(self) -> Array:
        """Squared overlap of each direction with the span of the outliers, shape (*grid, r)."""
        overlaps = self.theory.target_overlaps[..., : self.n_together, :]
        out = self.theory.is_outlier[..., : self.n_together, None]
        found = np.where(out, overlaps, 0.0).sum(axis=-2)
        known = (self.theory.n_outliers >= 0)[..., None] & self._has_direction
        return np.where(known, found, np.nan)

    @property
    def simulated_together(self) -> Array:
        """That with the span of the first `n_together` of each network, shape (*grid, M, r)."""
        return np.asarray(self.target_overlaps[..., : self.n_together, :].sum(axis=-2))

    @property
    def chance(self) -> Array:
        """Mean squared overlap ``1/d`` of a direction and a random one, shape (*grid,).

        With a random subspace of ``k`` dimensions it is ``k/d``.
        """
        floors = [np.nan if p is None else 1.0 / p.dim for p in self.problems.flat]
        return np.array(floors).reshape(self.shape)

    @property
    def _has_direction(self) -> Bools:
        """Of each point which of the directions its target has, shape (*grid, r)."""
        counts = [0 if p is None else p.n_directions for p in self.problems.flat]
        r = self.theory.target_overlaps.shape[-1]
        return np.arange(r) < np.array(counts).reshape(*self.shape, 1)

    @property
    def grid(self) -> Grid:
        """The axes."""
        return Grid(self.theory.dims, self.theory.axes)

    def rows(self) -> list[dict[str, Any]]:
        """One row for every number that is predicted, or simulated, at every point.

        Columns: the axes, ``N``, ``d`` and the ``n_b``; ``quantity`` (singular value, squared
        overlap, squared overlap together, bulk edge, and after every ``step`` training and test
        error and the like), ``spike`` from 0 and ``direction`` from 1; ``predicted`` with the
        numerical ``predicted_error``, nan where there is no such outlier; ``simulated``, the mean
        over ``networks``, with ``standard_error`` and the ``standard_deviation`` of one network;
        ``chance``, what an overlap has without any learning; ``sigmas`` and ``verdict`` of the
        default `Criteria`; and the ``status`` of the prediction.
        """
        from validation.studies.rows import rows_of

        return rows_of(self)

    def to_frame(self) -> pandas.DataFrame:
        """`rows` as a pandas frame (needs the extra ``frame``), without columns of nothing."""
        return frame_of(telling(self.rows()))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` as a CSV file: every number so that the same one is read.

        Raises
        ------
        InvalidInputError
            When the file cannot be written.
        """
        write_csv(self.rows(), path)

    def plot(self, overlaps: Overlaps = "each") -> Figure:
        r"""Draw the study (needs the extra ``plot``).

        Panels: positions of the outliers above the edge of the bulk; squared overlaps with each
        target direction above their chance level; test and training error at the end. Lines are
        the theory, marks the means over the networks with their standard errors, small dots single
        networks. Marks are hollow where no such outlier is predicted: they are the largest of the
        bulk. An axis of texts has ticks with labels, and no lines between.

        Parameters
        ----------
        overlaps : {"each", "together"}
            Of each outlier, or of the span of all that there are at any point, whose chance level
            is so many times ``1/d``: it does not depend on which of two outliers is the larger.

        Returns
        -------
        Figure
            More can be drawn on its axes: positions, overlaps of each direction, errors.

        Raises
        ------
        InvalidInputError
            For another word.
        """
        from validation.studies.picture import draw_study

        return draw_study(self, overlaps)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts and lists; `from_dict` gives the study back exactly."""
        return {
            "format": self._FORMAT,
            "theory": json.loads(self.theory.to_json()),
            **{name: getattr(self, name) for name in ("forms", "bulk", "n_networks", "seed")},
            "dtype": self.dtype,
            **{name: _plain_array(getattr(self, name)) for name in _ARRAYS},
            "errors": {
                name: {one: _plain_array(getattr(curve, one)) for one in _OF_ERRORS}
                for name, curve in self.errors.items()
            },
            "failures": [
                {"point": _plain_point(one.point), "what": one.what, "message": one.message}
                for one in self.failures
            ],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to a file, which takes the place of an older one when it is complete.

        Raises
        ------
        InvalidInputError
            When it cannot be written.
        """
        file, text = Path(path), self.to_json()
        write_files(file.parent, {file.name: lambda made: made.write_text(text, encoding="utf-8")})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """What `save` has written.

        Raises
        ------
        InvalidInputError
            When there is no such file, or it holds something else.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"study {path} cannot be read: {error}") from error
        return cls.from_json(text)

    def _parts(self) -> list[Part]:
        from validation.studies.tables import shown_parts

        return shown_parts(self)

    def _for_paper(self) -> list[Part]:
        from validation.studies.tables import paper_parts

        return paper_parts(self)


_ARRAYS = ("has_networks", "singular_values", "target_overlaps")
_OF_ERRORS = ("predicted", "estimate", "simulated")


def mean_over(values: Array, axis: int) -> Array:
    """Of what is there along an axis; nan where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing
        return np.asarray(np.nanmean(values, axis=axis))


def standard_error_over(values: Array, axis: int) -> Array:
    """Of the mean of what is there along an axis; nan where fewer than two are."""
    count = np.isfinite(values).sum(axis=axis)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        deviation = np.nanstd(values, axis=axis, ddof=1)
        return np.where(count > 1, deviation / np.sqrt(np.maximum(count, 1)), np.nan)


def _plain_array(array: NDArray[Any]) -> dict[str, Any]:
    """Its shape, which lists do not have where it is empty, and its numbers; null for nan."""
    values = array.ravel().tolist()
    if array.dtype.kind == "f":
        values = [x if np.isfinite(x) else None if np.isnan(x) else str(x) for x in values]
    return {"shape": list(array.shape), "values": values}


def _array(data: Mapping[str, Any]) -> Array:
    numbers = [np.nan if x is None else float(x) for x in data["values"]]
    return np.array(numbers, dtype=np.float64).reshape(data["shape"])


def _bools(data: Mapping[str, Any]) -> Bools:
    return np.array(data["values"], dtype=bool).reshape(data["shape"])


def _plain_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has not, as texts."""
    return {
        name: str(x) if isinstance(x, float) and not math.isfinite(x) else x
        for name, x in point.items()
    }


def _failure(data: Mapping[str, Any]) -> StudyFailure:
    point = {k: float(x) if x in ("nan", "inf", "-inf") else x for k, x in data["point"].items()}
    return StudyFailure(**{**data, "point": point})


def _same(value: Any) -> Any:
    return value


Study._READ = {
    "theory": lambda data: Sweep.from_json(json.dumps(data)),
    **dict.fromkeys(("forms", "bulk", "n_networks", "seed", "dtype"), _same),
    "has_networks": _bools,
    "singular_values": _array,
    "target_overlaps": _array,
    "errors": lambda curves: {
        name: ErrorCurve(**{one: _array(curve[one]) for one in _OF_ERRORS})
        for name, curve in curves.items()
    },
    "failures": lambda found: tuple(map(_failure, found)),
}
