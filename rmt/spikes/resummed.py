"""Level 1, resummed: the spikes at finite width, to all orders in the step (theory.md, section 3).

The mean update of row ``i`` is a function ``P(g_i)`` of its readout; ``P P^T`` has the non-zero spectrum
of an integral operator on ``L2(law of g)``,

    K(g, g') = g g' [ eta_1^2 mu_1^2 B + eta_1 eta_2 mu_1 (<beta_1, v(t)> + <beta_1, v(t')>)
                      + eta_2^2 <v(t), v(t')> ],          t = eta_1 g / sqrt(N),

discretised by a Gauss rule of that law.

What limits the accuracy: five resolutions (see `Resolution`), each converging geometrically for
analytic functions. All of them are coarsened together for the error estimate, and when it is too
large each alone, to find out which to refine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from rmt.problem import Problem
from rmt.spikes.constants import Constants, constants
from rmt.spikes.labels import LabelLaw, independent_law, joint_law
from rmt.spikes.readout import readout_rule
from rmt.spikes.second_step import after_independent_batch, after_reused_batch
from rmt.status import ConvergenceError, Status

__all__ = ["Resolution", "SpikeStrengths", "resummed_strengths"]

Array = NDArray[np.float64]

_KEEP = 0.05  # spikes weaker than this, relative to the threshold, are not reported
_MAX_SPIKES = 12
_COARSENING = {"readout": 0.8, "zeta": 0.8, "inner": 0.8, "labels": 0.8, "target": 0.5}
_SAFETY = 2.0
_SHARE = 0.05  # of the tolerance, that each variable may use up
_MAX_WORK = 1e9


@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely each variable of the problem is discretised.

    Attributes
    ----------
    readout : float
        Gauss nodes of the law of ``g``.
    zeta : float
        Gauss-Hermite nodes of ``zeta``.
    inner : float
        Nodes per unit of the pre-activation ``Z``.
    target : float
        Nodes per unit of the index ``z``.
    labels : float
        Chebyshev nodes of ``y`` (reused batch only).
    """

    readout: float
    zeta: float
    inner: float
    target: float
    labels: float

    def scaled(self, **factors: float) -> Resolution:
        return replace(self, **{name: getattr(self, name) * f for name, f in factors.items()})


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


_STARTING_RESOLUTION = Resolution(readout=20.0, zeta=32.0, inner=4.0, target=12.0, labels=28.0)


def resummed_strengths(
    problem: Problem, rtol: float = 1e-6, throw: bool = True
) -> SpikeStrengths:
    """Strengths and target alignments of all spikes, to a requested accuracy.

    Parameters
    ----------
    problem : Problem
    rtol : float
        Tolerance on the strengths, relative to themselves or, for spikes below the threshold
        ``(N/d)^{1/4}``, to the threshold; absolute tolerance on the squared alignments, likewise
        relaxed below the threshold by ``threshold / strength``.
    throw : bool
        When False a result that did not converge is returned with its status instead of raised.

    Raises
    ------
    ConvergenceError
        With the best result so far as ``best``.
    """
    c = constants(problem)
    if len(problem.steps) == 1:
        return _one_step(problem, c)
    names = _dimensions(problem)
    resolution = _STARTING_RESOLUTION
    while True:
        fine = _solve(problem, c, resolution)
        result = _compared(problem, c, fine, resolution, names)
        excess = _excess(problem, result, rtol)
        if excess <= 1.0:
            return result
        if not np.all(np.isfinite(fine.strengths)):
            result = replace(result, status=Status.NOT_FINITE)
            break
        refined = _refined(problem, c, fine, resolution, rtol)
        if _work(problem, refined) > _MAX_WORK:
            result = replace(result, status=Status.NOT_CONVERGED)
            break
        resolution = refined
    if throw:
        raise ConvergenceError(
            f"{result.status.value} Largest error {excess * rtol:.1e}, requested {rtol:.1e}.",
            result.status,
            result,
        )
    return result


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


def _solve(problem: Problem, c: Constants, resolution: Resolution) -> SpikeStrengths:
    """One solve at a fixed resolution; errors are not estimated."""
    sigma, reused = problem.activation, problem.batch == "reused"
    eta1, eta2 = problem.learning_rates
    phi1, phi2 = problem.sample_ratios
    kick = eta1 / math.sqrt(problem.width)  # t = kick * g
    # The readout with which a large label, or a large zeta, moves the pre-activation by about 1.
    large = 3.0 * c.rms_slope * phi1 * math.sqrt(c.Ey2) * reused + 2.0 * abs(c.mu1) * math.sqrt(c.B)
    g, w = readout_rule(
        problem.readout,
        _even(resolution.readout),
        min(max(1.0 / (kick * large), 0.05), 4.0) if large > 0 else 4.0,
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
            round(resolution.labels),
            round(resolution.zeta),
            resolution.target,
        )
        output, phi_t = after_reused_batch(sigma, c, phi1, t, law, resolution.inner)
    else:
        law = independent_law(*common, round(resolution.zeta), resolution.target)
        output, phi_t = after_independent_batch(sigma, c, t, law, resolution.inner)
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
    v_v = (phi1 if reused else phi2) * E_psi_psi + m_psi @ first.T
    if reused:
        cross = np.multiply.outer(m_psi[:, -1], E_y_psi)
        v_v += phi1 * (cross + cross.T)

    step1 = eta1 * c.mu1
    kernel = step1**2 * c.B + eta1 * eta2 * c.mu1 * (beta1_v[:, None] + beta1_v) + eta2**2 * v_v
    scaled = np.sqrt(w) * g
    eigenvalues, vectors = np.linalg.eigh(scaled[:, None] * kernel * scaled)
    order = np.argsort(eigenvalues)[::-1][:_MAX_SPIKES]
    theta = np.sqrt(np.maximum(eigenvalues[order], 0.0))
    order, theta = order[theta > 0], theta[theta > 0]
    left = vectors[:, order].T
    projections = (left * scaled) @ (step1 * c.b + eta2 * E_z_psi)
    return SpikeStrengths(
        strengths=theta,
        alignments=projections / theta[:, None],
        readout_nodes=g,
        readout_weights=w,
        left_functions=left / np.sqrt(w),
        strength_errors=np.zeros(theta.size),
        alignment_sq_errors=np.zeros(projections.shape),
        status=Status.CONVERGED,
    )


def _even(order: float) -> int:
    return 2 * max(1, round(order / 2.0))


def _dimensions(problem: Problem) -> tuple[str, ...]:
    names = [field.name for field in fields(Resolution)]
    if problem.batch == "independent":
        names.remove("labels")
    if isinstance(problem.readout, str) and problem.readout == "rademacher":
        names.remove("readout")
    return tuple(names)


def _refined(
    problem: Problem, c: Constants, fine: SpikeStrengths, resolution: Resolution, rtol: float
) -> Resolution:
    """The resolution at which the coarsening of each variable will cost its share of the tolerance.

    Each variable is coarsened alone. Convergence is taken as geometric in the number of nodes,
    ``error = exp(-rate * n)``; a variable that is finer than it need be is made coarser.
    """
    factors = {}
    for name in _dimensions(problem):
        result = _compared(problem, c, fine, resolution, (name,))
        change = rtol * _excess(problem, result, rtol)
        growth = math.log(_SHARE * rtol) / math.log(min(max(change, 1e-16), 0.1))
        factors[name] = min(max(growth, 0.6), 3.0)
    return resolution.scaled(**factors)


def _compared(
    problem: Problem,
    c: Constants,
    fine: SpikeStrengths,
    resolution: Resolution,
    names: tuple[str, ...],
) -> SpikeStrengths:
    """A solve with the change under coarsening of some variables as its error estimate."""
    coarse = _solve(problem, c, resolution.scaled(**{name: _COARSENING[name] for name in names}))
    return _with_errors(problem, c, fine, coarse)


def _with_errors(
    problem: Problem, c: Constants, fine: SpikeStrengths, coarse: SpikeStrengths
) -> SpikeStrengths:
    """Attach the change between two solves as the error estimate; drop negligible spikes."""
    threshold = problem.aspect_ratio**0.25
    kept = int(np.count_nonzero(fine.strengths > _KEEP * threshold))
    theta, o = fine.strengths[:kept], fine.alignments[:kept]
    other = np.zeros_like(theta), np.zeros_like(o)
    shared = min(kept, coarse.strengths.size)
    other[0][:shared], other[1][:shared] = coarse.strengths[:shared], coarse.alignments[:shared]
    top = theta[0] if kept else 0.0
    floor = (c.error + 1e-14) * top
    theta_error = _SAFETY * np.abs(theta - other[0]) + floor * top / np.maximum(theta, 1e-300)
    o_error = _SAFETY * np.abs(o**2 - other[1] ** 2) + (theta_error / theta)[:, None] * o**2
    return replace(
        fine,
        strengths=theta,
        alignments=o,
        left_functions=fine.left_functions[:kept],
        strength_errors=theta_error,
        alignment_sq_errors=o_error,
    )


def _excess(problem: Problem, result: SpikeStrengths, rtol: float) -> float:
    """Largest error in units of the tolerance."""
    threshold = problem.aspect_ratio**0.25
    relative_strength = np.minimum(result.strengths / threshold, 1.0)
    errors = [
        *(result.strength_errors / np.maximum(result.strengths, threshold)),
        *(result.alignment_sq_errors * relative_strength[:, None]).ravel(),
    ]
    worst = max(errors, default=0.0) / rtol
    return math.inf if math.isnan(worst) else float(worst)


def _work(problem: Problem, resolution: Resolution) -> float:
    """Rough number of function evaluations of a solve."""
    inner = 17.0 * resolution.inner * resolution.readout * resolution.zeta
    if problem.batch == "reused":
        inner *= resolution.labels
    target = (18.0 * resolution.target) ** problem.n_directions * resolution.zeta
    return inner + target
