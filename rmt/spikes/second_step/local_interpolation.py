"""Interpolation on the eight nearest points of an uneven grid, and its transpose."""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array, Indices
from rmt.budget import count_work

__all__ = ["STENCIL", "LocalInterpolation"]


STENCIL = 8
_WORK = 250.0  # of a point, in array operations
_BLOCK = 1 << 12  # places whose weights stay in cache
_SPREAD = 1 << 15  # places that are spread at once


class LocalInterpolation:
    """Lagrange interpolation of degree 7 on the points of a grid around each place.

    Parameters
    ----------
    grid : array, shape (G,)
        In increasing order, at least eight points.

    Examples
    --------
    >>> on = LocalInterpolation(np.linspace(0.0, 3.0, 20))
    >>> float(on.values(on.grid[None] ** 7, np.array([1.23]))[0, 0].round(9)) == round(1.23**7, 9)
    True
    >>> law = on.spread(np.array([1.23]), np.array([0]), 1, np.array([1.0]), np.ones((1, 1)))
    >>> float((law @ on.grid**7)[0, 0].round(9)) == round(1.23**7, 9)
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

    def cardinals(self, x: Array, weights: Array | float = 1.0) -> tuple[Indices, list[Array]]:
        """The first of the points around each place, and the weight of each of the eight.

        These are times the ``weights`` of the places.
        """
        count_work(_WORK * x.size)
        first = np.searchsorted(self.grid, x) - STENCIL // 2
        first = np.clip(first, 0, self.grid.size - STENCIL)
        distances = [x - self.grid[i:].take(first) for i in range(STENCIL)]
        cardinals = [np.broadcast_to(weights, x.shape).astype(float)]
        for distance in distances[:-1]:
            cardinals.append(cardinals[-1] * distance)
        after = np.ones_like(x)
        for i in reversed(range(STENCIL)):
            cardinals[i] *= after
            cardinals[i] *= self._scales[i].take(first)
            after *= distances[i]
        return first, cardinals

    def values(self, given: Array, x: Array) -> Array:
        """Functions given on the grid, shape (F, G), at places ``x``: shape (F, *x.shape)."""
        places = x.ravel()
        total = np.zeros((len(given), x.size))
        for start in range(0, x.size, _BLOCK):
            some = slice(start, start + _BLOCK)
            first, cardinals = self.cardinals(places[some])
            for i, cardinal in enumerate(cardinals):
                for sum_, function in zip(total, given, strict=True):
                    sum_[some] += cardinal * function[i:].take(first)
        return total.reshape(len(given), *x.shape)

    def derivative(self, given: Array) -> Array:
        """At the points of the grid, the derivative of the interpolants of functions given there.

        Its error is of order 7 in the spacing.
        """
        first = np.clip(np.arange(self.grid.size) - STENCIL // 2, 0, self.grid.size - STENCIL)
        at = first + np.arange(STENCIL)[:, None]
        apart = self.grid - self.grid[at]  # (8, G), zero at the point itself
        itself = np.arange(self.grid.size) - first
        every = np.arange(self.grid.size)
        scales = self._scales[:, first]
        apart[itself, every] = 1.0
        weights = scales / scales[itself, every] / apart
        weights[itself, every] = 0.0
        return np.asarray(((given[at] - given) * weights).sum(axis=0))

    def spread(self, x: Array, rows: Indices, count: int, weights: Array, factors: Array) -> Array:
        """Weights on the grid that integrate like ``weights * factors`` at the places ``x``.

        Places, rows and weights have the shape (P,), factors (M, P); what belongs to a row counts
        together: shape (M, count, G).
        """
        size = self.grid.size
        total = np.zeros((len(factors), count * size))
        block = max(_SPREAD, total.shape[1])  # each sum runs over all of the total
        for start in range(0, x.size, block):
            some = slice(start, start + block)
            first, cardinals = self.cardinals(x[some], weights[some])
            at = rows[some] * size + first
            for i, cardinal in enumerate(cardinals):
                for sum_, factor in zip(total, factors[:, some], strict=True):
                    sum_ += np.bincount(at + i, cardinal * factor, sum_.size)
        return total.reshape(len(factors), count, size)
