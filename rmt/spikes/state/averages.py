"""Averages over a row's own numbers, at a readout and a sample.

The pre-activation of a sample before step ``s`` is ``u_s = V_s + F + R``: ``V_s`` the row's own
part along the sample, Gaussian; ``F`` what the rows have in common; ``R`` what the sample itself
has put into the row, by the steps that have used it. ``R`` depends on the own part at these steps,
so one Gaussian number for each of them and one for now are averaged over: one only for a fresh
sample. The last of them is smoothed, in closed form or from a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.smoothing import smoothed
from rmt.spikes.label_law import hermite_nodes
from rmt.spikes.second_step.fresh_batch import squared_slope
from rmt.spikes.second_step.local_interpolation import STENCIL, LocalInterpolation
from rmt.spikes.state.samples import Memory

__all__ = ["Averages", "PastStep", "at_samples"]


TABLE_STEP = 0.1  # of the pre-activation
STEP = {False: 0.4, True: 0.2}  # of the first own number: for smooth activations, and with kinks
END = 5.6
INNOVATIONS = 4  # nodes of what is new in an own number after the first
SMOOTHING = 6.0  # nodes per unit
CHUNK = 1_000_000  # entries of a temporary array
ONE_USE = 1.5  # of the resolution, where it costs nothing


@dataclass(frozen=True, slots=True, eq=False)
class PastStep:
    """A step of the segment that is done.

    Attributes
    ----------
    amplitude : array, shape (Q,)
        ``eta a``.
    gates : array, shape (Q, t)
        ``D_tt'`` for the steps ``t'`` before it.
    field : array, shape (Q, P)
        ``F_t`` at the nodes.
    """

    amplitude: Array
    gates: Array
    field: Array


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """Over own numbers, at readout and sample.

    Attributes
    ----------
    value, slope, square : array, shape (Q, P)
        ``E_n`` of ``sigma, sigma', sigma'^2`` at the pre-activation.
    products : array, shape (n, Q, P)
        ``E_n sigma'(u) sigma'(u_t)`` for the steps ``t`` that have used the batch.
    moments : array, shape (n + 1, Q, P)
        ``E_n sigma'(u) V_t`` for these, and for now.
    """

    value: Array
    slope: Array
    square: Array
    products: Array
    moments: Array


def at_samples(
    sigma: ScalarFunction,
    covariance: Array,
    past: Sequence[PastStep],
    origin: Array,
    memory: Memory,
    resolution: float,
) -> Averages:
    """Of the pre-activations of a batch's samples before the next step.

    Parameters
    ----------
    sigma : ScalarFunction
    covariance : array, shape (Q, n + 1, n + 1)
        Of the own parts at the steps that have used the batch, and now.
    past : sequence of PastStep
        All steps of the segment so far.
    origin : array, shape (Q, P)
        What the rows had in common before the segment, at the nodes.
    memory : Memory
    resolution : float
    """
    rows, count = origin.shape
    uses = sorted(memory.residuals)
    resolution *= ONE_USE if len(uses) == 1 else 1.0
    found = np.empty((3 + len(uses) + len(uses) + 1, rows, count))
    for q in range(rows):
        root = np.linalg.cholesky(covariance[q] + 1e-14 * np.eye(len(uses) + 1))
        if not uses:
            mean = origin[q] + sum(one.field[q] for one in past)
            value, slope, square, moment = _smoothed(sigma, mean, float(root[0, 0]))
            found[:, q] = value, slope, square, root[0, 0] * moment
            continue
        size = max(1, round(CHUNK * resolution) // _own_nodes(sigma, len(uses), resolution))
        for start in range(0, count, size):
            check_time()
            part = slice(start, min(start + size, count))
            found[:, q, part] = _with_memory(sigma, root, past, origin, memory, q, part, resolution)
    n = len(uses)
    value, slope, square = found[:3]
    return Averages(value, slope, square, products=found[3 : 3 + n], moments=found[3 + n :])


def _own_nodes(sigma: ScalarFunction, uses: int, resolution: float) -> int:
    first = 2.0 * END / STEP[bool(sigma.kinks)] * resolution
    return int(first * round(INNOVATIONS * resolution) ** (uses - 1))


def _with_memory(
    sigma: ScalarFunction,
    root: Array,
    past: Sequence[PastStep],
    origin: Array,
    memory: Memory,
    q: int,
    part: slice,
    resolution: float,
) -> Array:
    """Of one readout at some samples, rows in the order of `Averages`."""
    uses = sorted(memory.residuals)
    first = origin[q, part] + sum(one.field[q, part] for one in past[: uses[0]])
    own, weights = _own_numbers(sigma, root, first, len(uses), resolution)
    below = first[:, None]  # what the pre-activation is without the own part
    total = origin[q, part]
    own_effects: list[Array | float] = []
    slopes: list[Array] = []
    for t, step in enumerate(past):
        effect: Array | float = 0.0
        if t in memory.residuals:
            v = np.tensordot(root[len(slopes)][: len(uses)], own, 1)
            below = total[:, None] + sum(own_effects)
            slope = sigma.derivative(v + below)
            slopes.append(slope)
            residual = memory.residuals[t][part, None]
            effect = (memory.ratio * step.amplitude[q]) * residual * slope
        for before, gate in zip(own_effects, step.gates[q], strict=True):
            effect = effect + gate * before
        if t in memory.answers:
            effect = effect + memory.answers[t][q, part, None]
        own_effects.append(effect)
        total = total + step.field[q, part]
    known = np.tensordot(root[-1, :-1], own, 1)
    mean = known + total[:, None] + sum(own_effects)
    spread = float(root[-1, -1])
    value, slope, square, moment = _smoothed(sigma, mean, spread)
    moments = [slope * np.tensordot(root[k][: len(uses)], own, 1) for k in range(len(uses))]
    moments.append(slope * known + spread * moment)
    rows = [value, slope, square, *(slope * one for one in slopes), *moments]
    return np.stack([(one * weights).sum(axis=1) for one in rows])


def _own_numbers(
    sigma: ScalarFunction, root: Array, first: Array, uses: int, resolution: float
) -> tuple[Array, Array]:
    """Independent standard normals, shape (uses, P, M), and their weights, (P, M).

    A jump of the slope at the first use is put half way between two nodes: what the trapezoid rule
    does not see of it is of second order then.
    """
    kinks = sigma.kinks
    step = STEP[bool(kinks)] / resolution
    shift = np.zeros(first.size)
    if len(kinks) == 1:
        at = (float(kinks[0]) - first) / root[0, 0]
        shift = np.mod(at - step / 2.0, step)
    x = np.arange(-END, END + step / 2.0, step) + shift[:, None]
    weights = np.exp(-(x**2) / 2.0)
    weights /= weights.sum(axis=1, keepdims=True)
    numbers = x[None]
    nodes, vectors = hermite_nodes(max(2, round(INNOVATIONS * resolution)))
    for _ in range(uses - 1):
        count = numbers.shape[2]
        numbers = np.repeat(numbers, nodes.size, axis=2)
        new = np.broadcast_to(np.tile(nodes, count), numbers.shape[1:])
        numbers = np.concatenate([numbers, new[None]])
        weights = (weights[:, :, None] * vectors[0] ** 2).reshape(len(weights), -1)
    return numbers, weights


def _smoothed(sigma: ScalarFunction, mean: Array, spread: float) -> tuple[Array, ...]:
    """``E`` of ``sigma, sigma', sigma'^2, xi sigma'`` at ``mean + spread xi``, of its shape."""
    low, high = float(mean.min()), float(mean.max())
    if not math.isfinite(high - low + spread):
        raise OverflowError("the pre-activations of a step overflow")
    step = TABLE_STEP * max(min(spread, 1.0), 0.3)
    count = int((high - low) / step) + 1
    if count + 2 * STENCIL >= mean.size:
        return _of_points(sigma, mean.ravel(), spread, mean.shape)
    grid = np.asarray(low + step * np.arange(-STENCIL // 2, count + STENCIL // 2 + 1), dtype=float)
    table = np.stack(_of_points(sigma, grid, spread, grid.shape))
    first, cardinals = LocalInterpolation(grid).cardinals(mean.ravel())
    found = sum(c * table[:, first + k] for k, c in enumerate(cardinals))
    return tuple(np.asarray(found).reshape(4, *mean.shape))


def _of_points(
    sigma: ScalarFunction, x: Array, spread: float, shape: tuple[int, ...]
) -> tuple[Array, ...]:
    value, slope = smoothed(sigma, x, spread, SMOOTHING)
    square = smoothed(squared_slope(sigma), x, spread, SMOOTHING)[0]
    # By parts, so that jumps of the slope count.
    moment = smoothed(_slope_times_argument(sigma), x, spread, SMOOTHING)[0]
    moment = (moment - x * slope) / spread
    return tuple(one.reshape(shape) for one in (value, slope, square, moment))


@cached(64)
def _slope_times_argument(sigma: ScalarFunction) -> ScalarFunction:
    return ScalarFunction.parse(sigma.symbols[0] * sigma.derivative_function.expression)
