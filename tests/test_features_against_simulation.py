"""Learned features and ridge errors against networks of width 1000: `validation.FEATURES`.

Bars: test and training errors of ridge regression at every stage within 3 percent; singular values
of the features' outliers within 3 percent and squared overlaps of their left singular vectors with
monomials of the target within 0.03, of those that are predicted clear of the bulk; each plus three
standard errors.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import cache

import pytest

from validation.catalogue import FEATURES
from validation.comparison.feature_comparison import compare_features, predicted_features
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.features import run_features

pytestmark = pytest.mark.slow

N_SAMPLES = 12
SIGMAS = 3.0
RELATIVE_BAR = 0.03
OVERLAP_BAR = 0.03


@cache
def _compared(name):
    problem = FEATURES[name].problem
    inputs = tuple(ratio * problem.dim for ratio in (1, 3, 8))
    plan = FeaturePlan(problem, N_SAMPLES, inputs, (1e-3, 1e-4), seed=11)
    with ProcessPoolExecutor(2) as pool:
        samples = run_features(plan, executor=pool)
    return compare_features(*predicted_features(plan), samples)


def _beyond_the_bar(rows):
    return [
        str(row)
        for row in rows
        if abs(row.difference)
        > SIGMAS * row.standard_error
        + (OVERLAP_BAR if row.is_overlap else RELATIVE_BAR * abs(row.simulated))
    ]


@pytest.mark.parametrize("name", FEATURES)
def test_ridge_errors(name):
    rows = [row for row in _compared(name).rows if row.quantity.endswith("error")]
    assert len(rows) == 2 * 3 * 3 * 2
    assert not _beyond_the_bar(rows)


@pytest.mark.parametrize("name", FEATURES)
def test_outliers_of_the_features(name):
    rows = [row for row in _compared(name).rows if not row.quantity.endswith("error")]
    assert len(rows) >= 2
    assert not _beyond_the_bar(rows)
