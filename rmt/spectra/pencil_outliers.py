"""Upper edge and outliers of a matrix whose bulk is the solution of a pencil's Dyson equation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.spectra.coupled_outliers import FormsAt, coupled_outliers
from rmt.spectra.dyson import BlockDiagonal, DysonSolution, Pencil, solve
from rmt.spectra.pencil.edges import RealBranch, edge_of_gap, far_points
from rmt.status import InvalidInputError

__all__ = ["PencilOutliers", "pencil_outliers", "upper_edge"]


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
    forms = GenericForms(pencil, left_slot, right_slot, theta, functions)
    bottom = upper_edge(pencil, right_slot) if edge is None else float(edge)
    # Just above the edge: at it the forms have a vertical tangent.
    start, guess = bottom * (1.0 + 1e-9), bottom + np.sort(theta)[::-1] ** 2
    found = coupled_outliers(forms, theta.size, start, guess)
    left, right = forms.components(found.amplitudes)
    position = np.sqrt(found.z)
    return PencilOutliers(
        position,
        left**2 / found.z[:, None],
        right**2,
        math.sqrt(bottom),
        found.error / (2.0 * position),
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


class GenericForms:
    """Forms of couplings ``theta_k (u_k^T r) (v_k^T u)``, the ``v_k`` orthonormal and generic.

    Parameters
    ----------
    pencil : Pencil
    left, right : str
        The slots ``r`` and ``u``.
    strength : array, shape (K,)
    functions : array, shape (K, nodes), or None
        The ``u_k`` over the nodes of ``r``; None if they are generic as well.
    """

    def __init__(
        self, pencil: Pencil, left: str, right: str, strength: Array, functions: Array | None
    ) -> None:
        self._pencil, self._left, self._right = pencil, left, right
        self._strength, self._functions = strength, functions
        self._last: DysonSolution | None = None

    def __call__(self, z: float) -> FormsAt:
        """All forms at a real ``z`` right of the spectrum."""
        solution = self._last = solve(self._pencil, z, initial=self._last)
        relative = max(
            float(np.max(solution.error(slot)) / np.abs(solution.entry(slot)).max())
            for slot in (self._left, self._right)
        )
        return FormsAt(self._between(solution), self._between(solution.derivative()), relative)

    def _between(self, m: BlockDiagonal) -> Array:
        count, f = self._strength.size, self._functions
        generic = np.eye(count)
        left = m.form(self._left) * generic if f is None else m.form(self._left, None, f, f)
        forms = np.zeros((2 * count, 2 * count))
        forms[:count, :count] = np.outer(self._strength, self._strength) * left.real
        forms[count:, count:] = m.form(self._right).real * generic
        return forms

    def components(self, amplitudes: Array) -> tuple[Array, Array]:
        """Of the outliers' vectors ``r`` and ``u`` along the ``u_k`` and the ``v_k``."""
        left, right = np.split(amplitudes, 2, axis=1)
        return left / self._strength, right
