"""The Marchenko-Pastur law, of sample covariance matrices and of weights at initialisation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import positive_number
from rmt.arrays import Array, ComplexArray, Indices
from rmt.spectra.laws.law import Atom, SpectralLaw

__all__ = ["MarchenkoPastur", "MarchenkoPasturBulk"]


class MarchenkoPasturBulk(SpectralLaw):
    r"""Law of the singular values of an ``N x d`` matrix of iid entries of variance ``1/d``.

    With ``gamma = N / d`` and edges ``s_- = |1 - sqrt(gamma)|``, ``s_+ = 1 + sqrt(gamma)`` the
    ``min(N, d)`` singular values have the density

    .. math:: p(s) = \frac{\sqrt{(s^2 - s_-^2)(s_+^2 - s^2)}}{\pi \min(1, \gamma)\, s}

    of total mass 1. The ``max(N, d) - min(N, d)`` zeros of the larger Gram matrix are not counted.

    Parameters
    ----------
    aspect_ratio : float
        ``gamma = N / d > 0``.

    Raises
    ------
    InvalidInputError
        An aspect ratio that is not positive.

    Notes
    -----
    Marchenko & Pastur 1967; docs/theory.md, sections 3 and 5. Closed forms, exact to rounding.

    Examples
    --------
    >>> bulk = MarchenkoPasturBulk(0.25)
    >>> bulk.edges
    ((0.5, 1.5),)
    >>> bulk.pdf([0.4, 1.0]).round(6).tolist()
    [0.0, 1.232809]
    >>> float(bulk.cdf(1.5)), round(float(bulk.median()), 6)
    (1.0, 0.957081)
    """

    def __init__(self, aspect_ratio: float) -> None:
        self.aspect_ratio = positive_number("aspect_ratio", aspect_ratio)

    def __repr__(self) -> str:
        return f"MarchenkoPasturBulk({self.aspect_ratio:g})"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The support as one interval of singular values."""
        root = math.sqrt(self.aspect_ratio)
        return ((abs(1.0 - root), 1.0 + root),)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """None."""
        return ()

    def pdf(self, singular_value: ArrayLike) -> Array:
        """Density at singular values; the shape of the argument."""
        s = np.asarray(singular_value, dtype=float)
        low, high = self.edges[0]
        inside = (s > low) & (s < high)
        safe = np.where(inside, s, (low + high) / 2.0)
        density = self._density(np.zeros(s.shape, np.intp), safe - low, high - safe)
        if low == 0.0:  # gamma = 1: the quarter circle, finite at zero
            density = np.where(s == 0.0, high / math.pi, density)
            inside = inside | (s == 0.0)
        return np.asarray(np.where(inside, density, 0.0))

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        low, high = self.edges[0]
        s = low + left
        # Factored, so that no digits are lost near the edges.
        product = left * (s + low) * right * (high + s)
        return np.sqrt(product) / (math.pi * min(1.0, self.aspect_ratio) * s)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        # By quadrature: its accuracy falls off close to the support.
        return self._table.cauchy(z)

    def cdf(self, singular_value: ArrayLike) -> Array:
        """Distribution function at singular values; the shape of the argument."""
        low, high = self.edges[0]
        s = np.clip(np.asarray(singular_value, dtype=float), low, high)
        gamma, root = self.aspect_ratio, math.sqrt(self.aspect_ratio)
        smaller = min(1.0, gamma)
        # s^2 = 1 + gamma - 2 sqrt(gamma) cos(theta). The integral is elementary in theta; written
        # with the half angle, no large terms cancel when gamma is far from 1.
        sine, cosine = np.sqrt((s - low) * (s + low)), np.sqrt((high - s) * (high + s))
        theta = 2.0 * np.arctan2(sine, cosine)
        sine, cosine = np.sin(theta / 2.0), np.cos(theta / 2.0)
        excess = 2.0 * np.arctan2(
            2.0 * min(1.0, root) * sine * cosine, low * cosine**2 + high * sine**2
        )
        integral = 4.0 * root * sine * cosine + 2.0 * smaller * theta - abs(1.0 - gamma) * excess
        return np.asarray(np.clip(integral / (2.0 * math.pi * smaller), 0.0, 1.0))


class MarchenkoPastur(SpectralLaw):
    r"""Eigenvalues of ``X^T X / n``, the entries of ``X`` (``n x p``) iid of variance ``v``.

    With ``c = p / n`` and edges ``x_- = v (1 - sqrt(c))^2``, ``x_+ = v (1 + sqrt(c))^2``,

    .. math:: \rho(x) = \frac{\sqrt{(x - x_-)(x_+ - x)}}{2 \pi c v x},

    and for ``c > 1`` an atom of mass ``1 - 1/c`` at zero.

    Parameters
    ----------
    ratio : float
        ``c = p / n > 0``.
    variance : float
        ``v > 0``.

    Raises
    ------
    InvalidInputError
        A ratio or a variance that is not positive.

    Notes
    -----
    Marchenko & Pastur 1967; docs/theory.md, section 5. Closed forms, exact to rounding.

    Examples
    --------
    >>> law = MarchenkoPastur(4.0)
    >>> law.edges, law.atoms
    (((1.0, 9.0),), (Atom(location=0.0, mass=0.75),))
    >>> float(law.cdf(0.5)), round(law.mean(), 12), round(law.moment(2), 12)
    (0.75, 1.0, 5.0)
    """

    def __init__(self, ratio: float, variance: float = 1.0) -> None:
        self.ratio = positive_number("ratio", ratio)
        self.variance = positive_number("variance", variance)

    def __repr__(self) -> str:
        scale = "" if self.variance == 1.0 else f", variance={self.variance:g}"
        return f"MarchenkoPastur({self.ratio:g}{scale})"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """One interval."""
        root = math.sqrt(self.ratio)
        return ((self.variance * (1.0 - root) ** 2, self.variance * (1.0 + root) ** 2),)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atom at zero when ``c > 1``."""
        return (Atom(0.0, 1.0 - 1.0 / self.ratio),) if self.ratio > 1.0 else ()

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        x = self.edges[0][0] + left
        return np.sqrt(left * right) / (2.0 * math.pi * self.ratio * self.variance * x)

    def cdf(self, x: ArrayLike) -> Array:
        """``P(X <= x)``, the atom included."""
        points = np.asarray(x, dtype=float)
        scaled = np.sqrt(np.maximum(points, 0.0) / self.variance)
        mass = min(1.0, 1.0 / self.ratio)
        result = mass * MarchenkoPasturBulk(self.ratio).cdf(scaled)
        return np.asarray(result + np.where(points >= 0.0, 1.0 - mass, 0.0))

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        # c v z m^2 + (z + (c - 1) v) m + 1 = 0
        low, high = self.edges[0]
        linear = z + (self.ratio - 1.0) * self.variance
        root = np.sqrt(z - low) * np.sqrt(z - high)
        # The larger of the two sums loses no digits.
        plus, minus = linear + root, linear - root
        with np.errstate(divide="ignore", invalid="ignore"):
            result = np.where(
                np.abs(plus) >= np.abs(minus),
                -2.0 / plus,
                -minus / (2.0 * self.ratio * self.variance * z),
            )
        return np.asarray(result)

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        m = self._stieltjes(z)
        scale = self.ratio * self.variance
        slope = 2.0 * scale * z * m + z + (self.ratio - 1.0) * self.variance
        return np.asarray(-m * (scale * m + 1.0) / slope)

    def _edge_transforms(self) -> tuple[float, float]:
        """``m`` and its companion at the upper edge."""
        edge, scale = self.edges[0][1], self.ratio * self.variance
        m = -(edge + (self.ratio - 1.0) * self.variance) / (2.0 * scale * edge)
        return m, self.ratio * m - (1.0 - self.ratio) / edge

    def companion_stieltjes(self, z: ArrayLike) -> ComplexArray:
        """``c m(z) - (1 - c) / z``: the transform of the law of ``X X^T / n``, off its support.

        That is the law of ratio ``1/c`` and variance ``c v``.
        """
        return MarchenkoPastur(1.0 / self.ratio, self.ratio * self.variance).stieltjes(z)
