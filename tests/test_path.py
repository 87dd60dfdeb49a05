"""The path of a prediction: its points against predictions of their own, its forms, its picture."""

import json
import math
import pickle
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

import rmt
from rmt import InvalidInputError, Problem, Step, UnsupportedProblemError
from rmt.predict import along_path
from validation import PathPlan, run_paths

mpl.use("agg")
predict_module = sys.modules["rmt.predict"]

STAIRCASE = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 400, 400, 1200, [(2, 0.3)] * 3, readout="rademacher"
)
TWO = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 500, 400, 1000, [(4, 0.3), (4, 0.4)], readout="rademacher"
)


@pytest.fixture(scope="module")
def path():
    return rmt.predict(STAIRCASE, rtol=1e-3).path


def test_points_are_predictions_of_the_first_steps(path):
    """The last by the same walk; the first two by other code, for one and for two steps."""
    assert path[0].prediction is None
    assert path[0].outliers == ()
    for s in (1, 2, 3):
        point = path[s]
        alone = rmt.predict(STAIRCASE.with_n_steps(s), rtol=1e-3, bulk="rows")
        assert point.prediction.problem == alone.problem
        assert len(point.outliers) == len(alone.outliers) == (1, 2, 2)[s - 1]
        for one, other in zip(point.outliers, alone.outliers, strict=True):
            off = one.error.singular_value + other.error.singular_value
            assert abs(one.singular_value - other.singular_value) <= off
            off = one.error.target_overlap + other.error.target_overlap
            assert abs(one.target_overlap - other.target_overlap) <= off


def test_a_path_is_computed_once():
    prediction = rmt.predict(TWO, rtol=1e-3)
    assert prediction.path is prediction.path
    assert prediction.path.rtol == 1e-3
    assert rmt.predict(TWO, rtol=1e-6).path.rtol == 1e-4  # documented: no finer
    again = pickle.loads(pickle.dumps(prediction))
    np.testing.assert_array_equal(again.path.test_error, prediction.path.test_error)


def test_arrays_and_rows(path):
    assert path.singular_value.shape == (4, 2)
    assert path.target_overlaps.shape == (4, 2, 2)
    assert np.isnan(path.singular_value[1, 1])
    assert path.n_outliers.tolist() == [0, 1, 2, 2]
    assert path.bulk == "rows"
    assert path.bulk_edge[0] == pytest.approx(2.0)
    edges = [point.prediction.bulk.upper_edge for point in list(path)[1:]]
    assert path.bulk_edge[1:].tolist() == edges
    initial = rmt.training_path(STAIRCASE, 1e-3, bulk="marchenko-pastur")
    assert initial.bulk_edge == pytest.approx(2.0)
    np.testing.assert_array_equal(initial.test_error, path.test_error)
    frame = path.to_frame()
    assert frame.step.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(frame.singular_value_0, path.singular_value[:, 0])
    np.testing.assert_array_equal(frame.target_overlap_1_2, path.target_overlaps[:, 1, 1])
    np.testing.assert_array_equal(frame.test_error, path.test_error)
    assert (frame.target_overlap_0_error[1:] > 0).all()


@pytest.mark.parametrize(
    ("method", "bulk"),
    [("resummed", None), ("resummed", "rows"), ("scaling", None), ("deformed", None)],
)
def test_json_round_trip(method, bulk):
    path = rmt.training_path(TWO, 1e-3, method=method, bulk=bulk)
    again = rmt.TrainingPath.from_json(path.to_json())
    assert again.to_dict() == path.to_dict()
    assert again.method == method
    assert again.status.ok
    for one, other in zip(path, again, strict=True):
        np.testing.assert_array_equal(one.row_alignments, other.row_alignments)
        assert one.test_error_error == other.test_error_error


def test_what_is_no_path(path):
    for text in ("[1]", "{", '{"format": 1}', json.dumps({"format": 0})):
        with pytest.raises(InvalidInputError, match="TrainingPath"):
            rmt.TrainingPath.from_json(text)
    cut = path.to_dict()
    del cut["points"][1]["own_lengths"]
    with pytest.raises(InvalidInputError, match="not a complete TrainingPath: 'own_lengths'"):
        rmt.TrainingPath.from_dict(cut)


@pytest.mark.parametrize("method", ["scaling", "deformed"])
def test_other_levels_have_their_predictions_and_the_errors_of_the_walk(method):
    prediction = rmt.predict(TWO, method, rtol=1e-3)
    path, walk = prediction.path, rmt.training_path(TWO, 1e-3)
    assert path.method == method
    assert path[-1].prediction.forms == prediction.forms
    for one, other in zip(path[-1].outliers, prediction.outliers, strict=True):
        assert one.singular_value == pytest.approx(other.singular_value, rel=1e-9)
    first = rmt.predict(TWO.with_n_steps(1), method, rtol=1e-3)
    assert [s.singular_value for s in path[1].outliers] == pytest.approx(
        [s.singular_value for s in first.outliers], rel=1e-9
    )
    np.testing.assert_array_equal(path.test_error, walk.test_error)
    if method == "deformed":
        assert (path.bulk_edge[1:] > walk.bulk_edge[1:]).all()


def test_time_is_bounded():
    with pytest.raises(rmt.ConvergenceError) as caught:
        rmt.training_path(STAIRCASE, 1e-4, max_seconds=0.01)
    assert caught.value.status is rmt.Status.OUT_OF_TIME
    with pytest.raises(rmt.ConvergenceError):  # of nothing there is nothing to return
        rmt.training_path(STAIRCASE, 1e-4, max_seconds=0.01, throw=False)


def test_a_path_that_did_not_converge_can_be_returned():
    loose = TWO.replace(readout="rademacher", target="z")
    with pytest.raises(rmt.ConvergenceError) as caught:
        rmt.training_path(loose, 1e-9)
    found = rmt.training_path(loose, 1e-9, throw=False)
    assert found.status is caught.value.status
    assert not found.status.ok
    assert len(found) == len(loose.steps) + 1


def test_what_is_left_of_the_time_is_for_the_predictions(path, monkeypatch):
    """Those that are not in time keep their status, and the walk is kept."""
    walk = rmt.training_path(TWO, 1e-3)
    monkeypatch.setattr(predict_module, "_LEAST_SECONDS", 1e-9)
    spikes = [point.spikes for point in walk][1:]
    found = along_path(TWO, spikes, 1e-3, "deformed", None, None, 1e-9)
    assert found[1].status is rmt.Status.OUT_OF_TIME
    late = replace(walk[2], prediction=found[1])
    assert replace(walk, points=(*walk.points[:2], late)).status is rmt.Status.OUT_OF_TIME


# The number of steps of a problem


def test_the_first_steps_of_a_schedule():
    steps = [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    problem = Problem("erf(z)", "z", 50, 50, (80, 90), steps, (0, 1, 0, 1))
    cut = [problem.with_n_steps(n) for n in (1, 2, 3, 4)]
    assert [one.steps for one in cut] == [problem.steps[:n] for n in (1, 2, 3, 4)]
    assert [one.batch for one in cut] == ["independent", "independent", (0, 1, 0), (0, 1, 0, 1)]
    assert [one.samples for one in cut] == [(80,), (80, 90), (80, 90), (80, 90)]
    assert cut[-1] == problem
    pair = Problem("erf(z)", "z", 50, 50, (80, 90), steps, (0, 0, 1, 1)).with_n_steps(2)
    assert (pair.batch, pair.samples) == ("reused", (80, 80))
    reused = Problem("erf(z)", "z", 50, 50, 80, steps, "reused")
    assert [reused.with_n_steps(n).batch for n in (1, 3)] == ["reused", "reused"]


@pytest.mark.parametrize("batch", ["reused", "independent"])
def test_equal_steps_go_on(batch):
    problem = Problem("erf(z)", "z", 50, 50, 80, [(2, 0.2)] * 2, batch)
    assert problem.with_n_steps(4) == problem.replace(steps=[(2, 0.2)] * 4, samples=80)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"steps": [(1, 0.1), (2, 0.1)]}, "steps of several sizes"),
        ({"samples": (80, 90)}, "batches of several sizes"),
        ({"steps": [(1, 0.1)] * 3, "batch": (0, 0, 1), "samples": 80}, r"the schedule \(0, 0, 1\)"),
    ],
)
def test_nothing_is_invented(changes, why):
    problem = Problem("erf(z)", "z", 50, 50, 80, [(1, 0.1)] * 2).replace(**changes)
    n = problem.n_steps
    with pytest.raises(InvalidInputError, match=f"between 1 and {n} for a problem with {why}"):
        problem.with_n_steps(n + 1)
    for bad in (0, 1.5, "2"):
        with pytest.raises(InvalidInputError, match="n_steps must be"):
            problem.with_n_steps(bad)


# The picture


def test_picture(path):
    figure = path.plot()
    outliers, overlaps, errors = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in outliers.lines}
    np.testing.assert_array_equal(drawn["outlier 0"][1:], path.singular_value[1:, 0])
    # e1 in outlier 0, e2 in outlier 1, both of them where the other has next to nothing.
    shown = [
        line for line in overlaps.lines if len(line.get_ydata()) and line.get_marker() == "None"
    ]
    assert len(shown) == 2
    assert {text.get_text() for text in overlaps.get_legend().get_texts()} == {
        "with $e_1$",
        "with $e_2$",
    }
    assert {text.get_text() for text in errors.get_legend().get_texts()} == {"test", "training"}
    figure.canvas.draw()


def test_simulated_points_are_drawn_on_top(path):
    count, noise = 5, np.random.default_rng(0).normal(0, 0.01, (5, 4))
    simulated = {
        "singular_values": path.singular_value[None, 1:] + noise[:, 1:, None],
        "target_overlaps": path.target_overlaps[None, 1:] + noise[:, 1:, None, None],
        "training_error": path.training_error + noise,
    }
    figure = rmt.predict(STAIRCASE, rtol=1e-3).plot(path=True, simulated=simulated)
    bars = figure.axes[2].containers[0]
    seen = bars.lines[0].get_ydata()
    np.testing.assert_allclose(seen, simulated["training_error"].mean(axis=0))
    (_, low), (_, high) = bars.lines[2][0].get_segments()[0]
    spread = simulated["training_error"][:, 0].std(ddof=1) / math.sqrt(count)
    assert (high - low) / 2 == pytest.approx(spread)
    assert len(figure.axes[0].containers) == 2
    figure.canvas.draw()


def test_networks_that_were_observed_are_drawn(path):
    networks = run_paths(PathPlan(STAIRCASE, 3, n_outliers=2, n_test=500))
    figure = path.plot(networks)
    seen = figure.axes[0].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(seen, networks.singular_values[:, :, 0].mean(axis=0))
    assert len(figure.axes[2].containers) == 3  # both errors, and the legend's


@pytest.mark.parametrize(
    ("simulated", "message"),
    [
        ({"training": [[1.0]]}, "some of singular_values, target_overlaps"),
        ({"training_error": [[1.0, 2.0]]}, r"the shape \(networks, 4\), got \(1, 2\)"),
        ({"target_overlaps": np.zeros((2, 3, 1, 1))}, r"\(networks, 3, K, 2\)"),
        ({"test_error": np.zeros((0, 4))}, r"\(networks, 4\), got \(0, 4\)"),
        ([1.0], "got none of them"),
    ],
)
def test_bad_simulated_points(path, simulated, message):
    with pytest.raises(InvalidInputError, match=message):
        path.plot(simulated)


def test_bad_arguments_of_plot():
    prediction = rmt.predict(TWO.with_n_steps(1))
    with pytest.raises(InvalidInputError, match="takes no ax"):
        prediction.plot(object(), path=True)
    with pytest.raises(InvalidInputError, match="for path=True"):
        prediction.plot(simulated={})


def test_levels_without_a_prediction_for_the_path_say_so():
    three = TWO.replace(steps=[Step(2, 0.3)] * 3, samples=1000)
    with pytest.raises(UnsupportedProblemError, match="scaling"):
        rmt.training_path(three, 1e-2, method="scaling")
