"""
Learning curves before and after training
=========================================

Error of a readout that is trained by ridge regression on the hidden layer's features: of random
features (untrained), and after one and two gradient steps on the first layer. Lines are predicted,
dots are one simulated network. Each step learns a part of the target that more samples of the
readout could not buy.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import Sample, simulate

COLOURS = ("#0072B2", "#D55E00", "#009E73")
LAMBDA = 1e-2


@dataclass(frozen=True)
class LearningCurves:
    """Predicted errors, and those of one network: a row for each stage."""

    predicted: rmt.RidgeSweep
    ratios: NDArray[np.float64]
    test_error: NDArray[np.float64]


def main() -> LearningCurves:
    """Errors against the readout's samples per dimension."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="tanh(z) + (cos(2*z) - exp(-2))/2",
        width=500,
        dim=500,
        samples=2000,
        steps=[rmt.Step(2, 0.3), rmt.Step(2, 0.4)],
        batch="reused",
        readout="rademacher",
    )
    over = {"readout_samples_per_dim": np.geomspace(0.2, 8, 41)}
    predicted = rmt.sweep_ridge(problem, over, regularisation=LAMBDA)
    ratios = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    return LearningCurves(predicted, ratios, ridge_errors(simulate(problem, seed=3), ratios))


def ridge_errors(network: Sample, ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Test errors of ridge regression on the features of one network after each step."""
    problem = network.problem
    rng = np.random.default_rng(0)
    n_test = 4000
    inputs = rng.standard_normal((round(problem.dim * ratios[-1]) + n_test, problem.dim))
    labels = problem.target(inputs[:, 0])  # the target's direction is the first axis
    errors = np.empty((len(network.weights), ratios.size))
    for stage, weights in enumerate(network.weights):
        features = problem.activation(inputs @ weights.T) / np.sqrt(problem.width)
        for i, ratio in enumerate(ratios):
            m = round(problem.dim * ratio)
            shown, seen = features[:m], labels[:m]
            gram = shown.T @ shown / m + LAMBDA * np.eye(problem.width)
            readout = np.linalg.solve(gram, shown.T @ seen / m)
            missed = labels[-n_test:] - features[-n_test:] @ readout
            errors[stage, i] = np.mean(missed**2)
    return errors


def draw(result: LearningCurves) -> Figure:
    """Test error of every stage; dashed, the training error."""
    figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    predicted = result.predicted
    x = predicted.axes["readout_samples_per_dim"]
    for i, (stage, colour) in enumerate(zip(predicted.stages, COLOURS, strict=True)):
        ax.plot(x, predicted.test_error[i], color=colour, label=stage)
        ax.plot(x, predicted.training_error[i], color=colour, ls="--", lw=1.0)
        ax.plot(result.ratios, result.test_error[i], "o", ms=5, color=colour)
    ax.plot([], [], "o", color="0.3", label="one network")
    ax.plot([], [], ls="--", lw=1.0, color="0.3", label="training error")
    ax.set_xscale("log")
    ticks = [0.2, 0.5, 1, 2, 5, 8]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel("samples of the readout per dimension, $m/d$")
    ax.set_ylabel("mean square error")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, ncols=2)
    return figure


if __name__ == "__main__":
    found = main()
    print(found.predicted)
    draw(found)
    plt.show()
