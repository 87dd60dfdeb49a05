"""The self-energy of a pencil, and its Dyson equation in few unknowns."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Bools, Indices
from rmt.budget import check_time
from rmt.spectra.pencil.linear_response import BlockResponse, Linearised, block_response
from rmt.spectra.pencil.pencil import IndexType, Pencil
from rmt.spectra.pencil.stacked_matrices import Stack, diagonal, inverse, product, times_real
from rmt.spectra.pencil.unknowns import Expansion, FieldSum, Read, field_sums, unknowns_of

__all__ = ["ReducedEquation"]


CHUNK_ENTRIES = 2_000_000  # complex numbers in the largest intermediate array


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Index types whose matrices are inverted as one: one type, or all types of one node."""

    members: list[tuple[str, slice]]
    constant: Array  # (nodes, slots, slots)
    linear: Array
    weights: Array
    unknowns: slice  # read here
    inputs: Indices  # unknowns that enter the self-energy
    write: Array  # (inputs, nodes * slots * slots): those to Sigma
    write_size: Array  # its absolute values
    read: Array  # (nodes * slots * slots, unknowns of the block): M to unknowns
    response: BlockResponse


class ReducedEquation:
    """The Dyson equation as a fixed point ``k = G(k)`` of few unknowns.

    An unknown is ``sum_s omega(s) a(s) c_t(s) M_T(s)[p_t, p_t'] c_t'(s)``, for a side of a field, a
    separable factor ``a`` of its variance, and a pair of terms. It is read on one side of the
    field, and enters the self-energy on the other. Where the nodes are fewer than such sums, the
    unknowns are ``omega(s) M_T(s)[p, q]`` themselves.
    """

    def __init__(self, pencil: Pencil) -> None:
        self.pencil = pencil
        single = [one for one in pencil.types if one.count == 1]
        members = ([single] if single else []) + [[one] for one in pencil.types if one.count > 1]
        offsets = {
            one.name: sum(len(other.slots) for other in types[:i])
            for types in members
            for i, one in enumerate(types)
        }
        sums = field_sums(pencil, offsets)
        placed = [[term for one in types for term in sums[one.name]] for types in members]
        expansion, reads, firsts = unknowns_of(placed, [types[0] for types in members])
        bounds = np.cumsum([0, *map(len, reads)]).tolist()
        self.count = bounds[-1]
        self.firsts = np.array(firsts, dtype=int)
        self.repeats = np.diff(self.firsts, append=self.count)
        self.blocks = [
            self._block(types, placed[i], expansion, reads[i], slice(bounds[i], bounds[i + 1]))
            for i, types in enumerate(members)
        ]
        self.outside, self.inside = self._elimination()
        self.contracting = self._contracting()

    def _block(
        self,
        types: list[IndexType],
        sums: list[FieldSum],
        expansion: Expansion,
        reads: list[Read],
        unknowns: slice,
    ) -> _Block:
        nodes, ends = types[0].count, np.cumsum([0, *(len(one.slots) for one in types)])
        spans = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
        size = int(ends[-1])
        constant, linear = np.zeros((nodes, size, size)), np.zeros((nodes, size, size))
        for one, span in zip(types, spans, strict=True):
            constant[:, span, span] = self.pencil.constant_blocks[one.name]
            linear[:, span, span] = self.pencil.linear_blocks[one.name]
        weights = np.asarray(types[0].weights)
        own = unknowns.stop - unknowns.start
        write = np.zeros((self.count, nodes, size, size))
        read = np.zeros((own, nodes, size, size))
        for term in sums:
            check_time()
            p, q = term.entry
            field, side, *rest = term.key
            partners, factors = expansion[field, 1 - side, *rest]
            addition = term.gain * factors[:, None] * term.pattern
            write[partners, :, p, q] += addition
            if p != q:
                write[partners, :, q, p] += addition
        for row, ((p, q), pattern) in zip(read, reads, strict=True):
            row[:, p, q] = weights * pattern
        inputs = np.flatnonzero(np.any(write != 0, axis=(1, 2, 3)))
        write = write[inputs]
        flat = nodes * size**2  # of a type without fields there are no unknowns
        return _Block(
            members=[(one.name, span) for one, span in zip(types, spans, strict=True)],
            constant=constant,
            linear=linear,
            weights=weights,
            unknowns=unknowns,
            inputs=inputs,
            write=write.reshape(inputs.size, flat),
            write_size=np.abs(write).reshape(inputs.size, flat),
            read=np.ascontiguousarray(read.reshape(own, flat).T),
            response=block_response(read, write, unknowns.start, inputs),
        )

    def _elimination(self) -> tuple[Indices, Indices]:
        """Unknowns that stay, and those of the largest block that does not act on itself."""
        best = slice(0, 0)
        for block in self.blocks:
            one = block.unknowns
            itself = (block.inputs >= one.start) & (block.inputs < one.stop)
            if not itself.any() and one.stop - one.start > max(best.stop - best.start, 7):
                best = one
        every = np.arange(self.count)
        return np.setdiff1d(every, every[best]), every[best]

    def _contracting(self) -> float:
        """An ``epsilon`` at which the equation is a contraction by 1/4.

        There ``|M| <= 1/epsilon``, so the map contracts by ``|Sigma[1]| / epsilon^2``.
        """
        ones = [
            np.broadcast_to(np.eye(block.constant.shape[-1]), (1, *block.constant.shape))
            for block in self.blocks
        ]
        sums = self.read(ones).copy()
        norms = [np.linalg.norm(s, 2, axis=(-2, -1)).max() for s in self.self_energy(sums)]
        return 2.0 * math.sqrt(max(norms)) or 1.0

    def place(self, slot: str) -> tuple[int, int]:
        """The number of the block that a slot is in, and its position there."""
        index_type, position = self.pencil.place(slot)
        for number, block in enumerate(self.blocks):
            for name, span in block.members:
                if name == index_type.name:
                    return number, span.start + position
        raise AssertionError("a slot that `Pencil.place` knows is in a block")

    def chunks(self, points: int) -> list[slice]:
        """Slices of the points, of a size that keeps the arrays small."""
        largest = max(block.response.largest for block in self.blocks)
        largest = max(largest, *(block.constant.size for block in self.blocks), self.count**2)
        step = max(1, CHUNK_ENTRIES // largest)
        return [slice(i, i + step) for i in range(0, points, step)]

    @property
    def chord_rate(self) -> float:
        """A factor by which the residual must fall for an old Jacobian to be kept.

        Where there are many unknowns a Jacobian costs as much as several residuals.
        """
        return 0.02 if self.count > 40 else 1e-5

    def self_energy(self, k: Stack) -> list[Stack]:
        """``Sigma``, by block, shape (points, nodes, slots, slots)."""
        return [
            times_real(k[:, block.inputs], block.write).reshape(-1, *block.constant.shape)
            for block in self.blocks
        ]

    def inverse_resolvent(self, z: Stack, epsilon: Array | None, k: Stack) -> list[Stack]:
        """``A(z) - i epsilon - Sigma``, by block; real when ``z`` and ``k`` are."""
        result = []
        for block, sigma in zip(self.blocks, self.self_energy(k), strict=True):
            block_inverse = block.constant + z[:, None, None, None] * block.linear - sigma
            if epsilon is not None:
                diagonal(block_inverse)[...] -= 1j * epsilon[:, None, None]
            result.append(block_inverse)
        return result

    def resolvent(self, z: Stack, epsilon: Array | None, k: Stack) -> list[Stack]:
        """``M``, by block."""
        return [inverse(one) for one in self.inverse_resolvent(z, epsilon, k)]

    def read(self, matrices: list[Stack]) -> Stack:
        """The unknowns of given matrices, shape (points, unknowns)."""
        parts = [
            times_real(one.reshape(len(one), block.constant.size), block.read)
            for one, block in zip(matrices, self.blocks, strict=True)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def jacobian(self, matrices: list[Stack]) -> Stack:
        """``dG/dk``, shape (points, unknowns, unknowns): from ``dM = M dSigma M``."""
        points = len(matrices[0])
        jacobian = np.zeros((points, self.count, self.count), dtype=matrices[0].dtype)
        for block, m in zip(self.blocks, matrices, strict=True):
            block.response.fill(m, jacobian)
        return jacobian

    def linearised(self, matrices: list[Stack]) -> Linearised:
        """The equation's derivative ``1 - dG/dk``, inverted."""
        return Linearised.of(self.jacobian(matrices), self.outside, self.inside)

    def relative(self, difference: Stack, k: Stack) -> Array:
        """The largest difference relative to the size of the unknowns of the same side."""
        size = np.abs(k)
        scale = np.maximum.reduceat(size, self.firsts, axis=1)
        # A side that vanishes has no scale of its own.
        scale = np.maximum(scale, 1e-4 * scale.max(axis=1, keepdims=True) + 1e-300)
        largest = np.maximum.reduceat(np.abs(difference), self.firsts, axis=1)
        return np.asarray((largest / scale).max(axis=1))

    def direct(self, matrices: list[Stack]) -> list[Stack]:
        """``dM/dz`` at constant ``Sigma``, by block."""
        return [
            -product(product(m, np.broadcast_to(block.linear, m.shape)), m)
            for m, block in zip(matrices, self.blocks, strict=True)
        ]

    def derivative(self, z: Stack, k: Stack) -> list[Stack]:
        """``dM/dz``, by block."""
        if not (z.imag.any() or k.imag.any()):
            z, k = z.real, np.ascontiguousarray(k.real)
        matrices = self.resolvent(z, None, k)
        direct = self.direct(matrices)
        step = self.linearised(matrices).solve(self.read(direct))
        sigma = self.self_energy(step)
        return [
            d + product(product(m, s), m) for d, m, s in zip(direct, matrices, sigma, strict=True)
        ]

    def by_type(
        self, blocks: list[Stack], below: Bools, shape: tuple[int, ...]
    ) -> dict[str, Stack]:
        """Blocks as matrices by index type, conjugated below the axis."""
        result = {}
        for block, m in zip(self.blocks, blocks, strict=True):
            full = np.where(below.reshape(-1, *(1,) * (m.ndim - 1)), m.conj(), m)
            for name, span in block.members:
                result[name] = full[..., span, span].reshape(
                    *shape, *m.shape[1:-2], *2 * (span.stop - span.start,)
                )
        return {one.name: result[one.name] for one in self.pencil.types}
