"""
The bulk that training deforms
==============================

The gradients' fluctuations widen the bulk of the singular values, by a share that falls with the
width only as :math:`N^{2\\alpha - 1}`. Left: spectra of simulated networks with the law of the
initial weights (Marchenko-Pastur, dashed) and the predicted deformed law. Right: how far each
distribution function is from the simulated one.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from validation import run_samples

BLUE, GREY = "#0072B2", "0.35"


@dataclass(frozen=True)
class Bulks:
    """Two laws, and the sorted singular values of several networks without their outliers."""

    initial: rmt.SpectralLaw
    deformed: rmt.SpectralLaw
    values: NDArray[np.float64]

    def distance(self, law: rmt.SpectralLaw) -> NDArray[np.float64]:
        """Distribution function of a law minus that of the networks, at their values."""
        seen = (np.arange(self.values.size) + 0.5) / self.values.size
        return np.asarray(law.cdf(self.values) - seen)


def main() -> Bulks:
    """Six networks of width 600."""
    problem = rmt.Problem(
        activation="tanh(z + 7/10)",
        target="sin(2*z)",
        width=600,
        dim=600,
        samples=1200,
        steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)],
        batch="reused",
        readout="rademacher",
    )
    prediction = rmt.predict(problem, method="deformed")
    samples = run_samples(problem, 6, n_outliers=2, n_spectra=6)
    inside = samples.spectra[:, len(prediction.outliers) :]
    initial = rmt.MarchenkoPasturBulk(problem.aspect_ratio)
    return Bulks(initial, prediction.bulk, np.sort(inside.ravel()))


def draw(result: Bulks) -> Figure:
    """Densities, and differences of distribution functions."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    left.hist(result.values, 60, density=True, color=BLUE, alpha=0.3, label="networks")
    x = np.linspace(1e-6, 1.02 * result.deformed.upper_edge, 600)
    left.plot(x, result.deformed.pdf(x), color=BLUE, label="deformed level")
    left.plot(x, result.initial.pdf(x), color=GREY, ls="--", label="Marchenko-Pastur")
    left.set_xlabel("singular value")
    left.set_ylabel("density")
    left.set_xlim(0, x[-1])
    left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.05, 0.05))
    right.plot(result.values, result.distance(result.deformed), color=BLUE)
    right.plot(result.values, result.distance(result.initial), color=GREY, ls="--")
    right.axhline(0, color="black", lw=0.6)
    right.set_xlabel("singular value")
    right.set_ylabel("distribution function, theory - networks")
    return figure


if __name__ == "__main__":
    found = main()
    for name, law in (("deformed", found.deformed), ("initial", found.initial)):
        print(f"{name}: edge {law.upper_edge:.3f}, distance {abs(found.distance(law)).max():.4f}")
    draw(found)
    plt.show()
