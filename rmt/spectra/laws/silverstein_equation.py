"""The Silverstein equation: support edges, and its solution on the real axis and off it.

With the companion transform ``v`` of the sample covariance matrix and ``s = 1 / v``,

    z(s) = -s + c s sum_j w_j t_j / (s + t_j) = -s + c T - c sum_j w_j t_j^2 / (s + t_j),

``T = sum_j w_j t_j``. Edges of the support are ``x = z(s)`` at the real critical points of ``z``,
of which there are none or two between neighbouring poles ``-t_j``, and one on either side of all.
From an edge ``(x_e, s_e)``, exactly and without cancellation,

    z(s_e + delta) - x_e = -delta^2 c sum_j w_j t_j^2 / ((s_e + t_j)^2 (s_e + delta + t_j)),

which Newton's method solves in ``delta`` as accurately at the edge as far from it. Inside the
support the equation has exactly one pair of complex solutions, so that a solution that is not real
is the right one (Silverstein & Choi 1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.newton import Points, Step, bracketed, newton

__all__ = ["Edges", "find_edges", "solve_above", "solve_inside", "solve_off_axis"]


MAX_NEWTON = 60
BLOCK = 2**14  # complex numbers held at a time, few enough for the cache


@dataclass(frozen=True)
class Edges:
    """The ends of the support; row ``2 i`` is the lower, ``2 i + 1`` the upper end of interval i.

    Attributes
    ----------
    x : longdouble array, shape (E,)
        The edges.
    s : array, shape (E,)
        The critical points.
    shifted : array, shape (E, K)
        ``s + t_j``, accurate next to the poles.
    numerator : array, shape (E, K)
        ``c w_j t_j^2 / (s + t_j)^2``.
    """

    x: NDArray[np.longdouble]
    s: Array
    shifted: Array
    numerator: Array


def find_edges(t: Array, w: Array, c: float) -> Edges:
    """All edges for positive atoms ``t`` (ascending, distinct) of weights ``w``."""
    k = t.size
    reach = np.sqrt(c * w) * t  # |s + t_j| at which one term alone makes c w t^2/(s + t)^2 = 1
    hard = math.isclose(c * float(w.sum()), 1.0, rel_tol=4e-15)

    # Left of all poles: the upper end. Right of all poles: the lower end.
    reference = np.array([k - 1, 0])
    start = np.array([-reach[-1], reach[0]])
    limit = np.array([-np.inf, np.inf])

    # Between neighbours: two, where the maximum of H is positive. The two neighbours alone give
    # an upper bound of H, which rules out most.
    if k > 1:
        gap = np.diff(t)
        cube = np.cbrt(reach**2)
        possible = np.flatnonzero((cube[:-1] + cube[1:]) ** 3 < gap**2)
        if possible.size:
            at = _maximum(t, w, possible)
            height = _height(t, w, c, possible, at)
            open_, peak = possible[height > 1e-14], at[height > 1e-14]
            if open_.size:
                upper = open_ + 1  # the pole -t of the upper neighbour is on the left
                reference = np.concatenate([reference, upper, open_])
                start = np.concatenate([start, reach[upper], -reach[open_]])
                limit = np.concatenate([limit, peak + gap[open_], peak])
    offset = _critical(t, w, c, reference, start, limit)
    if hard:
        offset[1] = t[0]  # s = 0: the support starts at zero
    shifted = (t - t[reference][:, None]) + offset[:, None]
    s = offset - t[reference]
    numerator = c * w * (t / shifted) ** 2
    wide = shifted.astype(np.longdouble)
    big_t, big_w = t.astype(np.longdouble), w.astype(np.longdouble)
    s_wide = offset.astype(np.longdouble) - big_t[reference]
    x = -s_wide * (1 - c * (big_w * big_t / wide).sum(axis=1))
    if hard:
        x[1] = 0
    order = np.argsort(x)
    return Edges(x[order], s[order], shifted[order], numerator[order])


def _critical(
    t: Array, w: Array, c: float, reference: Indices, start: Array, limit: Array
) -> Array:
    """Zeros of ``H(s) = 1 - c sum w t^2 / (s + t)^2``, as offsets from the poles ``-t[reference]``.

    ``H`` is concave between poles and not positive at the start, so Newton's method goes to the
    nearest zero without overshooting; it may never pass the limit, where ``H`` is largest.
    """
    apart = t - t[reference][:, None]
    weight = c * w * t**2

    def step(offset: Array, at: Any) -> tuple[Array, Bools]:
        inverse = 1.0 / (apart[at] + offset[:, None])
        terms = weight * inverse**2
        h = 1.0 - terms.sum(axis=1)
        slope = 2.0 * (terms * inverse).sum(axis=1)
        new, end = offset - h / slope, limit[at]
        beyond = np.isfinite(end) & ((new - end) * (offset - end) <= 0)
        change = np.where(beyond, (offset + end) / 2.0, new) - offset
        return change, np.abs(change) <= 1e-9 * np.abs(offset)  # the digits double

    return np.asarray(newton(step, start, 200).x)


def _maximum(t: Array, w: Array, lower: Indices) -> Array:
    """Where ``H`` is largest between ``-t[i + 1]`` and ``-t[i]``, as an offset (< 0) from the
    latter.
    """
    gap = t[lower + 1] - t[lower]
    a, b = np.cbrt(w[lower + 1] * t[lower + 1] ** 2), np.cbrt(w[lower] * t[lower] ** 2)
    offset = -gap * b / (a + b)
    apart = t - t[lower][:, None]
    weight = w * t**2

    def value_and_slope(offset: Array, at: Any) -> tuple[Array, Array]:
        inverse = 1.0 / (apart[at] + offset[:, None])
        terms = weight * inverse**3
        return -terms.sum(axis=1), 3.0 * (terms * inverse).sum(axis=1)

    found = bracketed(value_and_slope, offset, -gap, np.zeros(gap.size), 100, atol=1e-9 * gap)
    return np.asarray(found.x)


def _height(t: Array, w: Array, c: float, lower: Indices, offset: Array) -> Array:
    apart = t - t[lower][:, None]
    return np.asarray(1.0 - c * (w * (t / (apart + offset[:, None])) ** 2).sum(axis=1))


def solve_inside(
    edges: Edges, t: Array, w: Array, c: float, interval: Indices, left: Array, right: Array
) -> tuple[ComplexArray, Bools]:
    """``s`` with negative imaginary part at points inside intervals, and whether it was found.

    Parameters
    ----------
    interval : array of int, shape (P,)
    left, right : array, shape (P,)
        Distances from the ends of the interval.
    """
    s, found = np.empty(left.size, complex), np.empty(left.size, bool)
    for part in _blocks(left.size, t.size):
        s[part], found[part] = _solve_block(edges, t, w, c, interval[part], left[part], right[part])
    return s, found


def _blocks(points: int, atoms: int) -> list[slice]:
    """Of points, for arrays of points and atoms that stay in the processor's memory."""
    rows = max(1, BLOCK // atoms)
    return [slice(first, first + rows) for first in range(0, points, rows)]


def _solve_block(
    edges: Edges, t: Array, w: Array, c: float, interval: Indices, left: Array, right: Array
) -> tuple[ComplexArray, Bools]:
    near_lower = left <= right
    edge = 2 * interval + np.where(near_lower, 0, 1)
    y = np.where(near_lower, left, -right)
    guess = _circle(edges, interval, left, right, near_lower)
    delta, found = _newton(edges, edge, y, guess)
    lost = np.flatnonzero(~found)
    if lost.size:
        x = np.asarray(edges.x[edge[lost]], dtype=float) + y[lost]
        start = solve_off_axis(t, w, c, x + 0j)[0] - edges.s[edge[lost]]
        delta[lost], found[lost] = _newton(edges, edge[lost], y[lost], start)
    return edges.s[edge] + delta, found


def _circle(
    edges: Edges, interval: Indices, left: Array, right: Array, near_lower: Bools
) -> ComplexArray:
    """First guess: between the two edges ``s`` runs along half an ellipse.

    For one atom this is exact. The height is matched to the square roots at both edges.
    """
    lower, upper = 2 * interval, 2 * interval + 1
    width = left + right
    sine2 = left / width  # of half the angle
    height = []
    for edge in (lower, upper):
        curvature = np.abs((edges.numerator / edges.shifted).sum(axis=1))[edge]
        height.append(np.sqrt(width / curvature) / 2.0)
    sine = 2.0 * np.sqrt(sine2 * (1.0 - sine2))
    imaginary = -sine * (height[0] * (1.0 - sine2) + height[1] * sine2)
    # Relative to the nearer edge, without cancellation.
    offset = np.where(
        near_lower,
        (edges.s[upper] - edges.s[lower]) * sine2,
        (edges.s[lower] - edges.s[upper]) * (1.0 - sine2),
    )
    return np.asarray(offset + 1j * imaginary)


def _newton(
    edges: Edges, edge: Indices, y: Array, guess: ComplexArray
) -> tuple[ComplexArray, Bools]:
    """``delta^2 K(delta) + y = 0`` with ``K = sum_j numerator_j / (shifted_j + delta)``."""

    def step(
        d: ComplexArray, at: Any, y: Array, shifted: Array, numerator: Array
    ) -> tuple[ComplexArray, Bools]:
        inverse = 1.0 / (shifted + d[:, None])
        terms = numerator * inverse
        value = terms.sum(axis=1)
        slope = (terms * inverse).sum(axis=1)
        residual = d**2 * value + y
        change = -residual / (d * (2.0 * value - d * slope))
        # A step as long as the distance from the axis would lose the branch.
        change *= np.minimum(1.0, 0.7 * np.abs(d.imag) / np.abs(change))
        # As good as it gets: the residual is rounding.
        floor = 4e-16 * (np.abs(d**2) * np.abs(terms).sum(axis=1) + np.abs(y))
        return change, (np.abs(change) <= 2e-15 * np.abs(d)) | (np.abs(residual) <= floor)

    reached = newton(step, guess, MAX_NEWTON, y, edges.shifted[edge], edges.numerator[edge])
    below = np.maximum(-reached.x.imag, 0.0) > 1e-6 * np.abs(guess.imag)
    return reached.x, reached.settled & below


def solve_off_axis(t: Array, w: Array, c: float, z: ComplexArray) -> tuple[ComplexArray, Bools]:
    """``s(z)`` for ``Im z >= 0``, followed down from far above; and whether it was found.

    On the real axis inside the support the result is the limit from above; in a gap it is real.
    """
    s, found = np.empty(z.size, complex), np.empty(z.size, bool)
    for part in _blocks(z.size, max(t.size, 1)):
        s[part], found[part] = _followed(t, w, c, z[part])
    return s, found


def _followed(t: Array, w: Array, c: float, z: ComplexArray) -> tuple[ComplexArray, Bools]:
    mean, largest = float(w @ t), float(t[-1]) if t.size else 1.0
    scale = (1.0 + math.sqrt(c)) ** 2 * largest + np.abs(z)
    height = 4.0 * scale
    s = -(z + 1j * height) + c * mean
    while True:
        at_end = ~(height > 1e-13 * scale)
        target = z + 1j * np.where(at_end, 0.0, height)
        reached = newton(_step_to(t, w, c, target, _settled), s, limit=60 if at_end.all() else 8)
        sound = np.isfinite(reached.x) & (reached.x.imag <= 1e-13 * np.abs(reached.x))
        s = np.where(sound, reached.x, s)
        if at_end.all():
            return np.asarray(s, dtype=complex), reached.settled & sound
        height = np.where(at_end, height, height * 0.5)


def solve_above(t: Array, w: Array, c: float, z: Array) -> Array:
    """``s(z)`` for real ``z`` above the support, where ``z(s)`` is convex and decreasing.

    Newton's method from far below never passes the root.
    """
    return np.asarray(newton(_step_to(t, w, c, z, _risen), -z, limit=500).x)


def _step_to(
    t: Array, w: Array, c: float, z: Points, small: Callable[[Points, Points], Bools]
) -> Step:
    """Newton's method for ``z(s) = z``."""
    share, weight = c * w * t, c * w * t**2

    def step(s: Points, at: Any) -> tuple[Points, Bools]:
        inverse = 1.0 / (s[:, None] + t)
        # Factored: near s = 0 the sum of separate terms would cancel.
        residual = z[at] + s * (1.0 - (share * inverse).sum(axis=1))
        change = -residual / (1.0 - (weight * inverse**2).sum(axis=1))
        return change, small(change, s)

    return step


def _settled(change: Points, s: Points) -> Bools:
    return np.abs(change) <= 1e-12 * np.abs(s)


def _risen(change: Points, s: Points) -> Bools:
    """Whether a sequence that only rises no longer does, but for rounding."""
    return change <= 1e-9 * np.abs(s)
