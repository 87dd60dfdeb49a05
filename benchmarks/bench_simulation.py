"""One simulated network against the bare matrix products that it consists of.

Both are timed in turn on the same number of threads. The products of a step are ``X W^T`` and
``D^T X`` into existing arrays; nothing else is counted. Where the rest goes stands below: processor
time of each part, on one thread, against the same products.

``python benchmarks/bench_simulation.py --device cuda`` prints the table for a device instead.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import Claim, Clock, Effort, Race, Row, clock, race, row
from rmt.evaluation.program import Program
from rmt.problem import Problem, Step
from validation.simulation.devices import CPU, Device, find_device
from validation.simulation.draws import initial_weights, sample_readout, step_batch
from validation.simulation.simulate import simulate
from validation.simulation.threads import available_cores
from validation.simulation.triplets import leading_triplets

TITLE = "Simulation against its bare matrix products"

AIM = Claim("the aim of 1.3", "docs/validation.md", 1.3)
# Width, threads, precision.
CASES = [
    *((1000, threads, kind) for threads in (1, 2) for kind in ("float64", "float32")),
    *((4000, 1, kind) for kind in ("float64", "float32")),
]
# The functions of which each part consists.
PARTS: dict[str, tuple[Callable[..., Any], ...]] = {
    "random numbers": (initial_weights, sample_readout, step_batch),
    "activation and its slope": (Program.__call__,),
    "products": (Device.product,),
    "leading triplets": (leading_triplets,),
}
REST = "everything else"

Batch = Literal["independent", "reused"]
BATCHES: tuple[Batch, ...] = ("reused", "independent")


def rows(effort: Effort) -> Iterator[Row]:
    """Both widths, one thread and two, both precisions, both batches; then the parts."""
    for width, threads, dtype in effort.few(CASES):
        for batch in BATCHES:
            if threads > available_cores():
                continue
            size = effort.pick(width, 100)
            yield row(
                f"{batch}, N = d = {size}, {dtype}, threads: {threads}",
                "the matrix products",
                measure(_problem(size, batch), dtype, threads, effort),
                claim=AIM,
            )
    for dtype in effort.few(("float64", "float32")):
        size = effort.pick(1000, 100)
        for part, found in parts(_problem(size, "reused"), dtype, effort).items():
            yield row(f"reused, N = d = {size}, {dtype}: {part}", "the matrix products", found)


def measure(problem: Problem, dtype: str, threads: int, effort: Effort) -> Race:
    """Time the simulation and the products of a problem in turn."""
    bare = products(problem, dtype)

    def simulation() -> None:
        simulate(problem, 0, 0, dtype, threads=threads)

    with threadpool_limits(limits=threads, user_api="blas"):
        return race(_rested(simulation), _rested(bare), effort, least=2)


def products(problem: Problem, dtype: str, place: Device = CPU) -> Callable[[], None]:
    """The products of all steps into existing arrays, as a call that returns when they are done."""
    rng = np.random.default_rng(0)

    def normals(*shape: int) -> Any:
        return place.asarray(rng.standard_normal(shape, np.float32).astype(dtype))

    weights = normals(problem.width, problem.dim)
    pre = place.empty((max(problem.samples), problem.width), np.dtype(dtype))
    product = place.empty((problem.width, problem.dim), np.dtype(dtype))
    n_drawn = len(problem.samples) if problem.batch == "independent" else 1
    drawn = [normals(n, problem.dim) for n in problem.samples[:n_drawn]]

    def bare() -> None:
        for step, n in enumerate(problem.samples):
            inputs = drawn[min(step, n_drawn - 1)]
            place.product(inputs, weights.T, out=pre[:n, :])
            place.product(pre[:n, :].T, inputs, out=product)
        float(product[0, 0])  # a GPU answers once it is there

    return bare


def parts(problem: Problem, dtype: str, effort: Effort) -> dict[str, Race]:
    """Processor time of the parts of a network and its triplets, on one thread, and of the bare
    products, in turn."""
    bare = products(problem, dtype)

    def network() -> None:
        leading_triplets(simulate(problem, 0, 0, dtype, threads=1).weights[-1], 4)

    network(), bare()
    seen: dict[str, list[float]] = {part: [] for part in (*PARTS, REST)}
    other: list[float] = []
    for _ in range(effort.repetitions):
        start = time.process_time()
        bare()
        other.append(time.process_time() - start)
        for part, seconds in _profile(network, time.process_time).items():
            seen[part].append(seconds)
    return {part: Race(times, other) for part, times in seen.items()}


def _profile(call: Callable[[], None], timer: Callable[[], float]) -> dict[str, float]:
    """Seconds in each of the parts."""
    profile = cProfile.Profile(timer)
    profile.runcall(call)
    stats = pstats.Stats(profile)
    found: dict[str, float] = {}
    for part, functions in PARTS.items():
        codes = (getattr(function, "__wrapped__", function).__code__ for function in functions)
        keys = {(code.co_filename, code.co_firstlineno, code.co_name) for code in codes}
        found[part] = sum(stats.stats[key][3] for key in keys & stats.stats.keys())
    return {**found, REST: stats.total_tt - sum(found.values())}


def _rested(call: Callable[[], None]) -> Clock:
    """A clock that waits: the threads of the last product spin for a while."""
    read = clock(call)

    def rested() -> float:
        time.sleep(0.1)
        return read()

    return rested


def table(device: str, widths: list[int], repetitions: int) -> Iterator[str]:
    """Lines for a device: a network over its bare products, and what the processor draws for it."""
    place, effort = find_device(device), Effort(repetitions, 1e9, cheap=0.0)
    yield (
        f"{place}, random numbers drawn on {available_cores()} cores; two steps on one batch, "
        "n = 2N; medians"
    )
    yield "    N = d  precision  products [s]  network [s]  ratio  random numbers [s]"
    for width in widths:
        for dtype in ("float64", "float32"):
            problem = _problem(width, "reused")

            def network(problem: Problem = problem, dtype: str = dtype) -> None:
                simulate(problem, 0, 0, dtype, device=place)

            found = race(clock(network), clock(products(problem, dtype, place)), effort)
            drawn = _profile(network, time.perf_counter)["random numbers"]
            yield (
                f"{width:9d}  {dtype:>9}  {np.median(found.other):12.4f}  "
                f"{np.median(found.ours):11.4f}  {found.ratio[0]:5.2f}  {drawn:18.4f}"
            )


def _problem(width: int, batch: Batch) -> Problem:
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
    parser.add_argument("--device", required=True, help="as of `simulate`: cuda, torch, cpu")
    parser.add_argument("--widths", type=int, nargs="+", default=[4000, 16000], help="N = d")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    for line in table(arguments.device, arguments.widths, arguments.repetitions):
        print(line, flush=True)
