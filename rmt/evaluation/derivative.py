"""The derivative of a node of a graph, as another node of it."""

from __future__ import annotations

from collections.abc import Callable

from rmt.evaluation.graph import Graph, NodeId

__all__ = ["derivative"]

_CONSTANT_SLOPE = frozenset(
    {"const", "sign", "heaviside", "gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not"}
)

_BRANCHES = frozenset({"abs", "max", "min", "where"})


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
    operation = graph.operations[node]
    arguments = graph.arguments[node]
    if operation == "var":
        return graph.const(1 if graph.payloads[node] == 0 else 0)
    if operation in _CONSTANT_SLOPE:
        return graph.const(0)
    slopes = [graph.derivatives[a] for a in arguments]
    if operation in ("where", "max", "min"):
        return _branch(graph, operation, arguments, slopes)
    if all(graph.is_number(slope, 0) for slope in slopes):
        return graph.const(0)
    if operation == "ipow" and graph.operations[arguments[0]] == "sqrt":
        return _power_of_root(graph, arguments[0], graph.payloads[node])
    if operation == "sqrt" and _has_branches(graph, arguments[0]):
        # A cusp, as of sqrt(|z|): at the point itself 0, as for |z|, and no infinity times zero.
        slope = graph.mul(_half_over(graph, node, arguments[0]), slopes[0])
        inside = graph.node("gt", arguments[0], graph.const(0))
        return graph.select(inside, slope, graph.const(0))
    if len(arguments) == 1:
        return graph.mul(_outer_slope(graph, operation, node, arguments[0]), slopes[0])
    (a, b), (da, db) = arguments, slopes
    if operation == "add":
        return graph.add(da, db)
    if operation == "sub":
        return graph.sub(da, db)
    if operation == "mul":
        return graph.add(graph.mul(da, b), graph.mul(a, db))
    if operation == "div":
        # (a/b)' = (a' - (a/b) b') / b does not overflow where a/b does not.
        return graph.div(graph.sub(da, graph.mul(node, db)), b)
    if operation == "power":
        return _power(graph, node, a, b, da, db)
    raise AssertionError(f"no derivative of {operation}")


def _branch(
    graph: Graph, operation: str, arguments: tuple[NodeId, ...], slopes: list[NodeId]
) -> NodeId:
    if operation == "where":
        return graph.select(arguments[0], slopes[1], slopes[2])
    a, b = arguments
    if graph.is_const(a):
        (a, b), slopes = (b, a), slopes[::-1]
    comparison = "gt" if operation == "max" else "le"
    return graph.select(graph.node(comparison, a, b), *slopes)


def _has_branches(graph: Graph, node: NodeId) -> bool:
    return any(graph.operations[one] in _BRANCHES for one in graph.ancestors([node]))


def _power(graph: Graph, node: NodeId, a: NodeId, b: NodeId, da: NodeId, db: NodeId) -> NodeId:
    total = graph.const(0)
    if not graph.is_number(da, 0):
        lower = graph.power(a, graph.sub(b, graph.const(1)))
        total = graph.mul(b, lower, da)
    if not graph.is_number(db, 0):
        total = graph.add(total, graph.mul(node, graph.log(a), db))
    return total


def _power_of_root(graph: Graph, root: NodeId, n: int) -> NodeId:
    """``(u**(n/2))' = n/2 u**(n/2 - 1) u'``, which for ``n > 2`` is no infinity times zero at 0."""
    import sympy

    (u,) = graph.arguments[root]
    factor = graph.const(sympy.Rational(n, 2))
    return graph.mul(factor, graph.integer_power(root, n - 2), graph.derivatives[u])


def _outer_slope(graph: Graph, operation: str, node: NodeId, u: NodeId) -> NodeId:
    """``g'(u)`` for ``node = g(u)``."""
    slope = _SLOPES.get(operation)
    if slope is None:
        raise AssertionError(f"no derivative of {operation}")
    return slope(graph, node, u)


def _half(graph: Graph, u: NodeId) -> NodeId:
    import sympy

    return graph.mul(u, graph.const(sympy.Rational(1, 2)))


def _half_over(graph: Graph, node: NodeId, u: NodeId) -> NodeId:
    import sympy

    return graph.div(graph.const(sympy.Rational(1, 2)), node)


def _bump(sign: int) -> Callable[[Graph, NodeId, NodeId], NodeId]:
    def slope(graph: Graph, node: NodeId, u: NodeId) -> NodeId:
        import sympy

        factor = sign * 2 / sympy.sqrt(sympy.pi)
        bump = graph.node("exp", graph.neg(graph.integer_power(u, 2)))
        return graph.mul(bump, graph.const(factor))

    return slope


def _one_over(graph: Graph, divisor: NodeId) -> NodeId:
    return graph.div(graph.const(1), divisor)


def _square_plus_one(graph: Graph, a: NodeId) -> NodeId:
    return graph.add(graph.integer_power(a, 2), graph.const(1))


def _one_minus_square(graph: Graph, u: NodeId) -> NodeId:
    one = graph.const(1)
    return graph.mul(graph.sub(one, u), graph.add(u, one))


_SLOPES: dict[str, Callable[[Graph, NodeId, NodeId], NodeId]] = {
    "exp": lambda g, f, u: g.node("exp", u),
    "expm1": lambda g, f, u: g.node("exp", u),
    "neg": lambda g, f, u: g.const(-1),
    "ipow": lambda g, f, u: g.mul(g.const(g.payloads[f]), g.integer_power(u, g.payloads[f] - 1)),
    "sqrt": _half_over,
    "log": lambda g, f, u: _one_over(g, u),
    "log1p": lambda g, f, u: _one_over(g, g.add(u, g.const(1))),
    "softplus": lambda g, f, u: g.node("sigmoid", u),
    "logcosh": lambda g, f, u: g.node("tanh", u),
    "sigmoid": lambda g, f, u: g.node("sigmoid_slope", u),
    "sigmoid_slope": lambda g, f, u: g.neg(g.mul(f, g.node("tanh", _half(g, u)))),
    "tanh": lambda g, f, u: g.node("sech2", u),
    "softsign": lambda g, f, u: g.node("softsign_slope", u),
    "erf": _bump(1),
    "erfc": _bump(-1),
    "sin": lambda g, f, u: g.node("cos", u),
    "cos": lambda g, f, u: g.neg(g.node("sin", u)),
    "tan": lambda g, f, u: _square_plus_one(g, f),
    "sinh": lambda g, f, u: g.node("cosh", u),
    "cosh": lambda g, f, u: g.node("sinh", u),
    "sech": lambda g, f, u: g.neg(g.mul(f, g.node("tanh", u))),
    "sech2": lambda g, f, u: g.mul(g.const(-2), f, g.node("tanh", u)),
    "asinh": lambda g, f, u: _one_over(g, g.node("sqrt", _square_plus_one(g, u))),
    "atan": lambda g, f, u: _one_over(g, _square_plus_one(g, u)),
    "asin": lambda g, f, u: _one_over(g, g.node("sqrt", _one_minus_square(g, u))),
    "acos": lambda g, f, u: g.neg(_one_over(g, g.node("sqrt", _one_minus_square(g, u)))),
    "atanh": lambda g, f, u: _one_over(g, _one_minus_square(g, u)),
    "abs": lambda g, f, u: g.node("sign", u),
}
