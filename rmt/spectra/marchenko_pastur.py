"""The Marchenko-Pastur law of a weight matrix at initialisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.status import InvalidInputError

__all__ = ["MarchenkoPasturBulk"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarchenkoPasturBulk:
    """Law of the singular values of an ``N x d`` matrix of iid entries of variance ``1/d``.

    With ``gamma = N / d`` and edges ``s_- = |1 - sqrt(gamma)|``, ``s_+ = 1 + sqrt(gamma)`` the
    ``min(N, d)`` singular values have the density

        p(s) = sqrt((s^2 - s_-^2)(s_+^2 - s^2)) / (pi min(1, gamma) s)

    of total mass 1. The ``max(N, d) - min(N, d)`` zeros of the larger Gram matrix are not counted.

    Parameters
    ----------
    aspect_ratio : float
        ``gamma = N / d > 0``.

    Notes
    -----
    Marchenko & Pastur 1967; theory.md, sections 3 and 5. Closed forms, exact to rounding.

    Examples
    --------
    >>> bulk = MarchenkoPasturBulk(0.25)
    >>> bulk.edges
    ((0.5, 1.5),)
    >>> bulk.pdf([0.4, 1.0]).round(6).tolist()
    [0.0, 1.232808]
    >>> float(bulk.cdf(1.5))
    1.0
    """

    aspect_ratio: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.aspect_ratio) and self.aspect_ratio > 0):
            raise InvalidInputError(
                f"aspect_ratio must be a positive number, got {self.aspect_ratio!r}"
            )

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The support as one interval of singular values."""
        root = math.sqrt(self.aspect_ratio)
        return ((abs(1.0 - root), 1.0 + root),)

    @property
    def upper_edge(self) -> float:
        """``1 + sqrt(gamma)``."""
        return self.edges[-1][1]

    def pdf(self, singular_value: ArrayLike) -> Array:
        """Density at singular values; the shape of the argument."""
        s = np.asarray(singular_value, dtype=float)
        low, high = self.edges[0]
        inside = (s > low) & (s < high)
        safe = np.where(inside, s, (low + high) / 2.0)
        # Factored, so that no digits are lost near the edges.
        product = (safe - low) * (safe + low) * (high - safe) * (high + safe)
        density = np.sqrt(product) / (math.pi * min(1.0, self.aspect_ratio) * safe)
        if low == 0.0:  # gamma = 1: the quarter circle, finite at zero
            density = np.where(s == 0.0, high / math.pi, density)
            inside = inside | (s == 0.0)
        return np.asarray(np.where(inside, density, 0.0))

    def cdf(self, singular_value: ArrayLike) -> Array:
        """Distribution function at singular values; the shape of the argument."""
        low, high = self.edges[0]
        s = np.clip(np.asarray(singular_value, dtype=float), low, high)
        a, b, x = low**2, high**2, s**2
        width = b - a
        x_safe = np.maximum(x, np.finfo(float).tiny)
        integral = np.sqrt(np.maximum((x - a) * (b - x), 0.0))
        integral = integral + (a + b) / 2.0 * _angle((2.0 * x - a - b) / width)
        if a > 0:
            integral -= math.sqrt(a * b) * _angle(((a + b) * x - 2.0 * a * b) / (x_safe * width))
        integral = integral / (2.0 * math.pi * min(1.0, self.aspect_ratio))
        return np.asarray(np.clip(integral, 0.0, 1.0))


def _angle(sine: Array) -> Array:
    """``arcsin + pi/2``, the part of a half turn that is covered."""
    return np.asarray(np.arcsin(np.clip(sine, -1.0, 1.0)) + math.pi / 2.0)
