"""What the second step averages over a reused batch: quadrature over ``Z``, tables in ``U``.

Given ``(y, zeta)`` the pre-activation is ``Z + S = U(Z) + t tau xi`` with

    U(Z) = alpha Z + t (phi_1 y sigma'(Z) + mu_1 zeta),     alpha = 1 + t mu_2 Ey.

Averaged over ``xi``, each function of ``Z + S`` is a function of ``U`` alone, the same for all
samples: a spline through a table. What is left is one integral over ``Z`` for every readout and
sample. ``U`` moves up to ``|U'|`` times as fast as ``Z``, and large labels ask for more nodes.

With a kinked activation ``sigma'(Z)`` jumps at a kink of ``Z``, and averages of ``sigma'(Z + S)``
rise within ``|t| tau`` of a kink of ``U``: panels over ``Z`` that end at the former and are as
narrow as the latter ask for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from rmt.arrays import Array, Integers
from rmt.budget import check_time
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.rules import gauss_legendre, gaussian_rule
from rmt.spikes.constants import Constants
from rmt.spikes.deformed.fluctuations_table import LAYER, averages_over_xi

__all__ = ["curvature", "moments_of_reused_batch"]


_HALF_WIDTH = 7.5
_LEAST_SPREAD = 1e-8  # of t tau xi
_DENSITY = 4.5  # nodes per unit of Z where U = Z
_LARGEST_DENSITY = 72.0
_DIGITS = 9.0  # that the densities stand for
_LEAST_DIGITS = 4.0
_PANEL_ORDER = 12
_PANEL_LENGTH = 2.5  # of a panel in Z, in U, and in U over t tau near a kink
_STEEP = 1e3  # a slope that changes faster jumps
_BLOCK = 1 << 16  # entries of a temporary array that stays in cache


def moments_of_reused_batch(
    sigma: ScalarFunction,
    c: Constants,
    phi: float,
    t: Array,
    y: Array,
    zeta: Array,
    resolution: float = 1.0,
    share: Array | None = None,
) -> Array:
    """Averages over ``(Z, xi)`` at ``Z + S``, by quadrature, for any activation.

    Parameters
    ----------
    t : array, shape (Q,)
    y, zeta : array, shape (P,)
    resolution : float
        Multiplies the number of nodes.
    share : array, shape (P,)
        How much a sample counts in what is averaged over samples, at most about 1: of a smooth
        activation, samples that count less are resolved to fewer digits.

    Returns
    -------
    array, shape (5, Q, P)
        ``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2], E[sigma'(Z) sigma']``, the functions
        without an argument at ``Z + S``. Accurate to about 1e-8 of the mean square slope, divided
        by the share.

    Raises
    ------
    ConvergenceError
        The activation overflows at ``Z + S``.
    """
    result = np.empty((5, t.size, y.size))
    probe = _probe(sigma)
    inner = sigma.derivative(probe)
    sharpness = math.sqrt(max(1.0, curvature(sigma)))
    scale = c.rms_slope ** np.array([1.0, 1.0, 2.0])
    share = np.ones(y.size) if share is None else share
    digits = np.clip(_DIGITS + np.log10(share), _LEAST_DIGITS, _DIGITS)
    for q, tq in enumerate(t):
        spread = max(abs(tq) * c.tau, _LEAST_SPREAD)
        alpha, drive, shift = 1.0 + tq * c.mu2 * c.Ey, tq * phi * y, tq * c.mu1 * zeta
        ends = [alpha * probe + drive_end * inner for drive_end in (drive.min(), drive.max())]
        low, high = np.min(ends) + shift.min(), np.max(ends) + shift.max()
        margin = 0.1 + 1e-3 * (high - low)  # the extremes may lie between the probes
        table = averages_over_xi(
            sigma, spread, low - margin, high + margin, scale, resolution * sharpness
        )
        if sigma.kinks:
            rules = _panels(sigma, alpha, drive, shift, spread, resolution)
        else:
            rules = _even_nodes(sigma, drive, spread, resolution * digits / _DIGITS)
        for rows, z, weights, slope_inside in rules:
            check_time()
            u = alpha * z + drive[rows, None] * slope_inside + shift[rows, None]
            parts = table(u)
            value, slope, square = parts[..., 0], parts[..., 1], parts[..., 2]
            weighted = slope * weights
            result[0, q, rows] = (value * weights).sum(axis=1)
            result[1, q, rows] = weighted.sum(axis=1)
            result[2, q, rows] = (weighted * z).sum(axis=1)
            result[3, q, rows] = (square * weights).sum(axis=1)
            result[4, q, rows] = (weighted * slope_inside).sum(axis=1)
    return result


@cached(64)
def curvature(sigma: ScalarFunction) -> float:
    """The largest ``|sigma''|`` over the range of ``Z``, jumps of ``sigma'`` left out."""
    probe = _probe(sigma)
    change = np.abs(np.diff(sigma.derivative(probe)) / np.diff(probe))
    return float(change[change < _STEEP].max(initial=0.0))


def _probe(sigma: ScalarFunction) -> Array:
    """Points over the range of ``Z``, on either side of every kink."""
    inside = np.array([k for k in sigma.kinks if abs(k) < _HALF_WIDTH])
    sides = [np.linspace(-_HALF_WIDTH, _HALF_WIDTH, 342), inside - 1e-9, inside + 1e-9]
    return np.unique(np.concatenate(sides))


# Rules over Z: rows of samples, nodes, weights (the normal density included), sigma'(nodes)


def _even_nodes(
    sigma: ScalarFunction, drive: Array, spread: float, resolution: Array
) -> Iterator[tuple[Integers, Array, Array, Array]]:
    """The trapezoid rule, its density in thirds of octaves by how fast averages change with ``Z``.

    They change on the scale 1 in ``U``, or ``spread`` when that is more.
    """
    speed = 1.0 + np.abs(drive) * curvature(sigma) / (1.0 + 3.5 * spread)
    density = _DENSITY * math.sqrt(max(1.0, curvature(sigma))) * speed**0.7
    density = np.minimum(density, _LARGEST_DENSITY) * resolution
    levels = np.ceil(3.0 * np.log2(density)).astype(int)
    for level in np.unique(levels):
        rule = gaussian_rule(2.0 ** (level / 3.0), _HALF_WIDTH)
        z = rule.nodes[0]
        slope_inside = sigma.derivative(z)
        same = np.flatnonzero(levels == level)
        block = max(1, _BLOCK // z.size)
        for rows in np.split(same, range(block, same.size, block)):
            yield rows, z, rule.weights, slope_inside


def _panels(
    sigma: ScalarFunction,
    alpha: float,
    drive: Array,
    shift: Array,
    spread: float,
    resolution: float,
) -> Iterator[tuple[Integers, Array, Array, Array]]:
    """Gauss-Legendre panels of about the same length for every sample, between the kinks.

    Length is measured in ``Z``, in ``U``, and within the layers of the kinks in ``U / spread``.
    """
    kinks = np.array(sigma.kinks)
    ends = [-_HALF_WIDTH, *(k for k in sigma.kinks if abs(k) < _HALF_WIDTH), _HALF_WIDTH]
    x, w = gauss_legendre(max(4, round(_PANEL_ORDER * resolution)))

    def lengths(z: Array, rows: Integers) -> Array:
        u = alpha * z + drive[rows, None] * sigma.derivative(z) + shift[rows, None]
        total = np.diff(z, axis=-1) + np.abs(np.diff(u, axis=1)) / (1.0 + spread)
        for kink in kinks:
            total += np.abs(np.diff(np.clip((u - kink) / spread, -LAYER, LAYER), axis=1))
        return np.asarray(total)

    coarse = [_graded(low, high, spread) for low, high in pairwise(ends)]
    every = np.arange(drive.size)
    first = [lengths(z, every) for z in coarse]
    counts = [np.ceil(one.sum(axis=1) / _PANEL_LENGTH).astype(int) for one in first]
    order = np.argsort(sum(counts))
    block = max(1, _BLOCK // (int(sum(counts)[order[drive.size // 2]]) * x.size))
    for rows in np.split(order, range(block, drive.size, block)):
        nodes, weights = [], []
        for z, one, count in zip(coarse, first, counts, strict=True):
            most = int(count[rows].max())
            edges = _divided(np.broadcast_to(z, (rows.size, z.size)), one[rows], 4 * most)
            edges = _divided(edges, lengths(edges, rows), most)
            half = np.diff(edges, axis=1)[..., None] / 2.0
            nodes.append((edges[:, :-1, None] + half * (x + 1.0)).reshape(rows.size, -1))
            weights.append((half * w).reshape(rows.size, -1))
        z = np.concatenate(nodes, axis=1)
        density = np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
        yield rows, z, np.concatenate(weights, axis=1) * density, sigma.derivative(z)


def _graded(low: float, high: float, finest: float) -> Array:
    """Points from ``low`` to ``high``, at most 0.2 apart, closer towards both ends."""
    distance = finest * 1.5 ** np.arange(math.ceil(math.log(0.5 / min(finest, 0.4), 1.5)))
    even = np.linspace(low, high, 2 + math.ceil((high - low) / 0.2))[1:-1]
    inside = np.concatenate([even, low + distance, high - distance])
    margin = 1e-13 * _HALF_WIDTH  # one-sided limits of sigma' at the ends
    inside = inside[(inside > low + margin) & (inside < high - margin)]
    return np.concatenate([[low + margin], np.unique(inside), [high - margin]])


def _divided(edges: Array, lengths: Array, count: int) -> Array:
    """Row by row, the edges of ``count`` panels of equal length, from those of finer ones."""
    total = np.concatenate([np.zeros((edges.shape[0], 1)), np.cumsum(lengths, axis=1)], axis=1)
    total /= total[:, -1:]
    # Integers are told apart by their integer part.
    offset = 2.0 * np.arange(edges.shape[0])[:, None]
    wanted = offset + np.linspace(0.0, 1.0, count + 1)
    found = np.interp(wanted.ravel(), (offset + total).ravel(), edges.ravel())
    return found.reshape(wanted.shape)
