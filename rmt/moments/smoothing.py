"""Gaussian smoothing of a function and of its derivative: ``E[f(m + s Z)]``, ``E[f'(m + s Z)]``.

Three routes, chosen by what is known of ``f``: closed form for piecewise sums of polynomial x
exponential (so also ELU) and, without kinks, polynomial x error function (GELU); the trapezoid rule
for other smooth functions; Gauss-Legendre panels between the kinks for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array
from rmt.budget import count_work
from rmt.caching import cached
from rmt.functions.scalar_function import ScalarFunction
from rmt.moments.recurrence import Edge, exponential_coefficients, times_polynomial
from rmt.moments.rules import gauss_legendre, gaussian_rule, legendre_panels
from rmt.moments.spacing import CORE, spacings

__all__ = ["smoothed"]


HALF_WIDTH = 8.5
_TINY = 1e-300
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_ORDER = 10  # of a panel
_DENSITY_STEP = 0.36  # spacing of nodes that resolves the normal density
_MAX_NODES = 100_000
_SHARED = 4.0  # standard deviations
_BLOCK = 1 << 18  # entries of a temporary array
_WORK = 100.0  # of a point in closed form, for each degree


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
        Quadrature nodes per unit of ``Z``; not used where there is a closed form.

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
    terms = _closed_terms(function)
    if terms is not None:
        return _in_closed_form(terms, m, s)
    total = np.empty((2, *m.shape))
    wide = s > nodes_per_unit * spacings(function)[0]
    octaves = np.where(wide, np.floor(np.log2(np.maximum(s, _TINY))), -np.inf)
    for octave in np.unique(octaves[wide]):
        same = octaves == octave
        total[:, same] = _on_panels(function, m[same], s[same], nodes_per_unit)
    if not wide.all():
        route = _between_kinks if function.kinks else _on_even_nodes
        total[:, ~wide] = route(function, m[~wide], s[~wide], nodes_per_unit)
    return total[0], total[1]


def _on_even_nodes(
    function: ScalarFunction, m: Array, s: Array, nodes_per_unit: float
) -> tuple[Array, Array]:
    """The trapezoid rule over ``Z``."""
    rule = gaussian_rule(nodes_per_unit, HALF_WIDTH)
    value, derivative = function.value_and_derivative(m[..., None] + s[..., None] * rule.nodes[0])
    return value @ rule.weights, derivative @ rule.weights


def _on_panels(
    function: ScalarFunction, m: Array, s: Array, nodes_per_unit: float
) -> tuple[Array, Array]:
    """Gauss-Legendre panels over ``u = m + s Z``, the same for all: for large ``s``, much alike.

    Between kinks their nodes follow the function (`spacings`), which far out varies more slowly,
    and the density.
    """
    least, reach = float(s.min()), HALF_WIDTH * float(s.max())
    low, high = float(m.min()) - reach, float(m.max()) + reach
    cuts = [CORE * 2.0**k for k in range(len(spacings(function)))]
    ends = np.array([0.0, *cuts, *(-c for c in cuts), *function.kinks])
    ends = np.unique(np.concatenate([[low, high], ends[(ends > low) & (ends < high)]]))
    middle = np.abs(ends[1:] + ends[:-1]) / 2.0
    step = np.array(spacings(function))[np.searchsorted(cuts[:-1], middle)]
    rate = nodes_per_unit / 4.0 * (0.5 / step + 1.0 / (_DENSITY_STEP * least))
    counts = np.ceil(np.minimum(np.diff(ends) * rate, _MAX_NODES) / _ORDER).astype(int)
    pieces = zip(ends[:-1], ends[1:], counts, strict=True)
    edges = np.concatenate(
        [*(np.linspace(a, b, n, endpoint=False) for a, b, n in pieces), ends[-1:]]
    )
    u, widths = legendre_panels(edges, _ORDER)
    parts = np.stack(function.value_and_derivative(u)) * widths / _ROOT_TWO_PI
    total = np.zeros((2, m.size))
    order = np.argsort(m)
    # Means within a few standard deviations of each other share the nodes that they reach.
    groups = np.flatnonzero(np.diff(np.floor((m[order] - m[order[0]]) / (_SHARED * least)))) + 1
    for group in np.split(order, groups):
        first, last = np.searchsorted(u, [m[group[0]] - reach, m[group[-1]] + reach])
        block = max(1, _BLOCK // max(1, last - first))
        for start in range(0, group.size, block):
            some = group[start : start + block]
            count_work(10.0 * some.size * (last - first))
            density = np.exp(-(((u[first:last] - m[some, None]) / s[some, None]) ** 2) / 2.0)
            total[:, some] = parts[:, first:last] @ density.T / s[some]
    return total[0], total[1]


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


@dataclass(frozen=True, slots=True)
class _Term:
    """``p(u) exp(A u^2 + B u) erf(c u + d)`` for ``lower < u < upper``, and its derivative.

    ``erf_argument`` is ``(c, d)``, or None without the error function. The derivative is the same
    with ``slope`` in place of ``p``, but for the derivative of the error function.
    """

    lower: float
    upper: float
    quadratic: float
    linear: float
    erf_argument: tuple[float, float] | None
    polynomial: tuple[float, ...]
    slope: tuple[float, ...]


@cached(256)
def _closed_terms(function: ScalarFunction) -> tuple[_Term, ...] | None:
    """The terms of a function whose smoothing has a closed form, else None."""
    from rmt.moments.exact.closed_form import normal_pieces

    pieces = normal_pieces(function)
    if pieces is None:
        return None
    terms = []
    for lower, upper, form in pieces:
        for (kernel, _), polynomial in form.items():
            with_erf = len(kernel.erfs)
            if kernel.frequency != 0 or with_erf > (1 if len(pieces) == 1 else 0):
                return None
            a, b = float(kernel.quadratic), float(kernel.linear)
            if a > 0.0:  # the integral need not exist for large s
                return None
            p = np.polynomial.Polynomial([float(c) for c in polynomial])
            slope = p.deriv() + p * np.polynomial.Polynomial([b, 2.0 * a])
            argument = None
            if with_erf:
                argument = float(kernel.erfs[0][0]), float(kernel.erfs[0][1])
            terms.append(
                _Term(
                    float(lower), float(upper), a, b, argument, tuple(p.coef), _trimmed(slope.coef)
                )
            )
    return tuple(terms)


def _trimmed(coefficients: NDArray[Any]) -> tuple[float, ...]:
    return tuple(np.polynomial.polynomial.polytrim(coefficients).tolist())


def _in_closed_form(terms: Sequence[_Term], m: Array, s: Array) -> tuple[Array, Array]:
    """Sum of the terms; Hermite coefficients of ``g(m + s z)``, then polynomials times them."""
    safe = np.maximum(s, _TINY)
    value, derivative = np.zeros(m.shape), np.zeros(m.shape)
    for term in terms:
        order = max(len(term.polynomial), len(term.slope)) - 1
        count_work(_WORK * (1 + order) * m.size)
        if term.erf_argument is None:
            table = _exponential_table(term, m, safe, order)
        else:
            table, bump = _error_function_table(term, m, safe, order)
            # (erf)' = (2 c / sqrt pi) exp(-(c u + d)^2), in front of it the same polynomial
            derivative += times_polynomial(bump, term.polynomial, mean=m, std=safe)[0]
        value += times_polynomial(table, term.polynomial, mean=m, std=safe)[0]
        if any(term.slope):
            derivative += times_polynomial(table, term.slope, mean=m, std=safe)[0]
    return value, derivative


def _exponential_table(term: _Term, m: Array, s: Array, order: int) -> list[Array]:
    """``E[He_k(Z) exp(A u^2 + B u); lower < u < upper]`` with ``u = m + s Z``, ``k = 0 .. order``.

    Completing the square makes ``Z`` normal with precision ``P = 1 - 2 A s^2``.
    """
    if term.quadratic == 0.0 and term.linear == 0.0:
        return _truncated_table(term, m, s, order)
    quadratic, linear = term.quadratic * s**2, s * (2.0 * term.quadratic * m + term.linear)
    precision = 1.0 - 2.0 * quadratic
    root = np.sqrt(precision)
    exponent = (term.quadratic * m + term.linear) * m + linear**2 / (2.0 * precision)
    a, b = ((np.clip((end - m) / s, -1e8, 1e8) * root - linear / root) for end in _ends(term))
    # Logarithms, as the exponential may overflow where the probability underflows.
    base = np.exp(exponent + _log_probability(a, b)) / root
    edges = []
    for end, sign in ((term.lower, 1.0), (term.upper, -1.0)):
        if math.isfinite(end):
            x = np.clip((end - m) / s, -40.0, 40.0)
            height = sign * math.exp((term.quadratic * end + term.linear) * end) / _ROOT_TWO_PI
            edges.append(Edge(x, (np.exp(-(x**2) / 2.0) * height,)))
    return exponential_coefficients(order, [base], edges, quadratic, linear)[0]


def _truncated_table(term: _Term, m: Array, s: Array, order: int) -> list[Array]:
    """``E[He_k(Z); lower < u < upper]``."""
    # Beyond 40 the distribution function is 0 or 1 to the last bit.
    a, b = (np.clip((end - m) / s, -40.0, 40.0) for end in _ends(term))
    upper_tail = a > 0
    ndtr = scipy.special.ndtr
    base = ndtr(np.where(upper_tail, -a, b)) - ndtr(np.where(upper_tail, -b, a))
    edges = [
        Edge(x, (np.exp(-(x**2) / 2.0) * (sign / _ROOT_TWO_PI),))
        for end, x, sign in ((term.lower, a, 1.0), (term.upper, b, -1.0))
        if math.isfinite(end)
    ]
    return exponential_coefficients(order, [base], edges, 0.0, 0.0)[0]


def _ends(term: _Term) -> tuple[float, float]:
    return term.lower, term.upper


def _log_probability(a: Array, b: Array) -> Array:
    """``log P(a < Z < b)``, without cancellation in either tail."""
    low, high = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    above, below = scipy.special.log_ndtr(high), scipy.special.log_ndtr(low)
    with np.errstate(divide="ignore"):
        return np.asarray(above + np.log(-np.expm1(np.minimum(below - above, 0.0))))


def _error_function_table(
    term: _Term, m: Array, s: Array, order: int
) -> tuple[list[Array], list[Array]]:
    """Coefficients of ``g = exp(A u^2 + B u) erf(c u + d)``, and of what its derivative adds."""
    assert term.erf_argument is not None
    c, d = term.erf_argument
    quadratic, linear = term.quadratic * s**2, s * (2.0 * term.quadratic * m + term.linear)
    precision = 1.0 - 2.0 * quadratic
    exponent = (term.quadratic * m + term.linear) * m + linear**2 / (2.0 * precision)
    slope = c * s
    argument = (c * m + d + slope * linear / precision) / np.sqrt(1.0 + 2.0 * slope**2 / precision)
    base = np.exp(exponent) / np.sqrt(precision) * scipy.special.erf(argument)
    reduced = replace(
        term, quadratic=term.quadratic - c**2, linear=term.linear - 2.0 * c * d, erf_argument=None
    )
    height = 2.0 * c / math.sqrt(math.pi) * math.exp(-(d**2))
    bump = [height * value for value in _exponential_table(reduced, m, s, order)]
    source = [s * value for value in bump]
    table = exponential_coefficients(order, [base], [], quadratic, linear, sources=[[source]])[0]
    return table, bump
