"""Values of the Hermite polynomials, by their recurrence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["hermite_table", "hermite_value"]

Array = NDArray[np.float64]


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


def hermite_table(x: Array, degree: int) -> list[Array]:
    """Orthonormal ``He_k(x) / sqrt(k!)``, ``k = 0 .. degree``.

    Examples
    --------
    >>> [float(row) for row in hermite_table(np.array(3.0), 1)]
    [1.0, 3.0]
    """
    table = [np.ones_like(x), x]
    for k in range(1, degree):
        table.append((x * table[k] - math.sqrt(k) * table[k - 1]) / math.sqrt(k + 1))
    return table[: degree + 1]
