"""One form for every expression: the one that its own text parses to."""

from __future__ import annotations

from typing import Any

from rmt.expressions.construction import VARIABLE_NAMES, build_piecewise, build_relation, variable
from rmt.expressions.error import ExpressionError
from rmt.expressions.parsing import read_expression
from rmt.expressions.printing import (
    INEXACT_BITS,
    INEXACT_DIGITS,
    UnsupportedExpressionError,
    to_text,
)
from rmt.expressions.source_text import most_characters
from rmt.lazy import sympy
from rmt.status import InvalidInputError

__all__ = ["canonical_form", "normalised"]

# Double-precision floats in a sympy expression are read as the shortest decimal they print as.
_DOUBLE_BITS = 64


def canonical_form(expr: sympy.Expr) -> tuple[sympy.Expr, str, tuple[str, ...]]:
    """The expression as its own text parses to, that text, and the variables."""
    for _ in range(8):
        try:
            text = to_text(expr)
        except UnsupportedExpressionError as error:
            raise InvalidInputError(
                f"function: {error} is not supported; see parse_expression for what is"
            ) from None
        if len(text) > most_characters(text):
            raise ExpressionError(
                f"the expression is too large: its text has {len(text)} characters; "
                f"at most {most_characters(text)} are allowed",
                text,
            )
        again = read_expression(text, VARIABLE_NAMES)
        if again == expr and to_text(again) == text:
            names = {symbol.name for symbol in expr.free_symbols}
            return expr, text, _infer_variables(names)
        expr = again
    raise InvalidInputError(f"function: no canonical form was found for {text}")


def _infer_variables(names: set[str]) -> tuple[str, ...]:
    if names <= {"z"}:
        return ("z",)
    if "z" in names:
        raise InvalidInputError(
            "variables: use either z alone or z1, z2, z3; "
            f"got {', '.join(sorted(names))} in one expression"
        )
    largest = max(int(name[1:]) for name in names)
    return tuple(f"z{i}" for i in range(1, largest + 1))


def normalised(expr: Any) -> Any:
    """Our own symbols, numbers and functions in place of sympy's variants of them."""
    if expr.is_Symbol:
        return variable(expr.name)
    if expr.is_Float:
        return _number(expr)
    if not expr.args:
        return expr
    if isinstance(expr, sympy.Piecewise):
        return build_piecewise((normalised(v), normalised(c)) for v, c in expr.args)
    if isinstance(expr, sympy.Heaviside):
        return sympy.Heaviside(normalised(expr.args[0]))
    arguments = [normalised(a) for a in expr.args]
    if isinstance(expr, sympy.core.relational.Relational):
        return build_relation(expr.rel_op, *arguments)
    if isinstance(expr, sympy.ITE):
        test, first, second = arguments
        return sympy.Or(sympy.And(test, first), sympy.And(sympy.Not(test), second))
    if isinstance(expr, (sympy.coth, sympy.cot, sympy.csc, sympy.sec, sympy.csch)):
        top, bottom = {
            "coth": (sympy.cosh, sympy.sinh),
            "cot": (sympy.cos, sympy.sin),
            "csc": (None, sympy.sin),
            "sec": (None, sympy.cos),
            "csch": (None, sympy.sinh),
        }[type(expr).__name__]
        return (top(arguments[0]) if top else 1) / bottom(arguments[0])
    return expr.func(*arguments)


def _number(value: Any) -> Any:
    if value._prec <= _DOUBLE_BITS:
        return sympy.Rational(repr(float(value)))
    if value == 0:
        return sympy.Integer(0)
    return sympy.Float(sympy.Float(value, INEXACT_DIGITS), precision=INEXACT_BITS)
