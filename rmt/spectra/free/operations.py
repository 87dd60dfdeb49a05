r"""The equations of subordination: one class for each operation on laws.

With ``phi_1``, ``phi_2`` of `rmt.spectra.free.transforms` the law of a sum, or product, has at
``x``

    phi(x) = phi_1(w_1) = phi_2(w_2),   w_1 + w_2 = x + phi   or   w_1 w_2 = x phi,

and that of a corner ``phi(x) = phi_1(w)`` with ``w = x + (1 - t) phi``. Each is a fixed point
``w = K_x(w)`` of a map of the upper half plane to itself. By the theorem of Denjoy and Wolff a
fixed point in the open half plane is the only one, and repeated maps lead to it from anywhere: a
solution above the axis, however it was found, is the right one, at real ``x`` too (Belinschi &
Bercovici 2007). On the gaps all is real, and a solution is the right one where ``x`` rises with
``phi``, that is, where ``K_x`` contracts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array, Bools, ComplexArray
from rmt.newton import newton
from rmt.spectra.free.transforms import Cell, ForProducts, ForSums, Transform
from rmt.spectra.laws.law import SpectralLaw

__all__ = ["Compression", "Operation", "Product", "Solved", "Sum"]


EPS = float(np.finfo(float).eps)
MAPS = 500  # fixed-point steps at most, before Newton's, where all else fails
LOWERING, LEVELS, AT_LEVEL = 0.25, 24, 4  # of x to the axis, and Newton steps at each height
MAX_NEWTON = 60
ABOVE = 4.0  # how many times as far from the axis as it may be off a solution is no real one


@dataclass(frozen=True, slots=True, eq=False)
class _At:
    """The equation at points ``w``.

    Attributes
    ----------
    map : array
        ``K_x(w)``.
    slope, x_slope : array
        Its derivatives in ``w`` and in ``x``.
    rounding : array
        What ``K_x(w)`` may be off by.
    phi, phi_slope : array
        Of the first law.
    """

    map: ComplexArray
    slope: ComplexArray
    x_slope: ComplexArray | float
    rounding: Array
    phi: ComplexArray
    phi_slope: ComplexArray


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """Solutions at some points.

    Attributes
    ----------
    w, phi, m : array
        ``w`` of the first law, ``phi`` and the Stieltjes transform.
    error : array
        Of ``m``, absolute.
    found : array of bool
    """

    w: ComplexArray
    phi: ComplexArray
    m: ComplexArray
    error: Array
    found: Bools


class Operation(ABC):
    """An operation on one or two laws.

    Attributes
    ----------
    transforms : tuple of Transform
    """

    transforms: tuple[Transform, ...]
    positive = False  # whether the law is one of non-negative numbers

    @property
    def scale(self) -> float:
        """The size of the numbers in the support, to an order of magnitude."""
        return sum(one.scale for one in self.transforms)

    @property
    def tolerance(self) -> float:
        """What a zero of `excess` may look like."""
        return 1e-14 + 4.0 * sum(one.error for one in self.transforms)

    @abstractmethod
    def _at(self, x: Any, w: ComplexArray) -> _At: ...

    @abstractmethod
    def _m(self, x: Any, phi: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """The Stieltjes transform and its derivative in ``phi``."""

    def derivative(self, x: ComplexArray, w: ComplexArray) -> ComplexArray:
        """That of the Stieltjes transform, at solutions."""
        now = self._at(x, w)
        m, slope = self._m(x, now.phi)
        change = slope * now.phi_slope * now.x_slope / (1.0 - now.slope)
        return np.asarray(change - m / x if self.positive else change)

    @abstractmethod
    def point(self, w: tuple[Array, ...], phi: Array) -> Array:
        """``x`` on the real axis."""

    @abstractmethod
    def excess(self, w: tuple[Array, ...], phi: Array, slopes: tuple[Array, ...]) -> Array:
        """Of the sign of ``dx / dphi``, and of order one."""

    def curvature(self, x: float, phi: float, change: float) -> float:
        """``d^2 x / dphi^2`` where ``dx / dphi = 0``, given the derivative of `excess`."""
        return change

    @abstractmethod
    def limit(self, mean: float, zero: float) -> float:
        """``x`` where one ``w`` is infinite and ``phi`` of the other law has a pole."""

    @abstractmethod
    def first_guess(self, x: ComplexArray) -> ComplexArray:
        """A point in the upper half plane."""

    def solve(self, x: ComplexArray, start: ComplexArray | None = None) -> Solved:
        """Solutions at points above the axis, or on it: in the support, limits from above.

        At real points outside of the support they are real. A start near the solutions saves time,
        and is needed next to an edge.
        """
        w = guess = self.first_guess(x)
        found, above = np.zeros((2, x.size), dtype=bool)
        attempts = [(self._directly, guess), (self._lowered, guess), (self._mapped, guess)]
        if start is not None:
            attempts.insert(0, (self._directly, start))
        for attempt, begin in attempts:
            todo = np.flatnonzero(~found)
            if not todo.size:
                break
            w = w.copy()
            w[todo] = attempt(x[todo], begin[todo])
            found[todo], above[todo] = self._right(x[todo], w[todo])
        axis = found & ~above
        if axis.any():
            w[axis] = newton(self._newton(x[axis]), w[axis].real + 0j, MAX_NEWTON).x.real
        return self._package(x, w, found)

    def _directly(self, x: ComplexArray, start: ComplexArray) -> ComplexArray:
        return np.asarray(newton(self._newton(x), start, MAX_NEWTON).x)

    def _lowered(self, x: ComplexArray, w: ComplexArray) -> ComplexArray:
        """From high above: next to an edge Newton's method needs a good start."""
        height = np.abs(self.first_guess(x) - x)
        for level in range(LEVELS):
            w = newton(self._newton(x + 1j * height * LOWERING**level), w, AT_LEVEL).x
        return self._directly(x, w)

    def _mapped(self, x: ComplexArray, start: ComplexArray) -> ComplexArray:
        """By the map itself, which leads to the solution from anywhere, however slowly."""

        def step(w: ComplexArray, at: Any) -> tuple[ComplexArray, Bools]:
            change = self._at(x[at], w).map - w
            return change, np.abs(change) <= 1e-8 * np.abs(w)

        return self._directly(x, newton(step, start, MAPS).x)

    def _newton(self, x: ComplexArray) -> Any:
        def step(w: ComplexArray, at: Any) -> tuple[ComplexArray, Bools]:
            now = self._at(x[at], w)
            residual = now.map - w
            change = residual / (1.0 - now.slope)
            small = np.abs(residual) <= 0.25 * now.rounding
            small |= np.abs(change) <= 2.0 * EPS * np.abs(w)
            # A step as long as the distance from the axis would leave the half plane.
            above = w.imag > 0
            with np.errstate(divide="ignore", invalid="ignore"):
                damped = change * np.minimum(1.0, 0.7 * w.imag / np.abs(change))
            return np.where(above & ~small, damped, change), small

        return step

    def _right(self, x: ComplexArray, w: ComplexArray) -> tuple[Bools, Bools]:
        """Whether these are solutions on the right branch, and whether they are above the axis."""
        now = self._at(x, w)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (np.abs(now.map - w) + now.rounding) / np.abs(1.0 - now.slope)
            above = (w.imag > ABOVE * off) | (x.imag > 0)
            contracts = (np.abs(now.slope.imag) <= 1e-6) & (np.abs(now.slope.real) < 1.0)
            solved = (np.abs(now.map - w) <= 4.0 * now.rounding) | (off <= 1e-14 * np.abs(w))
        return solved & (w.imag >= -off) & (above | contracts), above

    def _package(self, x: ComplexArray, w: ComplexArray, found: Bools) -> Solved:
        now = self._at(x, w)
        m, slope = self._m(x, now.phi)
        off = (np.abs(now.map - w) + now.rounding) / np.abs(1.0 - now.slope)
        error = np.abs(slope) * (
            np.abs(now.phi_slope) * off + self.transforms[0].error * np.abs(now.phi)
        )
        return Solved(w, now.phi, m, error + 4.0 * EPS * np.abs(m), found)

    def ends(self, cells: tuple[Cell, ...], upper: bool) -> float | None:
        """``x`` where ``phi`` of all cells is infinite at an end; None where it is not."""
        poles = [cell.pole_high if upper else cell.pole_low for cell in cells]
        if not all(poles):
            return None
        w = [cell.high if upper else cell.low for cell in cells]
        outer = [math.isinf(one) for one in w]
        if all(outer):
            return w[0]
        if not any(outer):
            return None
        inner = outer.index(False)
        return self.limit(self.transforms[1 - inner].law.mean(), w[inner])


class Sum(Operation):
    """``A + B``, or its like: free additive convolution."""

    def __init__(self, first: SpectralLaw, second: SpectralLaw) -> None:
        self.transforms = ForSums(first), ForSums(second)

    def _at(self, x: Any, w: ComplexArray) -> _At:
        one, two = self.transforms
        phi, slope = one.phi(w)
        other = x + phi - w
        phi_other, slope_other = two.phi(other)
        rate = slope_other - 1.0
        size = one.error * np.abs(phi) + EPS * (np.abs(x) + np.abs(w) + np.abs(other))
        rounding = np.abs(rate) * size + two.error * np.abs(phi_other) + EPS * np.abs(other)
        return _At(x + phi_other - other, rate * (slope - 1.0), slope_other, rounding, phi, slope)

    def _m(self, x: Any, phi: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-1.0 / phi), np.asarray(1.0 / phi**2)

    def point(self, w: tuple[Array, ...], phi: Array) -> Array:
        """``w_1 + w_2 - phi``."""
        return w[0] + w[1] - phi

    def excess(self, w: tuple[Array, ...], phi: Array, slopes: tuple[Array, ...]) -> Array:
        """``dx / dphi = 1 / phi_1' + 1 / phi_2' - 1``."""
        return np.asarray(1.0 / slopes[0] + 1.0 / slopes[1] - 1.0)

    def limit(self, mean: float, zero: float) -> float:
        """Of one law the mean, of the other the pole of ``phi``."""
        return mean + zero

    def first_guess(self, x: ComplexArray) -> ComplexArray:
        """Above ``x``."""
        return x + 1j * self.scale


class Product(Operation):
    """``sqrt(A) B sqrt(A)``, or its like: free multiplicative convolution."""

    positive = True

    def __init__(self, first: SpectralLaw, second: SpectralLaw) -> None:
        self.transforms = ForProducts(first), ForProducts(second)

    @property
    def scale(self) -> float:
        """The size of the numbers in the support, to an order of magnitude."""
        return self.transforms[0].scale * self.transforms[1].scale

    def _at(self, x: Any, w: ComplexArray) -> _At:
        one, two = self.transforms
        with np.errstate(divide="ignore", invalid="ignore"):
            phi, slope = one.phi(w)
            other = x * phi / w
            phi_other, slope_other = two.phi(other)
            mapped = x * phi_other / other
            rate = other * slope_other / phi_other - 1.0
            derivative = mapped * rate * (slope / phi - 1.0 / w)
        rounding = np.abs(mapped) * ((one.error + 4 * EPS) * np.abs(rate) + two.error + 4 * EPS)
        return _At(mapped, derivative, mapped * (rate + 1.0) / x, rounding, phi, slope)

    def _m(self, x: Any, phi: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-phi / ((phi - 1.0) * x)), np.asarray(1.0 / (x * (phi - 1.0) ** 2))

    def point(self, w: tuple[Array, ...], phi: Array) -> Array:
        """``w_1 w_2 / phi``."""
        return w[0] * w[1] / phi

    def excess(self, w: tuple[Array, ...], phi: Array, slopes: tuple[Array, ...]) -> Array:
        """``dlog x / dlog phi``, with the sign that ``phi`` has."""
        total = phi / (w[0] * slopes[0]) + phi / (w[1] * slopes[1]) - 1.0
        return np.asarray(np.sign(phi) * total)

    def curvature(self, x: float, phi: float, change: float) -> float:
        """``d^2 x / dphi^2`` where ``dx / dphi = 0``, given the derivative of `excess`."""
        return change * x / abs(phi)

    def limit(self, mean: float, zero: float) -> float:
        """Of one law the mean, of the other the pole of ``phi``."""
        return mean * zero

    def first_guess(self, x: ComplexArray) -> ComplexArray:
        """Above ``x``, at an angle that does not depend on its size."""
        return x + 1j * np.abs(x)


class Compression(Operation):
    """The corner of a matrix in general position: free compression."""

    def __init__(self, law: SpectralLaw, ratio: float) -> None:
        self.transforms = (ForSums(law),)
        self.ratio = ratio

    def _at(self, x: Any, w: ComplexArray) -> _At:
        [one] = self.transforms
        phi, slope = one.phi(w)
        rest = 1.0 - self.ratio
        rounding = rest * one.error * np.abs(phi) + EPS * (np.abs(x) + np.abs(w))
        return _At(x + rest * phi, rest * slope, 1.0, rounding, phi, slope)

    def _m(self, x: Any, phi: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        return np.asarray(-1.0 / (self.ratio * phi)), np.asarray(1.0 / (self.ratio * phi**2))

    def point(self, w: tuple[Array, ...], phi: Array) -> Array:
        """``w - (1 - t) phi``."""
        return w[0] - (1.0 - self.ratio) * phi

    def excess(self, w: tuple[Array, ...], phi: Array, slopes: tuple[Array, ...]) -> Array:
        """``dx / dphi = 1 / phi' - (1 - t)``."""
        return np.asarray(1.0 / slopes[0] - (1.0 - self.ratio))

    def limit(self, mean: float, zero: float) -> float:
        """Not reached: with one law all cells are outer ones at such an end, or none is."""
        raise AssertionError

    def first_guess(self, x: ComplexArray) -> ComplexArray:
        """Above ``x``."""
        return x + 1j * self.scale
