"""Removing one Hermite component from a function."""

from __future__ import annotations

from rmt.arguments import whole_number
from rmt.caching import cached
from rmt.expressions.catalogue import MAX_HERMITE_DEGREE, hermite_polynomial
from rmt.expressions.printing import INEXACT_BITS, INEXACT_DIGITS
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.lazy import mpmath, sympy
from rmt.moments.ladder import hermite_moments
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["remove_hermite"]

DIGITS = 30


def remove_hermite(function: FunctionLike, degree: int = 1) -> ScalarFunction:
    """``f - E[f(Z) He_k(Z)]/k! He_k``: the function without its ``He_k`` component.

    ``Z`` is standard normal, ``He_k`` the probabilists' Hermite polynomial, ``k`` the degree. The
    coefficient is exact where it has a closed form (see `rmt.hermite_expansion`); otherwise it is
    integrated to 30 digits (in double precision where the function was sampled) and enters as a
    decimal of 25 digits, so that the text of the result reads back exactly.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        A function of one variable.
    degree : int
        0 to 12.

    Returns
    -------
    ScalarFunction
        The function itself when the component is exactly zero, by symmetry or otherwise.

    Raises
    ------
    InvalidInputError
        More than one variable, a degree that is not allowed, a function that is not real, or one
        that is not square-integrable against the Gaussian weight.
    ConvergenceError
        The integral did not reach its precision.

    Notes
    -----
    ``Z`` and ``He_k`` as in docs/theory.md, section 1. Also available in text:
    ``remove_hermite(3*tanh(2*z), 1)`` is the odd target of information exponent 3 in its section 8.

    Examples
    --------
    >>> remove_hermite("relu(z)")
    ScalarFunction('-z/2 + max(z, 0)')
    >>> remove_hermite("3*tanh(2*z)")
    ScalarFunction('-2.188432594458360450861340*z + 3*tanh(2*z)')
    """
    parsed = ScalarFunction.parse(function)
    degree = whole_number("degree", degree, 0, MAX_HERMITE_DEGREE)
    if parsed.n_variables != 1:
        raise InvalidInputError(
            f"function: {parsed.short} has {parsed.n_variables} variables; one is allowed"
        )
    return _remove_hermite(parsed, degree)


@cached(256)
def _remove_hermite(function: ScalarFunction, degree: int) -> ScalarFunction:

    if function.parity * (-1) ** degree == -1:
        return function
    try:
        digits = None if function.tables else DIGITS
        moment = hermite_moments(function, degree, digits).values[degree]
    except ConvergenceError as error:
        raise ConvergenceError(f"remove_hermite: {error}", error.status, error.best) from error
    if moment == 0:
        return function
    if moment.is_Float:
        decimal = mpmath.nstr(mpmath.mp.make_mpf(moment._mpf_), INEXACT_DIGITS)
        moment = sympy.Float(decimal, precision=INEXACT_BITS)
    (z,) = function.symbols
    component = moment / sympy.factorial(degree) * hermite_polynomial(sympy, degree, z)
    return ScalarFunction.parse(function.expression - component)
