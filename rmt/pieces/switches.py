"""Expressions at whose zeros a function may have a kink: its branches change, or it is singular."""

from __future__ import annotations

from typing import Any

from rmt.lazy import sympy

__all__ = [
    "has_branches",
    "singular_arguments",
    "switch_arguments",
    "tables_in",
    "vanishing_factors",
]


def has_branches(expr: Any) -> bool:
    """Whether there is an ``abs``, ``max``, ``Piecewise`` or the like anywhere in it."""
    return bool(
        expr.has(sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)
    ) or any(table.has_branches for _, table in tables_in(expr))


def tables_in(expr: Any) -> list[tuple[Any, Any]]:
    """The sampled functions of an expression: ``(node, table)``, innermost included.

    A node's arguments are what the function is taken of, the table, and the derivative's order.
    """
    return [
        (node, node.args[1].table)
        for node in sympy.preorder_traversal(expr)
        if type(node).__name__ == "Table"
    ]


def switch_arguments(expr: Any) -> list[Any]:
    """Expressions at whose zeros a branch changes, innermost included."""
    found: dict[Any, None] = {}

    for node in sympy.preorder_traversal(expr):
        if isinstance(node, (sympy.Abs, sympy.sign, sympy.Heaviside)):
            found[node.args[0]] = None
        elif isinstance(node, (sympy.Max, sympy.Min)):
            arguments = sorted(node.args, key=sympy.default_sort_key)
            for i, a in enumerate(arguments):
                for b in arguments[:i]:
                    found[a - b] = None
        elif isinstance(node, sympy.core.relational.Relational):
            found[node.lhs - node.rhs] = None
        elif type(node).__name__ == "Table":
            for kink in node.args[1].table.all_kinks:
                found[node.args[0] - sympy.Rational(repr(kink))] = None
    return [argument for argument in found if argument.free_symbols]


def singular_arguments(expr: Any) -> list[Any]:
    """Expressions at whose zeros a root, a logarithm or a quotient is singular."""
    found: dict[Any, None] = {}
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, sympy.exp):
            continue
        if node.is_Pow:
            exponent = node.exp
            if not (exponent.is_Integer and exponent > 0) and not node.base.is_number:
                found[node.base] = None
        elif isinstance(node, (sympy.log, sympy.tan)):
            found[node.args[0] if isinstance(node, sympy.log) else sympy.cos(node.args[0])] = None
        elif isinstance(node, (sympy.asin, sympy.acos, sympy.atanh)):
            found[1 - node.args[0] ** 2] = None
    return [a for a in found if a.free_symbols and a.is_positive is not True]


def vanishing_factors(argument: Any) -> list[Any]:
    """The factors of a product that can vanish, without their powers."""
    factors = []
    for factor in sympy.Mul.make_args(argument):
        while factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_positive:
            factor = factor.base
        if factor.free_symbols and not isinstance(factor, sympy.exp):
            factors.append(factor)
    return factors
