"""The ladder of Hermite moments: exact, in double precision, to any number of digits.

Every one of the three has a file of its own; what it gives is turned into sympy numbers here, with
the errors in one unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rmt.functions import ScalarFunction
from rmt.lazy import mpmath, sympy
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.integrability import check_square_integrable
from rmt.moments.number_conversions import double_above, sympy_float
from rmt.moments.precise.coefficients import precise_coefficients
from rmt.moments.symmetry import even_or_odd_part

__all__ = ["HermiteMoments", "hermite_moments", "second_moment"]

_DOUBLE_DIGITS = 15
Estimate = tuple[Any, float]
"""A sympy number, and a bound of its error."""


@dataclass(frozen=True, slots=True)
class HermiteMoments:
    """``mu_k = E[f(Z) He_k(Z)]`` for ``k = 0 .. order``.

    Attributes
    ----------
    values : tuple of sympy numbers
        Exact, or Floats.
    errors : tuple of float
        Absolute error bounds of ``mu_k / sqrt(k!)``; 0 for what is exact.
    square : tuple or None
        ``E[f(Z)^2]`` and its error bound, where the quadrature gives it at once.
    """

    values: tuple[Any, ...]
    errors: tuple[float, ...]
    square: Estimate | None = None


def hermite_moments(
    function: ScalarFunction, order: int, digits: int | None = None
) -> HermiteMoments:
    """``E[f(Z) He_k(Z)]`` for ``k = 0 .. order``, as exact as can be had.

    Parameters
    ----------
    function : ScalarFunction
        One variable, square-integrable under the normal law.
    order : int
    digits : int, optional
        Of coefficients that have no closed form; in double precision when left out.

    Raises
    ------
    InvalidInputError, ConvergenceError
        See `double_coefficients` and `precise_coefficients`.

    Examples
    --------
    >>> hermite_moments(ScalarFunction.parse("relu(z)"), 1).values
    (sqrt(2)/(2*sqrt(pi)), 1/2)
    >>> hermite_moments(ScalarFunction.parse("tanh(z)"), 1, digits=20).values
    (0, 0.605705509602158825584)
    """
    from rmt.moments.exact.closed_form import exact_coefficients

    check_square_integrable(function)
    exact = exact_coefficients(function, order)
    if exact is not None:
        return HermiteMoments(exact, (0.0,) * (order + 1))
    # f = g + c + s z, g even or odd: one coefficient of g and E[g^2] differ from those of f.
    rest, constant, slope = even_or_odd_part(function)
    values, errors, (square, error) = _integrated(rest, order, digits)
    line = (constant, slope, *(0,) * order)
    sums = tuple(mu + c if c else mu for mu, c in zip(values, line, strict=False))
    return HermiteMoments(sums, errors, (square + constant**2 + slope**2, error))


def second_moment(function: ScalarFunction, digits: int | None = None) -> Estimate:
    """``E[f(Z)^2]``, by the same ladder."""
    from rmt.moments.exact.closed_form import exact_second_moment

    exact = exact_second_moment(function)
    if exact is not None:
        return exact, 0.0
    return _integrated(function, 0, digits)[2]


def _integrated(
    function: ScalarFunction, order: int, digits: int | None
) -> tuple[tuple[Any, ...], tuple[float, ...], Estimate]:
    """``mu_k``, errors and ``E[f^2]`` in double precision, or to so many digits."""

    if digits is None:
        double = double_coefficients(function, order)
        bits, errors = 53, double.errors.tolist()
        square, square_error = mpmath.mpf(double.second_moment), double.second_moment_error
        with mpmath.workdps(_DOUBLE_DIGITS + 5):
            values = [
                mpmath.mpf(c) * mpmath.sqrt(mpmath.factorial(k))
                for k, c in enumerate(double.orthonormal.tolist())
            ]
    else:
        precise = precise_coefficients(function, order, digits)
        bits, values = math.ceil((digits + 2) * math.log2(10)), list(precise.values)
        square, square_error = precise.second_moment, double_above(precise.second_moment_error)
        with mpmath.workdps(digits + 5):
            errors = [
                double_above(error / mpmath.sqrt(mpmath.factorial(k)))
                for k, error in enumerate(precise.errors)
            ]
    # What vanishes by parity is the integer 0.
    numbers = [
        sympy_float(mu, bits) if mu or error else sympy.Integer(0)
        for mu, error in zip(values, errors, strict=True)
    ]
    return tuple(numbers), tuple(errors), (sympy_float(square, bits), square_error)
