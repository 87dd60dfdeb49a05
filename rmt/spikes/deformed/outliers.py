"""Level 2, deformed: the outliers of the trained weights on their finite-width bulk.

Forms of the outlier equation (theory.md, section 4). *Simple*: the right directions of the spikes
are independent of the bulk. *Exact*: they are built from the same inputs (`exact_forms`).
*Linked*: and steps act on the fluctuations that those before have left (`fluctuations`), which the
formulas of theory.md leave out. What is still left out is of the next order in the step;
the whole of what the exact forms correct is taken as the estimate of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.coupled_outliers import coupled_outliers, displaced
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.deformed.bulk import (
    RESOLUTION,
    DeformedBulk,
    Separated,
    deformed_bulk,
    settled_bulk,
)
from rmt.spikes.deformed.edge import Edge
from rmt.spikes.deformed.exact_forms import ExactForms
from rmt.spikes.deformed.fluctuations import Fluctuations, fluctuations
from rmt.spikes.deformed.simple_forms import SimpleForms
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.path import KEEP
from rmt.spikes.readout_rule import interpolation, readout_rule
from rmt.spikes.refined_walk import spectrum
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
_READOUT_NODES = 16  # at rtol = 1e-4, and four more for each digit
_READOUT_SCALE = 0.3  # of g: the Gauss rules are in asinh of it over this
_SPIKE = 1e-7  # of the strongest: one that is weaker is rounding
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
        Sets the number of nodes of the readout. A bulk that is deformed by less than this,
        relative, is taken to be Marchenko-Pastur, with its closed forms and the strengths of
        `rmt.spikes.resummed`.
    forms : {"linked", "exact", "simple"}
        ``exact``: with the spikes' directions built from the inputs that the bulk is built from;
        ``simple``: independent of them; ``linked``: exact, on the bulk of linked steps.

    Raises
    ------
    ConvergenceError
        The Dyson equation, or an outlier, was not solved; ``best`` holds the `SpikeStrengths`.

    Notes
    -----
    theory.md, section 4. Strengths and left functions are those of `rmt.spikes.resummed` on the
    nodes of the fluctuations; all errors are seen from a coarser rule of the samples, one of the
    readout, and a bulk that is cut lower.

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
    spikes = None
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen where it matters
            rules = _rules(problem, rtol, forms == "linked")
            spikes = _strengths(problem, rtol, [rule.spikes for rule in rules])
            return _on_bulk(problem, rtol, forms, rules, spikes)
    except ConvergenceError as error:
        error.best = spikes
        raise
    except (np.linalg.LinAlgError, MemoryError) as error:
        raise ConvergenceError(
            f"linear algebra on the deformed bulk failed: {error}", Status.NOT_FINITE, spikes
        ) from error


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """Fluctuations on some nodes, and the spikes there.

    ``matrix`` takes functions on the readout's nodes of the first rule to those of this one.
    """

    separated: Separated
    spikes: SpikeStrengths
    matrix: Array | None = None

    def converted(self, x: Array) -> Array:
        """Unknowns, or their derivatives, of the first rule as those of this one."""
        if self.matrix is None:
            return x
        rows = self.matrix.shape[1]
        return np.concatenate([self.matrix @ x[:rows], x[rows:]])

    def of(self, spikes: SpikeStrengths) -> SpikeStrengths:
        """Spikes on the first rule as spikes on this one."""
        if self.matrix is None:
            return spikes
        return replace(
            spikes,
            readout_nodes=self.spikes.readout_nodes,
            readout_weights=self.spikes.readout_weights,
            left_functions=spikes.left_functions @ self.matrix.T,
        )

    def near(self, edge: Edge) -> Edge:
        """The edge of the first rule's bulk in the unknowns of this one."""
        return Edge(edge.z, *(self.converted(one) for one in (edge.x, edge.tangent, edge.bend)))


def _rules(problem: Problem, rtol: float, linked: bool) -> list[_Rule]:
    """The rule of the answer, a coarser one of the samples, and one of the readout."""
    order = _READOUT_NODES + 4 * max(0, math.ceil(-math.log10(rtol) - 4.0 - 1e-9))
    kinked = bool(problem.activation.kinks)
    g, w = readout_rule(problem.readout, order, _READOUT_SCALE, kinked)
    fine, coarse = (fluctuations(problem, g, w, one, linked) for one in (RESOLUTION, _COARSER))
    first = Separated(problem, g, w, fine)
    rules = [
        _Rule(first, _spikes(problem, g, w, fine)),
        _Rule(
            Separated(problem, g, w, coarse, left=first.left),
            _spikes(problem, g, w, coarse),
        ),
    ]
    fewer, weights = readout_rule(problem.readout, order - 4, _READOUT_SCALE, kinked)
    if fewer.size < g.size:
        matrix = interpolation(
            np.arcsinh(g / _READOUT_SCALE), np.arcsinh(fewer / _READOUT_SCALE), kinked
        )
        other = first.interpolated(fewer, weights, matrix)
        spikes = _spikes(problem, fewer, weights, other.fluctuations)
        rules.append(_Rule(other, spikes, matrix))
    return rules


def _spikes(problem: Problem, g: Array, w: Array, found: Fluctuations) -> SpikeStrengths:
    """Of the mean update by the same averages; their errors are the differences of rules."""
    theta, toward, left = spectrum(problem, g, w, found.state)
    kept = int(np.sum(theta > KEEP * problem.aspect_ratio**0.25))
    return SpikeStrengths(
        strengths=theta[:kept],
        alignments=toward[:kept, : problem.n_directions],
        readout_nodes=g,
        readout_weights=w,
        left_functions=left[:kept],
        strength_errors=np.zeros(kept),
        alignment_sq_errors=np.zeros((kept, problem.n_directions)),
        status=Status.CONVERGED,
    )


def _strengths(problem: Problem, rtol: float, spikes: Sequence[SpikeStrengths]) -> SpikeStrengths:
    """Those of the first rule where the others agree with it to the tolerance, or better ones."""
    first, *others = spikes
    if np.isfinite(first.strengths).all():
        strength, alignment = first.strength_errors.copy(), first.alignment_sq_errors.copy()
        for other in others:
            k = min(strength.size, other.strengths.size)
            strength[:k] += np.abs(first.strengths[:k] - other.strengths[:k])
            strength[k:] += first.strengths[k:]
            alignment[:k] += np.abs(first.alignments[:k] ** 2 - other.alignments[:k] ** 2)
            alignment[k:] += first.alignments[k:] ** 2
        outlying = first.strengths > problem.aspect_ratio**0.25
        if (strength <= rtol * first.strengths)[outlying].all():
            return replace(first, strength_errors=strength, alignment_sq_errors=alignment)
    better = resummed_strengths(problem, rtol)
    if not better.status.ok and not better.strengths.size:
        raise ConvergenceError(better.status.value, better.status, better)
    k = min(first.strengths.size, better.strengths.size)
    # The sign of alignments goes with that of the functions.
    sign = np.where((first.alignments[:k] * better.alignments[:k]).sum(axis=1) < 0, -1.0, 1.0)
    return replace(
        better,
        strengths=better.strengths[:k],
        alignments=sign[:, None] * better.alignments[:k],
        readout_nodes=first.readout_nodes,
        readout_weights=first.readout_weights,
        left_functions=first.left_functions[:k],
        strength_errors=better.strength_errors[:k],
        alignment_sq_errors=better.alignment_sq_errors[:k],
    )


def _on_bulk(
    problem: Problem, rtol: float, forms: Forms, rules: list[_Rule], spikes: SpikeStrengths
) -> DeformedOutliers:
    separated = rules[0].separated
    fine, exceeding = settled_bulk(problem, separated)
    if fine.deformation <= rtol:
        return _undeformed(problem, resummed_strengths(problem, rtol))
    edge = fine.upper_edge()
    others = [(one, one.separated.cut(exceeding, one.near(fine.edge))) for one in rules[1:]]
    others.append((rules[0], separated.cut(_CUT_LOWER * exceeding, fine.edge)))
    edge_error = _SAFETY * sum(abs(edge - bulk.upper_edge()) for _, bulk in others)
    carrying = _carrying(spikes)

    def found(made: Callable[[DeformedBulk, SpikeStrengths], _Forms], near: Array) -> _Found:
        return _found(
            made(fine, carrying),
            fine,
            near,
            [(made(bulk, one.of(carrying)), bulk, one.converted) for one, bulk in others],
        )

    guess = rectangular_outliers(spikes.strengths, problem.aspect_ratio).singular_value
    if forms == "simple":
        result = found(SimpleForms, guess)
    else:
        simple = _found(SimpleForms(fine, carrying), fine, guess, [])
        result = found(partial(ExactForms, problem), simple.values[0]).with_missing(simple, edge)
    position, left, right, target = result.errors
    if not (position < result.values[0]).all():
        raise ConvergenceError(
            "the outlier equation has lost its digits, a singular value is as uncertain as it is "
            "large: the gradients' fluctuations are many times the initial weights",
            Status.NOT_CONVERGED,
        )
    values = (
        result.values[0],
        _overlaps(result.values[1], left),
        _overlaps(result.values[2], right),
        _overlaps(result.values[3], target),
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


def _carrying(spikes: SpikeStrengths) -> SpikeStrengths:
    """Without spikes that are rounding, whose directions mean nothing."""
    largest = spikes.strengths.max(initial=0.0)
    kept = spikes.strengths > _SPIKE * largest
    return replace(
        spikes,
        strengths=spikes.strengths[kept],
        alignments=spikes.alignments[kept],
        left_functions=spikes.left_functions[kept],
        strength_errors=spikes.strength_errors[kept],
        alignment_sq_errors=spikes.alignment_sq_errors[kept],
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


def _found(
    forms: _Forms,
    bulk: DeformedBulk,
    guess: Array,
    others: Sequence[tuple[_Forms, DeformedBulk, Callable[[Array], Array]]],
) -> _Found:
    """Outliers of forms on a bulk, with errors from other forms on other bulks.

    Each of the others comes with what makes unknowns of its bulk out of those of the first.
    """
    edge = bulk.upper_edge()
    found = coupled_outliers(forms, forms.couplings, edge**2 * (1.0 + _FROM_EDGE), guess**2)
    position = np.sqrt(found.z)
    overlaps = forms.overlaps(found.z, found.amplitudes)
    errors = [found.error / (2.0 * position), *(np.zeros_like(one) for one in overlaps)]
    for other, beneath, converted in others:
        # Where the other bulk reaches, there is no outlier to compare with.
        lost = position <= beneath.upper_edge()
        errors[0][lost] += position[lost] - edge
        for error, one in zip(errors[1:], overlaps, strict=True):
            error[lost] += one[lost]
        if lost.all():
            continue
        for z in found.z[~lost].tolist():
            beneath.above(z, converted(bulk.above(z).state.x[0]))
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
