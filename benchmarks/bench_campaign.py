"""Parallel efficiency of a campaign: time on one worker over that on all, times their number.

Run ``python benchmarks/bench_campaign.py`` from the repository root. The samples are cut into
pieces; each piece is computed by one process and then by all, in turn, so that both see the same
machine, and the times are summed. The processes are started and warmed up before; what is timed is
`run_campaign` with a store on disk. The bar is 0.85 on 2 cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rmt.problem import Problem, Step
from validation.campaign import run_campaign
from validation.executors import worker_processes
from validation.plan import Plan
from validation.simulate import available_cores
from validation.store import SampleStore


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Seconds for the same samples on one worker and on several; prints as a line."""

    n_samples: int
    workers: int
    alone: float
    together: float

    @property
    def ratio(self) -> float:
        """One when the workers do not slow each other down at all."""
        return self.alone / (self.workers * self.together)

    def __str__(self) -> str:
        return (
            f"{self.n_samples} samples: {self.alone:.2f} s on 1 worker, {self.together:.2f} s on "
            f"{self.workers}; parallel efficiency {self.ratio:.3f}"
        )


def measure(problem: Problem, n_samples: int, pieces: int, workers: int) -> Efficiency:
    """Time the pieces on one worker and on several in turn."""
    spent = {1: 0.0, workers: 0.0}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pools: dict[int, Executor] = {
            count: stack.enter_context(worker_processes(count)) for count in spent
        }
        for count, pool in pools.items():
            warm_up = Plan(problem, 4 * count, seed=pieces)
            run_campaign([warm_up], executor=pool, workers=count)
        for piece in range(pieces):
            plan = Plan(problem, n_samples // pieces, seed=piece)
            # Each goes first as often as the other.
            counts: Sequence[int] = list(pools)[:: 1 if piece % 2 else -1]
            for count in counts:
                with SampleStore(folder / f"{count} workers.sqlite") as store:
                    start = time.perf_counter()
                    run_campaign([plan], store, executor=pools[count], workers=count)
                    spent[count] += time.perf_counter() - start
    return Efficiency(pieces * (n_samples // pieces), workers, spent[1], spent[workers])


def main(width: int = 1000, n_samples: int = 64, pieces: int = 4) -> Efficiency:
    """Measure two steps on a reused batch with ``N = d`` and ``n = 2N``; print and return it."""
    problem = Problem(
        activation="tanh(z + 7/10)",
        target="remove_hermite(3*tanh(2*z), 1)",
        width=width,
        dim=width,
        samples=2 * width,
        steps=[Step(4, 0.3), Step(4, 0.4)],
        batch="reused",
    )
    efficiency = measure(problem, n_samples, pieces, max(2, available_cores()))
    print(f"N = d = {width}, n = {2 * width}, two steps, {pieces} pieces of each in turn")
    print(efficiency)
    return efficiency


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1000, help="N = d (default 1000)")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--pieces", type=int, default=4)
    arguments = parser.parse_args()
    main(arguments.width, arguments.samples, arguments.pieces)
