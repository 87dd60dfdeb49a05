"""What whole spectra say of the bulk: its edge, the outliers beyond it, and its distance to a law.

Nothing here knows of the theory. Where the bulk ends is read off the singular values themselves,
so that outliers can be counted, and removed, without a prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.status import InvalidInputError

__all__ = ["FEWEST_VALUES", "BulkEdge", "bulk_edge", "kolmogorov_distance"]


# Ranks in the bulk that its edge is fitted to: beyond the fluctuations of the very largest values,
# and close enough to the edge for its square-root law.
_RANKS = np.arange(4, 13)
# Singular values that this takes at the least.
FEWEST_VALUES = 2 * int(_RANKS[-1])
# Tracy-Widom scales beyond the edge at which a singular value is an outlier: for a real matrix
# without any the chance that the largest lies there is 0.2 percent.
_SCALES = 3.0


@dataclass(frozen=True, slots=True)
class BulkEdge:
    """Upper edge of a bulk of singular values, read off the values below it.

    Attributes
    ----------
    position : float
        Where the square-root law of the density ends.
    scale : float
        Unit of the largest value's Tracy-Widom fluctuations.
    n_outliers : int
        Singular values beyond ``position + 3 scale``.
    """

    position: float
    scale: float
    n_outliers: int


def bulk_edge(singular_values: ArrayLike) -> BulkEdge:
    """Edge of the bulk, and how many singular values lie beyond it.

    Below a soft edge ``E`` the ``k``-th largest value is near ``E - c tau_k`` with
    ``tau_k = (3 pi (4 k - 1) / 8)^{2/3}``, the zeros of the Airy function, where ``c`` is the unit
    of the Tracy-Widom fluctuations. ``E`` and ``c`` are fitted to the ranks 4 to 12 below the
    outliers, and an outlier is a value above ``E + 3 c``; their number is the smallest that is
    consistent with the edge that it leads to.

    Parameters
    ----------
    singular_values : array (m,)
        Of one matrix, or means rank by rank over several; ``m`` at least 24.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.random.default_rng(0).standard_normal((400, 400)) / 20
    >>> w[:, 0] += 3 * np.ones(400) / 20
    >>> edge = bulk_edge(np.linalg.svd(w, compute_uv=False))
    >>> edge.n_outliers, round(edge.position, 1)
    (1, 2.0)
    """
    values = np.sort(np.asarray(singular_values, dtype=np.float64).ravel())[::-1]
    if values.size < FEWEST_VALUES:
        raise InvalidInputError(
            f"singular_values must be at least {FEWEST_VALUES}, got {values.size}"
        )
    tau = (3.0 * np.pi * (4.0 * _RANKS - 1.0) / 8.0) ** (2.0 / 3.0)
    for n_outliers in range(values.size - int(_RANKS[-1]) + 1):
        slope, position = np.polyfit(tau, values[n_outliers + _RANKS - 1], 1)
        beyond = int(np.count_nonzero(values > position - _SCALES * slope))
        if beyond <= n_outliers:
            break
    return BulkEdge(float(position), float(-slope), n_outliers)


def kolmogorov_distance(distribution: Callable[[Array], ArrayLike], values: ArrayLike) -> float:
    """Largest difference between a distribution function and that of the values.

    Examples
    --------
    >>> kolmogorov_distance(lambda x: x, [0.25, 0.75])
    0.25
    """
    points = np.sort(np.asarray(values, dtype=np.float64).ravel())
    predicted = np.asarray(distribution(points), dtype=np.float64)
    steps = np.arange(points.size + 1) / points.size
    return float(max(np.abs(predicted - steps[:-1]).max(), np.abs(predicted - steps[1:]).max()))
