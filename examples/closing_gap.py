"""
How the gap to simulation closes with the width
===============================================

The three levels of theory against simulated networks of width 64 to 256: relative error of the
second outlier, which lies next to the bulk. The scaling level misses powers of the first step's
shift; the resummed level has of the bulk the lengths of its rows, the deformed level all of it, and
both are within a few percent. Lines are power laws :math:`C N^{-p}` fitted by maximum likelihood,
drawn where the exponent is known to within 0.3. Larger runs: `finite_size.md` in the documentation.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt
from validation import FiniteSize, finite_size

LOOKS = {
    "scaling": ("#0072B2", "o"),
    "resummed": ("#D55E00", "s"),
    "deformed": ("#009E73", "^"),
}
OBSERVABLE = "singular value 1"


def main(networks: tuple[int, int, int] = (200, 100, 40)) -> FiniteSize:
    """Networks of three widths, each held against the predictions for its own readout."""
    problem = rmt.Problem(
        activation="gelu(z)",
        target="tanh(z) + (cos(2*z) - exp(-2))/2",
        width=128,
        dim=128,
        samples=256,
        steps=[rmt.Step(3, 0.25), rmt.Step(6, 0.4)],
        batch="reused",
        readout="rademacher",
    )
    return finite_size(problem, [64, 128, 256], networks, workers=1)


def draw(result: FiniteSize) -> Figure:
    """Gaps with error bars on logarithmic axes."""
    figure, ax = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
    widths = np.array(result.widths)
    for method, (colour, marker) in LOOKS.items():
        curve = result.curve(method, OBSERVABLE)
        gaps, errors = np.abs(curve.gaps), np.array(curve.errors)
        ax.errorbar(widths, gaps, np.minimum(errors, 0.9 * gaps), fmt=marker, capsize=3,
                    color=colour, label=method)  # fmt: skip
        if curve.fit is not None and curve.fit.high - curve.fit.low < 0.6:
            ax.plot(widths, np.abs(curve.fit(widths)), color=colour, lw=1.0)
            ax.annotate(
                f"$N^{{-{curve.fit.exponent:.2f}}}$",
                (widths[-1], abs(float(curve.fit(widths[-1])))),
                xytext=(12, 0),
                textcoords="offset points",
                va="center",
                color=colour,
            )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(widths, [str(n) for n in widths])
    ax.minorticks_off()
    ax.set_xlim(widths[0] / 1.2, widths[-1] * 1.6)
    ax.set_xlabel("width $N$")
    ax.set_ylabel("|simulated - predicted| / simulated")
    ax.set_ylim(0.01, 1)
    ax.legend(frameon=False, loc="center left")
    return figure


if __name__ == "__main__":
    found = main()
    print(found)
    draw(found)
    plt.show()
