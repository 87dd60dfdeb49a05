"""The mean update at a fixed resolution: moments of the data, and the spectrum of its kernel.

theory.md, section 3: with rows ``P(g) = (g / sqrt N)(eta_1 mu_1 beta_1 + eta_2 v(t))`` the operator
``P P^T`` on ``L2(law of g)`` is a matrix on the nodes of a Gauss rule. Of any loss, in effective
labels, and with weight decay, which leaves ``r_2 eta_1`` of the first step: docs/losses.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Indices
from rmt.functions import ScalarFunction
from rmt.lazy import sympy
from rmt.problem import Problem
from rmt.spikes.constants import Constants
from rmt.spikes.label_law import Laws, WeightedLaw, independent_law, joint_law
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.refinement import COARSENING, Resolution, Solved
from rmt.spikes.residual_law import residual_law
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.averages import Averages, averages_of
from rmt.status import Status

__all__ = [
    "MAX_SPIKES",
    "SpikeStrengths",
    "after_one_step",
    "is_affine",
    "no_spikes",
    "solve_family",
    "spikes_of",
    "undefined",
]


MAX_SPIKES = 12
_TINY = 1e-200
_FEW = 6  # readout nodes that are asked how well the averages are resolved


@dataclass(frozen=True, slots=True)
class SpikeStrengths:
    """Spikes of the mean update, strongest first: the singular system of ``P``.

    Attributes
    ----------
    strengths : array, shape (K,)
        ``theta_k``.
    alignments : array, shape (K, r)
        ``o_k``: inner products of the unit right directions with the target directions. The sign of
        each row is arbitrary, and goes with that of its left function.
    readout_nodes, readout_weights : array, shape (Q,)
        The Gauss rule of the law of ``g``.
    left_functions : array, shape (K, Q)
        ``u_k(g_q)``, orthonormal under that rule.
    strength_errors : array, shape (K,)
        Absolute error estimates.
    alignment_sq_errors : array, shape (K, r)
        Absolute error estimates of ``o_k ** 2``.
    status : Status
    row_lengths : array, shape (Q,), or None
        ``b(g_q)``: length of a row's own part, beside the mean update. None where nobody has asked.
    coarser : SpikeStrengths or None
        The same spikes and row lengths by a coarser rule, which shows errors of the lengths.
    initial_alignments : array, shape (K,), or None
        With an output of order one: of the right singular vectors that the spikes make with
        ``W_0^T a``, as ``alignments`` are with the target.
    initial_sq_errors : array, shape (K,), or None
        Absolute error estimates of their squares.
    """

    strengths: Array
    alignments: Array
    readout_nodes: Array
    readout_weights: Array
    left_functions: Array
    strength_errors: Array
    alignment_sq_errors: Array
    status: Status
    row_lengths: Array | None = None
    coarser: SpikeStrengths | None = None
    initial_alignments: Array | None = None
    initial_sq_errors: Array | None = None


def after_one_step(
    problem: Problem, c: Constants, rule: tuple[Array, Array] | None = None
) -> SpikeStrengths:
    """One step leaves ``eta_1 mu_1 a beta_1^T``: a single spike, in closed form."""
    g, w = readout_rule(problem.readout, 64, 1.0, False) if rule is None else rule
    size = math.sqrt(w @ g**2)
    theta = problem.learning_rates[0] * abs(c.mu1) * math.sqrt(c.B) * size
    kept = int(theta > 0)
    alignment = math.copysign(1.0, c.mu1) * c.b / math.sqrt(c.B)
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


def _moments(
    problem: Problem, c: Constants, resolution: Resolution, tail: float
) -> dict[str, _Moments]:
    """Expectations of the second step at a fixed resolution (theory.md, section 3).

    Under ``""`` what they are, and under the name of each variable what they would be with that one
    coarsened: of the averages over ``Z`` and ``xi``, nearly all of the work, a few are done again.
    """
    sigma, reused = problem.activation, problem.batch == "reused"
    eta1, phi1 = problem.learning_rates[0], problem.sample_ratios[0]
    kick = eta1 / math.sqrt(problem.width)  # t = kick * g
    # The readout with which a large label, or a large zeta, moves the pre-activation by about 1.
    large = 0.7 * c.rms_slope * phi1 * c.large_label * reused + 2.0 * abs(c.mu1) * math.sqrt(c.B)
    scale = min(max(1.0 / (kick * large), 0.002), 4.0) if large > 0 else 4.0
    split = bool(sigma.kinks)
    order, std_w = resolution.get("readout", 2.0), math.sqrt(c.mu1**2 * c.B + c.tau**2)
    g, w = readout_rule(problem.readout, _even(order), scale, split, tail)
    # A coarser rule has other nodes: interpolation would integrate what it knows exactly.
    fewer = readout_rule(problem.readout, _even(COARSENING * order), scale, split, tail)
    both_g, both_w = (np.concatenate(pair) for pair in zip((g, w), fewer, strict=True))
    t, fine = kick * both_g, slice(0, g.size)
    # The label that moves the pre-activation of a typical neuron by about 1/2, and by half of what
    # all else does.
    label_scale = max(1.0 / kick, std_w) / (2.0 * phi1 * c.rms_slope)
    law, coarser = _laws(problem, c, resolution, tail, label_scale)
    step = SecondStep(sigma, c, phi1, problem.steps[0].kept(problem.width))
    both: Wanted = ("value", "slope")
    rare = np.maximum(2.0 * np.log(np.maximum(both_w * both_g**2, tail) / tail), 0.0)
    reach = np.abs(t) * std_w * np.sqrt(rare)

    def evaluated(nodes_per_unit: float) -> Averages:
        return averages_of(step, t, law.y, law.zeta, both, nodes_per_unit, reach)

    at = evaluated(resolution["inner"])
    averages = at(fine, law.y, law.zeta)

    def expectations(law: WeightedLaw, averages: Array, g: Array = g, w: Array = w) -> _Moments:
        output, phi_t = averages
        zeta = np.tile(law.zeta, law.shape[0])
        # psi_t = rho(h, y) Phi_t, averaged against 1, y, z, zeta, and itself.
        one, label, square, *along = law.residuals(problem.output_gain * ((w * g) @ output))
        return _combined(
            problem,
            c,
            (g, w),
            z_psi=phi_t @ np.stack(along).T,
            zeta_psi=phi_t @ (zeta * one),
            y_psi=phi_t @ label,
            psi_psi=(phi_t * square) @ phi_t.T,
        )

    found = {"": expectations(law, averages)}
    # Interpolation knows no more than what is interpolated: some are evaluated again.
    some, share = _sampled(w * g**2)

    def asked(law: WeightedLaw, values: Array, at: Averages) -> _Moments:
        again = at(some, law.y, law.zeta)
        values[:, some] += share * (again - values[:, some])
        return expectations(law, values)

    for name, one in coarser.items():
        if one.labels is None and one.zetas is None:  # at the same points
            found[name] = expectations(one.law, averages)
        else:
            found[name] = asked(one.law, one.values(averages), at)
    found["inner"] = asked(law, averages, evaluated(COARSENING * resolution["inner"]))
    if "readout" in resolution and fewer[0].size < g.size:
        found["readout"] = expectations(law, at(slice(g.size, None), law.y, law.zeta), *fewer)
    return found


def _laws(
    problem: Problem, c: Constants, resolution: Resolution, tail: float, label_scale: float
) -> Laws:
    """Weights of samples: by moments of the label where the residual is affine in it."""
    if not is_affine(problem):
        return residual_law(problem, c, resolution, tail, label_scale)
    assert problem.loss.affine is not None
    target, (p, q) = problem.target, problem.loss.affine
    if p != 1.0:
        target = ScalarFunction(sympy.nsimplify(p, rational=True) * target.expression)
    n_zeta, per_unit, noise = round(resolution["zeta"]), resolution["target"], problem.noise_std
    labels = target, abs(p) * noise, c
    if problem.batch == "reused":
        n_labels = round(resolution["labels"])
        return joint_law(*labels, label_scale, n_labels, n_zeta, per_unit, tail, q)
    return independent_law(*labels, n_zeta, per_unit, tail, q)


def is_affine(problem: Problem) -> bool:
    """Whether samples count by ``p y + q h``, with labels that are a function and noise."""
    return problem.labels is None and problem.loss.affine is not None


def _sampled(importance: Array) -> tuple[Indices, float]:
    """A few nodes that stand for all, and by how much what they do must be multiplied."""
    if importance.size <= _FEW:
        return np.arange(importance.size), 1.0
    below = np.cumsum(importance) / importance.sum()
    some = np.unique(np.searchsorted(below, (np.arange(_FEW) + 0.5) / _FEW))
    return some, float(importance.sum() / importance[some].sum())


def _combined(
    problem: Problem,
    c: Constants,
    rule: tuple[Array, Array],
    *,
    z_psi: Array,
    zeta_psi: Array,
    y_psi: Array,
    psi_psi: Array,
) -> _Moments:
    """From ``E[z psi]``, ``E[zeta psi]``, ``E[y psi]``, ``E[psi psi']`` on nodes of the readout."""
    reused, phi1 = problem.batch == "reused", problem.sample_ratios[0]
    gamma = np.block([[np.eye(c.b.size), c.b[:, None]], [c.b[None, :], np.array([[c.B]])]])
    first = np.concatenate([z_psi, zeta_psi[:, None]], axis=1)  # E[(z, zeta) psi]
    m_psi = np.linalg.solve(gamma, first.T).T

    beta1_v = zeta_psi + (phi1 * y_psi if reused else 0.0)
    drift = m_psi @ first.T
    if reused:
        cross = np.multiply.outer(m_psi[:, -1], y_psi)
        drift += phi1 * (cross + cross.T)
    return _Moments(*rule, z_psi, beta1_v, psi_psi, drift)


def spikes_of(
    problem: Problem, c: Constants, rule: tuple[Array, Array], **moments: Array
) -> SpikeStrengths:
    """Spikes of the update of two steps from its moments on a rule of the readout.

    Errors are not estimated. ``moments`` are ``z_psi`` of shape (Q, r), ``zeta_psi`` and ``y_psi``
    of shape (Q,), ``psi_psi`` of shape (Q, Q): ``E[z psi]`` and so on, ``psi = rho(h, y) Phi_t``
    and ``y`` the effective label.
    """
    return _spikes(problem, c, _combined(problem, c, rule, **moments))


def _spikes(problem: Problem, c: Constants, moments: _Moments) -> SpikeStrengths:
    """Spectrum of the kernel; errors are not estimated, but for those that show."""
    eta1, eta2 = problem.learning_rates
    eta1 *= problem.steps[1].kept(problem.width)  # of the update alone, not of t
    g, w = moments.g, moments.w
    v_v = problem.sample_ratios[1] * moments.scatter + moments.drift
    step1 = eta1 * c.mu1
    beta1_v = eta1 * eta2 * c.mu1 * (moments.beta1_v[:, None] + moments.beta1_v)
    kernel = step1**2 * c.B + beta1_v + eta2**2 * v_v
    scaled = np.sqrt(w) * g
    operator = scaled[:, None] * kernel * scaled
    if not np.all(np.isfinite(operator)):
        return undefined(c)
    eigenvalues, vectors = np.linalg.eigh(operator)
    # The operator is positive: what is negative is an error, of every eigenvalue; so is rounding.
    negative = max(-eigenvalues.min(), 1e-15 * abs(eigenvalues).max())
    order = np.argsort(eigenvalues)[::-1][:MAX_SPIKES]
    theta = np.sqrt(np.maximum(eigenvalues[order], _TINY))
    left = vectors[:, order].T
    projections = (left * scaled) @ (step1 * c.b + eta2 * moments.target_v)
    return SpikeStrengths(
        strengths=theta,
        # A spike that is rounding has an alignment that is nothing: it must not overflow.
        alignments=np.clip(projections / theta[:, None], -1.0, 1.0),
        readout_nodes=g,
        readout_weights=w,
        left_functions=left / np.sqrt(w),
        strength_errors=negative / (theta + math.sqrt(negative) + _TINY),
        alignment_sq_errors=np.zeros(projections.shape),
        status=Status.CONVERGED,
    )


def solve_family(
    problems: Sequence[Problem], c: Constants, resolution: Resolution, tail: float
) -> list[Solved[SpikeStrengths]]:
    """For the driver, with numbers that are nan where floating point gave up.

    Readouts and points of the data whose share is below ``tail`` are left out.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            moments = _moments(problems[0], c, resolution, tail)
        except (OverflowError, np.linalg.LinAlgError, MemoryError):
            return [(undefined(c), {})] * len(problems)
        solved: list[Solved[SpikeStrengths]] = []
        for problem in problems:
            try:
                found = {name: _spikes(problem, c, one) for name, one in moments.items()}
                solved.append((found.pop(""), found))
            except (OverflowError, np.linalg.LinAlgError):
                solved.append((undefined(c), {}))
    return solved


def undefined(c: Constants) -> SpikeStrengths:
    """No spikes: what a solve without an outcome returns."""
    unknown = np.full(MAX_SPIKES, np.nan)
    return _without_functions(unknown, c.b.size, unknown, unknown, Status.NOT_FINITE)


def no_spikes(r: int) -> SpikeStrengths:
    """What the weights carry at initialisation, for a target of ``r`` directions."""
    return _without_functions(np.empty(0), r, np.zeros(1), np.ones(1), Status.CONVERGED)


def _without_functions(
    strengths: Array, r: int, nodes: Array, weights: Array, status: Status
) -> SpikeStrengths:
    """Spikes whose other numbers are those that stand for their strengths."""
    for_targets = np.repeat(strengths[:, None], r, axis=1)
    return SpikeStrengths(
        strengths, for_targets, nodes, weights, strengths[:, None], strengths, for_targets, status
    )


def _even(order: float) -> int:
    return 2 * max(1, round(order / 2.0))
