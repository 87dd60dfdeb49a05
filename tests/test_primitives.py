"""Value and slope of every named function, from 1e-8 to 1e8 on both sides of zero."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath_functions import hermite, mp

from rmt.evaluation import program
from rmt.evaluation.precise import precise_values
from rmt.evaluation.program import Program
from rmt.expressions.catalogue import CATALOGUE
from rmt.functions import ScalarFunction

Function = Callable[[Any], Any]

SELU_SCALE, SELU_LIMIT = mp.mpf("1.0507009873554804934"), mp.mpf("1.7580993408473768599")
SEVEN_TENTHS, THREE_TENTHS = mp.mpf(7) / 10, mp.mpf(3) / 10


def sigmoid(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z)) if z > 0 else mp.exp(z) / (1 + mp.exp(z))


def sigmoid_slope(z: Any) -> Any:
    return mp.exp(-abs(z)) / (1 + mp.exp(-abs(z))) ** 2


def softplus(z: Any) -> Any:
    return max(z, mp.mpf(0)) + mp.log1p(mp.exp(-abs(z)))


def sech(z: Any) -> Any:
    return 2 * mp.exp(-abs(z)) / (1 + mp.exp(-2 * abs(z)))


def tanh(z: Any) -> Any:
    return -mp.expm1(-2 * abs(z)) / (1 + mp.exp(-2 * abs(z))) * mp.sign(z)


def bump(z: Any) -> Any:
    return mp.exp(-(z**2))


def gelu(z: Any) -> Any:
    return z * mp.erfc(-z / mp.sqrt(2)) / 2


def gelu_slope(z: Any) -> Any:
    return mp.erfc(-z / mp.sqrt(2)) / 2 + z * mp.exp(-(z**2) / 2) / mp.sqrt(2 * mp.pi)


def mish_slope(z: Any) -> Any:
    return tanh(softplus(z)) + z * sech(softplus(z)) ** 2 * sigmoid(z)


def silu_slope(z: Any) -> Any:
    return sigmoid(z) + z * sigmoid_slope(z)


def inside(low: float, high: float) -> Function:
    return lambda z: mp.mpf(low < z < high)


def constant(value: float) -> Function:
    return lambda z: mp.mpf(value)


def clip(z: Any, low: float, high: float) -> Any:
    return min(max(z, mp.mpf(low)), mp.mpf(high))


# text -> (value, slope), with many digits on either side of zero
REFERENCES: dict[str, tuple[Function, Function]] = {
    # Of the catalogue
    "relu(z)": (lambda z: max(z, mp.mpf(0)), lambda z: mp.mpf(z > 0)),
    "relu6(z)": (lambda z: clip(z, 0, 6), inside(0, 6)),
    "leaky_relu(z)": (lambda z: z if z > 0 else z / 100, lambda z: 1 if z > 0 else mp.mpf(1) / 100),
    "elu(z)": (lambda z: z if z > 0 else mp.expm1(z), lambda z: mp.exp(min(z, 0))),
    "celu(z, 2)": (lambda z: z if z > 0 else 2 * mp.expm1(z / 2), lambda z: mp.exp(min(z, 0) / 2)),
    "selu(z)": (
        lambda z: SELU_SCALE * z if z > 0 else SELU_LIMIT * mp.expm1(z),
        lambda z: SELU_SCALE if z > 0 else SELU_LIMIT * mp.exp(z),
    ),
    "gelu(z)": (gelu, gelu_slope),
    "silu(z)": (lambda z: z * sigmoid(z), silu_slope),
    "swish(z)": (lambda z: z * sigmoid(z), silu_slope),
    "mish(z)": (lambda z: z * tanh(softplus(z)), mish_slope),
    "softplus(z)": (softplus, sigmoid),
    "softsign(z)": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "sigmoid(z)": (sigmoid, sigmoid_slope),
    "logistic(z)": (sigmoid, sigmoid_slope),
    "hard_tanh(z)": (lambda z: clip(z, -1, 1), inside(-1, 1)),
    "hard_sigmoid(z)": (lambda z: clip(z + 3, 0, 6) / 6, lambda z: inside(-3, 3)(z) / 6),
    "heaviside(z)": (lambda z: mp.mpf(z > 0), constant(0)),
    "Heaviside(z)": (lambda z: mp.mpf(z > 0), constant(0)),
    "sign(z)": (mp.sign, constant(0)),
    "abs(z)": (abs, mp.sign),
    "Abs(z)": (abs, mp.sign),
    "max(z, 1/3)": (lambda z: max(z, mp.mpf(1) / 3), lambda z: mp.mpf(3 * z > 1)),
    "Max(z, 1/3)": (lambda z: max(z, mp.mpf(1) / 3), lambda z: mp.mpf(3 * z > 1)),
    "min(z, 1/3)": (lambda z: min(z, mp.mpf(1) / 3), lambda z: mp.mpf(3 * z < 1)),
    "Min(z, 1/3)": (lambda z: min(z, mp.mpf(1) / 3), lambda z: mp.mpf(3 * z < 1)),
    "exp(z)": (mp.exp, mp.exp),
    "log(z)": (mp.log, lambda z: 1 / z),
    "sqrt(z)": (mp.sqrt, lambda z: 1 / (2 * mp.sqrt(z))),
    "sin(z)": (mp.sin, mp.cos),
    "cos(z)": (mp.cos, lambda z: -mp.sin(z)),
    "tan(z)": (mp.tan, lambda z: 1 / mp.cos(z) ** 2),
    "asin(z)": (mp.asin, lambda z: 1 / mp.sqrt(1 - z**2)),
    "acos(z)": (mp.acos, lambda z: -1 / mp.sqrt(1 - z**2)),
    "atan(z)": (mp.atan, lambda z: 1 / (1 + z**2)),
    "sinh(z)": (mp.sinh, mp.cosh),
    "cosh(z)": (mp.cosh, mp.sinh),
    "tanh(z)": (tanh, lambda z: sech(z) ** 2),
    "sech(z)": (sech, lambda z: -sech(z) * tanh(z)),
    "asinh(z)": (mp.asinh, lambda z: 1 / mp.sqrt(1 + z**2)),
    "atanh(z)": (mp.atanh, lambda z: 1 / (1 - z**2)),
    "erf(z)": (mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * bump(z)),
    "erfc(z)": (mp.erfc, lambda z: -2 / mp.sqrt(mp.pi) * bump(z)),
    "He0(z)": (constant(1), constant(0)),
    **{f"He{k}(z)": (hermite(k), lambda z, k=k: k * hermite(k - 1)(z)) for k in range(1, 13)},
    # Made of them
    "tanh(z + 7/10)": (
        lambda z: tanh(z + SEVEN_TENTHS),
        lambda z: sech(z + SEVEN_TENTHS) ** 2,
    ),
    "softplus(z - 0.3)": (
        lambda z: softplus(z - THREE_TENTHS),
        lambda z: sigmoid(z - THREE_TENTHS),
    ),
    "log(1 + exp(z))": (softplus, sigmoid),
    "log(1 + z**2)": (lambda z: mp.log1p(z**2), lambda z: 2 * z / (1 + z**2)),
    "log(cosh(z))": (lambda z: softplus(2 * z) - z - mp.log(2), tanh),
    "log(exp(z) + exp(-z))": (lambda z: softplus(2 * z) - z, tanh),
    "exp(-z**2)": (bump, lambda z: -2 * z * bump(z)),
    "z*exp(-z**2)": (lambda z: z * bump(z), lambda z: (1 - 2 * z**2) * bump(z)),
    "1/(1 + z**2)": (lambda z: 1 / (1 + z**2), lambda z: -2 * z / (1 + z**2) ** 2),
    "sqrt(1 + z**2)": (lambda z: mp.sqrt(1 + z**2), lambda z: z / mp.sqrt(1 + z**2)),
    "sqrt(abs(z))": (
        lambda z: mp.sqrt(abs(z)),
        lambda z: mp.sign(z) / (2 * mp.sqrt(abs(z))),
    ),
    "abs(z)**(3/2)": (
        lambda z: mp.sqrt(abs(z)) ** 3,
        lambda z: mp.sign(z) * mp.sqrt(abs(z)) * 3 / 2,
    ),
    "1/cosh(z)**2": (lambda z: sech(z) ** 2, lambda z: -2 * sech(z) ** 2 * tanh(z)),
    "silu(3*z)": (lambda z: 3 * z * sigmoid(3 * z), lambda z: 3 * silu_slope(3 * z)),
    "z*(1 + tanh(z/2))/2": (lambda z: z * sigmoid(z), silu_slope),
    "exp(z)/(1 + exp(z))**2": (sigmoid_slope, lambda z: -sigmoid_slope(z) * tanh(z / 2)),
    "gelu(z) - z**3": (lambda z: gelu(z) - z**3, lambda z: gelu_slope(z) - 3 * z**2),
    "exp(z/3)": (lambda z: mp.exp(z / 3), lambda z: mp.exp(z / 3) / 3),
    "z*silu(z)": (
        lambda z: z**2 * sigmoid(z),
        lambda z: 2 * z * sigmoid(z) + z**2 * sigmoid_slope(z),
    ),
    "z - silu(z)": (lambda z: z * sigmoid(-z), lambda z: silu_slope(-z)),
    "z*exp(z)": (lambda z: z * mp.exp(z), lambda z: (1 + z) * mp.exp(z)),
    "exp(z) - z**3": (lambda z: mp.exp(z) - z**3, lambda z: mp.exp(z) - 3 * z**2),
}

# Twice the unit roundoff: an argument is rounded, and so is a number that is added to it.
UNIT = 2.0**-52


def points() -> Any:
    """Both signs of 1e-8 .. 1e8, more where exponentials and their squares leave the doubles."""
    edges = [18.4, 26.5, 27.3, 36.7, 37.6, 354.9, 355.5, 372.4, 372.9, 708.2, 709.7, 709.8, 710.5]
    edges += [744.4, 745.2, 745.9, 1418.1, 1420.3, 1490.5, 2127.4, 2236.1]
    far = np.concatenate([np.geomspace(1e-8, 1e8, 65), np.geomspace(0.11, 1.1e3, 81), edges])
    return np.sort(np.concatenate([-far, far]))


def as_double(exact: Any) -> float:
    try:
        return float(exact)
    except OverflowError:
        return float(mp.sign(exact)) * np.inf


def size_of_terms(text: str, x: float) -> Any:
    """``sum |c_k| |x|^k`` of a Hermite polynomial, which is ``|He_k(i x)|``; else 0."""
    if not text.startswith("He") or not text[2].isdigit():
        return 0
    return abs(hermite(int(text[2:].removesuffix("(z)")))(mp.mpc(0, x)))


def check(found: Any, reference: Function, x: float, terms: Any) -> None:
    exact = reference(mp.mpf(x))
    if np.isinf(as_double(exact)):
        assert found == as_double(exact), x
        return
    # How far the value goes when z is rounded, on either side.
    spread = max(abs(reference(mp.mpf(x) * (1 + s * UNIT)) - exact) for s in (-1, 1))
    error = abs(mp.mpf(float(found)) - exact)
    assert error <= 1e-13 * abs(exact) + spread + UNIT * terms + 1e-300, x


@pytest.mark.parametrize("text", REFERENCES)
def test_value_and_slope_from_near_to_far(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1e-13 relative, beyond what a rounding of z does; and never evaluated in many digits.

    Of a Hermite polynomial, which is written in powers of z, the rounding of its terms as well.
    """
    repaired = []
    monkeypatch.setattr(Program, "_repaired", lambda self, point: repaired.append(point))
    function = ScalarFunction.parse(text)
    z = points()
    if text in ("log(z)", "sqrt(z)"):
        z = z[z > 0]
    if text in ("asin(z)", "acos(z)", "atanh(z)"):
        z = z[abs(z) < 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope = function.value_and_derivative(z)
    assert not repaired
    with mp.workdps(60):
        for i, x in enumerate(z):
            terms = size_of_terms(text, float(x))
            check(value[i], REFERENCES[text][0], float(x), terms)
            check(slope[i], REFERENCES[text][1], float(x), terms)


def test_every_named_function_is_among_them() -> None:
    tested = {text.split("(")[0] for text in REFERENCES}
    assert tested >= set(CATALOGUE)


# Where an intermediate overflows: text, the same in mpmath, points

FAR: list[tuple[str, Function, list[float]]] = [
    ("exp(z)", mp.exp, [709.7, 709.8, 1e8, -1e8]),
    ("exp(z)/3", lambda z: mp.exp(z) / 3, [709.8, 710.8, 710.9, 1e8]),
    ("exp(z)/10**9", lambda z: mp.exp(z) / 10**9, [715, 730.4, 730.6, 1e8]),
    ("-z*exp(z)", lambda z: -z * mp.exp(z), [703.3, 709.0, 1e8, -800]),
    ("cosh(z) - sinh(z)", lambda z: mp.exp(-z), [-1000, -710.5, 711, 1000]),
    ("(cosh(z) - sinh(z))*exp(z)", lambda z: mp.mpf(1), [-1000, 711, 1000, 1500]),
    ("(sqrt(exp(2*z) + 1) - exp(z))*exp(z)", lambda z: mp.mpf(1) / 2, [720, 1000, 1500]),
    ("exp(z) - exp(2*z)", lambda z: mp.exp(z) - mp.exp(2 * z), [300, 400, 720, 1e8]),
    ("exp(2*z)*exp(-z**2)", lambda z: mp.exp(2 * z - z**2), [400, 1e8, -400]),
    ("exp(z) + z*exp(-z)", lambda z: mp.exp(z) + z * mp.exp(-z), [720, -720, 1e8, -1e8]),
    ("sinh(z)*tanh(z)", lambda z: mp.sinh(z) * mp.tanh(z), [-711, 711, 1e8]),
    ("sinh(z)/cosh(z/2)", lambda z: 2 * mp.sinh(z / 2), [-1000, 720, 1500]),
    ("exp(z)*erfc(z)", lambda z: mp.exp(z) * mp.erfc(z), [-1e8, 800, 1e8]),
    ("He12(z)", hermite(12), [1e25, 5e25, 1e30, -1e30, 1e300]),
    ("He5(z)", hermite(5), [1e61, 1e62, -1e62, -1e104, 1e300]),
    ("z**3 - z**2*abs(z)", lambda z: 0 * z if z > 0 else 2 * z**3, [1e200, -1e200, -1e20]),
    ("abs(z)**(17/10)", lambda z: abs(z) ** (mp.mpf(17) / 10), [1e150, 1e250, -1e250, 1e30]),
    ("sqrt(1 + z**4)", lambda z: mp.sqrt(1 + z**4), [1e100, -1e150, 1e170, 1e10, 1e18, -1e30]),
    ("1/sinh(z) + z", lambda z: 1 / mp.sinh(z) + z, [-1e4, 720, 1e8]),
    ("asinh(sinh(z))", lambda z: z, [-1e4, 720, 1e4]),
    ("log(1 + exp(z) + exp(2*z))", lambda z: mp.log(1 + mp.exp(z) + mp.exp(2 * z)), [720, 1e4]),
    (
        "Piecewise((exp(z), z < 900), (exp(z)*exp(-z**2), True))",
        lambda z: mp.exp(z) if z < 900 else mp.exp(z - z**2),
        [-1e8, 720, 899, 901, 1e8],
    ),
    ("max(exp(z), exp(2*z) - exp(3*z))", mp.exp, [300, 720, 1e8]),
    ("min(exp(z), z)", lambda z: min(mp.exp(z), z), [720, 1e8, -720]),
    ("sin(exp(z))/z", lambda z: mp.sin(mp.exp(z)) / z, [720, 1000, 3000]),
    ("log(exp(z**2) + exp(z**2/2) + 1)", lambda z: z**2, [1e3, 1e50, 1e100]),
    ("relu(z)*exp(-z)", lambda z: max(z, 0) * mp.exp(-z), [-1000, 1000]),
]


@pytest.mark.parametrize(("text", "reference", "at"), FAR, ids=[text for text, _, _ in FAR])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_come_out_as_numbers_and_overflow_as_infinite(
    text: str, reference: Function, at: list[float], dtype: Any
) -> None:
    z = np.array([x for x in at if abs(x) < float(np.finfo(dtype).max)], dtype)
    value = ScalarFunction.parse(text)(z)
    for found, x in zip(value, z, strict=True):
        with mp.workdps(4000 if "sin" in text or "sqrt" in text else 60):
            exact = as_double(reference(mp.mpf(float(x))))
        with np.errstate(over="ignore", under="ignore"):
            expected = dtype(exact)
        assert found == pytest.approx(expected, rel=2e-13 if dtype is np.float64 else 1e-6), x


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("exp(z/3)", 2133.0),
        ("cosh(z)", 711.0),
        ("z*exp(z)*atan(z)", 720.0),
        ("exp(z) - exp(2*z)", 720.0),
        ("exp(exp(z))", 7.0),
        ("z*exp(exp(z)) + exp(z)", 7.0),
        ("exp(z)*cosh(z)/(1 + z**2)", 720.0),
        ("He12(z)", 1e28),
        ("(He5(z) - silu(z))*hard_tanh(z)", 1e80),
        ("z**3/(1 + abs(z)) - z**4", 1e155),
        ("sqrt(1 + z**2)**3*exp(z)", 1e3),
    ],
)
def test_overflow_is_recognised_without_many_digits(
    text: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Program, "_repaired", None)
    z = least * np.geomspace(1, 1e10, 50)
    value = ScalarFunction.parse(text)(z)
    assert np.isinf(value).all()
    assert (np.sign(value) == (-1 if "- exp(2" in text or "- z**4" in text else 1)).all()


def test_single_precision_overflows_are_evaluated_in_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Program, "_repaired", None)
    z = np.array([-100, 90, 100], np.float32)
    value = ScalarFunction.parse("cosh(z)/10**20")(z)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, np.cosh(z.astype(float)) / 1e20, rtol=1e-6)


def test_what_cancels_and_does_not_matter_takes_few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slope is 1/(1 + cosh z): as a quotient, a difference of two numbers alike in z digits."""
    digits = []

    def recorded(*arguments: Any) -> list[Any]:
        digits.append(arguments[3])
        return precise_values(*arguments)

    monkeypatch.setattr(program, "precise_values", recorded)
    slope = ScalarFunction.parse("sinh(z)/(1 + cosh(z))").derivative([800.0, 1e4, -1e8])
    assert slope.tolist() == [0, 0, 0]
    assert digits
    assert max(digits) <= 360


@pytest.mark.parametrize(
    "text", ["sin(exp(z))", "exp(exp(z) - exp(2*z))", "tanh(exp(z) - exp(z**2))"]
)
def test_exponentials_of_exponentials_end(text: str) -> None:
    """mpmath would divide them by as many digits of pi or log 2 as they have."""
    value = ScalarFunction.parse(text)([1e8, 1e9])
    if text.startswith("sin"):
        assert np.isnan(value).all()
    else:
        assert value.tolist() == [0, 0] if text.startswith("exp") else [-1, -1]
