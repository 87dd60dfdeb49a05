"""Values, derivatives, shapes and identity of scalar functions, against independent references."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from mpmath_functions import REFERENCES, mp

from rmt.evaluation.program import Program
from rmt.functions import ExpressionError, ScalarFunction
from rmt.status import InvalidInputError

parse = ScalarFunction.parse


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


@pytest.fixture
def no_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point that is evaluated in many digits, which takes a thousand times as long, fails."""

    def refuse(self: Program, point: Any) -> list[float]:
        raise AssertionError(f"repaired at {point}")

    monkeypatch.setattr(Program, "_repaired", refuse)


LOGISTIC = [  # text, and the same as c (z + b) / (1 + exp(-s (z + b))) or c / (1 + exp(-s (z + b)))
    ("sigmoid(z)", 1, 0, 1, False),
    ("1/(1 + exp(-z))", 1, 0, 1, False),
    ("exp(z)/(1 + exp(z))", 1, 0, 1, False),
    ("(1 + tanh(z/2))/2", 1, 0, 1, False),
    ("sigmoid(7/10 - 2*z)", 1, -0.35, -2, False),
    ("silu(z)", 1, 0, 1, True),
    ("z/(1 + exp(-z))", 1, 0, 1, True),
    ("z*exp(z)/(1 + exp(z))", 1, 0, 1, True),
    ("z*(1 + tanh(z/2))/2", 1, 0, 1, True),
    ("z/2 + z*tanh(z/2)/2", 1, 0, 1, True),
    ("silu(3*z)", 3, 0, 3, True),
    ("silu(z + 3/4)", 1, 0.75, 1, True),
    ("z*sigmoid(17*z/10)", 1, 0, 1.7, True),
]


@pytest.mark.parametrize(("text", "c", "b", "s", "times_z"), LOGISTIC)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.usefixtures("no_repair")
def test_the_logistic_function_far_out(
    text: str, c: float, b: float, s: float, times_z: bool, dtype: Any
) -> None:
    """Neither side overflows, cancels or is not a number, however written and however far."""
    far = [20, 100, 600, 700, 709, 710, 720, 745, 746, 800, 1e4, 1e8, 1e30]
    z = np.array([-x for x in far] + far, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope = parse(text).value_and_derivative(z)
    tiny, rtol, unit = (1e-300, 1e-13, 2e-16) if dtype is np.float64 else (1e-35, 1e-5, 1e-7)
    for i, x in enumerate(z):
        with mp.workdps(40):
            u = mp.mpf(float(x)) + mp.mpf(b)
            e = mp.exp(-abs(mp.mpf(s) * u))
            sigma = (1 if s * u > 0 else e) / (1 + e)
            factor = u if times_z else 1
            expected = c * factor * sigma
            expected_slope = c * (sigma * times_z + factor * mp.mpf(s) * e / (1 + e) ** 2)
            # A rounding of the argument changes its exponential by so much.
            relative = rtol + (unit * float(abs(mp.mpf(s) * u)) if e > tiny else 0)
            assert abs(value[i] - expected) <= relative * abs(expected) + tiny, x
            assert abs(slope[i] - expected_slope) <= relative * abs(expected_slope) + tiny, x


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
    assert parse("abs(z)**(3/2)").derivative(0.0) == 0
    assert parse("heaviside(z)")(0.0) == 0.5
    assert parse("hard_tanh(z)").derivative([-1.0, 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("text", ["tanh(z)", "relu(z)"])
def test_value_and_derivative_take_few_operations(text: str) -> None:
    program = parse(text)._value_and_slope
    assert len(program.graph.ancestors(list(program.outputs))) <= 6


@pytest.mark.parametrize(
    "text", ["sqrt(abs(z))", "softsign(z)*sqrt(abs(z))", "sqrt(max(z, 0))", "sqrt(abs(z**2 - 1))"]
)
def test_slope_at_a_cusp_is_a_number(text):
    """0 at the point itself, where infinity times zero would travel on as not-a-number."""
    f = ScalarFunction.parse(text)
    assert f.derivative([-1.0, 0.0, 1.0])[1] == 0
    assert np.isfinite(f.derivative([-1.0, 0.0, 1.0])).all()
    for z in (-0.3, 0.4):
        h = 1e-6
        assert f.derivative(z) == pytest.approx((f(z + h) - f(z - h)) / (2 * h), abs=1e-8)
