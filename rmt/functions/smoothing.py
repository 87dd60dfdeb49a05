"""Gaussian smoothing of a function and of its derivative: ``E[f(m + s Z)]``, ``E[f'(m + s Z)]``.

Three routes, chosen by what is known of ``f``: closed form for piecewise polynomials (truncated
Gaussian moments), the trapezoid rule for smooth functions, Gauss-Legendre panels between the kinks
for the rest.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from rmt.functions.gaussian import gauss_legendre, gaussian_rule
from rmt.functions.scalar_function import ScalarFunction

__all__ = ["smoothed"]

Array = NDArray[np.float64]

HALF_WIDTH = 8.5
_TINY = 1e-300


def smoothed(
    function: ScalarFunction, mean: ArrayLike, std: ArrayLike, nodes_per_unit: float
) -> tuple[Array, Array]:
    """``E[f(m + s Z)]`` and ``E[f'(m + s Z)]`` for standard normal ``Z``.

    Parameters
    ----------
    function : ScalarFunction
        Of one variable; the derivative is the almost-everywhere one.
    mean, std : array_like
        ``m`` and ``s >= 0``; broadcast against each other.
    nodes_per_unit : float
        Quadrature nodes per unit of ``Z``; not used for piecewise polynomials.

    Returns
    -------
    value, derivative : array
        Of the broadcast shape. Their quadrature error is judged by calling again with another
        resolution.

    Examples
    --------
    >>> relu = ScalarFunction.parse("relu(z)")
    >>> value, slope = smoothed(relu, [0.0], [1.0], 8.0)
    >>> bool(abs(value[0] - 1 / math.sqrt(2 * math.pi)) < 1e-15), float(slope[0])
    (True, 0.5)
    """
    m, s = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(std, dtype=float))
    if function.kinks and function.polynomial_pieces is not None:
        return _piecewise_polynomial(function.polynomial_pieces, m, s)
    if function.kinks:
        return _between_kinks(function, m, s, nodes_per_unit)
    rule = gaussian_rule(nodes_per_unit, HALF_WIDTH)
    value, derivative = function.value_and_derivative(m[..., None] + s[..., None] * rule.nodes[0])
    return value @ rule.weights, derivative @ rule.weights


def _between_kinks(
    function: ScalarFunction, m: Array, s: Array, nodes_per_unit: float
) -> tuple[Array, Array]:
    """Gauss-Legendre on every interval between consecutive kinks, moved to the variable ``Z``."""
    safe = np.maximum(s, _TINY)
    edges = [np.full(m.shape, -HALF_WIDTH)]
    for kink in function.kinks:
        edges.append(np.clip((kink - m) / safe, -HALF_WIDTH, HALF_WIDTH))
    edges.append(np.full(m.shape, HALF_WIDTH))
    x, w = gauss_legendre(max(8, math.ceil(HALF_WIDTH * nodes_per_unit)))
    total = np.zeros(m.shape), np.zeros(m.shape)
    points: list[float] = [-math.inf, *function.kinks, math.inf]
    for low, high, left, right in zip(edges[:-1], edges[1:], points[:-1], points[1:], strict=True):
        some = high > low  # most means are far from most pieces
        half = (high[some] - low[some])[:, None] / 2.0
        z = low[some][:, None] + half * (x + 1.0)
        weights = half * w * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
        inside = np.clip(m[some][:, None] + s[some][:, None] * z, left, right)
        for sum_, part in zip(total, function.value_and_derivative(inside), strict=True):
            sum_[some] += np.einsum("pk,pk->p", weights, part)
    return total


def _piecewise_polynomial(
    pieces: tuple[tuple[float, float, tuple[float, ...]], ...], m: Array, s: Array
) -> tuple[Array, Array]:
    """Closed form through ``I_k = E[(m + s Z)^k; low < m + s Z < high]``.

    Integration by parts gives ``I_k = m I_{k-1} + (k-1) s^2 I_{k-2} - s [u^{k-1} p]_low^high`` with
    ``p`` the standard normal density at ``(u - m)/s``.
    """
    safe = np.maximum(s, _TINY)
    value, derivative = np.zeros(m.shape), np.zeros(m.shape)
    for low, high, coefficients in pieces:
        # Beyond 40 the distribution function is 0 or 1 to the last bit.
        a, b = (np.clip((end - m) / safe, -40.0, 40.0) for end in (low, high))
        upper_tail = a > 0
        moments = [
            special.ndtr(np.where(upper_tail, -a, b)) - special.ndtr(np.where(upper_tail, -b, a))
        ]
        boundary = [
            (end, np.exp(-(x**2) / 2.0) * (safe / math.sqrt(2.0 * math.pi)), sign)
            for end, x, sign in ((low, a, 1.0), (high, b, -1.0))
            if math.isfinite(end)
        ]
        for k in range(1, len(coefficients)):
            moment = m * moments[k - 1]
            if k > 1:
                moment = moment + (k - 1) * safe**2 * moments[k - 2]
            for end, density, sign in boundary:
                moment = moment + sign * end ** (k - 1) * density
            moments.append(moment)
        for k, c in enumerate(coefficients):
            value += c * moments[k]
            if k:
                derivative += k * c * moments[k - 1]
    return value, derivative
