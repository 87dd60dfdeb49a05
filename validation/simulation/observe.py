"""What one reads off a weight matrix: outliers, their overlaps with the target, the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import integer
from rmt.arrays import Array, Integers
from rmt.blas import one_blas_thread
from rmt.display import InNotebooks, Part, Shown, Table
from rmt.evaluation.array_program import to_numpy
from rmt.status import InvalidInputError
from validation.simulation.devices import namespace_of
from validation.simulation.triplets import finite_matrix, leading_triplets

__all__ = ["Histogram", "Observation", "observe"]


@dataclass(frozen=True, slots=True, eq=False)
class Observation(Shown):
    """Leading singular values of a weight matrix, and what their vectors have learned.

    Attributes
    ----------
    singular_values : array (k,)
        The ``k`` largest, in decreasing order.
    target_overlaps : array (k, r)
        ``<v_i, e_j>^2``: squared overlap of the right singular vector ``i`` with target
        direction ``j``.
    residual : float
        Largest ``|W^T u_i - s_i v_i| / s_0`` over the triplets: the error estimate. Singular
        values are accurate to ``s_0 * residual``; vectors to ``s_0 * residual`` over the distance
        to the next singular value.
    spectrum : array (min(N, d),) or None
        All singular values, in decreasing order, when they were asked for.
    initial_output_overlap : array (k,) or None
        Squared overlap of the right singular vectors with the direction ``W_0^T a`` of the
        untrained network's own output, when that was given.

    Examples
    --------
    >>> from validation import observe
    >>> seen = observe([[3.0, 0.0], [0.0, 1.0]], 1, n_directions=2, spectrum=True)
    >>> seen.singular_values.round(9).tolist(), seen.target_overlaps.round(9).tolist()
    ([3.0], [[1.0, 0.0]])
    >>> seen.spectrum.round(9).tolist(), seen.residual < 1e-12
    ([3.0, 1.0], True)
    """

    singular_values: Array
    target_overlaps: Array
    residual: float
    spectrum: Array | None = None
    initial_output_overlap: Array | None = None

    def _parts(self) -> list[Part]:
        rows = [
            [f"{value:.6f}", "  ".join(f"{o:.4f}" for o in overlaps)]
            for value, overlaps in zip(self.singular_values, self.target_overlaps, strict=True)
        ]
        header = ["singular value", "squared overlaps"]
        if self.initial_output_overlap is not None:
            header.append("with the initial output")
            for row, overlap in zip(rows, self.initial_output_overlap, strict=True):
                row.append(f"{overlap:.4f}")
        return [Table("rll"[: len(header)], header, rows)]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(InNotebooks):
    """Singular values of several weight matrices, counted in fixed bins.

    Attributes
    ----------
    edges : array (m + 1,)
        Increasing bin edges.
    counts : array of int (m,)
        Values in each bin; a value on the last edge belongs to the last bin.
    n_values : int
        All values seen, those outside of the edges included.

    Examples
    --------
    >>> counted = Histogram.empty([0.0, 1.0, 2.0]).add([0.5, 1.5, 1.7, 2.5])
    >>> counted.counts.tolist(), counted.n_values, counted.density.tolist()
    ([1, 2], 4, [0.25, 0.5])
    """

    edges: Array
    counts: Integers
    n_values: int

    @classmethod
    def empty(cls, edges: ArrayLike) -> Histogram:
        """A histogram without any values yet.

        Raises
        ------
        InvalidInputError
            When the edges are not finite and increasing.
        """
        bins = np.array(edges, dtype=np.float64)
        if bins.ndim != 1 or bins.size < 2 or not np.all(np.diff(bins) > 0):
            raise InvalidInputError(
                f"edges must be at least two finite increasing numbers, got shape {bins.shape}"
            )
        return cls(bins, np.zeros(bins.size - 1, dtype=np.int64), 0)

    def add(self, values: ArrayLike) -> Histogram:
        """This histogram with the values of one more matrix.

        Examples
        --------
        >>> Histogram.empty([0, 1, 2]).add([0.5, 1.5, 1.7, 9.0]).density
        array([0.25, 0.5 ])
        """
        array = np.asarray(values, dtype=np.float64).ravel()
        counts = np.histogram(array, self.edges)[0]
        return Histogram(self.edges, self.counts + counts, self.n_values + array.size)

    @property
    def density(self) -> Array:
        """Fraction of all values per unit length in each bin, shape (m,)."""
        return self.counts / (max(self.n_values, 1) * np.diff(self.edges))

    def __str__(self) -> str:
        inside = int(self.counts.sum())
        return (
            f"Histogram of {self.n_values} values, {inside} of them in {self.counts.size} bins "
            f"on [{self.edges[0]:g}, {self.edges[-1]:g}]"
        )


def observe(
    weights: ArrayLike,
    n_outliers: int = 4,
    *,
    n_directions: int = 1,
    spectrum: bool = False,
    initial_output: ArrayLike | None = None,
) -> Observation:
    """The largest singular values of a weight matrix and their overlaps with the target.

    Parameters
    ----------
    weights : array (N, d)
        Real and finite.
    n_outliers : int
        How many triplets, from the largest singular value down; at most ``min(N, d)``.
    n_directions : int
        ``r``; the target directions are the first ``r`` coordinate axes, as in
        `validation.simulate`. Rotate the weights, ``W U``, for others.
    spectrum : bool
        Whether to compute all singular values too (about the time of three products with the
        data at ``n = 2N``).
    initial_output : array (d,), optional
        ``W_0^T a`` of the untrained network, or its direction, to take overlaps with: beside noise
        the output ``h_0`` of an untrained network is linear along it.

    Returns
    -------
    Observation

    Raises
    ------
    InvalidInputError
        For weights that are not a finite real matrix, counts out of range, or an initial output
        that is no vector of length ``d``.

    Notes
    -----
    Where two singular values are closer than ``s_0 * residual``, or cross within the sampling
    noise, single overlaps are arbitrary, and only their sum over such a group has a meaning.

    Baglama & Reichel 2005 for the bidiagonalisation; docs/validation.md, one network.

    Examples
    --------
    >>> import numpy as np
    >>> print(observe(np.diag([3.0, 1.0, 2.0]), 2, n_directions=3))
    singular value   squared overlaps
          3.000000   1.0000  0.0000  0.0000
          2.000000   0.0000  0.0000  1.0000
    """
    matrix = finite_matrix(weights)
    count = integer("n_outliers", n_outliers, 1, min(matrix.shape))
    r = integer("n_directions", n_directions, 1, matrix.shape[1])
    triplets = leading_triplets(matrix, count)
    right = triplets.right.astype(np.float64)
    along = None if initial_output is None else np.square(_unit(initial_output, len(right)) @ right)
    values = None
    if spectrum:
        with one_blas_thread():
            found = namespace_of(matrix).linalg.svdvals(matrix)
        values = to_numpy(found).astype(np.float64)
    return Observation(triplets.values, np.square(right[:r].T), triplets.residual, values, along)


def _unit(direction: ArrayLike, dim: int) -> Array:
    vector = np.asarray(direction, dtype=np.float64)
    length = float(np.linalg.norm(vector)) if vector.shape == (dim,) else 0.0
    if not 0 < length < np.inf:
        raise InvalidInputError(
            f"initial_output must be a finite vector of length d = {dim} that is not zero, got "
            f"shape {vector.shape}"
        )
    return np.asarray(vector / length)
