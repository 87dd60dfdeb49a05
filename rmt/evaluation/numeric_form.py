"""A graph rewritten in the operations that NumPy has, and what is known about its overflow."""

from __future__ import annotations

from rmt.evaluation.graph import Graph, NodeId

__all__ = ["NumericForm", "always_finite"]

_COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})

# Operations that NumPy does not have (or not fast), written with those it has; with full relative
# accuracy in both tails.
_MACROS = frozenset(
    "sigmoid sigmoid_slope softplus logcosh sech sech2 softsign softsign_slope heaviside".split()
)


class NumericForm:
    """Copies a graph, with macros and powers expanded into NumPy operations."""

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.graph = Graph()
        self.done: dict[NodeId, NodeId] = {}

    def visit(self, node: NodeId) -> NodeId:
        for dependency in self.source.ancestors([node]):
            if dependency not in self.done:
                self.done[dependency] = self._expand(dependency)
        return self.done[node]

    def _expand(self, node: NodeId) -> NodeId:
        import sympy

        source, graph = self.source, self.graph
        operation, payload = source.operations[node], source.payloads[node]
        arguments = [self.done[a] for a in source.arguments[node]]
        if operation == "ipow":
            return self._power(arguments[0], payload)
        if operation == "add":
            return graph.add(*arguments)
        if operation == "mul":
            return graph.mul(*arguments)
        if operation == "where":
            return self._where(*arguments)
        if operation not in _MACROS:
            return graph.node(operation, *arguments, payload=payload)
        (u,) = arguments
        one = graph.const(1)
        if operation == "sech2":
            # An overflow of the square leaves 0, as it should.
            return graph.div(one, self._power(graph.node("cosh", u), 2))
        if operation == "heaviside":
            half = graph.const(sympy.Rational(1, 2))
            return graph.add(graph.mul(graph.node("sign", u), half), half)
        if operation == "sigmoid":
            # An overflow of the exponential leaves 0, as it should.
            return graph.div(one, graph.add(graph.node("exp", graph.neg(u)), one))
        size = graph.node("abs", u)
        if operation == "softsign":
            return graph.div(u, graph.add(size, one))
        if operation == "softsign_slope":
            return graph.div(one, self._power(graph.add(size, one), 2))
        if operation == "logcosh":
            return self._log_cosh(size)
        e = graph.node("exp", graph.neg(size))
        if operation == "sigmoid_slope":
            # s (1 - s) is even: neither side cancels or overflows.
            return graph.div(e, self._power(graph.add(e, one), 2))
        if operation == "sech":
            return graph.div(graph.mul(e, graph.const(2)), graph.add(self._power(e, 2), one))
        assert operation == "softplus"
        return graph.add(graph.node("max", u, graph.const(0)), graph.node("log1p", e))

    def _log_cosh(self, size: NodeId) -> NodeId:
        """``log(1 + sinh(u)**2)/2`` up to 20, where ``|u| - log 2`` begins, to 4e-18."""
        import sympy

        graph = self.graph
        near = graph.node("min", size, graph.const(20))
        square = self._power(graph.node("sinh", near), 2)
        half = graph.mul(graph.node("log1p", square), graph.const(sympy.Rational(1, 2)))
        return graph.add(half, graph.sub(size, near))

    def _power(self, a: NodeId, n: int) -> NodeId:
        """Powers as products; the intermediate ones are shared."""
        graph = self.graph
        if n == 1:
            return a
        half = self._power(a, n // 2)
        square = graph.node("square", half)
        return square if n % 2 == 0 else graph.node("mul", square, a)

    def _where(self, condition: NodeId, a: NodeId, b: NodeId) -> NodeId:
        """Branches between numbers as arithmetic on the condition, which is cheaper."""
        graph = self.graph
        if graph.is_const(b) and graph.payloads[b] == 0 and graph.operations[a] == "copy":
            both = graph.node("and", condition, graph.arguments[a][0])
            return graph.node("copy", both)
        if graph.is_const(a) and graph.is_const(b):
            low, high = graph.payloads[b], graph.payloads[a]
            if low.is_finite and high.is_finite:
                step = graph.node("copy", condition)
                return graph.add(graph.mul(step, graph.const(high - low)), graph.const(low))
        return graph.node("where", condition, a, b)


_BOUNDED = frozenset(
    "const tanh sigmoid sech sech2 softsign softsign_slope sin cos atan erf erfc sign "
    "heaviside".split()
)
_LINEAR = frozenset("var add sub neg abs max min where softplus logcosh asinh".split())
_UNBOUNDED = frozenset({"var", "softplus", "logcosh"})


def always_finite(graph: Graph, output: NodeId) -> bool:
    """Whether finite arguments give finite values with certainty: nothing to check afterwards.

    True for functions of at most linear growth that are made of bounded functions.
    """
    finite: dict[NodeId, bool] = {}
    bounded: dict[NodeId, bool] = {}
    for node in graph.ancestors([output]):
        operation, arguments = graph.operations[node], graph.arguments[node]
        if operation in _COMPARISONS or operation in ("and", "or", "not"):
            finite[node] = bounded[node] = all(finite[a] for a in arguments)
            continue
        all_finite = all(finite[a] for a in arguments)
        all_bounded = all(bounded[a] for a in arguments)
        if operation == "mul":
            bounded[node] = all_bounded
            finite[node] = all_finite and any(bounded[a] for a in arguments)
        elif operation == "const":
            finite[node] = bounded[node] = bool(graph.payloads[node].is_finite)
        elif operation in _BOUNDED:
            finite[node] = bounded[node] = all_finite
        else:
            finite[node] = operation in _LINEAR and all_finite
            bounded[node] = finite[node] and all_bounded and operation not in _UNBOUNDED
    return finite[output]
