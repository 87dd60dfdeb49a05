"""
Full-batch training against fresh samples
=========================================

Four steps on one batch, or each on a batch of its own. On one batch the training error falls
further than the error on fresh samples from the second step on: the network has seen these labels.
Fresh samples bring the weights closer to the target with each step, while on one batch the overlap
stays behind what these samples can tell. The training error is that on the batch of the step which
comes next, and at the end of the last. Lines are the theory, in which nothing is fitted; marks are
means over simulated networks, with standard errors.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Batches:
    """For each kind of batches the path and networks."""

    paths: dict[str, rmt.TrainingPath]
    samples: dict[str, PathSamples]


def main(count: int = 8, n_steps: int = 4) -> Batches:
    """Predict both paths, and train networks of width 400."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="tanh(z) + (cos(2*z) - exp(-2))/2",
        width=400,
        dim=400,
        samples=800,
        steps=[rmt.Step(2, 0.35)] * n_steps,
        readout="rademacher",
    )
    kinds = {batch: problem.replace(batch=batch) for batch in LOOKS}
    return Batches(
        {batch: rmt.training_path(kind, rtol=1e-3) for batch, kind in kinds.items()},
        {
            batch: run_paths(PathPlan(kind, count, n_outliers=1, n_test=1000))
            for batch, kind in kinds.items()
        },
    )


def draw(result: Batches) -> Figure:
    """Errors on the left, the overlap with the target on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.5), layout="constrained")
    for batch, (name, colour, marker) in LOOKS.items():
        path, seen = result.paths[batch], result.samples[batch]
        steps = np.arange(len(path))
        kinds = (
            ("test", path.test_error, seen.test_error, "-", colour),
            ("training", path.training_error, seen.training_error, (0, (4, 2)), "white"),
        )
        for kind, theory, networks, dashes, face in kinds:
            left.plot(steps, theory, color=colour, linestyle=dashes, label=f"{name}, {kind}")
            look = {"color": colour, "markerfacecolor": face, "fmt": marker, "ms": 4.5}
            left.errorbar(steps, networks.mean(axis=0), _standard_error(networks), **look)
        overlap = np.nan_to_num(path.target_overlaps[:, 0, 0])
        right.plot(steps, overlap, color=colour, label=name)
        networks = seen.target_overlaps[:, :, 0, 0]
        look = {"color": colour, "fmt": marker, "ms": 4.5}
        right.errorbar(steps[1:], networks.mean(axis=0), _standard_error(networks), **look)
    left.set_ylabel("mean square error")
    left.set_ylim(0, None)
    right.set_ylabel("squared overlap with the target")
    right.set_ylim(0, 1)
    for ax in (left, right):
        ax.set_xlabel("steps taken")
        ax.set_xticks(steps)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize="small")
    return figure


def _standard_error(networks: np.ndarray) -> np.ndarray:
    return networks.std(axis=0, ddof=1) / np.sqrt(len(networks))


if __name__ == "__main__":
    found = main()
    for path in found.paths.values():
        print(path)
    draw(found)
    plt.show()
