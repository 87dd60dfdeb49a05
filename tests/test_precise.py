"""Hermite moments in any precision, against integrals that share no code with them."""

import math
import time
from functools import cache

import mpmath
import numpy as np
import pytest

from rmt.functions import ScalarFunction
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.integrability import check_square_integrable
from rmt.moments.precise.coefficients import PreciseCoefficients, precise_coefficients
from rmt.pieces.ends import refined_end, singular_at
from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status

mp = mpmath.mp

ROOT = (
    "0.73908513321516064165531208767387340401341175890075746496568063577328465488354759459937610693"
)


def hermite(k, z):
    previous, current = mpmath.mpf(0), mpmath.mpf(1)
    for j in range(k):
        previous, current = current, z * current - j * previous
    return current


def reference(f, orders, places, digits):
    """``E[f He_k]`` and ``E[f^2]`` by mpmath's tanh-sinh rule between the places."""
    value, density = cache(f), cache(mpmath.npdf)
    with mpmath.workdps(digits):
        places = [mpmath.mpf(p) for p in places]
        moments = [
            mpmath.quad(lambda z, k=k: value(z) * density(z) * hermite(k, z), places)
            for k in orders
        ]
        return moments, mpmath.quad(lambda z: value(z) ** 2 * density(z), places)


@pytest.mark.parametrize("digits", [5, 50])
def test_exponential_against_its_closed_form(digits):
    # mu_k = a**k exp(a**2/2): coefficients that are tiny beside sqrt(k! E[f^2]).
    found = precise_coefficients(ScalarFunction.parse("exp(z/3)"), 30, digits)
    lost = 0
    with mpmath.workdps(130):
        a = mpmath.mpf(1) / 3
        for k in range(31):
            moment = a**k * mpmath.exp(a**2 / 2)
            size = mpmath.sqrt(mpmath.factorial(k) * mpmath.exp(2 * a**2))
            error = abs(found.values[k] - moment)
            if moment < mpmath.mpf(10) ** -(digits + 10) * size:
                assert found.values[k] == 0
                assert moment <= found.errors[k]
                assert found.errors[k] <= mpmath.mpf(10) ** -(digits + 9.99) * size
                lost += 1
            else:
                assert error <= found.errors[k] <= mpmath.mpf(10) ** -digits * moment
    assert (lost > 0) == (digits == 5)


def test_shifted_relu_against_its_closed_form():
    # E[(Z + b)_+ He_k] = (-1)**k He_{k-2}(b) phi(b) for k >= 2.
    found = precise_coefficients(ScalarFunction.parse("relu(z + 7/10)"), 25, 60)
    with mpmath.workdps(90):
        b = mpmath.mpf(7) / 10
        for k in range(2, 26):
            moment = (-1) ** k * hermite(k - 2, b) * mpmath.npdf(b)
            assert abs(found.values[k] - moment) <= found.errors[k]
            assert found.errors[k] <= mpmath.mpf(10) ** -60 * abs(moment)
        mean = b * mpmath.ncdf(b) + mpmath.npdf(b)
        assert abs(found.values[0] - mean) <= found.errors[0]


def test_singular_point_that_has_no_exact_form():
    found = precise_coefficients(ScalarFunction.parse("sqrt(abs(cos(z)-z))"), 1, 30)
    f = lambda z: mpmath.sqrt(abs(mpmath.cos(z) - z))  # noqa: E731
    moments, square = reference(f, (0, 1), (-20, -9, -3, ROOT, 3, 9, 20), 45)
    with mpmath.workdps(45):
        # The reference loses half of its digits at the root.
        for k in (0, 1):
            assert abs(found.values[k] - moments[k]) <= mpmath.mpf("1e-28")
        assert abs(found.second_moment - square) <= mpmath.mpf("1e-28")


def test_zero_by_parity_and_numerical_zero():
    odd = precise_coefficients(ScalarFunction.parse("tanh(z)"), 4, 20)
    assert [odd.values[k] for k in (0, 2, 4)] == [0, 0, 0]
    assert [odd.errors[k] for k in (0, 2, 4)] == [0, 0, 0]
    # E[f He_2] = 0, which no symmetry shows.
    found = precise_coefficients(ScalarFunction.parse("z**3 + exp(z) - z**2*exp(1/2)/2"), 2, 20)
    assert found.values[2] == 0
    with mpmath.workdps(40):
        size = mpmath.sqrt(2 * found.second_moment)
        assert 0 < found.errors[2] <= size * mpmath.mpf("1.01e-30")
    nothing = precise_coefficients(ScalarFunction.parse("0"), 2, 20)
    assert nothing.values == nothing.errors == (0, 0, 0)


def test_scale_of_the_function_does_not_matter():
    small = precise_coefficients(ScalarFunction.parse("tanh(z)/10**200"), 5, 30)
    plain = precise_coefficients(ScalarFunction.parse("tanh(z)"), 5, 30)
    for k in (1, 3, 5):
        assert abs(small.values[k] * mpmath.mpf(10) ** 200 / plain.values[k] - 1) < 1e-14
    far = precise_coefficients(ScalarFunction.parse("relu(z - 12)"), 3, 25)
    with mpmath.workdps(50):
        assert abs(far.values[2] - mpmath.npdf(12)) <= far.errors[2]
        assert far.errors[2] <= far.values[2] * mpmath.mpf(10) ** -25


def test_function_that_begins_far_out():
    # E[f] = E[f^2] = erfc(a/sqrt(2))/2, so that E[f] is nothing beside sqrt(E[f^2]).
    found = precise_coefficients(ScalarFunction.parse("heaviside(z - 60)"), 1, 15)
    with mpmath.workdps(30):
        mean = mpmath.erfc(60 / mpmath.sqrt(2)) / 2
        error = found.second_moment_error
        assert abs(found.second_moment - mean) <= error <= mean * mpmath.mpf("1e-15")
        assert found.values[0] == 0
        assert mean <= found.errors[0] <= mpmath.sqrt(mean) * mpmath.mpf("1.01e-25")
    with pytest.raises(ConvergenceError, match="zero wherever"):
        precise_coefficients(ScalarFunction.parse("heaviside(z - 10**6)"), 1, 15)


def test_nothing_narrow_is_passed_over():
    found = precise_coefficients(ScalarFunction.parse("exp(-10000*(z-1/3)**2)"), 1, 15)
    with mpmath.workdps(30):
        s = mpmath.mpf(1) + 20000
        mean = mpmath.exp(-mpmath.mpf(10000) / 9 / s) / mpmath.sqrt(s)
        assert abs(found.values[0] - mean) <= found.errors[0] <= mean * mpmath.mpf("1e-15")


def test_double_precision_at_a_singular_point_off_the_origin():
    function = ScalarFunction.parse("log(abs(z - sqrt(2)))")
    exact, found = precise_coefficients(function, 12, 17), double_coefficients(function, 12)
    with mpmath.workdps(30):
        for k in range(13):
            c = exact.values[k] / mpmath.sqrt(mpmath.factorial(k))
            assert abs(found.orthonormal[k] - c) <= found.errors[k]
        assert abs(found.second_moment - exact.second_moment) <= found.second_moment_error
    assert found.errors.max() <= 1e-14 * math.sqrt(found.second_moment)


# What is square-integrable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exp(z**2/4)", "exp\\(z\\*\\*2/4\\) or faster"),
        ("exp(z**2)", "not square-integrable"),
        ("exp(z**2/4 - z)", "minus infinity"),
        ("exp(z**2/4)*erf(z)", "exp\\(z\\*\\*2/4\\) or faster"),
        ("exp(exp(z))", "plus infinity"),
        ("exp(exp(-z))", "minus infinity"),
        ("exp(exp(exp(z)))", "plus infinity"),
        ("exp(exp(exp(exp(z))))", "plus infinity"),
        ("abs(exp(exp(exp(z))) - 5)", "plus infinity"),
        ("exp(z**2*sin(z)**2)", "not square-integrable"),
        ("sin(exp(exp(exp(z))))", "overflow"),
        ("1/z", "near z = 0 it grows like"),
        ("1/(z**2-2)", "near z = -1.41421"),
        ("1/(z - exp(-z))", "near z = 0.567143"),
        ("1/sin(z)", "the power must exceed -1/2"),
        ("tan(z)", "the power must exceed -1/2"),
        ("abs(z)**(-1/2)", "\\*\\*\\(-0.5\\)"),
        ("exp(1/z)", "near z = 0 it grows"),
        ("sqrt(z)", "not real"),
        ("z1*z2", "2 variables"),
    ],
)
def test_refused_quickly(text, message):
    start = time.process_time()
    function = ScalarFunction.parse(text)
    with pytest.raises(InvalidInputError, match=message):
        check_square_integrable(function)
    with pytest.raises(InvalidInputError, match=message):
        precise_coefficients(function, 3, 20)
    with pytest.raises(InvalidInputError, match=message):
        double_coefficients(function, 3)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "text",
    [
        "log(abs(z))",
        "abs(z)**(-1/4)",
        "abs(z)**(1/2)",
        "exp(z**2/5)",
        "exp(-exp(exp(exp(z))))",
        "exp(-1/z**2)",
        "log(1 - tanh(z))",
        "acos(tanh(z))",
        "exp(z**2*(1/4 - 10**(-12)))",  # the ends of what is read off the symbolic form
        "exp(z**2/4 - abs(z))",
        "heaviside(z)*exp(z**2)*erfc(z)",  # its factors alone are not
        "exp(100*z)",
        "z**200",
        "abs(sin(z))**(-1/3)",
    ],
)
def test_accepted(text):
    check_square_integrable(ScalarFunction.parse(text))


@pytest.mark.parametrize(
    ("order", "digits", "limit"),
    [(-1, 20, 10), (2.0, 20, 10), (True, 20, 10), (2, 0, 10), (2, 1001, 10), (2, 20, 0)],
)
def test_counts_that_are_not_allowed(order, digits, limit):
    with pytest.raises(InvalidInputError, match=r"order|digits|max_evaluations"):
        precise_coefficients(ScalarFunction.parse("tanh(z)"), order, digits, max_evaluations=limit)


def test_limit_of_the_work():
    function = ScalarFunction.parse("softplus(z)")
    exact = precise_coefficients(function, 6, 50)
    for limit in (50, 900, 2500):
        with pytest.raises(ConvergenceError, match=f"max_evaluations={limit} ") as caught:
            precise_coefficients(function, 6, 50, max_evaluations=limit)
        assert caught.value.status is Status.NOT_CONVERGED
        best = caught.value.best
        assert isinstance(best, PreciseCoefficients)
        for k in range(7):
            assert abs(best.values[k] - exact.values[k]) <= best.errors[k]
        assert abs(best.second_moment - exact.second_moment) <= best.second_moment_error


def test_hopeless_function_ends():
    with pytest.raises(ConvergenceError) as caught:
        precise_coefficients(ScalarFunction.parse("sin(1/z)"), 2, 20, max_evaluations=1000)
    found = double_coefficients(ScalarFunction.parse("sin(1/z)*sign(z)"), 2)
    assert found.errors.max() < 1e-3
    assert isinstance(caught.value, RmtError)


def test_kinks_beyond_those_known_are_not_passed_over():
    with pytest.raises(ConvergenceError, match="fewer digits"):
        precise_coefficients(ScalarFunction.parse("abs(sin(z))"), 2, 400)


# Ends of pieces in any precision


@pytest.mark.parametrize(
    ("text", "equation"),
    [
        ("sign(cos(z) - z)", lambda z: mpmath.cos(z) - z),
        ("abs(z**3 - z - 1)", lambda z: z**3 - z - 1),
        # A kink of the inner function, and those where it is 2.
        (
            "abs(abs(exp(z) - z**3) - 2)",
            lambda z: (abs(mpmath.exp(z) - z**3) - 2) * (mpmath.exp(z) - z**3),
        ),
        ("sqrt(abs(sin(z) - 1))", lambda z: mpmath.cos(z)),  # touches zero
    ],
)
def test_refined_ends(text, equation):
    function = ScalarFunction.parse(text)
    for piece in function.smooth_pieces[:-1]:
        end = refined_end(function.expression, function.symbols[0], piece.upper, 80)
        with mpmath.workdps(90):
            assert abs(equation(end)) < mpmath.mpf("1e-76")
            assert abs(end - mpmath.mpf(float(piece.upper))) < 1e-10 * (1 + abs(end))
        singular = singular_at(piece.expression, function.symbols[0], end)
        assert singular == text.startswith("sqrt")


def test_exact_end_and_root_that_is_zero():
    function = ScalarFunction.parse("abs(z**2 - 2)")
    end = refined_end(function.expression, *function.symbols, function.smooth_pieces[1].upper, 60)
    with mpmath.workdps(60):
        assert abs(end - mpmath.sqrt(2)) < mpmath.mpf("1e-58")
    function = ScalarFunction.parse("abs(sin(z))")
    middle = int(np.argmin(np.abs(function.kinks)))
    end = function.smooth_pieces[middle].upper
    assert refined_end(function.expression, *function.symbols, end, 50) == 0
