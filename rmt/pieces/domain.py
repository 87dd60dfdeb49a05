"""Where a function is not real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["point_without_value"]


def point_without_value(
    function: Callable[..., NDArray[Any]], variables: int
) -> tuple[float, ...] | None:
    """A point, near zero, where a function has no real value; None where none is found.

    A grid is probed that reaches ``|z| = 40``, beyond which the Gaussian weight is nothing.
    """
    # Irrational steps keep the grid away from isolated poles.
    if variables == 1:
        near = np.arange(-400, 401) * (np.pi / 100) + 1e-3 * np.e
        axes = [np.concatenate([near, np.linspace(-40.1, 40.3, 97)])]
    else:
        axes = [np.arange(-6, 7) * (np.pi / 2) + np.e / (100 + i) for i in range(variables)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    undefined = points[:, np.isnan(function(*points))]
    if not undefined.size:
        return None
    return tuple(undefined[:, np.argmin(np.abs(undefined).sum(axis=0))].tolist())
