"""Proof, in exact numbers, that what a staircase takes to be zero is zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.hermite.directions import OrthogonalFrame, axes
from rmt.hermite.tensor import TensorHermiteExpansion
from rmt.hermite.tensor_tables import (
    ZERO,
    Estimate,
    Index,
    Table,
    plus,
    settled,
    times,
    transformed,
)
from rmt.lazy import sympy

__all__ = ["StaircaseProof"]


class StaircaseProof:
    """The same steps in exact numbers, as long as every zero is an exact one.

    ``F(t) = E[f(z + t)]`` is rewritten in coordinates of the learned subspace and of its complement
    (orthogonal vectors with exact components); what must vanish are coefficients of monomials.
    Where no zero has to be shown nothing is computed. The proof is given up where the coordinates
    are not algebraic numbers: zeros are then out of reach.
    """

    def __init__(
        self,
        expansion: TensorHermiteExpansion,
        learned: Sequence[Sequence[Any]] = (),
        newest: Array | None = None,
    ) -> None:
        self._expansion = expansion
        self._learned = list(learned)
        self.newest = newest

    @cached_property
    def _basis(self) -> list[tuple[Any, ...]]:
        """Orthogonal vectors: first of the learned subspace, then of its complement."""
        frame = OrthogonalFrame()
        for vector in [*self._learned, *axes(self._expansion.n_variables)]:
            frame.add(vector)
        return frame.vectors

    @cached_property
    def _table(self) -> Table:
        """Coefficients of `F` in the new coordinates; those that are missing are exactly zero."""
        estimates = self._expansion.estimates.items()
        present = [(alpha, mu) for alpha, mu in estimates if mu.value or mu.error]
        rows = [[vector[i] for vector in self._basis] for i in range(len(self._basis))]
        return transformed(present, rows, self._expansion.degree)

    def _vanishes_below(self, order: int) -> bool:
        """Whether no monomial holds 1 .. order - 1 coordinates of the complement."""
        if not self._is_algebraic():
            return False
        numbers = [x for alpha, x in self._table.items() if 0 < self._outside(alpha) < order]
        return all(_is_exact_zero(x) for x in sorted(numbers, key=lambda x: x.error, reverse=True))

    def _outside(self, alpha: Index) -> int:
        return sum(alpha[len(self._learned) :])

    def nothing_left(self) -> StaircaseProof | None:
        """This proof, if no monomial at all holds coordinates of the complement."""
        return self if self._vanishes_below(self._expansion.degree + 1) else None

    def learned(self, order: int, count: int) -> StaircaseProof | None:
        """The proof after a step, if what counted as zero is; None where that is not shown."""
        v, r = len(self._learned), self._expansion.n_variables
        if order > 1 and not self._vanishes_below(order):
            return None
        if count == r - v:
            return StaircaseProof(self._expansion, axes(r))
        if not self._is_algebraic():
            return None
        columns = self._gradients(order)
        new = self._span(columns, count)
        if new is None:
            return None
        grown = StaircaseProof(
            self._expansion,
            [*self._learned, *new],
            np.array([[float(x) for x in vector] for vector in new]).T,
        )
        if len(columns) > count:
            if not grown._is_algebraic():
                return None
            for normal in grown._basis[v + count :]:
                if not all(_is_orthogonal(normal, column) for column in columns):
                    return None
        return grown

    def _is_algebraic(self) -> bool:
        return all(x.is_algebraic is True for vector in self._learned for x in vector)

    def _gradients(self, order: int) -> list[list[Estimate]]:
        """The contractions of one degree as vectors of R^r, one for each remaining monomial."""
        v, r = len(self._learned), self._expansion.n_variables
        columns: dict[Index, list[Estimate]] = {}
        for alpha, number in self._table.items():
            if self._outside(alpha) != order:
                continue
            for j in range(v, r):
                if alpha[j]:
                    rest = (*alpha[:j], alpha[j] - 1, *alpha[j + 1 :])
                    column = columns.setdefault(rest, [ZERO] * r)
                    # dF/dq_j = p_j . grad F, and the p_j are orthogonal.
                    c = self._basis[j]
                    square = sum(x * x for x in c)
                    for i in range(r):
                        part = times(Estimate(c[i] / square), number)
                        column[i] = plus(column[i], part)
        return list(columns.values())

    def _span(self, columns: list[list[Estimate]], count: int) -> list[list[Any]] | None:
        """Exact vectors among these directions that span them, as far as doubles can tell."""
        numbers = np.array([[float(x) for x in column] for column in columns]).T
        size = np.linalg.norm(numbers, axis=0)
        chosen: list[list[Any]] = []
        residual = numbers.copy()
        for _ in range(count):
            best = int(np.argmax(np.linalg.norm(residual, axis=0)))
            vector = _exact_direction(columns[best])
            if vector is None or not size[best]:
                return None
            chosen.append(vector)
            q, _ = np.linalg.qr(np.array([[float(x) for x in c] for c in chosen]).T)
            residual = numbers - q @ (q.T @ numbers)
        return chosen


def _exact_direction(column: Sequence[Estimate]) -> list[Any] | None:
    """The direction of a vector, if it is exact: a coordinate axis always is."""
    present = [i for i, x in enumerate(column) if not _is_exact_zero(x)]
    if len(present) == 1:
        return [sympy.Integer(i == present[0]) for i in range(len(column))]
    if any(x.error for x in column):
        return None
    largest = max((x.value for x in column), key=lambda value: abs(float(value)))
    return [sympy.radsimp(sympy.expand(x.value / largest)) for x in column]


def _is_exact_zero(number: Estimate) -> bool:
    final = settled(number)
    return not final.error and not final.value


def _is_orthogonal(normal: Sequence[Any], column: Sequence[Estimate]) -> bool:
    total = ZERO
    for x, y in zip(normal, column, strict=True):
        total = plus(total, times(Estimate(x), y))
    return _is_exact_zero(total)
