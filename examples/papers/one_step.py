r"""
How one step improves the representation
========================================

`arXiv:2205.01445 <https://arxiv.org/abs/2205.01445>`_, Ba, Erdogdu, Suzuki, Wang, Wu and Yang.

**Statement.** The first gradient is of rank one up to noise, and aligns the first layer with the
linear part of the target. Ridge regression on features after a step of size :math:`\eta=\Theta(1)`
is better than on those at the start, but not than the best linear function of :math:`x`; after one
of size :math:`\Theta(\sqrt N)` it can be, for some targets.

**Conventions.** :math:`n`, :math:`d`, :math:`N`, the network :math:`N^{-1/2}a^T\sigma(W^Tx)` and
:math:`\eta` are ours, but for :math:`W`, which is the transpose there: their step is
:math:`\eta\sqrt N` times the gradient of half the mean square. So :math:`\eta=\Theta(1)` is
``Step(eta, 0)``, and :math:`\Theta(\sqrt N)` is :math:`\alpha=\frac12`, at the width of a network
``Step(eta, 0)`` with a large ``eta``. Columns of :math:`W_0` have length 1, :math:`a_i\sim
N(0,1/N)`. The regression is on samples that the step has not seen.

**Left.** Squared overlap of the leading right singular vector of the weights with the target, for
three numbers of samples per dimension; it sets in where the spike
:math:`\theta^2=\eta^2\mu_1^2(b^2+\frac dnE[y^2])` passes :math:`\sqrt{N/d}`, and ends at that of
:math:`X^Ty`. **Right.** Test error of the regression on :math:`m=10d` samples. Lines are theory at
this width, which has both scales of :math:`\eta` in one curve; marks are means over networks, with
standard errors.

**Where we differ.** At a fixed width there is no border between the two scales; the curve crosses
the error of the best linear function close to :math:`\eta=\sqrt N`. Below the threshold networks
of this size have an overlap, which the limit has not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import FeaturePlan, FeatureSamples, Samples, run_features, run_samples

COLOURS = {1: ("#009E73", "^"), 4: ("#0072B2", "o"), 16: ("#D55E00", "s")}
LAMBDA = 1e-3


@dataclass(frozen=True)
class OneStep:
    """Overlaps for each number of samples per dimension, and errors for one of them."""

    sizes: NDArray[np.float64]
    sweeps: dict[int, rmt.Sweep]
    samples: dict[int, dict[float, Samples]]
    errors: rmt.RidgeSweep
    features: dict[float, FeatureSamples]


def problem_with(ratio: int, eta: float = 1.0) -> rmt.Problem:
    """A step of a given size on so many samples per dimension."""
    return rmt.Problem(
        activation="tanh(z)",
        target="erf(z) + sin(2*z)/2",
        width=400,
        dim=200,
        samples=200 * ratio,
        steps=rmt.Step(eta, 0),
    )


def best_linear() -> float:
    """The error of the best linear function of the input."""
    target = rmt.hermite_expansion(problem_with(4).target, 1)
    return float(target.second_moment) - float(target.probabilists[1]) ** 2


def main(count: int = 8) -> OneStep:
    """Predict from small steps to giant ones, and train networks of width 400."""
    sizes = np.geomspace(0.4, 40.0, 31)
    return OneStep(
        sizes,
        {ratio: rmt.sweep(problem_with(ratio), {"scale_1": sizes}) for ratio in COLOURS},
        {
            ratio: {
                eta: run_samples(problem_with(ratio, eta), count, n_outliers=1)
                for eta in (0.8, 2.0, 3.5, 6.0, 15.0, 32.0)
            }
            for ratio in COLOURS
        },
        rmt.sweep_ridge(
            problem_with(4), {"scale_1": sizes[::2]}, samples=2000, regularisation=LAMBDA
        ),
        {
            eta: run_features(
                FeaturePlan(problem_with(4, eta), count, (2000,), (LAMBDA,), n_test=4000)
            )
            for eta in (0.8, 2.0, 5.0, 12.0, 32.0)
        },
    )


def draw(result: OneStep) -> Figure:
    """Overlaps on the left, errors on the right, against the size of the step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 4.0), layout="constrained")
    _draw_overlaps(left, result)
    _draw_errors(right, result)
    root = math.sqrt(problem_with(4).width)
    for ax in (left, right):
        ax.axvline(root, color="0.6", lw=1.0, ls=":")
        ax.set_xscale("log")
        ax.set_xticks(
            [0.5, 1, 2, 5, 10, root, 40], ["0.5", "1", "2", "5", "10", r"$\sqrt{N}$", "40"]
        )
        ax.minorticks_off()
        ax.set_xlabel(r"size of the step, $\eta$")
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_overlaps(ax: Axes, result: OneStep) -> None:
    for ratio, (colour, marker) in COLOURS.items():
        sweep = result.sweeps[ratio]
        overlap = np.where(sweep.is_outlier, sweep.target_overlap, 0.0)[:, 0]
        ax.plot(result.sizes, overlap, color=colour, label=f"$n/d = {ratio}$")
        for eta, seen in result.samples[ratio].items():
            _points(ax, eta, seen.target_overlaps[:, 0, 0], fmt=marker, color=colour)
    ax.axhline(1 / problem_with(4).dim, color="0.45", lw=1.0, ls="--", label="by chance")
    ax.set_ylim(-0.02, 1)
    ax.set_ylabel("squared overlap with the target")
    ax.legend(frameon=False, loc="upper left")


def _draw_errors(ax: Axes, result: OneStep) -> None:
    colour, marker = COLOURS[4]
    untrained, trained = result.errors.test_error
    ax.plot(result.sizes[::2], trained, color=colour, label="after the step, $n/d = 4$")
    ax.axhline(untrained[0], color="0.45", lw=1.0, ls="--", label="untrained features")
    ax.axhline(best_linear(), color="black", lw=1.0, label="best linear function")
    for eta, seen in result.features.items():
        _points(ax, eta, seen.test_error[:, 1, 0, 0], fmt=marker, color=colour)
    ax.set_ylim(0.2, None)
    ax.set_ylabel("test error")
    ax.legend(frameon=False, loc="lower left")


def _points(ax: Axes, x: float, networks: NDArray[np.float64], **look: str) -> None:
    error = networks.std(ddof=1) / np.sqrt(networks.size)
    ax.errorbar(x, networks.mean(), error, ms=4.5, capsize=2, **look)


if __name__ == "__main__":
    found = main()
    print(found.sweeps[4])
    print(found.errors)
    draw(found)
    plt.show()
