"""Exact Gaussian moments: Hermite coefficients as sympy numbers, where they have a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sympy

from rmt.functions.gaussian_class import (
    Kernel,
    NormalForm,
    normal_form,
    product,
    scaled_product,
)
from rmt.functions.hermite_recurrence import Edge, exponential_coefficients, times_polynomial
from rmt.functions.real_special import ImagErf, RealErf, bivariate_normal_cdf, normal_cdf
from rmt.functions.scalar_function import ScalarFunction

__all__ = [
    "Piece",
    "exact_coefficients",
    "exact_second_moment",
    "is_square_integrable_towards",
    "normal_pieces",
]

Piece = tuple[Any, Any, NormalForm]
"""Lower and upper end, and the function in between."""


def exact_coefficients(function: ScalarFunction, order: int) -> tuple[Any, ...] | None:
    """``mu_k = E[f(Z) He_k(Z)]`` for ``k = 0 .. order`` as sympy numbers, ``Z`` standard normal.

    The function is, between its kinks, a sum of terms polynomial x exponential of a quadratic x
    sine or cosine x error functions (see `rmt.functions.gaussian_class`), and its kinks have closed
    forms. An integral over a bounded piece may hold one error function, one over the line two, or
    any odd number of them that are odd.

    Returns
    -------
    tuple of sympy.Expr or None
        None where there is no closed form of this kind. Coefficients that vanish by symmetry are
        the integer 0.

    Examples
    --------
    >>> exact_coefficients(ScalarFunction.parse("relu(z)"), 4)
    (sqrt(2)/(2*sqrt(pi)), 1/2, sqrt(2)/(2*sqrt(pi)), 0, -sqrt(2)/(2*sqrt(pi)))
    >>> exact_coefficients(ScalarFunction.parse("tanh(z)"), 4) is None
    True
    """
    pieces = normal_pieces(function)
    if pieces is None:
        return None
    values = _coefficients(pieces, order)
    if values is None:
        return None
    return tuple(
        sympy.Integer(0) if function.parity * (-1) ** k == -1 else value
        for k, value in enumerate(values)
    )


def exact_second_moment(function: ScalarFunction) -> Any:
    """``E[f(Z)^2]`` as a sympy number, or None where there is no closed form of the kind above.

    Examples
    --------
    >>> exact_second_moment(ScalarFunction.parse("erf(z)"))
    2*asin(2/3)/pi
    """
    pieces = normal_pieces(function)
    if pieces is None:
        return None
    squared = []
    for lower, upper, form in pieces:
        square = product(form, form)
        if square is None:
            return None
        squared.append((lower, upper, square))
    values = _coefficients(squared, 0)
    return None if values is None else values[0]


@lru_cache(maxsize=512)
def normal_pieces(function: ScalarFunction) -> tuple[Piece, ...] | None:
    """The function as sums of terms on intervals with exact ends; None when it is of another kind.

    Examples
    --------
    >>> len(normal_pieces(ScalarFunction.parse("elu(z)")))
    2
    """
    (z,) = function.symbols
    pieces: list[Piece] = []
    for piece in function.smooth_pieces:
        form = None
        if not any(end.is_Float for end in (piece.lower, piece.upper)):
            form = normal_form(piece.expression, z)
        if form is None:
            return None
        pieces.append((piece.lower, piece.upper, form))
    return tuple(pieces)


def is_square_integrable_towards(function: ScalarFunction, side: int) -> bool | None:
    """Whether ``f^2 phi`` is integrable towards ``side`` times infinity; None: not decided here.

    Not decided are functions of another kind, and growing error functions, which may cancel.

    Examples
    --------
    >>> f = ScalarFunction.parse("exp(z**2/4 - z)")
    >>> is_square_integrable_towards(f, 1), is_square_integrable_towards(f, -1)
    (True, False)
    >>> is_square_integrable_towards(ScalarFunction.parse("exp(z**2)*erfc(z)"), 1) is None
    True
    """
    pieces = normal_pieces(function)
    if pieces is None:
        return None
    _, _, form = pieces[-1 if side == 1 else 0]
    kernels = [kernel for kernel, _ in form]
    decays = [_square_decays(kernel, side) for kernel in kernels]
    if all(decays):
        return True
    undecided = any(answer is None for answer in decays) or any(kernel.erfs for kernel in kernels)
    return None if undecided else False


def _square_decays(kernel: Kernel, side: int) -> bool | None:
    """Whether ``exp(2 A z^2 + 2 B z - z^2/2)`` decays; None where sympy cannot tell."""
    excess = kernel.quadratic - sympy.Rational(1, 4)
    exponent = excess if excess != 0 else side * kernel.linear
    answer: bool | None = exponent.is_negative
    return answer


class _Combination(dict[Any, Any]):
    """A linear combination of sympy numbers with exact coefficients: number -> coefficient."""

    def __add__(self, other: _Combination) -> _Combination:
        total = _Combination(self)
        for atom, coefficient in other.items():
            total[atom] = total[atom] + coefficient if atom in total else coefficient
        return total

    def value(self) -> Any:
        return sympy.Add(*(c * atom for atom, c in self.items() if c != 0))


def _multiply(a: Any, b: Any) -> Any:
    if isinstance(a, _Combination):
        if b == 0:
            return _Combination()
        return _Combination({atom: scaled_product(c, sympy.S(b)) for atom, c in a.items()})
    return scaled_product(sympy.S(a), sympy.S(b))


def _coefficients(pieces: Sequence[Piece], order: int) -> list[Any] | None:
    """``sum over pieces of E[f He_k; a < Z < b]``."""
    totals = [_Combination() for _ in range(order + 1)]
    for lower, upper, form in pieces:
        tables = _Tables(lower, upper)
        for (kernel, part), polynomial in form.items():
            table = tables.coefficients(kernel, sympy.Integer(1), order + len(polynomial) - 1)
            if table is None:
                return None
            raised = times_polynomial(table[part], polynomial, _multiply)
            totals = [t + r for t, r in zip(totals, raised, strict=True)]
    return [total.value() for total in totals]


class _Tables:
    """Coefficients of kernels on one interval."""

    def __init__(self, lower: Any, upper: Any) -> None:
        self.lower, self.upper = lower, upper

    def coefficients(self, kernel: Kernel, scale: Any, order: int) -> list[list[Any]] | None:
        """``scale E[g He_k; a < Z < b]`` for both parts of a kernel, ``k = 0 .. order``."""
        base = _integral(kernel, self.lower, self.upper)
        if base is None:
            return None
        sources = []
        for i, (u, v) in enumerate(kernel.erfs):
            # d/dz erf(u z + v) = (2 u / sqrt pi) exp(-(u z + v)^2)
            reduced = Kernel(
                sympy.expand(kernel.quadratic - u**2),
                sympy.expand(kernel.linear - 2 * u * v),
                kernel.frequency,
                kernel.erfs[:i] + kernel.erfs[i + 1 :],
            )
            factor = scale * 2 * u / sympy.sqrt(sympy.pi) * sympy.exp(-(v**2))
            source = self.coefficients(reduced, factor, max(order - 1, 0))
            if source is None:
                return None
            sources.append(source)
        edges = [
            Edge(end, tuple(_single(sign * scale * value) for value in _edge_values(kernel, end)))
            for end, sign in ((self.lower, 1), (self.upper, -1))
            if end.is_finite
        ]
        return exponential_coefficients(
            order,
            [_combined(scale, value) for value in base],
            edges,
            kernel.quadratic,
            kernel.linear,
            kernel.frequency if kernel.frequency != 0 else None,
            sources,
            _multiply,
        )


def _single(value: Any) -> _Combination:
    coefficient, atom = value.as_coeff_Mul()
    return _Combination({atom: coefficient}) if coefficient != 0 else _Combination()


def _combined(scale: Any, value: Any) -> _Combination:
    """A sum as a combination of its terms."""
    total = _Combination()
    for term in sympy.Add.make_args(sympy.expand_mul(scale * value)):
        total = total + _single(term)
    return total


def _edge_values(kernel: Kernel, x: Any) -> list[Any]:
    """``phi(x) g(x)`` for both parts."""
    exponent = sympy.expand(kernel.quadratic * x**2 + kernel.linear * x - x**2 / 2)
    value = sympy.exp(exponent) / sympy.sqrt(2 * sympy.pi)
    for u, v in kernel.erfs:
        value *= sympy.erf(sympy.expand(u * x + v))
    if kernel.frequency == 0:
        return [value]
    angle = kernel.frequency * x
    return [value * sympy.cos(angle), value * sympy.sin(angle)]


# The integral that starts each recurrence


def _integral(kernel: Kernel, lower: Any, upper: Any) -> list[Any] | None:
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
