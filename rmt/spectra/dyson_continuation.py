"""Newton's method and continuation: the right solution of the Dyson equation at many points.

For a large ``epsilon`` the equation with ``A - i epsilon`` in the place of ``A`` is a contraction;
from there Newton's method follows its only positive solution to ``epsilon = 0`` (see
`rmt.spectra.dyson.solve`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.spectra.self_energy import ReducedEquation
from rmt.spectra.stacked_matrices import diagonal, inverse, smallest_eigenvalue, solve_linear

__all__ = ["Found", "join", "solve_flat"]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

EPS = float(np.finfo(float).eps)
TRACKING = 1e-4  # residual along the path, before the last step


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Solutions at a flat array of points in the closed upper half plane."""

    k: ComplexArray
    matrices: list[ComplexArray]
    bounds: list[Array]
    residual: Array
    iterations: NDArray[np.int64]
    solved: Bools

    def take(self, index: Any) -> Found:
        """The solutions at some of the points."""
        return Found(
            self.k[index],
            [one[index] for one in self.matrices],
            [one[index] for one in self.bounds],
            self.residual[index],
            self.iterations[index],
            self.solved[index],
        )


def join(parts: list[Found]) -> Found:
    """Solutions one after the other."""
    return Found(
        np.concatenate([one.k for one in parts]),
        [np.concatenate(one) for one in zip(*(part.matrices for part in parts), strict=True)],
        [np.concatenate(one) for one in zip(*(part.bounds for part in parts), strict=True)],
        np.concatenate([one.residual for one in parts]),
        np.concatenate([one.iterations for one in parts]),
        np.concatenate([one.solved for one in parts]),
    )


def solve_flat(
    system: ReducedEquation, z: ComplexArray, rtol: float, start: ComplexArray | None
) -> Found:
    """The solutions at points of the closed upper half plane, from ``start`` where it helps."""
    if z.size == 0:
        return solve_flat(system, np.array([1j]), rtol, None).take(slice(0, 0))
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
                found = join([found, second]).take(order)
            parts.append(found)
    return join(parts) if len(parts) > 1 else parts[0]


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
) -> Found:
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
) -> Found:
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
        solved &= smallest_eigenvalue(m.imag) >= -slack
    real = _almost_real(k)
    if real.any():
        inner = [m[real] for m in matrices]
        growth = (answer[real] @ system.read([m @ m for m in inner])[..., None])[..., 0]
        # dM/depsilon = M (1 + Sigma[dM/depsilon]) M, of which the bracket is at least 1 on the
        # right branch; where two branches meet within rounding, either is the answer.
        meet = np.abs(growth).max(axis=1) * 1e-7 > np.abs(k[real]).max(axis=1)
        right = [
            smallest_eigenvalue(np.eye(one.shape[-1]) + one.real) > 0.5
            for one in system.self_energy(np.asarray(growth, dtype=complex))
        ]
        solved[real] &= np.all(right, axis=0) | meet
    return Found(k, matrices, bounds, residual, iterations, solved)


def _almost_real(k: ComplexArray) -> Bools:
    return np.asarray(np.abs(k.imag).max(axis=1) <= 1e-9 * np.abs(k).max(axis=1))


def _descend(system: ReducedEquation, z: ComplexArray, rtol: float) -> Found:
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
    found: Found | None = None
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


def _merge(found: Found | None, new: Found, index: Ints, points: int) -> Found:
    """Put new solutions in their places."""
    if found is None:
        if index.size == points:
            return new
        found = Found(
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
