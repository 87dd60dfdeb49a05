"""From strengths to outliers on a bulk whose rows have the lengths that training gives them.

A row of readout ``g`` has beside its mean update a part of its own, of length ``b(g)``. Level
``resummed`` knows it, and weak outliers feel it first: the bulk is ``diag(b(g_i)) W_0`` instead of
``W_0``. What is left out is its dependence on the data (level ``deformed``). Equations:
`rmt.spectra.outliers.unequal_rows`; docs/theory.md, rows of their own length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.laws.law import SpectralLaw
from rmt.spectra.laws.population import Population
from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur
from rmt.spectra.outliers.unequal_rows import unequal_row_outliers
from rmt.spikes.deformed.rare import exceeded_by
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.readout_rule import law_of_readout
from rmt.spikes.refinement import SAFETY
from rmt.spikes.row_lengths import interpolated_lengths
from rmt.spikes.state.walk import shrunk

__all__ = ["RowsOutliers", "on_plain_rows", "outliers_on_rows"]


CUT_LOWER = 2.0  # times as many neurons that are cut off there


@dataclass(frozen=True, slots=True, eq=False)
class RowsOutliers:
    """Outliers on the bulk of these rows, the largest first.

    Attributes
    ----------
    singular_value, left_overlap, right_overlap : array, shape (J,)
        Overlaps squared, with the span of the spikes' directions.
    target_overlap : array, shape (J, r)
        Squared overlaps of the right singular vectors with the target's directions.
    initial_overlap : array, shape (J,)
        Those with ``W_0^T a``, for an output of order one; otherwise nan.
    singular_value_error, left_error, right_error, target_error, initial_error : array
        Estimates of their absolute errors, of the same shapes: of strengths and lengths, and of
        the cut-off of rare rows.
    edge, edge_error : float
        Upper edge of the bulk, a singular value.
    inside_error : float
        The same for a spike in the bulk: the edge, or the outlier that it makes within errors.
    spikes : SpikeStrengths
    bulk : SpectralLaw
        Of the ``min(N, d)`` singular values of the bulk.
    """

    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    target_overlap: Array
    initial_overlap: Array
    singular_value_error: Array
    left_error: Array
    right_error: Array
    target_error: Array
    initial_error: Array
    edge: float
    edge_error: float
    inside_error: float
    spikes: SpikeStrengths
    bulk: SpectralLaw


def outliers_on_rows(problem: Problem, spikes: SpikeStrengths) -> RowsOutliers:
    """Outliers of spikes whose ``row_lengths`` are known.

    Parameters
    ----------
    problem : Problem
    spikes : SpikeStrengths
        With ``row_lengths``.

    Notes
    -----
    An unbounded readout has rows of any length. Lengths are cut to what one neuron of ``N`` is
    expected to exceed; the error has what changes where two are.

    Examples
    --------
    >>> from rmt.spikes.resummed import resummed_strengths
    >>> from rmt.spikes.row_lengths import with_row_lengths
    >>> problem = Problem(
    ...     "tanh(z + 7/10)",
    ...     "sin(2*z)",
    ...     1000,
    ...     1000,
    ...     2000,
    ...     [(4, 0.3), (4, 0.4)],
    ...     readout="rademacher",
    ... )
    >>> (spikes,) = with_row_lengths([problem], [resummed_strengths(problem)])
    >>> outliers_on_rows(problem, spikes).singular_value.round(3).tolist()
    [19.856, 2.466]
    """
    assert spikes.row_lengths is not None
    found = _mapped(problem, spikes, 1.0)
    lower = _mapped(problem, spikes, CUT_LOWER)
    # Without another solve the lengths are as uncertain as they are far from 1.
    other = spikes.coarser or replace(spikes, row_lengths=np.ones_like(spikes.row_lengths))
    coarser = _mapped(problem, other, 1.0)
    ends = []
    for sign in (-1.0, 1.0):
        strengths = np.maximum(spikes.strengths + sign * spikes.strength_errors, 0.0)
        ends.append(_mapped(problem, replace(spikes, strengths=strengths), 1.0, found.law))

    def errors(name: str) -> Array:
        values = getattr(found, name)
        at_ends = [np.abs(one.like(found, name) - values) for one in ends]
        rest = SAFETY * np.abs(coarser.like(found, name) - values)
        rest += np.abs(lower.like(found, name) - values)
        return np.asarray(np.max(at_ends, axis=0) + rest)

    count, shared = found.singular_value.size, spikes.strengths.size
    target_error = errors("target_overlap")
    target_error += found.right_overlap[:, None] * spikes.alignment_sq_errors[:count]
    initial_error = errors("initial_overlap")
    if spikes.initial_sq_errors is not None:
        initial_error += found.right_overlap * spikes.initial_sq_errors[:count]
    edge_error = SAFETY * abs(coarser.edge - found.edge) + abs(lower.edge - found.edge)
    further = [one.singular_value[count:shared] for one in (*ends, coarser, lower)]
    reach = max((float(one[0]) for one in further if one.size), default=found.edge)
    eigenvalues: SpectralLaw = found.law
    if problem.width > problem.dim:  # the zeros of W W^T that W^T W has not
        eigenvalues = found.law.without_atoms()
    return RowsOutliers(
        found.singular_value,
        found.left_overlap,
        found.right_overlap,
        found.target_overlap,
        found.initial_overlap,
        singular_value_error=errors("singular_value"),
        left_error=errors("left_overlap"),
        right_error=errors("right_overlap"),
        target_error=target_error,
        initial_error=initial_error,
        edge=found.edge,
        edge_error=edge_error,
        inside_error=max(edge_error, reach - found.edge),
        spikes=spikes,
        bulk=eigenvalues.singular_values(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Mapped:
    """Numbers of the outliers, and the law they are outside of."""

    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    target_overlap: Array
    initial_overlap: Array
    edge: float
    law: GeneralisedMarchenkoPastur

    def like(self, other: _Mapped, name: str) -> Array:
        """A number of as many outliers as another has; in the bulk where there are fewer here."""
        values, shape = getattr(self, name), getattr(other, name).shape
        full = np.full(shape, self.edge if name == "singular_value" else 0.0)
        full[: len(values)] = values[: shape[0]]
        return full


def on_plain_rows(problem: Problem, spikes: SpikeStrengths) -> SpikeStrengths:
    """Spikes on rows of the lengths that weight decay leaves, alone or in pairs.

    Neurons of an antisymmetric start come in pairs of the same weights. Their sums and differences,
    over ``sqrt 2``, are rows of length ``sqrt 2`` and 0, with the even and the odd part of the left
    functions: of every pair one of each.
    """
    left = shrunk(problem, problem.n_steps)
    g, w, u = spikes.readout_nodes, spikes.readout_weights, spikes.left_functions
    lengths = np.full(g.size, left)
    if problem.initialisation == "antisymmetric":
        mirrored = _mirrored(g, u)
        u = np.concatenate([u + mirrored, u - mirrored], axis=1) / math.sqrt(2.0)
        lengths = np.concatenate([math.sqrt(2.0) * lengths, 0.0 * lengths])
        g, w = np.tile(g, 2), np.tile(w, 2) / 2.0
    made = replace(
        spikes, readout_nodes=g, readout_weights=w, left_functions=u, row_lengths=lengths
    )
    return replace(made, coarser=replace(made, coarser=None))


def _mirrored(g: Array, u: Array) -> Array:
    """``u_k(-g)`` at the nodes of a rule that is symmetric, or of a readout that is given so."""
    partner = np.argmin(np.abs(g[:, None] + g), axis=0)
    return np.asarray(u[:, partner])


def _mapped(
    problem: Problem,
    spikes: SpikeStrengths,
    exceeding: float,
    law: GeneralisedMarchenkoPastur | None = None,
) -> _Mapped:
    """Outliers with rows cut to what ``exceeding`` of them are expected to exceed."""
    assert spikes.row_lengths is not None
    lengths, weights = _population(problem, spikes)
    square = spikes.row_lengths**2
    if isinstance(problem.readout, str) and problem.readout == "gaussian":
        most = exceeded_by(exceeding / problem.width, lengths, weights)
        lengths, square = np.minimum(lengths, most), np.minimum(square, most)
    if law is None:
        law = GeneralisedMarchenkoPastur(
            Population.of_atoms(lengths, weights), problem.aspect_ratio
        )
    found = unequal_row_outliers(
        spikes.strengths, spikes.left_functions, square, spikes.readout_weights, law
    )
    return _Mapped(
        found.singular_value,
        found.left_overlap,
        (found.components**2).sum(axis=1),
        (found.components @ spikes.alignments) ** 2,
        found.singular_value * math.nan
        if spikes.initial_alignments is None
        else (found.components @ spikes.initial_alignments) ** 2,
        math.sqrt(law.upper_edge),
        law,
    )


def _population(problem: Problem, spikes: SpikeStrengths) -> tuple[Array, Array]:
    """The law of ``b^2``: squared lengths and their weights, on many nodes of the readout.

    A few nodes of a Gauss rule have no density: the edge and the law of the bulk see each of them.
    """
    assert spikes.row_lengths is not None
    g, square = spikes.readout_nodes, spikes.row_lengths**2
    atoms = list(dict.fromkeys(square.tolist()))
    if len(atoms) <= 2:  # the same for all neurons, or for all pairs of them
        return np.array(atoms), np.array([spikes.readout_weights[square == b].sum() for b in atoms])
    values, weights = law_of_readout(problem.readout)
    if values.size <= g.size:
        return square, spikes.readout_weights
    return interpolated_lengths(problem, g, square, values), weights
