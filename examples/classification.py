"""
Memory in classification
========================

Logistic loss and noisy labels: the sign of one direction of the input plus noise, and a tenth of
the labels turned over. Three steps on one batch, or each on a batch of its own. On one batch the
network soon knows most of its labels by heart, the wrong ones among them, while its error on fresh
samples stays near twice that of the best classifier (dotted). With fresh batches it learns the
direction, and the error keeps falling. Lines are the theory, in which nothing is fitted; marks are
means over simulated networks, with standard errors. The training error is that on the batch of the
step which comes next, and at the end of the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from validation import PathPlan, PathSamples, run_paths

LOOKS = {
    "independent": ("fresh samples", "#0072B2", "o"),
    "reused": ("full batch", "#D55E00", "s"),
}
NOISE, FLIP = 0.3, 0.1


@dataclass(frozen=True)
class Classified:
    """For each kind of batches the path and networks; and the error of the best classifier."""

    paths: dict[str, rmt.TrainingPath]
    samples: dict[str, PathSamples]
    best: float


def main(count: int = 8, n_steps: int = 3) -> Classified:
    """Predict both paths, and train networks of width 400."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target=rmt.SignOf("z", noise_std=NOISE, flip=FLIP),
        width=400,
        dim=400,
        samples=800,
        steps=[rmt.Step(8, 0.35)] * n_steps,
        loss="logistic",
        readout="rademacher",
    )
    kinds = {batch: problem.replace(batch=batch) for batch in LOOKS}
    # The sign of z, which the noise turns over with probability arctan(noise) / pi.
    turned = math.atan(NOISE) / math.pi
    return Classified(
        {batch: rmt.training_path(kind, rtol=1e-2) for batch, kind in kinds.items()},
        {
            batch: run_paths(PathPlan(kind, count, n_outliers=1, n_test=2000))
            for batch, kind in kinds.items()
        },
        FLIP + (1 - 2 * FLIP) * turned,
    )


def draw(result: Classified) -> Figure:
    """Misclassified samples on the left, the loss on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.5), layout="constrained")
    for batch, (name, colour, marker) in LOOKS.items():
        path, seen = result.paths[batch], result.samples[batch]
        steps = np.arange(len(path))
        for ax, what in ((left, "misclassified"), (right, "loss")):
            for kind, dashes, face in (("test", "-", colour), ("training", (0, (4, 2)), "white")):
                theory = getattr(path, f"{kind}_{what}")
                networks = getattr(seen, f"{kind}_{what}")
                ax.plot(steps, theory, color=colour, linestyle=dashes, label=f"{name}, {kind}")
                error = networks.std(axis=0, ddof=1) / np.sqrt(len(networks))
                look = {"color": colour, "markerfacecolor": face, "fmt": marker, "ms": 4.5}
                shown = slice(1 if what == "misclassified" else 0, None)
                mean = networks.mean(axis=0)
                ax.errorbar(steps[shown], mean[shown], error[shown], **look)
    left.axhline(result.best, color="0.5", linestyle=":")
    left.set_ylabel("share of misclassified samples")
    left.set_ylim(0, 0.4)
    right.set_ylabel("logistic loss")
    right.set_ylim(0.3, None)
    for ax in (left, right):
        ax.set_xlabel("steps taken")
        ax.set_xticks(steps)
        ax.set_xlim(-0.1, None)
        ax.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize="small")
    return figure


if __name__ == "__main__":
    found = main()
    for path in found.paths.values():
        print(path)
    draw(found)
    plt.show()
