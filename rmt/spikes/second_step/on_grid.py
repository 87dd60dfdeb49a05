"""The second step on a reused batch, for any activation, one readout after the other.

Given ``(y, zeta)`` the pre-activation is ``Z + S = U + w``, with

    U = alpha Z + s sigma'(Z),    s = t phi_1 y,    alpha = r + t mu_2 Ey,

and ``w = t (mu_1 zeta + tau xi)``, of which the middle of all ``zeta`` is counted to ``U``.
Smoothed over ``xi``, the activation varies on no smaller scale than ``delta = |t| tau`` next to its
kinks, and than its own between them. It is tabulated once for a ``t``; the law of ``U`` given ``y``
is spread over a grid, the same for all ``y`` (`law_of_u`); and all pairs ``(y, zeta)`` are one
product of matrices.

What limits the accuracy: the law of ``U`` and its grid; the table, interpolated by eight points
(order 8 in the spacing); the rule of the smoothing. One number scales all of them.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time, count_work
from rmt.functions import ScalarFunction
from rmt.moments.smoothing import smoothed
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.fresh_batch import squared_slope
from rmt.spikes.second_step.law_of_u import (
    FASTEST,
    LAYER,
    Motion,
    grid_of_u,
    laws_of_u,
    parts_of,
    resolving,
)
from rmt.spikes.second_step.local_interpolation import LocalInterpolation

__all__ = ["reused_on_grid"]


def reused_on_grid(
    step: SecondStep,
    t: Array,
    y: Array,
    zeta: Array,
    wanted: Wanted,
    nodes_per_unit: float,
    fastest: float = FASTEST,
    reach: Array | None = None,
) -> Array:
    """Averages at the pairs ``(y_a, zeta_j)``, shape (len(wanted), Q, A * J).

    Parameters
    ----------
    nodes_per_unit : float
        4 for errors of about 1e-6, which fall with its eighth power; the cost rises with it.
    fastest : float
        The kick up to which ``U`` is resolved, unless typical ones are as large.
    reach : array, shape (Q,), optional
        The ``|w|`` that count: beyond it values may be those nearby.
    """
    result = np.empty((len(wanted), t.size, y.size, zeta.size))
    sigma, c, phi, finer = step.sigma, step.c, step.phi, nodes_per_unit / 4.0
    steps, parts = resolving(sigma, wanted), parts_of(wanted)
    for q, tq in enumerate(t):
        check_time()
        shift = tq * c.mu1 * zeta
        if reach is not None:
            shift = np.clip(shift, -reach[q], reach[q])
        middle = float(shift.min() + shift.max()) / 2.0
        shift -= middle
        delta, most = abs(tq) * c.tau, float(shift.max())
        alpha = float(step.along(t[q]))
        motion = Motion(
            alpha=alpha,
            middle=middle,
            delta=delta,
            reach=most,
            fastest=max(fastest, 4.0 * abs(tq) * phi * math.sqrt(c.Ey2)),
            spacing=steps[0],
            finer=finer,
        )
        layer, halved = delta / LAYER / finer, [h / 2.0 / finer for h in steps]
        grid, laws = laws_of_u(
            sigma,
            motion,
            np.array([alpha]),
            tq * phi * y,
            parts.laws,
            partial(grid_of_u, sigma.kinks, halved, layer, reach=most, delta=delta),
        )
        quarter, ends = [h / 2.0 for h in halved], (grid[0] - most, grid[-1] + most)
        table = LocalInterpolation(grid_of_u(sigma.kinks, quarter, layer / 2.0, *ends, 0.0, delta))
        smooth = _smoothed(sigma, table, delta, parts.functions, nodes_per_unit)
        at_grid = table.values(smooth, grid[:, None] + shift)  # (function, grid, zeta)
        count_work(0.25 * len(wanted) * laws[0].size * shift.size)
        for one, (law, function) in zip(result, parts.numbers, strict=True):
            one[q] = laws[law, 0] @ at_grid[function]
    return result.reshape(len(wanted), t.size, -1)


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
