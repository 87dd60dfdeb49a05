"""The averages over ``Z`` and ``xi`` that are asked for, by the best rule for the activation.

Fresh batch: ``Z + S`` is Gaussian given ``zeta``, so it is one Gaussian smoothing. Reused batch:
``sigma'(Z)`` inside makes ``Z + S`` a nonlinear function of ``Z``: in closed form for a piecewise
linear activation (`piecewise_linear`), from one table for a smooth one (`table`), one readout after
the other for any other, and where a table would be too large (`on_grid`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import scipy

from rmt.arrays import Array, Indices
from rmt.budget import check_time
from rmt.moments.spacing import CORE
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.fresh_batch import in_fresh_batch
from rmt.spikes.second_step.law_of_u import LAYER, resolving, steepest
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation
from rmt.spikes.second_step.on_grid import reused_on_grid
from rmt.spikes.second_step.piecewise_linear import is_piecewise_linear, of_piecewise_linear
from rmt.spikes.second_step.table import tabulated, worth_a_table
from rmt.status import ConvergenceError, Status

__all__ = ["Averages", "averages_at_samples", "averages_of", "averages_on_grid"]

Some: TypeAlias = slice | Indices
Averages: TypeAlias = Callable[[Some, Array | None, Array], Array]
"""Of the numbers of some readouts, labels (None: a fresh batch) and ``zeta``."""


_GROWTH = 0.16  # relative spacing of large labels
_REACH = 7.5  # of Z
_FASTEST = 64.0  # the kick of a label up to which its own average is resolved
_FAR = 20.0  # widths of a kink
_LARGEST_GRID = 4000
_TINY = 1e-150


def averages_of(
    step: SecondStep,
    t: Array,
    y: Array | None,
    zeta: Array,
    wanted: Wanted,
    nodes_per_unit: float,
    reach: Array | None = None,
) -> Averages:
    """What evaluates averages of some of the ``t`` at pairs of labels and ``zeta``.

    These may be any between the least and the largest that are given here, shapes (A,) and (J,),
    and the result has the shape (len(wanted), Q, A * J).

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
    reach : array, shape (Q,), optional
        The ``|t (mu_1 zeta + tau xi)|`` that count; beyond them averages may be those nearby.

    Raises
    ------
    OverflowError
        The activation overflows at ``Z + S``; from what is returned as well.
    """
    sigma, c = step.sigma, step.c

    def fresh(some: Some, y: Array | None, zeta: Array) -> Array:
        return in_fresh_batch(step, t[some], zeta, wanted, nodes_per_unit)

    def piecewise_linear(some: Some, y: Array | None, zeta: Array) -> Array:
        assert y is not None
        pairs = np.repeat(y, zeta.size), np.tile(zeta, y.size)
        return of_piecewise_linear(step, t[some], *pairs, wanted)

    if y is None:
        return fresh
    if is_piecewise_linear(sigma):
        return piecewise_linear
    if reach is None:
        reach = np.abs(t) * (abs(c.mu1) * np.abs(zeta).max() + _REACH * c.tau)
    table, in_table = None, np.zeros(t.size, dtype=bool)
    if not sigma.kinks:
        in_table = worth_a_table(step, t, y, wanted, nodes_per_unit, reach)
        if in_table.any():
            table = tabulated(step, t[in_table], y, wanted, nodes_per_unit, reach[in_table])

    def on_grid(some: Some, y: Array | None, zeta: Array) -> Array:
        assert y is not None
        chosen, of_t, far = in_table[some], t[some], reach[some]
        found = np.empty((len(wanted), of_t.size, y.size * zeta.size))
        if table is not None and chosen.any():
            found[:, chosen] = table.averages(step, of_t[chosen], y, zeta, far[chosen])
        if not chosen.all():
            found[:, ~chosen] = reused_on_grid(
                step, of_t[~chosen], y, zeta, wanted, nodes_per_unit, reach=far[~chosen]
            )
        return found

    return on_grid


def averages_on_grid(
    step: SecondStep, t: Array, y: Array | None, zeta: Array, wanted: Wanted, nodes_per_unit: float
) -> Array:
    """Of all ``t``, at the pairs ``(y_a, zeta_j)`` themselves: as `averages_of`."""
    return averages_of(step, t, y, zeta, wanted, nodes_per_unit)(slice(None), y, zeta)


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
        smoothing, finer = np.hypot(step.along(t), t * c.tau), 5.0 * finer
    else:
        smoothing = np.abs(t) * c.tau
    steps = np.array(resolving(sigma, wanted))
    spacing = np.maximum(steps[0] / 2.0, smoothing / LAYER) / finer
    rate = float((np.abs(t * c.mu1) / spacing).max())
    zetas, columns, weights = _between(zeta, _grid(zeta, lambda x: np.full(x.size, rate)))
    labels = np.zeros(1)
    if y is not None:
        far = np.abs(t * c.mu1) * np.abs(zeta).max()
        by_label = np.abs(t) * (step.phi * steepest(sigma))
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


def _label_rate(
    steps: Array, by_label: Array, by_zeta: Array, smoothing: Array, finer: float, y: Array
) -> Array:
    """Label nodes per unit, by how far the label, and ``zeta``, move ``U`` at each ``t``.

    Labels that move ``U`` further than ``zeta`` does act through their logarithm.
    """
    by_label, by_zeta, smoothing = by_label[:, None], by_zeta[:, None], smoothing[:, None]
    u = by_label * np.abs(y)
    shells = CORE * 2.0 ** np.arange(steps.size - 1)
    spacing = np.maximum(steps[np.searchsorted(shells, u - by_zeta)] / 2.0, smoothing / LAYER)
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
