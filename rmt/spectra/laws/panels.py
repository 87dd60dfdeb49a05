"""A density on intervals, as Chebyshev expansions on panels in the angle of each interval.

With ``x = (a + b)/2 - (b - a)/2 cos(theta)``, ``0 < theta < pi``, and ``g(theta) =
rho(x) dx/dtheta``, square-root edges, and inverse square roots at a hard edge, become smooth.
Panels are halved until the last coefficients are negligible; ``g`` and its integral are then known
everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebint, chebval

from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.newton import bracketed
from rmt.spectra.laws.quantiles import QuantileTable

__all__ = ["DensityTable", "build_table", "series_at"]

Density = Callable[[Indices, Array, Array], Array]

DEGREE = 24
TOLERANCE = 2e-15
MAX_DEPTH = 45
MAX_PANELS = 20_000
FINE = 64  # cells of a panel for the first guess of a quantile
MAX_STEPS = 60
NEAR = 5.0  # a pole on a smaller Bernstein ellipse of a panel is close to it
BLOCK = 2**16  # complex numbers held at a time
LAST = 5  # coefficients of a panel, from which the rest is estimated
MANY = 8192  # quantiles for each interval, from which on a table of them pays

_NODES = np.cos(math.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))[::-1].copy()


def _analysis() -> Array:
    """Values at the Chebyshev points to Chebyshev coefficients."""
    k = np.arange(DEGREE + 1)
    matrix = 2.0 / (DEGREE + 1) * np.cos(np.outer(k, np.arccos(_NODES)))
    matrix[0] /= 2.0
    return np.asarray(matrix)


def _fejer() -> Array:
    """Weights of Fejer's first rule."""
    moments = np.zeros(DEGREE + 1)
    moments[::2] = 2.0 / (1.0 - np.arange(0, DEGREE + 1, 2) ** 2)
    return np.asarray(moments @ _ANALYSIS)


_ANALYSIS = _analysis()
_FEJER = _fejer()


@dataclass(frozen=True)
class DensityTable:
    """Panels in order of the intervals and, within one, of the angle.

    Attributes
    ----------
    low, high : array, shape (K,)
        The intervals.
    interval : array of int, shape (P,)
        The interval of each panel.
    start, stop : array, shape (P,)
        Its angles.
    coefficients : array, shape (P, degree + 1)
        Chebyshev coefficients of ``g`` on the panel.
    integral_coefficients : array, shape (P, degree + 2)
        Those of the integral of ``g`` from the panel's start.
    before : array, shape (P + 1,)
        The mass before each panel.
    error : float
        Estimate of the absolute error of the integral, from the last coefficients.
    """

    low: Array
    high: Array
    interval: Indices
    start: Array
    stop: Array
    coefficients: Array
    integral_coefficients: Array
    before: Array
    error: float

    @property
    def mass(self) -> float:
        """The integral of the density."""
        return float(self.before[-1])

    def scaled(self, factor: float) -> DensityTable:
        """The table of the density times a factor."""
        return replace(
            self,
            coefficients=factor * self.coefficients,
            integral_coefficients=factor * self.integral_coefficients,
            before=factor * self.before,
            error=factor * self.error,
        )

    @cached_property
    def interval_mass(self) -> Array:
        """The integral over each interval."""
        sums = np.zeros(self.low.size)
        np.add.at(sums, self.interval, np.diff(self.before))
        return sums

    @cached_property
    def _order(self) -> Array:
        # The angle of the k-th interval, counted from 4 k, orders all panels.
        return 4.0 * self.interval + self.start

    def _place(self, interval: Indices, angle: Array) -> tuple[Indices, Array]:
        """The panel of an angle in an interval, and where in it (-1 .. 1)."""
        after = np.searchsorted(self._order, 4.0 * interval + angle, side="right")
        panel = np.clip(after - 1, 0, self.start.size - 1)
        return panel, 2.0 * (angle - self.start[panel]) / (
            self.stop[panel] - self.start[panel]
        ) - 1.0

    def cumulative(self, interval: Indices, angle: Array) -> Array:
        """The mass up to an angle in an interval."""
        panel, t = self._place(interval, angle)
        return self.before[panel] + series_at(t, self.integral_coefficients.T, panel)

    def density(self, interval: Indices, angle: Array) -> Array:
        """``g`` at an angle in an interval."""
        panel, t = self._place(interval, angle)
        return series_at(t, self.coefficients.T, panel)

    def density_error(self, interval: Indices, angle: Array) -> Array:
        """Estimate of the error of `density` by the last coefficients of the panel.

        Those of a square root inside of it, the end of a band, fall like ``k^{-3/2}``: the rest
        adds up to ``2 k`` times the last.
        """
        panel, _ = self._place(interval, angle)
        return np.asarray(2 * DEGREE * np.abs(self.coefficients[panel, -LAST:]).max(axis=1))

    @cached_property
    def _fine(self) -> tuple[Array, Array, Array]:
        """Mass at the borders of equal cells of all panels, and the density at both their ends.

        The density is per cell: the mass of a cell is about the mean of the two.
        """
        t = np.linspace(-1.0, 1.0, FINE + 1)
        mass = chebval(t, self.integral_coefficients.T)
        cell = (self.stop - self.start)[:, None] / FINE
        density = chebval(t, self.coefficients.T) * cell
        borders = (self.before[:-1, None] + mass[:, :-1]).ravel()
        borders = np.maximum.accumulate(np.append(borders, self.before[-1]))
        return borders, density[:, :-1].ravel(), density[:, 1:].ravel()

    def _guess(self, mass: Array) -> tuple[Indices, Array]:
        """Panel and position in it (-1 .. 1) of a quantile, by the cubic of its cell."""
        borders, first, last = self._fine
        cell = np.clip(np.searchsorted(borders, mass, side="left") - 1, 0, first.size - 1)
        a, b = first[cell], last[cell]
        total = borders[cell + 1] - borders[cell]
        target = mass - borders[cell]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.nan_to_num(target / total)
            for _ in range(2):
                # Hermite: m(u) = a u + (3 total - 2 a - b) u^2 + (a + b - 2 total) u^3
                second, third = 3.0 * total - 2.0 * a - b, a + b - 2.0 * total
                value = u * (a + u * (second + u * third)) - target
                slope = a + u * (2.0 * second + 3.0 * u * third)
                u = np.clip(np.nan_to_num(u - value / slope, nan=0.5), 0.0, 1.0)
        panel = cell // FINE
        return panel, 2.0 * (cell - panel * FINE + u) / FINE - 1.0

    def quantile(self, mass: Array) -> Array:
        """The point up to which there is the given mass: of many, by a table."""
        mass = np.clip(mass, 0.0, self.mass)
        return (self._quantiles if mass.size >= MANY * self.low.size else self._solved)(mass)

    @cached_property
    def _quantiles(self) -> QuantileTable:
        return QuantileTable(self._solved, self.low, self.high, self.interval_mass)

    def _solved(self, mass: Array) -> Array:
        panel, t = self._guess(mass)
        target = mass - self.before[panel]
        half = (self.stop - self.start) / 2.0

        def value_and_slope(t: Array, at: Any) -> tuple[Array, Array]:
            p = panel[at]
            gap = series_at(t, self.integral_coefficients.T, p) - target[at]
            return gap, series_at(t, self.coefficients.T, p) * half[p]

        ends = np.full(t.size, -1.0), np.full(t.size, 1.0)
        t = bracketed(value_and_slope, t, *ends, MAX_STEPS, atol=1e-7).x
        angle = self.start[panel] + (t + 1.0) * half[panel]
        which = self.interval[panel]
        width = self.high[which] - self.low[which]
        lower_half = angle < math.pi / 2
        return np.asarray(
            np.where(
                lower_half,
                self.low[which] + width * np.sin(angle / 2.0) ** 2,
                self.high[which] - width * np.cos(angle / 2.0) ** 2,
            )
        )

    @cached_property
    def rule(self) -> tuple[Array, Array]:
        """Points and weights of a quadrature rule for the law (its continuous part)."""
        values = chebval(_NODES, self.coefficients.T)
        half = ((self.stop - self.start) / 2.0)[:, None]
        angle = self.start[:, None] + (_NODES + 1.0) * half
        width = (self.high - self.low)[self.interval][:, None]
        x = self.low[self.interval][:, None] + width * np.sin(angle / 2.0) ** 2
        return x.ravel(), (values * _FEJER * half).ravel()

    def integral(self, function: Callable[[Array], Array]) -> float:
        """``int f(x) rho(x) dx``."""
        if not self.start.size:
            return 0.0
        x, weights = self.rule
        return float(np.asarray(function(x)) @ weights)

    def cauchy(self, z: ComplexArray, power: int = 1) -> ComplexArray:
        """``int rho(x) / (x - z)^power dx`` off the intervals."""
        x, weights = (one.reshape(-1, DEGREE + 1) for one in self.rule)
        flat = z.ravel()
        total = np.zeros(flat.size, dtype=complex)
        rows = max(1, BLOCK // max(x.size, 1))
        for first in range(0, flat.size, rows):
            points = flat[first : first + rows]
            close = self._close(points[:, None], self.interval, self.start, self.stop)
            kernel = weights / (x - points[:, None, None]) ** power
            total[first : first + rows] = np.where(close, 0.0, kernel.sum(axis=2)).sum(axis=1)
            if close.any():
                point, panel = close.nonzero()
                total[first : first + rows] += self._next_to(points, point, panel, power)
        return total.reshape(z.shape)

    def _close(self, z: ComplexArray, interval: Indices, start: Array, stop: Array) -> Bools:
        """Whether poles at ``z`` are too close to panels, in their angle, for a rule on them."""
        low, high = self.low[interval], self.high[interval]
        pole = np.arccos(((low + high) / 2.0 - z) / ((high - low) / 2.0))
        t = (2.0 * pole - start - stop) / (stop - start)
        return np.asarray(np.abs(t + np.sqrt(t - 1.0) * np.sqrt(t + 1.0)) < NEAR)

    def _next_to(self, z: ComplexArray, point: Indices, panel: Indices, power: int) -> ComplexArray:
        """What pairs of poles and panels add: panels are halved until the pole is far from each."""
        start, stop = self.start[panel], self.stop[panel]
        total = np.zeros(z.size, dtype=complex)
        for depth in range(MAX_DEPTH + 1):
            near = self._close(z[point], self.interval[panel], start, stop) & (depth < MAX_DEPTH)
            far = ~near
            which = panel[far]
            half = ((stop[far] - start[far]) / 2.0)[:, None]
            angle = start[far][:, None] + (_NODES + 1.0) * half
            place = 2.0 * (angle - self.start[which][:, None])
            place = place / (self.stop - self.start)[which][:, None] - 1.0
            columns = np.repeat(which, DEGREE + 1)
            g = series_at(place.ravel(), self.coefficients.T, columns).reshape(angle.shape)
            low, high = self.low[self.interval[which]], self.high[self.interval[which]]
            x = low[:, None] + (high - low)[:, None] * np.sin(angle / 2.0) ** 2
            parts = (_FEJER * g * half / (x - z[point[far]][:, None]) ** power).sum(axis=1)
            np.add.at(total, point[far], parts)
            if not near.any():
                break
            middle = (start[near] + stop[near]) / 2.0
            start, stop = (
                np.concatenate([start[near], middle]),
                np.concatenate([middle, stop[near]]),
            )
            panel = np.concatenate([panel[near], panel[near]])
            point = np.concatenate([point[near], point[near]])
        return total


def series_at(x: Array, coefficients: Array, column: Indices) -> Array:
    """Chebyshev series at points: of each, one of the columns of coefficients.

    `numpy.polynomial.chebyshev.chebval` would gather all coefficients of all points at once.
    """
    one, two, twice = np.zeros(x.shape), np.zeros(x.shape), 2.0 * x
    for row in coefficients[:0:-1]:
        one, two = row[column] + twice * one - two, one
    return np.asarray(coefficients[0][column] + x * one - two)


def build_table(
    density: Density, low: Array, high: Array, tolerance: float = TOLERANCE
) -> DensityTable:
    """Expand a density, adaptively.

    Parameters
    ----------
    density : callable
        ``density(interval, left, right)`` at distances from the ends of numbered intervals.
    low, high : array, shape (K,)
        The intervals.
    tolerance : float
        Absolute, of the mass of a panel.
    """
    count = low.size
    interval, start, stop = np.arange(count), np.zeros(count), np.full(count, math.pi)
    nothing = np.zeros(0)
    done: list[tuple[Indices, Array, Array, Array]] = [
        (np.zeros(0, np.intp), nothing, nothing, np.zeros((0, DEGREE + 1)))
    ]
    error, scale = 0.0, 0.0
    for depth in range(MAX_DEPTH + 1):
        if not interval.size:
            break
        half = ((stop - start) / 2.0)[:, None]
        angle = start[:, None] + (_NODES + 1.0) * half
        width = (high - low)[interval][:, None]
        sine, cosine = np.sin(angle / 2.0), np.cos(angle / 2.0)
        which = np.repeat(interval, DEGREE + 1)
        rho = density(which, (width * sine**2).ravel(), (width * cosine**2).ravel())
        values = rho.reshape(angle.shape) * width * sine * cosine
        coefficients = values @ _ANALYSIS.T
        scale = max(scale, float(np.abs(values).max()))
        tail = np.abs(coefficients[:, -3:]).max(axis=1)
        # What counts is the panel's share of the mass.
        small = tail * half[:, 0] <= tolerance * np.maximum(1.0, 2.0 * scale * half[:, 0])
        stopped = depth == MAX_DEPTH or interval.size > MAX_PANELS
        if stopped:
            small[:] = True
        error += float(np.sum(tail[small] * half[small, 0]))
        done.append((interval[small], start[small], stop[small], coefficients[small]))
        middle = (start + stop) / 2.0
        split = ~small
        interval = np.concatenate([interval[split], interval[split]])
        start, stop = (
            np.concatenate([start[split], middle[split]]),
            np.concatenate([middle[split], stop[split]]),
        )
    order = np.lexsort((np.concatenate([d[1] for d in done]), np.concatenate([d[0] for d in done])))
    interval = np.concatenate([d[0] for d in done])[order]
    start = np.concatenate([d[1] for d in done])[order]
    stop = np.concatenate([d[2] for d in done])[order]
    coefficients = np.concatenate([d[3] for d in done])[order]
    integral = chebint(coefficients, lbnd=-1.0, axis=1) * ((stop - start) / 2.0)[:, None]
    mass = integral.sum(axis=1)  # at t = 1 every Chebyshev polynomial is 1
    before = np.concatenate([[0.0], np.cumsum(mass)])
    return DensityTable(low, high, interval, start, stop, coefficients, integral, before, error)
