"""Monomials in real numbers: what closed forms are sums of.

A monomial is a set of pairs, base and exponent: primes to powers in [0, 1), ``pi``, ``e``, and
whatever else sympy cannot take apart, as sympy numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from rmt.caching import cached
from rmt.lazy import sympy

__all__ = [
    "ONE",
    "Monomial",
    "as_powers",
    "monomial_expression",
    "normal_powers",
    "prime_factors",
    "times",
]

Monomial: TypeAlias = frozenset[tuple[Any, Fraction]]
"""Bases (sympy numbers) with their exponents."""

ONE: Monomial = frozenset()


@cached(100_000)
def times(p: Monomial, q: Monomial) -> tuple[Monomial, Fraction]:
    """The product of two monomials, and a rational factor."""
    if not p or not q:
        return p or q, Fraction(1)
    powers = dict(p)
    for base, exponent in q:
        powers[base] = powers.get(base, Fraction(0)) + exponent
    return normal_powers(powers)


def normal_powers(powers: Mapping[Any, Fraction]) -> tuple[Monomial, Fraction]:
    """Exponents of primes are brought to [0, 1)."""
    factor = Fraction(1)
    kept = []
    for base, exponent in powers.items():
        if base.is_Integer:
            whole = math.floor(exponent)
            factor *= Fraction(int(base)) ** whole
            exponent -= whole
        if exponent:
            kept.append((base, exponent))
    return frozenset(kept), factor


def monomial_expression(monomial: Monomial, coefficient: Fraction) -> Any:
    powers = (base ** sympy.Rational(e.numerator, e.denominator) for base, e in monomial)
    return sympy.Mul(sympy.Rational(coefficient.numerator, coefficient.denominator), *powers)


def as_powers(factor: Any) -> Iterable[tuple[Any, Fraction]]:
    """A factor as powers of primes, of e, or of itself."""
    base, exponent = factor.as_base_exp()
    if isinstance(factor, sympy.exp):
        base, exponent = sympy.E, factor.args[0]
    if not exponent.is_Rational:
        return [(factor, Fraction(1))]
    power = Fraction(int(exponent.p), int(exponent.q))
    if base.is_Rational and base.is_positive:
        value = Fraction(int(base.p), int(base.q))
        return [(prime, m * power) for prime, m in prime_factors(value)]
    if base.is_Add and power.denominator > 1 and not base.is_positive:
        return [(factor, Fraction(1))]
    return [(base, power)]


def prime_factors(value: Fraction) -> list[tuple[Any, int]]:
    """The primes of a positive rational, with their powers."""
    above, below = sympy.factorint(value.numerator), sympy.factorint(value.denominator)
    return [
        *((sympy.Integer(p), int(m)) for p, m in above.items()),
        *((sympy.Integer(p), -int(m)) for p, m in below.items()),
    ]
