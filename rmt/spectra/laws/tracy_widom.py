"""The Tracy-Widom laws: fluctuations of the largest eigenvalue at the edge of a bulk.

The numbers are made in `rmt.spectra.laws.tracy_widom_sources` and served from a table, built once
per process, in `rmt.spectra.laws.tracy_widom_table`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.caching import cached
from rmt.display import InNotebooks, draw
from rmt.spectra.laws.tracy_widom_table import SPLIT, quantile, table_of
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TracyWidom", "largest_eigenvalue_center", "largest_eigenvalue_scale"]


EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True)
class TracyWidom(InNotebooks):
    r"""Law ``F_beta`` of the largest eigenvalue at a soft edge, centred and scaled.

    With the Airy kernel ``K`` and ``V(x, y) = Ai((x + y) / 2) / 2``, both on ``L2(s, inf)``,

    .. math:: F_2(s) = \det(1 - K), \qquad F_1(s) = \det(1 - V),

    and with the Hastings-McLeod solution ``q'' = s q + 2 q^3``, ``q(s) ~ Ai(s)`` at infinity,

    .. math::
       F_2(s) = \exp\left(-\int_s^\infty (x - s)\, q(x)^2\, dx\right), \qquad
       F_1(s)^2 = F_2(s) \exp\left(-\int_s^\infty q(x)\, dx\right).

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
        log_tail, upper = table_of(self.beta).log_tail(s)
        return np.where(upper, -np.expm1(log_tail), np.exp(log_tail))

    def sf(self, s: ArrayLike) -> Array:
        """``1 - F_beta(s)``, without cancellation in the right tail."""
        log_tail, upper = table_of(self.beta).log_tail(s)
        return np.where(upper, np.exp(log_tail), -np.expm1(log_tail))

    def pdf(self, s: ArrayLike) -> Array:
        """``F_beta'(s)``."""
        return np.asarray(np.exp(table_of(self.beta).log_density(s)))

    def ppf(self, probability: ArrayLike) -> Array:
        """The ``s`` at which ``cdf(s)`` is the given probability."""
        p = _probability(probability)
        with np.errstate(divide="ignore"):
            low, high = np.log(p), -np.log1p(-p)
        return quantile(self.beta, np.where(p < float(self.cdf(SPLIT)), low, high))

    def isf(self, probability: ArrayLike) -> Array:
        """The ``s`` at which ``sf(s)`` is the given probability; accurate for the smallest."""
        p = _probability(probability)
        with np.errstate(divide="ignore"):
            low, high = np.log1p(-p), -np.log(p)
        return quantile(self.beta, np.where(p > float(self.sf(SPLIT)), low, high))

    def cdf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``cdf(s)``."""
        return np.asarray(self._tail_error(s) + EPS * self.cdf(s))

    def sf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``sf(s)``."""
        return np.asarray(self._tail_error(s) + EPS * self.sf(s))

    def pdf_error(self, s: ArrayLike) -> Array:
        """Bound on the absolute error of ``pdf(s)``."""
        return np.asarray(self.pdf(s) * table_of(self.beta).density_bound(s))

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

    def median(self) -> float:
        """``ppf(1/2)``."""
        return float(self.ppf(0.5))

    def support(self) -> tuple[float, float]:
        """The whole axis; there are no atoms."""
        return -math.inf, math.inf

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the density (needs the extra ``plot``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure is made when left out.
        """
        return draw(self, ax)  # type: ignore[no-any-return]

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
        table = table_of(self.beta)
        return np.asarray(np.exp(table.log_tail(s)[0]) * table.tail_bound(s))

    def _quantile_error(self, s: Array) -> Array:
        table = table_of(self.beta)
        s = np.where(np.isfinite(s), s, np.nan)
        slope = np.exp(table.log_tail(s)[0] - table.log_density(s))
        return np.asarray(slope * table.tail_bound(s) + 2 * EPS * np.abs(s))


def largest_eigenvalue_center(samples: ArrayLike, dim: ArrayLike) -> Array:
    """Where the largest eigenvalue of a white real Wishart matrix lies: ``(a + b)^2``.

    For ``X`` of shape ``samples x dim`` with independent standard normal entries, the largest
    eigenvalue of ``X^T X``, minus this centre and over `largest_eigenvalue_scale`, tends to
    ``TracyWidom(1)``; ``a = sqrt(samples - 1)``, ``b = sqrt(dim)``.

    Parameters
    ----------
    samples, dim : array_like
        ``n >= 2`` and ``p >= 1``, the shape of ``X``; they broadcast.

    Returns
    -------
    array
        In units of the eigenvalues of ``X^T X`` (not divided by ``n``).

    Raises
    ------
    InvalidInputError
        ``samples < 2``, ``dim < 1``, or either is not finite.

    Notes
    -----
    Johnstone 2001, theorem 1.1. The distance to the limit falls as ``dim^(-1/3)`` (Ma 2012);
    docs/spectra.md, spikes and outliers.

    Examples
    --------
    >>> float(largest_eigenvalue_center(101, 25))
    225.0
    """
    a, b = _wishart_roots(samples, dim)
    return np.asarray((a + b) ** 2)


def largest_eigenvalue_scale(samples: ArrayLike, dim: ArrayLike) -> Array:
    """How much that eigenvalue varies: ``(a + b) (1/a + 1/b)^(1/3)``.

    The largest eigenvalue, minus `largest_eigenvalue_center` and over this scale, tends to
    ``TracyWidom(1)``; ``a = sqrt(samples - 1)``, ``b = sqrt(dim)``.

    Parameters
    ----------
    samples, dim : array_like
        ``n >= 2`` and ``p >= 1``, the shape of ``X``; they broadcast.

    Returns
    -------
    array
        In units of the eigenvalues of ``X^T X`` (not divided by ``n``).

    Raises
    ------
    InvalidInputError
        ``samples < 2``, ``dim < 1``, or either is not finite.

    Notes
    -----
    Johnstone 2001, theorem 1.1.

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


@cached(16)
def _moments(beta: int) -> tuple[float, float, float, float]:
    """Mean, variance, skewness, excess kurtosis.

    The density is entire and falls off faster than exponentially, so that the sum over a grid
    (the trapezoidal rule) is exact to rounding.
    """
    step = 0.125
    s = np.arange(-40.0, 120.0, step)
    weight = step * np.exp(table_of(beta).log_density(s))
    mean = float(weight @ s)
    centred = s - mean
    variance, third, fourth = (float(weight @ centred**k) for k in (2, 3, 4))
    return mean, variance, third / variance**1.5, fourth / variance**2 - 3.0
