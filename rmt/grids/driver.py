"""The one driver of grids: a problem at every point, points in tasks, and who runs them.

Sweeps, phase diagrams and learning curves differ in what is asked of a problem. That is a function
of a few problems, which goes to other processes; here is everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np

from rmt.grids.grid import Grid, problem_at
from rmt.problem import Problem
from rmt.status import InvalidInputError, RmtError, Status

__all__ = ["Failure", "Means", "Progress", "attempted", "solved"]

Progress: TypeAlias = bool | Callable[[int, int], object]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is nothing at a point."""

    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class Means:
    """Who computes a grid, who is told, and whether a point that fails raises in the end.

    The arguments ``executor``, ``progress`` and ``throw`` of `rmt.sweep`.
    """

    executor: Executor | None = None
    progress: Progress = False
    throw: bool = False

    def __post_init__(self) -> None:
        if self.executor is not None and not hasattr(self.executor, "submit"):
            given = type(self.executor).__name__
            raise InvalidInputError(f"executor must be a concurrent.futures.Executor, got {given}")


def attempted(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Failure:
    """What a call returns, or why it does not: a point that fails leaves the others as they are."""
    try:
        return call(*arguments, **options)
    except InvalidInputError as error:
        return Failure(Status.INVALID_INPUT, str(error))
    except (RmtError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Failure(getattr(error, "status", Status.NOT_FINITE), str(error))


def solved(
    problem: Problem,
    axes: Grid,
    solve: Callable[[Sequence[Problem]], Sequence[T | Failure]],
    family: Callable[[int, Problem], Hashable],
    means: Means,
) -> tuple[list[Problem | None], list[T | Failure]]:
    """The problem at each point, the last dimension fastest, and what there is to say of it.

    Parameters
    ----------
    problem : Problem
        What stays as it is everywhere.
    axes : Grid
    solve : callable
        Of problems that are computed together, each with its own answer; it is pickled for other
        processes.
    family : callable
        Of a point's number and its problem: points for which it gives the same are computed
        together. It must not depend on who runs the tasks.
    means : Means

    Raises
    ------
    InvalidInputError
        When no point is a problem that can be solved.
    """
    made = [attempted(problem_at, problem, values) for values in axes.points()]
    found: dict[int, T | Failure] = {}
    groups: dict[Hashable, dict[int, Problem]] = {}
    for number, one in enumerate(made):
        if isinstance(one, Failure):
            found[number] = one
        else:
            groups.setdefault(family(number, one), {})[number] = one
    # The costliest first: an executor is then not left with a long task at the end.
    tasks = sorted(groups.values(), key=lambda task: -next(iter(task.values())).learning_rates[0])
    done, total = 0, len(made) - len(found)
    with _reporter(means.progress, total) as report:
        for task, answers in _finished(solve, tasks, means.executor):
            found |= zip(task, answers, strict=True)
            done += len(task)
            report(done)
    points = [found[number] for number in range(len(made))]
    bad = [one for one in points if isinstance(one, Failure) and one.status is Status.INVALID_INPUT]
    if len(bad) == len(points):
        raise InvalidInputError(
            f"no point of the grid can be computed; the first: {bad[0].message}"
        )
    return [one if isinstance(one, Problem) else None for one in made], points


def _finished(
    solve: Callable[[Sequence[Problem]], Sequence[T]],
    tasks: Sequence[dict[int, Problem]],
    executor: Executor | None,
) -> Iterator[tuple[dict[int, Problem], Sequence[T]]]:
    if executor is None:
        for task in tasks:
            yield task, solve([*task.values()])
        return
    futures = {executor.submit(solve, [*task.values()]): task for task in tasks}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:  # after an interruption nothing is left to run
        for future in futures:
            future.cancel()


@contextmanager
def _reporter(progress: Progress, total: int) -> Iterator[Callable[[int], object]]:
    if not isinstance(progress, bool):
        call = progress
        yield lambda done: call(done, total)
        return
    if not progress:
        yield lambda done: None
        return
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm (the extra 'progress' of this package)"
        ) from error
    with tqdm(total=total, unit="point") as bar:
        yield lambda done: bar.update(done - bar.n)
