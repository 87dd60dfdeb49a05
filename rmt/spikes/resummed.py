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
    labels    Chebyshev nodes of the label y (reused batch only)

``Phi_t``, ``h`` and every expectation depend on the first step alone; ``eta_2`` and, of a fresh
batch, ``phi_2`` enter in the last line. So problems that differ in nothing else are a family: they
share the expectations, which are nearly all of the work.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmt.problem import Problem
from rmt.spikes.constants import Constants, constants
from rmt.spikes.labels import LabelLaw, independent_law, joint_law
from rmt.spikes.readout import readout_rule
from rmt.spikes.refinement import Refined, Resolution, refine_family
from rmt.spikes.second_step import after_independent_batch, after_reused_batch
from rmt.status import InvalidInputError, Status

__all__ = ["SpikeStrengths", "family_key", "resummed_family", "resummed_strengths"]

Array = NDArray[np.float64]

_KEEP = 0.05  # spikes weaker than this, relative to the threshold, are not reported
_MAX_SPIKES = 12
_TINY = 1e-200
_MAX_WORK = 4e9


@dataclass(frozen=True, slots=True)
class SpikeStrengths:
    """Spikes of the mean update, strongest first: the singular system of ``P``.

    Attributes
    ----------
    strengths : array, shape (K,)
        ``theta_k``.
    alignments : array, shape (K, r)
        ``o_k``: inner products of the unit right directions with the target directions. The sign of
        each row is arbitrary.
    readout_nodes, readout_weights : array, shape (Q,)
        The Gauss rule of the law of ``g``.
    left_functions : array, shape (K, Q)
        ``u_k(g_q)``, orthonormal under that rule.
    strength_errors : array, shape (K,)
        Absolute error estimates.
    alignment_sq_errors : array, shape (K, r)
        Absolute error estimates of ``o_k ** 2``.
    status : Status
    """

    strengths: Array
    alignments: Array
    readout_nodes: Array
    readout_weights: Array
    left_functions: Array
    strength_errors: Array
    alignment_sq_errors: Array
    status: Status


def resummed_strengths(problem: Problem, rtol: float = 1e-6) -> SpikeStrengths:
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
    return (
        problem.activation,
        problem.target,
        problem.batch,
        problem.width,
        problem.steps[0],
        len(problem.steps),
        problem.sample_ratios[0],
        problem.noise_std,
        problem.readout if isinstance(problem.readout, str) else problem.readout.tobytes(),
    )


def resummed_family(
    problems: Sequence[Problem], rtol: float = 1e-6, outliers_only: bool = False
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
    c = constants(problem)
    if len(problem.steps) == 1:
        return [_one_step(member, c) for member in problems]
    units = [
        partial(_scale, threshold=member.aspect_ratio**0.25, rtol=rtol, outliers_only=outliers_only)
        for member in problems
    ]
    refined = refine_family(
        lambda resolution, chosen: _solve_or_nan([problems[m] for m in chosen], c, resolution),
        len(problems),
        _as_vector,
        lambda solution: np.concatenate(
            [_padded(solution.strength_errors), np.zeros(_MAX_SPIKES * c.b.size)]
        ),
        lambda solution, m: units[m](solution),
        _starting_resolution(problem),
        lambda resolution: _work(problem, resolution),
        rtol,
        _MAX_WORK,
        ask_first=outliers_only,
    )
    return [
        _reported(found, unit(found.solution), member.aspect_ratio**0.25, c, rtol)
        for member, found, unit in zip(problems, refined, units, strict=True)
    ]


def _reported(
    refined: Refined[SpikeStrengths], unit: Array, threshold: float, c: Constants, rtol: float
) -> SpikeStrengths:
    """The spikes worth reporting, with the errors that the refinement has found."""
    theta_errors, alignment_errors = _as_spikes((refined.errors + 2.0 * c.error) * unit, c.b.size)
    kept = int(np.count_nonzero(refined.solution.strengths > _KEEP * threshold))
    status = refined.status
    if status.ok and 2.0 * c.error > rtol:  # moments of a target with oblique kinks
        status = Status.NOT_CONVERGED
    return replace(
        refined.solution,
        strengths=refined.solution.strengths[:kept],
        alignments=refined.solution.alignments[:kept],
        left_functions=refined.solution.left_functions[:kept],
        strength_errors=theta_errors[:kept],
        alignment_sq_errors=alignment_errors[:kept],
        status=status,
    )


def _one_step(problem: Problem, c: Constants) -> SpikeStrengths:
    """One step leaves ``eta_1 mu_1 a beta_1^T``: a single spike, in closed form."""
    g, w = readout_rule(problem.readout, 64, 1.0, False)
    size = math.sqrt(w @ g**2)
    theta = problem.learning_rates[0] * abs(c.mu1) * math.sqrt(c.B) * size
    kept = int(theta > 0)
    alignment = c.b / math.sqrt(c.B)
    return SpikeStrengths(
        strengths=np.array([theta])[:kept],
        alignments=alignment[None, :][:kept],
        readout_nodes=g,
        readout_weights=w,
        left_functions=(g / size)[None, :][:kept],
        strength_errors=np.array([4.0 * theta * c.error])[:kept],
        alignment_sq_errors=np.full((kept, c.b.size), 4.0 * c.error),
        status=Status.CONVERGED,
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    """What a family shares: expectations over the data at the readout nodes ``g_q``.

    Attributes
    ----------
    g, w : array, shape (Q,)
    target_v : array, shape (Q, r)
        ``<beta_*, v(t_q)> = E[z psi]``.
    beta1_v : array, shape (Q,)
        ``<beta_1, v(t_q)>``.
    scatter, drift : array, shape (Q, Q)
        ``<v(t), v(t')> = phi * scatter + drift``, ``phi`` the ratio of the second step's batch.
    """

    g: Array
    w: Array
    target_v: Array
    beta1_v: Array
    scatter: Array
    drift: Array


def _moments(problem: Problem, c: Constants, resolution: Resolution) -> _Moments:
    """Expectations of the second step at a fixed resolution (theory.md, section 3)."""
    sigma, reused = problem.activation, problem.batch == "reused"
    eta1, phi1 = problem.learning_rates[0], problem.sample_ratios[0]
    kick = eta1 / math.sqrt(problem.width)  # t = kick * g
    # The readout with which a large label, or a large zeta, moves the pre-activation by about 1.
    large = 0.7 * c.rms_slope * phi1 * c.large_label * reused + 2.0 * abs(c.mu1) * math.sqrt(c.B)
    g, w = readout_rule(
        problem.readout,
        _even(resolution.get("readout", 2.0)),
        min(max(1.0 / (kick * large), 0.002), 4.0) if large > 0 else 4.0,
        bool(sigma.kinks),
    )
    t = kick * g
    law: LabelLaw
    common = (problem.target, problem.noise_std, c)
    if reused:
        # The label that moves the pre-activation of a typical neuron by about 1/2.
        label_scale = 1.0 / (2.0 * kick * phi1 * c.rms_slope)
        law = joint_law(
            *common,
            label_scale,
            2 * c.slope_growth + 1 if c.slope_growth else 0,
            round(resolution["labels"]),
            round(resolution["zeta"]),
            resolution["target"],
        )
        output, phi_t = after_reused_batch(sigma, c, phi1, t, law, resolution["inner"])
    else:
        law = independent_law(*common, round(resolution["zeta"]), resolution["target"])
        output, phi_t = after_independent_batch(sigma, c, t, law, resolution["inner"])
    h = (w * g) @ output
    zeta = law.zeta if law.y is None else np.tile(law.zeta, law.y.size)

    # psi_t = (y - h) Phi_t, averaged against 1, y, y^2, z, zeta.
    residual = law.y1 - h * law.one
    E_z_psi = phi_t @ (law.zy - h * law.z1).T  # (Q, r)
    E_zeta_psi = phi_t @ (zeta * residual)
    E_y_psi = phi_t @ (law.y2 - h * law.y1)
    E_psi_psi = (phi_t * (law.y2 - 2.0 * h * law.y1 + h**2 * law.one)) @ phi_t.T
    gamma = np.block([[np.eye(c.b.size), c.b[:, None]], [c.b[None, :], np.array([[c.B]])]])
    first = np.concatenate([E_z_psi, E_zeta_psi[:, None]], axis=1)  # E[(z, zeta) psi]
    m_psi = np.linalg.solve(gamma, first.T).T

    beta1_v = E_zeta_psi + (phi1 * E_y_psi if reused else 0.0)
    drift = m_psi @ first.T
    if reused:
        cross = np.multiply.outer(m_psi[:, -1], E_y_psi)
        drift += phi1 * (cross + cross.T)
    return _Moments(g, w, E_z_psi, beta1_v, E_psi_psi, drift)


def _spikes(problem: Problem, c: Constants, moments: _Moments) -> SpikeStrengths:
    """Spectrum of the kernel; errors are not estimated, but for those that show."""
    eta1, eta2 = problem.learning_rates
    g, w = moments.g, moments.w
    v_v = problem.sample_ratios[1] * moments.scatter + moments.drift
    step1 = eta1 * c.mu1
    beta1_v = eta1 * eta2 * c.mu1 * (moments.beta1_v[:, None] + moments.beta1_v)
    kernel = step1**2 * c.B + beta1_v + eta2**2 * v_v
    scaled = np.sqrt(w) * g
    operator = scaled[:, None] * kernel * scaled
    if not np.all(np.isfinite(operator)):
        return _undefined(c)
    eigenvalues, vectors = np.linalg.eigh(operator)
    # The operator is positive: what is negative is an error, of every eigenvalue; so is rounding.
    negative = max(-eigenvalues.min(), 1e-15 * abs(eigenvalues).max())
    order = np.argsort(eigenvalues)[::-1][:_MAX_SPIKES]
    theta = np.sqrt(np.maximum(eigenvalues[order], _TINY))
    left = vectors[:, order].T
    projections = (left * scaled) @ (step1 * c.b + eta2 * moments.target_v)
    return SpikeStrengths(
        strengths=theta,
        alignments=projections / theta[:, None],
        readout_nodes=g,
        readout_weights=w,
        left_functions=left / np.sqrt(w),
        strength_errors=negative / (theta + math.sqrt(negative) + _TINY),
        alignment_sq_errors=np.zeros(projections.shape),
        status=Status.CONVERGED,
    )


def _solve_or_nan(
    problems: Sequence[Problem], c: Constants, resolution: Resolution
) -> list[SpikeStrengths]:
    """Solves of a family whose numbers are nan where floating point gave up, for the driver."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            moments = _moments(problems[0], c, resolution)
        except (OverflowError, np.linalg.LinAlgError, MemoryError):
            return [_undefined(c)] * len(problems)
        solutions = []
        for problem in problems:
            try:
                solutions.append(_spikes(problem, c, moments))
            except (OverflowError, np.linalg.LinAlgError):
                solutions.append(_undefined(c))
    return solutions


def _undefined(c: Constants) -> SpikeStrengths:
    undefined = np.full(_MAX_SPIKES, np.nan)
    return SpikeStrengths(
        strengths=undefined,
        alignments=np.full((_MAX_SPIKES, c.b.size), np.nan),
        readout_nodes=undefined,
        readout_weights=undefined,
        left_functions=undefined[:, None],
        strength_errors=undefined,
        alignment_sq_errors=np.full((_MAX_SPIKES, c.b.size), np.nan),
        status=Status.NOT_FINITE,
    )


def _even(order: float) -> int:
    return 2 * max(1, round(order / 2.0))


def _starting_resolution(problem: Problem) -> Resolution:
    resolution = {
        "readout": 20.0,
        "zeta": 40.0,
        "inner": 2.0 if problem.batch == "reused" and not problem.activation.kinks else 4.0,
        "target": {1: 10.0, 2: 3.5}.get(problem.n_directions, 2.5),
        "labels": 40.0,
    }
    if problem.batch == "independent":
        del resolution["labels"]
    if isinstance(problem.readout, str) and problem.readout == "rademacher":
        del resolution["readout"]
    return resolution


def _as_vector(solution: SpikeStrengths) -> Array:
    """Strengths, then squared alignments, of the `_MAX_SPIKES` strongest spikes."""
    rows = (solution.strengths, *(solution.alignments.T**2))
    return np.concatenate([_padded(row) for row in rows])


def _padded(values: Array) -> Array:
    return np.concatenate([values, np.zeros(_MAX_SPIKES - values.size)])


def _scale(solution: SpikeStrengths, threshold: float, rtol: float, outliers_only: bool) -> Array:
    """What the entries of `_as_vector` must be accurate relative to.

    The operator gives ``theta^2``, so below the threshold an accuracy relative to ``threshold^2``
    in ``theta^2`` is asked for. Spikes that are not reported count for nothing.
    """
    strengths = _padded(solution.strengths)
    reported = strengths > _KEEP * threshold
    if not reported.any():  # then the first must be seen to be weak
        reported[0] = True
    relaxed = threshold / np.clip(strengths, _KEEP * threshold, threshold)
    relaxed[~reported] = np.inf
    scale = np.maximum(strengths, threshold) * relaxed
    if outliers_only:
        enough = (threshold - strengths) / (2.0 * rtol)
        weak = enough > scale
        scale[weak], relaxed[weak] = enough[weak], np.maximum(relaxed[weak], 1.0 / rtol)
    return np.concatenate([scale, np.tile(relaxed, solution.alignments.shape[1])])


def _as_spikes(vector: Array, r: int) -> tuple[Array, Array]:
    """Inverse of `_as_vector`."""
    rows = vector.reshape(1 + r, _MAX_SPIKES)
    return rows[0], rows[1:].T


def _work(problem: Problem, resolution: Resolution) -> float:
    """Rough number of function evaluations of a solve."""
    r, zeta = problem.n_directions, resolution["zeta"]
    inner = 17.0 * resolution["inner"] * zeta * resolution.get("readout", 2.0)
    moments = 3.0 + 2.0 * r
    if problem.batch == "reused":
        inner *= resolution["labels"]
        moments *= resolution["labels"]
    # Moments at every point of the target's rule, then a matrix product: cheaper, per number.
    points = (20.0 * resolution["target"]) ** r * {1: 1.0, 2: 0.79}.get(r, 0.52)
    return inner + points * moments * (0.5 + zeta / 80.0)
