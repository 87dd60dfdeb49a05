"""The Tracy-Widom laws: fluctuations of the largest eigenvalue at the edge of a bulk.

How the numbers are made, left to right: a series in ``|s|^(-3/2)`` up to ``s = -12``, the
Painleve II boundary value problem up to ``-3`` (where a determinant in double precision loses its
relative accuracy), Fredholm determinants from there to infinity. Piecewise Chebyshev series of the
logarithms, built once per process, then serve whole arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.special import airy, airye

from rmt.status import InvalidInputError

__all__ = ["TracyWidom", "largest_eigenvalue_center", "largest_eigenvalue_scale"]

Array = NDArray[np.float64]

EPS = float(np.finfo(float).eps)
ZETA_PRIME = -0.16542114370045092  # zeta'(-1)

# Rows of the table: s < LEFT, then [LEFT, RIGHT] in pieces of length one, then s > RIGHT.
LEFT, JOIN, SPLIT, RIGHT = -12.0, -3.0, -2.0, 6.0
PIECES = round(RIGHT - LEFT)
UPPER = 1 + round(SPLIT - LEFT)  # the first row that holds upper tails
DEGREE = 13


@dataclass(frozen=True, slots=True)
class TracyWidom:
    """Law ``F_beta`` of the largest eigenvalue at a soft edge, centred and scaled.

    With the Airy kernel ``K`` and ``V(x, y) = Ai((x + y) / 2) / 2``, both on ``L2(s, inf)``,

        F_2(s) = det(1 - K),    F_1(s) = det(1 - V),

    and with the Hastings-McLeod solution ``q'' = s q + 2 q^3``, ``q(s) ~ Ai(s)`` at infinity,

        F_2(s) = exp(-int_s^inf (x - s) q(x)^2 dx),   F_1(s)^2 = F_2(s) exp(-int_s^inf q(x) dx).

    Methods are named as in scipy.stats, and treat NaN, infinities and probabilities outside
    ``[0, 1]`` as it does; they return an array of the shape of the argument.

    Parameters
    ----------
    beta : int
        1 for real symmetric (or real Wishart) matrices, 2 for complex Hermitian ones.

    Raises
    ------
    InvalidInputError
        ``beta`` is neither 1 nor 2.

    Notes
    -----
    Tracy & Widom 1994 and 1996; Ferrari & Spohn 2005 for ``F_1``; Bornemann 2010
    (arXiv:0804.2543, arXiv:0904.1581) for determinants by quadrature; Baik, Buckingham & DiFranco
    2008 for the constants of the left tail.

    ``cdf`` keeps its *relative* accuracy in the left tail, ``sf`` in the right tail and ``pdf`` in
    both, down to underflow: relative errors are near ``1e-14``, growing to ``1e-13`` where
    the logarithm is in the hundreds. ``cdf_error``, ``sf_error``, ``pdf_error``, ``ppf_error`` and
    ``isf_error`` bound the error of each value: twice the distance from a finer quadrature
    (collocation, series) at points between the nodes of the table, plus an allowance for rounding.

    Examples
    --------
    >>> law = TracyWidom(2)
    >>> float(law.cdf(-2.0))
    0.413224142505
    >>> float(law.cdf_error(-2.0)) < 1e-13
    True
    >>> TracyWidom(1).ppf([0.95, 0.99]).round(4).tolist()
    [0.9793, 2.0234]
    >>> law.mean(), law.variance()
    (-1.771086807411, 0.813194792833)
    """

    beta: int

    def __post_init__(self) -> None:
        real = isinstance(self.beta, Real) and not isinstance(self.beta, bool)
        if not real or self.beta not in (1, 2):
            raise InvalidInputError(f"beta must be 1 (real) or 2 (complex), got {self.beta!r}")
        object.__setattr__(self, "beta", int(self.beta))

    def cdf(self, s: ArrayLike) -> Array:
        """``F_beta(s)``."""
        log_tail, upper = _table(self.beta).log_tail(s)
        return np.where(upper, -np.expm1(log_tail), np.exp(log_tail))

    def sf(self, s: ArrayLike) -> Array:
        """``1 - F_beta(s)``, without cancellation in the right tail."""
        log_tail, upper = _table(self.beta).log_tail(s)
        return np.where(upper, np.exp(log_tail), -np.expm1(log_tail))

    def pdf(self, s: ArrayLike) -> Array:
        """``F_beta'(s)``."""
        return np.asarray(np.exp(_table(self.beta).log_density(s)))

    def ppf(self, probability: ArrayLike) -> Array:
        """The ``s`` at which ``cdf(s)`` is the given probability."""
        p = _probability(probability)
        with np.errstate(divide="ignore"):
            low, high = np.log(p), -np.log1p(-p)
        return _quantile(self.beta, np.where(p < float(self.cdf(SPLIT)), low, high))

    def isf(self, probability: ArrayLike) -> Array:
        """The ``s`` at which ``sf(s)`` is the given probability; accurate for the smallest."""
        p = _probability(probability)
        with np.errstate(divide="ignore"):
            low, high = np.log1p(-p), -np.log(p)
        return _quantile(self.beta, np.where(p > float(self.sf(SPLIT)), low, high))

    def cdf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``cdf(s)``."""
        return np.asarray(self._tail_error(s) + EPS * self.cdf(s))

    def sf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``sf(s)``."""
        return np.asarray(self._tail_error(s) + EPS * self.sf(s))

    def pdf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``pdf(s)``."""
        return np.asarray(self.pdf(s) * _table(self.beta).density_bound(s))

    def ppf_error(self, probability: ArrayLike) -> Array:
        """Bound on the absolute error of ``ppf(probability)``; NaN where that is infinite."""
        return self._quantile_error(self.ppf(probability))

    def isf_error(self, probability: ArrayLike) -> Array:
        """Bound on the absolute error of ``isf(probability)``; NaN where that is infinite."""
        return self._quantile_error(self.isf(probability))

    def mean(self) -> float:
        """Expectation; as the other moments, right to ``1e-12`` (relative)."""
        return _moments(self.beta)[0]

    def variance(self) -> float:
        """Variance."""
        return _moments(self.beta)[1]

    def var(self) -> float:
        """Variance, under the name of scipy.stats."""
        return self.variance()

    def std(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.variance())

    def skewness(self) -> float:
        """Third central moment over ``std()**3``."""
        return _moments(self.beta)[2]

    def kurtosis(self) -> float:
        """Excess kurtosis: fourth central moment over ``variance()**2``, minus 3."""
        return _moments(self.beta)[3]

    def rvs(
        self,
        size: int | tuple[int, ...] | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> Array:
        """Independent draws, by inversion of one uniform number each.

        Parameters
        ----------
        size : int, tuple of int or None
            Shape of the result; ``None`` for a single draw, of shape ``()``.
        rng : int, numpy.random.Generator or None
            Anything that `numpy.random.default_rng` takes.

        Examples
        --------
        >>> TracyWidom(1).rvs(3, rng=0).shape
        (3,)
        """
        uniform = np.random.default_rng(rng).random(size)
        return self.ppf(np.maximum(uniform, 2.0**-54))  # zero would be mapped to minus infinity

    def _tail_error(self, s: ArrayLike) -> Array:
        table = _table(self.beta)
        return np.asarray(np.exp(table.log_tail(s)[0]) * table.tail_bound(s))

    def _quantile_error(self, s: Array) -> Array:
        table = _table(self.beta)
        s = np.where(np.isfinite(s), s, np.nan)
        slope = np.exp(table.log_tail(s)[0] - table.log_density(s))
        return np.asarray(slope * table.tail_bound(s) + 2 * EPS * np.abs(s))


def largest_eigenvalue_center(samples: ArrayLike, dim: ArrayLike) -> Array:
    """Where the largest eigenvalue of a white real Wishart matrix lies: ``(a + b)^2``.

    For ``X`` of shape ``samples x dim`` with independent standard normal entries, the largest
    eigenvalue of ``X^T X``, minus this centre and over `largest_eigenvalue_scale`, tends to
    ``TracyWidom(1)``; ``a = sqrt(samples - 1)``, ``b = sqrt(dim)``.

    Raises
    ------
    InvalidInputError
        ``samples < 2``, ``dim < 1``, or either is not finite.

    Notes
    -----
    Johnstone 2001, theorem 1.1. The distance to the limit falls as ``dim^(-1/3)`` (Ma 2012).

    Examples
    --------
    >>> float(largest_eigenvalue_center(101, 25))
    225.0
    """
    a, b = _wishart_roots(samples, dim)
    return np.asarray((a + b) ** 2)


def largest_eigenvalue_scale(samples: ArrayLike, dim: ArrayLike) -> Array:
    """How much that eigenvalue varies: ``(a + b) (1/a + 1/b)^(1/3)``.

    Arguments, errors and source are those of `largest_eigenvalue_center`.

    Examples
    --------
    >>> float(largest_eigenvalue_scale(101, 25))
    10.041494251232
    """
    a, b = _wishart_roots(samples, dim)
    return np.asarray((a + b) * np.cbrt(1.0 / a + 1.0 / b))


def _wishart_roots(samples: ArrayLike, dim: ArrayLike) -> tuple[Array, Array]:
    n, p = np.asarray(samples, dtype=float), np.asarray(dim, dtype=float)
    if not (np.all(np.isfinite(n)) and np.all(n >= 2)):
        raise InvalidInputError(f"samples must be finite and at least 2, got {samples!r}")
    if not (np.all(np.isfinite(p)) and np.all(p >= 1)):
        raise InvalidInputError(f"dim must be finite and at least 1, got {dim!r}")
    return np.sqrt(n - 1.0), np.sqrt(p)


def _probability(probability: ArrayLike) -> Array:
    p = np.asarray(probability, dtype=float)
    return np.where((p >= 0) & (p <= 1), p, np.nan)


# --- the three sources of numbers -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Resolution:
    """How finely each source computes; the table uses one, its error estimate a finer one."""

    order: int  # of the Gauss rule in a determinant
    nodes: int  # of the collocation of Painleve II
    terms: int  # of the asymptotic series


USED, CHECK = _Resolution(28, 44, 12), _Resolution(40, 60, 14)


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """Logarithms at given ``s``, each of shape ``(2, len(s))``: a row for each ``beta``."""

    log_cdf: Array
    log_sf: Array
    log_pdf: Array
    q: Array  # the Hastings-McLeod function, of shape (len(s),)


@cache
def _half_line_rule(order: int) -> tuple[Array, Array]:
    """Gauss-Legendre in ``u`` on (0, 1), as nodes ``-log u`` and weights ``w / u``.

    The weights of the libraries are good to 1e-13 only next to the ends, so both are made here.
    """
    x: Any = np.polynomial.legendre.leggauss(order)[0].astype(np.longdouble)
    for _ in range(3):  # Newton's method; the last pass only leaves the slope at the new node
        before, value = np.ones_like(x), x
        for k in range(2, order + 1):
            before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
        slope = order * (x * value - before) / (x * x - 1)
        x = x - value / slope
    weight = 2 / ((1 - x * x) * slope**2)
    return (-np.log((1 - x) / 2)).astype(float), (weight / (1 - x)).astype(float)


def _scaled_airy(s: Array, distance: Array) -> Array:
    """``exp(zeta(s)) Ai(s + distance)``; where ``s > RIGHT`` occurs, all ``s`` must be positive."""
    if np.all(s <= RIGHT):
        return np.asarray(airy(s + distance)[0] * np.exp(_zeta(s)))
    # zeta(s + d) - zeta(s), which would lose its digits in a difference of large numbers
    rise = distance * (3.0 * s * (s + distance) + distance**2) / ((s + distance) ** 1.5 + s**1.5)
    return np.asarray(airye(s + distance)[0] * np.exp(-2.0 / 3.0 * rise))


def _zeta(s: Array) -> Array:
    """The exponent of ``Ai(s) ~ exp(-zeta)``; zero on the left."""
    return np.asarray(2.0 / 3.0 * np.maximum(s, 0.0) ** 1.5)


def _determinants(s: Array, resolution: _Resolution) -> _Edge:
    """Determinants by Nystrom's method; ``-beta zeta(s)`` left out of ``log_sf`` and ``log_pdf``.

    Moved to (0, inf), ``V`` is ``B(x, y) = Ai(s + x + y)`` and ``K`` is ``B^2``. The eigenvalues
    ``lambda`` of ``B``, and the coefficients ``c`` of ``Ai(s + .)`` in its eigenvectors, give

        log F_1 = sum log(1 - lambda),     (log F_1)' = (Ai(s) + sum c^2 / (1 - lambda)) / 2,
        log F_2 = sum log(1 - lambda^2),   (log F_2)' = sum c^2 / (1 - lambda^2),

    and ``q = Ai(s) + sum lambda c^2 / (1 - lambda^2)``.
    """
    t, weight = _half_line_rule(resolution.order)
    s = s[:, None]
    stretch = 8.0 / np.sqrt(4.0 + np.maximum(s, 0.0))  # Ai(s + x) falls as exp(-sqrt(s) x)
    x, root = stretch * t, np.sqrt(stretch * weight)
    i, j = np.triu_indices(t.size)
    b = np.empty((s.size, t.size, t.size))
    b[:, i, j] = root[:, i] * root[:, j] * _scaled_airy(s, x[:, i] + x[:, j])
    b[:, j, i] = b[:, i, j]
    eigenvalue, vector = np.linalg.eigh(b)
    c2 = np.einsum("sij,si->sj", vector, root * _scaled_airy(s, x)) ** 2
    at_zero = _scaled_airy(s, np.zeros_like(s))
    # Beyond the cap all quotients have reached their limits, to all digits.
    scale = np.exp(-np.minimum(_zeta(s), 150.0))
    small = scale * eigenvalue
    log_cdf = np.stack([np.log1p(-small).sum(1), np.log1p(-(small**2)).sum(1)])
    log_sf = np.log(-np.expm1(log_cdf) / np.stack([scale[:, 0], scale[:, 0] ** 2]))
    slope_1 = (at_zero[:, 0] + scale[:, 0] * (c2 / (1.0 - small)).sum(1)) / 2.0
    slope_2 = (c2 / (1.0 - small**2)).sum(1)
    q = at_zero[:, 0] + scale[:, 0] * (small * c2 / (1.0 - small**2)).sum(1)
    return _Edge(log_cdf, log_sf, log_cdf + np.log([slope_1, slope_2]), scale[:, 0] * q)


def _left_series(s: Array, resolution: _Resolution) -> _Edge:
    """Asymptotic series at ``s < 0`` in ``t = -s``, with `_offset` left out of the logarithms.

    ``q = sqrt(t / 2) sum b_k t^(-3k)``, put into Painleve II, gives ``b_k`` by recursion; the rest
    is integrated from it term by term, with the constants of Baik, Buckingham & DiFranco. The
    first term left out bounds the error: 1e-16 at LEFT with twelve terms.
    """
    b = np.zeros(resolution.terms)
    b[0] = 1.0
    k = np.arange(resolution.terms)
    for n in k[1:]:
        cube = np.convolve(np.convolve(b, b), b)[n]  # b[n] is still 0: all of it but 3 b[n]
        b[n] = ((9.0 * (n - 1) ** 2 - 0.25) * b[n - 1] - cube) / 2.0
    square = np.convolve(b, b)[: k.size]
    z = np.abs(s) ** -1.5
    powers = (z * z)[:, None] ** k
    slope = powers @ (square / (2.0 - 3.0 * k)) / 2.0  # (log F_2)' / t^2
    q = z / math.sqrt(2.0) * (powers @ b)  # q / t^2
    k, powers = k[1:], powers[:, :-1]
    integral_q = math.log(2.0) / 2.0 + z / math.sqrt(2.0) * (powers @ (b[1:] / (1.5 - 3.0 * k)))
    twice = np.zeros(k.size)  # the first entry would be the logarithm in `_offset`
    twice[1:] = square[2:] / ((2.0 - 3.0 * k[1:]) * (3.0 - 3.0 * k[1:]))
    log_f2 = math.log(2.0) / 24.0 + ZETA_PRIME - powers @ twice / 2.0
    return _painleve_edge(log_f2, slope, integral_q, q)


def _painleve(s: Array, resolution: _Resolution) -> _Edge:
    """The solution of Painleve II on [LEFT, JOIN]."""
    log_f2, slope, integral_q, q = (part(s) for part in _painleve_solution(resolution))
    return _painleve_edge(log_f2, slope, integral_q, q)


def _painleve_edge(log_f2: Array, slope: Array, integral_q: Array, q: Array) -> _Edge:
    log_cdf = np.stack([(log_f2 - integral_q) / 2.0, log_f2])
    log_pdf = log_cdf + np.log([(slope + q) / 2.0, slope])
    return _Edge(log_cdf, np.full_like(log_cdf, np.nan), log_pdf, q)


@cache
def _painleve_solution(resolution: _Resolution) -> tuple[Chebyshev, ...]:
    """``log F_2``, its derivative ``int_s^inf q^2``, ``int_s^inf q`` and ``q`` on [LEFT, JOIN].

    Painleve II as a boundary value problem: ``q`` from the series at LEFT, from a determinant at
    JOIN. Unlike the initial value problem it is stable. The unknown is ``q''``, and ``q`` is two
    integrations away from it, so that no digits are lost to differentiation.
    """
    left = float(_left_series(np.array([LEFT]), resolution).q[0]) * LEFT**2
    join = _determinants(np.array([JOIN]), resolution)
    log_f1, log_f2 = (float(value) for value in join.log_cdf[:, 0])
    half = (JOIN - LEFT) / 2.0
    x = chebyshev.chebpts1(resolution.nodes)
    s, rise = LEFT + half * (1.0 + x), (1.0 + x) / 2.0
    coefficients = np.linalg.inv(chebyshev.chebvander(x, x.size - 1))
    twice = chebyshev.chebint(coefficients, 2, lbnd=-1.0) * half**2
    at_nodes = chebyshev.chebvander(x, x.size + 1) @ twice
    green = at_nodes - np.outer(rise, twice.sum(0))  # zero at both ends; T_k(1) = 1
    line = left + (float(join.q[0]) - left) * rise
    q, bend = np.sqrt(-s / 2.0), np.zeros(x.size)
    for _ in range(8):  # Newton's method; from this start five steps reach rounding
        residual = bend - (s + 2.0 * q * q) * q
        jacobian = np.eye(x.size) - (s + 6.0 * q * q)[:, None] * green
        bend = bend - np.linalg.solve(jacobian, residual)
        q = line + green @ bend
    series = Chebyshev(coefficients @ q, domain=[LEFT, JOIN])
    slope = math.exp(float(join.log_pdf[1, 0]) - log_f2) - (series**2).integ(lbnd=JOIN)
    integral_q = log_f2 - 2.0 * log_f1 - series.integ(lbnd=JOIN)
    return log_f2 + slope.integ(lbnd=JOIN), slope, integral_q, series


# --- the table that serves arrays -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Chebyshev series of logarithms, a column for each row of points (see the constants above).

    ``tail`` is ``log F`` left of SPLIT and ``log(1 - F)`` right of it, ``density`` is ``log F'``;
    in the two outer rows they are series in ``|s|^(-3/2)`` of what `_offset` leaves.
    """

    beta: int
    tail: Array
    density: Array
    tail_gap: Array  # absolute errors of the logarithms, one for each row
    density_gap: Array

    def log_tail(self, s: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
        """The logarithm of the tail tabulated there, and whether that is the upper one."""
        s, row, x = _locate(s)
        return _clenshaw(self.tail, row, x) + _offset(self.beta, s, row, False), row >= UPPER

    def log_density(self, s: ArrayLike) -> Array:
        s, row, x = _locate(s)
        return _clenshaw(self.density, row, x) + _offset(self.beta, s, row, True)

    def tail_bound(self, s: ArrayLike) -> Array:
        """Bound on the error of ``log_tail``, rounding included."""
        return self.tail_gap[_locate(s)[1]] + 8 * EPS * (1.0 + np.abs(self.log_tail(s)[0]))

    def density_bound(self, s: ArrayLike) -> Array:
        """Bound on the error of ``log_density``, rounding included."""
        return self.density_gap[_locate(s)[1]] + 8 * EPS * (1.0 + np.abs(self.log_density(s)))


def _locate(s: ArrayLike) -> tuple[Array, NDArray[np.intp], Array]:
    """Points (finite or NaN), their rows, and their places in [-1, 1] there."""
    points = np.clip(np.asarray(s, dtype=float), -1e100, 1e100)
    cell = np.clip(np.floor(points - LEFT), -1, PIECES)
    row = np.nan_to_num(cell).astype(np.intp) + 1
    x = np.asarray(2.0 * (points - LEFT - cell) - 1.0)
    for outer, edge in ((row == 0, LEFT), (row == PIECES + 1, RIGHT)):
        if np.any(outer):
            x[outer] = 2.0 * (points[outer] / edge) ** -1.5 - 1.0
    return points, row, x


def _points(row: int, x: Array) -> Array:
    """Points at given places of a row: the inverse of `_locate`."""
    if 0 < row <= PIECES:
        return LEFT + (row - 1) + (1.0 + x) / 2.0
    return (LEFT if row == 0 else RIGHT) * ((1.0 + x) / 2.0) ** (-2.0 / 3.0)


def _offset(beta: int, s: Array, row: NDArray[np.intp], density: bool) -> Array:
    """What grows without bound in the outer rows; zero elsewhere."""
    offset = np.zeros(s.shape)
    if np.any(left := row == 0):
        t = -s[left]
        log_cdf = -(t**3) / 12.0 - np.log(t) / 8.0
        if beta == 1:
            log_cdf = log_cdf / 2.0 - t**1.5 / (3.0 * math.sqrt(2.0))
        offset[left] = log_cdf + (2.0 * np.log(t) if density else 0.0)
    if np.any(right := row == PIECES + 1):
        t = s[right]
        log_sf = -beta * (_zeta(t) + 0.75 * np.log(t))
        offset[right] = log_sf + (0.5 * np.log(t) if density else 0.0)
    return offset


def _clenshaw(coefficients: Array, row: NDArray[np.intp], x: Array) -> Array:
    """Chebyshev sums at ``x``, each with the column of its row."""
    twice = 2.0 * x
    first, second = np.zeros(x.shape), np.zeros(x.shape)
    for c in coefficients[:0:-1]:
        first, second = c.take(row) + twice * first - second, first
    return np.asarray(coefficients[0].take(row) + x * first - second)


def _row_values(row: int, x: Array, resolution: _Resolution) -> Array:
    """The tabulated logarithms, without `_offset`; shape ``(2, 2, len(x))``: kind, beta, place."""
    s = _points(row, x)
    if row == 0:
        edge = _left_series(s, resolution)
        return np.stack([edge.log_cdf, edge.log_pdf])
    if s[0] < JOIN:
        edge = _painleve(s, resolution)
        return np.stack([edge.log_cdf, edge.log_pdf])
    edge = _determinants(s, resolution)
    values = np.stack([edge.log_cdf if row < UPPER else edge.log_sf, edge.log_pdf])
    beta = np.array([[1.0], [2.0]])
    if row <= PIECES:
        return np.asarray(values - beta * _zeta(s))  # zero left of SPLIT
    power = 0.75 * beta - np.array([0.0, 0.5])[:, None, None]
    return np.asarray(values + power * np.log(s))


@cache
def _tables() -> tuple[_Table, _Table]:
    """Both tables, from the same matrices."""
    x = chebyshev.chebpts1(DEGREE + 1)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(x, DEGREE))
    between = np.array([-0.96, 0.05, 0.9])  # where interpolation and quadrature are checked
    back = chebyshev.chebvander(between, DEGREE)
    coefficients = np.empty((2, 2, DEGREE + 1, PIECES + 2))
    gap = np.empty((2, 2, PIECES + 2))
    for row in range(PIECES + 2):
        series = _row_values(row, x, USED) @ to_coefficients.T
        coefficients[..., row] = series
        gap[..., row] = 2.0 * np.abs(series @ back.T - _row_values(row, between, CHECK)).max(-1)
    one, two = (
        _Table(b + 1, coefficients[0, b], coefficients[1, b], gap[0, b], gap[1, b]) for b in (0, 1)
    )
    return one, two


def _table(beta: int) -> _Table:
    return _tables()[beta - 1]


@cache
def _quantile_grid(beta: int) -> tuple[Array, Array, Array]:
    """``key``, ``s`` and ``ds / dkey``: ``key`` is ``log F`` up to SPLIT, then ``-log(1 - F)``.

    The range holds every probability that is a floating-point number.
    """
    low, high = np.linspace(-28.0, SPLIT, 1301), np.linspace(SPLIT, 112.0, 5701)
    s = np.concatenate([low, high])
    log_tail, _ = _table(beta).log_tail(s)
    log_tail[low.size - 1] = _other_tail(log_tail[low.size - 1])
    slope = np.exp(log_tail - _table(beta).log_density(s))
    log_tail[low.size :] *= -1.0
    return log_tail, s, slope


def _other_tail(log_tail: Array) -> Array:
    return np.asarray(np.log(-np.expm1(log_tail)))


def _quantile(beta: int, target: Array) -> Array:
    """Where the key of `_quantile_grid` is ``target``: cubic Hermite, then one Newton step."""
    key, grid, slope = _quantile_grid(beta)
    y = np.clip(target, key[0], key[-1])
    i = np.clip(np.searchsorted(key, y) - 1, 0, key.size - 2)
    width = key[i + 1] - key[i]
    u = (y - key[i]) / width
    rise, before, after = grid[i + 1] - grid[i], width * slope[i], width * slope[i + 1]
    bend = 3.0 * rise - 2.0 * before - after
    twist = before + after - 2.0 * rise
    s = grid[i] + u * (before + u * (bend + u * twist))
    log_tail, upper = _table(beta).log_tail(s)
    wanted = y > 0
    other = wanted != upper  # rounding at SPLIT
    if np.any(other):
        log_tail = np.where(other, _other_tail(log_tail), log_tail)
    derivative = (before + u * (2.0 * bend + 3.0 * u * twist)) / width
    s = s + (y - np.where(wanted, -log_tail, log_tail)) * derivative
    return np.where(np.isinf(target), target, s)


@cache
def _moments(beta: int) -> tuple[float, float, float, float]:
    """Mean, variance, skewness, excess kurtosis.

    The density is entire and falls off faster than exponentially, so that the sum over a grid
    (the trapezoidal rule) is exact to rounding.
    """
    step = 0.125
    s = np.arange(-40.0, 120.0, step)
    weight = step * np.exp(_table(beta).log_density(s))
    mean = float(weight @ s)
    centred = s - mean
    variance, third, fourth = (float(weight @ centred**k) for k in (2, 3, 4))
    return mean, variance, third / variance**1.5, fourth / variance**2 - 3.0
