"""Level 2, deformed: the finite-width bulk of the trained weights, and the outliers on it.

At finite width the fluctuating part of the gradients deforms the Marchenko-Pastur bulk of ``W_0``
by ``O(N^{2 alpha - 1})``. Its Gaussian equivalent (`rmt.spikes.fluctuations`) makes the bulk

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
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from rmt.problem import Problem
from rmt.spectra.dyson import (
    GaussianField,
    IndexType,
    Pencil,
    PencilDensity,
    Term,
    density,
    solve,
)
from rmt.spectra.pencil_outliers import pencil_outliers, upper_edge
from rmt.spikes.fluctuations import fluctuations
from rmt.spikes.readout import readout_rule
from rmt.spikes.resummed import resummed_strengths

__all__ = ["DeformedBulk", "DeformedOutliers", "deformed_bulk", "deformed_outliers"]

Array = NDArray[np.float64]

_READOUT_NODES = 24
_TRUNCATION = 1e-3  # of L, against the unit coefficient of W_0
_TRUNCATION_OF_VARIANCE = 0.1  # relative to that of L: of V, against its largest entries
_COARSER = 0.75  # resolution of the second solution, from which errors are estimated


@dataclass(frozen=True, slots=True, eq=False)
class DeformedBulk:
    """The limiting bulk of ``W`` after the steps.

    Attributes
    ----------
    pencil : Pencil
        Slot ``"u"`` holds ``(W^T W - z)^{-1}``, slot ``"r"`` holds ``z (W W^T - z)^{-1}``.
    readout_nodes, readout_weights : array, shape (Q,)
        Nodes of the index type ``"N"``: the law of ``g``.
    ranks : tuple of int
        Number of terms kept of ``L``, for every batch.
    """

    pencil: Pencil
    readout_nodes: Array
    readout_weights: Array
    ranks: tuple[int, ...]

    def density(self, x: ArrayLike) -> PencilDensity:
        """Density of the eigenvalues of ``W^T W``, without an atom at zero."""
        return density(self.pencil, "u", x)

    def upper_edge(self) -> float:
        """Upper edge of the singular values of ``W``.

        Not sharp for a Gaussian readout: the outermost nodes, of weight about ``1/N``, carry thin
        bands beyond the edge of the rest, some of which are found and some passed over.
        """
        return math.sqrt(upper_edge(self.pencil, "u"))

    def __str__(self) -> str:
        return f"DeformedBulk: {self.readout_nodes.size} readout nodes, ranks of L {self.ranks}"


@dataclass(frozen=True, slots=True)
class DeformedOutliers:
    """Outliers of the trained weights on the deformed bulk, the largest first.

    Attributes
    ----------
    singular_value, error : array, shape (J,)
        Positions, and estimates of their absolute errors: of the Dyson equation, of the
        discretisation (from a coarser one) and of the strengths. That the right directions are
        taken to be independent of the bulk is not in them.
    left_overlap, right_overlap : array, shape (J,)
        Squared overlaps of the singular vectors with the span of the spikes' directions.
    target_overlap : array, shape (J, r)
        Squared overlaps of the right singular vectors with the target directions.
    edge : float
        Upper edge of the bulk, a singular value; see `DeformedBulk.upper_edge`.
    """

    singular_value: Array
    error: Array
    left_overlap: Array
    right_overlap: Array
    target_overlap: Array
    edge: float


def deformed_bulk(problem: Problem, resolution: float = 1.0) -> DeformedBulk:
    """Bulk of the singular values after the steps, at finite width.

    Parameters
    ----------
    problem : Problem
        For a Gaussian readout the bulk is that of the ``N``-quantile law.
    resolution : float
        Multiplies the number of quadrature nodes of every variable.

    Raises
    ------
    InvalidInputError
        Two steps on a reused batch with a kinked activation.

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
    g, w = readout_rule(_conditional(problem).readout, order, 1.0, kinked)
    return _bulk(problem, g, w, resolution)


def deformed_outliers(problem: Problem, rtol: float = 1e-6) -> DeformedOutliers:
    """Outliers of the trained weights on their deformed bulk.

    Parameters
    ----------
    problem : Problem
    rtol : float
        Tolerance of the strengths, as in `resummed_strengths`.

    Raises
    ------
    InvalidInputError
        Two steps on a reused batch with a kinked activation.
    ConvergenceError
        The Dyson equation, or an outlier, was not solved.

    Notes
    -----
    theory.md, section 4, the simple forms: right directions are independent of the bulk. Strengths
    and left functions are those of `rmt.spikes.resummed`; for a Gaussian readout, of its
    ``N``-quantile law.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem(
    ...     "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, Step(4, 0.3), readout="rademacher"
    ... )
    >>> deformed_outliers(problem).singular_value.round(2).tolist()
    [9.56]
    """
    spikes = resummed_strengths(_conditional(problem), rtol)
    theta, functions = spikes.strengths, spikes.left_functions
    fine, coarse = (
        _bulk(problem, spikes.readout_nodes, spikes.readout_weights, resolution)
        for resolution in (1.0, _COARSER)
    )
    edge = upper_edge(fine.pencil, "u")
    if not theta.size:
        none = np.zeros(0)
        rows = np.zeros((0, problem.n_directions))
        return DeformedOutliers(none, none, none, none, rows, math.sqrt(edge))
    found = pencil_outliers(fine.pencil, "r", "u", theta, functions, edge)
    position, right = found.singular_value, found.right_overlap.sum(axis=1)
    _, null = _nearest_to_one(fine.pencil, theta, functions, position)
    error = found.error + _distance(coarse.pencil, theta, functions, position)
    return DeformedOutliers(
        singular_value=position,
        error=error + spikes.strength_errors[: position.size],
        left_overlap=found.left_overlap.sum(axis=1),
        right_overlap=right,
        target_overlap=right[:, None] * (null @ spikes.alignments) ** 2,
        edge=math.sqrt(edge),
    )


def _nearest_to_one(
    pencil: Pencil, theta: Array, functions: Array, position: Array
) -> tuple[Array, Array]:
    """Of ``G_R Theta G_L Theta`` at ``z = s^2``, the eigenvalue nearest to 1 and its vector.

    At an outlier it is 1, and the vector is the right part of the null vector, normalised.
    """
    solution = solve(pencil, position**2)
    left = solution.form("r", None, functions, functions).real
    right = solution.form("u").real
    values, vectors = np.linalg.eigh(theta[:, None] * left * theta)
    values = right[:, None] * values
    nearest = np.argmin(np.abs(values - 1.0), axis=1)
    every = np.arange(position.size)
    return values[every, nearest], vectors[every, :, nearest]


def _distance(pencil: Pencil, theta: Array, functions: Array, position: Array) -> Array:
    """How far from given positions the outliers of another pencil are, to first order."""
    step = 1e-5 * position
    here, _ = _nearest_to_one(pencil, theta, functions, position)
    there, _ = _nearest_to_one(pencil, theta, functions, position + step)
    return np.asarray(np.abs((here - 1.0) * step / (there - here)))


def _conditional(problem: Problem) -> Problem:
    """A Gaussian readout replaced by its ``N`` quantiles: the bulk has an edge."""
    if isinstance(problem.readout, str) and problem.readout == "gaussian":
        quantiles = ndtri((np.arange(problem.width) + 0.5) / problem.width)
        return problem.replace(readout=quantiles)
    return problem


def _bulk(problem: Problem, g: Array, w: Array, resolution: float) -> DeformedBulk:
    truncation = _TRUNCATION * resolution**-4
    batches = fluctuations(problem, g, w, resolution)
    types = [IndexType("N", problem.aspect_ratio, ["r"], g, w)]
    slots, fields = ["u"], []
    constant: dict[tuple[str, str], float] = {("r", "r"): -1.0}
    weights_terms = [Term("r", "u")]
    ranks = []
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
        for m, (l_m, r_m) in enumerate(zip(left, right, strict=True), start=1):
            q, dual = f"q{number}_{m}", f"lambda{number}_{m}"
            slots += [q, dual]
            constant[q, dual] = 1.0
            weights_terms.append(Term("r", q, l_m))
            data_terms.append(Term(v, dual, -r_m))
        ranks.append(len(left))
        fields.append(GaussianField(data_terms, reference=name))
        if np.any(batch.variance > 0):
            variance = _low_rank(batch.variance, _TRUNCATION_OF_VARIANCE * truncation)
            fields.append(GaussianField(Term("r", v), reference=name, variance=variance))
    types.append(IndexType("d", 1.0, slots))
    fields.append(GaussianField(weights_terms, reference="d"))
    pencil = Pencil(types, fields, constant, {("u", "u"): -1.0})
    return DeformedBulk(pencil, g, w, tuple(ranks))


def _separated(values: Array, w: Array, weights: Array, truncation: float) -> tuple[Array, Array]:
    """``values[q, p] = sum_m left[m, q] right[m, p]``, truncated in the weighted norm."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * values * columns, full_matrices=False)
    rank = int(np.sum(s > truncation))
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
