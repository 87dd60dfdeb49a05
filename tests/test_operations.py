"""Records of operations: value, slope, forms and bounds agree with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath_functions import mp

import rmt
from rmt.evaluation.bounds import Bounds, stored
from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.numeric_form import always_finite, numeric_form
from rmt.evaluation.operations import OPERATIONS, Operation
from rmt.evaluation.overflow import enclosures
from rmt.evaluation.precise import precise_values
from rmt.evaluation.program import Program
from rmt.expressions.catalogue import CATALOGUE, NamedFunction
from rmt.expressions.table import Table
from rmt.functions import ScalarFunction

strict = pytest.importorskip("array_api_strict")

COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
OF_TWO = {"add", "sub", "mul", "div", "power", "max", "min", *COMPARISONS}
OF_TRUTHS = {"and", "or", "not", "copy", "where"}


def built(name: str) -> tuple[Graph, NodeId]:
    """An operation of the variables z and w, as a number."""
    graph = Graph()
    z, w = (graph.node("var", payload=i) for i in range(2))
    first, second = graph.node(">", z, w), graph.node("<", z, graph.const(1))
    if name in OF_TRUTHS:
        arguments = {"where": (first, z, w), "not": (first,), "copy": (first,)}
        node = graph.node(name, *arguments.get(name, (first, second)))
    elif name == "ipow":
        node = graph.node(name, z, payload=5)
    elif name == "table":  # 400 + 3 z on two panels
        panels = ((208.0, 192.0), (592.0, 192.0))
        table = Table(0, (True, True), (), (-128.0, 0.0, 128.0), panels, ((0.0, 0.0),) * 2)
        node = graph.node(name, z, payload=(table, 0))
    else:
        node = graph.node(name, *((z, w) if name in OF_TWO else (z,)))
    if OPERATIONS[name].boolean:
        node = graph.select(node, graph.const(1), graph.const(0))
    return graph, node


def points(name: str) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    if OPERATIONS[name].limit is not None:
        return [rng.uniform(0.01, 0.99, 60), 3 * rng.standard_normal(60)]
    size = np.geomspace(1e-3, 100, 60)
    return [size * rng.choice([-1, 1], 60), rng.permutation(1.1 * size) * rng.choice([-1, 1], 60)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_forms_of_an_operation_agree(name: str) -> None:
    record = OPERATIONS[name]
    graph, value = built(name)
    outputs = [value] if record.slope is None else [value, derivative(graph, value)]
    at = points(name)
    with mp.workdps(80):
        step = mp.mpf(10) ** -25
        expected = np.empty((len(outputs), len(at[0])))
        for i, (z, w) in enumerate(zip(*at, strict=True)):
            found = [mp.mpf(v) for v in precise_values(graph, outputs, [z, w], 80)]
            expected[:, i] = [float(v) for v in found]
            moved = [mp.mpf(z) + s * step for s in (-1, 1)]
            low, high = (precise_values(graph, [value], [x, w], 80)[0] for x in moved)
            # Errors of a third derivative, which grows with the slope.
            for slope in found[1:]:
                error = abs(slope - (mp.mpf(high) - mp.mpf(low)) / (2 * step))
                assert error <= mp.mpf("1e-35") * (1 + abs(slope) ** 3), (z, w)
    # A rounding of z is a change of an exponential by as much as z is large.
    tolerance = 1e-14 * np.abs(expected) * (1 + np.abs(at[0]) + np.abs(at[1])) + 1e-300
    program = Program(graph, outputs, repair=False)
    for library in (program(*at), program.on(strict, *map(strict.asarray, at))):
        assert (np.abs(np.asarray(library) - expected) <= tolerance).all()
    # Bounds enclose the value, closely.
    numeric, nodes = numeric_form(graph, outputs[:1])
    (bounds,) = enclosures(numeric, nodes, at)
    if record.bounds is Bounds.unknown and record.value is None and name != "ipow":
        assert name in ("tan", "table")
        return
    target = stored(expected[0])
    assert (bounds.low <= target).all()
    assert (bounds.high >= target).all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_that_claim_to_be_finite_are(name: str) -> None:
    graph, value = built(name)
    far = [0, 1e-300, 1e-20, 1, 19, 21, 700, 750, 1e10, 1e150, 1e300]
    z = np.array([sign * x for x in far for sign in (-1, 1)])
    assert always_finite(graph, value) == (OPERATIONS[name].bounded or OPERATIONS[name].linear)
    if always_finite(graph, value):
        (found,) = Program(graph, [value], repair=False)(z, z[::-1] / 2)
        assert np.isfinite(found).all()
        assert OPERATIONS[name].linear or np.abs(found).max() <= 2


SOFT_SQUARE = Operation(
    "softsquare",
    lambda m, f, u, du: u / m.sqrt(1 + u**2) * du,
    value=lambda m, u: u**2 / (1 + m.sqrt(1 + u**2)),
    formula=lambda m, u: m.sqrt(1 + u**2) - 1,
)


def test_a_new_operation_takes_one_record_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "softsquare", SOFT_SQUARE)
    entry = NamedFunction("softsquare", "sqrt(1 + z^2) - 1", lambda sp, z: sp.sqrt(1 + z**2) - 1)
    monkeypatch.setitem(CATALOGUE, "softsquare", entry)
    test_forms_of_an_operation_agree("softsquare")
    test_operations_that_claim_to_be_finite_are("softsquare")
    function = ScalarFunction.parse("tanh(z) + softsquare(z)")
    plain = ScalarFunction.parse("softsquare(z)")
    assert plain.text == "sqrt(z**2 + 1) - 1"
    # Without cancellation near zero, and with no overflow far from it.
    z = np.array([1e-9, -1e-3, 2.0, 1e100, -1e150])
    with mp.workdps(500):
        exact = [float(mp.sqrt(1 + mp.mpf(x) ** 2) - 1) for x in z]
        slope = [float(x / mp.sqrt(1 + mp.mpf(x) ** 2)) for x in z]
    found = plain.value_and_derivative(z)
    np.testing.assert_allclose(found[0], exact, rtol=1e-14)
    np.testing.assert_allclose(found[1], slope, rtol=1e-14)
    on_strict = plain.value_and_derivative(strict.asarray(z), xp=strict)
    np.testing.assert_allclose(np.asarray(on_strict), found, rtol=1e-14)
    assert abs(plain.evaluate(mp.mpf(10) ** -30, 40) * 2 * mp.mpf(10) ** 60 - 1) < 1e-38
    np.testing.assert_allclose(function(z[:3]), np.tanh(z[:3]) + exact[:3], rtol=1e-14)
    assert plain(-1e200) == 1e200  # whose square is no double
    rmt.caches(clear=True)


def test_logistic_is_another_name_of_sigmoid() -> None:
    assert ScalarFunction.parse("logistic(z)") == ScalarFunction.parse("sigmoid(z)")
    assert ScalarFunction.parse("2*logistic(z/2) - 1").parity == -1
