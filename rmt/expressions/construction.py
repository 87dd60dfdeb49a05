"""Symbols, relations and branches built so that their text reads back unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rmt.lazy import sympy

__all__ = ["VARIABLE_NAMES", "build_piecewise", "build_relation", "variable"]

VARIABLE_NAMES = ("z", "z1", "z2", "z3")


def variable(name: str) -> sympy.Symbol:
    """The sympy symbol behind a variable name: real, so that ``sqrt(z**2)`` is ``|z|``."""
    return sympy.Symbol(name, real=True)


def build_relation(symbol: str, left: Any, right: Any) -> Any:
    """A sympy relation (``<``, ``==``, ..), decided for numbers and otherwise left as it is.

    Evaluating it would fold a Piecewise on either side into conditions.
    """
    decided = not (left.free_symbols or right.free_symbols)
    return sympy.Rel(left, right, symbol, evaluate=decided)


def build_piecewise(branches: Iterable[tuple[Any, Any]]) -> Any:
    """A sympy Piecewise whose branches are kept as they are, dead ones dropped.

    ``sympy.Piecewise`` rewrites conditions on construction, so that its text would not read back.
    """
    kept = []
    for value, condition in branches:
        if condition == sympy.false:
            continue
        kept.append((value, condition))
        if condition == sympy.true:
            break
    if not kept:
        raise ValueError("no branch of Piecewise can be reached")
    if kept[0][1] == sympy.true:
        return kept[0][0]
    return sympy.Piecewise(*kept, evaluate=False)
