"""Laws made of another: of its continuous part, of the square roots."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import checked_real
from rmt.arrays import Array, ComplexArray, Indices
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.spectra.laws.panels import DensityTable
from rmt.status import InvalidInputError

__all__ = ["AffineLaw", "ContinuousPart", "SingularValueLaw"]


class AffineLaw(SpectralLaw):
    """The law of ``scale X + shift``.

    Attributes
    ----------
    whole : SpectralLaw
        Of ``X``.
    scale, shift : float

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> law = MarchenkoPastur(4.0).affine(-1.0, 2.0)
    >>> law.edges, law.atoms, round(law.mean(), 12)
    (((-7.0, 1.0),), (Atom(location=2.0, mass=0.75),), 1.0)
    """

    def __init__(self, whole: SpectralLaw, scale: float, shift: float = 0.0) -> None:
        self.whole = whole
        self.scale, self.shift = checked_real("scale", scale), checked_real("shift", shift)
        if self.scale == 0.0:
            raise InvalidInputError("scale: must not be zero")

    def __repr__(self) -> str:
        return f"{self.whole!r}.affine({self.scale:g}, {self.shift:g})"

    @property
    def knows_edges(self) -> bool:
        """Whether the law of ``X`` does."""
        return self.whole.knows_edges

    def _moved(self, x: Any) -> Any:
        return self.scale * x + self.shift

    def _back(self, x: Any) -> Any:
        return (x - self.shift) / self.scale

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals on which there is a density."""
        moved = [sorted((self._moved(a), self._moved(b))) for a, b in self.whole.edges]
        return tuple((a, b) for a, b in sorted(moved))

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses."""
        moved = [Atom(self._moved(one.location), one.mass) for one in self.whole.atoms]
        return tuple(sorted(moved, key=lambda one: one.location))

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        size = abs(self.scale)
        if self.scale < 0:
            interval, left, right = len(self.whole.edges) - 1 - interval, right, left
        return np.asarray(self.whole._density(interval, left / size, right / size) / size)

    def cdf(self, x: ArrayLike) -> Array:
        """``P(scale X + shift <= x)``."""
        if self.scale > 0:
            return self.whole.cdf(self._back(np.asarray(x, dtype=float)))
        return super().cdf(x)

    def expect(self, function: Any) -> float:
        """``E[f(scale X + shift)]`` for a vectorised smooth ``f``."""
        return self.whole.expect(lambda x: function(self._moved(x)))

    def pdf_error(self, x: ArrayLike) -> Array:
        """Absolute error bound of `pdf`: of the density of ``X``."""
        points = np.asarray(x, dtype=float)
        rounding = 4.0 * np.finfo(float).eps * self.pdf(points)
        return np.asarray(self.whole.pdf_error(self._back(points)) / abs(self.scale) + rounding)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return self._transformed(self.whole._stieltjes, z) / self.scale

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        return self._transformed(self.whole._stieltjes_derivative, z) / self.scale**2

    def _transformed(
        self, transform: Callable[[ComplexArray], ComplexArray], z: ComplexArray
    ) -> ComplexArray:
        back = self._back(z)
        if self.scale > 0:
            return transform(back)
        return np.asarray(transform(back.conj()).conj())  # transforms are asked above the axis


class ContinuousPart(SpectralLaw):
    """A law conditioned on its intervals: the same density, normalised, and no atoms.

    Attributes
    ----------
    whole : SpectralLaw

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> law = MarchenkoPastur(4.0).without_atoms()
    >>> law.atoms, float(law.cdf(0.5)), round(law.mean(), 12)
    ((), 0.0, 4.0)
    """

    def __init__(self, whole: SpectralLaw) -> None:
        if whole.knows_edges and not whole.edges:
            raise InvalidInputError(f"{whole!r} has no continuous part")
        self.whole = whole

    @cached_property
    def _factor(self) -> float:
        # The mass of atoms is known better than the integral of a density.
        return 1.0 / (1.0 - sum(atom.mass for atom in self.whole.atoms))

    @property
    def knows_edges(self) -> bool:
        """Whether the law that this is part of does."""
        return self.whole.knows_edges

    @property
    def _lowest_end(self) -> float:
        return self.whole._lowest_end

    @property
    def _highest_end(self) -> float:
        return self.whole._highest_end

    def __repr__(self) -> str:
        return f"{self.whole!r}.without_atoms()"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals on which there is a density."""
        return self.whole.edges

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """None."""
        return ()

    @cached_property
    def _table(self) -> DensityTable:
        return self.whole._table.scaled(self._factor)

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return np.asarray(self.whole._density(interval, left, right) * self._factor)

    def _edge_amplitude(self) -> float:
        return self.whole._edge_amplitude() * self._factor

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        poles = sum(atom.mass / (atom.location - z) for atom in self.whole.atoms)
        return np.asarray((self.whole._stieltjes(z) - poles) * self._factor)

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        poles = sum(atom.mass / (atom.location - z) ** 2 for atom in self.whole.atoms)
        return np.asarray((self.whole._stieltjes_derivative(z) - poles) * self._factor)


class SingularValueLaw(SpectralLaw):
    """The law of ``S = sqrt(X)`` for an eigenvalue law of ``X >= 0``: ``p(s) = 2 s rho(s^2)``.

    Attributes
    ----------
    eigenvalues : SpectralLaw

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> law = MarchenkoPastur(1.0).singular_values()  # the quarter circle
    >>> law.edges, round(float(law.pdf(1.0)), 12)
    (((0.0, 2.0),), 0.551328895422)
    """

    def __init__(self, eigenvalues: SpectralLaw) -> None:
        self.eigenvalues = eigenvalues
        if eigenvalues.knows_edges:
            self._check_support()

    def _check_support(self) -> None:
        if self.eigenvalues.lower_edge < 0:
            raise InvalidInputError(
                "singular values need a law on the non-negative numbers; its support starts at "
                f"{self.eigenvalues.lower_edge:.6g}"
            )

    @property
    def knows_edges(self) -> bool:
        """Whether the law of the eigenvalues does."""
        return self.eigenvalues.knows_edges

    @property
    def lower_edge(self) -> float:
        """The lowest point of the support, atoms included."""
        self._check_support()
        return math.sqrt(self.eigenvalues.lower_edge)

    @property
    def upper_edge(self) -> float:
        """The highest point of the support, atoms included."""
        return math.sqrt(self.eigenvalues.upper_edge)

    def __repr__(self) -> str:
        return f"{self.eigenvalues!r}.singular_values()"

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals on which there is a density."""
        self._check_support()
        return tuple((math.sqrt(a), math.sqrt(b)) for a, b in self.eigenvalues.edges)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses."""
        return tuple(Atom(math.sqrt(a.location), a.mass) for a in self.eigenvalues.atoms)

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        low, high = np.array(self.edges).T
        s = np.where(left < right, low[interval] + left, high[interval] - right)
        distance = left * (2.0 * low[interval] + left), right * (2.0 * high[interval] - right)
        return np.asarray(2.0 * s * self.eigenvalues._density(interval, *distance))

    def cdf(self, x: ArrayLike) -> Array:
        """``P(S <= x)``, atoms at ``x`` included."""
        s = np.asarray(x, dtype=float)
        return np.where(s < 0, 0.0, self.eigenvalues.cdf(s * np.abs(s)))

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles: square roots of those of the eigenvalues."""
        return np.sqrt(self.eigenvalues.ppf(q))

    def pdf_error(self, x: ArrayLike) -> Array:
        """Absolute error bound of `pdf`: of the density of the eigenvalues."""
        s = np.abs(np.asarray(x, dtype=float))
        rounding = 4.0 * np.finfo(float).eps * self.pdf(x)
        return np.asarray(2.0 * s * self.eigenvalues.pdf_error(s * s) + rounding)

    def expect(self, function: Any) -> float:
        """``E[f(S)]`` for a vectorised smooth ``f``."""
        return self.eigenvalues.expect(lambda x: function(np.sqrt(x)))

    @property
    def mass_error(self) -> float:
        """Of the eigenvalues' law."""
        return self.eigenvalues.mass_error

    def _edge_amplitude(self) -> float:
        # b^2 - s^2 is about 2 b (b - s), and the density in s is 2 b times that in s^2.
        return float(self.eigenvalues._edge_amplitude() * (2.0 * self.upper_edge) ** 1.5)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        # By quadrature: its accuracy falls off close to the support.
        total = self._table.cauchy(z)
        for atom in self.atoms:
            total = total + atom.mass / (atom.location - z)
        return total
