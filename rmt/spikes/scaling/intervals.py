"""Intervals of 66 digits, as pairs in the raw form of mpmath's interval functions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeAlias

import mpmath
from mpmath.libmp import (
    from_int,
    mpf_sign,
    mpi_div,
    mpi_exp,
    mpi_log,
    mpi_mul,
    mpi_pow_int,
    mpi_sqrt,
)

from rmt.caching import cached

__all__ = [
    "PRECISION",
    "Interval",
    "exact_interval",
    "interval_power",
    "midpoint_and_radius",
    "power_interval",
    "sign",
]

PRECISION = 220  # bits

Interval: TypeAlias = tuple[Any, Any]
"""Lower and upper end."""


@cached(4096)
def power_interval(base: Any, exponent: Fraction) -> Interval:
    """``base**exponent``, of a sympy number that may be negative when the exponent is whole."""
    if base.is_Integer:
        held = exact_interval(Fraction(int(base)))
    else:
        digits = math.ceil(PRECISION / math.log2(10)) + 3
        value = base.evalf(digits, maxn=20_000)
        with mpmath.workprec(PRECISION + 20):
            middle = mpmath.mpf(value._mpf_)
            slack = mpmath.ldexp(abs(middle), 2 - PRECISION)
            held = ((middle - slack)._mpf_, (middle + slack)._mpf_)
    if exponent.denominator == 1:
        return _integer_power(held, int(exponent))
    if exponent.denominator == 2:
        return _integer_power(mpi_sqrt(held, PRECISION), exponent.numerator)
    return interval_power(held, exponent)


def _integer_power(held: Interval, exponent: int) -> Interval:
    power: Interval = mpi_pow_int(held, abs(exponent), PRECISION)
    if exponent < 0:
        power = mpi_div(exact_interval(Fraction(1)), power, PRECISION)
    return power


def interval_power(held: Interval, exponent: Fraction) -> Interval:
    """A power of a positive number."""
    logarithm = mpi_mul(exact_interval(exponent), mpi_log(held, PRECISION + 20), PRECISION + 20)
    power: Interval = mpi_exp(logarithm, PRECISION)
    return power


@cached(4096)
def exact_interval(value: Fraction) -> Interval:
    ends = [(from_int(n),) * 2 for n in (value.numerator, value.denominator)]
    ratio: Interval = mpi_div(ends[0], ends[1], PRECISION) if value.denominator > 1 else ends[0]
    return ratio


def sign(end: Any) -> int:
    return int(mpf_sign(end))


def midpoint_and_radius(held: Interval) -> tuple[float, float]:
    """A double in the middle of an interval, and how far the number may be from it.

    Examples
    --------
    >>> midpoint_and_radius(exact_interval(Fraction(1, 4)))
    (0.25, 0.0)
    """
    with mpmath.workprec(PRECISION):
        low, high = (mpmath.mp.make_mpf(end) for end in held)
        middle = float((low + high) / 2)
        radius = max(high - middle, middle - low, mpmath.mpf(0))
        above = float(radius) * (1.0 + 1e-15)
    return middle, above
