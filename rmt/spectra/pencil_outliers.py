"""Upper edge and outliers of a matrix whose bulk is the solution of a pencil's Dyson equation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.spectra.dyson import DysonSolution, Pencil, solve
from rmt.spectra.pencil.edges import RealBranch, edge_of_gap, far_points
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["PencilOutliers", "pencil_outliers", "upper_edge"]


MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class PencilOutliers:
    """Outliers above the bulk, the largest first.

    Attributes
    ----------
    singular_value : array, shape (J,)
    left_overlap, right_overlap : array, shape (J, K)
        Squared overlaps of the singular vectors of each outlier with each of the ``K`` directions.
    edge : float
        Upper edge of the bulk, a singular value.
    error : array, shape (J,)
        Estimate of the absolute error of the singular values, from that of the Dyson solution.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Term
    >>> types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField([Term("r", "u")], reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> found = pencil_outliers(pencil, "r", "u", [3.0, 2.0])
    >>> found.singular_value.round(6).tolist(), round(found.edge, 6)
    ([3.333333, 2.5], 2.0)
    >>> found.right_overlap.round(6).tolist()
    [[0.888889, 0.0], [0.0, 0.75]]
    """

    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    edge: float
    error: Array


def upper_edge(pencil: Pencil, slot: str) -> float:
    """The upper edge, in ``z``, of the spectrum that a slot's resolvent sees.

    The first edge from above, to about rounding: also that of a band of tiny mass, such as a few
    nodes of small weight have beyond the rest (see `rmt.spectra.pencil.edges`).

    Parameters
    ----------
    pencil : Pencil
    slot : str
        The slot whose entry is the resolvent ``(W^T W - z)^{-1}``.

    Returns
    -------
    float
        The edge in ``z``: the square of the largest singular value of the bulk.

    Raises
    ------
    InvalidInputError
        An unknown slot.
    ConvergenceError
        When no edge is found, as for a slot that is no resolvent.

    Notes
    -----
    docs/theory.md, section 4: where the solution ``z(m)`` has slope zero.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Term
    >>> types = [IndexType("N", 0.5, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField([Term("r", "u")], reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> round(upper_edge(pencil, "u"), 9), round((1 + 0.5**0.5) ** 2, 9)
    (2.914213562, 2.914213562)
    """
    branch = RealBranch(pencil, slot)
    return edge_of_gap(branch, far_points(branch)[1], -1.0)[0]


def pencil_outliers(
    pencil: Pencil,
    left_slot: str,
    right_slot: str,
    strength: ArrayLike,
    left_functions: ArrayLike | None = None,
    edge: float | None = None,
) -> PencilOutliers:
    """Outliers of ``W + sum_k theta_k u_k v_k^T`` on the bulk of a pencil.

    With the left form ``G_L(z)_{kl} = E[u_k M_r u_l]`` and the right form ``G_R(z) = M_u`` they are
    at ``z = s^2`` with ``det(1 - G_R Theta G_L Theta) = 0``; overlaps are the residue there.

    Parameters
    ----------
    pencil : Pencil
        Its ``right_slot`` entry is ``(W^T W - z)^{-1}``, its ``left_slot`` entry
        ``z (W W^T - z)^{-1}``.
    left_slot, right_slot : str
    strength : array_like, shape (K,)
        ``theta_k > 0``.
    left_functions : array_like, shape (K, nodes), optional
        Profile of each left direction over the nodes of its index type, orthonormal under the
        weights. Left out: directions that know nothing of the nodes (orthonormal and generic).
    edge : float, optional
        Upper edge in ``z``, when it is known from `upper_edge`.

    Returns
    -------
    PencilOutliers

    Raises
    ------
    InvalidInputError
        Shapes that do not fit, strengths that are not positive, functions that are not orthonormal.
    ConvergenceError
        An outlier was bracketed and not found.

    Notes
    -----
    docs/theory.md, section 4 (simple forms): the right directions are independent of the bulk.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Term
    >>> types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField([Term("r", "u")], reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> found = pencil_outliers(pencil, "r", "u", [2.0])
    >>> found.singular_value.round(9).tolist(), found.left_overlap.round(9).tolist()
    ([2.5], [[0.75]])
    """
    theta = np.atleast_1d(np.asarray(strength, dtype=float))
    if theta.ndim != 1 or not np.all(np.isfinite(theta) & (theta > 0)):
        raise InvalidInputError(f"strength must be positive and finite, got {strength!r}")
    functions = None
    if left_functions is not None:
        functions = np.atleast_2d(np.asarray(left_functions, dtype=float))
        _check_functions(pencil, left_slot, functions, theta.size)
    forms = _Forms(pencil, left_slot, right_slot, theta, functions)
    bottom = upper_edge(pencil, right_slot) if edge is None else float(edge)
    # Just above the edge: at it the forms have a vertical tangent.
    start = bottom * (1.0 + 1e-9)
    count = int(np.sum(forms.eigenvalues(start)[0] > 1.0))
    roots = [_root(forms, k, start) for k in range(count)]
    left, right = np.zeros((count, theta.size)), np.zeros((count, theta.size))
    error = np.zeros(count)
    for k, z in enumerate(roots):
        left[k], right[k], error[k] = forms.overlaps(k, z)
    return PencilOutliers(
        np.sqrt(np.array(roots, dtype=float)), left, right, math.sqrt(bottom), error
    )


def _check_functions(pencil: Pencil, slot: str, functions: Array, count: int) -> None:
    weights = np.asarray(next(t.weights for t in pencil.types if slot in t.slots), dtype=float)
    if functions.shape != (count, np.size(weights)):
        raise InvalidInputError(
            f"left_functions: expected shape {(count, np.size(weights))}, got {functions.shape}"
        )
    gram = (functions * weights) @ functions.T
    if not np.allclose(gram, np.eye(count), atol=1e-8):
        raise InvalidInputError(
            "left_functions: must be orthonormal under the weights of their nodes; "
            f"got the Gram matrix {gram.round(6).tolist()}"
        )


class _Forms:
    """The matrix ``G_R Theta G_L Theta`` and its derivative along the real axis."""

    def __init__(
        self, pencil: Pencil, left: str, right: str, theta: Array, functions: Array | None
    ) -> None:
        self.pencil, self.left, self.right = pencil, left, right
        self.theta, self.functions = theta, functions
        self.last: DysonSolution | None = None

    def _matrices(self, z: float) -> tuple[Array, float, Array, float, DysonSolution]:
        solution = solve(self.pencil, z, initial=self.last)
        self.last = solution
        slope = solution.derivative()
        parts = []
        for source in (solution, slope):
            if self.functions is None:
                value = float(complex(source.form(self.left)).real) * np.eye(self.theta.size)
            else:
                value = source.form(self.left, None, self.functions, self.functions).real
            parts.append((np.asarray(value), float(complex(source.form(self.right)).real)))
        (gl, gr), (dgl, dgr) = parts
        return gl, gr, dgl, dgr, solution

    def eigenvalues(self, z: float) -> tuple[Array, Array]:
        """Eigenvalues of ``G_R Theta G_L Theta``, the largest first, and their slopes."""
        gl, gr, dgl, dgr, _ = self._matrices(z)
        outer = np.outer(self.theta, self.theta)
        values, vectors = np.linalg.eigh(gr * outer * gl)
        change = outer * (dgr * gl + gr * dgl)
        slopes = np.einsum("ik,ij,jk->k", vectors, change, vectors)
        return values[::-1], slopes[::-1]

    def overlaps(self, k: int, z: float) -> tuple[Array, Array, float]:
        """Squared left and right overlaps, and the error of the singular value."""
        gl, gr, dgl, dgr, solution = self._matrices(z)
        outer = np.outer(self.theta, self.theta)
        values, vectors = np.linalg.eigh(gr * outer * gl)
        v = vectors[:, ::-1][:, k]
        # Null vector (n_u, n_v) of F = [[G_L^{-1}, Theta], [Theta, G_R^{-1}]], n_v = v.
        n_u = -gl @ (self.theta * v)
        shifted = self.theta * v
        norm = -(shifted @ dgl @ shifted) - dgr / gr**2
        slope = float(v @ (outer * (dgr * gl + gr * dgl)) @ v)
        relative = sum(
            float(np.max(solution.error(slot))) / abs(value)
            for slot, value in ((self.left, float(gl[0, 0])), (self.right, gr))
        )
        shift = (relative + abs(values[::-1][k] - 1.0)) / abs(slope)
        return -(n_u**2) / norm / z, -(v**2) / norm, shift / (2.0 * math.sqrt(z))


def _root(forms: _Forms, k: int, start: float) -> float:
    """Where the ``k``-th eigenvalue is 1: Newton's method between brackets, in ``log z``."""
    low, high = start, 2.0 * start
    while forms.eigenvalues(high)[0][k] > 1.0:
        low, high = high, 2.0 * high
        if high > 1e200:
            raise ConvergenceError("an outlier has no upper bound", Status.NOT_CONVERGED)
    z = math.sqrt(low * high)
    for _ in range(MAX_STEPS):
        values, slopes = forms.eigenvalues(z)
        gap = values[k] - 1.0
        low, high = (z, high) if gap > 0 else (low, z)
        # 1/sqrt(eigenvalue) is nearly a straight line in sqrt(z).
        root = math.sqrt(z) + (values[k] ** -0.5 - 1.0) / (
            0.5 * values[k] ** -1.5 * slopes[k] * 2.0 * math.sqrt(z)
        )
        new = root**2 if low < root**2 < high and root > 0 else math.sqrt(low * high)
        if abs(new - z) <= 1e-12 * z:
            return float(new)
        z = new
    raise ConvergenceError(
        f"the outlier near {math.sqrt(z):.6g} was not settled", Status.NOT_CONVERGED, z
    )
