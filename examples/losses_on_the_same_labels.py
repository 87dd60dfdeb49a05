"""
Losses on the same labels
=========================

Labels :math:`\\pm1`, noisy signs of one direction of the input, and two steps on one batch with
five losses. A step sees of a loss its residuals alone, and the first step only those of a network
whose output is zero, the *effective labels*: the dots on the left. Step sizes are such that all
losses have the same first step. What is different comes with the second: a loss whose residual
falls with the output stops pushing on samples that are answered already, and leaves a smaller
outlier. Hinge and correlation loss are the same as long as no output reaches the margin. Lines are
the theory, in which nothing is fitted; marks are means over simulated networks, with standard
errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from validation import Samples, run_samples

LOOKS = {
    "correlation": ("correlation", "#999999", "o"),
    "max(0, 1 - y*h)": ("hinge", "#D55E00", "s"),
    "logistic": ("logistic", "#0072B2", "^"),
    "huber(1/2)": ("Huber, 1/2", "#009E73", "D"),
    "squared": ("squared", "#CC79A7", "v"),
}


def effective_label(loss: str) -> float:
    """``rho(0, 1)``: what the first step sees of a label 1."""
    return float(rmt.Loss(loss).residual(0.0, 1.0))


def problem_with(loss: str, scale: float) -> rmt.Problem:
    """Two steps of the same size, relative to the effective label."""
    return rmt.Problem(
        activation="3*tanh(z + 7/10)",
        target=rmt.SignOf("z", noise_std=0.5),
        width=400,
        dim=400,
        samples=800,
        steps=[rmt.Step(scale / effective_label(loss), 0.25)] * 2,
        batch="reused",
        readout="rademacher",
        loss=loss,
    )


@dataclass(frozen=True)
class Losses:
    """For each loss predictions along ``scales``, and networks at some scales."""

    scales: np.ndarray
    predictions: dict[str, list[rmt.Prediction]]
    samples: dict[str, dict[float, Samples]]


def main(count: int = 6, n_scales: int = 13) -> Losses:
    """Predict from small steps to large ones; train networks of width 400 at three sizes."""
    scales = np.geomspace(0.25, 4, n_scales)
    return Losses(
        scales,
        {
            loss: [rmt.predict(problem_with(loss, float(c)), rtol=1e-2) for c in scales]
            for loss in LOOKS
        },
        {
            loss: {c: run_samples(problem_with(loss, c), count, n_outliers=1) for c in (0.5, 1, 3)}
            for loss in LOOKS
        },
    )


def draw(result: Losses) -> Figure:
    """Residuals, the leading outlier, and its overlap with the direction of the labels."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.5), layout="constrained")
    h = np.linspace(-2.0, 3.0, 501)
    for loss, (name, colour, marker) in LOOKS.items():
        dashes = (0, (4, 3)) if loss == "max(0, 1 - y*h)" else "-"
        look = {"color": colour, "linestyle": dashes}
        residual = rmt.Loss(loss).residual(h, 1.0)
        left.plot(h, np.where(np.abs(np.gradient(residual)) > 0.2, np.nan, residual), **look)
        left.plot(0.0, effective_label(loss), marker, color=colour, ms=5)
        first = [prediction.spikes[0] for prediction in result.predictions[loss]]
        middle.plot(result.scales, [one.singular_value for one in first], label=name, **look)
        right.plot(result.scales, [one.target_overlap for one in first], label=name, **look)
        for c, networks in result.samples[loss].items():
            for ax, seen in (
                (middle, networks.singular_values[:, 0]),
                (right, networks.target_overlaps[:, 0, 0]),
            ):
                error = seen.std(ddof=1) / np.sqrt(seen.size)
                ax.errorbar(c, seen.mean(), error, fmt=marker, color=colour, ms=5)
    left.set_xlabel("output $h$")
    left.set_ylabel(r"residual $\rho(h, 1)$")
    left.set_ylim(-1.1, 2.1)
    middle.set_ylabel("leading singular value")
    middle.set_yscale("log")
    middle.set_yticks([4, 8, 16, 32], ["4", "8", "16", "32"])
    middle.minorticks_off()
    right.set_ylabel("squared overlap with the target")
    for ax in (middle, right):
        ax.set_xscale("log", base=2)
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
        ax.set_xlabel(r"$\eta\,\rho(0, 1)\,/\,N^{1/4}$, of both steps")
    middle.legend(frameon=False, fontsize="small")
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    found = main()
    for loss, predictions in found.predictions.items():
        print(loss, [round(one.spikes[0].singular_value, 2) for one in predictions])
    draw(found)
    plt.show()
