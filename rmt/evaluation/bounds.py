"""Arithmetic of bounds far beyond the largest double."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array

__all__ = ["LARGEST", "Bounds", "decreasing", "increasing", "stored"]

LARGEST = float(np.finfo(np.float64).max)


def stored(x: Array | float) -> Array:
    """``sign(x) log(1 + |x|)``."""
    p: Array = np.copysign(np.log1p(np.abs(x)), x)
    return p


def _double(p: Array) -> Array:
    """What a bound is; infinite where that is no double."""
    x: Array = np.copysign(np.expm1(np.abs(p)), p)
    return x


def _log_size(p: Array) -> Array:
    """``log |x|``."""
    size = np.abs(p)
    return size + np.log(-np.expm1(-size))


# Functions of the stored form


def _exponential(u: Array) -> Array:
    """The stored form of ``exp(u)``."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def _expm1(p: Array) -> Array:
    return np.where(p > 0, _double(p), stored(np.expm1(_double(p))))


def _log(p: Array) -> Array:
    return np.where(p >= 0, stored(_log_size(p)), np.nan)


def _log1p(p: Array) -> Array:
    return np.where(p > 0, stored(p), stored(np.log1p(_double(p))))


def _sqrt(p: Array) -> Array:
    return np.where(p >= 0, _exponential(_log_size(p) / 2), np.nan)


def _sinh(p: Array) -> Array:
    u = _double(np.abs(p))
    size = np.where(u < 700, np.log1p(np.sinh(u)), u - np.log(2))
    return np.copysign(size, p)


def _asinh(p: Array) -> Array:
    size = np.where(np.abs(p) < 700, np.arcsinh(_double(np.abs(p))), np.abs(p) + np.log(2))
    return np.copysign(stored(size), p)


def _add(p: Array, q: Array) -> Array:
    first = np.abs(p) >= np.abs(q)
    large, small = np.where(first, p, q), np.where(first, q, p)
    size = np.abs(large)
    ratio = np.exp(np.abs(small) - size) - np.exp(-size)
    beyond = size + np.log1p(np.copysign(ratio, np.sign(large) * np.sign(small)))
    total = np.where(size < 700, stored(_double(p) + _double(q)), np.copysign(beyond, large))
    return np.where(np.isinf(large), large, total)


# Functions of bounds


def _monotone(function: Callable[..., Array]) -> Callable[..., Bounds]:
    """From an increasing function of the stored form of one or more arguments."""
    return lambda *arguments: Bounds(
        function(*(one.low for one in arguments)), function(*(one.high for one in arguments))
    )


def increasing(function: Callable[[Array], Any]) -> Callable[[Bounds], Bounds]:
    """Bounds on an increasing function of doubles."""
    return _monotone(lambda p: stored(function(_double(p))))


def decreasing(function: Callable[[Array], Any]) -> Callable[[Bounds], Bounds]:
    """Bounds on a decreasing function of doubles."""
    return lambda one: increasing(function)(Bounds(one.high, one.low))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers that others lie between; those of truth values are 0 and 1.

    A bound ``x`` is stored as ``sign(x) log(1 + |x|)``, so that ``exp(1e8)`` is a number like any
    other. Not a number stands for a bound that is not known; NumPy's functions hand it on.
    """

    low: Array
    high: Array

    def __add__(self, other: Bounds) -> Bounds:
        return _monotone(_add)(self, other)

    def __neg__(self) -> Bounds:
        return Bounds(-self.high, -self.low)

    def __sub__(self, other: Bounds) -> Bounds:
        return self + -other

    def __mul__(self, other: Bounds) -> Bounds:
        first, second = (
            [(np.sign(p), _log_size(p)) for p in (one.low, one.high)] for one in (self, other)
        )
        products = [r * s * _exponential(m + n) for r, m in first for s, n in second]
        return Bounds(np.minimum.reduce(products), np.maximum.reduce(products))

    def __truediv__(self, other: Bounds) -> Bounds:
        away = np.where((other.low <= 0) & (other.high >= 0), np.nan, 1)  # a pole is no overflow
        return self * Bounds(
            *(away * np.sign(p) * _exponential(-_log_size(p)) for p in (other.high, other.low))
        )

    def __pow__(self, exponent: Bounds) -> Bounds:
        return Bounds.exp(exponent * Bounds.log(self))

    def __abs__(self) -> Bounds:
        low, high = self.low, self.high
        return Bounds(np.maximum(np.maximum(low, -high), 0), np.maximum(-low, high))

    def certain_overflow(self) -> Array:
        """1 where this certainly exceeds the doubles, -1 where it falls below them, else 0."""
        beyond = stored(LARGEST)
        return (self.low > beyond) * 1.0 - (self.high < -beyond) * 1.0

    copy = _monotone(np.positive)
    maximum = _monotone(np.maximum)
    minimum = _monotone(np.minimum)
    exp = _monotone(lambda p: _exponential(_double(p)))
    expm1 = _monotone(_expm1)
    log = _monotone(_log)
    log1p = _monotone(_log1p)
    sqrt = _monotone(_sqrt)
    sinh = _monotone(_sinh)
    asinh = _monotone(_asinh)

    def square(self) -> Bounds:
        return _monotone(lambda p: _exponential(2 * _log_size(p)))(abs(self))

    def cosh(self) -> Bounds:
        """``cosh x = 1 + 2 sinh(x/2)^2`` lies between ``sinh |x|`` and ``1 + sinh |x|``."""
        sinh = Bounds.sinh(abs(self))
        return Bounds(sinh.low, _add(sinh.high, stored(np.ones_like(sinh.high))))

    def between(self, least: float) -> Bounds:
        """``least`` and 1, where these are known."""
        limit = np.where(np.isnan(self.low * self.high), np.nan, stored(1.0))
        return Bounds(least * limit, limit)

    def unknown(self, *others: Bounds) -> Bounds:
        return Bounds(np.full_like(self.low, np.nan), np.full_like(self.low, np.nan))

    def greater(self, other: Bounds) -> Bounds:
        difference = self - other
        return Bounds(
            stored(np.heaviside(difference.low, 0)), stored(np.heaviside(difference.high, 1))
        )

    def select(self, one: Bounds, other: Bounds) -> Bounds:
        """Of ``one`` where this certainly holds, of ``other`` where it certainly does not."""
        yes, no = self.low > 0.5, self.high < 0.5
        low = np.where(no, other.low, np.minimum(one.low, other.low))
        high = np.where(no, other.high, np.maximum(one.high, other.high))
        return Bounds(np.where(yes, one.low, low), np.where(yes, one.high, high))
