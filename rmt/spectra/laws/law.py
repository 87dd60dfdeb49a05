"""Spectral laws: density, distribution function, quantiles, moments, samples, atoms included."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import whole_number
from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.display import InNotebooks, Part, Table, draw
from rmt.spectra.laws.panels import DensityTable, build_table
from rmt.spectra.laws.quantiles import RELATIVE
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rmt.spectra.laws.derived import AffineLaw, ContinuousPart, SingularValueLaw

__all__ = ["Atom", "SpectralLaw"]


EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True)
class Atom:
    """A point mass.

    Attributes
    ----------
    location, mass : float

    Examples
    --------
    >>> from rmt import MarchenkoPastur
    >>> MarchenkoPastur(4.0).atoms
    (Atom(location=0.0, mass=0.75),)
    """

    location: float
    mass: float


class SpectralLaw(ABC, InNotebooks):
    """A probability law on the real line: intervals with a density, and atoms.

    Conventions are those of scipy.stats: methods take arrays and return arrays of their shape;
    outside the support the density is 0; a nan gives a nan. A law supplies `edges`, `atoms`, the
    density at a distance from the ends of an interval, and the Stieltjes transform; the rest
    follows from those.

    Notes
    -----
    In the variable ``theta`` of ``x = (a + b)/2 - (b - a)/2 cos(theta)`` a density on ``[a, b]``
    with square roots at its ends is smooth. It is expanded there in Chebyshev polynomials on panels
    that are halved until the expansion is complete; distribution function, quantiles and moments
    come from the expansion.

    Examples
    --------
    >>> from rmt import MarchenkoPastur
    >>> law = MarchenkoPastur(0.25)
    >>> isinstance(law, SpectralLaw), law.support()
    (True, (0.25, 2.25))
    >>> law.cdf([0.5, 1.0, 3.0]).round(6).tolist(), round(law.median(), 6)
    ([0.186378, 0.55339, 1.0], 0.916004)
    """

    # What a law supplies

    @property
    @abstractmethod
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals on which there is a density, in order."""

    @property
    @abstractmethod
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses, in order."""

    @abstractmethod
    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        """Density at distances ``left`` and ``right`` from the ends of the numbered intervals."""

    @abstractmethod
    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        """``int dF(x) / (x - z)`` for flat ``z`` off the support with ``Im z >= 0``."""

    def _distances(self, interval: Indices, x: Array) -> tuple[Array, Array]:
        """Distances of points from the ends of their intervals."""
        low, high = np.array(self.edges).T
        return x - low[interval], high[interval] - x

    def _parts(self) -> list[Part]:
        rows = [[f"[{low:.6g}, {high:.6g}]", "density"] for low, high in self.edges]
        rows += [[f"{atom.location:.6g}", f"atom of mass {atom.mass:.6g}"] for atom in self.atoms]
        return [repr(self), Table("ll", [], rows)]

    _relative_error = 0.0  # of the density, from whatever the law itself approximates

    # What follows

    @property
    def knows_edges(self) -> bool:
        """Whether edges cost nothing to look at; otherwise they are computed when first asked for.

        Examples
        --------
        >>> from rmt import MarchenkoPastur
        >>> MarchenkoPastur(0.25).knows_edges
        True
        """
        return True

    def stieltjes(self, z: ArrayLike) -> ComplexArray:
        """``m(z) = int dF(x) / (x - z)``, atoms included, off the support.

        Parameters
        ----------
        z : array_like
            Complex, or real outside the support.

        Raises
        ------
        InvalidInputError
            For real ``z`` in the support, where the transform has two limits.
        """
        return self._off_support(z, self._stieltjes)

    def stieltjes_derivative(self, z: ArrayLike) -> ComplexArray:
        """``m'(z) = int dF(x) / (x - z)^2``, off the support; see `stieltjes`."""
        return self._off_support(z, self._stieltjes_derivative)

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        # By quadrature, unless a law knows better: its accuracy falls off close to the support.
        poles = (atom.mass / (atom.location - z) ** 2 for atom in self.atoms)
        return np.asarray(sum(poles, start=self._table.cauchy(z, power=2)))

    def edge_scale(self, size: int) -> float:
        """Scale of the largest eigenvalue's fluctuation at the upper edge ``b``.

        With ``rho(x) ~ (A / pi) sqrt(b - x)`` the largest eigenvalue of a matrix of this size
        without outliers is about ``b + (size A)^{-2/3} T``, ``T`` of the Tracy-Widom law (beta = 1
        for real matrices).

        Parameters
        ----------
        size : int
            Dimension of the matrix whose eigenvalues the law describes.
        """
        return float((whole_number("size", size, 1) * self._edge_amplitude()) ** (-2.0 / 3.0))

    def _edge_amplitude(self) -> float:
        """``A`` of `edge_scale`."""
        if not self.edges:
            raise InvalidInputError(f"{self!r} has no edge")
        low, high = self.edges[-1]
        right = 1e-10 * (high - low)
        which = np.array([len(self.edges) - 1])
        density = self._density(which, np.array([high - low - right]), np.array([right]))
        return float(math.pi * density[0] / math.sqrt(right))

    def _off_support(
        self, z: ArrayLike, transform: Callable[[ComplexArray], ComplexArray]
    ) -> ComplexArray:
        """A transform that is real on the real axis, from its values in the upper half plane."""
        points = np.asarray(z, dtype=complex)
        flat = points.ravel()
        x = flat.real[flat.imag == 0]
        inside = np.isin(x, [atom.location for atom in self.atoms])
        for low, high in self.edges:
            inside |= (x >= low) & (x <= high)
        if inside.any():
            raise InvalidInputError(
                f"z: {x[inside][0]:.6g} is in the support, where the transform has two limits; "
                "give it an imaginary part, or use pdf"
            )
        value = transform(np.where(flat.imag < 0, flat.conj(), flat))
        value = np.where(flat.imag < 0, value.conj(), value)
        value = np.where(flat.imag == 0, value.real, value)
        return np.asarray(value).reshape(points.shape)

    @cached_property
    def _table(self) -> DensityTable:
        low, high = np.array(self.edges).reshape(-1, 2).T
        return build_table(self._density, low, high)

    @property
    def mass_error(self) -> float:
        """How far intervals and atoms together are from the total mass of 1.

        An estimate of the absolute error of `cdf`.
        """
        total = self._table.mass + sum(atom.mass for atom in self.atoms)
        return abs(total - 1.0) + self._table.error

    @property
    def _lowest_end(self) -> float:
        """Of the intervals: for laws that know it without knowing all of them."""
        return self.edges[0][0] if self.edges else math.inf

    @property
    def _highest_end(self) -> float:
        return self.edges[-1][1] if self.edges else -math.inf

    @property
    def lower_edge(self) -> float:
        """The lowest point of the support, atoms included."""
        return min([self._lowest_end, *(atom.location for atom in self.atoms)])

    @property
    def upper_edge(self) -> float:
        """The highest point of the support, atoms included."""
        return max([self._highest_end, *(atom.location for atom in self.atoms)])

    def support(self) -> tuple[float, float]:
        """The ends of the support, atoms included."""
        return self.lower_edge, self.upper_edge

    def pdf(self, x: ArrayLike) -> Array:
        """Density of the continuous part, without the atoms."""

        def density(x: Array, interval: Indices, left: Array, right: Array) -> Array:
            low, high = np.array(self.edges).T[:, interval]
            inner = (low < x) & (x < high) & (left > 0) & (right > 0)
            values = np.zeros(x.size)
            values[inner] = self._density(interval[inner], left[inner], right[inner])
            return values

        return self._in_intervals(x, density)

    def pdf_error(self, x: ArrayLike) -> Array:
        """Absolute error bound of `pdf`.

        Rounding of the equation's solution, and of the distance from the nearer edge: at a distance
        ``d`` from it a square root changes by the relative rounding of ``x`` times ``x / (2 d)``.
        """

        def error(x: Array, interval: Indices, left: Array, right: Array) -> Array:
            nearest = np.maximum(np.minimum(left, right), np.finfo(float).tiny)
            relative = 64 * EPS + self._relative_error + EPS * np.abs(x) / nearest
            return np.asarray(self.pdf(x) * relative)

        return self._in_intervals(x, error)

    def _in_intervals(
        self, x: ArrayLike, function: Callable[[Array, Indices, Array, Array], Array]
    ) -> Array:
        """A function of points, their interval and the distances from its ends; 0 elsewhere."""
        points = np.asarray(x, dtype=float)
        flat = points.ravel()
        result = np.where(np.isnan(flat), np.nan, 0.0)
        interval, inside = self._locate(flat)
        if inside.any():
            distances = self._distances(interval[inside], flat[inside])
            result[inside] = function(flat[inside], interval[inside], *distances)
        return result.reshape(points.shape)

    def cdf(self, x: ArrayLike) -> Array:
        """``P(X <= x)``, atoms at ``x`` included; `mass_error` estimates its error."""
        points = np.asarray(x, dtype=float)
        flat = points.ravel()
        interval, inside = self._locate(flat)
        ends = np.concatenate([[0.0], self._table.interval_mass.cumsum()])
        low = np.array([low for low, _ in self.edges])
        result = ends[np.searchsorted(low, flat, side="right")]
        if inside.any():
            which = interval[inside]
            left, right = self._distances(which, flat[inside])
            angle = 2.0 * np.arctan2(np.sqrt(np.maximum(left, 0)), np.sqrt(np.maximum(right, 0)))
            result[inside] = self._table.cumulative(which, angle)
        for atom in self.atoms:
            result = result + np.where(flat >= atom.location, atom.mass, 0.0)
        result = np.where(np.isnan(flat), np.nan, np.clip(result, 0.0, 1.0))
        return result.reshape(points.shape)

    def sf(self, x: ArrayLike) -> Array:
        """``P(X > x)``."""
        return 1.0 - self.cdf(x)

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles: the least ``x`` with ``cdf(x) >= q``; nan for ``q`` outside [0, 1].

        Many are interpolated in a table, which is made when first asked for them; `ppf_error`
        bounds the error in either case.
        """
        probabilities = np.asarray(q, dtype=float)
        flat = probabilities.ravel()
        valid = (flat >= 0.0) & (flat <= 1.0)
        remaining = np.where(valid, flat, 0.0)
        below = np.zeros(flat.size)  # mass of the atoms below the quantile
        at_atom = np.full(flat.size, np.nan)
        for atom in self.atoms:
            before = float(self.cdf(np.nextafter(atom.location, -np.inf)))
            at_atom[(remaining > before) & (remaining <= before + atom.mass)] = atom.location
            below[remaining > before + atom.mass] += atom.mass
        free = np.isnan(at_atom)
        result = at_atom
        if self.edges:
            result[free] = self._table.quantile(remaining[free] - below[free])
        else:  # rounding: all mass is in atoms
            result[free] = self.atoms[-1].location
        result[flat == 0.0] = self.lower_edge
        result[flat == 1.0] = self.upper_edge
        result[~valid] = np.nan
        return result.reshape(probabilities.shape)

    def ppf_error(self, q: ArrayLike) -> Array:
        """Bound on the absolute error of ``ppf(q)``.

        How far a quantile moves when its probability does by the error of `cdf`: far where there is
        next to no density, by a whole gap at its border. Then interpolation, and rounding.
        """
        probability, x = np.asarray(q, dtype=float), self.ppf(q)
        error = self.mass_error + 4.0 * EPS
        further, nearer = np.clip([probability + error, probability - error], 0.0, 1.0)
        moved = np.maximum(self.ppf(further) - x, x - self.ppf(nearer))
        interpolated = self._in_intervals(
            x, lambda x, interval, left, right: 4.0 * RELATIVE * np.minimum(left, right)
        )
        return np.asarray(moved + interpolated + 4.0 * EPS * np.abs(x))

    def isf(self, q: ArrayLike) -> Array:
        """``ppf(1 - q)``."""
        return self.ppf(1.0 - np.asarray(q, dtype=float))

    def median(self) -> float:
        """``ppf(1/2)``."""
        return float(self.ppf(0.5))

    def rvs(
        self,
        size: int | tuple[int, ...] | None = None,
        rng: np.random.Generator | int | None = None,
    ) -> Any:
        """Independent draws by inversion: `ppf` of uniform numbers.

        Parameters
        ----------
        size : int or tuple of int, optional
            One float when left out.
        rng : numpy.random.Generator or int, optional
            Source of randomness, or its seed.
        """
        generator = np.random.default_rng(rng)
        draws = self.ppf(generator.random(size))
        return float(draws) if size is None else draws

    def moment(self, order: int) -> float:
        """``E[X^order]`` about zero, atoms included.

        Parameters
        ----------
        order : int
            At least 0.
        """
        if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 0:
            raise InvalidInputError(f"order: expected a whole number >= 0, got {order!r}")
        return self.expect(lambda x: x**order)

    def mean(self) -> float:
        """``E[X]``."""
        return self.moment(1)

    def var(self) -> float:
        """``Var[X]``."""
        mean = self.mean()
        return self.expect(lambda x: (x - mean) ** 2)

    def std(self) -> float:
        """Square root of `var`."""
        return math.sqrt(self.var())

    def expect(self, function: Any) -> float:
        """``E[f(X)]`` for a vectorised smooth ``f``.

        Examples
        --------
        >>> from rmt.spectra import MarchenkoPastur
        >>> round(MarchenkoPastur(0.5).expect(lambda x: x), 12)
        1.0
        """
        total = sum(atom.mass * float(function(np.array(atom.location))) for atom in self.atoms)
        return float(total + self._table.integral(function))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the density, and the atoms with their masses (needs the extra ``plot``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure is made when left out.
        """
        return draw(self, ax)  # type: ignore[no-any-return]

    def singular_values(self) -> SingularValueLaw:
        """The law of ``sqrt(X)``: singular values, for a law of eigenvalues of ``W^T W``."""
        # Loaded here, because that module is written in terms of this one.
        from rmt.spectra.laws.derived import SingularValueLaw

        return SingularValueLaw(self)

    def affine(self, scale: float, shift: float = 0.0) -> AffineLaw:
        """The law of ``scale X + shift``, ``scale`` not zero."""
        from rmt.spectra.laws.derived import AffineLaw

        return AffineLaw(self, scale, shift)

    def without_atoms(self) -> ContinuousPart:
        """The law of ``X`` given that it is at no atom."""
        from rmt.spectra.laws.derived import ContinuousPart

        return ContinuousPart(self)

    def _locate(self, x: Array) -> tuple[Indices, Bools]:
        """The interval that each point may be in, and whether it is."""
        if not self.edges:
            return np.zeros(x.shape, np.intp), np.zeros(x.shape, bool)
        low, high = np.array(self.edges).T
        interval = np.clip(np.searchsorted(low, x, side="right") - 1, 0, low.size - 1)
        return interval, (x >= low[interval]) & (x <= high[interval])
