r"""
What reusing a batch buys
=========================

`arXiv:2402.03220 <https://arxiv.org/abs/2402.03220>`_, Dandi, Troiani, Arnaboldi, Pesce, Zdeborová
and Krzakala.

**Statement.** Gradient descent of finite step size that sees the same batch again learns in two
steps, on :math:`n=O(d)` samples, directions that one pass over fresh samples, or gradient flow,
cannot find in that time because of their information or leap exponent. Targets with a symmetry,
such as even ones, stay out of reach (statement as we read it).

**Conventions.** Their :math:`D` is :math:`d`, their :math:`N=\alpha D` the number of *samples*
:math:`n`. They have :math:`p` neurons, :math:`p` fixed, :math:`a_i=\pm p^{-1/2}`, rows of length
:math:`\sqrt D` and :math:`\langle w_i,x\rangle/\sqrt D`; the loss is summed over samples, so that
their rate :math:`\ell` is :math:`\eta=\ell\,n/d` in rows of length 1. What is called a finite step
there moves a row by as much as it is long: :math:`\alpha=\frac12` here.

**Left.** A target of information exponent 3 whose square has a linear part, and an even one of
exponent 4; overlap of the target with the first two right singular vectors after two steps. The
more samples per dimension, the more is learned from seeing them twice. **Right.** Against the size
of the first step: it is through it that the network's output on a sample comes to depend on the
label of that sample, and with a vanishing one the second step is no better than on fresh samples.
A step that is too large teaches the noise. Lines are the level ``deformed``, marks means over
networks of width 300 with standard errors.

**Where we differ.** We have a width in proportion to :math:`d` and the overlap of singular vectors
of the whole matrix, they a few neurons and the overlap of each. At :math:`p=2` neurons feel the
output of each other from the first step on; constants do not carry over, the question of which
targets are found does. Chance is not in the theory: networks have an overlap of
:math:`2E[z^2y^2]/(d\,E[y^2])` (dashed, for the first target) where nothing is learned, and up to
twice that, for training lengthens rows along the target more than elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import run_samples

TARGETS = {
    "odd part": "remove_hermite(remove_hermite(2*sin(3*z/2 + pi/4), 1), 2)",
    "even": "remove_hermite(3*cos(3*z/2), 2) - 3*exp(-9/8)",
}
LOOKS = {
    ("odd part", "reused"): ("reused batch", "#D55E00", "s"),
    ("even", "reused"): ("reused batch, even target", "#009E73", "^"),
    ("odd part", "independent"): ("fresh samples", "#0072B2", "o"),
}
Key = tuple[str, str]


@dataclass(frozen=True)
class Curve:
    """Overlaps of the target with the first two singular vectors, predicted and simulated."""

    x: NDArray[np.float64]
    predicted: NDArray[np.float64]
    networks: dict[float, NDArray[np.float64]]


@dataclass(frozen=True)
class Reuse:
    """Curves by target and kind of batch, and what an overlap is by chance."""

    over_ratio: dict[Key, Curve]
    over_step: dict[Key, Curve]
    chance: float


def problem_with(key: Key, ratio: float = 8.0, scale: float = 3.0) -> rmt.Problem:
    """Two steps on ``n = ratio d`` samples, or on so many each."""
    target, batch = key
    return rmt.Problem(
        activation="erf(z + 1/2)",
        target=TARGETS[target],
        width=300,
        dim=300,
        samples=round(300 * ratio),
        steps=[rmt.Step(scale, 0.3), rmt.Step(16, 0.4)],
        batch=batch,
        readout="uniform",
    )


def main(count: int = 5, n_points: int = 6) -> Reuse:
    """Predict along the samples and along the first step, and train networks at some of them."""
    ratios, scales = np.geomspace(0.5, 8.0, n_points), np.geomspace(0.5, 12.0, n_points + 1)
    first, fresh = ("odd part", "reused"), ("odd part", "independent")
    return Reuse(
        {
            key: _curve(lambda x, key=key: problem_with(key, ratio=x), ratios, (1, 3, 8), count)
            for key in LOOKS
        },
        {
            first: _curve(lambda x: problem_with(first, scale=x), scales, (0.6, 1.5, 8), count),
            fresh: _curve(lambda x: problem_with(fresh, scale=x), scales, (0.6, 8), count),
        },
        _chance(problem_with(first)),
    )


def _curve(
    problem_at: Callable[[float], rmt.Problem],
    x: NDArray[np.float64],
    shown: Sequence[float],
    count: int,
) -> Curve:
    return Curve(
        x,
        np.array([_predicted(problem_at(one)) for one in x.tolist()]),
        {
            one: run_samples(problem_at(one), count, n_outliers=2).target_overlaps[..., 0].sum(1)
            for one in shown
        },
    )


def _predicted(problem: rmt.Problem) -> float:
    """At the level ``deformed``, where the resummed level has anything at all."""
    coarse = sum(spike.target_overlap for spike in rmt.predict(problem, rtol=1e-2).outliers)
    if coarse < 1e-6:
        return 0.0
    found = rmt.predict(problem, "deformed", rtol=1e-2).outliers[:2]
    return sum(spike.target_overlap for spike in found)


def _chance(problem: rmt.Problem) -> float:
    """Overlap of the target with two sums of random ``y_j x_j``."""
    z, weights = np.polynomial.hermite_e.hermegauss(160)
    squares = weights * problem.target(z) ** 2
    return float(2 * (squares @ z**2) / squares.sum() / problem.dim)


def draw(result: Reuse) -> Figure:
    """Overlaps against the samples per dimension, and against the size of the first step."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 4.0), layout="constrained", sharey=True)
    for ax, curves in zip(axes, (result.over_ratio, result.over_step), strict=True):
        ax.axhline(result.chance, color="0.45", lw=1.0, ls="--", label="by chance")
        for key, curve in curves.items():
            name, colour, marker = LOOKS[key]
            dashes = (0, (4, 4)) if key[0] == "even" else "-"  # on top of that of fresh samples
            ax.plot(
                curve.x,
                curve.predicted,
                color=colour,
                ls=dashes,
                zorder=3 + (key[0] == "even"),
                label=name,
            )
            for x, networks in curve.networks.items():
                error = networks.std(ddof=1) / np.sqrt(networks.size)
                ax.errorbar(x, networks.mean(), error, fmt=marker, color=colour, ms=4.5, capsize=2)
        ax.set_xscale("log")
        ax.spines[["top", "right"]].set_visible(False)
    for ax, label, ticks in (
        (axes[0], "samples per dimension, $n/d$", (0.5, 1, 2, 4, 8)),
        (axes[1], r"first step, $\eta_1 N^{-0.3}$", (0.5, 1, 2, 5, 10)),
    ):
        ax.set_xticks(ticks, [f"{x:g}" for x in ticks])
        ax.minorticks_off()
        ax.set_xlabel(label)
    axes[0].set_ylabel("squared overlap with the target")
    axes[0].legend(frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    found = main()
    for key, curve in found.over_ratio.items():
        print(*key, curve.predicted.round(3))
    draw(found)
    plt.show()
