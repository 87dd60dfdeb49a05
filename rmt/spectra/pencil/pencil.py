"""Linear pencils in independent Gaussian matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.spectra.pencil.self_energy import ReducedEquation

__all__ = ["Coefficient", "GaussianField", "IndexType", "Pencil", "Term", "terms_of"]

Coefficient = float | ArrayLike | Callable[[Array], ArrayLike]
"""A number, an array over the nodes of an index type, or a function of its nodes."""
Entries = Mapping[tuple[str, str], Coefficient]


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

    Notes
    -----
    docs/spectra.md, your own model; docs/theory.md, section 4.

    Examples
    --------
    >>> neurons = IndexType("N", 2.0, ["r", "h"], nodes=[-1.0, 1.0], weights=[0.25, 0.75])
    >>> neurons.count, neurons.weights.tolist()
    (2, [0.25, 0.75])
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

    Raises
    ------
    InvalidInputError
        From `Pencil`, which knows the types: unknown slots, coefficients that do not fit the nodes.

    Notes
    -----
    docs/spectra.md, your own model; docs/theory.md, section 4.

    Examples
    --------
    >>> term = Term("r", "u", row_coefficient=lambda s: s**2)
    >>> term.row, term.column, term.column_coefficient
    ('r', 'u', 1.0)
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

    Raises
    ------
    InvalidInputError
        From `Pencil`, which knows the types: unknown slots, a variance that is negative or does not
        fit the nodes.

    Notes
    -----
    docs/spectra.md, your own model; docs/theory.md, section 4.

    Examples
    --------
    >>> GaussianField(Term("r", "u"), reference="d", variance=2.0).terms
    (Term(row='r', column='u', row_coefficient=1.0, column_coefficient=1.0),)
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
    r"""A Hermitian linear pencil: deterministic blocks, affine in ``z``, plus Gaussian blocks.

    It is the Hessian of a quadratic form in the slots,

    .. math::
       H(z) &= A(z) + \sum_{\text{fields, terms}} \left(D_c X D_e + \text{transpose}\right), \\
       A_T(s; z) &= \mathrm{constant}_T(s) + z\, \mathrm{linear}_T(s),

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
    docs/theory.md, section 4. Real coefficients only.

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
        # Loaded here, because that module is written in terms of this one.
        from rmt.spectra.pencil.self_energy import ReducedEquation

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
        first = terms_of(one)[0]
        return self.type_of(first.row), self.type_of(first.column)

    def variance_profile(self, one: GaussianField) -> Array:
        """The variance as an array: of shape () or (row nodes, column nodes)."""
        variance = np.asarray(one.variance, dtype=float)
        rows, columns = self.sides(one)
        what = f"the field of {terms_of(one)[0].row!r} and {terms_of(one)[0].column!r}"
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
        for term in terms_of(one):
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


def terms_of(one: GaussianField) -> tuple[Term, ...]:
    """The terms of a field, as a tuple."""
    return (one.terms,) if isinstance(one.terms, Term) else tuple(one.terms)
