"""Kinks of scalar functions, the pieces in between, and parity."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import sympy

from rmt.functions import ScalarFunction
from rmt.status import InvalidInputError

parse = ScalarFunction.parse


ROOTS = [(k - 0.5) * math.pi for k in range(-12, 14)]


@pytest.mark.parametrize(
    ("text", "kinks", "jumps"),
    [
        ("tanh(z)", [], []),
        ("z**5 - He3(z)", [], []),
        ("exp(z)/(1 + exp(z))", [], []),
        ("sqrt(1 + z**2)", [], []),
        ("log(1 + exp(z))", [], []),
        ("relu(z)", [0], []),
        ("relu(2*z - 3)", [1.5], []),
        ("relu(z - 1000)", [1000], []),
        ("relu(z)**2", [0], []),
        ("relu(z)**3*sign(z)", [0], []),
        ("leaky_relu(z, -1/2)", [0], []),
        ("hard_tanh(z/2 + 1)", [-4, 0], []),
        ("hard_sigmoid(z)", [-3, 3], []),
        ("sign(z - 1/3)", [1 / 3], [1 / 3]),
        ("heaviside(z)*(z - 1) + abs(z + 1)", [-1, 0], [0]),
        ("z*sign(z)", [0], []),
        ("abs(z**2 - 1)", [-1, 1], []),
        ("abs(z**2 - 2)", [-math.sqrt(2), math.sqrt(2)], []),
        ("abs((z - 1)**2)", [], []),
        ("abs((z - 1)**3)", [1], []),
        ("sign(z**3 - z)", [-1, 0, 1], [-1, 0, 1]),
        ("abs(z**3 - 2)", [2 ** (1 / 3)], []),
        ("abs(z**5 - z - 1)", [1.1673039782614187], []),
        ("max(sin(z), 0)", [k * math.pi for k in range(-12, 13)], []),
        ("sign(cos(z))", ROOTS, ROOTS),
        ("sqrt(1 - cos(z))", [2 * k * math.pi for k in range(-6, 7)], []),
        ("abs(exp(z) - 2)", [math.log(2)], []),
        ("abs(tanh(z) - 1/2)", [math.atanh(0.5)], []),
        ("max(exp(z), 1 + z)", [], []),
        ("max(z, z - 1)", [], []),
        ("relu(z) - relu(-z)", [], []),
        ("relu(z) + relu(-z) - abs(z)", [], []),
        ("max(z, -z, 1/2)", [-0.5, 0.5], []),
        ("max(min(z, 1), abs(z) - 2)", [-1, 1, 3], []),
        ("abs(abs(z) - 1)", [-1, 0, 1], []),
        ("relu(relu(z) - 1)", [1], []),
        ("sign(relu(z) - 1)", [1], [1]),
        ("abs(z)**(1/2)", [0], []),
        ("abs(z)**(3/2)", [0], []),
        ("log(abs(z))", [0], []),
        ("1/z", [0], [0]),
        ("1/(1 + abs(z))", [0], []),
        ("atan(1/z)", [0], [0]),
        ("exp(-1/abs(z))", [0], []),
        ("Piecewise((z, z < 0), (z**2, z <= 1), (2*z, True))", [0, 1], [1]),
        ("Piecewise((0, (z > -1) & (z < 2)), (1, True))", [-1, 2], [-1, 2]),
        ("Piecewise((z, z**2 < 1), (z, True))", [], []),
        ("Piecewise((sqrt(z), z > 0), (0, True))", [0], []),
        ("Piecewise((log(z), z > 1), (0, True))", [1], []),
        ("elu(z)", [0], []),
        ("selu(z + 1)", [-1], []),
        ("asin(sin(z))", ROOTS, []),
        ("(z - z**2*0 + abs(z))/2", [0], []),
    ],
)
def test_kinks_and_jumps(text: str, kinks: list[float], jumps: list[float]) -> None:
    f = parse(text)
    np.testing.assert_allclose(f.kinks, sorted(kinks), rtol=1e-14, atol=1e-12)
    np.testing.assert_allclose(f.jumps, sorted(jumps), rtol=1e-14, atol=1e-12)
    assert f.is_smooth == (not kinks)
    assert list(f.kinks) == sorted(set(f.kinks))


def test_pieces_are_the_function() -> None:
    for text in ("max(min(z, 1), abs(z) - 2)", "abs(sin(z))*relu(z)", "selu(z)", "abs(z**3 - z)"):
        f = parse(text)
        for piece in f.smooth_pieces:
            low, high = max(float(piece.lower), -5.0), min(float(piece.upper), 5.0)
            if low >= high:
                continue
            inside = np.linspace(low, high, 7)[1:-1]
            smooth = ScalarFunction.parse(piece.expression)
            np.testing.assert_allclose(smooth(inside), f(inside), rtol=1e-13)


def test_exact_ends_of_pieces() -> None:
    first, second = parse("abs(z**2 - 2)").smooth_pieces[:2]
    assert first.upper == -sympy.sqrt(2)
    assert second.upper == sympy.sqrt(2)
    assert parse("hard_tanh(3*z)").smooth_pieces[1].upper == sympy.Rational(1, 3)


def test_too_many_kinks() -> None:
    with pytest.raises(InvalidInputError, match="kinks"):
        _ = parse("abs(sin(300*z))").kinks
    assert len(parse("abs(sin(20*z))").kinks) == 2 * int(40 * 20 / math.pi) + 1


def test_kinks_in_several_variables() -> None:
    f = parse("relu(z1 - 1)*z2 + abs(z1*z3)")
    assert [f.kinks_along(i) for i in range(3)] == [(0.0, 1.0), (), (0.0,)]
    assert not f.has_oblique_kinks
    assert not f.is_smooth
    g = parse("relu(z1 + z2)")
    assert g.has_oblique_kinks
    assert not g.is_smooth
    assert g.kinks_along(0) == ()
    h = parse("tanh(z1 + z2) + sqrt(1 + z1**2 + z2**2)")
    assert h.is_smooth
    assert not h.has_oblique_kinks
    assert parse("relu(z)").kinks_along(0) == (0.0,)
    assert not parse("relu(z)").has_oblique_kinks
    for index in (-1, 3):
        with pytest.raises(InvalidInputError, match="index"):
            f.kinks_along(index)


# Parity


@pytest.mark.parametrize(
    ("text", "parity"),
    [
        ("z", -1),
        ("z**2", 1),
        ("z + z**2", 0),
        ("He3(z)/sqrt(6)", -1),
        ("3*tanh(2*z) - 2*z", -1),
        ("tanh(z + 7/10)", 0),
        ("cos(2*z) - exp(-2)", 1),
        ("sigmoid(z)", 0),
        ("sigmoid(z) - 1/2", -1),
        ("exp(z)/(1 + exp(z))**2", 1),
        ("softplus(z) - z/2", 1),
        ("gelu(z)", 0),
        ("gelu(z) - z/2", 1),
        ("abs(z)", 1),
        ("sign(z)", -1),
        ("heaviside(z) - 1/2", -1),
        ("relu(z)", 0),
        ("relu(z) - z/2", 1),
        ("relu(z) + relu(-z)", 1),
        ("hard_tanh(z)", -1),
        ("hard_sigmoid(z) - 1/2", -1),
        ("softsign(z)", -1),
        ("max(sin(z), 0) - sin(z)/2", 1),
        ("Piecewise((-1, z < -1), (z, z < 1), (1, True))", -1),
        ("erfc(z) - 1", -1),
        ("(exp(z) - exp(-z))/(exp(z) + exp(-z)) + sinh(z)", -1),
        ("log(cosh(z))", 1),
        ("z + 1/10**10", 0),
        ("remove_hermite(3*tanh(2*z), 1)", -1),
    ],
)
def test_parity(text: str, parity: int) -> None:
    assert parse(text).parity == parity


# Piecewise polynomials


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("relu(z)", [(-math.inf, 0, (0,)), (0, math.inf, (0, 1))]),
        ("leaky_relu(z, 1/4)", [(-math.inf, 0, (0, 0.25)), (0, math.inf, (0, 1))]),
        ("2*abs(z - 1)", [(-math.inf, 1, (2, -2)), (1, math.inf, (-2, 2))]),
        ("sign(z)", [(-math.inf, 0, (-1,)), (0, math.inf, (1,))]),
        ("heaviside(-z)", [(-math.inf, 0, (1,)), (0, math.inf, (0,))]),
        ("relu(z)**2", [(-math.inf, 0, (0,)), (0, math.inf, (0, 0, 1))]),
        ("hard_tanh(z)", [(-math.inf, -1, (-1,)), (-1, 1, (0, 1)), (1, math.inf, (1,))]),
        ("relu6(z)", [(-math.inf, 0, (0,)), (0, 6, (0, 1)), (6, math.inf, (6,))]),
        ("relu(z)*sign(z - 1)", [(-math.inf, 0, (0,)), (0, 1, (0, -1)), (1, math.inf, (0, 1))]),
        ("He2(relu(z))", [(-math.inf, 0, (-1,)), (0, math.inf, (-1, 0, 1))]),
        ("(z + 1)**3", [(-math.inf, math.inf, (1, 3, 3, 1))]),
    ],
)
def test_polynomial_pieces(text: str, pieces: list[tuple[float, float, tuple[float, ...]]]) -> None:
    assert parse(text).polynomial_pieces == tuple(pieces)


def test_polynomial_pieces_agree_with_the_function() -> None:
    for text in ("hard_sigmoid(z)", "abs(z**3 - z)*relu(z + 1)", "relu(z)**3 - 2*relu(1 - z)**2"):
        f = parse(text)
        pieces = f.polynomial_pieces
        assert pieces is not None
        assert pieces[0][0] == -math.inf
        assert pieces[-1][1] == math.inf
        assert all(a[1] == b[0] for a, b in pairwise(pieces))
        for low, high, coefficients in pieces:
            x = np.linspace(max(low, -4), min(high, 4), 9)[1:-1]
            expected = np.polynomial.polynomial.polyval(x, coefficients)
            np.testing.assert_allclose(f(x), expected, rtol=1e-13, atol=1e-13)


def test_not_polynomial() -> None:
    for text in ("tanh(z)", "elu(z)", "sqrt(abs(z))", "1/z", "relu(z)*sin(z)"):
        assert parse(text).polynomial_pieces is None
