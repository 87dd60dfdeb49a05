"""Many samples of many plans, on any executor: each computed once, and kept as soon as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import TypeAlias, TypeVar

from rmt.arguments import integer
from rmt.status import ConvergenceError, RmtError, Status
from validation.division import Division, divided, memory_there
from validation.executors import worker_processes
from validation.progress import progress_bar
from validation.simulation.devices import find_device
from validation.simulation.planned import PlanOf
from validation.simulation.threads import available_cores
from validation.store.kinds import (
    AnyObservation,
    AnyPlan,
    kind_of,
    memory_of,
    observe_sample,
    work_of,
)
from validation.store.recipe import made_with, recipe
from validation.store.store import SampleStore

__all__ = ["CampaignError", "run_campaign"]

# Tasks that wait for each worker: enough to keep it busy, few enough to end soon.
_TASKS_PER_WORKER = 4
# Of the machine's memory that workers may fill.
_SHARE = 0.7
# Tasks handed at a time to an executor whose number of workers is not known: enough for a cluster.
_TASKS = 1024

O = TypeVar("O")  # noqa: E741
S = TypeVar("S")
Keep: TypeAlias = "Callable[[Job, Outcome], None]"


class CampaignError(RmtError, RuntimeError):
    """A campaign could not go on; the samples that were stored are kept.

    Raised by `run_campaign` when a worker died; the same call goes on from what is stored.

    Examples
    --------
    >>> from rmt import RmtError
    >>> issubclass(CampaignError, RmtError)
    True
    """


@dataclass(frozen=True, slots=True)
class Job:
    """One sample to compute; small, since it is sent to a worker."""

    plan: AnyPlan
    index: int
    device: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no observation; unlike the error itself it leaves the arrays with the worker."""

    message: str
    status: Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker sends back."""

    result: AnyObservation | Failure
    versions: str


def run_campaign(
    plans: Iterable[PlanOf[O, S]],
    store: SampleStore | str | PathLike[str] | None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    progress: bool | str = False,
) -> list[S]:
    """Simulate and observe every sample of the plans that is not stored yet.

    Each is stored as soon as it is there. A campaign that ended early, for whatever reason, goes
    on where it was when it is run again, and the numbers do not depend, bit for bit, on the
    interruption, the executor, the number of workers or the order in which they finish.

    Parameters
    ----------
    plans : iterable of Plan, FeaturePlan or PathPlan
        What to simulate and to observe: in weights, in features, or after every step.
    store : SampleStore or path, optional
        Where samples are kept; by default in memory, until they are returned.
    executor : concurrent.futures.Executor, optional
        Where samples are computed, for instance that of a dask cluster (`connect_dask`). It stays
        open. By default processes of this machine; a script that uses these must have the
        usual line ``if __name__ == "__main__":``, since each of them imports it.
    workers : int, optional
        Number of processes; a single one is this process itself. With an executor: how many
        samples it computes at the same time.
    threads : int, optional
        Threads of each, one where ``workers`` or an executor is given. By default both are chosen
        by the sizes of the networks (`validation.division.divided`): mostly a process for each
        core; fewer with several threads for a few networks, for those that memory has no room for,
        and on a GPU, where all cores draw the random numbers of one network.
    device : str
        As in `simulate`.
    progress : bool or str
        Whether to show a progress bar on standard error; a string is its label.

    Returns
    -------
    list of Samples, FeatureSamples or PathSamples
        Of each plan, in the order of the plans.

    Raises
    ------
    InvalidInputError
        For a store that cannot be opened or written, a device that is not there, or arguments of
        other types.
    ConvergenceError
        When weights of some samples overflow, after all others are stored; ``best`` holds for
        each plan the samples there are, or None.
    CampaignError
        When a worker died.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import Plan
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> plans = [Plan(problem, n_samples=3), Plan(problem.replace(width=80), n_samples=2)]
    >>> [samples.n_samples for samples in run_campaign(plans, workers=1)]
    [3, 2]
    """
    chosen = tuple(plans)
    for plan in chosen:
        kind_of(plan)
    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None:
            integer(name, number, 1)
    if executor is None:
        find_device(device)
    opened = nullcontext(store) if isinstance(store, SampleStore) else SampleStore(store)
    with opened as place:
        return _run(chosen, place, executor, workers, threads, device, progress)


def compute(job: Job) -> Outcome:
    """What a worker does: one sample."""
    try:
        seen = observe_sample(job.plan, job.index, threads=job.threads, device=job.device)
    except ConvergenceError as error:
        return Outcome(Failure(str(error), error.status), made_with())
    return Outcome(seen, made_with())


def _run(
    plans: Sequence[PlanOf[O, S]],
    store: SampleStore,
    executor: Executor | None,
    workers: int | None,
    threads: int | None,
    device: str,
    progress: bool | str,
) -> list[S]:
    missing = _missing(plans, store, device)
    n_missing = sum(map(len, missing))
    failures: list[tuple[Job, Failure]] = []
    division = Division(1, threads or 1)
    if executor is None and n_missing:
        division = _division(plans, missing, workers, threads, device)
    jobs = (
        Job(plan, index, device, division.threads)
        for plan, indices in zip(plans, missing, strict=True)
        for index in indices
    )
    with progress_bar(plans, missing, progress) as advance:

        def keep(job: Job, outcome: Outcome) -> None:
            plan, index, result = job.plan, job.index, outcome.result
            if isinstance(result, Failure):
                failures.append((job, result))
            else:
                store.put(plan, index, result, device=device, versions=outcome.versions)
            advance(plan, index)

        try:
            if n_missing:
                _compute_all(jobs, keep, executor, workers, division.processes)
        except BaseException as error:
            kept = _what_is_kept(plans, store, device, n_missing)
            if _worker_lost(error):
                raise CampaignError(
                    f"a worker died ({type(error).__name__}), perhaps for want of memory (fewer "
                    'workers need less) or of the line if __name__ == "__main__" in a script: '
                    f"{kept}"
                ) from error
            error.add_note(kept)
            raise
    if failures:
        raise _convergence_error(failures, plans, store, device)
    return [store.samples(plan, device) for plan in plans]


def _what_is_kept(plans: Sequence[AnyPlan], store: SampleStore, device: str, n_missing: int) -> str:
    # Asked of the store, which alone knows whether the last sample was in time.
    n_new = n_missing - sum(map(len, _missing(plans, store, device)))
    kept = f"{n_new} of {n_missing} missing samples were computed"
    if store.path is None:
        return f"{kept}; give the path of a store to keep them"
    return f"{kept}, and are kept in {store.place}: the same campaign goes on from there"


def _missing(plans: Sequence[AnyPlan], store: SampleStore, device: str) -> list[list[int]]:
    """For each plan the samples to compute; one that several plans share belongs to the first."""
    claimed: set[tuple[str, int, str, int]] = set()
    missing = []
    for plan in plans:
        problem, seed = plan.problem.content_hash, plan.seed
        keys = {
            index: (problem, seed, recipe(plan, index, device), index)
            for index in store.missing(plan, device)
        }
        missing.append([index for index, key in keys.items() if key not in claimed])
        claimed.update(keys.values())
    return missing


def _division(
    plans: Sequence[AnyPlan],
    missing: Sequence[Sequence[int]],
    workers: int | None,
    threads: int | None,
    device: str,
) -> Division:
    """What is asked for, or else what suits samples of these sizes."""
    cores, n_missing = available_cores(), sum(map(len, missing))
    if device != "cpu" and workers is None:
        workers, threads = 1, threads or cores
    if workers is None and threads is not None:
        workers = max(1, cores // threads)
    if workers is not None:
        return Division(min(workers, n_missing), threads or 1)
    wanted = [(plan, index) for plan, some in zip(plans, missing, strict=True) for index in some]
    memory = max(memory_of(plan) for plan, _ in wanted)
    return divided([work_of(*one) for one in wanted], memory, cores, _SHARE * memory_there())


def _compute_all(
    jobs: Iterable[Job],
    keep: Keep,
    executor: Executor | None,
    workers: int | None,
    processes: int,
) -> None:
    if executor is not None:
        _compute_on(executor, jobs, keep, workers * _TASKS_PER_WORKER if workers else _TASKS)
    elif processes == 1:
        for job in jobs:
            keep(job, compute(job))
    else:
        with worker_processes(processes) as pool:
            _compute_on(pool, jobs, keep, processes * _TASKS_PER_WORKER)


def _compute_on(executor: Executor, jobs: Iterable[Job], keep: Keep, window: int) -> None:
    """Compute all jobs, at most ``window`` of them handed over at any time."""
    upcoming = iter(jobs)
    pending: dict[Future[Outcome], Job] = {}
    try:
        while True:
            for job in islice(upcoming, window - len(pending)):
                pending[executor.submit(compute, job)] = job
            if not pending:
                return
            done = wait(pending, return_when=FIRST_COMPLETED).done
            _keep_finished(done, pending, keep)
            for future in done & pending.keys():
                future.result()  # raises what stopped it
    except KeyboardInterrupt:
        _keep_finished(pending, pending, keep)
        raise
    finally:
        for future in pending:
            future.cancel()


def _keep_finished(
    futures: Iterable[Future[Outcome]], pending: dict[Future[Outcome], Job], keep: Keep
) -> None:
    for future in list(futures):
        if future.done() and not future.cancelled() and future.exception() is None:
            keep(pending.pop(future), future.result())


def _worker_lost(error: BaseException) -> bool:
    """Whether a worker or the way to it is gone, rather than its task at fault."""
    if isinstance(error, BrokenExecutor | CancelledError | MemoryError):
        return True
    return type(error).__module__.partition(".")[0] == "distributed"


def _convergence_error(
    failures: Sequence[tuple[Job, Failure]],
    plans: Sequence[AnyPlan],
    store: SampleStore,
    device: str,
) -> ConvergenceError:
    # In the order of the plans, not in that in which workers finished.
    job, first = min(failures, key=lambda found: (plans.index(found[0].plan), found[0].index))
    count = f"{len(failures)} samples failed, the first is" if len(failures) > 1 else "failed:"
    some = (len(store.missing(plan, device)) < plan.n_samples for plan in plans)
    best = [
        store.samples(plan, device, partial=True) if there else None
        for plan, there in zip(plans, some, strict=True)
    ]
    return ConvergenceError(
        f"{count} sample {job.index} of seed {job.plan.seed} of {job.plan}: {first.message}",
        first.status,
        best,
    )
