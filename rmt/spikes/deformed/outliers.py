"""Level 2, deformed: the outliers of the trained weights on their finite-width bulk.

Forms of the outlier equation (theory.md, section 4). *Simple*: the right directions of the spikes
are independent of the bulk. *Exact*: they are built from the same inputs (`exact_forms`).
*Linked*: and the second step acts on the fluctuation that the first has left (`fluctuations`),
which the formulas of theory.md leave out. What is still left out is of the next order in the step;
the whole of what the exact forms correct is taken as the estimate of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.coupled_outliers import coupled_outliers, displaced
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.deformed.bulk import (
    DeformedBulk,
    bulk_on,
    cut_bulk,
    deformed_bulk,
    settled_bulk,
)
from rmt.spikes.deformed.exact_forms import ExactForms
from rmt.spikes.deformed.fluctuations import fluctuations
from rmt.spikes.deformed.simple_forms import SimpleForms
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.resummed import resummed_strengths
from rmt.status import ConvergenceError, InvalidInputError, Status
from rmt.vocabulary import FORMS, RTOL, Forms

__all__ = [
    "DEFAULT_FORMS",
    "FORMS",
    "DeformedOutliers",
    "Forms",
    "check_forms",
    "deformed_bulk",
    "deformed_outliers",
]

_Forms: TypeAlias = SimpleForms | ExactForms

DEFAULT_FORMS: Forms = "linked"  # the closest to simulation
_COARSER = 0.75  # resolution of the second solution, from which errors are estimated
_SAFETY = 2.0  # the edge of a discretised law converges unevenly
_ROUNDING = 1e-9
_CUT_LOWER = 2.0  # times as many neurons and samples that are cut off there


def check_forms(forms: object, method: object) -> None:
    """Raise `InvalidInputError` unless ``forms`` is None or may be given with this level."""
    if forms is None:
        return
    if forms not in FORMS:
        raise InvalidInputError(f"forms must be one of {', '.join(FORMS)}; got {forms!r}")
    if method != "deformed":
        raise InvalidInputError(
            f"forms belongs to method='deformed'; got forms={forms!r} with method={method!r}"
        )


_FROM_EDGE = 1e-9  # relative: at the edge the forms have a vertical tangent


@dataclass(frozen=True, slots=True, eq=False)
class DeformedOutliers:
    """Outliers of the trained weights on the deformed bulk, the largest first.

    Attributes
    ----------
    singular_value : array, shape (J,)
    left_overlap, right_overlap : array, shape (J,)
        Squared overlaps of the singular vectors with the span of the spikes' directions.
    target_overlap : array, shape (J, r)
        Squared overlaps of the right singular vectors with the target directions.
    singular_value_error, left_error, right_error, target_error : array
        Estimates of their absolute errors, of the same shapes: of the Dyson equation, of the
        discretisation (from a coarser one), of the cut-off of rare rows, of the strengths
        and, for the exact forms, of what the theory leaves out.
    edge, edge_error : float
        Upper edge of the bulk, a singular value; see `DeformedBulk.upper_edge`.
    spikes : SpikeStrengths
        Of the mean update, as at the level ``resummed``.
    bulk : DeformedBulk or None
        None when the deformation is negligible and the bulk is Marchenko-Pastur.
    """

    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    target_overlap: Array
    singular_value_error: Array
    left_error: Array
    right_error: Array
    target_error: Array
    edge: float
    edge_error: float
    spikes: SpikeStrengths
    bulk: DeformedBulk | None


def deformed_outliers(
    problem: Problem, rtol: float = RTOL, forms: Forms = DEFAULT_FORMS
) -> DeformedOutliers:
    """Outliers of the trained weights on their deformed bulk.

    Parameters
    ----------
    problem : Problem
    rtol : float
        Tolerance of the strengths, as in `resummed_strengths`. A bulk that is deformed by less
        than this, relative, is taken to be Marchenko-Pastur, with its closed forms.
    forms : {"linked", "exact", "simple"}
        ``exact``: with the spikes' directions built from the inputs that the bulk is built from;
        ``simple``: independent of them; ``linked``: exact, on the bulk of linked steps.

    Raises
    ------
    ConvergenceError
        The Dyson equation, or an outlier, was not solved; ``best`` holds the `SpikeStrengths`.

    Notes
    -----
    theory.md, section 4. Strengths and left functions are those of `rmt.spikes.resummed`; whether
    their tolerance was met is the ``status`` of ``spikes``.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem(
    ...     "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, Step(4, 0.3), readout="rademacher"
    ... )
    >>> deformed_outliers(problem).singular_value.round(2).tolist()
    [9.55]
    """
    if forms not in FORMS:
        raise InvalidInputError(f"forms must be one of {', '.join(FORMS)}; got {forms!r}")
    spikes = resummed_strengths(problem, rtol)
    if not spikes.status.ok and not spikes.strengths.size:
        raise ConvergenceError(spikes.status.value, spikes.status, spikes)
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen where it matters
            return _on_bulk(problem, rtol, forms, spikes)
    except ConvergenceError as error:
        error.best = spikes
        raise
    except (np.linalg.LinAlgError, MemoryError) as error:
        raise ConvergenceError(
            f"linear algebra on the deformed bulk failed: {error}", Status.NOT_FINITE, spikes
        ) from error


def _on_bulk(
    problem: Problem, rtol: float, forms: Forms, spikes: SpikeStrengths
) -> DeformedOutliers:
    nodes = spikes.readout_nodes, spikes.readout_weights
    linked = forms == "linked"
    batches = fluctuations(problem, *nodes, 1.0, linked)
    fine, edge, exceeding = settled_bulk(problem, *nodes, batches)
    if fine.deformation <= rtol:
        return _undeformed(problem, spikes)
    bulks = (
        fine,
        bulk_on(problem, *nodes, _COARSER, exceeding, linked),
        cut_bulk(problem, *nodes, batches, 1.0, _CUT_LOWER * exceeding),
    )
    edges = (edge, *(bulk.upper_edge() for bulk in bulks[1:]))
    edge_error = _SAFETY * sum(abs(edge - other) for other in edges[1:])
    guess = rectangular_outliers(spikes.strengths, problem.aspect_ratio).singular_value
    simple = _found([SimpleForms(bulk.pencil, spikes) for bulk in bulks], edges, guess)
    found = simple
    if forms != "simple":
        couplings = [ExactForms(problem, bulk, spikes) for bulk in bulks]
        found = _found(couplings, edges, simple.values[0]).with_missing(simple, edge)
    position, left, right, target = found.errors
    if not (position < found.values[0]).all():
        raise ConvergenceError(
            "the outlier equation has lost its digits, a singular value is as uncertain as it is "
            "large: the gradients' fluctuations are many times the initial weights",
            Status.NOT_CONVERGED,
        )
    values = (
        found.values[0],
        _overlaps(found.values[1], left),
        _overlaps(found.values[2], right),
        _overlaps(found.values[3], target),
    )
    # A position moves by less than the strength does.
    shared = slice(0, min(position.size, spikes.strengths.size))
    position[shared] += spikes.strength_errors[shared]
    target[shared] += spikes.alignment_sq_errors[shared]
    return DeformedOutliers(
        *values,
        singular_value_error=position,
        left_error=left,
        right_error=right,
        target_error=target,
        edge=edge,
        edge_error=edge_error,
        spikes=spikes,
        bulk=fine,
    )


def _overlaps(values: Array, errors: Array) -> Array:
    """Squared overlaps between 0 and 1: what is beyond is error."""
    if (np.maximum(values - 1.0, -values) > errors + _ROUNDING).any():
        raise ConvergenceError(
            f"a squared overlap of {values.max():.3g} has come out, beyond its error estimate",
            Status.NOT_CONVERGED,
        )
    return np.clip(values, 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Singular values, left, right and target overlaps, and the errors of each."""

    values: tuple[Array, Array, Array, Array]
    errors: tuple[Array, Array, Array, Array]

    def with_missing(self, simple: _Found, edge: float) -> _Found:
        """With all that the exact forms correct added to the errors."""
        count = self.values[0].size
        errors = []
        for k, (value, error, other) in enumerate(
            zip(self.values, self.errors, simple.values, strict=True)
        ):
            without = np.full_like(value, 0.0 if k else edge)  # an outlier in one of them only
            shared = min(count, len(other))
            without[:shared] = other[:shared]
            errors.append(error + np.abs(value - without))
        return _Found(self.values, (errors[0], errors[1], errors[2], errors[3]))


def _found(bulks: Sequence[_Forms], edges: Sequence[float], guess: Array) -> _Found:
    """Outliers on the first bulk, with errors from what they are on the others."""
    fine, *others = bulks
    start = edges[0] ** 2 * (1.0 + _FROM_EDGE)
    found = coupled_outliers(fine, fine.couplings, start, guess**2)
    position = np.sqrt(found.z)
    overlaps = fine.overlaps(found.z, found.amplitudes)
    errors = [found.error / (2.0 * position), *(np.zeros_like(one) for one in overlaps)]
    for other, edge in zip(others, edges[1:], strict=True):
        # Where the other bulk reaches, there is no outlier to compare with.
        lost = position <= edge
        errors[0][lost] += position[lost] - edges[0]
        for error, one in zip(errors[1:], overlaps, strict=True):
            error[lost] += one[lost]
        if lost.all():
            continue
        nearby = displaced(other, other.couplings, found.z[~lost])
        errors[0][~lost] += nearby.error / (2.0 * position[~lost])
        there = other.overlaps(found.z[~lost], nearby.amplitudes)
        for error, one, two in zip(errors[1:], overlaps, there, strict=True):
            error[~lost] += np.abs(one[~lost] - two)
    return _Found((position, *overlaps), (errors[0], errors[1], errors[2], errors[3]))


def _undeformed(problem: Problem, spikes: SpikeStrengths) -> DeformedOutliers:
    """The closed forms of the Marchenko-Pastur bulk."""
    plain = rectangular_outliers(spikes.strengths, problem.aspect_ratio)
    out = plain.is_outlier
    right, error = plain.right_overlap[out], spikes.strength_errors[out]
    # Above the threshold d(overlap)/d(theta) is below 4 / theta_c.
    overlap_error = 4.0 * error / problem.aspect_ratio**0.25
    return DeformedOutliers(
        plain.singular_value[out],
        plain.left_overlap[out],
        right,
        right[:, None] * spikes.alignments[out] ** 2,
        singular_value_error=error,
        left_error=overlap_error,
        right_error=overlap_error,
        target_error=overlap_error[:, None] + spikes.alignment_sq_errors[out],
        edge=1.0 + math.sqrt(problem.aspect_ratio),
        edge_error=0.0,
        spikes=spikes,
        bulk=None,
    )
