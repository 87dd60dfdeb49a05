"""
Hermite coefficients of activations
===================================

Coefficients :math:`|c_k|` in the orthonormal Hermite basis decide what a network can learn, and how
smooth the activation is decides how fast they decay: a jump gives :math:`k^{-3/4}`, a kink
:math:`k^{-5/4}`, an analytic function falls faster than any power. The package computes them
exactly where a closed form exists; the usual Gauss-Hermite quadrature would be wrong in the fourth
digit for the kinked ones.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import rmt

LOOKS = {
    "sign(z)": ("#D55E00", "o"),
    "relu(z)": ("#0072B2", "s"),
    "gelu(z)": ("#009E73", "^"),
    "tanh(z)": ("#CC79A7", "D"),
}


def main() -> dict[str, rmt.HermiteExpansion]:
    """Sixty coefficients of four activations."""
    return {name: rmt.hermite_expansion(name, order=60) for name in LOOKS}


def draw(result: dict[str, rmt.HermiteExpansion]) -> Figure:
    """Coefficients that are not zero, with the asymptotic power where there is one."""
    figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for name, expansion in result.items():
        colour, marker = LOOKS[name]
        c = np.abs(expansion.orthonormal_array)
        k = np.arange(c.size)
        seen = (c > np.array(expansion.errors)) & (c > 0) & (k > 0)
        ax.plot(k[seen], c[seen], marker, ms=4, color=colour, label=name)
        decay = expansion.decay()
        if decay.kind == "algebraic":
            last = k[seen][-1]
            x = np.array([1.0, 60.0])
            ax.plot(x, c[last] * (x / last) ** -decay.rate, color=colour, lw=0.9)
            ax.annotate(f"$k^{{-{decay.rate:g}}}$", (60, c[last]), color=colour, va="center",
                        xytext=(8, 0), textcoords="offset points")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.9, 100)
    ax.set_ylim(1e-7, 2)
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.minorticks_off()
    ax.set_xlabel("order $k$")
    ax.set_ylabel("$|E[\\sigma(Z)\\,He_k(Z)]|/\\sqrt{k!}$")
    ax.legend(frameon=False, loc="lower left")
    return figure


if __name__ == "__main__":
    found = main()
    print(found["gelu(z)"])
    draw(found)
    plt.show()
