"""Mistakes that users make with their weights: the first note names each, and no other does."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pytest
from problems import IE1

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation import simulate
from validation.__main__ import main
from validation.weights import mistakes
from validation.weights.check import check

# One step, and two of one and of several directions; square, wide and tall.
ONE = Problem("tanh(z)", "z + sin(2*z)", 300, 300, 1200, [Step(3, 0.3)])
TWO = Problem("gelu(z)", IE1, 240, 240, 480, [Step(3, 0.3), Step(3, 0.4)], readout="rademacher")
SHIFTED = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 360, 300, 720, [Step(4, 0.3), Step(4, 0.4)], batch="reused"
)
SEVERAL = Problem("tanh(z)", "z1 + z1*z2", 200, 300, 900, [Step(4, 0.3)])
# Where finite size shows: few neurons, few samples, noise, heavy tails, weak spikes,
# a second step that multiplies what the first leaves to chance.
DIFFICULT = (
    Problem("tanh(z)", "z1 + z1*z2", 60, 40, 160, [Step(2, 0.3)]),
    Problem("tanh(z)", "z", 30, 30, 60, [Step(8, 0.3)]),
    Problem("gelu(z)", "z + z**2", 300, 300, 150, [Step(4, 0.3)], noise_std=1.0),
    Problem("relu(z)", "abs(z) + z", 150, 100, 300, [Step(3, 0.4)], readout="uniform"),
    Problem("tanh(z + 1/2)", "He3(z)/sqrt(6)", 150, 200, 300, [Step(4, 0.3), Step(4, 0.3)]),
    Problem("tanh(z)", "z/3", 200, 200, 400, [Step(1, 0.2)], init="gaussian"),
    Problem("z**2 + z", "z**2 + z", 200, 200, 800, [Step(1, 0.3), Step(1, 0.3)]),
    Problem("tanh(-z)", "z", 200, 300, 600, [Step(3, 0.3)]),
    Problem("cos(z)", "z**2 + z", 150, 150, 450, [Step(3, 0.3), Step(3, 0.3)]),
)
PROBLEMS = (ONE, TWO, SHIFTED, SEVERAL)
NAMES = ("one step", "two steps", "reused", "several directions")
# What notes on weights have in common; the others are on the problem and its prediction.
ON_WEIGHTS = ("the weights: ", "matrix ", "the readout has standard deviation")


@cache
def network(problem, seed=3, index=0):
    """A simulated network, and its second layer."""
    sample = simulate(problem, seed, index)
    return sample, sample.readout / math.sqrt(problem.width)


def scaled(problem, factor):
    return problem.replace(steps=[Step(s.scale * factor, s.exponent) for s in problem.steps])


def notes(problem, weights, readout, **arguments):
    """Those on the weights, in their order; they come before all others."""
    every = check(problem, weights, readout, method="resummed", spectrum=False, **arguments).notes
    found = [note for note in every if note.startswith(ON_WEIGHTS)]
    assert list(every[: len(found)]) == found
    return found


def only_note(problem, weights, readout, **arguments):
    found = notes(problem, weights, readout, **arguments)
    assert len(found) == 1
    return found[0]


def with_and_without(readout):
    return (readout, None)


# --- weights that are right -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem", [*PROBLEMS, *DIFFICULT], ids=lambda p: f"{p.activation.text}, {p.target.text}"
)
def test_right_weights_get_no_note(problem):
    for index in range(6):
        sample, readout = network(problem, 5, index)
        for a in with_and_without(readout):
            assert notes(problem, sample.weights[-1], a) == []


@pytest.mark.parametrize("problem", [ONE, TWO, DIFFICULT[3]], ids=[*NAMES[:2], "soft edge"])
def test_nor_at_the_level_deformed_with_reference_networks(problem):
    for index in range(3):
        sample, readout = network(problem, 5, index)
        found = check(problem, sample.weights[-1], readout, n_reference=4)
        assert not any(note.startswith(ON_WEIGHTS) for note in found.notes)


@pytest.mark.parametrize("change", [1.1, 0.9])
def test_a_deviation_of_finite_size_gets_no_note(change):
    """A tenth is what one network of this width may be off by."""
    sample, readout = network(scaled(ONE, change))
    assert notes(ONE, sample.weights[-1], readout) == []


def test_weights_that_agree_are_not_held_against_anything_else(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("an alternative was tried")

    sample, readout = network(TWO, 7)
    monkeypatch.setattr(mistakes, "predict", refuse)
    found = check(TWO, sample.weights[-1], readout, n_reference=20)
    assert found.agrees()


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_the_number_of_alternatives_is_bounded(problem, monkeypatch):
    tried = []
    predict = mistakes.predict

    def counted(*arguments, **options):
        tried.append(arguments)
        return predict(*arguments, **options)

    monkeypatch.setattr(mistakes, "predict", counted)
    other = problem.replace(activation="relu(z)", samples=problem.dim)
    for wrong in (other, scaled(problem, 3), scaled(problem, 1 / 3)):
        sample, readout = network(wrong)
        tried.clear()
        notes(problem, sample.weights[-1], readout)
        assert len(tried) <= 10


# --- the readout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_a_readout_too_small_by_sqrt_n_comes_first(problem):
    """Handed in: the weights are right, and differ from the prediction for it."""
    sample, readout = network(problem)
    root = math.sqrt(problem.width)
    note = only_note(problem, sample.weights[-1], readout / root)
    assert note.startswith("the readout has standard deviation 0.0")
    assert "multiply by sqrt(N)" in note
    assert "the weights are as predicted for the readout so multiplied. See" in note


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_or_used_in_training_and_handed_in(problem):
    _, readout = network(problem)
    small = problem.replace(readout=readout)
    note = only_note(problem, network(small)[0].weights[-1], readout / math.sqrt(problem.width))
    assert note.startswith("the readout has standard deviation 0.0")
    assert "multiply by sqrt(N)" in note
    assert "trained with it as it is, which hardly moves them: train again" in note


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_or_used_in_training_alone(problem):
    """Then it is as a learning rate too small, and hidden in the bulk: the drift tells."""
    _, readout = network(problem)
    sample, _ = network(problem.replace(readout=readout))
    note = only_note(problem, sample.weights[-1], readout)
    assert "1/sqrt(N) = 0.0" in note
    assert "a readout a_i too small by sqrt(N) in training" in note


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_without_the_readout_hidden_outliers_are_called_hidden(problem):
    _, readout = network(problem)
    sample, _ = network(problem.replace(readout=readout))
    note = only_note(problem, sample.weights[-1], None)
    assert "none is clear of the bulk of untrained weights" in note
    assert f"a forgotten sqrt(N) is {1 / math.sqrt(problem.width):.2g}" in note


def test_a_readout_given_with_the_problem_is_looked_at_too():
    sample, _ = network(ONE)
    small = ONE.replace(readout=sample.readout / math.sqrt(300))
    assert "multiply by sqrt(N)" in only_note(small, sample.weights[-1], None)
    right = ONE.replace(readout=sample.readout)
    assert notes(right, sample.weights[-1], None) == []
    assert "follows the readout" in only_note(right, sample.weights[-1].T, None)


# --- which weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_initial_weights(problem):
    sample, readout = network(problem)
    for a in with_and_without(readout):
        note = only_note(problem, sample.weights[0], a)
        assert "these are the initial weights; give those after the last step" in note
    single = sample.weights[0].astype(np.float32)
    assert "these are the initial weights" in only_note(problem, single, readout)


def test_initial_weights_that_are_gaussian():
    problem = ONE.replace(init="gaussian")
    sample, readout = network(problem)
    for a in with_and_without(readout):
        assert "these are the initial weights, or" in only_note(problem, sample.weights[0], a)


@pytest.mark.parametrize("problem", [TWO, SHIFTED], ids=["independent", "reused"])
def test_weights_after_the_first_of_two_steps(problem):
    sample, readout = network(problem)
    for a in with_and_without(readout):
        note = only_note(problem, sample.weights[1], a)
        assert "as after step 1 alone: give the weights after step 2" in note


@pytest.mark.parametrize("problem", [ONE, TWO], ids=NAMES[:2])
def test_transposed_where_the_shape_does_not_tell(problem):
    sample, readout = network(problem)
    for a, follows in ((readout, "follows the readout"), (None, "follows the target")):
        note = only_note(problem, sample.weights[-1].T, a)
        assert follows in note
        assert "W may be transposed" in note


def test_transposed_where_nothing_tells():
    """Nothing of the target is learned, and the readout is not known: the same prediction."""
    problem = ONE.replace(target="He3(z)", samples=4 * 300)
    sample, readout = network(problem)
    assert "transposed" in only_note(problem, sample.weights[-1].T, readout)
    assert notes(problem, sample.weights[-1].T, None) == []


def test_of_another_target():
    other = ONE.replace(target="z**2 + z/3")
    for problem, wrong in ((ONE, other), (TWO, TWO.replace(target="z**2 + z/3"))):
        sample, readout = network(wrong)
        for a in with_and_without(readout):
            note = only_note(problem, sample.weights[-1], a)
            assert "may be of another problem (activation, target, samples, batch)" in note
    # Nothing here follows what it should: without the readout a transpose looks the same.
    assert "transposed" in only_note(ONE, network(other)[0].weights[-1], None)


def test_of_another_activation():
    """The outlier of one step depends on it by a factor alone, as on the learning rate."""
    sample, readout = network(SEVERAL.replace(activation="3*tanh(z)"))
    for a in with_and_without(readout):
        note = only_note(SEVERAL, sample.weights[-1], a)
        assert "another problem (activation, target" in note or "another activation" in note


# --- learning rates -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (lambda p: 2.0, "problem, 2 within the scatter of one network: as with a loss |y - h|^2/n"),
        (
            lambda p: 0.5,
            "problem, 1/2 within the scatter of one network: as with a loss |y - h|^2/(4n)",
        ),
        (lambda p: math.sqrt(p.width), "problem, sqrt(N) = 1"),
        (lambda p: 1 / math.sqrt(p.width), "problem, 1/sqrt(N) = 0.0"),
        (lambda p: p.width**-0.3, "problem, N**-0.3 = 0."),
    ],
    ids=["2", "1/2", "sqrt(N)", "1/sqrt(N)", "N**-alpha"],
)
@pytest.mark.parametrize("problem", [ONE, SEVERAL], ids=["square", "wide"])
def test_a_learning_rate_off_by_a_usual_factor(problem, factor, name):
    sample, readout = network(scaled(problem, factor(problem)))
    assert name in only_note(problem, sample.weights[-1], readout)
    if factor(problem) > 0.1:  # otherwise the outlier is hidden, and the readout is needed
        assert name in only_note(problem, sample.weights[-1], None)


def test_by_an_unusual_factor():
    sample, readout = network(scaled(ONE, 3.3))
    for a in with_and_without(readout):
        note = only_note(ONE, sample.weights[-1], a)
        assert "as after a learning rate 3." in note
        assert "another learning rate, or another problem" in note


@pytest.mark.parametrize("problem", [TWO, SHIFTED], ids=["independent", "reused"])
def test_two_learning_rates(problem):
    sample, readout = network(problem.replace(steps=[Step(s.scale, 0) for s in problem.steps]))
    for a in with_and_without(readout):
        note = only_note(problem, sample.weights[-1], a)
        assert "without the factors N**alpha" in note
    sample, readout = network(scaled(problem, 2.5))
    for a in with_and_without(readout):
        assert "as after learning rates 2." in only_note(problem, sample.weights[-1], a)


def test_two_learning_rates_that_are_far_too_large():
    """Nothing as large is predicted: of a reused batch it would take minutes."""
    sample, readout = network(scaled(TWO, math.sqrt(TWO.width)))
    for a in with_and_without(readout):
        note = only_note(TWO, sample.weights[-1], a)
        assert "far larger learning rates (a factor sqrt(N) too many is 15.5)" in note


def uphill(problem, seed=5):
    """The same network, each step taken backwards, written out."""
    sample = simulate(problem, seed)
    weights, g = sample.weights[0], sample.readout
    for batch, eta in zip(sample.batches, problem.learning_rates, strict=True):
        inside = batch.inputs @ weights.T
        residual = batch.labels - problem.activation(inside) @ g / problem.width
        slopes = problem.activation.derivative(inside) * residual[:, None]
        step = (slopes * g / math.sqrt(problem.width)).T @ batch.inputs / len(residual)
        weights = weights - eta * step
    return weights, g / math.sqrt(problem.width)


@pytest.mark.parametrize("problem", [*PROBLEMS, ONE.replace(activation="tanh(-z)")])
def test_steps_taken_uphill(problem):
    weights, readout = uphill(problem)
    note = only_note(problem, weights, readout)
    assert "steps were taken uphill" in note
    # The sign of given directions is free, so nothing is said of it.
    directions = -np.eye(problem.n_directions, problem.dim)
    assert "uphill" not in " ".join(notes(problem, weights, readout, directions=directions))


# --- how it is said -------------------------------------------------------------------------------


def test_of_several_matrices_the_worst_is_named():
    several = [network(ONE, 5, index) for index in range(4)]
    weights = [sample.weights[-1] for sample, _ in several]
    readouts = [readout for _, readout in several]
    weights[2] = several[2][0].weights[0]
    note = only_note(ONE, weights, readouts)
    assert note.startswith("matrix 2: ")
    assert "initial weights" in note
    turned = [w.T for w in weights[:2]] + weights[3:]
    note = only_note(ONE, turned, [readouts[0], readouts[1], readouts[3]])
    assert note.startswith("matrix 0: ")
    assert "(there is a note on matrix 1 too). See" in note


def test_command_line_and_json_say_the_same(tmp_path, capsys):
    sample, readout = network(TWO)
    (tmp_path / "p.json").write_text(TWO.to_json(), encoding="utf-8")
    np.save(tmp_path / "w.npy", sample.weights[0])
    np.save(tmp_path / "a.npy", readout)
    files = [str(tmp_path / name) for name in ("p.json", "w.npy", "a.npy")]
    command = ["check", "--problem", files[0], "--weights", files[1], "--readout", files[2]]
    assert main(command) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert main([*command, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)["notes"]
    expected = check(TWO, sample.weights[0], readout).notes
    assert tuple(said) == expected
    assert "these are the initial weights" in expected[0]
    positions = [text.index(f"note: {' '.join(note.split())}") for note in expected]
    assert positions == sorted(positions)


def test_the_readouts_scale_is_still_refused_where_it_is_too_large():
    sample, _ = network(ONE)
    with pytest.raises(InvalidInputError, match="divide it by sqrt"):
        check(ONE, sample.weights[-1], sample.readout)
