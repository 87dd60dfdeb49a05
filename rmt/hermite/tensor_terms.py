"""Hermite coefficients of a function of several variables, by terms, factors and groups.

A function is multiplied out into terms polynomial x factors, and the factors are gathered into
groups that depend on orthogonal directions. With ``F(t) = E[f(z + t)]``, independent groups
multiply, a rotation of `z` rotates `t`, and ``z_i f`` becomes ``(t_i + d/dt_i) F``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from rmt.caching import cached
from rmt.expressions.construction import variable
from rmt.functions.scalar_function import ScalarFunction
from rmt.hermite.directions import OrthogonalFrame, axes, directions, principal_axes
from rmt.hermite.rewriting import rebuilt, sign_symmetries, substituted
from rmt.hermite.tensor_quadrature import quadrature_coefficients
from rmt.hermite.tensor_tables import (
    EPSILON,
    ZERO,
    Estimate,
    Index,
    Table,
    added,
    factorial,
    is_zero,
    multi_indices,
    plus,
    product,
    times_polynomial,
    transformed,
)
from rmt.lazy import sympy

__all__ = ["coefficient_table"]

_Factors: TypeAlias = Mapping[Any, int]  # with their powers


def coefficient_table(expr: Any, symbols: Sequence[Any], degree: int) -> Table:
    """``mu_alpha`` for ``|alpha| <= degree``; those that are exactly zero may be missing.

    Examples
    --------
    >>> import sympy
    >>> z1, z2 = sympy.symbols("z1 z2", real=True)
    >>> coefficient_table(z1 * sympy.sign(z2), [z1, z2], 2)[1, 1].value
    sqrt(2)/sqrt(pi)
    """
    tables = []
    for factors, polynomial in _terms(_split_switches(expr, symbols), symbols):
        highest = degree + max(sum(exponents) for exponents in polynomial)
        table: Table = {(0,) * len(symbols): Estimate(1)}
        for group in _groups(factors, symbols):
            table = product(table, _group_table(group, highest), highest)
        table = times_polynomial(table, polynomial)
        tables.append({alpha: mu for alpha, mu in table.items() if sum(alpha) <= degree})
    total = added(tables)
    # Here, once more, for parities that only the sum of the terms has.
    if any(mu.error for mu in total.values()):
        allowed = set(_not_zero_by_parity(expr, symbols, degree))
        total = {alpha: mu for alpha, mu in total.items() if alpha in allowed}
    return total


def _not_zero_by_parity(expr: Any, symbols: Sequence[Any], degree: int) -> list[Index]:
    symmetries = sign_symmetries(expr, symbols)
    return [
        alpha
        for alpha in multi_indices(len(symbols), degree)
        if all(
            (-1) ** sum(a for a, flip in zip(alpha, flips, strict=True) if flip) == parity
            for flips, parity in symmetries
        )
    ]


# Terms


def _terms(expr: Any, symbols: Sequence[Any]) -> list[tuple[_Factors, Table]]:
    """The function as a sum of products of non-polynomial factors, each times a polynomial.

    Returns pairs: the factors with their powers, and the polynomial as exponents -> coefficient.
    """
    names: dict[Any, Any] = {}

    def skeleton(e: Any) -> Any:
        if not e.free_symbols or e.is_Symbol:
            return e
        if e.is_Add or e.is_Mul:
            return e.func(*map(skeleton, e.args))
        if e.is_Pow and e.exp.is_Integer and e.exp.is_positive:
            return skeleton(e.base) ** e.exp
        return names.setdefault(e, sympy.Dummy(real=True))

    expanded = sympy.expand(skeleton(expr))
    factor_of = {name: factor for factor, name in names.items()}
    found: dict[frozenset[tuple[Any, int]], Table] = {}
    for term in sympy.Add.make_args(expanded):
        constant, rest = term.as_independent(*symbols, *factor_of, as_Add=False)
        if not constant:
            continue
        powers = {base: int(power) for base, power in rest.as_powers_dict().items() if base != 1}
        exponents = tuple(powers.get(symbol, 0) for symbol in symbols)
        factors = frozenset(
            (factor_of[base], power) for base, power in powers.items() if base in factor_of
        )
        number = Estimate(constant)
        if constant.has(sympy.Float):
            number = Estimate(float(constant), abs(float(constant)) * EPSILON)
        polynomial = found.setdefault(factors, {})
        polynomial[exponents] = plus(polynomial.get(exponents, ZERO), number)
    return [(dict(factors), polynomial) for factors, polynomial in found.items()]


def _split_switches(expr: Any, symbols: Sequence[Any]) -> Any:
    """``abs``, ``sign``, ``max`` of products of independent factors as products of such.

    ``max(a, b) = (a + b + |a - b|) / 2``; ``|u v| = |u| |v|``. Done where every factor depends on
    one linear combination and the whole does not.
    """

    def split(e: Any) -> Any:
        if len(directions(e, symbols)) < 2 or len(e.args) > 2:
            return e
        is_pair = isinstance(e, (sympy.Max, sympy.Min))
        inner = e.args[0] - e.args[1] if is_pair else e.args[0]
        if inner.is_polynomial(*symbols):
            inner = sympy.factor(inner)
        factors = [f.as_base_exp() for f in sympy.Mul.make_args(inner)]
        if any(len(directions(base, symbols)) > 1 for base, _ in factors):
            return e
        switch = sympy.sign if isinstance(e, (sympy.sign, sympy.Heaviside)) else sympy.Abs
        value = sympy.Mul(*(switch(base) ** power for base, power in factors))
        if isinstance(e, sympy.Heaviside):
            return (1 + value) / 2
        if is_pair:
            sign = 1 if isinstance(e, sympy.Max) else -1
            return (e.args[0] + e.args[1] + sign * value) / 2
        return value

    classes = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside)
    return rebuilt(expr, {}, lambda e: split(e) if isinstance(e, classes) else e)


# Groups of factors


class _Group(NamedTuple):
    """A product of factors that depends on ``w_j = c_j.z / |c_j|`` for orthogonal ``c_j``."""

    expression: Any  # in the symbols z (one direction) or z1, z2, .. (several)
    directions: list[list[Any]]  # c_j / |c_j|


def _groups(factors: _Factors, symbols: Sequence[Any]) -> list[_Group]:
    """The factors, gathered into groups that depend on orthogonal directions."""
    frame = OrthogonalFrame()
    located: list[tuple[Any, set[int]]] = []
    quadratics = []
    for factor, power in sorted(factors.items(), key=lambda item: sympy.default_sort_key(item[0])):
        if isinstance(factor, sympy.exp) and _is_quadratic(factor.args[0], symbols):
            quadratics.append(power * factor.args[0])
            continue
        indices = set().union(*(frame.add(c) for c in directions(factor, symbols)))
        frame.tie(indices)
        located.append((factor**power, indices))
    units = {j: sympy.Dummy(real=True) for j in range(len(symbols))}
    if quadratics:
        located += _exponentials(sum(quadratics), frame, units, symbols)
    groups = []
    for tie in frame.ties:
        members = sorted(tie)
        names = ["z"] if len(members) == 1 else [f"z{i + 1}" for i in range(len(members))]
        own = {j: variable(name) for j, name in zip(members, names, strict=True)}
        in_z = frame.in_terms_of(own, symbols)
        in_units = {units[j]: own[j] for j in members}
        parts = [
            substituted(factor, {**in_z, **in_units}, tuple(own.values()))
            for factor, indices in located
            if indices <= tie
        ]
        if parts:
            groups.append(_Group(sympy.Mul(*parts), [frame.unit(j) for j in members]))
    return groups


def _exponentials(
    quadratic: Any, frame: OrthogonalFrame, units: Mapping[int, Any], symbols: Sequence[Any]
) -> list[tuple[Any, set[int]]]:
    """``exp`` of a quadratic as factors, one for each term in the coordinates of the frame.

    It falls apart over any frame in which it has no cross terms; the frame is completed to be one
    where that can be.
    """
    for direction in [*principal_axes(quadratic, symbols), *axes(len(symbols))]:
        frame.add(direction, only_orthogonal=True)
    for direction in axes(len(symbols)):
        frame.add(direction)
    located = []
    total = sympy.expand(quadratic.xreplace(frame.in_terms_of(units, symbols)))
    for term in sympy.Add.make_args(total):
        indices = {j for j, w in units.items() if w in term.free_symbols}
        if len(indices) > 1 and is_zero(term.as_independent(*units.values())[0]):
            continue
        if indices:
            frame.tie(indices)
        located.append((sympy.exp(term), indices or {0}))
    return located


def _is_quadratic(expr: Any, symbols: Sequence[Any]) -> bool:
    if not expr.is_polynomial(*symbols):
        return False
    return bool(sympy.Poly(expr, *symbols).total_degree() <= 2)


# The coefficients of one group


def _group_table(group: _Group, degree: int) -> Table:
    """Coefficients of one group, first in its own variables, then in all."""
    function = ScalarFunction.parse(group.expression)
    several = len(group.directions) > 1
    own = _of_several(function, degree) if several else _of_one(function, degree)
    return transformed(own, group.directions, degree)


@cached(64)
def _of_several(function: ScalarFunction, degree: int) -> tuple[tuple[Index, Estimate], ...]:
    """Coefficients of a function of several variables that are not zero by parity."""
    indices = _not_zero_by_parity(function.expression, function.symbols, degree)
    values, errors = quadrature_coefficients(function, indices)
    return tuple(
        (alpha, _from_orthonormal(alpha, float(c), float(error)))
        for alpha, c, error in zip(indices, values, errors, strict=True)
    )


@cached(256)
def _of_one(function: ScalarFunction, degree: int) -> tuple[tuple[Index, Estimate], ...]:
    """Non-zero coefficients of a function of one variable: exact, else in double precision."""
    from rmt.moments.exact.closed_form import exact_coefficients

    exact = exact_coefficients(function, degree)
    if exact is not None:
        return tuple(((k,), Estimate(mu)) for k, mu in enumerate(exact) if mu)
    from rmt.moments.hermite_quadrature import double_coefficients

    numeric = double_coefficients(function, degree)
    return tuple(
        ((k,), _from_orthonormal((k,), float(c), float(error)))
        for k, (c, error) in enumerate(zip(numeric.orthonormal, numeric.errors, strict=True))
        if function.parity * (-1) ** k != -1
    )


def _from_orthonormal(alpha: Index, c: float, error: float) -> Estimate:
    """``mu_alpha`` with its error; an error of 0 is kept for exact numbers."""
    root = math.sqrt(factorial(alpha))
    return Estimate(c * root, max(error * root, 1e-300))
