"""Networks in float32 against the same ones in float64.

Random numbers are drawn in float64 in either case, so the differences are those of rounding alone.
Stated is the largest one over networks and outliers; beside it, the standard deviation of the same
observable from network to network, which is what a mean over networks has to be held against.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from rmt.problem import Problem
from validation.catalogue import LEVELS
from validation.simulation.bulk import bulk_edge
from validation.simulation.observe import Observation, observe
from validation.simulation.simulate import simulate

TITLE = "float32 against float64"

CASES = (
    *("shifted-tanh-ie1-independent", "gelu-ie1-independent"),
    *("relu-tanh-reused", "sine-staircase-reused"),
)
NAMES = ("outliers, relative", "squared overlaps", "bulk, of its edge")
LIMITS = (3e-7, 3e-7, 2e-7)


def rows(effort: Effort) -> Iterator[Row]:
    """One of time for each problem, and one for each kind of observable."""
    worst = np.zeros((3, 2))
    timed: list[Race] = []
    for name in effort.few(CASES):
        problem = LEVELS[name].problem
        if effort.quick:
            problem = problem.replace(width=100, dim=100, samples=200)
        timed.append(_times(problem, effort))
        yield row(
            f"a network in float32, {name}",
            "in float64",
            timed[-1],
            claim=Claim("0.5 to 0.7 of the time", "docs/validation.md", 0.77),
        )
        worst = np.maximum(worst, differences(problem, effort.pick(3, 2)))
    together = Race([s for one in timed for s in one.ours], [s for one in timed for s in one.other])
    for name, limit, (difference, scatter) in zip(NAMES, LIMITS, worst, strict=True):
        yield row(
            f"all networks in float32: {name}",
            "float64; its error is the scatter of networks",
            together,
            error=difference,
            other_error=scatter,
            claim=Claim(f"within {limit:g}", "docs/validation.md", limit, "error"),
        )


def _times(problem: Problem, effort: Effort) -> Race:
    single, double = (
        clock(lambda dtype=dtype: simulate(problem, 0, 0, dtype, threads=1))
        for dtype in ("float32", "float64")
    )
    return race(single, double, effort)


def differences(problem: Problem, networks: int) -> np.ndarray:
    """Rows: outliers, overlaps, bulk; columns: largest difference, largest scatter."""
    seen: dict[str, list[Observation]] = {"float64": [], "float32": []}
    for index in range(networks):
        for dtype, observations in seen.items():
            weights = simulate(problem, 0, index, dtype, threads=1).weights[-1]
            observations.append(
                observe(weights, 6, n_directions=problem.n_directions, spectrum=True)
            )
    double, single = (np.array([o.spectrum for o in found]) for found in seen.values())
    overlaps, overlaps_single = (
        np.array([o.target_overlaps for o in found]) for found in seen.values()
    )
    # At least the largest value, also where no outlier is clear of the bulk.
    k = max(1, min(bulk_edge(double.mean(axis=0)).n_outliers, overlaps.shape[1]))
    values = double[:, :k]
    bulk = double[:, k:] / double[:, k : k + 1]
    return np.array(
        [
            [
                np.abs(single[:, :k] / values - 1).max(),
                (values.std(axis=0, ddof=1) / values.mean(axis=0)).max(),
            ],
            [
                np.abs(overlaps_single - overlaps)[:, :k].max(),
                overlaps[:, :k].std(axis=0, ddof=1).max(),
            ],
            [
                (np.abs(single - double)[:, k:] / double[:, k : k + 1]).max(),
                bulk.std(axis=0, ddof=1).max(),
            ],
        ]
    )
