"""Pictures of spectral laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmt.plotting.style import BULK_COLOUR, OUTLIER_COLOUR, panels
from rmt.spectra import SpectralLaw, TracyWidom

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_law"]

POINTS = 400  # of each interval
TAIL = 1e-6  # where the picture of a law on the whole axis ends
HIGHEST = 6.0  # times the density in the middle half: beyond are inverse square roots at hard edges


def draw_law(law: SpectralLaw | TracyWidom, ax: Axes | None = None) -> Axes:
    """The density on its intervals, and atoms as lines up to their mass, on an axis of their own.

    Parameters
    ----------
    law : SpectralLaw or TracyWidom
    ax : matplotlib Axes, optional
        A new figure is made when left out.
    """
    if ax is None:
        ax = panels((6.4, 4.2))[1]
    if isinstance(law, SpectralLaw):
        edges, atoms = law.edges, law.atoms
    else:
        edges, atoms = ((float(law.ppf(TAIL)), float(law.isf(TAIL))),), ()
    angle = np.linspace(0.0, np.pi, POINTS)  # square roots at the ends are smooth in it
    top = 0.0
    for low, high in edges:
        x = low + (high - low) * np.sin(angle[1:-1] / 2.0) ** 2
        y = law.pdf(x)
        middle = float(y[POINTS // 4 : -POINTS // 4].max())
        top = max(top, min(float(y.max()), HIGHEST * middle))
        ax.plot(x, y, color=BULK_COLOUR)
        ax.fill_between(x, y, color=BULK_COLOUR, alpha=0.15, linewidth=0)
    if top:
        ax.set_ylim(0.0, 1.05 * top)
    ax.set_xlabel("x")
    ax.set_ylabel("density")
    if atoms:
        masses = ax.twinx()
        masses.set_ylabel("mass of an atom", color=OUTLIER_COLOUR)
        masses.set_ylim(0.0, 1.05)
        at, mass = [atom.location for atom in atoms], [atom.mass for atom in atoms]
        masses.vlines(at, 0.0, mass, color=OUTLIER_COLOUR, linewidth=1.2)
        masses.plot(at, mass, "o", color=OUTLIER_COLOUR, markersize=4)
    return ax
