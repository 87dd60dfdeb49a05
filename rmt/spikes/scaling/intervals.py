"""Intervals of 66 digits: mpmath's, in a context of their own.

``+ - * / **`` and the context's functions return intervals that hold every result of numbers in
their arguments.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeAlias

import mpmath
from mpmath.ctx_iv import MPIntervalContext

from rmt.caching import cached

__all__ = [
    "PRECISION",
    "Interval",
    "around",
    "between",
    "ends",
    "exact_interval",
    "midpoint_and_radius",
    "power_interval",
    "root",
]

PRECISION = 220  # bits

_CONTEXT = MPIntervalContext()
_CONTEXT.prec = PRECISION

Interval: TypeAlias = Any
"""An interval of the context."""


def between(low: Any, high: Any) -> Interval:
    """From one mpmath number to another."""
    return _CONTEXT.mpf((low, high))


def around(middle: Any, radius: Any) -> Interval:
    """What is within a radius of an mpmath number, and the rounding of both."""
    with mpmath.workprec(PRECISION + 20):
        reach = radius + mpmath.ldexp(abs(middle) + radius, 2 - PRECISION)
        return between(middle - reach, middle + reach)


@cached(4096)
def power_interval(base: Any, exponent: Fraction) -> Interval:
    """``base**exponent``, of a sympy number that may be negative when the exponent is whole."""
    if base.is_Integer:
        held = exact_interval(Fraction(int(base)))
    else:
        digits = math.ceil(PRECISION / math.log2(10)) + 3
        held = around(mpmath.mp.make_mpf(base.evalf(digits, maxn=20_000)._mpf_), 0)
    return held ** exact_interval(exponent)


@cached(4096)
def exact_interval(value: Fraction) -> Interval:
    """The interval of a rational number."""
    return _CONTEXT.mpf(value.numerator) / value.denominator


def root(held: Interval) -> Interval:
    """The square root of what is not negative, though its interval may begin below."""
    low, high = ends(held)
    return _CONTEXT.sqrt(between(max(low, 0), high))


def ends(held: Interval) -> tuple[Any, Any]:
    """Both ends, mpmath numbers."""
    low, high = held._mpi_
    return mpmath.mp.make_mpf(low), mpmath.mp.make_mpf(high)


def midpoint_and_radius(held: Interval) -> tuple[float, float]:
    """A double in the middle of an interval, and how far the number may be from it.

    Examples
    --------
    >>> midpoint_and_radius(exact_interval(Fraction(1, 4)))
    (0.25, 0.0)
    """
    with mpmath.workprec(PRECISION):
        low, high = ends(held)
        middle = float((low + high) / 2)
        radius = max(high - middle, middle - low, mpmath.mpf(0))
        above = float(radius) * (1.0 + 1e-15)
    return middle, above
