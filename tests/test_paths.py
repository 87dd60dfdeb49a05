"""Networks followed through their training: what is seen, kept, and held against the theory."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

import rmt
from rmt import InvalidInputError, Problem
from validation import (
    PathComparison,
    PathPlan,
    PathSamples,
    Plan,
    SampleStore,
    compare_path,
    observe_path,
    run_campaign,
    run_paths,
    run_samples,
    simulate,
)
from validation.comparison.path_rows import adjusted_mean, plain_mean
from validation.comparison.verdict import Criteria, Verdict
from validation.simulation.draws import fresh_batch
from validation.simulation.path_plan import PathObservation

ONE_INDEX = "tanh(z) + (cos(2*z) - exp(-2))/2"
PROBLEM = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 30, 24, (50, 40), [(2, 0.3)] * 3, (0, 1, 0), noise_std=0.3
)
PLAN = PathPlan(PROBLEM, 3, seed=2, n_outliers=3, n_test=70)
ARRAYS = [one.name for one in fields(PathObservation)][:5]


@pytest.fixture(scope="module")
def samples() -> PathSamples:
    return run_paths(PLAN, threads=1)


def assert_same(found, expected):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.residual == expected.residual


# --- simulation -----------------------------------------------------------------------------------


def test_errors_are_those_of_the_network(samples):
    """Neuron by neuron, from the definition."""
    network = simulate(PROBLEM, seed=2, index=1)
    test = fresh_batch(PROBLEM, 2, 1, 70, "test")
    clean = test.inputs[:, 0] * (1 + test.inputs[:, 1])
    for step, weights in enumerate(network.weights):
        for number, data in ((0, network.batches[0]), (1, network.batches[1])):
            h = sum(
                g / 30 * np.tanh(data.inputs @ row + 0.7)
                for g, row in zip(network.readout, weights, strict=True)
            )
            error = np.mean((data.labels - h) ** 2)
            assert samples.batch_errors[1, step, number] == pytest.approx(error, rel=1e-12)
        h = np.tanh(test.inputs @ weights.T + 0.7) @ network.readout / 30
        error = np.mean((clean - h) ** 2) + 0.3**2
        assert samples.test_error[1, step] == pytest.approx(error, rel=1e-12)
    squares = [np.mean(network.batches[s].labels ** 2) for s in (0, 1)]
    assert samples.label_squares[1] == pytest.approx([*squares, np.mean(clean**2) + 0.09])
    # The batch of the step that comes next, and of the last one at the end.
    expected = samples.batch_errors[:, [0, 1, 2, 3], [0, 1, 0, 0]]
    np.testing.assert_array_equal(samples.training_error, expected)


def test_outliers_after_every_step(samples):
    network = simulate(PROBLEM, seed=2, index=2)
    for step, weights in enumerate(network.weights[1:]):
        _, values, right = np.linalg.svd(weights)
        assert samples.singular_values[2, step] == pytest.approx(values[:3])
        assert samples.target_overlaps[2, step] == pytest.approx(right[:3, :2] ** 2, abs=1e-9)


def test_the_networks_are_those_that_are_observed_at_their_end(samples):
    end = run_samples(PROBLEM, 3, 2, n_outliers=3)
    np.testing.assert_array_equal(samples.singular_values[:, -1], end.singular_values)
    np.testing.assert_array_equal(samples.target_overlaps[:, -1], end.target_overlaps)


def test_test_samples_are_no_batch_of_any_schedule():
    problem = PROBLEM.replace(steps=[(1, 0.2)] * 5, batch="independent", samples=40)
    test = fresh_batch(problem, 0, 0, 40, "test")
    batches = simulate(problem).batches
    assert len({id(one) for one in batches}) == 5
    for one in batches:
        assert np.abs(one.inputs - test.inputs).min() > 0


def test_another_problem_is_refused():
    with pytest.raises(InvalidInputError, match="same problem"):
        observe_path(PLAN, simulate(PROBLEM.replace(noise_std=0.0)))


def test_they_print(samples):
    assert str(PLAN).startswith("3 networks with N = 30, d = 24, n = 50, 40: errors and 3 triplets")
    assert "ABA" in str(PLAN)
    assert len(str(samples).splitlines()) == 6


# --- store ----------------------------------------------------------------------------------------


def test_a_store_keeps_them_beside_others(samples, tmp_path):
    path = tmp_path / "store"
    end = Plan(PROBLEM, 2, 2, n_outliers=2)
    (first,) = run_campaign([PLAN.with_samples(2)], path, workers=1)
    _, kept = run_campaign([end, PLAN], path, workers=1)
    assert_same(kept, samples)
    assert first.n_samples == 2
    with SampleStore(path) as store:
        assert_same(store.samples(PLAN), samples)
        assert isinstance(store.samples(PLAN), PathSamples)
        assert store.missing(replace(PLAN, n_test=71)) == [0, 1, 2]
        assert store.missing(PLAN.with_dtype("float32")) == [0, 1, 2]
        recipes = [series.recipe for series in store.summary().series]
        assert "v1 float64 cpu 3 triplets, path v1 test=70" in recipes
        assert len(store.to_frame()) == 2 * 2
        store.to_npz(tmp_path / "all.npz")
        with pytest.raises(InvalidInputError, match="must have arrays of shapes"):
            store.put(PLAN.with_samples(9), 5, observe_path(
                replace(PLAN, n_outliers=2), simulate(PROBLEM, 2, 5)
            ))  # fmt: skip
    with np.load(tmp_path / "all.npz") as arrays:
        number = recipes.index("v1 float64 cpu 3 triplets, path v1 test=70")
        for name in ARRAYS:
            np.testing.assert_array_equal(arrays[f"{number}/{name}"], getattr(samples, name))


# --- comparison -----------------------------------------------------------------------------------


def test_adjusted_means_keep_the_limit_and_lose_the_noise():
    rng = np.random.default_rng(3)
    off, noise = [], []
    for _ in range(400):
        x = rng.normal([2.0, 1.0], [0.3, 0.1], (20, 2))
        y = 5.0 + 4.0 * (x[:, 0] - 2.0) - 3.0 * (x[:, 1] - 1.0) + 0.05 * rng.standard_normal(20)
        found = adjusted_mean(y, x, np.array([2.0, 1.0]))
        assert found["standard_error"] < plain_mean(y)["standard_error"]
        off.append(found["simulated"] - 5.0)
        noise.append(found["standard_error"])
    assert np.mean(off) == pytest.approx(0.0, abs=4 * np.std(off) / 20)
    assert np.std(off) == pytest.approx(np.sqrt(np.mean(np.square(noise))), rel=0.15)


def test_few_networks_are_not_adjusted():
    y, x = np.arange(7.0), np.arange(7.0)[:, None]
    assert adjusted_mean(y, x, np.array([3.0])) == plain_mean(y)


SCHEDULES = {"AAB": (0, 0, 1), "ABA": (0, 1, 0), "AAA": (0, 0, 0), "ABC": (0, 1, 2)}


@pytest.fixture(scope="module", params=["AAB", "AAA"])
def held(request):
    """Twenty networks of N = 400, and their prediction."""
    problem = Problem(
        "tanh(z + 7/10)", ONE_INDEX, 400, 400, 800, [(2, 0.3)] * 3, SCHEDULES[request.param],
        "rademacher",
    )  # fmt: skip
    plan = PathPlan(problem, 20, seed=5, n_outliers=2, n_test=2000, dtype="float32")
    return problem, rmt.training_path(problem, rtol=1e-3), run_paths(plan)


# What finite size accounts for at N = 400 grows as 1/N from what it is at 1000.
AT_400 = Criteria(
    path_error_allowance=0.0125, path_allowance=0.025, path_overlap_allowance=0.0375
)  # fmt: skip


def test_the_schedule_of_the_networks_agrees(held):
    _, path, samples = held
    found = compare_path(path, samples)
    assert found.adjusted
    assert found.agrees(AT_400), found.table(AT_400)


def test_other_schedules_are_told_apart_by_twenty_networks(held):
    problem, path, samples = held
    right = compare_path(path, samples)
    for schedule in SCHEDULES.values():
        other = problem.replace(batch=schedule, samples=800)
        if other == problem:
            continue
        wrong = replace(rmt.training_path(other, rtol=1e-3), problem=problem)
        found = compare_path(wrong, samples)
        assert not found.agrees(AT_400)
        assert any("error" in told for told in found.disagreements(AT_400))
        worst = max(abs(row.sigmas) for row in found.rows if "error" in row.quantity)
        assert worst > 10
        assert worst > 3 * max(abs(row.sigmas) for row in right.rows if "error" in row.quantity)


def test_comparison_as_text_and_json(held):
    _, path, samples = held
    found = compare_path(path, samples)
    again = PathComparison.from_json(found.to_json())
    assert again == found
    assert [row["derived"]["sigmas"] for row in found.to_dict()["rows"]] == [
        row.sigmas for row in found.rows
    ]
    lines = str(found).splitlines()
    assert lines[0].startswith("N = 400, d = 400, n = 800")
    assert len([line for line in lines if "squared overlap" in line]) >= 3
    assert found.row(3, "test error").predicted == path[3].test_error
    theta = path[2].spikes.strengths[0]  # of a square matrix
    assert found.row(2, "singular value", 0).predicted == pytest.approx(theta + 1 / theta, rel=1e-3)
    with pytest.raises(InvalidInputError, match="after that step there are: training error"):
        found.row(1, "singular value", 7)
    assert len(path.to_dict()["points"]) == 4


def test_bad_arguments_are_named():
    problem = Problem("erf(z)", "z", 60, 60, 240, [(8, 0.3)] * 2, readout="rademacher")
    path, plan = rmt.training_path(problem, rtol=1e-2), PathPlan(problem, 2, n_test=10)
    other = problem.replace(noise_std=0.5)
    with pytest.raises(InvalidInputError, match="of the same problem"):
        compare_path(path, run_paths(replace(plan, problem=other)))
    with pytest.raises(InvalidInputError, match="at least two"):
        compare_path(path, run_paths(plan.with_samples(1)))
    staircase = problem.replace(
        target="z1 + z1*z2", width=400, samples=1000, activation="erf(z+1/2)"
    )
    narrow = PathPlan(staircase, 2, n_outliers=1, n_test=10)
    with pytest.raises(InvalidInputError, match="predicted outliers, got 1 triplets"):
        compare_path(rmt.training_path(staircase, rtol=1e-2), run_paths(narrow))


def test_a_number_that_is_not_defined_differs(held):
    _, path, samples = held
    broken = samples.test_error.copy()
    broken[0, 2] = np.nan
    found = compare_path(path, replace(samples, test_error=broken))
    judged = dict(zip(found.rows, found.verdicts(), strict=True))
    assert judged[found.row(2, "test error")] is Verdict.DIFFERS
