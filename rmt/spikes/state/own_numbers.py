"""Rules for the standard normal numbers that a row's own part is made of.

Where the activation has kinks its slope jumps at the steps that have used a sample: the rules are
cut there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.moments.rules import gauss_legendre
from rmt.spikes.label_law import hermite_nodes

__all__ = ["first_number", "innovation"]


STEP = 0.4  # of the first number
END = 5.4
FARTHER, FARTHEST = (
    0.5,
    7.0,
)  # of a sum of even steps: for each unit of resolution beyond 1, at most
PANEL_NODES = 23.0  # of the first number, between two kinks
INNOVATIONS = 4.0  # nodes of what is new in a later one
NARROW = 1e-2  # a cell of the normal density that is even


def first_number(
    kinks: Sequence[float], start: Array, spread: float, resolution: float
) -> tuple[Array, Array]:
    """Of the own part at the first use of a sample, ``sigma'(start + spread x)`` being what counts.

    Parameters
    ----------
    kinks : sequence of float
    start : array, shape (P,)
    spread, resolution : float

    Returns
    -------
    x, weights : array, shape (1, M) or (P, M)
    """
    if not kinks:
        end = min(END + FARTHER * max(resolution - 1.0, 0.0), FARTHEST)
        step = STEP / resolution
        count = math.ceil(end / step)
        x = np.asarray(step * np.arange(-count, count + 1)[None], dtype=float)
        weights = np.exp(-(x**2) / 2.0)
    else:
        if start.size and np.ptp(start) == 0:
            start = start[:1]
        at = [np.clip((k - start) / spread, -END, END) for k in sorted(kinks)]
        edges = np.stack([np.full(start.shape, -END), *at, np.full(start.shape, END)], axis=1)
        node, weight = gauss_legendre(max(4, round(PANEL_NODES * resolution)))
        half = np.diff(edges, axis=1)[:, :, None] / 2.0
        x = edges[:, :-1, None] + half * (node + 1.0)
        weights = (half * weight * np.exp(-(x**2) / 2.0)).reshape(start.size, -1)
        x = x.reshape(start.size, -1)
    return np.asarray(x, dtype=float), weights / weights.sum(axis=1, keepdims=True)


def innovation(
    kinks: Sequence[float], below: Array, spread: float, resolution: float
) -> tuple[Array, Array]:
    """What is new in the own part at a later use, where the rest of the pre-activation is known.

    Between kinks the two nodes of each cell have the cell's first four moments of the normal law.

    Parameters
    ----------
    kinks : sequence of float
    below : array, shape (P, M)
    spread, resolution : float

    Returns
    -------
    x, weights : array, shape (1, 1, n) or (P, M, n)
    """
    if not kinks:
        nodes, vectors = hermite_nodes(max(2, round(INNOVATIONS * resolution)))
        return nodes[None, None], (vectors[0] ** 2)[None, None]
    cells = max(1, round(INNOVATIONS * resolution / 2.0))
    fixed = scipy.special.ndtri(np.arange(1, cells) / cells)
    shape = below.shape
    edges = [np.full(shape, one) for one in (-12.0, *fixed, 12.0)]
    edges += [np.clip((k - below) / max(spread, 1e-12), -12.0, 12.0) for k in kinks]
    edge = np.sort(np.stack(edges, axis=-1), axis=-1)
    return _two_in_each(edge)


def _two_in_each(edge: Array) -> tuple[Array, Array]:
    """Gauss rules of two nodes for the normal law between consecutive edges."""
    a, b = edge[..., :-1], edge[..., 1:]
    density = np.exp(-(edge**2) / 2.0) / math.sqrt(2.0 * math.pi)
    da, db = density[..., :-1], density[..., 1:]
    # From the side on which the tail is small: the difference keeps its digits.
    lower = np.diff(scipy.special.ndtr(edge), axis=-1)
    upper = -np.diff(scipy.special.ndtr(-edge), axis=-1)
    mass = np.where(a > 0, upper, lower)
    safe = np.maximum(mass, 1e-14)
    m1 = (da - db) / safe
    m2 = 1.0 + (a * da - b * db) / safe
    m3 = 2.0 * m1 + (a**2 * da - b**2 * db) / safe
    variance = m2 - m1**2
    even = (b - a < NARROW) | (mass < 1e-9)
    middle, width = (a + b) / 2.0, b - a
    centre = np.where(even, middle, m1)
    std = np.sqrt(np.where(even, width**2 / 12.0, np.maximum(variance, 1e-12)))
    third = np.where(even, 0.0, m3 - 3.0 * m1 * m2 + 2.0 * m1**3)
    skew = third / np.maximum(std, 1e-6) ** 3
    root = np.sqrt(1.0 + skew**2 / 4.0)
    x = np.concatenate([centre + std * (skew / 2.0 - root), centre + std * (skew / 2.0 + root)], -1)
    share = np.concatenate([(1.0 + skew / 2.0 / root), (1.0 - skew / 2.0 / root)], -1) / 2.0
    weights = np.concatenate([mass, mass], -1) * share
    low, high = np.concatenate([a, a], -1), np.concatenate([b, b], -1)
    return np.clip(x, low, high), weights / weights.sum(axis=-1, keepdims=True)
