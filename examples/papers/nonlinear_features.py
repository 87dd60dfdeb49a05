r"""
Nonlinear features after one step
=================================

`arXiv:2310.07891 <https://arxiv.org/abs/2310.07891>`_, Moniri, Lee, Hassani and Dobriban.

**Statement.** One step of size :math:`\eta\asymp n^\alpha` gives the matrix of features
:math:`F=\sigma(XW_1^T)` not one spike but :math:`\ell`, for
:math:`\frac{\ell-1}{2\ell}<\alpha<\frac{\ell}{2\ell+2}`, each with a polynomial of its degree in
the learned direction. Training and test error of ridge regression on the features change through
these spikes alone: below :math:`\alpha=\frac14` the network learns no more than the linear part of
its target, above it the quadratic part too.

**Conventions.** Their network is :math:`a^T\sigma(Wx)` with :math:`a\sim N(0,I/N)`, without our
:math:`N^{-1/2}`; the step is the same, ``Step(c, alpha)``, and :math:`\eta\asymp n^\alpha` only
changes :math:`c` at a fixed :math:`n/N`. Rows of :math:`W_0` have length 1. The regression is on
:math:`m` fresh samples, :math:`\frac1m|y-Fc/\sqrt N|^2+\lambda|c|^2`: a ridge of :math:`N\lambda`
on features that are not scaled.

**Left.** Singular values of the features; dotted lines are the paper's
:math:`\alpha=0,\frac14,\frac13`, hollow marks networks' singular values where theory has no
outlier. **Right.** Test and training error, each divided by that of a readout of the same data on
the features before the step. Lines are theory at this width, marks means over networks with
standard errors.

**Where we differ.** The untrained output of their network is of order one and is in the labels of
their step: a problem with ``output_scale=1``, for which we have the weights but not the features.
It changes constants, not exponents. Constants count at this width: that with :math:`c=3` the
second spike leaves the bulk just below 0.25 is chance, the error makes use of it before and passes
that of the best linear function at 0.18, and the third spike is not out yet. Towards 0.45 networks
have a bulk that reaches a little higher than ours: features of samples with a small learned
coordinate fluctuate more than those of others, and our edge is that of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

import rmt
from validation import FeaturePlan, FeatureSamples, run_features

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "0.45"
LAMBDA = 1e-3
EXPONENTS = (0.0, 0.06, 0.12, 0.18, 0.25, 0.32, 0.4, 0.45, 0.48)
SHOWN = (0.06, 0.18, 0.25, 0.4, 0.45)


@dataclass(frozen=True)
class Features:
    """Spikes and errors along the exponent, and networks at some of them."""

    exponents: NDArray[np.float64]
    spikes: list[rmt.FeatureSpikes]
    errors: rmt.RidgeSweep
    samples: dict[float, FeatureSamples]


def problem_with(alpha: float) -> rmt.Problem:
    """A target with as much in its quadratic part as in its linear part."""
    return rmt.Problem(
        activation="erf(z + 4/5) - erf(4/5/sqrt(3))",  # of mean zero
        target="z + He2(z)/sqrt(2)",
        width=300,
        dim=150,
        samples=600,
        steps=rmt.Step(3, alpha),
    )


def main(count: int = 5, exponents: tuple[float, ...] = EXPONENTS) -> Features:
    """Predict features and errors, and fit readouts on networks of width 300."""
    inputs = 3000
    return Features(
        np.array(exponents),
        [rmt.feature_spikes(problem_with(alpha), inputs) for alpha in exponents],
        rmt.sweep_ridge(
            problem_with(0.0), {"alpha_1": exponents}, samples=inputs, regularisation=LAMBDA
        ),
        {
            alpha: run_features(
                FeaturePlan(
                    problem_with(alpha), count, (inputs,), (LAMBDA,), n_spikes=3, n_test=6000
                )
            )
            for alpha in SHOWN
        },
    )


def draw(result: Features) -> Figure:
    """Spikes of the features, and errors of the regression."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 4.0), layout="constrained")
    _draw_spikes(left, result)
    _draw_errors(right, result)
    for ax in (left, right):
        ax.set_xlabel(r"exponent of the step, $\alpha$")
        ax.spines[["top", "right"]].set_visible(False)
        for threshold in (0, 1 / 4, 1 / 3):
            ax.axvline(threshold, color="0.6", lw=1.0, ls=":")
    return figure


def _draw_spikes(ax: Axes, result: Features) -> None:
    x, edges = result.exponents, np.array([found.bulk_edge for found in result.spikes])
    ax.fill_between(x, 0.1, edges, color="0.9", lw=0)
    for k, colour in enumerate((BLUE, VERMILLION)):
        values = [found.outliers[k:] for found in result.spikes]
        line = [rest[0].singular_value if rest else np.nan for rest in values]
        learned = (r"$\kappa$", r"$\kappa^2$")[k]
        ax.plot(x, line, color=colour, label=f"spike {k + 1}, carries {learned}")
    for alpha, seen in result.samples.items():
        n_outliers = len(result.spikes[list(x).index(alpha)].outliers)
        for k, colour in enumerate((BLUE, VERMILLION, GREY)):
            look = {"color": colour if k < n_outliers else "0.6"}
            look["mfc"] = look["color"] if k < n_outliers else "white"
            _points(ax, alpha, seen.singular_values[:, k], fmt="o", **look)
    ax.set_yscale("log")
    ax.set_ylim(0.8 * edges.min(), None)
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks([60, 100, 200, 400], ["60", "100", "200", "400"])
    ax.set_ylabel("singular value of the features")
    ax.legend(edgecolor="none", framealpha=1, loc="upper left")


def _draw_errors(ax: Axes, result: Features) -> None:
    for kind, colour, marker in (("test", VERMILLION, "s"), ("training", BLUE, "o")):
        untrained, trained = getattr(result.errors, f"{kind}_error")
        ax.plot(result.exponents, trained / untrained, color=colour, label=f"{kind} error")
        for alpha, seen in result.samples.items():
            before, after = getattr(seen, f"{kind}_error")[:, :, 0, 0].T
            _points(ax, alpha, after / before, fmt=marker, color=colour)
    linear = 1 / result.errors.test_error[0, 0]  # 1 is the variance of the quadratic part
    ax.axhline(linear, color="black", lw=1.0, label="test error of the best linear function")
    ax.set_ylabel("error, relative to that of untrained features")
    ax.legend(edgecolor="none", framealpha=1)


def _points(ax: Axes, x: float, networks: NDArray[np.float64], **look: str) -> None:
    error = networks.std(ddof=1) / np.sqrt(networks.size)
    ax.errorbar(x, networks.mean(), error, ms=4.5, capsize=2, **look)


if __name__ == "__main__":
    found = main()
    print(found.spikes[-1])
    print(found.errors)
    draw(found)
    plt.show()
