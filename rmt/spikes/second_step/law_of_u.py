"""The law of ``U = alpha Z + s sigma'(Z)``, spread over a grid that is the same for all ``s``.

Panels over ``Z`` follow how fast ``U`` moves, over the scale on which what is integrated varies
there. Kicks ``s`` that move ``U`` faster than some limit are resolved up to it only: beyond it they
average over what is not resolved, and are rare. The grid is as close as the activation asks for
where it is, closer where a smoothed kink may be shifted to, and wider far out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Indices
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.rules import gauss_legendre
from rmt.moments.smoothing import HALF_WIDTH
from rmt.moments.spacing import CORE, Spacings, spacings
from rmt.spikes.second_step import Average, Wanted
from rmt.spikes.second_step.fresh_batch import squared_slope
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation

__all__ = [
    "FASTEST",
    "LAYER",
    "Motion",
    "Parts",
    "farthest",
    "grid_of_u",
    "laws_of_u",
    "parts_of",
    "resolving",
    "size_of_grid",
    "steepest",
]

Pair = tuple[Array, Array]

# Each average: the weight of the law of ``U``, and the smoothed function that is integrated.
_PARTS: dict[Average, tuple[str, str]] = {
    "value": ("one", "value"),
    "slope": ("one", "slope"),
    "slope_z": ("z", "slope"),
    "square": ("one", "square"),
    "product": ("inner", "slope"),
    "bend": ("one", "bend"),
}
_ORDER = 10  # Gauss-Legendre nodes of a panel over Z
_EASE = 24.0  # where the density is exp(-z^2 / 2), nodes are exp(-z^2 / 24) times as close
_WIDEST = 0.36  # spacing of nodes that resolves the normal density
LAYER = 2.8  # nodes on the rise of a smoothed kink, per delta
_REACH = 6.0  # half the width of a smoothed kink, in units of delta
FASTEST = 16.0  # the kick up to which U is resolved, unless typical ones are as large
_SMALLEST = 1e-9
_NEGLIGIBLE = 1e-18
_MAX_NODES = 20_000  # of each grid, and of the panels for one group of labels


@dataclass(frozen=True, slots=True)
class Parts:
    """Laws and functions that averages are made of, and the numbers of both for each average."""

    laws: list[str]
    functions: list[str]
    numbers: list[tuple[int, int]]


def parts_of(wanted: Wanted) -> Parts:
    laws = list(dict.fromkeys(_PARTS[name][0] for name in wanted))
    functions = list(dict.fromkeys(_PARTS[name][1] for name in wanted))
    numbers = [(laws.index(_PARTS[n][0]), functions.index(_PARTS[n][1])) for n in wanted]
    return Parts(laws, functions, numbers)


def resolving(sigma: ScalarFunction, wanted: Wanted) -> Spacings:
    """Spacings that resolve what is averaged."""
    if "square" not in wanted:
        return spacings(sigma)
    return tuple(map(min, spacings(sigma), spacings(squared_slope(sigma))))


@cached(64)
def steepest(sigma: ScalarFunction) -> float:
    """The largest slope, by how much it counts."""
    z = np.linspace(-HALF_WIDTH, HALF_WIDTH, 400)
    return float(np.max(np.abs(sigma.derivative(z)) * np.exp(-(z**2) / _EASE)))


@cached(64)
def farthest(sigma: ScalarFunction) -> float:
    """How far ``Z``, and ``sigma'(Z)``, may be from zero."""
    z = np.linspace(-HALF_WIDTH, HALF_WIDTH, 400)
    return max(HALF_WIDTH, float(np.abs(sigma.derivative(z)).max()))


@dataclass(frozen=True, slots=True)
class Motion:
    """How pre-activations move: the largest ``|alpha|``, ``delta``, and shifts of ``U`` within
    ``reach`` of ``middle``; the kick that is resolved; the spacing that resolves the activation,
    and what divides it.
    """

    alpha: float
    middle: float
    delta: float
    reach: float
    fastest: float
    spacing: float
    finer: float


def laws_of_u(
    sigma: ScalarFunction,
    motion: Motion,
    alphas: Array,
    s: Array,
    names: Sequence[str],
    grid_between: Callable[[float, float], Array],
) -> Pair:
    """A grid of ``u``, and laws on it for all pairs of an ``alpha`` and a kick, shape (L, K, S, G).

    The laws are weighted as the names say: by ``one``, by ``z`` or by ``inner``, ``sigma'(Z)``.

    Raises
    ------
    OverflowError
        The activation overflows at the ends of the grid.
    """
    groups = _alike(s, motion.fastest, bool(sigma.kinks))
    z, weights, counts = _rules(sigma, motion, [s[rows] for rows in groups])
    inner = sigma.derivative(z)
    factors = {"one": np.ones_like(z), "z": z, "inner": inner}
    # All nodes of all kicks, those of a group one kick after the other.
    row = np.concatenate([np.repeat(rows, n) for rows, n in zip(groups, counts, strict=True)])
    first = np.concatenate([[0], np.cumsum(counts)])
    at = np.concatenate(
        [np.tile(np.arange(first[i], first[i + 1]), rows.size) for i, rows in enumerate(groups)]
    )
    u = np.multiply.outer(alphas, z[at]) + (motion.middle + s[row] * inner[at])
    low, high = float(u.min()), float(u.max())
    ends = np.array([low - motion.reach, high + motion.reach])
    if not np.isfinite(sigma.value_and_derivative(ends)).all():
        raise OverflowError  # at two points: each would be tried again in unbounded arithmetic
    on_grid = LocalInterpolation(grid_between(low, high))
    factor = np.stack([factors[name] for name in names])[:, at]
    laws = [on_grid.spread(one, row, s.size, weights[at], factor) for one in u]
    return on_grid.grid, np.stack(laws, axis=1)


def _alike(s: Array, fastest: float, signed: bool) -> list[Indices]:
    """Rows whose kicks agree within an octave of ``1 + |s|``, and in their sign if it matters."""
    octaves = np.floor(np.log2(1.0 + np.minimum(np.abs(s), fastest)))
    keys = np.where(signed & (s < 0), -1 - octaves, octaves)
    return [np.flatnonzero(keys == key) for key in np.unique(keys)]


# Panels over Z


@dataclass(frozen=True, slots=True)
class _Probe:
    """Points of a smooth piece of the activation, with ``sigma'`` and ``|sigma''|`` there."""

    ends: tuple[float, float]
    z: Array
    slope: Array
    bend: Array


@cached(64)
def _probes(sigma: ScalarFunction) -> list[_Probe]:
    ends = [-HALF_WIDTH, *(k for k in sigma.kinks if abs(k) < HALF_WIDTH), HALF_WIDTH]
    spacing = 0.25 * spacings(sigma)[0]
    found = []
    for low, high in itertools.pairwise(ends):
        # One-sided limits at the kinks, and geometrically further away.
        half = (high - low) / 2.0
        count = max(1, math.ceil(math.log(half / _SMALLEST, 1.3)))
        near = _SMALLEST * 1.3 ** np.arange(count)
        even = np.linspace(low, high, 2 + math.ceil((high - low) / spacing))[1:-1]
        z = np.unique(np.concatenate([low + near, even, high - near]))
        z = z[(z > low) & (z < high)]
        slope = sigma.derivative(z)
        found.append(_Probe((low, high), z, slope, np.abs(np.gradient(slope, z))))
    return found


def _rules(
    sigma: ScalarFunction, motion: Motion, groups: Sequence[Array]
) -> tuple[Array, Array, Indices]:
    """Gauss-Legendre panels for groups of kicks, of about the same number of scales each.

    Nodes and weights of one group after the other, and how many each has.
    """
    x, w = gauss_legendre(_ORDER)
    h, layer = motion.spacing, motion.delta / LAYER
    least, most = (np.array([end(s) for s in groups])[:, None] for end in (np.min, np.max))
    fastest = np.minimum(np.maximum(most, -least), motion.fastest)
    width = motion.reach + _REACH * motion.delta
    panels = []
    for probe in _probes(sigma):
        still = motion.alpha * probe.z + motion.middle
        both = still + least * probe.slope, still + most * probe.slope
        low, high = np.minimum(*both), np.maximum(*both)
        scale = np.full(low.shape, max(2.0 * h, layer))
        for kink in sigma.kinks:
            meets = (low < kink + width) & (high > kink - width)
            scale[meets] = max(min(2.0 * h, layer), _SMALLEST)
        rate = (abs(motion.alpha) + fastest * probe.bend) / scale + 1.0 / min(2.0 * h, _WIDEST)
        rate *= motion.finer * np.exp(-(probe.z**2) / _EASE)
        total = np.zeros(rate.shape)
        np.cumsum((rate[:, 1:] + rate[:, :-1]) / 2.0 * np.diff(probe.z), axis=1, out=total[:, 1:])
        panels.append([_equal_shares(probe, one) for one in total])
    edges = [edge for group in zip(*panels, strict=True) for edge in group]
    half = np.concatenate([np.diff(edge) for edge in edges]) / 2.0
    start = np.concatenate([edge[:-1] for edge in edges])
    z = (start[:, None] + half[:, None] * (x + 1.0)).ravel()
    weight = (half[:, None] * w).ravel() * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    sizes = [_ORDER * sum(edge.size - 1 for edge in group) for group in zip(*panels, strict=True)]
    kept = weight > _NEGLIGIBLE
    counts = np.add.reduceat(kept, np.cumsum([0, *sizes[:-1]]), dtype=np.intp)
    return z[kept], weight[kept], counts


def _equal_shares(probe: _Probe, total: Array) -> Array:
    """Edges of panels of a piece, between which a total grows by what one resolves."""
    count = min(max(1, math.ceil(total[-1] / _ORDER)), _MAX_NODES // _ORDER)
    edges = np.interp(np.arange(count + 1) * (total[-1] / count), total, probe.z)
    edges[0], edges[-1] = probe.ends
    return np.asarray(edges)


# Grids of u


def grid_of_u(
    kinks: tuple[float, ...],
    steps: list[float],
    layer: float,
    low: float,
    high: float,
    reach: float,
    delta: float,
) -> Array:
    """Points from ``low`` to ``high``: closer where a smoothed kink may be shifted to.

    Parameters
    ----------
    steps : list of float
        Spacings as in `spacings`.
    layer : float
        Spacing on the rise of a kink; nowhere is a smaller one needed.
    reach : float
        How far the grid's function may be shifted.
    """
    width = reach + _REACH * delta
    coarse = max(steps[0], layer)
    low, high = low - STENCIL * coarse, high + STENCIL * coarse
    grid = _in_shells([max(step, layer) for step in steps], low, high, width)
    fine = max(layer, _SMALLEST, 2.0 * width / _MAX_NODES)
    if not kinks or fine >= coarse:
        return grid
    growing = np.cumsum(fine * 1.25 ** np.arange(math.ceil(math.log(coarse / fine, 1.25))))
    even = np.linspace(0.0, width, 2 + math.ceil(width / fine))
    away = np.concatenate([even, width + growing])
    for kink in kinks:
        grid = grid[np.abs(grid - kink) > away[-1]]
    near = np.concatenate([np.concatenate([kink - away, kink + away]) for kink in kinks])
    grid = np.unique(np.concatenate([grid, near[(near > low) & (near < high)]]))
    apart = np.diff(grid) > 0.2 * fine
    return np.asarray(grid[np.concatenate([[True], apart])])


def size_of_grid(steps: Spacings, high: float, width: float) -> float:
    """About the points of a grid between ``-high`` and ``high``, without kinks."""
    cuts = np.array([0.0, *(CORE * 2.0**k + width for k in range(len(steps) - 1)), math.inf])
    lengths = np.clip(high, cuts[:-1], cuts[1:]) - cuts[:-1]
    return min(2.0 * float((lengths / np.array(steps)).sum()), float(_MAX_NODES))


def _in_shells(steps: list[float], low: float, high: float, width: float) -> Array:
    """Evenly spaced points in the core, widened by what it may be shifted, and in each shell."""
    cuts = [0.0, *(CORE * 2.0**k + width for k in range(len(steps) - 1)), math.inf]
    most = (high - low) / _MAX_NODES
    points = []
    for step, (inner, outer) in zip(steps, itertools.pairwise(cuts), strict=True):
        for first, last in ((inner, outer), (-outer, -inner)):
            first, last = max(first, low), min(last, high)
            if last > first:
                count = math.ceil((last - first) / max(step, most))
                points.append(np.linspace(first, last, count + 1))
    return np.unique(np.concatenate(points))
