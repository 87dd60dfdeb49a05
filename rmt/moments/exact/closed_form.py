"""Exact Gaussian moments: Hermite coefficients as sympy numbers, where they have a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from rmt.caching import cached
from rmt.functions.scalar_function import ScalarFunction
from rmt.moments.exact.gaussian_class import (
    Kernel,
    NormalForm,
    normal_form,
    product,
    scaled_product,
)
from rmt.moments.exact.kernel_integral import kernel_integral
from rmt.moments.recurrence import Edge, exponential_coefficients, times_polynomial

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
    sine or cosine x error functions (see `rmt.moments.exact.gaussian_class`), and its kinks have
    closed forms. An integral over a bounded piece may hold one error function, one over the line
    two, or any odd number of them that are odd.

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


@cached(512)
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
        base = kernel_integral(kernel, self.lower, self.upper)
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
