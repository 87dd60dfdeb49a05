"""Values of the Hermite polynomials, by their recurrence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rmt.arrays import Array

__all__ = ["hermite_value", "orthonormal_hermite"]


def hermite_value(order: int, x: Any) -> Any:
    """``He_order`` of a float, an array, an mpmath or a sympy number.

    Examples
    --------
    >>> hermite_value(3, 2.0)
    2.0
    """
    previous, current = 0 * x, 0 * x + 1
    for n in range(order):
        previous, current = current, x * current - n * previous
    return current


def orthonormal_hermite(x: Array, count: int, factor: Array | float = 1.0) -> Array:
    """``factor * He_k(x) / sqrt(k!)`` for ``k < count``; shape (count, *x.shape).

    Examples
    --------
    >>> orthonormal_hermite(np.array(3.0), 2).tolist()
    [1.0, 3.0]
    """
    values = np.empty((count, *x.shape))
    values[0] = factor
    if count > 1:
        values[1] = x * factor
    for k in range(2, count):
        values[k] = (x * values[k - 1] - math.sqrt(k - 1) * values[k - 2]) / math.sqrt(k)
    return values
