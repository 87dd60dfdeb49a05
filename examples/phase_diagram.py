"""
Phase diagram of two steps
==========================

How many outliers there are after two steps, and how much of the target the best of them has
learned, over the exponents of the learning rates :math:`\\eta_s = c_s N^{\\alpha_s}`. Colours hold
at the width of the problem; the lines :math:`\\alpha_2 = k\\,(1/2 - \\alpha_1)` are where the
paper's limit of infinite width gains its outliers. At laptop widths the constants matter as much
as the powers, and the regions are elsewhere.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import rmt


def main(points: int = 20) -> rmt.PhaseDiagram:
    """A target of information exponent 3 with a reused batch, ``points`` values of each."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="He3(z)/sqrt(6)",
        width=2000,
        dim=2000,
        samples=4000,
        steps=[rmt.Step(2, 0), rmt.Step(2, 0)],
        batch="reused",
        readout="gaussian",
    )
    return rmt.phase_diagram(problem, points, points)


def draw(result: rmt.PhaseDiagram) -> Figure:
    """Two maps with the boundaries of the limit."""
    return result.plot()


if __name__ == "__main__":
    draw(main())
    plt.show()
