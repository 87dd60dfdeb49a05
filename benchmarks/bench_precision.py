"""What float32 changes in every observable, on the same networks as in float64.

Run ``python benchmarks/bench_precision.py`` from the repository root. Random numbers are drawn in
float64 in either case, so the differences are those of rounding alone. They are stated beside the
standard deviation of the observable from network to network, which is what a mean over networks
has to be held against, and the time of a sample in float32 over that in float64.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from rmt.problem import Problem
from validation.bulk import bulk_edge
from validation.catalogue import CASES, LEVELS
from validation.observe import Observation, observe
from validation.simulate import simulate


@dataclass(frozen=True, slots=True)
class Effect:
    """Largest differences over networks and outliers of one problem.

    ``outliers`` and ``spread`` are relative to the singular value, ``bulk`` to the largest value
    of the bulk; overlaps are absolute. ``time_ratio`` is float32 over float64.
    """

    name: str
    outliers: float
    spread: float
    overlaps: float
    overlap_spread: float
    bulk: float
    time_ratio: float

    def __str__(self) -> str:
        return (
            f"{self.name:<32} {self.outliers:9.1e} {self.spread:9.1e} {self.overlaps:9.1e} "
            f"{self.overlap_spread:9.1e} {self.bulk:9.1e} {self.time_ratio:6.2f}"
        )


def measure(name: str, problem: Problem, n_samples: int) -> Effect:
    """Simulate every network in both precisions."""
    seen: dict[str, list[Observation]] = {"float64": [], "float32": []}
    times = dict.fromkeys(seen, 0.0)
    for index in range(n_samples):
        for dtype, observations in seen.items():
            start = time.perf_counter()
            weights = simulate(problem, 0, index, dtype, threads=1).weights[-1]
            times[dtype] += time.perf_counter() - start
            observations.append(
                observe(weights, 6, n_directions=problem.n_directions, spectrum=True)
            )
    double, single = (
        np.array([o.spectrum for o in observations]) for observations in seen.values()
    )
    overlaps, overlaps_single = (
        np.array([o.target_overlaps for o in observations]) for observations in seen.values()
    )
    # At least the largest value, also where no outlier is clear of the bulk.
    k = max(1, min(bulk_edge(double.mean(axis=0)).n_outliers, overlaps.shape[1]))
    return Effect(
        name,
        float(np.abs(single[:, :k] / double[:, :k] - 1).max()),
        float((double[:, :k].std(axis=0, ddof=1) / double[:, :k].mean(axis=0)).max()),
        float(np.abs(overlaps_single - overlaps)[:, :k].max()),
        float(overlaps[:, :k].std(axis=0, ddof=1).max()),
        float((np.abs(single - double)[:, k:] / double[:, k : k + 1]).max()),
        times["float32"] / times["float64"],
    )


def main(n_samples: int = 4) -> list[Effect]:
    """Measure the catalogue's problems; print and return the effects."""
    print(f"{n_samples} networks of width 1000 each; differences of float32 from float64")
    print(
        f"{'problem':<32} {'outliers':>9} {'(spread)':>9} {'overlaps':>9} {'(spread)':>9} "
        f"{'bulk':>9} {'time':>6}"
    )
    effects = []
    for name, case in {**CASES, **LEVELS}.items():
        effects.append(measure(name, case.problem, n_samples))
        print(effects[-1], flush=True)
    return effects


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4, help="networks of each (default 4)")
    main(parser.parse_args().samples)
