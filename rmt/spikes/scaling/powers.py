"""Sums of powers of the width ``N``, and square roots of their ratios: what strengths are made of.

Coefficients are `Number`, exponents sympy expressions: rationals, or anything in the symbols that
stand for the exponents of the steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from rmt.lazy import sympy
from rmt.spikes.scaling.intervals import Interval, exact_interval, midpoint_and_radius, root
from rmt.spikes.scaling.number import MAX_OPERATIONS, Number, content
from rmt.spikes.scaling.number_fractions import cancelled, width_symbol

__all__ = ["PowerSum", "RootRatio", "width_symbol"]


@dataclass(frozen=True, slots=True)
class PowerSum:
    """``sum_i c_i N^{e_i}``.

    Attributes
    ----------
    terms : tuple of (sympy.Expr, Number)
        Exponents, all different, with their coefficients; those that count as zero are left in
        when they have an error.
    """

    terms: tuple[tuple[Any, Number], ...]

    @classmethod
    def of(cls, terms: Sequence[tuple[Any, Number]]) -> PowerSum:
        """Terms of equal exponents are added up."""
        total: dict[Any, Number] = {}
        for exponent, coefficient in terms:
            key = sympy.expand(exponent)
            total[key] = total[key] + coefficient if key in total else coefficient
        kept = [(e, c) for e, c in total.items() if not (c.is_exact and c.is_zero)]
        return cls(tuple(kept))

    @classmethod
    def constant(cls, value: Number | int) -> PowerSum:
        """``c N^0``."""
        return cls.of([(sympy.Integer(0), Number.of(value))])

    @property
    def is_exact(self) -> bool:
        """Whether every coefficient is a closed form."""
        return all(c.is_exact for _, c in self.terms)

    @property
    def is_zero(self) -> bool:
        """Whether every coefficient counts as zero."""
        return all(c.is_zero for _, c in self.terms)

    def __add__(self, other: PowerSum) -> PowerSum:
        return PowerSum.of([*self.terms, *other.terms])

    def __mul__(self, other: PowerSum) -> PowerSum:
        pairs = itertools.product(self.terms, other.terms)
        return PowerSum.of([(e + f, c * d) for (e, c), (f, d) in pairs])

    def times(self, coefficient: Number | int, exponent: Any = 0) -> PowerSum:
        """``c N^e`` times the sum."""
        factor = Number.of(coefficient)
        return PowerSum.of([(e + exponent, c * factor) for e, c in self.terms])

    def expression(self) -> Any:
        """In the symbol ``N``."""
        n = width_symbol()
        return sympy.Add(*(c.expression() * n**e for e, c in self.terms))

    def monic(self) -> tuple[Any, Number, Any]:
        """``(e, c, s)`` with the sum equal to ``c N^e s``: ``s`` is 1 plus terms in decimals."""
        n = width_symbol()
        e, c = next((e, c) for e, c in self.terms if not c.is_zero)
        rest = ((d / c).decimal() * n ** sympy.expand(f - e) for f, d in self.terms if f != e)
        return e, c, 1 + sympy.Add(*rest)

    def interval(self, width: Fraction) -> Interval:
        """The value at a width; the exponents must be rational."""
        total = exact_interval(Fraction(0))
        for exponent, coefficient in self.terms:
            power = exact_interval(Fraction(int(exponent.p), int(exponent.q)))
            total = total + exact_interval(width) ** power * coefficient.interval
        return total

    def leading(self) -> tuple[Any, Number]:
        """The largest exponent, and its coefficient; the exponents must be rational."""
        kept = [(e, c) for e, c in self.terms if not c.is_zero]
        return max(kept, key=lambda term: term[0], default=(sympy.Integer(0), Number.of(0)))


@dataclass(frozen=True, slots=True)
class RootRatio:
    """``outside / divisor sqrt(over / under)``, a function of ``N``.

    Attributes
    ----------
    outside, over, under, divisor : PowerSum
        `over` is not negative, `under` and `divisor` are positive.

    Examples
    --------
    >>> import sympy
    >>> half = sympy.Rational(1, 2)
    >>> growth = PowerSum.of([(half, Number.of(3)), (0 * half, Number.of(1))])
    >>> ratio = RootRatio(PowerSum.constant(2), growth, PowerSum.constant(1))
    >>> ratio.expression()
    2*sqrt(3*sqrt(N) + 1)
    >>> ratio.value(25)
    (8.0, 0.0)
    >>> ratio.leading()
    (1/4, 2*sqrt(3))
    """

    outside: PowerSum
    over: PowerSum
    under: PowerSum
    divisor: PowerSum = field(default_factory=lambda: PowerSum.constant(1))

    @property
    def is_zero(self) -> bool:
        """Whether it counts as zero."""
        return self.outside.is_zero or self.over.is_zero

    def expression(self) -> Any:
        """As a sympy expression in ``N``: exact where every number is, and not too long."""
        if self.is_zero:
            return sympy.Integer(0)
        parts = (self.outside, self.divisor, self.over, self.under)
        if all(part.is_exact for part in parts):
            first, *outside = _reduced(self.outside, self.divisor)
            second, *inside = _reduced(self.over, self.under)
            factor = first * second.root()
            roots = [_root(part.expression()) for part in inside]
            front = outside[0].expression() / outside[1].expression()
            whole = factor.expression() * front * roots[0] / roots[1]
            if not whole.has(sympy.Float) and sympy.count_ops(whole) <= MAX_OPERATIONS:
                return whole
        return self._in_decimals()

    def _in_decimals(self) -> Any:
        n = width_symbol()
        outside, divisor, over, under = (
            part.monic() for part in (self.outside, self.divisor, self.over, self.under)
        )
        number = outside[1] / divisor[1] * (over[1] / under[1]).root()
        exponent = sympy.expand(outside[0] - divisor[0] + (over[0] - under[0]) / 2)
        front = number.decimal() * n**exponent * outside[2] / divisor[2]
        return front * sympy.sqrt(over[2] / under[2])

    def value(self, width: Any) -> tuple[float, float]:
        """The value at a width, and a bound of its error.

        The bound covers what is not known of the numbers, and the rounding to a double.
        """
        width = Fraction(width)
        outside, over, under, divisor = (
            part.interval(width) for part in (self.outside, self.over, self.under, self.divisor)
        )
        return midpoint_and_radius(outside * root(over / under) / divisor)

    def leading(self) -> tuple[Any, Any]:
        """``(e, c)`` such that the value tends to ``c N^e``; the exponents must be rational."""
        if self.is_zero:
            return sympy.Integer(0), sympy.Integer(0)
        parts = [part.leading() for part in (self.outside, self.over, self.under, self.divisor)]
        limit = RootRatio(*(PowerSum.constant(c) for _, c in parts))
        outside, over, under, divisor = (e for e, _ in parts)
        return outside - divisor + (over - under) / 2, limit.expression()


def _root(value: Any) -> Any:
    """A square root; that of a sum as it is, since looking for factors of it takes long."""
    return sympy.Pow(value, sympy.Rational(1, 2), evaluate=not value.is_Add)


def _reduced(over: PowerSum, under: PowerSum) -> tuple[Number, PowerSum, PowerSum]:
    """A factor, and two sums whose terms have nothing in common, of the same ratio; all exact."""
    terms = cancelled(over.terms, under.terms)
    over, under = PowerSum.of(terms[0]), PowerSum.of(terms[1])
    contents = []
    for part in (over, under):
        monomial, c = content(number for _, number in part.terms)
        contents.append(Number({monomial: c}))
    first, second = contents
    over = PowerSum(tuple((e, c / first) for e, c in over.terms))
    under = PowerSum(tuple((e, c / second) for e, c in under.terms))
    return first / second, over, under
