"""
Bulk and outliers of the weights
================================

One network of 800 neurons, before training, after one step and after two. The histograms are the
singular values of its weights, triangles are those that stand out of the bulk. Lines and crosses
are predicted from the problem alone: nothing was fitted. The first step makes one outlier, the
second adds another and moves the first; both steps widen the bulk beyond the law of the initial
weights (dashed).
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import simulate

BLUE, VERMILLION = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Training:
    """Predictions after each step, and the singular values of one network's weights."""

    initial_bulk: rmt.SpectralLaw
    predictions: tuple[rmt.Prediction, rmt.Prediction]
    spectra: tuple[NDArray[np.float64], NDArray[np.float64]]


def main() -> Training:
    """Predict both steps, and train one network."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="sin(2*z)",
        width=800,
        dim=800,
        samples=1600,
        steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)],
        batch="reused",
        readout="rademacher",
    )
    one_step = problem.replace(steps=problem.steps[:1], samples=1600, batch="independent")
    predictions = (
        rmt.predict(one_step, method="deformed"),
        rmt.predict(problem, method="deformed"),
    )
    weights = simulate(problem, seed=1).weights
    spectra = tuple(np.linalg.svd(w, compute_uv=False) for w in weights[1:])
    return Training(rmt.MarchenkoPasturBulk(problem.aspect_ratio), predictions, spectra)


def draw(result: Training) -> Figure:
    """A panel for each step; the axis is logarithmic beyond the bulk."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained", sharey=True)
    for k, (ax, prediction, spectrum) in enumerate(
        zip(axes, result.predictions, result.spectra, strict=True)
    ):
        draw_spectrum(ax, prediction, spectrum, result.initial_bulk)
        ax.set_title(f"after step {k + 1}", fontsize="medium")
        ax.set_xlabel(f"singular values of $W_{k + 1}$")
    axes[0].set_ylabel("density")
    axes[1].legend(framealpha=1, edgecolor="none", loc="upper right", fontsize="small")
    return figure


def draw_spectrum(
    ax: Axes,
    prediction: rmt.Prediction,
    spectrum: NDArray[np.float64],
    initial: rmt.SpectralLaw,
) -> None:
    """Histogram and predicted density of the bulk, and the outliers, seen and predicted."""
    edge = prediction.bulk.upper_edge
    ax.set_xscale("symlog", linthresh=4.0, linscale=2.2)
    ax.set_xticks([0, 1, 2, 3, 4, 10, 20], ["0", "1", "2", "3", "4", "10", "20"])
    ax.minorticks_off()
    ax.set_xlim(0, 40)
    ax.set_ylim(0, 0.95)
    bins = np.linspace(0, 1.05 * edge, 41)
    inside, _ = np.histogram(spectrum, bins)
    density = inside / spectrum.size / np.diff(bins)
    ax.stairs(density, bins, fill=True, color=BLUE, alpha=0.3, label="network: bulk")
    x = np.linspace(1e-6, edge, 400)
    ax.plot(x, prediction.bulk.pdf(x), color=BLUE, label="predicted bulk")
    x = np.linspace(1e-6, initial.upper_edge, 400)
    ax.plot(x, initial.pdf(x), color="0.4", ls="--", lw=1.0, label="bulk before training")
    count = len(prediction.outliers)
    ax.plot(
        spectrum[:count], np.full(count, 0.05), "^", ms=8, color=VERMILLION,
        label="network: outliers",
    )  # fmt: skip
    predicted = [spike.singular_value for spike in prediction.outliers]
    ax.plot(predicted, np.full(count, 0.12), "x", ms=7, mew=1.8, color="black",
            label="predicted outliers")  # fmt: skip
    ax.axvline(4.0, color="0.6", lw=0.7, ls=":")
    for position in predicted:
        ax.annotate(
            f"{position:.2f}", (position, 0.15), (-4, 0), textcoords="offset points",
            va="bottom", fontsize="small",
        )  # fmt: skip


if __name__ == "__main__":
    found = main()
    print(found.predictions[1])
    draw(found)
    plt.show()
