"""What is observed for other losses, labels and output scales, and how it is kept."""

from __future__ import annotations

import csv
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from rmt import InvalidInputError, Problem
from rmt.problem.labels import Bernoulli, Channel, Law, Poisson, SignOf
from validation import (
    FeaturePlan,
    PathPlan,
    Plan,
    SampleStore,
    observe,
    run_campaign,
    run_features,
    run_paths,
    run_samples,
    simulate,
)
from validation.simulation.draws import fresh_batch
from validation.simulation.path_plan import PathObservation
from validation.store.recipe import recipe

SIGNS = SignOf("z1 + z2/2", noise_std=0.5, flip=0.1)
LATER = [one.name for one in fields(PathObservation)][6:]


def problem_with(**changes):
    arguments = {
        "activation": "tanh(z + 7/10)",
        "target": SIGNS,
        "width": 30,
        "dim": 24,
        "samples": (50, 40),
        "steps": [(2, 0.3)] * 3,
        "batch": (0, 1, 0),
        "loss": "logistic",
        "output_scale": 1,
    }
    return Problem(**{**arguments, **changes})


def logistic(h, y):
    return np.log1p(np.exp(-y * h))


def output(network, weights, x):
    return np.tanh(x @ weights.T + 0.7) @ network.readout / 30**0.5


def test_losses_and_misclassified_are_those_of_the_network():
    """From the definition; on fresh samples as the mean over the law of their labels."""
    from scipy.stats import norm

    problem = problem_with()
    samples = run_paths(PathPlan(problem, 2, seed=2, n_outliers=3, n_test=2000), threads=1)
    network = simulate(problem, 2, 1)
    test = fresh_batch(problem, 2, 1, 2000, "test")
    p = 0.1 + 0.8 * norm.cdf((test.inputs[:, 0] + test.inputs[:, 1] / 2) / 0.5)
    for step, weights in enumerate(network.weights):
        for number, data in ((0, network.batches[0]), (1, network.batches[1])):
            h, y = output(network, weights, data.inputs), data.labels
            found = samples.batch_errors, samples.batch_loss, samples.batch_misclassified
            expected = np.mean((y - h) ** 2), np.mean(logistic(h, y)), np.mean(y * h < 0)
            assert [one[1, step, number] for one in found] == pytest.approx(expected, rel=1e-12)
        h = output(network, weights, test.inputs)
        expected = [
            np.mean(p * one(h, 1) + (1 - p) * one(h, -1))
            for one in (lambda h, y: (y - h) ** 2, logistic, lambda h, y: y * h < 0)
        ]
        found = samples.test_error, samples.test_loss, samples.test_misclassified
        assert [one[1, step] for one in found] == pytest.approx(expected, rel=1e-12)
        # The labels that were drawn have the same means.
        drawn = np.mean(logistic(h, test.labels)), np.mean(test.labels * h < 0)
        assert drawn == pytest.approx(expected[1:], abs=5 * 0.7 / 2000**0.5)
    assert samples.label_squares == pytest.approx(1.0)
    np.testing.assert_array_equal(
        samples.training_loss, samples.batch_loss[:, [0, 1, 2, 3], [0, 1, 0, 0]]
    )
    assert samples.training_misclassified.shape == (2, 4)
    assert "test misclassified" in str(samples)


def test_noise_of_a_function_is_in_the_loss():
    problem = problem_with(target="z1 + z2", noise_std=0.5, loss="huber(1/2)")
    samples = run_paths(PathPlan(problem, 1, n_test=300), threads=1)
    network, test = simulate(problem), fresh_batch(problem, 0, 0, 300, "test")
    off = np.abs(test.labels - output(network, network.weights[3], test.inputs))
    expected = np.mean(np.where(off < 0.5, off**2 / 2, off / 2 - 1 / 8))
    assert samples.test_loss[0, 3] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(samples.test_misclassified).all()
    assert np.isnan(samples.batch_misclassified).all()
    assert "misclassified" not in str(samples)


@pytest.mark.parametrize(
    ("law", "mean", "second"),
    [
        (Bernoulli("sigmoid(z)"), lambda z: np.tanh(z / 2), lambda z: 1 + 0 * z),
        (Poisson("exp(z/2)"), lambda z: np.exp(z / 2), lambda z: np.exp(z / 2) + np.exp(z)),
        (Channel(["z", 0], ["3/4", "1/4"]), lambda z: 0.75 * z, lambda z: 0.75 * z**2),
    ],
    ids=["bernoulli", "poisson", "channel"],
)
def test_errors_on_fresh_samples_have_the_variance_of_the_law(law: Law, mean, second):
    """Of the network itself, and of ridge regression on its features."""
    problem = problem_with(target=law, loss="squared", output_scale=None)
    samples = run_paths(PathPlan(problem, 1, n_test=3000), threads=1)
    network, test = simulate(problem), fresh_batch(problem, 0, 0, 3000, "test")
    z = test.inputs[:, 0]
    h = output(network, network.weights[3], test.inputs) / 30**0.5
    expected = np.mean(second(z) - 2 * h * mean(z) + h**2)
    assert samples.test_error[0, 3] == pytest.approx(expected, rel=1e-12)
    assert samples.test_loss[0, 3] == pytest.approx(expected / 2, rel=1e-12)
    assert samples.label_squares[0, -1] == pytest.approx(np.mean(second(z)), rel=1e-12)

    plan = FeaturePlan(problem, 1, (2000,), (1e-3,), n_test=3000, dtype="float64")
    train = fresh_batch(problem, 0, 0, 2000, "train")
    f = np.tanh(train.inputs @ network.weights[3].T + 0.7) / 30**0.5
    c = np.linalg.solve(f.T @ f + 2000e-3 * np.eye(30), f.T @ train.labels)
    guess = np.tanh(test.inputs @ network.weights[3].T + 0.7) @ c / 30**0.5
    expected = np.mean(second(z) - 2 * guess * mean(z) + guess**2)
    assert run_features(plan, threads=1).test_error[0, 3, 0, 0] == pytest.approx(expected)


def test_an_untrained_network_without_output_classifies_nothing():
    problem = problem_with(initialisation="antisymmetric")
    samples = run_paths(PathPlan(problem, 2, n_test=100), threads=1)
    assert np.isnan(samples.batch_misclassified[:, 0]).all()
    assert np.isnan(samples.test_misclassified[:, 0]).all()
    assert np.isfinite(samples.test_misclassified[:, 1:]).all()
    assert samples.test_loss[:, 0] == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"target": Bernoulli("sigmoid(z)")}, True),
        ({"target": Channel([1, -1], ["1/3", "2/3"])}, True),
        ({"target": Poisson("exp(z/2)"), "loss": "poisson"}, False),
        ({"target": "sign(z1*z2 - 1/5)", "loss": "huber(2)"}, True),
        ({"target": "sign(z)", "noise_std": 0.5, "loss": "huber(2)"}, False),
        ({"target": "tanh(z)", "loss": "huber(2)"}, False),
    ],
)
def test_which_labels_are_signs(changes, expected):
    assert problem_with(**changes).has_signs is expected


# --- overlaps with the untrained network's own output ---------------------------------------------


def test_overlaps_with_the_initial_output():
    problem = problem_with(loss="squared", steps=[(4, 0)], batch="reused", samples=50)
    samples = run_samples(problem, 3, n_outliers=2, threads=1)
    for index in range(3):
        network = simulate(problem, 0, index)
        direction = network.weights[0].T @ network.readout
        direction /= np.linalg.norm(direction)
        right = np.linalg.svd(network.weights[1])[2][:2]
        found = samples.initial_output_overlap[index]
        assert found == pytest.approx((right @ direction) ** 2, abs=1e-9)
    assert "with the initial output" in str(samples)
    seen = observe(network.weights[1], 2, initial_output=5 * direction)
    assert seen.initial_output_overlap == pytest.approx(found)
    assert "with the initial output" in str(seen)


@pytest.mark.parametrize("changes", [{"output_scale": None}, {"initialisation": "antisymmetric"}])
def test_without_an_initial_output_there_are_none(changes):
    problem = problem_with(**changes)
    plan = Plan(problem, 2, n_outliers=2)
    assert not plan.observes_initial_output
    assert run_samples(problem, 2, n_outliers=2, threads=1).initial_output_overlap is None
    assert recipe(plan, 0) == "v1 float64 cpu 2 triplets"


@pytest.mark.parametrize("vector", [np.zeros(4), np.ones(3), np.full(4, np.nan), np.ones((4, 1))])
def test_bad_initial_outputs_are_named(vector):
    with pytest.raises(InvalidInputError, match="initial_output must be a finite vector"):
        observe(np.eye(4), 1, initial_output=vector)


# --- store ----------------------------------------------------------------------------------------


def test_a_store_keeps_them(tmp_path):
    path = tmp_path / "store"
    problem = problem_with()
    old = problem_with(target="z1 + z2", loss="squared", output_scale=None)
    plans = [
        PathPlan(problem, 3, n_outliers=2, n_test=60),
        Plan(problem, 3, n_outliers=2, n_spectra=1),
        PathPlan(old, 2, n_outliers=2, n_test=60),
        Plan(old, 2, n_outliers=2),
    ]
    run_campaign([plans[0].with_samples(1), plans[1].with_samples(2)], path, workers=1)
    followed, seen, plain, end = run_campaign(plans, path, workers=1)
    expected = run_paths(plans[0], threads=1)
    for name in LATER:
        np.testing.assert_array_equal(getattr(followed, name), getattr(expected, name))
        assert getattr(plain, name) is None
    weights = run_samples(problem, 3, n_outliers=2, threads=1)
    np.testing.assert_array_equal(seen.initial_output_overlap, weights.initial_output_overlap)
    assert seen.spectra.shape == (1, 24)
    assert end.initial_output_overlap is None

    with SampleStore(path) as store:
        recipes = [(one.recipe, one.n_samples) for one in store.summary().series]
        assert ("v1 float64 cpu 2 triplets, path v1 test=60, losses v1", 3) in recipes
        assert ("v1 float64 cpu 2 triplets, path v1 test=60", 2) in recipes
        assert ("v1 float64 cpu 2 triplets, spectrum, initial output", 1) in recipes
        assert "SignOf(z1 + z2/2, noise_std=0.5, flip=0.1)" in str(store.summary())
        store.to_csv(tmp_path / "all.csv")
        store.to_npz(tmp_path / "all.npz")
        assert len(store.to_frame()) == 2 * 5
        without = replace(next(iter(store.observations(plans[0])))[1], **dict.fromkeys(LATER))
        with pytest.raises(InvalidInputError, match="must have arrays of shapes"):
            store.put(plans[0].with_samples(9), 8, without)
        store._connection.execute(
            "UPDATE samples_with_output SET initial_output_overlap = zeroblob(16) WHERE number = 1"
        )
        with pytest.raises(InvalidInputError, match="is damaged"):
            store.samples(plans[1])
    with np.load(tmp_path / "all.npz") as arrays:
        names = [name for name in arrays.files if name.endswith("test_loss")]
        assert len(names) == 1
        np.testing.assert_array_equal(arrays[names[0]], expected.test_loss)
        assert sum("initial_output_overlap" in name for name in arrays.files) == 2
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    with_output = [row for row in rows if row["initial_output_overlap"]]
    assert len(with_output) == 2 * 3
    assert with_output[0]["target"] == "SignOf(z1 + z2/2, noise_std=0.5, flip=0.1)"


def test_old_problems_keep_their_recipes():
    old = problem_with(target="sign(z)", loss="squared", output_scale=None)
    plan = PathPlan(old, 3, n_test=60)
    assert recipe(plan, 0) == "v1 float64 cpu 4 triplets, path v1 test=60"
    assert run_paths(plan, threads=1).test_loss is None
