"""Linear algebra of many small matrices at once, where one bad matrix does not spoil the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["diagonal", "inverse", "smallest_eigenvalue", "solve_linear"]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bools = NDArray[np.bool_]


def diagonal(matrices: ComplexArray) -> ComplexArray:
    """A view of the diagonals."""
    view: ComplexArray = np.einsum("...ii->...i", matrices)
    return view


def inverse(matrices: ComplexArray) -> ComplexArray:
    """The inverses; not finite for a singular matrix."""
    if matrices.shape[-1] == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 / matrices)
    return solve_linear(matrices, None)


def solve_linear(matrices: ComplexArray, right: ComplexArray | None) -> ComplexArray:
    """`numpy.linalg`, with nan for a singular matrix of the batch."""
    try:
        return np.asarray(
            np.linalg.inv(matrices) if right is None else np.linalg.solve(matrices, right)
        )
    except np.linalg.LinAlgError:
        singular = np.linalg.det(matrices) == 0
        safe = np.where(singular[..., None, None], np.eye(matrices.shape[-1]), matrices)
        result = np.linalg.inv(safe) if right is None else np.linalg.solve(safe, right)
        return np.asarray(np.where(singular[..., None, None], np.nan, result))


def smallest_eigenvalue(matrices: Array) -> Array:
    """Of symmetric matrices (points, nodes, size, size), the smallest over the nodes."""
    size = matrices.shape[-1]
    safe = np.where(np.isfinite(matrices), matrices, -np.inf)
    if size == 1:
        return np.asarray(safe[..., 0, 0].min(axis=1))
    if size == 2:
        a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
        smallest = (a + c) / 2.0 - np.hypot((a - c) / 2.0, b)
    else:
        bad: Bools = np.asarray(~np.isfinite(matrices).all(axis=(-1, -2)))
        values = np.linalg.eigvalsh(np.where(bad[..., None, None], 0.0, matrices))
        smallest = np.where(bad, -np.inf, values[..., 0])
    return np.asarray(np.where(np.isnan(smallest), -np.inf, smallest).min(axis=1))
