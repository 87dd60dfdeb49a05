"""The Dyson equation of a Gaussian linear pencil: resolvents, densities and forms of any bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.spectra.pencil import (
    BlockDiagonal,
    GaussianField,
    IndexType,
    Pencil,
    ReducedEquation,
    Term,
    diagonal,
    inverse,
    solve_linear,
)
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = [
    "BlockDiagonal",
    "DysonSolution",
    "GaussianField",
    "IndexType",
    "Pencil",
    "PencilDensity",
    "Term",
    "density",
    "solve",
]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

EPS = float(np.finfo(float).eps)
TRACKING = 1e-4  # residual along the path, before the last step
COARSE_STEP = 8  # a density is first solved at every eighth point


# --- the answers ----------------------------------------------------------------------------------


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
    reduced : complex array, shape (..., unknowns)
        The solution in the unknowns of the solver, from which another solve can start. Nan, like
        the matrices and their derivative, where there is none.
    """

    z: ComplexArray
    residual: Array
    errors: dict[str, Array]
    iterations: NDArray[np.int64]
    status: NDArray[np.object_]
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


@dataclass(frozen=True, slots=True, eq=False)
class PencilDensity:
    """A spectral density on a grid.

    Attributes
    ----------
    x, value, error : array
        Points, density, and the estimate of its error.
    status : array of Status
    """

    x: Array
    value: Array
    error: Array
    status: NDArray[np.object_]

    def __str__(self) -> str:
        return f"PencilDensity: {self.x.size} points, error <= {np.max(self.error, initial=0):.1e}"


# --- the public functions -------------------------------------------------------------------------


def solve(
    pencil: Pencil,
    z: ArrayLike,
    *,
    rtol: float = 1e-12,
    initial: DysonSolution | None = None,
    throw: bool = True,
) -> DysonSolution:
    """The limiting block resolvent of a pencil.

    It solves ``M_T(s) = (A_T(s; z) - Sigma_T[M](s))^{-1}``, where a field ``X`` between the types
    ``T`` and ``T'``, with entries of variance ``v / n_ref``, contributes

        Sigma_T[M](s)[p, p'] += v (n_T' / n_ref) c_p(s) c_p'(s)
                                sum_s' omega(s') e_q(s') M_T'(s')[q, q'] e_q'(s')

    over all pairs of its terms, and the transposed expression on ``T'``. The solution is the one
    with ``Im M >= 0`` for ``Im z > 0``.

    Parameters
    ----------
    pencil : Pencil
    z : array_like
        Complex or real. Real points are limits from above: the density in the bulk, the real
        branch outside it. Points below the axis are the conjugates of those above.
    rtol : float
        Bound on the relative residual. The iteration goes on to rounding; how far the answer may
        be from the exact one is in `DysonSolution.errors`.
    initial : DysonSolution, optional
        A solution of the same pencil at near points, of a shape that broadcasts with ``z``. It
        saves time, and cannot change the answer.
    throw : bool
        Whether a point that is not solved raises; otherwise see `DysonSolution.status`.

    Raises
    ------
    ConvergenceError
        A point was not solved, for example ``z`` at an atom; ``best`` is the DysonSolution.
    InvalidInputError
        Not finite ``z``, a tolerance that is not positive, an ``initial`` of another pencil.

    Notes
    -----
    Helton, Rashidi Far & Speicher 2007 show that with ``A - i epsilon`` in the place of ``A`` there
    is exactly one solution with ``Im M > 0``. For large ``epsilon`` the equation is a contraction;
    from there Newton's method, on the few sums over nodes of which ``Sigma`` is made, follows the
    solution to ``epsilon = 0``. An answer is accepted when it is the start of a path of positive
    solutions: ``Im M >= 0``, or ``M`` real with ``dM/depsilon`` positive. (For a pencil that is a
    direct sum of unconnected pencils this is checked for the sum, not for each part.)
    Source: theory.md, section 4.

    Examples
    --------
    >>> pencil = Pencil(
    ...     types=[IndexType("N", 2.0, ["r"]), IndexType("d", 1.0, ["u"])],
    ...     fields=[GaussianField(Term("r", "u"), reference="d")],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    >>> outside = solve(pencil, 10.0)
    >>> float(outside.form("u").real)
    -0.12984379
    >>> float(outside.derivative().form("u").real)
    0.01764520
    """
    system = pencil.equation
    points = np.asarray(z, dtype=complex)
    if not np.isfinite(points).all():
        raise InvalidInputError("z must be finite")
    if not rtol > 0:
        raise InvalidInputError(f"rtol must be positive, got {rtol!r}")
    flat = points.ravel()
    start = None
    if initial is not None:
        if initial.pencil is not pencil:
            raise InvalidInputError("initial must be a solution of the same pencil")
        start = np.broadcast_to(initial.reduced, (*points.shape, system.count))
        start = start.reshape(-1, system.count)
    found = _solve_flat(system, np.where(flat.imag < 0, flat.conj(), flat), rtol, start)
    solution = _package(system, points, found)
    if throw:
        _raise_unless_solved(solution.status, points, solution)
    return solution


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
        As in `solve`.

    Raises
    ------
    ConvergenceError
        A point was not solved (an atom, a density that is infinite); ``best`` is the PencilDensity.

    Notes
    -----
    On the real axis itself, without smoothing: every eighth point as in `solve`, the others from
    there. The error grows like the inverse square root of the distance to an edge.

    Examples
    --------
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
    first = _solve_flat(system, z[coarse], rtol, None)
    rest = np.setdiff1d(np.arange(grid.size), coarse)
    knots = first.solved
    if rest.size and knots.any():
        nearby = _interpolate(grid[coarse][knots], first.k[knots], grid[rest])
        second = _solve_flat(system, z[rest], rtol, nearby)
    else:
        second = _solve_flat(system, z[rest], rtol, None)
    order = np.argsort(np.concatenate([coarse, rest]))[back.ravel()]
    solution = _package(system, x.astype(complex), _join([first, second]).take(order))
    result = PencilDensity(
        x=x,
        value=np.maximum(solution.form(slot).imag, 0.0) / np.pi,
        error=solution.error(slot) / np.pi,
        status=solution.status,
    )
    if throw:
        _raise_unless_solved(result.status, x, result)
    return result


def _interpolate(knots: Array, values: ComplexArray, x: Array) -> ComplexArray:
    columns = [
        np.interp(x, knots, one.real) + 1j * np.interp(x, knots, one.imag) for one in values.T
    ]
    return np.stack(columns, axis=1)


def _raise_unless_solved(status: NDArray[np.object_], points: Any, best: Any) -> None:
    failed = [i for i, one in enumerate(status.ravel()) if not one.ok]
    if failed:
        raise ConvergenceError(
            f"the Dyson equation was not solved at {len(failed)} of {status.size} points, the "
            f"first z = {np.ravel(points)[failed[0]]:.6g}; is there an atom, or an edge at which "
            "the resolvent is infinite?",
            status.ravel()[failed[0]],
            best,
        )


# --- the solver -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Solutions at a flat array of points in the closed upper half plane."""

    k: ComplexArray
    matrices: list[ComplexArray]
    bounds: list[Array]
    residual: Array
    iterations: NDArray[np.int64]
    solved: Bools

    def take(self, index: Any) -> _Found:
        return _Found(
            self.k[index],
            [one[index] for one in self.matrices],
            [one[index] for one in self.bounds],
            self.residual[index],
            self.iterations[index],
            self.solved[index],
        )


def _join(parts: list[_Found]) -> _Found:
    return _Found(
        np.concatenate([one.k for one in parts]),
        [np.concatenate(one) for one in zip(*(part.matrices for part in parts), strict=True)],
        [np.concatenate(one) for one in zip(*(part.bounds for part in parts), strict=True)],
        np.concatenate([one.residual for one in parts]),
        np.concatenate([one.iterations for one in parts]),
        np.concatenate([one.solved for one in parts]),
    )


def _package(system: ReducedEquation, points: ComplexArray, found: _Found) -> DysonSolution:
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


def _solve_flat(
    system: ReducedEquation, z: ComplexArray, rtol: float, start: ComplexArray | None
) -> _Found:
    if z.size == 0:
        return _solve_flat(system, np.array([1j]), rtol, None).take(slice(0, 0))
    parts = []
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for part in system.chunks(z.size):
            if start is None:
                parts.append(_descend(system, z[part], rtol))
                continue
            found = _settle(system, z[part], start[part], rtol, limit=12)
            again = np.flatnonzero(~found.solved)
            if again.size:
                second = _descend(system, z[part][again], rtol)
                order = np.arange(found.solved.size)
                order[again] = found.solved.size + np.arange(again.size)
                found = _join([found, second]).take(order)
            parts.append(found)
    return _join(parts) if len(parts) > 1 else parts[0]


@dataclass(slots=True, eq=False)
class _Newton:
    k: ComplexArray
    tangent: ComplexArray  # dk / depsilon
    positive: Bools  # whether the diagonal of Im M is
    residual: Array
    iterations: NDArray[np.int64]


def _newton(
    system: ReducedEquation,
    z: ComplexArray,
    epsilon: Array,
    k: ComplexArray,
    tolerance: float,
    limit: int,
    goal: float | None = None,
) -> _Newton:
    """Newton's method on ``k = G(k)``, every point on its own.

    With a ``goal`` a point stops below it, or below ``tolerance`` once it no longer improves;
    without, it stops below ``tolerance``, and the tangent of the path is found too. The step that
    belongs to the last residual is still taken.
    """
    points = z.size
    now = _Newton(
        k.copy(),
        np.zeros_like(k),
        np.zeros(points, dtype=bool),
        np.full(points, np.inf),
        np.zeros(points, dtype=np.int64),
    )
    left = np.arange(points)
    for _ in range(limit):
        here = now.k[left]
        matrices = system.resolvent(z[left], epsilon[left], here)
        image = system.read(matrices)
        residual = system.relative(image - here, image)
        columns = [image - here]
        if goal is None:
            columns.append(system.read([1j * (m @ m) for m in matrices]))
        steps = solve_linear(
            system.identity - system.jacobian(matrices), np.stack(columns, axis=-1)
        )
        finite = np.isfinite(steps).all(axis=(1, 2)) & np.isfinite(residual)
        before = now.residual[left]
        now.k[left] = here + steps[..., 0]
        if goal is None:
            now.tangent[left] = steps[..., 1]
            now.positive[left] = np.all(
                [diagonal(m).imag.min(axis=(1, 2)) >= 0 for m in matrices], axis=0
            )
        now.residual[left] = np.where(finite, residual, np.nan)
        now.iterations[left] += 1
        done = residual <= (tolerance if goal is None else goal)
        if goal is not None:
            done |= (residual <= tolerance) & (residual > 0.5 * before)
        left = left[finite & ~done]
        if not left.size:
            break
    return now


def _settle(
    system: ReducedEquation, z: ComplexArray, k: ComplexArray, rtol: float, limit: int = 40
) -> _Found:
    """The solution at ``epsilon = 0`` near ``k``, with its error, and whether it is the one."""
    zero, goal = np.zeros(z.size), 20.0 * EPS
    now = _newton(system, z, zero, k, rtol, limit, goal)
    k, iterations = now.k, now.iterations
    real = _almost_real(k) & (z.imag == 0)
    if real.any():
        again = _newton(
            system, z[real], zero[real], k[real].real.astype(complex), rtol, limit, goal
        )
        k[real] = again.k
        iterations[real] += again.iterations
    return _inspect(system, z, k, iterations, rtol)


def _inspect(
    system: ReducedEquation,
    z: ComplexArray,
    k: ComplexArray,
    iterations: NDArray[np.int64],
    rtol: float,
) -> _Found:
    """Residual, error bounds and the branch check at ``epsilon = 0``."""
    inverses = system.inverse_resolvent(z, np.zeros(z.size), k)
    matrices = [inverse(one) for one in inverses]
    image = system.read(matrices)
    residual = system.relative(image - k, image)
    answer = inverse(system.identity - system.jacobian(matrices))
    step = (answer @ (image - k)[..., None])[..., 0]
    # Rounding: of the sums over nodes, amplified; of the inversion.
    size = np.maximum.reduceat(np.abs(k), system.firsts, axis=1).repeat(system.repeats, axis=1)
    shift = 2.0 * np.abs(step) + 4.0 * EPS * (np.abs(answer) @ size[..., None])[..., 0]
    values = shift[:, system.partner] * system.gain
    bounds = []
    for block, m, inverted in zip(system.blocks, matrices, inverses, strict=True):
        change = (values[:, block.unknowns] @ np.abs(block.write)).reshape(m.shape)
        change = change + 4.0 * EPS * np.abs(inverted)
        bounds.append((np.abs(m) @ change @ np.abs(m)).max(axis=1))
    solved = np.isfinite(residual) & (residual <= rtol)
    for m, bound in zip(matrices, bounds, strict=True):
        largest = np.abs(m).max(axis=(1, 2, 3))
        slack = 1e-10 * largest + 10.0 * bound.max(axis=(1, 2))
        solved &= np.isfinite(bound).all(axis=(1, 2))
        solved &= _smallest_eigenvalue(m.imag) >= -slack
    real = _almost_real(k)
    if real.any():
        inner = [m[real] for m in matrices]
        growth = (answer[real] @ system.read([m @ m for m in inner])[..., None])[..., 0]
        # dM/depsilon = M (1 + Sigma[dM/depsilon]) M, of which the bracket is at least 1 on the
        # right branch; where two branches meet within rounding, either is the answer.
        meet = np.abs(growth).max(axis=1) * 1e-7 > np.abs(k[real]).max(axis=1)
        right = [
            _smallest_eigenvalue(np.eye(one.shape[-1]) + one.real) > 0.5
            for one in system.self_energy(np.asarray(growth, dtype=complex))
        ]
        solved[real] &= np.all(right, axis=0) | meet
    return _Found(k, matrices, bounds, residual, iterations, solved)


def _almost_real(k: ComplexArray) -> Bools:
    return np.asarray(np.abs(k.imag).max(axis=1) <= 1e-9 * np.abs(k).max(axis=1))


def _smallest_eigenvalue(matrices: Array) -> Array:
    """Of symmetric matrices (points, nodes, size, size), the smallest over the nodes."""
    size = matrices.shape[-1]
    safe = np.where(np.isfinite(matrices), matrices, -np.inf)
    if size == 1:
        return np.asarray(safe[..., 0, 0].min(axis=1))
    if size == 2:
        a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
        smallest = (a + c) / 2.0 - np.hypot((a - c) / 2.0, b)
    else:
        bad: Bools = np.asarray(~np.isfinite(matrices).all(axis=(-1, -2)))
        values = np.linalg.eigvalsh(np.where(bad[..., None, None], 0.0, matrices))
        smallest = np.where(bad, -np.inf, values[..., 0])
    return np.asarray(np.where(np.isnan(smallest), -np.inf, smallest).min(axis=1))


def _descend(system: ReducedEquation, z: ComplexArray, rtol: float) -> _Found:
    """From a large ``epsilon``, where the equation is a contraction, to ``epsilon = 0``."""
    points, count = z.size, system.count
    top = system.contracting
    epsilon = np.full(points, top)
    k = np.zeros((points, count), dtype=complex)
    for _ in range(3):
        k = system.read(system.resolvent(z, epsilon, k))
    now = _newton(system, z, epsilon, k, TRACKING, 20)
    k, tangent, iterations = now.k, now.tangent, now.iterations
    shrink, reach = np.full(points, 0.25), np.full(points, 0.5)
    found: _Found | None = None
    left = np.arange(points)
    for _ in range(80):
        change = np.abs(tangent[left]).max(axis=1) * epsilon[left]
        jump = change <= reach[left] * np.abs(k[left]).max(axis=1)
        ready, others = left[jump], left[~jump]
        if ready.size:
            guess = k[ready] - tangent[ready] * epsilon[ready, None]
            ended = _settle(system, z[ready], guess, rtol)
            ended.iterations[:] += iterations[ready]
            iterations[ready] = ended.iterations
            found = _merge(found, ended, ready, points)
            reach[ready] /= 4.0
        if others.size:
            target = shrink[others] * epsilon[others]
            guess = _predict(k[others], tangent[others], epsilon[others], target)
            now = _newton(system, z[others], target, guess, TRACKING, 8)
            good = now.positive & (now.residual <= TRACKING)
            moved = others[good]
            k[moved], tangent[moved] = now.k[good], now.tangent[good]
            epsilon[moved] = target[good]
            iterations[others] += now.iterations
            shrink[moved] = np.maximum(shrink[moved] ** 2, 0.25)
            shrink[others[~good]] **= 0.5
        unsolved = np.ones(points, dtype=bool) if found is None else ~found.solved
        left = left[unsolved[left] & (epsilon[left] > 1e-15 * top) & (shrink[left] < 0.98)]
        if not left.size:
            break
    if found is None or not found.solved.all():
        rest = np.arange(points) if found is None else np.flatnonzero(~found.solved)
        found = _merge(found, _settle(system, z[rest], k[rest], rtol), rest, points)
    return found


def _predict(k: ComplexArray, tangent: ComplexArray, epsilon: Array, target: Array) -> ComplexArray:
    """Along the tangent of ``log k`` in ``log epsilon``: exact for the ``1/epsilon`` of an atom."""
    linear = k + tangent * (target - epsilon)[:, None]
    power = epsilon[:, None] * tangent / k
    curved = k * (target / epsilon)[:, None] ** power
    return np.where(np.abs(power) < 2.0, curved, linear)


def _merge(found: _Found | None, new: _Found, index: Ints, points: int) -> _Found:
    """Put new solutions in their places."""
    if found is None:
        if index.size == points:
            return new
        found = _Found(
            np.zeros((points, new.k.shape[1]), dtype=complex),
            [np.full((points, *one.shape[1:]), np.nan + 0j) for one in new.matrices],
            [np.full((points, *one.shape[1:]), np.nan) for one in new.bounds],
            np.full(points, np.inf),
            np.zeros(points, dtype=np.int64),
            np.zeros(points, dtype=bool),
        )
    found.k[index] = new.k
    for old, one in zip(found.matrices, new.matrices, strict=True):
        old[index] = one
    for bound, other in zip(found.bounds, new.bounds, strict=True):
        bound[index] = other
    found.residual[index] = new.residual
    found.iterations[index] = new.iterations
    found.solved[index] = new.solved
    return found
