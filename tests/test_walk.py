"""Any number of steps on any schedule: references, other routes to the same numbers, networks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import rmt
import rmt.spikes.state.walk as walk_module
from rmt import InvalidInputError, Problem, Step, UnsupportedProblemError
from rmt.functions import ScalarFunction
from rmt.spikes.path import walked
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.state.walk import segments, walk
from validation.simulation.observe import observe
from validation.simulation.simulate import simulate

REFERENCE = Path(__file__).parent / "reference"
ONE_INDEX = "tanh(z) + (cos(2*z) - exp(-2))/2"


def cases(name):
    listed = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{name} {k}") for k, case in enumerate(listed)]


def problem_of(case):
    target = case["target"]
    if "b0" in target:  # in words: b0 = E[z tanh 2z]
        z, w = np.polynomial.hermite_e.hermegauss(200)
        b0 = float(w @ (z * np.tanh(2 * z)) / w.sum())
        target = f"3*(tanh(2*z) - {b0:.14f}*z) + He2(z)/sqrt(2)"
    keys = ("activation", "width", "dim", "samples", "steps", "readout", "noise_std")
    return Problem(
        target=target,
        batch=case.get("batches") if isinstance(case.get("batches"), list) else "independent",
        **{key: case[key] for key in keys},
    )


def spectrum(problem, w, state):
    root = np.sqrt(w)
    values, vectors = np.linalg.eigh(problem.width * root[:, None] * state.kernel * root)
    theta = np.sqrt(np.maximum(values[::-1], 1e-30))
    toward = math.sqrt(problem.width) * (vectors[:, ::-1].T * root) @ state.toward
    return theta, (toward / theta[:, None]) ** 2


@pytest.mark.parametrize("case", [*cases("steps"), *cases("giant_steps"), *cases("one_batch")])
def test_references(case):
    """Computed independently; one of them is a published experiment with giant steps."""
    problem = problem_of(case)
    g, w = readout_rule(problem.readout, 16, 0.3, bool(problem.activation.kinks))
    stated = case["after_step"]
    to_the_end = len(stated) > len(problem.steps)
    for state, expected in zip(walk(problem, g, w, 1.0, to_the_end), stated, strict=False):
        theta, squares = spectrum(problem, w, state)
        # Weak ones are a thousandth of the strongest eigenvalue.
        for k, strength in enumerate(expected["strength"][:2]):
            assert theta[k] == pytest.approx(strength, rel=1e-4 if k == 0 else 1e-3, abs=1e-4)
        if "squared_alignment" in expected:
            squared = np.atleast_2d(np.array(expected["squared_alignment"][:1]).reshape(1, -1))
            assert squares[:1] == pytest.approx(squared, abs=1e-4)
        for name, value in (
            ("training_error_before", state.before[0, 0]),
            ("test_error_before", state.before[0, 1]),
            ("mean_square_error_before_the_step", state.before[0, 1]),
        ):
            if name in expected:
                assert value == pytest.approx(expected[name], rel=1e-4)
        if "gradient_cosines" in expected:
            assert state.gradient[-1] == pytest.approx(
                expected["gradient_cosines"]["a>0"], abs=1e-4
            )
        if "row_lengths_sq" in expected:
            ends = np.array(expected["row_lengths_sq"])[[0, -1]]
            if problem.readout == "rademacher":
                assert state.own == pytest.approx(ends, abs=1e-4)
    if to_the_end:
        assert state.after[0, 0] == pytest.approx(stated[-1]["training_error_before"], rel=5e-4)
        assert state.after[0, 1] == pytest.approx(stated[-1]["test_error_before"], rel=5e-4)


@pytest.mark.parametrize("batch", ["reused", "independent"])
@pytest.mark.parametrize(
    ("activation", "target", "readout", "noise"),
    [
        ("tanh(z + 7/10)", "He3(z)/sqrt(6)", "uniform", 0.0),
        ("erf(z)", "z1 + z1*z2", "rademacher", 0.4),
        ("relu(z)", "sin(2*z)", "gaussian", 0.0),
    ],
)
def test_two_steps_are_those_of_the_level_resummed(batch, activation, target, readout, noise):
    """Another derivation (theory.md, section 3), another code: kernels of labels and zeta there."""
    problem = Problem(
        activation, target, 500, 400, 900, [(2, 0.3), (2, 0.4)], batch, readout, noise
    )
    exact = resummed_strengths(problem, 1e-6)
    g, w = readout_rule(readout, 24, 0.3, bool(problem.activation.kinks))
    *_, last = walk(problem, g, w, 1.0, to_the_end=False)
    theta, squares = spectrum(problem, w, last)
    kinked = bool(problem.activation.kinks) and batch == "reused"
    count = int(np.sum(exact.strengths > 0.9))
    tolerance = 2e-3 if kinked else 3e-4
    assert theta[:count] == pytest.approx(exact.strengths[:count], rel=tolerance)
    assert squares[:count] == pytest.approx(exact.alignments[:count] ** 2, abs=tolerance)


def test_segments():
    assert segments((0, 1, 2)) == [range(0, 1), range(1, 2), range(2, 3)]
    assert segments((0, 0, 1, 1)) == [range(0, 2), range(2, 4)]
    assert segments((0, 1, 0, 2)) == [range(0, 3), range(3, 4)]


@pytest.mark.parametrize("schedule", [(0, 1, 2), (0, 0, 1), (0, 1, 1)])
def test_what_is_forgotten_between_segments_did_not_matter(schedule, monkeypatch):
    """The short forms of fresh steps and pairs against the process that keeps everything."""
    problem = Problem(
        "tanh(z + 7/10)", ONE_INDEX, 800, 800, 1600, [(3, 0.3)] * 3, schedule, "rademacher"
    )
    g, w = readout_rule("rademacher", 2, 1.0, False)
    short = list(walk(problem, g, w, 1.0))
    monkeypatch.setattr(walk_module, "segments", lambda word: [range(len(word))])
    whole = list(walk(problem, g, w, 1.0))
    for one, other in zip(short, whole, strict=True):
        assert one.kernel == pytest.approx(other.kernel, rel=1e-4)
        assert one.toward == pytest.approx(other.toward, rel=1e-4, abs=1e-6)
        assert one.own == pytest.approx(other.own, rel=1e-4)
        assert one.before[:2] == pytest.approx(other.before[:2], rel=1e-4)


@pytest.mark.parametrize("schedule", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)])
def test_errors_along_the_path_of_networks(schedule):
    """Training errors of eight networks: a batch that is used again is told from a fresh one."""
    problem = Problem(
        "tanh(z + 7/10)", ONE_INDEX, 500, 500, 1000, [(2, 0.3)] * 3, schedule, "rademacher"
    )
    path = walked(problem, 1e-3)
    seen = np.empty((8, 3))
    for index in range(8):
        sample = simulate(problem, seed=11, index=index)
        for s, batch in enumerate(problem.schedule):
            data = sample.batches[s]
            hidden = problem.activation(data.inputs @ sample.weights[s].T)
            output = hidden @ sample.readout / problem.width if s else 0.0
            seen[index, s] = np.mean((data.labels - output) ** 2)
            assert data is sample.batches[schedule.index(batch)]
    predicted = [point.training_error for point in path[:3]]
    error = seen.std(axis=0, ddof=1) / math.sqrt(len(seen))
    assert seen.mean(axis=0) == pytest.approx(predicted, abs=4 * error.max() + 0.005)
    # The other kind of third batch is further away than all of that.
    again = schedule[2] in schedule[:2]
    other = (*schedule[:2], max(schedule[:2]) + 1 if again else 0)
    wrong = walked(problem.replace(batch=other, samples=1000), 1e-3)[2].training_error
    assert abs(wrong - predicted[2]) > 5 * abs(seen[:, 2].mean() - predicted[2])


@pytest.mark.parametrize(
    "schedule",
    [
        (0, 0),
        (0, 0, 1),
        pytest.param((0, 0, 0), marks=pytest.mark.slow),
        pytest.param((0, 1, 0), marks=pytest.mark.slow),
    ],
)
def test_giant_steps_of_networks_that_use_a_batch_again(schedule):
    """At the exponent 1/2: the strong outlier, its overlap, training errors, after each step."""
    problem = Problem(
        "tanh(z + 7/10)", ONE_INDEX, 400, 400, 800, [(1, 0.5)] * len(schedule), schedule,
        "rademacher",
    )  # fmt: skip
    path, count = rmt.training_path(problem, 1e-3), 8
    seen = np.empty((count, len(schedule), 3))
    for index in range(count):
        sample = simulate(problem, seed=5, index=index)
        for s, data in enumerate(sample.batches):
            found = observe(sample.weights[s + 1], 1, n_directions=1)
            hidden = problem.activation(data.inputs @ sample.weights[s].T)
            output = hidden @ sample.readout / problem.width if s else 0.0
            error = np.mean((data.labels - output) ** 2)
            seen[index, s] = found.singular_values[0], found.target_overlaps[0, 0], error
    theory = np.column_stack(
        [path.singular_value[1:, 0], path.target_overlaps[1:, 0, 0], path.training_error[:-1]]
    )
    error = seen.std(axis=0, ddof=1) / math.sqrt(count)
    allowed = 4 * error + np.array([0.01, 0.005, 0.01]) * theory
    assert np.all(np.abs(seen.mean(axis=0) - theory) <= allowed)


@pytest.mark.parametrize("resolution", [0.75, 1.0, pytest.param(1.35, marks=pytest.mark.slow), 1.8])
def test_a_direction_that_finds_little_room_for_nodes_is_not_lost(resolution):
    """The error after two steps is that before a third, however fine the rule beside it is."""
    problem = Problem(
        "relu(z)", "(4*z1 + z1**2 + z2)/2", 400, 400, 1600, [(2, 0.5)] * 3, readout="rademacher"
    )
    g, w = readout_rule("rademacher", 2, 1.0, True)
    if resolution == 1.8:  # more nodes than there may be: no rule that leaves it out
        with pytest.raises(rmt.ConvergenceError, match="nodes along more directions"):
            list(walk(problem, g, w, resolution))
        return
    after = list(walk(problem.with_n_steps(2), g, w, resolution))[-1].after
    before = list(walk(problem, g, w, resolution, to_the_end=False))[2].before
    assert after[0, 1] == pytest.approx(before[0, 1], rel=2e-3)
    assert before[0, 1] == pytest.approx(0.8592, rel=1e-3)


def test_path_and_prediction_agree():
    problem = Problem(
        "erf(z + 1/2)", "He2(z)/sqrt(2)", 600, 600, 1200, [(3, 0.3)] * 3, (0, 0, 1), "rademacher"
    )
    path = rmt.training_path(problem, rtol=1e-4)
    prediction = rmt.predict(problem, rtol=1e-4)
    assert [point.step for point in path] == [0, 1, 2, 3]
    strengths = path[-1].spikes.strengths
    assert [s.strength for s in prediction.spikes] == pytest.approx(strengths, rel=1e-12)
    assert path[0].spikes is None
    assert path[0].test_error == pytest.approx(1.0, rel=1e-4)
    assert np.all(path[0].row_alignments == 0)
    assert path[2].row_alignment([-1.0, 1.0]).shape == (2, 1)
    assert "AAB batches" in str(prediction)
    assert np.all(path[-1].spikes.strength_errors[:1] < 2e-4 * strengths[:1])


def test_error_estimates_bound_a_finer_walk():
    problem = Problem(
        "tanh(z + 7/10)", ONE_INDEX, 800, 800, 1600, [(3, 0.3)] * 3, "reused", "rademacher"
    )
    found = walked(problem, 1e-3)
    g, w = readout_rule("rademacher", 2, 1.0, False)
    finer = list(walk(problem, g, w, 1.6, to_the_end=False))
    for point, state in zip(found[1:], finer, strict=True):
        theta, _ = spectrum(problem, w, state)
        k = point.spikes.strengths.size
        off = np.abs(theta[:k] - point.spikes.strengths)
        assert np.all(off <= point.spikes.strength_errors + 1e-7 * theta[:1])
    for point, state in zip(found[:3], finer, strict=True):
        assert abs(point.training_error - state.before[0, 0]) <= point.training_error_error + 1e-9
        assert abs(point.test_error - state.before[0, 1]) <= point.test_error_error + 1e-9


def test_a_staircase_direction_enters_one_step_after_the_one_it_needs():
    problem = Problem(
        "tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0.3)] * 2, readout="rademacher"
    )
    first, second = walked(problem, 1e-3)[1:]
    assert first.spikes.alignments[0, 1] ** 2 < 1e-12
    assert second.spikes.alignments[1, 1] ** 2 > 0.2


# What a problem accepts, and what the other levels say


def test_schedules_that_have_a_name_become_it():
    made = [
        Problem("erf(z)", "z", 50, 50, 80, [(1, 0.3)] * 3, batch)
        for batch in ((0, 0, 0), "reused", (0, 1, 2), "independent", [0, 1, 0])
    ]
    assert [one.batch for one in made] == [
        "reused",
        "reused",
        "independent",
        "independent",
        (0, 1, 0),
    ]
    assert made[0] == made[1]
    assert made[4].schedule == (0, 1, 0)
    assert made[4].samples == (80, 80)
    assert Problem.from_json(made[4].to_json()) == made[4]
    assert made[4].sample_ratios == (50 / 80,) * 3


@pytest.mark.parametrize(
    ("batch", "samples", "message"),
    [
        ((0, 0), 80, "batch must hold the number of the batch of each of the 3 steps"),
        ((0, 0), 80, r"got \(0, 0\): 2 are given for 3 steps"),
        ((0, 0, 1, 1), 80, "4 are given for 3 steps"),
        ((), 80, "0 are given for 3 steps"),
        ((0, 2, 0), 80, r"the same batches are \(0, 1, 0\)"),
        ((1, 1, 0), 80, r"the same batches are \(0, 0, 1\)"),
        ((-1, 0, 0), 80, r"the same batches are \(0, 1, 1\)"),
        ((0, 2, 0), 80, "in the order of their first use"),
        ((1, 0, 0), 80, "counted from 0"),
        ((0, 0.0, 1), 80, "batch must hold"),
        ((0, True, 1), 80, "batch must hold"),
        ((0, 0, 1), (80, 80, 80), "one for each of the 2 batches"),
        ((0, 0, 1), (80,), r"each of the 2 batches of the schedule \(0, 0, 1\), got 1"),
        ((0, 1, 2), (80, 80), "one for each of the 3 steps, got 2"),
        ("independent", (80, 80), "one for each of the 3 steps, got 2"),
        ((0, 0, 0), (80, 80, 90), "must be the same for all steps"),
        ("AAB", 80, "or the number of the batch that each step uses, such as"),
    ],
)
def test_bad_schedules(batch, samples, message):
    with pytest.raises(InvalidInputError, match=message):
        Problem("erf(z)", "z", 50, 50, samples, [(1, 0.3)] * 3, batch)


@pytest.mark.parametrize(
    "problem",
    [
        Problem("erf(z)", "z", 50, 50, 80, [(1, 0.3)] * 3),
        Problem("erf(z)", "z", 50, 50, 80, [(1, 0.3)] * 3, (0, 0, 1)),
        Problem("erf(z)", "z", 50, 50, 80, [Step(1, 0.5)]),
    ],
    ids=["three steps", "a batch again", "giant"],
)
def test_levels_without_a_prediction_say_so(problem):
    with pytest.raises(UnsupportedProblemError, match="the level scaling has a prediction for"):
        rmt.predict(problem, "scaling")

    def ridge(problem):
        return rmt.ridge(problem, 100, 0.1)

    calls = [rmt.feature_spikes, ridge, rmt.feature_exponents]
    if problem.batch != "independent" or problem.n_steps == 1:  # exponents of fresh steps are known
        calls.append(rmt.scaling)
    for call in calls:
        with pytest.raises(UnsupportedProblemError, match="one or two steps with exponents below"):
            call(problem)


def test_time_is_bounded():
    problem = Problem("tanh(z + 1)", "He3(z)", 500, 500, 1000, [(2, 0.4)] * 4, "reused")
    with pytest.raises(rmt.ConvergenceError) as caught:
        rmt.training_path(problem, max_seconds=0.3)
    assert caught.value.status is rmt.Status.OUT_OF_TIME


def test_function_of_a_target_without_text_is_the_same():
    text = Problem("erf(z)", "z", 50, 50, 80, [(1, 0.5)], readout="rademacher")
    parsed = text.replace(target=ScalarFunction.parse("z"))
    assert walked(text, 1e-3)[1].test_error == walked(parsed, 1e-3)[1].test_error


def test_what_is_not_finite_is_no_answer():
    problem = Problem("exp(z)", "exp(z)", 100, 100, 200, [(50, 0.5)] * 3, "reused", "rademacher")
    with pytest.raises(rmt.ConvergenceError) as caught:
        rmt.training_path(problem, 1e-2, max_seconds=20)
    assert caught.value.status is not rmt.Status.CONVERGED
    prediction = rmt.predict(problem, rtol=1e-2, throw=False, max_seconds=20)
    assert not prediction.status.ok


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0.4, id="one solve in time"),
        pytest.param(20.0, id="all in time", marks=pytest.mark.slow),
    ],
)
def test_a_path_that_ends_early_is_a_prediction_all_the_same(seconds):
    problem = Problem(
        "leaky_relu(z) + silu(z)",
        "z*selu(z)",
        300,
        300,
        150,
        [(1, 0.25)] * 3,
        "reused",
        "rademacher",
    )
    prediction = rmt.predict(problem, rtol=1e-2, throw=False, max_seconds=seconds)
    assert prediction.status in (rmt.Status.CONVERGED, rmt.Status.OUT_OF_TIME)
    assert all(math.isfinite(spike.error.strength) for spike in prediction.spikes)


def test_no_spike_at_all():
    problem = Problem("He3(z)", "z**2", 300, 300, 900, [(0.1, 0.1)] * 3, readout="rademacher")
    assert rmt.predict(problem, rtol=1e-3).outliers == ()
