"""Level 2, deformed: the finite-width bulk of the trained weights.

At finite width the fluctuating part of the gradients deforms the Marchenko-Pastur bulk of ``W_0``
by ``O(N^{2 alpha - 1})``. Its Gaussian equivalent (see `fluctuations` beside) makes the bulk

    W_bulk = W_0 + (1/n) sum_m D_{l_m} W_0 X^T D_{r_m} X + (1/n) (sqrt(V) o G) X,

summed over the batches, with ``L(a; y, zeta) = sum_m l_m(a) r_m(y, zeta)``; a Gaussian linear
pencil (theory.md, section 4) in the slots

    r                    (index a)            rows
    u, q_m, lambda_m     (dimension d)        u: right vectors; q_m = n^{-1/2} X^T D_{r_m} v
    v, lambda            (index (y, zeta))    v = n^{-1/2} X u, for every batch
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.dyson import (
    GaussianField,
    IndexType,
    Pencil,
    PencilDensity,
    Term,
    density,
)
from rmt.spectra.laws.law import SpectralLaw
from rmt.spectra.pencil.law import PencilLaw
from rmt.spectra.pencil_outliers import upper_edge
from rmt.spikes.deformed.fluctuations import BatchFluctuations, fluctuations
from rmt.spikes.deformed.rare import cut_to_finite_size
from rmt.spikes.readout_rule import readout_rule

__all__ = ["BatchSlots", "DeformedBulk", "bulk_on", "cut_bulk", "deformed_bulk", "settled_bulk"]


_READOUT_NODES = 24
_TRUNCATION = 1e-3  # of L, against the unit coefficient of W_0, or its own size if that is more
_SHARP = 1e-3  # relative: an edge that moves by less does not depend on rare nodes
_MOST_CUT = 64.0
_LEAST_STEP = 0.25  # octaves
_FAR_INSIDE = 0.9  # of the Marchenko-Pastur edge: more than half a singular value is beyond
_TAIL_POINTS = 64
_TRUNCATION_OF_VARIANCE = 0.1  # relative to that of L: of V, against its largest entries


@dataclass(frozen=True, slots=True, eq=False)
class BatchSlots:
    """One batch in the pencil: its slots, and its samples.

    Attributes
    ----------
    after, before : str
        Slots ``v = n^{-1/2} X u`` and ``lambda``, its multiplier, on the nodes of the samples.
    multipliers : tuple of M str
        Slots ``lambda_m`` of dimension d.
    right : array, shape (M, P)
        ``r_m``, with ``L = sum_m l_m r_m``.
    samples : BatchFluctuations
    """

    after: str
    before: str
    multipliers: tuple[str, ...]
    right: Array
    samples: BatchFluctuations


@dataclass(frozen=True, slots=True, eq=False)
class DeformedBulk:
    """The limiting bulk of ``W`` after the steps.

    Attributes
    ----------
    pencil : Pencil
        Slot ``"u"`` holds ``(W^T W - z)^{-1}``, slot ``"r"`` holds ``z (W W^T - z)^{-1}``.
    readout_nodes, readout_weights : array, shape (Q,)
        Nodes of the index type ``"N"``: the law of ``g``.
    batches : tuple of BatchSlots
    deformation : float
        What the fluctuations add to the squared norms of rows, relative, at most: the size of the
        bulk's distance from Marchenko-Pastur.
    """

    pencil: Pencil
    readout_nodes: Array
    readout_weights: Array
    batches: tuple[BatchSlots, ...]
    deformation: float

    def singular_values(self, upper_edge: float | None = None) -> SpectralLaw:
        """The law of the ``min(N, d)`` singular values of ``W``; nothing is computed yet.

        Parameters
        ----------
        upper_edge : float, optional
            What `upper_edge` has returned, so that it is not computed again.
        """
        square = None if upper_edge is None else upper_edge**2
        law: SpectralLaw = PencilLaw(self.pencil, "u", upper_edge=square)
        if self.pencil.type_named("N").size < self.pencil.type_named("d").size:
            law = law.without_atoms()  # the d - N zeros of W^T W that W W^T has not
        return law.singular_values()

    def density(self, x: ArrayLike, throw: bool = True) -> PencilDensity:
        """Density of the eigenvalues of ``W^T W``, without an atom at zero."""
        return density(self.pencil, "u", x, throw=throw)

    def upper_edge(self) -> float:
        """Upper edge of the singular values of ``W``."""
        return math.sqrt(upper_edge(self.pencil, "u"))

    def __str__(self) -> str:
        ranks = ", ".join(str(len(batch.right)) for batch in self.batches)
        return f"DeformedBulk: {self.readout_nodes.size} readout nodes, ranks of L: {ranks}"


def deformed_bulk(problem: Problem, resolution: float = 1.0, linked: bool = False) -> DeformedBulk:
    """Bulk of the singular values after the steps, at finite width.

    Fluctuations of the rarest neurons and samples are cut off: see `rmt.spikes.deformed.rare`.

    Parameters
    ----------
    problem : Problem
    resolution : float
        Multiplies the number of quadrature nodes of every variable.
    linked : bool
        Whether the second step acts on the fluctuation of the first.

    Notes
    -----
    theory.md, section 4.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem(
    ...     "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, Step(4, 0.3), readout="rademacher"
    ... )
    >>> bulk = deformed_bulk(problem)
    >>> bulk.density([1.0]).value.round(4).tolist(), round(bulk.upper_edge(), 3)
    ([0.2731], 2.029)
    """
    order = 2 * max(1, round(resolution * _READOUT_NODES / 2))
    kinked = bool(problem.activation.kinks)
    g, w = readout_rule(problem.readout, order, 1.0, kinked)
    if resolution == 1.0:
        return settled_bulk(problem, g, w, fluctuations(problem, g, w, 1.0, linked))[0]
    return bulk_on(problem, g, w, resolution, linked=linked)


def bulk_on(
    problem: Problem,
    g: Array,
    w: Array,
    resolution: float,
    exceeding: float = 1.0,
    linked: bool = False,
) -> DeformedBulk:
    """The bulk on given nodes of the readout; ``exceeding`` is that of `cut_to_finite_size`."""
    return cut_bulk(
        problem, g, w, fluctuations(problem, g, w, resolution, linked), resolution, exceeding
    )


def settled_bulk(
    problem: Problem, g: Array, w: Array, batches: list[BatchFluctuations]
) -> tuple[DeformedBulk, float, float]:
    """The bulk with a tail in which less than half a singular value is expected cut off.

    ``batches`` are the problem's `fluctuations` on the nodes of the readout.

    Returns
    -------
    bulk : DeformedBulk
    edge : float
        Its upper edge, a singular value.
    exceeding : float
        That of `cut_to_finite_size`. It is 1 where the edge hardly depends on it, and otherwise
        such that the edge is where half a singular value of the law cut at 1 is expected beyond.
    """
    first, second = (cut_bulk(problem, g, w, batches, 1.0, number) for number in (1.0, 2.0))
    edge, moved = first.upper_edge(), second.upper_edge()
    if moved > edge * (1.0 - _SHARP):
        return first, edge, 1.0
    target = _half_expected(first, edge, problem)
    if edge <= target:
        return first, edge, 1.0
    # The edge falls about evenly with the logarithm of the number.
    bulk, exceeding, octaves = second, 2.0, 1.0
    while moved > target * (1.0 + _SHARP) and exceeding < _MOST_CUT:
        fall = (edge - moved) / octaves
        octaves = max(_LEAST_STEP, (moved - target) / fall) if fall > 0 else 1.0
        octaves = min(octaves, math.log2(_MOST_CUT / exceeding))
        exceeding *= 2.0**octaves
        bulk = cut_bulk(problem, g, w, batches, 1.0, exceeding)
        edge, moved = moved, bulk.upper_edge()
    return bulk, moved, exceeding


def _half_expected(bulk: DeformedBulk, edge: float, problem: Problem) -> float:
    """Beyond which half a singular value is expected."""
    s = np.linspace(_FAR_INSIDE * (1.0 + math.sqrt(problem.aspect_ratio)), edge, _TAIL_POINTS)[::-1]
    density = 2.0 * s * np.nan_to_num(bulk.density(s**2, throw=False).value)
    beyond = np.append(0.0, np.cumsum((density[1:] + density[:-1]) * -np.diff(s) / 2.0))
    return float(np.interp(0.5 / problem.dim, beyond, s))


def cut_bulk(
    problem: Problem,
    g: Array,
    w: Array,
    batches: list[BatchFluctuations],
    resolution: float,
    exceeding: float,
) -> DeformedBulk:
    """The bulk of given fluctuations, cut by `cut_to_finite_size`."""
    cut = [
        cut_to_finite_size(batch, w, problem.width, samples, exceeding)
        for batch, samples in zip(batches, problem.samples, strict=False)
    ]
    return _assembled(problem, g, w, cut, resolution)


def _assembled(
    problem: Problem, g: Array, w: Array, batches: list[BatchFluctuations], resolution: float
) -> DeformedBulk:
    truncation = _TRUNCATION * resolution**-4
    types = [IndexType("N", problem.aspect_ratio, ["r"], g, w)]
    slots, fields = ["u"], []
    constant: dict[tuple[str, str], float] = {("r", "r"): -1.0}
    weights_terms = [Term("r", "u")]
    placed = []
    for number, batch in enumerate(batches, start=1):
        name, v, multiplier = f"n{number}", f"v{number}", f"lambda{number}"
        count = batch.weights.size
        types.append(
            IndexType(
                name, 1.0 / batch.sample_ratio, [v, multiplier], np.arange(count), batch.weights
            )
        )
        constant[v, multiplier] = 1.0
        data_terms = [Term(multiplier, "u", -1.0)]
        left, right = _separated(batch.linear, w, batch.weights, truncation)
        duals = tuple(f"lambda{number}_{m}" for m in range(1, len(left) + 1))
        for m, (dual, l_m, r_m) in enumerate(zip(duals, left, right, strict=True), start=1):
            q = f"q{number}_{m}"
            slots += [q, dual]
            constant[q, dual] = 1.0
            weights_terms.append(Term("r", q, l_m))
            data_terms.append(Term(v, dual, -r_m))
        placed.append(BatchSlots(v, multiplier, duals, right, batch))
        fields.append(GaussianField(data_terms, reference=name))
        if np.any(batch.variance > 0):
            variance = _low_rank(batch.variance, _TRUNCATION_OF_VARIANCE * truncation)
            fields.append(GaussianField(Term("r", v), reference=name, variance=variance))
    types.append(IndexType("d", 1.0, slots))
    fields.append(GaussianField(weights_terms, reference="d"))
    pencil = Pencil(types, fields, constant, {("u", "u"): -1.0})
    return DeformedBulk(
        pencil=pencil,
        readout_nodes=g,
        readout_weights=w,
        batches=tuple(placed),
        deformation=sum(_size(batch) for batch in batches),
    )


def _size(batch: BatchFluctuations) -> float:
    linear = batch.linear**2 @ batch.weights
    variance = batch.variance @ batch.weights
    return float(np.max(2.0 * np.sqrt(linear) + batch.sample_ratio * (linear + variance)))


def _separated(values: Array, w: Array, weights: Array, truncation: float) -> tuple[Array, Array]:
    """``values[q, p] = sum_m left[m, q] right[m, p]``, truncated in the weighted norm.

    What is left out is small against 1, the coefficient of ``W_0``, or against the largest term
    where that is larger.
    """
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * values * columns, full_matrices=False)
    rank = int(np.sum(s > truncation * max(1.0, float(s[0]))))
    root = np.sqrt(s[:rank, None])
    return u[:, :rank].T * root / rows, vt[:rank] * root / columns


def _low_rank(variance: Array, truncation: float) -> Array:
    """A variance profile of few separable terms that is nowhere negative.

    Rows and columns are scaled to entries between 0 and 1, where what truncation takes away is
    bounded entry by entry; one more separable term makes up for it.
    """
    rows = np.maximum(variance.max(axis=1, keepdims=True), 1e-300)
    columns = np.maximum((variance / rows).max(axis=0, keepdims=True), 1e-300)
    scaled = variance / rows / columns
    u, s, vt = np.linalg.svd(scaled, full_matrices=False)
    kept = np.zeros_like(scaled)
    for k in range(s.size):
        kept += np.multiply.outer(u[:, k] * s[k], vt[k])
        if np.abs(kept - scaled).max() <= truncation:
            break
    return np.asarray((kept + max(0.0, -kept.min())) * rows * columns)
