"""What the Dyson equation of a pencil answers with: block resolvents at points ``z``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array, Bools, ComplexArray, Integers, WholeNumbers
from rmt.spectra.pencil.newton import Found
from rmt.spectra.pencil.pencil import IndexType, Pencil
from rmt.spectra.pencil.self_energy import ReducedEquation
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["BlockDiagonal", "DysonSolution", "package", "raise_unless_solved"]


@dataclass(frozen=True, slots=True, eq=False)
class BlockDiagonal:
    """Matrices ``M_T(s)`` between the slots of every index type, at points ``z``.

    Attributes
    ----------
    pencil : Pencil
    matrices : dict of str to complex array, shape (..., nodes, slots, slots)
        By the name of the index type; leading axes are those of ``z``.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, solve
    >>> types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField(Term("r", "u"), reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> slopes = solve(pencil, [5.0, 6.0]).derivative()
    >>> slopes.entry("u").shape, slopes.form("u").real.round(6).tolist()
    ((2, 1), [0.089443, 0.048113])
    """

    pencil: Pencil
    matrices: dict[str, ComplexArray]

    def entry(self, slot: str, other: str | None = None) -> ComplexArray:
        """``M_T(s)[slot, other]``, shape (..., nodes); ``other`` is ``slot`` when left out."""
        index_type, i = self.pencil.place(slot)
        second, j = self.pencil.place(slot if other is None else other)
        if second is not index_type:
            raise InvalidInputError(f"slots {slot!r} and {other!r} belong to different index types")
        return np.asarray(self.matrices[index_type.name][..., i, j])

    def form(self, slot: str, other: str | None = None, f: Any = 1.0, g: Any = 1.0) -> ComplexArray:
        """``sum_s omega(s) f(s) M_T(s)[slot, other] g(s)``.

        Parameters
        ----------
        slot, other : str
            Slots of one index type; ``other`` is ``slot`` when left out.
        f, g : float or array, shape (nodes,) or (functions, nodes)
            With an axis of functions the result gets one too: shape (..., functions of f,
            functions of g); a number for a single point and single functions.
        """
        entry = self.entry(slot, other)
        index_type = self.pencil.type_of(slot)
        left, right = (_functions(value, index_type) for value in (f, g))
        weighted = entry[..., None, :] * (np.asarray(index_type.weights) * left[1])
        result = weighted @ right[1].T
        if not right[0]:
            result = result[..., 0]
        if not left[0]:
            result = result[..., 0, :] if right[0] else result[..., 0]
        return np.asarray(result)[()]


@dataclass(frozen=True, slots=True, eq=False)
class DysonSolution(BlockDiagonal):
    """The limiting block resolvent at points ``z``.

    Attributes
    ----------
    pencil : Pencil
    matrices : dict of str to complex array, shape (..., nodes, slots, slots)
        ``M_T(s)`` by the name of the index type; leading axes are those of ``z``. Nan at points
        that were not solved.
    z : complex array
    residual : array, the shape of ``z``
        Of the equation, relative.
    errors : dict of str to array, shape (..., slots, slots)
        Estimates of the absolute error of the entries of ``M_T``, the largest over the nodes. They
        grow like the inverse square root of the distance to an edge, down to ``1e-8`` at the edge.
    iterations : integer array, the shape of ``z``
    status : array of Status, the shape of ``z``
        Here CONVERGED means that ``residual`` is at most ``rtol``, on the right branch; it puts no
        bound on ``errors``.
    reduced : complex array, shape (..., unknowns)
        The solution in the unknowns of the solver, from which another solve can start. Nan, like
        the matrices and their derivative, where there is none.

    Examples
    --------
    >>> from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, solve
    >>> types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    >>> fields = [GaussianField(Term("r", "u"), reference="d")]
    >>> pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    >>> solution = solve(pencil, [2.0, 5.0])
    >>> solution.converged.tolist(), solution.entry("u").shape
    ([True, True], (2, 1))
    >>> (solution.form("u").imag / 3.141592653589793).round(6).tolist()
    [0.159155, 0.0]
    >>> bool((solution.error("u") < 1e-10).all())
    True
    """

    z: ComplexArray
    residual: Array
    errors: dict[str, Array]
    iterations: Integers
    status: WholeNumbers
    reduced: ComplexArray

    @property
    def converged(self) -> Bools:
        """Which points were solved; the shape of ``z``."""
        flat = [one.ok for one in self.status.ravel()]
        return np.array(flat, dtype=bool).reshape(self.status.shape)

    def error(self, slot: str, other: str | None = None) -> Array:
        """The estimate of the error of ``entry(slot, other)``; the shape of ``z``."""
        index_type, i = self.pencil.place(slot)
        j = self.pencil.place(slot if other is None else other)[1]
        return np.asarray(self.errors[index_type.name][..., i, j])

    def derivative(self) -> BlockDiagonal:
        """``dM/dz``, the solution of ``M' = M (Sigma[M'] - linear) M``."""
        system = self.pencil.equation
        flat, k = self.z.ravel(), self.reduced.reshape(-1, system.count)
        below = flat.imag < 0
        parts = [
            system.derivative(np.where(below, flat.conj(), flat)[part], k[part])
            for part in system.chunks(flat.size)
        ]
        joined = [np.concatenate(one) for one in zip(*parts, strict=True)]
        return BlockDiagonal(self.pencil, system.by_type(joined, below, self.z.shape))

    def __str__(self) -> str:
        good = int(self.converged.sum())
        worst = np.max(self.residual, initial=0.0)
        return f"DysonSolution: {good} of {self.z.size} points solved, residual <= {worst:.1e}"


def package(system: ReducedEquation, points: ComplexArray, found: Found) -> DysonSolution:
    """The public form of solutions at flat points."""
    shape, below = points.shape, points.ravel().imag < 0
    finite = np.isfinite(found.residual)
    outcomes = np.array([Status.NOT_FINITE, Status.NOT_CONVERGED, Status.CONVERGED], dtype=object)
    failed = ~found.solved
    for block in (*found.matrices, *found.bounds, found.k):
        block[failed] = np.nan
    above = np.zeros(below.size, dtype=bool)
    bounds: Any = system.by_type([one.astype(complex) for one in found.bounds], above, shape)
    return DysonSolution(
        pencil=system.pencil,
        matrices=system.by_type(found.matrices, below, shape),
        z=points,
        residual=found.residual.reshape(shape),
        errors={name: one.real for name, one in bounds.items()},
        iterations=found.iterations.reshape(shape),
        status=outcomes[np.where(found.solved, 2, finite.astype(int))].reshape(shape),
        reduced=found.k.reshape(*shape, system.count),
    )


def raise_unless_solved(status: WholeNumbers, points: Any, best: Any) -> None:
    """Raise for the first point that was not solved."""
    failed = [i for i, one in enumerate(status.ravel()) if not one.ok]
    if failed:
        raise ConvergenceError(
            f"the Dyson equation was not solved at {len(failed)} of {status.size} points, the "
            f"first z = {np.ravel(points)[failed[0]]:.6g}; is there an atom, or an edge at which "
            "the resolvent is infinite?",
            status.ravel()[failed[0]],
            best,
        )


def _functions(value: Any, index_type: IndexType) -> tuple[bool, Array]:
    """Whether several functions are given, and they as an array (functions, nodes)."""
    raw = np.asarray(value, dtype=float)
    if raw.ndim > 2 or (raw.ndim and raw.shape[-1] != index_type.count):
        raise InvalidInputError(
            f"form: expected a number or shape ([functions,] {index_type.count}), the nodes of "
            f"type {index_type.name!r}; got shape {raw.shape}"
        )
    rows = raw if raw.ndim == 2 else np.broadcast_to(raw, (1, index_type.count))
    return raw.ndim == 2, rows
