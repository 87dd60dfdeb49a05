"""Campaigns: the same numbers on every executor, through failures, dead workers and Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from processes import LISTENS, group_exists, started, wait_for

from rmt.problem import Problem, Step
from rmt.status import ConvergenceError, InvalidInputError, Status
from validation import campaign
from validation.campaign import CampaignError, Job, compute, run_campaign
from validation.division import divided
from validation.executors import connect_dask
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.simulation.weights import run_samples
from validation.store.store import SampleStore

PROBLEM = Problem("tanh(z + 7/10)", "z1 + z1*z2", 120, 100, 300, [Step(4, 0.3), Step(4, 0.4)])
PLANS = (
    Plan(PROBLEM, 24, seed=1, n_outliers=3, n_spectra=3),
    Plan(PROBLEM.replace(batch="reused"), 16, n_outliers=2, dtype="float32"),
)
OVERFLOW = Plan(
    Problem("z + z**2", "z", 12, 10, 30, [Step(1e200, 0.1), Step(1e200, 0.1)]), n_samples=3, seed=7
)


@pytest.fixture(scope="module")
def right() -> list[Samples]:
    return [run_samples(plan.problem, plan.n_samples, plan.seed, **options(plan)) for plan in PLANS]


def options(plan: Plan) -> dict:
    names = ("n_outliers", "n_spectra", "dtype")
    return {name: getattr(plan, name) for name in names}


def assert_same(found: list[Samples], right: list[Samples]) -> None:
    """Bit for bit."""
    for one, other in zip(found, right, strict=True):
        for name in ("singular_values", "target_overlaps", "spectra", "indices"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
        assert one.residual == other.residual
        assert (one.problem, one.seed) == (other.problem, other.seed)


@pytest.fixture
def no_worker_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


# --- the same numbers everywhere ------------------------------------------------------------------


def test_one_process_gives_what_run_samples_gives(right):
    assert_same(run_campaign(PLANS, workers=1), right)


@pytest.mark.usefixtures("no_worker_is_left")
def test_processes_of_this_machine(right, tmp_path):
    assert_same(run_campaign(PLANS, tmp_path / "store", workers=2), right)


@pytest.mark.parametrize("workers", [None, 1])
def test_threads(right, workers):
    with ThreadPoolExecutor(3) as pool:
        assert_same(run_campaign(PLANS, executor=pool, workers=workers), right)
        assert pool.submit(abs, -1).result() == 1  # it stays open


def test_a_pool_of_the_user(right):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert_same(run_campaign(PLANS, executor=pool), right)


@pytest.mark.parametrize("options", [{"threads": 2}, {"workers": 1, "threads": 3}])
def test_threads_of_each_process(right, options):
    assert_same(run_campaign(PLANS, **options), right)


def test_processes_and_threads_follow_the_sizes(monkeypatch):
    """Fewest where networks are small, one network after the other where memory is."""
    seen = []

    def compute_all(jobs, keep, executor, workers, processes):
        seen.append((processes, {job.threads for job in jobs}))
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "_compute_all", compute_all)
    monkeypatch.setattr(campaign, "available_cores", lambda: 8)
    small, large = PROBLEM, PROBLEM.replace(width=4000, dim=4000, samples=8000)

    def division(plan, memory=1e12, **options):
        monkeypatch.setattr(campaign, "memory_there", lambda: memory)
        with pytest.raises(KeyboardInterrupt):
            run_campaign([plan], **options)
        processes, threads = seen.pop()
        return processes, *threads

    assert division(Plan(small, 20)) == (1, 1)
    assert division(Plan(small.replace(width=1000, dim=1000, samples=2000), 3)) == (1, 8)
    assert division(Plan(large, 200)) == (8, 1)
    assert division(Plan(large, 4)) == (4, 2)
    # A process with a network takes 1.5 GB, or 0.8.
    assert division(Plan(large, 200), memory=5e9) == (2, 4)
    assert division(Plan(large, 200), memory=1e9) == (1, 8)
    assert division(Plan(large, 200, dtype="float32"), memory=5e9) == (4, 2)
    assert division(Plan(large, 200), workers=3) == (3, 1)
    assert division(Plan(large, 2), workers=3, threads=2) == (2, 2)
    assert division(Plan(large, 200), threads=4) == (2, 4)


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
@pytest.mark.parametrize("n_samples", [1, 3, 100])
def test_a_division_has_no_more_than_there_is(cores, n_samples):
    for memory in (1e6, 1e9, 1e11):
        processes, threads = divided([(1e10, 1e9)] * n_samples, memory, cores, 2e10)
        assert 1 <= processes * threads <= cores
        assert processes <= n_samples
        assert processes == 1 or processes * memory <= 2e10


class Backwards(Executor):
    """Computes the last task first, only when the window is full or nothing more comes."""

    def __init__(self, window: int) -> None:
        self.window, self.waiting, self.most = window, [], 0

    def submit(self, fn, /, *args):
        future: Future = Future()
        self.waiting.append((future, fn, args))
        self.most = max(self.most, len(self.waiting))
        if len(self.waiting) == self.window:
            while self.waiting:
                future_, fn_, args_ = self.waiting.pop()
                future_.set_result(fn_(*args_))
        return future


def test_order_does_not_matter_and_few_tasks_wait(right):
    executor = Backwards(4)
    assert_same(run_campaign(PLANS, executor=executor, workers=1), right)
    assert executor.most == 4


def test_plans_that_overlap_are_computed_once(monkeypatch):
    seen = []
    monkeypatch.setattr(campaign, "compute", lambda job: (seen.append(job), compute(job))[1])
    short, long = (Plan(PROBLEM, n, n_outliers=1) for n in (2, 4))
    spectra = Plan(PROBLEM, 4, n_outliers=1, n_spectra=1)
    with SampleStore() as store:
        found = run_campaign([short, long, short, spectra], store, workers=1)
        assert [samples.n_samples for samples in found] == [2, 4, 2, 4]
        assert [job.index for job in seen] == [0, 1, 2, 3, 0]
        run_campaign([long, short], store)
    assert len(seen) == 5


def test_no_plans_no_samples():
    assert run_campaign([]) == []


# --- dask -----------------------------------------------------------------------------------------


@contextmanager
def dask_cluster(workers: int, folder: Path):
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"temporary-directory": str(folder)}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


class After(Executor):
    """Hands tasks on, and does something else after a number of them."""

    def __init__(self, executor: Executor, count: int, action: Callable[[], None]) -> None:
        self.executor, self.count, self.action = executor, count, action

    def submit(self, fn, /, *args):
        self.count -= 1
        if self.count == 0:
            self.action()
        return self.executor.submit(fn, *args)


def test_a_dask_cluster_of_which_a_worker_is_killed(right, tmp_path):
    with dask_cluster(2, tmp_path) as cluster:
        victim = cluster.workers[0].process.process.pid

        def kill() -> None:
            os.kill(victim, signal.SIGKILL)

        with connect_dask(cluster.scheduler_address) as executor:
            # The kill comes when 15 tasks have been handed on, and 8 are always on their way.
            found = run_campaign(
                PLANS, tmp_path / "store", executor=After(executor, 15, kill), workers=2
            )
        assert_same(found, right)
        with pytest.raises(ProcessLookupError):
            os.kill(victim, 0)
        survivor = cluster.workers[1].worker_address
        with (
            pytest.raises(InvalidInputError, match=r"within .* s, but worker"),
            connect_dask(survivor),
        ):
            pass
        with connect_dask(cluster.scheduler_address) as executor:  # all is stored
            assert_same(run_campaign(PLANS, tmp_path / "store", executor=executor), right)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nonsense://x", "tcp://no.such.host:1", "", "x"]
)
def test_an_unreachable_scheduler_is_named_soon(address):
    start = time.monotonic()
    with (
        pytest.raises(InvalidInputError, match="no dask scheduler answers at") as caught,
        connect_dask(address, timeout=0.5),
    ):
        pass
    assert time.monotonic() - start < 5
    assert "\n" not in str(caught.value)


def test_something_else_at_the_address_is_no_scheduler():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(InvalidInputError, match="no dask scheduler answers"),
            connect_dask(address, timeout=0.5),
        ):
            pass


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="extra 'parallel'"), connect_dask("tcp://localhost:1"):
        pass


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("no_worker_is_left")
def test_samples_that_overflow_stop_nothing_else(right, tmp_path, workers):
    plans = [PLANS[1], OVERFLOW, PLANS[0]]
    with SampleStore(tmp_path / "store") as store:
        with pytest.raises(ConvergenceError) as caught:
            run_campaign(plans, store, workers=workers)
        assert_same([store.samples(plan) for plan in PLANS], right)
    assert "3 samples failed, the first is sample 0 of seed 7 of 3 networks" in str(caught.value)
    assert "weights after step" in str(caught.value)
    assert caught.value.status is Status.NOT_FINITE
    assert_same([caught.value.best[2], caught.value.best[0]], right)
    assert caught.value.best[1] is None


def test_one_failure_leaves_the_rest_of_its_plan(monkeypatch, right):
    real = campaign.observe_sample

    def failing(plan, index, **keywords):
        if index == 5:
            raise ConvergenceError("too large", Status.NOT_FINITE, best=object())
        return real(plan, index, **keywords)

    monkeypatch.setattr(campaign, "observe_sample", failing)
    with pytest.raises(
        ConvergenceError, match=r"failed: sample 5 of seed 1 .*: too large"
    ) as caught:
        run_campaign(PLANS[:1], workers=1)
    np.testing.assert_array_equal(caught.value.best[0].indices, [*range(5), *range(6, 24)])


@pytest.mark.usefixtures("no_worker_is_left")
def test_a_worker_that_dies(right, tmp_path, monkeypatch):
    put = SampleStore.put

    def put_and_kill(store, *args, **keywords):
        new = put(store, *args, **keywords)
        if len(PLANS[0].indices) - len(store.missing(PLANS[0])) == 3:
            multiprocessing.active_children()[0].kill()
        return new

    path = tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr(SampleStore, "put", put_and_kill)
        with pytest.raises(CampaignError, match="a worker died") as caught:
            run_campaign(PLANS, path, workers=2)
    assert "\n" not in str(caught.value)
    assert f"are kept in {path}: the same campaign goes on from there" in str(caught.value)
    with SampleStore(path) as store:
        kept = store.summary().n_samples
        assert 3 <= kept < 40
        assert f"{kept} of 40 missing samples" in str(caught.value)
    assert_same(run_campaign(PLANS, path, workers=1), right)


class Broken(Executor):
    """Its tasks end with an error after the first few."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.left = error, 5

    def submit(self, fn, /, *args):
        future: Future = Future()
        self.left -= 1
        if self.left >= 0:
            future.set_result(fn(*args))
        else:
            future.set_exception(self.error)
        return future


def test_other_ends_of_a_worker(tmp_path):
    killed = pytest.importorskip("distributed").scheduler.KilledWorker
    for number, error in enumerate([MemoryError(), killed("task", None, 3)]):
        path = tmp_path / str(number)
        with pytest.raises(CampaignError, match="5 of 24 missing samples were computed, and"):
            run_campaign(PLANS[:1], path, executor=Broken(error))
    with pytest.raises(CampaignError, match="give the path of a store to keep them"):
        run_campaign(PLANS[:1], executor=Broken(MemoryError()))
    with pytest.raises(ZeroDivisionError) as caught:
        run_campaign(PLANS[:1], tmp_path / "other", executor=Broken(ZeroDivisionError()))
    assert "5 of 24 missing samples were computed" in caught.value.__notes__[0]


def test_a_full_disk_stops_the_campaign_and_keeps_the_rest(right, tmp_path, monkeypatch):
    put = SampleStore.put

    def put_and_fill(store, *args, **keywords):
        new = put(store, *args, **keywords)
        if store.summary().n_samples == 8:
            # From here on the file keeps its size: room for a few more, but not for all.
            store._connection.execute("PRAGMA max_page_count = 1")
        return new

    monkeypatch.setattr(SampleStore, "put", put_and_fill)
    path = tmp_path / "store"
    with SampleStore(path) as store, ThreadPoolExecutor(2) as pool:
        with pytest.raises(InvalidInputError, match=r"disk is full.*make room") as caught:
            run_campaign(PLANS, store, executor=pool, workers=2)
        kept = store.summary().n_samples
        assert 8 <= kept < 40
        assert f"{kept} of 40" in caught.value.__notes__[0]
    monkeypatch.undo()
    assert_same(run_campaign(PLANS, path, workers=1), right)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "threads must be an integer of at least 1, got 0"),
        ({"workers": 0}, "workers must be an integer of at least 1, got 0"),
        ({"workers": 1.5}, "workers must be"),
        ({"workers": True}, "workers must be"),
        ({"device": "abacus"}, "device must be .* got 'abacus'"),
        ({"plans": [PROBLEM]}, "plans must hold Plan objects, got Problem"),
        ({"store": "/proc/none/store"}, "there is no folder"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        run_campaign(**{"plans": PLANS, **arguments})


# --- progress and Ctrl-C --------------------------------------------------------------------------


def test_progress_counts_what_is_stored_already(capsys, tmp_path):
    run_campaign(PLANS[:1], tmp_path / "store", workers=1)
    run_campaign(PLANS, tmp_path / "store", workers=1, progress="two problems")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "two problems" in captured.err
    assert "24/40 networks" in captured.err
    assert "100%" in captured.err
    assert "40/40 networks" in captured.err


def test_tasks_are_small():
    assert len(pickle.dumps((compute, Job(PLANS[0], 3, "cpu")))) < 2000


INTERRUPTED = """
import sys
sys.path.insert(0, {tests!r})
from test_campaign import PLANS, run_campaign
from validation.simulation.plan import Plan
if __name__ == "__main__":
    try:
        run_campaign([Plan(PLANS[0].problem, 100_000)], {path!r}, workers={workers})
    except KeyboardInterrupt as stop:
        print(*stop.__notes__)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupts_end_it_at_once_and_keep_what_is_done(tmp_path, workers):
    path = tmp_path / "store"
    code = LISTENS + INTERRUPTED.format(
        tests=str(Path(__file__).parent), path=str(path), workers=workers
    )
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    with started(script, stdout=subprocess.PIPE, encoding="utf-8") as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 0)
        with SampleStore(path) as store:
            wait_for(lambda: store.summary().n_samples > 3)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
            out, err = process.communicate(timeout=20)
            kept = store.summary().n_samples
        assert err == ""
        assert out.startswith(f"{kept} of 100000 missing samples were computed, and are kept in")
        assert process.returncode == 0
        wait_for(lambda: not group_exists(process.pid), patience=10)
