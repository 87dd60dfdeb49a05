"""The density of a law at points dense enough to draw it, and few enough to hand around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.spectra.laws.law import SpectralLaw

__all__ = ["DensityCurve"]


_POINTS = 161


@dataclass(frozen=True, slots=True, eq=False)
class DensityCurve:
    """The density of a predicted bulk at points dense enough to draw it.

    Attributes
    ----------
    edges : tuple of pairs of float
        The intervals of the support, in increasing order.
    points, density : array (m,)

    Examples
    --------
    >>> curve = DensityCurve(((0.0, 2.0),), np.array([0.0, 2.0]), np.array([0.5, 0.0]))
    >>> curve.pdf([1.0, 3.0])
    array([0.25, 0.  ])
    """

    edges: tuple[tuple[float, float], ...]
    points: Array
    density: Array

    @classmethod
    def of(cls, law: SpectralLaw) -> DensityCurve:
        """Points are closest at the ends of each interval, where densities bend most."""
        bends = (1.0 - np.cos(np.linspace(0.0, np.pi, _POINTS))) / 2.0
        edges = tuple((float(low), float(high)) for low, high in law.edges)
        points = np.concatenate([low + (high - low) * bends for low, high in edges])
        return cls(edges, points, np.asarray(law.pdf(points), dtype=np.float64))

    def pdf(self, x: ArrayLike) -> Array:
        """The density, interpolated."""
        return np.asarray(np.interp(np.asarray(x), self.points, self.density, left=0.0, right=0.0))
