"""Outliers of spiked rectangular matrices against mpmath, and against the SVD of one matrix."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmt import InvalidInputError, MarchenkoPasturBulk, rectangular_outliers

mp = mpmath.mp.clone()
mp.dps = 50

GAMMAS = (0.01, 0.3, 1.0, 2.5, 40.0)


def theory(theta: float, gamma: float) -> tuple[Any, Any, Any]:
    """theory.md, section 3, as it stands there, in 50 digits."""
    t, g = mp.mpf(theta), mp.mpf(gamma)
    s = mp.sqrt((1 + t**2) * (g + t**2)) / t
    left = 1 - g * (1 + t**2) / (t**2 * (t**2 + g))
    right = 1 - (g + t**2) / (t**2 * (t**2 + 1))
    return s, left, right


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("excess", [1e-9, 1e-6, 1e-3, 0.1, 1.0, 30.0, 1e6, 1e80])
def test_against_mpmath(gamma: float, excess: float) -> None:
    """Overlaps vanish linearly at the threshold: rounding there is amplified by 1/excess."""
    theta = gamma**0.25 * (1.0 + excess)
    found = rectangular_outliers(theta, gamma)
    s, left, right = theory(theta, gamma)
    assert found.is_outlier
    assert abs(float(found.singular_value) / s - 1) < 1e-15
    tolerance = 1e-15 * (1.0 + 2.0 / excess)
    assert abs(float(found.left_overlap) / left - 1) < tolerance
    assert abs(float(found.right_overlap) / right - 1) < tolerance


def test_just_above_the_threshold_of_a_square_matrix() -> None:
    """gamma = 1, threshold exactly 1: overlaps are twice the excess, to first order."""
    excess = 2.0**-40
    found = rectangular_outliers(1.0 + excess, 1.0)
    assert found.is_outlier
    assert float(found.left_overlap) == pytest.approx(2 * excess, rel=1e-3)
    assert float(found.singular_value) >= 2.0


@pytest.mark.parametrize("gamma", GAMMAS)
def test_continuous_at_the_threshold(gamma: float) -> None:
    edge = MarchenkoPasturBulk(gamma).upper_edge
    threshold = gamma**0.25
    below = rectangular_outliers(threshold * (1 - 1e-7), gamma)
    above = rectangular_outliers(threshold * (1 + 1e-7), gamma)
    assert not below.is_outlier
    assert above.is_outlier
    assert float(below.singular_value) == pytest.approx(edge, rel=1e-15)
    assert float(below.left_overlap) == float(below.right_overlap) == 0.0
    # The outlier leaves the edge quadratically, the overlaps leave zero linearly.
    assert 0 <= float(above.singular_value) / edge - 1 < 1e-12
    assert 0 < float(above.left_overlap) < 1e-6
    assert 0 < float(above.right_overlap) < 1e-6


@given(
    st.floats(1e-3, 1e3),
    st.lists(st.floats(0.0, 1e4), min_size=2, max_size=10),
)
def test_monotone_and_bounded(gamma: float, strengths: list[float]) -> None:
    theta = np.sort(strengths)
    found = rectangular_outliers(theta, gamma)
    edge = 1 + math.sqrt(gamma)
    slack = 1e-14 * edge
    assert np.all(np.diff(found.singular_value) >= -1e-14 * found.singular_value[1:])
    assert np.all(found.singular_value >= edge - slack)
    # The outlier is beyond the spike, by the noise that it picks up: s^2 = theta^2 + 1 + gamma + ..
    assert np.all(found.singular_value**2 >= theta**2 * (1 - 1e-14))
    for overlap in (found.left_overlap, found.right_overlap):
        assert np.all((overlap >= 0) & (overlap <= 1))
        assert np.all(np.diff(overlap) >= -1e-12)
    np.testing.assert_array_equal(found.is_outlier, theta > gamma**0.25)


@given(st.floats(1e-2, 1e2), st.floats(1.01, 1e3))
def test_transposition_swaps_left_and_right(gamma: float, factor: float) -> None:
    """``W^T / sqrt(gamma)`` has ratio ``1/gamma`` and strengths ``theta / sqrt(gamma)``."""
    theta, root = gamma**0.25 * factor, math.sqrt(gamma)
    one = rectangular_outliers(theta, gamma)
    other = rectangular_outliers(theta / root, 1.0 / gamma)
    assert float(one.singular_value) == pytest.approx(float(other.singular_value) * root, rel=1e-13)
    assert float(one.left_overlap) == pytest.approx(float(other.right_overlap), rel=1e-11)
    assert float(one.right_overlap) == pytest.approx(float(other.left_overlap), rel=1e-11)


@pytest.mark.parametrize("aspect", [(1200, 600), (1200, 3000)])
def test_against_the_svd_of_one_spiked_matrix(aspect: tuple[int, int]) -> None:
    """Fluctuations are of order 1/sqrt(d): five of them at most, for three spikes at once."""
    n, d = aspect
    gamma = n / d
    threshold = gamma**0.25
    theta = threshold * np.array([5.0, 2.5, 1.6])
    rng = np.random.default_rng(n + d)
    left = np.linalg.qr(rng.standard_normal((n, theta.size)))[0]
    right = np.linalg.qr(rng.standard_normal((d, theta.size)))[0]
    matrix = rng.standard_normal((n, d)) / math.sqrt(d) + (left * theta) @ right.T
    # Top singular triplets through the smaller Gram matrix, which has the same ones.
    gram = matrix @ matrix.T if n < d else matrix.T @ matrix
    values, vectors = np.linalg.eigh(gram)
    s = np.sqrt(values[::-1][:3])
    own = vectors[:, ::-1][:, :3]
    u, v = (own, matrix.T @ own / s) if n < d else (matrix @ own / s, own)
    found = rectangular_outliers(theta, gamma)
    assert found.is_outlier.all()
    np.testing.assert_allclose(s, found.singular_value, atol=5 / math.sqrt(min(n, d)) * 0.7)
    np.testing.assert_allclose(np.sum(u * left, axis=0) ** 2, found.left_overlap, atol=0.06)
    np.testing.assert_allclose(np.sum(v * right, axis=0) ** 2, found.right_overlap, atol=0.06)
    # The fourth singular value is in the bulk.
    assert math.sqrt(values[-4]) < 1 + math.sqrt(gamma) + 0.05


def test_no_outlier_below_the_threshold() -> None:
    """One matrix with a spike at 0.6 of the threshold: its top singular value is the bulk edge."""
    rng = np.random.default_rng(5)
    n, d = 500, 700
    gamma = n / d
    theta = 0.6 * gamma**0.25
    u, v = rng.standard_normal(n), rng.standard_normal(d)
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    matrix = rng.standard_normal((n, d)) / math.sqrt(d) + theta * np.outer(u, v)
    left, s, _ = np.linalg.svd(matrix, full_matrices=False)
    found = rectangular_outliers(theta, gamma)
    assert abs(s[0] - float(found.singular_value)) < 0.05
    assert (left[:, 0] @ u) ** 2 < 0.05
    assert not found.is_outlier


def test_shapes() -> None:
    for shape in [(), (0,), (3,), (2, 3)]:
        found = rectangular_outliers(np.full(shape, 2.0), 0.5)
        for array in (
            found.singular_value,
            found.left_overlap,
            found.right_overlap,
            found.is_outlier,
        ):
            assert np.shape(array) == shape
    # Each element on its own: one below the threshold changes nothing for the others.
    mixed = rectangular_outliers([3, 0, 2], 1.0)
    alone = rectangular_outliers(2.0, 1.0)
    assert mixed.singular_value[2] == float(alone.singular_value) == 2.5
    assert mixed.is_outlier.tolist() == [True, False, True]


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True, "1", None])
def test_bad_aspect_ratio(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="aspect_ratio must be a positive number, got"):
        rectangular_outliers([1.0], bad)


@pytest.mark.parametrize("bad", [-1e-9, [2.0, math.nan], [math.inf], "2", None, [1j], True])
def test_bad_strength(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="strength must be"):
        rectangular_outliers(bad, 1.0)
