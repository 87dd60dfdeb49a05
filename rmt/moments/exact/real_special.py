"""Real functions that Gaussian integrals lead to and sympy lacks: Owen's T, the parts of a complex
error function; the normal distribution functions through them.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy

__all__ = ["ImagErf", "OwenT", "RealErf", "bivariate_normal_cdf", "normal_cdf"]


class OwenT(sympy.Function):  # type: ignore[misc]
    """``T(h, a) = (1 / 2 pi) int_0^a exp(-h^2 (1 + x^2) / 2) / (1 + x^2) dx`` (Owen, 1956)."""

    nargs = 2

    @classmethod
    def eval(cls, h: Any, a: Any) -> Any:
        if a.is_zero:
            return sympy.Integer(0)
        if h.is_zero:
            return sympy.atan(a) / (2 * sympy.pi)
        if a.could_extract_minus_sign():
            return -cls(h, -a)
        if h.could_extract_minus_sign():
            return cls(-h, a)
        if a == 1:
            return normal_cdf(h) * (1 - normal_cdf(h)) / 2
        if a is sympy.oo:
            return sympy.erfc(sympy.Abs(h) / sympy.sqrt(2)) / 4
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Any:
        h, a = (argument._to_mpmath(prec + 20) for argument in self.args)
        with mpmath.workprec(prec + 20):
            return sympy.Float._new(_owen_t(h, a)._mpf_, prec)


def _owen_t(h: Any, a: Any) -> Any:
    h = abs(h)
    if a < 0:
        return -_owen_t(h, -a)
    if a > 1:
        p, q = mpmath.ncdf(h), mpmath.ncdf(a * h)
        # (p + q) / 2 - p q, without cancellation for large h
        return (p * (1 - q) + q * (1 - p)) / 2 - _owen_t(a * h, 1 / a)
    # Beyond this point the integrand is below the precision relative to its largest value.
    end = min(a, mpmath.sqrt(2 * mpmath.mp.prec * mpmath.ln2) / h) if h else a
    parts = mpmath.linspace(0, end, 3)
    integral = mpmath.quad(lambda x: mpmath.exp(-(h**2) * (1 + x**2) / 2) / (1 + x**2), parts)
    return integral / (2 * mpmath.pi)


class RealErf(sympy.Function):  # type: ignore[misc]
    """``Re erf(x + i y)``."""

    nargs = 2

    @classmethod
    def eval(cls, x: Any, y: Any) -> Any:
        if y.is_zero:
            return sympy.erf(x)
        if x.is_zero:
            return sympy.Integer(0)
        if x.could_extract_minus_sign():
            return -cls(-x, y)
        if y.could_extract_minus_sign():
            return cls(x, -y)
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Any:
        return _complex_erf(self.args, prec)[0]


class ImagErf(sympy.Function):  # type: ignore[misc]
    """``Im erf(x + i y)``."""

    nargs = 2

    @classmethod
    def eval(cls, x: Any, y: Any) -> Any:
        if y.is_zero:
            return sympy.Integer(0)
        if x.is_zero:
            return sympy.erfi(y)
        if x.could_extract_minus_sign():
            return cls(-x, y)
        if y.could_extract_minus_sign():
            return -cls(x, -y)
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Any:
        return _complex_erf(self.args, prec)[1]


def _complex_erf(arguments: Any, prec: int) -> tuple[Any, Any]:
    x, y = (argument._to_mpmath(prec + 20) for argument in arguments)
    with mpmath.workprec(prec + 20):
        value = mpmath.erf(mpmath.mpc(x, y))
    return sympy.Float._new(value.real._mpf_, prec), sympy.Float._new(value.imag._mpf_, prec)


def normal_cdf(x: Any) -> Any:
    """``P(Z < x) = (1 + erf(x / sqrt 2)) / 2``."""
    return (1 + sympy.erf(x / sympy.sqrt(2))) / 2


def bivariate_normal_cdf(h: Any, k: Any, correlation: Any) -> Any:
    """``P(X < h, Y < k)`` for standard normal ``X, Y``; None when a sign cannot be decided.

    Owen (1956), equation 2.1; exact sympy numbers in and out, ``|correlation| < 1``.
    """
    half, quarter = sympy.Rational(1, 2), sympy.Rational(1, 4)
    rho, rest = correlation, sympy.sqrt(1 - correlation**2)
    if h.is_zero and k.is_zero:
        return quarter + sympy.asin(rho) / (2 * sympy.pi)
    if h.is_zero is None or k.is_zero is None:
        return None
    if h.is_zero:
        h, k = k, h
    total = normal_cdf(h) / 2 - OwenT(h, sympy.radsimp((k - rho * h) / (h * rest)))
    if k.is_zero:
        sign = sympy.sign(h)
        if not sign.is_number:
            return None
        return total + quarter - sign * quarter - (half if h.is_negative else 0)
    total += normal_cdf(k) / 2 - OwenT(k, sympy.radsimp((h - rho * k) / (k * rest)))
    opposite = (h * k).is_negative
    return None if opposite is None else total - (half if opposite else 0)
