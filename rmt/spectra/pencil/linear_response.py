"""The derivative of the reduced Dyson equation, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Indices
from rmt.spectra.pencil.stacked_matrices import Stack, solve_linear, times_real

__all__ = ["BlockResponse", "Linearised", "block_response"]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """The unknowns that are read at, or written to, one entry of a block."""

    place: tuple[int, int]
    unknowns: Indices
    pattern: Array  # (unknowns, nodes)


@dataclass(frozen=True, slots=True, eq=False)
class ManyNodes:
    """How the unknowns that a block reads answer to those that it writes to its self-energy.

    ``sum_s R_i(s) (M[p, v] M[q, w] + M[p, w] M[q, v]) W_j(s)``, with ``i`` read at ``(p, q)`` and
    ``j`` written to ``(v, w)``; the second product only if ``v`` and ``w`` differ.
    """

    reads: list[_Entry]
    writes: list[_Entry]

    @property
    def largest(self) -> int:
        """Size of the largest array that a point needs."""
        return max((one.pattern.size for one in self.writes), default=1)

    def fill(self, m: Stack, jacobian: Stack) -> None:
        """Add to ``jacobian``, shape (points, unknowns, unknowns), for the matrices of a block."""
        for one in self.reads:
            p, q = one.place
            for other in self.writes:
                v, w = other.place
                product = m[:, :, p, v] * m[:, :, q, w]
                if v != w:
                    product = product + m[:, :, p, w] * m[:, :, q, v]
                part = _between(one.pattern, product, other.pattern)
                jacobian[:, one.unknowns[:, None], other.unknowns] += part


@dataclass(frozen=True, slots=True, eq=False)
class OneNode:
    """The same for a block with a single node, where all entries are done at once."""

    places: tuple[Indices, Indices, Indices, Indices]  # pv, qw, pw, qv in the flat matrix
    factors: Array  # of every unknown that is read, as a column
    rows: Indices
    twice: Array  # of every entry that is written, 1 if it is off the diagonal
    spread: Array  # (entries written, inputs)
    columns: Indices

    @property
    def largest(self) -> int:
        """Size of the largest array that a point needs."""
        return self.rows.size * self.twice.size

    def fill(self, m: Stack, jacobian: Stack) -> None:
        """Add to ``jacobian``, shape (points, unknowns, unknowns), for the matrices of a block."""
        flat = m.reshape(len(m), m.shape[-1] ** 2)
        pv, qw, pw, qv = (flat.take(one, axis=1) for one in self.places)
        products = pv * qw + pw * qv * self.twice
        answers = times_real(products * self.factors, self.spread)
        jacobian[:, self.rows, self.columns] += answers


BlockResponse = ManyNodes | OneNode


def block_response(read: Array, write: Array, start: int, inputs: Indices) -> BlockResponse:
    """From arrays (unknowns, nodes, slots, slots); a block's unknowns begin at ``start``."""
    reads = _entries(read, np.arange(start, start + len(read)))
    writes = _entries(write, inputs)
    if read.shape[1] > 1 or not (reads and writes):
        return ManyNodes(reads, writes)
    v, w = np.array([one.place for one in writes]).T
    places = np.repeat([one.place for one in reads], [one.unknowns.size for one in reads], axis=0)
    spread = np.zeros((len(writes), inputs.size))
    for row, one in enumerate(writes):
        spread[row, np.searchsorted(inputs, one.unknowns)] = one.pattern[:, 0]
    size = read.shape[-1]
    p, q = places[:, :1], places[:, 1:]
    return OneNode(
        (size * p + v, size * q + w, size * p + w, size * q + v),
        np.concatenate([one.pattern for one in reads]),
        np.concatenate([one.unknowns for one in reads])[:, None],
        np.asarray(v != w, dtype=float),
        spread,
        inputs,
    )


def _entries(array: Array, unknowns: Indices) -> list[_Entry]:
    size = array.shape[-1]
    result = []
    for p in range(size):
        for q in range(p, size):
            here = np.flatnonzero(np.any(array[:, :, p, q] != 0, axis=1))
            if here.size:
                pattern = np.ascontiguousarray(array[here, :, p, q])
                result.append(_Entry((p, q), unknowns[here], pattern))
    return result


def _between(left: Array, middle: Stack, right: Array) -> Stack:
    """``left diag(middle) right^T`` for every point, in real arithmetic."""
    if middle.dtype.kind != "c":
        return np.asarray(left @ (middle[:, :, None] * right.T))
    result = np.empty((len(middle), len(left), len(right)), dtype=complex)
    result.real = left @ (middle.real[:, :, None] * right.T)
    result.imag = left @ (middle.imag[:, :, None] * right.T)
    return result


@dataclass(slots=True, eq=False)
class Linearised:
    """``1 - dG/dk`` at points, inverted.

    With ``inside`` unknowns that do not act on each other, ``outside`` the others, and ``S`` the
    Schur complement ``1 - J_oo - J_oi J_io``, a solution is ``x_o = S^{-1} (b_o + J_oi b_i)``,
    ``x_i = b_i + J_io x_o``.
    """

    outside: Indices
    inside: Indices
    schur: Stack  # (points, outside, outside): the inverse
    into: Stack  # (points, outside, inside)
    out: Stack  # (points, inside, outside)

    @classmethod
    def of(cls, jacobian: Stack, outside: Indices, inside: Indices) -> Linearised:
        """From the Jacobian ``dG/dk``."""
        if not inside.size:
            none = np.zeros((len(jacobian), 0, 0))
            schur = solve_linear(_one_minus(jacobian), None)
            return cls(outside, inside, schur, none, none)
        o, i = outside[:, None], inside[:, None]
        into, out = jacobian[:, o, inside], jacobian[:, i, outside]
        matrix = _one_minus(jacobian[:, o, outside] + into @ out)
        return cls(outside, inside, solve_linear(matrix, None), into, out)

    def solve(self, right: Stack, at: Indices | None = None) -> Stack:
        """``(1 - dG/dk)^{-1} right``, shape (points, unknowns), for all points or some of them."""
        if at is None or at.size == len(self.schur):
            return _apply(right, self, self.schur, self.into, self.out)
        result = np.empty(right.shape, dtype=np.result_type(right, self.schur))
        for row, i in enumerate(at.tolist()):  # the matrices of some points would be copied
            parts = self.schur[i : i + 1], self.into[i : i + 1], self.out[i : i + 1]
            result[row] = _apply(right[row : row + 1], self, *parts)[0]
        return result

    def bound(self, size: Array) -> Array:
        """At least ``|(1 - dG/dk)^{-1}| size`` of absolute values."""
        return np.asarray(
            _apply(size, self, np.abs(self.schur), np.abs(self.into), np.abs(self.out))
        )

    def put(self, index: Indices, new: Linearised) -> None:
        """Replace it at some of the points."""
        self.schur[index], self.into[index], self.out[index] = new.schur, new.into, new.out


def _one_minus(matrices: Stack) -> Stack:
    result = -matrices
    size = result.shape[-1]
    result.reshape(len(result), size**2)[:, :: size + 1] += 1.0
    return result


def _apply(right: Stack, one: Linearised, schur: Stack, into: Stack, out: Stack) -> Stack:
    if not one.inside.size:
        return np.asarray((schur @ right[..., None])[..., 0])
    b, c = right[:, one.outside], right[:, one.inside]
    x = (schur @ (b + (into @ c[..., None])[..., 0])[..., None])[..., 0]
    result = np.empty(right.shape, dtype=np.result_type(x, right))
    result[:, one.outside] = x
    result[:, one.inside] = c + (out @ x[..., None])[..., 0]
    return result
