"""Real numbers that are closed forms, or known to within a bound.

A closed form is kept as a sum of rational multiples of monomials in primes to fractional powers,
``pi``, ``e`` and whatever else is transcendental (``erf(1)``); monomials multiply by adding
exponents, so that sums, products and zeros are found by arithmetic on fractions alone. Everything
else is an interval of 66 digits that is known to hold the number, as is a closed form that has
grown too long to read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import mpmath

from rmt.lazy import sympy
from rmt.spikes.scaling.intervals import (
    PRECISION,
    Interval,
    around,
    between,
    ends,
    exact_interval,
    midpoint_and_radius,
    power_interval,
    root,
)
from rmt.spikes.scaling.monomials import (
    ONE,
    Monomial,
    as_powers,
    monomial_expression,
    normal_powers,
    prime_factors,
    times,
)

__all__ = ["DIGITS", "MAX_OPERATIONS", "Number", "content"]

DIGITS = 30  # of numbers that are shown as decimals
MAX_TERMS = 150
MAX_OPERATIONS = 400
_MOST_WORK = 4000  # products of terms
_ZERO_DIGITS = 45  # a closed form that vanishes to so many digits is zero

Terms: TypeAlias = Mapping[Monomial, Fraction]


class Number:
    """A real number, exact or in an interval; immutable.

    Attributes
    ----------
    terms : mapping or None
        The closed form, as monomial -> rational coefficient; None when there is none.
    is_zero : bool
        Whether it counts as zero. A closed form is zero when it has no terms; a number in an
        interval when it was found too small to tell, see `settled`: products with it are zeros of
        the same kind, and its interval goes on to count as an error.

    Examples
    --------
    >>> import sympy
    >>> root = Number.of(sympy.sqrt(2))
    >>> (root * root - 2).is_zero
    True
    >>> (root + Number.certified(1, 1e-20)).error < 1.1e-20
    True
    """

    __slots__ = ("__dict__", "is_zero", "terms")

    terms: Terms | None
    is_zero: bool

    def __init__(
        self, terms: Terms | None, interval: Interval | None = None, is_zero: bool = False
    ) -> None:
        self.terms = terms
        self.is_zero = is_zero if terms is None else not terms
        if interval is not None:
            self.__dict__["interval"] = interval

    def __reduce__(self) -> tuple[Any, ...]:
        # mpmath's intervals do not pickle.
        known = None if self.terms is not None else ends(self.interval)
        return _restored, (self.terms, known, self.is_zero)

    # Making one

    @classmethod
    def of(cls, value: Any) -> Number:
        """An integer, a fraction, or a sympy number without decimals, exactly."""
        if isinstance(value, Number):
            return value
        if isinstance(value, int | Fraction):
            return cls({ONE: Fraction(value)} if value else {})
        return _from_sympy(value)

    @classmethod
    def certified(cls, value: Any, error: Any) -> Number:
        """A number (float, mpmath or sympy Float) with an absolute error bound."""
        with mpmath.workprec(PRECISION):
            middle, radius = (mpmath.mpf(getattr(x, "_mpf_", x)) for x in (value, error))
        return cls(None, around(middle, radius))

    @classmethod
    def nearly_zero(cls, bound: Any) -> Number:
        """A number that counts as zero, and is below a bound in size."""
        return cls(None, cls.certified(0, bound).interval, True)

    @classmethod
    def power(cls, base: Any, exponent: Fraction) -> Number:
        """A sympy prime, or another base of closed forms, to a power."""
        monomial, factor = normal_powers({base: exponent})
        return cls({monomial: factor})

    # Arithmetic

    def __add__(self, other: Number | int | Fraction) -> Number:
        other = Number.of(other)
        if self.terms is not None and other.terms is not None:
            total = dict(self.terms)
            for monomial, c in other.terms.items():
                total[monomial] = total.get(monomial, Fraction(0)) + c
                if not total[monomial]:
                    del total[monomial]
            if len(total) <= MAX_TERMS:
                return Number(total)
        if self.terms is not None and self.is_zero:
            return other
        if other.terms is not None and other.is_zero:
            return self
        return Number(None, self.interval + other.interval, self.is_zero and other.is_zero)

    __radd__ = __add__

    def __neg__(self) -> Number:
        if self.terms is not None:
            return Number({monomial: -c for monomial, c in self.terms.items()})
        return Number(None, -self.interval, self.is_zero)

    def __sub__(self, other: Number | int | Fraction) -> Number:
        return self + (-Number.of(other))

    def __rsub__(self, other: Number | int | Fraction) -> Number:
        return Number.of(other) - self

    def __mul__(self, other: Number | int | Fraction) -> Number:
        other = Number.of(other)
        for x, y in ((self, other), (other, self)):
            if x.terms is not None and x.is_zero:
                return x
            if x.terms is not None and len(x.terms) == 1 and x.terms.get(ONE) == 1:
                return y
        if (
            self.terms is not None
            and other.terms is not None
            and len(self.terms) * len(other.terms) <= _MOST_WORK
        ):
            total: dict[Monomial, Fraction] = {}
            for p, c in self.terms.items():
                for q, d in other.terms.items():
                    monomial, factor = times(p, q)
                    total[monomial] = total.get(monomial, Fraction(0)) + c * d * factor
            total = {monomial: c for monomial, c in total.items() if c}
            if len(total) <= MAX_TERMS:
                return Number(total)
        return Number(None, self.interval * other.interval, self.is_zero or other.is_zero)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Number:
        if exponent < 0:
            return 1 / self**-exponent
        if self.terms is None:
            return Number(None, self.interval**exponent, self.is_zero and exponent > 0)
        total = Number.of(1)
        for _ in range(exponent):
            total = total * self
        return total

    def __truediv__(self, other: Number | int | Fraction) -> Number:
        """Exact when the other has one term."""
        other = Number.of(other)
        if other.is_zero:
            raise ZeroDivisionError("division by a number that counts as zero")
        if self.terms is not None and self.is_zero:
            return self
        if other.terms is not None and len(other.terms) == 1:
            ((monomial, c),) = other.terms.items()
            inverse, factor = normal_powers({base: -e for base, e in monomial})
            return self * Number({inverse: factor / c})
        return Number(None, self.interval / other.interval, self.is_zero)

    def __rtruediv__(self, other: int | Fraction) -> Number:
        return Number.of(other) / self

    # What is known

    @property
    def is_exact(self) -> bool:
        """Whether it is a closed form."""
        return self.terms is not None

    @cached_property
    def interval(self) -> Interval:
        """An interval that holds the number."""
        assert self.terms is not None
        total = exact_interval(Fraction(0))
        for monomial, c in self.terms.items():
            term = exact_interval(c)
            for base, exponent in monomial:
                term = term * power_interval(base, exponent)
            total = total + term
        return total

    @property
    def magnitude(self) -> Any:
        """The largest size that the interval allows, an mpmath number."""
        return max(map(abs, ends(self.interval)))

    @property
    def error(self) -> float:
        """Half the width of the interval; 0 for a closed form."""
        if self.terms is not None:
            return 0.0
        with mpmath.workprec(PRECISION):
            low, high = ends(self.interval)
            return float((high - low) / 2) * (1.0 + 1e-15)

    def __float__(self) -> float:
        return midpoint_and_radius(self.interval)[0]

    def settled(self, scale: Any, digits: int) -> Number:
        """The same, or a zero when that is all that can be told.

        A closed form is zero when it is below ``10**-45`` of `scale`, a number in an interval when
        the interval holds 0 and is below ``10**-digits`` of it.
        """
        if self.is_zero:
            return self
        size = self.magnitude
        with mpmath.workprec(60):
            if self.terms is not None:
                return Number({}) if size <= scale * mpmath.mpf(10) ** -_ZERO_DIGITS else self
            low, high = ends(self.interval)
            if low <= 0 <= high and size <= scale * mpmath.mpf(10) ** -digits:
                return Number(None, self.interval, True)
        return self

    def expression(self) -> Any:
        """A sympy number: the closed form, or a Float of 30 digits."""
        if self.is_zero:
            return sympy.Integer(0)
        if self.terms is not None:
            content, rest = self._split()
            closed = sympy.Mul(monomial_expression(*content), rest)
            if sympy.count_ops(closed) <= MAX_OPERATIONS:
                return closed
        return self.decimal()

    def decimal(self) -> Any:
        """A sympy Float of 30 digits; the integer 0 for what counts as zero."""
        if self.is_zero:
            return sympy.Integer(0)
        with mpmath.workprec(PRECISION):
            return sympy.Float(sum(ends(self.interval)) / 2, DIGITS)

    def root(self) -> Number:
        """The square root, exact for one term; of what is not negative."""
        if self.is_zero and self.terms is not None:
            return self
        if self.terms is not None and len(self.terms) == 1:
            ((monomial, c),) = self.terms.items()
            powers = {base: e / 2 for base, e in monomial}
            for prime, m in prime_factors(c):
                powers[prime] = powers.get(prime, Fraction(0)) + Fraction(m, 2)
            halved, factor = normal_powers(powers)
            return Number({halved: factor})
        return Number(None, root(self.interval), self.is_zero)

    def _split(self) -> tuple[tuple[Monomial, Fraction], Any]:
        """What all terms have in common, and the sum of what is left as a sympy number."""
        assert self.terms is not None
        shared, common = content([self])
        rest = (self / Number({shared: common})).terms
        assert rest is not None
        return (shared, common), sympy.Add(*(monomial_expression(m, c) for m, c in rest.items()))

    def __repr__(self) -> str:
        if self.terms is not None:
            return f"Number({self.expression()})"
        return f"Number({float(self)!r} +- {self.error:.0e})"


def _restored(terms: Terms | None, known: tuple[Any, Any] | None, is_zero: bool) -> Number:
    return Number(terms, None if known is None else between(*known), is_zero)


def content(numbers: Iterable[Number]) -> tuple[Monomial, Fraction]:
    """The monomial and positive rational that all terms of closed forms have in common."""
    terms = [item for number in numbers for item in (number.terms or {}).items()]
    if not terms:
        return ONE, Fraction(1)
    divisor = math.gcd(*(c.numerator for _, c in terms))
    below = math.lcm(*(c.denominator for _, c in terms))
    shared = []
    for base, _ in terms[0][0]:
        exponents = [dict(monomial).get(base, Fraction(0)) for monomial, _ in terms]
        if all(e > 0 for e in exponents) or all(e < 0 for e in exponents):
            shared.append((base, min(exponents, key=abs)))
    return frozenset(shared), Fraction(divisor, below)


def _from_sympy(value: Any) -> Number:
    """A closed form, expanded."""
    terms: dict[Monomial, Fraction] = {}
    for term in sympy.Add.make_args(sympy.expand(value)):
        coefficient = Fraction(1)
        powers: dict[Any, Fraction] = {}
        for factor in sympy.Mul.make_args(term):
            if factor.is_Rational:
                coefficient *= Fraction(int(factor.p), int(factor.q))
                continue
            for base, exponent in as_powers(factor):
                powers[base] = powers.get(base, Fraction(0)) + exponent
        monomial, factor = normal_powers(powers)
        terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient * factor
    terms = {monomial: c for monomial, c in terms.items() if c}
    number = Number(terms)
    return number if len(terms) <= MAX_TERMS else Number(None, number.interval)
