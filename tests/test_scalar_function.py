"""Values, derivatives, kinks and structure of scalar functions, against independent references."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from rmt.functions import ExpressionError, ScalarFunction, remove_hermite
from rmt.status import InvalidInputError

mp = mpmath.mp
parse = ScalarFunction.parse


def selu(z: Any) -> Any:
    scale, limit = mp.mpf("1.0507009873554804934"), mp.mpf("1.7580993408473768599")
    return scale * z if z > 0 else limit * mp.expm1(z)


def hermite(k: int) -> Callable[[Any], Any]:
    def value(z: Any) -> Any:
        previous, current = mp.mpf(0), mp.mpf(1)
        for j in range(k):
            previous, current = current, z * current - j * previous
        return current

    return value


def _softplus(z: Any) -> Any:
    return mp.log(1 + mp.exp(z))


# text -> the same function written in mpmath, kinks
REFERENCES: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {
    "relu(z)": (lambda z: max(z, mp.mpf(0)), (0,)),
    "leaky_relu(z)": (lambda z: z if z > 0 else z / 100, (0,)),
    "leaky_relu(z, 1/5)": (lambda z: z if z > 0 else z / 5, (0,)),
    "elu(z)": (lambda z: z if z > 0 else mp.expm1(z), (0,)),
    "elu(z, 3/2)": (lambda z: z if z > 0 else mp.expm1(z) * 3 / 2, (0,)),
    "selu(z)": (selu, (0,)),
    "celu(z, 2)": (lambda z: z if z > 0 else 2 * mp.expm1(z / 2), (0,)),
    "gelu(z)": (lambda z: z * mp.ncdf(z), ()),
    "silu(z)": (lambda z: z / (1 + mp.exp(-z)), ()),
    "swish(z)": (lambda z: z / (1 + mp.exp(-z)), ()),
    "mish(z)": (lambda z: z * mp.tanh(_softplus(z)), ()),
    "softplus(z)": (_softplus, ()),
    "softsign(z)": (lambda z: z / (1 + abs(z)), (0,)),
    "sigmoid(z)": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "tanh(z)": (mp.tanh, ()),
    "tanh(z + 7/10)": (lambda z: mp.tanh(z + mp.mpf(7) / 10), ()),
    "hard_tanh(z)": (lambda z: max(mp.mpf(-1), min(mp.mpf(1), z)), (-1, 1)),
    "hard_sigmoid(z)": (lambda z: max(mp.mpf(0), min(mp.mpf(6), z + 3)) / 6, (-3, 3)),
    "relu6(z)": (lambda z: max(mp.mpf(0), min(mp.mpf(6), z)), (0, 6)),
    "erf(z)": (mp.erf, ()),
    "erfc(z)": (mp.erfc, ()),
    "erf(z + 1/2)": (lambda z: mp.erf(z + mp.mpf(1) / 2), ()),
    "sign(z)": (mp.sign, (0,)),
    "heaviside(z)": (lambda z: mp.mpf(mp.sign(z) + 1) / 2, (0,)),
    "abs(z)": (abs, (0,)),
    "exp(-z**2/2)": (lambda z: mp.exp(-(z**2) / 2), ()),
    "sin(z)": (mp.sin, ()),
    "cos(z)": (mp.cos, ()),
    "atan(z)": (mp.atan, ()),
    "asinh(z)": (mp.asinh, ()),
    "sech(z)": (mp.sech, ()),
    "log(1 + exp(z + 7/10))": (lambda z: _softplus(z + mp.mpf(7) / 10), ()),
    "1/(1 + exp(-z))": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "exp(z)/(1 + exp(z))": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "exp(z)/(1 + exp(z))**2": (lambda z: mp.exp(z) / (1 + mp.exp(z)) ** 2, ()),
    "z*(1 + erf(z/sqrt(2)))/2": (lambda z: z * mp.ncdf(z), ()),
    "z/2 + z*erf(z/sqrt(2))/2": (lambda z: z * mp.ncdf(z), ()),
    "1 - tanh(z)**2": (lambda z: mp.sech(z) ** 2, ()),
    "z*(1 + tanh(z))/2": (lambda z: z * (1 + mp.tanh(z)) / 2, ()),
    "log(exp(z) + exp(-z))": (lambda z: mp.log(mp.exp(z) + mp.exp(-z)), ()),
    "log(cosh(z))": (lambda z: mp.log(mp.cosh(z)), ()),
    "log(2 + 3*exp(2*z))": (lambda z: mp.log(2 + 3 * mp.exp(2 * z)), ()),
    "(exp(2*z) - 1)/(exp(2*z) + 1)": (mp.tanh, ()),
    "sinh(z)/cosh(z)": (mp.tanh, ()),
    "log(1 + z**2)": (lambda z: mp.log1p(z**2), ()),
    "sqrt(1 + z**2)": (lambda z: mp.sqrt(1 + z**2), ()),
    "relu(z)**2": (lambda z: max(z, mp.mpf(0)) ** 2, (0,)),
    "abs(z)**(3/2)": (lambda z: abs(z) ** mp.mpf(1.5), (0,)),
    "2**z/(1 + 2**z)": (lambda z: 1 / (1 + mp.mpf(2) ** -z), ()),
    "abs(z**2 - 1)": (lambda z: abs(z**2 - 1), (-1, 1)),
    "Piecewise((z, z < 0), (z**2, z <= 1), (2*z, True))": (
        lambda z: z if z < 0 else (z**2 if z <= 1 else 2 * z),
        (0, 1),
    ),
    **{f"He{k}(z)": (hermite(k), ()) for k in range(13)},
}


def condition(reference: Callable[[Any], Any], z: float) -> tuple[Any, Any, float, float]:
    """Value and slope (differences in many digits), and the change under a rounding of z."""
    with mp.workdps(70 if abs(z) < 12 else 350):
        x = mp.mpf(z)
        h = mp.mpf(10) ** -20
        values = [reference(x + i * h) for i in (-2, -1, 0, 1, 2)]
        slope = (8 * (values[3] - values[1]) - (values[4] - values[0])) / (12 * h)
        curvature = (values[3] - 2 * values[2] + values[1]) / h**2
        return values[2], slope, float(abs(x * slope)), float(abs(x * curvature))


@pytest.mark.parametrize("text", REFERENCES)
def test_value_and_derivative_against_mpmath(text: str) -> None:
    """1e-13 relative, plus what a relative rounding error of 1e-15 in z alone changes."""
    reference, kinks = REFERENCES[text]
    grid = np.concatenate([np.linspace(-8.03, 8.11, 41), [-1000, -37.5, -20.2, 20.2, 37.5, 1000]])
    grid = grid[[all(abs(z - kink) > 1e-3 for kink in kinks) for z in grid]]
    f = parse(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope = f.value_and_derivative(grid)
        assert np.array_equal(value, f(grid))
        assert np.array_equal(slope, f.derivative(grid))
    for i, z in enumerate(grid):
        exact, exact_slope, spread, spread_slope = condition(reference, float(z))
        tiny = 1e-300
        assert abs(value[i] - exact) <= 1e-13 * abs(exact) + 2e-15 * spread + tiny, z
        bound = 1e-13 * abs(exact_slope) + 2e-15 * (spread_slope + abs(exact_slope)) + tiny
        # A slope that passes through zero is a difference of numbers of the size of f'(z + O(1)).
        bound += 4e-16 if abs(exact_slope) > 1e-3 else 0
        assert abs(slope[i] - exact_slope) <= bound, z


# Shapes, types, identity


def test_shapes_and_types() -> None:
    f = parse("tanh(z)")
    assert f(np.zeros((3, 1, 4))).shape == (3, 1, 4)
    assert f(0.5) == np.tanh(0.5)
    assert np.ndim(f(0.5)) == 0
    assert f([]).shape == (0,)
    assert f([1, 2]).dtype == np.float64
    assert f(np.zeros(3, np.float32)).dtype == np.float32
    assert f(np.zeros(3, np.float16)).dtype == np.float64
    value, slope = f.value_and_derivative(np.zeros((2, 2), np.float32))
    assert value.dtype == slope.dtype == np.float32
    strided = np.arange(24.0).reshape(4, 6)[::2, ::-3]
    assert np.array_equal(f(strided), np.tanh(strided))
    with pytest.raises(InvalidInputError, match="complex"):
        f(np.array([1j]))
    with pytest.raises(InvalidInputError, match="real numbers"):
        f(["a"])
    with pytest.raises(InvalidInputError, match="takes 1 array"):
        f(1.0, 2.0)


def test_long_arrays_are_evaluated_in_blocks() -> None:
    x = np.random.default_rng(0).standard_normal(100_003) * 3
    for text in ("mish(z)", "relu(z)*sin(z)", "He6(z)", "Piecewise((exp(z), z < 0), (1, True))"):
        f = parse(text)
        value, slope = f.value_and_derivative(x)
        for part in (slice(0, 7), slice(16_380, 16_390), slice(99_990, None)):
            again = f.value_and_derivative(x[part])
            np.testing.assert_allclose(value[part], again[0], rtol=1e-14)
            np.testing.assert_allclose(slope[part], again[1], rtol=1e-14)


@pytest.mark.parametrize("text", REFERENCES)
def test_single_precision(text: str) -> None:
    f = parse(text)
    x = np.linspace(-6.1, 6.3, 60).astype(np.float32)
    size = 1 + np.abs(f(x.astype(float)))
    assert f(x).dtype == np.float32
    slack = 1e-3 if text.startswith("He") else 1e-5
    assert np.all(np.abs(f(x) - f(x.astype(float))) <= slack * size)


def test_input_is_not_changed() -> None:
    x = np.linspace(-2, 2, 50)
    kept = x.copy()
    for text in ("z", "-z", "z**2 - z", "abs(z)", "tanh(z)*z"):
        value, _ = parse(text).value_and_derivative(x)
        value += 1.0
        assert np.array_equal(x, kept)


def test_constants_have_the_shape_of_the_input() -> None:
    f = parse("3 + 0*z")
    assert f.variables == ("z",)
    assert np.array_equal(f(np.ones((2, 3))), np.full((2, 3), 3.0))
    assert np.array_equal(f.derivative(np.ones(4)), np.zeros(4))
    assert f.parity == 1
    assert f.is_smooth
    assert f.polynomial_pieces == ((-math.inf, math.inf, (3.0,)),)
    assert parse("z - z").polynomial_pieces == ((-math.inf, math.inf, (0.0,)),)


def test_several_variables() -> None:
    f = parse("z1 + z1*z3")
    assert (f.variables, f.n_variables) == (("z1", "z2", "z3"), 3)
    a, b, c = np.array([1.0, 2.0]), np.zeros((3, 1)), np.arange(6.0).reshape(3, 2)
    assert np.array_equal(f(a, b, c), a + a * c)
    assert parse("z1 + 0*z2").variables == ("z1",)
    assert parse("z2").variables == ("z1", "z2")
    for method in (f.derivative, f.value_and_derivative):
        with pytest.raises(InvalidInputError, match="one variable"):
            method(1.0)
    for name in ("kinks", "jumps", "parity", "polynomial_pieces", "smooth_pieces"):
        with pytest.raises(InvalidInputError, match="one variable"):
            getattr(f, name)
    with pytest.raises(InvalidInputError, match="either z alone or"):
        parse("z + z1")
    assert parse("tanh(z1)").derivative(0.0) == 1.0


def test_identity() -> None:
    f = parse("tanh(z + 0.7)")
    assert f == parse("tanh(7/10 + z)") == ScalarFunction(sympy.tanh(sympy.Symbol("z") + 0.7))
    assert parse(f) is f
    assert hash(f) == hash(parse("tanh(7/10 + z)"))
    assert f != parse("tanh(z)")
    assert f != "tanh(z + 7/10)"
    assert {f: 1}[parse("tanh(z + 7/10)")] == 1
    assert (repr(f), str(f)) == ("ScalarFunction('tanh(z + 7/10)')", "tanh(z + 7/10)")
    for change in (
        lambda: setattr(f, "text", "z"),
        lambda: setattr(f, "new", 1),
        lambda: delattr(f, "text"),
    ):
        with pytest.raises(AttributeError, match="immutable"):
            change()


@pytest.mark.parametrize("text", ["gelu(z)", "remove_hermite(3*tanh(2*z), 1)", "z1*abs(z2)"])
def test_pickle(text: str) -> None:
    f = parse(text)
    f(*[np.ones(2)] * f.n_variables)
    again = pickle.loads(pickle.dumps(f))
    assert again == f
    assert hash(again) == hash(f)
    assert again.expression == f.expression


def test_not_text_nor_expression() -> None:
    for thing in (3, None, ["z"], sympy.true, b"z"):
        with pytest.raises(InvalidInputError, match="expected text"):
            parse(thing)  # type: ignore[arg-type]
    with pytest.raises(ExpressionError) as caught:
        parse("tanh(z) + foo")
    assert caught.value.position == 10


# Where floating-point arithmetic overflows, or the function is not real


def test_overflow_inside_is_repaired() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse("cosh(z) - sinh(z)")(1000.0) == 0.0
        assert parse("log(1 + exp(z) + exp(2*z))")(1000.0) == 2000.0
        assert parse("sqrt(exp(2*z) + 1)*exp(-z)")(1000.0) == 1.0
        assert parse("log(cosh(z))").derivative(-1000.0) == -1.0
        assert parse("(exp(z) - 1)/(exp(z) + 2)")([800.0, 0.0]).tolist() == [1.0, 0.0]
        assert parse("exp(z)")(1000.0) == math.inf
        assert parse("exp(z)*tanh(z)")([-1000.0, 1000.0]).tolist() == [0.0, math.inf]
        assert np.isnan(parse("tanh(z)")(math.nan))
        assert parse("tanh(z)")(math.inf) == 1.0


def test_not_real_is_nan_and_reported() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("sqrt(z)", "log(z)", "z**(1/3)", "asin(z)", "log(1 + z)", "sqrt(tanh(z))"):
            f = parse(text)
            assert np.isnan(f(-3.0)), text
            assert not np.isnan(f(0.5)), text
            with pytest.raises(InvalidInputError, match="not real on the whole real line"):
                f.check_real()
        many = parse("sqrt(z)")(np.random.default_rng(0).standard_normal(1_000_000))
        assert 0.45 < np.isnan(many).mean() < 0.55
        for text in ("tanh(z)", "1/z", "exp(z**2)", "sqrt(1 + z**2)", "asin(tanh(z))", "z1*z2"):
            parse(text).check_real()
        with pytest.raises(InvalidInputError, match=r"space: it has no value at z1 = .*, z2 = "):
            parse("z1*sqrt(z2)").check_real()
        branch = parse("Piecewise((sqrt(z), z > 0), (0, True))")
        branch.check_real()
        assert branch([-1.0, 4.0]).tolist() == [0.0, 2.0]


def test_slope_at_kinks() -> None:
    for text, slope in (("relu(z)", 0), ("relu(-z)", 0), ("abs(z)", 0), ("sign(z)", 0)):
        assert parse(text).derivative(0.0) == slope
    assert parse("leaky_relu(z)").derivative(0.0) == pytest.approx(0.01)
    assert parse("heaviside(z)")(0.0) == 0.5
    assert parse("hard_tanh(z)").derivative([-1.0, 1.0]).tolist() == [0.0, 1.0]


# Kinks


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


# Removing a Hermite component


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


# Speed: ratios to NumPy in the same process, with room for a busy machine


def test_value_and_derivative_cost_little_more_than_the_function() -> None:
    import time

    x = np.random.default_rng(0).standard_normal(1_000_000)

    def best(call: Callable[[], object]) -> float:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return min(times)

    tanh, relu = parse("tanh(z)"), parse("relu(z)")
    assert best(lambda: tanh.value_and_derivative(x)) < 6 * best(lambda: np.tanh(x))
    assert best(lambda: relu.value_and_derivative(x)) < 6 * best(lambda: np.tanh(x))
