"""A graph rewritten in the operations that NumPy has, and what is known about its overflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rmt.caching import cached
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS, Formula
from rmt.evaluation.terms import Functions, Term

__all__ = ["always_finite", "numeric_form"]


def numeric_form(source: Graph, outputs: Sequence[NodeId]) -> tuple[Graph, list[NodeId]]:
    """A copy, with powers and with what NumPy does not have written in what it has."""
    graph = Graph()
    return graph, _copied(graph, source, outputs, None)


def _copied(
    graph: Graph, source: Graph, outputs: Sequence[NodeId], variables: list[NodeId] | None
) -> list[NodeId]:
    """The outputs in another graph, with nodes of that for variables, if these are given."""
    done: dict[NodeId, NodeId] = {}
    for node in source.ancestors(list(outputs)):
        operation, payload = source.operations[node], source.payloads[node]
        arguments = [done[argument] for argument in source.arguments[node]]
        value = OPERATIONS[operation].value if operation in OPERATIONS else None
        if operation == "var" and variables is not None:
            done[node] = variables[payload]
        elif operation == "ipow":
            done[node] = _power(graph, arguments[0], payload)
        elif operation in _ARITHMETIC:
            done[node] = _ARITHMETIC[operation](graph, *arguments)
        elif value is not None:
            written = _written(value, len(arguments))
            (done[node],) = _copied(graph, written.graph, [written.node], arguments)
        else:
            done[node] = graph.node(operation, *arguments, payload=payload)
    return [done[output] for output in outputs]


@cached(256)
def _written(value: Formula, arguments: int) -> Term:
    """A formula, of variables."""
    graph = Graph()
    terms = [Term(graph, graph.node("var", payload=i)) for i in range(arguments)]
    found: Term = value(Functions(graph), *terms)
    return found


def _power(graph: Graph, a: NodeId, n: int) -> NodeId:
    """Powers as products; the intermediate ones are shared."""
    if n == 1:
        return a
    square = graph.node("square", _power(graph, a, n // 2))
    return square if n % 2 == 0 else graph.node("mul", square, a)


def _where(graph: Graph, condition: NodeId, a: NodeId, b: NodeId) -> NodeId:
    """Branches between numbers as arithmetic on the condition, which is cheaper."""
    if graph.is_number(b, 0) and graph.operations[a] == "copy":
        return graph.node("copy", graph.node("and", condition, graph.arguments[a][0]))
    if graph.is_const(a) and graph.is_const(b):
        low, high = graph.payloads[b], graph.payloads[a]
        if low.is_finite and high.is_finite:
            step = graph.mul(graph.node("copy", condition), graph.const(high - low))
            return graph.add(step, graph.const(low))
    return graph.node("where", condition, a, b)


_ARITHMETIC: dict[str, Callable[..., NodeId]] = {
    "add": Graph.add,
    "mul": Graph.mul,
    "where": _where,
}


def always_finite(graph: Graph, output: NodeId) -> bool:
    """Whether finite arguments give finite values with certainty: nothing to check afterwards.

    True for functions of at most linear growth that are made of bounded functions.
    """
    finite: dict[NodeId, bool] = {}
    bounded: dict[NodeId, bool] = {}
    for node in graph.ancestors([output]):
        operation, arguments = graph.operations[node], graph.arguments[node]
        all_finite = all(finite[a] for a in arguments)
        all_bounded = all(bounded[a] for a in arguments)
        if operation == "const":
            finite[node] = bounded[node] = bool(graph.payloads[node].is_finite)
        elif operation == "var":
            finite[node], bounded[node] = True, False
        elif operation == "mul":
            finite[node] = all_finite and any(bounded[a] for a in arguments)
            bounded[node] = all_bounded
        else:
            record = OPERATIONS[operation]
            finite[node] = all_finite and (record.bounded or record.linear)
            bounded[node] = finite[node] and (record.bounded or all_bounded)
    return finite[output]
