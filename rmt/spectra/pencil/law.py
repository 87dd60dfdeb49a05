"""The spectral law that a slot of a pencil sees, with quantiles and moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.blas import one_blas_thread
from rmt.display import Part
from rmt.spectra.dyson import solve
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.spectra.laws.panels import DensityTable, build_table
from rmt.spectra.pencil.bands import Bands, outermost_bands, with_gap
from rmt.spectra.pencil.density import Knots, solve_on_axis
from rmt.spectra.pencil.newton import Found
from rmt.spectra.pencil.pencil import Pencil
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["PencilLaw"]


EPS = float(np.finfo(float).eps)
RTOL = 1e-12
MAX_GAPS = 200
# Relative to the upper edge: up to here a hard edge at zero may hide the density in rounding, or
# lead Newton's method to another solution.
HARD_EDGE = 3e-5
NEAR_EDGE = 1e-9  # where a density of zero may be due to the rounding of the edge


class PencilLaw(SpectralLaw):
    """The law whose Stieltjes transform is a slot's entry of the block resolvent of a pencil.

    For ``-(z/2) |u|^2`` in the quadratic form it is the law of the eigenvalues of the matrix whose
    resolvent the ``u`` block is, such as ``W^T W``.

    Parameters
    ----------
    pencil : Pencil
    slot : str
        Of the resolvent.
    atoms : sequence of Atom, optional
        The point masses. Left out: one at zero is found where a gap separates it from the rest.
    tolerance : float
        Absolute error of the masses of the panels on which the density is expanded, and so about
        that of `cdf`, which `mass_error` estimates.
    upper_edge : float, optional
        Where it is known already.

    Raises
    ------
    InvalidInputError
        An unknown slot, a tolerance that is not positive.
    ConvergenceError
        From whatever needs an edge or a density that was not found.

    Notes
    -----
    Nothing is computed before it is asked for; the outermost edges take a fraction of the time of
    the density, which finds the others. Edges: `rmt.spectra.pencil.edges`, to rounding, and those
    of the thinnest bands; a gap inside the support is found when a point of the expansion is in it,
    and what the expansion has not resolved is in `mass_error`. At a hard edge at zero the last
    densities, which rounding may hide, continue ``rho sqrt(x)`` where it is seen to be constant.
    `masses` counts eigenvalues by signs, independently of the density.
    docs/theory.md, section 4.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Term
    >>> pencil = Pencil(
    ...     types=[IndexType("N", 0.25, ["r"]), IndexType("d", 1.0, ["u"])],
    ...     fields=[GaussianField(Term("r", "u"), reference="d")],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    >>> law = PencilLaw(pencil, "u")
    >>> [(round(a, 9), round(b, 9)) for a, b in law.edges], law.atoms
    ([(0.25, 2.25)], (Atom(location=0.0, mass=0.75),))
    >>> round(law.mean(), 7), round(float(law.cdf(1.0)), 7)
    (0.25, 0.8883475)
    """

    def __init__(
        self,
        pencil: Pencil,
        slot: str,
        atoms: Sequence[Atom] | None = None,
        tolerance: float = 1e-8,
        upper_edge: float | None = None,
    ) -> None:
        pencil.place(slot)
        if not tolerance > 0:
            raise InvalidInputError(f"tolerance must be positive, got {tolerance!r}")
        self.pencil, self.slot, self.tolerance = pencil, slot, float(tolerance)
        self._given_atoms = None if atoms is None else tuple(atoms)
        self._known_upper_edge = upper_edge
        count = pencil.equation.count
        self._knots = Knots(np.zeros(0), np.zeros((0, count), dtype=complex))
        self._seen: dict[float, tuple[float, float]] = {}

    def __repr__(self) -> str:
        return f"PencilLaw(<{self.pencil.equation.count} unknowns>, {self.slot!r})"

    def _parts(self) -> list[Part]:
        """With edges and atoms only once they have been computed, which takes its time."""
        return super()._parts() if self.knows_edges else [repr(self)]

    @property
    def knows_edges(self) -> bool:
        """Whether they have been computed."""
        return "_bands_and_table" in vars(self)

    @cached_property
    @one_blas_thread()
    def _outermost(self) -> Bands:
        return outermost_bands(self.pencil, self.slot)

    @property
    def _lowest_end(self) -> float:
        return self._outermost.edges[0][0]

    @property
    def _highest_end(self) -> float:
        known = self._known_upper_edge
        return self._outermost.edges[-1][1] if known is None else known

    @property
    def lower_edge(self) -> float:
        """The lowest point of the support, atoms included."""
        atoms = self._outermost.atoms if self._given_atoms is None else self._given_atoms
        return min([self._lowest_end, *(atom.location for atom in atoms)])

    @property
    def upper_edge(self) -> float:
        """The highest point of the support, atoms included."""
        return max([self._highest_end, *(atom.location for atom in self._given_atoms or ())])

    @cached_property
    @one_blas_thread()
    def _bands_and_table(self) -> tuple[Bands, DensityTable]:
        bands = self._outermost
        for _ in range(MAX_GAPS):
            low, high = np.array(bands.edges).reshape(-1, 2).T
            try:
                return bands, build_table(partial(self._on, bands), low, high, self.tolerance)
            except _InGaps as found:
                before = len(bands.gaps)
                for x, k in found.points:
                    bands = with_gap(bands, x, k)
                if len(bands.gaps) == before:
                    raise ConvergenceError(
                        f"the density is zero at {found.points[0][0]:.6g}, and the gap was not "
                        "found",
                        Status.NOT_CONVERGED,
                    ) from None
        raise ConvergenceError(f"more than {MAX_GAPS} gaps", Status.NOT_CONVERGED, bands)

    @property
    def _table(self) -> DensityTable:
        return self._bands_and_table[1]

    @property
    def bands(self) -> Bands:
        """Intervals and atoms, the gaps between them and the solutions there."""
        return self._bands_and_table[0]

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals on which there is a density, in order."""
        return self._bands_and_table[0].edges

    @property
    def masses(self) -> tuple[float, ...]:
        """The mass of each interval: a count of eigenvalues, exact but for rounding."""
        return self._bands_and_table[0].masses

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses, in order."""
        found = self._bands_and_table[0].atoms
        return found if self._given_atoms is None else self._given_atoms

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return self._on(self.bands, interval, left, right, positive=False)

    @one_blas_thread()
    def _on(
        self, bands: Bands, interval: Indices, left: Array, right: Array, positive: bool = True
    ) -> Array:
        """Densities, which are remembered; well inside of an interval they must be positive."""
        low, high = np.array(bands.edges).T
        x = _points(bands, interval, left, right)
        inner = positive & (np.minimum(left, right) > NEAR_EDGE * (high - low)[interval])
        new = np.array([one not in self._seen for one in x.tolist()], dtype=bool)
        zeros: list[tuple[float, Array]] = []
        for number in np.unique(interval[new]).tolist():
            chosen = new & (interval == number)
            grid, first = np.unique(x[chosen], return_index=True)
            found = self._solved_in(grid, float(low[number]), float(high[number]))
            value, error = self._read(found)
            if low[number] == 0.0:
                value, error = self._next_to_zero(grid, value, error, float(high[number]))
            pairs = zip(value.tolist(), error.tolist(), strict=True)
            self._seen |= dict(zip(grid.tolist(), pairs, strict=True))
            zero = ~found.k.imag.any(axis=1) & found.solved & inner[chosen][first]
            zeros += _middles(grid, found.k.real, zero)
        if zeros:
            raise _InGaps(zeros)
        result = np.array([self._seen[one][0] for one in x.tolist()])
        if np.isnan(result).any():
            failed = np.isnan(result)
            raise ConvergenceError(
                f"the Dyson equation was not solved at {int(failed.sum())} of {x.size} points, the "
                f"first x = {x[failed][0]:.6g}",
                Status.NOT_CONVERGED,
                result,
            )
        return result

    def _solved_in(self, grid: Array, low: float, high: float) -> Found:
        """Solutions in an interval, from those known there, smooth in its angle."""

        def angle(x: Array) -> Array:
            left, right = np.maximum(x - low, 0.0), np.maximum(high - x, 0.0)
            return np.asarray(np.arctan2(np.sqrt(left), np.sqrt(right)))

        system, known = self.pencil.equation, self._knots
        inside = known.take((known.x > low) & (known.x < high))
        found, knots = solve_on_axis(system, grid, RTOL, inside, angle)
        self._knots = known.join(knots.x, knots.k)
        return found

    def _next_to_zero(
        self, x: Array, value: Array, error: Array, high: float
    ) -> tuple[Array, Array]:
        """With densities filled in that rounding hides next to a hard edge at zero.

        There ``rho sqrt(x)`` goes to a constant; nothing is filled in unless it is seen to do so.
        """
        missing = np.isnan(value) & (x < HARD_EDGE * high)
        if missing.any():
            seen = [(at, one) for at, (one, _) in self._seen.items() if 0 < at < high]
            known = sorted(pair for pair in [*seen, *zip(x, value, strict=True)] if pair[1] > 0)
            if len(known) >= 2:
                roots = [one * math.sqrt(at) for at, one in known[:2]]
                change = abs(roots[1] - roots[0])
                if change < 1e-2 * roots[0]:
                    scale = 1.0 / np.sqrt(x[missing])
                    value, error = value.copy(), error.copy()
                    value[missing], error[missing] = roots[0] * scale, 2.0 * change * scale
        return value, error

    def _read(self, found: Found) -> tuple[Array, Array]:
        """Density and its error, nan where the equation was not solved."""
        system = self.pencil.equation
        block, at = system.place(self.slot)
        entry = found.matrices[block][:, :, at, at].imag @ system.blocks[block].weights
        error = found.bounds[block][:, at, at]
        value = np.where(found.solved, np.maximum(entry, 0.0) / math.pi, np.nan)
        return value, error / math.pi

    def pdf_error(self, x: ArrayLike) -> Array:
        """Absolute error bound of `pdf`: of the Dyson equation, and of the distance to an edge."""

        def error(x: Array, interval: Indices, left: Array, right: Array) -> Array:
            density = self.pdf(x)
            at = _points(self.bands, interval, left, right)
            solver = np.array([self._seen.get(one, (0.0, 0.0))[1] for one in at.tolist()])
            nearest = np.maximum(np.minimum(left, right), np.finfo(float).tiny)
            return np.asarray(solver + EPS * (64.0 + np.abs(x) / nearest) * density)

        return self._in_intervals(x, error)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        return np.asarray(solve(self.pencil, z, rtol=RTOL).form(self.slot))

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        return np.asarray(solve(self.pencil, z, rtol=RTOL).derivative().form(self.slot))


class _InGaps(Exception):
    """Points at which the density is zero, with the real solutions there."""

    def __init__(self, points: list[tuple[float, Array]]) -> None:
        super().__init__(f"{len(points)} points in gaps")
        self.points = points


def _points(bands: Bands, interval: Indices, left: Array, right: Array) -> Array:
    low, high = np.array(bands.edges).T[:, interval]
    return np.asarray(np.where(left < right, low + left, high - right))


def _middles(x: Array, k: Array, zero: Bools) -> list[tuple[float, Array]]:
    """The middle point of every run of zeros."""
    starts = np.flatnonzero(zero & ~np.append(False, zero[:-1]))
    stops = np.flatnonzero(zero & ~np.append(zero[1:], False))
    middles = ((starts + stops) // 2).tolist()
    return [(float(x[i]), np.ascontiguousarray(k[i])) for i in middles]
