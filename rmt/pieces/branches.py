"""The smooth expression that holds on one side of the kinks of a function."""

from __future__ import annotations

from typing import Any

from rmt.evaluation.operations import OPERATIONS
from rmt.evaluation.precise import precise_value
from rmt.lazy import mpmath, sympy

__all__ = ["branch_at"]


def branch_at(expr: Any, symbol: Any, point: float) -> Any:
    """The expression with every branch replaced by the one that holds at a point."""
    return _branch_at(expr, symbol, point, {})


def _branch_at(expr: Any, symbol: Any, point: float, done: dict[Any, Any]) -> Any:
    if not expr.args or not expr.free_symbols:
        return expr
    if expr in done:
        return done[expr]

    def branch(e: Any) -> Any:
        return _branch_at(e, symbol, point, done)

    def number(e: Any) -> Any:
        return _number_at(branch(e), symbol, point)

    if isinstance(expr, sympy.Abs):
        inner = branch(expr.args[0])
        result = inner if number(inner) >= 0 else -inner
    elif isinstance(expr, (sympy.sign, sympy.Heaviside)):
        value = number(expr.args[0])
        sign = sympy.Integer((value > 0) - (value < 0))
        result = sign if isinstance(expr, sympy.sign) else (sign + 1) / 2
    elif isinstance(expr, (sympy.Max, sympy.Min)):
        arguments = sorted((branch(a) for a in expr.args), key=sympy.default_sort_key)
        pick = max if isinstance(expr, sympy.Max) else min
        result = pick(arguments, key=number)
    elif isinstance(expr, sympy.Piecewise):
        held = (branch(value) for value, condition in expr.args if _holds(condition, number))
        result = next(held, sympy.nan)
    elif type(expr).__name__ == "Table":
        result = _branch_of_table(expr, branch(expr.args[0]), number(expr.args[0]))
    else:
        result = expr.func(*(branch(a) for a in expr.args))
    done[expr] = result
    return result


def _branch_of_table(expr: Any, u: Any, value: Any) -> Any:
    """The smooth table that holds where the argument has this value: of it, or of minus it."""
    _, numbers, order = expr.args
    part, mirrored = numbers.table.branch(value)
    if not mirrored or part.parity:
        return expr.func(u, type(numbers)(part), order)
    return numbers.table.parity * (-1) ** int(order) * expr.func(-u, type(numbers)(part), order)


def _holds(condition: Any, number: Any) -> bool:

    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, sympy.And):
        return all(_holds(c, number) for c in condition.args)
    if isinstance(condition, sympy.Or):
        return any(_holds(c, number) for c in condition.args)
    if isinstance(condition, sympy.Not):
        return not _holds(condition.args[0], number)
    relation = OPERATIONS[condition.rel_op]
    return bool(relation.in_digits(mpmath.mp, number(condition.lhs), number(condition.rhs)))


def _number_at(expr: Any, symbol: Any, point: float) -> Any:
    """Value of a smooth expression at a point, in 40 digits."""
    if expr.is_Rational:
        return mpmath.mpf(int(expr.p)) / int(expr.q)
    return precise_value(expr, symbol, point, 40)
