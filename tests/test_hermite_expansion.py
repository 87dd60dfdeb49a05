"""Hermite expansions against quadrature that knows nothing of them, and against themselves."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st

from rmt.functions import ScalarFunction
from rmt.hermite import general_term, hermite_expansion
from rmt.moments.exact.closed_form import exact_coefficients, exact_second_moment
from rmt.moments.exact.real_special import ImagErf, OwenT, RealErf, bivariate_normal_cdf
from rmt.moments.precise.coefficients import precise_coefficients
from rmt.status import ConvergenceError, InvalidInputError

mp = mpmath.mp.clone()
mp.dps = 80


def number(value: Any, digits: int = 60) -> Any:
    return mp.mpf(str(value.evalf(digits, maxn=4000))) if value else mp.mpf(0)


# What everybody knows


def test_relu_by_hand() -> None:
    """mu_k = He_{k-2}(0) / sqrt(2 pi) for k >= 2."""
    mu = hermite_expansion("relu(z)", 8).probabilists
    root = sympy.sqrt(2 * sympy.pi)
    assert mu[:2] == (1 / root, sympy.Rational(1, 2))
    assert [sympy.simplify(m * root) for m in mu[2:]] == [1, 0, -1, 0, 3, 0, -15]


def test_arcsine_laws() -> None:
    """E[erf(Z)^2] and the arc-cosine kernel at 1."""
    assert hermite_expansion("erf(z)", 1).second_moment == 2 * sympy.asin(sympy.Rational(2, 3)) / (
        sympy.pi
    )
    assert hermite_expansion("relu(z)", 1).second_moment == sympy.Rational(1, 2)


def test_polynomials_are_their_own_expansion() -> None:
    expansion = hermite_expansion("He3(z) + 2*He5(z)", 7)
    assert expansion.probabilists == (0, 0, 0, 6, 0, 240, 0, 0)
    assert expansion.truncation_error() == 0.0
    z = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(expansion(z), expansion.function(z), rtol=1e-12, atol=1e-12)


# Properties of random members of the class


rationals = st.fractions(-2, 2, max_denominator=6)
scales = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(-3, 2), Fraction(2, 3)])


@st.composite
def smooth_terms(draw: Any) -> str:
    """One term polynomial x kernel, as text; grows slower than exp(z^2/8)."""
    c, u, v = draw(rationals), draw(scales), draw(rationals)
    power = draw(st.integers(0, 2))
    kernel = draw(
        st.sampled_from(["1", "exp({u}*z + {v})", "exp(-({u}*z + {v})**2)", "exp(z**2/16 + {v}*z)"])
    ).format(u=f"({u})", v=f"({v})")
    wave = draw(
        st.sampled_from(["1", "sin({u}*z + {v})", "erf({u}*z + {v})", "cos({u}*z)"])
    ).format(u=f"({u})", v=f"({v})")
    return f"({c})*z**{power}*{kernel}*{wave}"


@st.composite
def smooth_functions(draw: Any) -> str:
    return " + ".join(draw(st.lists(smooth_terms(), min_size=1, max_size=2)))


@st.composite
def kinked_functions(draw: Any) -> str:
    """Two smooth pieces without error functions, joined at a random place."""
    parts = []
    for _ in range(2):
        c, u, v = draw(rationals), draw(scales), draw(rationals)
        forms = ["z**2", "z", "exp({u}*z)", "exp(-z**2 + {v}*z)", "sin({u}*z)"]
        form = draw(st.sampled_from(forms))
        parts.append(f"({c})*" + form.format(u=f"({u})", v=f"({v})"))
    return f"Piecewise(({parts[0]}, z < {draw(rationals)}), ({parts[1]}, True))"


functions = st.one_of(smooth_functions(), kinked_functions())
quick = settings(max_examples=15)


def exact(text: str, order: int) -> list[Any]:
    coefficients = exact_coefficients(ScalarFunction.parse(text), order)
    assert coefficients is not None
    return [number(mu, 40) for mu in coefficients]


def close(a: Any, b: Any, scale: Any = 1) -> bool:
    return bool(abs(a - b) <= mp.mpf(10) ** -30 * (abs(a) + abs(b) + abs(scale)))


@settings(max_examples=12)  # the precise route takes a fifth of a second for each
@given(functions)
def test_routes_agree_on_random_functions(text: str) -> None:
    f = ScalarFunction.parse(text)
    precise = precise_coefficients(f, 6, 25)
    for mu, value, error in zip(exact(text, 6), precise.values, precise.errors, strict=True):
        assert abs(mu - mp.mpf(value)) <= mp.mpf(error) + mp.mpf(10) ** -35 * abs(mu)


@quick
@given(smooth_functions())
def test_stein(text: str) -> None:
    """mu_{k+1}(f) = mu_k(f')."""
    f = ScalarFunction.parse(text)
    derivative = ScalarFunction.parse(sympy.diff(f.expression, f.symbols[0]))
    slope = exact_coefficients(derivative, 6)
    assert slope is not None
    for mu, other in zip(exact(text, 7)[1:], slope, strict=True):
        assert close(mu, number(other, 40))


@quick
@given(functions)
def test_three_term_recurrence(text: str) -> None:
    """mu_k(z f) = mu_{k+1}(f) + k mu_{k-1}(f)."""
    mu, raised = exact(text, 7), exact(f"z*({text})", 6)
    for k in range(7):
        lower = k * mu[k - 1] if k else 0
        assert close(raised[k], mu[k + 1] + lower, mu[k + 1])


@quick
@given(functions, functions, rationals)
def test_linearity(one: str, other: str, factor: Fraction) -> None:
    total = exact(f"{one} + ({factor})*({other})", 5)
    for t, a, b in zip(total, exact(one, 5), exact(other, 5), strict=True):
        c = mp.mpf(factor.numerator) / factor.denominator
        assert close(t, a + c * b, abs(a) + abs(b))


@quick
@given(functions)
def test_reflection(text: str) -> None:
    """mu_k(f(-z)) = (-1)^k mu_k(f)."""
    f = ScalarFunction.parse(text)
    (z,) = f.symbols
    mirrored = exact_coefficients(ScalarFunction.parse(f.expression.subs(z, -z)), 6)
    assert mirrored is not None
    for k, (mu, other) in enumerate(zip(exact(text, 6), mirrored, strict=True)):
        assert close((-1) ** k * mu, number(other, 40))


@quick
@given(functions)
def test_parseval(text: str) -> None:
    """E[f^2] - sum_{k <= K} c_k^2 is the squared distance of the partial sum."""
    f = ScalarFunction.parse(text)
    second = exact_second_moment(f)
    if second is None:
        second = sympy.Float(str(precise_coefficients(f, 0, 30).second_moment), 30)
    total, order = number(second, 40), 12
    mu = exact(text, order)
    rest = total - mp.fsum(m**2 / mp.factorial(k) for k, m in enumerate(mu))
    assert rest >= -(mp.mpf(10) ** -28) * total
    z, step = np.linspace(-14, 14, 280_001, retstep=True)
    series = sum(
        float(m / mp.factorial(k)) * np.polynomial.hermite_e.hermeval(z, np.eye(order + 1)[k])
        for k, m in enumerate(mu)
    )
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * step
    distance = float(weight @ (f(z) - series) ** 2)
    assert distance == pytest.approx(float(rest), rel=1e-3, abs=1e-4 * float(total))


# General terms


GENERAL = [
    *("relu(z)", "leaky_relu(2*z - 1)", "abs(z)", "abs(z - 1/3)", "sign(z)", "heaviside(z - 1)"),
    *("sin(2*z + 1/2)", "cos(3*z)", "exp(z/3 + 1)", "erf(z)", "erf(2*z + 1/3)", "gelu(z)"),
    *("gelu(2*z - 1)", "He3(z)/sqrt(6)", "z**4", "exp(-z**2)", "exp(-(z - 1)**2/2)"),
    *("z*exp(-z**2 + z)", "exp(z**2/8)", "exp(z**2/8 + z)", "relu(z)**2", "hard_tanh(z)"),
    *("relu(z) + sin(z)", "exp(z)*cos(z)", "z*sin(z)", "z**2*erf(z)", "cosh(z)", "relu6(z + 1)"),
]


@pytest.mark.parametrize("text", GENERAL)
def test_general_term(text: str) -> None:
    """The expression in k and its values at whole k against the coefficients one by one."""
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    expression = general_term(text, k)
    exact_values = exact_coefficients(ScalarFunction.parse(text), 12)
    assert exact_values is not None
    for order, mu in enumerate(exact_values):
        for value in (expression.subs(k, order), general_term(text, order)):
            difference = sympy.expand_func(value - mu)
            assert abs(complex(difference.evalf(30))) < 1e-20, order


def test_general_term_of_relu() -> None:
    assert str(hermite_expansion("relu(z)", 2).general_term()) == "2**(k/2 - 3/2)/gamma(3/2 - k/2)"


@pytest.mark.parametrize("text", ["tanh(z)", "elu(z)", "erf(z)**2"])
def test_no_general_term(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no general term"):
        general_term(text)


# Methods


def test_truncation_error_falls_as_it_should() -> None:
    """ReLU: c_k^2 ~ k^{-5/2}, so the rest falls as K^{-3/4}."""
    expansion = hermite_expansion("relu(z)", 400)
    ratio = expansion.truncation_error(100) / expansion.truncation_error(400)
    assert ratio == pytest.approx(4**0.75, rel=0.01)
    assert expansion.decay().rate == 1.25


@pytest.mark.parametrize("text", ["tanh(z)", "gelu(z)", "relu(z)", "sin(2*z)", "softsign(z)"])
def test_truncation_error_is_the_distance(text: str) -> None:
    """Against a plain integral of (f - f_K)^2."""
    expansion = hermite_expansion(text, 9)
    f = expansion.function
    z, step = np.linspace(-12, 12, 480_001, retstep=True)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * step
    for order in (0, 4, 9):
        distance = math.sqrt(weight @ (f(z) - expansion(z, order)) ** 2)
        assert expansion.truncation_error(order) == pytest.approx(distance, rel=1e-5)


def test_truncation_error_far_below_double_precision() -> None:
    """exp(z/2): the rest after order K is e^{1/4} sum_{k > K} (1/4)^k / k!."""
    expansion = hermite_expansion("exp(z/2)", 40)
    with mpmath.workdps(60):
        rest = mpmath.exp(mpmath.mpf(1) / 4) * mpmath.nsum(
            lambda k: mpmath.mpf("0.25") ** k / mpmath.factorial(k), [41, 80]
        )
        expected = float(mpmath.sqrt(rest))
    assert expansion.truncation_error() == pytest.approx(expected, rel=1e-8)


def test_derivative_product_power_rescaling() -> None:
    gelu = hermite_expansion("gelu(z)", 6)
    assert gelu.derivative().probabilists == gelu.probabilists[1:]
    assert (
        hermite_expansion("elu(z)", 4).derivative().probabilists[1]
        == (hermite_expansion("elu(z)", 4).probabilists[2])
    )
    assert gelu.times("z").probabilists[1] == gelu.probabilists[2] + gelu.probabilists[0]
    assert hermite_expansion("relu(z)", 3).power(2) == hermite_expansion("relu(z)**2", 3)
    moved = hermite_expansion("relu(z)", 3).rescaled(variance="1/4", mean=1)
    assert moved.probabilists == hermite_expansion("relu(z/2 + 1)", 3).probabilists
    with pytest.raises(InvalidInputError, match="jumps at"):
        hermite_expansion("sign(z)", 3).derivative()


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("sign(z)", ("algebraic", 0.75)),
        ("abs(z)", ("algebraic", 1.25)),
        ("relu(z)**2", ("algebraic", 1.75)),
        ("softsign(z)", ("algebraic", 1.75)),
        ("He3(z)", ("finite", math.inf)),
    ],
)
def test_decay(text: str, law: tuple[str, float]) -> None:
    decay = hermite_expansion(text, 10).decay()
    assert (decay.kind, decay.rate) == law


def test_decay_of_tanh_is_the_distance_of_its_pole() -> None:
    """exp(-rate sqrt(k)) with the pole at i pi/2."""
    decay = hermite_expansion("tanh(z)", 300, digits=20).decay()
    assert decay.kind == "exponential"
    assert decay.rate == pytest.approx(math.pi / 2, rel=0.05)


def test_exact_coefficients_of_high_order_are_fast_and_right() -> None:
    expansion = hermite_expansion("relu(z)", 500)
    k = 500
    with mpmath.workdps(30):
        double_factorial = mpmath.fac2(k - 3)
        expected = double_factorial / mpmath.sqrt(2 * mpmath.pi * mpmath.factorial(k))
        assert abs(expansion.orthonormal_array[k]) == pytest.approx(float(expected), rel=1e-13)


# Real special functions


@pytest.mark.parametrize(("h", "a"), [(0.5, 2), (2, 0.3), (-0.4, -3), (6, 0.9), (0, 5), (1, 1)])
def test_owen_t(h: float, a: float) -> None:
    from scipy.special import owens_t

    value = OwenT(sympy.Rational(str(h)), sympy.Rational(str(a)))
    assert float(value.evalf(20)) == pytest.approx(owens_t(h, a), rel=1e-13)


@pytest.mark.parametrize(
    ("h", "k", "rho"),
    [
        *((1, 2, 0.5), (0, 1, 0.3), (0, -1, 0.3), (1, -2, -0.7)),
        *((-1, -1, 0.2), (0, 0, 0.4), (1, 0, -0.6)),
    ],
)
def test_bivariate_normal(h: float, k: float, rho: float) -> None:
    from scipy.stats import multivariate_normal

    exact_value = bivariate_normal_cdf(*(sympy.Rational(str(x)) for x in (h, k, rho)))
    reference = multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([h, k])
    assert float(exact_value.evalf(20)) == pytest.approx(reference, rel=1e-9)


def test_parts_of_the_complex_error_function() -> None:
    x, y = sympy.Rational(2, 3), sympy.Rational(-5, 4)
    with mpmath.workdps(40):
        reference = mpmath.erf(mpmath.mpc(mpmath.mpf(2) / 3, mpmath.mpf(-5) / 4))
        assert abs(mpmath.mpf(RealErf(x, y).evalf(40)._mpf_) - reference.real) < 1e-38
        assert abs(mpmath.mpf(ImagErf(x, y).evalf(40)._mpf_) - reference.imag) < 1e-38


# Output


def test_table_and_dict() -> None:
    expansion = hermite_expansion("tanh(z)", 3)
    assert "+- " in str(expansion)
    document = json.loads(json.dumps(expansion.to_dict()))
    assert document["exact"] == [True, False, True, False]
    assert document["orthonormal_float"][1] == pytest.approx(0.6057055096, rel=1e-9)
    table = hermite_expansion("tanh(z)", 1, digits=32).table()
    assert "0.60570550960215882558354022755588" in table


def test_digits_mean_digits() -> None:
    few, many = (hermite_expansion("tanh(z)", 21, digits=d) for d in (12, 60))
    for a, b in zip(few.probabilists, many.probabilists, strict=True):
        assert abs(a - b) <= abs(b) * sympy.Float("1e-12")


# Bad input


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("z1*z2", {}, "tensor_hermite_expansion"),
        ("relu(z)", {"order": -1}, "allowed are 0 to 500"),
        ("relu(z)", {"order": 501}, "allowed are 0 to 500"),
        ("relu(z)", {"order": 2.0}, "whole number"),
        ("relu(z)", {"digits": 0}, "allowed are 1 to 1000"),
        ("relu(z)", {"digits": 10**6}, "allowed are 1 to 1000"),
        ("exp(z**2/4)", {}, "square-integrable"),
        ("exp(z**2)", {}, "square-integrable"),
        ("exp(exp(z))", {}, "square-integrable"),
        ("exp(exp(exp(z)))", {}, "square-integrable"),
        ("1/z", {}, "square-integrable"),
        ("tan(z)", {}, "square-integrable"),
        ("1/(z**2 - 2)", {}, "square-integrable"),
        ("sqrt(z)", {}, "not real"),
        ("log(z)", {}, "not real"),
    ],
)
@pytest.mark.parametrize("digits", [None, 30])
def test_bad_input(
    function: str, arguments: dict[str, Any], message: str, digits: int | None
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        hermite_expansion(function, **{"order": 4, "digits": digits, **arguments})


def test_work_limit() -> None:
    """A function with structure on too fine a scale: the limit is named, the best is attached."""
    with pytest.raises(ConvergenceError, match="evaluations") as caught:
        precise_coefficients(ScalarFunction.parse("tanh(1000*z)"), 3, 60, max_evaluations=2_000)
    assert caught.value.best is not None


def test_import_stays_light() -> None:
    code = "import sys, rmt, rmt.hermite; print('sympy' in sys.modules, 'mpmath' in sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert result.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("text", ["relu(z)", "tanh(z)"])
def test_numpy_integers_are_whole_numbers(text: str) -> None:
    expansion = hermite_expansion(text, np.int64(3), digits=np.int32(20))
    assert expansion is hermite_expansion(text, 3, digits=20)
    assert json.loads(json.dumps(expansion.to_dict()))["order"] == 3
