"""One call for a figure: theory on a grid, networks at its points, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.arguments import integer, none_or_several, precision
from rmt.arrays import Array, Bools
from rmt.budget import MAX_SECONDS
from rmt.cache import active, cache
from rmt.grids.driver import Failure, Means, attempted
from rmt.grids.grid import Grid, Over, grid
from rmt.grids.sweep import Sweep, sweep
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError
from rmt.vocabulary import METHODS, RTOL, Bulk, Forms, Method
from validation.campaign import run_campaign
from validation.division import memory_there
from validation.executors import worker_processes
from validation.simulation.bar import bar_of
from validation.simulation.path_plan import PathPlan, PathSamples
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.store.kinds import AnyPlan, memory_of
from validation.store.store import SampleStore
from validation.studies.errors import ERRORS, PathErrors, predicted_errors
from validation.studies.result import ErrorCurve, Study, StudyFailure

__all__ = ["study"]

Store: TypeAlias = SampleStore | str | PathLike[str] | None
_Samples: TypeAlias = Samples | PathSamples


def study(
    problem: Problem,
    over: Over,
    compare: Over | None = None,
    networks: int = 8,
    level: Method = "deformed",
    executor: Executor | None = None,
    *,
    simulate_at: Sequence[Any] | None = None,
    errors: bool = True,
    forms: Forms | None = None,
    bulk: Bulk | None = None,
    rtol: float = RTOL,
    max_seconds: float | None = MAX_SECONDS,
    triplets: int = 4,
    n_test: int = 4000,
    seed: int = 0,
    dtype: str = "float64",
    store: Store = None,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Study:
    r"""Predictions against one parameter, and simulated networks beside them: a paper's figure.

    At every value of ``over`` and every combination of ``compare`` the outliers of the weights are
    predicted and, in ``networks`` simulated ones, looked at: their singular values, their squared
    overlaps with each target direction, and training and test error after every step. Networks have
    the sizes of the problem at that point. `Study.plot` draws it.

    Parameters
    ----------
    problem : Problem
        What stays as it is everywhere.
    over : mapping of one name to a sequence
        What the figure is drawn against: any parameter of `rmt.sweep`, and so every field of the
        problem; or a tuple of names with a tuple of sequences, that vary together.
    compare : mapping of names to sequences, optional
        What tells the curves apart: every combination of these values has curves of its own.
    networks : int
        At each point, at least 2; 0 for the theory alone.
    level : {"deformed", "resummed", "scaling"}
        Of theory, the ``method`` of `rmt.predict`.
    executor : concurrent.futures.Executor, optional
        Computes predictions and networks. By default predictions are computed here, and networks
        as by `run_campaign`: a script needs the usual line ``if __name__ == "__main__":``.
    simulate_at : sequence, optional
        The values of ``over`` that have networks; the others are for the theory's curves alone.
        Numbers among these that ``over`` has not are added to it. By default all.
    errors : bool
        Whether training and test errors are predicted and measured, after every step. The theory of
        a point takes half a second or some, networks up to four times as long.
    forms, bulk, rtol, max_seconds
        As for `rmt.predict`, at every point.
    triplets : int
        Largest singular values to look at in each network.
    n_test : int
        Fresh samples for a network's test error.
    seed, dtype
        As in `Plan`.
    store : SampleStore or path, optional
        Keeps every network as soon as it is there, and the folder ``PATH.predictions`` beside a
        file every prediction, unless `rmt.cache` has named another: the same call goes on where
        it was killed, and one with more points or networks computes those alone.
    workers : int, optional
        Processes for both; with an executor, how much it does at the same time.
    device : str
        As in `simulate`.
    progress : bool
        Whether to show bars on standard error, with the time that is left.

    Returns
    -------
    Study
        A point that fails, in whatever way, is missing alone: `Study.failures`.

    Raises
    ------
    InvalidInputError
        For an argument that is not allowed, or when no point can be predicted.
    CampaignError
        When a worker died; what was stored is kept.

    Notes
    -----
    Curves are those of `rmt.sweep`, networks those of `Plan` of the same problem and seed: other
    calls that use the store find them. docs/sweeps.md has the parameters, docs/validation.md the
    verdicts, docs/howto/paper_figure.md examples.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "erf(z)", "z", 80, 80, 160, [(2, 0.3), (2, 0.3)], readout="rademacher"
    ... )
    >>> found = study(
    ...     problem,
    ...     over={"samples_per_dim": [2, 4]},
    ...     compare={"batch": ["independent", "reused"]},
    ...     networks=4,
    ...     level="resummed",
    ...     errors=False,
    ...     workers=1,
    ... )
    >>> found.theory.dims, found.target_overlaps.shape
    ((('samples_per_dim',), ('batch',)), (2, 2, 4, 4, 1))
    >>> bool(
    ...     (
    ...         abs(found.theory.singular_value[..., 0] / found.mean_singular_values[..., 0] - 1)
    ...         < 0.1
    ...     ).all()
    ... )
    True
    """
    n_networks = none_or_several("networks", networks)
    planned: Any = {
        "seed": integer("seed", seed),
        "n_outliers": integer("triplets", triplets, 1),
        "dtype": precision(dtype),
    }
    if errors:
        planned["n_test"] = integer("n_test", n_test, 2)
    if workers is not None:
        integer("workers", workers, 1)
    if level not in METHODS:
        raise InvalidInputError(f"level must be one of {', '.join(METHODS)}; got {level!r}")
    axes = _axes(problem, over, compare, simulate_at)
    asked: dict[str, Any] = {"forms": forms, "bulk": bulk, "max_seconds": max_seconds}
    paths: list[PathErrors | Failure] = []
    # Opened before the predictions, so that a file that cannot be one costs nothing.
    with nullcontext(store) if isinstance(store, SampleStore) else SampleStore(store) as place:
        with _predictions_kept(place.path), _pool(executor, workers, axes.grid) as pool:
            with _bar("predictions", axes.grid, progress) as told:
                theory = sweep(problem, axes.over, level, rtol, pool, told, **asked)
            if errors:
                with _bar("errors", axes.grid, progress) as told:
                    paths = predicted_errors(problem, axes.grid, max_seconds, Means(pool, told))
        room = memory_there() if executor is None and device == "cpu" else math.inf
        wanted = axes.has_networks & bool(n_networks)
        plans, undrawn = _plans(theory, wanted, n_networks, room, planned)
        shown = "networks" if progress else False
        means: dict[str, Any] = {"executor": executor, "workers": workers, "device": device}
        seen, lost = _networks(plans, place, progress=shown, **means)
    failures = [
        *_failed_predictions(theory, paths),
        *(_failure(theory, index, "networks", text) for index, text in (undrawn | lost).items()),
    ]
    positions, overlaps = _observed(theory, seen, n_networks, triplets)
    return Study(
        theory=theory,
        forms=forms,
        bulk=bulk,
        n_networks=n_networks,
        seed=planned["seed"],
        dtype=planned["dtype"],
        has_networks=wanted,
        singular_values=positions,
        target_overlaps=overlaps,
        errors=_error_curves(theory, paths, seen, n_networks),
        failures=tuple(failures),
    )


@dataclass(frozen=True, slots=True)
class _Axes:
    """Those of ``over`` and of ``compare`` together, and which points have networks."""

    over: dict[str | tuple[str, ...], Any]
    grid: Grid
    has_networks: Bools


def _axes(problem: Any, over: Any, compare: Any, simulate_at: Any) -> _Axes:
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    if not isinstance(over, Mapping) or len(over) != 1:
        raise InvalidInputError(
            "over: expected one parameter with its values, such as {'samples_per_dim': [1, 2, 4]}, "
            f"which the figure is drawn against, got {over!r}; what tells curves apart is compare"
        )
    if not (compare is None or isinstance(compare, Mapping)):
        raise InvalidInputError(
            "compare: expected parameters with their values, such as {'batch': ['independent', "
            f"'reused']}}, got {compare!r}"
        )
    (name,) = over
    made = dict(over)
    at: NDArray[Any] | None = None
    if simulate_at is not None:
        if isinstance(name, tuple):
            raise InvalidInputError(
                f"simulate_at: expected None where parameters vary together, got {simulate_at!r}"
            )
        at = grid(problem, {name: simulate_at}).axes[name]
        made[name] = _with_values(name, grid(problem, made).axes[name], at)
    shared = set(_names(over)) & set(_names(compare or {}))
    if shared:
        raise InvalidInputError(f"compare: the parameter {shared.pop()} is that of over")
    made |= compare or {}
    found = grid(problem, made)
    has = np.ones(found.shape, dtype=bool)
    if at is not None:
        has[~np.isin(found.axes[name], at)] = False
    return _Axes(made, found, has)


def _names(axes: Over) -> list[str]:
    return [one for key in axes for one in (key if isinstance(key, tuple) else (key,))]


def _with_values(name: str, values: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """The values of an axis with others in their places; texts have none."""
    if np.isin(more, values).all():
        return values
    if values.dtype == object or more.dtype == object:
        raise InvalidInputError(
            f"simulate_at: expected some of the values of {name}, got {more.tolist()}"
        )
    return np.union1d(values, more)


@contextmanager
def _predictions_kept(path: Path | None) -> Iterator[None]:
    """Beside the file of the networks, unless a cache is active."""
    if path is None or active() is not None:
        yield
        return
    with cache(path.with_name(f"{path.name}.predictions")):
        yield


def _pool(
    executor: Executor | None, workers: int | None, axes: Grid
) -> AbstractContextManager[Executor | None]:
    count = min(workers or 1, len(axes.points()))
    if executor is not None or count == 1:
        return nullcontext(executor)
    return worker_processes(count)


@contextmanager
def _bar(label: str, axes: Grid, shown: bool) -> Iterator[bool | Callable[[int, int], None]]:
    """What a grid tells its progress: a bar with the time that is left."""
    if not shown:
        yield False
        return
    with bar_of(total=len(axes.points()), desc=label, unit="point", dynamic_ncols=True) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total  # without points that are no problem
            bar.update(done - bar.n)

        yield told


def _failure(theory: Sweep, index: tuple[int, ...], what: str, message: str) -> StudyFailure:
    number = int(np.ravel_multi_index(index, theory.shape))
    return StudyFailure(Grid(theory.dims, theory.axes).points()[number], what, message)


def _failed_predictions(
    theory: Sweep, paths: Sequence[PathErrors | Failure]
) -> Iterator[StudyFailure]:
    for number, index in enumerate(np.ndindex(theory.shape)):
        status: Any = theory.status[index]
        if not status.ok:
            yield _failure(theory, index, "prediction", str(theory.message[index]))
        path = paths[number] if paths else None
        if isinstance(path, Failure) and theory.problems[index] is not None:
            yield _failure(theory, index, "errors", path.message)


def _plans(
    theory: Sweep, has_networks: Bools, n_networks: int, room: float, planned: Any
) -> tuple[dict[tuple[int, ...], AnyPlan], dict[tuple[int, ...], str]]:
    """Which networks to look at, by point; and why there are none, where a problem has none."""
    plans: dict[tuple[int, ...], AnyPlan] = {}
    undrawn: dict[tuple[int, ...], str] = {}
    kind: Callable[..., AnyPlan] = PathPlan if "n_test" in planned else Plan
    for index in map(tuple, np.argwhere(has_networks).tolist()):
        if theory.problems[index] is None:
            continue
        plan = attempted(kind, theory.problems[index], n_networks, **planned)
        if isinstance(plan, Failure):
            undrawn[index] = plan.message
        elif memory_of(plan) > room:
            undrawn[index] = (
                f"a network needs {memory_of(plan) / 1e9:.3g} GB, this machine has "
                f"{room / 1e9:.3g}; dtype='float32' takes half as much"
            )
        else:
            plans[index] = plan
    return plans, undrawn


def _networks(
    plans: Mapping[tuple[int, ...], AnyPlan], store: SampleStore, **means: Any
) -> tuple[dict[tuple[int, ...], _Samples], dict[tuple[int, ...], str]]:
    """What is seen of the networks of each point; and what went wrong with some."""
    if not plans:
        return {}, {}
    try:
        return dict(zip(plans, run_campaign(plans.values(), store, **means), strict=True)), {}
    except ConvergenceError as error:  # of some networks, when all others are there
        best: Any = error.best
        found = dict(zip(plans, best, strict=True))
        counts = {index: 0 if one is None else one.n_samples for index, one in found.items()}
        lost = {
            index: f"{plan.n_samples - counts[index]} of {plan.n_samples} failed: {error}"
            for index, plan in plans.items()
            if counts[index] < plan.n_samples
        }
        return {index: one for index, one in found.items() if one is not None}, lost


def _observed(
    theory: Sweep, seen: Mapping[tuple[int, ...], _Samples], n_networks: int, triplets: int
) -> tuple[Array, Array]:
    """Singular values and overlaps after the last step of every network."""
    r = theory.target_overlaps.shape[-1]
    positions = np.full((*theory.shape, n_networks, triplets), np.nan)
    overlaps = np.full((*positions.shape, r), np.nan)
    for index, samples in seen.items():
        values, squares = samples.singular_values, samples.target_overlaps
        if isinstance(samples, PathSamples):
            values, squares = values[:, -1], squares[:, -1]
        positions[index][samples.indices, : values.shape[1]] = values
        overlaps[index][samples.indices, : squares.shape[1], : squares.shape[2]] = squares
    return positions, overlaps


def _error_curves(
    theory: Sweep,
    paths: Sequence[PathErrors | Failure],
    seen: Mapping[tuple[int, ...], _Samples],
    n_networks: int,
) -> dict[str, ErrorCurve]:
    """Those that the theory knows at any point, or where it knows none the two first."""
    known = {name for path in paths if isinstance(path, PathErrors) for name in path.values}
    names = [name for name in ERRORS if name in known] if known else list(ERRORS[:2])
    stages = 1 + max((p.n_steps for p in theory.problems.flat if p is not None), default=0)
    curves = {}
    for name in names if paths else ():
        predicted = np.full((*theory.shape, stages), np.nan)
        estimate = predicted.copy()
        simulated = np.full((*theory.shape, n_networks, stages), np.nan)
        for path, index in zip(paths, np.ndindex(theory.shape), strict=True):
            if isinstance(path, PathErrors) and name in path.values:
                predicted[index][: path.values[name].size] = path.values[name]
                estimate[index][: path.values[name].size] = path.estimates[name]
            values = getattr(seen.get(index), name, None)
            if values is not None:
                simulated[index][seen[index].indices, : values.shape[1]] = values
        curves[name] = ErrorCurve(predicted, estimate, simulated)
    return curves
