"""
A staircase in four steps
=========================

The target :math:`z_1 + z_1 z_2` shows only :math:`z_1` to the first step. The second, on samples of
its own, sees :math:`z_2` through the product, and a second outlier leaves the bulk: a direction of
the target enters one step after the one that it stands on, and each step then sees more of it.
Lines are the path of a prediction, marks are simulated networks after each step, with standard
errors. The training error is that on the batch which comes next, as good as fresh, and after the
last step that on the batch which it has used.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import rmt
from validation import PathPlan, PathSamples, run_paths


@dataclass(frozen=True)
class Steps:
    """The prediction after four steps, which has the path, and networks on their way."""

    prediction: rmt.Prediction
    samples: PathSamples


def main(count: int = 8) -> Steps:
    """Predict four steps on fresh batches, and train networks of width 500."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="z1 + z1*z2",
        width=500,
        dim=500,
        samples=1500,
        steps=[rmt.Step(2, 0.3)] * 4,
        batch="independent",
        readout="rademacher",
    )
    samples = run_paths(PathPlan(problem, count, n_outliers=2, n_test=1000))
    return Steps(rmt.predict(problem, rtol=1e-3), samples)


def draw(result: Steps) -> Figure:
    """Outliers, overlaps and errors against the step, networks on top."""
    return result.prediction.plot(path=True, simulated=result.samples)


if __name__ == "__main__":
    found = main()
    print(found.prediction.path)
    draw(found)
    plt.show()
