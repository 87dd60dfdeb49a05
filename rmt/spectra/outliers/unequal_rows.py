"""Spikes on a matrix whose rows have different lengths: a population covariance with outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur
from rmt.spectra.outliers.population import population_spikes

__all__ = ["UnequalRowOutliers", "unequal_row_outliers"]


@dataclass(frozen=True, slots=True, eq=False)
class UnequalRowOutliers:
    """Outliers above the bulk, the largest first.

    Attributes
    ----------
    singular_value : array, shape (J,)
    left_overlap : array, shape (J,)
        Squared overlaps of the left singular vectors with the span of the ``u_k``.
    components : array, shape (J, K)
        Inner products of the right singular vectors with the ``v_k``; the sign of a row is
        arbitrary.

    Examples
    --------
    >>> law, one = GeneralisedMarchenkoPastur([1.0], 1.0), np.ones(1)
    >>> found = unequal_row_outliers(np.array([2.0]), one[None], one, one, law)
    >>> found.singular_value.round(9).tolist(), (found.components**2).round(9).tolist()
    ([2.5], [[0.75]])
    """

    singular_value: Array
    left_overlap: Array
    components: Array


def unequal_row_outliers(
    strength: Array,
    left_functions: Array,
    square_lengths: Array,
    weights: Array,
    law: GeneralisedMarchenkoPastur,
) -> UnequalRowOutliers:
    r"""Outliers of ``D_b W_0 + sum_k theta_k u_k v_k^T``, rows of length ``b(g)`` and spikes.

    ``W_0`` is ``N x d`` with independent entries of variance ``1/d``, the ``v_k`` are orthonormal
    and independent of it; the ``u_k`` and ``b`` are functions of a number ``g`` of the row. With
    ``q = -1/m``, ``m`` the transform of ``W^T W``, left and right forms are
    ``-q E_g[u_k u_l / (q - b^2)]`` and ``-1/q``, and ``det(1 - M_u Theta G_L Theta) = 0`` says that
    ``q`` is an eigenvalue of ``E[row row^T]``:

    .. math::
       \Big(b^2 + \sum_k \theta_k^2\, u_k u_k^T\Big) x = q\, x, \qquad
       z = \psi(q) = q \Big(1 + \gamma\, E_g \frac{b^2}{q - b^2}\Big),
       \qquad \psi'(q) > 0,\; q > \max b^2.

    By the residue there, with the unit ``x``,

    .. math::
       \langle v_k, \text{right vector}\rangle = \theta_k \langle u_k, x\rangle
       \sqrt{\psi'(q) / q}, \qquad
       \text{left overlap} = \frac{q\, \psi'(q)}{z} \sum_k \langle u_k, x\rangle^2 .

    Parameters
    ----------
    strength : array, shape (K,)
        ``theta_k``.
    left_functions : array, shape (K, Q)
        ``u_k`` at nodes of the law of ``g``, orthonormal under the weights.
    square_lengths, weights : array, shape (Q,)
        ``b^2`` at the nodes; their weights, of sum 1.
    law : GeneralisedMarchenkoPastur
        Of the eigenvalues of ``D_b W_0 W_0^T D_b``: the population is the law of ``b^2``, perhaps
        on more nodes, and the ratio ``gamma = N/d``.

    Notes
    -----
    docs/theory.md, rows of their own length: the equations of section 4 (outliers on any bulk),
    solved. The same as spikes of a population covariance (Baik & Silverstein 2006); ``b = 1`` is
    Benaych-Georges & Nadakuditi 2012. Bad input is not looked for.

    Examples
    --------
    Rows of two lengths, and a spike on the longer ones:

    >>> law = GeneralisedMarchenkoPastur([0.5, 1.5], 1.0)
    >>> longer = np.array([[0.0, 2.0**0.5]])
    >>> half = np.full(2, 0.5)
    >>> found = unequal_row_outliers(np.array([2.0]), longer, np.array([0.5, 1.5]), half, law)
    >>> found.singular_value.round(4).tolist(), found.left_overlap.round(4).tolist()
    ([2.6089], [0.7472])
    """
    root = np.sqrt(weights)
    left = left_functions * root
    rows = (left.T * strength**2) @ left
    rows.flat[:: rows.shape[0] + 1] += square_lengths
    q, x = np.linalg.eigh(rows)
    above = q > -1.0 / law._edge_transforms()[1]
    q, x = q[above][::-1], x[:, above][:, ::-1]
    found = population_spikes(q, law)
    # At the edge itself rounding decides.
    out = found.is_outlier
    q, z, kept = q[out], found.eigenvalue[out], found.overlap[out]
    along = left @ x[:, out]
    return UnequalRowOutliers(
        np.sqrt(z),
        kept * (along**2).sum(axis=0),
        (strength[:, None] * along * np.sqrt(kept * z) / q).T,
    )
