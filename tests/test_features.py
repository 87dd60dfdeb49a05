"""The mean features against brute force, their outliers against other routes and matrices."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from problems import IE1, two_steps
from scipy.linalg import eigh
from scipy.optimize import brentq

from rmt import InvalidInputError, Step, feature_exponents, feature_spikes
from rmt.features.bulk import FeatureBulk, feature_bulk
from rmt.features.mean_features import mean_features
from rmt.features.polynomial import learned_feature
from rmt.features.stages import last_stage
from rmt.features.target import projection
from rmt.features.trained import trained_features
from rmt.functions import ScalarFunction
from rmt.hermite.tensor_tables import multi_indices
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import gaussian_rule
from rmt.spectra import GeneralisedMarchenkoPastur, Population, population_spikes
from rmt.spikes.mean_update import SpikeStrengths, no_spikes
from rmt.spikes.resummed import resummed_strengths
from rmt.status import ConvergenceError, Status
from validation import simulate

# The mean features


def some_spikes(n_spikes: int) -> SpikeStrengths:
    """Arbitrary spikes on a handful of readout nodes, orthonormal as they should be."""
    rng = np.random.default_rng(n_spikes)
    q = 5
    weights = rng.uniform(0.5, 1.5, q)
    weights /= weights.sum()
    left = np.linalg.qr(rng.standard_normal((q, n_spikes)))[0].T / np.sqrt(weights)
    return SpikeStrengths(
        strengths=np.array([25.0, 6.0, 2.0])[:n_spikes],
        alignments=np.array([[0.8], [0.3], [0.1]])[:n_spikes],
        readout_nodes=np.arange(q, dtype=float),
        readout_weights=weights,
        left_functions=left,
        strength_errors=np.zeros(n_spikes),
        alignment_sq_errors=np.zeros((n_spikes, 1)),
        status=Status.CONVERGED,
    )


def brute_force(activation, spikes, width, kappa):
    """``E_Z[sigma(Z + p(g_q, kappa))]`` by quadrature in ``Z``, shape (Q, points)."""
    sigma = ScalarFunction.parse(activation)
    p = (spikes.left_functions.T * spikes.strengths) @ kappa / math.sqrt(width)
    out = np.empty(p.shape)
    for index, shift in np.ndenumerate(p):
        rule = gaussian_rule(12.0, 9.0, [k - shift for k in sigma.kinks])
        out[index] = rule.weights @ sigma(rule.nodes[0] + shift)
    return out


@pytest.mark.parametrize("activation", ["tanh(z + 7/10)", "relu(z)", "sin(z) + z**2/4"])
@pytest.mark.parametrize("n_spikes", [1, 2])
def test_mean_features_against_brute_force(activation, n_spikes):
    spikes, width = some_spikes(n_spikes), 900
    mean = mean_features(ScalarFunction.parse(activation), spikes, width)
    x = gaussian_rule(4.0 if n_spikes == 1 else 2.5, 8.0)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*[x.nodes[0]] * n_spikes, indexing="ij")])
    weights = np.prod(
        [axis.ravel() for axis in np.meshgrid(*[x.weights] * n_spikes, indexing="ij")], axis=0
    )
    values = brute_force(activation, spikes, width, grid)
    expected = (values * weights) @ values.T
    tolerance = 1e-7 if activation == "relu(z)" else 1e-11
    np.testing.assert_allclose(mean.kernel(0, 0), expected, rtol=tolerance, atol=tolerance)
    identity = np.eye(n_spikes)
    for alpha in [*multi_indices(n_spikes, 3)]:
        basis = np.prod(
            [orthonormal_hermite(row, a + 1)[a] for row, a in zip(grid, alpha, strict=True)], axis=0
        )
        expected = values @ (weights * basis)
        found = projection(mean, {alpha: 1.0}, identity)
        np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("n_spikes", [1, 2])
def test_derivatives_and_coordinates_against_brute_force(n_spikes):
    """The spanning functions ``M_0`` and ``kappa_k M_1`` and all their inner products."""
    spikes, width = some_spikes(n_spikes), 900
    sigma = ScalarFunction.parse("tanh(z + 7/10)")
    problem = two_steps(width=width, dim=width)
    features = trained_features(problem, spikes)
    mean = features.mean
    x = gaussian_rule(5.0 if n_spikes == 1 else 3.0, 8.0)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*[x.nodes[0]] * n_spikes, indexing="ij")])
    weights = np.prod(
        [axis.ravel() for axis in np.meshgrid(*[x.weights] * n_spikes, indexing="ij")], axis=0
    )
    inner = gaussian_rule(12.0, 9.0)
    p = mean.moved @ grid
    shifted = inner.nodes[0] + p[..., None]
    slopes = sigma.derivative(shifted) @ inner.weights
    rows = [sigma(shifted) @ inner.weights, *(row * slopes for row in grid)]
    root = np.sqrt(mean.weights)[:, None]
    stacked = np.concatenate([root * row for row in rows])
    gram = (stacked * weights) @ stacked.T
    np.testing.assert_allclose(features.functions @ features.functions.T, gram, atol=1e-9)
    # The target's projection, of the part of it that is a function of kappa.
    o = spikes.alignments[:, 0]
    rest = gaussian_rule(4.0, 8.0)
    z = (o @ grid)[:, None] + math.sqrt(1 - o @ o) * rest.nodes[0]
    seen = ScalarFunction.parse(IE1)(z) @ rest.weights
    expected = stacked @ (weights * seen)
    np.testing.assert_allclose(features.functions @ features.target, expected, atol=1e-7)
    slope_of_target = ScalarFunction.parse(IE1).derivative(z) @ rest.weights
    np.testing.assert_allclose(features.slopes[0], slopes @ (weights * slope_of_target), atol=1e-7)


def test_the_truncation_is_bounded():
    spikes, sigma = some_spikes(2), ScalarFunction.parse("relu(z)")
    loose = mean_features(sigma, spikes, 100, tolerance=1e-1)
    tight = mean_features(sigma, spikes, 100, tolerance=1e-14)
    assert loose.order < tight.order
    weights = tight.weights
    missing = weights @ (tight.kernel(0, 0).diagonal() - loose.kernel(0, 0).diagonal())
    assert 0 < missing <= loose.truncation + tight.truncation


def test_the_mean_of_the_features_alone_at_initialisation():
    mean = mean_features(ScalarFunction.parse("relu(z)"), no_spikes(1), 50)
    np.testing.assert_allclose(mean.kernel(0, 0), [[1 / (2 * math.pi)]], rtol=1e-12)
    bulk = feature_bulk(mean, 1.0)
    assert bulk.linear == pytest.approx(0.5, rel=1e-12)
    assert bulk.nonlinear**2 == pytest.approx(0.25 - 1 / (2 * math.pi), rel=1e-12)


# The bulk


def test_a_bulk_without_varying_slopes_is_marchenko_pastur():
    for gamma in (0.5, 1.0, 2.0):
        bulk = FeatureBulk(np.array([0.3, 0.7]), np.full((2, 2), 0.36), np.full(2, 0.09), gamma)
        n = 1200
        d = int(n / gamma)
        w = np.random.default_rng(0).standard_normal((n, d)) / math.sqrt(d)
        eigenvalues = 0.36 * np.linalg.eigvalsh(w @ w.T)
        edge = bulk.population_edge()
        assert edge == pytest.approx(0.36 * (1 + math.sqrt(gamma)) ** 2 + 0.09, rel=1e-8)
        for t in (0.05, 1.0, 30.0, -1.5 * edge, -9.0 * edge):
            found = bulk.resolvent(t)
            inverse = 1 / (eigenvalues + 0.09 + t)
            np.testing.assert_allclose(found.diagonal[0], inverse.mean(), rtol=1e-2)
            linear = np.sum(eigenvalues * inverse) / d / 0.36
            assert found.forms[0].sum() == pytest.approx(linear, rel=1e-2)
        assert bulk.resolvent(-0.99 * edge) is None


def varied_bulk() -> FeatureBulk:
    """Two groups of neurons whose slopes differ, and differ between inputs."""
    slopes = np.array([[1.0, 0.2], [0.2, 0.25]])
    return FeatureBulk(np.array([0.4, 0.6]), slopes, np.array([0.1, 0.3]), 1.5)


def test_a_bulk_whose_slopes_vary_against_a_sampled_matrix():
    bulk, n, d = varied_bulk(), 1500, 1000
    rng = np.random.default_rng(0)
    group = (np.arange(n) >= 0.4 * n).astype(int)
    factors = np.linalg.cholesky(bulk.slopes)[group]  # the slopes' coefficients on two functions
    w = rng.standard_normal((n, d)) / math.sqrt(d)
    parts = [factors[:, k, None] * w for k in range(2)]
    covariance = sum(part @ part.T for part in parts) + np.diag(bulk.variance[group])
    assert bulk.population_edge() == pytest.approx(np.linalg.eigvalsh(covariance)[-1], rel=0.02)
    v = rng.standard_normal((d, 400))
    v /= np.linalg.norm(v, axis=0)
    for t in (0.05, 1.0, -1.3 * bulk.population_edge()):
        inverse = np.linalg.inv(covariance + t * np.eye(n))
        found = bulk.resolvent(t)
        seen = [inverse.diagonal()[group == q].mean() for q in range(2)]
        np.testing.assert_allclose(found.diagonal[0], seen, rtol=5e-3)
        images = w @ v
        for a in range(2):
            for b in range(2):
                left, right = images * (group == a)[:, None], images * (group == b)[:, None]
                form = np.sum(left * (inverse @ right), axis=0)
                error = form.std() / 20 + 5e-3 * abs(form).mean()
                assert abs(found.forms[0][a, b] - form.mean()) < 4 * error


@pytest.mark.parametrize("t", [0.0, 0.03, 2.0, 50.0, -6.0, -40.0])
def test_derivatives_of_the_bulk(t):
    bulk = varied_bulk()
    h = 1e-4 * max(abs(t), 0.1)
    found = bulk.resolvent(t)
    if t == 0.0:
        ahead, two = bulk.resolvent(h), bulk.resolvent(2 * h)
        first = (-3 * found.diagonal[0] + 4 * ahead.diagonal[0] - two.diagonal[0]) / (2 * h)
        np.testing.assert_allclose(found.diagonal[1], first, rtol=1e-6)
        return
    ahead, behind = bulk.resolvent(t + h), bulk.resolvent(t - h)
    for name in ("diagonal", "forms"):
        for k in range(2):
            difference = (getattr(ahead, name)[k] - getattr(behind, name)[k]) / (2 * h)
            scale = np.abs(difference).max()
            np.testing.assert_allclose(getattr(found, name)[k + 1], difference, atol=1e-6 * scale)


def test_no_linear_part():
    bulk = FeatureBulk(np.ones(1), np.zeros((1, 1)), np.full(1, 4.0), 1.0)
    assert bulk.resolvent(1.0).diagonal[0][0] == pytest.approx(1 / 5)
    assert bulk.resolvent(-5.0).diagonal[0][0] == pytest.approx(-1.0)
    assert bulk.population_edge() == pytest.approx(4.0, rel=1e-9)


# The spikes


@pytest.fixture(scope="module")
def found_for():
    """What `feature_spikes` finds for 3000 inputs, by the kind of batch."""
    return {
        batch: feature_spikes(two_steps(batch=batch), 3000) for batch in ("independent", "reused")
    }


@pytest.mark.parametrize(
    ("batch", "expected"),
    [("independent", (626.2, 605.0, 90.3)), ("reused", (639.2, 544.2, 75.2))],
)
def test_strengths_of_the_specification(found_for, batch, expected):
    """theory.md, section 8, from a coarser discretisation (two spikes, degree 6, unit lengths)."""
    problem = two_steps(batch=batch)
    mean = mean_features(problem.activation, last_stage(problem).spikes, problem.width)
    root = np.sqrt(mean.weights)
    squares = np.linalg.eigvalsh(np.outer(root, root) * mean.kernel(0, 0))[::-1][:3]
    assert np.sqrt(3000 * 1000 * squares) == pytest.approx(expected, rel=7e-3)
    # Neurons that have grown saturate earlier.
    assert found_for[batch].spikes[1].strength < expected[1]


def test_one_spike_shared_by_a_square_and_a_direction(found_for):
    third = found_for["independent"].outliers[2]
    square = third.learned.coefficients[(2, 0, 0, 0, 0)]
    second = third.learned.coefficients[(0, 1, 0, 0, 0)]
    assert square**2 == pytest.approx(0.59, abs=0.03)
    assert second**2 == pytest.approx(0.20, abs=0.03)
    assert str(third.learned).startswith("0.76 He2(k0)/sqrt(2)")


def test_untrained_features_against_the_population_route():
    """The features' mean is a spike of the population, which the known map takes to the sample."""
    problem = two_steps(steps=[Step(1e-9, 0.0)])
    found = feature_spikes(problem, 3000)
    mean = float(mean_features(problem.activation, no_spikes(1), 1000).kernel(0, 0)[0, 0])
    features = trained_features(problem, no_spikes(1))
    nonlinear, linear = features.bulk.nonlinear, features.bulk.linear
    # The population's spike: 1 + N r(-l) mu_0^2 = 0.
    ell = brentq(
        lambda x: 1 + 1000 * mean * features.bulk.resolvent(-x).diagonal[0][0], 3.0, 1e4, rtol=1e-14
    )
    # Its bulk has the law of Gaussian features' rows: eigenvalues of mu_1^2 W_0 W_0^T + mu_*^2.
    theta = (np.arange(4000) + 0.5) * np.pi / 4000
    x = 2 - 2 * np.cos(theta)  # Marchenko-Pastur of ratio 1
    weights = 2 * np.sin(theta) ** 2 / x / 4000
    law = GeneralisedMarchenkoPastur(
        Population.of_atoms(linear**2 * x + nonlinear**2, weights / weights.sum()), 1000 / 3000
    )
    sample = population_spikes(ell, law)
    spike = found.outliers[0]
    assert spike.singular_value == pytest.approx(math.sqrt(3000 * sample.eigenvalue), rel=1e-6)
    assert len(found.outliers) == 1
    assert str(spike.learned) == "1.00"


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_outliers_and_overlaps_against_their_gaussian_equivalent(batch):
    """``F = M_0 + M_1 o X W_0^T + Xi D_nu``, drawn with its polynomials in the coordinates.

    The two largest are close, and mix: their overlaps are compared in sum.
    """
    problem = two_steps(width=800, dim=800, samples=1600, batch=batch)
    m, n, d = 2400, 800, 800
    found = feature_spikes(problem, m)
    stage = last_stage(problem)
    spikes = stage.spikes
    features = trained_features(problem, spikes, stage.lengths)
    rng = np.random.default_rng(1)
    values, squares = [], []
    for _ in range(4):
        v = np.linalg.qr(rng.standard_normal((d, spikes.strengths.size)))[0]
        x = rng.standard_normal((m, d))
        w0 = rng.standard_normal((n, d)) / math.sqrt(d)
        q = rng.choice(spikes.readout_weights.size, size=n, p=spikes.readout_weights)
        # The mean part, neuron by neuron: sum_j c_j(g) h_j(n . kappa).
        s = (x @ v) @ features.mean.directions[q].T
        means, slopes = np.zeros_like(s), np.zeros_like(s)
        previous, current = np.zeros_like(s), np.ones_like(s)
        for j in range(20):  # what follows is 4e-4 of the features at most
            means += features.mean.coefficients[0][q, j] * current
            slopes += features.mean.coefficients[1][q, j] * current
            following = (s * current - math.sqrt(j) * previous) / math.sqrt(j + 1)
            previous, current = current, following
        noise = np.sqrt(features.bulk.variance[q]) * rng.standard_normal((m, n))
        f = means + stage.lengths[q] * slopes * (x @ w0.T) + noise
        squared, right = eigh(f.T @ f, subset_by_index=(n - 3, n - 1))
        sv, right = np.sqrt(squared[::-1]), right[:, ::-1]
        values.append(sv)
        # A target direction with the spikes' own alignments.
        o = spikes.alignments[:, 0]
        z = x @ v @ o + math.sqrt(1 - o @ o) * rng.standard_normal(m)
        h = orthonormal_hermite(z, 4)[1:]
        squares.append((h / np.linalg.norm(h, axis=1)[:, None] @ (f @ right) / sv) ** 2)
    singular_values = [spike.singular_value for spike in found.outliers[:3]]
    assert singular_values == pytest.approx(np.mean(values, axis=0), rel=0.015)
    overlaps = np.mean(squares, axis=0)
    for beta in (1, 2, 3):
        predicted = [spike.target_overlaps[(beta,)] for spike in found.outliers[:3]]
        assert predicted[2] == pytest.approx(overlaps[beta - 1, 2], abs=0.03)
        assert sum(predicted[:2]) == pytest.approx(overlaps[beta - 1, :2].sum(), abs=0.03)


def test_overlaps_are_parts_of_a_whole(found_for):
    for found in found_for.values():
        for spike in found.spikes:
            total = sum(c**2 for c in spike.learned.coefficients.values()) + spike.learned.rest
            assert total == pytest.approx(1.0, abs=1e-9)
            assert sum(spike.target_overlaps.values()) <= spike.left_overlap + 1e-12 <= 1.0


def test_error_estimates_bound_the_difference_to_a_finer_solution():
    for changes in ({"batch": "reused"}, {"activation": "relu(z)", "target": "relu(z)"}):
        problem = two_steps(**changes)
        coarse, fine = (feature_spikes(problem, 3000, rtol=rtol) for rtol in (1e-3, 1e-9))
        for one, other in zip(coarse.outliers, fine.outliers, strict=True):
            allowed = one.error + other.error
            assert abs(one.strength / other.strength - 1) <= allowed
            assert abs(one.singular_value / other.singular_value - 1) <= allowed
            for beta, overlap in one.target_overlaps.items():
                assert abs(overlap - other.target_overlaps[beta]) <= allowed


def test_two_target_directions():
    problem = two_steps(
        target="z1 + z1*z2", samples=3000, steps=[Step(2, 0.35), Step(2, 0.4)], batch="reused"
    )
    found = feature_spikes(problem)
    assert found.samples == 3000
    directions = [max(s.target_overlaps, key=s.target_overlaps.get) for s in found.outliers]
    assert (1, 0) in directions
    assert any((1, 1) in s.target_overlaps for s in found.outliers)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_lengths_of_the_rows_against_simulated_weights(batch):
    """Mean squares over the neurons of either sign, which scatter by 0.02 between networks."""
    problem = two_steps(
        batch=batch, readout="rademacher", width=500, dim=500, samples=1000,
        steps=[Step(4, 0.3), Step(6, 0.4)],
    )  # fmt: skip
    stage = last_stage(problem)
    assert stage.spikes.readout_nodes.tolist() == [-1.0, 1.0]
    seen = []
    for index in range(8):
        sample = simulate(problem, 0, index, "float32")
        weights = sample.weights[-1].astype(float)
        u, s, vt = np.linalg.svd(weights, full_matrices=False)
        squares = np.sum((weights - (u[:, :2] * s[:2]) @ vt[:2]) ** 2, axis=1)
        seen.append([squares[sample.readout == g].mean() for g in (-1, 1)])
    error = np.std(seen, axis=0, ddof=1) / math.sqrt(8)
    assert (error < 0.02).all()
    assert (np.abs(stage.lengths**2 - np.mean(seen, axis=0)) < 3.5 * error).all()
    assert stage.lengths[0] ** 2 > stage.lengths[1] ** 2 + 0.05


# Exponents


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.25, 0.26, 0.34, 0.4, 0.45])
def test_one_step_thresholds(alpha):
    problem = two_steps(steps=[Step(1, alpha)])
    orders = [e.order for e in feature_exponents(problem)]
    exact = Fraction(str(alpha))
    expected = [0] + [k for k in range(1, 13) if exact > Fraction(k - 1, 2 * k)]
    assert orders == expected


def test_two_steps_share_a_spike():
    found = feature_exponents(two_steps(steps=[Step(1, 0.4), Step(1, 0.4)]))
    assert found[2].terms == ((0, 0), (1,))
    assert found[3].terms == ((0, 0, 0), (0, 1), (2,))
    assert str(found[2]) == "N^(4/5): He2(k0)/sqrt(2), k1"


def test_orders_without_a_coefficient_are_absent():
    odd = feature_exponents(two_steps(activation="erf(z)", steps=[Step(1, 0.45)]))
    assert [e.order for e in odd] == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("order", [1, 2])
def test_strengths_grow_with_their_exponent(order):
    """A rate: the strength of the ``order``-th spike at large widths."""
    widths = (10**6, 10**7)
    strengths = []
    for n in widths:
        problem = two_steps(width=n, dim=n, samples=2 * n, steps=[Step(1, 0.35)])
        strengths.append(feature_spikes(problem, n).spikes[order].strength)
    rate = math.log10(strengths[1] / strengths[0])
    (exponent,) = [e.exponent for e in feature_exponents(problem) if e.order == order]
    assert rate == pytest.approx(float(exponent), abs=0.01)


# What users see


def test_text_json_and_frame(found_for):
    found = found_for["independent"]
    assert "in the bulk" in str(found)
    assert f"{len(found.outliers)} outlier(s)" in str(found)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["n_outliers"] == len(found.outliers)
    frame = found.to_frame()
    assert len(frame) == len(found.spikes)
    assert "overlap with He2(z1)/sqrt(2)" in frame.columns


def test_a_polynomial_prints_its_largest_terms():
    c = {(0, 0): 0.05, (2, 0): -0.97, (0, 1): 0.21, (1, 1): 0.11}
    text = str(learned_feature(lambda alpha: c.get(alpha, 0.0), 2))
    assert text == "0.97 He2(k0)/sqrt(2) - 0.21 k1 - 0.11 k0 k1"


@pytest.mark.parametrize("samples", [0, -3, 2.5, True, "many"])
def test_bad_samples(samples):
    with pytest.raises(InvalidInputError, match="samples must be a positive integer"):
        feature_spikes(two_steps(), samples)


def test_unconverged_spikes_are_never_returned_as_an_answer(monkeypatch):
    def unconverged(problem, rtol):
        return replace(resummed_strengths(problem, rtol), status=Status.NOT_CONVERGED)

    monkeypatch.setattr("rmt.features.stages.resummed_strengths", unconverged)
    problem = two_steps()
    with pytest.raises(ConvergenceError) as caught:
        feature_spikes(problem, 3000)
    assert caught.value.best.status is Status.NOT_CONVERGED
    assert feature_spikes(problem, 3000, throw=False).outliers
