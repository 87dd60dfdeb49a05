"""One simulated network against the bare matrix products that it consists of.

Both are timed in turn on the same number of threads. The products of a step are ``X W^T`` and
``D^T X`` into existing arrays; nothing else is counted.

``python benchmarks/bench_simulation.py --device cuda --width 16000`` instead times one network on a
device against the same on the CPU with all its cores, observation included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.common import Claim, Clock, Effort, Race, Row, clock, race, row
from rmt.problem import Problem, Step
from validation.simulation.observe import observe
from validation.simulation.simulate import simulate
from validation.simulation.threads import available_cores

TITLE = "Simulation against its bare matrix products"

AIM = Claim("the aim of 1.3", "docs/validation.md", 1.3)
# Width, threads, precision.
CASES = [(n, k, kind) for n in (1000, 2000) for k in (1, 2) for kind in ("float64", "float32")]


def rows(effort: Effort) -> Iterator[Row]:
    """Both widths, one thread and two, both precisions, both batches."""
    for width, threads, dtype in effort.few(CASES):
        for batch in ("reused", "independent"):
            if threads > available_cores():
                continue
            size = effort.pick(width, 100)
            yield row(
                f"{batch}, N = d = {size}, {dtype}, threads: {threads}",
                "the matrix products",
                measure(_problem(size, batch), dtype, threads, effort),
                claim=AIM,
            )


def measure(problem: Problem, dtype: str, threads: int, effort: Effort) -> Race:
    """Time the simulation and the products of a problem in turn."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((problem.width, problem.dim)).astype(dtype)
    work: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for n in problem.samples:
        inputs = rng.standard_normal((n, problem.dim)).astype(dtype)
        work.append((inputs, np.empty((n, problem.width), dtype)))
    product = np.empty_like(weights)

    def products() -> None:
        for inputs, pre in work:
            np.matmul(inputs, weights.T, out=pre)
            np.matmul(pre.T, inputs, out=product)

    def simulation() -> None:
        simulate(problem, 0, 0, dtype, threads=threads)

    with threadpool_limits(limits=threads, user_api="blas"):
        return race(_rested(simulation), _rested(products), effort, least=2)


def _rested(call: Callable[[], None]) -> Clock:
    """A clock that waits: the threads of the last product spin for a while."""
    read = clock(call)

    def rested() -> float:
        time.sleep(0.1)
        return read()

    return rested


def speed_up(width: int, device: str) -> None:
    """Time of a sample in float32 on a device over that on the CPU."""
    problem = _problem(width, "reused")

    def sample(where: str) -> Callable[[], object]:
        return lambda: observe(simulate(problem, 0, 0, "float32", device=where).weights[-1], 4)

    found = race(clock(sample(device)), clock(sample("cpu")), Effort(3, 1e9))
    print(
        f"N = d = {width}, n = {2 * width}, two steps and four triplets, float32: cpu "
        f"({available_cores()} cores) {np.median(found.other):.2f} s, {device} "
        f"{np.median(found.ours):.2f} s, speed-up {1 / found.ratio[0]:.1f}"
    )


def _problem(width: int, batch: Literal["independent", "reused"]) -> Problem:
    return Problem(
        activation="tanh(z + 7/10)",
        target="remove_hermite(3*tanh(2*z), 1)",
        width=width,
        dim=width,
        samples=2 * width,
        steps=[Step(4, 0.3), Step(4, 0.4)],
        batch=batch,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True, help="time this device against the CPU")
    parser.add_argument("--width", type=int, default=1000, help="N = d (default 1000)")
    arguments = parser.parse_args()
    speed_up(arguments.width, arguments.device)
