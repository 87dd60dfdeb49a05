"""The averages over ``Z`` and ``xi`` that are asked for, by the best rule for the activation.

Fresh batch: ``Z + S`` is Gaussian given ``zeta``, so it is one Gaussian smoothing. Reused batch:
``sigma'(Z)`` inside makes ``Z + S`` a nonlinear function of ``Z``: in closed form for a piecewise
linear activation (`piecewise_linear`), on grids for any other (`on_grid`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy

from rmt.arrays import Array, Indices
from rmt.budget import check_time
from rmt.functions import ScalarFunction
from rmt.moments.spacing import CORE
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.fresh_batch import in_fresh_batch
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation
from rmt.spikes.second_step.on_grid import resolving, reused_on_grid
from rmt.spikes.second_step.piecewise_linear import is_piecewise_linear, of_piecewise_linear
from rmt.status import ConvergenceError, Status

__all__ = ["averages_at_samples", "averages_on_grid"]


_GROWTH = 0.16  # relative spacing of large labels
_LAYER = 2.8  # nodes on the rise of a smoothed kink, per its width
_REACH = 7.5  # of Z
_EASE = 24.0  # where the density is exp(-z^2 / 2), a slope counts exp(-z^2 / 24)
_FASTEST = 64.0  # the kick of a label up to which its own average is resolved
_FAR = 20.0  # widths of a kink
_LARGEST_GRID = 4000
_TINY = 1e-150


def averages_on_grid(
    step: SecondStep, t: Array, y: Array | None, zeta: Array, wanted: Wanted, nodes_per_unit: float
) -> Array:
    """Averages at all pairs ``(y_a, zeta_j)``.

    Parameters
    ----------
    step : SecondStep
    t : array, shape (Q,)
    y : array, shape (A,), or None
        Labels; None for a fresh batch, on which nothing but ``zeta`` matters.
    zeta : array, shape (J,)
    wanted : sequence of Average
    nodes_per_unit : float
        4 for errors of about 1e-6 that fall with its eighth power (reused batch) or exponentially;
        not used where there is a closed form.

    Returns
    -------
    array, shape (len(wanted), Q, A * J)

    Raises
    ------
    OverflowError
        The activation overflows at ``Z + S``.
    """
    if y is None:
        return in_fresh_batch(step, t, zeta, wanted, nodes_per_unit)
    if is_piecewise_linear(step.sigma):
        pairs = np.repeat(y, zeta.size), np.tile(zeta, y.size)
        return of_piecewise_linear(step, t, *pairs, wanted)
    return reused_on_grid(step, t, y, zeta, wanted, nodes_per_unit)


def averages_at_samples(
    step: SecondStep, t: Array, y: Array | None, zeta: Array, wanted: Wanted, nodes_per_unit: float
) -> Array:
    """The same at the pairs ``(y_p, zeta_p)``, shape (len(wanted), Q, P).

    Interpolated between the nodes of a grid, where that has fewer nodes than there are samples:
    averages over ``Z`` and ``xi`` are averages of translates of the smoothed activation, and vary
    with ``y`` and ``zeta`` on no smaller scale than its own. Errors fall with the eighth power of
    ``nodes_per_unit``.

    Raises
    ------
    ConvergenceError
        The activation overflows at ``Z + S``.
    """
    try:
        if y is not None and is_piecewise_linear(step.sigma):
            (y, zeta), place = np.unique(np.stack([y, zeta]), axis=1, return_inverse=True)
            found = of_piecewise_linear(step, t, y, zeta, wanted)
            return np.asarray(found[:, :, place.reshape(-1)])
        result = _interpolated(step, t, y, zeta, wanted, nodes_per_unit)
    except OverflowError:
        result = np.full(1, np.nan)
    if not np.isfinite(result).all():
        raise ConvergenceError(
            "the activation overflows at the pre-activations of the second step", Status.NOT_FINITE
        )
    return result


def _interpolated(
    step: SecondStep, t: Array, y: Array | None, zeta: Array, wanted: Wanted, nodes_per_unit: float
) -> Array:
    """Averages at samples from those on a grid, the same for all ``t``."""
    sigma, c, finer = step.sigma, step.c, nodes_per_unit / 4.0
    if y is None:  # smoothing itself is more accurate than what is interpolated
        smoothing, finer = np.hypot(1.0 + t * (c.mu2 * c.Ey), t * c.tau), 5.0 * finer
    else:
        smoothing = np.abs(t) * c.tau
    steps = np.array(resolving(sigma, wanted))
    spacing = np.maximum(steps[0] / 2.0, smoothing / _LAYER) / finer
    rate = float((np.abs(t * c.mu1) / spacing).max())
    zetas, columns, weights = _between(zeta, _grid(zeta, lambda x: np.full(x.size, rate)))
    labels = np.zeros(1)
    if y is not None:
        far = np.abs(t * c.mu1) * np.abs(zeta).max()
        by_label = np.abs(t) * (step.phi * _steepest(sigma))
        rate_at = partial(_label_rate, steps, by_label, far, smoothing, finer)
        labels, rows, more = _between(y, _grid(y, rate_at))
        columns = (rows[:, None] * zetas.size + columns).reshape(-1, zeta.size)
        weights = (more[:, None] * weights).reshape(-1, zeta.size)
    interpolation = scipy.sparse.csr_array(
        (weights.T.ravel(), columns.T.ravel(), np.arange(zeta.size + 1) * len(columns)),
        shape=(zeta.size, labels.size * zetas.size),
    )
    # Kinks are resolved wherever zeta takes them: in parts, where it takes them far.
    widths = abs(c.mu1) * float(np.ptp(zetas)) / (c.tau + _TINY) if sigma.kinks else 0.0
    parts = np.array_split(zetas, max(1, math.ceil(math.sqrt(min(widths / _FAR, zetas.size)))))
    result = np.empty((len(wanted), t.size, zeta.size))
    for q in range(t.size):
        check_time()
        one = t[q : q + 1]
        if y is None:
            found = in_fresh_batch(step, one, zetas, wanted, nodes_per_unit)[:, 0]
        else:
            pieces = [
                reused_on_grid(step, one, labels, part, wanted, nodes_per_unit, _FASTEST)
                for part in parts
            ]
            shape = len(wanted), labels.size, -1
            found = np.concatenate([piece.reshape(shape) for piece in pieces], axis=2)
        result[:, q] = (interpolation @ found.reshape(len(wanted), -1).T).T
    return result


def _steepest(sigma: ScalarFunction) -> float:
    """The largest slope, by how much it counts."""
    z = np.linspace(-_REACH, _REACH, 400)
    return float(np.max(np.abs(sigma.derivative(z)) * np.exp(-(z**2) / _EASE)))


def _label_rate(
    steps: Array, by_label: Array, by_zeta: Array, smoothing: Array, finer: float, y: Array
) -> Array:
    """Label nodes per unit, by how far the label, and ``zeta``, move ``U`` at each ``t``.

    Labels that move ``U`` further than ``zeta`` does act through their logarithm.
    """
    by_label, by_zeta, smoothing = by_label[:, None], by_zeta[:, None], smoothing[:, None]
    u = by_label * np.abs(y)
    shells = CORE * 2.0 ** np.arange(steps.size - 1)
    spacing = np.maximum(steps[np.searchsorted(shells, u - by_zeta)] / 2.0, smoothing / _LAYER)
    spacing = np.minimum(spacing, _GROWTH * (1.0 + by_zeta + u))
    return np.asarray((finer * by_label / spacing).max(axis=0))


def _grid(x: Array, rate: Callable[[Array], Array]) -> Array:
    """Points around all ``x``, ``rate`` of them per unit."""
    low, high = x.min(), x.max()
    size = max(abs(low), abs(high), _TINY)
    near = size * np.geomspace(1e-6, 1.0, 200)
    every = np.unique(np.concatenate([[low, 0.0, high], near, -near, np.linspace(low, high, 200)]))
    rates = rate(every) + 1.0 / size
    total = np.cumsum(np.append(0.0, (rates[1:] + rates[:-1]) / 2.0 * np.diff(every)))
    first, last = np.interp([low, high], every, total)
    count = min(max(1, math.ceil(last - first)), _LARGEST_GRID)
    inside = np.interp(np.linspace(first, last, count + 1), total, every)
    beyond = np.arange(1, STENCIL // 2)
    return np.concatenate(
        [low - beyond[::-1] / rates[every == low], inside, high + beyond / rates[every == high]]
    )


def _between(x: Array, grid: Array) -> tuple[Array, Indices, Array]:
    """Nodes, and for each place ``x`` the numbers of those around it and their weights, (K, P).

    The nodes are the places themselves where these are not more than the points of the grid.
    """
    places, place = np.unique(x, return_inverse=True)
    if places.size <= grid.size:
        return places, place.reshape(1, -1), np.ones((1, x.size))
    first, cardinals = LocalInterpolation(grid).cardinals(x)
    return grid, first + np.arange(STENCIL)[:, None], np.stack(cardinals)
