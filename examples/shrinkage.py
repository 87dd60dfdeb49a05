"""
Shrinkage of a measured spectrum
================================

A matrix of rank four in noise. The noise pushes singular values up and turns singular vectors
away. From where an outlier is seen the strength behind it follows, and how much of it is best kept
in squared error. Left: measured singular values with the bulk of the noise; the weakest direction
is lost in it. A value beyond the edge counts when the noise alone would reach that far less than
once in a hundred times, by the Tracy-Widom law. Right: the shrinker, with the true strengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt
from rmt.spectra import SpikeEstimate, edge_pvalue, estimate_spikes

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ROWS, COLUMNS = 400, 800
STRENGTHS = (4.0, 2.5, 1.3, 0.5)


@dataclass(frozen=True)
class Denoised:
    """What was measured, what is estimated, and squared errors of three reconstructions."""

    bulk: rmt.MarchenkoPastur
    measured: NDArray[np.float64]
    n_outliers: int
    estimate: SpikeEstimate
    errors: dict[str, float]


def main() -> Denoised:
    """Hide four directions in noise, and find them again."""
    rng = np.random.default_rng(5)
    left = np.linalg.qr(rng.standard_normal((ROWS, len(STRENGTHS))))[0]
    right = np.linalg.qr(rng.standard_normal((COLUMNS, len(STRENGTHS))))[0]
    signal = left * STRENGTHS @ right.T
    noisy = signal + rng.standard_normal((ROWS, COLUMNS)) / np.sqrt(COLUMNS)
    u, measured, vt = np.linalg.svd(noisy, full_matrices=False)

    bulk = rmt.MarchenkoPastur(COLUMNS / ROWS, ROWS / COLUMNS)
    estimate = estimate_spikes(measured, bulk)
    kept = edge_pvalue(measured**2, bulk, size=COLUMNS) < 0.01
    candidates = {
        "as measured": measured,
        "at the estimated strength": estimate.strength,
        "shrunk": estimate.shrunk,
    }
    errors = {
        name: float(np.sum((u * (values * kept) @ vt - signal) ** 2))
        for name, values in candidates.items()
    }
    return Denoised(bulk, measured, int(np.count_nonzero(kept)), estimate, errors)


def draw(result: Denoised) -> Figure:
    """The spectrum, and the shrinker with the measured values on it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
    law = result.bulk.singular_values()
    left.hist(result.measured, 70, density=True, color=BLUE, alpha=0.3, label="measured")
    x = np.linspace(1e-3, law.upper_edge, 400)
    # The law has an atom at zero: the matrix has more columns than rows.
    left.plot(x, law.pdf(x) * COLUMNS / ROWS, color=BLUE, label="law of the noise")
    found = result.n_outliers
    outliers = result.measured[:found]
    left.plot(outliers, np.full(outliers.size, 0.06), "v", color=VERMILLION, label="outliers")
    left.set_xlabel("singular value")
    left.set_ylabel("density")
    left.legend(frameon=False)

    s = np.linspace(0, 4.8, 400)
    curve = estimate_spikes(s, result.bulk)
    right.plot(s, s, color="0.6", lw=1.0, ls=":", label="as measured")
    right.plot(s, curve.strength, color=BLUE, label="estimated strength")
    right.plot(s, curve.shrunk, color=VERMILLION, label="best in squared error")
    right.plot(outliers, STRENGTHS[:found], "x", mew=1.8, color="black", label="true strengths")
    right.plot(outliers, result.estimate.shrunk[:found], "o", color=VERMILLION)
    right.set_xlabel("measured singular value")
    right.set_ylabel("singular value that is kept")
    right.set_xlim(0, 4.8)
    right.set_ylim(0, 4.8)
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    result = main()
    for name, error in result.errors.items():
        print(f"squared error {error:.3f} {name}")
    draw(result)
    plt.show()
