"""Averages over a row's own numbers, at a readout and a sample.

The pre-activation of a sample before step ``s`` is ``u_s = V_s + F + R``: ``V_s`` the row's own
part along the sample, Gaussian; ``F`` what the rows have in common; ``R`` what the sample itself
has put into the row, by the steps that have used it. ``R`` depends on the own part at these steps,
so one Gaussian number for each of them and one for now are averaged over: one only for a fresh
sample. The last of them is smoothed, in closed form or from a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from rmt.arrays import Array
from rmt.budget import count_work
from rmt.functions import ScalarFunction
from rmt.spikes.state.own_numbers import first_number, innovation
from rmt.spikes.state.samples import Memory
from rmt.spikes.state.table import SlopeTable, SmoothedTable

__all__ = ["Averages", "PastStep", "at_samples"]


WORK = 60.0  # of a sample's numbers, in array operations
CHUNK = 1 << 16  # entries of a temporary array


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
    shrunk : float
        What weight decay had left before it: its slopes are ``sigma'(shrunk u)``.
    """

    amplitude: Array
    gates: Array
    field: Array
    shrunk: float = 1.0


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
    shrunk: float,
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
    shrunk : float
        What weight decay has left: pre-activations are this times what is walked.
    resolution : float
    """
    rows, count = origin.shape
    uses = sorted(memory.residuals)
    n = len(uses)
    if (
        rows > 1
        and not past
        and (covariance == covariance[0]).all()
        and (origin == origin[0]).all()
    ):
        one = at_samples(  # before training all rows are alike
            sigma, covariance[:1], past, origin[:1], memory, shrunk, resolution
        )
        return Averages(*(_repeated(getattr(one, f.name), rows) for f in fields(Averages)))
    found = np.empty((3 + n + n + 1, rows, count))
    slopes = SlopeTable(sigma, resolution)
    for q in range(rows):
        root = np.linalg.cholesky(covariance[q] + 1e-14 * np.eye(n + 1))
        table = SmoothedTable(sigma, shrunk * float(root[-1, -1]), resolution)
        if not uses:
            mean = origin[q] + sum(one.field[q] for one in past)
            value, slope, square, moment = table.at(shrunk * mean)
            found[:, q] = value, slope, square, root[0, 0] * moment
            continue
        size = max(1, CHUNK // own_nodes(sigma, n, resolution))
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            count_work(WORK * own_nodes(sigma, n, resolution) * (part.stop - start))
            found[:, q, part] = _with_memory(
                *(sigma, slopes, table, root, past, origin[q, part], memory, q, part, resolution),
                shrunk,
            )
    value, slope, square = found[:3]
    return Averages(value, slope, square, products=found[3 : 3 + n], moments=found[3 + n :])


def _repeated(one: Array, rows: int) -> Array:
    """The same for so many rows, which are the last axis but one."""
    return np.broadcast_to(one, (*one.shape[:-2], rows, one.shape[-1]))


def own_nodes(sigma: ScalarFunction, uses: int, resolution: float) -> int:
    """How many nodes there are of the own numbers that are not smoothed."""
    one = np.zeros(1)
    first = first_number(sigma.kinks, one, 1.0, resolution)[0].shape[1]
    later = innovation(sigma.kinks, one[:, None], 1.0, resolution)[0].shape[-1]
    return int(first * later ** (uses - 1))


def _with_memory(
    sigma: ScalarFunction,
    slope_table: SlopeTable,
    table: SmoothedTable,
    root: Array,
    past: Sequence[PastStep],
    origin: Array,
    memory: Memory,
    q: int,
    part: slice,
    resolution: float,
    shrunk: float,
) -> Array:
    """Of one readout at some samples, rows in the order of `Averages`."""
    uses = sorted(memory.residuals)
    start = origin + sum(one.field[q, part] for one in past[: uses[0]])
    at_first = past[uses[0]].shrunk
    x, weights = first_number(
        sigma.kinks, at_first * start, at_first * float(root[0, 0]), resolution
    )
    numbers = [x]
    total = origin
    own_effects: list[Array] = []
    slopes: list[Array] = []
    for t, step in enumerate(past):
        effect: Array = np.zeros((1, 1))
        if t in memory.residuals:
            k = len(slopes)
            below = total[:, None] + sum(own_effects)
            if k:
                below = below + sum(root[k, i] * one for i, one in enumerate(numbers))
                spread = step.shrunk * float(root[k, k])
                x, share = innovation(sigma.kinks, step.shrunk * below, spread, resolution)
                many = x.shape[-1]
                numbers, own_effects, slopes = (
                    [np.repeat(one, many, axis=1) if one.shape[1] > 1 else one for one in those]
                    for those in (numbers, own_effects, slopes)
                )
                weights = (weights[:, :, None] * share).reshape(-1, weights.shape[1] * many)
                x = np.broadcast_to(x, (x.shape[0], below.shape[1], many))
                numbers.append(x.reshape(x.shape[0], -1))
                at = np.repeat(below, many, axis=1) + root[k, k] * numbers[-1]
            else:
                at = below + root[0, 0] * x
            slopes.append(slope_table.at(step.shrunk * at))
            residual = memory.residuals[t][part, None]
            effect = (memory.ratio * step.amplitude[q]) * residual * slopes[-1]
        for before, gate in zip(own_effects, step.gates[q], strict=True):
            effect = effect + gate * before
        if t in memory.answers:
            effect = effect + memory.answers[t][q, part, None]
        own_effects.append(effect)
        total = total + step.field[q, part]
    own = [sum(root[k, i] * numbers[i] for i in range(k + 1)) for k in range(len(uses))]
    known = sum(root[-1, i] * one for i, one in enumerate(numbers))
    value, slope, square, moment = table.at(shrunk * (known + total[:, None] + sum(own_effects)))
    weighted = slope * weights
    found = [_dot(value, weights), weighted.sum(axis=1), _dot(square, weights)]
    found += [_dot(weighted, one) for one in slopes]
    found += [_dot(weighted, one) for one in own]
    found.append(_dot(weighted, known) + root[-1, -1] * _dot(moment, weights))
    return np.stack(found)


def _dot(values: Array, weights: Array) -> Array:
    """Sum over the last axis; the first of the weights may be 1."""
    if len(weights) == 1:
        return np.asarray(values @ weights[0])
    return np.asarray(np.einsum("pm,pm->p", values, weights))
