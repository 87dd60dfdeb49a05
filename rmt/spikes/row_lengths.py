"""Lengths of the rows' own parts after one or two steps, which expectations of spikes do not tell.

After one step ``b^2`` has a closed form. After two it is read off the walk, on a few nodes of the
readout. The second step's samples and slopes depend on the first step alone: with
``a = eta_2 / kept`` (``kept`` of weight decay) and its ``phi_2``,

    b^2 / kept^2 = A + a B + a^2 (C + phi_2 D),

so that two or three walks tell the lengths of a whole family that shares the first step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.budget import TooCostly, work_limit
from rmt.problem import Problem
from rmt.problem.supported import two_steps
from rmt.spikes.constants import constants
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.state.walk import shrunk, walk
from rmt.status import ConvergenceError, Status
from rmt.vocabulary import RTOL

__all__ = ["interpolated_lengths", "with_row_lengths"]


MOST_WORK = 4e9  # as counted by `rmt.budget`: a few seconds
COARSER = 0.75  # of the walk's resolution: what shows the errors of lengths
DIGIT = 0.3  # by how much a tolerance of one digit more refines the walk
READOUTS = {False: 14.0, True: 20.0}  # nodes of it, for smooth activations, and with kinks
READOUT_SCALE = 0.3
NEAREST = 8  # nodes that tell lengths between them
LEAST = 1e-3  # of a squared length: interpolation does not know that it is positive


def with_row_lengths(
    problems: Sequence[Problem],
    spikes: Sequence[SpikeStrengths],
    rtol: float = RTOL,
    at_any_cost: bool = True,
) -> list[SpikeStrengths]:
    """Spikes after one or two steps with the lengths of the rows on their nodes.

    Spikes that have them, as after any other steps, are returned as they are.

    Parameters
    ----------
    problems : sequence of Problem
        Of one family (`rmt.spikes.resummed.family_key`).
    spikes : sequence of SpikeStrengths
        Of each.
    rtol : float
        What the spikes were asked for with. At 1e-4 lengths are to about 1e-3, and finer below.
    at_any_cost : bool
        Or not if that takes more than a few seconds.

    Raises
    ------
    ConvergenceError
        The lengths were not found.
    """
    in_pairs = bool(problems) and problems[0].initialisation == "antisymmetric"
    if not problems or in_pairs or not two_steps(problems[0]):
        return list(spikes)
    missing = [
        k
        for k, one in enumerate(spikes)
        if one.row_lengths is None and np.isfinite(one.readout_nodes).all()
    ]
    found = list(spikes)
    if not missing:
        return found
    if len(problems[0].steps) == 1:
        for k in missing:
            square = _after_one_step(problems[k], found[k].readout_nodes)
            found[k] = _with(found[k], square, square)
        return found
    asked = [problems[k] for k in missing]
    resolution = 1.0 + DIGIT * max(-math.log10(rtol) - 4.0, 0.0)
    limit = math.inf if at_any_cost else MOST_WORK
    try:
        fine, coarse = _at_two_resolutions(asked, resolution, limit)
    except ConvergenceError as end:
        if resolution == 1.0 or end.status is Status.OUT_OF_TIME:
            raise
        # Rows whose lengths are known less well are better than none.
        fine, coarse = _at_two_resolutions(asked, 1.0, limit)
    for k, *solved in zip(missing, fine, coarse, strict=True):
        g = spikes[k].readout_nodes
        found[k] = _with(spikes[k], *(interpolated_lengths(problems[k], *one, g) for one in solved))
    return found


_Lengths: TypeAlias = list[tuple[Array, Array]]


def _at_two_resolutions(
    problems: Sequence[Problem], resolution: float, most_work: float
) -> tuple[_Lengths, _Lengths]:
    """Lengths, and those that show their errors."""
    try:
        with work_limit(most_work), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            fine = _squared_lengths(problems, resolution)
            return fine, _squared_lengths(problems, COARSER * resolution)
    except TooCostly as end:
        message = f"{Status.NOT_CONVERGED.value} The lengths of rows take too much work."
        raise ConvergenceError(message, Status.NOT_CONVERGED) from end
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(str(error), Status.NOT_FINITE, None) from error


def _with(spikes: SpikeStrengths, fine: Array, coarse: Array) -> SpikeStrengths:
    """Spikes on rows of these squared lengths, and what another rule has for them."""
    lengths, coarser = np.sqrt(fine), np.sqrt(coarse)
    if not np.isfinite([lengths, coarser]).all():
        raise ConvergenceError(Status.NOT_FINITE.value, Status.NOT_FINITE, None)
    return replace(
        spikes, row_lengths=lengths, coarser=replace(spikes, row_lengths=coarser, coarser=None)
    )


def _squared_lengths(problems: Sequence[Problem], resolution: float) -> list[tuple[Array, Array]]:
    """Of each, nodes of the readout and ``b^2`` there after the second step."""
    problem = problems[0]
    kinked = bool(problem.activation.kinks)
    order = 2 * max(1, round(READOUTS[kinked] * resolution / 2.0))
    g, w = readout_rule(problem.readout, order, READOUT_SCALE, kinked)
    told = _telling(problems)
    if len(problems) <= len(told):
        return [(g, _walked(one, g, w, resolution)[1]) for one in problems]
    before, squares = zip(*(_walked(one, g, w, resolution) for one in told), strict=True)
    left = [shrunk(one, 2) ** 2 for one in told]
    powers = np.array([_powers(one) for one in told])[:, : len(told)]
    start = before[0] / shrunk(problem, 1) ** 2
    known = np.array([square / kept for square, kept in zip(squares, left, strict=True)])
    coefficients = np.linalg.solve(powers, known - start)
    return [
        (g, shrunk(one, 2) ** 2 * (start + np.array(_powers(one)[: len(told)]) @ coefficients))
        for one in problems
    ]


def _after_one_step(problem: Problem, g: Array) -> Array:
    c, t = constants(problem), problem.learning_rates[0] / math.sqrt(problem.width) * g
    return np.asarray((shrunk(problem, 1) + t * (c.mu2 * c.Ey)) ** 2 + (t * c.tau) ** 2)


def _walked(problem: Problem, g: Array, w: Array, resolution: float) -> tuple[Array, Array]:
    """``b^2`` after the first and the second step."""
    first, second = walk(problem, g, w, resolution, to_the_end=False)
    return first.own, second.own


def _telling(problems: Sequence[Problem]) -> list[Problem]:
    """Problems whose lengths tell those of a family: its largest second step, half of it, and
    another number of samples where that is the second step's own.
    """
    largest = max(problems, key=lambda one: _powers(one)[0])
    first, second = largest.steps
    half = largest.replace(steps=[first, replace(second, scale=second.scale / 2.0)])
    if largest.batch == "reused":
        return [largest, half]
    samples = largest.samples[0], 2 * largest.samples[1]
    return [largest, half, largest.replace(samples=samples)]


def _powers(problem: Problem) -> tuple[float, float, float]:
    """``a, a^2, a^2 phi_2`` of the second step."""
    a = problem.learning_rates[1] / shrunk(problem, 2)
    return a, a**2, a**2 * problem.dim / problem.samples[problem.schedule[1]]


def interpolated_lengths(problem: Problem, g: Array, square: Array, new: Array) -> Array:
    """Squared lengths at other readouts.

    They are nearly quadratic in ``g``, for which polynomials through a few nodes are exact;
    so they go on beyond the nodes, away from what weight decay leaves of a row of readout 0.
    """
    if np.array_equal(g, new):
        return square
    inside = np.clip(new, g[0], g[-1])
    beyond = np.where(inside == new, 1.0, new / np.where(inside == 0.0, 1.0, inside))
    start = shrunk(problem, problem.n_steps) ** 2
    found = start + (_local(g, square, inside) - start) * beyond**2
    return np.asarray(np.maximum(found, LEAST * square.min()))


def _local(g: Array, values: Array, x: Array) -> Array:
    """Interpolation on the nearest nodes, or all of few."""
    count = min(NEAREST, g.size)
    first = np.clip(np.searchsorted(g, x) - count // 2, 0, g.size - count)
    nodes = [g[first + i] for i in range(count)]
    total = np.zeros(x.shape)
    for i in range(count):
        cardinal = values[first + i]
        for j in range(count):
            if j != i:
                cardinal = cardinal * (x - nodes[j]) / (nodes[i] - nodes[j])
        total += cardinal
    return total
