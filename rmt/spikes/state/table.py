"""Averages over the last of a row's own numbers, from a table of the pre-activation without it."""

from __future__ import annotations

import math

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time, count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.piecewise_polynomial import MOST_DEGREE, smoothed_polynomials
from rmt.moments.rules import gauss_legendre
from rmt.moments.spacing import spacings
from rmt.status import ConvergenceError, Status

__all__ = ["SlopeTable", "SmoothedTable"]


HALF_WIDTH = 6.5
WIDEST = 0.8  # spacing that resolves the normal density
PANEL_NODES = 28  # between kinks
STEP = 0.2  # of a table, in units of what it is smooth on
FINER = 24  # local polynomials in one such step
LEAST_STEP = 0.002
MOST_FINE = 1.25  # a resolution at which tables and their averages are accurate to about 1e-8
MOST_POINTS = 200_000
MOST_NODES = 4000  # of the last own number
WORK = 25.0  # of an activation and its derivative at a point, in array operations
BLOCK = 1 << 18  # entries of a temporary array


class _Local:
    """Functions on an even grid, as polynomials of degree two around the points of a finer one.

    Between two points of the grid the eight nearest make a polynomial, of which value, slope and
    bend are taken.
    """

    def __init__(self, low: float, step: float, values: Array) -> None:
        self._inverse = FINER / step
        self._low = low + 3.0 * step
        windows = np.lib.stride_tricks.sliding_window_view(values, 8, axis=1)
        shape = len(values), -1
        self._parts = [(windows @ one).reshape(shape) for one in _of_eight()]

    def at(self, x: Array) -> list[Array]:
        """Of the shape of ``x``, which the grid must contain."""
        place = (x - self._low) * self._inverse
        index = np.rint(place).astype(np.intp)
        place -= index
        found = []
        for zero, one, two in zip(*self._parts, strict=True):
            value = two.take(index)
            value *= place
            value += one.take(index)
            value *= place
            value += zero.take(index)
            found.append(value)
        return found


@cached(1)
def _of_eight() -> list[Array]:
    """From eight values to those of the finer grid between the middle two, shape (8, FINER).

    And to slopes and half the bends, per step of the finer grid.
    """
    powers = np.arange(8)
    to_powers = np.linalg.inv(np.arange(-3.0, 5.0)[:, None] ** powers)
    x, found = np.arange(FINER) / FINER, []
    for k in range(3):
        factors = np.array([math.comb(n, k) for n in powers]) / float(FINER) ** k
        monomials = x[:, None] ** np.maximum(powers - k, 0) * factors
        found.append((monomials @ to_powers).T)
    return found


class SmoothedTable:
    """``E`` of ``sigma, sigma', sigma'^2, xi sigma'`` at ``mean + spread xi``.

    The table grows with the means that are asked for.
    """

    def __init__(self, sigma: ScalarFunction, spread: float, resolution: float) -> None:
        self._sigma, self._spread = sigma, spread
        self._resolution = resolution = min(resolution, MOST_FINE)
        unit = spread if sigma.kinks else max(spread, spacings(sigma)[0])
        self._step = max(STEP * unit / resolution, LEAST_STEP)
        # How far from a kink eight points may still have it among them, if they do not resolve it.
        sharp = bool(sigma.kinks) and self._step > STEP * spread
        self._unresolved = 5.0 * self._step + HALF_WIDTH * spread if sharp else 0.0
        self._low, self._high = math.inf, -math.inf
        self._local: _Local | None = None
        pieces = sigma.polynomial_pieces or ()
        low_degree = all(len(one[2]) <= MOST_DEGREE + 1 for one in pieces)
        self._polynomials = pieces if low_degree else ()

    def at(self, mean: Array) -> list[Array]:
        """Four arrays of the shape of ``mean``."""
        low, high = float(mean.min()), float(mean.max())
        if not math.isfinite(high - low + self._spread):
            raise _overflow("the pre-activations of a step overflow")
        if low < self._low or high > self._high:
            count = (max(high, self._high) - min(low, self._low)) / self._step
            if count + 12 >= mean.size:
                return [one.reshape(mean.shape) for one in self._exact(mean.ravel())]
            _affordable(count / MOST_POINTS * MOST_NODES)
            self._grow(low, high)
        assert self._local is not None
        found = self._local.at(mean)
        if self._unresolved:
            flat = mean.ravel()
            gaps = np.min([np.abs(flat - kink) for kink in self._sigma.kinks], axis=0)
            near = np.flatnonzero(gaps < self._unresolved)
            for one, exact in zip(found, self._exact(flat[near]), strict=True):
                one.reshape(-1)[near] = exact
        return found

    def _grow(self, low: float, high: float) -> None:
        room = 0.1 * (high - low)
        self._low = min(self._low, low - room)
        self._high = max(self._high, high + room)
        count = int((self._high - self._low) / self._step) + 10
        start = self._low - 4.0 * self._step
        grid = np.asarray(start + self._step * np.arange(count), dtype=float)
        values = self._exact(grid)
        if not np.isfinite(values).all():
            raise _overflow("the activation overflows at the pre-activations of a step")
        self._local = _Local(start, self._step, values)

    def _exact(self, x: Array) -> Array:
        """At points, shape (4, X)."""
        if self._polynomials:
            check_time()
            return smoothed_polynomials(self._polynomials, x, max(self._spread, 1e-12))
        found = np.empty((4, x.size))
        wide = self._resolution * max(1.0, self._spread / spacings(self._sigma)[0] / 8.0)
        block = max(1, BLOCK // math.ceil(128.0 * min(wide, MOST_NODES)))
        for start in range(0, x.size, block):
            part = slice(start, start + block)
            count_work(WORK * 32.0 * min(wide, MOST_NODES) * min(block, x.size - start))
            found[:, part] = (self._between_kinks if self._sigma.kinks else self._evenly)(x[part])
        return found

    def _evenly(self, x: Array) -> Array:
        """The trapezoid rule."""
        step = min(spacings(self._sigma)[0] / max(self._spread, 1e-12), WIDEST) / self._resolution
        count = _affordable(HALF_WIDTH / step)
        xi = step * np.arange(-count, count + 1)
        weights = np.exp(-(xi**2) / 2.0)
        weights /= weights.sum()
        value, slope = self._sigma.value_and_derivative(x[:, None] + self._spread * xi)
        return np.stack(
            [value @ weights, slope @ weights, slope**2 @ weights, slope @ (weights * xi)]
        )

    def _between_kinks(self, x: Array) -> Array:
        """Gauss-Legendre panels, of which most points need one only."""
        spread = max(self._spread, 1e-12)
        ends = [np.full(x.shape, -HALF_WIDTH)]
        ends += [np.clip((k - x) / spread, -HALF_WIDTH, HALF_WIDTH) for k in self._sigma.kinks]
        ends.append(np.full(x.shape, HALF_WIDTH))
        points = [-math.inf, *self._sigma.kinks, math.inf]
        wide = spread / spacings(self._sigma)[0] / 4.0
        order = PANEL_NODES * self._resolution * max(1.0, wide)
        node, weight = gauss_legendre(_affordable(order))
        total = np.zeros((4, x.size))
        for low, high, left, right in zip(
            ends[:-1], ends[1:], points[:-1], points[1:], strict=True
        ):
            some = high > low
            half = (high[some] - low[some])[:, None] / 2.0
            xi = low[some][:, None] + half * (node + 1.0)
            weights = half * weight * np.exp(-(xi**2) / 2.0) / math.sqrt(2.0 * math.pi)
            inside = np.clip(x[some][:, None] + spread * xi, left, right)
            value, slope = self._sigma.value_and_derivative(inside)
            slopes = slope * weights
            total[0, some] += (value * weights).sum(axis=1)
            total[1, some] += slopes.sum(axis=1)
            total[2, some] += (slopes * slope).sum(axis=1)
            total[3, some] += (slopes * xi).sum(axis=1)
        return total


def _overflow(what: str) -> ConvergenceError:
    return ConvergenceError(f"{Status.NOT_FINITE.value} Here {what}.", Status.NOT_FINITE)


def _affordable(count: float) -> int:
    if not count < MOST_NODES:
        raise ConvergenceError(
            "Not converged: the rows have grown so long that an activation of their size is not "
            "resolved; take smaller steps.",
            Status.NOT_CONVERGED,
        )
    return math.ceil(count)


class SlopeTable:
    """``sigma'`` at many points: from a table, unless it has jumps."""

    def __init__(self, sigma: ScalarFunction, resolution: float) -> None:
        self._sigma = sigma
        self._step = spacings(sigma)[0] / 1.5 / resolution
        self._low, self._high = math.inf, -math.inf
        self._local: _Local | None = None

    def at(self, x: Array) -> Array:
        """Of the shape of ``x``."""
        low, high = float(x.min()), float(x.max())
        count = (max(high, self._high) - min(low, self._low)) / self._step
        if self._sigma.kinks or not math.isfinite(count) or count > min(x.size / 8, MOST_POINTS):
            return np.asarray(self._sigma.derivative(x))
        if low < self._low or high > self._high:
            room = 0.1 * (high - low)
            self._low, self._high = min(self._low, low - room), max(self._high, high + room)
            start = self._low - 4.0 * self._step
            grid = start + self._step * np.arange(int((self._high - self._low) / self._step) + 10)
            values = np.asarray(self._sigma.derivative(grid), dtype=float)
            if not np.isfinite(values).all():
                raise _overflow("the activation overflows at the pre-activations of a step")
            self._local = _Local(start, self._step, values[None])
        assert self._local is not None
        return self._local.at(x)[0]
