"""Edges of the spectrum that a slot of a pencil sees, along the real branch outside the bulk.

Outside the bulk the resolvent entry ``m = sum_s omega(s) M(s)[u, u]`` is real and grows with ``z``.
Its inverse ``z(m)`` goes on smoothly through an edge, where ``dz/dm = 0``: the equations

    k = G(k, z),        m(k, z) = given

in the unknowns ``k`` and ``z`` are regular there, while ``dm/dz`` is infinite.

In a gap of the spectrum no eigenvalue of any ``M_T(s)`` passes zero or infinity, and the numbers of
negative ones count the eigenvalues above ``z`` (`RealBranch.mass_between`). A step across a band,
however thin, is found out because they differ at its ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Bools, Integers
from rmt.newton import newton
from rmt.spectra.pencil.continuation import solve_flat
from rmt.spectra.pencil.newton import GOAL, certify, polish
from rmt.spectra.pencil.pencil import Pencil
from rmt.spectra.pencil.self_energy import ReducedEquation
from rmt.spectra.pencil.stacked_matrices import inverse, solve_linear
from rmt.status import ConvergenceError, Status

__all__ = ["GapPoint", "RealBranch", "edge_of_gap", "far_points"]


RTOL = 1e-11  # residual of a point on the curve
FAR = 1e-2  # |z m(z) + 1| far from the spectrum
NEXT_TO_SINGULAR = 1e-9
MAX_STEPS = 400
EDGE_ERROR = 1e-14  # relative, of the edge


@dataclass(frozen=True, slots=True, eq=False)
class GapPoint:
    """A real solution, and the curve ``z(m)`` there.

    Attributes
    ----------
    z, m : float
    k : array, shape (unknowns,)
    slope : float
        ``dz/dm``: positive outside the spectrum, zero at an edge.
    tangent : array, shape (unknowns,)
        ``dk/dm``.
    negative : tuple of arrays, shape (nodes,)
        The number of negative eigenvalues of ``M(s)``, by block.
    """

    z: float
    m: float
    k: Array
    slope: float
    tangent: Array
    negative: tuple[Integers, ...]

    def same_gap(self, other: GapPoint) -> bool:
        """Whether the two may be in one gap: no band of any mass is between them."""
        pairs = zip(self.negative, other.negative, strict=True)
        return all(np.array_equal(one, two) for one, two in pairs)


class RealBranch:
    """The curve ``z(m)`` of a slot of a pencil, and what is known along it."""

    def __init__(self, pencil: Pencil, slot: str) -> None:
        self.pencil, self.slot = pencil, slot
        self.system: ReducedEquation = pencil.equation
        self.block, self.position = self.system.place(slot)

    def at(self, z: float, k: Array, *, check: bool = True) -> GapPoint | None:
        """The solution at ``z`` from a near one, if it is real and on the right branch."""
        one = polish(self.system, np.array([z]), k[None], RTOL, 12)
        if check and not certify(self.system, one, RTOL).solved[0]:
            return None
        return self._finish(z, one.k[0], one.inverses, one.matrices)

    def on(self, m: float, z: float, k: Array, limit: int = 8) -> GapPoint | None:
        """The point of the curve with a given ``m`` near ``(z, k)``, if it is found."""
        before = math.inf
        last: tuple[list[Array], list[Array]] = [], []

        def step(x: Array, at: object) -> tuple[Array, Bools]:
            nonlocal before, last
            k, inverses = x[:, :-1], self.system.inverse_resolvent(x[:, -1], None, x[:, :-1])
            matrices = [inverse(one) for one in inverses]
            image = self.system.read(matrices)
            value = self._value(matrices)
            residual = float(self.system.relative(image - k, image)[0])
            residual = max(residual, abs(m - value) / abs(m))
            last = inverses, matrices
            if residual <= GOAL or (residual <= RTOL and residual > 0.5 * before):
                return np.zeros_like(x), np.array([True])
            before = residual
            right = np.append(image[0] - k[0], m - value)
            return solve_linear(self._bordered(matrices), right[:, None]).T, np.array([False])

        found = newton(step, np.append(k, z)[None], limit)
        if not found.settled[0]:
            return None
        return self._finish(float(found.x[0, -1]), found.x[0, :-1], *last)

    def mass_between(self, point: GapPoint, other: GapPoint) -> float:
        """The share of the slot's eigenvalues that are above ``point`` and below ``other``.

        The Hessian ``H(z)`` decreases in ``z``, so an eigenvalue in between is one of ``H`` that
        falls through zero; and the number of negative eigenvalues of ``H`` is the sum over the
        types of ``size_T omega_T(s)`` times that of ``M_T(s)`` (Alt, Erdos & Kruger 2020).
        """
        total, mine = 0.0, self.pencil.type_of(self.slot)
        for one, near, far in zip(self.pencil.types, point.negative, other.negative, strict=True):
            total += one.size / mine.size * float(np.asarray(one.weights) @ (far - near))
        return total

    def grows(self, point: GapPoint) -> bool:
        """Whether a point of the curve starts a path of positive solutions."""
        one = polish(self.system, np.array([point.z]), point.k[None], RTOL, 0)
        return bool(certify(self.system, one, 10.0 * RTOL).solved[0])

    def is_next(self, new: GapPoint, last: GapPoint) -> bool:
        """Whether two points are joined by a smooth piece of a curve, as their tangents tell."""
        change = new.k - last.k
        off = change - 0.5 * (new.m - last.m) * (new.tangent + last.tangent)
        sizes = [self.system.relative(one[None], last.k[None])[0] for one in (off, change)]
        return bool(sizes[0] < 0.3 * sizes[1])

    def _value(self, matrices: list[Array]) -> float:
        weights = self.system.blocks[self.block].weights
        return float(weights @ matrices[self.block][0, :, self.position, self.position])

    def _bordered(self, matrices: list[Array]) -> Array:
        unknowns = self.system.count
        result = np.empty((unknowns + 1, unknowns + 1))
        result[:unknowns, :unknowns] = np.eye(unknowns) - self.system.jacobian(matrices)[0]
        result[:unknowns, unknowns] = -self.system.read(self.system.direct(matrices))[0]
        block = self.system.blocks[self.block]
        column = matrices[self.block][0, :, :, self.position]
        outer = block.weights[:, None, None] * column[:, :, None] * column[:, None, :]
        result[unknowns] = 0.0
        result[unknowns, block.inputs] = block.write @ outer.ravel()
        result[unknowns, unknowns] = -float(np.sum(outer * block.linear))
        return result

    def _finish(
        self, z: float, k: Array, inverses: list[Array], matrices: list[Array]
    ) -> GapPoint | None:
        right = np.zeros((k.size + 1, 1))
        right[-1] = 1.0
        tangent = solve_linear(self._bordered(matrices), right)[:, 0]
        if not np.isfinite(tangent).all():
            return None
        return GapPoint(
            z,
            self._value(matrices),
            k,
            float(tangent[-1]),
            tangent[:-1],
            self._negative(inverses),
        )

    def _negative(self, inverses: list[Array]) -> tuple[Integers, ...]:
        counts = {}
        for block, one in zip(self.system.blocks, inverses, strict=True):
            for name, span in block.members:
                counts[name] = np.where(block.weights > 0, _negative(one[0, :, span, span]), 0)
        return tuple(counts[one.name] for one in self.pencil.types)


def _negative(matrices: Array) -> Integers:
    """Numbers of negative eigenvalues of symmetric matrices (nodes, size, size)."""
    size = matrices.shape[-1]
    if size == 1:
        return np.asarray(matrices[:, 0, 0] < 0, dtype=np.int64)
    if size == 2:
        a, b, c = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
        negative = np.where(a + c < 0, 2, 0)
        return np.asarray(np.where(a * c < b * b, 1, negative), dtype=np.int64)
    return np.asarray((np.linalg.eigvalsh(matrices) < 0).sum(axis=1), dtype=np.int64)


def far_points(branch: RealBranch) -> tuple[GapPoint, GapPoint]:
    """Points below and above all of the spectrum.

    Raises
    ------
    ConvergenceError
        The slot is no resolvent of a bounded matrix: there are none.
    """
    scale = max(1.0, branch.system.contracting**2)
    for z in scale * np.array([1e9, 1e15, 1e21]):
        found = solve_flat(branch.system, np.array([z + 0j]), RTOL, None)
        far = branch.at(float(z), np.ascontiguousarray(found.k[0].real))
        if far is not None and abs(far.z * far.m + 1.0) < FAR:
            below = _nearer(branch, far, -far.z)
            if below is not None:
                least = 4.0 * scale
                return _approached(branch, below, least), _approached(branch, far, least)
    raise ConvergenceError(f"slot {branch.slot!r} is no resolvent", Status.NOT_CONVERGED)


def _approached(branch: RealBranch, far: GapPoint, least: float) -> GapPoint:
    """A point of the outermost gap that is not as far away."""
    z = far.z
    while abs(z) > least:
        z = math.copysign(max(least, abs(z) * 1e-3), z)
        for nearer in (math.copysign(least, z), z):
            point = _nearer(branch, far, nearer)
            if point is not None and point.same_gap(far):
                return point
    return far


def _nearer(branch: RealBranch, far: GapPoint, z: float) -> GapPoint | None:
    """The solution at another far point: ``k`` is nearly a straight line in ``1/z``."""
    slope = -(far.z**2) * far.tangent / far.slope
    return branch.at(z, far.k + slope * (1.0 / z - 1.0 / far.z))


def edge_of_gap(
    branch: RealBranch, start: GapPoint, direction: float, singular: float | None = None
) -> tuple[float, GapPoint]:
    """The end of the gap that a point is in, towards smaller or larger ``z``; the last point.

    Parameters
    ----------
    start : GapPoint
    direction : float
        -1 towards smaller ``z``, 1 towards larger ``z``.
    singular : float, optional
        Where there may be an atom, or a density that is infinite: an edge that ``m`` reaches at
        infinity. It is the answer if it is approached to a relative distance of 1e-9.

    Raises
    ------
    ConvergenceError
        No edge was found; ``best`` is the last point of the gap.

    Notes
    -----
    Steps in ``m``, twice as long each time, until one does not end in the gap; then the zero of the
    slope ``dz/dm`` by the secant method, never further than half way to where the gap is known to
    have ended.
    """
    last, other = start, None  # in the gap; the other of the two latest points of the curve
    step = 0.25 * abs(start.z) / start.slope
    limit = math.inf
    close = NEXT_TO_SINGULAR * abs(start.z)
    for _ in range(MAX_STEPS):
        aim = math.inf
        if singular is not None and 0 < (singular - last.z) * direction <= close:
            return singular, last
        if other is not None:
            bend = (last.slope - other.slope) / (last.m - other.m)  # d^2 z / dm^2
            if bend * direction < 0:
                nearest = min(last, other, key=lambda point: abs(point.slope))
                beyond = 0.5 * nearest.slope**2 / bend
                if abs(beyond) <= EDGE_ERROR * abs(last.z):
                    return nearest.z - beyond, last
                aim = _secant(last, other) * direction
        if limit * last.slope <= 4e-16 * abs(last.z):
            return last.z, last
        if step * last.slope <= 1e-18 * abs(last.z):
            break
        size = min(aim if aim > 0 else math.inf, step)
        size = size if size < 0.9 * limit else 0.5 * limit
        new = _step(branch, last, other, size * direction)
        if new is not None and new.slope > 0 and branch.grows(new):
            if new.same_gap(last):
                limit -= size
                last, other = new, last
                step = 2.0 * size
            else:
                limit, step = size, 0.25 * size
        elif new is not None and new.same_gap(last) and branch.is_next(new, last):
            limit = step = size
            other = new
        else:  # a solution that has nothing to do with this one, or none
            step = 0.25 * size
    raise ConvergenceError(
        f"the edge near z = {last.z:.6g} was not settled", Status.NOT_CONVERGED, last
    )


def _secant(last: GapPoint, other: GapPoint) -> float:
    """From ``last`` to the zero of the slope, on a straight line.

    Towards infinity ``z = -1/m``, and ``m^2 dz/dm`` is the straighter.
    """
    one, two = last.slope, other.slope
    if last.m * other.m > 0:
        one, two = one * last.m**2, two * other.m**2
    return one * (last.m - other.m) / (two - one) if two != one else math.inf


def _step(
    branch: RealBranch, last: GapPoint, other: GapPoint | None, step: float
) -> GapPoint | None:
    k, z, m = last.k + step * last.tangent, last.z + step * last.slope, last.m + step
    if other is not None and abs(step) < 2.0 * abs(last.m - other.m):
        half = 0.5 * step**2 / (last.m - other.m)
        k = k + half * (last.tangent - other.tangent)
        z += half * (last.slope - other.slope)
    if abs(last.z * last.m + 1.0) < 0.7 and abs(step) > 0.1 * abs(last.m):
        # Towards infinity z m is the smooth variable.
        z = (last.z * last.m + step * (last.z + last.m * last.slope)) / m
    return branch.on(m, z, k)
