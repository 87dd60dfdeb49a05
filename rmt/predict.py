"""From a `Problem` to a `Prediction`: the one place where the parts of the theory meet."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from rmt.prediction import Method, Prediction, Spike, SpikeError
from rmt.problem import Problem
from rmt.spectra.marchenko_pastur import MarchenkoPasturBulk
from rmt.spectra.outliers import rectangular_outliers
from rmt.spikes.constants import constants
from rmt.spikes.resummed import SpikeStrengths, resummed_strengths
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["predict"]


METHODS = ("resummed",)
_HEAVY = 50.0  # the size of the rarest labels that count, in standard deviations


def predict(
    problem: Problem, method: Method = "resummed", rtol: float = 1e-6, throw: bool = True
) -> Prediction:
    """Outliers of the weights after the last step, and what they have learned of the target.

    The mean update is a matrix of finite rank with singular values ``theta_k``, right directions of
    squared alignment ``o_k^2`` with the target; on the Marchenko-Pastur bulk of the initial weights
    each ``theta_k > (N/d)^{1/4}`` makes one outlier.

    Parameters
    ----------
    problem : Problem
    method : {"resummed"}
        Level of theory: finite width, all orders in the first step.
    rtol : float
        Relative tolerance on the strengths and absolute tolerance on the squared alignments of
        outliers, from 1e-10 to 1e-2. It is relaxed for spikes below the threshold
        ``theta_c = (N/d)^{1/4}``: to ``rtol * theta_c^2`` in ``theta^2``, and by
        ``theta_c / theta`` in the alignments.
    throw : bool
        Whether a solve that did not converge raises, or is returned with its `status`.

    Returns
    -------
    Prediction

    Raises
    ------
    InvalidInputError
        For a problem or an argument that is not allowed.
    ConvergenceError
        When ``rtol`` is not reached; ``best`` holds the best `Prediction` so far.

    Notes
    -----
    theory.md, section 3.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z + 7/10)",
    ...     "He3(z)/sqrt(6)",
    ...     width=2000,
    ...     dim=2000,
    ...     samples=4000,
    ...     steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)],
    ...     readout="rademacher",
    ... )
    >>> prediction = rmt.predict(problem)
    >>> [round(spike.singular_value, 3) for spike in prediction.outliers]
    [31.432, 4.11]
    """
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    if method not in METHODS:
        raise InvalidInputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if isinstance(rtol, bool) or not isinstance(rtol, Real) or not 1e-10 <= rtol <= 1e-2:
        raise InvalidInputError(f"rtol must lie between 1e-10 and 1e-2, got {rtol!r}")
    factors = resummed_strengths(problem, rtol)
    prediction = _prediction(problem, method, factors)
    if throw and not factors.status.ok:
        relative = (spike.error.strength / spike.strength for spike in prediction.outliers)
        errors = ", ".join(f"{error:.1e}" for error in relative)
        raise ConvergenceError(
            f"{factors.status.value} Requested: rtol = {rtol:.1e}; relative errors of the "
            f"outliers' strengths: {errors or 'none found'}. "
            "The prediction so far is the attribute `best` of this error, and is what "
            "throw=False returns.",
            factors.status,
            prediction,
        )
    return prediction


def _prediction(problem: Problem, method: Method, factors: SpikeStrengths) -> Prediction:
    return Prediction(
        problem=problem,
        method=method,
        # An N x d matrix has no more singular values.
        spikes=_spikes(factors, problem.aspect_ratio, min(problem.width, problem.dim)),
        bulk=MarchenkoPasturBulk(problem.aspect_ratio),
        notes=_notes(problem, factors),
        status=factors.status,
        factors=factors,
    )


def _spikes(factors: SpikeStrengths, aspect_ratio: float, at_most: int) -> tuple[Spike, ...]:
    theta, theta_error = factors.strengths, factors.strength_errors
    outliers = rectangular_outliers(theta, aspect_ratio)
    # Position and overlaps increase with the strength: their errors follow from its interval.
    ends = [
        rectangular_outliers(np.maximum(theta + sign * theta_error, 0.0), aspect_ratio)
        for sign in (-1.0, 1.0)
    ]
    spikes = []
    for k in range(min(theta.size, at_most)):
        alignments = factors.alignments[k] ** 2
        alignment_errors = factors.alignment_sq_errors[k]
        errors = {
            name: max(abs(getattr(end, name)[k] - getattr(outliers, name)[k]) for end in ends)
            for name in ("singular_value", "left_overlap", "right_overlap")
        }
        right, right_error = outliers.right_overlap[k], errors["right_overlap"]
        overlap_errors = right_error * (alignments + alignment_errors) + right * alignment_errors
        spikes.append(
            Spike(
                strength=float(theta[k]),
                singular_value=float(outliers.singular_value[k]),
                left_overlap=float(outliers.left_overlap[k]),
                right_overlap=float(right),
                target_alignments=tuple(alignments.tolist()),
                target_overlaps=tuple((right * alignments).tolist()),
                is_outlier=bool(outliers.is_outlier[k]),
                error=SpikeError(
                    strength=float(theta_error[k]),
                    singular_value=float(errors["singular_value"]),
                    left_overlap=float(errors["left_overlap"]),
                    right_overlap=float(right_error),
                    target_alignments=tuple(alignment_errors.tolist()),
                    target_overlaps=tuple(overlap_errors.tolist()),
                ),
            )
        )
    return tuple(spikes)


def _spikes_named(chosen: NDArray[np.bool_]) -> str:
    numbers = [str(k) for k in np.flatnonzero(chosen)]
    if len(numbers) == 1:
        return f"spike {numbers[0]} is"
    return f"spikes {', '.join(numbers[:-1])} and {numbers[-1]} are"


def _notes(problem: Problem, factors: SpikeStrengths) -> tuple[str, ...]:
    c = constants(problem)
    notes = []
    threshold = problem.aspect_ratio**0.25
    if not np.any(factors.strengths > threshold):
        notes.append(
            "no outlier: every spike is weaker than the threshold strength "
            f"(N/d)^(1/4) = {threshold:.4g}, so all singular values stay in the bulk"
        )
    undecided = np.abs(factors.strengths - threshold) <= factors.strength_errors
    if np.any(undecided):
        notes.append(
            f"spike {int(np.flatnonzero(undecided)[0])} is at the threshold strength within its "
            "error estimate: whether it leaves the bulk is undecided; ask for a smaller rtol"
        )
    # The bulk of a finite network is wider than its limit by a relative amount of this order.
    widening = problem.width ** (2.0 * max(step.exponent for step in problem.steps) - 1.0)
    edge = 1.0 + math.sqrt(problem.aspect_ratio)
    values = rectangular_outliers(factors.strengths, problem.aspect_ratio).singular_value
    near = (factors.strengths > threshold) & (values < edge * (1.0 + widening))
    if np.any(near):
        notes.append(
            f"{_spikes_named(near)} within {widening:.0%} of the bulk's edge: at this width the "
            "bulk is wider than its limit by an amount of that order, N^(2 alpha - 1), and may "
            "reach it"
        )
    if c.large_label > _HEAVY * math.sqrt(c.Ey2):
        notes.append(
            "the target has heavy tails (rare labels of up to "
            f"{c.large_label / math.sqrt(c.Ey2):.0f} times the typical size count): networks of "
            "finite width scatter and come close to this prediction slowly"
        )
    if abs(c.mu1) <= 1e-12 * c.rms_slope:
        notes.append(
            "mu_1 = E[sigma'(Z)] = 0: the first step leaves no spike of its own, and W_1 stays in "
            "the bulk"
        )
    if not np.any(c.b) and c.target_variance <= 1e-12 * (c.target_variance + c.Ey**2):
        notes.append("the target is constant: there is no signal to learn")
    elif not np.any(c.b):
        notes.append(
            "E[z y] = 0 (information exponent above 1): "
            "the first step is not aligned with the target"
        )
    if not isinstance(problem.readout, str):
        mean, std = float(problem.readout.mean()), float(problem.readout.std())
        if abs(mean) > 5.0 * std / math.sqrt(problem.width):
            notes.append(
                f"the readout has mean {mean:.3g} and standard deviation {std:.3g}: the theory "
                "takes mean zero, and the output of the untrained network to be negligible"
            )
        if not 0.5 < std < 2.0:
            notes.append(
                f"the readout has standard deviation {std:.3g}: it holds g_i = sqrt(N) a_i, whose "
                "usual scale is 1"
            )
    return tuple(notes)
