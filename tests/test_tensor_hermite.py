"""Hermite expansions of several variables against quadrature, sympy and results by hand."""

import json
import math
import pickle
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import sympy
from numpy.polynomial import hermite_e
from numpy.testing import assert_allclose

from rmt.functions import ScalarFunction
from rmt.hermite import hermite_expansion
from rmt.hermite.tensor import tensor_hermite_expansion
from rmt.hermite.tensor_tables import multi_indices
from rmt.status import InvalidInputError


def factorial(alpha):
    return math.prod(math.factorial(a) for a in alpha)


def he(k, x):
    return hermite_e.hermeval(x, [0.0] * k + [1.0])


@cache
def gauss_rule(order):
    nodes, weights = hermite_e.hermegauss(order)
    return nodes, weights / math.sqrt(2.0 * math.pi)


def gauss_hermite(function, n_variables, degree, order=80):
    """All coefficients by a tensor Gauss-Hermite rule: exact for polynomials, fast for smooth f."""
    nodes, weights = gauss_rule(order)
    values = function(*np.meshgrid(*([nodes] * n_variables), indexing="ij"))
    table = np.stack([he(k, nodes) * weights for k in range(degree + 1)])
    for _ in range(n_variables):
        values = np.tensordot(values, table, axes=([0], [1]))
    return {alpha: float(values[alpha]) for alpha in multi_indices(n_variables, degree)}


def check_against(expansion, reference, slack=1e-12):
    """Every coefficient within its error of the reference, which is good to `slack`."""
    size = math.sqrt(float(expansion.second_moment))
    for alpha, value in reference.items():
        error = abs(float(expansion.orthonormal[alpha]) - value / math.sqrt(factorial(alpha)))
        assert error <= expansion.errors[alpha] + slack * size, (alpha, value, error)


# Smooth functions against a tensor Gauss-Hermite rule

SMOOTH_AND_EXACT = {
    "z1**3*z2 - 2*z1*z2**2 + z2": 6,
    "exp(z1/2 - z2/3)*z1": 5,
    "sin(z1 + 2*z2)*z2**2": 5,
    "cos(z1 - z2)*exp((z1 + z2)/4)": 5,
    "exp(-(z1 + z2)**2/3)*z1": 5,
    "exp(-z1**2/4 + z1*z2/2 - z2**2/4 + z2/3)": 4,
    "erf(z1/3)*z2 + (z1 + z2)**3": 4,
    "exp(z1*z2/4)*z1": 5,
    "exp((z1*z2 + z2*z3 + z1*z3)/9)": 4,
    "sin(z1)*cos(z2)*z3": 4,
    "z1*z2*z3 + He2((z1 + z2 + z3)/sqrt(3))*z2": 5,
}
SMOOTH = {
    "tanh(z1/2)*z2 + z1": 4,
    "tanh((z1 - z2)/3)*z2**2": 4,
    "sin(z1*z2/2)": 5,
    "exp(z1*z2/4 + z1**2/10)": 5,
    "exp(z1/3)*tanh((z1 + z2)/3)": 4,
    "sin(z1*z2/2)*z3**2": 4,
}


@pytest.mark.parametrize("text", SMOOTH_AND_EXACT)
def test_exact_coefficients_agree_with_gauss_hermite_quadrature(text):
    f = ScalarFunction.parse(text)
    expansion = tensor_hermite_expansion(f, SMOOTH_AND_EXACT[text])
    assert expansion.is_exact
    assert expansion.second_moment.error == 0
    order = 80 if f.n_variables < 3 else 40
    check_against(expansion, gauss_hermite(f, f.n_variables, expansion.degree, order))


@pytest.mark.parametrize("text", SMOOTH)
def test_numerical_coefficients_agree_with_gauss_hermite_quadrature(text):
    f = ScalarFunction.parse(text)
    expansion = tensor_hermite_expansion(f, SMOOTH[text])
    assert not expansion.is_exact
    order = 120 if f.n_variables < 3 else 50
    check_against(expansion, gauss_hermite(f, f.n_variables, expansion.degree, order), 1e-9)
    assert max(expansion.errors.values()) <= 1e-11 * math.sqrt(float(expansion.second_moment))


def test_the_second_moment_agrees_with_gauss_hermite_quadrature():
    for text in [*SMOOTH_AND_EXACT, *SMOOTH]:
        f = ScalarFunction.parse(text)
        order = 120 if f.n_variables < 3 else 50
        value = gauss_hermite(lambda *z, f=f: f(*z) ** 2, f.n_variables, 0, order)
        second = tensor_hermite_expansion(f, 0).second_moment
        reference = value[(0,) * f.n_variables]
        assert abs(float(second) - reference) <= second.error + 1e-8 * reference, text


# Polynomials: coefficients by sympy alone


def polynomial_coefficient(expr, symbols, alpha):
    """``E[d^alpha f]`` (Stein), moments of the normal law put in by hand."""
    for symbol, a in zip(symbols, alpha, strict=True):
        expr = sympy.diff(expr, symbol, a) if a else expr
    total = sympy.Integer(0)
    for powers, coefficient in sympy.Poly(expr, *symbols).terms():
        if all(p % 2 == 0 for p in powers):
            total += coefficient * sympy.prod(sympy.factorial2(p - 1) if p else 1 for p in powers)
    return total


@pytest.mark.parametrize(
    "text", ["(z1 + 2*z2)**4*z1 - z2**3", "sqrt(2)*(z1 - z2)**3/4 + z1*z2", "(z1*z2 - z3)**3"]
)
def test_polynomials_are_exact(text):
    f = ScalarFunction.parse(text)
    expansion = tensor_hermite_expansion(f, 9)
    for alpha, value in expansion.probabilists.items():
        expected = polynomial_coefficient(f.expression, f.symbols, alpha)
        assert sympy.expand(value - expected) == 0
    assert expansion.truncation_error().value == 0
    expected = polynomial_coefficient(sympy.expand(f.expression**2), f.symbols, (0,) * len(alpha))
    assert sympy.expand(expansion.second_moment.value - expected) == 0


# Kinks


def relu_coefficient(k):
    """``E[relu(Z) He_k(Z)]`` by hand: ``He_{k-2}(0) phi(0)`` for ``k >= 2``."""
    phi = 1 / sympy.sqrt(2 * sympy.pi)
    if k < 2:
        return [phi, sympy.Rational(1, 2)][k]
    return phi * sympy.Integer(hermite_e.hermeval(0, [0] * (k - 2) + [1]).astype(int).item())


@pytest.mark.parametrize("direction", [(1, 1), (1, -1), (3, 4), (2, 1), (1, 2, 2), (1, 1, -1)])
def test_relu_of_a_linear_combination_is_exact(direction):
    symbols = sympy.symbols(f"z1:{len(direction) + 1}")
    linear = sum(c * z for c, z in zip(direction, symbols, strict=True))
    expansion = tensor_hermite_expansion(sympy.Max(0, linear), 6)
    norm = sympy.sqrt(sum(c**2 for c in direction))
    for alpha, value in expansion.probabilists.items():
        unit = sympy.prod((c / norm) ** a for c, a in zip(direction, alpha, strict=True))
        # relu is homogeneous, so the norm comes out
        assert sympy.expand(value - norm * unit * relu_coefficient(sum(alpha))) == 0
    assert expansion.second_moment.value == norm**2 / 2


def test_a_shifted_ridge_against_a_rule_along_its_direction():
    expansion = tensor_hermite_expansion("relu(2*z1 - z2 + 1)*z2", 4)
    assert expansion.is_exact
    # y1 along (2, -1), y2 across; the kink is at sqrt(5) y1 + 1 = 0, split there.
    y, w = gauss_rule(60)
    x, v = np.polynomial.legendre.leggauss(60)
    kink = -1.0 / math.sqrt(5.0)
    y1 = kink + 6.0 * (x + 1.0)
    w1 = 6.0 * v * np.exp(-(y1**2) / 2.0) / math.sqrt(2.0 * math.pi)
    a, b = np.meshgrid(y1, y, indexing="ij")
    z1, z2 = (2.0 * a + b) / math.sqrt(5.0), (-a + 2.0 * b) / math.sqrt(5.0)
    values = (math.sqrt(5.0) * a + 1.0) * z2
    reference = {
        (i, j): float(w1 @ (values * he(i, z1) * he(j, z2)) @ w) for i, j in multi_indices(2, 4)
    }
    check_against(expansion, reference)


def test_products_of_kinks_by_hand():
    # E[relu(z1) relu(z1 + z2)] = sqrt 2 (sin t + (pi - t) cos t) / (2 pi), t = pi / 4 (Cho & Saul)
    oblique = tensor_hermite_expansion("relu(z1)*relu(z1 + z2)", 2)
    t = math.pi / 4
    value = math.sqrt(2) * (math.sin(t) + (math.pi - t) * math.cos(t)) / (2 * math.pi)
    assert abs(float(oblique.probabilists[0, 0]) - value) <= oblique.errors[0, 0] < 1e-12
    # Independent factors: products of the coefficients of relu
    product = tensor_hermite_expansion("relu(z1)*relu(z2)", 6)
    for (i, j), mu in product.probabilists.items():
        assert sympy.expand(mu - relu_coefficient(i) * relu_coefficient(j)) == 0
    # relu(u v) = (u v + |u| |v|) / 2
    assert tensor_hermite_expansion("relu(z1*z2)", 1).probabilists[0, 0] == 1 / sympy.pi
    # E max(z1, z2) = 1 / sqrt(pi)
    two = tensor_hermite_expansion("max(z1, z2)", 2)
    assert two.probabilists[0, 0] == 1 / sympy.sqrt(sympy.pi)


def test_planes_that_kink_may_outnumber_the_variables():
    from scipy.integrate import quad
    from scipy.stats import norm

    # P(max < t) = Phi(t)^2 for t >= 1; E[f z1] = P(z1 is the largest) by Stein.
    largest = tensor_hermite_expansion("max(z1, z2, 1)", 1)
    mean = 1.0 + quad(lambda t: 1.0 - norm.cdf(t) ** 2, 1.0, 20.0, epsabs=1e-13)[0]
    share = (1.0 - norm.cdf(1.0) ** 2) / 2.0
    check_against(largest, {(0, 0): mean, (1, 0): share, (0, 1): share}, 1e-12)
    # In polar coordinates, E[r^3] = 3 sqrt(pi / 2)
    lines = tensor_hermite_expansion("abs(z1)*abs(z2)*abs(z1 + z2)", 0)
    mean = math.sqrt(math.pi / 2) * (8 - 2 * math.sqrt(2)) / (2 * math.pi)
    check_against(lines, {(0, 0): mean}, 1e-14)
    for expansion in (largest, lines):
        assert max(expansion.errors.values()) < 1e-13


def test_the_largest_of_three():
    expansion = tensor_hermite_expansion("max(z1, z2, z3)", 1)
    mean = 1.5 / math.sqrt(math.pi)
    reference = {(0, 0, 0): mean, (1, 0, 0): 1 / 3, (0, 1, 0): 1 / 3, (0, 0, 1): 1 / 3}
    check_against(expansion, reference, 1e-14)
    assert max(expansion.errors.values()) < 1e-9


@pytest.mark.parametrize("slope", ["1/100", "100"])
def test_kinks_at_a_small_angle(slope):
    # Cho & Saul, as above
    expansion = tensor_hermite_expansion(f"relu(z1)*relu(z1 + {slope}*z2)", 0)
    c = float(sympy.Rational(slope))
    t = math.atan(c)
    value = math.hypot(1, c) * (math.sin(t) + (math.pi - t) * math.cos(t)) / (2 * math.pi)
    check_against(expansion, {(0, 0): value}, 1e-14)
    assert expansion.errors[0, 0] < 1e-12 * value


def test_errors_bound_the_distance_where_kinks_cut_across_every_rule():
    # Given a = z1 z2: E relu(a + Z) = a Phi(a) + phi(a), E[relu(a + Z) Z] = Phi(a), both smooth.
    from scipy.stats import norm

    expansion = tensor_hermite_expansion("relu(z1*z2 + z3)", 2)
    z, w = gauss_rule(200)
    a = np.multiply.outer(z, z)
    mean, slope = a * norm.cdf(a) + norm.pdf(a), norm.cdf(a)
    cases = {
        (0, 0, 0): w @ mean @ w,
        (0, 0, 1): w @ slope @ w,
        (1, 1, 0): w @ (mean * a) @ w,
        (2, 0, 0): w @ (mean * he(2, z)[:, None]) @ w,
    }
    for alpha, value in cases.items():
        error = abs(float(expansion.orthonormal[alpha]) - value / math.sqrt(factorial(alpha)))
        assert error <= expansion.errors[alpha] + 1e-6
        assert expansion.errors[alpha] < 0.05


# Exact zeros


@pytest.mark.parametrize(
    ("text", "is_zero"),
    [
        ("tanh(z1*z2)", lambda a, b: a % 2 == 0 or b % 2 == 0),
        ("cos(z1*z2)", lambda a, b: a % 2 == 1 or b % 2 == 1),
        ("sin(z1*z2 + z1**2)", lambda a, b: (a + b) % 2 == 1),
        ("tanh(z1)*z2", lambda a, b: a % 2 == 0 or b != 1),
        ("log(1 + z1**2 + z2**2)", lambda a, b: a % 2 == 1 or b % 2 == 1),
    ],
)
def test_what_vanishes_by_parity_is_exactly_zero(text, is_zero):
    expansion = tensor_hermite_expansion(text, 5)
    for alpha, value in expansion.probabilists.items():
        if is_zero(*alpha):
            assert value == 0
            assert expansion.errors[alpha] == 0
        else:
            assert expansion.errors[alpha] > 0


def test_cancelling_terms_are_exactly_zero():
    # He3 of a unit combination has no linear part; sqrt's must cancel.
    expansion = tensor_hermite_expansion("He3((z1 + sqrt(2)*z2)/sqrt(3))", 3)
    assert all(expansion.probabilists[alpha] == 0 for alpha in multi_indices(2, 2))
    # relu(x) - relu(-x) = x
    expansion = tensor_hermite_expansion("relu(z1 + z2) - relu(-z1 - z2) - z1 - z2", 5)
    assert not any(expansion.probabilists.values())
    assert expansion.is_exact


# What is made of the coefficients


def test_orthonormal_coefficients_tensors_and_evaluation():
    expansion = tensor_hermite_expansion("z1**2*z2 + 3*z1*z2*z3 - z3", 3)
    assert expansion.orthonormal[2, 1, 0] == sympy.sqrt(2)
    third = expansion.tensor(3)
    assert third.shape == (3, 3, 3)
    assert third[0, 0, 1] == third[0, 1, 0] == third[1, 0, 0] == 2.0
    assert third[0, 1, 2] == third[2, 1, 0] == 3.0
    assert_allclose(expansion.tensor(1), [0.0, 1.0, -1.0])
    assert expansion.tensor(0) == 0.0
    z = np.random.default_rng(1).standard_normal((3, 4, 5))
    assert_allclose(expansion(*z), expansion.function(*z), atol=1e-12)
    assert expansion.evaluate(1.0, z[1], 0.5).shape == (4, 5)


def test_parseval():
    expansion = tensor_hermite_expansion("relu(z1 + z2)*z1", 6)
    norms = [
        np.linalg.norm(expansion.tensor(k)) ** 2 / math.factorial(k)
        for k in range(expansion.degree + 1)
    ]
    left = float(expansion.second_moment) - sum(norms)
    assert_allclose(float(expansion.truncation_error()) ** 2, left, rtol=1e-9)
    # By quadrature of the remainder itself, along and across the kink.
    x, v = np.polynomial.legendre.leggauss(60)
    y1 = np.concatenate([5.0 * (x + 1.0), -5.0 * (x + 1.0)])
    w1 = np.tile(5.0 * v, 2) * np.exp(-(y1**2) / 2.0) / math.sqrt(2.0 * math.pi)
    y, w = gauss_rule(40)
    a, b = np.meshgrid(y1, y, indexing="ij")
    z1, z2 = (a + b) / math.sqrt(2), (a - b) / math.sqrt(2)
    remainder = w1 @ (expansion.function(z1, z2) - expansion(z1, z2)) ** 2 @ w
    assert_allclose(left, remainder, rtol=1e-9)


def test_truncation_error_knows_what_it_does_not_know():
    whole = tensor_hermite_expansion("tanh(z1*z2)", 12)
    assert 0 < whole.truncation_error().error < 1e-9
    errors = [
        float(tensor_hermite_expansion("tanh(z1*z2)", d).truncation_error()) for d in (2, 6, 12)
    ]
    assert errors == sorted(errors, reverse=True)


def test_one_variable():
    expansion = tensor_hermite_expansion("relu(z)", 6)
    assert [expansion.probabilists[k,] for k in range(7)] == [relu_coefficient(k) for k in range(7)]
    assert_allclose(expansion.tensor(2), [[1 / math.sqrt(2 * math.pi)]])


def test_errors_are_those_of_orthonormal_coefficients():
    # sqrt(9!) = 602 tells the two normalisations apart, whatever the rounding.
    several, one = tensor_hermite_expansion("tanh(z)", 9), hermite_expansion("tanh(z)", 9)
    assert_allclose(several.errors[9,], one.errors[9], rtol=1.0)
    own = math.sqrt(math.factorial(9)) * several.errors[9,]
    assert_allclose([several.tensor_errors(9).item(), several.estimates[9,].error], own)


@pytest.mark.parametrize("text", ["relu(z1 + z2)", "tanh(z1*z2)*z3", "tanh(z)"])
def test_json(text):
    expansion = tensor_hermite_expansion(text, 2)
    document = json.loads(json.dumps(expansion.to_dict(), allow_nan=False))
    assert document == expansion.to_dict()
    indices = [tuple(alpha) for alpha in document["indices"]]
    assert indices == list(expansion.probabilists)
    for i, alpha in enumerate(indices):
        orthonormal = document["orthonormal_float"][i]
        assert orthonormal == pytest.approx(float(sympy.sympify(document["orthonormal"][i])))
        mu = document["probabilists_float"][i]
        assert mu == pytest.approx(orthonormal * math.sqrt(factorial(alpha)))
        assert mu == pytest.approx(float(sympy.sympify(document["probabilists"][i])))
        assert document["exact"][i] == (document["errors"][i] == 0)
    left = document["second_moment_float"] - sum(c**2 for c in document["orthonormal_float"])
    assert document["truncation_error"] == pytest.approx(math.sqrt(left))


def test_decimals_of_many_digits():
    # Longer than a double: kept as decimals, so that what cancels is a Float.
    c = "0.1234567890123456789012346"
    ridge = tensor_hermite_expansion(f"tanh({c}*(z1 + 2*z2))", 3)
    assert_allclose(ridge.tensor(1)[1], 2.0 * ridge.tensor(1)[0], rtol=1e-14)
    assert ridge.probabilists[1, 1] == 0
    assert max(ridge.errors.values()) < 1e-14
    assert tensor_hermite_expansion(f"relu({c}*z1 - z2)*z2", 1).orthonormal[0, 1] != 0


def test_text_and_pickle():
    expansion = tensor_hermite_expansion("relu(z1 + z2)", 2)
    lines = str(expansion).splitlines()
    assert lines[0] == "Hermite expansion of max(z1 + z2, 0) up to degree 2"
    assert "1/sqrt(pi)" in lines[2]
    assert len(str(tensor_hermite_expansion("exp(z1/2 + z2/3)", 12)).splitlines()) < 30
    assert pickle.loads(pickle.dumps(expansion)) == expansion


def test_conditions_on_two_variables():
    # z1 where z1 > z2: E = 1 / (2 sqrt(pi)) by symmetry with max(z1, z2)
    expansion = tensor_hermite_expansion("Piecewise((z1, z1 > z2), (0, True))", 2)
    value = float(expansion.probabilists[0, 0])
    assert abs(value - 0.5 / math.sqrt(math.pi)) <= expansion.errors[0, 0] < 1e-12


# Errors


@pytest.mark.parametrize("degree", [-1, 13, 1.5, True, "2"])
def test_the_degree_is_checked(degree):
    with pytest.raises(InvalidInputError, match="degree: expected"):
        tensor_hermite_expansion("z1*z2", degree)


@pytest.mark.parametrize("text", ["exp(z1*z2)", "exp(z1**2/3)*z2", "sqrt(z1)*z2"])
def test_functions_without_a_second_moment_are_refused(text):
    with pytest.raises(InvalidInputError, match=r"second moment|not real"):
        tensor_hermite_expansion(text, 2)


def test_arguments_are_counted():
    expansion = tensor_hermite_expansion("z1*z2", 2)
    with pytest.raises(InvalidInputError, match="expected 2 array"):
        expansion(1.0)
    with pytest.raises(InvalidInputError, match="order: expected 0"):
        expansion.tensor(3)


def test_sympy_is_not_loaded_with_the_module():
    names = "sys, rmt.hermite.tensor, rmt.hermite.exponents.staircase"
    code = f"import {names}; print('sympy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "False"
