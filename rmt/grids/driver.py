"""The one driver of grids: a problem at every point, points in tasks, and who runs them.

Sweeps, phase diagrams and learning curves differ in what is asked of a problem. That is a function
of a few problems, which goes to other processes; here is everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from rmt.blas import one_blas_thread
from rmt.cache import active, cache
from rmt.grids.grid import Grid, problem_at
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status

__all__ = ["Executors", "Failure", "Means", "Progress", "attempted", "solved"]


class _Client(Protocol):
    """Of a cluster, as that of dask.distributed."""

    def get_executor(self) -> Executor: ...


Executors: TypeAlias = Executor | _Client
Progress: TypeAlias = bool | Callable[[int, int], object]
P = ParamSpec("P")
T = TypeVar("T")
Solve: TypeAlias = Callable[[Sequence[Problem]], Sequence[T]]
Finished: TypeAlias = Generator[tuple[Sequence[int], Sequence[T]], None, None]

# At most, of a grid: each costs milliseconds to send, and the last ones leave workers idle.
_TASKS = 128


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

    executor: Executors | None = None
    progress: Progress = False
    throw: bool = False

    def __post_init__(self) -> None:
        if not (self.executor is None or hasattr(self.executor, "submit")):
            given = type(self.executor).__name__
            raise InvalidInputError(
                f"executor must be a concurrent.futures.Executor or a client of dask, got {given}"
            )


def attempted(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Failure:
    """What a call returns, or why it does not: a point that fails leaves the others as they are."""
    try:
        return call(*arguments, **options)
    except InvalidInputError as error:
        return Failure(Status.INVALID_INPUT, str(error))
    except (RmtError, ArithmeticError) as error:
        return Failure(getattr(error, "status", Status.NOT_FINITE), str(error))
    except Exception as error:  # that nobody has foreseen, after hours, at one point of thousands
        return Failure(Status.NOT_FINITE, f"{type(error).__name__}: {error}")


def solved(
    problem: Problem,
    axes: Grid,
    solve: Solve[T | Failure],
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
    ConvergenceError
        When no worker comes back.
    """
    values = axes.points()
    made = [attempted(problem_at, problem, one) for one in values]
    found: dict[int, T | Failure] = {}
    groups: dict[Hashable, list[int]] = {}
    for number, one in enumerate(made):
        if isinstance(one, Failure):
            found[number] = one
        else:
            groups.setdefault(family(number, one), []).append(number)
    # The costliest first: an executor is then not left with a long task at the end.
    families = sorted(groups.values(), key=lambda family: _cost(made[family[0]]), reverse=True)
    done, total = 0, len(made) - len(found)
    if means.executor is None:
        finished = _alone(solve, families, made)
    else:
        finished = _sent(solve, families, problem, values, means.executor)
    with _reporter(means.progress, total) as report, closing(finished):
        for numbers, answers in finished:
            found |= zip(numbers, answers, strict=True)
            done += len(numbers)
            report(done)
    points = [found[number] for number in range(len(made))]
    bad = [one for one in points if isinstance(one, Failure) and one.status is Status.INVALID_INPUT]
    if len(bad) == len(points):
        raise InvalidInputError(
            f"no point of the grid can be computed; the first: {bad[0].message}"
        )
    return [one if isinstance(one, Problem) else None for one in made], points


def _cost(problem: Problem | Failure) -> tuple[bool, float]:
    """What is larger for problems that take longer, as a rule."""
    assert isinstance(problem, Problem)
    return problem.batch == "reused", math.prod(problem.learning_rates)


def _alone(
    solve: Solve[T | Failure],
    families: Sequence[Sequence[int]],
    made: Sequence[Any],
) -> Finished[T | Failure]:
    """Numbers of points and their answers, one family after the other."""
    for family in families:
        yield family, _answers(solve, [[made[number] for number in family]])


def _sent(
    solve: Solve[T | Failure],
    families: Sequence[Sequence[int]],
    problem: Problem,
    values: Sequence[Mapping[str, Any]],
    executor: Executors,
) -> Finished[T | Failure]:
    """Numbers of points and their answers, as they come."""
    of_client = getattr(executor, "get_executor", None)
    pool: Any = executor if of_client is None else of_client()
    size = math.ceil(len(families) / _TASKS)
    tasks = [families[start : start + size] for start in range(0, len(families), size)]
    kept = active()
    folder = None if kept is None else kept.folder
    futures: dict[Future[list[T | Failure]], list[int]] = {}
    try:
        for task in tasks:
            numbers = [number for family in task for number in family]
            changes = [[values[number] for number in family] for family in task]
            futures[pool.submit(_task, solve, folder, problem, changes)] = numbers
        for future in as_completed(futures):
            yield futures[future], _each(futures[future], future.result)  # or its worker is gone
        error = next(iter(futures)).exception() if futures else None
        if error and all(future.exception() for future in futures):
            raise ConvergenceError(
                f"no worker could do its task ({type(error).__name__}: {error}), perhaps for want "
                "of memory, of this package where it runs, or of the line if __name__ == "
                '"__main__" in a script that starts processes',
                Status.NOT_FINITE,
            ) from error
    finally:  # after an interruption nothing is left to run
        for future in futures:
            future.cancel()


def _task(
    solve: Solve[T | Failure],
    folder: Path | None,
    problem: Problem,
    families: Sequence[Sequence[Mapping[str, Any]]],
) -> list[T | Failure]:
    """The points of some families, each given by what it changes of the problem: a few bytes.

    Kept in the folder, where there is one, as they would be in the process that asks for them.
    """
    with cache(folder):
        made = [[problem_at(problem, one) for one in family] for family in families]
        return _answers(solve, made)


@one_blas_thread()
def _answers(
    solve: Solve[T | Failure],
    families: Sequence[Sequence[Problem]],
) -> list[T | Failure]:
    return [answer for family in families for answer in _each(family, solve, family)]


def _each(
    points: Sequence[object],
    call: Callable[P, Sequence[T | Failure]],
    *arguments: P.args,
    **options: P.kwargs,
) -> Sequence[T | Failure]:
    """The answers of a call, or of each of its points the failure of what they share."""
    answers = attempted(call, *arguments, **options)
    return [answers] * len(points) if isinstance(answers, Failure) else answers


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
    with tqdm(total=total, unit="point", dynamic_ncols=True) as bar:
        yield lambda done: bar.update(done - bar.n)
