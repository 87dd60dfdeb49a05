"""Linear pencils in independent Gaussian matrices, and their Dyson equation in few unknowns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.status import InvalidInputError

__all__ = ["BlockDiagonal", "Coefficient", "GaussianField", "IndexType", "Pencil", "Term"]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Coefficient = float | ArrayLike | Callable[[Array], ArrayLike]
"""A number, an array over the nodes of an index type, or a function of its nodes."""
Entries = Mapping[tuple[str, str], Coefficient]

EPS = float(np.finfo(float).eps)
CHUNK_ENTRIES = 2_000_000  # complex numbers in the largest intermediate array


@dataclass(frozen=True, slots=True, eq=False)
class IndexType:
    """A set of indices that are alike: neurons, input dimensions, samples.

    Parameters
    ----------
    name : str
        For example ``"N"``.
    size : float
        Relative size ``n_T > 0``; only the ratios between the types of a pencil matter.
    slots : sequence of str
        The blocks of the pencil indexed by this set. Names are unique within a pencil.
    nodes : array, shape (nodes,)
        Values ``s`` that tell indices of the type apart; left out when all are alike.
    weights : array, shape (nodes,)
        Probability weights ``omega_T(s)``; equal when left out.

    Raises
    ------
    InvalidInputError
        A size that is not positive, no or repeated slots, weights that are negative or do not add
        up to 1.
    """

    name: str
    size: float
    slots: Sequence[str]
    nodes: ArrayLike = (0.0,)
    weights: ArrayLike | None = None

    def __post_init__(self) -> None:
        where = f"index type {self.name!r}"
        if not 0 < float(self.size) < math.inf:
            raise InvalidInputError(f"{where}: size must be positive, got {self.size!r}")
        slots = (self.slots,) if isinstance(self.slots, str) else tuple(self.slots)
        if not slots or len(set(slots)) != len(slots):
            raise InvalidInputError(f"{where}: slots must be distinct names, got {slots!r}")
        nodes = np.asarray(self.nodes, dtype=float)
        if nodes.ndim != 1 or not nodes.size:
            raise InvalidInputError(f"{where}: nodes must have shape (nodes,), got {nodes.shape}")
        equal = np.full(nodes.size, 1.0 / nodes.size)
        weights = equal if self.weights is None else np.asarray(self.weights, dtype=float)
        if weights.shape != nodes.shape:
            raise InvalidInputError(
                f"{where}: weights have shape {weights.shape}, the nodes {nodes.shape}"
            )
        if not (np.all(weights >= 0) and abs(weights.sum() - 1.0) <= 1e-8):
            raise InvalidInputError(
                f"{where}: weights must not be negative and add up to 1, not {weights.sum():.10g}"
            )
        object.__setattr__(self, "slots", slots)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "weights", weights)

    @property
    def count(self) -> int:
        """The number of nodes."""
        return int(np.size(self.nodes))

    def on_nodes(self, value: Coefficient, what: str) -> Array:
        """A coefficient as an array over the nodes."""
        raw = value(np.asarray(self.nodes)) if callable(value) else value
        result = np.asarray(raw, dtype=float)
        if result.shape not in ((), (self.count,)):
            raise InvalidInputError(
                f"{what}: expected a number or shape ({self.count},), the nodes of type "
                f"{self.name!r}; got shape {result.shape}"
            )
        if not np.isfinite(result).all():
            raise InvalidInputError(f"{what}: must be finite")
        return np.array(np.broadcast_to(result, (self.count,)))


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One place where a field enters: ``row^T D_c X D_e column`` in the quadratic form.

    Parameters
    ----------
    row, column : str
        Slots.
    row_coefficient, column_coefficient : float, array or function of the nodes
        The diagonals ``c(s)`` and ``e(s')`` of ``D_c`` and ``D_e``.
    """

    row: str
    column: str
    row_coefficient: Coefficient = 1.0
    column_coefficient: Coefficient = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class GaussianField:
    """A matrix of independent centred Gaussian entries of variance ``variance / n_reference``.

    Parameters
    ----------
    terms : Term or sequence of Term
        Every place where the same matrix enters. The row slots share one index type, and so do the
        column slots.
    reference : str
        The index type whose size divides the variance.
    variance : float or array, shape (row nodes, column nodes)
        A number, or a variance profile ``V(s, s')``.
    """

    terms: Term | Sequence[Term]
    reference: str
    variance: float | ArrayLike = 1.0

    def __post_init__(self) -> None:
        terms = (self.terms,) if isinstance(self.terms, Term) else tuple(self.terms)
        if not terms:
            raise InvalidInputError("a Gaussian field needs at least one term")
        object.__setattr__(self, "terms", terms)


@dataclass(frozen=True, eq=False)
class Pencil:
    """A Hermitian linear pencil: deterministic blocks, affine in ``z``, plus Gaussian blocks.

    It is the Hessian of a quadratic form in the slots,

        H(z) = A(z) + sum over fields and terms of D_c X D_e and its transpose,
        A_T(s; z) = constant_T(s) + z linear_T(s),

    whose inverse carries the resolvents. An auxiliary variable is two slots: ``q = B u`` is the
    pair ``lambda^T (q - B u)``, so ``("lambda", "q"): 1`` and ``("lambda", "u"): -B``.

    Parameters
    ----------
    types : sequence of IndexType
    fields : sequence of GaussianField
    constant, linear : mapping of pairs of slots
        The entries of the *Hessian* (twice the diagonal coefficients of the quadratic form), each
        given once, whichever way round: numbers, arrays over the nodes, or functions of the nodes.
        ``-linear`` is positive semidefinite: then ``Im M >= 0`` for ``Im z > 0``, which tells the
        right branch of the Dyson equation from the others.

    Raises
    ------
    InvalidInputError
        Unknown or repeated slots, a block between different types, wrong shapes (the message names
        the block), a negative variance, ``-linear`` not positive semidefinite.

    Notes
    -----
    theory.md, section 4. Real coefficients only.

    Examples
    --------
    Marchenko-Pastur: ``-|r|^2 / 2 - z |u|^2 / 2 + r^T W u``, so the ``u`` block of the inverse is
    ``(W^T W - z)^{-1}``.

    >>> pencil = Pencil(
    ...     types=[IndexType("N", 2.0, ["r"]), IndexType("d", 1.0, ["u"])],
    ...     fields=[GaussianField(Term("r", "u"), reference="d")],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    >>> pencil.type_of("u").name
    'd'

    The conjugate kernel ``F F^T / N``, ``F = 0.8 X W^T + 0.6 Z`` of shape ``n x N``, with the
    auxiliary variable ``q = X^T u / sqrt(N)`` and its multiplier ``l``:

    >>> kernel = Pencil(
    ...     types=[
    ...         IndexType("N", 900, ["r"]),
    ...         IndexType("d", 400, ["q", "l"]),
    ...         IndexType("n", 600, ["u"]),
    ...     ],
    ...     fields=[
    ...         GaussianField(Term("r", "q", 0.8), reference="d"),
    ...         GaussianField(Term("u", "l", -1.0), reference="N"),
    ...         GaussianField(Term("r", "u", 0.6), reference="N"),
    ...     ],
    ...     constant={("r", "r"): -1.0, ("q", "l"): 1.0},
    ...     linear={("u", "u"): -1.0},
    ... )

    ``W + A W B`` with diagonal ``A`` and ``B``: one field in two places.

    >>> sandwich = Pencil(
    ...     types=[IndexType("N", 1.2, ["r"], [-1, 0.5, 2]), IndexType("d", 1, ["u"], [0.3, 0.9])],
    ...     fields=[
    ...         GaussianField(
    ...             [Term("r", "u"), Term("r", "u", lambda a: a, lambda b: b)], reference="d"
    ...         )
    ...     ],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    """

    types: Sequence[IndexType]
    fields: Sequence[GaussianField]
    constant: Entries
    linear: Entries
    constant_blocks: dict[str, Array] = field(init=False, repr=False)
    linear_blocks: dict[str, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        types, fields = tuple(self.types), tuple(self.fields)
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "fields", fields)
        names = [index_type.name for index_type in types]
        slots = [slot for index_type in types for slot in index_type.slots]
        for what, values in (("index types", names), ("slots", slots)):
            if len(set(values)) != len(values):
                raise InvalidInputError(f"the names of {what} must be distinct, got {values}")
        if not fields:
            raise InvalidInputError("a pencil needs at least one Gaussian field")
        for one in fields:
            self._check_field(one)
        object.__setattr__(self, "constant_blocks", self._blocks(self.constant, "constant"))
        object.__setattr__(self, "linear_blocks", self._blocks(self.linear, "linear"))
        for index_type in types:
            linear = self.linear_blocks[index_type.name]
            if np.linalg.eigvalsh(linear).max() > 1e-12 * np.abs(linear).max():
                raise InvalidInputError(
                    f"linear: -linear must be positive semidefinite, but on type "
                    f"{index_type.name!r} it is not; change the sign of the quadratic form or use "
                    "a linearisation in which z enters as -(z/2) |u|^2"
                )

    @cached_property
    def equation(self) -> ReducedEquation:
        """The Dyson equation in the unknowns of the solver."""
        return ReducedEquation(self)

    def type_of(self, slot: str) -> IndexType:
        """The index type that owns a slot."""
        for index_type in self.types:
            if slot in index_type.slots:
                return index_type
        known = [name for index_type in self.types for name in index_type.slots]
        raise InvalidInputError(f"there is no slot {slot!r}; the slots are {known}")

    def type_named(self, name: str) -> IndexType:
        """The index type of a name."""
        for index_type in self.types:
            if index_type.name == name:
                return index_type
        known = [index_type.name for index_type in self.types]
        raise InvalidInputError(f"there is no index type {name!r}; the types are {known}")

    def place(self, slot: str) -> tuple[IndexType, int]:
        """The index type that owns a slot, and the position of the slot in it."""
        index_type = self.type_of(slot)
        return index_type, list(index_type.slots).index(slot)

    def sides(self, one: GaussianField) -> tuple[IndexType, IndexType]:
        """The row type and the column type of a field."""
        first = _terms(one)[0]
        return self.type_of(first.row), self.type_of(first.column)

    def variance_profile(self, one: GaussianField) -> Array:
        """The variance as an array: of shape () or (row nodes, column nodes)."""
        variance = np.asarray(one.variance, dtype=float)
        rows, columns = self.sides(one)
        what = f"the field of {_terms(one)[0].row!r} and {_terms(one)[0].column!r}"
        if variance.shape not in ((), (rows.count, columns.count)):
            raise InvalidInputError(
                f"{what}: the variance must be a number or have shape "
                f"{(rows.count, columns.count)}, got shape {variance.shape}"
            )
        if not np.all((variance >= 0) & np.isfinite(variance)):
            raise InvalidInputError(f"{what}: the variance must be finite and not negative")
        return variance

    def _check_field(self, one: GaussianField) -> None:
        rows, columns = self.sides(one)
        self.type_named(one.reference)
        for term in _terms(one):
            if self.type_of(term.row) is not rows or self.type_of(term.column) is not columns:
                raise InvalidInputError(
                    f"a field of shape {rows.name} x {columns.name} cannot enter between slot "
                    f"{term.row!r} of type {self.type_of(term.row).name!r} and slot "
                    f"{term.column!r} of type {self.type_of(term.column).name!r}"
                )
            rows.on_nodes(term.row_coefficient, f"row coefficient of {term.row!r}")
            columns.on_nodes(term.column_coefficient, f"column coefficient of {term.column!r}")
        self.variance_profile(one)

    def _blocks(self, entries: Entries, what: str) -> dict[str, Array]:
        blocks = {
            index_type.name: np.zeros((index_type.count, *2 * (len(index_type.slots),)))
            for index_type in self.types
        }
        seen: set[frozenset[str]] = set()
        for pair, value in entries.items():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise InvalidInputError(f"{what}: expected a pair of slots, got {pair!r}")
            (first, i), (second, j) = self.place(pair[0]), self.place(pair[1])
            if first is not second:
                raise InvalidInputError(
                    f"{what}: block {pair} joins type {first.name!r} and type {second.name!r}; "
                    "a deterministic block stays within one type"
                )
            if frozenset(pair) in seen:
                raise InvalidInputError(f"{what}: block {pair} is given twice")
            seen.add(frozenset(pair))
            block = first.on_nodes(value, f"{what}: block {pair}")
            blocks[first.name][:, i, j] = blocks[first.name][:, j, i] = block
        return blocks


@dataclass(frozen=True, slots=True, eq=False)
class BlockDiagonal:
    """Matrices ``M_T(s)`` between the slots of every index type, at points ``z``.

    Attributes
    ----------
    pencil : Pencil
    matrices : dict of str to complex array, shape (..., nodes, slots, slots)
        By the name of the index type; leading axes are those of ``z``.
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


def _terms(one: GaussianField) -> tuple[Term, ...]:
    return (one.terms,) if isinstance(one.terms, Term) else tuple(one.terms)


# --- the equation in its reduced unknowns ---------------------------------------------------------


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
        terms = _terms(one)
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


def diagonal(matrices: ComplexArray) -> ComplexArray:
    """A view of the diagonals."""
    view: ComplexArray = np.einsum("...ii->...i", matrices)
    return view


def inverse(matrices: ComplexArray) -> ComplexArray:
    if matrices.shape[-1] == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 / matrices)
    return solve_linear(matrices, None)


def solve_linear(matrices: ComplexArray, right: ComplexArray | None) -> ComplexArray:
    """`numpy.linalg`, with nan for a singular matrix of the batch."""
    try:
        return np.asarray(
            np.linalg.inv(matrices) if right is None else np.linalg.solve(matrices, right)
        )
    except np.linalg.LinAlgError:
        singular = np.linalg.det(matrices) == 0
        safe = np.where(singular[..., None, None], np.eye(matrices.shape[-1]), matrices)
        result = np.linalg.inv(safe) if right is None else np.linalg.solve(safe, right)
        return np.asarray(np.where(singular[..., None, None], np.nan, result))
