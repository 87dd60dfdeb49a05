"""Quadrature over the readout law."""

import math

import numpy as np
import pytest

from rmt.spikes.readout_rule import gauss_rule_of_discrete_law, readout_rule


@pytest.mark.parametrize("scale", [0.05, 0.5, 4.0])
@pytest.mark.parametrize("split", [False, True])
def test_gaussian_moments(scale, split):
    g, w = readout_rule("gaussian", 60, scale, split)
    assert w.sum() == pytest.approx(1, abs=1e-14)
    for degree, moment in [(1, 0), (2, 1), (3, 0), (4, 3), (6, 15), (8, 105)]:
        assert w @ g**degree == pytest.approx(moment, rel=2e-8, abs=1e-8)


def test_uniform_and_rademacher():
    g, w = readout_rule("uniform", 20, 1.0, False)
    assert w @ g**2 == pytest.approx(1, rel=1e-12)
    assert w @ np.cos(g) == pytest.approx(math.sin(math.sqrt(3)) / math.sqrt(3), rel=1e-10)
    g, w = readout_rule("rademacher", 20, 1.0, False)
    assert g.tolist() == [-1, 1]
    assert w.tolist() == [0.5, 0.5]


def test_split_rule_integrates_a_kink():
    for law, expected in [("gaussian", math.sqrt(2 / math.pi)), ("uniform", math.sqrt(3) / 2)]:
        g, w = readout_rule(law, 40, 1.0, True)
        assert w @ np.abs(g) == pytest.approx(expected, rel=1e-10)
        unsplit_g, unsplit_w = readout_rule(law, 40, 1.0, False)
        assert abs(unsplit_w @ np.abs(unsplit_g) - expected) > 1e-5


def test_narrow_scale_resolves_a_peak():
    """``E[1 / (1 + (g/eps)^2)]`` for eps = 0.02: out of reach of Gauss-Hermite with 60 nodes."""
    eps = 0.02
    expected = math.sqrt(math.pi / 2) * eps * math.exp(eps**2 / 2) * math.erfc(eps / math.sqrt(2))
    g, w = readout_rule("gaussian", 60, eps, False)
    assert w @ (1 / (1 + (g / eps) ** 2)) == pytest.approx(expected, rel=1e-5)
    x, v = np.polynomial.hermite_e.hermegauss(60)
    assert abs(v / v.sum() @ (1 / (1 + (x / eps) ** 2)) - expected) > 0.1 * expected


def test_short_vector_is_used_as_it_is():
    vector = np.array([1.5, -0.5, 1.5, -1.0])
    g, w = readout_rule(vector, 10, 1.0, False)
    assert g.tolist() == [-1.0, -0.5, 1.5]
    assert w.tolist() == [0.25, 0.25, 0.5]


@pytest.mark.parametrize("split", [False, True])
def test_long_vector_keeps_the_moments_of_its_values(split):
    vector = np.random.default_rng(3).standard_normal(2000)
    g, w = readout_rule(vector, 40, 2.0, split)
    assert g.size == 40
    for f in (lambda x: x**2, lambda x: np.cos(2 * x), lambda x: np.tanh(x) * x):
        assert w @ f(g) == pytest.approx(f(vector).mean(), rel=1e-9)
    if split:
        assert w[g < 0].sum() == pytest.approx(np.mean(vector < 0), abs=1e-14)


def test_one_sided_vector_with_split():
    vector = np.random.default_rng(3).uniform(0.1, 2, 500)
    g, w = readout_rule(vector, 16, 1.0, True)
    assert np.all(g > 0)
    assert w @ g**2 == pytest.approx(np.mean(vector**2), rel=1e-8)


def test_gauss_rule_is_exact_to_its_degree():
    rng = np.random.default_rng(0)
    values, weights = rng.uniform(-1, 1, 50), rng.uniform(0, 1, 50)
    weights /= weights.sum()
    nodes, w = gauss_rule_of_discrete_law(values, weights, 6)
    for degree in range(12):
        assert w @ nodes**degree == pytest.approx(weights @ values**degree, abs=1e-14)
    assert abs(w @ nodes**12 - weights @ values**12) > 1e-9
