"""
Fresh samples against a reused batch
====================================

A target of information exponent 3, :math:`He_3(z)` with its largest labels cut off smoothly, two
steps, and the exponent of the second step's learning rate. Fresh samples in the second step teach
the network nothing of the target, however large the step. Showing it the first batch again does:
after one step its outputs depend on the labels it has seen, the second step sees powers of them,
and :math:`f^3` has a linear part where :math:`f` has none (reuse exponent 3).

The figure is one call, `validation.study`: theory of the level ``deformed``, networks at four of
the exponents, and the chance level. Right: squared overlap of the target with the three leading
singular vectors together, which is :math:`3/d` by chance; networks on fresh samples have a few
hundredths. On a reused batch the outlier that has learned comes out of the bulk at
:math:`\\alpha_2` between 0.25 and 0.3, and networks follow.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import rmt
import validation


def main(networks: int = 4) -> validation.Study:
    """Predict at eight exponents of the second step, and train networks at four of them."""
    problem = rmt.Problem(
        activation="erf(z + 1/2)",
        target="remove_hermite(4*tanh(He3(z)/4), 1)",
        width=400,
        dim=400,
        samples=1600,
        steps=[rmt.Step(2, 0.3), rmt.Step(4, 0.4)],
    )
    return validation.study(
        problem,
        over={"alpha_2": [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.44, 0.48]},
        compare={"batch": ["independent", "reused"]},
        networks=networks,
        level="deformed",
        simulate_at=[0.2, 0.3, 0.4, 0.48],
        errors=False,
        rtol=1e-3,
        workers=1,
    )


def draw(result: validation.Study) -> Figure:
    """Positions of the outliers, and what they have learned together."""
    return result.plot(overlaps="together")


if __name__ == "__main__":
    found = main()
    print(found)
    draw(found)
    plt.show()
