"""Text to sympy and back: what is allowed, what is refused and how fast, and the round trip."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from rmt.expressions.catalogue import CATALOGUE
from rmt.expressions.construction import VARIABLE_NAMES, variable
from rmt.expressions.printing import to_text
from rmt.functions import ExpressionError, ScalarFunction, parse_expression
from rmt.status import InvalidInputError

z = variable("z")
SOURCE = str(Path(__file__).parents[1])

# Meaning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("z", z),
        ("  z\n + 1 ", z + 1),
        ("0.7", sympy.Rational(7, 10)),
        ("1e-3*z", z / 1000),
        (".5", sympy.Rational(1, 2)),
        ("5.", sympy.Integer(5)),
        ("2.5E2", sympy.Integer(250)),
        ("-z**2", -(z**2)),
        ("2**-1", sympy.Rational(1, 2)),
        ("z**2**3", z**8),
        ("--z", z),
        ("1 - z - 2", -1 - z),
        ("z/2/3", z / 6),
        ("z/(2*(1 + z))", z / 2 / (1 + z)),
        ("pi + e - E", sympy.pi),
        ("e**z", sympy.exp(z)),
        ("He0(z)", sympy.Integer(1)),
        ("He3(z)", z**3 - 3 * z),
        ("He4(2*z)", 16 * z**4 - 24 * z**2 + 3),
        ("relu(z)", sympy.Max(z, 0)),
        ("leaky_relu(z)", sympy.Max(z, 0) + sympy.Min(z, 0) / 100),
        ("leaky_relu(z, 1/5)", sympy.Max(z, 0) + sympy.Min(z, 0) / 5),
        ("sqrt(z**2)", sympy.Abs(z)),
        ("max(z, 0, z - 1)", sympy.Max(z, 0)),
        ("Piecewise((1, False), (z, True), (2, z < 0))", z),
    ],
)
def test_meaning(text: str, expected: sympy.Expr) -> None:
    assert parse_expression(text) == expected


def test_hermite_polynomials_are_those_of_sympy() -> None:
    for k in range(13):
        expected = sympy.expand(sympy.hermite_prob(k, z))
        assert parse_expression(f"He{k}(z)") == expected


def test_every_catalogue_name_parses() -> None:
    for name, entry in CATALOGUE.items():
        arguments = ", ".join(["z", "2"][: entry.min_args])
        assert parse_expression(f"{name}({arguments})") is not None


def test_numbers_are_exact_up_to_24_digits() -> None:
    assert parse_expression("0.1234567890123456789") == sympy.Rational("0.1234567890123456789")
    inexact = parse_expression("0.1234567890123456789012345")
    assert inexact.is_Float
    assert parse_expression(to_text(inexact)) == inexact


def test_other_variables() -> None:
    y, zeta = variable("y"), variable("zeta")
    assert parse_expression("y*tanh(zeta)", ("y", "zeta")) == y * sympy.tanh(zeta)
    for bad in ("exp", "pi", "lambda", "a b", "1x", 3):
        with pytest.raises(InvalidInputError, match="variables"):
            parse_expression("1", (bad,))  # type: ignore[arg-type]


# What is refused

REFUSED = [
    # text, position, part of the message
    ("", 0, "empty"),
    ("   ", 3, "empty"),
    ("foo", 0, "unknown name 'foo'"),
    ("tanh(z) + thanh(z)", 10, "closest allowed names: tanh"),
    ("  Relu(z)", 2, "closest allowed names: relu"),
    ("ln(z)", 0, "write log"),
    ("x", 0, "allowed variables: z"),
    ("z1", 0, "unknown name 'z1'"),
    ("__import__('os')", 0, "unknown name '__import__'"),
    ("__import__('os').system('id')", 0, "unknown name '__import__'"),
    ("exec('1')", 0, "unknown name 'exec'"),
    ("().__class__", 0, "tuple"),
    ("z.__class__", 1, "attribute access"),
    ("z.real", 1, "attribute access"),
    ("tanh.__globals__", 0, "'tanh' is a function"),
    ("(lambda: 1)()", 1, "only a named function can be called"),
    ("lambda z: z", 0, "lambda"),
    ("'z'", 0, "strings"),
    ('exp("z")', 4, "strings"),
    ("b'z'", 0, "strings"),
    ("f'{z}'", 0, "strings"),
    ("[z for z in (1,)]", 0, "comprehensions"),
    ("[z]", 0, "lists"),
    ("{z}", 0, "sets"),
    ("{1: z}", 0, "dictionaries"),
    ("z[0]", 0, "indexing"),
    ("z if z else 1", 0, "Piecewise"),
    ("z < 1", 0, "comparison"),
    ("z and 1", 0, "Piecewise"),
    ("not z", 0, "Piecewise"),
    ("~z", 0, "Piecewise"),
    ("z := 1", 2, "does not parse"),
    ("(z := 1)", 1, "assignment"),
    ("z = 1", 2, "does not parse"),
    ("z; z", 1, "does not parse"),
    ("import os", 0, "does not parse"),
    ("yield z", 0, "does not parse"),
    ("(yield z)", 1, "yield"),
    ("await z", 0, "await"),
    ("z^2", 1, r"write \*\*"),
    ("tanh(z) ^ 2", 8, r"write \*\*"),
    ("z // 2", 2, "operator '//'"),
    ("z % 2", 2, "operator '%'"),
    ("z @ 2", 2, "operator '@'"),
    ("z << 2", 2, "operator '<<'"),
    ("z | 2", 2, r"operator '\|'"),
    ("2z", 1, r"write 2\*z"),
    ("2.5tanh(z)", 3, r"write 2.5\*tanh"),
    ("2(z)", 0, r"write \* for a product"),
    ("z(2)", 0, r"write z\*"),
    ("pi(2)", 0, r"write pi\*"),
    ("tanh", 0, r"write tanh\(z\)"),
    ("tanh()", 0, "tanh takes 1 argument, but 0"),
    ("tanh(z, 1)", 0, "tanh takes 1 argument, but 2"),
    ("leaky_relu(z, 1, 2)", 0, "1 to 2 arguments"),
    ("max(z)", 0, "at least 2 arguments"),
    ("tanh(x=z)", 5, "by position"),
    ("tanh(*z)", 5, "'\\*' before an argument"),
    ("tanh(**z)", 5, "by position"),
    ("leaky_relu(z, z)", 14, "slope must be a number"),
    ("celu(z, 0)", 8, "alpha must be a number"),
    ("He13(z)", 0, "unknown name 'He13'"),
    ("tanh(z", 4, "does not parse"),
    ("tanh(z))", 7, "does not parse"),
    ("z +", 3, "does not parse"),
    ("z z", 2, "does not parse"),
    ("1..2", 2, "does not parse"),
    ("z # comment", 2, "not allowed"),
    ("z\\", 1, "not allowed"),
    ("z\x00", 1, "not allowed"),
    ("\u03c3(z)", 0, "ASCII"),
    ("z\u00b2", 1, "ASCII"),
    ("z \u2212 1", 2, "ASCII"),
    ("\uff5a", 0, "ASCII"),
    ("nan", 0, "finite"),
    ("inf*z", 0, "finite"),
    ("oo", 0, "finite"),
    ("1e999", 0, "too large"),
    ("1e-999", 0, "too small"),
    ("1/0", 2, "not finite"),
    ("z/0", 2, "not finite"),
    ("log(0)", 0, "not finite"),
    ("tan(pi/2)", 0, "not finite"),
    ("0**-1", 0, "not finite"),
    ("sqrt(-1)", 0, "not real"),
    ("log(-2)*z", 0, "not real"),
    ("(-8)**(1/3)", 0, "not real"),
    ("asin(2)", 0, "not real"),
    ("1j", 1, r"write 1\*j"),
    ("I", 0, "real"),
    ("0x10", 0, "decimal"),
    ("0b1", 0, "decimal"),
    ("1_000", 0, "plain decimal"),
    ("True", 0, "not a number"),
    ("None", 0, "not a number"),
    ("...", 0, "not a number"),
    ("Piecewise()", 0, "Piecewise"),
    ("Piecewise(z, z < 0)", 10, "pair"),
    ("Piecewise((z, 1))", 14, "condition"),
    ("Piecewise((z, z))", 14, "condition"),
    ("Piecewise((z, z in z))", 14, "comparisons"),
    ("Piecewise((z, False))", 0, "reached"),
    ("remove_hermite(z, z)", 18, "whole number"),
    ("remove_hermite(z, 1, 2)", 0, "remove_hermite"),
    ("remove_hermite(z, -1)", 0, "degree"),
    ("remove_hermite(exp(z**2), 2)", 0, "square-integrable"),
    ("remove_hermite(sqrt(z), 1)", 0, "not real"),
]


@pytest.mark.parametrize(("text", "position", "message"), REFUSED)
def test_refused_with_position_and_caret(text: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        parse_expression(text)
    error = caught.value
    assert error.position == position
    lines = str(error).splitlines()
    assert lines[-1].index("^") == 4 + position
    assert isinstance(error, (InvalidInputError, ValueError))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.position) == (str(error), position)


HOSTILE = [
    "9**9**9",
    "9**9**9**9",
    "z**(9**9)",
    "(z + 1)**100000",
    "10**(10**10)",
    "2**-(10**8)",
    "(1/3)**99999",
    "1e300*1e300",
    "exp(exp(exp(exp(9))))",
    "exp(1000)",
    "cosh(10**9)",
    "(10**250)**(1/7) * (10**299)**2",
    "(" * 500 + "z" + ")" * 500,
    "tanh(" * 200 + "z" + ")" * 200,
    "-" * 9000 + "z*" + "1",
    "abs(" * 59 + "-" * 5000 + "z" + ")" * 59,
    "z" + " + z" * 100_000,
    "z" + "**z" * 2000,
    "He12(He12(He12(He12(He12(z)))))",
    "9" * 5000,
    "0." + "1" * 9000,
    "z*" * 4999 + "y",
    "1" + "+1j" * 100,
    "~" * 5000 + "z",
    "[" * 3000,
    "{" * 3000,
    "lambda: " * 1000 + "z",
    "z if " * 2000,
    "Piecewise((" * 50 + "z" + ", z < 0))" * 50 + "(",
    "z.a" + ".a" * 4000,
    "f(" * 100,
    "'" * 9999,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert time.process_time() - start < 2
    assert 0 <= caught.value.position <= len(text)
    assert len(str(caught.value)) < 600


def test_large_but_fine() -> None:
    many = " + ".join(f"sin({k}*z)/{k}" for k in range(1, 200))
    start = time.process_time()
    f = ScalarFunction.parse(many)
    assert time.process_time() - start < 3
    assert f(1.0) == pytest.approx(math.fsum(math.sin(k) / k for k in range(1, 200)), rel=1e-13)


@pytest.mark.parametrize("thing", [None, 3, 2.5, b"z", ["z"], z, np.array(1.0)])
def test_only_text(thing: object) -> None:
    with pytest.raises(ExpressionError, match="text"):
        parse_expression(thing)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="z1230.e+-*/()<,= '\"[]{}:^#\\_abs", max_size=40))
def test_junk_never_fails_in_another_way(text: str) -> None:
    try:
        result = parse_expression(text)
    except ExpressionError as error:
        position = error.position
    else:
        position = 0
        assert isinstance(result, sympy.Expr)
    assert 0 <= position <= len(text)


# Round trip

NUMBERS = st.one_of(
    st.integers(-9, 9).map(str),
    st.fractions(-5, 5, max_denominator=30).map(str),
    st.sampled_from(["0.7", "1e-3", "pi", "e", "sqrt(2)", "0.1234567890123456789012345"]),
)
UNARY = st.sampled_from(
    "tanh relu abs sign heaviside exp sin cos erf erfc sigmoid softplus silu gelu mish elu selu "
    "hard_tanh hard_sigmoid relu6 softsign He2 He3 atan asinh sech leaky_relu".split()
)


def _combine(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    comparison = st.sampled_from(["<", "<=", ">", ">="])
    return st.one_of(
        st.tuples(UNARY, children).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(children, st.sampled_from("+-*"), children).map(
            lambda t: f"({t[0]}) {t[1]} ({t[2]})"
        ),
        st.tuples(children, children).map(lambda t: f"({t[0]})/(1 + exp({t[1]}))"),
        st.tuples(children, st.integers(2, 4)).map(lambda t: f"({t[0]})**{t[1]}"),
        st.tuples(children, NUMBERS).map(lambda t: f"({t[0]})/(3*(1 + abs({t[1]})))"),
        st.tuples(children, children).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(children, children).map(lambda t: f"min({t[0]}, {t[1]})"),
        children.map(lambda t: f"sqrt(abs({t}))"),
        children.map(lambda t: f"(1 + abs({t}))**(-3/2)"),
        st.tuples(children, children, comparison, children).map(
            lambda t: f"Piecewise(({t[0]}, {t[1]} {t[2]} 0), ({t[3]}, True))"
        ),
    )


TREES = st.recursive(st.one_of(st.just("z"), st.just("z"), NUMBERS), _combine, max_leaves=8)


def parse_or_skip(text: str) -> ScalarFunction:
    """Constants may turn out too large or undefined; any other error is a failure."""
    try:
        return ScalarFunction.parse(text)
    except ExpressionError as error:
        reason = error.reason
    assume(not any(word in reason for word in ("too large", "not finite", "not real")))
    raise AssertionError(f"{text}: {reason}")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_round_trip_of_random_expressions(text: str) -> None:
    f = parse_or_skip(text)
    again = parse_expression(f.text, VARIABLE_NAMES)
    assert again == f.expression
    assert to_text(again) == f.text
    assert ScalarFunction.parse(f.expression) == f
    assert ScalarFunction.parse(f.text) == f
    # sympy's own text reads back as well, as long as it prints no Floats (15 digits only).
    if not f.expression.has(sympy.Float):
        assert ScalarFunction.parse(str(f.expression)) == f


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_values_agree_with_sympy(text: str) -> None:
    f = parse_or_skip(text)
    for point in (-1.37, 0.61):
        exact = sympy.N(f.expression.subs(z, sympy.Rational(str(point))), 30, maxn=400)
        if not exact.is_real or abs(exact) > 1e200 or f.parity is None:
            continue
        value = float(f(point))
        # Cancellation inside the expression is the expression's own; 1e-6 catches wrong formulas.
        assert value == pytest.approx(float(exact), rel=1e-6, abs=1e-9)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_no_kink_is_missed(text: str) -> None:
    """On each piece the function is the smooth expression of that piece, up to both ends."""
    f = parse_or_skip(text)
    try:
        pieces = f.smooth_pieces
    except InvalidInputError as error:
        assume("kinks" not in str(error))
        raise
    for piece in pieces:
        low, high = max(float(piece.lower), -6.0), min(float(piece.upper), 6.0)
        if high - low < 1e-6 or (not piece.expression.is_finite and piece.expression.is_number):
            continue
        inside = low + (high - low) * np.array([1e-4, 0.03, 0.21, 0.47, 0.83, 0.99, 1 - 1e-4])
        expected, value = ScalarFunction.parse(piece.expression)(inside), f(inside)
        usable = np.isfinite(expected) & np.isfinite(value) & (np.abs(expected) < 1e100)
        np.testing.assert_allclose(value[usable], expected[usable], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "expr",
    [
        sympy.Float(0.7) * sympy.Symbol("z"),
        sympy.Symbol("z", positive=True) ** 2,
        2 * sympy.Mul(2, sympy.Symbol("z") + 1, evaluate=False),
        sympy.factor(6 * z**2 + 6 * z),
        sympy.Piecewise((z, z < 0), (z**2, sympy.And(z > 1, z < 2)), (0, True)),
        sympy.Piecewise((z, z < 0), (z**2, z >= 0)),
        sympy.Heaviside(z, 1) * z,
        sympy.coth(z + 1) * sympy.sec(z),
        sympy.Float("0.123456789012345678901234567890", 30) * z,
        sympy.diff(sympy.tanh(z) ** 2 * sympy.Max(z, 0), z),
        sympy.Symbol("z1") * sympy.Abs(sympy.Symbol("z3")),
    ],
)
def test_sympy_expressions_get_a_canonical_text(expr: sympy.Expr) -> None:
    f = ScalarFunction.parse(expr)
    assert parse_expression(f.text, VARIABLE_NAMES) == f.expression
    assert ScalarFunction.parse(f.text) == f


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (sympy.Symbol("x") + 1, "unknown variables x"),
        (sympy.gamma(z), "gamma"),
        (sympy.DiracDelta(z), "DiracDelta"),
        (sympy.Integral(z, z), "Integral"),
        (sympy.Function("f")(z), "not supported"),
        (sympy.oo * 1, "finite|not supported"),
        (sympy.I * z, "real|not supported"),
        (sympy.Symbol("z") * sympy.Symbol("z1"), "either z alone or"),
    ],
)
def test_sympy_expressions_that_are_refused(expr: sympy.Expr, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ScalarFunction.parse(expr)


TEXTS = [
    "tanh(z + 0.7)",
    "max(z, 0, 1 - z**2)*min(z, 3)",
    "remove_hermite(3*tanh(2*z), 1)",
    "z1*relu(z2) + z1*z2*z3",
    "Piecewise((z, (z < 0) | (z > 2)), (exp(z)*sin(z)*erf(z), True))",
    "selu(z) + gelu(z) + mish(z)",
]


def test_text_and_hash_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from rmt.functions import ScalarFunction as S\n"
        f"for t in {TEXTS!r}:\n"
        "    f = S.parse(t); print(f.text, hash(f))\n"
    )
    outputs = set()
    for seed in ("0", "12345"):  # and whatever that of this process is
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": SOURCE}
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment
        )
        assert run.returncode == 0, run.stderr
        outputs.add(run.stdout)
    assert len(outputs) == 1
    here = "".join(f"{f.text} {hash(f)}\n" for f in map(ScalarFunction.parse, TEXTS))
    assert outputs == {here}


def test_importing_does_not_load_sympy() -> None:
    program = "import sys, rmt.functions; print('sympy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment
    )
    assert run.stdout.strip() == "False", run.stderr
