"""Removing one Hermite component from a function."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rmt.functions.catalogue import MAX_HERMITE_DEGREE, hermite_polynomial
from rmt.functions.kinks import SmoothPiece
from rmt.functions.printing import INEXACT_BITS, INEXACT_DIGITS
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.status import ConvergenceError, InvalidInputError, Status

if TYPE_CHECKING:
    pass

__all__ = ["remove_hermite"]

DIGITS = 30
WORKING_DIGITS = 45
FIRST_RADIUS = 14
LAST_RADIUS = 40


def remove_hermite(function: FunctionLike, degree: int = 1) -> ScalarFunction:
    """``f - E[f(Z) He_k(Z)]/k! He_k``: the function without its ``He_k`` component.

    ``Z`` is standard normal, ``He_k`` the probabilists' Hermite polynomial, ``k`` the degree. The
    coefficient is exact for piecewise polynomials, and for polynomials times the exponential, sine
    or cosine of a linear function; otherwise it is integrated to 30 digits and enters as a decimal
    of 25 digits, so that the text of the result reads back exactly.

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
        that is not integrable against the Gaussian weight.
    ConvergenceError
        The integral did not reach its precision.

    Notes
    -----
    Also available in text: ``remove_hermite(3*tanh(2*z), 1)`` is the odd target of information
    exponent 3 in section 8 of the theory notes.

    Examples
    --------
    >>> remove_hermite("relu(z)")
    ScalarFunction('-z/2 + max(z, 0)')
    >>> remove_hermite("3*tanh(2*z)")
    ScalarFunction('-2.188432594458360450861340*z + 3*tanh(2*z)')
    """
    parsed = ScalarFunction.parse(function)
    if isinstance(degree, bool) or not isinstance(degree, int):
        raise InvalidInputError(f"degree: expected a whole number, got {degree!r}")
    if not 0 <= degree <= MAX_HERMITE_DEGREE:
        raise InvalidInputError(f"degree: got {degree}; allowed are 0 to {MAX_HERMITE_DEGREE}")
    if parsed.n_variables != 1:
        raise InvalidInputError(
            f"function: {parsed.text} has {parsed.n_variables} variables; one is allowed"
        )
    return _remove_hermite(parsed, degree)


@lru_cache(maxsize=256)
def _remove_hermite(function: ScalarFunction, degree: int) -> ScalarFunction:
    import sympy

    if function.parity * (-1) ** degree == -1:
        return function
    function.check_real()
    moment = _exact_moment(function, degree)
    if moment is None:
        moment = _numerical_moment(function, degree)
    if moment == 0:
        return function
    (z,) = function.symbols
    component = moment / sympy.factorial(degree) * hermite_polynomial(sympy, degree, z)
    return ScalarFunction.parse(function.expression - component)


# Exact moments


def _exact_moment(function: ScalarFunction, degree: int) -> Any:
    """``E[f He_k]`` as a sympy number, or None where no closed form is at hand."""
    import sympy

    (z,) = function.symbols
    pieces = function.smooth_pieces
    hermite = hermite_polynomial(sympy, degree, z)
    if any(end.is_Float for piece in pieces for end in (piece.lower, piece.upper)):
        return None
    if all(piece.expression.is_polynomial(z) for piece in pieces):
        total = sum(
            _polynomial_moment(sympy.expand(piece.expression * hermite), z, piece)
            for piece in pieces
        )
        return _settled(total)
    if len(pieces) == 1:
        terms = sympy.Add.make_args(sympy.expand(function.expression * hermite))
        moments = [_exponential_moment(term, z) for term in terms]
        if None not in moments:
            return _settled(sympy.Add(*moments))
    return None


def _settled(value: Any) -> Any:
    """The expanded value; zero as the integer 0."""
    import sympy

    value = sympy.expand(value)
    # What is below 1e-35 of numbers of size one is a zero that expansion did not show.
    return value if abs(value.evalf(20, maxn=200)) > 1e-35 else sympy.Integer(0)


def _polynomial_moment(polynomial: Any, z: Any, piece: Any) -> Any:
    """``E[p(Z); a < Z < b]`` by ``M_j = a^{j-1} phi(a) - b^{j-1} phi(b) + (j-1) M_{j-2}``."""
    import sympy

    coefficients = sympy.Poly(polynomial, z).all_coeffs()[::-1]

    def density(x: Any) -> Any:
        return sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi) if x.is_finite else 0

    def distribution(x: Any) -> Any:
        if not x.is_finite:
            return sympy.Integer(1 if x > 0 else 0)
        return (1 + sympy.erf(x / sympy.sqrt(2))) / 2

    a, b = piece.lower, piece.upper
    moments = [distribution(b) - distribution(a), density(a) - density(b)]
    for j in range(2, len(coefficients)):
        at_a = a ** (j - 1) * density(a) if a.is_finite else 0
        at_b = b ** (j - 1) * density(b) if b.is_finite else 0
        moments.append(at_a - at_b + (j - 1) * moments[j - 2])
    return sympy.Add(*(c * m for c, m in zip(coefficients, moments, strict=False)))


def _exponential_moment(term: Any, z: Any) -> Any:
    """``E`` of a polynomial times one ``exp``, ``sin`` or ``cos`` of ``a z + b``; None otherwise.

    ``E[p(Z) exp(a Z)] = exp(a^2/2) E[p(Z + a)]``; sine and cosine by imaginary ``a``.
    """
    import sympy

    polynomial, rest = sympy.Integer(1), []
    for factor in sympy.Mul.make_args(term):
        if factor.is_polynomial(z):
            polynomial *= factor
        else:
            rest.append(factor)
    if not rest:
        return _polynomial_moment(polynomial, z, SmoothPiece(-sympy.oo, sympy.oo, polynomial))
    if len(rest) > 1 or not isinstance(rest[0], (sympy.exp, sympy.sin, sympy.cos)):
        return None
    argument = rest[0].args[0]
    if not argument.is_polynomial(z) or sympy.degree(argument, z) != 1:
        return None
    a, b = sympy.Poly(argument, z).all_coeffs()
    imaginary = not isinstance(rest[0], sympy.exp)
    shift = sympy.I * a if imaginary else a
    shifted = sympy.expand(polynomial.subs(z, z + shift))
    moment = _polynomial_moment(shifted, z, SmoothPiece(-sympy.oo, sympy.oo, polynomial))
    if not imaginary:
        return sympy.exp(a**2 / 2 + b) * moment
    real, imag = moment.as_real_imag()
    scale = sympy.exp(-(a**2) / 2)
    if isinstance(rest[0], sympy.cos):
        return scale * (real * sympy.cos(b) - imag * sympy.sin(b))
    return scale * (real * sympy.sin(b) + imag * sympy.cos(b))


# Numerical moments


def _numerical_moment(function: ScalarFunction, degree: int) -> Any:
    """``E[f He_k]`` rounded to 25 digits, a sympy Float; 0 below 1e-25 of the function's size."""
    import mpmath
    import sympy

    with mpmath.workdps(WORKING_DIGITS):
        integrand = _integrand(function, degree)
        radius = _radius(integrand, function)
        if function.is_smooth:
            value, size, error = _trapezoid(integrand, radius)
        else:
            value, size, error = _by_pieces(integrand, function, radius)
        if size == 0 or abs(value) <= size * mpmath.mpf(10) ** -INEXACT_DIGITS:
            return sympy.Integer(0)
        rounded = sympy.Float(mpmath.nstr(value, INEXACT_DIGITS), precision=INEXACT_BITS)
        if error > size * mpmath.mpf(10) ** -DIGITS:
            raise ConvergenceError(
                f"remove_hermite: E[f He{degree}] of {function.text} did not reach {DIGITS} digits "
                f"(relative error {mpmath.nstr(error / size, 2)})",
                Status.NOT_CONVERGED,
                best=float(rounded),
            )
    return rounded


def _integrand(function: ScalarFunction, degree: int) -> Any:
    """``f(x) He_k(x) phi(x)`` in mpmath arithmetic."""
    import mpmath

    def integrand(x: Any) -> Any:
        previous, current = mpmath.mpf(0), mpmath.mpf(1)
        for k in range(degree):
            previous, current = current, x * current - k * previous
        return function.evaluate(x, WORKING_DIGITS) * current * mpmath.npdf(x)

    return integrand


def _radius(integrand: Any, function: ScalarFunction) -> int:
    """Where the integrand has fallen below what 30 digits can see, on both sides."""
    import mpmath

    size = max(abs(integrand(mpmath.mpf(x) / 3)) for x in range(-9, 10) if x)
    for radius in range(FIRST_RADIUS, LAST_RADIUS + 1, 2):
        tail = max(abs(integrand(mpmath.mpf(s * radius))) for s in (-1, 1))
        if tail <= max(size, mpmath.mpf("1e-6")) * mpmath.mpf(10) ** -(DIGITS + 5):
            return radius
    raise InvalidInputError(
        f"function: {function.text} grows too fast to be integrated against the Gaussian weight"
    )


def _trapezoid(integrand: Any, radius: int) -> tuple[Any, Any, Any]:
    """Trapezoidal rule, halved until it settles: for an analytic integrand the error is
    ``exp(-2 pi d / h)``, ``d`` the distance of the nearest pole from the real line.
    """
    import mpmath

    steps_per_unit = 4
    values = [integrand(mpmath.mpf(i) / 4) for i in range(-4 * radius, 4 * radius + 1)]
    total, size = mpmath.fsum(values), mpmath.fsum(values, absolute=True)
    previous = total / steps_per_unit
    while True:
        middle = [
            integrand(mpmath.mpf(2 * i + 1) / (2 * steps_per_unit))
            for i in range(-radius * steps_per_unit, radius * steps_per_unit)
        ]
        total += mpmath.fsum(middle)
        size += mpmath.fsum(middle, absolute=True)
        steps_per_unit *= 2
        value = total / steps_per_unit
        change = abs(value - previous)
        # Halving h squares the relative error, so that of the new value is about the square of
        # the change; the factor 1000 is for the constants.
        scale = size / steps_per_unit
        error = 1000 * scale * (change / scale) ** 2 if scale else mpmath.mpf(0)
        if error <= scale * mpmath.mpf(10) ** -(DIGITS + 2) or steps_per_unit >= 1024:
            return value, scale, error
        previous = value


def _by_pieces(integrand: Any, function: ScalarFunction, radius: int) -> tuple[Any, Any, Any]:
    """Tanh-sinh quadrature between kinks, which may be singular points."""
    import mpmath

    ends = [mpmath.mpf(-radius)]
    for piece in function.smooth_pieces[:-1]:
        kink = piece.upper.evalf(WORKING_DIGITS)._to_mpmath(mpmath.mp.prec)
        if -radius < kink < radius:
            ends.append(kink)
    ends.append(mpmath.mpf(radius))
    value, size, error = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(0)
    for a, b in pairwise(ends):
        parts = mpmath.linspace(a, b, 2 + int((b - a) / 4))
        for low, high in pairwise(parts):
            part, part_error = mpmath.quad(integrand, [low, high], error=True)
            value += part
            size += abs(part)
            error += part_error
    return value, size, error
