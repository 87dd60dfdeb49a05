"""Python functions as activations and targets: known ones by name, others by samples."""

from __future__ import annotations

import functools
import math
import pickle
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy

import rmt
from rmt.expressions.table import Table
from rmt.functions.known import text_of
from rmt.moments.sampled import sampling_error

F = rmt.ScalarFunction
NOISE = np.random.default_rng(0)


def _phi(z: Any) -> Any:
    return scipy.special.ndtr(z)


# What is sampled, and the same as a text.
SAMPLED: dict[str, tuple[Any, str]] = {
    "tanh": (lambda z: np.tanh(z), "tanh(z)"),
    "tanh, by one": (lambda z: math.tanh(2 * z + 0.5), "tanh(2*z + 1/2)"),
    "gelu": (lambda z: z * _phi(z), "gelu(z)"),
    "relu": (lambda z: max(z, 0.0), "relu(z)"),
    "abs": (lambda z: np.abs(z), "abs(z)"),
    "exp": (lambda z: np.exp(z / 2), "exp(z/2)"),
    "sin": (lambda z: np.sin(5 * z), "sin(5*z)"),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), "elu(z)"),
    "jump": (lambda z: np.where(z > 0.25, 1.0, z), "Piecewise((z, z <= 1/4), (1, True))"),
    "clip": (lambda z: np.clip(z, -1, 1), "hard_tanh(z)"),
    "third": (lambda z: z * abs(z - 1 / 3), "z*abs(z - 1/3)"),
    "cubic": (lambda z: z**3 - 3 * z, "He3(z)"),
    "root": (lambda z: np.sqrt(1 + z * z), "sqrt(1 + z**2)"),
    "steep": (lambda z: np.tanh(30 * z), "tanh(30*z)"),
    "constant": (lambda z: 2.0, "2"),
}


@functools.cache
def pair(name: str) -> tuple[rmt.ScalarFunction, rmt.ScalarFunction]:
    function, text = SAMPLED[name]
    return F.of_callable(function), F(text)


def _points(kinks: tuple[float, ...]) -> Any:
    rng = np.random.default_rng(7)
    z = np.concatenate([3 * rng.standard_normal(4000), rng.uniform(-41, 41, 4000)])
    near = [k + rng.standard_normal(300) * size for k in kinks for size in (1e-2, 1e-6, 1e-11)]
    return np.concatenate([z, *near])


@pytest.mark.parametrize("name", SAMPLED)
def test_values_and_slopes_within_their_errors(name: str) -> None:
    sampled, formula = pair(name)
    (table,) = sampled.tables
    z = _points(formula.kinks)
    assert (np.abs(sampled(z) - formula(z)) <= table.errors_at(z)).all()
    away = np.ones(z.size, bool)
    for kink in formula.kinks:
        away &= np.abs(z - kink) > 1e-14
    off = np.abs(sampled.derivative(z) - formula.derivative(z))
    assert (off <= table.errors_at(z, 1))[away].all()
    # The estimates are of use.
    inner = np.linspace(-3, 3, 101)
    size = 1 + np.abs(formula(inner)).max()
    assert table.errors_at(inner).max() <= 1e-13 * size
    slope = 1 + np.abs(formula.derivative(inner)).max()
    assert table.errors_at(inner, 1).max() <= 1e-11 * size * slope


@pytest.mark.parametrize("name", SAMPLED)
def test_structure(name: str) -> None:
    sampled, formula = pair(name)
    assert sampled.kinks == pytest.approx(formula.kinks, abs=1e-14)
    assert sampled.jumps == pytest.approx(formula.jumps, abs=1e-14)
    assert sampled.parity == formula.parity
    assert sampled.is_smooth == formula.is_smooth


@pytest.mark.parametrize("name", SAMPLED)
def test_hermite_coefficients(name: str) -> None:
    sampled, formula = pair(name)
    found, exact = (rmt.hermite_expansion(f, 30) for f in (sampled, formula))
    off = np.abs(found.orthonormal_array - exact.orthonormal_array)
    size = math.sqrt(float(exact.second_moment))
    assert (off <= np.array(found.errors) + np.array(exact.errors)).all()
    assert max(found.errors) <= 1e-12 * size
    assert found.decay().kind == exact.decay().kind or name in ("cubic", "constant")
    if exact.decay().kind == "algebraic":
        assert found.decay().rate == exact.decay().rate


@pytest.mark.parametrize("name", SAMPLED)
def test_the_text_is_the_function(name: str) -> None:
    sampled, _ = pair(name)
    again = F(sampled.text)
    assert again == sampled
    assert hash(again) == hash(sampled)
    assert pickle.loads(pickle.dumps(sampled)) == sampled
    z = np.linspace(-50, 50, 1001)
    assert np.array_equal(again(z), sampled(z), equal_nan=True)
    assert len(sampled.short) < 40
    assert sampled.short in repr(sampled)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kink", [0.3, -1.7, 1 / 3, math.e, 0.123456789, 2.5e-4, -20.3])
def test_kinks_are_found(kink: float, power: int) -> None:
    def function(z: Any) -> Any:
        return np.cos(z) + np.where(z > kink, np.abs(z - kink) ** power, 0.0)

    sampled = F.of_callable(function)
    # What jumps second is known by the slopes, which have 12 digits.
    assert sampled.kinks == pytest.approx((kink,), abs=1e-14 * (1 + abs(kink)) * 1e3 ** (power - 1))
    z = np.concatenate([kink + np.linspace(-1, 1, 201) * 10.0**-k for k in range(14)])
    z = z[np.abs(z - kink) > 1e-10]
    slope = -np.sin(z) + np.where(z > kink, power * np.abs(z - kink) ** (power - 1), 0.0)
    assert (np.abs(sampled(z) - function(z)) <= sampled.tables[0].errors_at(z)).all()
    assert (np.abs(sampled.derivative(z) - slope) <= sampled.tables[0].errors_at(z, 1)).all()


def test_declared_kinks() -> None:
    def function(z: Any) -> Any:
        return np.sin(z) + np.abs(z - 0.3) ** 3

    assert F.of_callable(function).kinks == ()  # a jump of the third derivative passes as smooth
    assert F.of_callable(function, kinks=[0.3]).kinks == (0.3,)
    assert F.of_callable(np.tanh, kinks=[]).kinks == ()
    with pytest.raises(rmt.InvalidInputError, match=r"not smooth .* z = 0\.5"):
        F.of_callable(lambda z: np.abs(z - 0.5), kinks=[0.2])
    with pytest.raises(rmt.InvalidInputError, match="not smooth at z = 0,"):
        F.of_callable(np.abs, kinks=[1.0])
    with pytest.raises(rmt.InvalidInputError, match="kinks must be numbers"):
        F.of_callable(np.abs, kinks=[100.0])


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda z: np.sqrt(np.abs(z)), "cannot be resolved next to z = 0"),
        (lambda z: np.log(np.abs(z - 0.7)), r"resolved next to z = 0\.(7|699)"),
        (lambda z: np.sin(200 * z), "400 panels"),
        (lambda z: np.sqrt(z), "finite real number"),
        (lambda z: 1j * z, "one real number"),
        (lambda z: "z", "cannot be called|could not convert"),
        (lambda z, w: z + w, "several variables"),
        (lambda z: z - np.mean(z), "one by one"),
        (lambda z: z + 0.1 * NOISE.standard_normal(np.shape(z)), "one by one"),
        (lambda z: z + 0.1 * np.sin(1e7 * z), "too noisy"),
        (lambda z: np.exp(z**2) * np.exp(z**2), "finite real number"),
    ],
)
def test_what_cannot_be_sampled_says_why(function: Any, reason: str) -> None:
    with pytest.raises(rmt.InvalidInputError, match=reason):
        F.of_callable(function)


def test_several_variables_are_refused_and_can_be_composed() -> None:
    with pytest.raises(rmt.InvalidInputError, match="n_variables must be 1"):
        F.of_callable(np.tanh, n_variables=2)
    f, _ = pair("tanh")
    z1, z2 = sympy.symbols("z1 z2")
    target = F(f.expression.subs(f.symbols[0], z1) * z2 + z1)
    same = F("tanh(z1)*z2 + z1")
    assert target.variables == ("z1", "z2")
    points = np.random.default_rng(0).standard_normal((2, 50))
    assert np.abs(target(*points) - same(*points)).max() < 1e-13
    found, exact = (rmt.tensor_hermite_expansion(one, 3) for one in (target, same))
    at = [[0.3, -1.2], [1.1, 0.4]]
    assert np.abs(found.evaluate(*at) - exact.evaluate(*at)).max() < 1e-12


def test_noise_of_single_precision() -> None:
    sampled = F.of_callable(lambda z: np.tanh(np.asarray(z, np.float32)))
    (table,) = sampled.tables
    z = np.linspace(-6, 6, 2001)
    off = np.abs(sampled(z) - np.tanh(z))
    assert (off <= table.errors_at(z)).all()
    assert 1e-8 < off.max() < 1e-6
    assert (np.abs(sampled.derivative(z) - np.cosh(z) ** -2.0) <= table.errors_at(z, 1)).all()
    assert table.digits in (6, 7)
    problem = rmt.Problem(sampled, "z", width=300, dim=300, samples=900, steps=[rmt.Step(1, 0.3)])
    assert any("was sampled" in note for note in rmt.predict(problem).notes)


def test_far_out() -> None:
    tail = F.of_callable(lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0))
    far = np.array([-1e12, -3e4, 3e4, 1e12])
    assert np.abs(tail(far) - np.maximum(far, 0)).max() <= 1e-9 * 1e12
    wave, formula = pair("sin")
    end = wave.tables[0].known_to
    assert end > 64
    assert np.isnan(wave([-1.01 * end, 1.01 * end])).all()  # it is not known there, and says so
    inside = np.linspace(-end, end, 997)
    assert (np.abs(wave(inside) - formula(inside)) <= wave.tables[0].errors_at(inside)).all()
    # What lies beyond and has no weight does not matter to a prediction.
    activations = F.of_callable(lambda z: z + 0.3 * np.sin(2 * z)), "z + 3/10*sin(2*z)"
    found, exact = (
        rmt.predict(
            rmt.Problem(
                *(activation, "z1 + z1*z2"),
                **{"width": 500, "dim": 500, "samples": 2000, "steps": [(2, 0.4), (2, 0.45)]},
            )
        )
        for activation in activations
    )
    assert found.outliers[0].singular_value == pytest.approx(
        exact.outliers[0].singular_value, rel=1e-9
    )


def test_more_digits_than_there_are_are_refused() -> None:
    sampled, _ = pair("tanh")
    with pytest.raises(rmt.InvalidInputError, match=r"digits: table_\w+\(z\) was sampled"):
        rmt.hermite_expansion(sampled, 3, digits=30)
    problem = rmt.Problem(sampled, "z", width=300, dim=300, samples=900, steps=[rmt.Step(1, 0.3)])
    with pytest.raises(rmt.InvalidInputError, match="'scaling' needs one"):
        rmt.predict(problem, method="scaling")


def test_exponents() -> None:
    assert rmt.information_exponent(lambda z: z**3 - 3 * z).value == 3
    assert rmt.reuse_exponent(lambda z: z**3 - 3 * z).value == 3
    assert rmt.information_exponent(lambda z: z * z).value == 2
    rest = rmt.remove_hermite(lambda z: np.tanh(z), 1)
    assert rmt.information_exponent(rest).value == 3


def test_sampling_errors_of_expressions() -> None:
    sampled, formula = pair("gelu")
    z = np.linspace(-10, 10, 4001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    for make in (lambda f: f.expression**2, lambda f: f.derivative_function.expression):
        one, other = (F(make(f)) for f in (sampled, formula))
        off = math.sqrt(float(density @ (one(z) - other(z)) ** 2))
        assert off <= sampling_error(one) <= 1e-11
    assert sampling_error(formula) == 0.0


CASES = [
    ("tanh, by one", "z + (z**2 - 1)/2", "independent", 1),
    ("gelu", "sign(z)", "reused", 2),
    ("relu", "He1(z) + He2(z)/2", "reused", 2),
    ("elu", "sin(2*z)", "independent", 3),
]


@pytest.mark.parametrize(("name", "target", "batch", "steps"), CASES)
def test_predictions(name: str, target: str, batch: str, steps: int) -> None:
    values = np.frompyfunc(lambda z: float(F(target)(z)), 1, 1)
    given: dict[str, Any] = {
        **{"width": 500, "dim": 500, "samples": 2000, "noise_std": 0.1, "batch": batch},
        "steps": [rmt.Step(2, 0.42)] * steps,
    }
    sampled, formula = (
        rmt.predict(rmt.Problem(a, t, **given))
        for a, t in zip(
            pair(name),
            (lambda z: values(z).astype(float) if np.ndim(z) else values(z), target),
            strict=True,
        )
    )
    assert len(sampled.outliers) == len(formula.outliers) > 0
    for one, other in zip(sampled.outliers, formula.outliers, strict=True):
        assert one.singular_value == pytest.approx(other.singular_value, rel=2e-6)
        assert one.target_overlap == pytest.approx(other.target_overlap, abs=2e-6)


def test_a_problem_is_stored_without_code() -> None:
    problem = rmt.Problem(
        lambda z: np.tanh(z + 0.5),
        lambda z: np.sign(z) * z**2,
        width=100,
        dim=100,
        samples=300,
        steps=[rmt.Step(1, 0.3)],
    )
    again = rmt.Problem.from_json(problem.to_json())
    assert again == problem
    assert again.content_hash == problem.content_hash
    other = problem.replace(activation=lambda z: np.tanh(z + 0.6))
    assert other.content_hash != problem.content_hash
    shown = str(problem) + problem._repr_html_() + str(rmt.predict(problem))
    assert "table_" in shown
    assert "table(" not in shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("table(z)", "of_callable"),
        ("table(z, 0, 0, (1, 1), (), (0, 1, 0, 0, f(1)))", "expected a number"),
        ("table(z, 0, 0, (1, 1), (), (0, 1, 0, 0, 1e999))", "at most|too"),
        ("table(z, 0, 2, (1, 1), (), (0, 1, 0, 0, 1))", "parity"),
        ("table(z, 0, 1, (1, 1), (), (1, 2, 0, 0, 1))", "begin at 0"),
        ("table(z, 0, 0, (1, 1), (3,), (0, 1, 0, 0, 1))", "kinks"),
        ("table(z, 0, 0, (1, 1), (), (1, 0, 0, 0, 1))", "increase"),
        ("table(z, 0, 0, (1, 1), (), (0, 1, 0, 0, 1), (2, 3, 0, 0, 1))", "begins where"),
        ("table(z, 0, 0, (1, 1), (), (0, 1, -1, 0, 1))", "not negative"),
        ("table(z, 99, 0, (1, 1), (), (0, 1, 0, 0, 1))", "order"),
        ("table(z, 0, 0, (1, 2), (), (0, 1, 0, 0, 1))", "0 or 1"),
        ("table(z, 0, 0, 1, (), (0, 1, 0, 0, 1))", "in brackets"),
    ],
)
def test_texts_of_tables_are_checked(text: str, reason: str) -> None:
    with pytest.raises(rmt.ExpressionError, match=reason):
        F(text)


def test_a_table_in_many_digits_is_the_table() -> None:
    (table,) = pair("gelu")[0].tables
    for order in range(4):
        for x in (-60.0, -1.3, 0.0, 0.77, 5.5, 100.0):
            with mpmath.workdps(40):
                exact = float(table.precise(mpmath.mpf(x), order))
            assert float(table.values(x, order)) == pytest.approx(exact, abs=1e-13 * 400**order)
    assert isinstance(table, Table)


# Known by name


class _Module:
    """Stands for a module of torch.nn where PyTorch is not installed."""

    def __new__(cls, kind: str, **parameters: Any) -> Any:
        made = type(kind, (), {"__module__": "torch.nn.modules.activation", **parameters})
        made.__call__ = lambda self, x: x
        return made()


def _named(module: str, name: str) -> Any:
    def function(x: Any, **keywords: Any) -> Any:
        raise AssertionError("a known function is not called")

    function.__module__, function.__name__ = module, name
    return function


KNOWN = [
    (np.tanh, "tanh(z)"),
    (np.arctan, "atan(z)"),
    (np.expm1, "exp(z) - 1"),
    (scipy.special.erf, "erf(z)"),
    (scipy.special.expit, "sigmoid(z)"),
    (scipy.special.ndtr, "(1 + erf(z/sqrt(2)))/2"),
    (math.sin, "sin(z)"),
    (abs, "abs(z)"),
    (sympy.tanh, "tanh(z)"),
    (_Module("GELU", approximate="none"), "gelu(z)"),
    (_Module("GELU", approximate="tanh"), "z*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3)))/2"),
    (_Module("LeakyReLU", negative_slope=0.1), "leaky_relu(z, 0.1)"),
    (_Module("LeakyReLU", negative_slope=0.0), "relu(z)"),
    (_Module("ELU", alpha=0.5), "elu(z, 0.5)"),
    (_Module("CELU", alpha=2.0), "celu(z, 2)"),
    (_Module("Softplus", beta=2.0, threshold=20.0), "softplus(2*z)/2"),
    (_Module("Hardtanh", min_val=-2.0, max_val=1.0), "max(-2, min(1, z))"),
    (_Module("SiLU"), "silu(z)"),
    (_Module("Mish"), "mish(z)"),
    (_Module("SELU"), "selu(z)"),
    (_Module("Softshrink", lambd=0.5), "max(z - 0.5, 0) + min(z + 0.5, 0)"),
    (_named("torch", "tanh"), "tanh(z)"),
    (_named("torch.nn.functional", "gelu"), "gelu(z)"),
    (_named("jax._src.nn.functions", "gelu"), "z*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3)))/2"),
    (_named("jax._src.nn.functions", "silu"), "silu(z)"),
    (functools.partial(_named("jax.nn", "gelu"), approximate=False), "gelu(z)"),
    (
        functools.partial(_named("torch.nn.functional", "leaky_relu"), negative_slope=0.2),
        "leaky_relu(z, 0.2)",
    ),
]


@pytest.mark.parametrize(("function", "text"), KNOWN)
def test_known_by_name(function: Any, text: str) -> None:
    assert F(function) == F(text)
    assert text_of(function) is not None


@pytest.mark.parametrize("name", ["tanh", "sin", "exp", "square", "cbrt", "log2", "negative"])
def test_texts_are_what_numpy_computes(name: str) -> None:
    z = np.array([0.3, 1.7, 4.2])
    assert np.allclose(F(getattr(np, name))(z), getattr(np, name)(z), rtol=1e-14)


@pytest.mark.parametrize("name", ["erf", "erfc", "expit", "log_expit", "ndtr", "exp2", "cbrt"])
def test_texts_are_what_scipy_computes(name: str) -> None:
    z = np.array([0.3, 1.7, 4.2])
    function = getattr(scipy.special, name)
    assert np.allclose(F(function)(z), function(z), rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_Module("PReLU"), "leaky_relu"),
        (_Module("Softmax"), "torch.nn.Softmax is not known"),
        (_named("torch", "cumsum"), "torch's cumsum is not known"),
        (type(_Module("GELU")), r"GELU\(\)"),
        (np.maximum, "takes 2 numbers"),
        (SimpleNamespace(), "expected text"),
    ],
)
def test_what_is_not_known_says_what_to_write(function: Any, reason: str) -> None:
    with pytest.raises(rmt.InvalidInputError, match=reason):
        F(function)


def test_modules_of_torch() -> None:
    torch = pytest.importorskip("torch")
    x = torch.linspace(-3, 3, 31, dtype=torch.float64)
    for module in (
        torch.nn.GELU(),
        torch.nn.GELU(approximate="tanh"),
        torch.nn.LeakyReLU(0.1),
        torch.nn.ELU(0.7),
        torch.nn.CELU(1.3),
        torch.nn.SELU(),
        torch.nn.Mish(),
        torch.nn.SiLU(),
        torch.nn.Softplus(2),
        torch.nn.Softsign(),
        torch.nn.Hardtanh(-2, 1),
        torch.nn.ReLU6(),
        torch.nn.Hardsigmoid(),
        torch.nn.Hardswish(),
        torch.nn.LogSigmoid(),
        torch.nn.Tanhshrink(),
        torch.tanh,
        torch.nn.functional.gelu,
        torch.nn.functional.silu,
        torch.relu,
    ):
        assert np.allclose(F(module)(x.numpy()), module(x).numpy(), atol=1e-12)


def test_functions_of_jax() -> None:
    jax = pytest.importorskip("jax")
    x = np.linspace(-3, 3, 31)
    for name in ("gelu", "silu", "relu", "elu", "softplus", "mish", "leaky_relu", "hard_tanh"):
        function = getattr(jax.nn, name)
        assert np.allclose(F(function)(x), np.asarray(function(x)), atol=1e-6)
