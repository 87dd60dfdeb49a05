"""Quantiles of a density by table: the point as a polynomial of the probability, cell by cell.

Cells halve towards both ends of every interval, and each octave has as many: powers of the
probability, ``(x - a) ~ p^(2/3)`` at a square root or ``p^2`` at a hard edge, are as smooth in one
as in any other. The bits of a floating-point number are its octave and its place there, so that
finding the cell of a number takes two operations, where a search takes longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmt.arrays import Array, Indices

__all__ = ["RELATIVE", "QuantileTable"]


DEGREE = 6
CELLS = 32  # of an octave; a power of two
OCTAVES = 24  # of each half of an interval; what is further out is left to the solver
RELATIVE = 1e-14  # of the distance from the nearer end, which a polynomial may be off by
BLOCK = 8192  # points at once, which stay in the processor's cache

EPS = float(np.finfo(float).eps)
_SHIFT = 52 - (CELLS.bit_length() - 1)
_PLACE = (1 << _SHIFT) - 1  # the bits of the place within a cell
_STARTS = np.ldexp(np.arange(CELLS, 2 * CELLS), np.arange(-OCTAVES, 0)[:, None] - 1).ravel() / CELLS
_WIDTHS = np.repeat(np.ldexp(1.0 / CELLS, np.arange(-OCTAVES, 0) - 1), CELLS)
_FIRST = int(_STARTS[:1].view(np.int64)[0] >> _SHIFT)
_HALF = np.nextafter(0.5, 0.0)
# Places in a cell, from -1 to 1: where polynomials interpolate, and where they may be furthest off,
# at which they are held against the solver.
_NODES = -np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
_BETWEEN = -np.cos(np.pi * np.arange(DEGREE + 2) / (DEGREE + 1))
_MONOMIALS = np.linalg.inv(np.vander(_NODES, increasing=True)).T


class QuantileTable:
    """Quantiles of a density on intervals, as a solver gives them, within `RELATIVE`.

    Where a polynomial is not as good as that, next to a gap that almost closes, say, and far out at
    an end, the solver is asked. Two units in the last place of the point, and of the mass, are
    rounding, and allowed beside.

    Parameters
    ----------
    solve : callable
        The points up to which there are the given masses.
    low, high, mass : array, shape (K,)
        The intervals, and the mass of each.
    """

    def __init__(
        self, solve: Callable[[Array], Array], low: Array, high: Array, mass: Array
    ) -> None:
        self._solve, self._before = solve, np.cumsum(mass) - mass
        self._mass = mass = np.maximum(mass, np.finfo(float).tiny)
        places = np.concatenate([_NODES, _BETWEEN])
        shares = (_STARTS[:, None] + _WIDTHS[:, None] * (places + 1.0) / 2.0)[None]
        total = mass[:, None, None]
        below, above = shares * total, total - shares * total
        wanted = np.stack([below, above], axis=1) + self._before[:, None, None, None]
        x = solve(wanted.ravel()).reshape(wanted.shape)  # (interval, half, cell, place)
        ends = np.stack([low, high], axis=-1)[:, None, None, :]
        nearer = (x[..., 0] > ends.mean(axis=-1)).astype(np.intp)
        base = np.take_along_axis(np.broadcast_to(ends, (*nearer.shape, 2)), nearer[..., None], -1)
        distance = x - base
        first = distance[..., :1]  # less of it is lost to rounding in differences from one value
        polynomials = (distance[..., : DEGREE + 1] - first) @ _MONOMIALS
        polynomials[..., :1] += first
        powers = np.vander(_BETWEEN, DEGREE + 1, increasing=True)
        error = np.abs(polynomials @ powers.T - distance[..., DEGREE + 1 :]).max(axis=-1)
        slope = 2.0 * np.abs(polynomials[..., 1]) / _WIDTHS  # of the point in the share of the mass
        allowed = RELATIVE * np.abs(distance).max(axis=-1)
        allowed += 2.0 * EPS * (np.abs(x).max(axis=-1) + slope)
        self._resolved = (error <= allowed).ravel()
        self._base = base.ravel()
        self._polynomials = np.ascontiguousarray(polynomials.reshape(-1, DEGREE + 1).T)

    def __call__(self, mass: Array) -> Array:
        """The points up to which there are the given masses, between 0 and that of all."""
        result = np.empty(mass.shape)
        for start in range(0, mass.size, BLOCK):
            block = slice(start, start + BLOCK)
            result[block] = self._block(mass[block])
        return result

    def _block(self, mass: Array) -> Array:
        interval: Indices | int = 0
        if self._mass.size > 1:
            interval = np.searchsorted(self._before[1:], mass)
        inside = mass - self._before[interval]
        rest = self._mass[interval] - inside
        upper = inside > rest
        share = np.minimum(np.where(upper, rest, inside) / self._mass[interval], _HALF)
        bits = share.view(np.int64)
        cell = (bits >> _SHIFT) - _FIRST
        outside = cell < 0
        cell += _STARTS.size * (2 * interval + upper)
        np.maximum(cell, 0, out=cell)
        place = (bits & _PLACE) * 2.0 ** (1 - _SHIFT) - 1.0
        x: Array = self._polynomials[-1].take(cell)
        for row in self._polynomials[-2::-1]:
            x *= place
            x += row.take(cell)
        x += self._base.take(cell)
        ask = outside | ~self._resolved.take(cell)
        if ask.any():
            x[ask] = self._solve(mass[ask])
        return x
