"""The generative exponent against known values, and against conditional means counted in bins."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from numpy.polynomial.hermite_e import HermiteE
from scipy.integrate import quad

from rmt.functions import ScalarFunction
from rmt.hermite import information_exponent
from rmt.hermite.exponents.exponent import Exponent, ZeroProof
from rmt.hermite.exponents.generative import generative_exponent
from rmt.status import ConvergenceError, InvalidInputError

BAND = math.sqrt(2 * math.log(2) / 3)  # b phi(b) = 2b phi(2b)
EXACT_BAND = "Heaviside(abs(z) - sqrt(2*log(2)/3)) - Heaviside(abs(z) - 2*sqrt(2*log(2)/3))"
BUMP = "z**2*exp(-z**2)"

# text, the same function in NumPy, exponent
KNOWN = [
    ("z", lambda z: z, 1),
    ("tanh(z)", np.tanh, 1),
    ("He2(z)", lambda z: z**2 - 1, 2),
    ("He3(z)", lambda z: z**3 - 3 * z, 1),
    ("He4(z)", lambda z: z**4 - 6 * z**2 + 3, 2),
    ("cos(z)", np.cos, 2),
    ("sin(z)", np.sin, 1),
    ("abs(z)", np.abs, 2),
    (BUMP, lambda z: z**2 * np.exp(-(z**2)), 4),
    ("exp(-z**2)", lambda z: np.exp(-(z**2)), 2),
    ("sign(z)", np.sign, 1),
    ("sign(z**2 - 1)", lambda z: np.sign(z**2 - 1), 2),
    ("relu(z)", lambda z: np.maximum(z, 0), 1),
    ("softplus(z)", lambda z: np.log1p(np.exp(z)), 1),
    ("hard_tanh(z)", lambda z: np.clip(z, -1, 1), 1),
    ("min(abs(z), 1)", lambda z: np.minimum(np.abs(z), 1), 2),
    (EXACT_BAND, lambda z: ((np.abs(z) > BAND) & (np.abs(z) < 2 * BAND)) * 1.0, 4),
    ("max(-z, 2*z)", lambda z: np.maximum(-z, 2 * z), 1),
    ("abs(z) + 3*sign(z - 1)", lambda z: np.abs(z) + 3 * np.sign(z - 1), 1),
    ("abs(z - cos(z))", lambda z: np.abs(z - np.cos(z)), 1),
    ("abs(abs(abs(z) - 2) - 1)", lambda z: np.abs(np.abs(np.abs(z) - 2) - 1), 2),
    (f"min({BUMP}, 1/5)", lambda z: np.minimum(z**2 * np.exp(-(z**2)), 0.2), 4),
    (f"{BUMP}*sign(z)", lambda z: np.sign(z) * z**2 * np.exp(-(z**2)), 1),
    ("z**2 + relu(z - 1)", lambda z: z**2 + np.maximum(z - 1, 0), 1),
    ("1/z**2", lambda z: 1 / z**2, 2),
    ("log(abs(z))", lambda z: np.log(np.abs(z)), 2),
    ("tan(z)", np.tan, 1),
]
IDENTIFIERS = [text for text, _, _ in KNOWN]
# Not those with poles: bins say little about them.
COUNTED = KNOWN[:-4:2]


def binned_moments(function, order, bins):
    """E[He_k(z) | bin of y]/sqrt(k!) by counting a fine grid of z into quantiles of y."""
    z = (np.arange(-450_000, 450_000) + 0.5) * 2e-5
    weight = np.exp(-(z**2) / 2)
    y = np.round(function(z), 12)
    ordered = np.argsort(y)
    cumulative = np.cumsum(weight[ordered]) / weight.sum()
    edges = np.unique(y[ordered][np.searchsorted(cumulative, np.arange(1, bins) / bins)])
    index = np.searchsorted(edges, y, side="right")
    index += np.searchsorted(edges, y, side="left")  # an atom at an edge is a bin of its own
    mass = np.bincount(index, weight)
    moment = np.bincount(index, weight * HermiteE.basis(order)(z))
    # A bin as narrow as the grid knows nothing.
    kept = mass > 0.2 * weight.sum() / bins
    return moment[kept] / mass[kept] / math.sqrt(math.factorial(order))


@pytest.mark.parametrize(("text", "function", "expected"), KNOWN, ids=IDENTIFIERS)
def test_exponents_agree_with_known_values(text, function, expected):
    found = generative_exponent(text)
    assert found.value == expected
    assert found.searched == expected
    assert [zero.order for zero in found.vanishing] == list(range(1, expected))


@pytest.mark.parametrize(
    ("text", "function", "expected"), COUNTED, ids=[text for text, _, _ in COUNTED]
)
def test_exponents_agree_with_conditional_means_in_bins(text, function, expected):
    found = generative_exponent(text)
    for order in range(1, expected):
        assert np.abs(binned_moments(function, order, 20)).max() < 5e-3
    moments = binned_moments(function, expected, 300)
    assert np.abs(moments).max() > 5e-2
    # Beyond the middle of the last bins, the conditional mean is not resolved.
    slack = 0.02 + 0.1 * np.ptp(moments)
    assert moments.min() - slack <= found.coefficient <= moments.max() + slack


def test_the_bump_has_exponent_four_in_a_random_sample():
    # Damian et al. (2024) give it as a target of generative exponent 4.
    z = np.random.default_rng(1).standard_normal(400_000)
    y = z**2 * np.exp(-(z**2))
    index = np.digitize(y, np.quantile(y, np.linspace(0, 1, 9)[1:-1]))
    scores = {}
    for order in (1, 2, 3, 4):
        he = HermiteE.basis(order)(z)
        groups = [he[index == i] for i in range(8)]
        scores[order] = max(abs(g.mean()) / (g.std() / math.sqrt(g.size)) for g in groups)
    assert max(scores[1], scores[2], scores[3]) < 4.5
    assert scores[4] > 30
    assert generative_exponent(BUMP).value == 4


# Coefficients


def test_coefficients_of_indicators_are_conditional_means():
    assert abs(generative_exponent("sign(z)").coefficient) == pytest.approx(math.sqrt(2 / math.pi))
    density = lambda z: math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    moment = 2 * quad(lambda z: (z**4 - 6 * z**2 + 3) * density(z), BAND, 2 * BAND)[0]
    mass = 2 * quad(density, BAND, 2 * BAND)[0]
    inside, outside = moment / mass / math.sqrt(24), -moment / (1 - mass) / math.sqrt(24)
    coefficient = generative_exponent(EXACT_BAND).coefficient
    assert min(abs(coefficient - inside), abs(coefficient - outside)) < 1e-10


@pytest.mark.parametrize("frequency", [1, 3, 10])
def test_moments_of_a_wave_are_exponentially_small(frequency):
    # Poisson summation: zeta_1(sin a z) = 2 a exp(-a^2/2) (leading order) times sin(a z).
    coefficient = abs(generative_exponent(f"sin({frequency}*z)").coefficient)
    assert coefficient <= 2.01 * frequency * math.exp(-(frequency**2) / 2)
    assert coefficient >= 0.2 * frequency * math.exp(-(frequency**2) / 2)


def test_the_coefficient_of_the_tangent_counts_every_branch():
    # E[z | tan z = tan a], a sum over a + k pi; it counts most where |E| phi(a) is largest.
    a = np.linspace(-1.57, 1.57, 20_001)[:, None]
    z = a + math.pi * np.arange(-12, 13)
    weight = np.exp(-(z**2) / 2)
    means = (z * weight).sum(axis=1) / weight.sum(axis=1)
    found = abs(generative_exponent("tan(z)").coefficient)
    assert 0.8 * np.abs(means).max() < found <= np.abs(means).max() * (1 + 1e-6)


# Proofs


def test_odd_orders_of_an_even_function_vanish_by_symmetry():
    found = generative_exponent("cos(z)")
    assert [zero.proof for zero in found.vanishing] == [ZeroProof.SYMMETRY]
    assert found.is_proved


def test_zeros_of_a_smooth_function_are_numerical():
    found = generative_exponent(BUMP)
    proofs = [zero.proof for zero in found.vanishing]
    assert proofs == [ZeroProof.SYMMETRY, ZeroProof.NUMERICAL, ZeroProof.SYMMETRY]
    assert 0 < found.vanishing[1].bound <= 1e-30
    assert not found.is_proved


def test_an_indicator_with_closed_ends_is_decided_exactly():
    found = generative_exponent(EXACT_BAND)
    assert found.vanishing[1].proof is ZeroProof.EXACT
    assert found.vanishing[1].bound == 0
    assert found.is_proved


@pytest.mark.parametrize("level", ["1/5", "1/20", "3/10"])
def test_an_indicator_whose_ends_have_no_closed_form_is_decided_in_high_precision(level):
    # z^2 exp(-z^2) is equal at both ends, hence b phi(b) = c phi(c).
    found = generative_exponent(f"Heaviside({BUMP} - {level})")
    assert found.value == 4
    assert found.vanishing[1].proof is ZeroProof.NUMERICAL
    assert found.vanishing[1].bound <= 1e-30


def test_a_band_rounded_to_decimals_has_exponent_two():
    band = f"Heaviside(abs(z) - {BAND:.9f}) - Heaviside(abs(z) - {2 * BAND:.9f})"
    found = generative_exponent(band)
    assert found.value == 2
    assert 0 < abs(found.coefficient) < 1e-8


@pytest.mark.parametrize("text", [f"{BUMP} + z/10**12", "z**2 + z/10**20", "z**2 + relu(z - 7)"])
def test_small_asymmetries_are_seen(text):
    assert generative_exponent(text).value == 1


@pytest.mark.parametrize(
    "text",
    ["3", "sign(z)**2", "erf(z) + erfc(z)", "(z**2 - 1)/(z - 1) - z", "cosh(z)**2-sinh(z)**2"],
)
def test_a_constant_has_no_exponent(text):
    found = generative_exponent(text, 5)
    assert found.value is None
    assert found.is_infinite
    assert found.is_proved
    assert len(found.vanishing) == 5


def test_a_search_that_ends_too_early_says_so():
    found = generative_exponent(BUMP, max_order=3)
    assert found.value is None
    assert found.searched == 3
    assert not found.is_infinite
    assert str(found).startswith("generative exponent: above 3")


def test_what_is_too_small_to_be_seen_is_no_proof():
    found = generative_exponent("cos(60*z)", max_order=2)
    assert found.value is None
    assert not found.is_proved


# Invariance and theorems


@pytest.mark.parametrize("text", ["He3(z)", "He4(z)", BUMP, "min(abs(z), 1)", "z*exp(-z)"])
@pytest.mark.parametrize("outer", ["exp({})", "1000 - 3*({})", "10**6 + ({})/100", "atan({})"])
def test_invertible_transformations_of_the_label_change_nothing(text, outer):
    assert generative_exponent(outer.format(text)).value == generative_exponent(text).value


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=6).filter(lambda c: any(c[1:])))
def test_polynomials_have_exponent_at_most_two(coefficients):
    z = sympy.Symbol("z")
    polynomial = sum(c * z**n for n, c in enumerate(coefficients))
    is_even = not any(coefficients[1::2])
    assert generative_exponent(polynomial).value == (2 if is_even else 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tanh(50*z)", 1),
        ("tanh(50*z)**2", 2),
        ("cos(10*z)", 2),
        ("sin(z)/z", 2),
        ("exp(z**2)", 2),
        ("z*exp(z**2)", 1),
        ("exp(exp(z))", 1),
        ("exp(1/z)", 1),
        ("abs(z)**(1/3)", 2),
        ("z*sin(10*z)", 2),
        ("abs(sin(3*z))", 2),
        ("sign(sin(z))", 1),
        ("relu(z**5 - z - 1)", 1),
    ],
)
def test_steep_oscillating_and_singular_functions(text, expected):
    assert generative_exponent(text).value == expected


def test_every_form_of_a_function_is_accepted():
    z = sympy.Symbol("z")
    step = sympy.Piecewise((z**2, z < 1), (5, True))
    assert generative_exponent(step).value == 1
    assert generative_exponent(ScalarFunction.parse("z**2")).value == 2
    assert isinstance(generative_exponent("z", np.int64(3)), Exponent)


# Failures


@pytest.mark.parametrize("max_order", [0, -1, 51])
def test_the_highest_order_is_limited(max_order):
    with pytest.raises(InvalidInputError, match=r"max_order: got -?\d+; allowed .* 1 to 50"):
        generative_exponent("z", max_order)


@pytest.mark.parametrize(
    ("function", "max_order", "message"),
    [
        ("z", 2.5, "max_order: expected an integer, got float"),
        ("z1*z2", 4, "one variable; z1.z2 has 2"),
        ("sqrt(z)", 4, "not real on the whole real line"),
        ("cos(100*z)", 4, "more than 2000 extrema"),
    ],
)
def test_bad_input_is_named(function, max_order, message):
    with pytest.raises(InvalidInputError, match=message):
        generative_exponent(function, max_order)


def test_a_function_whose_values_cannot_be_told_apart_is_reported():
    with pytest.raises(ConvergenceError, match="could be separated") as caught:
        generative_exponent("1 + tanh(z)/10**12")
    assert caught.value.best.value is None
    assert not caught.value.status.ok


def test_importing_loads_neither_sympy_nor_mpmath():
    name = "rmt.hermite.exponents.generative"
    code = f"import sys, {name}; print({{'sympy', 'mpmath'}} & set(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert output.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("remove_hermite(3*tanh(2*z), 1)", 3),
        ("remove_hermite(remove_hermite(3*tanh(2*z), 1), 3)", 5),
        ("remove_hermite(tanh(z + 1), 1)", 2),
    ],
)
def test_a_component_that_was_removed_as_a_decimal_is_gone(target, expected):
    """What is left of it is the rounding of 25 digits, not a coefficient."""
    found = information_exponent(target)
    assert found.value == expected
    assert "not proved" in str(found)
    assert information_exponent(f"{target} + z/10**9").value == 1
