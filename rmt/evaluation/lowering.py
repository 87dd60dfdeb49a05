"""A sympy expression as a graph of operations that do not overflow or cancel.

The identities used here are exact; they only choose a form that floating-point arithmetic can
evaluate: ``log(1 + exp(u))`` becomes softplus, ``1/(1 + exp(-u))`` the logistic function,
``1 + erf(u)`` becomes ``erfc(-u)``, ``exp(u) - 1`` becomes ``expm1(u)``, and so on.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from rmt.evaluation.exponential_sums import exponent_of, exponential_terms, two_exponentials
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS

if TYPE_CHECKING:
    import sympy

__all__ = ["lower"]


def lower(graph: Graph, expr: sympy.Expr, symbols: tuple[sympy.Symbol, ...]) -> NodeId:
    """Add an expression in the given symbols to a graph; variable ``i`` is ``symbols[i]``."""
    return _Lowering(graph, symbols).visit(expr)


class _Lowering:
    def __init__(self, graph: Graph, symbols: tuple[Any, ...]) -> None:
        import sympy

        self.sp: Any = sympy
        self.graph = graph
        self.symbols = symbols
        self.done: dict[Any, NodeId] = {}

    def visit(self, expr: Any) -> NodeId:
        found = self.done.get(expr)
        if found is None:
            found = self.done[expr] = self._build(expr)
        return found

    def _build(self, expr: Any) -> NodeId:
        sp, graph = self.sp, self.graph
        if expr.is_Symbol:
            return graph.node("var", payload=self.symbols.index(expr))
        if not expr.free_symbols:
            return graph.const(expr)
        if expr.is_Add:
            return self._sum(expr)
        if expr.is_Mul:
            return self._product(expr)
        if expr.is_Pow and not isinstance(expr, sp.exp):
            return self._power(expr.base, expr.exp)
        if isinstance(expr, sp.log):
            return self._log(expr.args[0])
        if isinstance(expr, sp.Piecewise):
            return self._piecewise(expr)
        # A sympy class or relation of that name.
        name = getattr(expr, "rel_op", type(expr).__name__.lower())
        if name not in OPERATIONS:
            raise AssertionError(f"no numerical form of {name}")
        arguments = list(expr.args[:1] if isinstance(expr, sp.Heaviside) else expr.args)
        if not isinstance(expr, sp.core.operations.LatticeOp):
            return graph.node(name, *map(self.visit, arguments))
        # Of two arguments each; numbers last: see the convention for derivatives at ties.
        arguments.sort(key=lambda a: (a.is_number, sp.default_sort_key(a)))
        return reduce(partial(graph.node, name), map(self.visit, arguments))

    # Sums

    def _sum(self, expr: Any) -> NodeId:
        """A sum; pairs such as ``r - r tanh(u)**2`` become ``r sech(u)**2`` first."""
        terms = list(expr.args)
        nodes: list[NodeId] = []
        for term in expr.args:
            if term not in terms:
                continue
            paired = self._pair(term, terms)
            if paired is not None:
                partner, node = paired
                terms.remove(term)
                terms.remove(partner)
                nodes.append(node)
        # Polynomials first and numbers last, so that the running sum starts with an array.
        nodes = [self.visit(term) for term in terms if not term.is_number] + nodes
        nodes += [self.visit(term) for term in terms if term.is_number]
        return self.graph.add(*nodes)

    def _pair(self, term: Any, terms: list[Any]) -> tuple[Any, NodeId] | None:
        """Combine ``rest * g(u)`` with a term ``+-rest``; returns that term and the sum."""
        sp, graph = self.sp, self.graph
        factors = sp.Mul.make_args(term)
        for factor in factors:
            kind = self._pair_kind(factor)
            if kind is None:
                continue
            rest = sp.Mul(*(f for f in factors if f is not factor))
            for sign, partner in ((1, rest), (-1, -rest)):
                if partner in terms and partner != term:
                    combined = self._combined(kind, factor, sign)
                    if combined is not None:
                        return partner, graph.mul(self.visit(rest), combined)
        return None

    def _pair_kind(self, factor: Any) -> str | None:
        sp = self.sp
        for name in ("exp", "erf", "tanh"):
            if isinstance(factor, getattr(sp, name)):
                return name
        if not factor.is_Pow:
            return None
        if factor.exp == 2 and isinstance(factor.base, sp.tanh):
            return "tanh2"
        if factor.exp == -1 and two_exponentials(factor.base) is not None:
            return "logistic"
        return None

    def _combined(self, kind: str, factor: Any, sign: int) -> NodeId | None:
        """Node of ``g(u) + sign`` in a form without cancellation, if there is one."""
        graph = self.graph
        if kind == "exp" and sign == -1:
            return graph.node("expm1", self.visit(factor.args[0]))
        if kind == "erf":
            u = self.visit(factor.args[0])
            if sign == 1:
                return graph.node("erfc", graph.neg(u))
            return graph.neg(graph.node("erfc", u))
        if kind == "tanh":
            u = graph.mul(graph.const(2), self.visit(factor.args[0]))
            two = graph.const(2 * sign)
            return graph.mul(two, graph.node("sigmoid", u if sign == 1 else graph.neg(u)))
        if kind == "tanh2" and sign == -1:
            return graph.neg(graph.node("sech2", self.visit(factor.base.args[0])))
        if kind == "logistic" and sign == -1:
            pair = two_exponentials(factor.base)
            if pair is not None and pair[0] == pair[2] == 1 and pair[3] == 0:
                return graph.neg(graph.node("sigmoid", self.visit(pair[1])))
        return None

    # Products and powers

    def _product(self, expr: Any) -> NodeId:
        sp, graph = self.sp, self.graph
        coefficient = sp.Integer(1)
        above: list[Any] = []
        below: list[tuple[Any, int]] = []
        exponent = sp.Integer(0)
        for factor in expr.args:
            if factor.is_number:
                coefficient *= factor
            elif isinstance(factor, sp.exp):
                exponent += factor.args[0]
            elif factor.is_Pow and factor.exp.is_Integer and factor.exp < 0:
                below.append((factor.base, -int(factor.exp)))
            else:
                above.append(factor)
        nodes: list[NodeId] = []
        for pattern in (self._softsign, self._hyperbolic_tangent):
            matched = pattern(above, below)
            if matched is not None:
                node, above, below = matched
                nodes.append(node)
        if any(two_exponentials(base) is not None for base, _ in below):
            for factor in [f for f in above if exponent_of(f) is not None]:
                above.remove(factor)
                exponent += exponent_of(factor)
        divisors: list[NodeId] = []
        for base, n in below:
            pair = two_exponentials(base)
            if isinstance(base, sp.cosh):
                nodes.append(graph.integer_power(graph.node("sech", self.visit(base.args[0])), n))
                continue
            if pair is None:
                divisors.append(graph.integer_power(self.visit(base), n))
                continue
            node, exponent = self._inverse_exponentials(pair, n, exponent)
            nodes.append(node)
        nodes = [self.visit(factor) for factor in above] + nodes
        if exponent != 0:
            nodes.append(graph.node("exp", self.visit(exponent)))
        numerator = graph.mul(*nodes, graph.const(coefficient))
        return graph.div(numerator, graph.mul(*divisors)) if divisors else numerator

    def _softsign(
        self, above: list[Any], below: list[tuple[Any, int]]
    ) -> tuple[NodeId, list[Any], list[tuple[Any, int]]] | None:
        """``u / (1 + |u|)``, whose derivative by the quotient rule would cancel."""
        for index, (base, n) in enumerate(below):
            if n != 1 or not base.is_Add or len(base.args) != 2 or 1 not in base.args:
                continue
            other = base - 1
            if isinstance(other, self.sp.Abs) and other.args[0] in above:
                u = other.args[0]
                node = self.graph.node("softsign", self.visit(u))
                return (
                    node,
                    [f for f in above if f != u],
                    below[:index] + below[index + 1 :],
                )
        return None

    def _hyperbolic_tangent(
        self, above: list[Any], below: list[tuple[Any, int]]
    ) -> tuple[NodeId, list[Any], list[tuple[Any, int]]] | None:
        """``sinh(u)/cosh(u)``, and ``(e^u - e^v)/(e^u + e^v) = tanh((u - v)/2)``."""
        sp, graph = self.sp, self.graph
        for index, (base, n) in enumerate(below):
            if n != 1:
                continue
            rest = below[:index] + below[index + 1 :]
            if isinstance(base, sp.cosh) and sp.sinh(base.args[0]) in above:
                node = graph.node("tanh", self.visit(base.args[0]))
                return node, [f for f in above if f != sp.sinh(base.args[0])], rest
            pair = exponential_terms(base)
            if pair is None:
                continue
            (c, u), (d, v) = pair
            for factor in above:
                terms = exponential_terms(factor)
                for sign in (1, -1):
                    if c == d and terms in ([(sign, u), (-sign, v)], [(-sign, v), (sign, u)]):
                        node = graph.node("tanh", self.visit(sp.expand((u - v) / 2)))
                        node = graph.mul(node, graph.const(sign / c))
                        return node, [f for f in above if f != factor], rest
        return None

    def _inverse_exponentials(
        self, pair: tuple[Any, Any, Any, Any], n: int, exponent: Any
    ) -> tuple[NodeId, Any]:
        """``exp(w) (c1 e^u + c2 e^v)^-n`` as powers of logistic functions, and what is left of w.

        ``1/(c1 e^u + c2 e^v)`` is ``e^-u/c1 sigmoid(u - v + L)`` and ``e^-v/c2 sigmoid(v - u - L)``
        with ``L = log(c1/c2)``; ``k`` factors of the first and ``n - k`` of the second kind absorb
        ``exp(k u + (n - k) v)``.
        """
        sp, graph = self.sp, self.graph
        c1, u, c2, v = pair
        chosen = next(
            (k for k in range(n + 1) if sp.expand(exponent - k * u - (n - k) * v) == 0), 0
        )
        left = sp.expand(exponent - chosen * u - (n - chosen) * v)
        argument = self.visit(sp.expand(u - v) + (sp.log(c1 / c2) if c1 != c2 else 0))
        # s (1 - s) has a slope of its own, which does not cancel at 0.
        both = min(chosen, n - chosen)
        counts = {"sigmoid_slope": both, "sigmoid": chosen - both}
        factors = [graph.integer_power(graph.node(g, argument), k) for g, k in counts.items() if k]
        if n - chosen > both:
            mirrored = graph.node("sigmoid", graph.neg(argument))
            factors.append(graph.integer_power(mirrored, n - chosen - both))
        return graph.mul(*factors, graph.const(c1**-chosen * c2 ** (chosen - n))), left

    def _power(self, base: Any, exponent: Any) -> NodeId:
        graph = self.graph
        if exponent.is_Integer:
            if exponent < 0:
                if isinstance(base, self.sp.cosh):
                    sech = graph.node("sech", self.visit(base.args[0]))
                    return graph.integer_power(sech, -int(exponent))
                pair = two_exponentials(base)
                if pair is not None:
                    node, left = self._inverse_exponentials(
                        pair, -int(exponent), self.sp.Integer(0)
                    )
                    if left == 0:
                        return node
                    return graph.mul(node, graph.node("exp", self.visit(left)))
            return graph.integer_power(self.visit(base), int(exponent))
        return graph.power(self.visit(base), self.visit(exponent))

    def _log(self, u: Any) -> NodeId:
        sp, graph = self.sp, self.graph
        if u.is_Mul:
            coefficient, rest = u.as_independent(*self.symbols, as_Add=False)
            if coefficient != 1 and coefficient.is_positive:
                return graph.add(self._log(rest), graph.const(sp.log(coefficient)))
        pair = two_exponentials(u)
        if pair is not None:
            c1, a, c2, b = pair
            if c1 == c2 and sp.expand(a + b) == 0:
                return graph.add(graph.node("logcosh", self.visit(a)), graph.const(sp.log(2 * c1)))
            argument = self.visit(sp.expand(a - b) + (sp.log(c1 / c2) if c1 != c2 else 0))
            base = self.visit(b + (sp.log(c2) if c2 != 1 else 0))
            return graph.add(graph.node("softplus", argument), base)
        if isinstance(u, sp.cosh):
            return graph.node("logcosh", self.visit(u.args[0]))
        if u.is_Add and 1 in u.args:
            return graph.node("log1p", self.visit(u - 1))
        return graph.node("log", self.visit(u))

    # Branches

    def _piecewise(self, expr: Any) -> NodeId:
        sp, graph = self.sp, self.graph
        branches = list(expr.args)
        if branches[-1][1] == sp.true:
            result = self.visit(branches.pop()[0])
        else:
            result = graph.const(sp.nan)
        for value, condition in reversed(branches):
            result = graph.select(self.visit(condition), self.visit(value), result)
        return result
