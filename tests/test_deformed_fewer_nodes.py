"""The deformed bulk on fewer sample nodes: what they integrate, and laws finished on all nodes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmt.problem import Problem
from rmt.spikes.deformed import law as law_module
from rmt.spikes.deformed.bulk import Separated
from rmt.spikes.deformed.edge import carried, on_arc
from rmt.spikes.deformed.equation import EPS
from rmt.spikes.deformed.fewer_nodes import on_fewer_nodes, recombined
from rmt.spikes.deformed.fluctuations import fluctuations
from rmt.spikes.readout_rule import readout_rule

ACTIVATIONS = ["tanh(z + 7/10)", "sin(z + 1/2)", "relu(z)", "gelu(z)", "silu(z)"]
TARGETS = ["z1*z2", "z1 + z1*z2", "z1 + z2**2/2"]


@pytest.mark.parametrize("seed", range(5))
def test_recombined_rules_integrate_the_functions(seed):
    random = np.random.default_rng(seed)
    count, nodes = int(random.integers(1, 40)), int(random.integers(60, 900))
    functions = random.standard_normal((count, nodes))
    weights = random.exponential(size=nodes) ** 4
    weights /= weights.sum()
    kept, fewer = recombined(functions, weights)
    assert kept.size <= count
    assert np.all(np.diff(kept) > 0)
    assert np.all(fewer > 0)
    assert functions[:, kept] @ fewer == pytest.approx(functions @ weights, abs=1e-11)


def test_of_a_rule_that_is_small_nothing_is_dropped():
    weights = np.array([0.2, 0.3, 0.5])
    kept, fewer = recombined(np.eye(3), weights)
    assert kept.tolist() == [0, 1, 2]
    assert fewer.tolist() == weights.tolist()


def random_bulk(seed):
    """A bulk of a random problem with several thousand sample nodes."""
    random = np.random.default_rng(seed)
    width, dim = (int(random.choice([300, 500, 800])) for _ in range(2))
    problem = Problem(
        str(random.choice(ACTIVATIONS)),
        str(random.choice(TARGETS)),
        width,
        dim,
        int(dim * random.choice([1.5, 2, 4])),
        [(float(random.uniform(1.5, 3.5)), 0.35), (2, 0.42)],
        "independent",
        str(random.choice(["gaussian", "uniform"])),
    )
    g, w = readout_rule(problem.readout, 16, 0.3, bool(problem.activation.kinks))
    found = fluctuations(problem, g, w, 1.0, linked=True)
    return Separated(problem, g, w, found).cut(2.0)


@pytest.mark.parametrize("seed", range(4))
def test_solutions_on_fewer_nodes_are_near_and_exact_where_they_were_seen(seed):
    bulk = random_bulk(seed)
    equation, edge = bulk.equation, bulk.edge
    top = bulk.above(1.05 * edge.z).state
    point, states = on_arc(equation, top), [top]
    for angle in (0.3, 1.2, 2.1):
        z = edge.z * (0.55 + 0.5 * complex(math.cos(angle), 0.3 * math.sin(angle)))
        point = carried(equation, point, z)
        states.append(equation.solve(np.array([z]), point.x)[0])
    fewer = on_fewer_nodes(equation, states)
    full, rest = (sum(one.weights.size for one in e.batches) for e in (equation, fewer))
    assert rest < full / 8
    for state in states:
        there = fewer.evaluate(state.z, state.x)
        assert fewer.relative(there.defect, there.x)[0] < 1e-4
    between = edge.z * (0.55 + 0.5 * complex(math.cos(0.75), 0.3 * math.sin(0.75)))
    start = carried(equation, point, between).x
    exact, _ = equation.solve(np.array([between]), start)
    near, settled = fewer.solve(np.array([between]), start)
    assert settled.all()
    assert equation.relative(near.x - exact.x, exact.x)[0] < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_law_is_that_of_all_nodes(seed, monkeypatch):
    """With fewer nodes for the way, and all of them all the time."""
    bulk = random_bulk(seed)
    nodes = sum(one.weights.size for one in bulk.equation.batches)
    assert bulk.equation.count * nodes > law_module.MANY
    low, high = bulk.law.edges[0]
    angle = np.linspace(0.02, math.pi - 0.02, 200)
    x, slope = low + (high - low) * np.sin(angle / 2) ** 2, (high - low) / 2 * np.sin(angle)
    monkeypatch.setattr(law_module, "MANY", math.inf)
    plain = law_module.DeformedLaw(bulk.equation, bulk.edge)
    expected, distribution = plain.pdf(x), plain.cdf(x)
    monkeypatch.undo()
    assert bulk.law.cdf(x) == pytest.approx(distribution, abs=1e-6)
    # Panels may be halved in one of them and not in the other.
    off = np.abs(bulk.law.pdf(x) - expected)
    error = bulk.law.pdf_error(x) + plain.pdf_error(x)
    assert np.all(off * slope <= 1e-6 + error * slope)
    mass = min(1.0, bulk.equation.aspect_ratio)
    assert bulk.law.cdf(high) - bulk.law.cdf(low * (1 - EPS) - 1e-300) == pytest.approx(
        mass, abs=1e-4 + bulk.law.mass_error
    )
