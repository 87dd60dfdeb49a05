"""Gaussian averages of piecewise polynomials, in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.pieces.polynomial import PolynomialPiece

__all__ = ["MOST_DEGREE", "smoothed_polynomials"]

MOST_DEGREE = 4  # powers of a large mean cancel beyond


def smoothed_polynomials(pieces: Sequence[PolynomialPiece], mean: Array, spread: float) -> Array:
    r"""``E`` of ``f, f', f'^2, xi f'`` at ``t = mean + spread xi``, ``xi`` standard normal.

    On a piece, from ``a`` to ``b``, by parts: with :math:`p` the density of ``xi`` and
    :math:`M_k = E[t^k; a < t < b]`, ``m`` the mean and ``s`` the spread,

    .. math:: E[\xi t^k; a < t < b] = s k M_{k-1} + a^k p(a) - b^k p(b), \qquad
        M_{k+1} = m M_k + s E[\xi t^k; a < t < b].

    Parameters
    ----------
    pieces : sequence of (lower, upper, ascending coefficients)
    mean : array, shape (X,)
    spread : float
        Positive.

    Returns
    -------
    array, shape (4, X)
        Up to rounding, of the size of ``E |t|^k``.

    Examples
    --------
    >>> relu = [(-math.inf, 0.0, (0.0,)), (0.0, math.inf, (0.0, 1.0))]
    >>> smoothed_polynomials(relu, np.zeros(1), 2.0).ravel().round(6).tolist()
    [0.797885, 0.5, 0.5, 0.398942]
    """
    total = np.zeros((4, mean.size))
    for low, high, coefficients in pieces:
        value = np.array([float(c) for c in coefficients])
        if not value.any():
            continue
        slope = np.polynomial.polynomial.polyder(value)
        square: Array = np.polynomial.polynomial.polymul(slope, slope)
        degree = max(value.size, square.size, slope.size + 1)
        moments, with_xi = _moments(float(low), float(high), mean, spread, degree)
        total[0] += value @ moments[: value.size]
        total[1] += slope @ moments[: slope.size]
        total[2] += square @ moments[: square.size]
        total[3] += slope @ with_xi[: slope.size]
    return total


def _moments(
    low: float, high: float, mean: Array, spread: float, count: int
) -> tuple[Array, Array]:
    """``E[t^k]`` and ``E[xi t^k]`` on a piece, for ``k < count``, each of shape (count, X)."""
    left, right = ((end - mean) / spread for end in (low, high))
    moments, with_xi = np.zeros((2, count, mean.size))
    # Of two tails the nearer is small, and does not cancel.
    ndtr = scipy.special.ndtr
    moments[0] = np.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))
    ends = [
        np.exp(-(at**2) / 2.0) / math.sqrt(2.0 * math.pi) if math.isfinite(end) else None
        for end, at in ((low, left), (high, right))
    ]
    for k in range(count):
        if k > 0:
            moments[k] = mean * moments[k - 1] + spread * with_xi[k - 1]
            with_xi[k] = spread * k * moments[k - 1]
        if ends[0] is not None:
            with_xi[k] += low**k * ends[0]
        if ends[1] is not None:
            with_xi[k] -= high**k * ends[1]
    return moments, with_xi
