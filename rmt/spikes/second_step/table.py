"""The second step on a reused batch, for smooth activations: one table for all readouts.

With ``S`` as in the package's docstring the averages at a sample depend on three numbers,

    V(alpha; s, w) = E_Z[ sigma(alpha Z + s sigma'(Z) + w) ],    alpha = r + t mu_2 Ey,

at ``s = t phi_1 y``, averaged over ``w ~ N(t mu_1 zeta, t^2 tau^2)``. So ``V`` and its like are
tabulated: at Chebyshev nodes of ``alpha``, evenly in ``asinh(s / s_0)`` (a large kick acts through
its logarithm) and evenly in ``w``. Each ``t`` then costs a few small products.

What limits the accuracy: the spacings of ``s`` and ``w``, interpolated by eight points; the nodes
of ``alpha``; the law of ``U`` and its grid (`law_of_u`). One number scales all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy

from rmt.arrays import Array, Bools
from rmt.budget import count_work
from rmt.functions import ScalarFunction
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.fresh_batch import squared_slope
from rmt.spikes.second_step.law_of_u import (
    FASTEST,
    Motion,
    farthest,
    grid_of_u,
    laws_of_u,
    parts_of,
    resolving,
    size_of_grid,
    steepest,
)
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation

__all__ = ["Table", "tabulated", "worth_a_table"]


_FINENESS = 3.2  # nodes per unit at which spacings are those that resolve the activation
_KICKS = 0.14  # spacing of small kicks, in units of the least that acts
_NEAR = 10.0  # the |w| up to which s_0 is that unit
_SHIFTS = 1.0  # spacing of w, in units of that which resolves the activation
_WIDE = 0.9  # spacings of w, beyond which they resolve a normal density
_XI = 12  # Gauss-Hermite nodes of a narrower one
_ALPHAS = 4.0, 3.0  # nodes of alpha, and more of them per unit that it varies
_STEADY = 1e-12  # a variation of alpha that is none
_EDGE = STENCIL // 2
# Work, as counted by `rmt.budget`: of the law at a kick, of a value of the activation, of a
# multiplication, of a readout in the table, and of one that is not.
_LAW, _VALUE, _PRODUCT, _INSIDE, _OUTSIDE = 1e4, 40.0, 0.5, 2e5, 3e6


@dataclass(frozen=True, slots=True)
class _Extent:
    """The box of a table: ends of ``alpha``, of ``s`` and of ``|w|``; and its spacings."""

    alpha: tuple[float, float]
    s: tuple[float, float]
    w: float
    unit: float
    spacing: float
    finer: float

    @property
    def alphas(self) -> int:
        low, high = self.alpha
        if high - low < _STEADY:
            return 1
        return round((_ALPHAS[0] + _ALPHAS[1] * (high - low)) * self.finer)

    @property
    def logarithmic(self) -> float:
        """The kick ``s_0`` from which on its logarithm counts: all of ``w`` is met before."""
        return max(self.unit, self.w * self.unit / _NEAR)

    @property
    def kicks(self) -> float:
        """Spacing of ``asinh(s / s_0)``."""
        return _KICKS / self.finer * self.unit / self.logarithmic

    @property
    def places(self) -> tuple[int, int]:
        """Of the kicks: the first and the last, in units of their spacing."""
        low, high = (math.asinh(s / self.logarithmic) / self.kicks for s in self.s)
        return math.floor(low) - _EDGE, math.ceil(high) + _EDGE

    @property
    def shifts(self) -> int:
        """On each side of ``w = 0``."""
        return math.ceil(self.w * self.finer / (_SHIFTS * self.spacing)) + _EDGE


@dataclass(frozen=True, slots=True)
class Table:
    """Averages at nodes of ``alpha``, ``s`` and ``w``, shape (K, S, parts, W)."""

    extent: _Extent
    values: Array

    def averages(self, step: SecondStep, t: Array, y: Array, zeta: Array, reach: Array) -> Array:
        """At the pairs ``(y_a, zeta_j)``, shape (parts, Q, A * J), with ``|w|`` up to ``reach``."""
        c, extent, (_, kicks, parts, shifts) = step.c, self.extent, self.values.shape
        mixed = self.values.reshape(len(self.values), -1)
        if len(mixed) > 1:
            mixed = _chebyshev(extent.alpha, len(mixed), step.along(t)) @ mixed
        middle = np.clip(np.multiply.outer(t * c.mu1, zeta), -reach[:, None], reach[:, None])
        of_w = self._laws_of_w(middle, np.abs(t) * c.tau)  # (Q, J, W)
        values = mixed.reshape(-1, kicks * parts, shifts) @ of_w.transpose(0, 2, 1)
        place = np.arcsinh(np.multiply.outer(t * step.phi, y) / extent.logarithmic)
        place = place / extent.kicks - extent.places[0]
        first, cardinals = LocalInterpolation(np.arange(float(kicks))).cardinals(place)
        at = first[..., None] + np.arange(STENCIL) + kicks * np.arange(t.size)[:, None, None]
        shape = place.size, t.size * kicks
        rows = np.arange(0, at.size + 1, STENCIL)
        weights = np.stack(cardinals, axis=-1).ravel()
        interpolation = scipy.sparse.csr_array((weights, at.ravel(), rows), shape=shape)
        count_work(_PRODUCT * values.size * shifts + 1.5 * weights.size * parts * zeta.size)
        found = interpolation @ values.reshape(shape[1], -1)
        found = found.reshape(*place.shape, parts, zeta.size).transpose(2, 0, 1, 3)
        return np.asarray(found.reshape(parts, t.size, -1))

    def _laws_of_w(self, middle: Array, delta: Array) -> Array:
        """Weights on the nodes of ``w`` that average over ``N(middle, delta^2)``."""
        h, count = _SHIFTS * self.extent.spacing / self.extent.finer, self.extent.shifts
        found = np.empty((*middle.shape, 2 * count + 1))
        wide = delta > _WIDE * h
        width = delta[wide, None, None]
        apart = (h * np.arange(-count, count + 1) - middle[wide][..., None]) / width
        found[wide] = np.exp(-(apart**2) / 2.0) * (h / math.sqrt(2.0 * math.pi) / width)
        x, weights = np.polynomial.hermite_e.hermegauss(_XI)
        narrow = middle[~wide][..., None] + delta[~wide, None, None] * x
        on_w = LocalInterpolation(np.arange(-count, count + 1.0))
        rows = narrow[..., 0].size
        found[~wide] = on_w.spread(
            narrow.ravel() / h,
            np.repeat(np.arange(rows), _XI),
            rows,
            np.tile(weights / weights.sum(), rows),
            np.ones((1, narrow.size)),
        ).reshape(*narrow.shape[:-1], 2 * count + 1)
        return found


def worth_a_table(
    step: SecondStep, t: Array, y: Array, wanted: Wanted, nodes_per_unit: float, reach: Array
) -> Bools:
    """The readouts that cost least in a table, the others done one by one.

    They are the smallest ``|t|``: kicks, shifts and the range of ``alpha`` grow with it.
    """
    steps, far = resolving(step.sigma, wanted), farthest(step.sigma)
    order = np.argsort(np.abs(t), kind="stable")
    costs = [_OUTSIDE * t.size]
    for count in range(1, t.size + 1):
        some = order[:count]
        extent = _extent(step, t[some], y, wanted, nodes_per_unit, reach[some])
        first, last = extent.places
        laws, shifts = extent.alphas * (last - first), 2.0 * extent.shifts
        high = far * max(map(abs, (*extent.alpha, *extent.s)))
        grid = extent.finer * size_of_grid(steps, high, extent.w)
        work = laws * _LAW + grid * shifts * (_VALUE + _PRODUCT * laws)
        costs.append(work + _INSIDE * count + _OUTSIDE * (t.size - count))
    inside = np.zeros(t.size, dtype=bool)
    inside[order[: int(np.argmin(costs))]] = True
    return inside


def tabulated(
    step: SecondStep, t: Array, y: Array, wanted: Wanted, nodes_per_unit: float, reach: Array
) -> Table:
    """A table for all of these readouts, and for labels between the least and the largest.

    Raises
    ------
    OverflowError
        The activation overflows in the table.
    """
    sigma, steps, parts = step.sigma, resolving(step.sigma, wanted), parts_of(wanted)
    extent = _extent(step, t, y, wanted, nodes_per_unit, reach)
    count, (first, last) = extent.shifts, extent.places
    w = np.arange(-count, count + 1) * (_SHIFTS * extent.spacing / extent.finer)
    s = extent.logarithmic * np.sinh(np.arange(first, last + 1) * extent.kicks)
    alphas = _chebyshev_nodes(extent.alpha, extent.alphas)
    motion = Motion(
        alpha=float(np.abs(alphas).max()),
        middle=0.0,
        delta=0.0,
        reach=w[-1],
        fastest=max(FASTEST, 4.0 * float(np.abs(t).max()) * step.phi * math.sqrt(step.c.Ey2)),
        spacing=steps[0],
        finer=extent.finer,
    )
    finer = [h / extent.finer for h in steps]
    grid, laws = laws_of_u(
        sigma,
        motion,
        alphas,
        s,
        parts.laws,
        partial(grid_of_u, (), finer, 0.0, reach=w[-1], delta=0.0),
    )
    functions = _functions(sigma, parts.functions, grid[:, None] + w)
    count_work(_PRODUCT * len(wanted) * laws[0].size * w.size)
    values = [laws[law] @ functions[function] for law, function in parts.numbers]
    return Table(extent, np.stack(values, axis=2))


def _extent(
    step: SecondStep, t: Array, y: Array, wanted: Wanted, nodes_per_unit: float, reach: Array
) -> _Extent:
    alpha, s = step.along(t), np.multiply.outer(t * step.phi, [y.min(), y.max()])
    return _Extent(
        alpha=(float(alpha.min()), float(alpha.max())),
        s=(float(s.min()), float(s.max())),
        w=float(reach.max()),
        unit=1.0 / steepest(step.sigma),
        spacing=resolving(step.sigma, wanted)[0],
        finer=nodes_per_unit / _FINENESS,
    )


def _functions(sigma: ScalarFunction, names: Sequence[str], u: Array) -> list[Array]:
    value, slope = sigma.value_and_derivative(u)
    found = {"value": value, "slope": slope}
    if "square" in names:
        found["square"] = squared_slope(sigma)(u)
    if "bend" in names:
        found["bend"] = sigma.derivative_function.derivative(u)
    return [found[name] for name in names]


def _chebyshev_nodes(ends: tuple[float, float], count: int) -> Array:
    angles = (np.arange(count) + 0.5) * (math.pi / count)
    return np.asarray(sum(ends) / 2.0 + (ends[1] - ends[0]) / 2.0 * np.cos(angles))


def _chebyshev(ends: tuple[float, float], count: int, x: Array) -> Array:
    """Interpolation weights of the Chebyshev nodes at ``x``, shape (X, count)."""
    n = np.arange(count)
    angles = (n + 0.5) * (math.pi / count)
    place = np.clip((2.0 * x - sum(ends)) / (ends[1] - ends[0]), -1.0, 1.0)
    coefficients = np.cos(np.outer(n, angles)) * (2.0 / count)
    coefficients[0] /= 2.0
    return np.asarray(np.cos(np.outer(np.arccos(place), n)) @ coefficients)
