"""What a Problem accepts and refuses: the message names the argument, what was given and what is
allowed.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np
import pytest
from problem_cases import made

from rmt import ExpressionError, InvalidInputError, ScalarFunction, Step

NAN, INF = math.nan, math.inf


def refusal(**changes: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        made(**changes)
    return str(caught.value)


@pytest.mark.parametrize("name", ["width", "dim", "samples"])
@pytest.mark.parametrize("bad", [0, -3, True, 2.0, np.float64(200), NAN, INF, "30", None, 1j])
def test_sizes(name: str, bad: Any) -> None:
    message = refusal(**{name: bad})
    assert message == f"{name} must be a positive integer, got {bad!r}"


@pytest.mark.parametrize("name", ["width", "dim", "samples"])
def test_sizes_beyond_floats(name: str) -> None:
    message = refusal(**{name: 10**400})
    assert message.startswith(f"{name} must be at most 1e+100, got 1000")


@pytest.mark.parametrize(
    ("bad", "allowed"),
    [
        ([100], "one number or one for each of the 2 steps"),
        ([100, 200, 300], "one number or one for each of the 2 steps"),
        ([], "one number or one for each of the 2 steps"),
        ([100, True], "a positive integer, got True"),
        ([100, 2.5], "a positive integer, got 2.5"),
        ((100, 0), "a positive integer, got 0"),
        ({100, 200}, "a positive integer"),  # a set has no order
        ({1: 2}, "a positive integer"),
        (np.array(100), "a positive integer"),
    ],
)
def test_samples(bad: Any, allowed: str) -> None:
    message = refusal(samples=bad)
    assert message.startswith("samples must be")
    assert allowed in message


def test_unequal_samples_of_a_reused_batch() -> None:
    message = refusal(samples=(100, 200), batch="reused")
    assert message.startswith("samples must be the same for both steps")
    assert "(100, 200)" in message
    assert made(samples=(100, 100), batch="reused").samples == (100, 100)
    assert made(samples=(100, 200), batch="independent").sample_ratios == (10.0, 5.0)


@pytest.mark.parametrize("bad", [0, -1, NAN, INF, True, "4", None, 1j, 10**400])
def test_step_scale(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^Step.scale must be (positive|a finite real)"):
        Step(bad, 0.3)


@pytest.mark.parametrize("bad", [0.5000001, 0.51, 1, -1e-9, -0.3])
def test_step_exponent_outside_its_range(bad: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Step(1.0, bad)
    assert f"Step.exponent must lie in [0, 1/2], got {float(bad)!r}" in str(caught.value)


@pytest.mark.parametrize("bad", [NAN, INF, True, "0.3", None, 1j])
def test_step_exponent_that_is_no_number(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^Step.exponent must be a finite real number"):
        Step(1.0, bad)


def test_step_range_is_half_open() -> None:
    assert Step(1, 0).exponent == 0.0
    assert Step(1, np.nextafter(0.5, 0)).size(4) < 2.0


@pytest.mark.parametrize(
    "bad",
    [
        [],
        None,
        4,
        "4,0.3",
        [Step(1, 0.1)] * 1001,
        (4, 0.3),
        [(4,)],
        [(4, 0.3, 0.001, 2)],
        {"a": 1},
        [{"a": 1}],
        ["ab"],
    ],
)
def test_steps(bad: Any) -> None:
    message = refusal(steps=bad)
    assert message.startswith("steps must hold")
    assert "got" in message


def test_a_bad_pair_is_refused_like_a_bad_step() -> None:
    assert refusal(steps=[(4, 0.3), (4, 0.6)]).startswith("Step.exponent must lie in [0, 1/2]")
    assert refusal(steps=[(0, 0.3)]) == "Step.scale must be positive, got 0.0"


@pytest.mark.parametrize("bad", ["Reused", "", None, 1, ["reused"], b"reused"])
@pytest.mark.parametrize(("name", "allowed"), [("init", "sphere, gaussian"), ("batch", None)])
def test_choices(name: str, allowed: str | None, bad: Any) -> None:
    message = refusal(**{name: bad})
    if allowed:
        assert message == f"{name} must be one of {allowed}; got {bad!r}"
    assert message.startswith(f"{name} must ")


def test_unknown_readout() -> None:
    expected = "readout must be one of gaussian, rademacher, uniform; got 'normal'"
    assert refusal(readout="normal") == expected


@pytest.mark.parametrize(
    ("bad", "allowed"),
    [
        (np.arange(1999.0), "a vector of length width = 2000, got shape (1999,)"),
        (np.ones((1, 2000)), "a vector of length width = 2000, got shape (1, 2000)"),
        (1.0, "a vector of length width = 2000, got shape ()"),
        (np.ones(2000), "a positive variance, got a vector of 2000 equal entries"),
        (np.zeros(2000), "a positive variance, got a vector of 2000 equal entries"),
        (np.r_[NAN, np.arange(1999.0)], "finite"),
        (np.r_[INF, np.arange(1999.0)], "finite"),
        (np.arange(2000) * 1j, "real numbers, got ndarray"),
        (["1", "2"] * 1000, "real numbers, got list"),
        ([1, [2]] * 1000, "real numbers, got list"),
        ({1: 2}, "real numbers, got dict"),
        (None, "real numbers, got NoneType"),
    ],
)
def test_readout_vector(bad: Any, allowed: str) -> None:
    message = refusal(readout=bad)
    assert message.startswith("readout must ")
    assert allowed in message


@pytest.mark.parametrize("bad", [-1e-300, NAN, INF, True, "0", None, 1j, 10**400, np.array([1.0])])
def test_noise(bad: Any) -> None:
    assert refusal(noise_std=bad).startswith("noise_std must ")


@pytest.mark.parametrize("name", ["activation", "target"])
@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("tanh(z", 4, "does not parse"),
        ("z + * 2", 4, "does not parse"),
        ("__import__('os')", 0, "unknown name '__import__'"),
        ("z + zz", 4, "unknown name 'zz'"),
        ("z.real", 1, "not allowed"),
        ("", 0, "empty"),
    ],
)
def test_text_that_does_not_parse(name: str, text: str, position: int, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        made(**{name: text})
    error = caught.value
    assert isinstance(error, InvalidInputError)
    assert str(error).startswith(f"{name}: ")
    assert reason in str(error)
    assert (error.text, error.position) == (text, position)
    # The message says the position once, and shows it.
    assert str(error).count("(position") == 1
    if text:
        first, shown, caret = str(error).split("\n")
        assert f"(position {position})" in first
        assert shown.strip() == text
        assert caret.index("^") - (len(shown) - len(shown.lstrip())) == position


def test_text_is_never_evaluated() -> None:
    probe = "rmt_test_that_was_evaluated"
    refusal(activation=f"__import__('os').putenv('{probe}', '1')")
    refusal(target=f"(lambda: __import__('builtins').__dict__.__setitem__('{probe}', 1))()")
    assert probe not in os.environ
    assert probe not in vars(sys.modules["builtins"])


@pytest.mark.parametrize("name", ["activation", "target"])
@pytest.mark.parametrize("bad", [None, 3, 1.5, b"z", ["z"], {"z"}])
def test_no_function(name: str, bad: Any) -> None:
    message = refusal(**{name: bad})
    assert message.startswith(f"{name}: ")
    assert type(bad).__name__ in message


@pytest.mark.parametrize("name", ["activation", "target"])
@pytest.mark.parametrize("text", ["exp(z**2)", "exp(z**2/4)", "exp(exp(z))", "tan(z)"])
def test_infinite_second_moment(name: str, text: str) -> None:
    message = refusal(**{name: text})
    assert message.startswith(f"{name} must have a finite second moment")
    assert ScalarFunction.parse(text).text in message


@pytest.mark.parametrize(
    "text", ["1/(z - 3/10)", "1/(z**2 - 2)", "abs(z - 1/3)**(-1/2)", "exp(z1*z2)", "exp(z1*z2/2)"]
)
def test_infinite_second_moment_of_a_target(text: str) -> None:
    """Poles off every grid, and growth along a diagonal only."""
    assert refusal(target=text).startswith("target must have a finite second moment")


@pytest.mark.parametrize(
    "text", ["exp(z**2/5)", "exp(2*z1*z2/5)", "exp(3*z)", "abs(z - 1/3)**(-1/4)", "log(abs(z-1/3))"]
)
def test_second_moments_that_are_finite_after_all(text: str) -> None:
    assert made(target=text).target == ScalarFunction.parse(text)


@pytest.mark.parametrize("text", ["log(z)", "sqrt(z)", "1/z"])
def test_target_that_is_undefined_somewhere(text: str) -> None:
    assert refusal(target=text).startswith("target must be finite and real")


@pytest.mark.parametrize(
    "text", ["0", "0*z", "z - z", "(z + 1)**2 - z**2 - 2*z - 1", "z1*0 + 0*z2"]
)
def test_zero_target(text: str) -> None:
    message = refusal(target=text)
    assert message.startswith("target must have a second moment E[f(z)^2] > 0")


def test_target_that_is_zero_almost_everywhere_on_a_grid() -> None:
    """A bump narrower than any grid is a target."""
    assert made(target="relu(1/100 - abs(z - 1/17))").n_directions == 1


@pytest.mark.parametrize("text", ["1", "z - z + 2", "0", "sin(z)**2 + cos(z)**2"])
def test_constant_activation(text: str) -> None:
    assert refusal(activation=text).startswith("activation must not be constant")


@pytest.mark.parametrize(("text", "jump"), [("sign(z)", "0"), ("heaviside(z - 1/2)", "0.5")])
def test_activation_with_a_jump(text: str, jump: str) -> None:
    message = refusal(activation=text)
    assert message.startswith("activation must be continuous")
    assert f"z = {jump}:" in message
    assert made(target=text).target.jumps  # a jump of the target is fine


def test_activation_without_a_mean_square_slope() -> None:
    """E[sigma'^2] diverges at z = 0, and with it tau."""
    assert refusal(activation="sqrt(abs(z))").startswith("activation must have a slope of finite")
    assert made(activation="abs(z)**(3/4)").activation.kinks == (0.0,)


def test_activation_of_two_variables() -> None:
    assert refusal(activation="z1*z2") == "activation must be a function of z alone, got z1*z2"
    assert refusal(activation="z2") == "activation must be a function of z alone, got z2"


def test_more_directions_than_dimensions() -> None:
    expected = "dim must be at least the number of target directions 3, got 2"
    assert refusal(dim=2, target="z1*z2*z3") == expected
    assert made(dim=3, target="z1*z2*z3").n_directions == 3


def test_mixed_variable_names() -> None:
    assert refusal(target="z*z1").startswith("target: variables: use either z alone or z1, z2, z3")
