"""Integrals of one kernel under the normal law, which start the recurrences for its moments."""

from __future__ import annotations

from typing import Any

import sympy

from rmt.moments.exact.gaussian_class import Kernel
from rmt.moments.exact.real_special import ImagErf, RealErf, bivariate_normal_cdf, normal_cdf

__all__ = ["kernel_integral"]


def kernel_integral(kernel: Kernel, lower: Any, upper: Any) -> list[Any] | None:
    """``E[g(Z); a < Z < b]`` for both parts of a kernel; None where no closed form is at hand.

    Completing the square, ``exp(A z^2 + B z) phi(z)`` is a constant times the normal density of
    mean ``B / P`` and variance ``1 / P``, with ``P = 1 - 2 A``; a wave makes ``B`` complex.
    """
    precision = 1 - 2 * kernel.quadratic
    if not precision.is_positive:
        return None
    b, w = kernel.linear, kernel.frequency
    exponent = sympy.expand((b**2 - w**2) / (2 * precision))
    constant = sympy.exp(exponent) / sympy.sqrt(precision)
    if w != 0:
        return _wave_integral(kernel, lower, upper, precision, constant)
    root = sympy.sqrt(precision)
    ends = [sympy.expand(end * root - b / root) if end.is_finite else end for end in (lower, upper)]
    # The error functions in the standardised variable.
    erfs = [(u / root, sympy.expand(v + u * b / precision)) for u, v in kernel.erfs]
    value = _standard_integral(erfs, ends[0], ends[1], kernel.is_constant)
    return None if value is None else [constant * value]


def _standard_integral(erfs: list[tuple[Any, Any]], lower: Any, upper: Any, as_erf: bool) -> Any:
    """``E[prod_i erf(u_i Y + v_i); a < Y < b]``."""
    whole = not lower.is_finite and not upper.is_finite
    if not erfs:
        return _probability(lower, upper, as_erf)
    if whole and len(erfs) % 2 and all(v == 0 for _, v in erfs):
        return sympy.Integer(0)
    if whole and len(erfs) == 1:
        ((u, v),) = erfs
        return sympy.erf(sympy.radsimp(v / sympy.sqrt(1 + 2 * u**2)))
    if whole and len(erfs) == 2:
        return _two_error_functions(erfs)
    if len(erfs) == 1:
        ((u, v),) = erfs
        total = sympy.Integer(0)
        for end, sign in ((upper, 1), (lower, -1)):
            if end is sympy.oo:
                part = sympy.erf(sympy.radsimp(v / sympy.sqrt(1 + 2 * u**2)))
            elif end is -sympy.oo:
                part = sympy.Integer(0)
            else:
                part = _error_function_below(u, v, end)
            if part is None:
                return None
            total += sign * part
        return total
    return None


def _probability(lower: Any, upper: Any, as_erf: bool) -> Any:
    """``P(a < Y < b)``; half-lines in erfc unless asked otherwise."""
    if not lower.is_finite and not upper.is_finite:
        return sympy.Integer(1)
    half, root = sympy.Rational(1, 2), sympy.sqrt(2)
    if not as_erf and not lower.is_finite:
        return half * sympy.erfc(-upper / root)
    if not as_erf and not upper.is_finite:
        return half * sympy.erfc(lower / root)
    below = [
        sympy.Integer(1 if end is sympy.oo else -1) if not end.is_finite else sympy.erf(end / root)
        for end in (lower, upper)
    ]
    return half * (below[1] - below[0])


def _error_function_below(u: Any, v: Any, end: Any) -> Any:
    """``E[erf(u Y + v); Y < b]`` through ``E[Phi(p Y + q); Y < b] = P(Y < b, X < ..)``."""
    p, q = sympy.sqrt(2) * u, sympy.sqrt(2) * v
    delta = sympy.sqrt(1 + p**2)
    joint = bivariate_normal_cdf(end, sympy.radsimp(q / delta), sympy.radsimp(-p / delta))
    return None if joint is None else 2 * joint - normal_cdf(end)


def _two_error_functions(erfs: list[tuple[Any, Any]]) -> Any:
    """``E[erf erf]`` through ``E[Phi(p Y + q) Phi(p' Y + q')]``, a bivariate normal probability."""
    (p, q), (r, s) = ((sympy.sqrt(2) * u, sympy.sqrt(2) * v) for u, v in erfs)
    delta, epsilon = sympy.sqrt(1 + p**2), sympy.sqrt(1 + r**2)
    h, k = sympy.radsimp(q / delta), sympy.radsimp(s / epsilon)
    correlation = p * r / (delta * epsilon)
    joint = bivariate_normal_cdf(h, k, sympy.radsimp(correlation))
    return None if joint is None else 4 * joint - 2 * normal_cdf(h) - 2 * normal_cdf(k) + 1


def _wave_integral(
    kernel: Kernel, lower: Any, upper: Any, precision: Any, constant: Any
) -> list[Any] | None:
    """Real and imaginary part of the integral with ``exp(i w z)``."""
    b, w = kernel.linear, kernel.frequency
    angle = sympy.expand(b * w / precision)
    c, s = sympy.cos(angle), sympy.sin(angle)
    whole = not lower.is_finite and not upper.is_finite
    if whole and len(kernel.erfs) <= 1:
        real, imag = sympy.Integer(1), sympy.Integer(0)
        for u, v in kernel.erfs:
            stretch = sympy.sqrt(1 + 2 * u**2 / precision)
            x = sympy.radsimp((v + u * b / precision) / stretch)
            y = sympy.radsimp(u * w / precision / stretch)
            real, imag = RealErf(x, y), ImagErf(x, y)
    elif not kernel.erfs:
        real = imag = sympy.Integer(0)
        y = sympy.radsimp(-w / sympy.sqrt(2 * precision))
        for end, sign in ((upper, 1), (lower, -1)):
            if end.is_finite:
                x = sympy.expand((end * precision - b) / sympy.sqrt(2 * precision))
                real += sign * RealErf(x, y) / 2
                imag += sign * ImagErf(x, y) / 2
            else:
                real += sympy.Rational(1, 2)
    else:
        return None
    return [constant * (c * real - s * imag), constant * (s * real + c * imag)]
