r"""
Two steps against one
=====================

`arXiv:2605.17767 <https://arxiv.org/abs/2605.17767>`_, Moniri and Hassani.

**Statement.** One step makes the weights a spiked matrix of rank one; after a second, of sizes
:math:`\eta_s\asymp N^{\alpha_s}`, there are several outliers, whose number
:math:`L=\lfloor\alpha_2/(\frac12-\alpha_1)\rfloor` gives. Fresh samples in the second step find
directions of information exponent 1 alone; the batch of the first step, used again, finds others
too when the exponents are large enough.

**Conventions.** :math:`N`, :math:`d`, :math:`n` in proportion, :math:`\alpha_s` and
:math:`\eta_s=c_sN^{\alpha_s}` are theirs, ``Step(c, alpha)``. Rows of :math:`W_0` have length 1,
the network is :math:`N^{-1/2}\sum_ia_i\sigma(\langle w_i,x\rangle)`, the readout :math:`a_i\sim
N(0,1/N)`. Only their abstract was at hand: constants are ours.

**Left.** Exponents 0.3 and 0.45, so :math:`L=2`. Lines are the level ``deformed``, grey ones the
slopes :math:`\alpha_2-k(\frac12-\alpha_1)` of spike :math:`k`; the shaded part is the bulk, hollow
marks are the networks' third singular value where theory has no third outlier.

**Right.** A target of information exponent 3 whose square has a linear part (reuse exponent 2):
its overlap with the first two outliers together, against the exponent of the second step, for a
uniform readout. The outlier that carries the target is of order 1, and the condition of the paper
met, from :math:`\alpha_2=\frac12-\alpha_1=0.2` on (dotted). Marks are means over networks with
standard errors.

**Where we differ.** Spikes of order :math:`k=1,\dots,L` *join* the one of order 0 that a single
step has too, so that we count :math:`L+1` outliers; whether their :math:`L` is meant to contain
that one we cannot tell from the abstract. The count is one of very large networks: the slope of
the last spike is 0.05, and its line leaves the bulk beside networks of width 800. With a readout
of :math:`\pm1` it never would: its left vector is :math:`a^{\circ 3}`, which is then :math:`a`
itself. On the right nothing is sharp at this width: next to the threshold networks have an overlap
already where theory has none yet, and on fresh samples, where the theory is (as good as) zero,
they have what chance gives or somewhat more. Chance is :math:`2E[z^2y^2]/(d\,E[y^2])`, twice the
squared overlap with the target of a sum of random :math:`y_jx_j`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import Samples, run_samples

ORDERS = ("#0072B2", "#D55E00", "#009E73")
BATCHES = {
    "independent": ("fresh samples", "#0072B2", "o"),
    "reused": ("reused batch", "#D55E00", "s"),
}


@dataclass(frozen=True)
class TwoSteps:
    """Outliers against the width, overlaps against the exponent; networks at some of them."""

    scaling: rmt.Scaling
    one_step: dict[int, rmt.Prediction]
    two_steps: dict[int, rmt.Prediction]
    outliers: dict[int, tuple[Samples, Samples]]
    learned: dict[str, dict[float, rmt.Prediction]]
    overlaps: dict[str, dict[float, NDArray[np.float64]]]

    @property
    def chance(self) -> float:
        """The same overlap where nothing has been learned: that of two sums of ``y_j x_j``."""
        problem = reusable("reused", 0.3)
        z, weights = np.polynomial.hermite_e.hermegauss(160)
        squares = weights * problem.target(z) ** 2
        return float(2 * (squares @ z**2) / squares.sum() / problem.dim)

    def predicted(self, batch: str) -> NDArray[np.float64]:
        """Squared overlap of the target with the first two outliers."""
        found = [one.outliers[:2] for one in self.learned[batch].values()]
        return np.array([sum(spike.target_overlap for spike in two) for two in found])


def counted(width: int) -> rmt.Problem:
    """A target of information exponent 1, and a second step with three outliers in the limit."""
    return rmt.Problem(
        activation="erf(z + 4/5)",
        target="tanh(z) + (cos(2*z) - exp(-2))/2",
        width=width,
        dim=width,
        samples=2 * width,
        steps=[rmt.Step(4, 0.3), rmt.Step(8, 0.45)],
        batch="independent",
    )


def reusable(batch: str, alpha: float) -> rmt.Problem:
    """A target that the first step does not see."""
    return rmt.Problem(
        activation="erf(z + 1/2)",
        target="remove_hermite(remove_hermite(2*sin(3*z/2 + pi/4), 1), 2)",
        width=300,
        dim=300,
        samples=2400,
        steps=[rmt.Step(3, 0.3), rmt.Step(16, alpha)],
        batch=batch,
        readout="uniform",
    )


def main(count: int = 4, n_exponents: int = 9) -> TwoSteps:
    """Predict up to a large width, and train networks of width 100 to 800."""
    widths = (100, 200, 400, 800, 6400)
    alone = {n: counted(n).replace(steps=rmt.Step(4, 0.3), samples=2 * n) for n in widths}
    exponents = {"reused": n_exponents, "independent": 3}
    shown, many = (0.05, 0.2, 0.3, 0.45), {"reused": 2 * count, "independent": count}
    nets = {100: 2 * count, 200: count, 400: count, 800: max(count // 2, 2)}
    return TwoSteps(
        rmt.scaling(counted(400)),
        {n: rmt.predict(problem) for n, problem in alone.items()},
        {n: rmt.predict(counted(n), "deformed", rtol=1e-2) for n in widths},
        {
            n: (run_samples(alone[n], k, n_outliers=1), run_samples(counted(n), k))
            for n, k in nets.items()
        },
        {
            batch: {
                a: rmt.predict(reusable(batch, a), "deformed", rtol=1e-2)
                for a in np.linspace(0.04, 0.48, exponents[batch]).tolist()
            }
            for batch in BATCHES
        },
        {batch: {a: _overlap(reusable(batch, a), many[batch]) for a in shown} for batch in BATCHES},
    )


def _overlap(problem: rmt.Problem, count: int) -> NDArray[np.float64]:
    """Of the target with the first two singular vectors, network by network."""
    return run_samples(problem, count, n_outliers=2).target_overlaps[:, :, 0].sum(axis=1)


def draw(result: TwoSteps) -> Figure:
    """Outliers against the width, the overlap against the exponent."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 4.0), layout="constrained")
    _draw_outliers(left, result)
    _draw_overlaps(right, result)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_outliers(ax: Axes, result: TwoSteps) -> None:
    widths = np.array(list(result.two_steps))
    edges = [one.bulk.upper_edge for one in result.two_steps.values()]
    ax.fill_between(widths, 0.1, edges, color="0.9", lw=0)
    alone = [one.outliers[0].singular_value for one in result.one_step.values()]
    ax.plot(widths, alone, color="0.35", ls="--", label="one step")
    for k, spike in enumerate(result.scaling.spikes):
        found = [one.outliers[k:] for one in result.two_steps.values()]
        values = np.array([rest[0].singular_value if rest else np.nan for rest in found])
        ax.plot(widths, values, color=ORDERS[k], label=f"two steps, $k = {k}$")
        slope = float(spike.exponent)
        end = np.array([2000.0, widths[-1]])
        guide = 0.8 * values[-1] * (end / end[-1]) ** slope
        ax.plot(end, guide, color="0.55", lw=1.0)
        look = {"textcoords": "offset points", "va": "top", "ha": "right", "fontsize": "small"}
        ax.annotate(f"$N^{{{slope:.2f}}}$", (end[-1], guide[-1]), (-2, -6), color="0.4", **look)
    for n, (one, two) in result.outliers.items():
        _points(ax, n, one.singular_values[:, 0], fmt="D", color="0.35")
        for k, colour in enumerate(ORDERS):
            out = k < len(result.two_steps[n].outliers)
            look = {
                "fmt": "o",
                "color": colour if out else "0.6",
                "mfc": colour if out else "white",
            }
            _points(ax, n, two.singular_values[:, k], **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(2, None)
    ax.minorticks_off()
    ax.set_xticks(widths, [f"{n}" for n in widths])
    ax.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    ax.set_xlabel("width $N = d = n/2$")
    ax.set_ylabel("singular value")
    ax.legend(frameon=False, fontsize="small")


def _draw_overlaps(ax: Axes, result: TwoSteps) -> None:
    for batch, (name, colour, marker) in BATCHES.items():
        exponents = list(result.learned[batch])
        ax.plot(exponents, result.predicted(batch), color=colour, label=name)
        for alpha, seen in result.overlaps[batch].items():
            _points(ax, alpha, seen, fmt=marker, color=colour)
    ax.axhline(result.chance, color="0.45", lw=1.0, ls="--", label="by chance")
    ax.axvline(0.2, ymax=0.78, color="0.45", lw=1.0, ls=":")
    ax.set_xlabel(r"exponent of the second step, $\alpha_2$")
    ax.set_ylabel("squared overlap with the target")
    ax.set_ylim(-0.005, None)
    ax.legend(frameon=False, loc="upper left")


def _points(ax: Axes, x: float, networks: NDArray[np.float64], **look: Any) -> None:
    error = networks.std(ddof=1) / np.sqrt(networks.size)
    ax.errorbar(x, networks.mean(), error, ms=4.5, capsize=2, **look)


if __name__ == "__main__":
    found = main()
    print(found.scaling)
    draw(found)
    plt.show()
