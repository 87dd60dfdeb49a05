"""From a `Problem` to a `Prediction`: the one place where the parts of the theory meet."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.problem import Problem
from rmt.spectra.marchenko_pastur import MarchenkoPasturBulk
from rmt.spectra.outliers import rectangular_outliers
from rmt.spikes.constants import constants
from rmt.spikes.resummed import SpikeStrengths, resummed_strengths
from rmt.status import ConvergenceError, InvalidInputError, Status

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["Method", "Prediction", "Spike", "SpikeError", "predict"]

Array = NDArray[np.float64]
Method: TypeAlias = Literal["resummed"]

METHODS = ("resummed",)
_HEAVY = 50.0  # the size of the rarest labels that count, in standard deviations


@dataclass(frozen=True, slots=True)
class SpikeError:
    """Absolute error estimates of the numbers of a `Spike`, under the same names."""

    strength: float
    singular_value: float
    left_overlap: float
    right_overlap: float
    target_alignments: tuple[float, ...]
    target_overlaps: tuple[float, ...]

    @property
    def target_overlap(self) -> float:
        """Error estimate of the sum over the target directions."""
        return sum(self.target_overlaps)


@dataclass(frozen=True, slots=True)
class Spike:
    """One direction that the training has added to the weights.

    All overlaps are squared inner products, between 0 and 1.

    Attributes
    ----------
    strength : float
        ``theta_k``, the singular value of the mean update.
    singular_value : float
        Of the weights; the bulk edge when the spike makes no outlier.
    left_overlap, right_overlap : float
        Of the outlier's singular vectors with the spike's own directions; 0 without an outlier.
    target_alignments : tuple of r floats
        ``o_k^2`` of the spike's right direction with each target direction.
    target_overlaps : tuple of r floats
        Of the right singular vector with each target direction: ``right_overlap * o_k^2``.
    is_outlier : bool
        Whether the strength is above the threshold ``(N/d)^{1/4}``.
    error : SpikeError
        Absolute error estimate of each number: of the solution of the theory's equations, not of
        their distance from a finite network.
    """

    strength: float
    singular_value: float
    left_overlap: float
    right_overlap: float
    target_alignments: tuple[float, ...]
    target_overlaps: tuple[float, ...]
    is_outlier: bool
    error: SpikeError

    @property
    def target_overlap(self) -> float:
        """Squared overlap of the right singular vector with the span of all target directions."""
        return sum(self.target_overlaps)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {
            "strength": self.strength,
            "singular_value": self.singular_value,
            "left_overlap": self.left_overlap,
            "right_overlap": self.right_overlap,
            "target_alignments": list(self.target_alignments),
            "target_overlaps": list(self.target_overlaps),
            "target_overlap": self.target_overlap,
            "is_outlier": self.is_outlier,
            "error": {
                "strength": self.error.strength,
                "singular_value": self.error.singular_value,
                "left_overlap": self.error.left_overlap,
                "right_overlap": self.error.right_overlap,
                "target_alignments": list(self.error.target_alignments),
                "target_overlaps": list(self.error.target_overlaps),
                "target_overlap": self.error.target_overlap,
            },
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the theory says of the weights after the last step.

    Attributes
    ----------
    problem : Problem
    method : str
        Level of theory.
    spikes : tuple of Spike
        Strongest first, down to 1/20 of the threshold strength.
    bulk : MarchenkoPasturBulk
        Law of the other singular values.
    notes : tuple of str
        What is special about the problem, in plain words.
    status : Status
    """

    problem: Problem
    method: Method
    spikes: tuple[Spike, ...]
    bulk: MarchenkoPasturBulk
    notes: tuple[str, ...]
    status: Status
    factors: SpikeStrengths = field(repr=False)  # left functions and their quadrature nodes

    @property
    def outliers(self) -> tuple[Spike, ...]:
        """The spikes that leave the bulk."""
        return tuple(spike for spike in self.spikes if spike.is_outlier)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, ready for JSON."""
        return {
            "method": self.method,
            "status": self.status.name,
            "problem": self.problem.to_dict(),
            "problem_hash": self.problem.content_hash,
            "bulk": {
                "law": "Marchenko-Pastur",
                "aspect_ratio": self.bulk.aspect_ratio,
                "edges": [list(interval) for interval in self.bulk.edges],
            },
            "n_outliers": len(self.outliers),
            "spikes": [spike.to_dict() for spike in self.spikes],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row per spike, as a pandas frame (needs the extra ``frame``)."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas (the extra 'frame' of this package)"
            ) from error
        rows = []
        for spike in self.spikes:
            row = spike.to_dict()
            del row["error"], row["target_alignments"], row["target_overlaps"]
            for i, overlap in enumerate(spike.target_overlaps):
                row[f"target_overlap_{i + 1}"] = overlap
            row["strength_error"] = spike.error.strength
            row["singular_value_error"] = spike.error.singular_value
            row["target_overlap_error"] = spike.error.target_overlap
            rows.append(row)
        return pandas.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the bulk and the outliers (needs the extra ``plot``); returns the axes."""
        from rmt.plotting import draw_prediction

        return draw_prediction(self, ax)

    def __str__(self) -> str:
        problem, r = self.problem, self.problem.n_directions
        readout = problem.readout if isinstance(problem.readout, str) else "given"
        steps = ", ".join(f"{step.scale:g} N^{step.exponent:g}" for step in problem.steps)
        samples = " + ".join(str(n) for n in dict.fromkeys(problem.samples))
        batch = f", {problem.batch} batch" if len(problem.steps) > 1 else ""
        low, high = self.bulk.edges[0]
        lines = [
            f"activation {_short(problem.activation.text)}, target {_short(problem.target.text)}",
            f"N = {problem.width}, d = {problem.dim}, n = {samples}; eta = {steps}{batch}; "
            f"{readout} readout, noise {problem.noise_std:g}",
            f"bulk of singular values [{low:.4f}, {high:.4f}], {len(self.outliers)} outlier"
            f"{'' if len(self.outliers) == 1 else 's'} ({self.method})",
        ]
        names = ["overlap with target"] if r == 1 else [f"overlap with e{i + 1}" for i in range(r)]
        header = ["spike", "strength", "singular value", "left", "right", *names]
        lines.append("  ".join(header))
        for k, spike in enumerate(self.spikes):
            cells = [f"{k}", f"{spike.strength:.5g}"]
            if spike.is_outlier:
                overlaps = (spike.left_overlap, spike.right_overlap, *spike.target_overlaps)
                cells += [f"{spike.singular_value:.5g}", *(f"{value:.4f}" for value in overlaps)]
            else:
                cells += ["in the bulk"] + [""] * (2 + r)
            lines.append(
                "  ".join(
                    cell.rjust(len(name)) for cell, name in zip(cells, header, strict=True)
                ).rstrip()
            )
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


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


def _short(text: str) -> str:
    """The text of a function with long decimals cut to six digits, for display."""
    return re.sub(r"\d+\.\d{8,}", lambda number: f"{float(number[0]):.6g}", text)


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
