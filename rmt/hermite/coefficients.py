"""Hermite coefficients of a function of one variable: closed forms, else by quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from rmt.functions import ScalarFunction
from rmt.hermite.number_conversions import double_above, sympy_float
from rmt.hermite.symmetry import even_or_odd_part
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.integrability import check_square_integrable
from rmt.moments.precise.coefficients import precise_coefficients

__all__ = ["Coefficients", "coefficients"]

_DOUBLE_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What an expansion holds of its function; the names are those of `HermiteExpansion`."""

    probabilists: tuple[Any, ...]
    errors: tuple[float, ...]
    second_moment: Any
    second_moment_error: float


def coefficients(function: ScalarFunction, order: int, digits: int | None) -> Coefficients:
    """``mu_0 .. mu_order`` and ``E[f^2]``; without `digits` in double precision if not exact."""
    from rmt.moments.exact.closed_form import exact_coefficients, exact_second_moment

    check_square_integrable(function)
    exact = exact_coefficients(function, order)
    if exact is None:
        rest, constant, slope = even_or_odd_part(function)
        return _with_line(_integrated(rest, order, digits), constant, slope)
    second, second_error = exact_second_moment(function), 0.0
    if second is None:
        integrated = _integrated(function, 0, digits)
        second, second_error = integrated.second_moment, integrated.second_moment_error
    return Coefficients(exact, (0.0,) * (order + 1), second, second_error)


def _with_line(rest: Coefficients, constant: Any, slope: Any) -> Coefficients:
    """Those of ``f = g + c + s z`` from those of ``g``, even with ``c = 0`` or odd with
    ``s = 0``: one coefficient and ``E[f^2] = E[g^2] + c^2 + s^2`` differ.
    """
    mu = list(rest.probabilists)
    mu[0] += constant
    if len(mu) > 1:
        mu[1] += slope
    second = rest.second_moment + constant**2 + slope**2
    return replace(rest, probabilists=tuple(mu), second_moment=second)


def _integrated(function: ScalarFunction, order: int, digits: int | None) -> Coefficients:
    """Coefficients by quadrature."""
    if digits is None:
        return _in_double_precision(function, order)
    return _to_digits(function, order, digits)


def _in_double_precision(function: ScalarFunction, order: int) -> Coefficients:
    import mpmath
    import sympy

    double = double_coefficients(function, order)
    values, errors = [], double.errors.tolist()
    with mpmath.workdps(_DOUBLE_DIGITS + 5):
        for k, (c, error) in enumerate(zip(double.orthonormal.tolist(), errors, strict=True)):
            mu = mpmath.mpf(c) * mpmath.sqrt(mpmath.factorial(k))
            values.append(sympy_float(mu, 53) if c or error else sympy.Integer(0))
    return Coefficients(
        tuple(values),
        tuple(errors),
        sympy.Float(double.second_moment, precision=53),
        double.second_moment_error,
    )


def _to_digits(function: ScalarFunction, order: int, digits: int) -> Coefficients:
    import mpmath
    import sympy

    found = precise_coefficients(function, order, digits)
    precision = math.ceil((digits + 2) * math.log2(10))
    values, errors = [], []
    with mpmath.workdps(digits + 5):
        for k, (mu, error) in enumerate(zip(found.values, found.errors, strict=True)):
            values.append(sympy_float(mu, precision) if mu or error else sympy.Integer(0))
            errors.append(double_above(error / mpmath.sqrt(mpmath.factorial(k))))
    return Coefficients(
        tuple(values),
        tuple(errors),
        sympy_float(found.second_moment, precision),
        double_above(found.second_moment_error),
    )
