"""Level resummed for any schedule: the spikes after every step, and what is seen along the way."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.refined_walk import RefinedWalk, refined_walk, spectrum
from rmt.spikes.state.walk import AfterStep
from rmt.status import ConvergenceError, Status

__all__ = ["WalkPoint", "strengths_after_walk", "strengths_along_walk", "walked"]


KEEP = 1.0 / 20.0  # of the threshold: weaker spikes are not reported
ERRATIC = 3.0  # times what changes tell of the share of wrong signs, which no rule is refined for


@dataclass(frozen=True, slots=True, eq=False)
class WalkPoint:
    """What the walk knows after some of the steps: the fields of `rmt.PathPoint` of these names."""

    step: int
    spikes: SpikeStrengths | None
    training_error: float
    test_error: float
    readout_nodes: Array
    row_alignments: Array
    gradient_alignments: Array
    own_lengths: Array
    training_error_error: float
    test_error_error: float
    training_loss: float
    test_loss: float
    training_loss_error: float
    test_loss_error: float
    training_misclassified: float
    test_misclassified: float
    training_misclassified_error: float
    test_misclassified_error: float


def walked(problem: Problem, rtol: float, to_the_end: bool = True) -> list[WalkPoint]:
    """The path of a problem, as accurate as asked for, or as its status says.

    Rules are refined until strengths (relative to the strongest) and squared alignments of all
    outliers, and the errors of training and test (relative to the first), are known to ``rtol``.
    Without ``to_the_end`` the errors after the last step are left out, and are nan.
    """
    try:
        # What comes after the last step has rules of its own: it must not move the spikes.
        found = refined_walk(problem, rtol, False)
        states, g = found.states, found.g
        at_the_end: Array = np.full((4, 2), math.nan)
        if to_the_end:
            ended = refined_walk(problem, rtol, True)
            last = ended.states[-1].after
            at_the_end = at_the_end if last is None else last
            error_errors = found.error_errors.copy()
            error_errors[-1] = ended.error_errors[-1]
            status = found.status if ended.status.ok else ended.status
            found = replace(found, error_errors=error_errors, status=status)
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(str(error), Status.NOT_FINITE) from error
    r = problem.n_directions
    errors = [*(one.before for one in states), at_the_end]
    nothing = np.zeros((g.size, r))
    rows = [nothing, *(one.toward[:, :r] / _lengths(one)[:, None] for one in states)]
    gradients = [nothing, *(one.gradient for one in states)]
    own = [np.ones(g.size), *(np.sqrt(one.own) for one in states)]
    points = []
    for s, values in enumerate(errors):
        spikes = _spikes(problem, found, s - 1) if s else None
        off = found.error_errors[s]
        of_sign = ERRATIC * np.where(np.isnan(values[2]), math.nan, off[2] + np.abs(values[3]))
        numbers = [pair.tolist() for pair in (*values[:3], *off[:2], of_sign)]
        (training, test), losses, wrong, errors_off, losses_off, wrong_off = numbers
        point = WalkPoint(
            *(s, spikes, training, test, g, rows[s], gradients[s], own[s], *errors_off),
            *(*losses, *losses_off, *wrong, *wrong_off),
        )
        points.append(point)
    return points


def _lengths(state: AfterStep) -> Array:
    """Of the rows, whose mean part is known up to errors of its kernel."""
    return np.sqrt(np.maximum(np.diagonal(state.kernel), 0.0) + state.own)


def strengths_after_walk(problem: Problem, rtol: float) -> SpikeStrengths:
    """The spikes after the last step."""
    return strengths_along_walk(problem, rtol)[-1]


def strengths_along_walk(problem: Problem, rtol: float) -> list[SpikeStrengths]:
    """The spikes after every step."""
    path = walked(problem, rtol, to_the_end=False)
    return [point.spikes for point in path if point.spikes is not None]


def _spikes(problem: Problem, found: RefinedWalk, s: int) -> SpikeStrengths:
    """Of the mean update after a step."""
    state, r = found.states[s], problem.n_directions
    theta, toward, left = spectrum(problem, found.g, found.w, state)
    kept = int(np.sum(theta > KEEP * state.shrunk * problem.aspect_ratio**0.25))
    own = state.own
    spikes = SpikeStrengths(
        strengths=theta[:kept],
        alignments=toward[:kept, :r],
        readout_nodes=found.g,
        readout_weights=found.w,
        left_functions=left[:kept],
        # Where nothing is known of them they are as uncertain as they are large.
        strength_errors=np.minimum(found.strength_errors[s][:kept], theta[:1]),
        alignment_sq_errors=found.square_errors[s][:kept, :r],
        status=found.status,
        row_lengths=np.sqrt(own),
        initial_alignments=None if problem.starts_at_zero else toward[:kept, r],
        initial_sq_errors=None if problem.starts_at_zero else found.square_errors[s][:kept, r],
    )
    return replace(spikes, coarser=replace(spikes, row_lengths=np.sqrt(own + found.own_errors[s])))
