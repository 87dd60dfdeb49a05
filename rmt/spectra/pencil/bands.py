"""All intervals and atoms of the spectrum that a slot of a pencil sees."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.spectra.laws.law import Atom
from rmt.spectra.pencil.continuation import solve_flat
from rmt.spectra.pencil.edges import GapPoint, RealBranch, edge_of_gap, far_points
from rmt.spectra.pencil.pencil import Pencil

__all__ = ["Bands", "outermost_bands", "with_gap"]


RTOL = 1e-11
ATOM_POWER = 0.9  # m grows like this power of 1/|z|: 1 for an atom, 1/2 for a hard edge


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """An interval without spectrum, and the solution at a point in it."""

    low: float
    high: float
    point: GapPoint


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Intervals with a density, between gaps, and atoms.

    Attributes
    ----------
    branch : RealBranch
    gaps : tuple of Gap
        In order; the first and the last are unbounded.
    masses : tuple of float
        Of the bands between them, exact but for the rounding of weights: counted by the signs of
        the resolvents in the gaps (`RealBranch.mass_between`).
    """

    branch: RealBranch
    gaps: tuple[Gap, ...]

    @property
    def between(self) -> list[tuple[float, float, float]]:
        """Low end, high end and mass of everything between two gaps, atoms too."""
        return [
            (one.high, two.low, self.branch.mass_between(one.point, two.point))
            for one, two in itertools.pairwise(self.gaps)
        ]

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals with a density."""
        return tuple((low, high) for low, high, _ in self.between if high > low)

    @property
    def masses(self) -> tuple[float, ...]:
        """The mass of each interval."""
        return tuple(mass for low, high, mass in self.between if high > low)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses."""
        return tuple(Atom(low, mass) for low, high, mass in self.between if high == low)


def outermost_bands(pencil: Pencil, slot: str) -> Bands:
    """The spectrum from its lowest to its highest edge, without gaps except next to zero.

    Raises
    ------
    ConvergenceError
        An edge was not found.
    """
    branch = RealBranch(pencil, slot)
    bottom, top = far_points(branch)
    last = Gap(edge_of_gap(branch, top, -1.0)[0], np.inf, top)
    # A density or an atom that begins at zero, as for W^T W, has no square-root edge there.
    lower, point = edge_of_gap(branch, bottom, 1.0, 0.0)
    first = Gap(-np.inf, lower, point)
    if lower == 0.0 and -point.z / (point.m * point.slope) > ATOM_POWER:
        above = _across(branch, point)
        if above is not None:
            second = Gap(0.0, edge_of_gap(branch, above, 1.0)[0], above)
            return Bands(branch, (first, second, last))
    return Bands(branch, (first, last))


def _across(branch: RealBranch, point: GapPoint) -> GapPoint | None:
    """The solution on the other side of an atom at zero, if there is a gap.

    Next to it every unknown is a power of ``z``, 1/z, 1 or z: it changes its sign, or does not.
    """
    slope = point.z * point.tangent / point.slope
    k = point.k - 2.0 * np.sign(point.k) * np.abs(slope)
    above = branch.at(-point.z, k)
    if above is None:
        found = solve_flat(branch.system, np.array([-point.z + 0j]), RTOL, None)
        if found.solved[0] and not found.k.imag.any():
            above = branch.at(-point.z, np.ascontiguousarray(found.k[0].real))
    return above


def with_gap(bands: Bands, x: float, k: Array) -> Bands:
    """The bands with the gap added in which ``x`` is; ``k`` is the real solution there."""
    point = bands.branch.at(x, k)
    if point is None or any(one.low <= x <= one.high for one in bands.gaps):
        return bands
    ends = [edge_of_gap(bands.branch, point, direction)[0] for direction in (-1.0, 1.0)]
    new = Gap(ends[0], ends[1], point)
    return Bands(bands.branch, tuple(sorted((*bands.gaps, new), key=lambda gap: gap.low)))
