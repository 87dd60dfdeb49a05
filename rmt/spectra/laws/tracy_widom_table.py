"""Piecewise Chebyshev series of the Tracy-Widom logarithms, which serve whole arrays.

They are built once per process, from the three sources of `rmt.spectra.laws.tracy_widom_sources`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from rmt.arrays import Array, Bools, Indices
from rmt.caching import cached
from rmt.spectra.laws.panels import series_at
from rmt.spectra.laws.tracy_widom_sources import (
    CHECK,
    JOIN,
    LEFT,
    RIGHT,
    USED,
    Resolution,
    determinants,
    left_growth,
    left_series,
    painleve,
    zeta,
)

__all__ = ["SPLIT", "quantile", "table_of"]


EPS = float(np.finfo(float).eps)

# Rows of the table: s < LEFT, then [LEFT, RIGHT] in pieces of length one, then s > RIGHT.
SPLIT = -2.0
PIECES = round(RIGHT - LEFT)
UPPER = 1 + round(SPLIT - LEFT)  # the first row that holds upper tails
DEGREE = 13


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Chebyshev series of logarithms, a column for each row of points (see the constants above).

    ``tail`` is ``log F`` left of SPLIT and ``log(1 - F)`` right of it, ``density`` is ``log F'``;
    in the two outer rows they are series in ``|s|^(-3/2)`` of what `_offset` leaves.
    """

    beta: int
    tail: Array
    density: Array
    tail_gap: Array  # absolute errors of the logarithms, one for each row
    density_gap: Array

    def log_tail(self, s: ArrayLike) -> tuple[Array, Bools]:
        """The logarithm of the tail tabulated there, and whether that is the upper one."""
        s, row, x = _locate(s)
        return series_at(x, self.tail, row) + _offset(self.beta, s, row, False), row >= UPPER

    def log_density(self, s: ArrayLike) -> Array:
        s, row, x = _locate(s)
        return series_at(x, self.density, row) + _offset(self.beta, s, row, True)

    def tail_bound(self, s: ArrayLike) -> Array:
        """Bound on the error of ``log_tail``, rounding included."""
        return self.tail_gap[_locate(s)[1]] + 8 * EPS * (1.0 + np.abs(self.log_tail(s)[0]))

    def density_bound(self, s: ArrayLike) -> Array:
        """Bound on the error of ``log_density``, rounding included."""
        return self.density_gap[_locate(s)[1]] + 8 * EPS * (1.0 + np.abs(self.log_density(s)))


def _locate(s: ArrayLike) -> tuple[Array, Indices, Array]:
    """Points (finite or NaN), their rows, and their places in [-1, 1] there."""
    points = np.clip(np.asarray(s, dtype=float), -1e100, 1e100)
    cell = np.clip(np.floor(points - LEFT), -1, PIECES)
    row = np.nan_to_num(cell).astype(np.intp) + 1
    x = np.asarray(2.0 * (points - LEFT - cell) - 1.0)
    for outer, edge in ((row == 0, LEFT), (row == PIECES + 1, RIGHT)):
        if np.any(outer):
            x[outer] = 2.0 * (points[outer] / edge) ** -1.5 - 1.0
    return points, row, x


def _points(row: int, x: Array) -> Array:
    """Points at given places of a row: the inverse of `_locate`."""
    if 0 < row <= PIECES:
        return LEFT + (row - 1) + (1.0 + x) / 2.0
    return (LEFT if row == 0 else RIGHT) * ((1.0 + x) / 2.0) ** (-2.0 / 3.0)


def _offset(beta: int, s: Array, row: Indices, density: bool) -> Array:
    """What grows without bound in the outer rows; zero elsewhere."""
    offset = np.zeros(s.shape)
    if np.any(left := row == 0):
        growth = left_growth(s[left])[beta - 1]
        offset[left] = growth + (2.0 * np.log(-s[left]) if density else 0.0)
    if np.any(right := row == PIECES + 1):
        t = s[right]
        log_sf = -beta * (zeta(t) + 0.75 * np.log(t))
        offset[right] = log_sf + (0.5 * np.log(t) if density else 0.0)
    return offset


def _row_values(row: int, x: Array, resolution: Resolution) -> Array:
    """The tabulated logarithms, without `_offset`; shape ``(2, 2, len(x))``: kind, beta, place."""
    s = _points(row, x)
    if row == 0:
        edge = left_series(s, resolution)
        return np.stack([edge.log_cdf, edge.log_pdf])
    if s[0] < JOIN:
        edge = painleve(s, resolution)
        return np.stack([edge.log_cdf, edge.log_pdf])
    edge = determinants(s, resolution)
    values = np.stack([edge.log_cdf if row < UPPER else edge.log_sf, edge.log_pdf])
    beta = np.array([[1.0], [2.0]])
    if row <= PIECES:
        return np.asarray(values - beta * zeta(s))  # zero left of SPLIT
    power = 0.75 * beta - np.array([0.0, 0.5])[:, None, None]
    return np.asarray(values + power * np.log(s))


@cached(16)
def _tables() -> tuple[_Table, _Table]:
    """Both tables, from the same matrices."""
    x = chebyshev.chebpts1(DEGREE + 1)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(x, DEGREE))
    between = np.array([-0.96, 0.05, 0.9])  # where interpolation and quadrature are checked
    back = chebyshev.chebvander(between, DEGREE)
    coefficients = np.empty((2, 2, DEGREE + 1, PIECES + 2))
    gap = np.empty((2, 2, PIECES + 2))
    for row in range(PIECES + 2):
        series = _row_values(row, x, USED) @ to_coefficients.T
        coefficients[..., row] = series
        gap[..., row] = 2.0 * np.abs(series @ back.T - _row_values(row, between, CHECK)).max(-1)
    one, two = (
        _Table(b + 1, coefficients[0, b], coefficients[1, b], gap[0, b], gap[1, b]) for b in (0, 1)
    )
    return one, two


def table_of(beta: int) -> _Table:
    """The table of one ``beta``."""
    return _tables()[beta - 1]


@cached(16)
def _quantile_grid(beta: int) -> tuple[Array, Array, Array]:
    """``key``, ``s`` and ``ds / dkey``: ``key`` is ``log F`` up to SPLIT, then ``-log(1 - F)``.

    The range holds every probability that is a floating-point number.
    """
    low, high = np.linspace(-28.0, SPLIT, 1301), np.linspace(SPLIT, 112.0, 5701)
    s = np.concatenate([low, high])
    log_tail, _ = table_of(beta).log_tail(s)
    log_tail[low.size - 1] = _other_tail(log_tail[low.size - 1])
    slope = np.exp(log_tail - table_of(beta).log_density(s))
    log_tail[low.size :] *= -1.0
    return log_tail, s, slope


def _other_tail(log_tail: Array) -> Array:
    return np.asarray(np.log(-np.expm1(log_tail)))


def quantile(beta: int, target: Array) -> Array:
    """Where the key of `_quantile_grid` is ``target``: cubic Hermite, then one Newton step."""
    key, grid, slope = _quantile_grid(beta)
    y = np.clip(target, key[0], key[-1])
    i = np.clip(np.searchsorted(key, y) - 1, 0, key.size - 2)
    width = key[i + 1] - key[i]
    u = (y - key[i]) / width
    rise, before, after = grid[i + 1] - grid[i], width * slope[i], width * slope[i + 1]
    bend = 3.0 * rise - 2.0 * before - after
    twist = before + after - 2.0 * rise
    s = grid[i] + u * (before + u * (bend + u * twist))
    log_tail, upper = table_of(beta).log_tail(s)
    wanted = y > 0
    other = wanted != upper  # rounding at SPLIT
    if np.any(other):
        log_tail = np.where(other, _other_tail(log_tail), log_tail)
    derivative = (before + u * (2.0 * bend + 3.0 * u * twist)) / width
    s = s + (y - np.where(wanted, -log_tail, log_tail)) * derivative
    return np.where(np.isinf(target), target, s)
