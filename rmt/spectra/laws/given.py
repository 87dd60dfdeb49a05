"""Laws that are given: atoms with their masses, a density on intervals, the semicircle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import checked_real, positive_number
from rmt.arrays import Array, ComplexArray, Indices
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.status import InvalidInputError

__all__ = ["DensityLaw", "DiscreteLaw", "Semicircle", "atoms_of", "real_vector"]


_SUM_TOLERANCE = 1e-9
_ATOMS_SHOWN = 4


class DiscreteLaw(SpectralLaw):
    r"""Atoms alone: ``sum_j w_j delta(x - t_j)``, at real points.

    Parameters
    ----------
    values : array_like, shape (K,)
        Locations; equal ones are merged.
    weights : array_like, shape (K,), optional
        Not negative and of sum 1; equal when left out.

    Raises
    ------
    InvalidInputError
        Values that are not finite, weights that are negative or do not add up to 1, shapes that
        differ.

    Notes
    -----
    The law of the eigenvalues of a given matrix, or of a projection; what
    `rmt.FreeConvolution` makes of two of them, docs/spectra.md, free convolutions.

    Examples
    --------
    >>> law = DiscreteLaw([-1, 1], weights=[0.25, 0.75])
    >>> law.mean(), law.cdf([-1, 0, 1]).tolist(), law.ppf(0.5).item()
    (0.5, [0.25, 0.25, 1.0], 1.0)
    """

    def __init__(self, values: ArrayLike, weights: ArrayLike | None = None) -> None:
        self.values, self.weights = atoms_of("values", values, weights)

    def __repr__(self) -> str:
        if self.values.size > _ATOMS_SHOWN:
            return f"DiscreteLaw(<{self.values.size} atoms>)"
        pairs = zip(self.values, self.weights, strict=True)
        return f"DiscreteLaw({', '.join(f'{w:.4g} at {t:.4g}' for t, w in pairs)})"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """None."""
        return ()

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """All of it."""
        pairs = zip(self.values.tolist(), self.weights.tolist(), strict=True)
        return tuple(Atom(t, w) for t, w in pairs)

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return np.zeros(left.shape)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return np.asarray((self.weights / (self.values - z[:, None])).sum(axis=1))

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        return np.asarray((self.weights / (self.values - z[:, None]) ** 2).sum(axis=1))


class DensityLaw(SpectralLaw):
    """A law that is given by its density on intervals.

    Parameters
    ----------
    density : callable
        Of an array of points; smooth inside of each interval but for square roots, or inverse
        square roots, at its ends.
    intervals : sequence of (float, float)
        In order, and apart from one another or touching.

    Raises
    ------
    InvalidInputError
        Intervals that are empty, overlap or are not finite; a density that does not integrate to 1
        within 1e-4, or is negative.

    Notes
    -----
    Expanded in the angle of each interval as every `SpectralLaw` is; the Stieltjes transform is a
    quadrature on that, whose accuracy falls off close to the intervals. docs/spectra.md.

    Examples
    --------
    >>> law = DensityLaw(lambda x: 0.75 * (1 - x**2), [(-1, 1)])
    >>> round(law.var(), 12), law.support()
    (0.2, (-1.0, 1.0))
    """

    def __init__(
        self, density: Callable[[Array], Array], intervals: Sequence[tuple[float, float]]
    ) -> None:
        self._given = density
        self._intervals = tuple((float(a), float(b)) for a, b in intervals)
        ends = np.ravel(self._intervals)
        if not ends.size or not np.isfinite(ends).all() or (np.diff(ends)[::2] <= 0).any():
            raise InvalidInputError("intervals: expected pairs of finite numbers a < b")
        if (np.diff(ends) < 0).any():
            raise InvalidInputError("intervals: expected them in order, without overlaps")
        mass = self._table.mass
        if not abs(mass - 1.0) < 1e-4:
            raise InvalidInputError(
                f"density: must integrate to 1 over its intervals, got {mass:.9g}"
            )

    def __repr__(self) -> str:
        pieces = ", ".join(f"({a:g}, {b:g})" for a, b in self._intervals)
        return f"DensityLaw(<density>, [{pieces}])"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The given intervals."""
        return self._intervals

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """None."""
        return ()

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        low, high = np.array(self._intervals).T[:, interval]
        values = np.asarray(
            self._given(np.where(left < right, low + left, high - right)), dtype=float
        )
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InvalidInputError("density: must be finite and not negative in its intervals")
        return np.broadcast_to(values, left.shape)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return self._table.cauchy(z)


class Semicircle(SpectralLaw):
    r"""Eigenvalues of a Wigner matrix: symmetric, entries iid of variance ``v / n``.

    On ``|x - a| <= R``, with the radius ``R = 2 sqrt(v)``, and with its Stieltjes transform,

    .. math::
       \rho(x) = \frac{\sqrt{R^2 - (x - a)^2}}{2 \pi v}, \qquad
       v\, m^2 + (z - a)\, m + 1 = 0.

    Parameters
    ----------
    variance : float
        ``v > 0``.
    mean : float
        ``a``.

    Raises
    ------
    InvalidInputError
        A variance that is not positive, a mean that is not finite.

    Notes
    -----
    Wigner 1958. Closed forms, exact to rounding. It is to free convolution what the normal law is
    to that of independent numbers: all free cumulants beyond the second are zero.

    Examples
    --------
    >>> law = Semicircle()
    >>> law.edges, float(law.cdf(0.0)), round(law.moment(4), 12)
    (((-2.0, 2.0),), 0.5, 2.0)
    """

    def __init__(self, variance: float = 1.0, mean: float = 0.0) -> None:
        self.variance = positive_number("variance", variance)
        self._mean = checked_real("mean", mean)
        self._radius = 2.0 * math.sqrt(self.variance)

    def __repr__(self) -> str:
        return f"Semicircle(variance={self.variance:g}, mean={self._mean:g})"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """One interval."""
        return ((self._mean - self._radius, self._mean + self._radius),)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """None."""
        return ()

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return np.sqrt(left * right) / (2.0 * math.pi * self.variance)

    def cdf(self, x: ArrayLike) -> Array:
        """``P(X <= x)``."""
        t = np.clip((np.asarray(x, dtype=float) - self._mean) / self._radius, -1.0, 1.0)
        return np.asarray(0.5 + (t * np.sqrt(1.0 - t * t) + np.arcsin(t)) / math.pi)

    def mean(self) -> float:
        """``E[X]``."""
        return self._mean

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return np.asarray(-2.0 / (z - self._mean + self._root(z)))

    def _root(self, z: ComplexArray) -> ComplexArray:
        low, high = self.edges[0]
        return np.asarray(np.sqrt(z - low) * np.sqrt(z - high))

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        m = self._stieltjes(z)
        return np.asarray(-m / self._root(z))


def atoms_of(name: str, values: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    """Atoms, ascending and distinct, and their masses, of sum 1; checked."""
    t = real_vector(name, values)
    w = (
        np.full(t.size, 1.0 / max(t.size, 1))
        if weights is None
        else real_vector("weights", weights)
    )
    if not t.size:
        raise InvalidInputError(f"{name}: at least one is needed, got none")
    if t.shape != w.shape:
        raise InvalidInputError(
            f"weights: expected one for each of the {t.size} {name}, got {w.size}"
        )
    bad = ~np.isfinite(t)
    if bad.any():
        raise InvalidInputError(
            f"{name} must be finite, got {t[bad][0]} at index {int(np.flatnonzero(bad)[0])}"
        )
    if not np.all(np.isfinite(w) & (w >= 0)):
        raise InvalidInputError("weights must be finite and not negative")
    if abs(w.sum() - 1.0) > _SUM_TOLERANCE:
        raise InvalidInputError(f"weights must add up to 1, got a sum of {w.sum():.12g}")
    distinct, inverse = np.unique(t[w > 0], return_inverse=True)
    merged = np.bincount(inverse, w[w > 0])
    return distinct, merged / merged.sum()


def real_vector(name: str, values: ArrayLike) -> Array:
    """Real numbers as a vector; checked."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise InvalidInputError(f"{name}: expected a one-dimensional array of real numbers")
    return array.astype(float)
