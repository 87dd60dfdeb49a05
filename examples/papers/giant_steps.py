r"""
Giant steps
===========

`arXiv:2305.18270 <https://arxiv.org/abs/2305.18270>`_, Dandi, Krzakala, Loureiro, Pesce and
Stephan.

**Statement.** One giant step on :math:`n=O(d)` samples finds a single direction :math:`v` of the
target. Steps that follow, each on a fresh batch of that size, turn away from it where another
direction of the target is linear once :math:`v` is known, the *staircase property*; otherwise
gradients stay on :math:`v`.

**Conventions.** Their :math:`p` is :math:`N`, the network is ours with :math:`a_i=\pm p^{-1/2}`,
rows of length 1; their step is :math:`W+\eta G` without our :math:`\sqrt N`, so that
:math:`\eta=2p` is :math:`2\sqrt N`, ``Step(2, 0.5)``. Both settings are those of their public
notebook on several steps, ReLU and fresh batches of :math:`n=d=4N` samples. It has :math:`N=1024`;
our networks are smaller, and predictions are for them.

**The picture** is theirs: cosines of the gradients of single neurons with both directions of the
target. Dots are neurons of four networks of ours, crosses their means with standard errors over
networks, for :math:`a<0` and :math:`a>0`; circles are the theory. The line is the direction
:math:`v` of :math:`E[xy]`, the large circle :math:`2/\sqrt d`, twice what there is by chance. On
the left :math:`y=(4z_1+z_1^2+z_2)/2`, without a direction to go on to, on the right
:math:`y=(z_1+z_1^2+z_2-z_2^2)/2`: once :math:`z_1+z_2` is known,
:math:`z_1^2-z_2^2=(z_1+z_2)(z_1-z_2)` is linear in the other.

**Where we differ.** The numbers agree: at :math:`\alpha=\frac12` nothing is expanded. But that
gradients on the left stay on the line holds for the first steps only. What is left of the target
shrinks along :math:`z_1` first, and with six steps the theory has them off the line: cosines of
0.13 and -0.01 for :math:`a>0`, 0.08 and -0.04 for :math:`a<0`. So the weights do take up
:math:`z_2` by itself, slowly: its squared overlap with a second outlier is 0.01 after two steps
and 0.12 after six, in networks too.
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

TARGETS = {
    "no direction to go on to": "(4*z1 + z1**2 + z2)/2",
    "a staircase": "(z1 + z1**2 + z2 - z2**2)/2",
}
SIGNS = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class Giant:
    """For each target the path, and cosines of some neurons' gradients.

    Of shape (networks, steps, 2, neurons, 2): neurons of negative readout and of positive, and
    cosines with both directions.
    """

    paths: dict[str, rmt.TrainingPath]
    cosines: dict[str, NDArray[np.float64]]


def experiment(target: str, width: int = 128, n_steps: int = 3) -> rmt.Problem:
    """The published problem, ``width=1024``, or a smaller one of the same ratios."""
    return rmt.Problem(
        activation="relu(z)",
        target=TARGETS[target],
        width=width,
        dim=4 * width,
        samples=4 * width,
        steps=[rmt.Step(2, 0.5)] * n_steps,
        batch="independent",
        readout="rademacher",
    )


def main(count: int = 4, n_steps: int = 3, n_neurons: int = 40) -> Giant:
    """Predict the steps, and take them with networks of our own."""
    problems = {target: experiment(target, n_steps=n_steps) for target in TARGETS}
    return Giant(
        {target: rmt.training_path(problem, rtol=1e-2) for target, problem in problems.items()},
        {
            target: np.array([gradient_cosines(problem, i, n_neurons) for i in range(count)])
            for target, problem in problems.items()
        },
    )


def gradient_cosines(problem: rmt.Problem, index: int, n_neurons: int) -> NDArray[np.float64]:
    """Train a network: what of each step its neurons owe to the target, the first two axes."""
    network = simulate(problem, index=index)
    steps = np.diff(np.array(network.weights), axis=0)
    cosines = steps[..., :2] / np.linalg.norm(steps, axis=-1, keepdims=True)
    groups = [np.flatnonzero(network.readout * sign > 0)[:n_neurons] for sign in SIGNS]
    return np.stack([cosines[:, rows] for rows in groups], axis=1)


def draw(result: Giant) -> Figure:
    """The plane of both cosines for each target."""
    figure, axes = plt.subplots(
        1, 2, figsize=(9.0, 3.8), layout="constrained", sharex=True, sharey=True
    )
    for ax, target in zip(axes, TARGETS, strict=True):
        _draw_plane(ax, result, target)
    axes[0].set_ylabel("cosine of the gradient with $z_2$")
    axes[1].legend(frameon=False, loc="upper left", handletextpad=0.2)
    return figure


def _draw_plane(ax: Axes, result: Giant, target: str) -> None:
    path = result.paths[target]
    first = path[1].gradient_alignment(1.0)
    reach = np.array([-1, 1])[:, None] * first / np.linalg.norm(first)
    ax.plot(*reach.T, color="0.6", lw=1.0)
    ax.add_patch(plt.Circle((0, 0), 2 / np.sqrt(path.problem.dim), fill=False, color="0.6"))
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(path) - 1))
    for point, colour in zip(path[1:], colours, strict=True):
        seen = result.cosines[target][:, point.step - 1]
        ax.plot(*seen[:, :, :12].reshape(-1, 2).T, ".", ms=3, color=colour, alpha=0.5, zorder=2)
        means = seen.mean(axis=2)
        errors = means.std(axis=0, ddof=1) / np.sqrt(len(means))
        look = {"fmt": "none", "ecolor": colour, "elinewidth": 1.5, "zorder": 4}
        ax.errorbar(*means.mean(axis=0).T, *errors[:, ::-1].T, **look)
        theory = point.gradient_alignment(SIGNS)
        ax.plot(*theory.T, "o", ms=8, mfc=colour, mec="black", zorder=3, label=f"step {point.step}")
    ax.set_aspect("equal")
    ax.set_xlim(-0.65, 0.65)
    ax.set_ylim(-0.45, 0.45)
    ax.set_title(target, fontsize="medium")
    ax.set_xlabel("cosine of the gradient with $z_1$")


if __name__ == "__main__":
    found = main()
    for path in found.paths.values():
        print(path)
    draw(found)
    plt.show()
