"""The translation of one text: Python's syntax tree to sympy."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

from rmt.expressions.catalogue import CATALOGUE, CONSTANTS, FORMS
from rmt.expressions.construction import VARIABLE_NAMES, build_piecewise, build_relation, variable
from rmt.expressions.limits import (
    MAX_NUMBER,
    TOO_LARGE,
    is_too_large,
    why_no_power,
    why_not,
)
from rmt.expressions.printing import INEXACT_BITS, INEXACT_DIGITS
from rmt.expressions.refusals import refused_operator, refused_syntax, unknown_name
from rmt.expressions.source_text import MAX_DEPTH, NUMBER, SourceText, syntax_tree
from rmt.expressions.table import Table, why_no_table
from rmt.lazy import sympy
from rmt.status import InvalidInputError

__all__ = ["Reader", "RemoveHermite"]

RemoveHermite: TypeAlias = "Callable[[sympy.Expr, int], sympy.Expr]"

MAX_LITERAL = 310  # characters of one number
MAX_TABLE_ORDER = 16  # derivatives of a sampled function

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class Reader:
    """Translates one text; what takes a Hermite component out of an expression is given to it."""

    def __init__(
        self, text: str, variables: tuple[str, ...], remove_hermite: RemoveHermite | None
    ) -> None:
        self.sp: Any = sympy
        self.source = SourceText.of(text)
        self.line = self.source.line
        self.variables = variables
        self.remove_hermite = remove_hermite
        self.sizes: dict[Any, int] = {}

    def read(self) -> sympy.Expr:
        return self._expression(syntax_tree(self.source), 0)

    def _fail(self, reason: str, where: ast.AST | int) -> NoReturn:
        self.source.fail(reason, where)

    def _check_depth(self, depth: int, node: ast.AST) -> None:
        if depth > MAX_DEPTH:
            self._fail(f"nested too deeply; at most {MAX_DEPTH} levels", node)

    # Sums, products, powers

    def _expression(self, node: ast.AST, depth: int) -> Any:
        self._check_depth(depth, node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            return self._sum(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            return self._product(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            base = self._expression(node.left, depth + 1)
            return self._power(base, self._expression(node.right, depth + 1), node)
        if isinstance(node, ast.BinOp):
            self._fail(*refused_operator(node, self.line))
        if isinstance(node, ast.UnaryOp):
            return self._unary(node, depth)
        if isinstance(node, ast.Constant):
            return self._number(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Attribute):
            self._fail_attribute(node, depth)
        self._fail(refused_syntax(node), node)

    def _chain(
        self, node: ast.BinOp, kinds: tuple[type[ast.operator], ...]
    ) -> list[tuple[bool, ast.expr]]:
        """Operands of ``a + b - c`` (or ``a * b / c``), each with whether it is inverted.

        A loop, not a recursion: a sum of a thousand terms is a left-deep tree of that depth.
        """
        operands: list[tuple[bool, ast.expr]] = []
        current: ast.expr = node
        while isinstance(current, ast.BinOp) and isinstance(current.op, kinds):
            operands.append((isinstance(current.op, kinds[1]), current.right))
            current = current.left
        operands.append((False, current))
        return operands[::-1]

    def _sum(self, node: ast.BinOp, depth: int) -> Any:
        terms = []
        for negative, operand in self._chain(node, (ast.Add, ast.Sub)):
            if isinstance(operand, ast.BinOp) and isinstance(operand.op, (ast.Mult, ast.Div)):
                term = self._product(operand, depth + 1, -1 if negative else 1)
            else:
                term = self._expression(operand, depth + 1)
                if negative:
                    term = self.sp.Mul(-1, term)
            terms.append(term)
        return self._checked(lambda: self.sp.Add(*terms), terms, node)

    def _product(self, node: ast.BinOp, depth: int, sign: int = 1) -> Any:
        factors: list[Any] = [] if sign == 1 else [self.sp.Integer(-1)]
        self._collect_factors(node, False, depth, factors)
        return self._checked(lambda: self.sp.Mul(*factors), factors, node)

    def _collect_factors(
        self, node: ast.BinOp, inverted: bool, depth: int, factors: list[Any]
    ) -> None:
        """Append the factors of a product; ``a / (b * c)`` is read as ``a * b**-1 * c**-1``.

        Otherwise sympy would multiply ``2*(1 + z)`` out in ``1/(2*(1 + z))``.
        """
        self._check_depth(depth, node)
        for divided, operand in self._chain(node, (ast.Mult, ast.Div)):
            down = divided != inverted
            if isinstance(operand, ast.BinOp) and isinstance(operand.op, (ast.Mult, ast.Div)):
                self._collect_factors(operand, down, depth + 1, factors)
                continue
            factor = self._expression(operand, depth + 1)
            if down:
                factor = self._power(factor, self.sp.Integer(-1), operand)
            factors.append(factor)

    def _power(self, base: Any, exponent: Any, node: ast.AST) -> Any:
        if exponent.is_number:
            reason = why_no_power(base, exponent)
            if reason is not None:
                self._fail(reason, node)
        return self._checked(lambda: self.sp.Pow(base, exponent), (base, exponent), node)

    def _unary(self, node: ast.UnaryOp, depth: int) -> Any:
        sign = 1
        current: ast.expr = node
        while isinstance(current, ast.UnaryOp):
            if isinstance(current.op, ast.USub):
                sign = -sign
            elif not isinstance(current.op, ast.UAdd):
                word = "not" if isinstance(current.op, ast.Not) else "~"
                self._fail(f"{word!r} is only allowed in a condition of Piecewise", current)
            current = current.operand
        operand = self._expression(current, depth + 1)
        return operand if sign == 1 else self.sp.Mul(-1, operand)

    # Numbers, names, calls

    def _number(self, node: ast.Constant) -> Any:
        literal = self.line[node.col_offset : node.end_col_offset]
        value = node.value
        if isinstance(value, (str, bytes)):
            self._fail("strings are not allowed", node)
        if isinstance(value, bool) or value is None or value is Ellipsis:
            self._fail(f"{literal!r} is not a number", node)
        if isinstance(value, complex):
            self._fail(f"{literal!r} is not real", node)
        if not NUMBER.fullmatch(literal):
            self._fail(f"number {literal!r} is not allowed; write it in decimal", node)
        if len(literal) > MAX_LITERAL:
            self._fail(f"a number has at most {MAX_LITERAL} characters", node)
        if abs(value) > MAX_NUMBER:
            self._fail(f"number {literal} is too large; at most {MAX_NUMBER:g}", node)
        mantissa, _, exponent = literal.lower().partition("e")
        if exponent and abs(int(exponent)) > 300:
            self._fail(f"number {literal} is too small; at least 1e-300", node)
        digits = mantissa.replace(".", "").lstrip("0")
        if len(digits) >= INEXACT_DIGITS and isinstance(value, float):
            return self.sp.Float(literal, precision=INEXACT_BITS)
        return self.sp.Rational(literal)

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.variables:
            return variable(node.id)
        if node.id in CONSTANTS:
            return getattr(self.sp, CONSTANTS[node.id])
        if node.id in CATALOGUE or node.id in FORMS:
            example = f"{node.id}({(self.variables or ('1',))[0]})"
            self._fail(f"{node.id!r} is a function; write {example}", node)
        if node.id in VARIABLE_NAMES:
            allowed = ", ".join(self.variables) or "none"
            self._fail(f"unknown name {node.id!r}; allowed variables: {allowed}", node)
        self._fail(unknown_name(node.id, self.variables, called=False), node)

    def _call(self, node: ast.Call, depth: int) -> Any:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute):
                self._fail_attribute(node.func, depth)
            self._fail("only a named function can be called; write * for a product", node.func)
        name = node.func.id
        if name in self.variables or name in CONSTANTS:
            self._fail(f"{name!r} is not a function; write {name}*(...) for a product", node)
        if name not in CATALOGUE and name not in FORMS:
            self._fail(unknown_name(name, self.variables, called=True), node.func)
        if node.keywords:
            column = node.keywords[0].col_offset
            self._fail(f"{name} takes its arguments by position only", column)
        if name == "Piecewise":
            return self._piecewise(node, depth)
        if name == "remove_hermite":
            return self._remove_hermite(node, depth)
        if name == "table":
            return self._table(node, depth)
        entry = CATALOGUE[name]
        too_many = entry.max_args is not None and len(node.args) > entry.max_args
        if len(node.args) < entry.min_args or too_many:
            given = len(node.args)
            self._fail(f"{name} takes {entry.arity}, but {given} were given", node)
        arguments = [self._expression(argument, depth + 1) for argument in node.args]
        for parameter, value, where in zip(
            entry.parameters, arguments[1:], node.args[1:], strict=False
        ):
            if not value.is_number or value.is_zero:
                self._fail(f"{name}: {parameter} must be a number other than 0", where)
        return self._checked(lambda: entry.build(self.sp, *arguments), arguments, node)

    def _fail_attribute(self, node: ast.Attribute, depth: int) -> NoReturn:
        # What the attribute belongs to comes first in the text, and may be wrong on its own.
        self._expression(node.value, depth + 1)
        dot = self.line.find(".", node.value.end_col_offset or 0)
        self._fail(refused_syntax(node), max(dot, 0))

    # Piecewise

    def _piecewise(self, node: ast.Call, depth: int) -> Any:
        if not node.args:
            self._fail("write Piecewise((value, z < 0), (other, True))", node)
        branches = []
        for argument in node.args:
            if not isinstance(argument, ast.Tuple) or len(argument.elts) != 2:
                self._fail("a branch of Piecewise is a pair (value, condition)", argument)
            value = self._expression(argument.elts[0], depth + 1)
            branches.append((value, self._condition(argument.elts[1], depth + 1)))
        values = [value for value, _ in branches]
        return self._checked(lambda: build_piecewise(branches), values, node)

    def _condition(self, node: ast.AST, depth: int) -> Any:
        sp = self.sp
        self._check_depth(depth, node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if isinstance(node, ast.Compare):
            sides = [self._expression(n, depth + 1) for n in (node.left, *node.comparators)]
            for operator in node.ops:
                if type(operator) not in _COMPARISONS:
                    self._fail("allowed comparisons are < <= > >= == !=", node)
            relations = [
                build_relation(_COMPARISONS[type(operator)], left, right)
                for operator, left, right in zip(node.ops, sides, sides[1:], strict=False)
            ]
            return sp.And(*relations)
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(value, depth + 1) for value in node.values]
            return (sp.And if isinstance(node.op, ast.And) else sp.Or)(*parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            parts = [self._condition(value, depth + 1) for value in (node.left, node.right)]
            return (sp.And if isinstance(node.op, ast.BitAnd) else sp.Or)(*parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
            return sp.Not(self._condition(node.operand, depth + 1))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Eq", "Ne")
            and len(node.args) == 2
            and not node.keywords
        ):
            left, right = (self._expression(argument, depth + 1) for argument in node.args)
            return build_relation("==" if node.func.id == "Eq" else "!=", left, right)
        self._fail("a condition of Piecewise is a comparison such as z < 0, or True", node)

    def _remove_hermite(self, node: ast.Call, depth: int) -> Any:
        if self.remove_hermite is None:
            self._fail("remove_hermite is not allowed here", node)
        if len(node.args) not in (1, 2):
            self._fail("write remove_hermite(expression, degree)", node)
        inner = self._expression(node.args[0], depth + 1)
        degree = self._expression(node.args[1], depth + 1) if len(node.args) == 2 else None
        if degree is not None and not degree.is_Integer:
            self._fail("remove_hermite: degree must be a whole number", node.args[1])
        symbols = sorted(inner.free_symbols, key=str)
        if len(symbols) > 1:
            self._fail("remove_hermite takes an expression in one variable", node.args[0])
        z = variable("z")
        try:
            function = inner.subs(symbols[0], z) if symbols else inner
            result = self.remove_hermite(function, 1 if degree is None else int(degree))
        except InvalidInputError as error:
            self._fail(str(error).split("\n")[0], node)
        except ArithmeticError as error:
            self._fail(f"remove_hermite: {error}", node)
        return result.subs(z, symbols[0]) if symbols else result

    # Sampled functions

    def _table(self, node: ast.Call, depth: int) -> Any:
        """``table(u, order, parity, (beyond, beyond), (kinks), (panel), ..)``: numbers only."""
        from rmt.expressions.table_function import Table as TableFunction, TableNumbers

        if len(node.args) < 6:
            self._fail("a table is what rmt.ScalarFunction.of_callable makes of a function", node)
        argument = self._expression(node.args[0], depth + 1)
        order, parity = (self._literal(one) for one in node.args[1:3])
        beyond, kinks, *panels = (self._literals(one) for one in node.args[3:])
        if order not in range(MAX_TABLE_ORDER + 1):
            self._fail(f"table: the order is 0 to {MAX_TABLE_ORDER}", node.args[1])
        if len(beyond) != 2 or not set(beyond) <= {0, 1}:
            self._fail("table: two numbers 0 or 1 say whether it holds beyond", node.args[3])
        for panel, where in zip(panels, node.args[5:], strict=True):
            if len(panel) < 5:
                self._fail("table: a panel is (low, high, error, slope error, c0, ..)", where)
        if any(one[1] != other[0] for one, other in pairwise(panels)):
            self._fail("table: a panel begins where the one before it ends", node.args[5])
        table = Table(
            int(parity),
            (bool(beyond[0]), bool(beyond[1])),
            tuple(kinks),
            (*(panel[0] for panel in panels), panels[-1][1]),
            tuple(tuple(panel[4:]) for panel in panels),
            tuple((panel[2], panel[3]) for panel in panels),
        )
        reason = "parity is 1, -1 or 0" if parity != int(parity) else why_no_table(table)
        if reason is not None:
            self._fail(f"table: {reason}", node)
        return self._checked(
            lambda: TableFunction(argument, TableNumbers(table), self.sp.Integer(int(order))),
            (argument,),
            node,
        )

    def _literals(self, node: ast.AST) -> list[float]:
        if not isinstance(node, ast.Tuple):
            self._fail("table: expected numbers in brackets", node)
        return [self._literal(one) for one in node.elts]

    def _literal(self, node: ast.AST) -> float:
        """A number, with or without a sign, as a double."""
        sign = 1.0
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1.0, node.operand
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._fail("table: expected a number", node)
        if abs(value) > MAX_NUMBER:
            self._fail(f"table: at most {MAX_NUMBER:g}", node)
        return sign * float(value)

    # Guard

    def _checked(self, build: Callable[[], Any], parts: Iterable[Any], node: ast.AST) -> Any:
        """Build a sympy object and refuse what is not finite, not real, or too large."""
        if is_too_large(parts, self.sizes):
            self._fail(TOO_LARGE, node)
        try:
            result = build()
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            self._fail(f"not a real expression: {error}", node)
        reason = why_not(result, self.sizes)
        if reason is not None:
            self._fail(reason, node)
        return result
