"""
Conjugate kernel of common activations
======================================

Eigenvalues of :math:`\\sigma(XW^T)\\,\\sigma(XW^T)^T/N` for random weights and inputs. Two numbers
of the activation decide the law: its linear part :math:`\\mu_1 = E[\\sigma(Z)Z]` and the norm
:math:`\\mu_*` of the rest, so that activations which look different can share it. Every activation
is centred and scaled to :math:`E[\\sigma^2] = 1` here; histograms are random features.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rmt

BLUE, VERMILLION = "#0072B2", "#D55E00"
ACTIVATIONS = ("relu(z)", "gelu(z)", "tanh(z)", "abs(z)", "sign(z)", "He3(z)")
N_INPUTS, DIM, WIDTH = 600, 900, 1200


@dataclass(frozen=True)
class Kernel:
    """The law of one activation, and the eigenvalues of one random matrix."""

    name: str
    law: rmt.ConjugateKernel
    eigenvalues: NDArray[np.float64]


def main() -> tuple[Kernel, ...]:
    """Law and random features of each activation."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((N_INPUTS, DIM))
    weights = rng.standard_normal((WIDTH, DIM))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    seen = inputs @ weights.T
    kernels = []
    for name in ACTIVATIONS:
        expansion = rmt.hermite_expansion(name, 0)
        mean = float(expansion.orthonormal_array[0])
        norm = float(expansion.truncation_error(0))  # what is left when the mean is taken out
        sigma = f"({name} - ({mean!r})) / {norm!r}"
        law = rmt.ConjugateKernel(sigma, ratios=(N_INPUTS / DIM, N_INPUTS / WIDTH))
        features = law.activation(seen)
        eigenvalues = np.linalg.eigvalsh(features @ features.T / WIDTH)
        kernels.append(Kernel(name, law, eigenvalues))
    return tuple(kernels)


def draw(result: tuple[Kernel, ...]) -> Figure:
    """A panel for each activation."""
    figure, axes = plt.subplots(
        2, 3, figsize=(9.0, 5.0), layout="constrained", sharex=True, sharey=True
    )
    edge = max(kernel.law.upper_edge for kernel in result)
    for ax, kernel in zip(axes.flat, result, strict=True):
        ax.hist(kernel.eigenvalues, 50, density=True, color=BLUE, alpha=0.3)
        x = np.linspace(0, 1.03 * edge, 800)
        ax.plot(x, kernel.law.pdf(x), color=VERMILLION)
        ax.set_title(
            f"{kernel.name}:  $\\mu_1$ = {abs(kernel.law.linear):.2f}, "
            f"$\\mu_*$ = {kernel.law.nonlinear:.2f}",
            fontsize="medium",
        )
    for ax in axes[1]:
        ax.set_xlabel("eigenvalue")
    for ax in axes[:, 0]:
        ax.set_ylabel("density")
    return figure


if __name__ == "__main__":
    draw(main())
    plt.show()
