"""Gaussian smoothing ``E[f(m + s Z)]``, ``E[f'(m + s Z)]`` against mpmath, by every route."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmt.functions import ScalarFunction
from rmt.moments.smoothing import _between_kinks, _closed_terms, smoothed

mp = mpmath.mp.clone()
mp.dps = 20

parse = ScalarFunction.parse


class Reference(NamedTuple):
    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    kinks: tuple[float, ...] = ()


SELU_SCALE, SELU_LIMIT = mp.mpf("1.0507009873554804934"), mp.mpf("1.7580993408473768599")

SMOOTH = {
    "tanh(z + 7/10)": Reference(
        lambda z: mp.tanh(z + mp.mpf("0.7")), lambda z: mp.sech(z + mp.mpf("0.7")) ** 2
    ),
    "erf(z)": Reference(mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-(z**2))),
    "sin(2*z)": Reference(lambda z: mp.sin(2 * z), lambda z: 2 * mp.cos(2 * z)),
    "He3(z)": Reference(lambda z: z**3 - 3 * z, lambda z: 3 * z**2 - 3),
    "softplus(z)": Reference(lambda z: mp.log1p(mp.exp(z)), lambda z: 1 / (1 + mp.exp(-z))),
}
POLYNOMIAL = {
    "relu(z)": Reference(lambda z: max(z, 0), lambda z: mp.mpf(z > 0), (0,)),
    "leaky_relu(z, 1/5)": Reference(
        lambda z: z if z > 0 else z / 5, lambda z: mp.mpf(1) if z > 0 else mp.mpf(1) / 5, (0,)
    ),
    "abs(z)": Reference(abs, mp.sign, (0,)),
    "hard_tanh(z)": Reference(lambda z: max(-1, min(1, z)), lambda z: mp.mpf(abs(z) < 1), (-1, 1)),
    "relu(z)**2": Reference(lambda z: max(z, 0) ** 2, lambda z: 2 * max(z, 0), (0,)),
    "abs(z**2 - 1)": Reference(
        lambda z: abs(z**2 - 1), lambda z: 2 * z * mp.sign(z**2 - 1), (-1, 1)
    ),
}
KINKED = {
    "elu(z)": Reference(
        lambda z: z if z > 0 else mp.expm1(z), lambda z: mp.mpf(1) if z > 0 else mp.exp(z), (0,)
    ),
    "selu(z)": Reference(
        lambda z: SELU_SCALE * z if z > 0 else SELU_LIMIT * mp.expm1(z),
        lambda z: SELU_SCALE if z > 0 else SELU_LIMIT * mp.exp(z),
        (0,),
    ),
    "celu(z, 2)": Reference(
        lambda z: z if z > 0 else 2 * mp.expm1(z / 2),
        lambda z: mp.mpf(1) if z > 0 else mp.exp(z / 2),
        (0,),
    ),
}
REFERENCES = SMOOTH | POLYNOMIAL | KINKED

# Means next to a kink, within and far beyond the reach of each width; widths over ten decades.
POINTS = [
    (m, s)
    for s in (1e-9, 1e-3, 0.3, 1.0, 10.0)
    for m in (-8.0, -0.4 * s, 1.0 + 2.0 * s)
    if abs(m) <= 8
]


def exact(reference: Reference, m: float, s: float) -> tuple[float, float, float, float]:
    """Smoothed value and slope, and the mean sizes of both, by quadrature in 20 digits."""
    mean, std = mp.mpf(m), mp.mpf(s)
    breaks = [(mp.mpf(kink) - mean) / std for kink in reference.kinks]
    fixed = [mp.mpf(b) for b in (-11, -5, -2, 0, 2, 5, 11)]
    if s > 2:  # the function is a narrow feature in the variable Z
        fixed += [-mean / std + mp.mpf(b) / s for b in (-4, 0, 4)]
    points = sorted({p for p in (*fixed, *breaks) if abs(p) <= 11})
    results = []
    for function in (reference.value, reference.slope):
        parts = []
        for low, high in pairwise(points):
            # No rounding may carry a node over a kink.
            parts.append(
                mp.quad(
                    lambda z, f=function: f(mean + std * z) * mp.npdf(z),
                    [low, high],
                    method="gauss-legendre",
                )
            )
        results.append((float(mp.fsum(parts)), float(mp.fsum(abs(p) for p in parts))))
    (value, value_size), (slope, slope_size) = results
    return value, slope, value_size, slope_size


@pytest.mark.parametrize("text", REFERENCES)
def test_against_mpmath(text: str) -> None:
    m, s = np.array(POINTS).T
    # The closest zeros of cosh(m + 10 Z) are at a distance of pi/20 from the real axis.
    value, slope = smoothed(parse(text), m, s, 40.0 if text in SMOOTH else 16.0)
    for i, point in enumerate(POINTS):
        value_ref, slope_ref, value_size, slope_size = exact(REFERENCES[text], *point)
        assert abs(value[i] - value_ref) <= 1e-13 * (value_size + 1e-2), point
        # A relative rounding of m by 1e-16 moves a step of width s by 1e-16 m / s.
        slack = 1e-15 * abs(point[0]) / point[1] if abs(point[0]) < 9 * point[1] else 0.0
        assert abs(slope[i] - slope_ref) <= (1e-13 + slack) * (slope_size + 1e-2), point


@pytest.mark.parametrize("text", REFERENCES)
def test_no_smoothing_at_all(text: str) -> None:
    """s = 0 is the function itself, off the kinks."""
    f = parse(text)
    m = np.array([-7.3, -1.2, -0.4, 0.3, 0.9, 2.2, 8.0])
    value, slope = smoothed(f, m, 0.0, 8.0)
    expected = [float(REFERENCES[text].value(mp.mpf(x))) for x in m]
    expected_slope = [float(REFERENCES[text].slope(mp.mpf(x))) for x in m]
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-13, atol=1e-14)


CLOSED = [
    *POLYNOMIAL,
    "elu(z)",
    "selu(z + 7/10)",
    "celu(z, 2)",
    "exp(-abs(z))",
    "sign(z)*exp(-z**2)",
    "gelu(z)",
    "z*gelu(2*z + 1)",
    "erf(2*z - 1/3)",
    "exp(z/3)*erf(z)",
    "z*exp(-z**2)",
    "He3(z)",
]


@pytest.mark.parametrize("text", CLOSED)
def test_routes_agree(text: str) -> None:
    """Closed form against panels between the kinks."""
    f = parse(text)
    assert _closed_terms(f) is not None
    rng = np.random.default_rng(3)
    m = rng.uniform(-8, 8, 300)
    s = 10.0 ** rng.uniform(-9, 0, 300)  # a wider law needs finer panels
    closed = smoothed(f, m, s, 8.0)
    panels = _between_kinks(f, m, s, 64.0)
    for one, other in zip(closed, panels, strict=True):
        scale = 1.0 + np.abs(m) ** 3 + s**3
        # The Gauss-Legendre rule of order 544 is itself good to a few 1e-14.
        assert np.max(np.abs(one - other) / scale) < 5e-14


@given(st.floats(-8.0, 8.0), st.floats(1e-9, 10.0))
def test_relu_in_closed_form(m: float, s: float) -> None:
    """E relu(m + s Z) = m Phi(m/s) + s phi(m/s); its slope Phi(m/s)."""
    value, slope = smoothed(parse("relu(z)"), m, s, 8.0)
    cdf = math.erfc(-m / s / math.sqrt(2)) / 2
    density = math.exp(-min((m / s) ** 2 / 2, 745.0)) / math.sqrt(2 * math.pi)
    assert float(slope) == pytest.approx(cdf, abs=1e-15, rel=1e-13)
    assert float(value) == pytest.approx(m * cdf + s * density, abs=1e-14)


@given(
    st.sampled_from(sorted(REFERENCES)),
    st.floats(-4.0, 4.0),
    st.floats(0.1, 3.0),
)
def test_slope_is_the_derivative_in_the_mean(text: str, m: float, s: float) -> None:
    """d/dm E f(m + s Z) = E f'(m + s Z) for a continuous function, by differences of order 4."""
    h = 1e-2 * s
    value, slope = smoothed(parse(text), m + h * np.array([-2.0, -1, 0, 1, 2]), s, 24.0)
    difference = (8 * (value[3] - value[1]) - (value[4] - value[0])) / (12 * h)
    scale = 1 + np.abs(value).max() / s
    assert float(difference) == pytest.approx(float(slope[2]), abs=2e-7 * scale)


def test_resolution_of_the_smooth_route_converges_spectrally() -> None:
    """Error exp(-2 pi a n / s) with a = pi/2 the distance of the poles of tanh."""
    s = 3.0
    reference = exact(Reference(mp.tanh, lambda z: mp.sech(z) ** 2), 0.4, s)[0]
    n = np.array([2.0, 3.0, 4.0, 5.0, 6.0])
    errors = [abs(float(smoothed(parse("tanh(z)"), 0.4, s, k)[0]) - reference) for k in n]
    slope = np.polyfit(n, np.log(errors), 1)[0]
    assert slope == pytest.approx(-2 * math.pi * (math.pi / 2) / s, rel=0.15)


@pytest.mark.parametrize("text", ["tanh(z)", "relu(z)", "elu(z)"])
def test_broadcasting(text: str) -> None:
    f = parse(text)
    m, s = np.array([[-1.0], [0.5]]), np.array([0.1, 1.0, 2.0])
    value, slope = smoothed(f, m, s, 16.0)
    assert value.shape == slope.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            one = smoothed(f, m[i, 0], s[j], 16.0)
            assert float(value[i, j]) == pytest.approx(float(one[0]), rel=1e-14)
            assert float(slope[i, j]) == pytest.approx(float(one[1]), rel=1e-14)
    assert smoothed(f, 0.0, 1.0, 16.0)[0].shape == ()
    assert smoothed(f, np.zeros(0), 1.0, 16.0)[0].shape == (0,)
