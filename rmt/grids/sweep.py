"""The function `sweep`: check the axes, run the tasks, put the points into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from numbers import Real
from typing import TypeAlias

from rmt.budget import MAX_SECONDS, checked_seconds
from rmt.grids.grid import Grid, Over, grid, problem_at
from rmt.grids.points import Point, Task, run, tasks
from rmt.grids.sweep_result import Sweep, collected
from rmt.predict import METHODS
from rmt.prediction import Method
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms, check_forms
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["Progress", "solved", "sweep"]

Progress: TypeAlias = bool | Callable[[int, int], object]


def sweep(
    problem: Problem,
    over: Over,
    method: Method = "resummed",
    rtol: float = 1e-6,
    executor: Executor | None = None,
    progress: Progress = False,
    throw: bool = False,
    forms: Forms | None = None,
    max_seconds: float | None = MAX_SECONDS,
) -> Sweep:
    """Predictions on a grid of problems.

    Every point is what `rmt.predict` gives for it, within the error estimates of both. Points that
    differ only in the size of the second step (or, at the resummed level, in the size of a fresh
    second batch, or in ``N/d`` at fixed ``N`` and ``d/n``) share nearly all of their work.

    Parameters
    ----------
    problem : Problem
        What stays as it is everywhere.
    over : mapping of str to one-dimensional array
        The grid is the tensor product of these axes; the first is the first dimension of every
        result. Names:

        * ``alpha_1, alpha_2, scale_1, scale_2``: exponent and scale of a step;
        * ``noise_std``;
        * ``width``: ``N``, rounded, at fixed ``N/d`` and ``n/d``;
        * ``aspect_ratio``: ``N/d``, at fixed ``N`` and ``n/d``;
        * ``samples_per_dim``: ``n/d`` of both batches (``samples_per_dim_1`` and
          ``samples_per_dim_2``: of one), at fixed ``d``;
        * ``activation, target, batch, readout``: lists of texts.

        ``d`` and ``n`` are rounded to integers: `Sweep.actual` tells the values that result. A
        tuple of names with a tuple of arrays of one length makes a single axis along which they
        vary together.
    method : {"resummed", ...}
        As for `rmt.predict`.
    rtol : float
        As for `rmt.predict`, at every point.
    executor : concurrent.futures.Executor, optional
        Runs the tasks: threads, processes, a cluster. The result does not depend on it.
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

    Returns
    -------
    Sweep

    Raises
    ------
    InvalidInputError
        For an argument that is not allowed, and when no point of the grid is a problem that the
        method can take. With ``throw=True``, when any is not.
    ConvergenceError
        With ``throw=True``, when a point does not converge; ``best`` is the whole `Sweep`.

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
    array([10.49, 13.39, 20.8 ])
    """
    return solved(
        problem,
        over,
        method,
        rtol,
        executor,
        progress,
        throw,
        forms,
        max_seconds,
        outliers_only=False,
    )


def solved(
    problem: Problem,
    over: Over,
    method: Method,
    rtol: float,
    executor: Executor | None,
    progress: Progress,
    throw: bool,
    forms: Forms | None,
    max_seconds: float | None,
    outliers_only: bool,
) -> Sweep:
    """`sweep`; with ``outliers_only`` spikes below the threshold are solved loosely.

    They are then only seen to be below it, which is what their error estimates say.
    """
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    if method not in METHODS:
        raise InvalidInputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    check_forms(forms, method)
    if isinstance(rtol, bool) or not isinstance(rtol, Real) or not 1e-10 <= rtol <= 1e-2:
        raise InvalidInputError(f"rtol must lie between 1e-10 and 1e-2, got {rtol!r}")
    if executor is not None and not hasattr(executor, "submit"):
        raise InvalidInputError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}"
        )
    seconds = checked_seconds(max_seconds)
    axes = grid(problem, over)
    problems, points = _problems(problem, axes)
    total = sum(at_point is not None for at_point in problems)
    with _reporter(progress, total) as report:
        done = 0
        for task, found in _finished(
            tasks(problems, method, rtol, outliers_only, forms, seconds), executor
        ):
            for number, point in zip(task.numbers, found, strict=True):
                points[number] = point
            done += len(found)
            report(done)
    complete = [points[number] for number in range(len(problems))]
    bad = [point for point in complete if point.status is Status.INVALID_INPUT]
    if len(bad) == len(complete) or (throw and bad):
        share = "no point" if len(bad) == len(complete) else f"{len(bad)} points"
        can = "can be computed" if len(bad) == len(complete) else "cannot be computed"
        raise InvalidInputError(f"{share} of the grid {can}; the first: {bad[0].message}")
    result = collected(problem, method, float(rtol), axes, problems, complete)
    failed = [point for point in complete if not point.status.ok]
    if throw and failed:
        raise ConvergenceError(
            f"{len(failed)} of {len(complete)} points failed; the first: {failed[0].message} The "
            "sweep so far is the attribute `best` of this error, and is what throw=False returns.",
            failed[0].status,
            result,
        )
    return result


def _problems(problem: Problem, axes: Grid) -> tuple[list[Problem | None], dict[int, Point]]:
    """The problems of all points, in order, and the points that have none."""
    problems: list[Problem | None] = []
    points: dict[int, Point] = {}
    for number, (_, values) in enumerate(axes.points()):
        try:
            problems.append(problem_at(problem, values))
        except InvalidInputError as error:
            problems.append(None)
            points[number] = Point.without_numbers(Status.INVALID_INPUT, str(error))
    return problems, points


def _finished(work: list[Task], executor: Executor | None) -> Iterator[tuple[Task, list[Point]]]:
    if executor is None:
        for task in work:
            yield task, run(task)
        return
    futures = {executor.submit(run, task): task for task in work}
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
