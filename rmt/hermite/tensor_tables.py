"""Tables of Hermite coefficients of several variables, with errors, and their arithmetic.

A table holds the Taylor coefficients ``mu_alpha`` of ``F(t) = E[f(z + t)] = sum_alpha mu_alpha
t^alpha / alpha!``. It is sparse: what is missing is exactly zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from rmt.lazy import sympy

__all__ = [
    "EPSILON",
    "ZERO",
    "Estimate",
    "Index",
    "Table",
    "added",
    "factorial",
    "is_zero",
    "multi_indices",
    "plus",
    "product",
    "scaled",
    "settled",
    "times",
    "times_polynomial",
    "transformed",
]

EPSILON = 2.3e-16


class Estimate(NamedTuple):
    """A number and its absolute error: ``value`` is a sympy number, exact when ``error`` is 0."""

    value: Any
    error: float = 0.0

    def __float__(self) -> float:
        return float(self.value)


Index: TypeAlias = tuple[int, ...]
Table: TypeAlias = dict[Index, Estimate]
ZERO = Estimate(0)


# Multi-indices


def multi_indices(n_variables: int, degree: int) -> Iterator[Index]:
    """All multi-indices with ``|alpha| <= degree``, by degree, leading variables first.

    Examples
    --------
    >>> list(multi_indices(2, 2))
    [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    for order in range(degree + 1):
        yield from _of_order(n_variables, order)


def _of_order(n_variables: int, order: int) -> Iterator[Index]:
    if n_variables < 2:
        if n_variables or not order:
            yield (order,) * n_variables
        return
    for first in range(order, -1, -1):
        for rest in _of_order(n_variables - 1, order - first):
            yield (first, *rest)


def factorial(alpha: Index) -> int:
    """``alpha! = prod_i alpha_i!``."""
    return math.prod(math.factorial(a) for a in alpha)


# Numbers with errors


def plus(a: Estimate, b: Estimate) -> Estimate:
    """The sum."""
    if not a.error and not b.error:
        return Estimate(a.value + b.value)
    x, y = float(a), float(b)
    return Estimate(x + y, a.error + b.error + EPSILON * (abs(x) + abs(y)))


def times(a: Estimate, b: Estimate) -> Estimate:
    """The product; an exact zero makes it an exact zero."""
    if not a.error and not b.error:
        return Estimate(a.value * b.value)
    if any(not number.error and not number.value for number in (a, b)):
        return ZERO
    x, y = float(a), float(b)
    error = abs(x) * b.error + abs(y) * a.error + a.error * b.error
    return Estimate(x * y, error + 2.0 * EPSILON * abs(x * y))


def settled(number: Estimate) -> Estimate:
    """An exact number in expanded form, with a zero shown to be one.

    A number that is zero to 40 digits without being shown to be zero keeps an error of that size.
    """
    if number.error:
        return number
    value = sympy.expand(sympy.Integer(0) + number.value)
    if value.is_Rational:
        return Estimate(value)
    size = float(sum(abs(term.evalf(15)) for term in sympy.Add.make_args(value)))
    if abs(value.evalf(20)) > 1e-40 * size:
        return Estimate(value)
    if not sympy.radsimp(value) or not sympy.simplify(value) or value.equals(0) is True:
        return Estimate(sympy.Integer(0))
    return Estimate(sympy.Float(0), 1e-40 * size)


def is_zero(value: Any) -> bool:
    """Whether a number is zero: to 40 digits, or to 12 where it is known in decimals only."""
    if isinstance(value, float) or (isinstance(value, sympy.Basic) and value.has(sympy.Float)):
        return bool(abs(value) < 1e-12)
    return not settled(Estimate(value)).value


# Tables


def added(tables: Iterable[Table]) -> Table:
    """The sum."""
    total: Table = {}
    for table in tables:
        for alpha, number in table.items():
            total[alpha] = plus(total[alpha], number) if alpha in total else number
    return total


def scaled(table: Table, factor: Estimate) -> Table:
    """The table of ``factor f``."""
    return {alpha: times(number, factor) for alpha, number in table.items()}


def product(a: Table, b: Table, degree: int) -> Table:
    """``F G``: ``mu_alpha = sum_{beta + gamma = alpha} binom(alpha, beta) mu_beta nu_gamma``."""
    parts = []
    for beta, mu in a.items():
        for gamma, nu in b.items():
            alpha = tuple(i + j for i, j in zip(beta, gamma, strict=True))
            if sum(alpha) <= degree:
                ways = factorial(alpha) // (factorial(beta) * factorial(gamma))
                parts.append({alpha: times(Estimate(ways), times(mu, nu))})
    return added(parts)


def times_polynomial(table: Table, polynomial: Table, i: int = 0) -> Table:
    """Coefficients of ``p f``, by Horner's rule in ``z_i``, then in the later variables.

    ``p`` maps exponents to coefficients. The result is right up to ``deg p`` degrees less.
    """
    if len(polynomial) == 1 and not any(next(iter(polynomial))):
        return scaled(table, next(iter(polynomial.values())))
    highest = max(exponents[i] for exponents in polynomial)
    total: Table = {}
    for power in range(highest, -1, -1):
        slice_ = {
            (*exponents[:i], 0, *exponents[i + 1 :]): number
            for exponents, number in polynomial.items()
            if exponents[i] == power
        }
        total = _raised(total, i)
        if slice_:
            total = added([total, times_polynomial(table, slice_, i + 1)])
    return total


def _raised(table: Table, i: int) -> Table:
    """``z_i f``: ``(t_i + d/dt_i) F``."""
    up = {
        (*beta[:i], beta[i] + 1, *beta[i + 1 :]): times(Estimate(beta[i] + 1), mu)
        for beta, mu in table.items()
    }
    down = {(*beta[:i], beta[i] - 1, *beta[i + 1 :]): mu for beta, mu in table.items() if beta[i]}
    return added([up, down])


def transformed(
    coefficients: Iterable[tuple[Index, Estimate]], directions: Sequence[Sequence[Any]], degree: int
) -> Table:
    """``F(t)`` with ``t_j = directions[j] . s``: its coefficients in ``s`` from those in ``t``."""
    powers = [
        [
            {
                alpha: Estimate(sympy.Mul(*(x**a for x, a in zip(u, alpha, strict=True))))
                for alpha in _of_order(len(u), order)
                if all(x or not a for x, a in zip(u, alpha, strict=True))
            }
            for order in range(degree + 1)
        ]
        for u in directions
    ]
    tables = []
    for beta, nu in coefficients:
        table = powers[0][beta[0]]
        for part, order in zip(powers[1:], beta[1:], strict=False):
            table = product(table, part[order], degree)
        tables.append(scaled(table, nu))
    return added(tables)
