"""The gaps of a free convolution, from cells of the laws: where ``x`` rises with ``phi``.

On a pair of cells, one of each law, ``x`` is a function of ``phi``; pieces on which it rises are
the gaps of the result (atoms included), and their ends, where ``dx / dphi = 0``, its edges. Through
infinite ``phi`` a gap goes on in another pair. What a law lacks in a pair no other cell can give:
``1 / phi_1' + 1 / phi_2' > 1`` rules out most pairs by the largest value of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.newton import bracketed
from rmt.spectra.free.operations import Operation
from rmt.spectra.free.transforms import Cell

__all__ = ["Edge", "find_bands"]


EPS = float(np.finfo(float).eps)
MAX_STEPS = 100
CLOSED = 1e-13  # relative to the scale: gaps of this width are rounding
SHARES = 0.98  # below 1 by what a grid may miss of the largest
SEEN = 1e-5
TOUCHING = 1e-11
AROUND_ZERO = 1e-8  # of phi: where a quotient of products is 0 / 0


@dataclass(frozen=True, slots=True)
class Edge:
    """An end of the support.

    Attributes
    ----------
    x : float
    error : float
        Of ``x``, absolute.
    phi, w : float
        The values there; nan where ``x`` is no maximum or minimum, as at zero for products.
    rate : float
        ``w`` is about ``w_e + i rate sqrt(d)`` at the distance ``d``.
    """

    x: float
    error: float = 0.0
    phi: float = math.nan
    w: float = math.nan
    rate: float = math.nan


@dataclass(frozen=True, slots=True)
class _Gap:
    low: Edge
    high: Edge


def find_bands(operation: Operation, points: int) -> list[tuple[Edge, Edge]]:
    """The intervals of the support, with grids of about so many points on a cell."""
    cells = [one.cells(points) for one in operation.transforms]
    gaps: list[_Gap] = []
    for chosen in product(*cells):
        if len(chosen) == 1 or sum(cell.share for cell in chosen) > SHARES:
            gaps += _gaps_of(operation, chosen)
    if operation.positive:
        gaps.append(_Gap(Edge(-math.inf), Edge(0.0)))
    return _between(_merged(gaps, TOUCHING * operation.scale))


def _gaps_of(operation: Operation, cells: tuple[Cell, ...]) -> list[_Gap]:
    low = max(float(cell.phi[0]) for cell in cells)
    high = min(float(cell.phi[-1]) for cell in cells)
    if not low < high:
        return []
    curve = _Curve(operation, cells)
    phi = np.unique(np.concatenate([cell.phi for cell in cells]))
    phi = phi[(phi >= low) & (phi <= high)]
    if operation.positive:
        phi = phi[np.abs(phi) > AROUND_ZERO]
    if phi.size < 2:
        return []
    x, excess = curve(phi)
    rises = excess > operation.tolerance
    allowed = x > 0 if operation.positive else np.ones(x.size, dtype=bool)
    good = (rises & allowed).astype(int)
    starts = np.flatnonzero(np.diff(good, prepend=0) > 0)
    stops = np.flatnonzero(np.diff(good, append=0) < 0)
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if start == 0:
            end = operation.ends(cells, upper=False)
            first = Edge(float(x[0]) if end is None else end)
        elif rises[start - 1] and not allowed[start - 1]:
            first = Edge(0.0)
        else:
            first = curve.turn(phi[start - 1], phi[start])
        if stop == phi.size - 1:
            end = operation.ends(cells, upper=True)
            last = Edge(float(x[-1]) if end is None else end)
        else:
            last = curve.turn(phi[stop + 1], phi[stop])
        if last.x - first.x > CLOSED * operation.scale:
            found.append(_Gap(first, last))
    return found


class _Curve:
    """``x`` and `Operation.excess` as functions of ``phi`` on a pair of cells."""

    def __init__(self, operation: Operation, cells: tuple[Cell, ...]) -> None:
        self._operation, self._cells = operation, cells

    def _w(self, phi: Array) -> tuple[Array, ...]:
        pairs = zip(self._operation.transforms, self._cells, strict=True)
        return tuple(one.inverse(cell, phi) for one, cell in pairs)

    def __call__(self, phi: Array) -> tuple[Array, Array]:
        w = self._w(phi)
        slopes = tuple(
            one.on_axis(at)[1] for one, at in zip(self._operation.transforms, w, strict=True)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._operation.point(w, phi), self._operation.excess(w, phi, slopes)

    def turn(self, outside: float, inside: float) -> Edge:
        """Where ``x`` is stationary, between two values of ``phi``."""
        width = inside - outside

        def value_and_slope(share: Array, at: Any) -> tuple[Array, Array]:
            step = np.where(share < 0.5, 1e-6, -1e-6)
            shares = np.concatenate([share, share + step])
            here, beside = np.split(self(outside + shares * width)[1], 2)
            return here, (beside - here) / step

        share = bracketed(
            value_and_slope, np.array([0.5]), np.zeros(1), np.ones(1), MAX_STEPS, atol=1e-10
        ).x
        phi = outside + share * width
        w = self._w(phi)
        x = float(self._operation.point(w, phi)[0])
        # Where x is stationary an error of phi counts by its square; what is left is rounding.
        error = sum(one.error for one in self._operation.transforms) * abs(float(phi[0]))
        size = [abs(float(one[0])) for one in w]
        if self._operation.positive:
            error = sum(one.error for one in self._operation.transforms) * abs(x) + 4 * EPS * abs(x)
        else:
            error += 2.0 * EPS * (sum(size) + abs(float(phi[0])))
        change = self._change(float(phi[0]), width)
        curvature = abs(self._operation.curvature(x, float(phi[0]), change))
        slope = float(self._operation.transforms[0].on_axis(w[0])[1][0])
        known = 0 < curvature < math.inf and slope != 0  # not next to an atom, but for rounding
        rate = math.sqrt(2.0 / curvature) / slope if known else math.nan
        return Edge(x, error, float(phi[0]), float(w[0][0]), rate)

    def _change(self, phi: float, width: float) -> float:
        """The derivative of the excess, by the least difference that rounding leaves as it is.

        Next to an atom the grid is so fine that there is next to no difference between its points.
        """
        steps = width * 10.0 ** np.arange(-3.0, 13.0)
        excess = self(phi + np.append(0.0, steps))[1]
        differences = np.abs(excess[1:] - excess[0])
        with np.errstate(invalid="ignore"):
            seen = np.flatnonzero(differences > SEEN)
        return float(differences[seen[0]] / abs(steps[seen[0]])) if seen.size else math.nan


def _merged(gaps: list[_Gap], touching: float) -> list[_Gap]:
    result: list[_Gap] = []
    for gap in sorted(gaps, key=lambda one: one.low.x):
        if result and gap.low.x <= result[-1].high.x + touching:
            last = result[-1]
            result[-1] = _Gap(last.low, max(last.high, gap.high, key=lambda one: one.x))
        else:
            result.append(gap)
    return result


def _between(gaps: list[_Gap]) -> list[tuple[Edge, Edge]]:
    return [(before.high, after.low) for before, after in pairwise(gaps)]
