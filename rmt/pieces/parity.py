"""Even or odd, when it can be proved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array
from rmt.lazy import sympy
from rmt.pieces.switches import switch_arguments

if TYPE_CHECKING:
    from rmt.pieces.kinks import SmoothPiece

__all__ = ["apparent_parity", "proved_parity"]


def apparent_parity(function: Callable[[Array], NDArray[Any]]) -> int:
    """+1 or -1 where the values at a few points are even or odd, else 0."""
    points = np.array([0.3, 0.71, 1.234, 2.05, 3.3])
    right, left = function(points), function(-points)
    size = np.abs(right) + np.abs(left) + 1e-12
    for candidate in (1, -1):
        if (np.abs(left - candidate * right) <= 1e-9 * size).all():
            return candidate
    return 0


def proved_parity(
    expr: sympy.Expr, pieces: tuple[SmoothPiece, ...], symbol: sympy.Symbol, candidate: int
) -> int:
    """``candidate`` (+1 or -1) if ``f(-z) = candidate f(z)`` can be proved, else 0.

    Proved either for the expression as it stands, or piece by piece: the piece on ``(a, b)``
    against the mirrored one on ``(-b, -a)``.
    """
    mirrored = expr.subs(symbol, -symbol)
    if mirrored == candidate * expr:
        return candidate
    ends = [piece.upper for piece in pieces[:-1]]
    if any(end.is_Float for end in ends):
        # Ends known in decimals only are mirrored exactly when the equations they solve are.
        if not _has_mirrored_switches(expr, symbol):
            return 0
    elif any(end + opposite != 0 for end, opposite in zip(ends, reversed(ends), strict=True)):
        return 0
    for piece, opposite in zip(pieces, reversed(pieces), strict=True):
        difference = piece.expression - candidate * opposite.expression.subs(symbol, -symbol)
        if not _is_zero(difference, symbol):
            return 0
    return candidate


def _has_mirrored_switches(expr: Any, symbol: Any) -> bool:
    """Whether ``z -> -z`` maps the expressions whose zeros are kinks to one another."""
    arguments = [sympy.expand(argument) for argument in switch_arguments(expr)]
    either = {*arguments, *(sympy.expand(-argument) for argument in arguments)}
    return all(sympy.expand(argument.subs(symbol, -symbol)) in either for argument in arguments)


def _is_zero(expr: Any, symbol: Any) -> bool:
    """Whether an expression is shown to vanish identically; False means only "not shown"."""
    if expr == 0 or sympy.expand(expr) == 0:
        return True
    rational = _in_exponentials(expr, symbol)
    numerator, _ = sympy.fraction(sympy.together(rational))
    return bool(sympy.expand(numerator) == 0)


def _in_exponentials(expr: Any, symbol: Any) -> Any:
    """Hyperbolic functions in exponentials, and ``log(1 + exp(-u))`` as ``log(1 + exp(u)) - u``.

    Every exponential is then a power of one symbol, so that the whole is a rational function.
    """
    hyperbolic = (sympy.tanh, sympy.sech, sympy.sinh, sympy.cosh)
    expr = expr.replace(lambda e: isinstance(e, hyperbolic), lambda e: e.rewrite(sympy.exp))
    expr = expr.replace(lambda e: isinstance(e, sympy.erfc), lambda e: 1 - sympy.erf(e.args[0]))
    expr = expr.replace(_is_reflected_softplus, _reflect_softplus)
    exponents = {
        node.args[0] for node in expr.atoms(sympy.exp) if node.args[0].is_polynomial(symbol)
    }
    replacements: dict[Any, Any] = {}
    bases: dict[Any, Any] = {}
    for exponent in sorted(exponents, key=sympy.default_sort_key):
        value = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(exponent)):
            coefficient, rest = term.as_coeff_Mul()
            if rest not in bases:
                bases[rest] = sympy.Dummy(positive=True)
            value *= bases[rest] ** coefficient
        replacements[sympy.exp(exponent)] = value
    return expr.subs(replacements)


def _is_reflected_softplus(expr: Any) -> bool:
    if not isinstance(expr, sympy.log) or not expr.args[0].is_Add or len(expr.args[0].args) != 2:
        return False
    other = expr.args[0] - 1
    return isinstance(other, sympy.exp) and bool(other.args[0].could_extract_minus_sign())


def _reflect_softplus(expr: Any) -> Any:
    u = (expr.args[0] - 1).args[0]
    return sympy.log(1 + sympy.exp(-u)) + u
