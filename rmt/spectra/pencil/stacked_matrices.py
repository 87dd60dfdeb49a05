"""Linear algebra of many small matrices at once, where one bad matrix does not spoil the others.

Arrays are real or complex; size 1 and 2, of which there are the most, go without LAPACK.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools

__all__ = [
    "Stack",
    "diagonal",
    "inverse",
    "product",
    "smallest_eigenvalue",
    "solve_linear",
    "times_real",
]

Stack = NDArray[Any]


def diagonal(matrices: Stack) -> Stack:
    """A view of the diagonals."""
    view: Stack = np.einsum("...ii->...i", matrices)
    return view


def inverse(matrices: Stack) -> Stack:
    """The inverses of symmetric matrices; not finite for a singular one."""
    size = matrices.shape[-1]
    if size > 2:
        return solve_linear(matrices, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        if size == 1:
            return np.asarray(1.0 / matrices)
        a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
        scale = 1.0 / (a * c - b * b)
        result = np.empty_like(matrices)
        result[..., 0, 0] = c * scale
        result[..., 1, 1] = a * scale
        result[..., 0, 1] = result[..., 1, 0] = -b * scale
    return result


def product(one: Stack, two: Stack) -> Stack:
    """``one @ two``."""
    size = one.shape[-1]
    if size > 2:
        return np.asarray(one @ two)
    if size == 1:
        return np.asarray(one * two)
    result = np.empty(one.shape, dtype=np.result_type(one, two))
    for i in range(2):
        for j in range(2):
            result[..., i, j] = one[..., i, 0] * two[..., 0, j] + one[..., i, 1] * two[..., 1, j]
    return result


def times_real(left: Stack, right: Array) -> Stack:
    """``left @ right``, without making the real factor complex."""
    if left.dtype.kind != "c":
        return np.asarray(left @ right)
    result = np.empty((*left.shape[:-1], right.shape[-1]), dtype=complex)
    result.real = left.real @ right
    result.imag = left.imag @ right
    return result


def solve_linear(matrices: Stack, right: Stack | None) -> Stack:
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
