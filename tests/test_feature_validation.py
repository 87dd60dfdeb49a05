"""Simulated features: plans, store, campaigns, comparison, report; the numbers at small size."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation.campaign import run_campaign
from validation.catalogue import Case
from validation.comparison.feature_comparison import (
    compare_features,
    neighbours,
    predicted_features,
)
from validation.comparison.rows import FeatureRow
from validation.comparison.verdict import Criteria, Verdict
from validation.report.evidence import gather
from validation.report.page import make_report
from validation.report.tasks import THEORIES
from validation.simulation.feature_plan import FeaturePlan, FeatureSamples
from validation.simulation.features import run_features
from validation.simulation.path_plan import PathPlan
from validation.simulation.plan import Plan
from validation.store.file import FORMAT
from validation.store.kinds import KINDS
from validation.store.store import SampleStore
from validation.suites import Entry, Section, Suite

PROBLEM = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 60, 50, 150, [Step(2, 0.3), Step(2, 0.4)],
    readout="rademacher", noise_std=0.2,
)  # fmt: skip
PLAN = FeaturePlan(PROBLEM, 4, (50, 150), (1e-2, 1e-3), n_spikes=3, n_test=400)
ARRAYS = ("singular_values", "overlaps", "test_error", "training_error")


def assert_same(found: FeatureSamples, expected: FeatureSamples) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.fixture(scope="module")
def samples() -> FeatureSamples:
    return run_features(PLAN, threads=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1"),
        ({"inputs": ()}, "inputs must be positive integers"),
        ({"inputs": (2.5,)}, "inputs must be positive integers"),
        ({"regularisations": (0.0,)}, "regularisations must be positive numbers"),
        ({"dtype": "float16"}, "dtype must be float64 or float32"),
    ],
)
def test_bad_plans_are_named(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        replace(PLAN, **changes)


def test_monomials_have_up_to_three_factors():
    assert PLAN.monomials[:3] == ((1, 0), (0, 1), (2, 0))
    assert len(PLAN.monomials) == 9


# --- store and campaign ---------------------------------------------------------------------------


def test_a_campaign_gives_what_run_features_gives(samples, tmp_path):
    path = tmp_path / "store"
    run_campaign([replace(PLAN, n_samples=2)], path, workers=1)
    with SampleStore(path) as store:
        assert store.missing(PLAN) == [2, 3]
    with ThreadPoolExecutor(2) as pool:
        (found,) = run_campaign([PLAN], path, executor=pool)
    assert_same(found, samples)


def test_every_kind_has_a_table_and_a_theory():
    plans = [kind.plan for kind in KINDS]
    assert list(dict.fromkeys(plans)) == list(THEORIES) == [Plan, FeaturePlan, PathPlan]
    with SampleStore() as store:
        for kind in KINDS:
            made = store._connection.execute(f"SELECT * FROM {kind.table}").description
            names = [name for name, *_ in made]
            assert names == ["series", "number", *kind.columns, "made_with", "checksum"]


def test_both_kinds_share_a_file(samples, tmp_path):
    weights = Plan(PROBLEM, 2, n_outliers=2)
    path = tmp_path / "store"
    seen, features = run_campaign([weights, PLAN], path, workers=1)
    with SampleStore(path) as store:
        assert_same(store.samples(PLAN), samples)
        np.testing.assert_array_equal(store.samples(weights).singular_values, seen.singular_values)
        summary = store.summary()
        assert [series.n_samples for series in summary.series] == [4, 2]
        assert "lambda=0.01,0.001" in summary.series[0].recipe
        assert len(store.to_frame()) == 2 * 2
        store.to_csv(tmp_path / "all.csv")
        store.to_npz(tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as arrays:
        for name in ARRAYS:
            np.testing.assert_array_equal(arrays[f"0/{name}"], getattr(features, name))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"inputs": (50, 151)},
        {"regularisations": (1e-2,)},
        {"n_spikes": 4},
        {"n_test": 401},
        {"dtype": "float64"},
        {"problem": PROBLEM.replace(noise_std=0.3)},
    ],
)
def test_other_plans_share_nothing(changes):
    with SampleStore() as store:
        run_campaign([replace(PLAN, n_samples=1)], store, workers=1)
        assert store.missing(PLAN) == [1, 2, 3]
        assert store.missing(replace(PLAN, **changes)) == [0, 1, 2, 3]


def test_observations_of_another_plan_are_refused():
    with SampleStore() as store:
        run_campaign([PLAN], store, workers=1)
        (_, seen), *_ = store.observations(PLAN)
        with pytest.raises(InvalidInputError, match="observation must have arrays of shapes"):
            store.put(replace(PLAN, inputs=(50,)), 0, seen)
        with pytest.raises(InvalidInputError, match="index must be one of the 4"):
            store.put(PLAN, 4, seen)


def test_damaged_features_are_never_used():
    with SampleStore() as store:
        run_campaign([PLAN], store, workers=1)
        store._connection.execute(
            "UPDATE features SET test_error = training_error WHERE number = 1"
        )
        with pytest.raises(InvalidInputError, match=r"sample 1 .* is damaged"):
            store.samples(PLAN)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_store_of_an_older_format_is_brought_up_to_date(samples, tmp_path, version):
    later = ["features", "paths", "paths_with_losses samples_with_output"][version - 1 :]
    path = tmp_path / "store"
    weights = Plan(PROBLEM, 2, n_outliers=2)
    (before,) = run_campaign([weights], path, workers=1)
    connection = sqlite3.connect(path)
    for table in " ".join(later).split():
        connection.execute(f"DROP TABLE {table}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()
    with SampleStore(path) as store, SampleStore(path) as other:
        assert store.summary().format == FORMAT == 4
        after = store.samples(weights)
        run_campaign([PLAN], other, workers=1)
        assert_same(store.samples(PLAN), samples)
    np.testing.assert_array_equal(after.singular_values, before.singular_values)


def test_progress_counts_features(capsys):
    run_campaign([PLAN, Plan(PROBLEM, 2)], workers=1, progress=True)
    assert "6/6 networks" in capsys.readouterr().err


# --- comparison -----------------------------------------------------------------------------------


def test_rows_hold_the_means(samples):
    spikes, errors = predicted_features(PLAN)
    found = compare_features(spikes, errors, samples)
    by_label = {row.label: row for row in found.rows}
    assert len(by_label) == found.n_tests
    row = by_label["test error, step 2, m = 150, lambda = 0.001"]
    assert row.predicted == errors.test_error[2, 1, 1]
    assert row.simulated == samples.test_error[:, 2, 1, 1].mean()
    n_errors = 2 * 3 * 2 * 2
    assert [r.quantity for r in found.rows[:n_errors]].count("training error") == n_errors // 2
    outlier = by_label["singular value, outlier 0"]
    assert outlier.predicted == spikes.outliers[0].singular_value
    assert found.learned[0] == str(spikes.outliers[0].learned)


def test_overlaps_of_neighbours_are_summed(samples):
    assert neighbours([100.0, 91.0, 82.0, 60.0]) == [(0, 1, 2), (3,)]
    assert neighbours([]) == []
    spikes, errors = predicted_features(PLAN)
    first, *rest = spikes.outliers
    twin = replace(first, singular_value=0.95 * first.singular_value)
    found = compare_features(replace(spikes, spikes=(first, twin, *rest[1:])), errors, samples)
    (row,) = [r for r in found.rows if r.is_overlap and r.of == "outliers 0 and 1 with z1"]
    assert row.predicted == 2 * first.target_overlaps[1, 0]
    assert row.simulated == pytest.approx(samples.overlaps[:, :2, 0].sum(axis=1).mean())


def test_outliers_next_to_the_bulk_are_not_compared(samples):
    spikes, errors = predicted_features(PLAN)
    hidden = replace(spikes, bulk_edge=1.01 * spikes.outliers[0].singular_value)
    assert all("error" in row.quantity for row in compare_features(hidden, errors, samples).rows)


def test_verdicts_by_kind():
    error = FeatureRow("test error", "", 1.0, 0.0, 1.025, 1e-6, 12)
    overlap = replace(error, quantity="squared overlap")
    value = replace(error, quantity="singular value", simulated=1.04)
    assert error.verdict(Criteria(), 1) is Verdict.WITHIN_ALLOWANCE
    assert overlap.verdict(Criteria(), 1) is Verdict.WITHIN_ALLOWANCE
    assert overlap.verdict(Criteria(feature_overlap_allowance=0.02), 1) is Verdict.DIFFERS
    assert value.verdict(Criteria(), 1) is Verdict.DIFFERS
    assert replace(value, predicted_error=0.05).verdict(Criteria(), 1) is Verdict.AGREES
    assert replace(error, simulated=np.nan).verdict(Criteria(), 1) is Verdict.DIFFERS


def test_text_and_plain_form(samples):
    found = compare_features(*predicted_features(PLAN), samples)
    assert "training error, untrained, m = 50, lambda = 0.01" in str(found)
    assert "outlier 0: " in str(found)
    data = json.loads(json.dumps(found.to_dict()))
    assert len(data["rows"]) == found.n_tests
    assert data["rows"][0]["derived"]["difference"] == found.rows[0].difference


def test_what_does_not_belong_together_is_refused(samples):
    spikes, errors = predicted_features(PLAN)
    other = replace(PLAN, problem=PROBLEM.replace(noise_std=0.0))
    with pytest.raises(InvalidInputError, match="of the same problem"):
        compare_features(spikes, errors, replace(samples, plan=other))
    with pytest.raises(InvalidInputError, match="of the plan's inputs"):
        compare_features(replace(spikes, samples=151), errors, samples)
    one = FeatureSamples(PLAN, *(getattr(samples, name)[:1] for name in ARRAYS))
    with pytest.raises(InvalidInputError, match="at least two"):
        compare_features(spikes, errors, one)
    few = replace(samples, singular_values=samples.singular_values[:, :0])
    with pytest.raises(InvalidInputError, match="got 0 triplets"):
        compare_features(spikes, errors, few)


# --- report ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evidence():
    pair = tuple(
        Entry(Case(f"f-{batch}", "staircase", problem), replace(PLAN, problem=problem))
        for batch in ("independent", "reused")
        for problem in [PROBLEM.replace(batch=batch)]
    )
    missing = Entry(Case("gone", "not there", PROBLEM), replace(PLAN, seed=1))
    suite = Suite("small", "", (Section("f", "Features", "Text.", "features", (*pair, missing)),))
    with SampleStore() as store:
        run_campaign([entry.plan for entry in pair], store, workers=1)
        return gather(suite, store, workers=1)


def test_a_section_of_features(evidence):
    report = make_report(evidence)
    (section,) = report.data["sections"]
    first, second, missing = section["cases"]
    compared = evidence.cases["f-independent"].held.comparison
    assert report.data["n_tests"] == 2 * compared.n_tests
    assert [test["quantity"] for test in first["tests"]] == [row.label for row in compared.rows]
    assert first["learned"] == list(compared.learned)
    assert first["prediction"]["ridge"]["stages"] == ["untrained", "step 1", "step 2"]
    assert second["status"] in {verdict.value for verdict in Verdict}
    assert missing["status"] == "not simulated"
    assert 'id="features-f-reused-title"' in report.html
    assert f"<code>{compared.learned[0]}</code>" in report.html
    assert "test error, step 2, m = 150, lambda = 0.001" in report.html


def test_a_failed_prediction_of_features_is_shown(evidence):
    failed = replace(evidence.cases["f-reused"], held=None, failure="did not converge")
    changed = replace(evidence, cases={**evidence.cases, "f-reused": failed})
    report = make_report(changed)
    assert report.data["cases_by_status"]["not compared"] == 1
    assert "did not converge" in report.html
