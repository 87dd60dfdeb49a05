"""What one point of a sweep comes to, and the tasks that compute points together.

Points of the resummed level that share the first step are one task, solved as a family
(`rmt.spikes.resummed`); for other levels a task is a few neighbouring points. How points are
grouped depends on the grid alone, never on who runs the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Bools
from rmt.blas import one_blas_thread
from rmt.budget import MAX_SECONDS, time_limit
from rmt.predict import on_marchenko_pastur, predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from rmt.spikes.resummed import family_key, resummed_family
from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status

__all__ = ["OF_DIRECTIONS", "OF_SPIKES", "Point", "Task", "run", "tasks"]


OF_SPIKES = ("strength", "singular_value", "left_overlap", "right_overlap")
OF_DIRECTIONS = ("target_alignments", "target_overlaps")
_FEW = 4  # points of a task at other levels than the resummed one


@dataclass(frozen=True, slots=True)
class Point:
    """The numbers of a prediction, or why there are none.

    Attributes
    ----------
    values, errors : dict of str to array
        Of shape (K,) for the names in `OF_SPIKES`, (K, r) for those in `OF_DIRECTIONS`.
    is_outlier : array of bool, shape (K,)
    undecided : bool
        Whether the number of outliers may be another within the error estimates.
    bulk_edges : tuple of float
        Lowest and highest edge.
    status : Status
    message : str
        Empty when the status is ok.
    """

    values: dict[str, Array]
    errors: dict[str, Array]
    is_outlier: Bools
    undecided: bool
    bulk_edges: tuple[float, float]
    status: Status
    message: str

    @classmethod
    def without_numbers(cls, status: Status, message: str) -> Point:
        """A point that could not be computed."""
        none = {name: np.empty(0) for name in OF_SPIKES}
        none |= {name: np.empty((0, 0)) for name in OF_DIRECTIONS}
        return cls(none, none, np.empty(0, bool), True, (np.nan, np.nan), status, message)

    @classmethod
    def of(cls, prediction: Prediction) -> Point:
        """The numbers of a prediction."""
        problem, spikes, status = prediction.problem, prediction.spikes, prediction.status
        if not status.ok and not spikes:
            return cls.without_numbers(status, status.value)
        r = problem.n_directions
        values, errors = (
            {name: np.array([getattr(one, name) for one in several]) for name in OF_SPIKES}
            | {
                name: np.array([getattr(one, name) for one in several]).reshape(-1, r)
                for name in OF_DIRECTIONS
            }
            for several in (spikes, [spike.error for spike in spikes])
        )
        is_outlier = np.array([spike.is_outlier for spike in spikes], dtype=bool)
        bulk_edges = _lower_edge(prediction), float(prediction.bulk.upper_edge)
        if prediction.method == "deformed":
            lowest = values["singular_value"] - errors["singular_value"]
            decided = (lowest > bulk_edges[1] + prediction.bulk_edge_error) | ~is_outlier
        else:  # both ends of the interval of each strength are on one side of the threshold
            decided = np.abs(values["strength"] - problem.aspect_ratio**0.25) > errors["strength"]
        message = "" if status.ok else status.value
        undecided = not bool(np.all(decided))
        return cls(values, errors, is_outlier, undecided, bulk_edges, status, message)


def _lower_edge(prediction: Prediction) -> float:
    """nan where it is not found: nothing else depends on it."""
    try:
        return float(prediction.bulk.lower_edge)
    except ConvergenceError:
        return math.nan


@dataclass(frozen=True, slots=True)
class Task:
    """Points that are computed together; ``numbers`` are their places in the list of all points."""

    numbers: tuple[int, ...]
    problems: tuple[Problem, ...]
    method: Method
    rtol: float
    outliers_only: bool
    forms: Forms | None
    max_seconds: float | None


def tasks(
    problems: Sequence[Problem | None],
    method: Method,
    rtol: float,
    outliers_only: bool = False,
    forms: Forms | None = None,
    max_seconds: float | None = MAX_SECONDS,
) -> list[Task]:
    """Group the points of a grid; ``None`` stands for a point that has no problem.

    The costliest come first: an executor is then not left with a long task at the end.
    """
    groups: dict[Hashable, list[int]] = {}
    for number, problem in enumerate(problems):
        if problem is not None:
            key = family_key(problem) if method == "resummed" else number // _FEW
            groups.setdefault(key, []).append(number)
    made = []
    for numbers in groups.values():
        chosen = [problem for number in numbers if (problem := problems[number]) is not None]
        made.append(
            Task(tuple(numbers), tuple(chosen), method, rtol, outliers_only, forms, max_seconds)
        )
    return sorted(made, key=lambda task: -task.problems[0].steps[0].size(task.problems[0].width))


@one_blas_thread()
def run(task: Task) -> list[Point]:
    """The points of a task. A point that fails leaves the others as they are."""
    if task.method != "resummed":
        return [_single(problem, task) for problem in task.problems]
    seconds = None if task.max_seconds is None else task.max_seconds * len(task.problems)
    try:
        with time_limit(seconds):
            factors = resummed_family(task.problems, task.rtol, task.outliers_only)
    except ConvergenceError as error:  # in what they share
        return [Point.without_numbers(error.status, str(error))] * len(task.problems)
    return [
        Point.of(on_marchenko_pastur(problem, task.method, found))
        for problem, found in zip(task.problems, factors, strict=True)
    ]


def _single(problem: Problem, task: Task) -> Point:
    try:
        return Point.of(
            predict(
                problem,
                task.method,
                task.rtol,
                throw=False,
                forms=task.forms,
                max_seconds=task.max_seconds,
            )
        )
    except InvalidInputError as error:  # a level that does not apply to this problem
        return Point.without_numbers(Status.INVALID_INPUT, str(error))
    except (RmtError, ArithmeticError, np.linalg.LinAlgError) as error:
        status = getattr(error, "status", Status.NOT_FINITE)
        return Point.without_numbers(status, str(error))
