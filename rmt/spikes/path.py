"""Level resummed for any schedule: the spikes after every step, and what is seen along the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.budget import OutOfTime
from rmt.problem import Problem
from rmt.spikes.mean_update import MAX_SPIKES, SpikeStrengths
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.state.samples import NEGLIGIBLE
from rmt.spikes.state.walk import AfterStep, walk
from rmt.status import ConvergenceError, Status

__all__ = [
    "WalkPoint",
    "spikes_after",
    "strengths_after_walk",
    "strengths_along_walk",
    "walked",
]


RESOLUTIONS = (0.75, 1.0, 1.35, 1.8)
READOUT_NODES, READOUT_SCALE = 16, 0.3  # Gauss rules in asinh(g / scale)
SAFETY = 2.0
KEEP = 1.0 / 20.0  # of the threshold: weaker spikes are not reported
FLOOR = 4.0 * NEGLIGIBLE  # relative: what nodes that are dropped may be worth
TINY = 1e-300


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


def walked(problem: Problem, rtol: float, to_the_end: bool = True) -> list[WalkPoint]:
    """The path of a problem, as accurate as asked for, or as its status says.

    Every rule is refined until strengths (relative) and squared alignments of all outliers, and the
    errors of training and test (relative to the first), change by no more than half of ``rtol``.
    Without ``to_the_end`` the errors after the last step are left out, and are nan.
    """
    best: list[WalkPoint] | None = None
    try:
        for resolution in RESOLUTIONS:
            with np.errstate(over="ignore", invalid="ignore"):
                found = _solved(problem, resolution, to_the_end)
            if not _finite(found, to_the_end):
                raise ConvergenceError(Status.NOT_FINITE.value, Status.NOT_FINITE)
            if best is not None:
                found, off = _compared(problem, found, best)
                if off <= rtol:
                    return found
            best = found
    except OutOfTime as end:
        if best is None:
            raise ConvergenceError(end.status.value, end.status) from end
        return _with_status(best, end.status)
    except (OverflowError, np.linalg.LinAlgError) as error:
        raise ConvergenceError(str(error), Status.NOT_FINITE) from error
    assert best is not None
    return _with_status(best, Status.NOT_CONVERGED)


def _finite(path: Sequence[WalkPoint], to_the_end: bool) -> bool:
    """Whether all numbers are, but for errors at the end that are not asked for."""
    asked = path if to_the_end else path[:-1]
    numbers = [np.array([one.training_error, one.test_error]) for one in asked]
    for one in path:
        numbers += [one.row_alignments, one.gradient_alignments, one.own_lengths]
    return all(np.isfinite(one).all() for one in numbers)


def strengths_after_walk(problem: Problem, rtol: float) -> SpikeStrengths:
    """The spikes after the last step."""
    return strengths_along_walk(problem, rtol)[-1]


def strengths_along_walk(problem: Problem, rtol: float) -> list[SpikeStrengths]:
    """The spikes after every step."""
    path = walked(problem, rtol, to_the_end=False)
    return [point.spikes for point in path if point.spikes is not None]


def _with_status(path: Sequence[WalkPoint], status: Status) -> list[WalkPoint]:
    return [
        one if one.spikes is None else replace(one, spikes=replace(one.spikes, status=status))
        for one in path
    ]


def _solved(problem: Problem, resolution: float, to_the_end: bool) -> list[WalkPoint]:
    order = 2 * round(READOUT_NODES * resolution / 2.0)
    kinked = bool(problem.activation.kinks)
    g, w = readout_rule(problem.readout, order, READOUT_SCALE, kinked)
    steps = list(walk(problem, g, w, resolution, to_the_end))
    errors = [*(one.before for one in steps), steps[-1].after or (math.nan, math.nan)]
    nothing = np.zeros((g.size, problem.n_directions))
    points = [_point(0, None, errors[0], g, nothing, nothing, np.ones(g.size))]
    for s, one in enumerate(steps, 1):
        length = np.sqrt(np.diagonal(one.kernel) + one.own)
        rows = one.toward / length[:, None]
        spikes = spikes_after(problem, g, w, one)
        points.append(_point(s, spikes, errors[s], g, rows, one.gradient, np.sqrt(one.own)))
    return points


def _point(
    step: int,
    spikes: SpikeStrengths | None,
    errors: tuple[float, float],
    g: Array,
    rows: Array,
    gradient: Array,
    own: Array,
) -> WalkPoint:
    return WalkPoint(step, spikes, *errors, g, rows, gradient, own, math.inf, math.inf)


def spikes_after(problem: Problem, g: Array, w: Array, state: AfterStep) -> SpikeStrengths:
    """Spectrum of the mean update; errors are not estimated yet."""
    root = np.sqrt(w)
    values, vectors = np.linalg.eigh(problem.width * root[:, None] * state.kernel * root)
    order = np.argsort(values)[::-1][:MAX_SPIKES]
    theta = np.sqrt(np.maximum(values[order], TINY))
    left = vectors[:, order].T
    toward = math.sqrt(problem.width) * (left * root) @ state.toward / theta[:, None]
    kept = int(np.sum(theta > KEEP * problem.aspect_ratio**0.25))
    return SpikeStrengths(
        strengths=theta[:kept],
        alignments=np.clip(toward[:kept], -1.0, 1.0),
        readout_nodes=g,
        readout_weights=w,
        left_functions=left[:kept] / root,
        # Nothing is known of them until there is another solve: as uncertain as they are large.
        strength_errors=theta[:kept],
        alignment_sq_errors=np.ones((kept, problem.n_directions)),
        status=Status.CONVERGED,
    )


def _compared(
    problem: Problem, fine: list[WalkPoint], coarse: list[WalkPoint]
) -> tuple[list[WalkPoint], float]:
    """The finer path with errors from its distance to the coarser one; the largest, relative."""
    scale = fine[0].test_error
    threshold = problem.aspect_ratio**0.25
    result, worst = [], 0.0
    for one, other in zip(fine, coarse, strict=True):
        errors = [
            SAFETY * abs(a - b) + FLOOR * scale
            for a, b in (
                (one.training_error, other.training_error),
                (one.test_error, other.test_error),
            )
        ]
        known = [error / scale for error in errors if not math.isnan(error)]
        worst = max([worst, *known])
        spikes = one.spikes
        if spikes is not None and other.spikes is not None:
            k = min(spikes.strengths.size, other.spikes.strengths.size)
            strength, square = spikes.strengths.copy(), spikes.alignments**2
            least = FLOOR * strength[:1]
            strength[:k] = least + SAFETY * np.abs(strength[:k] - other.spikes.strengths[:k])
            square[:k] = np.minimum(
                SAFETY * np.abs(square[:k] - other.spikes.alignments[:k] ** 2), 1.0
            )
            # What one rule has and the other has not is not known at all.
            spikes = replace(spikes, strength_errors=strength, alignment_sq_errors=square)
            out = spikes.strengths > threshold
            # A weak one's eigenvalue is as accurate as the strongest one's.
            worst = max(
                worst,
                float((strength / spikes.strengths.max(initial=TINY))[out].max(initial=0.0)),
                float(square[out].max(initial=0.0)),
            )
        result.append(
            replace(one, spikes=spikes, training_error_error=errors[0], test_error_error=errors[1])
        )
    return result, worst if math.isfinite(worst) else math.inf
