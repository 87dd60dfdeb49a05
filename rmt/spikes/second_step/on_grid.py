"""The second step on a reused batch, for any activation.

Given ``(y, zeta)`` the pre-activation is ``Z + S = U + w``, with

    U = alpha Z + s sigma'(Z),    s = t phi_1 y,    alpha = 1 + t mu_2 Ey,

and ``w = t (mu_1 zeta + tau xi)``, of which the middle of all ``zeta`` is counted to ``U``.
Smoothed over ``xi``, the activation varies on no smaller scale than ``delta = |t| tau`` next to its
kinks, and than its own between them. It is tabulated once for a ``t``; the law of ``U`` given ``y``
is spread over a grid, the same for all ``y``; and all pairs ``(y, zeta)`` are one product of
matrices.

What limits the accuracy: the panels over ``Z``, whose nodes follow how fast ``U`` moves; the grid
of ``u`` and the table, interpolated by eight points (order 8 in the spacing); the rule of the
smoothing. One number scales all of them. Labels whose kick moves ``U`` faster than some limit are
resolved up to it only: beyond it they average over what is not resolved, and are rare.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Indices
from rmt.budget import check_time, count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.rules import gauss_legendre
from rmt.moments.smoothing import HALF_WIDTH, smoothed
from rmt.moments.spacing import CORE, Spacings, spacings
from rmt.spikes.second_step import Average, SecondStep, Wanted
from rmt.spikes.second_step.fresh_batch import squared_slope
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation

__all__ = ["resolving", "reused_on_grid"]

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
_LAYER = 2.8  # nodes on the rise of a smoothed kink, per delta
_REACH = 6.0  # half the width of a smoothed kink, in units of delta
_FASTEST = 16.0  # the kick up to which U is resolved, unless typical ones are as large
_SMALLEST = 1e-9
_NEGLIGIBLE = 1e-18
_MAX_NODES = 20_000  # of each grid, and of the panels for one group of labels


def reused_on_grid(
    step: SecondStep,
    t: Array,
    y: Array,
    zeta: Array,
    wanted: Wanted,
    nodes_per_unit: float,
    fastest: float = _FASTEST,
) -> Array:
    """Averages at the pairs ``(y_a, zeta_j)``, shape (len(wanted), Q, A * J).

    Parameters
    ----------
    nodes_per_unit : float
        4 for errors of about 1e-6, which fall with its eighth power; the cost rises with it.
    fastest : float
        The kick up to which ``U`` is resolved, unless typical ones are as large.
    """
    result = np.empty((len(wanted), t.size, y.size, zeta.size))
    sigma, c, phi, finer = step.sigma, step.c, step.phi, nodes_per_unit / 4.0
    steps = resolving(sigma, wanted)
    laws = list(dict.fromkeys(_PARTS[name][0] for name in wanted))
    functions = list(dict.fromkeys(_PARTS[name][1] for name in wanted))
    parts = [(laws.index(_PARTS[n][0]), functions.index(_PARTS[n][1])) for n in wanted]
    for q, tq in enumerate(t):
        check_time()
        s, shift = tq * phi * y, tq * c.mu1 * zeta
        middle = float(shift.min() + shift.max()) / 2.0
        shift -= middle
        delta, reach = abs(tq) * c.tau, float(shift.max())
        motion = _Motion(
            alpha=1.0 + tq * c.mu2 * c.Ey,
            middle=middle,
            delta=delta,
            reach=reach,
            fastest=max(fastest, 4.0 * abs(tq) * phi * math.sqrt(c.Ey2)),
            spacing=steps[0],
            finer=finer,
        )
        groups = []
        for rows in _alike(s, motion.fastest):
            z, weights = _rule(sigma, motion, s[rows])
            inner = sigma.derivative(z)
            factors = {"one": np.ones_like(z), "z": z, "inner": inner}
            u = motion.alpha * z + middle + s[rows, None] * inner
            groups.append((rows, u, weights, np.stack([factors[law] for law in laws])))
        low, high = min(u.min() for _, u, *_ in groups), max(u.max() for _, u, *_ in groups)
        if not np.isfinite(sigma.value_and_derivative(np.array([low - reach, high + reach]))).all():
            raise OverflowError  # at two points: each would be tried again in unbounded arithmetic
        halved = [h / 2.0 / finer for h in steps]
        layer = delta / _LAYER / finer
        grid = _grid(sigma.kinks, halved, layer, low, high, reach, delta)
        halved = [h / 2.0 for h in halved]
        ends = grid[0] - reach, grid[-1] + reach
        table = LocalInterpolation(_grid(sigma.kinks, halved, layer / 2.0, *ends, 0.0, delta))
        smooth = _smoothed(sigma, table, delta, functions, nodes_per_unit)
        at_grid = table.values(smooth, grid[:, None] + shift)  # (function, grid, zeta)
        on_grid = LocalInterpolation(grid)
        for rows, u, weights, factors_ in groups:
            laws_of_u = on_grid.spread(u, weights, factors_)
            count_work(0.25 * len(wanted) * laws_of_u[0].size * shift.size)
            for one, (law, function) in zip(result, parts, strict=True):
                one[q, rows] = laws_of_u[law] @ at_grid[function]
    return result.reshape(len(wanted), t.size, -1)


def resolving(sigma: ScalarFunction, wanted: Wanted) -> Spacings:
    """Spacings that resolve what is averaged."""
    if "square" not in wanted:
        return spacings(sigma)
    return tuple(map(min, spacings(sigma), spacings(squared_slope(sigma))))


def _smoothed(
    sigma: ScalarFunction,
    table: LocalInterpolation,
    delta: float,
    functions: list[str],
    nodes_per_unit: float,
) -> Array:
    """The functions of ``U`` that remain after averaging over ``xi``, at the points of a table."""
    value, slope = smoothed(sigma, table.grid, delta, nodes_per_unit)
    found = {"value": value, "slope": slope}
    if "square" in functions:
        found["square"] = smoothed(squared_slope(sigma), table.grid, delta, nodes_per_unit)[0]
    if "bend" in functions:
        found["bend"] = table.derivative(slope)
    return np.stack([found[name] for name in functions])


@dataclass(frozen=True, slots=True)
class _Motion:
    """How pre-activations move at one ``t``: ``alpha``, ``delta``, and ``t mu_1 zeta`` within
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


def _alike(s: Array, fastest: float) -> list[Indices]:
    """Rows whose kicks have one sign and agree within an octave of ``1 + |s|``."""
    octaves = np.floor(np.log2(1.0 + np.minimum(np.abs(s), fastest)))
    keys = np.where(s < 0, -1 - octaves, octaves)
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


def _rule(sigma: ScalarFunction, motion: _Motion, s: Array) -> Pair:
    """Gauss-Legendre panels for rows that are alike, of about the same number of scales each."""
    x, w = gauss_legendre(_ORDER)
    h, layer = motion.spacing, motion.delta / _LAYER
    fastest = min(float(np.abs(s).max()), motion.fastest)
    width = motion.reach + _REACH * motion.delta
    nodes, weights = [], []
    for probe in _probes(sigma):
        still = motion.alpha * probe.z + motion.middle
        both = [still + end * probe.slope for end in (s.min(), s.max())]
        low, high = np.minimum(*both), np.maximum(*both)
        scale = np.full(probe.z.size, max(2.0 * h, layer))
        for kink in sigma.kinks:
            meets = (low < kink + width) & (high > kink - width)
            scale[meets] = max(min(2.0 * h, layer), _SMALLEST)
        rate = (abs(motion.alpha) + fastest * probe.bend) / scale + 1.0 / min(2.0 * h, _WIDEST)
        rate *= motion.finer * np.exp(-(probe.z**2) / _EASE)
        total = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2.0 * np.diff(probe.z))])
        count = min(max(1, math.ceil(total[-1] / _ORDER)), _MAX_NODES // _ORDER)
        edges = np.interp(np.linspace(0.0, total[-1], count + 1), total, probe.z)
        edges[0], edges[-1] = probe.ends
        half = np.diff(edges)[:, None] / 2.0
        z = (edges[:-1, None] + half * (x + 1.0)).ravel()
        nodes.append(z)
        weights.append((half * w).ravel() * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi))
    z, weight = np.concatenate(nodes), np.concatenate(weights)
    kept = weight > _NEGLIGIBLE
    return z[kept], weight[kept]


# Grids of u


def _grid(
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
