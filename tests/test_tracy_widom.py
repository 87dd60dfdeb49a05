"""The Tracy-Widom laws against mpmath, Painleve II, published moments and random matrices."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import airy
from scipy.stats import kstest

from rmt import InvalidInputError
from rmt.spectra.laws import tracy_widom_sources as sources
from rmt.spectra.laws.tracy_widom import (
    TracyWidom,
    largest_eigenvalue_center,
    largest_eigenvalue_scale,
)

mp = mpmath.mp.clone()
mp.dps = 30

# (beta = 1, beta = 2): log F(s) for s < -2, log(1 - F(s)) from there on. Made once with mpmath:
# det(1 - B) and det(1 + B), B(x, y) = Ai(s + x + y) on a cut half line, by Gauss-Legendre. Orders
# 92 and 106 (150 digits, up to -10), 60 and 72 (60 digits) agree in 16 digits of F at least.
EXACT = {
    -14.0: ("-127.087224871097415", "-229.133071728404861"),
    -12.0: ("-82.1955182246362856", "-144.447126132314064"),
    -11.3: ("-69.4678399150996521", "-120.681024412016090"),
    -10.0: ("-49.5066045256406444", "-83.7576493551270132"),
    -8.0: ("-27.0394483378594367", "-43.0630443406056075"),
    -6.7: ("-16.9815297805050133", "-25.4377280042344647"),
    -5.0: ("-8.18818533366764278", "-10.7539919555113308"),
    -4.3: ("-5.75025024104787484", "-6.94380748883602373"),
    -3.2: ("-3.03342762709041577", "-3.01087665985615068"),
    -2.6: ("-2.02785116618381196", "-1.71737341505577861"),
    -2.0: ("-0.320646405397922233", "-0.53311237620645876"),
    -1.4: ("-0.61268833085369564", "-1.11282042451505717"),
    -0.3: ("-1.47471778540948088", "-2.86028226335381814"),
    0.7: ("-2.61903812030842262", "-5.17584669240534109"),
    2.2: ("-4.90687720155748451", "-9.77791814511112389"),
    4.9: ("-10.4497722481191553", "-20.8827233274407228"),
    6.0: ("-13.1524030478316475", "-26.2914953906540403"),
    7.3: ("-16.6383001712679691", "-33.2661253740371807"),
    12.0: ("-31.5548267863608281", "-63.1041973549161804"),
}
# Bornemann, arXiv:0904.1581: mean, variance, skewness, excess kurtosis.
MOMENTS = {
    1: (-1.2065335745820, 1.607781034581, 0.29346452408, 0.1652429384),
    2: (-1.771086807411, 0.8131947928329, 0.224084203610, 0.0934480876),
}


@cache
def rule(order: int) -> tuple[list[Any], list[Any]]:
    """Gauss-Legendre on (-1, 1) to all digits."""
    nodes, weights = [], []
    for start in np.polynomial.legendre.leggauss(order)[0]:
        x = mp.findroot(lambda y: mp.legendre(order, y), mp.mpf(float(start)))
        slope = order * mp.legendre(order - 1, x) / (1 - x * x)
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope**2))
    return nodes, weights


def exact_det_2(s: float, order: int = 34) -> Any:
    """``det(1 - K)`` with the Airy kernel itself, on ``(s, s + length)``."""
    nodes, weights = rule(order)
    length = mp.mpf(16) if s < 0 else mp.mpf(30) / (1 + mp.sqrt(s))
    x = [s + length * (1 + node) / 2 for node in nodes]
    root = [mp.sqrt(length * weight / 2) for weight in weights]
    ai, slope = [mp.airyai(y) for y in x], [mp.airyai(y, derivative=1) for y in x]
    matrix = mp.eye(order)
    for i in range(order):
        matrix[i, i] -= root[i] ** 2 * (slope[i] ** 2 - x[i] * ai[i] ** 2)
        for j in range(i):
            kernel = (ai[i] * slope[j] - slope[i] * ai[j]) / (x[i] - x[j])
            matrix[i, j] -= root[i] * root[j] * kernel
            matrix[j, i] = matrix[i, j]
    return mp.det(matrix)


def exact_det_1(s: float, order: int = 34) -> Any:
    """``det(1 - V)`` with ``V(x, y) = Ai((x + y) / 2) / 2``, on ``(s, s + length)``."""
    nodes, weights = rule(order)
    length = mp.mpf(28) if s < 0 else mp.mpf(52) / (1 + mp.sqrt(s))
    x = [s + length * (1 + node) / 2 for node in nodes]
    root = [mp.sqrt(length * weight / 2) for weight in weights]
    matrix = mp.eye(order)
    for i in range(order):
        for j in range(i + 1):
            matrix[i, j] -= root[i] * root[j] * mp.airyai((x[i] + x[j]) / 2) / 2
            matrix[j, i] = matrix[i, j]
    return mp.det(matrix)


def first_order_sf(beta: int, s: float) -> Any:
    """``int_s^inf Ai / 2`` and ``int_s^inf K(x, x)``, by closed forms that cancel many digits."""
    with mp.workdps(320):
        if beta == 1:
            return (mp.mpf(1) / 3 - mp.airyai(s, derivative=-1)) / 2
        ai, slope = mp.airyai(s), mp.airyai(s, derivative=1)
        return (2 * s**2 * ai**2 - 2 * s * slope**2 - ai * slope) / 3


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", sorted(EXACT))
def test_tails_where_they_are_small(s: float) -> None:
    """Relative accuracy from F = 1e-100 to 1 - F = 1e-28, and whether the bounds hold."""
    for beta, text in zip((1, 2), EXACT[s], strict=True):
        law, log_exact = TracyWidom(beta), mp.mpf(text)
        small, large = (law.cdf, law.sf) if s < -2 else (law.sf, law.cdf)
        small_error, large_error = (law.cdf_error, law.sf_error)[:: 1 if s < -2 else -1]
        exact, other = mp.exp(log_exact), -mp.expm1(log_exact)
        relative = 1e-13 if s > -9 else 3e-13
        assert abs(float(small(s)) / exact - 1) < relative
        assert abs(float(small(s)) - exact) <= small_error(s) <= 5 * relative * exact
        assert abs(float(large(s)) / other - 1) < 1e-14
        assert abs(float(large(s)) - other) <= large_error(s) <= 1e-13 * other


@pytest.mark.parametrize("s", [-2.0, 1.0])
def test_other_kernels_in_thirty_digits(s: float) -> None:
    """The kernels of the definition, on a cut half line, instead of ``Ai(s + x + y)``."""
    for law, exact in ((TracyWidom(1), exact_det_1(s)), (TracyWidom(2), exact_det_2(s))):
        assert abs(float(law.cdf(s)) / exact - 1) < 1e-14
        assert abs(float(law.sf(s)) / (1 - exact) - 1) < 2e-14


def test_value_in_the_literature() -> None:
    assert float(TracyWidom(2).cdf(-2.0)) == pytest.approx(0.41322414250512257, rel=1e-14)


@pytest.mark.parametrize("beta", [1, 2])
def test_moments(beta: int) -> None:
    law = TracyWidom(beta)
    mean, variance, skewness, kurtosis = MOMENTS[beta]
    # One unit in the last digit given.
    assert law.mean() == pytest.approx(mean, abs=1e-12)
    assert law.variance() == pytest.approx(variance, abs=1e-12)
    assert law.skewness() == pytest.approx(skewness, abs=1e-11)
    assert law.kurtosis() == pytest.approx(kurtosis, abs=1e-10)
    assert law.var() == law.variance()
    assert law.std() == math.sqrt(law.variance())


@pytest.mark.parametrize("beta", [1, 2])
def test_mean_from_the_tails(beta: int) -> None:
    """``int_0 sf - int^0 cdf``: tables of the tails against the table of the density."""
    law = TracyWidom(beta)
    x, w = np.polynomial.legendre.leggauss(80)
    mean = 10 * (w @ law.sf(10 * (1 + x)) - w @ law.cdf(10 * (x - 1)))
    assert mean == pytest.approx(law.mean(), abs=1e-13)


def test_quantiles_used_in_practice() -> None:
    law = TracyWidom(1)
    assert law.ppf([0.95, 0.99]).round(4).tolist() == [0.9793, 2.0234]
    assert law.isf([0.05, 0.01]).round(4).tolist() == [0.9793, 2.0234]


# --- routes ---------------------------------------------------------------------------------------


def test_painleve_as_an_initial_value_problem() -> None:
    """``q, q', log F_2, its derivative, int q`` from Airy values at 8; unstable to the left."""

    def rhs(s: float, y: Any) -> list[float]:
        q, slope, _, log_slope, _ = y
        return [slope, s * q + 2 * q**3, log_slope, -q * q, -q]

    start = 8.0
    ai, slope = (float(v) for v in airy(start)[:2])
    initial = [
        *(ai, slope, -float(first_order_sf(2, start)), slope**2 - start * ai**2),
        2 * float(first_order_sf(1, start)),
    ]
    points = np.array([4.0, 2.0, 0.5, -0.7, -1.9, -2.7, -3.4])
    solution = solve_ivp(
        rhs, (start, -3.5), initial, method="DOP853", t_eval=points, rtol=3e-14, atol=1e-300
    )
    _, _, log_f2, log_slope, integral_q = solution.y
    log_f1 = (log_f2 - integral_q) / 2
    slope_1 = (log_slope + solution.y[0]) / 2
    rtol = 1e-10
    for beta, log_f, growth in ((1, log_f1, slope_1), (2, log_f2, log_slope)):
        law = TracyWidom(beta)
        np.testing.assert_allclose(law.cdf(points), np.exp(log_f), rtol=rtol)
        np.testing.assert_allclose(law.sf(points), -np.expm1(log_f), rtol=rtol)
        np.testing.assert_allclose(law.pdf(points), np.exp(log_f) * growth, rtol=rtol)


def test_determinants_and_boundary_value_problem_overlap() -> None:
    """Left of JOIN determinants lose digits as ``1 / (1 - lambda)``, but not yet many."""
    s = np.array([-3.2, -4.0, -4.7])
    painleve = sources.painleve(s, sources.USED)
    determinants = sources.determinants(s, sources.CHECK)
    np.testing.assert_allclose(painleve.log_cdf, determinants.log_cdf, atol=5e-12)
    np.testing.assert_allclose(painleve.log_pdf, determinants.log_pdf, atol=5e-12)
    np.testing.assert_allclose(painleve.q, determinants.q, atol=5e-12)


@pytest.mark.parametrize("beta", [1, 2])
def test_sources_meet(beta: int) -> None:
    """At -12 this checks the constants of the left tail against determinants at -3."""
    law = TracyWidom(beta)
    for at, tail in ((-12.0, law.cdf), (-3.0, law.cdf), (-2.0, law.cdf), (6.0, law.sf)):
        below = np.nextafter(at, -np.inf)
        for values in (tail([below, at]), law.pdf([below, at])):
            assert values[0] / values[1] == pytest.approx(1.0, abs=3e-13)


def test_rounding_of_the_determinant_does_not_grow_to_the_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the determinant at JOIN only as much is used as keeps its digits all the way to LEFT."""
    s = np.linspace(sources.LEFT, sources.JOIN, 50)
    solve = sources._painleve_solution.__wrapped__
    plain = [part(s) for part in solve(sources.USED)]
    original, unit = sources.determinants, 1e-12  # far above the rounding of all else

    def rounded(*arguments: Any) -> sources.Edge:
        edge = original(*arguments)
        return replace(edge, log_pdf=edge.log_pdf + unit, q=edge.q * (1 + unit))

    monkeypatch.setattr(sources, "determinants", rounded)
    changed = [part(s) for part in solve(sources.USED)]
    for before, after in zip(plain[:3], changed[:3], strict=True):
        assert np.abs(after - before).max() < 2 * unit


@pytest.mark.parametrize("beta", [1, 2])
def test_density_is_the_derivative_of_both_tails(beta: int) -> None:
    """Central differences of the logarithms: order 2, by its slope, in every source."""
    law = TracyWidom(beta)
    s = np.array([-16.0, -9.0, -4.0, -2.5])
    t = np.array([-1.3, 0.4, 3.0, 7.5, 25.0])
    errors = []
    for h in (1e-2, 1e-3):
        left = (np.log(law.cdf(s + h)) - np.log(law.cdf(s - h))) / (2 * h)
        right = (np.log(law.sf(t - h)) - np.log(law.sf(t + h))) / (2 * h)
        errors.append(
            np.concatenate(
                [left / (law.pdf(s) / law.cdf(s)) - 1, right / (law.pdf(t) / law.sf(t)) - 1]
            )
        )
    assert np.abs(errors[1]).max() < 1e-5
    rate = np.log10(np.abs(errors[0] / errors[1]))
    # 25 lies where the third derivative is small and rounding shows.
    assert np.all(np.abs(rate[:-1] - 2.0) < 0.1)


@pytest.mark.parametrize("beta", [1, 2])
def test_rate_in_the_quadrature_order(beta: int) -> None:
    """Each four nodes more gain at least a factor of ten, until rounding."""
    s = np.array([-2.5, 0.0, 4.0])
    exact = sources.determinants(s, sources.CHECK).log_cdf[beta - 1]
    errors = []
    for order in (8, 12, 16, 20):
        resolution = sources.Resolution(order, 0, 0)
        value = sources.determinants(s, resolution).log_cdf[beta - 1]
        errors.append(np.abs(value / exact - 1).max())
    assert errors[0] > 1e-6
    assert errors[-1] < 1e-11
    assert all(b < a / 10 for a, b in pairwise(errors))


@pytest.mark.parametrize("beta", [1, 2])
def test_right_tail_to_underflow(beta: int) -> None:
    """The second order in the kernel is below rounding."""
    law = TracyWidom(beta)
    for s in (25.0, 64.0, 100.0)[: 4 - beta]:
        ai, slope = mp.airyai(s), mp.airyai(s, derivative=1)
        density = ai / 2 if beta == 1 else slope**2 - s * ai**2
        assert abs(float(law.sf(s)) / first_order_sf(beta, s) - 1) < 1e-13
        assert abs(float(law.pdf(s)) / density - 1) < 1e-13


# --- quantiles and draws --------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1, 2])
def test_quantiles_invert_both_tails(beta: int) -> None:
    law = TracyWidom(beta)
    p = np.concatenate([np.logspace(-300, -1, 400), np.linspace(0.1, 0.9, 801)])
    split = float(law.cdf(-2.0))
    p = np.concatenate([p, [split, np.nextafter(split, 0), np.nextafter(split, 1)]])
    low, high = law.ppf(p), law.isf(p)
    # What rounding of the quantile itself does to the tail.
    slack_low = 4 * np.spacing(np.abs(low)) * law.pdf(low) / p
    slack_high = 4 * np.spacing(np.abs(high)) * law.pdf(high) / p
    assert np.all(np.abs(law.cdf(low) / p - 1) < 4e-15 + slack_low)
    assert np.all(np.abs(law.sf(high) / p - 1) < 4e-15 + slack_high)
    assert np.all(law.ppf_error(p) < 1e-12)
    assert np.all(law.isf_error(p) < 1e-12)


@pytest.mark.parametrize("s", sorted(EXACT))
def test_quantile_errors_bound_the_errors(s: float) -> None:
    for beta, text in zip((1, 2), EXACT[s], strict=True):
        law, p = TracyWidom(beta), float(mp.exp(mp.mpf(text)))
        quantile, error = (law.ppf, law.ppf_error) if s < -2 else (law.isf, law.isf_error)
        rounding = np.spacing(p) / law.pdf(s)  # of the probability
        assert abs(quantile(p) - s) < error(p) + rounding
        assert error(p) < 1e-13 * max(1, abs(s))


@given(st.sampled_from([1, 2]), st.lists(st.floats(-40.0, 120.0), min_size=2, max_size=8))
def test_tails_are_monotone(beta: int, points: list[float]) -> None:
    law, s = TracyWidom(beta), np.sort(points)
    cdf, sf = law.cdf(s), law.sf(s)
    assert np.all((cdf >= 0) & (cdf <= 1) & (sf >= 0) & (sf <= 1))
    assert np.all(np.diff(cdf) >= -1e-13 * cdf[1:])
    assert np.all(np.diff(sf) <= 1e-13 * sf[:-1])
    np.testing.assert_allclose(cdf + sf, 1.0, rtol=4e-16)
    assert np.all(law.pdf(s) >= 0)


@pytest.mark.parametrize("beta", [1, 2])
def test_draws(beta: int) -> None:
    law = TracyWidom(beta)
    draws = law.rvs((100, 40), rng=5)
    assert draws.shape == (100, 40)
    assert np.array_equal(draws, law.rvs((100, 40), np.random.default_rng(5)))
    assert kstest(draws.ravel(), law.cdf).pvalue > 1e-3
    # Another law, or one shifted by a tenth of its width, is told apart.
    assert kstest(draws.ravel(), TracyWidom(3 - beta).cdf).pvalue < 1e-6
    assert kstest(draws.ravel() + 0.1 * law.std(), law.cdf).pvalue < 1e-3
    assert law.rvs(rng=1).shape == ()


def test_largest_eigenvalue_of_wishart_matrices() -> None:
    """``X^T X = L L^T`` in law, ``L`` bidiagonal with chi entries (Dumitriu & Edelman 2002)."""
    n = p = 200
    rng = np.random.default_rng(20)
    degrees = np.arange(n, n - p, -1)
    largest = []
    for _ in range(1500):
        main = np.sqrt(rng.chisquare(degrees))
        below = np.sqrt(rng.chisquare(np.arange(p - 1, 0, -1)))
        diagonal = main**2
        diagonal[1:] += below**2
        top = eigvalsh_tridiagonal(diagonal, main[:-1] * below, "i", (p - 1, p - 1))
        largest.append(top[0])
    center = largest_eigenvalue_center(n, p)
    scaled = (np.array(largest) - center) / largest_eigenvalue_scale(n, p)
    assert kstest(scaled, TracyWidom(1).cdf).pvalue > 1e-3
    assert kstest(scaled, TracyWidom(2).cdf).pvalue < 1e-12


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1, 2])
def test_special_arguments(beta: int) -> None:
    law = TracyWidom(beta)
    ends = [-np.inf, -1e300, 1e300, np.inf]
    assert law.cdf(ends).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert law.sf(ends).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert law.pdf(ends).tolist() == [0.0] * 4
    for method in (law.cdf, law.sf, law.pdf, law.ppf, law.isf, law.cdf_error, law.ppf_error):
        assert np.isnan(method(np.nan))
        values = method([0.3, np.nan, 0.6])
        assert np.isnan(values).tolist() == [False, True, False]
    assert np.isnan(law.ppf([-0.1, 1.1, np.inf])).all()
    assert np.isnan(law.isf([-0.1, 1.1, -np.inf])).all()
    assert law.ppf([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert law.isf([0.0, 1.0]).tolist() == [np.inf, -np.inf]
    assert np.isfinite(law.ppf([5e-324, 1 - 2**-53])).all()
    assert np.isfinite(law.isf([5e-324, 1 - 2**-53])).all()


def test_shapes() -> None:
    law = TracyWidom(1)
    for method in (law.cdf, law.sf, law.pdf, law.ppf, law.isf, law.cdf_error, law.isf_error):
        assert method(0.5).shape == ()
        assert method(np.full((2, 3), 0.5)).shape == (2, 3)
        assert method([]).shape == (0,)


@pytest.mark.parametrize("bad", [0, 3, 4, -1, 1.5, math.nan, True, "1", None, 1j])
def test_bad_beta(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="beta must be 1") as e:
        TracyWidom(bad)
    assert repr(bad) in str(e.value)


def test_beta_of_another_type() -> None:
    assert TracyWidom(np.int64(2)) == TracyWidom(2.0) == TracyWidom(2)  # type: ignore[arg-type]
    assert type(TracyWidom(2.0).beta) is int  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [largest_eigenvalue_center, largest_eigenvalue_scale])
def test_bad_sizes(function: Any) -> None:
    for bad in (1, math.nan, math.inf, [5, 0]):
        with pytest.raises(InvalidInputError, match="samples must be finite"):
            function(bad, 3)
    for bad in (0, math.nan, math.inf):
        with pytest.raises(InvalidInputError, match="dim must be finite"):
            function(3, bad)
    assert function([10, 20], 5).shape == (2,)
