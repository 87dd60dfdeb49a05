"""The derivative of a node of a graph, as another node of it."""

from __future__ import annotations

from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS
from rmt.evaluation.terms import Functions, Term

__all__ = ["derivative"]


def derivative(graph: Graph, node: NodeId) -> NodeId:
    """Derivative with respect to variable 0, almost everywhere.

    At a kink it is the derivative of the side that holds there by the conventions
    ``relu'(0) = 0``, ``min(z, 0)' = 1`` at 0, and ``sign(0) = 0`` for the derivative of
    ``|z|``; a jump contributes nothing.
    """
    # Arguments come first in the numbering, so this loop never recurses deeply.
    for dependency in graph.ancestors([node]):
        if dependency not in graph.derivatives:
            graph.derivatives[dependency] = _differentiate(graph, dependency)
    return graph.derivatives[node]


def _differentiate(graph: Graph, node: NodeId) -> NodeId:
    operation, arguments = graph.operations[node], graph.arguments[node]
    if operation in ("const", "var"):
        return graph.const(1 if operation == "var" and graph.payloads[node] == 0 else 0)
    slopes = [graph.derivatives[argument] for argument in arguments]
    if all(graph.is_number(slope, 0) for slope in slopes):
        return graph.const(0)
    slope = OPERATIONS[operation].slope
    if slope is None:
        raise AssertionError(f"no derivative of {operation}")
    terms = [Term(graph, one) for one in (node, *arguments, *slopes)]
    found: Term = slope(Functions(graph), *terms)
    return found.node
