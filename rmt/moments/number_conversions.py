"""Numbers of sympy in mpmath and in double precision, and back."""

from __future__ import annotations

from typing import Any

from rmt.caching import cached
from rmt.lazy import mpmath, sympy

__all__ = ["double_above", "is_exact", "mpmath_number", "over_root_factorial", "sympy_float"]


def is_exact(value: Any) -> bool:
    """Whether a sympy number is known exactly: whether it is no Float."""
    return not value.is_Float


def over_root_factorial(mu: Any, k: int) -> Any:
    """``mu / sqrt(k!)``; a Float stays one, of the same precision."""
    if not mu:
        return mu
    if not mu.is_Float:
        return mu * _inverse_root_factorial(k)
    with mpmath.workprec(mu._prec + 10):
        return sympy_float(mpmath.mpf(mu._mpf_) / mpmath.sqrt(mpmath.factorial(k)), mu._prec)


@cached(512)
def _inverse_root_factorial(k: int) -> Any:
    return 1 / sympy.sqrt(sympy.factorial(k))


def mpmath_number(value: Any, digits: int = 20) -> Any:
    """A sympy number as an mpmath one with this many correct digits, cancellation or not."""
    if not value.is_Float:
        value = value.evalf(digits, maxn=20_000)
    return mpmath.mpf(value._mpf_) if value.is_Float else mpmath.mpf(int(value.p)) / int(value.q)


def sympy_float(value: Any, precision: int) -> Any:
    """An mpmath number as a Float of this many bits; a zero stays a Float."""
    return sympy.Float._new(value._mpf_, precision, zero=False)


def double_above(value: Any) -> float:
    """A double that is not below, and never 0 for a positive number."""
    number = float(value)
    return max(number * (1 + 1e-15), 5e-324) if value else 0.0
