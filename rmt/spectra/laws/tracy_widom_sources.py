"""The three sources of the Tracy-Widom logarithms, left to right.

A series in ``|s|^(-3/2)`` up to ``s = -12``, the Painleve II boundary value problem up to ``-3``
(where a determinant in double precision loses its relative accuracy), Fredholm determinants from
there to infinity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.polynomial import Chebyshev, chebyshev

from rmt.arrays import Array
from rmt.caching import cached

__all__ = [
    "CHECK",
    "JOIN",
    "LEFT",
    "RIGHT",
    "USED",
    "Edge",
    "Resolution",
    "determinants",
    "left_growth",
    "left_series",
    "painleve",
    "zeta",
]


ZETA_PRIME = -0.16542114370045092  # zeta'(-1)

# The series ends at LEFT, Painleve II at JOIN; beyond RIGHT Airy functions come scaled by scipy.
LEFT, JOIN, RIGHT = -12.0, -3.0, 6.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely each source computes; the table uses one, its error estimate a finer one."""

    order: int  # of the Gauss rule in a determinant
    nodes: int  # of the collocation of Painleve II
    terms: int  # of the asymptotic series


USED, CHECK = Resolution(28, 44, 12), Resolution(40, 60, 14)


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """Logarithms at given ``s``, each of shape ``(2, len(s))``: a row for each ``beta``."""

    log_cdf: Array
    log_sf: Array
    log_pdf: Array
    q: Array  # the Hastings-McLeod function, of shape (len(s),)


@cached(16)
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
        return np.asarray(scipy.special.airy(s + distance)[0] * np.exp(zeta(s)))
    # zeta(s + d) - zeta(s), which would lose its digits in a difference of large numbers
    rise = distance * (3.0 * s * (s + distance) + distance**2) / ((s + distance) ** 1.5 + s**1.5)
    return np.asarray(scipy.special.airye(s + distance)[0] * np.exp(-2.0 / 3.0 * rise))


def zeta(s: Array) -> Array:
    """The exponent of ``Ai(s) ~ exp(-zeta)``; zero on the left."""
    return np.asarray(2.0 / 3.0 * np.maximum(s, 0.0) ** 1.5)


def determinants(s: Array, resolution: Resolution) -> Edge:
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
    scale = np.exp(-np.minimum(zeta(s), 150.0))
    small = scale * eigenvalue
    log_cdf = np.stack([np.log1p(-small).sum(1), np.log1p(-(small**2)).sum(1)])
    log_sf = np.log(-np.expm1(log_cdf) / np.stack([scale[:, 0], scale[:, 0] ** 2]))
    slope_1 = (at_zero[:, 0] + scale[:, 0] * (c2 / (1.0 - small)).sum(1)) / 2.0
    slope_2 = (c2 / (1.0 - small**2)).sum(1)
    q = at_zero[:, 0] + scale[:, 0] * (small * c2 / (1.0 - small**2)).sum(1)
    return Edge(log_cdf, log_sf, log_cdf + np.log([slope_1, slope_2]), scale[:, 0] * q)


def left_series(s: Array, resolution: Resolution) -> Edge:
    """Asymptotic series at ``s < 0`` in ``t = -s``; the logarithms without what grows.

    ``q = sqrt(t / 2) sum b_k t^(-3k)``, put into Painleve II, gives ``b_k`` by recursion; the rest
    is integrated from it term by term, with the constants of Baik, Buckingham & DiFranco. The
    first term left out bounds the error: 1e-16 at LEFT with twelve terms. `left_growth` is what
    grows.
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
    twice = np.zeros(k.size)  # the first entry would be a logarithm: it grows
    twice[1:] = square[2:] / ((2.0 - 3.0 * k[1:]) * (3.0 - 3.0 * k[1:]))
    log_f2 = math.log(2.0) / 24.0 + ZETA_PRIME - powers @ twice / 2.0
    return _painleve_edge(log_f2, slope, integral_q, q)


def left_growth(s: Array) -> Array:
    """What grows without bound in ``log F_1`` and ``log F_2`` at ``s < 0``: a row for each."""
    t = -s
    log_f2 = -(t**3) / 12.0 - np.log(t) / 8.0
    return np.stack([log_f2 / 2.0 - t**1.5 / (3.0 * math.sqrt(2.0)), log_f2])


def painleve(s: Array, resolution: Resolution) -> Edge:
    """The solution of Painleve II on [LEFT, JOIN]."""
    log_f2, slope, integral_q, q = (part(s) for part in _painleve_solution(resolution))
    return _painleve_edge(log_f2, slope, integral_q, q)


def _painleve_edge(log_f2: Array, slope: Array, integral_q: Array, q: Array) -> Edge:
    log_cdf = np.stack([(log_f2 - integral_q) / 2.0, log_f2])
    log_pdf = log_cdf + np.log([(slope + q) / 2.0, slope])
    return Edge(log_cdf, np.full_like(log_cdf, np.nan), log_pdf, q)


@cached(16)
def _painleve_solution(resolution: Resolution) -> tuple[Chebyshev, ...]:
    """``log F_2``, its derivative ``int_s^inf q^2``, ``int_s^inf q`` and ``q`` on [LEFT, JOIN].

    Painleve II as a boundary value problem: ``q`` and ``log F_2`` from the series at LEFT, from a
    determinant at JOIN. Unlike the initial value problem it is stable. The unknown is ``q''``, and
    ``q`` is two integrations away from it, so that no digits are lost to differentiation.
    """
    at_left = np.array([LEFT])
    start, join = left_series(at_left, resolution), determinants(np.array([JOIN]), resolution)
    left = float(start.q[0]) * LEFT**2
    log_f2_left = float((start.log_cdf + left_growth(at_left))[1, 0])
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
    # The determinant has the slope at JOIN, too. But its error, of a few units of rounding that
    # differ between processors, would have grown ninefold at LEFT.
    square = series**2
    bent = float(square.integ(2, lbnd=JOIN)(LEFT))
    slope = (log_f2 - log_f2_left - bent) / (JOIN - LEFT) - square.integ(lbnd=JOIN)
    integral_q = log_f2 - 2.0 * log_f1 - series.integ(lbnd=JOIN)
    return log_f2 + slope.integ(lbnd=JOIN), slope, integral_q, series
