"""Gaussian quadrature against closed forms and mpmath: values, rates, error estimates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special

from rmt.moments.rules import (
    gauss_legendre,
    gaussian_rule,
    negligible_beyond,
    tensor_rule,
)

mp = mpmath.mp.clone()
mp.dps = 30


def normal_mean(function: Callable[[Any], Any], *breaks: float) -> float:
    """``E[function(Z)]`` in many digits; the function must take mpmath numbers."""
    points = sorted({-12, -6, -3, -1, 0, 1, 3, 6, 12, *breaks})
    total = mp.quad(
        lambda z: function(z) * mp.exp(-(z**2) / 2) / mp.sqrt(2 * mp.pi),
        [mp.mpf(p) for p in points],
    )
    return float(total)


class Case(NamedTuple):
    integrand: Callable[..., Any]
    exact: float
    kinks: tuple[tuple[float, ...], ...] = ((),)


def he12(z: Any) -> Any:
    return special.eval_hermitenorm(12, z)


ROOT = math.sqrt(2 * math.pi)
CASES: dict[str, Case] = {
    "one": Case(np.ones_like, 1.0),
    "z^10": Case(lambda z: z**10, 945.0),
    "He12^2": Case(lambda z: he12(z) ** 2, float(math.factorial(12))),
    "exp(z)": Case(np.exp, math.exp(0.5)),
    "exp(z^2/8)": Case(lambda z: np.exp(z**2 / 8), 2 / math.sqrt(3)),
    "exp(z^2/5)": Case(lambda z: np.exp(z**2 / 5), math.sqrt(5 / 3)),
    "cos(3z)": Case(lambda z: np.cos(3 * z), math.exp(-4.5)),
    "sin(10z)^2": Case(lambda z: np.sin(10 * z) ** 2, (1 - math.exp(-200)) / 2),
    "1/(1+z^2)": Case(
        lambda z: 1 / (1 + z**2), math.sqrt(math.pi * math.e / 2) * math.erfc(1 / math.sqrt(2))
    ),
    "tanh(5z)^2": Case(
        lambda z: np.tanh(5 * z) ** 2, normal_mean(lambda z: mp.tanh(5 * z) ** 2, -0.2, 0.2)
    ),
    "narrow bump": Case(
        lambda z: np.exp(-50 * (z - 0.3) ** 2), math.exp(-50 * 0.09 / 101) / math.sqrt(101)
    ),
    "relu": Case(lambda z: np.maximum(z, 0), 1 / ROOT, ((0.0,),)),
    "relu^2": Case(lambda z: np.maximum(z, 0) ** 2, 0.5, ((0.0,),)),
    "|z|": Case(np.abs, 2 / ROOT, ((0.0,),)),
    "|z - 1/3|": Case(
        lambda z: np.abs(z - 1 / 3),
        2 * math.exp(-1 / 18) / ROOT + (1 / 3) * math.erf(1 / 3 / math.sqrt(2)),
        ((1 / 3,),),
    ),
    "sign(z - 1/2)": Case(lambda z: np.sign(z - 0.5), -math.erf(0.5 / math.sqrt(2)), ((0.5,),)),
    "step at 2": Case(lambda z: (z > 2) * 1.0, math.erfc(math.sqrt(2)) / 2, ((2.0,),)),
    "staircase": Case(
        lambda z: np.floor(np.clip(z, -3, 3)),
        sum(math.erfc(k / math.sqrt(2)) / 2 for k in range(-2, 4)) - 3,
        ((-2.0, -1.0, 0.0, 1.0, 2.0, 3.0),),
    ),
    "hard tanh^2": Case(
        lambda z: np.clip(z, -1, 1) ** 2,
        1 - 2 * math.exp(-0.5) / ROOT,
        ((-1.0, 1.0),),
    ),
    "elu": Case(
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        normal_mean(lambda z: z if z > 0 else mp.expm1(z)),
        ((0.0,),),
    ),
    "relu relu": Case(
        lambda x, y: np.maximum(x, 0) * np.maximum(y, 0), 1 / (2 * math.pi), ((0.0,), (0.0,))
    ),
    "exp(2xy/5)": Case(lambda x, y: np.exp(0.4 * x * y), 1 / math.sqrt(0.84), ((), ())),
    "sign(x) tanh(y) xy": Case(
        lambda x, y: np.abs(x) * y * np.tanh(y),
        2 / ROOT * normal_mean(lambda z: z * mp.tanh(z)),
        ((0.0,), ()),
    ),
    "cos(x + y + z)": Case(lambda x, y, z: np.cos(x + y + z), math.exp(-1.5), ((), (), ())),
    "|x y z|": Case(lambda x, y, z: np.abs(x * y * z), (2 / ROOT) ** 3, ((0.0,), (0.0,), (0.0,))),
}


@pytest.mark.parametrize("name", CASES)
def test_integrals(name: str) -> None:
    case = CASES[name]
    r = len(case.kinks)
    half_width = negligible_beyond(case.integrand, r)
    resolution = {1: 40.0, 2: 16.0, 3: 5.0}[r]
    rule = tensor_rule([gaussian_rule(resolution, half_width, k) for k in case.kinks])
    values = case.integrand(*rule.nodes)
    size = np.abs(values) @ rule.weights
    assert abs(values @ rule.weights - case.exact) <= 1e-12 * size


# Rates of the rules


def test_smooth_integrands_converge_spectrally() -> None:
    """Trapezoid rule: error exp(-2 pi a n) with a the distance of the nearest pole, here pi/4."""
    exact = normal_mean(lambda z: 1 / mp.cosh(2 * z))
    n = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
    errors = []
    for resolution in n:
        rule = gaussian_rule(resolution, 10.0)
        errors.append(abs(rule.weights @ (1 / np.cosh(2 * rule.nodes[0])) - exact))
    slope = np.polyfit(n, np.log(errors), 1)[0]
    assert slope == pytest.approx(-2 * math.pi * math.pi / 4, rel=0.05)
    assert errors[-1] < 1e-8


def test_entire_integrands_are_exact_at_once() -> None:
    """Spacing 1/2 leaves exp(-2 pi^2 4) ~ 1e-34: rounding alone."""
    rule = gaussian_rule(2.0, 12.0)
    for k in range(0, 21, 2):
        exact = float(special.factorial2(k - 1)) if k else 1.0
        assert float(rule.weights @ rule.nodes[0] ** k) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    ("function", "exact", "order"),
    [
        # The kink is not split, and off the nodes at all resolutions: the order is lost.
        (lambda z: np.abs(z - 1 / 3), CASES["|z - 1/3|"].exact, 2.0),
        (lambda z: np.sign(z - 1 / 3), -math.erf(1 / 3 / math.sqrt(2)), 1.0),
    ],
)
def test_order_at_a_kink_that_is_not_split(
    function: Callable[..., Any], exact: float, order: float
) -> None:
    # 3 k + 1/2 nodes per unit put the kink in the same place between two nodes at each k.
    n = np.array([12.5, 24.5, 48.5, 96.5, 192.5])
    errors = []
    for resolution in n:
        count = 9.0 * resolution
        rule = gaussian_rule(resolution, 9.0)
        assert rule.weights.size == 2 * math.ceil(count) + 1
        errors.append(abs(rule.weights @ function(rule.nodes[0]) - exact))
    slope = np.polyfit(np.log(n), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=0.5)
    # Split there, it is back to rounding.
    split = gaussian_rule(12.5, 9.0, kinks=(1 / 3,))
    assert abs(split.weights @ function(split.nodes[0]) - exact) < 1e-14


def test_panels_converge_geometrically() -> None:
    """Gauss-Legendre between kinks, for an integrand with poles at distance 1/2 of the axis."""
    exact = 2 * float(
        mp.quad(
            lambda z: z / (1 + 4 * z**2) * mp.exp(-(z**2) / 2) / mp.sqrt(2 * mp.pi),
            [0, 0.5, 1, 2, 4, 8, 12],
        )
    )
    errors = []
    for resolution in (2.0, 4.0, 6.0, 8.0):
        rule = gaussian_rule(resolution, 9.0, kinks=(0.0,))
        z = rule.nodes[0]
        errors.append(abs(rule.weights @ (np.abs(z) / (1 + 4 * z**2)) - exact))
    ratios = np.array(errors[1:]) / errors[:-1]
    assert np.all(ratios < 0.2)
    assert errors[-1] < 1e-6


@given(
    st.floats(1.0, 20.0),
    st.floats(7.0, 20.0),
    st.lists(st.floats(-25.0, 25.0), max_size=5),
)
def test_weights_of_any_rule_add_up(n: float, half_width: float, kinks: list[float]) -> None:
    rule = gaussian_rule(max(n, 4.0), half_width, kinks)
    z, w = rule.nodes[0], rule.weights
    assert np.all(np.diff(z) >= 0)
    assert np.all(np.abs(z) <= half_width)
    assert np.all(w >= 0)
    assert float(w.sum()) == pytest.approx(1.0, abs=1e-10)
    assert float(w @ z) == pytest.approx(0.0, abs=1e-9)
    assert float(w @ z**2) == pytest.approx(1.0, abs=1e-8)
    # No panel holds a kink inside: a step there is integrated exactly.
    for kink in kinks:
        if abs(kink) < half_width:
            above = math.erfc(kink / math.sqrt(2)) / 2
            assert float(w @ (z > kink)) == pytest.approx(above, abs=1e-9)


def test_tensor_rule() -> None:
    one = gaussian_rule(3.0)
    kinked = gaussian_rule(6.0, kinks=(0.5,))
    rule = tensor_rule([one, kinked])
    assert rule.nodes.shape == (2, rule.weights.size)
    x, y = rule.nodes
    assert float(rule.weights @ (x**2 * (y > 0.5))) == pytest.approx(special.ndtr(-0.5), rel=1e-12)
    # Nodes of no weight are dropped, and nothing is lost by it.
    assert rule.weights.size < one.weights.size * kinked.weights.size
    assert float(rule.weights.sum()) == pytest.approx(1.0, abs=1e-14)


def test_gauss_legendre_is_exact_to_its_degree() -> None:
    x, w = gauss_legendre(7)
    for k in range(14):
        assert float(w @ x**k) == pytest.approx(2 / (k + 1) if k % 2 == 0 else 0.0, abs=1e-14)
    assert abs(float(w @ x**14) - 2 / 15) > 1e-5
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0.0


# Where to cut off


def log_size(function: Callable[[Any], Any], radius: Any) -> Any:
    return 2 * mp.log(abs(function(radius))) + 2 * mp.log(1 + radius**2) - radius**2 / 2


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (np.exp, mp.exp),
        (lambda z: np.exp(3 * z), lambda z: mp.exp(3 * z)),
        (lambda z: z**12, lambda z: z**12),
        (lambda z: np.exp(z**2 / 8), lambda z: mp.exp(z**2 / 8)),
        (lambda z: np.exp(z**2 / 5), lambda z: mp.exp(z**2 / 5)),
    ],
)
def test_negligible_beyond(function: Callable[..., Any], exact: Callable[[Any], Any]) -> None:
    """Where f^2 (1 + z^2)^2 times the density falls below 1e-19 of its largest value."""
    radius = negligible_beyond(function)
    largest = max(log_size(exact, mp.mpf(r) / 16 + mp.mpf("0.01")) for r in range(600))
    bound = largest + mp.log(1e-19)
    for beyond in (0.0, 0.1, 1.0, 5.0):
        assert log_size(exact, mp.mpf(radius + beyond)) <= bound + 0.2
    assert log_size(exact, mp.mpf(radius - 0.25)) > bound  # and not far beyond


def test_negligible_beyond_of_functions_that_do_not_grow() -> None:
    assert 7.0 <= negligible_beyond(np.tanh) <= 11.0
    assert negligible_beyond(np.zeros_like) == 7.0
    assert negligible_beyond(lambda z: np.exp(-(z**2))) == 7.0
    assert negligible_beyond(lambda z: 1e-200 * np.tanh(z)) == negligible_beyond(np.tanh)


@pytest.mark.parametrize(
    ("function", "n_variables"),
    [
        (lambda z: np.exp(z**2), 1),
        (lambda z: np.exp(z**2 / 4), 1),
        (lambda z: np.exp(np.exp(z)), 1),
        (lambda z: np.exp(-z) * np.exp(z**2 / 4), 1),
        (lambda x, y: np.exp(x * y / 2), 2),
        (lambda x, y: np.exp(y**2 / 4) + 0 * x, 2),
        (lambda x, y, z: np.exp((x * y + y * z + z * x) / 3), 3),
    ],
)
def test_infinite_second_moments(function: Callable[..., Any], n_variables: int) -> None:
    assert negligible_beyond(function, n_variables) == math.inf


def test_second_moments_that_are_just_finite() -> None:
    """E exp(c x y) squared is finite for c < 1/2: the worst direction is the diagonal."""
    assert negligible_beyond(lambda z: np.exp(0.24 * z**2)) == math.inf  # cut at 38: too close
    assert 20 < negligible_beyond(lambda x, y: np.exp(0.4 * x * y), 2) < 30
    assert negligible_beyond(lambda z: np.exp(0.2 * z**2)) < 30


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_undefined_functions() -> None:
    assert math.isnan(negligible_beyond(np.sqrt))
    assert math.isnan(negligible_beyond(lambda x, y: np.log(x + y), 2))
    assert math.isnan(negligible_beyond(lambda z: np.where(np.abs(z) < 0.1, np.nan, z)))
