"""The sums of which the self-energy of a pencil is made, and the few unknowns they are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Indices
from rmt.spectra.pencil.pencil import IndexType, Pencil, terms_of

__all__ = ["Expansion", "FieldSum", "Read", "field_sums", "unknowns_of"]


EPS = float(np.finfo(float).eps)
Expansion = dict[tuple[int, ...], tuple[Indices, Array]]  # unknowns and factors of a sum
Read = tuple[tuple[int, int], Array]  # entry, and its pattern over the nodes


@dataclass(frozen=True, slots=True, eq=False)
class FieldSum:
    """``sum_s omega(s) pattern(s) M(s)[p, q]``, on one side of a field.

    The same pattern times a number, at ``[p, q]`` and ``[q, p]``, is what the other side's sum of
    the same terms adds to the self-energy here.
    """

    key: tuple[int, int, int, int, int]  # field, side, factor of the variance, two terms
    pattern: Array  # (nodes,)
    entry: tuple[int, int]
    gain: float  # variance n_other / n_ref


def field_sums(pencil: Pencil, offsets: dict[str, int]) -> dict[str, list[FieldSum]]:
    """The sums that both sides of all fields need, by the name of the index type.

    ``offsets`` are the positions of the types' slots in their blocks.
    """
    result: dict[str, list[FieldSum]] = {one.name: [] for one in pencil.types}
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
            positions = [pencil.place(slot)[1] + offsets[index_type.name] for slot in slots]
            c = [index_type.on_nodes(value, "coefficient") for value in given]
            for a, factor in enumerate(factors[side]):
                for t in range(len(terms)):
                    for u in range(t, len(terms)):
                        p, q = sorted((positions[t], positions[u]))
                        # Two terms of one slot: the pairs (t, u) and (u, t) are at one entry.
                        twice = 2.0 if t != u and p == q else 1.0
                        result[index_type.name].append(
                            FieldSum(
                                (number, side, a, t, u),
                                factor * c[t] * c[u],
                                (p, q),
                                gain * types[1 - side].size * twice,
                            )
                        )
    return result


def unknowns_of(
    placed: list[list[FieldSum]], types: list[IndexType]
) -> tuple[Expansion, list[list[Read]], list[int]]:
    """The sums in terms of the unknowns; how these are read; where groups of like ones start."""
    expansion: Expansion = {}
    reads: list[list[Read]] = []
    firsts, start = [], 0
    for sums, index_type in zip(placed, types, strict=True):
        nodes = index_type.count
        entries = sorted({one.entry for one in sums})
        if nodes * len(entries) < len(sums):
            for one in sums:
                at = start + nodes * entries.index(one.entry)
                expansion[one.key] = np.arange(at, at + nodes), one.pattern
            reads.append([(entry, row) for entry in entries for row in np.eye(nodes)])
            firsts.append(start)
        else:
            for i, one in enumerate(sums):
                expansion[one.key] = np.array([start + i]), np.ones(1)
                if i == 0 or one.key[:2] != sums[i - 1].key[:2]:
                    firsts.append(start + i)
            reads.append([(one.entry, one.pattern) for one in sums])
        start += len(reads[-1])
    return expansion, reads, firsts
