"""Time of the three levels of theory against one simulated network of the same problem.

Run ``python benchmarks/bench_levels.py`` from the repository root. A simulated network is what a
prediction stands in for: two gradient steps at the given width and the singular values of the
result. Everything runs in turn in this process, on one thread; times are medians, the ratio is that
to the simulation. The scaling level remembers problems: its first call and a later one are shown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

import rmt
from validation.simulate import simulate

STEPS = [(4, 0.3), (4, 0.4)]
PROBLEMS = {
    "tanh, two-valued readout": ("tanh(z + 7/10)", "sin(2*z)", "rademacher"),
    "tanh, Gaussian readout": ("tanh(z + 7/10)", "sin(2*z)", "gaussian"),
    "relu, uniform readout": ("relu(z)", "tanh(z)", "uniform"),
}


def seconds(task: Callable[[], object], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--width", type=int, default=1000)
    options = parser.parse_args()
    print(f"{'problem':<28}{'batch':<13}{'level':<26}{'seconds':>9}{'ratio':>9}")
    with threadpool_limits(limits=1):
        for name, (activation, target, readout) in PROBLEMS.items():
            for batch in ("independent", "reused"):
                width = options.width
                problem = rmt.Problem(
                    activation, target, width, width, 2 * width, STEPS, batch, readout
                )
                rows(name, problem, options.repetitions)


def rows(name: str, problem: rmt.Problem, repetitions: int) -> None:
    def network() -> object:
        return np.linalg.svd(simulate(problem, seed=0).weights[-1], compute_uv=False)

    simulated = seconds(network, repetitions)
    tasks: dict[str, tuple[Callable[[], object], int]] = {
        "simulation": (network, repetitions),
        "resummed": (lambda: rmt.predict(problem), repetitions),
        "deformed": (lambda: rmt.predict(problem, "deformed"), repetitions),
        "deformed, 400 densities": (
            lambda: rmt.predict(problem, "deformed").bulk.pdf(np.linspace(0.0, 2.0, 400)),
            repetitions,
        ),
    }
    if not problem.activation.kinks:
        tasks["scaling, first call"] = (lambda: rmt.scaling(problem), 1)
        tasks["scaling, later"] = (lambda: rmt.scaling(problem), repetitions)
    rmt.predict(problem)  # texts are parsed and quadrature rules cached
    for level, (task, count) in tasks.items():
        taken = seconds(task, count)
        print(
            f"{name:<28}{problem.batch:<13}{level:<26}{taken:9.4f}{taken / simulated:9.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
