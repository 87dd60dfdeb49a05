"""The spectral density of a pencil on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.spectra.dyson_continuation import join, solve_flat
from rmt.spectra.dyson_solution import package, raise_unless_solved
from rmt.spectra.pencil import Pencil
from rmt.status import InvalidInputError

__all__ = ["PencilDensity", "density"]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

COARSE_STEP = 8  # a density is first solved at every eighth point


@dataclass(frozen=True, slots=True, eq=False)
class PencilDensity:
    """A spectral density on a grid.

    Attributes
    ----------
    x, value, error : array
        Points, density, and the estimate of its error.
    status : array of Status
        As in `rmt.spectra.dyson.DysonSolution`.
    """

    x: Array
    value: Array
    error: Array
    status: NDArray[np.object_]

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
    x_grid : array_like
        Real points in any order.
    rtol, throw
        As in `rmt.spectra.dyson.solve`.

    Raises
    ------
    ConvergenceError
        A point was not solved (an atom, a density that is infinite); ``best`` is the PencilDensity.

    Notes
    -----
    On the real axis itself, without smoothing: every eighth point as in `rmt.spectra.dyson.solve`,
    the others from there. The error grows like the inverse square root of the distance to an edge.

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
    x = np.asarray(x_grid, dtype=float)
    if not np.isfinite(x).all():
        raise InvalidInputError("x_grid must be finite")
    grid, back = np.unique(x, return_inverse=True)
    z = grid.astype(complex)
    coarse = np.unique(np.append(np.arange(0, grid.size, COARSE_STEP), grid.size - 1))
    coarse = coarse[coarse >= 0]
    first = solve_flat(system, z[coarse], rtol, None)
    rest = np.setdiff1d(np.arange(grid.size), coarse)
    knots = first.solved
    if rest.size and knots.any():
        nearby = _interpolate(grid[coarse][knots], first.k[knots], grid[rest])
        second = solve_flat(system, z[rest], rtol, nearby)
    else:
        second = solve_flat(system, z[rest], rtol, None)
    order = np.argsort(np.concatenate([coarse, rest]))[back.ravel()]
    solution = package(system, x.astype(complex), join([first, second]).take(order))
    result = PencilDensity(
        x=x,
        value=np.maximum(solution.form(slot).imag, 0.0) / np.pi,
        error=solution.error(slot) / np.pi,
        status=solution.status,
    )
    if throw:
        raise_unless_solved(result.status, x, result)
    return result


def _interpolate(knots: Array, values: ComplexArray, x: Array) -> ComplexArray:
    columns = [
        np.interp(x, knots, one.real) + 1j * np.interp(x, knots, one.imag) for one in values.T
    ]
    return np.stack(columns, axis=1)
