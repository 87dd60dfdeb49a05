"""Who computes a grid changes nothing of it; what goes wrong stays where it is, and ends."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from processes import LISTENS, group_exists, started, wait_for

import rmt
from rmt.budget import check_time, time_limit
from rmt.cli import main
from rmt.grids import points
from rmt.grids.driver import Failure, Means, solved
from rmt.grids.grid import grid
from rmt.grids.points import OF_DIRECTIONS, OF_SPIKES
from rmt.spikes.deformed.law import DeformedLaw
from rmt.status import InvalidInputError
from validation import worker_processes

PROBLEM = rmt.Problem(
    "tanh(z + 7/10)",
    "sin(2*z)",
    width=300,
    dim=300,
    samples=600,
    steps=[(3, 0.25), (3, 0.35)],
    batch="reused",
    readout="rademacher",
)
# Families of several points and of one, on either batch, and a point that is none.
OVER: Any = {
    "alpha_1": [0.1, 0.3, 0.6],
    "alpha_2": [0.0, 0.4],
    "noise_std": [0, 0.3],
    "batch": ["reused", "independent"],
}


class AtOnce:
    """The least that is an executor: computes what it is given, before it returns."""

    def __init__(self) -> None:
        self.tasks: list[tuple[Any, ...]] = []

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.tasks.append((call, *arguments))
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            # As another process would see it.
            call, *copied = pickle.loads(pickle.dumps((call, *arguments)))
            future.set_result(pickle.loads(pickle.dumps(call(*copied))))
        except Exception as error:
            future.set_exception(error)
        return future


class Never(Executor):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        self.futures.append(Future())
        if len(self.futures) == 3:
            self.futures[0].set_result(call(*arguments))
        return self.futures[-1]


@contextmanager
def spawned() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextmanager
def dask_client() -> Iterator[Any]:
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    with (
        TemporaryDirectory() as folder,
        dask.config.set({"temporary-directory": folder}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def dask_executor() -> Iterator[Executor]:
    with dask_client() as client:
        yield client.get_executor()


@contextmanager
def at_once() -> Iterator[Any]:
    yield AtOnce()


EXECUTORS: dict[str, Callable[[], Any]] = {
    "threads": lambda: ThreadPoolExecutor(3),
    "processes": spawned,
    "worker processes": lambda: worker_processes(2),
    "client of dask": dask_client,
    "executor of dask": dask_executor,
    "at once": at_once,
}


@pytest.fixture(scope="module")
def alone() -> rmt.Sweep:
    return rmt.sweep(PROBLEM, OVER, rtol=1e-4)


def assert_same(found: rmt.Sweep, expected: rmt.Sweep) -> None:
    """All that is printed or written with as many digits as are right, and all that is no number.

    Beyond them BLAS may sum in an order that depends on where an array lies in memory.
    """
    assert str(found) == str(expected)
    for name in (*OF_SPIKES, *OF_DIRECTIONS):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
        one, other = getattr(found.error, name), getattr(expected.error, name)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-11)
    np.testing.assert_array_equal(found.bulk_edges, expected.bulk_edges)
    for name in ("n_outliers", "is_outlier", "undecided", "status", "message", "problems"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_executor_changes_nothing(name: str, alone: rmt.Sweep) -> None:
    assert (~alone.ok).sum() == 8
    with EXECUTORS[name]() as executor:
        found = rmt.sweep(PROBLEM, OVER, rtol=1e-4, executor=executor)
    assert_same(found, alone)
    assert_same(pickle.loads(pickle.dumps(found)), alone)


@pytest.mark.parametrize("method", ["deformed", "scaling"])
def test_nor_at_other_levels(method: Any) -> None:
    over = {"alpha_2": [0.1, 0.4], "batch": ["reused", "independent"]}
    expected = rmt.sweep(PROBLEM, over, method, rtol=1e-3)
    assert expected.ok.all()
    with ThreadPoolExecutor(2) as executor:
        assert_same(rmt.sweep(PROBLEM, over, method, 1e-3, executor), expected)


def test_nor_of_a_phase_diagram_or_a_learning_curve() -> None:
    executor: Any = AtOnce()
    expected = rmt.phase_diagram(PROBLEM, 4, 3)
    assert_same(rmt.phase_diagram(PROBLEM, 4, 3, executor=executor).sweep, expected.sweep)
    assert len(executor.tasks) == 4  # a column each
    over = {"scale_1": [1, 2], "regularisation": [1e-3, 1e-1]}
    curve = rmt.sweep_ridge(PROBLEM, over, samples=600)
    again = rmt.sweep_ridge(PROBLEM, over, samples=600, executor=executor)
    np.testing.assert_allclose(again.test_error, curve.test_error, rtol=1e-12)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"executor must be .* or a client of dask, got int"
    ):
        rmt.sweep(PROBLEM, OVER, executor=2)  # type: ignore[arg-type]


# How a grid is cut


def counted(problems: Sequence[rmt.Problem]) -> list[int]:
    return [len(problems)] * len(problems)


def of_first_step(number: int, problem: rmt.Problem) -> object:
    return problem.steps[0]


def test_tasks_are_few_and_small_and_families_stay_together() -> None:
    readout = np.random.default_rng(0).choice([-1.0, 1.0], 300)
    problem = PROBLEM.replace(readout=readout)
    axes = grid(problem, {"alpha_1": np.linspace(0, 0.49, 300), "alpha_2": np.linspace(0, 0.4, 7)})
    executor: Any = AtOnce()
    _, sizes = solved(problem, axes, counted, of_first_step, Means(executor))
    assert sizes == [7] * 2100
    assert 64 <= len(executor.tasks) <= 128
    per_task = [sum(map(len, task[-1])) for task in executor.tasks]
    assert max(per_task) <= 2 * 2100 / len(per_task)
    # The weights of the readout once, and for each point two numbers and their names.
    assert max(len(pickle.dumps(task)) for task in executor.tasks) < 8 * 300 + 21 * 100 + 1000


def test_the_costliest_come_first() -> None:
    executor: Any = AtOnce()
    rmt.sweep(
        PROBLEM,
        {"batch": ["independent", "reused"], "alpha_1": [0.1, 0.4]},
        "scaling",
        1e-3,
        executor,
    )
    order = [task[-1][0][0] for task in executor.tasks]
    assert [(one["batch"], one["alpha_1"]) for one in order] == [
        ("reused", 0.4), ("reused", 0.1), ("independent", 0.4), ("independent", 0.1)
    ]  # fmt: skip


# What goes wrong

WRONG = {
    "memory": ("NOT_FINITE", "MemoryError: 1 TB"),
    "bug": ("NOT_FINITE", "TypeError: unforeseen"),
    "time": ("OUT_OF_TIME", "max_seconds"),
}


def fail(kind: str) -> None:
    if kind == "memory":
        raise MemoryError("1 TB")
    if kind == "bug":
        raise TypeError("unforeseen")
    with time_limit(1e-3):
        while True:
            check_time()


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("method", ["resummed", "scaling"])
def test_an_error_at_one_point_is_that_of_the_point(
    kind: str, parallel: bool, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"alpha_1": [0.1, 0.2, 0.3], "alpha_2": [0.1, 0.2]}
    expected = rmt.sweep(PROBLEM, over, method, rtol=1e-3)
    honest = points.Point.of

    def damaged(prediction: rmt.Prediction) -> points.Point:
        if [step.exponent for step in prediction.problem.steps] == [0.2, 0.1]:
            fail(kind)
        return honest(prediction)

    monkeypatch.setattr(points.Point, "of", damaged)
    with ThreadPoolExecutor(2) as threads:
        found = rmt.sweep(PROBLEM, over, method, 1e-3, threads if parallel else None)
    status, message = WRONG[kind]
    assert found.status[1, 0].name == status
    assert message in found.message[1, 0]
    good = np.ones((3, 2), dtype=bool)
    good[1, 0] = False
    assert np.array_equal(found.ok, good)
    np.testing.assert_array_equal(found.strength[good], expected.strength[good])


def test_the_limit_of_time_holds_for_the_lower_edge_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which costs a part of what the prediction does, and without which the point stands."""

    def endless(law: DeformedLaw) -> float:
        end = time.thread_time() + 10.0
        while time.thread_time() < end:
            check_time()
        return 0.0

    prediction = rmt.predict(PROBLEM, "deformed", rtol=1e-2)
    monkeypatch.setattr(DeformedLaw, "_lowest_end", property(endless))
    monkeypatch.setattr(points, "predict", lambda *_, **__: prediction)
    found = rmt.sweep(PROBLEM, {"noise_std": [0]}, "deformed", rtol=1e-2, max_seconds=0.1)
    assert found.ok.all()
    assert np.isnan(found.bulk_edges[0, 0])
    assert np.isfinite(found.bulk_edges[0, 1])


def unless_it_is_the_last(problems: Sequence[rmt.Problem]) -> list[float]:
    if problems[0].noise_std == 9:
        os._exit(3)
    time.sleep(0.05)
    return [problem.noise_std for problem in problems]


def test_a_worker_that_dies_leaves_what_the_others_have_found() -> None:
    axes = grid(PROBLEM, {"noise_std": [*range(10)]})
    with spawned() as pool:
        _, found = solved(PROBLEM, axes, unless_it_is_the_last, lambda n, _: n, Means(pool))
    last: Any = found[-1]
    assert isinstance(last, Failure)
    assert last.message.startswith("BrokenProcessPool")
    good = [one for one in found if not isinstance(one, Failure)]
    assert len(good) > 2
    assert all(found[int(one)] == one for one in good)


def end(problems: Sequence[rmt.Problem]) -> list[float]:
    os._exit(3)


def test_without_any_worker_there_is_an_error_and_no_result() -> None:
    axes = grid(PROBLEM, {"noise_std": [0, 1]})
    with spawned() as pool, pytest.raises(rmt.ConvergenceError, match=r"no worker .*__main__"):
        solved(PROBLEM, axes, end, lambda n, _: n, Means(pool))


# Ctrl-C


def test_what_has_not_begun_is_cancelled() -> None:
    executor = Never()

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rmt.phase_diagram(PROBLEM, 5, 2, executor=executor, progress=interrupt)
    assert len(executor.futures) == 5
    assert [future.cancelled() for future in executor.futures[1:]] == [True] * 4


SLOW = """
import rmt, sys
from validation import worker_processes

problem = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 600, 600, 1200, [(4, 0.3), (4, 0.4)])
over = {"scale_2": [3 + i / 1000 for i in range(100)]}
if __name__ == "__main__":
    say = lambda done, total: print(done, file=sys.stderr, flush=True)
    with worker_processes(2) as executor:
        rmt.sweep(problem, over, "deformed", 1e-3, executor, say)
"""


SLOW_COMMAND = """
from rmt.cli import main

text = "--activation tanh(z+7/10) --target sin(2*z) --width 600 --step 4,0.3 --step 4,0.4"
options = ["--method", "deformed", "--rtol", "1e-3", "--over", "scale_2=3:3.1:100"]
if __name__ == "__main__":
    raise SystemExit(main(["sweep", *text.split(), *options, "--workers", "2", "--progress"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="processes of a group")
def test_an_interrupted_command_leaves_no_process(tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    script = tmp_path / "command.py"
    script.write_text(LISTENS + SLOW_COMMAND, encoding="utf-8")
    with started(script, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "| 1/100" not in said:
            more = process.stderr.read(1)
            assert more
            said += more
        begin = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 130
        assert said.rstrip().endswith("rmt: interrupted")
        assert "Traceback" not in said
        assert time.monotonic() - begin < 10
        wait_for(lambda: not group_exists(process.pid), 5.0)


@pytest.mark.skipif(os.name == "nt", reason="processes of a group")
@pytest.mark.parametrize("to_all", [False, True])
def test_an_interruption_leaves_no_process(to_all: bool, tmp_path: Path) -> None:
    """Whether Ctrl-C reaches the process alone, or all of its group as from a terminal."""
    script = tmp_path / "slow.py"
    script.write_text(LISTENS + SLOW, encoding="utf-8")
    with started(script, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "1\n"  # the workers are at their next points
        begin = time.monotonic()
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        said = process.stderr.read()
        process.wait()
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert time.monotonic() - begin < 10
        wait_for(lambda: not group_exists(process.pid), 5.0)


# Progress

COMMAND = ["--activation", "tanh(z + 7/10)", "--target", "sin(2*z)", "--width", "300"]
COMMAND += ["--step", "3,0.3", "--step", "3,0.4", "--rtol", "1e-3"]


@pytest.mark.parametrize("name", ["threads", "at once"])
def test_the_bar_counts_points(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    with EXECUTORS[name]() as executor:
        rmt.sweep(PROBLEM, OVER, rtol=1e-3, executor=executor, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "0/16" in captured.err
    assert "16/16" in captured.err
    assert "point" in captured.err
    rmt.sweep_ridge(PROBLEM, {"scale_1": [1, 2]}, samples=300, regularisation=1, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_without_tqdm_there_is_a_count_and_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    seen: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        seen.append((done, total))

    rmt.sweep(PROBLEM, {"alpha_1": [0.1, 0.2]}, rtol=1e-3, progress=tell)
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(ImportError, match="extra 'progress'"):
        rmt.sweep(PROBLEM, {"alpha_1": [0.1]}, progress=True)
    assert main(["sweep", *COMMAND, "--over", "alpha_2=0.1", "--progress"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "extra 'progress'" in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "command", [["sweep", "--over", "alpha_1=0.1,0.2"], ["phase-diagram", "--grid", "2x1"]]
)
def test_the_command_shows_a_bar(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    assert main([*command, *COMMAND, "--json"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == ""
    assert main([*command, *COMMAND, "--json", "--progress"]) == 0
    shown = capsys.readouterr()
    assert shown.out == quiet.out
    assert "2/2" in shown.err


def test_without_dask_nothing_asks_for_it() -> None:
    code = (
        "import sys; sys.modules['distributed'] = sys.modules['dask'] = None; import rmt\n"
        "p = rmt.Problem('z', 'z', 9, 9, 9, rmt.Step(1, 0))\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool: rmt.sweep(p, {'scale_1': [1]}, executor=pool)\n"
        "sys.exit('threadpoolctl' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tasks_have_one_blas_thread() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    seen: list[set[int]] = []

    def solve(problems: Sequence[rmt.Problem]) -> list[float]:
        seen.append({one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"})
        return [0.0] * len(problems)

    axes = grid(PROBLEM, {"noise_std": [0, 1]})
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        for means in (Means(), Means(pool)):
            solved(PROBLEM, axes, solve, lambda n, _: n, means)
    assert seen == [{1}] * 4
