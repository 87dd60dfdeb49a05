"""
How many samples does a direction need?
=======================================

The target :math:`z_1 + z_1 z_2` has a direction that the first step sees, and one that only the
second step sees, through the first. Squared overlap of each outlier with its direction against the
number of samples per input dimension, two steps on fresh samples. Lines are predicted, symbols are
means over simulated networks with their standard errors. A line begins where its outlier leaves the
bulk.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from validation import Samples, run_samples

LOOKS = (("#D55E00", "o"), ("#009E73", "s"))


@dataclass(frozen=True)
class SampleRatios:
    """A curve of predictions, and networks at some of its points."""

    sweep: rmt.Sweep
    samples: dict[float, Samples]


def main() -> SampleRatios:
    """Predict from an eighth of a sample per dimension to sixteen; simulate at four ratios."""
    problem = rmt.Problem(
        activation="relu(z)",
        target="z1 + z1*z2",
        width=400,
        dim=400,
        samples=800,
        steps=[rmt.Step(2, 0.4), rmt.Step(2, 0.45)],
        batch="independent",
    )
    over = {"samples_per_dim": np.geomspace(0.125, 16, 29)}
    sweep = rmt.sweep(problem, over=over, rtol=1e-4)
    samples = {
        ratio: run_samples(problem.replace(samples=round(400 * ratio)), 12, n_outliers=2)
        for ratio in (0.5, 1.0, 2.0, 8.0)
    }
    return SampleRatios(sweep, samples)


def draw(result: SampleRatios) -> Figure:
    """Overlaps against the ratio."""
    figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    sweep, x = result.sweep, result.sweep.axes["samples_per_dim"]
    for k, (colour, marker) in enumerate(LOOKS):
        overlap = np.where(sweep.is_outlier[:, k], sweep.target_overlaps[:, k, k], np.nan)
        ax.plot(x, overlap, color=colour, label=f"outlier {k} with $z_{k + 1}$, predicted")
        ax.errorbar(
            list(result.samples),
            [s.mean_target_overlaps[k, k] for s in result.samples.values()],
            [s.target_overlap_errors[k, k] for s in result.samples.values()],
            fmt=marker,
            capsize=3,
            color=colour,
            label=f"outlier {k} with $z_{k + 1}$, networks",
        )
    ax.set_xscale("log", base=2)
    ticks = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xlabel("samples per dimension, $n_1/d = n_2/d$")
    ax.set_ylabel("squared overlap")
    ax.set_ylim(0, 1)
    ax.legend(frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    found = main()
    print(found.sweep)
    draw(found)
    plt.show()
