"""Formulas of nodes: a graph grows as they are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rmt.evaluation.graph import Graph, NodeId

__all__ = ["Functions", "Term"]


@dataclass(frozen=True, slots=True)
class Term:
    """A node that can be calculated with, also together with numbers."""

    graph: Graph
    node: NodeId

    def __add__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.add, self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.sub, self, other)

    def __rsub__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.sub, other, self)

    def __mul__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.mul, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.div, self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return _made_by(self.graph, self.graph.div, other, self)

    def __pow__(self, exponent: Any) -> Term:
        return _made_by(self.graph, self.graph.power, self, exponent)

    def __neg__(self) -> Term:
        return _made_by(self.graph, self.graph.neg, self)

    def __abs__(self) -> Term:
        return _made_by(self.graph, partial(self.graph.node, "abs"), self)


@dataclass(frozen=True, slots=True)
class Functions:
    """Every operation of a graph as a function of terms: ``m.exp(u)``, as of a library."""

    graph: Graph

    def __getattr__(self, name: str) -> Callable[..., Term]:
        # Some are methods, which simplify.
        operation = getattr(self.graph, name, None) or partial(self.graph.node, name)
        return partial(_made_by, self.graph, operation)


def _made_by(graph: Graph, operation: Callable[..., NodeId], *operands: Any) -> Term:
    nodes = [one.node if isinstance(one, Term) else graph.const(one) for one in operands]
    return Term(graph, operation(*nodes))
