"""Sums of two exponentials: what logistic functions, softplus and tanh are written with."""

from __future__ import annotations

from typing import Any

from rmt.lazy import sympy

__all__ = ["exponent_of", "exponential_terms", "two_exponentials"]


def two_exponentials(expr: Any) -> tuple[Any, Any, Any, Any] | None:
    """``(c1, u, c2, v)`` when the expression is ``c1 exp(u) + c2 exp(v)``, both ``c > 0``.

    ``v`` is 0 for a constant term.
    """
    found = exponential_terms(expr)
    if found is None or not all(coefficient.is_positive for coefficient, _ in found):
        return None
    (c1, u), (c2, v) = found
    return c1, u, c2, v


def exponential_terms(expr: Any) -> list[tuple[Any, Any]] | None:
    """``[(c1, u), (c2, v)]`` when the expression is ``c1 exp(u) + c2 exp(v)``; ``u != 0``."""
    if not expr.is_Add or len(expr.args) != 2:
        return None
    found = []
    for term in sorted(expr.args, key=sympy.default_sort_key):
        coefficient, exponent = sympy.Integer(1), sympy.Integer(0)
        for factor in sympy.Mul.make_args(term):
            power = exponent_of(factor)
            if factor.is_number:
                coefficient *= factor
            elif power is not None:
                exponent += power
            else:
                return None
        found.append((coefficient, exponent))
    return found[::-1] if found[0][1] == 0 else found


def exponent_of(factor: Any) -> Any:
    """``u`` for ``exp(u)``; ``u log(c)`` for ``c**u`` with a number ``c > 0``; else None."""
    if isinstance(factor, sympy.exp):
        return factor.args[0]
    if factor.is_Pow and factor.base.is_positive and factor.base.is_number:
        return factor.exp * sympy.log(factor.base)
    return None
