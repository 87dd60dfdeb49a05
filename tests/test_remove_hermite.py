"""Removing one Hermite component from a function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy
from mpmath_functions import REFERENCES, hermite, mp

from rmt.functions import ScalarFunction, remove_hermite
from rmt.status import InvalidInputError

parse = ScalarFunction.parse


def gaussian_moment(text: str, k: int, kinks: tuple[float, ...] = ()) -> Any:
    """``E[f He_k]`` by tanh-sinh quadrature of an independent mpmath form."""
    reference = REFERENCES[text][0]
    points = [-15, -8, -4, -2, *kinks, 2, 4, 8, 15]
    with mp.workdps(40):
        return mp.quad(lambda x: reference(x) * hermite(k)(x) * mp.npdf(x), sorted(points))


@pytest.mark.parametrize(
    ("text", "k"),
    [
        ("relu(z)", 1),
        ("relu(z)", 2),
        ("hard_tanh(z)", 3),
        ("relu6(z)", 2),
        ("selu(z)", 1),
        ("gelu(z)", 2),
        ("tanh(z + 7/10)", 2),
        ("softplus(z)", 0),
        ("abs(z)**(3/2)", 2),
        ("abs(z**2 - 1)", 4),
        ("exp(-z**2/2)", 2),
        ("He3(z)", 3),
    ],
)
def test_remove_hermite_against_mpmath(text: str, k: int) -> None:
    moment = gaussian_moment(text, k, REFERENCES[text][1])
    g = remove_hermite(text, k)
    # g - f is minus the component, exactly a multiple of He_k.
    difference = sympy.expand(g.expression - parse(text).expression)
    coefficient = sympy.N(
        -sympy.Poly(difference, g.symbols[0]).coeff_monomial(g.symbols[0] ** k), 30
    )
    with mp.workdps(40):
        exact = moment / math.factorial(k)
        assert abs(coefficient._to_mpmath(120) - exact) < mp.mpf("1e-24") * max(1, abs(exact))
    assert parse(g.text) == g
    assert parse(f"remove_hermite({text}, {k})") == g


def test_remove_hermite_closed_forms() -> None:
    z = parse("z").symbols[0]
    assert remove_hermite("relu(z)").expression == sympy.Max(z, 0) - z / 2
    assert remove_hermite("sin(2*z)").expression == sympy.sin(2 * z) - 2 * z * sympy.exp(-2)
    assert remove_hermite("cos(2*z)", 0).expression == sympy.cos(2 * z) - sympy.exp(-2)
    assert remove_hermite("z**3").expression == z**3 - 3 * z
    assert remove_hermite("z**4", 0).expression == z**4 - 3
    assert remove_hermite("exp(z)", 0).expression == sympy.exp(z) - sympy.exp(sympy.Rational(1, 2))
    assert remove_hermite("sign(z)").text == "-sqrt(2)*z/sqrt(pi) + sign(z)"
    assert remove_hermite("3", 0).expression == 0
    shifted = remove_hermite("sin(z + 1/3)", 0).expression
    half = sympy.exp(sympy.Rational(-1, 2))
    assert shifted == sympy.sin(z + sympy.Rational(1, 3)) - half * sympy.sin(sympy.Rational(1, 3))


def test_remove_hermite_by_symmetry_returns_the_function() -> None:
    for text, k in (("cos(2*z)", 1), ("tanh(z)", 2), ("abs(z)", 3), ("He3(z)", 1), ("He5(z)", 3)):
        f = parse(text)
        assert remove_hermite(f, k) is f


def test_target_of_information_exponent_three() -> None:
    """Theory notes, section 8: ``3 tanh 2z`` without its first component."""
    f = parse("remove_hermite(3*tanh(2*z), 1)")
    with mp.workdps(40):
        b = mp.quad(lambda x: x * mp.tanh(2 * x) * mp.npdf(x), list(range(-15, 16, 3)))
        b0 = 2 * mp.quad(lambda x: mp.sech(2 * x) ** 2 * mp.npdf(x), list(range(-15, 16, 3)))
        assert abs(b - b0) < mp.mpf("1e-25")
        left = mp.quad(lambda x: x * f.evaluate(x, 40) * mp.npdf(x), list(range(-15, 16, 3)))
    assert abs(left) < 1e-24
    assert f(1.0) == pytest.approx(float(3 * mp.tanh(2) - 3 * b), rel=1e-15)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = 12 * nodes
    density = 12 * weights * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    assert abs(np.sum(density * x * f(x))) < 1e-15
    assert (f.parity, f.variables) == (-1, ("z",))


@pytest.mark.parametrize("steepness", [1, 10, 60])
def test_remove_hermite_of_steep_functions(steepness: int) -> None:
    """The poles of ``tanh(s z)`` are at a distance ``pi/(2 s)`` of the real line."""
    f = remove_hermite(f"tanh({steepness}*z)", 1)
    (z,) = f.symbols
    found = (sympy.tanh(steepness * z) - f.expression).coeff(z)
    with mp.workdps(40):
        ends = [0, *(mp.mpf(k) / steepness for k in (1, 2, 4, 8, 16)), 3, 6, 15]
        exact = 2 * mp.quad(lambda x: x * mp.tanh(steepness * x) * mp.npdf(x), sorted(ends))
        assert abs(found._to_mpmath(120) - exact) < mp.mpf("1e-24")


def test_remove_hermite_in_other_variables() -> None:
    f = parse("remove_hermite(z2**3, 1) + z1")
    z1, z2 = f.symbols
    assert f.expression == z1 + z2**3 - 3 * z2


@pytest.mark.parametrize(
    ("function", "degree", "message"),
    [
        ("z1*z2", 1, "2 variables"),
        ("tanh(z)", -1, "degree"),
        ("tanh(z)", 13, "degree"),
        ("tanh(z)", 1.0, "whole number"),
        ("tanh(z)", True, "whole number"),
        ("sqrt(z)", 1, "not real"),
        ("exp(z**2)", 0, "square-integrable"),
        ("exp(z**2/2)", 0, "square-integrable"),
    ],
)
def test_remove_hermite_refuses(function: str, degree: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        remove_hermite(function, degree)
