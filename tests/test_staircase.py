"""The order in which directions are learned, worked out by hand, on the axes and rotated."""

import json
import math

import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose

from rmt.hermite.exponents.staircase import staircase
from rmt.status import InvalidInputError

Z1, Z2, Z3 = sympy.symbols("z1 z2 z3", real=True)
AXES = np.eye(3)
HALF = math.sqrt(0.5)

# Text: (degree, learned axes) of each step, and whether every zero is proved.
ON_THE_AXES = {
    "z1 + z1*z2": [(1, [0]), (1, [1])],
    "z1*z2": [(2, [0, 1])],
    "z1 + z1*z2*z3": [(1, [0]), (2, [1, 2])],
    "z1 + z1*z2 + z1*z2*z3": [(1, [0]), (1, [1]), (1, [2])],
    "He2(z1) + z1*z2": [(2, [0, 1])],
    "He2(z1) + He3(z2)*z1": [(2, [0]), (3, [1])],
    "He2(z1) + z1*He4(z2) + z3*He3(z2)": [(2, [0]), (4, [1, 2])],
    "z1*z2*z3": [(3, [0, 1, 2])],
    "z1*z2 + z2*z3 + z1*z3": [(2, [0, 1, 2])],
    "z1 + He2(z1)*z2 + He2(z2)*He2(z3)": [(1, [0]), (1, [1]), (2, [2])],
    "tanh(z1) + z1*He2(z2)": [(1, [0]), (2, [1])],
    "relu(z1)*relu(z2)": [(1, [0, 1])],
    "sign(z1*z2*z3)": [(3, [0, 1, 2])],
    "tanh(z1*z2)": [(2, [0, 1])],
    "sin(z1)*cos(z2)*z3": [(2, [0, 2]), (2, [1])],
    "exp(z1*z2/4)": [(2, [0, 1])],
}


def span_of(columns):
    return columns @ columns.T


def check_steps(found, expected):
    """Degrees and spans; the directions are orthonormal, and orthogonal to all the others."""
    assert [step.degree for step in found.steps] == [degree for degree, _ in expected]
    for step, (_, columns) in zip(found.steps, expected, strict=True):
        assert step.directions.shape == columns.shape
        assert_allclose(span_of(step.directions), span_of(columns), atol=1e-9)
    every = np.column_stack([*(step.directions for step in found.steps), found.unlearned])
    assert_allclose(every.T @ every, np.eye(len(every)), atol=1e-12)
    assert found.leap == max(degree for degree, _ in expected)
    assert found.margin > 1e6


@pytest.mark.parametrize("text", ON_THE_AXES)
def test_staircases_on_the_axes(text):
    found = staircase(text)
    r = found.function.n_variables
    expected = []
    learned: set[int] = set()
    for degree, axes in ON_THE_AXES[text]:
        expected.append((degree, np.eye(r)[:, axes]))
        learned |= set(axes)
    if text == "relu(z1)*relu(z2)":
        # Both coefficients of degree 1 are equal: the direction is (1, 1), and (1, -1) follows.
        diagonal = np.array([[HALF], [HALF]])
        expected = [(1, diagonal), (2, np.array([[HALF], [-HALF]]))]
    check_steps(found, expected)
    assert found.is_proved
    assert found.unlearned.shape == (r, r - sum(c.shape[1] for _, c in expected))


ROTATIONS = {
    "eighth turn": sympy.Matrix([[1, 1, 0], [1, -1, 0], [0, 0, sympy.sqrt(2)]]) / sympy.sqrt(2),
    "3-4-5": sympy.Matrix([[3, 4, 0], [-4, 3, 0], [0, 0, 5]]) / 5,
    "2-2-1": sympy.Matrix([[2, 2, 1], [2, -1, -2], [1, -2, 2]]) / 3,
}


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize(
    "text",
    ["z1 + z1*z2", "z1*z2", "z1 + z1*z2*z3", "z1 + He2(z2)", "erf(z1) + z1*z2", "relu(z1)*z2"],
)
def test_a_rotation_of_the_variables_rotates_the_staircase(text, rotation):
    # f(R z): direction e_i becomes row i of R.
    matrix = ROTATIONS[rotation]
    rotated = dict(zip((Z1, Z2, Z3), matrix * sympy.Matrix([Z1, Z2, Z3]), strict=True))
    straight = staircase(text)
    expr = straight.function.expression.subs(rotated, simultaneous=True)
    found = staircase(expr, degree=5)
    rows = np.array(matrix.tolist(), dtype=float)
    r, n = found.function.n_variables, straight.function.n_variables
    expected = [(s.degree, (rows[:n].T @ s.directions)[:r]) for s in straight.steps]
    check_steps(found, expected)
    assert found.is_proved


def test_one_direction_of_two():
    found = staircase("z1 + z2")
    assert found.leap == 1
    assert found.is_proved
    assert_allclose(found.steps[0].directions, [[HALF], [HALF]])
    assert_allclose(found.unlearned, [[HALF], [-HALF]])


@pytest.mark.parametrize(
    ("text", "leap"), [("tanh(z1 + z2)", 1), ("relu(z1 + z2)", 1), ("abs(2*z1 - 3*z2 + z3)", 2)]
)
def test_a_ridge_function_is_one_step(text, leap):
    found = staircase(text)
    vector = {"tanh(z1 + z2)": [1, 1], "relu(z1 + z2)": [1, 1]}.get(text, [2, -3, 1])
    expected = np.array(vector)[:, None] / np.linalg.norm(vector)
    check_steps(found, [(leap, expected)])
    assert found.unlearned.shape == (len(vector), len(vector) - 1)


def test_numerical_zeros_are_not_called_proved():
    found = staircase("relu(z1)*relu(z1 + z2)")
    assert not found.is_proved
    assert 0 < found.tolerance < 1e-9
    # E[f z] by hand is along the bisector of (1, 0) and (1, 1)
    angle = math.pi / 8
    assert_allclose(found.steps[0].directions[:, 0], [math.cos(angle), math.sin(angle)])
    assert "not proved" in str(found)


def test_a_product_of_a_ridge_and_an_axis():
    found = staircase("relu(z1 + z2)*z3")
    e3, diagonal = np.eye(3)[:, [2]], np.array([[HALF], [HALF], [0.0]])
    check_steps(found, [(1, e3), (1, diagonal)])
    assert_allclose(found.unlearned, [[HALF], [-HALF], [0.0]])


def test_noise_sets_the_tolerance():
    # A curved kink is integrated poorly; what is learned must rest on more than that.
    found = staircase("relu(z1*z2 + z3)", degree=3)
    assert found.tolerance > 1e-5
    assert_allclose(found.steps[0].directions[:, 0], [0.0, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "exponent"), [("He3(z)", 3), ("relu(z)", 1), ("tanh(z)", 1), ("abs(z)", 2)]
)
def test_one_variable_gives_the_information_exponent(text, exponent):
    found = staircase(text)
    assert found.leap == exponent
    assert len(found.steps) == 1
    assert found.unlearned.shape == (1, 0)


@pytest.mark.parametrize(("text", "r"), [("3", 1), ("He8(z1) + z2 - z2", 1), ("He8(z1)*z2**2", 2)])
def test_nothing_to_learn_up_to_the_degree(text, r):
    found = staircase(text, degree=7)
    assert found.leap is None
    assert found.steps == ()
    assert found.unlearned.shape == (r, r)
    assert found.searched == 7
    assert math.isinf(found.margin)
    assert "nothing is learned" in str(found)


def test_a_higher_degree_finds_more():
    text = "z1 + He4(z1)*He4(z2)"
    assert staircase(text, degree=7).unlearned.shape == (2, 1)
    assert staircase(text, degree=8).leap == 4


def test_text():
    assert str(staircase("z1 + z1*z2")).splitlines() == [
        "Staircase of z1*z2 + z1: leap 1",
        "step  degree  directions",
        "   1       1  (1, 0)",
        "   2       1  (0, 1)",
        "searched up to degree 6; zeros proved",
    ]


@pytest.mark.parametrize("text", ["z1 + z1*z2", "relu(z1 + z2)", "relu(z1)*relu(z1 + z2)", "3"])
def test_json(text):
    found = staircase(text, 4)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document == found.to_dict()
    assert document["leap"] == found.leap
    assert len(document["steps"]) == len(found.steps)
    for entry, step in zip(document["steps"], found.steps, strict=True):
        assert entry["degree"] == step.degree
        assert_allclose(np.transpose(entry["directions"]), step.directions)
    assert len(document["unlearned"]) == found.unlearned.shape[1]
    assert (document["margin"] is None) == (not found.steps)
    assert document["is_proved"] == found.is_proved


@pytest.mark.parametrize("degree", [0, 13, 2.0, True])
def test_the_degree_is_checked(degree):
    with pytest.raises(InvalidInputError, match="degree: expected"):
        staircase("z1*z2", degree)
