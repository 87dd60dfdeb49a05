"""A table as a function of sympy, which can be put into any expression and differentiated.

It loads sympy; those who may not need it import this file where they do.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy

from rmt.expressions.table import Table as Numbers

__all__ = ["Table", "TableNumbers"]


class TableNumbers(sympy.Atom):  # type: ignore[misc]
    """The numbers of a table, as a thing that an expression may hold."""

    __slots__ = ("table",)
    table: Numbers

    def __new__(cls, table: Numbers) -> TableNumbers:
        self: TableNumbers = super().__new__(cls)
        self.table = table
        return self

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.table.digest, self.table)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.table,)

    def _sympystr(self, printer: Any) -> str:
        return self.table.digest

    _sympyrepr = _sympystr

    def _latex(self, printer: Any) -> str:
        return self.table.digest[:6]


class Table(sympy.Function):  # type: ignore[misc]
    """``Table(u, numbers, order)``: the derivative of this order of a table, at ``u``."""

    nargs = 3
    is_real = True
    is_commutative = True

    @classmethod
    def eval(cls, u: Any, numbers: Any, order: Any) -> Any:
        parity = numbers.table.parity * (-1) ** int(order)
        if parity and u.could_extract_minus_sign():
            return parity * cls(-u, numbers, order)
        return None

    @property
    def is_number(self) -> bool:
        return bool(self.args[0].is_number)

    def fdiff(self, argindex: int = 1) -> Any:
        u, numbers, order = self.args
        return Table(u, numbers, order + 1)

    def _eval_derivative(self, symbol: Any) -> Any:
        return self.fdiff() * self.args[0].diff(symbol)

    def _eval_evalf(self, prec: int) -> Any:
        u, numbers, order = self.args
        if not u.is_number:
            return None
        with mpmath.workprec(prec + 20):
            value = numbers.table.precise(u.evalf(prec // 3 + 10)._to_mpmath(prec + 20), int(order))
            return sympy.Float(value, precision=prec) if mpmath.isfinite(value) else sympy.nan

    def _latex(self, printer: Any, exp: Any = None) -> str:
        u, numbers, order = self.args
        primes = "'" * int(order)
        name = rf"T_{{\mathtt{{{numbers.table.digest[:6]}}}}}{primes}"
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"{name}{power}\left({printer.doprint(u)}\right)"
