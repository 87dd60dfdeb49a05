"""Interpolation on the eight nearest points of an uneven grid, and its transpose."""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array, Indices
from rmt.budget import count_work

__all__ = ["STENCIL", "LocalInterpolation"]


STENCIL = 8
_WORK = 60.0  # of a point, in array operations


class LocalInterpolation:
    """Lagrange interpolation of degree 7 on the points of a grid around each place.

    Parameters
    ----------
    grid : array, shape (G,)
        In increasing order, at least eight points.

    Examples
    --------
    >>> on = LocalInterpolation(np.linspace(0.0, 3.0, 20))
    >>> float(on.values(on.grid**7, np.array([1.23]))[0].round(9)) == round(1.23**7, 9)
    True
    >>> law = on.spread(np.array([[1.23]]), np.array([1.0]))
    >>> float((law @ on.grid**7)[0].round(9)) == round(1.23**7, 9)
    True
    """

    def __init__(self, grid: Array) -> None:
        self.grid = grid
        count = grid.size - STENCIL + 1
        nodes = np.stack([grid[i : i + count] for i in range(STENCIL)])
        self._scales = np.ones((STENCIL, count))  # 1 / prod_j (x_i - x_j)
        for i in range(STENCIL):
            for j in range(STENCIL):
                if i != j:
                    self._scales[i] /= nodes[i] - nodes[j]

    def _cardinals(self, x: Array, weights: Array | float) -> tuple[Indices, list[Array]]:
        """The first of the points around each place, and the weight of each of the eight."""
        count_work(_WORK * x.size)
        first = np.searchsorted(self.grid, x) - STENCIL // 2
        first = np.clip(first, 0, self.grid.size - STENCIL)
        distances = [x - self.grid[first + i] for i in range(STENCIL)]
        before = [np.broadcast_to(weights, x.shape)]
        for distance in distances[:-1]:
            before.append(before[-1] * distance)
        after = np.ones_like(x)
        cardinals = []
        for i in reversed(range(STENCIL)):
            cardinals.append(before[i] * after * self._scales[i][first])
            after *= distances[i]
        return first, cardinals[::-1]

    def values(self, given: Array, x: Array) -> Array:
        """Functions given on the grid, shape (.., G), at places ``x``: shape (.., *x.shape)."""
        first, cardinals = self._cardinals(x, 1.0)
        total = np.zeros((*given.shape[:-1], *x.shape))
        for i, cardinal in enumerate(cardinals):
            total += cardinal * given[..., first + i]
        return total

    def spread(self, x: Array, weights: Array) -> Array:
        """Row by row, weights on the grid that integrate like ``weights`` at the places ``x``.

        ``x`` of shape (A, K) and ``weights`` that broadcast to it give the shape (A, G).
        """
        first, cardinals = self._cardinals(x, weights)
        size = x.shape[0] * self.grid.size
        rows = (np.arange(x.shape[0]) * self.grid.size)[:, None] + first
        total = np.zeros(size)
        for i, cardinal in enumerate(cardinals):
            total += np.bincount((rows + i).ravel(), cardinal.ravel(), size)
        return total.reshape(x.shape[0], -1)
