"""
Fresh samples against a reused batch
====================================

A target of information exponent 3, :math:`He_3(z)`, two steps, and the exponent of the second
step's learning rate. Fresh samples in the second step teach the network nothing of the target,
however large the step. Showing it the first batch again does: after one step its outputs depend on
the labels it has seen, the second step sees powers of them, and :math:`f^3` has a linear part where
:math:`f` has none (reuse exponent 3). Shown is the squared overlap of the target with the outliers
together; dots are single networks, read off their three leading singular vectors, which hold
:math:`3/d` of any direction by chance and more near the bulk. At the largest steps networks have
learned less than the curve says: the rare, large labels of :math:`He_3` that make the spike are few
at this width, and the prediction says so in its notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import run_samples

LOOKS = {
    "independent": ("fresh samples", "#0072B2", "o"),
    "reused": ("reused batch", "#D55E00", "s"),
}


@dataclass(frozen=True)
class Batches:
    """Overlaps for each kind of batches: predicted on a grid, simulated at a few exponents."""

    sweeps: dict[str, rmt.Sweep]
    exponents: tuple[float, ...]
    overlaps: dict[str, NDArray[np.float64]]

    def predicted(self, batch: str) -> NDArray[np.float64]:
        """Squared overlap of the target with the span of the outliers."""
        sweep = self.sweeps[batch]
        return np.where(sweep.is_outlier, sweep.target_overlap, 0.0).sum(axis=-1)


def main(count: int = 5) -> Batches:
    """Sweep the second step, and train networks of width 500."""
    problem = rmt.Problem(
        activation="erf(z + 1/2)",
        target="He3(z)/sqrt(6)",
        width=500,
        dim=500,
        samples=2000,
        steps=[rmt.Step(2, 0.3), rmt.Step(4, 0.45)],
    )
    exponents = (0.2, 0.3, 0.4, 0.48)
    sweeps, overlaps = {}, {}
    for batch in LOOKS:
        kind = problem.replace(batch=batch)
        sweeps[batch] = rmt.sweep(kind, over={"alpha_2": np.linspace(0.1, 0.49, 27)}, rtol=1e-3)
        networks = [
            run_samples(
                kind.replace(steps=[problem.steps[0], rmt.Step(4, alpha)]), count, n_outliers=3
            )
            for alpha in exponents
        ]
        overlaps[batch] = np.array([seen.target_overlaps[..., 0].sum(axis=1) for seen in networks])
    return Batches(sweeps, exponents, overlaps)


def draw(result: Batches) -> Figure:
    """Overlap against the exponent of the second step."""
    figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for batch, (name, colour, marker) in LOOKS.items():
        x = result.sweeps[batch].axes["alpha_2"]
        ax.plot(x, result.predicted(batch), color=colour, label=f"{name}, predicted")
        seen = result.overlaps[batch]
        at = np.repeat(result.exponents, seen.shape[1])
        ax.plot(at, seen.ravel(), marker, ms=4, color=colour, alpha=0.8, label=f"{name}, networks")
    ax.set_xlabel(r"exponent of step 2, $\alpha_2$")
    ax.set_ylabel("squared overlap with the target")
    ax.set_ylim(-0.01, 0.6)
    ax.legend(frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    found = main()
    print(found.sweeps["reused"])
    draw(found)
    plt.show()
