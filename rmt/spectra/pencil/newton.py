"""Newton's method on the reduced Dyson equation at many points, each on its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array, Bools, ComplexArray, Indices, Integers
from rmt.newton import newton
from rmt.spectra.pencil.linear_response import Linearised
from rmt.spectra.pencil.self_energy import ReducedEquation
from rmt.spectra.pencil.stacked_matrices import Stack, inverse, product, smallest_eigenvalue

__all__ = ["Found", "Polished", "Tracked", "almost_real", "certify", "polish", "track"]


EPS = float(np.finfo(float).eps)
GOAL = 20.0 * EPS  # residual at which to stop


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Solutions at a flat array of points in the closed upper half plane."""

    k: ComplexArray
    matrices: list[ComplexArray]
    bounds: list[Array]
    residual: Array
    iterations: Integers
    solved: Bools

    @property
    def _arrays(self) -> list[Any]:
        flat = [self.k, self.residual, self.iterations, self.solved]
        return [*flat, *self.matrices, *self.bounds]

    @classmethod
    def _of(cls, arrays: list[Any]) -> Found:
        k, residual, iterations, solved, *blocks = arrays
        half = len(blocks) // 2
        return cls(k, blocks[:half], blocks[half:], residual, iterations, solved)

    @classmethod
    def join(cls, parts: list[Found]) -> Found:
        """Solutions one after the other."""
        every = zip(*(one._arrays for one in parts), strict=True)
        return cls._of([np.concatenate(one) for one in every])

    def take(self, index: Any) -> Found:
        """The solutions at some of the points."""
        return self._of([one[index] for one in self._arrays])

    def spread(self, index: Indices, points: int) -> Found:
        """The solutions as those at some of many points, of which the others are not solved."""
        if index.size == points:
            return self
        whole = [np.zeros((points, *one.shape[1:]), one.dtype) for one in self._arrays]
        return self._of(whole).put(index, self)

    def put(self, index: Indices, new: Found) -> Found:
        """Put new solutions in their places, and return all."""
        for old, one in zip(self._arrays, new._arrays, strict=True):
            old[index] = one
        return self


@dataclass(slots=True, eq=False)
class Tracked:
    """Solutions at ``epsilon > 0``, and the way they go."""

    k: ComplexArray
    tangent: ComplexArray  # dk / depsilon
    positive: Bools  # whether Im M is
    residual: Array
    iterations: Integers


def track(
    system: ReducedEquation,
    z: ComplexArray,
    epsilon: Array,
    k: ComplexArray,
    tolerance: float,
    limit: int,
) -> Tracked:
    """Newton's method at ``epsilon > 0`` until the residual is below ``tolerance``.

    The step that belongs to the last residual is still taken; the tangent is that of its start.
    """
    points = z.size
    now = Tracked(
        k,
        np.zeros_like(k),
        np.zeros(points, dtype=bool),
        np.full(points, np.nan),
        np.zeros(points, dtype=np.int64),
    )

    def step(here: ComplexArray, at: Any) -> tuple[ComplexArray, Bools]:
        matrices = system.resolvent(z[at], epsilon[at], here)
        image = system.read(matrices)
        now.residual[at] = residual = system.relative(image - here, image)
        linearised = system.linearised(matrices)
        done = residual <= tolerance
        if done.any():
            where = np.arange(points)[at][done]
            inner = [m[done] for m in matrices]
            source = system.read([1j * product(m, m) for m in inner])
            now.tangent[where] = linearised.solve(source, np.flatnonzero(done))
            now.positive[where] = np.all([_positive(m) for m in inner], axis=0)
        return linearised.solve(image - here), done

    found = newton(step, k, limit)
    now.k, now.iterations = found.x, found.steps
    return now


def _positive(m: ComplexArray, slack: float | Array = 0.0) -> Bools:
    """Whether ``Im M >= 0``, but for rounding and ``slack``."""
    least = smallest_eigenvalue(m.imag)
    return np.asarray(least >= -1e-10 * np.abs(m).max(axis=(1, 2, 3)) - slack)


@dataclass(slots=True, eq=False)
class Polished:
    """Iterates at ``epsilon = 0``, and what was computed there; real, or complex.

    ``linearised`` is the equation's derivative there, or a little before.
    """

    k: Stack
    inverses: list[Stack]
    matrices: list[Stack]
    defect: Stack
    residual: Array
    iterations: Integers
    linearised: Linearised


def polish(system: ReducedEquation, z: Stack, k: Stack, rtol: float, limit: int) -> Polished:
    """Newton's method to rounding, in the arithmetic of ``z`` and ``k``.

    A Jacobian is kept while the residual falls fast enough with it. A point stops at a residual of
    rounding, or below ``rtol`` once it no longer improves.
    """
    points = z.size
    now: Polished | None = None
    before = np.full(points, np.inf)
    rounds = itertools.count()

    def step(here: Stack, at: Any) -> tuple[Stack, Bools]:
        nonlocal now
        inverses = system.inverse_resolvent(z[at], None, here)
        matrices = [inverse(one) for one in inverses]
        image = system.read(matrices)
        defect = image - here
        residual = system.relative(defect, image)
        done = (residual <= GOAL) | ((residual <= rtol) & (residual > 0.5 * before[at]))
        first = np.isinf(before[at])
        renew = np.where(done, first, ~(residual <= system.chord_rate * before[at]))
        left = np.arange(points)[at]
        if now is None:
            iterations = np.zeros(points, dtype=np.int64)
            linearised = system.linearised(matrices)
            now = Polished(here, inverses, matrices, defect, residual, iterations, linearised)
        else:
            for old, new in zip(
                (*now.inverses, *now.matrices), (*inverses, *matrices), strict=True
            ):
                old[at] = new
            now.defect[at], now.residual[at] = defect, residual
            if renew.any():
                new_one = system.linearised([m[renew] for m in matrices])
                now.linearised.put(left[renew], new_one)
        before[at] = residual
        done |= ~np.isfinite(residual) | (next(rounds) == limit)
        change = np.zeros_like(here)
        if not done.all():
            change[~done] = now.linearised.solve(defect[~done], left[~done])
        return change, done

    found = newton(step, k, limit + 1)
    assert now is not None
    now.k, now.iterations = found.x, found.steps
    return now


def certify(system: ReducedEquation, one: Polished, rtol: float) -> Found:
    """Error bounds of solutions at ``epsilon = 0``, and whether they are on the right branch."""
    k, matrices = one.k, one.matrices
    # Rounding: of the sums over nodes, amplified; of the inversion.
    size = np.maximum.reduceat(np.abs(k), system.firsts, axis=1).repeat(system.repeats, axis=1)
    step = one.linearised.solve(one.defect)
    shift = 2.0 * np.abs(step) + 4.0 * EPS * one.linearised.bound(size)
    bounds = []
    for block, m, inverted in zip(system.blocks, matrices, one.inverses, strict=True):
        change = (shift[:, block.inputs] @ block.write_size).reshape(m.shape)
        change += 4.0 * EPS * np.abs(inverted)
        absolute = np.abs(m)
        bounds.append(product(product(absolute, change), absolute).max(axis=1))
    solved = np.isfinite(one.residual) & (one.residual <= rtol)
    for bound in bounds:
        solved &= np.isfinite(bound).all(axis=(1, 2))
    if np.iscomplexobj(k):
        for m, bound in zip(matrices, bounds, strict=True):
            solved &= _positive(m, 10.0 * bound.max(axis=(1, 2)))
        real = almost_real(k, 1e-9)
    else:
        real = np.ones(len(k), dtype=bool)
    if real.any():
        solved[real] &= _grows(system, one, np.flatnonzero(real))
    return Found(
        k.astype(complex, copy=False),
        [m.astype(complex, copy=False) for m in matrices],
        bounds,
        one.residual,
        one.iterations,
        solved,
    )


def _grows(system: ReducedEquation, one: Polished, at: Indices) -> Bools:
    """Whether real solutions start a path of positive ones.

    ``dM/depsilon = M (1 + Sigma[dM/depsilon]) M``, of which the bracket is at least 1 on the right
    branch; where two branches meet within rounding, either is the answer.
    """
    source = system.read([product(m[at], m[at]) for m in one.matrices])
    growth = one.linearised.solve(source, at)
    meet = np.abs(growth).max(axis=1) * 1e-7 > np.abs(one.k[at]).max(axis=1)
    right = [
        smallest_eigenvalue(np.eye(s.shape[-1]) + s.real) > 0.5 for s in system.self_energy(growth)
    ]
    return np.asarray(np.all(right, axis=0) | meet)


def almost_real(k: Stack, tolerance: float) -> Bools:
    """Where the imaginary parts are negligible."""
    return np.asarray(np.abs(k.imag).max(axis=1) <= tolerance * np.abs(k).max(axis=1))
