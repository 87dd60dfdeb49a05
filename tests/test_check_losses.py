"""Weights trained with another loss, on labels with a law, with an output of order one."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

import rmt
from rmt.problem import Problem, Step
from rmt.problem.labels import Bernoulli, Poisson, SignOf
from validation import check, compare, compare_conditional, run_samples, simulate
from validation.comparison.compare import best_level
from validation.weights.fit import _label_moments

LOGISTIC = Problem(
    "tanh(z + 7/10)", SignOf("z", flip=0.1), 300, 300, 600, [Step(8, 0.3)], loss="logistic"
)
DECAY = LOGISTIC.replace(
    target="sin(2*z)", loss="log(cosh(y - h))", noise_std=0.3, steps=[Step(6, 0.3, 0.01)]
)
ORDER_ONE = LOGISTIC.replace(activation="tanh(z)", output_scale=1, steps=[Step(20, 0.0)])
PAIRS = LOGISTIC.replace(initialisation="antisymmetric")
PROBLEMS = (LOGISTIC, DECAY, ORDER_ONE, PAIRS)
NAMES = ("logistic", "smooth, decay", "order one", "antisymmetric")


@cache
def network(problem):
    sample = simulate(problem, 3)
    return sample.weights[-1], sample.readout / math.sqrt(problem.width)


def notes(problem, trained):
    """On weights that were trained on another problem than the one that is given."""
    weights, readout = network(trained)
    found = check(problem, weights, readout, method="resummed", spectrum=False)
    return [note for note in found.notes if note.startswith("the weights: ")]


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_right_weights_agree(problem):
    weights, readout = network(problem)
    found = check(problem, weights, readout, n_reference=4)
    assert found.agrees(), str(found)
    assert not [note for note in found.notes if note.startswith("the weights: ")]
    method = "resummed" if problem is PAIRS else "deformed"
    assert found.method.startswith(method)
    assert (found.bulk is None) == (problem is PAIRS)


@pytest.mark.parametrize(
    ("problem", "trained", "expected"),
    [
        (LOGISTIC, LOGISTIC.replace(loss="squared"), "as after the loss squared in place of"),
        (LOGISTIC.replace(loss="squared"), LOGISTIC, "as after the loss logistic in place of"),
        (DECAY, DECAY.replace(steps=[(6, 0.3)]), "as without weight decay"),
        (
            ORDER_ONE.replace(loss="squared", output_scale=3, steps=[(8, 0.0)]),
            ORDER_ONE.replace(loss="squared", output_scale=None, steps=[(8, 0.0)]),
            "as with the output scale N**-1/2",
        ),
    ],
    ids=["squared", "logistic", "decay", "scale"],
)
def test_what_was_left_out_is_named(problem, trained, expected):
    [note] = notes(problem, trained)
    assert expected in note


def test_usual_factors_speak_of_the_problem_s_loss():
    [note] = notes(LOGISTIC, LOGISTIC.replace(steps=[(16, 0.3)]))
    assert "as with twice the loss of the problem" in note


@pytest.mark.parametrize(
    ("law", "square", "fourth"),
    [
        (Bernoulli("sigmoid(z)"), lambda z: 1 + 0 * z, lambda z: 1 + 0 * z),
        (
            Poisson("exp(z/2)"),
            lambda z: np.exp(z / 2) + np.exp(z),
            lambda z: sum(c * np.exp(k * z / 2) for k, c in ((1, 1), (2, 7), (3, 6), (4, 1))),
        ),
    ],
)
def test_moments_of_effective_labels(law, square, fourth):
    """Of the squared loss those of the labels; of the logistic one a quarter, a sixteenth."""
    problem = LOGISTIC.replace(target=law, loss="squared")
    z, weights, second, fourth_moment = _label_moments(problem)
    assert weights.sum() == pytest.approx(1.0)
    near = np.abs(z[0]) < 4
    np.testing.assert_allclose(second[near], square(z[0])[near], rtol=1e-9)
    np.testing.assert_allclose(fourth_moment[near], fourth(z[0])[near], rtol=1e-8)
    if isinstance(law, Bernoulli):
        *_, half, _ = _label_moments(problem.replace(loss="logistic"))
        np.testing.assert_allclose(half, second / 4, rtol=1e-12)


def test_moments_at_an_output_of_order_one():
    """``E[(y - h_0)^2]`` with ``E[h_0^2] = s^2 E[sigma^2]``, and noise of the labels."""
    problem = Problem(
        "relu(z)", "z", 300, 300, 600, [Step(4, 0)], noise_std=0.5, output_scale=2, readout_sum=0.7
    )
    _, weights, second, _ = _label_moments(problem)
    mu0 = 1 / math.sqrt(2 * math.pi)
    of_output = 4 * (0.7**2 * mu0**2 + 0.5 - mu0**2)
    assert float(weights @ second) == pytest.approx(1 + 0.25 + of_output, rel=1e-9)


# --- comparisons ----------------------------------------------------------------------------------


def test_the_level_that_knows_most():
    assert best_level(LOGISTIC) == ("deformed", "linked")
    assert best_level(ORDER_ONE) == ("deformed", "simple")
    assert best_level(PAIRS) == ("resummed", None)


def test_overlaps_with_the_initial_output_are_compared():
    problem = ORDER_ONE.replace(loss="squared", steps=[(4, 0.0)], target="z + z**2/2")
    samples = run_samples(problem, 12, n_outliers=2)
    found = compare(rmt.predict(problem, rtol=1e-3), samples)
    [row] = [one for one in found.rows if one.quantity.endswith("initial output")]
    assert row.simulated == samples.initial_output_overlap[:, 0].mean()
    assert row.predicted > 0.005
    assert abs(row.difference) < 4 * row.standard_error + 0.01
    assert type(found).from_json(found.to_json()) == found
    assert found.row(0).quantity == "singular value"


def test_conditional_comparison_of_networks_of_a_given_sum():
    problem = ORDER_ONE.replace(readout_sum=0.4)
    found = compare_conditional(run_samples(problem, 3, n_outliers=2))
    assert found.conditional
    assert found.rows
