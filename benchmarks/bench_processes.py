"""What starting costs, and why BLAS gets one thread."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import Claim, Clock, Effort, Row, clock, race, row
from validation.executors import worker_processes
from validation.simulation.threads import available_cores

TITLE = "Starting, and threads"

_STARTS = (
    (
        ["-m", "rmt", "predict", *"--activation z --target z --width 100 --step 1,0.25".split()],
        ["-c", "import numpy, scipy, sympy"],
        Claim("little longer than importing numpy, scipy and sympy", "docs/architecture.md", 1.5),
    ),
    (
        ["-c", "import rmt"],
        ["-c", "import numpy"],
        Claim("a hundredth of a second", "docs/architecture.md", 0.6),
    ),
    (
        ["-m", "rmt", "--help"],
        ["-c", "import numpy"],
        Claim("need not even numpy", "docs/architecture.md", 1.0),
    ),
)


def rows(effort: Effort) -> Iterator[Row]:
    """Importing, starting workers, small matrices on several threads."""
    for ours, baseline, claim in effort.few(_STARTS):
        yield row(
            f"python {shlex.join(ours)}",
            f"python {shlex.join(baseline)}",
            race(_processor_time(ours), _processor_time(baseline), effort),
            claim=claim,
            note="processor time",
        )
    yield row(
        "starting two worker processes",
        "python -c 'import rmt.predict'",
        race(clock(_start), clock(lambda: _python("import rmt.predict")), effort),
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


def _processor_time(arguments: Sequence[str]) -> Clock:
    """Of a fresh interpreter; the first, which may write compiled files, is not counted."""

    def spent() -> float:
        before = os.times()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        # Windows counts none for children.
        return sum(after[2:4]) - sum(before[2:4]) or after.elapsed - before.elapsed

    spent()
    return spent


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
