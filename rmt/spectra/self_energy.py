"""The self-energy of a pencil, and its Dyson equation in few unknowns."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.spectra.pencil import IndexType, Pencil, terms_of
from rmt.spectra.stacked_matrices import diagonal, inverse, solve_linear

__all__ = ["ReducedEquation"]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

EPS = float(np.finfo(float).eps)
CHUNK_ENTRIES = 2_000_000  # complex numbers in the largest intermediate array


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The terms of one field as its row type, or its column type, sees them."""

    key: tuple[int, int]  # field, 0 for rows and 1 for columns
    profiled: bool
    positions: Ints  # of the slots in the block, one for each term
    coefficients: Array  # (nodes, terms)
    profile: Array  # (rank, nodes): the separable factors of the variance
    gain: float  # n_other / n_ref, times the variance when that is a number


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Sides of one block whose derivatives are computed together."""

    unknowns: slice
    positions: Ints
    coefficients: Array
    profile: Array
    labels: Ints  # (3, unknowns of the group): index in the profile, first and second term


@dataclass(frozen=True, slots=True, eq=False)
class _Response:
    """How the sums of one group answer to the values that another group writes.

    ``sum_s omega a a' (X[t, v] X[t', v'] + X[t, v'] X[t', v])`` with
    ``X[t, v] = c_t M[p_t, p_v] c_v``; the second product only if ``v`` and ``v'`` differ.
    """

    rows: slice
    columns: slice
    positions: tuple[Any, ...]
    coefficients: Array  # (nodes, terms, terms)
    left: Array  # (nodes, rank, 1, 1): weights times the profile of the one group
    right: Array  # the profile of the other
    first: Ints  # (unknowns, unknowns): where the products are
    second: Ints
    differ: Array

    def __call__(self, m: ComplexArray) -> ComplexArray:
        points, nodes = m.shape[:2]
        x = m[:, :, *self.positions] * self.coefficients
        left = (x[:, :, None] * self.left).reshape(points, nodes, -1)
        right = (x[:, :, None] * self.right).reshape(points, nodes, -1)
        product = (left.swapaxes(1, 2) @ right).reshape(points, -1)
        result = product[:, self.first]
        if self.differ.any():
            result = result + product[:, self.second] * self.differ
        return np.asarray(result)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Index types whose matrices are inverted as one: one type, or all types of one node."""

    members: list[tuple[str, slice]]
    constant: Array  # (nodes, slots, slots)
    linear: Array
    weights: Array
    unknowns: slice
    groups: list[_Group]
    responses: list[_Response]
    write: ComplexArray  # (unknowns of the block, nodes * slots * slots): values to Sigma
    read: ComplexArray  # (nodes * slots * slots, unknowns of the block): M to sums over nodes


class ReducedEquation:
    """The Dyson equation as a fixed point ``k = G(k)`` of few unknowns.

    An unknown is ``sum_s omega(s) a(s) c_t(s) M_T(s)[p_t, p_t'] c_t'(s)``, for a side of a field, a
    separable factor ``a`` of its variance, and a pair of terms. It is read on one side of the
    field, and enters the self-energy on the other, its partner.
    """

    def __init__(self, pencil: Pencil) -> None:
        self.pencil = pencil
        single = [one for one in pencil.types if one.count == 1]
        members = ([single] if single else []) + [[one] for one in pencil.types if one.count > 1]
        self.blocks: list[_Block] = []
        self.keys: list[tuple[int, int, int, int, int]] = []
        gains: list[float] = []
        sides = _sides(pencil)
        for types in members:
            self.blocks.append(self._block(types, sides, gains))
        index = {key: i for i, key in enumerate(self.keys)}
        self.count = len(self.keys)
        self.partner = np.array(
            [index[f, 1 - s, a, t, u] for f, s, a, t, u in self.keys], dtype=int
        )
        self.gain = np.array(gains)
        changes = [one[:2] != two[:2] for one, two in itertools.pairwise(self.keys)]
        firsts = np.flatnonzero([True, *changes])
        self.firsts = firsts
        self.repeats = np.diff(firsts, append=self.count)
        self.identity = np.eye(self.count)
        self.contracting = self._contracting()

    def _block(
        self, types: list[IndexType], sides: dict[str, list[_Side]], gains: list[float]
    ) -> _Block:
        nodes, ends = types[0].count, np.cumsum([0, *(len(one.slots) for one in types)])
        spans = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
        size = int(ends[-1])
        constant, linear = np.zeros((nodes, size, size)), np.zeros((nodes, size, size))
        placed: list[tuple[_Side, int]] = []
        for one, span in zip(types, spans, strict=True):
            constant[:, span, span] = self.pencil.constant_blocks[one.name]
            linear[:, span, span] = self.pencil.linear_blocks[one.name]
            placed += [(side, span.start) for side in sides[one.name]]
        plain = [pair for pair in placed if not pair[0].profiled]
        bundles = ([plain] if plain else []) + [[pair] for pair in placed if pair[0].profiled]
        start = len(self.keys)
        groups = [self._group(bundle, gains) for bundle in bundles]
        weights = np.asarray(types[0].weights)
        write, read = _write_and_read(groups, weights, size, len(self.keys) - start, start)
        return _Block(
            members=[(one.name, span) for one, span in zip(types, spans, strict=True)],
            constant=constant,
            linear=linear,
            weights=weights,
            unknowns=slice(start, len(self.keys)),
            groups=groups,
            responses=[_response(weights, one, other) for one in groups for other in groups],
            write=write,
            read=read,
        )

    def _group(self, bundle: list[tuple[_Side, int]], gains: list[float]) -> _Group:
        start, offset = len(self.keys), 0
        labels = []
        for side, _ in bundle:
            terms = side.positions.size
            for a in range(len(side.profile)):
                for t in range(terms):
                    for u in range(t, terms):
                        self.keys.append((*side.key, a, t, u))
                        gains.append(side.gain)
                        labels.append((a, offset + t, offset + u))
            offset += terms
        return _Group(
            unknowns=slice(start, len(self.keys)),
            positions=np.concatenate([side.positions + shift for side, shift in bundle]),
            coefficients=np.concatenate([side.coefficients for side, _ in bundle], axis=1),
            profile=bundle[0][0].profile,
            labels=np.array(labels, dtype=int).T,
        )

    def _contracting(self) -> float:
        """An ``epsilon`` at which the equation is a contraction by 1/4.

        There ``|M| <= 1/epsilon``, so the map contracts by ``|Sigma[1]| / epsilon^2``.
        """
        ones = [
            np.broadcast_to(np.eye(block.constant.shape[-1]), (1, *block.constant.shape))
            for block in self.blocks
        ]
        sums = self.read([one.astype(complex) for one in ones])
        norms = [np.linalg.norm(s.real, 2, axis=(-2, -1)).max() for s in self.self_energy(sums)]
        return 2.0 * math.sqrt(max(norms)) or 1.0

    def chunks(self, points: int) -> list[slice]:
        """Slices of the points, of a size that keeps the arrays small."""
        largest = 1
        for block in self.blocks:
            for one in block.groups:
                terms = (
                    len(one.profile)
                    * one.positions.size
                    * max(other.positions.size for other in block.groups)
                )
                largest = max(largest, terms * block.weights.size, terms**2)
            largest = max(largest, block.constant.size)
        step = max(1, CHUNK_ENTRIES // max(largest, self.count**2))
        return [slice(i, i + step) for i in range(0, points, step)]

    def self_energy(self, k: ComplexArray) -> list[ComplexArray]:
        """``Sigma``, by block, shape (points, nodes, slots, slots)."""
        values = k[:, self.partner] * self.gain
        return [
            (values[:, block.unknowns] @ block.write).reshape(-1, *block.constant.shape)
            for block in self.blocks
        ]

    def inverse_resolvent(
        self, z: ComplexArray, epsilon: Array, k: ComplexArray
    ) -> list[ComplexArray]:
        """``A(z) - i epsilon - Sigma``, by block."""
        result = []
        for block, sigma in zip(self.blocks, self.self_energy(k), strict=True):
            block_inverse = block.constant + z[:, None, None, None] * block.linear - sigma
            diagonal(block_inverse)[...] -= 1j * epsilon[:, None, None]
            result.append(block_inverse)
        return result

    def resolvent(self, z: ComplexArray, epsilon: Array, k: ComplexArray) -> list[ComplexArray]:
        """``M``, by block."""
        return [inverse(one) for one in self.inverse_resolvent(z, epsilon, k)]

    def read(self, matrices: list[ComplexArray]) -> ComplexArray:
        """The sums over nodes of given matrices, shape (points, unknowns)."""
        parts = [
            one.reshape(len(one), block.constant.size) @ block.read
            for one, block in zip(matrices, self.blocks, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def jacobian(self, matrices: list[ComplexArray]) -> ComplexArray:
        """``dG/dk``, shape (points, unknowns, unknowns): from ``dM = M dSigma M``."""
        result = np.zeros((len(matrices[0]), self.count, self.count), dtype=complex)
        for block, m in zip(self.blocks, matrices, strict=True):
            for response in block.responses:
                result[:, response.rows, response.columns] = response(m)
        return np.asarray(result[:, :, self.partner] * self.gain[self.partner])

    def relative(self, difference: ComplexArray, k: ComplexArray) -> Array:
        """The largest difference relative to the size of the unknowns of the same side."""
        size = np.abs(k)
        scale = np.maximum.reduceat(size, self.firsts, axis=1)
        # A side that vanishes has no scale of its own.
        scale = np.maximum(scale, 1e-4 * scale.max(axis=1, keepdims=True) + 1e-300)
        largest = np.maximum.reduceat(np.abs(difference), self.firsts, axis=1)
        return np.asarray((largest / scale).max(axis=1))

    def derivative(self, z: ComplexArray, k: ComplexArray) -> list[ComplexArray]:
        """``dM/dz``, by block."""
        matrices = self.resolvent(z, np.zeros(z.size), k)
        direct = [-m @ block.linear @ m for m, block in zip(matrices, self.blocks, strict=True)]
        step = solve_linear(self.identity - self.jacobian(matrices), self.read(direct)[..., None])
        sigma = self.self_energy(step[..., 0])
        return [d + m @ s @ m for d, m, s in zip(direct, matrices, sigma, strict=True)]

    def by_type(
        self, blocks: list[ComplexArray], below: Bools, shape: tuple[int, ...]
    ) -> dict[str, ComplexArray]:
        """Blocks as matrices by index type, conjugated below the axis."""
        result = {}
        for block, m in zip(self.blocks, blocks, strict=True):
            full = np.where(below.reshape(-1, *(1,) * (m.ndim - 1)), m.conj(), m)
            for name, span in block.members:
                result[name] = full[..., span, span].reshape(
                    *shape, *m.shape[1:-2], *2 * (span.stop - span.start,)
                )
        return {one.name: result[one.name] for one in self.pencil.types}


def _sides(pencil: Pencil) -> dict[str, list[_Side]]:
    """The sides of all fields by the name of the index type."""
    result: dict[str, list[_Side]] = {one.name: [] for one in pencil.types}
    for number, one in enumerate(pencil.fields):
        terms = terms_of(one)
        types = pencil.sides(one)
        variance, reference = pencil.variance_profile(one), pencil.type_named(one.reference).size
        factors = (np.ones((1, types[0].count)), np.ones((1, types[1].count)))
        gain = (1.0 if variance.ndim else float(variance)) / reference
        if variance.ndim:
            left, values, right = np.linalg.svd(variance, full_matrices=False)
            cut = 4.0 * EPS * np.sqrt(max(variance.shape)) * values[0]
            rank = max(1, int(np.sum(values > cut)))
            root = np.sqrt(values[:rank])
            factors = (left[:, :rank].T * root[:, None], right[:rank] * root[:, None])
        for side, index_type in enumerate(types):
            slots = [(term.row, term.column)[side] for term in terms]
            given = [(term.row_coefficient, term.column_coefficient)[side] for term in terms]
            result[index_type.name].append(
                _Side(
                    key=(number, side),
                    profiled=bool(variance.ndim),
                    positions=np.array([pencil.place(slot)[1] for slot in slots], dtype=int),
                    coefficients=np.stack(
                        [index_type.on_nodes(value, "coefficient") for value in given], axis=1
                    ),
                    profile=factors[side],
                    gain=gain * types[1 - side].size,
                )
            )
    return result


def _write_and_read(
    groups: list[_Group], weights: Array, size: int, count: int, start: int
) -> tuple[ComplexArray, ComplexArray]:
    write = np.zeros((count, weights.size, size, size), dtype=complex)
    read = np.zeros((count, weights.size, size, size), dtype=complex)
    for one in groups:
        for number, (a, t, u) in enumerate(one.labels.T):
            row = one.unknowns.start - start + number
            p, q = one.positions[t], one.positions[u]
            value = one.profile[a] * one.coefficients[:, t] * one.coefficients[:, u]
            read[row, :, p, q] += weights * value
            write[row, :, p, q] += value
            if t != u:
                write[row, :, q, p] += value
    flat = weights.size * size**2  # of a type without fields there are no unknowns
    return write.reshape(count, flat), np.ascontiguousarray(read.reshape(count, flat).T)


def _response(weights: Array, one: _Group, other: _Group) -> _Response:
    """Everything in a response that does not depend on ``M``."""
    terms, others = one.positions.size, other.positions.size
    width = len(other.profile) * terms * others
    (a, t, u), (b, v, w) = one.labels[:, :, None], other.labels[:, None, :]
    return _Response(
        one.unknowns,
        other.unknowns,
        np.ix_(one.positions, other.positions),
        one.coefficients[:, :, None] * other.coefficients[:, None, :],
        (weights * one.profile).T[:, :, None, None],
        other.profile.T[:, :, None, None],
        ((a * terms + t) * others + v) * width + (b * terms + u) * others + w,
        ((a * terms + t) * others + w) * width + (b * terms + u) * others + v,
        np.asarray(v != w, dtype=float),
    )
