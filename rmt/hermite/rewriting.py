"""Substitution in functions of several variables, their branches kept as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from rmt.expressions.construction import build_piecewise, build_relation
from rmt.lazy import sympy

__all__ = ["rebuilt", "sign_symmetries", "substituted"]


def rebuilt(expr: Any, replacements: Mapping[Any, Any], change: Callable[[Any], Any]) -> Any:
    """Substitution, then a change of every subexpression, innermost first.

    Conditions are rebuilt by hand: sympy rearranges them, some without end.
    """

    def rebuild(e: Any) -> Any:
        if e in replacements:
            return replacements[e]
        if not e.args or not e.free_symbols:
            return e
        args = [rebuild(a) for a in e.args]
        if isinstance(e, sympy.core.relational.Relational):
            return build_relation(e.rel_op, change(args[0] - args[1]), sympy.Integer(0))
        if isinstance(e, sympy.Piecewise):
            return build_piecewise((value, condition) for value, condition in args)
        return change(e.func(*args)) if isinstance(e, sympy.Expr) else e.func(*args)

    return rebuild(expr)


def substituted(expr: Any, replacements: Mapping[Any, Any], symbols: Sequence[Any]) -> Any:
    """Substitution, with every polynomial in the result multiplied out."""
    return rebuilt(
        expr, replacements, lambda e: sympy.expand(e) if e.is_polynomial(*symbols) else e
    )


def sign_symmetries(expr: Any, symbols: Sequence[Any]) -> list[tuple[tuple[int, ...], int]]:
    """Sign changes ``z_i -> -z_i`` under which the function is shown to be even or odd.

    Pairs: which variables change sign (1 or 0 each), and +1 for even, -1 for odd.

    Examples
    --------
    >>> import sympy
    >>> z1, z2 = sympy.symbols("z1 z2", real=True)
    >>> sign_symmetries(sympy.tanh(z1 * z2), [z1, z2])
    [((0, 1), -1), ((1, 0), -1), ((1, 1), 1)]
    """
    found = []
    for flips in product((0, 1), repeat=len(symbols)):
        if not any(flips):
            continue
        opposite = {s: -s for s, flip in zip(symbols, flips, strict=True) if flip}
        changed = rebuilt(expr, opposite, lambda e: e)
        for parity in (1, -1):
            if changed == parity * expr or not sympy.expand(changed - parity * expr):
                found.append((flips, parity))
                break
    return found
