"""Functions whose Gaussian moments have a closed form, as sums of terms.

On each smooth piece: polynomial x exp(quadratic) x cos or sin(w z) x error functions of linear
arguments. Hyperbolic sines and cosines, ``2**z``, sums and products of such are of this kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

__all__ = ["COS", "SIN", "Kernel", "NormalForm", "normal_form", "product", "scaled_product"]

COS, SIN = 0, 1
MAX_TERMS = 400
MAX_POWER = 64


@dataclass(frozen=True, slots=True)
class Kernel:
    """``exp(A z^2 + B z) {cos, sin}(w z) prod_i erf(u_i z + v_i)`` with ``w >= 0``, ``u_i > 0``.

    The part (cosine or sine) is named next to it; with ``w = 0`` it is the cosine.
    """

    quadratic: Any
    linear: Any
    frequency: Any
    erfs: tuple[tuple[Any, Any], ...]

    @property
    def is_constant(self) -> bool:
        """Whether it is the function 1."""
        return self == ONE


_ZERO = sympy.Integer(0)
ONE = Kernel(_ZERO, _ZERO, _ZERO, ())

NormalForm = dict[tuple[Kernel, int], list[Any]]
"""Kernel and part -> coefficients of the polynomial in front of it, ascending."""


def scaled_product(a: Any, b: Any) -> Any:
    """Product of exact numbers, sums multiplied out so that equal terms meet."""
    value = a * b
    if value.is_Rational or not (a.is_Add or b.is_Add):
        return value
    return sympy.expand(value)


def normal_form(expr: Any, z: Any) -> NormalForm | None:
    """The sum of terms that a smooth expression is, or None when it is of another kind."""
    if z not in expr.free_symbols:
        return {(ONE, COS): [expr]} if _is_exact(expr) else None
    if expr == z:
        return {(ONE, COS): [_ZERO, sympy.Integer(1)]}
    if expr.is_Add or expr.is_Mul:
        combine = _sum if expr.is_Add else product
        total: NormalForm | None = None
        for argument in expr.args:
            form = normal_form(argument, z)
            if form is None:
                return None
            total = form if total is None else combine(total, form)
            if total is None:
                return None
        return total
    if isinstance(expr, sympy.exp):
        return _exponential(expr.args[0], z)
    if expr.is_Pow:
        return _power(expr, z)
    if isinstance(expr, (sympy.sinh, sympy.cosh)):
        return normal_form(expr.rewrite(sympy.exp), z)
    if isinstance(expr, (sympy.sin, sympy.cos)):
        return _wave(expr, z)
    if isinstance(expr, (sympy.erf, sympy.erfc)):
        return _error_function(expr, z)
    return None


def _is_exact(number: Any) -> bool:
    return bool(number.is_real) and not number.has(sympy.Float)


def _sum(a: NormalForm, b: NormalForm) -> NormalForm:
    total = dict(a)
    for key, q in b.items():
        p = total.get(key, [])
        width = max(len(p), len(q))
        p, q = (c + [_ZERO] * (width - len(c)) for c in (p, q))
        total[key] = [s + t for s, t in zip(p, q, strict=True)]
    return _trimmed(total)


def _trimmed(form: NormalForm) -> NormalForm:
    trimmed: NormalForm = {}
    for key, coefficients in form.items():
        last = len(coefficients)
        while last and coefficients[last - 1] == 0:
            last -= 1
        if last:
            trimmed[key] = coefficients[:last]
    return trimmed


def product(a: NormalForm, b: NormalForm) -> NormalForm | None:
    """Product of two sums of terms; None when it has too many."""
    if len(a) * len(b) > MAX_TERMS:
        return None
    total: NormalForm = {}
    for (kernel_a, part_a), p in a.items():
        for (kernel_b, part_b), q in b.items():
            polynomial = _polynomial_product(p, q)
            kernels = _kernel_product(kernel_a, part_a, kernel_b, part_b)
            if kernels is None:
                return None
            for key, factor in kernels:
                total = _sum(total, {key: [factor * c for c in polynomial]})
    return total


def _polynomial_product(p: list[Any], q: list[Any]) -> list[Any]:
    result = [_ZERO] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        if a != 0:
            for j, b in enumerate(q):
                result[i + j] += scaled_product(a, b)
    return result


def _kernel_product(
    a: Kernel, part_a: int, b: Kernel, part_b: int
) -> list[tuple[tuple[Kernel, int], Any]] | None:
    quadratic = sympy.expand(a.quadratic + b.quadratic)
    linear = sympy.expand(a.linear + b.linear)
    erfs = tuple(sorted(a.erfs + b.erfs, key=sympy.default_sort_key))

    def key(frequency: Any, part: int) -> tuple[Kernel, int]:
        return Kernel(quadratic, linear, frequency, erfs), part

    one, half = sympy.Integer(1), sympy.Rational(1, 2)
    if a.frequency == 0:
        return [(key(b.frequency, part_b), one)]
    if b.frequency == 0:
        return [(key(a.frequency, part_a), one)]
    total, difference = a.frequency + b.frequency, sympy.expand(a.frequency - b.frequency)
    sign = one
    if difference != 0:
        if difference.is_negative:
            difference, sign = -difference, -one
        elif not difference.is_positive:
            return None
    if part_a == part_b:  # cos cos, sin sin
        second = half if part_a == COS else -half
        return [(key(difference, COS), half), (key(total, COS), second)]
    # sin(x) cos(y) = (sin(x + y) + sin(x - y)) / 2
    result = [(key(total, SIN), half)]
    if difference != 0:
        result.append((key(difference, SIN), half * sign * (1 if part_a == SIN else -1)))
    return result


def _linear_parts(argument: Any, z: Any, degree: int) -> list[Any] | None:
    """Coefficients of a polynomial of at most this degree, ascending; None for anything else."""
    if not argument.is_polynomial(z):
        return None
    coefficients = sympy.Poly(argument, z).all_coeffs()[::-1]
    if len(coefficients) > degree + 1 or not all(_is_exact(c) for c in coefficients):
        return None
    return [*coefficients, *[_ZERO] * (degree + 1 - len(coefficients))]


def _exponential(argument: Any, z: Any) -> NormalForm | None:
    parts = _linear_parts(argument, z, 2)
    if parts is None:
        return None
    constant, linear, quadratic = parts
    return {(Kernel(quadratic, linear, _ZERO, ()), COS): [sympy.exp(constant)]}


def _power(expr: Any, z: Any) -> NormalForm | None:
    base, exponent = expr.base, expr.exp
    if z not in base.free_symbols:
        return _exponential(exponent * sympy.log(base), z) if base.is_positive else None
    if not exponent.is_Integer or not 0 < exponent <= MAX_POWER:
        return None
    form = normal_form(base, z)
    result: NormalForm | None = {(ONE, COS): [sympy.Integer(1)]}
    for bit in bin(int(exponent))[2:]:
        if form is None or result is None:
            return None
        result = product(result, result)
        if bit == "1" and result is not None:
            result = product(result, form)
    return result


def _wave(expr: Any, z: Any) -> NormalForm | None:
    parts = _linear_parts(expr.args[0], z, 1)
    if parts is None:
        return None
    phase, frequency = parts
    if frequency.is_negative:
        phase, frequency = -phase, -frequency
        sign = -1 if isinstance(expr, sympy.sin) else 1
        # sin(-x) = -sin(x): the argument is -(w z + x)
    elif frequency.is_positive:
        sign = 1
    else:
        return None
    kernel = Kernel(_ZERO, _ZERO, frequency, ())
    c, s = sympy.cos(phase), sympy.sin(phase)
    if isinstance(expr, sympy.cos):
        cos_part, sin_part = c, -s
    else:
        cos_part, sin_part = s, c
    return _trimmed({(kernel, COS): [sign * cos_part], (kernel, SIN): [sign * sin_part]})


def _error_function(expr: Any, z: Any) -> NormalForm | None:
    parts = _linear_parts(expr.args[0], z, 1)
    if parts is None:
        return None
    v, u = parts
    sign = sympy.Integer(1)
    if u.is_negative:
        u, v, sign = -u, -v, -sign
    elif not u.is_positive:
        return None
    kernel = Kernel(_ZERO, _ZERO, _ZERO, ((u, v),))
    if isinstance(expr, sympy.erf):
        return {(kernel, COS): [sign]}
    return {(ONE, COS): [sympy.Integer(1)], (kernel, COS): [-sign]}
