"""Level 1, resummed: the spikes at finite width, to all orders in the step (theory.md, section 3).

The mean update of row ``i`` is a function ``P(g_i)`` of its readout; ``P P^T`` has the non-zero
spectrum of an integral operator on ``L2(law of g)``,

    K(g, g') = g g' [ eta_1^2 mu_1^2 B + eta_1 eta_2 mu_1 (<beta_1, v(t)> + <beta_1, v(t')>)
                      + eta_2^2 <v(t), v(t')> ],          t = eta_1 g / sqrt(N),

discretised by a Gauss rule of that law.

What limits the accuracy are the numbers of nodes of five variables, each converging geometrically
for analytic functions (`rmt.spikes.refinement` balances them):

    readout   Gauss nodes of the law of g
    zeta      Gauss-Hermite nodes of zeta = <beta_1, x>
    inner     nodes per unit of the pre-activation Z
    target    nodes per unit of the index z
    labels    Chebyshev nodes of the (effective) label y (reused batch only)
    noise     Gauss-Hermite nodes of label noise (losses whose residual is not affine in the label)

``Phi_t``, ``h`` and every expectation depend on the first step alone; ``eta_2`` and, of a fresh
batch, ``phi_2`` enter in the last line. So problems that differ in nothing else are a family: they
share the expectations, which are nearly all of the work.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from rmt.arrays import Array
from rmt.budget import OutOfTime, TooCostly, work_limit
from rmt.moments.rules import NEGLIGIBLE
from rmt.problem import Problem
from rmt.problem.labels import Bernoulli, SignOf
from rmt.problem.supported import two_steps
from rmt.spikes.constants import Constants, constants
from rmt.spikes.mean_update import (
    MAX_SPIKES,
    SpikeStrengths,
    after_one_step,
    is_affine,
    solve_family,
    undefined,
)
from rmt.spikes.path import strengths_after_walk
from rmt.spikes.refinement import Refined, Resolution, Solved, refine_family
from rmt.spikes.residual_kinks import grows_fast, switches
from rmt.status import InvalidInputError, Status
from rmt.vocabulary import RTOL

__all__ = ["SpikeStrengths", "family_key", "resummed_family", "resummed_strengths"]


_KEEP = 0.05  # spikes weaker than this, relative to the threshold, are not reported
_MAX_WORK = 1.2e10  # as counted by `rmt.budget`: five to ten seconds
_TAIL = 1e-5  # of the tolerance: the tails that are cut off
_OF_TAILS = 0.01  # of the tolerance, what they may amount to
_EPSILON = 1e-15  # relative to the largest eigenvalue
_MAX_SERIES = 3000.0  # terms of a series, whose transform is a matrix
_MAX_POINTS = 2e7  # of the target's rule: 1 GB


def resummed_strengths(problem: Problem, rtol: float = RTOL) -> SpikeStrengths:
    """Strengths and target alignments of all spikes, to a requested accuracy.

    Parameters
    ----------
    problem : Problem
    rtol : float
        Relative tolerance on the strengths, absolute tolerance on the squared alignments. Below the
        threshold ``theta_c = (N/d)^{1/4}`` they are relaxed: ``theta^2`` relative to ``theta_c^2``,
        and alignments by ``theta_c / theta``.

    Returns
    -------
    SpikeStrengths
        Whether the tolerance was met is its ``status``; the caller decides what to do if not.
    """
    return resummed_family([problem], rtol)[0]


def family_key(problem: Problem) -> Hashable:
    """What the problems of a family have in common: all but ``eta_2``, ``phi_2`` and ``N / d``.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 100, 100, (200, 300), [(1, 0.25), (1, 0.3)])
    >>> family_key(p) == family_key(p.replace(steps=[(1, 0.25), (4, 0.45)], samples=(200, 900)))
    True
    >>> family_key(p) == family_key(p.replace(samples=(250, 300)))
    False
    """
    if not _by_expectations(problem):
        return problem
    return (
        problem.activation,
        problem.target if problem.labels is None else problem.labels,
        problem.loss,
        problem.output_gain,
        problem.batch,
        problem.width,
        problem.steps[0],
        len(problem.steps),
        problem.sample_ratios[0],
        problem.noise_std,
        problem.readout if isinstance(problem.readout, str) else problem.readout.tobytes(),
    )


def resummed_family(
    problems: Sequence[Problem], rtol: float = RTOL, outliers_only: bool = False
) -> list[SpikeStrengths]:
    """`resummed_strengths` of problems that share the first step, for little more than one of them.

    Each has its own error estimates and status; they agree with those of separate solves within
    the estimates, not to the last digit, since the resolution may differ.

    Parameters
    ----------
    problems : sequence of Problem
        All of the same `family_key`.
    rtol : float
        As for `resummed_strengths`.
    outliers_only : bool
        Ask of spikes below the threshold no more than to be seen to be below: an error of half
        their distance from it. Beside a strong spike (``theta_0 = 60``, say) that saves most of
        the work, since all eigenvalues of the kernel share one absolute accuracy. The error
        estimates say what has been reached.

    Raises
    ------
    InvalidInputError
        When the problems are not of one family.

    Examples
    --------
    >>> p = Problem("erf(z)", "sin(2*z)", 100, 100, 200, [(1, 0.25), (1, 0.3)], batch="reused")
    >>> family = [p.replace(steps=[(1, 0.25), (scale, 0.3)]) for scale in (1, 2, 4)]
    >>> [round(float(found.strengths[0]), 3) for found in resummed_family(family)]
    [2.204, 3.242, 5.322]
    """
    if not problems:
        return []
    problem = problems[0]
    if len({family_key(member) for member in problems}) > 1:
        raise InvalidInputError(
            "the problems of a family may differ in the second step's size, in the size of a "
            "fresh second batch and in N/d only"
        )
    if not _by_expectations(problem):
        return [strengths_after_walk(problem, rtol)] * len(problems)
    c = constants(problem)
    if len(problem.steps) == 1:
        return [after_one_step(member, c) for member in problems]
    units = [
        partial(
            _scale,
            threshold=member.aspect_ratio**0.25,
            most=min(member.width, member.dim),
            rtol=rtol,
            outliers_only=outliers_only,
        )
        for member in problems
    ]
    start = _starting_resolution(problem, rtol)
    grows = c.slope_growth > 0 or grows_fast(problem.loss)
    tail = 1e-17 if grows else max(_TAIL * rtol, NEGLIGIBLE)

    def solve(resolution: Resolution, chosen: Sequence[int]) -> Sequence[Solved[SpikeStrengths]]:
        return solve_family([problems[m] for m in chosen], c, resolution, tail)

    try:
        with work_limit(_MAX_WORK):
            refined = refine_family(
                solve,
                len(problems),
                _as_vector,
                _known_error,
                _rounding,
                lambda solution, m: units[m](solution),
                start,
                lambda resolution: _work(problem, resolution),
                rtol,
                orders=_orders(problem),
            )
    except (TooCostly, OutOfTime) as end:
        unknown = np.full(MAX_SPIKES * (1 + c.b.size), np.nan)
        status = end.status if isinstance(end, OutOfTime) else Status.NOT_CONVERGED
        nothing = Refined(undefined(c), unknown, status, start)
        refined = [nothing] * len(problems)
    return [
        _reported(found, unit(found.solution), member.aspect_ratio**0.25, c, rtol)
        for member, found, unit in zip(problems, refined, units, strict=True)
    ]


def _by_expectations(problem: Problem) -> bool:
    """Whether the expectations of two steps are for it, and not the walk.

    One or two steps with exponents below 1/2 and an output that vanishes, or is zero, at the start;
    any loss, law of labels, output scale and weight decay.
    """
    return two_steps(problem) and problem.starts_at_zero


def _reported(
    refined: Refined[SpikeStrengths], unit: Array, threshold: float, c: Constants, rtol: float
) -> SpikeStrengths:
    """The spikes worth reporting, with the errors that the refinement has found."""
    theta_errors, alignment_errors = _as_spikes(
        (refined.errors + 2.0 * c.error + _OF_TAILS * rtol) * unit, c.b.size
    )
    strengths = refined.solution.strengths
    kept = int(np.sum((strengths > _KEEP * threshold) & np.isfinite(unit[: strengths.size])))
    status = refined.status
    if status.ok and 2.0 * c.error > rtol:  # moments of a target with oblique kinks
        status = Status.NOT_CONVERGED
    return replace(
        refined.solution,
        strengths=strengths[:kept],
        alignments=refined.solution.alignments[:kept],
        left_functions=refined.solution.left_functions[:kept],
        strength_errors=theta_errors[:kept],
        alignment_sq_errors=alignment_errors[:kept],
        status=status,
    )


def _starting_resolution(problem: Problem, rtol: float) -> Resolution:
    """What suffices for most problems."""
    digits, kinked = max(-math.log10(rtol) - 4.0, 0.0), bool(problem.activation.kinks)
    resolution = {
        "readout": (40.0 if kinked else 28.0) + 3.0 * digits,
        "zeta": 36.0,
        "inner": 3.2 * 1.2**digits,
        "target": {1: 10.0, 2: 5.0}.get(problem.n_directions, 2.5),
        "labels": (72.0 if kinked else 56.0) + 12.0 * digits,
    }
    if not is_affine(problem) and problem.noise_std > 0:
        resolution["noise"] = 14.0
    if problem.batch == "independent" or _few_labels(problem):
        del resolution["labels"]
    if isinstance(problem.readout, str) and problem.readout == "rademacher":
        del resolution["readout"]
    return resolution


def _few_labels(problem: Problem) -> bool:
    """Whether labels are values of which each has its own average, instead of interpolated."""
    return isinstance(problem.labels, Bernoulli | SignOf)


def _orders(problem: Problem) -> dict[str, float]:
    """Of the variables that converge algebraically."""
    orders = {"inner": 8.0}
    if problem.n_directions > 1 and not is_affine(problem) and switches(problem.loss) is not None:
        orders["target"] = 2.0  # kinks are surfaces across the rule
    return orders


def _as_vector(solution: SpikeStrengths) -> Array:
    """Strengths, then squared alignments, of the `MAX_SPIKES` strongest spikes."""
    rows = (solution.strengths, *(solution.alignments.T**2))
    return np.concatenate([_padded(row) for row in rows])


def _known_error(solution: SpikeStrengths) -> Array:
    """Of the entries of `_as_vector`, what negative eigenvalues tell."""
    rows = (solution.strength_errors, *solution.alignment_sq_errors.T)
    return np.concatenate([_padded(row) for row in rows])


def _rounding(solution: SpikeStrengths) -> Array:
    """Of the entries of `_as_vector`: eigenvalues ``theta^2`` share one absolute accuracy."""
    theta = solution.strengths
    square = _EPSILON * theta[0] ** 2
    strengths = square / (theta + math.sqrt(square))
    # A vector whose eigenvalue is lost may point anywhere.
    alignments = np.minimum(2.0 * strengths / theta, 1.0)
    rows = (strengths, *[alignments] * solution.alignments.shape[1])
    return np.concatenate([_padded(row) for row in rows])


def _padded(values: Array) -> Array:
    return np.concatenate([values, np.zeros(MAX_SPIKES - values.size)])


def _scale(
    solution: SpikeStrengths, threshold: float, most: int, rtol: float, outliers_only: bool
) -> Array:
    """What the entries of `_as_vector` must be accurate relative to.

    The operator gives ``theta^2``, so below the threshold an accuracy relative to ``threshold^2``
    in ``theta^2`` is asked for. Spikes that are not reported count for nothing. The weights have
    ``most`` singular values.
    """
    strengths = _padded(solution.strengths)
    reported = (strengths > _KEEP * threshold) & (np.arange(strengths.size) < most)
    relaxed = threshold / np.clip(strengths, _KEEP * threshold, threshold)
    scale = np.maximum(strengths, threshold) * relaxed
    seen = reported.copy()
    seen[0] = True  # to be weak, where none is reported; its direction then is that of rounding
    scale[~seen] = relaxed[~reported] = np.inf
    if outliers_only:
        enough = (threshold - strengths) / (2.0 * rtol)
        weak = enough > scale
        scale[weak], relaxed[weak] = enough[weak], np.maximum(relaxed[weak], 1.0 / rtol)
    return np.concatenate([scale, np.tile(relaxed, solution.alignments.shape[1])])


def _as_spikes(vector: Array, r: int) -> tuple[Array, Array]:
    """Inverse of `_as_vector`."""
    rows = vector.reshape(1 + r, MAX_SPIKES)
    return rows[0], rows[1:].T


def _work(problem: Problem, resolution: Resolution) -> float:
    """How the cost of a solve grows with the resolution; the driver finds the factor."""
    r, zeta, labels = problem.n_directions, resolution["zeta"], resolution.get("labels", 1.0)
    readout, inner = resolution.get("readout", 2.0), resolution["inner"]
    moments = 3.0 + 2.0 * r
    if problem.batch == "reused":
        # Laws of U for each label, the table at each zeta, their product; then the label's noise.
        pairs = 1500.0 * labels + 500.0 * zeta + 10.0 * labels * zeta
        noise = 20.0 * labels**3 if problem.noise_std > 0 else 0.0
    else:
        pairs, noise = 50.0 * zeta, 0.0
    # Moments at every point of the target's rule, then a matrix product.
    points = (20.0 * resolution["target"]) ** r * {1: 1.0, 2: 0.79}.get(r, 0.52)
    if points > _MAX_POINTS or max(zeta, labels) > _MAX_SERIES:
        return math.inf
    law = points * (50.0 + 10.0 * zeta + moments * zeta * (2.0 + 0.2 * labels))
    if not is_affine(problem):
        law *= 3.0 * resolution.get("noise", 1.0)
    return readout * inner**2 * pairs + noise + law
