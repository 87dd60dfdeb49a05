"""Training and test errors after every step, predicted at the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rmt.arrays import Array
from rmt.grids.driver import Failure, Means, attempted, solved
from rmt.grids.grid import Grid
from rmt.predict import training_path
from rmt.prediction.path import with_errors
from rmt.problem import Problem
from rmt.status import InvalidInputError, Status

__all__ = ["ERRORS", "PathErrors", "predicted_errors"]

# By the names that a `TrainingPath` and `PathSamples` have for them.
ERRORS = (
    *("training_error", "test_error", "training_loss", "test_loss"),
    *("training_misclassified", "test_misclassified"),
)
# Tolerance of the walk, relative to the first error: networks are not known to more.
_RTOL = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class PathErrors:
    """Errors before the first step and after each of ``T``.

    Attributes
    ----------
    values, estimates : dict of str to array (T + 1,)
        Those of `ERRORS` that say something of their own, and their numerical errors.
    """

    values: dict[str, Array]
    estimates: dict[str, Array]


def predicted_errors(
    problem: Problem, axes: Grid, max_seconds: float | None, means: Means
) -> list[PathErrors | Failure]:
    """At each point of a grid, the last dimension fastest; a point that fails says why."""
    try:
        return solved(problem, axes, partial(_of_all, max_seconds), _alone, means)[1]
    except InvalidInputError as error:  # at every point
        return [Failure(Status.INVALID_INPUT, str(error))] * len(axes.points())


def _alone(number: int, problem: Problem) -> int:
    return number


def _of_all(max_seconds: float | None, problems: Sequence[Problem]) -> list[PathErrors | Failure]:
    return [attempted(_errors_of, max_seconds, problem) for problem in problems]


def _errors_of(max_seconds: float | None, problem: Problem) -> PathErrors:
    path = training_path(problem, _RTOL, max_seconds)
    names = [name for name in with_errors(path.points[-1]) if name in ERRORS]
    return PathErrors(
        {name: np.asarray(getattr(path, name), dtype=np.float64) for name in names},
        {name: np.array([getattr(p, f"{name}_error") for p in path.points]) for name in names},
    )
