"""Level resummed for any schedule: the spikes after every step, and what is seen along the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.budget import OutOfTime
from rmt.display import Part, Shown, Table
from rmt.problem import Problem
from rmt.spikes.mean_update import MAX_SPIKES, SpikeStrengths
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.state.samples import NEGLIGIBLE
from rmt.spikes.state.walk import AfterStep, walk
from rmt.status import ConvergenceError, Status

__all__ = ["PathPoint", "TrainingPath", "strengths_after_walk", "walked"]


RESOLUTIONS = (0.75, 1.0, 1.35, 1.8)
READOUT_NODES, READOUT_SCALE = 16, 0.3  # Gauss rules in asinh(g / scale)
SAFETY = 2.0
KEEP = 1.0 / 20.0  # of the threshold: weaker spikes are not reported
FLOOR = 4.0 * NEGLIGIBLE  # relative: what nodes that are dropped may be worth
TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class PathPoint(Shown):
    """The network after some of its steps.

    Attributes
    ----------
    step : int
        How many steps are done; 0 is the untrained network.
    spikes : SpikeStrengths or None
        Of the mean update so far; None for the untrained network.
    training_error : float
        ``E (y - h)^2`` on the batch of the step that comes next, on that of the last step at the
        end: label noise included, and the network's own output of order ``N^{-1/2}`` at the start
        left out.
    test_error : float
        The same on fresh samples.
    readout_nodes : array, shape (Q,)
    row_alignments : array, shape (Q, r)
        Cosines of a neuron's weights with the target's directions, at the nodes.
    gradient_alignments : array, shape (Q, r)
        Cosines of its gradient in the last step with them; zero at the start.
    own_lengths : array, shape (Q,)
        Length of the part of a row that is its own: 1 at the start.
    training_error_error, test_error_error : float
        Estimates of the absolute errors.

    Notes
    -----
    A row of the weights is ``P(g) + chi`` with the mean update ``P`` of its readout and a part of
    its own: the cosine with ``e_c`` is ``<P, e_c> / sqrt(|P|^2 + |chi|^2)``. docs/theory.md, any
    number of steps.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [(2, 0.5)], readout="rademacher")
    >>> point = rmt.training_path(problem)[1]
    >>> point.step, point.row_alignment([-1.0, 1.0]).round(3).tolist()
    (1, [[-0.665], [0.665]])
    """

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

    def _parts(self) -> list[Part]:
        """Errors, and the spikes with their directions."""
        head = f"after step {self.step}: training error {self.training_error:.5g}, "
        head += f"test error {self.test_error:.5g}"
        if self.spikes is None:
            return [head]
        rows = [
            [f"{k}", f"{theta:.5g}", *(f"{one**2:.4f}" for one in alignment)]
            for k, (theta, alignment) in enumerate(
                zip(self.spikes.strengths, self.spikes.alignments, strict=True)
            )
        ]
        names = [f"squared alignment with e{i + 1}" for i in range(self.row_alignments.shape[1])]
        header = ["spike", "strength", *names]
        return [head, Table("r" * len(header), header, rows)]

    def row_alignment(self, g: ArrayLike) -> Array:
        """Cosines of the weights of neurons of given readouts with the target, shape (.., r)."""
        return self._between(self.row_alignments, g)

    def gradient_alignment(self, g: ArrayLike) -> Array:
        """Cosines of their gradient in the last step with the target, shape (.., r)."""
        return self._between(self.gradient_alignments, g)

    def _between(self, values: Array, g: ArrayLike) -> Array:
        nodes = self.readout_nodes
        inside = np.clip(np.asarray(g, dtype=float), nodes[0], nodes[-1])
        return np.asarray(scipy.interpolate.PchipInterpolator(nodes, values)(inside))


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPath(Shown):
    """A network after none, one, .. of its steps: a sequence of `PathPoint`.

    Attributes
    ----------
    problem : Problem
    points : tuple of PathPoint
        One more than there are steps.

    Examples
    --------
    >>> import rmt
    >>> steps = [(2, 0.3), (2, 0.3)]
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, steps, readout="rademacher")
    >>> path = rmt.training_path(problem)
    >>> len(path), [point.step for point in path]
    (3, [0, 1, 2])
    >>> print(path)
    activation erf(z), target z; independent batches
    step  training error  test error  strengths  squared alignments
       0          1.0000      1.0000
       1          0.6111      0.6111     9.6291              0.6667
       2          0.3270      0.4214     14.118              0.8455
    """

    problem: Problem
    points: tuple[PathPoint, ...]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, step: int) -> PathPoint:
        return self.points[step]

    def _parts(self) -> list[Part]:
        """A row for every point: errors, and the spikes above the threshold with the target."""
        threshold = self.problem.aspect_ratio**0.25
        rows = []
        for point in self.points:
            strengths, squares = np.zeros(0), np.zeros(0)
            if point.spikes is not None:
                out = point.spikes.strengths > threshold
                strengths = point.spikes.strengths[out]
                squares = (point.spikes.alignments[out] ** 2).sum(axis=1)
            rows.append(
                [
                    f"{point.step}",
                    f"{point.training_error:.4f}",
                    f"{point.test_error:.4f}",
                    ", ".join(f"{one:.5g}" for one in strengths),
                    ", ".join(f"{one:.4f}" for one in squares),
                ]
            )
        p = self.problem
        kind = f"{p.batch} batch" if p.batch == "reused" else f"{p.batch_text} batches"
        head = f"activation {p.activation.text}, target {p.target.text}; {kind}"
        header = ["step", "training error", "test error", "strengths", "squared alignments"]
        return [head, Table("rrrrr", header, rows)]


def walked(problem: Problem, rtol: float, to_the_end: bool = True) -> list[PathPoint]:
    """The path of a problem, as accurate as asked for, or as its status says.

    Every rule is refined until strengths (relative) and squared alignments of all outliers, and the
    errors of training and test (relative to the first), change by no more than half of ``rtol``.
    Without ``to_the_end`` the errors after the last step are left out, and are nan.
    """
    best: list[PathPoint] | None = None
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


def _finite(path: Sequence[PathPoint], to_the_end: bool) -> bool:
    """Whether all numbers are, but for errors at the end that are not asked for."""
    asked = path if to_the_end else path[:-1]
    numbers = [np.array([one.training_error, one.test_error]) for one in asked]
    for one in path:
        numbers += [one.row_alignments, one.gradient_alignments, one.own_lengths]
    return all(np.isfinite(one).all() for one in numbers)


def strengths_after_walk(problem: Problem, rtol: float) -> SpikeStrengths:
    """The spikes after the last step."""
    spikes = walked(problem, rtol, to_the_end=False)[-1].spikes
    assert spikes is not None
    return spikes


def _with_status(path: Sequence[PathPoint], status: Status) -> list[PathPoint]:
    return [
        one if one.spikes is None else replace(one, spikes=replace(one.spikes, status=status))
        for one in path
    ]


def _solved(problem: Problem, resolution: float, to_the_end: bool) -> list[PathPoint]:
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
        spikes = _spikes(problem, g, w, one)
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
) -> PathPoint:
    return PathPoint(step, spikes, *errors, g, rows, gradient, own, math.inf, math.inf)


def _spikes(problem: Problem, g: Array, w: Array, state: AfterStep) -> SpikeStrengths:
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
        row_lengths=np.sqrt(state.own),
    )


def _compared(
    problem: Problem, fine: list[PathPoint], coarse: list[PathPoint]
) -> tuple[list[PathPoint], float]:
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
            spikes = replace(
                spikes,
                strength_errors=strength,
                alignment_sq_errors=square,
                coarser=replace(other.spikes, coarser=None),
            )
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
