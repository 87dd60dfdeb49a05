"""Hermite coefficients in double precision, against closed forms."""

import math
import time

import numpy as np
import pytest

from rmt.functions import ScalarFunction
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.status import ConvergenceError, InvalidInputError


def parse(text):
    return ScalarFunction.parse(text)


def test_polynomial():
    found = double_coefficients(parse("He3(z)/2 + 3*He10(z)"), 12)
    expected = np.zeros(13)
    expected[3], expected[10] = math.sqrt(6) / 2, 3 * math.sqrt(math.factorial(10))
    assert (abs(found.orthonormal - expected) <= found.errors).all()
    assert found.second_moment == pytest.approx((expected**2).sum(), rel=1e-13)


def log_relu_coefficients(order):
    """Sign and log of c_k of relu: c_k = He_{k-2}(0) / sqrt(2 pi k!), k >= 2 and even."""
    signs, logs = np.zeros(order + 1), np.full(order + 1, -np.inf)
    for k in range(2, order + 1, 2):
        m = (k - 2) // 2  # He_{2m}(0) = (-1)**m (2m - 1)!!
        signs[k] = (-1) ** m
        odd = math.lgamma(2 * m + 1) - m * math.log(2) - math.lgamma(m + 1)
        logs[k] = odd - 0.5 * math.log(2 * math.pi) - 0.5 * math.lgamma(k + 1)
    return signs, logs


def test_relu_to_order_500():
    found = double_coefficients(parse("relu(z)"), 500)
    signs, logs = log_relu_coefficients(500)
    expected = signs * np.exp(logs)
    expected[0], expected[1] = 1 / math.sqrt(2 * math.pi), 0.5
    # 1e-15: the rounding of the closed form itself.
    assert (abs(found.orthonormal - expected) <= found.errors + 1e-15).all()
    assert found.errors.max() < 2e-14
    assert abs(found.second_moment - 0.5) <= found.second_moment_error < 1e-14


def test_tanh_to_order_500_against_the_recurrence_of_its_derivative():
    # E[f' He_{k-1}] = E[f He_k]: sqrt(k) c_k(f) = c_{k-1}(f').
    f = double_coefficients(parse("tanh(z)"), 500)
    slope = double_coefficients(parse("1 - tanh(z)**2"), 499)
    k = np.arange(1, 501)
    scaled = np.sqrt(k) * f.orthonormal[1:]
    assert (abs(scaled - slope.orthonormal) <= np.sqrt(k) * f.errors[1:] + slope.errors).all()
    assert f.errors.max() < 2e-14
    # Parseval: what remains beyond order 500 is small, and not negative.
    rest = f.second_moment - (f.orthonormal**2).sum()
    assert -1e-13 < rest < 1e-12


def test_exponential_of_either_size():
    for a in (1 / 8, 3.0):
        found = double_coefficients(parse(f"exp({a}*z)"), 60)
        k = np.arange(61)
        logs = k * math.log(a) + a * a / 2 - [math.lgamma(j + 1) / 2 for j in range(61)]
        error = abs(found.orthonormal - np.exp(logs))
        assert (error <= found.errors + 1e-14 * np.exp(logs)).all()
        assert found.second_moment == pytest.approx(math.exp(2 * a * a), rel=1e-13)


def test_growth_near_the_limit():
    found = double_coefficients(parse("exp(z**2/5)"), 40)
    assert abs(found.orthonormal[0] - math.sqrt(5 / 3)) <= found.errors[0] < 1e-14
    assert abs(found.second_moment - math.sqrt(5)) <= found.second_moment_error < 1e-13
    # Closer to 1/4 the second moment does not end where double precision does, and says so.
    found = double_coefficients(parse("exp(0.24*z**2)"), 4)
    assert abs(found.second_moment - 5) <= found.second_moment_error < 1e-3
    assert abs(found.orthonormal[0] - 1 / math.sqrt(0.52)) <= found.errors[0] < 1e-13


def test_parity_gives_zeros_without_error():
    odd = double_coefficients(parse("tanh(z)"), 9)
    assert not odd.orthonormal[::2].any()
    assert not odd.errors[::2].any()
    assert odd.errors[1::2].all()
    even = double_coefficients(parse("cos(z)"), 9)
    assert not even.orthonormal[1::2].any()
    assert not even.errors[1::2].any()


@pytest.mark.parametrize("width", [1e-2, 1e-3])
def test_narrow_feature_is_seen(width):
    found = double_coefficients(parse(f"exp(-(z - 1/3)**2/(2*{width}**2))"), 3)
    total = 1 + width**2
    mean = width / math.sqrt(total) * math.exp(-1 / 18 / total)
    # The double of the width is in the text; the rest is rounding of this closed form.
    assert abs(found.orthonormal[0] - mean) <= found.errors[0] + 1e-15 * mean
    assert found.errors[0] < 1e-13


def test_narrow_step_between_kinks():
    found = double_coefficients(parse("Heaviside(z - 1) - Heaviside(z - 1.001)"), 2)
    mean = (math.erfc(1 / math.sqrt(2)) - math.erfc(1.001 / math.sqrt(2))) / 2
    assert abs(found.orthonormal[0] - mean) <= found.errors[0] + 4e-16
    assert found.second_moment == pytest.approx(mean, rel=1e-11)


def test_fifty_coefficients_take_milliseconds():
    function = parse("tanh(z)")
    double_coefficients(function, 50)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        double_coefficients(function, 50)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01


def test_zero():
    found = double_coefficients(parse("0"), 3)
    assert not found.orthonormal.any()
    assert found.second_moment == 0


@pytest.mark.parametrize("order", [-1, 2.0, True])
def test_order_that_is_not_allowed(order):
    with pytest.raises(InvalidInputError, match="order"):
        double_coefficients(parse("tanh(z)"), order)


@pytest.mark.parametrize("text", ["exp(100*z)", "z**200", "10**200*tanh(z)"])
def test_beyond_double_precision(text):
    with pytest.raises(ConvergenceError, match="beyond double precision"):
        double_coefficients(parse(text), 3)
