"""Campaigns killed at random moments end with the same store as one that never was."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from processes import group_exists, started, wait_for

from rmt.problem import Problem, Step
from validation import campaign
from validation.campaign import run_campaign
from validation.simulation.plan import Plan
from validation.store.store import SampleStore

pytestmark = pytest.mark.once

PROBLEM = Problem("tanh(z + 1)", "z", 60, 50, 150, [Step(4, 0.3), Step(4, 0.4)])
# Processes that have imported everything already, so that a kill comes while samples are computed.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


@pytest.fixture(autouse=True)
def this_module_can_be_preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def plans(n_samples: int) -> list[Plan]:
    return [
        Plan(PROBLEM, n_samples, seed=1, n_outliers=2, n_spectra=n_samples // 3),
        Plan(PROBLEM.replace(batch="reused"), n_samples // 2, n_outliers=2, dtype="float32"),
    ]


def logged_campaign(n_samples: int, path: Path, log: Path) -> None:
    """Write down what is missing at the start, and every sample before it is computed."""
    compute = campaign.compute
    chosen = plans(n_samples)
    with log.open("a", buffering=1, encoding="utf-8") as file, SampleStore(path) as store:

        def logged(job: campaign.Job) -> campaign.Outcome:
            file.write(f"compute {chosen.index(job.plan)} {job.index}\n")
            return compute(job)

        campaign.compute = logged
        missing = [f"{i}:{index}" for i, plan in enumerate(chosen) for index in store.missing(plan)]
        file.write(f"start {' '.join(missing)}\n")
        run_campaign(chosen, store, workers=1)


@contextmanager
def running(n_samples: int, path: Path, log: Path) -> Iterator[BaseProcess]:
    process = CONTEXT.Process(target=logged_campaign, args=(n_samples, path, log))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def rows(path: Path) -> list[list[tuple]]:
    """All that is in a store, in the order of its keys."""
    connection = sqlite3.connect(path)
    found = [
        connection.execute(query).fetchall()
        for query in (
            "SELECT * FROM problems ORDER BY content_hash",
            "SELECT problem, seed, recipe FROM series ORDER BY problem, seed, recipe",
            "SELECT problem, seed, recipe, samples.* FROM samples JOIN series ON id = series "
            "ORDER BY problem, seed, recipe, number",
        )
    ]
    connection.close()
    return found


def kill_at_random_moments(folder: Path, n_samples: int, n_kills: int, longest: float) -> None:
    rng = random.Random(n_kills)
    path, log = folder / "killed", folder / "log"
    for _ in range(n_kills):
        known = log.stat().st_size if log.exists() else 0
        with running(n_samples, path, log) as process:
            # From the first sign of life on, or now and then before.
            if rng.random() < 0.8:
                while process.is_alive() and (not log.exists() or log.stat().st_size == known):
                    time.sleep(0.0005)
            process.join(rng.uniform(0, longest))
            assert process.exitcode is None, "the campaign ended before it was killed often enough"
    with running(n_samples, path, log) as process:
        process.join()
        assert process.exitcode == 0

    run_campaign(plans(n_samples), folder / "right", workers=1)
    assert rows(path) == rows(folder / "right")  # nothing lost, nothing twice, bit for bit
    assert len(rows(path)[2]) == n_samples + n_samples // 2
    assert_computed_once(log.read_text(encoding="utf-8").splitlines())


def assert_computed_once(lines: list[str]) -> None:
    """What was stored when a process began is never computed by it, nor missing later."""
    missing: set[str] | None = None
    begun: set[str] = set()
    for line in lines:
        kind, *words = line.split(" ")
        if kind == "start":
            now = {word for word in words if word}
            # Of all that the last process began, at most the sample it died with is missing.
            assert missing is None or (now <= missing and len(begun & now) <= 1)
            missing, begun = now, set()
        else:
            key = ":".join(words)
            assert key in missing - begun
            begun.add(key)
    assert begun == missing


def test_ten_kills(tmp_path):
    kill_at_random_moments(tmp_path, n_samples=300, n_kills=10, longest=0.08)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path):
    kill_at_random_moments(tmp_path, n_samples=6000, n_kills=200, longest=0.1)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_campaign_kills import plans, run_campaign
if __name__ == "__main__":
    run_campaign(plans(20_000), {path!r}, workers=2)
"""


@pytest.mark.parametrize("n_kills", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_workers_end_with_a_campaign_that_is_killed(tmp_path, n_kills):
    path, script = tmp_path / "store", tmp_path / "script.py"
    script.write_text(
        SCRIPT.format(tests=str(Path(__file__).parent), path=str(path)), encoding="utf-8"
    )
    before = 0
    rng = random.Random(0)
    for _ in range(n_kills):
        with started(script) as process:
            wait_for(lambda before=before: path.exists() and count(path) > before)
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
            process.communicate()  # ends when no process has its standard error any more
            wait_for(lambda group=process.pid: not group_exists(group))
        now = count(path)
        assert now > before
        before = now
    with SampleStore(path) as store:
        some = store.samples(plans(20_000)[0], partial=True)
    indices = [index for index in some.indices if index < 4]
    right = run_campaign([Plan(PROBLEM, 4, 1, 2, 4)], workers=1)[0]
    np.testing.assert_array_equal(
        some.singular_values[: len(indices)], right.singular_values[indices]
    )


def count(path: Path) -> int:
    connection = sqlite3.connect(path, timeout=30)
    try:
        return connection.execute("SELECT count(*) FROM samples").fetchone()[0]
    except sqlite3.OperationalError:  # being made
        return 0
    finally:
        connection.close()
