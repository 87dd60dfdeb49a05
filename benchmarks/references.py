"""Spectral laws by other means, to many digits: what errors are measured against."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
import numpy as np
from scipy.special import airy


def marchenko_pastur_pdf(x: Sequence[float], ratio: float) -> np.ndarray:
    """The closed form with thirty digits, inside of the support."""
    with mpmath.workdps(30):
        c = mpmath.mpf(ratio)
        low, high = (1 - mpmath.sqrt(c)) ** 2, (1 + mpmath.sqrt(c)) ** 2
        return np.array(
            [float(mpmath.sqrt((high - t) * (t - low)) / (2 * mpmath.pi * c * t)) for t in x]
        )


def marchenko_pastur_cdf(x: Sequence[float], ratio: float) -> np.ndarray:
    """The integral of the density with thirty digits; for a ratio below one."""
    with mpmath.workdps(30):
        c = mpmath.mpf(ratio)
        low, high = (1 - mpmath.sqrt(c)) ** 2, (1 + mpmath.sqrt(c)) ** 2
        middle, radius = (low + high) / 2, (high - low) / 2

        def integrand(angle: mpmath.mpf) -> mpmath.mpf:
            t = middle - radius * mpmath.cos(angle)
            return (radius * mpmath.sin(angle)) ** 2 / (2 * mpmath.pi * c * t)

        angles = [mpmath.acos((middle - mpmath.mpf(t)) / radius) for t in x]
        return np.array([float(mpmath.quad(integrand, [0, a / 2, a])) for a in angles])


def silverstein_pdf(
    x: Sequence[float], atoms: Sequence[float], weights: Sequence[float], ratio: float
) -> np.ndarray:
    """The density at points of the bulk from the roots of the polynomial of ``m``."""
    with mpmath.workdps(30):
        found = []
        for t in x:
            roots = mpmath.polyroots(_polynomial(t, atoms, weights, ratio), 200, extraprec=200)
            found.append(float(max(root.imag for root in roots) / mpmath.pi / ratio))
        return np.array(found)


def silverstein_edges(atoms: Sequence[float], weights: Sequence[float], ratio: float) -> np.ndarray:
    """Ends of the bands, where ``x(m) = -1/m + c sum w t/(1 + t m)`` is stationary."""
    with mpmath.workdps(30):
        m = mpmath.mpf
        # 1/m^2 = c sum w t^2/(1 + t m)^2, cleared of denominators.
        left = [m(1)]
        for t in atoms:
            left = _times(left, _times([m(t), m(1)], [m(t), m(1)]))
        total = left
        for k, (t, w) in enumerate(zip(atoms, weights, strict=True)):
            term = [m(1), m(0), m(0)]
            for j, other in enumerate(atoms):
                if j != k:
                    term = _times(term, _times([m(other), m(1)], [m(other), m(1)]))
            total = _plus(total, [-m(ratio) * m(w) * m(t) ** 2 * a for a in term])
        roots = mpmath.polyroots(total, 200, extraprec=200)
        real = [root.real for root in roots if abs(root.imag) < m(10) ** -15]
        values = [
            -1 / root
            + m(ratio) * sum(w * t / (1 + t * root) for t, w in zip(atoms, weights, strict=True))
            for root in real
        ]
        return np.array(sorted(float(v) for v in values))


def tracy_widom_cdf(s: Sequence[float], beta: int, nodes: int = 100) -> np.ndarray:
    """Fredholm determinants (Bornemann 2010), by a Gauss-Legendre rule on ``(s, s + 40)``."""
    y, weights = np.polynomial.legendre.leggauss(nodes)
    found = []
    for low in s:
        x, w = low + 20.0 * (y + 1.0), 20.0 * weights
        if beta == 1:
            kernel = airy((x[:, None] + x) / 2)[0] / 2
        else:
            ai, slope = airy(x)[:2]
            with np.errstate(invalid="ignore", divide="ignore"):
                kernel = (np.outer(ai, slope) - np.outer(slope, ai)) / (x[:, None] - x)
            np.fill_diagonal(kernel, slope**2 - x * ai**2)
        root = np.sqrt(w)
        found.append(np.linalg.det(np.eye(nodes) - root[:, None] * kernel * root))
    return np.array(found)


def _polynomial(
    z: float, atoms: Sequence[float], weights: Sequence[float], ratio: float
) -> list[mpmath.mpf]:
    """``(z m + 1) prod (1 + t m) - c m sum w t prod'``, highest power first."""
    m = mpmath.mpf
    total = [m(z), m(1)]
    for t in atoms:
        total = _times(total, [m(t), m(1)])
    for k, (t, w) in enumerate(zip(atoms, weights, strict=True)):
        term = [-m(ratio) * m(w) * m(t), m(0)]
        for j, other in enumerate(atoms):
            if j != k:
                term = _times(term, [m(other), m(1)])
        total = _plus(total, term)
    return total


def _times(a: list[mpmath.mpf], b: list[mpmath.mpf]) -> list[mpmath.mpf]:
    product = [mpmath.mpf(0)] * (len(a) + len(b) - 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            product[i + j] += p * q
    return product


def _plus(a: list[mpmath.mpf], b: list[mpmath.mpf]) -> list[mpmath.mpf]:
    size = max(len(a), len(b))
    padded = [[mpmath.mpf(0)] * (size - len(v)) + v for v in (a, b)]
    return [p + q for p, q in zip(*padded, strict=True)]
