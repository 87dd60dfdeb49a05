"""Continuation in ``epsilon``: the right solution of the Dyson equation at many points.

With ``A - i epsilon`` in the place of ``A`` the equation has exactly one positive solution; for a
large ``epsilon`` it is a contraction. Newton's method finds that solution and follows it to
``epsilon = 0`` (see `rmt.spectra.dyson.solve`). A start that is near saves the way; whatever the
start, an answer has to pass the check of `rmt.spectra.pencil.newton.certify`.
"""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array, ComplexArray, Indices
from rmt.blas import one_blas_thread
from rmt.spectra.pencil.newton import Found, Tracked, almost_real, certify, polish, track
from rmt.spectra.pencil.self_energy import ReducedEquation

__all__ = ["solve_flat"]


# Residuals along the path, before the last step. Next to a hard edge a small one says little of the
# solution: points that the first has not led to the end are led there by the second.
TRACKING = 1e-2, 1e-6
WARM_LIMIT = 16  # iterations from a start that may be no good


@one_blas_thread()
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
            found = _settle(system, z[part], start[part], rtol, WARM_LIMIT)
            again = np.flatnonzero(~found.solved)
            if again.size:
                second = _descend(system, z[part][again], rtol)
                order = np.arange(found.solved.size)
                order[again] = found.solved.size + np.arange(again.size)
                found = Found.join([found, second]).take(order)
            parts.append(found)
    return Found.join(parts) if len(parts) > 1 else parts[0]


def _settle(
    system: ReducedEquation, z: ComplexArray, k: ComplexArray, rtol: float, limit: int = 40
) -> Found:
    """The solution at ``epsilon = 0`` near ``k``, with its error, and whether it is the one.

    Next to the real axis in real arithmetic first: outside the bulk the solution is real.
    """
    axis = z.imag == 0
    real = axis & almost_real(k, 1e-4)
    found: Found | None = None
    iterations = np.zeros(z.size, dtype=np.int64)
    unsolved = np.ones(z.size, dtype=bool)
    if real.any():
        first = _real(system, z[real], k[real], rtol, WARM_LIMIT)
        iterations[real] = first.iterations
        found = _merge(found, first, np.flatnonzero(real), z.size)
        # From a real start complex arithmetic would take the same steps.
        unsolved = ~found.solved & ~(real & (k.imag == 0).all(axis=1))
    rest = np.flatnonzero(unsolved)
    if found is not None and not rest.size:
        return found
    second = certify(system, polish(system, z[rest], k[rest], rtol, limit), rtol)
    outside = axis[rest] & almost_real(second.k, 1e-9)
    if outside.any():
        third = _real(system, z[rest][outside], second.k[outside], rtol, limit)
        third.iterations[:] += second.iterations[outside]
        second = _merge(second, third, np.flatnonzero(outside), rest.size)
    second.iterations[:] += iterations[rest]
    return _merge(found, second, rest, z.size)


def _real(
    system: ReducedEquation, z: ComplexArray, k: ComplexArray, rtol: float, limit: int
) -> Found:
    start = np.ascontiguousarray(k.real)
    return certify(system, polish(system, z.real, start, rtol, limit), rtol)


def _descend(system: ReducedEquation, z: ComplexArray, rtol: float) -> Found:
    """From a large ``epsilon``, where the equation is a contraction, to ``epsilon = 0``."""
    found = _led(system, z, rtol, TRACKING[0])
    again = np.flatnonzero(~found.solved)
    if again.size:
        second = _led(system, z[again], rtol, TRACKING[1])
        second.iterations[:] += found.iterations[again]
        better = second.solved
        found = _merge(found, second.take(better), again[better], z.size)
    return found


def _led(system: ReducedEquation, z: ComplexArray, rtol: float, tracking: float) -> Found:
    points = z.size
    top = system.contracting
    epsilon = np.full(points, top / 4.0)
    now = _from_nothing(system, z, epsilon, tracking)
    # With epsilon > 0 there is one positive solution: where this is not it, from further up.
    again = np.flatnonzero(~(now.positive & (now.residual <= tracking)))
    if again.size:
        epsilon[again] = top
        other = _from_nothing(system, z[again], epsilon[again], tracking)
        now.k[again], now.tangent[again] = other.k, other.tangent
        now.iterations[again] += other.iterations
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
            now = track(system, z[others], target, guess, tracking, 8)
            good = now.positive & (now.residual <= tracking)
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


def _from_nothing(
    system: ReducedEquation, z: ComplexArray, epsilon: Array, tracking: float
) -> Tracked:
    k = np.zeros((z.size, system.count), dtype=complex)
    for _ in range(3):
        k = system.read(system.resolvent(z, epsilon, k))
    return track(system, z, epsilon, k, tracking, 20)


def _predict(k: ComplexArray, tangent: ComplexArray, epsilon: Array, target: Array) -> ComplexArray:
    """Along the tangent of ``log k`` in ``log epsilon``: exact for the ``1/epsilon`` of an atom."""
    linear = k + tangent * (target - epsilon)[:, None]
    power = epsilon[:, None] * tangent / k
    curved = k * (target / epsilon)[:, None] ** power
    return np.where(np.abs(power) < 2.0, curved, linear)


def _merge(found: Found | None, new: Found, index: Indices, points: int) -> Found:
    return new.spread(index, points) if found is None else found.put(index, new)
