"""Time of one simulated network against that of the bare matrix products it consists of.

Run ``python benchmarks/bench_simulation.py`` from the repository root. The two are timed in turn in
one process, on the same number of threads and a moment apart, and the medians are compared. The
products of a step are ``X W^T`` and ``D^T X`` into existing arrays; nothing else is counted.

``--device cuda --width 16000`` instead times one network on a device against the same on the CPU
with all its cores, observation included: the speed-up of a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rmt.problem import Problem, Step
from validation.observe import leading_triplets, observe
from validation.simulate import available_cores, simulate


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians in seconds of one setting; ``ratio`` is simulation over products."""

    batch: str
    dtype: str
    threads: int
    products: float
    simulation: float
    observation: float

    @property
    def ratio(self) -> float:
        """Time of one sample over that of its matrix products."""
        return self.simulation / self.products

    def __str__(self) -> str:
        return (
            f"{self.batch:<12} {self.dtype:<8} {self.threads:7d} {1e3 * self.products:9.1f} ms "
            f"{1e3 * self.simulation:9.1f} ms {self.ratio:7.2f} {1e3 * self.observation:9.1f} ms"
        )


def measure(problem: Problem, dtype: str, threads: int, repetitions: int = 9) -> Timing:
    """Time the products and the simulation of a problem in turn."""
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

    times: dict[str, list[float]] = {"products": [], "simulation": [], "observation": []}
    with threadpool_limits(limits=threads, user_api="blas"):
        final = simulate(problem, 0, 0, dtype, threads=threads).weights[-1]

        def observation() -> None:
            leading_triplets(final, 4)

        tasks: tuple[Callable[[], None], ...] = (products, simulation, observation)
        for task in tasks:
            task()
        for _ in range(repetitions):
            for task in tasks:
                # The threads of the last product spin for a while, and would slow what follows.
                time.sleep(0.1)
                start = time.perf_counter()
                task()
                times[task.__name__].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return Timing(problem.batch, dtype, threads, **medians)


def speed_up(width: int, device: str, repetitions: int = 3) -> float:
    """Time of a sample in float32 on the CPU over that on a device, printed and returned."""
    problem = _problem(width, "reused")

    def sample(where: str) -> float:
        start = time.perf_counter()
        observe(simulate(problem, 0, 0, "float32", device=where).weights[-1], 4)
        return time.perf_counter() - start

    sample(device)  # a device's first call loads its libraries
    times: dict[str, list[float]] = {"cpu": [], device: []}
    for _ in range(repetitions):
        for where, seen in times.items():
            seen.append(sample(where))
    medians = {where: statistics.median(seen) for where, seen in times.items()}
    ratio = medians["cpu"] / medians[device]
    print(
        f"N = d = {width}, n = {2 * width}, two steps and four triplets, float32: "
        f"cpu ({available_cores()} cores) {medians['cpu']:.2f} s, {device} "
        f"{medians[device]:.2f} s, "
        f"speed-up {ratio:.1f}"
    )
    return ratio


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


def main(width: int = 1000, repetitions: int = 9) -> list[Timing]:
    """Measure both batches, both precisions, on one core and on all; print and return it."""
    print(f"N = d = {width}, n = {2 * width}, two steps; medians of {repetitions}")
    print(
        f"{'batch':<12} {'dtype':<8} {'threads':>7} {'products':>12} {'sample':>12} {'ratio':>7} "
        f"{'triplets':>12}"
    )
    timings = []
    batches: tuple[Literal["reused", "independent"], ...] = ("reused", "independent")
    for threads in sorted({1, available_cores()}):
        for dtype in ("float64", "float32"):
            for batch in batches:
                timings.append(measure(_problem(width, batch), dtype, threads, repetitions))
                print(timings[-1], flush=True)
    return timings


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1000, help="N = d (default 1000)")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--device", help="time this device against the CPU instead")
    arguments = parser.parse_args()
    if arguments.device:
        speed_up(arguments.width, arguments.device, arguments.repetitions)
    else:
        main(arguments.width, arguments.repetitions)
