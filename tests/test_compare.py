"""A comparison of made-up predictions and samples: its numbers, table, and JSON form."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmt.problem import Problem, Step
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.status import InvalidInputError
from validation import BeyondBulk, BulkDistance, Comparison, ComparisonRow, Criteria, compare
from validation.comparison.verdict import Verdict
from validation.simulation.samples import Samples

PROBLEM = Problem("tanh(z + 1)", "z1 + z1*z2", 100, 100, 200, [Step(4, 0.3), Step(4, 0.4)])
VALUES = (25.0, 4.0, 2.2)
OVERLAPS = ((0.7, 0.01), (0.02, 0.4), (0.0, 0.1))


def prediction(values=VALUES, overlaps=OVERLAPS, problem=PROBLEM, error=1e-6, edge=2.0):
    """What `compare` reads of a prediction."""
    outliers = [
        SimpleNamespace(
            singular_value=value,
            target_overlaps=overlap,
            initial_output_overlap=None,
            error=SimpleNamespace(
                singular_value=error,
                target_overlaps=(error,) * len(overlap),
                initial_output_overlap=None,
            ),
        )
        for value, overlap in zip(values, overlaps, strict=True)
    ]
    law = MarchenkoPasturBulk(1.0)
    bulk = SimpleNamespace(edges=[(0.0, 0.3), (0.5, edge)], cdf=lambda x: law.cdf(2 * x / edge))
    return SimpleNamespace(
        problem=problem, outliers=tuple(outliers), bulk=bulk, method="deformed", forms="linked"
    )


def made_samples(
    values=(*VALUES, 2.05),
    overlaps=(*OVERLAPS, (0.001, 0.001)),
    n=25,
    spread=0.1,
    overlap_spread=0.005,
    seed=0,
    spectra=None,
):
    """Samples whose means are exactly these, with exactly these standard deviations."""

    def around(means, deviation):
        noise = np.random.default_rng(seed).standard_normal((n, *np.shape(means)))
        noise = (noise - noise.mean(axis=0)) / noise.std(axis=0, ddof=1)
        return np.asarray(means) + deviation * noise

    kept = () if spectra is None else (spectra,)
    return Samples(
        PROBLEM, seed, around(values, spread), around(overlaps, overlap_spread), 1e-8, *kept
    )


def test_rows_hold_means_errors_and_differences():
    comparison = compare(prediction(), made_samples((25.5, 3.9, 2.3, 2.0)))
    assert len(comparison.rows) == 3 * (1 + 2)
    row = comparison.row(0)
    assert (row.quantity, row.direction, row.predicted) == ("singular value", None, 25.0)
    assert row.simulated == pytest.approx(25.5)
    assert row.standard_error == pytest.approx(0.1 / 5)
    assert row.difference == pytest.approx(0.5)
    assert row.sigmas == pytest.approx(25, rel=1e-5)  # less the prediction's own error
    overlap = comparison.row(1, 2)
    assert (overlap.quantity, overlap.predicted) == ("squared overlap", 0.4)
    assert overlap.simulated == pytest.approx(0.4)
    assert overlap.standard_error == pytest.approx(0.001)


def test_outliers_are_matched_by_rank():
    """Spikes come in order of strength; outliers are compared in order of singular values."""
    swapped = prediction((4.0, 25.0, 2.2), (OVERLAPS[1], OVERLAPS[0], OVERLAPS[2]))
    comparison = compare(swapped, made_samples())
    assert [comparison.row(i).predicted for i in range(3)] == [25.0, 4.0, 2.2]
    assert comparison.row(1, 2).predicted == 0.4
    assert comparison.agrees()


def test_agreement():
    comparison = compare(prediction(), made_samples())
    assert comparison.agrees()
    assert comparison.disagreements() == ()


@pytest.mark.parametrize(
    ("simulated", "expected"),
    [
        ((27.0, 4.0, 2.2, 2.0), "spike 0, singular value"),
        ((25.0, 3.5, 2.2, 2.0), "spike 1, singular value"),
        ((25.0, 4.0, 3.5, 2.0), "outliers above 3"),
        ((25.0, 4.0, 3.4, 2.0), "spike 2, singular value"),
        ((25.0, 4.0, 1.7, 1.6), "spike 2, singular value"),
        ((25.0, 2.5, 2.2, 2.0), "outliers above 3: predicted 2, simulated 1.00"),
        ((25.0, 4.0, 3.9, 3.8), "outliers above 3: predicted 2, simulated 4.00"),
        ((25.0, math.nan, 2.2, 2.0), "spike 1, singular value"),
    ],
)
def test_wrong_singular_values_are_found(simulated, expected):
    comparison = compare(prediction(), made_samples(simulated))
    assert not comparison.agrees()
    assert any(sentence.startswith(expected) for sentence in comparison.disagreements())


@pytest.mark.parametrize("spike", range(3))
@pytest.mark.parametrize("direction", [1, 2])
@pytest.mark.parametrize("shift", [0.05, -0.05, math.nan])
def test_wrong_overlaps_are_found(spike, direction, shift):
    overlaps = np.array([*OVERLAPS, (0.001, 0.001)])
    overlaps[spike, direction - 1] += shift
    comparison = compare(prediction(), made_samples(overlaps=overlaps))
    found = comparison.disagreements()
    assert len(found) == 1
    assert found[0].startswith(f"spike {spike}, squared overlap with e_{direction}")


def test_noise_alone_does_not_disagree_and_a_shift_does():
    """The whole way from samples: alarms are rare, and a shift of ten standard errors is found."""
    rng = np.random.default_rng(4)
    criteria = Criteria(significance=0.05, allowance=0, overlap_allowance=0)
    alarms = agreed = 0
    for _ in range(300):
        values = np.array([25.0, 4.0, 3.5, 2.0]) + 0.1 * rng.standard_normal((25, 4))
        overlaps = np.array([*OVERLAPS, (0.0, 0.0)]) + 0.01 * rng.standard_normal((25, 4, 2))
        samples = Samples(PROBLEM, 0, values, overlaps, 1e-8)
        found = compare(prediction((25.0, 4.0, 3.5)), samples).verdicts(criteria)
        alarms += found.overall is not Verdict.AGREES
        agreed += compare(prediction((25.2, 4.0, 3.5)), samples).agrees(criteria)
    assert 0 < alarms <= 33  # 15 expected; more in one of 10^5 runs
    assert agreed == 0


def test_a_report_shares_the_significance_among_all_its_tests():
    rows = (ComparisonRow(0, "singular value", None, 10.0, 0.0, 10.4, 0.1, n_samples=25),)
    counted = BeyondBulk(2.0, 0.5, ((10.0,),), 1.0, 0.0, n_samples=25, observed=2)
    comparison = Comparison(PROBLEM, 25, 0, rows, counted, "resummed")
    criteria = Criteria(allowance=0)
    assert comparison.n_tests == 2
    assert not comparison.agrees(criteria)
    assert comparison.verdicts(criteria).n_tests == 2
    assert comparison.agrees(criteria, n_tests=100)
    assert "100 tests" in " ".join(comparison.table(criteria, n_tests=100).split())
    with pytest.raises(InvalidInputError, match="n_tests"):
        comparison.agrees(criteria, n_tests=0)


def test_outliers_beyond_the_bulk():
    values = np.array([[25.0, 4.0, 2.9], [24.0, 3.5, 3.1], [26.0, 2.9, 2.8], [25.0, 4.0, 2.7]])
    overlaps = np.tile(np.array(OVERLAPS), (4, 1, 1))
    counted = compare(prediction(), Samples(PROBLEM, 0, values, overlaps, 0.0)).beyond_bulk
    assert (counted.edge, counted.margin, counted.threshold) == (2.0, 0.5, 3.0)
    assert counted.predicted == ((25.0, 4.0, 2.2),)
    assert (counted.n_predicted, counted.predicted_in_margin) == (2, 1)
    assert counted.simulated == pytest.approx(2.0)
    assert counted.standard_error == pytest.approx(np.std([2, 3, 1, 2], ddof=1) / 2)
    samples = Samples(PROBLEM, 0, values, overlaps, 0.0)
    assert compare(prediction(), samples, edge_margin=0.05).beyond_bulk.n_predicted == 3


def test_a_prediction_without_outliers():
    comparison = compare(
        prediction((), ()), made_samples((2.0, 1.9), ((0, 0), (0, 0)), spread=0.01)
    )
    assert comparison.rows == ()
    assert comparison.agrees()
    learned = compare(prediction((), ()), made_samples())
    assert not learned.agrees()


def spectra_of_the_bulk(stretch=1.0, count=2):
    """Quantiles of the Marchenko-Pastur law, below one outlier."""
    quantiles = MarchenkoPasturBulk(1.0).ppf((np.arange(99) + 0.5) / 99)
    return np.tile(np.append(stretch * quantiles, 25.0)[::-1], (count, 1))


def test_whole_spectra_are_held_against_the_bulk():
    assert compare(prediction(), made_samples()).bulk is None
    found = compare(prediction(), made_samples(spectra=spectra_of_the_bulk())).bulk
    assert (found.n_spectra, found.n_values) == (2, 99)
    assert found.predicted == pytest.approx(0.5 / 99, rel=0.01)
    comparison = compare(prediction(edge=2.4), made_samples(spectra=spectra_of_the_bulk(1.2)))
    assert comparison.bulk.predicted == pytest.approx(0.5 / 99, rel=0.01)
    assert comparison.bulk.marchenko_pastur > 10 * comparison.bulk.predicted
    assert comparison.verdicts().bulk is Verdict.AGREES


def test_a_wrong_bulk_is_found():
    comparison = compare(prediction(), made_samples(spectra=spectra_of_the_bulk(1.2)))
    assert comparison.verdicts().bulk is Verdict.DIFFERS
    assert not comparison.agrees()
    assert comparison.agrees(Criteria(bulk_allowance=0.2))
    (sentence,) = comparison.disagreements()
    assert sentence.startswith("bulk: distance 0.12")


def test_json_round_trip():
    comparison = compare(prediction(), made_samples(spectra=spectra_of_the_bulk()))
    text = comparison.to_json()
    assert Comparison.from_json(text) == comparison
    data = json.loads(text)
    row = comparison.rows[0]
    assert data["rows"][0]["derived"]["difference"] == pytest.approx(row.difference)
    assert data["rows"][0]["derived"]["p_value"] == pytest.approx(row.p_value)
    assert data["beyond_bulk"]["derived"]["threshold"] == 3.0
    assert data["bulk"]["derived"]["resolution"] == comparison.bulk.resolution
    assert json.loads(json.dumps(comparison.verdicts().to_dict()))["overall"] == "agrees"


numbers = st.floats(allow_nan=True, allow_infinity=False)


@given(
    rows=st.lists(
        st.builds(
            ComparisonRow,
            st.integers(0, 3),
            st.sampled_from(["singular value", "squared overlap"]),
            st.none() | st.integers(1, 3),
            numbers,
            numbers,
            numbers,
            numbers,
            st.integers(2, 100),
            st.none() | st.tuples(numbers, numbers),
        ),
        max_size=3,
    ),
    counted=st.builds(
        BeyondBulk,
        numbers,
        numbers,
        st.lists(st.lists(numbers, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple),
        numbers,
        numbers,
        st.integers(2, 100),
        st.integers(1, 10),
    ),
    bulk=st.none() | st.builds(BulkDistance, numbers, numbers, st.integers(1, 9), st.integers(9)),
)
def test_any_comparison_has_a_strict_json_form_a_table_and_verdicts(rows, counted, bulk):
    comparison = Comparison(PROBLEM, 9, 1, tuple(rows), counted, "resummed", bulk, True, 2)
    text = comparison.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    back = Comparison.from_json(text)
    assert back.to_json() == text
    assert str(back)
    assert comparison.agrees() in (True, False)


def test_undefined_numbers_differ_before_and_after_json():
    comparison = compare(prediction(), made_samples((25.0, math.nan, 2.2, 2.0)))
    back = Comparison.from_json(comparison.to_json())
    assert math.isnan(back.row(1).simulated)
    for each in (comparison, back):
        assert each.verdicts().rows[3] is Verdict.DIFFERS
        assert not each.agrees()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 2}',
        '{"format": 2, "rows": [{}]}',
        '{"format": 2, "bulk": 3}',
    ],
)
def test_foreign_json_is_refused(text):
    with pytest.raises(InvalidInputError):
        Comparison.from_json(text)


@pytest.mark.parametrize("part", ["rows", "beyond_bulk", "bulk", "problem"])
@pytest.mark.parametrize("broken", [3, {"no": "such"}, [1]])
def test_json_with_a_broken_part_is_refused(part, broken):
    data = json.loads(compare(prediction(), made_samples()).to_json())
    data[part] = broken
    with pytest.raises(InvalidInputError):
        Comparison.from_dict(data)


def test_prints_as_one_table_with_verdicts():
    samples = made_samples((25.5, 3.5, 2.2, 2.05), spectra=spectra_of_the_bulk())
    lines = str(compare(prediction(), samples)).splitlines()
    assert lines[0].startswith("N = 100, d = 100, n = 200, independent batch: 25 samples")
    assert lines[1] == "prediction: deformed (linked forms), mean over readouts"
    assert lines[3].split()[:4] == ["0", "singular", "value", "25.0000"]
    assert [line.split("  ")[-1] for line in lines[3:12]] == [
        "within allowance", "agrees", "agrees", "differs", *["agrees"] * 5,
    ]  # fmt: skip
    assert lines[9].split()[0] == "2*"
    assert "predicted 2, simulated 2.00" in lines[12]
    assert lines[13].startswith("bulk: distance 0.0051 from 2 spectra")
    assert lines[14] == "* 1 more predicted within the margin"
    assert "of 10 tests" in " ".join(lines[15:])
    assert max(map(len, lines)) <= 115


def test_compare_names_bad_arguments():
    with pytest.raises(InvalidInputError, match="same problem"):
        compare(prediction(problem=PROBLEM.replace(noise_std=1)), made_samples())
    with pytest.raises(InvalidInputError, match="n_outliers=3"):
        compare(prediction(), made_samples((25.0, 4.0), OVERLAPS[:2]))
    one = made_samples()
    one = Samples(PROBLEM, 0, one.singular_values[:1], one.target_overlaps[:1], 0.0)
    with pytest.raises(InvalidInputError, match="at least two"):
        compare(prediction(), one)
    with pytest.raises(InvalidInputError, match="edge_margin"):
        compare(prediction(), made_samples(), edge_margin=-0.1)
    with pytest.raises(InvalidInputError, match="no row for spike 7"):
        compare(prediction(), made_samples()).row(7)


def test_what_are_no_samples_is_said():
    with pytest.raises(InvalidInputError, match=r"samples must be of type Samples, .*run_samples"):
        compare(prediction(), 3)
