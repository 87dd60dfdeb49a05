"""Averages of an activation and of its slope over a normal shift, as a spline."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.rules import gaussian_rule
from rmt.moments.smoothing import smoothed
from rmt.status import ConvergenceError, Status

__all__ = ["LAYER", "averages_over_xi"]


LAYER = 8.0  # half the width of a smoothed kink, in units of the spread
_TABLE_TOLERANCE = 4e-9  # relative
_LARGEST_TABLE = 60_000
_WIDE = 4.0  # spread beyond which the nodes follow the activation, not the law of xi
_BLOCK = 1 << 18  # entries of a temporary array
_FIRST = 0.25  # spacing of the first table, where the slope varies on the scale 1


def averages_over_xi(
    sigma: ScalarFunction, spread: float, low: float, high: float, scale: Array, sharpness: float
) -> scipy.interpolate.CubicSpline:
    """``E[sigma], E[sigma'], E[sigma'^2]`` at ``u + s xi``, ``xi`` standard normal.

    Parameters
    ----------
    spread : float
        ``s > 0``.
    low, high : float
        The range of ``u``.
    scale : array, shape (3,)
        The error of each is relative to ``scale`` plus its size.
    sharpness : float
        Inverse of the scale on which ``sigma`` varies between its kinks, times a resolution.

    Returns
    -------
    CubicSpline
        From ``u`` of any shape to values of the shape ``(*u.shape, 3)``.

    Raises
    ------
    ConvergenceError
        An average overflows.

    Notes
    -----
    The error of a cubic spline is ``h^4 / 384`` times the fourth derivative. Nodes are spaced by
    the fourth differences of a first table, and then closer until the error between them is as
    small as asked for.

    Examples
    --------
    >>> relu = ScalarFunction.parse("relu(z)")
    >>> table = averages_over_xi(relu, 0.5, -4.0, 4.0, np.ones(3), 1.0)
    >>> bool(np.abs(table(0.0) - [0.5 / math.sqrt(2.0 * math.pi), 0.5, 0.5]).max() < 1e-8)
    True
    """
    averages = _averages(sigma, spread, sharpness)
    length = min(1.0 + spread, 4.0) / sharpness
    count = 8 + math.ceil(min((high - low) / (_FIRST * length), _LARGEST_TABLE))
    first = np.linspace(low, high, count)
    values = averages(first)
    if not np.isfinite(values).all():
        raise ConvergenceError(
            f"the activation overflows between {low:.3g} and {high:.3g}", Status.NOT_FINITE
        )
    fourth = np.abs(np.diff(values, 4, axis=0)) / (scale + np.abs(values[2:-2]))
    fourth = scipy.ndimage.maximum_filter1d(np.pad(fourth.max(axis=1), 2, mode="edge"), 5)
    spacing = (first[1] - first[0]) * (60.0 * _TABLE_TOLERANCE / (fourth + 1e-300)) ** 0.25
    density = 1.0 / np.clip(spacing, 0.01 * length, length)
    total = (first[1] - first[0]) * (density[1:] + density[:-1]) / 2.0
    total = np.concatenate([[0.0], np.cumsum(total)])
    finer = 1.0
    while True:
        count = min(8 + math.ceil(finer * total[-1]), _LARGEST_TABLE)
        grid = np.interp(np.linspace(0.0, total[-1], count), total, first)
        grid = _with_layers(grid, sigma.kinks, spread, 0.025 / finer)
        spline = scipy.interpolate.CubicSpline(grid, averages(grid), axis=0)
        every = max(1, grid.size // 97)
        middle = (grid[:-1:every] + grid[1::every]) / 2.0
        exact = averages(middle)
        error = float((np.abs(spline(middle) - exact) / (scale + np.abs(exact))).max())
        if not error > _TABLE_TOLERANCE or max(count, grid.size) >= _LARGEST_TABLE:
            return spline
        finer *= min(1.2 * (error / _TABLE_TOLERANCE) ** 0.25, 4.0)


def _with_layers(grid: Array, kinks: tuple[float, ...], spread: float, spacing: float) -> Array:
    """The grid, and closer points where a smoothed kink rises."""
    if not kinks:
        return grid
    half = 1.2 * LAYER
    layer = spread * np.linspace(-half, half, math.ceil(2.0 * half / spacing))
    near = np.add.outer(np.array(kinks), layer).ravel()
    points = np.unique(np.concatenate([grid, near[(near > grid[0]) & (near < grid[-1])]]))
    apart = np.diff(points) > 0.1 * spacing * min(1.0, spread)
    return np.asarray(points[np.concatenate([[True], apart])])


def _averages(sigma: ScalarFunction, spread: float, nodes: float) -> Callable[[Array], Array]:
    """Function from points ``u`` of shape (G,) to the three averages over ``xi``, (G, 3)."""
    if sigma.kinks or spread > _WIDE:
        density = 4.0 * nodes * max(1.0, min(spread, _WIDE))
        square = _squared_slope(sigma)

        def by_smoothing(u: Array) -> Array:
            value, slope = smoothed(sigma, u, spread, density)
            return np.stack([value, slope, smoothed(square, u, spread, density)[0]], axis=-1)

        return by_smoothing
    rule = gaussian_rule(nodes * max(1.6, 3.2 * spread), 8.0)
    xi, weights = spread * rule.nodes[0], rule.weights

    def on_even_nodes(u: Array) -> Array:
        averages = np.empty((u.size, 3))
        block = max(1, _BLOCK // xi.size)
        for start in range(0, u.size, block):
            some = slice(start, start + block)
            value, slope = sigma.value_and_derivative(u[some, None] + xi)
            averages[some] = np.stack(
                [part @ weights for part in (value, slope, slope**2)], axis=-1
            )
        return averages

    return on_even_nodes


@cached(64)
def _squared_slope(sigma: ScalarFunction) -> ScalarFunction:
    return ScalarFunction.parse(sigma.derivative_function.expression**2)
