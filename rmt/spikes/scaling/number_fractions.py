"""Ratios of sums of closed forms, without what both have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from rmt.lazy import sympy
from rmt.spikes.scaling.number import Number

__all__ = ["cancelled", "width_symbol"]

_MOST_TERMS = 40
_MOST_DEGREE = 60

WidthTerms: TypeAlias = Sequence[tuple[Any, Number]]
"""Exponents of ``N`` with their coefficients."""


def width_symbol() -> Any:
    """The positive sympy symbol ``N`` of the results."""
    return sympy.Symbol("N", positive=True)


def cancelled(over: WidthTerms, under: WidthTerms) -> tuple[WidthTerms, WidthTerms]:
    """The same ratio of two sums ``sum_i c_i N^{e_i}``, without common factors.

    The sums are polynomials in ``N`` and in the bases of the closed forms ``c_i`` (roots of primes,
    ``pi``, ..), or made so by a power of each; a common divisor of theirs is divided out. Nothing
    is done where that would take long, or the exponents are symbols.

    Examples
    --------
    >>> import sympy
    >>> pi, zero, one = Number.of(sympy.pi), sympy.Integer(0), sympy.Integer(1)
    >>> over = [(2 * one, Number.of(1)), (zero, -pi * pi)]  # N^2 - pi^2
    >>> under = [(one, Number.of(3)), (zero, 3 * pi)]
    >>> cancelled(over, under)[1]
    [(0, Number(3))]
    """
    sizes = [sum(len(c.terms or ()) for _, c in part) for part in (over, under)]
    if min(sizes) < 2 or max(sizes) > _MOST_TERMS:
        return over, under
    if not all(e.is_Rational for e, _ in (*over, *under)):
        return over, under
    flat = [list(_flat(part)) for part in (over, under)]
    monomials = [monomial for part in flat for monomial, _ in part]
    bases = sorted({base for monomial in monomials for base in monomial}, key=str)
    least, steps = [], []
    for base in bases:
        exponents = [monomial.get(base, Fraction(0)) for monomial in monomials]
        least.append(min(exponents))
        steps.append(_common_step([e - least[-1] for e in exponents]))
        if max(exponents) - least[-1] > _MOST_DEGREE * steps[-1]:
            return over, under

    def key(monomial: dict[Any, Fraction]) -> tuple[int, ...]:
        return tuple(
            int((monomial.get(base, Fraction(0)) - low) / step)
            for base, low, step in zip(bases, least, steps, strict=True)
        )

    reduced = _without_common_divisor([[(key(m), c) for m, c in part] for part in flat], len(bases))
    if reduced is None:
        return over, under
    powers = list(zip(bases, steps, strict=True))
    return _made(reduced[0], powers), _made(reduced[1], powers)


def _flat(part: WidthTerms) -> Iterable[tuple[dict[Any, Fraction], Fraction]]:
    n = width_symbol()
    for exponent, number in part:
        for monomial, c in (number.terms or {}).items():
            yield {**dict(monomial), n: Fraction(int(exponent.p), int(exponent.q))}, c


def _common_step(exponents: Sequence[Fraction]) -> Fraction:
    below = math.lcm(*(e.denominator for e in exponents))
    return Fraction(math.gcd(*(int(e * below) for e in exponents)) or below, below)


def _without_common_divisor(
    parts: Sequence[Sequence[tuple[tuple[int, ...], Fraction]]], n_variables: int
) -> list[list[tuple[tuple[int, ...], Fraction]]] | None:
    """Two polynomials divided by their greatest common divisor; None when that is 1."""
    from sympy.polys.domains import QQ
    from sympy.polys.rings import ring

    made, *_ = ring([f"x{i}" for i in range(n_variables)], QQ)
    over, under = (
        made.from_dict({key: QQ(c.numerator, c.denominator) for key, c in part}) for part in parts
    )
    divisor = over.gcd(under)
    if divisor.is_ground:
        return None
    return [
        [(key, Fraction(int(c.numerator), int(c.denominator))) for key, c in p.terms()]
        for p in (over.exquo(divisor), under.exquo(divisor))
    ]


def _made(
    part: Sequence[tuple[tuple[int, ...], Fraction]], powers: Sequence[tuple[Any, Fraction]]
) -> WidthTerms:
    """Back from a polynomial."""
    n = width_symbol()
    terms = []
    for key, c in part:
        number, exponent = Number.of(c), sympy.Integer(0)
        for m, (base, step) in zip(key, powers, strict=True):
            if base == n:
                exponent = sympy.Rational(m * step.numerator, step.denominator)
            elif m:
                number = number * Number.power(base, m * step)
        terms.append((exponent, number))
    return terms
