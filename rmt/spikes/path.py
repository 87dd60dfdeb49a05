"""Level resummed for any schedule: the spikes after every step, and what is seen along the way."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.display import Part, Shown, Table
from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.refined_walk import RefinedWalk, refined_walk, spectrum
from rmt.spikes.state.walk import AfterStep
from rmt.status import ConvergenceError, Status

__all__ = ["PathPoint", "TrainingPath", "strengths_after_walk", "walked"]


KEEP = 1.0 / 20.0  # of the threshold: weaker spikes are not reported


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

    Rules are refined until strengths (relative to the strongest) and squared alignments of all
    outliers, and the errors of training and test (relative to the first), are known to ``rtol``.
    Without ``to_the_end`` the errors after the last step are left out, and are nan.
    """
    try:
        # What comes after the last step has rules of its own: it must not move the spikes.
        found = refined_walk(problem, rtol, False)
        states, g = found.states, found.g
        at_the_end = math.nan, math.nan
        if to_the_end:
            ended = refined_walk(problem, rtol, True)
            at_the_end = ended.states[-1].after or at_the_end
            mean_square_errors = found.mean_square_errors.copy()
            mean_square_errors[-1] = ended.mean_square_errors[-1]
            status = found.status if ended.status.ok else ended.status
            found = replace(found, mean_square_errors=mean_square_errors, status=status)
    except (OverflowError, np.linalg.LinAlgError) as error:
        raise ConvergenceError(str(error), Status.NOT_FINITE) from error
    errors = [*(one.before for one in states), at_the_end]
    nothing = np.zeros((g.size, problem.n_directions))
    rows = [nothing, *(one.toward / _lengths(one)[:, None] for one in states)]
    gradients = [nothing, *(one.gradient for one in states)]
    own = [np.ones(g.size), *(np.sqrt(one.own) for one in states)]
    points = []
    for s, (training, test) in enumerate(errors):
        spikes = _spikes(problem, found, s - 1) if s else None
        off = (float(one) for one in found.mean_square_errors[s])
        points.append(PathPoint(s, spikes, training, test, g, rows[s], gradients[s], own[s], *off))
    return points


def _lengths(state: AfterStep) -> Array:
    """Of the rows, whose mean part is known up to errors of its kernel."""
    return np.sqrt(np.maximum(np.diagonal(state.kernel), 0.0) + state.own)


def strengths_after_walk(problem: Problem, rtol: float) -> SpikeStrengths:
    """The spikes after the last step."""
    spikes = walked(problem, rtol, to_the_end=False)[-1].spikes
    assert spikes is not None
    return spikes


def _spikes(problem: Problem, found: RefinedWalk, s: int) -> SpikeStrengths:
    """Of the mean update after a step."""
    theta, toward, left = spectrum(problem, found.w, found.states[s])
    kept = int(np.sum(theta > KEEP * problem.aspect_ratio**0.25))
    return SpikeStrengths(
        strengths=theta[:kept],
        alignments=toward[:kept],
        readout_nodes=found.g,
        readout_weights=found.w,
        left_functions=left[:kept],
        # Where nothing is known of them they are as uncertain as they are large.
        strength_errors=np.minimum(found.strength_errors[s][:kept], theta[:1]),
        alignment_sq_errors=found.square_errors[s][:kept],
        status=found.status,
    )
