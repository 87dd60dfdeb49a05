r"""
Staircase of a target with three directions
===========================================

`arXiv:2305.18270 <https://arxiv.org/abs/2305.18270>`_, Dandi, Krzakala, Loureiro, Pesce and
Stephan.

**Statement.** With :math:`n=O(d)` fresh samples a step, directions are learned in the order of a
staircase: one that is linear in the target once those before it are known is found by the next
step, and one that is not must wait.

The target :math:`z_1 + z_1 z_2 + z_1 z_2 z_3` shows only :math:`z_1` to the first step. Once it is
known, the second step sees :math:`z_2` through :math:`z_1 z_2`. The third direction would have to
wait for a third step. Bars: squared overlap of each outlier with each direction, predicted after
one step and after two; dots: simulated networks of width 500, which have :math:`1/d` by chance.

**Conventions** are those of *Giant steps*. **Where we differ:** the steps are :math:`2N^{0.4}` and
:math:`2N^{0.45}`, nearly giant, so that the order of learning shows in what is a perturbation of
the initial weights. In the paper steps are giant (statement as we read it); exponents decide how
much is learned at a width, not the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from rmt.hermite import Staircase
from validation import Samples, run_samples

COLOURS = ("#0072B2", "#D55E00", "#009E73")


@dataclass(frozen=True)
class Learned:
    """The order of learning, and predictions and networks after each step."""

    order: Staircase
    predictions: tuple[rmt.Prediction, rmt.Prediction]
    samples: tuple[Samples, Samples]


def main() -> Learned:
    """One step and two steps of the same network."""
    two_steps = rmt.Problem(
        activation="relu(z)",
        target="z1 + z1*z2 + z1*z2*z3",
        width=500,
        dim=500,
        samples=2000,
        steps=[rmt.Step(2, 0.4), rmt.Step(2, 0.45)],
        batch="independent",
    )
    one_step = two_steps.replace(steps=two_steps.steps[:1], samples=2000)
    problems = (one_step, two_steps)
    predictions = tuple(rmt.predict(problem, rtol=1e-3) for problem in problems)
    samples = tuple(
        run_samples(problem, 6, n_outliers=len(prediction.outliers))
        for problem, prediction in zip(problems, predictions, strict=True)
    )
    return Learned(rmt.staircase(two_steps.target), predictions, samples)


def draw(result: Learned) -> Figure:
    """A panel for each step."""
    counts = [len(prediction.outliers) for prediction in result.predictions]
    figure, axes = plt.subplots(
        1, 2, figsize=(8.4, 3.6), layout="constrained", sharey=True, width_ratios=counts
    )
    for step, (ax, prediction, samples) in enumerate(
        zip(axes, result.predictions, result.samples, strict=True)
    ):
        for i, colour in enumerate(COLOURS):
            for k, spike in enumerate(prediction.outliers):
                x = k + 0.28 * (i - 1)
                label = f"with $z_{i + 1}$" if k == 0 else "_nolegend_"
                ax.bar(x, spike.target_overlaps[i], 0.26, color=colour, alpha=0.4, label=label)
                at = x + np.linspace(-0.08, 0.08, samples.n_samples)
                ax.plot(at, samples.target_overlaps[:, k, i], ".", color=colour, ms=5)
        ax.set_title(f"after step {step + 1}", fontsize="medium")
        ax.set_xticks(range(counts[step]), [str(k) for k in range(counts[step])])
        ax.set_xlim(-0.6, counts[step] - 0.4)
        ax.set_xlabel("outlier")
    axes[0].set_ylabel("squared overlap")
    axes[0].set_ylim(0, 1)
    axes[1].legend(frameon=False)
    return figure


if __name__ == "__main__":
    found = main()
    print(found.order)
    print(found.predictions[1])
    draw(found)
    plt.show()
