"""The Marchenko-Pastur bulk against mpmath, exact moments and one random matrix."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmt import InvalidInputError, MarchenkoPasturBulk

RATIOS = (0.01, 0.3, 1.0, 2.5, 40.0)
# The edges 1 + sqrt(gamma) and |1 - sqrt(gamma)| are floating-point numbers: no rounding of theirs.
EXACT_RATIOS = (0.0625, 0.25, 1.0, 2.25, 4.0, 16.0)

mp = mpmath.mp.clone()
mp.dps = 40


def exact_pdf(s: Any, gamma: float) -> Any:
    root = mp.sqrt(gamma)
    low, high = abs(1 - root), 1 + root
    if low == 0 and s == 0:
        return high / mp.pi
    product = (s - low) * (s + low) * (high - s) * (high + s)
    return mp.sqrt(max(product, 0)) / (mp.pi * min(1, gamma) * s)


def exact_integral(s: float, gamma: float, power: int = 0) -> Any:
    """``int_0^s x^power p(x) dx`` by quadrature in the angle in which the density is smooth."""
    root = mp.sqrt(gamma)
    low, width = abs(1 - root), 1 + root - abs(1 - root)
    end = mp.asin(mp.sqrt(min(max((s - low) / width, 0), 1)))

    def integrand(angle: Any) -> Any:
        x = low + width * mp.sin(angle) ** 2
        return x**power * exact_pdf(x, gamma) * width * mp.sin(2 * angle)

    return mp.quad(integrand, mp.linspace(0, end, 4))


@pytest.mark.parametrize("gamma", RATIOS)
def test_total_mass_is_one(gamma: float) -> None:
    bulk = MarchenkoPasturBulk(gamma)
    low, high = bulk.edges[0]
    assert abs(exact_integral(high, gamma) - 1) < 1e-14  # the reference itself
    # pdf of the library by the Chebyshev rule of the second kind, exact for this square root.
    angle = (np.arange(4000) + 0.5) * math.pi / 4000
    x = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    mass = np.sum(bulk.pdf(x) * np.sin(angle)) * (high - low) / 2 * math.pi / 4000
    assert abs(mass - 1.0) < 1e-6
    assert bulk.cdf([0.0, low, high, 2 * high]).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert bulk.pdf([high * 1.0001, -0.1, 1e9]).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("gamma", [*RATIOS, 1e-8, 1e8, 1 + 1e-12])
def test_cdf_is_the_integral_of_the_density(gamma: float) -> None:
    """Also at ratios so extreme that the textbook formula loses all digits."""
    bulk = MarchenkoPasturBulk(gamma)
    low, high = bulk.edges[0]
    for fraction in (1e-4, 0.03, 0.2, 0.5, 0.81, 0.999):
        s = low + fraction * (high - low)
        # What rounding s, or the edge, by half a unit in the last place moves the cdf by.
        slack = 2 * float(np.spacing(high)) * float(exact_pdf(mp.mpf(s), gamma))
        error = abs(float(bulk.cdf(s)) - exact_integral(s, gamma))
        assert error < 3e-15 + slack, (gamma, fraction)


@pytest.mark.parametrize("gamma", RATIOS)
def test_density_is_the_derivative_of_the_cdf(gamma: float) -> None:
    """An independent route: central differences, order 2, with the slope checked."""
    bulk = MarchenkoPasturBulk(gamma)
    low, high = bulk.edges[0]
    s = low + np.array([0.2, 0.45, 0.7]) * (high - low)
    errors = []
    for h in (1e-2 * (high - low), 1e-3 * (high - low)):
        difference = (bulk.cdf(s + h) - bulk.cdf(s - h)) / (2 * h)
        errors.append(np.abs(difference / bulk.pdf(s) - 1).max())
    assert errors[1] < 1e-4
    assert math.log10(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("distance", [1e-8, 1e-6, 1e-3])
@pytest.mark.parametrize("gamma", [*EXACT_RATIOS, *RATIOS])
def test_density_next_to_the_edges(gamma: float, distance: float) -> None:
    bulk = MarchenkoPasturBulk(gamma)
    low, high = bulk.edges[0]
    for s in (low + distance, high - distance):
        exact = exact_pdf(mp.mpf(s), gamma)
        # An edge that is not a floating-point number is off by up to half a unit in the last place.
        tolerance = 1e-8 if gamma in EXACT_RATIOS else 1e-8 + np.spacing(high) / distance
        assert abs(float(bulk.pdf(s)) / exact - 1) < tolerance
    # The square root itself: doubling the distance multiplies the density by sqrt(2).
    ratio = bulk.pdf(high - 2 * distance) / bulk.pdf(high - distance)
    assert float(ratio) == pytest.approx(math.sqrt(2), rel=5 * distance + 1e-6)


def test_square_case_is_the_quarter_circle() -> None:
    bulk = MarchenkoPasturBulk(1.0)
    s = np.linspace(0, 2, 9)
    np.testing.assert_allclose(bulk.pdf(s), np.sqrt(4 - s**2) / math.pi, rtol=1e-14, atol=1e-15)
    expected = (s * np.sqrt(4 - s**2) / 2 + 2 * np.arcsin(s / 2)) / math.pi
    np.testing.assert_allclose(bulk.cdf(s), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("gamma", RATIOS)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_moments(gamma: float, k: int) -> None:
    """``E tr (W W^T)^k / N`` tends to the Narayana polynomial ``sum_j N(k, j) gamma^{j-1}``."""
    narayana = sum(
        math.comb(k, j) * math.comb(k, j - 1) // k * gamma ** (j - 1) for j in range(1, k + 1)
    )
    bulk = MarchenkoPasturBulk(gamma)
    low, high = bulk.edges[0]
    angle = (np.arange(20_000) + 0.5) * math.pi / 20_000
    x = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weights = np.sin(angle) * (high - low) / 2 * math.pi / 20_000
    moment = np.sum(weights * bulk.pdf(x) * x ** (2 * k)) * min(1.0, gamma) / gamma
    # N rows, min(N, d) non-zero singular values: the zeros count in the trace over N.
    assert moment == pytest.approx(narayana, rel=1e-6)


def test_moments_of_small_matrices_exactly() -> None:
    """``E tr W W^T = N`` and ``E tr (W W^T)^2`` at finite size, by simulation."""
    rng = np.random.default_rng(11)
    n, d, samples = 30, 20, 4000
    traces = []
    for _ in range(samples):
        gram = (w := rng.standard_normal((n, d)) / math.sqrt(d)) @ w.T
        traces.append((np.trace(gram) / n, np.sum(gram**2) / n))
    mean, error = np.mean(traces, axis=0), np.std(traces, axis=0) / math.sqrt(samples)
    gamma = n / d
    limit = np.array([1.0, 1.0 + gamma])
    correction = np.array([0.0, 1.0 / d])  # (N + d + 1)/d against (N + d)/d
    assert np.all(np.abs(mean - limit - correction) < 4 * error)


@pytest.mark.parametrize(("n", "d"), [(400, 400), (300, 900), (900, 300)])
def test_singular_values_of_one_matrix(n: int, d: int) -> None:
    """Kolmogorov distance: eigenvalues are rigid, so it is O(1/N), not O(1/sqrt N)."""
    matrix = np.random.default_rng(n + 2 * d).standard_normal((n, d)) / math.sqrt(d)
    s = np.sort(np.linalg.svd(matrix, compute_uv=False))
    cdf = MarchenkoPasturBulk(n / d).cdf(s)
    steps = np.arange(s.size + 1) / s.size
    distance = max(np.abs(cdf - steps[1:]).max(), np.abs(cdf - steps[:-1]).max())
    assert distance < 6.0 / s.size
    # A law that is off by five percent in scale is told apart.
    off = np.abs(MarchenkoPasturBulk(n / d).cdf(1.05 * s) - steps[1:]).max()
    assert off > 6.0 / s.size


@given(st.floats(1e-6, 1e6), st.floats(0.0, 1.0))
def test_transposed_matrix_has_the_same_law(gamma: float, fraction: float) -> None:
    """Singular values of ``W^T / sqrt(gamma)`` follow the law of ``1 / gamma``."""
    bulk, other = MarchenkoPasturBulk(gamma), MarchenkoPasturBulk(1.0 / gamma)
    low, high = bulk.edges[0]
    s = low + fraction * (high - low)
    root = math.sqrt(gamma)
    # Rounding of s relative to the width of the support, times the steepest slope of the cdf.
    tolerance = 1e-14 + 1e-15 * high / (high - low)
    assert float(bulk.cdf(s)) == pytest.approx(float(other.cdf(s / root)), abs=20 * tolerance)
    assert other.upper_edge * root == pytest.approx(bulk.upper_edge, rel=1e-14)


@given(st.floats(1e-6, 1e6), st.lists(st.floats(0.0, 1.5), min_size=2, max_size=8))
def test_cdf_rises_from_zero_to_one(gamma: float, fractions: list[float]) -> None:
    bulk = MarchenkoPasturBulk(gamma)
    s = bulk.upper_edge * np.sort(fractions)
    cdf = bulk.cdf(s)
    assert cdf.shape == s.shape
    assert np.all((cdf >= 0) & (cdf <= 1))
    assert np.all(np.diff(cdf) >= -1e-11)
    assert np.all(bulk.pdf(s) >= 0)


def test_shapes() -> None:
    bulk = MarchenkoPasturBulk(0.5)
    assert bulk.pdf(1.0).shape == bulk.cdf(1.0).shape == ()
    assert bulk.pdf(np.ones((2, 3))).shape == bulk.cdf(np.ones((2, 3))).shape == (2, 3)
    assert bulk.pdf([]).shape == bulk.cdf([]).shape == (0,)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True, "1", None, 1j])
def test_bad_aspect_ratio(bad: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"aspect_ratio must be a positive number, got"
    ) as e:
        MarchenkoPasturBulk(bad)
    assert repr(bad) in str(e.value)
