"""The arithmetic of a comparison and its verdict, on made-up predictions and samples."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation import compare
from validation.compare import BeyondBulk, Comparison, ComparisonRow
from validation.samples import Samples

PROBLEM = Problem("tanh(z + 1)", "z1 + z1*z2", 100, 100, 200, [Step(4, 0.3), Step(4, 0.4)])
VALUES = (25.0, 4.0, 2.2)
OVERLAPS = ((0.7, 0.01), (0.02, 0.4), (0.0, 0.1))


def prediction(values=VALUES, overlaps=OVERLAPS, problem=PROBLEM, error=1e-6, edge=2.0):
    """What `compare` reads of a prediction."""
    outliers = [
        SimpleNamespace(
            singular_value=value,
            target_overlaps=overlap,
            error=SimpleNamespace(singular_value=error, target_overlaps=(error,) * len(overlap)),
        )
        for value, overlap in zip(values, overlaps, strict=True)
    ]
    bulk = SimpleNamespace(edges=[(0.0, 0.3), (0.5, edge)])
    return SimpleNamespace(problem=problem, outliers=tuple(outliers), bulk=bulk)


def made_samples(
    values=(*VALUES, 2.05),
    overlaps=(*OVERLAPS, (0.001, 0.001)),
    n=25,
    spread=0.1,
    overlap_spread=0.005,
    seed=0,
):
    """Samples whose means are exactly these, with exactly these standard deviations."""

    def around(means, deviation):
        noise = np.random.default_rng(seed).standard_normal((n, *np.shape(means)))
        noise = (noise - noise.mean(axis=0)) / noise.std(axis=0, ddof=1)
        return np.asarray(means) + deviation * noise

    return Samples(PROBLEM, seed, around(values, spread), around(overlaps, overlap_spread), 1e-8)


def test_rows_hold_means_errors_and_differences():
    comparison = compare(prediction(), made_samples((25.5, 3.9, 2.3, 2.0)))
    assert len(comparison.rows) == 3 * (1 + 2)
    row = comparison.row(0)
    assert (row.quantity, row.direction, row.predicted) == ("singular value", None, 25.0)
    assert row.simulated == pytest.approx(25.5)
    assert row.standard_error == pytest.approx(0.1 / 5)
    assert row.difference == pytest.approx(0.5)
    assert row.sigmas == pytest.approx(25, rel=1e-6)
    overlap = comparison.row(1, 2)
    assert (overlap.quantity, overlap.predicted) == ("squared overlap", 0.4)
    assert overlap.simulated == pytest.approx(0.4)
    assert overlap.standard_error == pytest.approx(0.001)


def test_the_predictions_own_error_counts():
    row = ComparisonRow(0, "singular value", None, 10.0, 0.3, 10.5, 0.4)
    assert row.uncertainty == pytest.approx(0.5)
    assert row.sigmas == pytest.approx(1.0)
    exact = ComparisonRow(0, "singular value", None, 10.0, 0.0, 10.5, 0.0)
    assert math.isinf(exact.sigmas)
    assert ComparisonRow(0, "singular value", None, 10.0, 0.0, 10.0, 0.0).sigmas == 0


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


def test_the_verdict_separates_noise_from_the_allowance():
    comparison = compare(prediction((10.0,), ((0.5, 0.1),)), made_samples_of_one(10.3))
    assert comparison.row(0).sigmas == pytest.approx(15, rel=1e-3)
    assert comparison.agrees(sigmas=16, allowance=0, overlap_allowance=0)
    assert not comparison.agrees(sigmas=14, allowance=0, overlap_allowance=0)
    assert comparison.agrees(sigmas=0, allowance=0.031, overlap_allowance=1e-6)
    assert not comparison.agrees(sigmas=0, allowance=0.029, overlap_allowance=1e-6)


def made_samples_of_one(value):
    return made_samples((value, 2.0), ((0.5, 0.1), (0.0, 0.0)))


def test_noise_alone_does_not_disagree_and_a_shift_does():
    rng = np.random.default_rng(4)
    agreed = shifted = 0
    for _ in range(50):
        values = np.array([25.0, 4.0, 2.2, 2.0]) + 0.1 * rng.standard_normal((25, 4))
        overlaps = np.array([*OVERLAPS, (0.0, 0.0)]) + 0.01 * rng.standard_normal((25, 4, 2))
        samples = Samples(PROBLEM, 0, values, overlaps, 1e-8)
        agreed += compare(prediction(), samples).agrees(5, 0, 0)
        shifted += compare(prediction((25.2, 4.0, 2.2)), samples).agrees(5, 0, 0)
    assert agreed == 50
    assert shifted == 0


def test_outliers_beyond_the_bulk():
    values = np.array([[25.0, 4.0, 2.9], [24.0, 3.5, 3.1], [26.0, 2.9, 2.8], [25.0, 4.0, 2.7]])
    overlaps = np.tile(np.array(OVERLAPS), (4, 1, 1))
    counted = compare(prediction(), Samples(PROBLEM, 0, values, overlaps, 0.0)).beyond_bulk
    assert (counted.edge, counted.margin, counted.threshold) == (2.0, 0.5, 3.0)
    assert counted.predicted == (25.0, 4.0)
    assert counted.predicted_in_margin == 1
    assert counted.simulated == pytest.approx(2.0)
    assert counted.standard_error == pytest.approx(np.std([2, 3, 1, 2], ddof=1) / 2)
    samples = Samples(PROBLEM, 0, values, overlaps, 0.0)
    assert len(compare(prediction(), samples, edge_margin=0.05).beyond_bulk.predicted) == 3


def test_an_outlier_at_the_threshold_may_be_counted_or_not():
    counted = BeyondBulk(2.0, 0.5, (25.0, 3.1), 0, 1.0, 0.0, 4)
    assert counted.agrees(4, 0.05, (25.0, 3.1))
    assert not counted.agrees(4, 0.01, (25.0, 3.1))
    assert not BeyondBulk(2.0, 0.5, (25.0,), 0, math.nan, 0.0, 4).agrees(4, 0.05, (25.0,))


def test_a_prediction_without_outliers():
    comparison = compare(
        prediction((), ()), made_samples((2.0, 1.9), ((0, 0), (0, 0)), spread=0.01)
    )
    assert comparison.rows == ()
    assert comparison.agrees()
    learned = compare(prediction((), ()), made_samples())
    assert not learned.agrees()


def test_json_round_trip():
    comparison = compare(prediction(), made_samples())
    text = comparison.to_json()
    assert Comparison.from_json(text) == comparison
    data = json.loads(text)
    assert data["rows"][0]["difference"] == pytest.approx(comparison.rows[0].difference)
    assert data["beyond_bulk"]["threshold"] == 3.0


def test_json_of_undefined_numbers_is_strict():
    comparison = compare(prediction(), made_samples((25.0, math.nan, 2.2, 2.0)))
    text = comparison.to_json()
    assert "NaN" not in text
    back = Comparison.from_json(text)
    assert math.isnan(back.row(1).simulated)
    assert not back.agrees()
    assert back.to_json() == text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "rows": [{}]}']
)
def test_foreign_json_is_refused(text):
    with pytest.raises(InvalidInputError):
        Comparison.from_json(text)


def test_prints_as_one_table():
    lines = str(compare(prediction(), made_samples())).splitlines()
    assert lines[0].startswith("N = 100, d = 100, n = 200, 200, independent batch: 25 samples")
    assert len(lines) == 2 + 9 + 2
    assert lines[2].split()[:4] == ["0", "singular", "value", "25.0000"]
    assert "predicted 2, simulated 2.00" in lines[-2]
    assert lines[-1] == "* 1 more predicted within the margin"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigmas": -1}, "sigmas must be a non-negative number, got -1"),
        ({"allowance": math.nan}, "allowance must be a non-negative number, got nan"),
        ({"overlap_allowance": "much"}, "overlap_allowance"),
    ],
)
def test_verdict_names_bad_arguments(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        compare(prediction(), made_samples()).agrees(**arguments)


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
