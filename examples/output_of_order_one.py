"""
An output of order one
======================

Without the factor :math:`N^{-1/2}` the untrained network has an output, and one step of the
squared loss unlearns it before anything else. Were it a function of its own, another direction and
noise in the labels (dashed), it would make the outlier larger than that of a network without output
(dotted). But it is made of the initial weights: the step takes these back along their own direction
:math:`W_0^T a`, and the outlier leaves the bulk later. Right: squared overlaps of the right
singular vector with the target, and with :math:`W_0^T a`, along which the initial weights are
unlearned completely at one step size, and turned over beyond. Lines are the theory, in which
nothing is fitted; marks are means over simulated networks, with standard errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from validation import Samples, run_samples

GREY, BLUE, VERMILLION, GREEN = "0.45", "#0072B2", "#D55E00", "#009E73"


@dataclass(frozen=True)
class Outputs:
    """Predictions along step sizes, and networks at some of them.

    Predictions are those of the network, of one without an output at the start, and of such a one
    whose labels are less by the output of another network.
    """

    sizes: np.ndarray
    predictions: dict[str, list[rmt.Prediction]]
    samples: dict[float, Samples]

    def curve(self, name: str, field: str) -> np.ndarray:
        """A number of the first spike, its first where there are several; nan within the bulk."""
        first = [one.spikes[0] for one in self.predictions[name]]
        values = [getattr(one, field) if one.is_outlier else math.nan for one in first]
        return np.array([np.ravel(one)[0] for one in values])


def main(count: int = 10, n_sizes: int = 29) -> Outputs:
    """One step of ``y = z + He2(z)/2``, from below the threshold on."""
    problem = rmt.Problem(
        activation="tanh(z)",
        target="z + He2(z)/2",
        width=600,
        dim=600,
        samples=1200,
        steps=rmt.Step(1, 0),
        output_scale=1.0,
    )
    sigma = rmt.hermite_expansion("tanh(z)", 1)
    slope, square = float(sigma.probabilists[1]), float(sigma.second_moment)
    vanishing = problem.replace(output_scale=None)
    kinds = {
        "output of order one": problem,
        "independent of the weights": vanishing.replace(
            target=f"z1 + He2(z1)/2 - {slope:.15g}*z2", noise_std=math.sqrt(square - slope**2)
        ),
        "no output": vanishing,
    }
    sizes = np.linspace(1.0, 8.0, n_sizes)
    return Outputs(
        sizes,
        {
            name: [rmt.predict(kind.replace(steps=rmt.Step(float(c), 0))) for c in sizes]
            for name, kind in kinds.items()
        },
        {
            c: run_samples(problem.replace(steps=rmt.Step(c, 0)), count, n_outliers=1)
            for c in (1.5, 2.0, 3.0, 5.0, 7.5)
        },
    )


def draw(result: Outputs) -> Figure:
    """The outlier, and what its right singular vector is along."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for name, colour, dashes in (
        ("no output", GREY, ":"),
        ("independent of the weights", GREY, "--"),
        ("output of order one", BLUE, "-"),
    ):
        look = {"color": colour, "linestyle": dashes}
        left.plot(result.sizes, result.curve(name, "singular_value"), label=name, **look)
        overlap = result.curve(name, "target_overlaps")
        right.plot(
            result.sizes, overlap, **(look | {"color": VERMILLION if dashes == "-" else GREY})
        )
    initial = result.curve("output of order one", "initial_output_overlap")
    right.plot(result.sizes, initial, color=GREEN)
    for c, seen in result.samples.items():
        for ax, values, colour in (
            (left, seen.singular_values[:, 0], BLUE),
            (right, seen.target_overlaps[:, 0, 0], VERMILLION),
            (right, seen.initial_output_overlap[:, 0], GREEN),
        ):
            error = values.std(ddof=1) / np.sqrt(values.size)
            ax.errorbar(c, values.mean(), error, fmt="o", ms=4.5, color=colour)
    left.axhline(2.0, color="0.8", lw=0.8)
    left.annotate("edge of the bulk", (8.0, 2.0), ha="right", va="bottom", color=GREY)
    left.set_ylabel("largest singular value")
    left.legend(frameon=False)
    right.annotate("target", (6.0, 0.52), color=VERMILLION)
    right.annotate("$W_0^T a$", (6.0, 0.1), color=GREEN)
    right.set_ylabel("squared overlap")
    right.set_ylim(0, 0.7)
    for ax in (left, right):
        ax.set_xlabel(r"step size $\eta$")
        ax.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    found = main()
    for name in found.predictions:
        print(name, found.curve(name, "singular_value").round(3).tolist())
    draw(found)
    plt.show()
