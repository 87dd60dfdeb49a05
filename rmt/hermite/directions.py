"""Directions that an expression depends on, and orthogonal frames made of them, in exact numbers.

A direction is a vector ``c`` of sympy numbers, its first non-zero component 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rmt.hermite.tensor_tables import is_zero
from rmt.lazy import sympy

__all__ = ["Direction", "OrthogonalFrame", "axes", "directions", "principal_axes"]

Direction: TypeAlias = tuple[Any, ...]


def directions(expr: Any, symbols: Sequence[Any]) -> list[Direction]:
    """Vectors such that the expression is a function of ``c.z`` for these ``c`` alone.

    Examples
    --------
    >>> import sympy
    >>> z1, z2 = sympy.symbols("z1 z2", real=True)
    >>> directions(sympy.tanh(2 * z1 - z2) + (2 * z1 - z2) ** 2, [z1, z2])
    [(1, -1/2)]
    """
    if not expr.free_symbols:
        return []
    if isinstance(expr, sympy.core.relational.Relational):
        return directions(expr.lhs - expr.rhs, symbols)
    if isinstance(expr, sympy.Expr) and expr.is_polynomial(*symbols):
        return _polynomial_directions(expr, symbols)
    parts = list(expr.args)
    if isinstance(expr, (sympy.Add, sympy.Mul)):
        polynomials = [a for a in parts if a.is_polynomial(*symbols)]
        parts = [a for a in parts if a not in polynomials] + [expr.func(*polynomials)]
    found: list[Direction] = []
    for part in parts:
        for direction in directions(part, symbols):
            if not any(_same(direction, other) for other in found):
                found.append(direction)
    return found


def _polynomial_directions(expr: Any, symbols: Sequence[Any]) -> list[Direction]:
    gradient = [sympy.expand(sympy.diff(expr, symbol)) for symbol in symbols]
    values = sympy.Rational(3, 7), sympy.Rational(5, 11), sympy.Rational(-2, 13)
    point = dict(zip(symbols, values, strict=False))
    vector = [component.xreplace(point) for component in gradient]
    pivots = [i for i, component in enumerate(vector) if not is_zero(component)]
    # A ridge polynomial has parallel gradients everywhere.
    if pivots:
        i = pivots[0]
        crossed = (
            sympy.expand(vector[i] * gradient[j] - vector[j] * gradient[i])
            for j in range(len(symbols))
        )
        if all(_is_zero_polynomial(component, symbols) for component in crossed):
            return [_primitive(vector)]
    free = expr.free_symbols
    return [
        axis for axis, symbol in zip(axes(len(symbols)), symbols, strict=True) if symbol in free
    ]


def _is_zero_polynomial(expr: Any, symbols: Sequence[Any]) -> bool:
    return not expr or all(map(is_zero, sympy.Poly(expr, *symbols).coeffs()))


def principal_axes(quadratic: Any, symbols: Sequence[Any]) -> list[Direction]:
    """Directions in which the quadratic part has no cross terms, where they are simple numbers."""
    matrix = sympy.hessian(sympy.expand(quadratic), symbols) / 2
    part = sympy.expand(
        sum(matrix[i, j] * x * y for i, x in enumerate(symbols) for j, y in enumerate(symbols))
    )
    ridge = directions(part, symbols)
    if len(ridge) < 2 or matrix.is_diagonal() or not all(x.is_Rational for x in matrix):
        return ridge if len(ridge) == 1 else []
    found = matrix.eigenvects()
    if not all(value.is_Rational for value, _, _ in found):
        return []
    return [tuple(vector) for _, _, vectors in found for vector in vectors]


def axes(n_variables: int) -> list[Direction]:
    """The coordinate axes."""
    return [tuple(sympy.Integer(i == j) for j in range(n_variables)) for i in range(n_variables)]


class OrthogonalFrame:
    """Orthogonal vectors, and which of them are tied together by a factor."""

    def __init__(self) -> None:
        self.vectors: list[Direction] = []
        self.ties: list[set[int]] = []

    def add(self, direction: Sequence[Any], only_orthogonal: bool = False) -> set[int]:
        """The vectors that a direction is a combination of; what is missing becomes a new one."""
        touched = set()
        residual = list(direction)
        for j, c in enumerate(self.vectors):
            dot = _dot(direction, c)
            if not is_zero(dot):
                touched.add(j)
                residual = [x - dot / _dot(c, c) * y for x, y in zip(residual, c, strict=True)]
        if only_orthogonal and touched:
            return set()
        if not all(is_zero(x) for x in residual):
            touched.add(len(self.vectors))
            self.vectors.append(_primitive(residual))
            self.ties.append({len(self.vectors) - 1})
        return touched

    def tie(self, indices: set[int]) -> None:
        """Join the groups of these vectors into one."""
        joined = [tie for tie in self.ties if tie & indices]
        self.ties = [tie for tie in self.ties if not tie & indices]
        self.ties.append(set().union(*joined))

    def unit(self, j: int) -> list[Any]:
        """``c_j / |c_j|``."""
        c = self.vectors[j]
        norm = sympy.sqrt(_dot(c, c))
        return [sympy.radsimp(x / norm) for x in c]

    def in_terms_of(self, units: Mapping[int, Any], symbols: Sequence[Any]) -> dict[Any, Any]:
        """Each variable as ``sum_j w_j c_j / |c_j|`` over the directions that are given."""
        return {
            symbol: sympy.Add(*(w * self.unit(j)[i] for j, w in units.items()))
            for i, symbol in enumerate(symbols)
        }


def _primitive(vector: Sequence[Any]) -> Direction:
    """The same direction, its first non-zero component 1, what vanishes an exact zero."""
    cleaned = [sympy.Integer(0) if is_zero(c) else c for c in vector]
    leading = next(c for c in cleaned if c)
    return tuple(sympy.radsimp(sympy.expand(c / leading)) for c in cleaned)


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(x == y or is_zero(x - y) for x, y in zip(a, b, strict=True))


def _dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return sympy.expand(sum(x * y for x, y in zip(a, b, strict=True)))
