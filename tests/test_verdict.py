"""The statistics of verdicts: rates of false alarms, power, and what the allowances do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy import stats

from rmt.status import InvalidInputError
from validation.comparison.rows import BeyondBulk, ComparisonRow
from validation.comparison.verdict import Criteria, Verdict, classify, student_p_value, worst

NOISE_ALONE = Criteria(allowance=0, overlap_allowance=0, bulk_allowance=0)
ORDER = list(Verdict)


def rows_of(samples, predicted, error=0.0):
    """A row for each column of normal samples (n, k)."""
    n = len(samples)
    means, errors = samples.mean(axis=0), samples.std(axis=0, ddof=1) / math.sqrt(n)
    return [
        ComparisonRow(i, "singular value", None, predicted, error, float(mean), float(noise), n)
        for i, (mean, noise) in enumerate(zip(means, errors, strict=True))
    ]


def any_alarm(rows, criteria):
    return any(row.verdict(criteria, len(rows)) is not Verdict.AGREES for row in rows)


def most_alarms(repetitions, chance):
    """More than this happen in one of 10^5 runs of the test."""
    return stats.binom.ppf(1 - 1e-5, repetitions, chance)


@pytest.mark.parametrize("n", [5, 8, 20])
@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
def test_false_alarms_of_a_family_are_as_rare_as_stated(n, correlation):
    rng = np.random.default_rng(17)
    criteria = replace(NOISE_ALONE, significance=0.1)
    repetitions, k = 4000, 8
    alarms = 0
    for _ in range(repetitions):
        common, own = rng.standard_normal((n, 1)), rng.standard_normal((n, k))
        noise = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        alarms += any_alarm(rows_of(10 + noise, 10.0), criteria)
    assert alarms <= most_alarms(repetitions, criteria.significance)
    if correlation == 0:  # no more careful than it says: Bonferroni is nearly sharp
        least = stats.binom.ppf(1e-5, repetitions, 1 - (1 - criteria.significance / k) ** k)
        assert alarms >= least


def test_normal_quantiles_would_raise_false_alarms_at_few_samples():
    rng = np.random.default_rng(3)
    criteria = replace(NOISE_ALONE, significance=0.05)
    normal = stats.norm.isf(criteria.significance / (2 * 8))
    alarms = sum(
        any(abs(row.sigmas) > normal for row in rows_of(rng.standard_normal((5, 8)), 0.0))
        for _ in range(500)
    )
    assert alarms > 5 * 500 * criteria.significance


def test_a_bias_within_the_predictions_error_raises_no_alarm():
    rng = np.random.default_rng(5)
    criteria = replace(NOISE_ALONE, significance=0.1)
    repetitions = 1500
    alarms = sum(
        any_alarm(rows_of(10.4 + rng.standard_normal((6, 4)), 10.0, error=0.4), criteria)
        for _ in range(repetitions)
    )
    assert 0 < alarms <= most_alarms(repetitions, criteria.significance)


@pytest.mark.parametrize("shift", [1.0, 1.5, 2.5])
def test_power_is_that_of_students_test(shift):
    """A shift of ``delta`` standard deviations is found as often as noncentral t says."""
    rng = np.random.default_rng(11)
    n, k, repetitions = 10, 3, 1000
    found = sum(
        rows_of(shift + rng.standard_normal((n, 1)), 0.0)[0].verdict(NOISE_ALONE, k)
        is not Verdict.AGREES
        for _ in range(repetitions)
    )
    t = NOISE_ALONE.quantile(n, k)
    law = stats.nct(n - 1, shift * math.sqrt(n))
    power = law.sf(t) + law.cdf(-t)
    deviation = math.sqrt(repetitions * power * (1 - power))
    assert abs(found - repetitions * power) <= 4.5 * deviation + 1


def test_student_quantiles_and_p_values_are_scipys():
    for n in (2, 5, 40):
        for m in (1, 30, 10**6):
            expected = stats.t.isf(0.01 / (2 * m), n - 1)
            assert Criteria(significance=0.01).quantile(n, m) == pytest.approx(expected, rel=1e-9)
        assert student_p_value(4.2, 1.5, n) == pytest.approx(2 * stats.t.sf(2.8, n - 1), rel=1e-12)


numbers = st.floats(-1e3, 1e3)
positive = st.floats(1e-3, 1e3)
made_rows = st.builds(
    ComparisonRow,
    st.just(0),
    st.sampled_from(["singular value", "squared overlap"]),
    st.none(),
    numbers,
    st.floats(0, 1e2),
    numbers,
    positive,
    st.integers(2, 200),
    st.none() | st.tuples(positive, positive).map(lambda pair: tuple(sorted(pair))),
)
made_criteria = st.builds(
    Criteria, st.floats(1e-6, 0.5), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5)
)
tests_counted = st.integers(1, 10**4)


@given(made_rows, made_criteria, tests_counted)
def test_noise_is_what_the_p_value_says(row, criteria, n_tests):
    level = criteria.significance / n_tests
    assume(abs(row.p_value / level - 1) > 1e-6)
    assert (row.verdict(criteria, n_tests) is Verdict.AGREES) == (row.p_value > level)


@given(made_rows, made_criteria, tests_counted, st.floats(0, 0.5), st.floats(0.01, 1))
def test_more_room_never_worsens_a_verdict(row, criteria, n_tests, more, fewer_alarms):
    before = ORDER.index(row.verdict(criteria, n_tests))
    wider = replace(
        criteria,
        allowance=criteria.allowance + more,
        overlap_allowance=criteria.overlap_allowance + more,
    )
    rarer = replace(criteria, significance=criteria.significance * fewer_alarms)
    assert ORDER.index(row.verdict(wider, n_tests)) <= before
    assert ORDER.index(row.verdict(rarer, n_tests)) <= before
    assert ORDER.index(row.verdict(criteria, 2 * n_tests)) <= before


@given(made_rows, made_criteria, st.sampled_from(["predicted", "predicted_error", "simulated"]))
def test_undefined_numbers_differ(row, criteria, name):
    for undefined in (math.nan, math.inf):
        broken = replace(row, **{name: undefined})
        assert broken.verdict(criteria, 1) is Verdict.DIFFERS
        assert math.isnan(broken.p_value)
    for noise in (math.nan, math.inf):
        assert replace(row, standard_error=noise).verdict(criteria, 1) is Verdict.DIFFERS


def test_noise_and_allowance_are_told_apart():
    row = ComparisonRow(0, "singular value", None, 10.0, 0.0, 10.3, 0.02, n_samples=25)
    assert row.sigmas == pytest.approx(15)
    assert row.verdict(Criteria(allowance=0.03), 1) is Verdict.WITHIN_ALLOWANCE
    assert row.verdict(Criteria(allowance=0.02), 1) is Verdict.DIFFERS
    assert replace(row, standard_error=0.2).verdict(NOISE_ALONE, 1) is Verdict.AGREES
    overlap = ComparisonRow(0, "squared overlap", 1, 0.5, 0.0, 0.515, 1e-4, n_samples=25)
    assert overlap.verdict(Criteria(overlap_allowance=0.02), 1) is Verdict.WITHIN_ALLOWANCE
    assert overlap.verdict(Criteria(overlap_allowance=0.01), 1) is Verdict.DIFFERS


def test_the_predictions_own_error_bounds_a_bias():
    row = ComparisonRow(0, "singular value", None, 10.0, 0.3, 10.5, 0.4, n_samples=10)
    assert row.excess == pytest.approx(0.2)
    assert row.sigmas == pytest.approx(0.5)
    assert replace(row, simulated=9.5).sigmas == pytest.approx(-0.5)
    assert replace(row, simulated=9.8).sigmas == 0
    assert replace(row, simulated=9.8).p_value == 1


def test_samples_that_do_not_vary():
    row = ComparisonRow(0, "singular value", None, 10.0, 0.0, 10.5, 0.0, n_samples=10)
    assert math.isinf(row.sigmas)
    assert row.p_value == 0
    assert row.verdict(NOISE_ALONE, 1) is Verdict.DIFFERS
    assert replace(row, simulated=10.0).sigmas == 0
    assert replace(row, simulated=10.0).verdict(NOISE_ALONE, 1) is Verdict.AGREES


@pytest.mark.parametrize(
    ("simulated", "verdict"),
    [
        (1.9, Verdict.DIFFERS),
        (1.95, Verdict.WITHIN_ALLOWANCE),
        (2.0, Verdict.AGREES),
        (2.9, Verdict.AGREES),
        (3.05, Verdict.WITHIN_ALLOWANCE),
        (3.1, Verdict.DIFFERS),
    ],
)
def test_of_an_outlier_in_the_margin_only_the_margin_is_tested(simulated, verdict):
    row = ComparisonRow(0, "singular value", None, 2.2, 1e-6, simulated, 1e-4, 10, (2.0, 3.0))
    assert row.verdict(Criteria(allowance=0.03), 1) is verdict
    overlap = ComparisonRow(0, "squared overlap", 1, 0.2, 1e-6, 0.3, 1e-4, 10, (2.0, 3.0))
    assert overlap.verdict(Criteria(), 1) is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("predicted", "simulated", "noise", "verdict"),
    [
        ((25.0, 4.0), 2.0, 0.0, Verdict.AGREES),
        ((25.0, 4.0), 2.4, 0.2, Verdict.AGREES),
        ((25.0, 4.0), 2.4, 0.0, Verdict.WITHIN_ALLOWANCE),
        ((25.0, 4.0), 2.6, 0.0, Verdict.DIFFERS),
        ((25.0, 4.0), 1.4, 0.0, Verdict.DIFFERS),
        ((25.0, 3.05), 1.0, 0.0, Verdict.WITHIN_ALLOWANCE),  # at the threshold: counted or not
        ((25.0, 2.95), 2.0, 0.0, Verdict.WITHIN_ALLOWANCE),
        ((25.0, 2.95), 0.0, 0.0, Verdict.DIFFERS),
        ((25.0,), math.nan, 0.0, Verdict.DIFFERS),
        ((9.0, 8.0, 7.0, 6.0, 5.0), 4.0, 0.0, Verdict.AGREES),  # as many as are observed
    ],
)
def test_number_of_outliers(predicted, simulated, noise, verdict):
    counted = BeyondBulk(2.0, 0.5, (predicted,), simulated, noise, n_samples=10, observed=4)
    assert counted.verdict(Criteria(allowance=0.03), 1) is verdict


def test_number_of_outliers_of_each_samples_prediction():
    counted = BeyondBulk(2.0, 0.5, ((9.0, 4.0), (9.0, 2.5)), 1.5, 0.0, n_samples=2, observed=4)
    assert (counted.n_predicted, counted.predicted_in_margin) == (1.5, 0.5)
    assert counted.verdict(NOISE_ALONE, 1) is Verdict.AGREES


def test_verdicts_are_ordered():
    assert worst([]) is Verdict.AGREES
    assert worst([Verdict.DIFFERS, Verdict.AGREES]) is Verdict.DIFFERS
    assert [classify(x, 1.0, 1.0) for x in (1.0, 2.0, 2.1)] == ORDER
    assert [verdict.mark for verdict in ORDER] == [" ", "~", "!"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"significance": 0}, "significance must lie between 0 and 1, got 0"),
        ({"significance": math.nan}, "significance must lie between 0 and 1, got nan"),
        ({"significance": True}, "significance"),
        ({"allowance": -0.1}, "allowance must be a non-negative number, got -0.1"),
        ({"overlap_allowance": "much"}, "overlap_allowance must be a non-negative number"),
        ({"bulk_allowance": math.inf}, "bulk_allowance must be a non-negative number, got inf"),
    ],
)
def test_criteria_name_bad_arguments(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Criteria(**arguments)


def test_quantile_names_bad_arguments():
    with pytest.raises(InvalidInputError, match="n_samples must be an integer of at least 2"):
        Criteria().quantile(1, 1)
    with pytest.raises(InvalidInputError, match="n_tests must be an integer of at least 1"):
        Criteria().quantile(5, 0)


def test_description_states_tests_and_quantile():
    text = Criteria(significance=0.05).describe(n_samples=10, n_tests=7)
    assert "significance 0.05 of 7 tests" in text
    assert f"{stats.t.isf(0.05 / 14, 9):.2f} standard errors" in text
