"""Ridge errors against closed forms of the literature, the reference, and their own limits."""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from problems import two_steps
from scipy.optimize import brentq

import rmt
from rmt import InvalidInputError, Step, ridge
from rmt.features.stages import last_stage
from rmt.features.trained import trained_features
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.regression.points import solved_points
from rmt.regression.risk import effective_ridge, risk
from rmt.spikes.mean_update import no_spikes
from rmt.spikes.resummed import resummed_strengths
from rmt.status import ConvergenceError, Status

REFERENCE = Path(__file__).parent / "reference"


def test_reference():
    cases = json.loads((REFERENCE / "ridge.json").read_text(encoding="utf-8"))["cases"]
    found = {batch: ridge(two_steps(batch), 3000, 1e-3) for batch in ("independent", "reused")}
    rows = [(found["independent"], 1), (found["independent"], 2), (found["reused"], 2)]
    assert [case["stage"] for case in cases] == [
        "after one step", "after two steps, independent", "after two steps, reused",
    ]  # fmt: skip
    for case, (result, stage) in zip(cases, rows, strict=True):
        assert result.test_error[stage] == pytest.approx(case["test"], rel=0.02)
        assert result.training_error[stage] == pytest.approx(case["train"], rel=0.02)


# Closed forms


def mei_montanari(psi1, psi2, zeta, lam_bar):
    """Bias and variance factors of random features (arXiv:1908.05355, definition 1)."""
    # nu_1 and nu_2 at xi = i sqrt(psi_1 psi_2 lam_bar), by iteration from large |xi|.
    target = 1j * math.sqrt(psi1 * psi2 * lam_bar)
    nu1, nu2 = psi1 / -(100 * target), psi2 / -(100 * target)
    for scale in np.geomspace(100, 1, 400):
        xi = scale * target
        for _ in range(2000 if scale == 1 else 20):
            common = zeta**2 / (1 - zeta**2 * nu1 * nu2)
            new1 = psi1 / (-xi - nu2 - common * nu2)
            common = zeta**2 / (1 - zeta**2 * new1 * nu2)
            new2 = psi2 / (-xi - new1 - common * new1)
            done = abs(new1 - nu1) + abs(new2 - nu2) < 1e-16
            nu1, nu2 = 0.5 * (nu1 + new1), 0.5 * (nu2 + new2)
            if done:
                break
    x, z2 = (nu1 * nu2).real, zeta**2
    e0 = (
        -(x**5) * z2**3 + 3 * x**4 * z2**2 + (psi1 * psi2 - psi2 - psi1 + 1) * x**3 * z2**3
        - 2 * x**3 * z2**2 - 3 * x**3 * z2 + (psi1 + psi2 - 3 * psi1 * psi2 + 1) * x**2 * z2**2
        + 2 * x**2 * z2 + x**2 + 3 * psi1 * psi2 * x * z2 - psi1 * psi2
    )  # fmt: skip
    e1 = psi2 * x**3 * z2**2 - psi2 * x**2 * z2 + psi1 * psi2 * x * z2 - psi1 * psi2
    e2 = (
        x**5 * z2**3 - 3 * x**4 * z2**2 + (psi1 - 1) * x**3 * z2**3 + 2 * x**3 * z2**2
        + 3 * x**3 * z2 + (-psi1 - 1) * x**2 * z2**2 - 2 * x**2 * z2 - x**2
    )  # fmt: skip
    return e1 / e0, e2 / e0


@pytest.mark.parametrize(("width", "samples"), [(500, 1500), (1500, 500), (1000, 1000)])
@pytest.mark.parametrize("regularisation", [1e-4, 1e-3, 1e-1])
def test_random_features_agree_with_mei_and_montanari(width, samples, regularisation):
    """With odd functions neither the features' mean nor that of the labels plays a part."""
    dim, noise = 1000, 0.4
    problem = two_steps(activation="erf(z)", target="sin(z)", width=width, dim=dim, noise_std=noise)
    found = ridge(problem, samples, regularisation)
    sigma = double_coefficients(problem.activation, 1)
    f = double_coefficients(problem.target, 1)
    mu1 = sigma.orthonormal[1]
    mu_star_square = sigma.second_moment - mu1**2
    linear = f.orthonormal[1] ** 2
    nonlinear = f.second_moment - linear
    bias, variance = mei_montanari(
        width / dim, samples / dim, mu1 / math.sqrt(mu_star_square),
        regularisation * dim / mu_star_square,
    )  # fmt: skip
    risk_of_theirs = linear * bias + (noise**2 + nonlinear) * variance + nonlinear
    assert found.test_error[0] == pytest.approx(risk_of_theirs + noise**2, rel=1e-10)


@pytest.mark.parametrize("width", [400, 1200])
def test_a_linear_activation_is_ridge_regression_on_random_projections(width):
    """The features ``X W_0^T``: population covariance ``W_0 W_0^T``, by its own eigenvalues."""
    dim, samples, regularisation, noise = 800, 1000, 2e-4, 0.3
    problem = two_steps(activation="z", target="z", width=width, dim=dim, noise_std=noise)
    found = ridge(problem, samples, regularisation)
    # Marchenko-Pastur quadrature: x = 1 + gamma - 2 sqrt(gamma) cos(theta).
    gamma = width / dim
    theta = (np.arange(20000) + 0.5) * np.pi / 20000
    x = 1 + gamma - 2 * math.sqrt(gamma) * np.cos(theta)
    weights = 2 * gamma * np.sin(theta) ** 2 / (np.pi * x) / 20000 * np.pi / gamma

    def trace(function):  # sum over the min(N, d) eigenvalues that are not zero
        return width * np.sum(weights * function(x))

    assert trace(np.ones_like) == pytest.approx(min(width, dim), rel=1e-6)
    ridge_n = regularisation * width

    def df1(t):
        return trace(lambda v: v / (v + t))

    t = brentq(lambda t: t * (1 - df1(t) / samples) - ridge_n, 1e-9, 1e6, xtol=1e-15, rtol=1e-14)
    df2 = trace(lambda v: (v / (v + t)) ** 2)
    # The target's direction is one of d: the bias is what projection and shrinkage leave of it.
    kept = trace(lambda v: v / (v + t)) / dim
    shrunk = trace(lambda v: t * v / (v + t) ** 2) / dim
    bias = 1 - kept - shrunk
    expected = (bias + noise**2) / (1 - df2 / samples)
    assert found.test_error[0] == pytest.approx(expected, rel=1e-6)
    assert found.effective_ridge[0] == pytest.approx(t / width, rel=1e-6)


# Limits


def test_ridgeless_limit_and_its_peak():
    problem = two_steps()
    limit = ridge(problem, [500, 999, 1000, 1001, 3000], 0.0)
    assert np.isinf(limit.test_error[:, 2]).all()
    assert (limit.test_error[:, [1, 3]] > 5 * limit.test_error[:, [0, 4]]).all()
    np.testing.assert_array_equal(limit.training_error[:, :3], 0)
    np.testing.assert_allclose(
        limit.training_error[:, 4], (1 - 1000 / 3000) ** 2 * limit.test_error[:, 4], rtol=1e-10
    )
    small = ridge(problem, [500, 3000], 1e-12)
    np.testing.assert_allclose(small.test_error, limit.test_error[:, [0, 4]], rtol=1e-5)
    json.dumps(limit.to_dict(), allow_nan=False)


def test_infinitely_many_samples_leave_the_bias():
    found = ridge(two_steps(noise_std=0.2), 1e9, 1e-3)
    np.testing.assert_allclose(found.test_error, found.bias + 0.04, rtol=1e-6)
    np.testing.assert_allclose(found.training_error, found.test_error, rtol=1e-6)
    np.testing.assert_allclose(found.effective_ridge, 1e-3, rtol=1e-6)


def test_a_huge_ridge_predicts_nothing():
    problem = two_steps(noise_std=0.2)
    found = ridge(problem, 2000, 1e9)
    second = double_coefficients(problem.target, 1).second_moment + 0.04
    np.testing.assert_allclose(found.test_error, second, rtol=1e-5)
    assert (found.degrees_of_freedom < 1e-3).all()


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_the_optimal_regularisation_is_a_minimum(batch):
    problem = two_steps(batch, noise_std=0.3)
    best = ridge(problem, [500, 1000, 4000], "optimal")
    assert best.regularisation.shape == best.test_error.shape == (3, 3)
    # Of every stage about the optimum of each: factors, stages, samples.
    nearby = np.multiply.outer([0.5, 0.9, 1.1, 2.0], best.regularisation)
    other = ridge(problem, best.samples, nearby)
    for i in range(3):
        assert (other.test_error[i, :, i] >= best.test_error[i] * (1 - 1e-10)).all()


# The algebra


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("t", [0.05, 0.7, 20.0])
def test_derivatives_against_differences(batch, t):
    problem = two_steps(batch)
    features = trained_features(problem, last_stage(problem).spikes)
    n, w = problem.width, features.mean.weights

    def values(t):
        resolvent = features.bulk.resolvent(t)
        coupling = features.couplings(resolvent)[0]
        mixed = np.eye(len(coupling)) + coupling
        p = np.linalg.solve(mixed, features.target)
        explained = features.target @ coupling @ p + features.outside(resolvent.forms[0])
        return np.linalg.slogdet(mixed)[1], explained, float(w @ resolvent.diagonal[0])

    h = 1e-4 * t
    low, mid, high = (values(t + k * h) for k in (-1, 0, 1))
    trace = n * mid[2] + (high[0] - low[0]) / (2 * h)
    slope = n * (high[2] - low[2]) / (2 * h) + (high[0] - 2 * mid[0] + low[0]) / h**2
    found = risk(features, t)
    assert float(found.df1) == pytest.approx(n - t * trace, rel=1e-7)
    assert float(found.df2) == pytest.approx(n - 2 * t * trace - t**2 * slope, rel=1e-4)
    bias = features.second_moment - mid[1] + t * (high[1] - low[1]) / (2 * h)
    assert float(found.bias) == pytest.approx(bias, rel=1e-6)
    ahead, behind = (float(risk(features, t * math.exp(k * 1e-4)).df1) for k in (1, -1))
    assert float(found.df1_slope) == pytest.approx((ahead - behind) / 2e-4, rel=1e-6)


def test_against_the_matrices_of_a_sampled_population():
    """The population covariance with explicit ``W_0``, mean features and slopes: degrees of freedom
    and bias of plain ridge algebra in one coordinate."""
    n = d = 700
    problem = two_steps(width=n, dim=d, samples=2 * n, steps=[Step(4, 0.4)])
    spikes = last_stage(problem).spikes
    features = trained_features(problem, spikes)
    rng = np.random.default_rng(0)
    t, degree = 0.6, 24
    o = float(spikes.alignments[0, 0])
    f = double_coefficients(problem.target, degree + 2).orthonormal
    j = np.arange(degree + 1)
    seen = []
    for _ in range(6):
        w0 = rng.standard_normal((n, d)) / math.sqrt(d)
        v, u = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
        q = rng.choice(spikes.readout_weights.size, size=n, p=spikes.readout_weights)
        sign = np.sign(features.mean.directions[q, :1]) ** j
        means, slopes = (c[q, : degree + 1] * sign for c in features.mean.coefficients[:2])
        # Coefficients on h_j(kappa): of the mean, and of kappa times the slope along v.
        cross = means.copy()
        along = (w0 @ v)[:, None]
        cross[:, 1:] += along * np.sqrt(j[1:]) * slopes[:, :-1]
        cross[:, :-1] += along * np.sqrt(j[1:]) * slopes[:, 1:]
        rest = w0 - np.outer(w0 @ v, v)
        covariance = cross @ cross.T + np.diag(features.bulk.variance[q])
        covariance += (rest @ rest.T) * (slopes @ slopes.T)
        # The target f(o kappa + sqrt(1 - o^2) omega), omega along u, to first order in omega.
        y = cross @ (f[: degree + 1] * o**j)
        outside = f[1 : degree + 2] * np.sqrt(j + 1) * o**j * math.sqrt(1 - o**2)
        y += (slopes @ outside) * (w0 @ u)
        inverse = np.linalg.inv(covariance + t * np.eye(n))
        df1 = n - t * np.trace(inverse)
        explained = y @ inverse @ y + t * np.sum((inverse @ y) ** 2)
        seen.append((df1, features.second_moment - explained))
    mean, error = np.mean(seen, axis=0), np.std(seen, axis=0, ddof=1) / math.sqrt(6)
    found = risk(features, t)
    assert abs(float(found.df1) - mean[0]) < 4 * error[0] + 1e-3 * mean[0]
    assert abs(float(found.bias) - mean[1]) < 4 * error[1] + 5e-3 * mean[1]


@pytest.mark.parametrize("samples", [3.0, 200.0, 1000.0, 1e5])
@pytest.mark.parametrize("ridge_n", [1e-9, 1e-3, 1.0, 1e4])
def test_the_effective_ridge_solves_its_equation(samples, ridge_n):
    problem = two_steps()
    for spikes in (no_spikes(1), last_stage(problem).spikes):
        features = trained_features(problem, spikes)
        t = effective_ridge(features, samples, ridge_n)
        left = t * (1 - float(risk(features, t).df1) / samples)
        assert left == pytest.approx(ridge_n, rel=1e-8, abs=1e-12 * t)


def test_many_points_are_those_of_single_solutions():
    """The table in ``log t`` against the equations, over eight decades of the regularisation."""
    problem = two_steps("reused")
    features = trained_features(problem, last_stage(problem).spikes)
    m, lam = (a.ravel() for a in np.meshgrid([300.0, 1000.0, 5000.0], np.geomspace(1e-5, 1e3, 9)))
    many = solved_points(features, m, lam)
    for i in range(0, m.size, 4):
        t = effective_ridge(features, m[i], lam[i])
        assert many.t[i] == pytest.approx(t, rel=1e-8)
        one = risk(features, t)
        test = (float(one.bias) + features.noise_variance) / (1 - float(one.df2) / m[i])
        assert many.test_error[i] == pytest.approx(test, rel=1e-8)
    assert many.error < 1e-8


def test_error_estimates_bound_the_difference_to_a_finer_solution():
    for problem in (two_steps("reused"), two_steps(activation="relu(z)", target="relu(z)")):
        coarse = ridge(problem, [700, 3000], [1e-4, 1e-2], rtol=1e-3)
        fine = ridge(problem, [700, 3000], [1e-4, 1e-2], rtol=1e-9)
        change = np.abs(coarse.test_error / fine.test_error - 1)
        assert (change <= coarse.error + fine.error).all(), (change, coarse.error)


# What users see


def test_each_step_helps_and_the_leading_spike_most():
    found = ridge(two_steps(), 3000, 1e-3)
    assert (np.diff(found.test_error) < 0).all()
    contributions = found.spike_contributions()
    assert contributions.argmax() == 0
    assert found.spike_contributions(0).shape == (0,)
    drop = found.test_error[0] - found.test_error[-1]
    assert contributions[0] == pytest.approx(drop, rel=0.1)


def test_two_indices_and_one_step():
    staircase = two_steps(target="z1 + z1*z2", samples=3000, steps=[Step(2, 0.35), Step(2, 0.4)])
    found = ridge(staircase, 3000, 1e-3)
    # Before training only z1 can be learned, of variance 1 out of 2.
    assert 1.0 < found.test_error[0] < 2.0
    assert found.test_error[2] < found.test_error[1] < found.test_error[0]
    one = ridge(two_steps(steps=[Step(4, 0.3)]), 3000, 1e-3)
    assert one.stages == ("untrained", "step 1")
    np.testing.assert_allclose(one.test_error, ridge(two_steps(), 3000, 1e-3).test_error[:2])


def test_shapes_text_and_frames():
    found = ridge(two_steps(), [[500], [1000], [2000]], [1e-3, 1e-2])
    assert found.test_error.shape == found.status.shape == (3, 3, 2)
    assert found.samples.shape == (3, 2)
    assert "untrained" in str(found)
    frame = found.to_frame()
    assert len(frame) == 18
    assert set(frame["status"]) == {"CONVERGED"}
    assert json.loads(json.dumps(found.to_dict()))["stages"] == ["untrained", "step 1", "step 2"]
    with pytest.raises(InvalidInputError, match="one dimension"):
        found.plot()
    curve = ridge(two_steps(), np.geomspace(200, 8000, 5), 1e-3)
    axes = curve.plot()
    assert len(axes.lines) == 6
    assert "m/d" in axes.get_xlabel()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1e-3), "samples must be positive"),
        ((-5, 1e-3), "samples must be positive"),
        ((100, -1.0), "regularisation must not be negative"),
        ((math.nan, 1.0), "samples must be finite"),
        ((100, math.inf), "regularisation must be finite"),
        (("many", 1.0), "samples must be numbers"),
        ((100, "best"), "or 'optimal'"),
        (([1, 2, 3], [1.0, 2.0]), "must broadcast"),
        (([], 1.0), "samples must be finite"),
        ((True, 1.0), "samples must be finite"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        ridge(two_steps(), *arguments)


def test_unconverged_spikes_are_never_returned_as_an_answer(monkeypatch):
    def unconverged(problem, rtol):
        return replace(resummed_strengths(problem, rtol), status=Status.NOT_CONVERGED)

    monkeypatch.setattr("rmt.features.stages.resummed_strengths", unconverged)
    problem = two_steps()
    with pytest.raises(ConvergenceError) as caught:
        ridge(problem, 3000, 1e-3)
    assert caught.value.status is Status.NOT_CONVERGED
    assert np.isfinite(caught.value.best.test_error).all()
    found = ridge(problem, 3000, 1e-3, throw=False)
    assert {status.name for status in found.status} == {"CONVERGED", "NOT_CONVERGED"}


def test_public_names():
    assert rmt.ridge is ridge
    assert rmt.RidgeErrors is type(ridge(two_steps(), 100, 1.0))


# On grids


def test_a_sweep_is_ridge_at_every_point():
    problem = two_steps(width=400, dim=400, samples=800)
    over = {
        "regularisation": [1e-4, 1e-2],
        "aspect_ratio": [0.5, 2.0],
        "readout_samples_per_dim": [0.8],
    }
    found = rmt.sweep_ridge(problem, over)
    assert found.shape == (2, 2, 1)
    assert found.test_error.shape == found.status.shape == (3, 2, 2, 1)
    for i, j, k in np.ndindex(2, 2, 1):
        lam, gamma, ratio = (values[n] for values, n in zip(over.values(), (i, j, k), strict=True))
        dim = round(400 / gamma)
        one = problem.replace(dim=dim, samples=2 * dim)
        expected = ridge(one, round(ratio * dim), lam)
        np.testing.assert_allclose(found.test_error[:, i, j, k], expected.test_error, rtol=1e-12)
    assert "aspect_ratio" in str(found)
    assert len(found.to_frame()) == 12


def test_a_bad_point_spoils_no_other():
    problem = two_steps(width=400, dim=400, samples=800)
    over = {"noise_std": [0.1, -1.0], "readout_samples_per_dim": [1.0, 2.0]}
    found = rmt.sweep_ridge(problem, over, regularisation=1e-3)
    assert np.isfinite(found.test_error[:, 0]).all()
    assert np.isnan(found.test_error[:, 1]).all()
    assert {s.name for s in found.status[:, 1].ravel()} == {"INVALID_INPUT"}
    assert "noise_std" in found.messages[0]
    with pytest.raises(ConvergenceError, match="noise_std") as caught:
        rmt.sweep_ridge(problem, over, regularisation=1e-3, throw=True)
    np.testing.assert_array_equal(caught.value.best.test_error, found.test_error)


def test_who_computes_the_curves_changes_nothing():
    problem = two_steps(width=400, dim=400, samples=800)
    over = {"noise_std": [0.1, 0.5], "readout_samples_per_dim": [1.0]}
    alone = rmt.sweep_ridge(problem, over, regularisation=1e-3)
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        found = rmt.sweep_ridge(problem, over, regularisation=1e-3, executor=processes)
    np.testing.assert_allclose(found.test_error, alone.test_error, rtol=1e-10)
    with pytest.raises(InvalidInputError, match="executor must be"):
        rmt.sweep_ridge(problem, over, regularisation=1e-3, executor=4)


def test_learning_curves_are_drawn():
    problem = two_steps(width=400, dim=400, samples=800)
    ratios = np.geomspace(0.3, 8, 4)
    one = rmt.sweep_ridge(problem, {"readout_samples_per_dim": ratios}, regularisation=1e-3)
    assert len(one.plot().axes) == 1
    two = rmt.sweep_ridge(
        problem, {"readout_samples_per_dim": ratios, "regularisation": [0.0, 1e-3]}
    )
    figure = two.plot()
    assert [ax.get_title() for ax in figure.axes] == [
        r"regularisation $\lambda$: 0", r"regularisation $\lambda$: 0.001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("over", "keywords", "message"),
    [
        ({}, {}, "over must map"),
        ({"regularisation": [1e-3]}, {}, "give either samples or"),
        ({"regularisation": [1e-3]}, {"samples": 10, "regularisation": 1.0}, "and not both"),
        ({"regularisation": [-1.0]}, {"samples": 10}, "array of not negative numbers"),
        ({"readout_samples_per_dim": [0.0]}, {"regularisation": 1.0}, "array of positive numbers"),
        ({"depth": [1, 2]}, {"samples": 10, "regularisation": 1.0}, "unknown parameter 'depth'"),
    ],
)
def test_bad_axes(over, keywords, message):
    with pytest.raises(InvalidInputError, match=message):
        rmt.sweep_ridge(two_steps(), over, **keywords)


@pytest.mark.parametrize("alignment", [0.0, 0.6, 1.0])
def test_a_vanishing_spike_changes_nothing(alignment):
    """Its direction is one of the bulk's: neither learned twice nor forgotten."""
    problem = two_steps(noise_std=0.2)
    untrained = trained_features(problem, no_spikes(1))
    w = np.array([0.5, 0.5])
    spike = replace(
        no_spikes(1), strengths=np.array([1e-9]), alignments=np.array([[alignment]]),
        readout_nodes=np.array([-1.0, 1.0]), readout_weights=w,
        left_functions=np.array([[-1.0, 1.0]]), strength_errors=np.zeros(1),
        alignment_sq_errors=np.zeros((1, 1)),
    )  # fmt: skip
    touched = trained_features(problem, spike)
    for t in (0.01, 0.5, 10.0):
        before, after = risk(untrained, t), risk(touched, t)
        assert float(after.bias) == pytest.approx(float(before.bias), rel=1e-6)
        # One direction in a thousand is counted beside the bulk.
        assert abs(float(after.df1) - float(before.df1)) < 1.0
