"""What starting costs, and why BLAS gets one thread."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import Claim, Effort, Row, clock, race, row
from validation.executors import worker_processes
from validation.simulation.threads import available_cores

TITLE = "Starting, and threads"


def rows(effort: Effort) -> Iterator[Row]:
    """Importing, starting workers, small matrices on several threads."""
    yield row(
        "python -c 'import rmt'",
        "python -c 'import numpy, scipy.special, scipy.optimize'",
        race(
            clock(lambda: _python("import rmt")),
            clock(lambda: _python("import numpy, scipy.special, scipy.optimize")),
            effort,
        ),
        claim=Claim("stays fast: numpy and scipy", "docs/architecture.md", 3.0),
    )
    yield row(
        "starting two worker processes",
        "python -c 'import rmt'",
        race(clock(_start), clock(lambda: _python("import rmt")), effort),
        claim=Claim("about 4 s", "docs/validation.md", 4.4, "seconds"),
    )
    if available_cores() < 2:
        yield Row(what="BLAS on one thread", baseline="on two", note="skipped: one core")
        return
    for size in effort.few((100, 200)):
        matrix = np.random.default_rng(0).standard_normal((size, size))
        yield row(
            f"numpy.linalg.eigh, {size} x {size}, one thread",
            "two threads",
            race(
                _on_threads(matrix + matrix.T, 1),
                _on_threads(matrix + matrix.T, 2),
                effort,
            ),
            claim=Claim("several threads are hardly faster", "docs/architecture.md", 1.1),
        )


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def _start() -> None:
    with worker_processes(2) as executor:
        list(executor.map(abs, range(2)))


def _on_threads(matrix: np.ndarray, threads: int):
    with threadpool_limits(threads, user_api="blas"):
        read = clock(lambda: np.linalg.eigh(matrix), least=0.02)

    def limited() -> float:
        with threadpool_limits(threads, user_api="blas"):
            return read()

    return limited
