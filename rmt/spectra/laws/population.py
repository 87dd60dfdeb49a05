"""Population spectra: the law of the eigenvalues of a covariance matrix, as atoms and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array, ComplexArray, Indices
from rmt.display import Part, Table
from rmt.moments.rules import gauss_legendre
from rmt.spectra.laws.given import DensityLaw, DiscreteLaw, atoms_of, real_vector
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.status import InvalidInputError

__all__ = ["Population", "PopulationLike"]


PopulationLike: TypeAlias = "Population | SpectralLaw | ArrayLike"

_ATOMS_SHOWN = 12


@dataclass(frozen=True)
class Population(SpectralLaw):
    """A law ``H`` on the non-negative numbers, given by atoms; continuous ones by a Gauss rule.

    Made by one of its class methods; `GeneralisedMarchenkoPastur` also takes a one-dimensional
    array (eigenvalues of equal weight) or another `SpectralLaw` as it is.

    Attributes
    ----------
    values : array, shape (K,)
        Locations ``t >= 0``, ascending and distinct.
    weights : array, shape (K,)
        Positive, of sum 1.
    refine : callable or None
        For a continuous population: the same with more nodes (takes their number per piece).
    whole : callable or None
        For a continuous population: makes the law itself, of which `pdf`, `cdf` and the like are.

    Raises
    ------
    InvalidInputError
        From the class methods: values or intervals that are negative, weights that do not add up to
        1.

    Examples
    --------
    >>> Population.of_atoms([1, 8], [0.5, 0.5]).values.tolist()
    [1.0, 8.0]
    >>> round(Population.uniform([(0, 2)]).moment(2), 12)  # 4/3
    1.333333333333
    """

    values: Array
    weights: Array
    refine: Callable[[int], Population] | None = None
    whole: Callable[[], SpectralLaw] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _law(self) -> SpectralLaw:
        return DiscreteLaw(self.values, self.weights) if self.whole is None else self.whole()

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals of a continuous population."""
        return self._law.edges

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses; those of a continuous population, not its nodes."""
        return self._law.atoms

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return self._law._density(interval, left, right)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return self._law._stieltjes(z)

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        return self._law._stieltjes_derivative(z)

    def _parts(self) -> list[Part]:
        low, high = self.values[[0, -1]]
        if self.refine is not None or self.values.size > _ATOMS_SHOWN:
            kind = "atoms" if self.refine is None else "nodes of a continuous law"
            return [f"population of {self.values.size} {kind} on [{low:.6g}, {high:.6g}]"]
        rows = [[f"{t:.6g}", f"{w:.6g}"] for t, w in zip(self.values, self.weights, strict=True)]
        return ["population", Table("rr", ["value", "weight"], rows)]

    @classmethod
    def of_atoms(cls, values: ArrayLike, weights: ArrayLike | None = None) -> Population:
        """Point masses; of equal weight unless weights (of sum 1) are given."""
        t = real_vector("population values", values)
        bad = ~np.isfinite(t) | (t < 0)
        if bad.any():
            raise InvalidInputError(
                f"population values must be finite and not negative, got {t[bad][0]} "
                f"at index {int(np.flatnonzero(bad)[0])}"
            )
        return cls(*atoms_of("population values", t, weights))

    @classmethod
    def of_covariance(cls, matrix: ArrayLike) -> Population:
        """Eigenvalues of a symmetric positive semi-definite matrix, with equal weights."""
        sigma = np.asarray(matrix)
        if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or not sigma.size:
            raise InvalidInputError(f"covariance: expected a square matrix, got {sigma.shape}")
        size = float(np.abs(sigma).max())
        if not np.allclose(sigma, sigma.conj().T, rtol=0.0, atol=1e-10 * size):
            raise InvalidInputError("covariance: the matrix is not symmetric")
        t = np.linalg.eigvalsh(sigma)
        if t[0] < -1e-10 * max(size, float(t[-1])):
            raise InvalidInputError(f"covariance: has the negative eigenvalue {t[0]:.6g}")
        rounding = 1e-14 * t.size * max(float(t[-1]), 0.0)
        return cls.of_atoms(np.where(t < rounding, 0.0, t))

    @classmethod
    def uniform(
        cls, intervals: Sequence[tuple[float, float]], masses: Sequence[float] | None = None
    ) -> Population:
        """Uniform on each of some intervals, of equal mass unless masses (of sum 1) are given."""
        pieces = [(float(a), float(b)) for a, b in intervals]
        share = [1.0 / len(pieces)] * len(pieces) if masses is None else [float(m) for m in masses]
        if len(share) != len(pieces):
            raise InvalidInputError(f"masses: expected {len(pieces)}, got {len(share)}")
        for a, b in pieces:
            if not 0 <= a < b < np.inf:
                raise InvalidInputError(f"intervals: expected 0 <= a < b, got ({a:g}, {b:g})")

        def density(t: Array) -> Array:
            total = np.zeros(t.shape)
            for (a, b), m in zip(pieces, share, strict=True):
                total += np.where((t >= a) & (t <= b), m / (b - a), 0.0)
            return total

        ends = sorted({end for piece in pieces for end in piece})
        return cls.of_density(density, list(pairwise(ends)))

    @classmethod
    def of_density(
        cls, density: Callable[[Array], Array], intervals: Sequence[tuple[float, float]]
    ) -> Population:
        """A vectorised density, smooth on each of some intervals.

        Square-root ends are resolved: the rule is a Gauss rule in the angle ``theta`` of
        ``t = (a + b)/2 - (b - a)/2 cos(theta)``.
        """
        pieces = [(float(a), float(b)) for a, b in intervals]

        def with_nodes(count: int) -> Population:
            t, weights = _rule(pieces, count)
            mass = weights * np.concatenate(
                [np.asarray(density(part), dtype=float) for part in np.split(t, len(pieces))]
            )
            if not np.all(np.isfinite(mass) & (mass >= 0)):
                raise InvalidInputError("density: must be finite and not negative on its intervals")
            if abs(mass.sum() - 1.0) > 1e-4:
                raise InvalidInputError(
                    f"density: must integrate to 1 over its intervals, got {mass.sum():.6g}"
                )
            atoms = cls.of_atoms(t, mass / mass.sum())
            return cls(atoms.values, atoms.weights, with_nodes, whole)

        def whole() -> SpectralLaw:
            return DensityLaw(density, sorted(pieces))

        return with_nodes(64)

    @classmethod
    def of_law(cls, law: SpectralLaw) -> Population:
        """Another spectral law, atoms included."""

        def with_nodes(count: int) -> Population:
            t, weights = _rule(law.edges, count)
            values = np.append([atom.location for atom in law.atoms], t)
            mass = np.append([atom.mass for atom in law.atoms], law.pdf(t) * weights)
            atoms = cls.of_atoms(np.maximum(values, 0.0), mass / mass.sum())
            return cls(atoms.values, atoms.weights, with_nodes, lambda: law)

        return with_nodes(64)

    @classmethod
    def make(cls, population: PopulationLike, weights: ArrayLike | None = None) -> Population:
        """A population from anything that `GeneralisedMarchenkoPastur` takes."""
        if isinstance(population, SpectralLaw):  # a Population is one
            if weights is not None:
                raise InvalidInputError(
                    f"weights: expected None for a {type(population).__name__}, which has its own"
                )
            return population if isinstance(population, cls) else cls.of_law(population)
        values = np.atleast_1d(np.asarray(population))
        if values.ndim != 1:
            raise InvalidInputError(
                f"population: expected a one-dimensional array of eigenvalues, got {values.shape}; "
                "for a covariance matrix use Population.of_covariance"
            )
        return cls.of_atoms(values, weights)

    def moment(self, order: int) -> float:
        """``int t^order dH(t)``."""
        return float(self.weights @ self.values**order)


def _rule(intervals: Sequence[tuple[float, float]], count: int) -> tuple[Array, Array]:
    """A Gauss rule in the angle of each interval, one after the other."""
    x, w = gauss_legendre(count)
    angle = (x + 1.0) * np.pi / 2.0
    low, high = np.array(intervals, dtype=float).reshape(-1, 2, 1).transpose(1, 0, 2)
    nodes = low + (high - low) * np.sin(angle / 2.0) ** 2
    return nodes.ravel(), ((high - low) * np.sin(angle) * w * np.pi / 4.0).ravel()
