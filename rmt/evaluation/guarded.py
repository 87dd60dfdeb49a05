"""Functions in any precision whose exponentials cannot run away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rmt.caching import cached
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.lowering import lower
from rmt.evaluation.operations import OPERATIONS
from rmt.evaluation.precise import precise_values
from rmt.lazy import sympy

__all__ = ["LARGE", "GuardedFunction", "guarded_function"]

LARGE = 2**256
_LINEAR = frozenset({"const", "var", "add", "sub", "neg"})


@dataclass(frozen=True, slots=True)
class GuardedFunction:
    """A function of one variable, or several of the same, in any precision.

    The arguments of its exponentials are kept within ``2**256`` in size: an exponential of more is
    no number that could be stored, and one of less is nothing.

    Attributes
    ----------
    graph : Graph
        Variable 0 is the argument; the constants are the other variables.
    roots : tuple of NodeId
        One for each function.
    exponents : tuple of NodeId
        The arguments that are limited, before they are.
    constants : tuple of sympy numbers
    known_constants : dict
        Digits -> the constants, computed once for each precision.
    """

    graph: Graph
    roots: tuple[NodeId, ...]
    exponents: tuple[NodeId, ...]
    constants: tuple[Any, ...]
    known_constants: dict[int, list[Any]]

    def __call__(self, x: Any, digits: int) -> Any:
        """The value, an mpmath number computed with this many digits; nan where there is none."""
        return self.values(x, digits)[0]

    def values(self, x: Any, digits: int) -> list[Any]:
        """The values of all functions."""
        return precise_values(self.graph, self.roots, self._point(x, digits), digits)

    def largest_exponent(self, x: Any) -> Any:
        """The largest size of the limited arguments at a point, roughly; 0 if there are none."""
        sizes = precise_values(self.graph, self.exponents, self._point(x, 20), 20)
        return max((abs(size) for size in sizes if size == size), default=0)

    def _point(self, x: Any, digits: int) -> list[Any]:
        if digits not in self.known_constants:
            graph = Graph()
            nodes = [graph.const(c) for c in self.constants]
            self.known_constants[digits] = precise_values(graph, nodes, [], digits)
        return [x, *self.known_constants[digits]]


@cached(512)
def guarded_function(symbol: Any, *expressions: Any) -> GuardedFunction:
    """Sympy expressions as functions that take an mpmath number and digits.

    Examples
    --------
    >>> import mpmath, sympy
    >>> z = sympy.Symbol("z", real=True)
    >>> f = guarded_function(z, sympy.exp(-sympy.exp(z**2)))
    >>> print(mpmath.nstr(f(mpmath.mpf(1), 30), 5))
    0.065988
    >>> f(mpmath.mpf(10) ** 6, 30) < mpmath.mpf(10) ** -(10**70)
    True
    """
    source = Graph()
    roots = [lower(source, expression, (symbol,)) for expression in expressions]
    graph = Graph()
    constants: list[Any] = []
    renamed: dict[NodeId, NodeId] = {}
    exponents: list[NodeId] = []

    def constant(number: Any) -> NodeId:
        constants.append(number)
        return graph.node("var", payload=len(constants))

    highest, lowest = constant(sympy.Integer(LARGE)), constant(sympy.Integer(-LARGE))
    for node in source.ancestors(roots):
        operation, payload = source.operations[node], source.payloads[node]
        if operation == "const":
            renamed[node] = constant(payload)
            continue
        arguments = [renamed[a] for a in source.arguments[node]]
        index = 1 if operation == "power" else 0
        exponential = operation in OPERATIONS and OPERATIONS[operation].largest is not None
        if (index or exponential) and not _is_tame(source, source.arguments[node][index]):
            exponents.append(arguments[index])
            below = graph.node("min", arguments[index], highest)
            arguments[index] = graph.node("max", below, lowest)
        renamed[node] = graph.node(operation, *arguments, payload=payload)
    found = tuple(renamed[root] for root in roots)
    return GuardedFunction(graph, found, tuple(exponents), tuple(constants), {})


def _is_tame(graph: Graph, node: NodeId) -> bool:
    """Whether a node is linear in the variable."""
    operation = graph.operations[node]
    if operation == "mul" and not graph.is_const(graph.arguments[node][1]):
        return False
    return operation in (*_LINEAR, "mul") and all(_is_tame(graph, a) for a in graph.arguments[node])
