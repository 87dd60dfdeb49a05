"""The resolution of whole spectra, on matrices whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from validation.comparison.bulk_distance import BulkDistance, bulk_distance, bulk_values
from validation.comparison.verdict import Criteria, Verdict
from validation.simulation.samples import Samples

PROBLEM = Problem("tanh(z)", "z", 100, 100, 200, Step(2, 0.3))


def gaussian_spectra(rng, count, rows, columns, spike=0.0):
    spectra = []
    for _ in range(count):
        matrix = rng.standard_normal((rows, columns)) / np.sqrt(columns)
        matrix[:, 0] += spike / np.sqrt(rows)
        spectra.append(np.linalg.svd(matrix, compute_uv=False))
    return np.array(spectra)


def samples_of(spectra):
    n = len(spectra)
    return Samples(PROBLEM, 0, np.ones((n, 1)), np.zeros((n, 1, 1)), 0.0, spectra)


@pytest.mark.parametrize("count", [1, 4, 16])
@pytest.mark.parametrize(("rows", "columns"), [(50, 50), (100, 200)])
def test_spectra_of_the_law_are_within_the_resolution(rows, columns, count):
    rng = np.random.default_rng(23)
    law = MarchenkoPasturBulk(rows / columns)
    draws = {1: 160, 4: 80, 16: 30}[count]
    found = []
    for _ in range(draws):
        values = bulk_values(samples_of(gaussian_spectra(rng, count, rows, columns)))
        found.append(bulk_distance(law.cdf, values, rows / columns))
    within = [each.verdict(Criteria()) is Verdict.AGREES for each in found]
    assert np.mean(within) >= 0.97
    # And it is no looser than it need be.
    assert max(each.predicted / each.resolution for each in found) > 0.5


def test_resolution_falls_with_the_size():
    """Nearly as ``1/m``, where independent points would have ``1/sqrt(m)``."""
    rng = np.random.default_rng(29)
    distances = []
    for m in (50, 400):
        spectra = gaussian_spectra(rng, 30 if m == 50 else 8, m, m)
        each = [bulk_distance(MarchenkoPasturBulk(1.0).cdf, s[None], 1.0) for s in spectra]
        distances.append(np.mean([found.predicted for found in each]))
    slope = np.log(distances[0] / distances[1]) / np.log(400 / 50)
    assert 0.75 < slope < 1.0
    found = [BulkDistance(0.0, 0.0, 1, m) for m in (50, 400)]
    slope = np.log(found[0].resolution / found[1].resolution) / np.log(400 / 50)
    assert 0.75 < slope < 1.0


def test_a_bulk_two_percent_too_wide_is_found():
    rng = np.random.default_rng(31)
    values = bulk_values(samples_of(1.02 * gaussian_spectra(rng, 8, 400, 400)))
    found = bulk_distance(MarchenkoPasturBulk(1.0).cdf, values, 1.0)
    assert found.verdict(Criteria(bulk_allowance=0)) is Verdict.DIFFERS
    assert found.verdict(Criteria(bulk_allowance=0.02)) is Verdict.WITHIN_ALLOWANCE


def test_outliers_are_left_out():
    rng = np.random.default_rng(37)
    spectra = gaussian_spectra(rng, 3, 100, 100, spike=5.0)
    assert bulk_values(samples_of(spectra)).shape == (3, 99)


def test_there_is_nothing_to_compare_without_spectra_or_with_few_values():
    without = Samples(PROBLEM, 0, np.ones((2, 1)), np.zeros((2, 1, 1)), 0.0)
    assert bulk_values(without) is None
    assert bulk_values(samples_of(np.ones((2, 20)))) is None
