"""Phase diagrams and sweeps against `rmt.predict` called point by point, and on several processes.

All predictions of a column of a phase diagram (one value of ``alpha_1``, fifty of ``alpha_2``), as
a diagram and alone, with the same ``rtol``. Then whole diagrams, and a sweep at the level
``deformed``, on two processes and on one; and on as many workers of a dask cluster of this machine
as it has cores, four at most, against one such worker. Starting processes is not counted. A machine
that does something else beside shows less than there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import numpy as np

import rmt
from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from validation.executors import worker_processes
from validation.simulation.threads import available_cores

TITLE = "Sweeps against predictions one by one"

RTOL = 1e-3
SHARED = Claim("points share most of their work", "README.md", 0.5)
DIAGRAM = Claim("half a minute at most", "docs/sweeps.md", 30.0, "seconds")


def rows(effort: Effort) -> Iterator[Row]:
    """One column of every kind, then a whole diagram."""
    points = effort.pick(50, 6)
    alpha_2 = (np.arange(points) + 0.5) / (2 * points)
    for readout in effort.few(("gaussian", "rademacher")):
        for scale in effort.few((1.0, 4.0)):
            for batch in effort.few(("independent", "reused")):
                base = problem(readout, scale, batch)
                yield row(
                    f"{points} points, {readout}, scale {scale:g}, {batch}",
                    "predict, point by point",
                    race(
                        clock(
                            lambda base=base: rmt.phase_diagram(base, [0.25], alpha_2, rtol=RTOL)
                        ),
                        clock(lambda base=base: one_by_one(base, 0.25, alpha_2)),
                        effort,
                        least=2,
                    ),
                    claim=SHARED,
                )
    for readout in effort.few(("rademacher", "gaussian")):
        yield whole(readout, effort.pick(50, 4), effort)
    yield deformed(effort.pick(30, 2), effort)
    yield on_dask(effort)


def problem(readout: str, scale: float, batch: str) -> rmt.Problem:
    return rmt.Problem(
        "tanh(z + 7/10)",
        "He3(z)/sqrt(6)",
        width=2000,
        dim=2000,
        samples=4000,
        steps=[(scale, 0), (scale, 0)],
        readout=readout,
        batch=batch,
    )


def one_by_one(base: rmt.Problem, alpha_1: float, alpha_2: np.ndarray) -> None:
    scale = base.steps[0].scale
    for alpha in alpha_2:
        rmt.predict(base.replace(steps=[(scale, alpha_1), (scale, alpha)]), rtol=RTOL)


def whole(readout: str, grid: int, effort: Effort) -> Row:
    """Both batches, on two processes and on one."""
    both = [problem(readout, 4.0, batch) for batch in ("independent", "reused")]

    def diagrams(executor: Executor | None) -> None:
        for base in both:
            rmt.phase_diagram(base, grid, grid, "resummed", RTOL, executor)

    return row(
        f"{grid} x {grid} points, {readout}, both batches, two processes",
        "the same in one process",
        on_two_and_one(diagrams),
        claim=None if effort.quick else DIAGRAM,
    )


def deformed(points: int, effort: Effort) -> Row:
    """The level at which points share nothing."""
    alpha_2 = np.linspace(0.0, 0.45, points)
    base = problem("rademacher", 4.0, "reused").replace(target="sin(2*z)", steps=[(4, 0.3)] * 2)
    if effort.quick:
        base = base.replace(width=200, dim=200, samples=400)

    def curve(executor: Executor | None) -> None:
        over = {"alpha_2": alpha_2, "batch": ["independent", "reused"]}
        rmt.sweep(base, over, "deformed", RTOL, executor)

    return row(
        f"{points} points, rademacher, both batches, level deformed, two processes",
        "the same in one process",
        on_two_and_one(curve),
    )


def on_two_and_one(work: Callable[[Executor | None], object]) -> Race:
    """Seconds on two processes, and in this one."""
    seconds = []
    with worker_processes(2) as executor:
        small = problem("rademacher", 1.0, "reused")
        rmt.phase_diagram(small, 4, 1, "resummed", RTOL, executor)  # the workers import
        for pool in (executor, None):
            start = time.perf_counter()
            work(pool)
            seconds.append(time.perf_counter() - start)
    return Race([seconds[0]], [seconds[1]])


def on_dask(effort: Effort) -> Row:
    """As many workers as there are cores, and one."""
    workers, columns = min(4, available_cores()), effort.pick(60, 4)
    what = f"{columns} x 20 points, gaussian, reused, {workers} dask workers"
    baseline = "one dask worker"
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        return Row(what=what, baseline=baseline, note=f"skipped: {error}")
    if workers < 2:
        return Row(what=what, baseline=baseline, note="skipped: one core")
    base = problem("gaussian", 1.0, "reused")
    alpha_1 = (np.arange(columns) + 0.5) / (2 * columns)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        stack.enter_context(dask.config.set({"temporary-directory": folder}))
        clocks = []
        for count in (workers, 1):
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    silence_logs=50,
                )
            )
            client = stack.enter_context(Client(cluster, set_as_default=False))
            client.run(rmt.phase_diagram, base, 1, 1)  # each worker imports

            def diagram(client: Client = client) -> None:
                rmt.phase_diagram(base, alpha_1, 20, "resummed", RTOL, client)

            clocks.append(clock(diagram, least=0.0))
        found = race(*clocks, effort, least=2)
    claim = Claim("a third more than its share", "docs/sweeps.md", 4.0 / 3.0 / workers)
    return row(what, baseline, found, claim=None if effort.quick else claim)
