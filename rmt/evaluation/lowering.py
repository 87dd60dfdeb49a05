"""A sympy expression as a graph of operations that do not overflow or cancel.

The identities used here are exact; they only choose a form that floating-point arithmetic can
evaluate: ``log(1 + exp(u))`` becomes softplus, ``1/(1 + exp(-u))`` the logistic function,
``1 + erf(u)`` becomes ``erfc(-u)``, ``exp(u) - 1`` becomes ``expm1(u)``, and so on.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from rmt.caching import cached
from rmt.evaluation.exponential_sums import exponent_of, exponential_terms, two_exponentials
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS, Formula
from rmt.evaluation.terms import Functions, Term
from rmt.lazy import sympy

__all__ = ["lower"]


def lower(graph: Graph, expr: sympy.Expr, symbols: tuple[sympy.Symbol, ...]) -> NodeId:
    """Add an expression in the given symbols to a graph; variable ``i`` is ``symbols[i]``."""
    return _Lowering(graph, symbols).visit(expr).node


class _Lowering:
    def __init__(self, graph: Graph, symbols: tuple[Any, ...]) -> None:
        self.sp: Any = sympy
        self.graph = graph
        self.m = Functions(graph)
        self.symbols = symbols
        self.done: dict[Any, Term] = {}

    def visit(self, expr: Any) -> Term:
        found = self.done.get(expr)
        if found is None:
            found = self.done[expr] = self._build(expr)
        return found

    def _build(self, expr: Any) -> Term:
        sp, graph = self.sp, self.graph
        if expr.is_Symbol:
            return Term(graph, graph.node("var", payload=self.symbols.index(expr)))
        if not expr.free_symbols:
            return Term(graph, graph.const(expr))
        if expr.is_Add or expr.is_Mul:
            return self._recognised(expr) or (self._sum if expr.is_Add else self._product)(expr)
        if expr.is_Pow:
            if expr.exp.is_Integer and expr.exp < 0:
                return self._product(expr)
            return self.visit(expr.base) ** self.visit(expr.exp)
        if isinstance(expr, sp.log):
            return self._log(expr.args[0])
        if isinstance(expr, sp.Piecewise):
            return self._piecewise(expr)
        if type(expr).__name__ == "Table":
            u, numbers, order = expr.args
            payload = numbers.table, int(order)
            return Term(graph, graph.node("table", self.visit(u).node, payload=payload))
        # Whatever sympy has under the name of an operation.
        name = getattr(expr, "rel_op", type(expr).__name__.lower())
        if name not in OPERATIONS:
            raise AssertionError(f"no numerical form of {name}")
        operation = getattr(self.m, name)
        arguments = list(expr.args[:1] if isinstance(expr, sp.Heaviside) else expr.args)
        if not isinstance(expr, sp.core.operations.LatticeOp):
            return operation(*map(self.visit, arguments))  # type: ignore[no-any-return]
        # Of two arguments each; numbers last: see the convention for derivatives at ties.
        arguments.sort(key=lambda a: (a.is_number, sp.default_sort_key(a)))
        return reduce(operation, map(self.visit, arguments))

    def _recognised(self, expr: Any) -> Term | None:
        """A sum or a product as an operation that is defined by one, and what is left of it."""
        for name, record in OPERATIONS.items():
            if record.formula is None:
                continue
            for u in _stands_for(_pattern(record.formula), expr):
                parts = expr.func.make_args(record.formula(self.sp, u))
                if set(parts) <= set(expr.args):
                    found: Term = getattr(self.m, name)(self.visit(u))
                    rest = [part for part in expr.args if part not in parts]
                    if not rest:
                        return found
                    left = self.visit(expr.func(*rest))
                    return left + found if expr.is_Add else left * found
        return None

    # Sums

    def _sum(self, expr: Any) -> Term:
        """A sum; pairs such as ``r - r tanh(u)**2`` become ``r sech(u)**2`` first."""
        terms = list(expr.args)
        found: list[Term] = []
        for term in expr.args:
            paired = self._pair(term, terms) if term in terms else None
            if paired is not None:
                partner, combined = paired
                terms.remove(term)
                terms.remove(partner)
                found.append(combined)
        # Polynomials first and numbers last, so that the running sum starts with an array.
        found = [self.visit(term) for term in terms if not term.is_number] + found
        return self.m.add(*found, *(self.visit(term) for term in terms if term.is_number))

    def _pair(self, term: Any, terms: list[Any]) -> tuple[Any, Term] | None:
        """Combine ``rest * g(u)`` with a term ``+-rest``; returns that term and the sum."""
        factors = self.sp.Mul.make_args(term)
        for factor in factors:
            if factor.is_Atom:
                continue
            rest = self.sp.Mul(*(f for f in factors if f is not factor))
            for sign, partner in ((1, rest), (-1, -rest)):
                if partner in terms and partner != term:
                    shifted = self._shifted(factor, sign)
                    if shifted is not None:
                        return partner, self.visit(rest) * shifted
        return None

    def _shifted(self, factor: Any, sign: int) -> Term | None:
        """``g(u) + sign`` in a form without cancellation, if there is one."""
        sp, m = self.sp, self.m
        if isinstance(factor, sp.erf):
            u = self.visit(factor.args[0])
            return m.erfc(-u) if sign == 1 else -m.erfc(u)
        if isinstance(factor, sp.tanh):
            u = 2 * self.visit(factor.args[0])
            return 2 * m.sigmoid(u) if sign == 1 else -2 * m.sigmoid(-u)
        if sign == 1:
            return None
        if isinstance(factor, sp.exp):
            return m.expm1(self.visit(factor.args[0]))
        if factor.is_Pow and factor.exp == 2 and isinstance(factor.base, sp.tanh):
            return -m.sech2(self.visit(factor.base.args[0]))
        pair = two_exponentials(factor.base) if factor.is_Pow and factor.exp == -1 else None
        if pair is not None and pair[0] == pair[2] == 1 and pair[3] == 0:
            return -m.sigmoid(self.visit(pair[1]))
        return None

    # Products

    def _product(self, expr: Any) -> Term:
        sp, m = self.sp, self.m
        coefficient = sp.Integer(1)
        above: list[Any] = []
        below: list[tuple[Any, int]] = []
        exponent = sp.Integer(0)
        for factor in sp.Mul.make_args(expr):
            if factor.is_number:
                coefficient *= factor
            elif isinstance(factor, sp.exp):
                exponent += factor.args[0]
            elif factor.is_Pow and factor.exp.is_Integer and factor.exp < 0:
                below.append((factor.base, -int(factor.exp)))
            else:
                above.append(factor)
        found = self._quotients_of_exponentials(above, below)
        if any(two_exponentials(base) is not None for base, _ in below):
            for factor in [f for f in above if exponent_of(f) is not None]:
                above.remove(factor)
                exponent += exponent_of(factor)
        divisors: list[Term] = []
        for base, n in below:
            pair = two_exponentials(base)
            if isinstance(base, sp.cosh):
                found.append(m.sech(self.visit(base.args[0])) ** n)
            elif pair is None:
                divisors.append(self.visit(base) ** n)
            else:
                inverse, exponent = self._inverse_exponentials(pair, n, exponent)
                found.append(inverse)
        found = [self.visit(factor) for factor in above] + found
        if exponent != 0:
            found.append(m.exp(self.visit(exponent)))
        numerator = m.mul(*found, coefficient)
        return numerator / m.mul(*divisors) if divisors else numerator

    def _quotients_of_exponentials(
        self, above: list[Any], below: list[tuple[Any, int]]
    ) -> list[Term]:
        """``(e^u - e^v)/(e^u + e^v) = tanh((u - v)/2)``, taken out of the factors."""
        for base, n in below:
            pair = exponential_terms(base) if n == 1 else None
            if pair is None or pair[0][0] != pair[1][0]:
                continue
            (c, u), (_, v) = pair
            for factor in above:
                terms = exponential_terms(factor)
                for sign in (1, -1):
                    if terms in ([(sign, u), (-sign, v)], [(-sign, v), (sign, u)]):
                        above.remove(factor)
                        below.remove((base, n))
                        return [self.m.tanh(self.visit(self.sp.expand((u - v) / 2))) * (sign / c)]
        return []

    def _inverse_exponentials(
        self, pair: tuple[Any, Any, Any, Any], n: int, exponent: Any
    ) -> tuple[Term, Any]:
        """``exp(w) (c1 e^u + c2 e^v)^-n`` as powers of logistic functions, and what is left of w.

        ``1/(c1 e^u + c2 e^v)`` is ``e^-u/c1 sigmoid(u - v + L)`` and ``e^-v/c2 sigmoid(v - u - L)``
        with ``L = log(c1/c2)``; ``k`` factors of the first and ``n - k`` of the second kind absorb
        ``exp(k u + (n - k) v)``.
        """
        sp, m = self.sp, self.m
        c1, u, c2, v = pair
        chosen = next(
            (k for k in range(n + 1) if sp.expand(exponent - k * u - (n - k) * v) == 0), 0
        )
        left = sp.expand(exponent - chosen * u - (n - chosen) * v)
        argument = self.visit(sp.expand(u - v) + (sp.log(c1 / c2) if c1 != c2 else 0))
        # s (1 - s) has a slope of its own, which does not cancel at 0.
        both = min(chosen, n - chosen)
        powers = [
            (m.sigmoid_slope(argument), both),
            (m.sigmoid(argument), chosen - both),
            (m.sigmoid(-argument), n - chosen - both),
        ]
        factors = [term**k for term, k in powers if k]
        return m.mul(*factors, c1**-chosen * c2 ** (chosen - n)), left

    def _log(self, u: Any) -> Term:
        sp, m = self.sp, self.m
        if u.is_Mul:
            coefficient, rest = u.as_independent(*self.symbols, as_Add=False)
            if coefficient != 1 and coefficient.is_positive:
                return m.add(self._log(rest), sp.log(coefficient))
        pair = two_exponentials(u)
        if pair is not None:
            c1, a, c2, b = pair
            if c1 == c2 and sp.expand(a + b) == 0:
                return m.add(m.logcosh(self.visit(a)), sp.log(2 * c1))
            argument = self.visit(sp.expand(a - b) + (sp.log(c1 / c2) if c1 != c2 else 0))
            return m.softplus(argument) + self.visit(b + (sp.log(c2) if c2 != 1 else 0))
        if isinstance(u, sp.cosh):
            return m.logcosh(self.visit(u.args[0]))
        if u.is_Add and 1 in u.args:
            return m.log1p(self.visit(u - 1))
        return m.log(self.visit(u))

    # Branches

    def _piecewise(self, expr: Any) -> Term:
        branches = list(expr.args)
        last = branches.pop()[0] if branches[-1][1] == self.sp.true else self.sp.nan
        result = self.visit(last)
        for value, condition in reversed(branches):
            result = self.m.select(self.visit(condition), self.visit(value), result)
        return result


@cached(256)
def _pattern(formula: Formula) -> Any:
    """A formula of an operation, of a symbol that stands for any expression."""
    return formula(sympy, sympy.Symbol("_", real=True))


def _stands_for(pattern: Any, expr: Any) -> set[Any]:
    """What the symbol may stand for, if the pattern is the expression or a part of it."""
    if pattern.is_Symbol:
        return {expr}
    if pattern.func != expr.func:
        return set()
    found = [
        set[Any]().union(*(_stands_for(part, argument) for argument in expr.args))
        for part in pattern.args
        if part.free_symbols
    ]
    return set.intersection(*found)
