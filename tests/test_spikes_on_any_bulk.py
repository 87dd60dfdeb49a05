"""Spikes added to a matrix and spikes of a population: closed forms, inverses, simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from rmt.spectra import (
    GeneralisedMarchenkoPastur,
    MarchenkoPastur,
    additive_outliers,
    additive_threshold,
    combined_spikes,
    edge_pvalue,
    estimate_spikes,
    outlier_std,
    population_spike_of,
    population_spikes,
    rectangular_outliers,
    shrink_singular_values,
)
from rmt.status import InvalidInputError

THREE = GeneralisedMarchenkoPastur([0.5, 1.0, 4.0], 0.4)


def bulks(gamma: float) -> list[Any]:
    """Weights ``N x d`` with entries of variance ``1/d``, two ways."""
    return [MarchenkoPastur(1 / gamma, gamma), GeneralisedMarchenkoPastur([gamma], 1 / gamma)]


@pytest.mark.parametrize("gamma", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("which", [0, 1])
def test_marchenko_pastur_has_closed_forms(gamma: float, which: int) -> None:
    bulk = bulks(gamma)[which]
    assert additive_threshold(bulk) == pytest.approx(gamma**0.25, rel=1e-13)
    theta = np.array([0.2, 1.02 * gamma**0.25, 2.0, 5.0, 100.0, 1e4])
    found, expected = additive_outliers(theta, bulk), rectangular_outliers(theta, gamma)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-12)
    assert found.left_overlap == pytest.approx(expected.left_overlap, abs=1e-11)
    assert found.right_overlap == pytest.approx(expected.right_overlap, abs=1e-11)
    assert (found.is_outlier == expected.is_outlier).all()


@given(st.floats(1.001, 50))
def test_there_and_back(factor: float) -> None:
    theta = factor * additive_threshold(THREE)
    found = additive_outliers(theta, THREE)
    back = estimate_spikes(found.singular_value, THREE)
    assert float(back.strength) == pytest.approx(theta, rel=1e-9)
    assert float(back.left_overlap) == pytest.approx(float(found.left_overlap), abs=1e-6)
    shrunk = theta * math.sqrt(float(found.left_overlap * found.right_overlap))
    assert float(back.shrunk) == pytest.approx(shrunk, abs=1e-6)
    assert 0 <= float(back.shrunk) <= float(found.singular_value)


def test_nothing_to_find_below_the_edge() -> None:
    back = estimate_spikes([0.1, math.sqrt(THREE.upper_edge)], THREE)
    assert not back.is_outlier.any()
    assert not back.strength.any()
    assert additive_outliers(0.01, THREE).singular_value == math.sqrt(THREE.upper_edge)


def matrix(rng: np.random.Generator, n: int, p: int) -> Any:
    """``X / sqrt(n)`` with columns of three variances, turned into generic position."""
    x = rng.standard_normal((n, p)) * np.sqrt(np.repeat([0.5, 1.0, 4.0], p // 3))
    turn = np.linalg.qr(rng.standard_normal((p, p)))[0]
    return x @ turn / math.sqrt(n)


def test_additive_spikes_in_simulation() -> None:
    rng = np.random.default_rng(2)
    n, p = 900, 360
    theta = np.array([6.0, 3.5])
    w = matrix(rng, n, p)
    u, v = np.eye(n)[:, :2], np.eye(p)[:, :2]
    left, s, right = np.linalg.svd(w + (u * theta) @ v.T, full_matrices=False)
    found = additive_outliers(theta, THREE)
    assert s[:2] == pytest.approx(found.singular_value, rel=0.02)
    overlaps = left[:, :2].T @ u, right[:2] @ v
    assert np.diag(overlaps[0]) ** 2 == pytest.approx(found.left_overlap, abs=0.05)
    assert np.diag(overlaps[1]) ** 2 == pytest.approx(found.right_overlap, abs=0.05)
    # The shrunk matrix is closer to the signal than the truncated one, as close as predicted.
    eta = shrink_singular_values(s[:2], THREE)
    distance = [
        np.sum(((left[:, :2] * e) @ right[:2] - (u * theta) @ v.T) ** 2) for e in (eta, s[:2])
    ]
    assert distance[0] < distance[1]
    best = np.sum(theta**2 * (1 - found.left_overlap * found.right_overlap))
    assert distance[0] == pytest.approx(best, rel=0.1)


def test_fluctuations_of_outliers() -> None:
    rows, columns, theta, draws = 120, 80, 2.5, 1500
    rng = np.random.default_rng(3)
    values = []
    for _ in range(draws):
        w = rng.standard_normal((rows, columns)) / math.sqrt(columns)
        w[0, 0] += theta
        values.append(math.sqrt(np.linalg.eigvalsh(w.T @ w)[-1]))
    std = float(outlier_std(theta, bulks(rows / columns)[0], rows, columns))
    assert np.std(values) == pytest.approx(std, rel=5 / math.sqrt(2 * draws) + 0.02)
    assert np.isnan(outlier_std(0.5, bulks(1.0)[0], 100, 100))


def test_population_spikes_in_simulation() -> None:
    law = GeneralisedMarchenkoPastur([1.0, 3.0], 0.5)
    found = population_spikes([12.0, 3.5], law)
    assert found.is_outlier.tolist() == [True, False]
    n, p, draws = 300, 150, 400
    rng = np.random.default_rng(4)
    values, overlaps = [], []
    sigma = np.sqrt(np.append(12.0, np.repeat([1.0, 3.0], p // 2)))
    for _ in range(draws):
        x = rng.standard_normal((n, p + 1)) * sigma
        eigenvalues, vectors = np.linalg.eigh(x.T @ x / n)
        values.append(eigenvalues[-1])
        overlaps.append(vectors[0, -1] ** 2)
    std = found.std[0] / math.sqrt(n)
    assert np.mean(values) == pytest.approx(
        found.eigenvalue[0], abs=4 * std / math.sqrt(draws) + 0.1
    )
    assert np.std(values) == pytest.approx(std, rel=0.15)
    assert np.mean(overlaps) == pytest.approx(found.overlap[0], abs=0.01)


@given(st.floats(1.02, 100))
def test_population_spike_and_back(factor: float) -> None:
    law = GeneralisedMarchenkoPastur([1.0, 8.0], 0.5)
    ell = 8.0 * (1 + factor)
    x = population_spikes(ell, law).eigenvalue
    assert float(population_spike_of(x, law)) == pytest.approx(ell, rel=1e-9)


def test_population_spike_in_a_gap() -> None:
    law = GeneralisedMarchenkoPastur([1.0, 8.0], 0.1)
    found = population_spikes(3.0, law)
    assert found.is_outlier
    assert law.edges[0][1] < float(found.eigenvalue) < law.edges[1][0]
    assert float(population_spike_of(found.eigenvalue, law)) == pytest.approx(3.0, rel=1e-9)


def test_spikes_with_directions_that_are_not_orthonormal() -> None:
    rng = np.random.default_rng(5)
    a, b, c = rng.standard_normal((7, 3)), rng.standard_normal((9, 2)), rng.standard_normal((3, 2))
    strength, left, right = combined_spikes(a.T @ a, b.T @ b, c)
    u, s, vt = np.linalg.svd(a @ c @ b.T)
    assert strength == pytest.approx(s[:2], rel=1e-10)
    np.testing.assert_allclose(np.abs(u[:, :2].T @ (a @ left)), np.eye(2), atol=1e-10)
    np.testing.assert_allclose(np.abs(vt[:2] @ (b @ right)), np.eye(2), atol=1e-10)


@pytest.mark.parametrize("n", [400, 1000])
def test_edge_scale_is_that_of_johnstone(n: int) -> None:
    p = n // 2
    johnstone = (math.sqrt(n) + math.sqrt(p)) * (1 / math.sqrt(n) + 1 / math.sqrt(p)) ** (1 / 3) / n
    assert MarchenkoPastur(0.5).edge_scale(p) == pytest.approx(johnstone, rel=1e-8)
    general = GeneralisedMarchenkoPastur([1.0], 0.5)
    assert general.edge_scale(p) == pytest.approx(johnstone, rel=1e-8)


def test_largest_eigenvalues_follow_tracy_widom() -> None:
    """A population with two atoms: p-values of the largest eigenvalue are uniform."""
    law, n, p, draws = GeneralisedMarchenkoPastur([1.0, 3.0], 0.5), 240, 120, 500
    rng = np.random.default_rng(6)
    sigma = np.sqrt(np.repeat([1.0, 3.0], p // 2))
    values = []
    for _ in range(draws):
        x = rng.standard_normal((n, p)) * sigma
        values.append(np.linalg.eigvalsh(x.T @ x / n)[-1])
    pvalues = edge_pvalue(values, law, p)
    assert stats.kstest(pvalues, "uniform").statistic < 0.09
    spike = population_spikes(9.0, law).eigenvalue
    assert edge_pvalue(spike, law, p) < 1e-6


@given(st.floats(0.2, 5), st.floats(0.1, 30))
def test_derivative_of_the_transform(ratio: float, distance: float) -> None:
    """Against a difference quotient, for both routes."""
    for law in (MarchenkoPastur(ratio), GeneralisedMarchenkoPastur([1.0, 2.0], ratio)):
        z, h = law.upper_edge + distance, 1e-5 * distance
        quotient = (law.stieltjes(z + h) - law.stieltjes(z - h)).real / (2 * h)
        assert float(law.stieltjes_derivative(z).real) == pytest.approx(float(quotient), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: additive_outliers(-1.0, THREE), "strength"),
        (lambda: additive_outliers(math.nan, THREE), "strength"),
        (lambda: estimate_spikes("2", THREE), "singular_value"),
        (lambda: population_spikes(-2.0, THREE), "positive"),
        (lambda: population_spikes(4.0, THREE), "bulk population"),
        (lambda: population_spike_of(1.0, THREE), "in the support"),
        (lambda: combined_spikes([[1, 2], [0, 1]], [[1]]), "symmetric"),
        (lambda: combined_spikes([[1, 2], [2, 1]], np.eye(2)), "negative eigenvalue"),
        (lambda: combined_spikes(np.eye(2), np.eye(2), np.eye(3)), "shape"),
        (lambda: outlier_std([2.0], THREE, 0, 100), "rows"),
        (lambda: outlier_std([2.0], THREE, 100, 2.5), "columns"),
        (lambda: edge_pvalue("a", THREE, 100), "eigenvalue"),
        (lambda: edge_pvalue(1.0, THREE, 0), "size"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call()
