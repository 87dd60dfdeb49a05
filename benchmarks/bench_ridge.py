"""Time of a learning curve against the same points solved one by one, and against one simulation.

Run ``python benchmarks/bench_ridge.py`` from the repository root. The three are timed in turn in
one process; the simulation is one network of the same problem with ridge regression at one point of
the curve, which a simulated curve would need at every point and for several networks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmt import Problem, Step, ridge
from validation.features import FeaturePlan, run_features

POINTS = 100


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians in seconds: of the curve, of its points one by one, of one simulated point."""

    name: str
    curve: float
    one_by_one: float
    simulated: float

    def __str__(self) -> str:
        return (
            f"{self.name:<24} {self.curve:8.2f} s {self.one_by_one:8.2f} s "
            f"{self.one_by_one / self.curve:7.1f} {self.simulated:8.2f} s "
            f"{POINTS * self.simulated / self.curve:9.0f}"
        )


def measure(name: str, problem: Problem, repetitions: int = 3) -> Timing:
    """Time a curve over ``m/d`` from 0.2 to 8 at ``lambda = 1/N``, all stages."""
    samples, lam = np.geomspace(0.2, 8.0, POINTS) * problem.dim, 1.0 / problem.width
    plan = FeaturePlan(problem, 1, inputs=(3 * problem.dim,), regularisations=(lam,))
    tasks: dict[str, Callable[[], object]] = {
        "curve": lambda: ridge(problem, samples, lam),
        "one_by_one": lambda: [ridge(problem, m, lam) for m in samples[:: POINTS // 10]],
        "simulated": lambda: run_features(plan, threads=1),
    }
    times: dict[str, list[float]] = {task: [] for task in tasks}
    for _ in range(repetitions):
        for task, run in tasks.items():
            start = time.perf_counter()
            run()
            times[task].append(time.perf_counter() - start)
    medians = {task: statistics.median(seen) for task, seen in times.items()}
    medians["one_by_one"] *= POINTS / len(samples[:: POINTS // 10])
    return Timing(name, **medians)


def main() -> list[Timing]:
    """Measure four problems at width 1000; print and return the timings."""
    print(f"{POINTS} points, three stages, N = d = 1000")
    print(
        f"{'problem':<24} {'curve':>10} {'one by one':>10} {'ratio':>7} {'one sim.':>10} "
        f"{'ratio':>9}"
    )
    timings = []
    for readout in ("rademacher", "gaussian"):
        for batch in ("independent", "reused"):
            problem = Problem(
                activation="tanh(z + 7/10)",
                target="tanh(z) + (cos(2*z) - exp(-2))/2",
                width=1000,
                dim=1000,
                samples=2000,
                steps=[Step(4, 0.3), Step(4, 0.4)],
                batch="reused" if batch == "reused" else "independent",
                readout="gaussian" if readout == "gaussian" else "rademacher",
            )
            timings.append(measure(f"{readout}, {batch}", problem))
            print(timings[-1], flush=True)
    return timings


if __name__ == "__main__":
    main()
