"""Spikes whose directions are not orthonormal, as spikes whose directions are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.status import InvalidInputError

__all__ = ["combined_spikes"]


def combined_spikes(
    left_gram: ArrayLike, right_gram: ArrayLike, coupling: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Singular value decomposition of ``A C B^T`` from Gram matrices ``A^T A`` and ``B^T B``.

    For spikes whose directions, the columns of ``A`` and ``B``, are not orthonormal.

    Parameters
    ----------
    left_gram, right_gram : array_like, shapes (k, k) and (l, l)
        Symmetric, positive semi-definite.
    coupling : array_like, shape (k, l), optional
        ``C``; the identity when left out.

    Returns
    -------
    strength : array, shape (min(k, l),)
    left, right : array
        Coefficients: the singular vectors are ``A left`` and ``B right``, column by column; 0 for a
        strength of 0.

    Raises
    ------
    InvalidInputError
        A Gram matrix that is not symmetric or has a negative eigenvalue, a coupling of another
        shape.

    Notes
    -----
    The singular values of ``A C B^T`` are those of ``(A^T A)^{1/2} C (B^T B)^{1/2}``;
    docs/theory.md, section 3 (strengths and alignments).

    Examples
    --------
    >>> strength, left, right = combined_spikes([[1, 1], [1, 1]], [[1, 0], [0, 1]])
    >>> strength.round(12).tolist()  # a (b_1 + b_2)^T
    [1.414213562373, 0.0]
    """
    roots = []
    for name, gram in (("left_gram", left_gram), ("right_gram", right_gram)):
        g = np.asarray(gram, dtype=float)
        if g.ndim != 2 or g.shape[0] != g.shape[1] or not np.allclose(g, g.T):
            raise InvalidInputError(f"{name}: expected a symmetric matrix, got shape {g.shape}")
        values, vectors = np.linalg.eigh(g)
        if values[0] < -1e-10 * max(1.0, values[-1]):
            raise InvalidInputError(f"{name}: has the negative eigenvalue {values[0]:.6g}")
        values = np.where(values > 1e-14 * max(values[-1], 0.0), values, 0.0)
        with np.errstate(divide="ignore"):
            inverse = np.where(values > 0, 1.0 / np.sqrt(values), 0.0)
        roots.append((vectors * np.sqrt(values), vectors * inverse))
    (a, a_inverse), (b, b_inverse) = roots
    c = np.eye(a.shape[0], b.shape[0]) if coupling is None else np.asarray(coupling, dtype=float)
    if c.shape != (a.shape[0], b.shape[0]):
        raise InvalidInputError(
            f"coupling: expected shape {(a.shape[0], b.shape[0])}, got {c.shape}"
        )
    u, strength, vt = np.linalg.svd(a.T @ c @ b, full_matrices=False)
    strength = np.where(strength > 1e-14 * strength.max(initial=0.0), strength, 0.0)
    kept = strength > 0
    return strength, (a_inverse @ u) * kept, (b_inverse @ vt.T) * kept
