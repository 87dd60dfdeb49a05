"""What a law gives to a free convolution: a function ``phi`` above the axis, and on its gaps.

With ``m(w) = int dF(t) / (t - w)`` and ``T(w) = -1 - w m(w) = int t dF(t) / (w - t)``,

    phi = -1 / m        for sums,
    phi = 1 + 1 / T     for products of laws on the non-negative numbers.

Both map the upper half plane to itself and rise on the real axis off the support, from pole to
pole; at an atom (for products: one that is not at zero) they are 0 and 1, and smooth. A *cell* is a
piece of a gap between poles.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rmt.arrays import Array, ComplexArray
from rmt.newton import bracketed
from rmt.spectra.laws.given import DiscreteLaw
from rmt.spectra.laws.law import Atom, SpectralLaw

__all__ = ["Cell", "ForProducts", "ForSums", "Transform"]


EPS = float(np.finfo(float).eps)
REACH = 25.0  # of the grid of a cell, which gets as close to its ends as exp(-REACH)
FAR = 12.0  # and as far away as exp(FAR) where it has none
MAX_STEPS = 200
# Of a law that is known to rounding, in units of it.
ROUNDING = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """An interval of a gap on which ``phi`` rises from one pole, or end of the gap, to the next.

    Attributes
    ----------
    low, high : float
        Its ends; infinite for the outermost.
    pole_low, pole_high : bool
        Whether ``phi`` is infinite there.
    w, phi : array
        A grid, dense at the ends and around an atom.
    share : float
        The largest ``1 / phi'``, or ``|phi / (w phi')|``, on it.
    """

    low: float
    high: float
    pole_low: bool
    pole_high: bool
    w: Array
    phi: Array
    share: float


class Transform(ABC):
    """``phi`` of a law, and its cells.

    Attributes
    ----------
    law : SpectralLaw
    scale : float
        Size of the largest number in the support.
    error : float
        Relative, of ``phi``.
    """

    def __init__(self, law: SpectralLaw) -> None:
        self.law = law
        low, high = law.support()
        self.scale = max(abs(low), abs(high))
        self.width = high - low
        self.error = ROUNDING * EPS + law._relative_error

    @abstractmethod
    def rising(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``m``, or ``-T``, which rises between poles on the real axis, and its slope."""

    @abstractmethod
    def phi(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``phi`` and its slope at ``Im w >= 0``, off the support but for atoms."""

    @abstractmethod
    def at_atom(self, atom: Atom) -> tuple[float, float]:
        """``phi`` and its slope at one of the poles of `rising`."""

    @property
    @abstractmethod
    def poles(self) -> list[float]:
        """Where `rising` is infinite, inside of gaps."""

    @property
    @abstractmethod
    def marks(self) -> list[float]:
        """Where a grid is dense, besides the ends of cells."""

    def share(self, w: Array, phi: Array, slope: Array) -> Array:
        """What a law adds to ``dx / dphi``, up to its sign."""
        return np.asarray(1.0 / slope)

    def on_axis(self, w: Array) -> tuple[Array, Array]:
        """``phi`` and its slope at real points."""
        above, above_slope = self.phi(w.astype(complex))
        value, slope = above.real, above_slope.real
        for atom in self.law.atoms:
            at = w == atom.location
            if at.any() and atom.location in self.poles:
                value, slope = value.copy(), slope.copy()
                value[at], slope[at] = self.at_atom(atom)
        return value, slope

    def cells(self, points: int) -> list[Cell]:
        """All cells, with grids of about so many points between neighbouring marks."""
        edges = self.law.edges
        lows = [-math.inf, *(high for _, high in edges)]
        highs = [*(low for low, _ in edges), math.inf]
        found = []
        for low, high in zip(lows, highs, strict=True):
            if low < high:
                found += self._in_gap(low, high, points)
        return found

    def _in_gap(self, low: float, high: float, points: int) -> list[Cell]:
        inside = [pole for pole in self.poles if low < pole < high]
        ends = [low, *inside, high]
        size = [self.width if math.isinf(one) else 0.0 for one in (low, high)]
        zeros = []
        for a, b in pairwise(ends):
            if math.isfinite(a) and math.isfinite(b):
                zeros += self._zero(a, b)
        borders = [low, *zeros, high]
        found = []
        for a, b in pairwise(borders):
            marks = [a, *(mark for mark in self.marks if a < mark < b), b]
            pieces = [_grid(c, d, points, max(self.width, *size)) for c, d in pairwise(marks)]
            w = np.unique(np.concatenate(pieces))
            w = w[(w > a) & (w < b) & ~np.isin(w, marks)]
            phi, slope = self.on_axis(w)
            sound = np.isfinite(phi) & np.isfinite(slope) & (slope > 0)
            sound[sound] = phi[sound] > np.maximum.accumulate(np.append(-np.inf, phi[sound][:-1]))
            w, phi, slope = w[sound], phi[sound], slope[sound]
            if w.size > 1:
                poles = (math.isinf(a) or a in zeros, math.isinf(b) or b in zeros)
                share = float(self.share(w, phi, slope).max())
                found.append(Cell(a, b, *poles, w, phi, share))
        return found

    def _zero(self, low: float, high: float) -> list[float]:
        """Where `rising` is zero between two of its poles, or ends of the gap."""
        step = 1e-13 * (high - low)
        ends = np.array([low + step, high - step])
        value = self.rising(ends.astype(complex))[0].real
        if not value[0] < 0 < value[1]:
            return []

        def value_and_slope(w: Array, at: Any) -> tuple[Array, Array]:
            value, slope = self.rising(w.astype(complex))
            return value.real, slope.real

        start = np.array([(low + high) / 2.0])
        found = bracketed(value_and_slope, start, ends[:1], ends[1:], MAX_STEPS, rtol=4.0 * EPS)
        return [float(found.x[0])]

    def inverse(self, cell: Cell, phi: Array) -> Array:
        """Where ``phi`` has the given values, within the range of the cell's grid."""
        after = np.clip(np.searchsorted(cell.phi, phi), 1, cell.phi.size - 1)
        low, high = cell.w[after - 1], cell.w[after]
        share = (phi - cell.phi[after - 1]) / (cell.phi[after] - cell.phi[after - 1])

        def value_and_slope(w: Array, at: Any) -> tuple[Array, Array]:
            value, slope = self.on_axis(w)
            return value - phi[at], slope

        start = low + share * (high - low)
        width = high - low
        return np.asarray(
            bracketed(
                value_and_slope, start, low, high, MAX_STEPS, atol=1e-9 * width, rtol=2.0 * EPS
            ).x
        )


class ForSums(Transform):
    """``phi = -1 / m``, the reciprocal of the Cauchy transform."""

    def rising(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``m`` and its slope."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.law._stieltjes(w), self.law._stieltjes_derivative(w)

    def phi(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``-1 / m`` and its slope."""
        m, slope = self.rising(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-1.0 / m), np.asarray(slope / m**2)

    def at_atom(self, atom: Atom) -> tuple[float, float]:
        """Zero; the mass is the reciprocal of the slope."""
        return 0.0, 1.0 / atom.mass

    @property
    def poles(self) -> list[float]:
        """The atoms."""
        return [atom.location for atom in self.law.atoms]

    @property
    def marks(self) -> list[float]:
        """The atoms."""
        return self.poles


class ForProducts(Transform):
    """``phi = 1 + 1 / T``, the reciprocal of the eta transform at ``1 / w``."""

    def rising(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``-T`` and its slope."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if isinstance(self.law, DiscreteLaw):  # 1 + w m would cancel far out
                t, inverse = self.law.values, 1.0 / (self.law.values - w[:, None])
                weight = self.law.weights * t
                return (weight * inverse).sum(axis=1), (weight * inverse**2).sum(axis=1)
            m, slope = self.law._stieltjes(w), self.law._stieltjes_derivative(w)
            return 1.0 + w * m, m + w * slope

    def phi(self, w: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """``1 + 1 / T`` and its slope."""
        negative, slope = self.rising(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            # (1 + T) / T, as it is small at w = 0 where there is no atom.
            return self._one_more(w, negative) / -negative, np.asarray(slope / negative**2)

    def at_atom(self, atom: Atom) -> tuple[float, float]:
        """One; mass times location is the reciprocal of the slope."""
        return 1.0, 1.0 / (atom.mass * atom.location)

    def _one_more(self, w: ComplexArray, negative: ComplexArray) -> ComplexArray:
        """``1 + T = -w m``."""
        if isinstance(self.law, DiscreteLaw):
            shares = w[:, None] / (w[:, None] - self.law.values)
            return np.asarray((self.law.weights * shares).sum(axis=1))
        return np.asarray(-w * self.law._stieltjes(w))

    def share(self, w: Array, phi: Array, slope: Array) -> Array:
        """What a law adds to ``dlog x / dlog phi``, up to its sign."""
        return np.abs(phi / (w * slope))

    @property
    def poles(self) -> list[float]:
        """The atoms that are not at zero."""
        return [atom.location for atom in self.law.atoms if atom.location != 0.0]

    @property
    def marks(self) -> list[float]:
        """The atoms, and zero."""
        return sorted({0.0, *self.poles})


def _grid(low: float, high: float, points: int, scale: float) -> Array:
    """Points of an interval, dense at both ends."""
    if math.isinf(low) and math.isinf(high):  # no ends: of a law that is one point
        half = _grid(0.0, high, points, scale)
        return np.concatenate([-half[::-1], half])
    if math.isinf(low):
        return -_grid(-high, math.inf, points, scale)[::-1]
    if math.isinf(high):
        return low + scale * np.exp(np.linspace(-REACH, FAR, points))
    u = np.linspace(-REACH, REACH, points)
    near = (high - low) / (1.0 + np.exp(np.abs(u)))
    return np.where(u < 0, low + near, high - near)
