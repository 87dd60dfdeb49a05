"""What a prediction comes to at one point of a sweep, and families of points, solved together.

Points of the resummed level that share the first step are a family (`rmt.spikes.resummed`); at
other levels each point is its own.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rmt.arrays import Array, Bools
from rmt.budget import time_limit
from rmt.cache import remembered_all
from rmt.grids.driver import Failure, attempted
from rmt.predict import on_bulk, predict
from rmt.prediction import Method, Prediction, Spike, SpikeError
from rmt.problem import Problem
from rmt.problem.supported import check_supported, two_steps
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.path import strengths_along_walk
from rmt.spikes.resummed import family_key, resummed_family
from rmt.spikes.row_lengths import with_row_lengths
from rmt.status import ConvergenceError, Status
from rmt.vocabulary import Bulk, Forms

__all__ = ["OF_DIRECTIONS", "OF_SPIKES", "PREDICTED", "Level", "Point", "family", "predicted"]


OF_SPIKES = ("strength", "singular_value", "left_overlap", "right_overlap")
OF_DIRECTIONS = ("target_alignments", "target_overlaps")
PREDICTED = OF_SPIKES + OF_DIRECTIONS


@dataclass(frozen=True, slots=True)
class Level:
    """What is asked for at every point: the arguments of `rmt.predict` of these names.

    With ``outliers_only`` spikes below the threshold are solved loosely: they are only seen to be
    below it, which is what their error estimates say.
    """

    method: Method
    rtol: float
    forms: Forms | None
    max_seconds: float | None
    bulk: Bulk | None = None
    outliers_only: bool = False


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
        none = _arrays((), 0)
        return cls(none, none, np.empty(0, bool), True, (np.nan, np.nan), status, message)

    @property
    def n_outliers(self) -> int:
        """-1 where there is no prediction."""
        return -1 if np.isnan(self.bulk_edges[1]) else int(np.count_nonzero(self.is_outlier))

    @classmethod
    def of(cls, prediction: Prediction) -> Point:
        """The numbers of a prediction."""
        problem, spikes, status = prediction.problem, prediction.spikes, prediction.status
        if not status.ok and not spikes:
            return cls.without_numbers(status, status.value)
        values = _arrays(spikes, problem.n_directions)
        errors = _arrays([spike.error for spike in spikes], problem.n_directions)
        is_outlier = np.array([spike.is_outlier for spike in spikes], dtype=bool)
        bulk_edges = _lower_edge(prediction), float(prediction.bulk.upper_edge)
        if prediction.method == "deformed" or not isinstance(prediction.bulk, MarchenkoPasturBulk):
            value, error = values["singular_value"], errors["singular_value"]
            highest = bulk_edges[1] + prediction.bulk_edge_error
            decided = (value - error > highest) | (~is_outlier & (value + error <= highest))
        else:  # both ends of the interval of each strength are on one side of the threshold
            decided = np.abs(values["strength"] - problem.aspect_ratio**0.25) > errors["strength"]
        message = "" if status.ok else status.value
        undecided = not bool(np.all(decided))
        return cls(values, errors, is_outlier, undecided, bulk_edges, status, message)


def _arrays(several: Sequence[Spike | SpikeError], r: int) -> dict[str, Array]:
    """Numbers of spikes by name, those of each target direction in as many columns."""
    found = {name: np.array([getattr(one, name) for one in several]) for name in PREDICTED}
    return found | {name: found[name].reshape(len(several), r) for name in OF_DIRECTIONS}


def _lower_edge(prediction: Prediction) -> float:
    """nan where it is not found: nothing else depends on it."""
    try:
        return float(prediction.bulk.lower_edge)
    except ConvergenceError:
        return math.nan


def family(
    level: Level, alike: Sequence[Hashable] | None, number: int, problem: Problem
) -> Hashable:
    """What the points that are solved together have in common.

    Parameters
    ----------
    level : Level
    alike : sequence or None
        Of each point of a sweep over the number of steps, what does not depend on that number:
        those that are walks are one walk.
    number : int
        Of the point.
    problem : Problem
    """
    if level.method != "resummed":
        return number
    return family_key(problem) if alike is None or two_steps(problem) else ("walk", alike[number])


def predicted(level: Level, problems: Sequence[Problem]) -> list[Point | Failure]:
    """The points of a family; of those that the cache has (`rmt.cache`) none is computed again."""
    asked = {name: getattr(level, name) for name in ("method", "forms", "bulk", "outliers_only")}
    solve = partial(_predicted, level)
    return remembered_all("point", problems, solve, **asked, rtol=float(level.rtol))


def _predicted(level: Level, problems: Sequence[Problem]) -> list[Point | Failure]:
    if level.method != "resummed":
        return [attempted(_single, level, problem) for problem in problems]
    refused = [attempted(check_supported, problem, "resummed", None) for problem in problems]
    if any(isinstance(one, Failure) for one in refused):
        allowed = [p for p, one in zip(problems, refused, strict=True) if one is None]
        rest = iter(predicted(level, allowed) if allowed else [])
        return [next(rest) if one is None else one for one in refused]
    if not two_steps(problems[0]):
        return _on_the_way(level, problems)
    spikes = _resummed(level, problems)
    if level.bulk != "marchenko-pastur" and len(problems) > 1:
        together = attempted(_with_lengths, level, problems, spikes)
        if not isinstance(together, Failure):
            spikes = together
        elif level.bulk == "rows" or together.status is Status.OUT_OF_TIME:
            return [together] * len(problems)
        else:  # none of them has lengths, and then the initial bulk
            level = replace(level, bulk="marchenko-pastur")
    return [
        attempted(_on_bulk, level, problem, found)
        for problem, found in zip(problems, spikes, strict=True)
    ]


def _on_the_way(level: Level, problems: Sequence[Problem]) -> list[Point | Failure]:
    """Points that are the first steps of the longest: its walk, unless that fails.

    What goes wrong with the longest is its own, and the others are walked without it.
    """
    longest = max(problems, key=lambda problem: problem.n_steps)
    walk = attempted(_walk, level, longest)
    failed = isinstance(walk, Failure) or not walk[-1].status.ok
    shorter = [one for one in problems if one.n_steps < longest.n_steps] if failed else []
    again = iter(_on_the_way(level, shorter) if shorter else [])
    points: list[Point | Failure] = []
    for one in problems:
        if failed and one.n_steps < longest.n_steps:
            points.append(next(again))
        elif isinstance(walk, Failure):
            points.append(walk)
        else:
            found = walk[one.n_steps - 1]
            points.append(attempted(_on_bulk, level, one, found))
    return points


def _walk(level: Level, problem: Problem) -> list[SpikeStrengths]:
    with time_limit(level.max_seconds):
        return strengths_along_walk(problem, level.rtol)


def _on_bulk(level: Level, problem: Problem, found: SpikeStrengths) -> Point:
    with time_limit(level.max_seconds):  # for the lengths of rows
        return Point.of(on_bulk(problem, found, level.bulk, level.rtol))


def _with_lengths(
    level: Level, problems: Sequence[Problem], spikes: Sequence[SpikeStrengths]
) -> list[SpikeStrengths]:
    found = list(spikes)
    known = [k for k, one in enumerate(spikes) if one.status.ok]
    with time_limit(level.max_seconds):
        lengths = with_row_lengths(
            [problems[k] for k in known],
            [spikes[k] for k in known],
            level.rtol,
            at_any_cost=level.bulk == "rows",
        )
    for k, one in zip(known, lengths, strict=True):
        found[k] = one
    return found


def _resummed(level: Level, problems: Sequence[Problem]) -> list[SpikeStrengths]:
    seconds = None if level.max_seconds is None else level.max_seconds * len(problems)
    with time_limit(seconds):
        return resummed_family(problems, level.rtol, level.outliers_only)


def _single(level: Level, problem: Problem) -> Point:
    with time_limit(level.max_seconds):  # for the bulk's lower edge as well
        return Point.of(
            predict(
                problem,
                level.method,
                level.rtol,
                throw=False,
                forms=level.forms,
                max_seconds=level.max_seconds,
                bulk=level.bulk,
            )
        )
