"""Studies: the theory's numbers, the networks' numbers, what is kept, what is drawn and written."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from processes import started, wait_for

import rmt
from rmt.status import ConvergenceError, InvalidInputError, Status
from validation import PathPlan, Study, campaign, run_paths, run_samples, study
from validation.cli import main
from validation.comparison.verdict import Verdict
from validation.studies import errors as errors_module

PROBLEM = rmt.Problem("erf(z)", "z", 60, 60, 240, [(2, 0.3)] * 2, readout="rademacher")
OVER: Any = {"samples_per_dim": [2, 4]}
BATCHES: Any = {"batch": ["independent", "reused"]}


def small(over: Any = OVER, compare: Any = BATCHES, networks: int = 2, **options: Any) -> Study:
    problem = options.pop("problem", PROBLEM)
    asked = {"level": "resummed", "errors": False, "workers": 1, **options}
    return study(problem, over, compare, networks, **asked)


@pytest.fixture(scope="module")
def found() -> Study:
    return small(networks=3, errors=True, n_test=200)


# Numbers


def test_curves_are_those_of_predict(found: Study) -> None:
    assert found.theory.dims == (("samples_per_dim",), ("batch",))
    for index in np.ndindex(found.shape):
        problem = found.problems[index]
        assert problem.samples == (60 * OVER["samples_per_dim"][index[0]],) * 2
        assert problem.batch == BATCHES["batch"][index[1]]
        alone = rmt.predict(problem)
        outlier = alone.outliers[0]
        assert found.theory.n_outliers[index] == len(alone.outliers) == 1
        for name in ("singular_value", "target_overlap"):
            value, error = getattr(found.theory, name), getattr(found.theory.error, name)
            allowed = error[index][0] + getattr(outlier.error, name) + 1e-13
            assert abs(value[index][0] - getattr(outlier, name)) <= allowed
        path = rmt.training_path(problem, 1e-3)
        for name in ("training_error", "test_error"):
            np.testing.assert_array_equal(found.errors[name].predicted[index], getattr(path, name))
        assert found.predicted_together[index][0] == found.theory.target_overlaps[index][0, 0]
        assert found.chance[index] == 1 / 60


def test_networks_are_those_of_their_plans(found: Study) -> None:
    for index in np.ndindex(found.shape):
        samples = run_paths(PathPlan(found.problems[index], 3, n_test=200))
        np.testing.assert_array_equal(found.singular_values[index], samples.singular_values[:, -1])
        np.testing.assert_array_equal(found.target_overlaps[index], samples.target_overlaps[:, -1])
        for name in ("training_error", "test_error"):
            np.testing.assert_array_equal(
                found.errors[name].simulated[index], getattr(samples, name)
            )
    without = small(networks=3, seed=4, dtype="float32", triplets=2)
    samples = run_samples(without.problems[1, 1], 3, 4, n_outliers=2, dtype="float32")
    np.testing.assert_array_equal(without.singular_values[1, 1], samples.singular_values)
    np.testing.assert_array_equal(without.mean_singular_values[1, 1], samples.mean_singular_values)
    np.testing.assert_allclose(
        without.singular_value_errors[1, 1], samples.singular_value_errors, rtol=1e-14
    )
    np.testing.assert_allclose(
        without.target_overlap_errors[1, 1], samples.target_overlap_errors, rtol=1e-14
    )
    assert without.errors == {}


def test_other_levels_and_the_theory_alone() -> None:
    alone = small(OVER, None, networks=0, level="deformed", forms="simple", rtol=1e-2)
    assert alone.shape == (2,)
    assert alone.singular_values.shape == (2, 0, 4)
    predicted = rmt.predict(alone.problems[0], "deformed", 1e-2, forms="simple")
    assert alone.theory.singular_value[0, 0] == pytest.approx(predicted.spikes[0].singular_value)
    assert not alone.has_networks.any()
    assert "deformed (simple forms); no networks" in str(alone)
    figure = alone.plot()
    assert not figure.axes[0].containers  # no error bars
    plt.close(figure)


def test_directions_and_ranks_that_differ_between_points() -> None:
    """Of one direction and one outlier at one point, two and two at the other."""
    problem = PROBLEM.replace(activation="tanh(z + 7/10)", steps=[(2, 0.2), (4, 0.4)], samples=480)
    made = small({"target": ["z", "z1 + z1*z2"]}, None, problem=problem, triplets=3)
    assert made.theory.n_outliers.tolist() == [1, 2]
    assert made.n_together == 2
    assert made.target_overlaps.shape == (2, 2, 3, 2)
    assert np.isnan(made.target_overlaps[0, ..., 1]).all()
    assert np.isnan(made.predicted_together).tolist() == [[False, True], [False, False]]
    sums = made.target_overlaps[1, :, :2].sum(axis=1)
    np.testing.assert_allclose(made.simulated_together[1], sums, rtol=1e-15)
    rows = [row for row in made.rows() if row["quantity"] == "squared overlap together"]
    assert [(row["target"], row["direction"]) for row in rows] == [
        ("z", 1), ("z1 + z1*z2", 1), ("z1 + z1*z2", 2)
    ]  # fmt: skip
    assert all(row["chance"] == 2 / 60 for row in rows)
    # The second singular value of the first point is the bulk's: it has no prediction, and is seen.
    second = [row for row in made.rows() if row["target"] == "z" and row["spike"] == 1]
    assert all(math.isnan(row["predicted"]) and row["networks"] == 2 for row in second)
    assert all(row["verdict"] == "" for row in second)
    figure = made.plot()
    assert [ax.get_ylabel() for ax in figure.axes[1:]] == [
        "squared overlap with $e_1$", "squared overlap with $e_2$"
    ]  # fmt: skip
    plt.close(figure)


def test_some_points_have_networks_and_more_may_be_added() -> None:
    made = small({"samples_per_dim": [1, 4]}, None, simulate_at=[4, 2])
    assert made.theory.axes["samples_per_dim"].tolist() == [1, 2, 4]
    assert made.has_networks.tolist() == [False, True, True]
    assert np.isfinite(made.mean_singular_values[:, 0]).tolist() == [False, True, True]
    some = small(BATCHES, None, simulate_at=["reused"])
    assert some.has_networks.tolist() == [False, True]


# What goes wrong


def test_a_point_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = errors_module.training_path

    def failing(problem: rmt.Problem, *arguments: Any) -> Any:
        if problem.noise_std == 0.25:
            raise ConvergenceError("too far", Status.NOT_CONVERGED)
        return honest(problem, *arguments)

    monkeypatch.setattr(errors_module, "training_path", failing)
    made = small({"noise_std": [0, 0.25, -1, math.nan]}, None, errors=True, n_test=50)
    assert [(one.point, one.what) for one in made.failures[:2]] == [
        ({"noise_std": 0.25}, "errors"),
        ({"noise_std": -1.0}, "prediction"),
    ]
    [last] = made.failures[2:]
    assert math.isnan(last.point["noise_std"])
    assert "too far" in made.failures[0].message
    assert made.theory.n_outliers.tolist() == [1, 1, -1, -1]
    assert np.isfinite(made.mean_singular_values[:, 0]).tolist() == [True, True, False, False]
    error = made.errors["test_error"]
    assert np.isfinite(error.predicted[:, -1]).tolist() == [True, False, False, False]
    assert np.isfinite(error.simulated[:, 0, -1]).tolist() == [True, True, False, False]
    assert "no converged prediction at noise_std = -1: noise_std must lie" in str(made)
    assert "no predicted errors at noise_std = 0.25: too far" in str(made)
    again = Study.from_json(made.to_json())
    assert again.failures[:2] == made.failures[:2]
    assert str(again) == str(made)
    plt.close(made.plot())


def test_networks_are_seen_where_the_level_has_no_theory() -> None:
    starts = {"initialisation": ["independent", "antisymmetric"]}
    made = small(OVER, starts, level="scaling")
    assert made.theory.ok.tolist() == [[True, False]] * 2
    assert {one.what for one in made.failures} == {"prediction"}
    assert np.isfinite(made.singular_values).all()
    figure = made.plot()
    positions, overlaps = figure.axes
    assert len(lines_of(positions)) == 1
    assert len(positions.containers) == len(overlaps.containers) == 2
    assert all(bars.lines[0].get_markerfacecolor() != "white" for bars in positions.containers)
    plt.close(figure)


def test_networks_that_overflow_leave_the_others() -> None:
    problem = rmt.Problem("z + z**2", "z", 12, 10, 30, [(1, 0.1)] * 2)
    made = small({"scale_1": [1, 1e200]}, None, problem=problem)
    assert np.isfinite(made.singular_values[0]).all()
    assert np.isnan(made.singular_values[1]).all()
    [lost] = [one for one in made.failures if one.what == "networks"]
    assert lost.point == {"scale_1": 1e200}
    assert lost.message.startswith("2 of 2 failed: ")


def test_networks_without_room_leave_the_theory() -> None:
    made = small({"width": [60, 1e30]}, None)
    assert made.theory.ok.all()
    assert [(one.point, one.what) for one in made.failures] == [({"width": 1e30}, "networks")]
    assert re.match(r"a network needs 1\.18e\+53 GB, this machine has", made.failures[0].message)
    assert np.isfinite(made.mean_singular_values[:, 0]).tolist() == [True, False]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two over": ({"over": {"width": [60], "dim": [60]}}, "over: expected one parameter"),
    "nothing": ({"over": {}}, "over: expected one parameter with its values"),
    "unknown": ({"over": {"alpha": [1]}}, "over: unknown parameter 'alpha'"),
    "compare": ({"compare": ["batch"]}, "compare: expected parameters with their values"),
    "twice": ({"compare": {"samples_per_dim": [1]}}, "samples_per_dim is that of over"),
    "one network": ({"networks": 1}, "networks must be 0, or an integer of at least 2, got 1"),
    "level": ({"level": "best"}, "level must be one of scaling, resummed, deformed; got 'best'"),
    "seed": ({"seed": -1}, "seed must be a non-negative integer"),
    "dtype": ({"dtype": "float16"}, "dtype must be float64 or float32"),
    "workers": ({"workers": 0}, "workers must be an integer of at least 1"),
    "triplets": ({"triplets": 0}, "triplets must be"),
    "n_test": ({"n_test": 1, "errors": True}, "n_test must be an integer of at least 2"),
    "text": ({"over": BATCHES, "compare": None, "simulate_at": ["ABC"]}, "some of the values of"),
    "problem": ({"problem": "z"}, "problem must be a Problem, got str"),
    "none at all": ({"over": {"alpha_1": [0.7]}}, "no point of the grid can be computed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name: str) -> None:
    arguments, expected = BAD[name]
    with pytest.raises(InvalidInputError, match=expected):
        small(**arguments)


def test_an_executor_computes_both(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = small(executor=pool, workers=2, store=tmp_path / "kept.sqlite")
    assert made.to_json() == small().to_json()
    assert (tmp_path / "kept.sqlite.predictions").is_dir()


# What is kept


def test_a_study_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, honest, computed = tmp_path / "kept.sqlite", campaign.compute, []

    def stopped(job: campaign.Job) -> campaign.Outcome:
        if len(computed) == 5:
            raise KeyboardInterrupt
        computed.append(job)
        return honest(job)

    monkeypatch.setattr(campaign, "compute", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        small(store=store)
    assert "5 of 8 missing samples were computed" in caught.value.__notes__[0]
    monkeypatch.setattr(campaign, "compute", lambda job: computed.append(job) or honest(job))
    predicted: list[object] = []
    monkeypatch.setattr("rmt.grids.points.resummed_family", lambda *a: predicted.append(a))
    again = small(store=store)  # computes no prediction, and three networks
    assert len(computed) == 8
    assert predicted == []
    computed.clear()
    monkeypatch.undo()
    assert again.to_json() == small().to_json()
    monkeypatch.setattr(campaign, "compute", lambda job: computed.append(job) or honest(job))
    more = small({"samples_per_dim": [2, 3, 4]}, networks=3, store=store)
    assert len(computed) == 3 * 2 * 3 - 8
    np.testing.assert_array_equal(more.singular_values[[0, 2], :, :2], again.singular_values)


def test_a_store_that_is_none_costs_no_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validation.studies.study.sweep", lambda *a, **k: pytest.fail("predicted"))
    (tmp_path / "kept.sqlite").write_text("not a database, but a text of some length" * 50)
    for path in (tmp_path / "kept.sqlite", tmp_path / "nowhere" / "kept.sqlite"):
        with pytest.raises(InvalidInputError):
            small(store=path)
    assert [one.name for one in tmp_path.iterdir()] == ["kept.sqlite"]


def test_a_cache_of_ones_own_is_used(tmp_path: Path) -> None:
    with rmt.cache(tmp_path / "mine") as kept:
        small(networks=0, store=tmp_path / "kept.sqlite")
        assert len(kept.rows()) == 4
    assert not (tmp_path / "kept.sqlite.predictions").exists()


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import test_study
test_study.small(networks=200, store={store!r})
"""


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "kept.sqlite"
    here = str(Path(__file__).parent)
    (tmp_path / "script.py").write_text(SCRIPT.format(here=here, store=str(store)))

    def count() -> int:
        if not store.exists():
            return 0
        connection = sqlite3.connect(store, timeout=60)
        try:
            return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
        except sqlite3.OperationalError:  # no table yet
            return 0
        finally:
            connection.close()

    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, here])}
    with started(tmp_path / "script.py", env=environment) as process:
        wait_for(lambda: count() >= 20)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(0.1)
    kept = count()
    assert 20 <= kept < 800
    made = small(networks=200, store=store)
    assert count() == 800
    assert np.isfinite(made.singular_values).all()
    assert made.to_json() == small(networks=200).to_json()


def test_saved_and_loaded(found: Study, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "study.json"
    found.save(path)
    again = Study.load(path)
    assert again.to_json() == found.to_json()
    assert str(again) == str(found)
    np.testing.assert_array_equal(again.singular_values, found.singular_values)
    assert again.singular_values.dtype == np.float64
    assert again.has_networks.dtype == bool
    assert again.problem == found.problem
    assert again.theory.to_json() == found.theory.to_json()
    alone = small(networks=0)
    assert Study.from_json(alone.to_json()).singular_values.shape == (2, 2, 0, 4)
    assert [entry.name for entry in path.parent.iterdir()] == ["study.json"]


def test_what_is_no_study_is_said(found: Study, tmp_path: Path) -> None:
    data = json.loads(found.to_json())
    with pytest.raises(InvalidInputError, match=r"cannot be read: .*none"):
        Study.load(tmp_path / "none.json")
    with pytest.raises(InvalidInputError, match="a Study must be a JSON object"):
        Study.from_json("[1, 2")
    with pytest.raises(InvalidInputError, match=r"written by Study\.to_dict, format 1"):
        Study.from_json(json.dumps(data | {"format": 2}))
    with pytest.raises(InvalidInputError, match="not a complete Study: 'errors'"):
        Study.from_json(json.dumps({k: v for k, v in data.items() if k != "errors"}))
    with pytest.raises(InvalidInputError, match="text is of theory 0"):
        Study.from_json(json.dumps(data | {"theory": data["theory"] | {"theory": 0}}))


# What is written


def test_rows_and_csv(found: Study, tmp_path: Path) -> None:
    rows = found.rows()
    # Of each point: position and overlap, two errors at three stages, the edge, and all together.
    assert len(rows) == 4 * (2 + 6 + 2)
    assert [row["quantity"] for row in rows[:3]] == [
        "singular value", "squared overlap", "training error"
    ]  # fmt: skip
    first = rows[0]
    assert first["predicted"] == found.theory.singular_value[0, 0, 0]
    assert first["simulated"] == pytest.approx(found.mean_singular_values[0, 0, 0], rel=1e-15)
    deviation = found.singular_values[0, 0, :, 0].std(ddof=1)
    assert first["standard_deviation"] == pytest.approx(deviation, rel=1e-14)
    assert first["standard_error"] == pytest.approx(deviation / math.sqrt(3), rel=1e-14)
    assert (first["N"], first["d"], first["n_2"], first["networks"]) == (60, 60, 120, 3)
    assert first["verdict"] in [str(one) for one in Verdict]
    found.to_csv(tmp_path / "study.csv")
    with open(tmp_path / "study.csv", encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [float(row["predicted"]) for row in read] == pytest.approx(
        [row["predicted"] for row in rows], rel=0, abs=0, nan_ok=True
    )
    assert read[1]["chance"] == repr(1 / 60)
    frame = found.to_frame()
    assert list(frame.columns)[:2] == ["samples_per_dim", "batch"]
    assert len(frame) == len(rows)


def test_tables(found: Study) -> None:
    text = found.to_latex()
    tables = text.count(r"\begin{tabular}"), text.count(r"\toprule")
    assert tables == (2, 2)
    assert r"$n/d$ & batch & $k$ & $s_k$ & networks" in text
    assert r"& training error & networks & test error & networks \\" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 2 + 4 + 4
    cells = body[1].removesuffix(r" \\").split(" & ")
    shown = re.fullmatch(r"(0\.\d+)\((\d+)\)", cells[-1])
    assert shown is not None
    assert float(shown[1]) == pytest.approx(found.mean_target_overlaps[0, 0, 0, 0], abs=5e-3)
    assert float(cells[3]) == pytest.approx(found.theory.singular_value[0, 0, 0], abs=5e-4)
    assert "% 24 means are tested" in text  # of each point two of the outlier, four errors
    printed = str(found)
    assert "2 x 2 points, level resummed; 3 networks at each of 4, seed 0" in printed
    tiny = small({"scale_1": [1e-3]}, None, 0, problem=PROBLEM.replace(steps=[(1, 0), (0.1, 0)]))
    assert "1 point, level resummed; no networks" in str(tiny)
    assert str(tiny).splitlines()[-2:] == [
        "scale_1  outlier  s  overlap",
        "  0.001     none",
    ]
    assert r"$c_{1}$ & $k$ & $s_k$ & $\langle\hat v_k, \beta_*\rangle^2$ \\" in tiny.to_latex()


# What is drawn


def lines_of(ax: Any) -> list[Any]:
    """The theory's curves: lines with a style, of several points."""
    return [one for one in ax.lines if one.get_linewidth() == 1.4 and len(one.get_xdata()) > 1]


@pytest.mark.parametrize("compare", [None, BATCHES, {"noise_std": [0, 0.5, 1], **BATCHES}])
def test_the_legend_fits(compare: Any) -> None:
    figure = small(OVER, compare).plot()
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 < figure.axes[0].get_window_extent().y0
    plt.close(figure)


def test_picture(found: Study) -> None:
    figure = found.plot()
    positions, overlaps, errors = figure.axes
    assert len(lines_of(positions)) == len(lines_of(overlaps)) == 2
    assert len(lines_of(errors)) == 4
    np.testing.assert_array_equal(
        lines_of(positions)[1].get_ydata(), found.theory.singular_value[:, 1, 0]
    )
    np.testing.assert_array_equal(
        lines_of(overlaps)[0].get_ydata(), found.theory.target_overlap[:, 0, 0]
    )
    # A mean with its error for each curve, and a dot for every network.
    assert [len(ax.containers) for ax in figure.axes] == [2, 2, 4]
    bars = positions.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_ydata(), found.mean_singular_values[:, 0, 0])
    [segments] = bars.lines[2]
    heights = [np.ptp(one[:, 1]) / 2 for one in segments.get_segments()]
    np.testing.assert_allclose(heights, found.singular_value_errors[:, 0, 0])
    dots = [one for one in overlaps.lines if one.get_marker() == "."]
    assert [len(one.get_xdata()) for one in dots] == [6, 6]
    chance = [one for one in overlaps.lines if len(set(one.get_ydata())) == 1]
    assert 1 / 60 in [one.get_ydata()[0] for one in chance]
    last = found.errors["test_error"].predicted[:, 0, 2]
    np.testing.assert_array_equal(lines_of(errors)[0].get_ydata(), last)
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [
        "fresh samples", "reused batch", "theory", "mean of 3 networks, standard error",
        "one network", "edge of the bulk", "chance, 1/d",
    ]  # fmt: skip
    plt.close(figure)


def test_overlaps_together(found: Study) -> None:
    figure = found.plot("together")
    assert "all outliers together" in figure.axes[1].get_ylabel()
    np.testing.assert_array_equal(
        lines_of(figure.axes[1])[0].get_ydata(), found.predicted_together[:, 0, 0]
    )
    plt.close(figure)
    with pytest.raises(InvalidInputError, match="overlaps must be one of each, together"):
        found.plot("both")  # type: ignore[arg-type]


def test_a_categorical_axis_has_labels_and_no_lines() -> None:
    made = small({"activation": ["erf(z)", "tanh(z)", "z"]}, BATCHES)
    figure = made.plot()
    positions, overlaps = figure.axes
    assert [tick.get_text() for tick in overlaps.get_xticklabels()] == ["erf(z)", "tanh(z)", "z"]
    assert lines_of(positions) == []
    strokes = [one for one in overlaps.lines if one.get_marker() == "_"][::3]  # of outlier 0
    np.testing.assert_array_equal(strokes[0].get_ydata(), made.theory.target_overlap[:, 0, 0])
    # Side by side around their tick.
    np.testing.assert_allclose(strokes[0].get_xdata() + strokes[1].get_xdata(), [0, 2, 4])
    assert (strokes[0].get_xdata() < strokes[1].get_xdata()).all()
    plt.close(figure)


def test_marks_are_hollow_and_curves_end_where_there_is_no_outlier() -> None:
    made = small(
        {"scale_2": [1e-4, 0.2, 4]}, None, problem=PROBLEM.replace(steps=[(0.1, 0), (1, 0.3)])
    )
    assert made.theory.n_outliers.tolist() == [0, 0, 1]
    figure = made.plot()
    positions, overlaps = figure.axes
    [line] = lines_of(positions)
    edge = made.theory.bulk_edges[1, 1]
    assert np.isnan(line.get_ydata()[0])
    assert line.get_ydata()[1:].tolist() == [edge, made.theory.singular_value[2, 0]]
    assert lines_of(overlaps)[0].get_ydata()[1] == 0.0
    hollow, filled = sorted(positions.containers, key=lambda one: -len(one.lines[0].get_xdata()))
    assert hollow.lines[0].get_markerfacecolor() == "white"
    assert hollow.lines[0].get_xdata().tolist() == [1e-4, 0.2]
    assert filled.lines[0].get_xdata().tolist() == [4]
    assert "no such outlier predicted" in [t.get_text() for t in figure.legends[0].get_texts()]
    plt.close(figure)


# In a shell


WORDS = (
    "study --activation erf(z) --target z --width 60 --samples 240 --step 2,0.3 --step 2,0.3 "
    "--readout rademacher --over samples_per_dim=2,4 --compare batch=independent,reused "
    "--method resummed --networks 2 --no-errors --workers 1"
).split()


def test_in_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("kept.sqlite", "a.png", "a.csv", "a.json")]
    options = ["--store", files[0], "--plot", files[1], "--csv", files[2], "--save", files[3]]
    assert main([*WORDS, *options, "--overlaps", "together"]) == 0
    printed = capsys.readouterr().out
    expected = small()
    assert printed == f"{expected}\n"
    assert Study.load(files[3]).to_json() == expected.to_json()
    assert Path(files[1]).read_bytes().startswith(b"\x89PNG")
    assert Path(files[2]).read_text(encoding="utf-8").startswith("samples_per_dim,batch,N,d,n_1")
    assert main([*WORDS, "--store", files[0], "--json"]) == 0
    assert Study.from_json(capsys.readouterr().out).to_json() == expected.to_json()
    assert main([*WORDS, "--store", files[0], "--latex"]) == 0
    assert r"\toprule" in capsys.readouterr().out


def test_bad_words_in_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--compare", "batch=reused"]) == 2
    assert "--compare: the parameter batch is given twice" in capsys.readouterr().err
    assert main([*WORDS, "--compare", "noise_std=-1,0"]) == 1
    said = capsys.readouterr()
    assert "4 missing; the first: no converged prediction at samples_per_dim" in said.err
    assert "no converged prediction" in said.out
