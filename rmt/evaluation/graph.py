"""A small expression graph of numerical operations.

Nodes are numbered in the order of creation, arguments before the nodes that use them; equal nodes
are one node, so that common subexpressions of a function and its derivative are computed once.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from rmt.lazy import sympy

__all__ = ["Graph", "NodeId"]

NodeId: TypeAlias = int


class Graph:
    """Operations with shared subexpressions.

    Attributes
    ----------
    operations : list of str
        What each node computes.
    arguments : list of tuple of int
        The nodes it computes it from.
    payloads : list
        A sympy number for ``const``, the index of a variable for ``var``, the exponent for
        ``ipow``, else None.
    derivatives : dict
        Those that `rmt.evaluation.derivative` has found.
    """

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.arguments: list[tuple[NodeId, ...]] = []
        self.payloads: list[Any] = []
        self._index: dict[tuple[str, tuple[NodeId, ...], Any], NodeId] = {}
        self.derivatives: dict[NodeId, NodeId] = {}

    def node(self, operation: str, *arguments: NodeId, payload: Any = None) -> NodeId:
        """The node of this operation on these arguments; the old one where it exists."""
        key = (operation, arguments, payload)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self.operations)
            self.operations.append(operation)
            self.arguments.append(arguments)
            self.payloads.append(payload)
        return found

    def const(self, number: Any) -> NodeId:
        """A sympy number, or one of Python, taken as it is."""
        exact = number if isinstance(number, sympy.Basic) else sympy.Rational(number)
        return self.node("const", payload=exact)

    def is_const(self, node: NodeId) -> bool:
        return self.operations[node] == "const"

    def is_number(self, node: NodeId, value: int) -> bool:
        """Whether it is this constant."""
        return self.is_const(node) and bool(self.payloads[node] == value)

    def double(self, node: NodeId) -> float:
        """What a constant is, rounded; infinite where it is too large, nan where it is not real."""
        number = self.payloads[node]
        if number.is_Rational:
            try:
                return int(number.p) / int(number.q)
            except OverflowError:
                return float("inf") if number > 0 else float("-inf")
        value = number.evalf(25)
        return float(value) if value.is_real else float("nan")

    # Arithmetic with the simplifications that derivatives need

    def add(self, *terms: NodeId) -> NodeId:
        """The sum; negated terms become subtractions."""
        constant = sympy.Integer(0)
        plus: list[NodeId] = []
        minus: list[NodeId] = []
        for term in terms:
            if self.is_const(term):
                constant = constant + self.payloads[term]
            elif self.operations[term] == "neg":
                minus.append(self.arguments[term][0])
            else:
                plus.append(term)
        if constant != 0:
            plus.append(self.const(constant))
        if not plus:
            if not minus:
                return self.const(0)
            return self.neg(self.add(*minus))
        total = plus[0]
        for term in plus[1:]:
            total = self.node("add", total, term)
        for term in minus:
            total = self.node("sub", total, term)
        return total

    def sub(self, a: NodeId, b: NodeId) -> NodeId:
        return self.add(a, self.neg(b))

    def neg(self, a: NodeId) -> NodeId:
        if self.is_const(a):
            return self.const(-self.payloads[a])
        if self.operations[a] == "neg":
            return self.arguments[a][0]
        if self.operations[a] == "sub":
            left, right = self.arguments[a]
            return self.sub(right, left)
        if self.operations[a] == "mul" and self.is_const(self.arguments[a][1]):
            factor, coefficient = self.arguments[a]
            return self.mul(factor, self.const(-self.payloads[coefficient]))
        return self.node("neg", a)

    def mul(self, *factors: NodeId) -> NodeId:
        """The product, numbers collected into one factor that comes last."""
        coefficient = sympy.Integer(1)
        others: list[NodeId] = []
        negative = False
        for factor in factors:
            if self.operations[factor] == "neg":
                negative = not negative
                factor = self.arguments[factor][0]
            if self.operations[factor] == "mul" and self.is_const(self.arguments[factor][1]):
                coefficient = coefficient * self.payloads[self.arguments[factor][1]]
                factor = self.arguments[factor][0]
            if self.is_const(factor):
                coefficient = coefficient * self.payloads[factor]
            else:
                others.append(factor)
        if negative:
            coefficient = -coefficient
        if coefficient == 0 or not others:
            return self.const(coefficient)
        product = others[0]
        for factor in others[1:]:
            product = self.node("mul", product, factor)
        if coefficient == 1:
            return product
        if coefficient == -1:
            return self.neg(product)
        return self.node("mul", product, self.const(coefficient))

    def div(self, a: NodeId, b: NodeId) -> NodeId:
        if self.is_const(b):
            return self.mul(a, self.const(1 / self.payloads[b]))
        if self.is_number(a, 0):
            return a
        if self.operations[a] == "neg":
            return self.neg(self.div(self.arguments[a][0], b))
        return self.node("div", a, b)

    def integer_power(self, a: NodeId, n: int) -> NodeId:
        """``a**n`` for a whole number ``n`` of either sign."""
        if n == 0:
            return self.const(1)
        if n < 0:
            return self.div(self.const(1), self.integer_power(a, -n))
        if n == 1:
            return a
        if self.is_const(a):
            return self.const(self.payloads[a] ** n)
        if self.operations[a] == "neg":
            power = self.integer_power(self.arguments[a][0], n)
            return power if n % 2 == 0 else self.neg(power)
        if self.operations[a] == "ipow":
            return self.node("ipow", self.arguments[a][0], payload=n * self.payloads[a])
        return self.node("ipow", a, payload=n)

    def select(self, condition: NodeId, a: NodeId, b: NodeId) -> NodeId:
        """``a`` where the condition holds, else ``b``."""
        return a if a == b else self.node("where", condition, a, b)

    def log(self, a: NodeId) -> NodeId:
        if self.is_const(a):
            return self.const(sympy.log(self.payloads[a]))
        return self.node("log", a)

    def power(self, a: NodeId, b: NodeId) -> NodeId:
        """``a**b`` for real ``a >= 0``; whole and half-integer exponents by products and roots."""
        if self.is_const(b):
            exponent = self.payloads[b]
            if exponent.is_Integer:
                return self.integer_power(a, int(exponent))
            if exponent.is_Rational and exponent.q == 2 and not self.is_const(a):
                return self.integer_power(self.node("sqrt", a), int(exponent.p))
        return self.node("power", a, b)

    def ancestors(self, nodes: list[NodeId]) -> list[NodeId]:
        """Every node that these need, themselves included, in the order of creation."""
        found: set[NodeId] = set()
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                stack.extend(self.arguments[node])
        return sorted(found)
