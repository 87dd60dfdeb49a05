"""Phase diagrams and sweeps against `rmt.predict` called point by point.

All predictions of a column of a phase diagram (one value of ``alpha_1``, fifty of ``alpha_2``), as
a diagram and alone, with the same ``rtol``; and a whole diagram on two processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import rmt
from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from validation.executors import worker_processes

TITLE = "Sweeps against predictions one by one"

RTOL = 1e-3
SHARED = Claim("points share most of their work", "README.md", 0.5)


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
    yield whole(effort.pick(50, 4))


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


def whole(grid: int) -> Row:
    """Both batches, on two processes and on one."""
    both = [problem("rademacher", 4.0, batch) for batch in ("independent", "reused")]
    seconds = []
    with worker_processes(2) as executor:
        rmt.phase_diagram(both[0], 2, 2, "resummed", RTOL, executor)  # the workers import
        for pool in (executor, None):
            start = time.perf_counter()
            for base in both:
                rmt.phase_diagram(base, grid, grid, "resummed", RTOL, pool)
            seconds.append(time.perf_counter() - start)
    return row(
        f"{grid} x {grid} points, both batches, two processes",
        "the same in one process",
        Race([seconds[0]], [seconds[1]]),
    )
