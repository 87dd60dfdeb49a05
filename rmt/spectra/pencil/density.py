"""The spectral density of a pencil on a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array, Bools, ComplexArray, WholeNumbers
from rmt.spectra.outliers.rectangular import real_numbers
from rmt.spectra.pencil.continuation import solve_flat
from rmt.spectra.pencil.newton import Found, almost_real
from rmt.spectra.pencil.pencil import Pencil
from rmt.spectra.pencil.self_energy import ReducedEquation
from rmt.spectra.pencil.solution import package, raise_unless_solved
from rmt.status import InvalidInputError

__all__ = ["Knots", "PencilDensity", "density", "solve_on_axis"]


COARSEST_STEP = 32


@dataclass(frozen=True, slots=True, eq=False)
class PencilDensity:
    """A spectral density on a grid.

    Attributes
    ----------
    x, value, error : array
        Points, density, and the estimate of its error.
    status : array of Status
        As in `rmt.spectra.dyson.DysonSolution`.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, density
    >>> types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField(Term("r", "u"), reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> found = density(pencil, "u", [1.0, 5.0])
    >>> found.value.round(6).tolist(), bool((found.error < 1e-9).all())
    ([0.275664, 0.0], True)
    """

    x: Array
    value: Array
    error: Array
    status: WholeNumbers

    def __str__(self) -> str:
        return f"PencilDensity: {self.x.size} points, error <= {np.max(self.error, initial=0):.1e}"


def density(
    pencil: Pencil, slot: str, x_grid: ArrayLike, *, rtol: float = 1e-12, throw: bool = True
) -> PencilDensity:
    """``Im M_slot(x + i0) / pi``, averaged over the nodes of the slot.

    For the slot ``u`` of ``-(z/2) |u|^2`` it is the density of the matrix whose resolvent the
    ``u`` block is, without its atoms.

    Parameters
    ----------
    pencil : Pencil
    slot : str
        Of the resolvent.
    x_grid : array_like
        Real points in any order.
    rtol : float
        Bound on the relative residual, as in `rmt.spectra.dyson.solve`.
    throw : bool
        Whether a point that is not solved raises, as in `rmt.spectra.dyson.solve`.

    Returns
    -------
    PencilDensity
        In arrays of the shape of ``x_grid``.

    Raises
    ------
    InvalidInputError
        Points that are not real and finite, an unknown slot, a tolerance that is not positive.
    ConvergenceError
        A point was not solved (an atom, a density that is infinite); ``best`` is the PencilDensity.

    Notes
    -----
    On the real axis itself, without smoothing: some points as in `rmt.spectra.dyson.solve`, the
    others from there. The error grows like the inverse square root of the distance to an edge.
    Source: docs/theory.md, section 4.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term
    >>> pencil = Pencil(
    ...     types=[IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])],
    ...     fields=[GaussianField(Term("r", "u"), reference="d")],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    >>> density(pencil, "u", [1.0, 2.0, 5.0]).value.round(10).tolist()
    [0.2756644477, 0.1591549431, 0.0]
    """
    system = pencil.equation
    pencil.place(slot)
    x = real_numbers("x_grid", x_grid)
    if not np.isfinite(x).all():
        raise InvalidInputError("x_grid must be finite")
    if not rtol > 0:
        raise InvalidInputError(f"rtol must be positive, got {rtol!r}")
    grid, back = np.unique(x, return_inverse=True)
    found, _ = solve_on_axis(system, grid, rtol)
    solution = package(system, x.astype(complex), found.take(back.ravel()))
    result = PencilDensity(
        x=x,
        value=np.maximum(solution.form(slot).imag, 0.0) / np.pi,
        error=solution.error(slot) / np.pi,
        status=solution.status,
    )
    if throw:
        raise_unless_solved(result.status, x, result)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """Solutions at increasing real points, from which others start.

    Attributes
    ----------
    x : array, shape (points,)
    k : complex array, shape (points, unknowns)
    """

    x: Array
    k: ComplexArray

    def join(self, x: Array, k: ComplexArray) -> Knots:
        """With the solutions at other points."""
        both, first = np.unique(np.concatenate([self.x, x]), return_index=True)
        return Knots(both, np.concatenate([self.k, k])[first])

    def take(self, index: Bools) -> Knots:
        """Some of them."""
        return Knots(self.x[index], self.k[index])


def solve_on_axis(
    system: ReducedEquation,
    grid: Array,
    rtol: float,
    knots: Knots | None = None,
    coordinate: Callable[[Array], Array] | None = None,
) -> tuple[Found, Knots]:
    """Solutions at increasing points, and the knots with them added.

    Without knots every 32nd point on its own; then the points halfway, from those solved so far,
    by interpolation in an increasing ``coordinate`` in which the solution is smooth.
    """
    z = grid.astype(complex)
    parts, done = [], np.zeros(0, dtype=int)
    if knots is None:
        knots = Knots(np.zeros(0), np.zeros((0, system.count), dtype=complex))
    step = COARSEST_STEP
    while step:
        new = np.setdiff1d(np.arange(step // 2, grid.size, step), done)
        step //= 2
        if not new.size and (step or done.size):
            continue
        start = None
        if knots.x.size:
            scale = coordinate or np.asarray
            start = _interpolate(scale(knots.x), knots.k, scale(grid[new]))
        latest = solve_flat(system, z[new], rtol, start)
        knots = knots.join(grid[new][latest.solved], latest.k[latest.solved])
        parts.append(latest)
        done = np.concatenate([done, new])
    return Found.join(parts).take(np.argsort(done)), knots


def _interpolate(knots: Array, values: ComplexArray, x: Array) -> ComplexArray:
    """By cubics in the bulk, or outside it; across an edge by straight lines."""
    if knots.size == 1:
        return np.broadcast_to(values, (x.size, values.shape[1]))
    right = np.clip(np.searchsorted(knots, x), 1, knots.size - 1)
    width = min(4, knots.size)
    first = np.clip(right - 2, 0, knots.size - width)
    inside = ~almost_real(values, 1e-9)
    where = first[:, None] + np.arange(width)
    smooth = inside[where].all(axis=1) | ~inside[where].any(axis=1)
    # Elsewhere only the two neighbours have weight.
    neighbour = (where == right[:, None]) | (where == right[:, None] - 1)
    used = neighbour | smooth[:, None]
    weights = np.ones(where.shape)
    for i in range(width):
        for j in range(width):
            if i != j:
                gap = knots[where[:, i]] - knots[where[:, j]]
                factor = (x - knots[where[:, j]]) / gap
                weights[:, i] *= np.where(used[:, j], factor, 1.0)
    weights *= used
    return np.asarray(np.einsum("xi,xik->xk", weights, values[where]))
