"""Sweeps: the same numbers as point by point, whoever computes them, whatever fails."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
from typing import Any

import numpy as np
import pytest

import rmt
from rmt.cli import main
from rmt.grids import points as points_module
from rmt.grids.grid import problem_at, schedule_text
from rmt.grids.points import OF_DIRECTIONS, OF_SPIKES
from rmt.spikes import mean_update
from rmt.spikes.path import strengths_along_walk
from rmt.spikes.resummed import resummed_family, resummed_strengths
from rmt.status import ConvergenceError, InvalidInputError, Status

PROBLEM = rmt.Problem(
    "tanh(z + 7/10)",
    "sin(2*z) + He2(z)/4",
    width=600,
    dim=400,
    samples=(900, 1300),
    steps=[(3, 0.25), (3, 0.35)],
    readout="rademacher",
)
REUSED = PROBLEM.replace(batch="reused", samples=900)

THREE = PROBLEM.replace(steps=[(2, 0.2)] * 3, samples=900)


def assert_equals_predictions(found: rmt.Sweep) -> None:
    """Every number of every spike, within the errors that both claim."""
    for index in np.ndindex(found.shape):
        alone = rmt.predict(found.problems[index], found.method, found.rtol, throw=False)
        assert found.status[index] is alone.status
        assert found.n_outliers[index] == len(alone.outliers)
        edges = alone.bulk.edges
        assert found.bulk_edges[index] == pytest.approx([edges[0][0], edges[-1][1]])
        assert np.count_nonzero(~np.isnan(found.strength[index])) == len(alone.spikes)
        for k, spike in enumerate(alone.spikes):
            assert found.is_outlier[(*index, k)] == spike.is_outlier
            for name in OF_SPIKES + OF_DIRECTIONS:
                value = getattr(found, name)[(*index, k)]
                error = getattr(found.error, name)[(*index, k)]
                r = np.size(getattr(spike, name))
                value, error = np.atleast_1d(value)[:r], np.atleast_1d(error)[:r]
                allowed = error + np.array(getattr(spike.error, name)) + 1e-13
                assert np.all(np.abs(value - np.array(getattr(spike, name))) <= allowed)


AXES = {
    "exponents": (PROBLEM, {"alpha_1": [0.1, 0.3], "alpha_2": [0.0, 0.2, 0.45]}),
    "reused exponents": (REUSED, {"alpha_2": [0.0, 0.45], "alpha_1": [0.2, 0.35]}),
    "scales": (REUSED, {"scale_1": [0.5, 3], "scale_2": [0.5, 4]}),
    "noise and batch": (REUSED, {"noise_std": [0, 0.5], "batch": ["independent", "reused"]}),
    "width": (REUSED, {"width": [100, 333.4, 10_000]}),
    "aspect ratio": (PROBLEM, {"aspect_ratio": [0.3, 1.5, 4]}),
    "samples": (PROBLEM, {"samples_per_dim_1": [1, 3], "samples_per_dim_2": [0.5, 2, 10]}),
    "functions": (REUSED, {"activation": ["relu(z)", "erf(z)"], "target": ["z", "z1 + z1*z2"]}),
    "steps taken": (THREE, {"n_steps": [3, 1, 2, 4], "alpha_1": [0.2, 0.3]}),
    "giant steps taken": (THREE.replace(steps=[(1, 0.5)] * 2, samples=900), {"n_steps": [1, 2]}),
    "schedules": (REUSED, {"steps": [[(2, 0.2)], rmt.Step(3, 0.3), "3,0.25 2,0.4"]}),
    "a third exponent": (THREE, {"alpha_3": [0.1, 0.35]}),
    "readout": (REUSED, {"readout": ["gaussian", "uniform"]}),
    "zipped": (REUSED, {("scale_1", "scale_2"): ([1, 2], [2, 1]), "alpha_2": [0.2, 0.4]}),
}


@pytest.mark.parametrize("name", AXES)
def test_equals_point_by_point(name: str) -> None:
    problem, over = AXES[name]
    found = rmt.sweep(problem, over, rtol=1e-5)
    assert found.ok.all()
    assert_equals_predictions(found)


@pytest.mark.parametrize("method", ["scaling", "deformed"])
def test_other_levels(method: str) -> None:
    found = rmt.sweep(REUSED, {"alpha_2": [0.1, 0.4]}, method=method, rtol=1e-3)
    assert_equals_predictions(found)


def test_what_follows_a_parameter() -> None:
    found = rmt.sweep(PROBLEM, {"width": [60, 100, 1999.7]}, rtol=1e-3)
    sizes = [(p.width, p.dim, p.samples) for p in found.problems]
    # N/d = 3/2 and n/d = 9/4, 13/4 at every width, each to the nearest integer.
    assert sizes == [(60, 40, (90, 130)), (100, 67, (151, 218)), (2000, 1333, (2999, 4332))]
    assert found.actual("width").tolist() == [60, 100, 2000]
    assert found.actual("aspect_ratio")[1] == 100 / 67
    assert found.actual("samples_per_dim_2")[1] == 218 / 67
    ratio = rmt.sweep(PROBLEM, {"aspect_ratio": [3.0]}, rtol=1e-3).problems[0]
    assert (ratio.width, ratio.dim, ratio.samples) == (600, 200, (450, 650))
    samples = rmt.sweep(PROBLEM, {"samples_per_dim": [3.0]}, rtol=1e-3).problems[0]
    assert (samples.width, samples.dim, samples.samples) == (600, 400, (1200, 1200))
    huge = rmt.sweep(PROBLEM, {"width": [1e40]}, rtol=1e-3).problems[0]
    assert huge.width == int(1e40)
    assert huge.aspect_ratio == pytest.approx(1.5, rel=1e-15)


def test_steps_taken_are_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(problem: rmt.Problem, rtol: float) -> Any:
        calls.append(problem.n_steps)
        return strengths_along_walk(problem, rtol)

    monkeypatch.setattr(points_module, "strengths_along_walk", counted)
    found = rmt.sweep(THREE, {"n_steps": [5, 3, 4, 1]}, rtol=1e-3)
    assert calls == [5]
    assert found.actual("n_steps").tolist() == [5, 3, 4, 1]
    assert [p.n_steps for p in found.problems] == [5, 3, 4, 1]
    assert found.actual("alpha_2")[:3].tolist() == [0.2] * 3
    assert math.isnan(found.actual("alpha_2")[3])
    rows = found.rows()
    assert {row["n_steps"]: (row["n_1"], row["n_5"]) for row in rows} == {
        5: (900, 900), 3: (900, None), 4: (900, None), 1: (900, None)
    }  # fmt: skip


def test_a_walk_that_fails_late_leaves_the_shorter_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(problem: rmt.Problem, rtol: float) -> Any:
        if problem.n_steps == 5:
            raise ConvergenceError("too far", Status.NOT_FINITE)
        found = strengths_along_walk(problem, rtol)
        late = Status.NOT_CONVERGED if problem.n_steps == 4 else Status.CONVERGED
        return [dataclasses.replace(one, status=late) for one in found]

    monkeypatch.setattr(points_module, "strengths_along_walk", failing)
    found = rmt.sweep(THREE, {"n_steps": [3, 4, 5, 6, 2]}, rtol=1e-3)
    assert all(status.ok for status in found.status)  # all five are the walk of six steps
    found = rmt.sweep(THREE, {"n_steps": [3, 4, 5, 2]}, rtol=1e-3)
    names = ["CONVERGED", "NOT_CONVERGED", "NOT_FINITE", "CONVERGED"]
    assert [status.name for status in found.status] == names
    assert "too far" in found.message[2]


@pytest.mark.parametrize(
    ("problem", "over", "message"),
    [
        (THREE.replace(batch=(0, 0, 1)), {"n_steps": [2, 4]}, r"the schedule \(0, 0, 1\)"),
        (PROBLEM, {"n_steps": [1, 3]}, "steps of several sizes"),
        (THREE, {"n_steps": [2, 2.5]}, "n_steps must be"),
        (PROBLEM, {"n_steps": [2, 1], "alpha_2": [0.2]}, "alpha_2 is given for a problem with 1"),
        (THREE, {"steps": ["2,0.2", "2,0.7"]}, "Step.exponent must lie in"),
        (PROBLEM, {"steps": ["2,0.2 2,0.3", "2,0.2 2,0.3 2,0.3"]}, "samples must be one number"),
    ],
)
def test_steps_that_a_point_cannot_have(problem, over, message) -> None:  # type: ignore[no-untyped-def]
    """Its own status says so, and the first point has a prediction."""
    found = rmt.sweep(problem, over, rtol=1e-3)
    assert [status.name for status in found.status.flat] == ["CONVERGED", "INVALID_INPUT"]
    assert re.search(message, found.message.flat[1])


def test_schedules_as_texts() -> None:
    found = rmt.sweep(THREE, {"steps": [[(2, 0.2)] * 2, "1.5,.25"]}, rtol=1e-3)
    assert found.axes["steps"].tolist() == ["2,0.2 2,0.2", "1.5,0.25"]
    assert found.actual("steps").tolist() == ["2,0.2 2,0.2", "1.5,0.25"]
    for bad in ([(2, 0.2)], ["2;0.2"], [""], [[(1, 2, 3, 4)]]):
        with pytest.raises(InvalidInputError, match="each of steps must be a schedule"):
            rmt.sweep(THREE, {"steps": bad})
    with pytest.raises(InvalidInputError, match="steps takes a list of schedules"):
        rmt.sweep(THREE, {"steps": "2,0.2"})


def test_a_sweep_over_schedules_of_batches_has_rows() -> None:
    found = rmt.sweep(THREE.replace(batch=(0, 0, 1)), {"alpha_1": [0.1, 0.2]}, rtol=1e-3)
    assert found.actual("batch").tolist() == ["AAB", "AAB"]
    assert {(row["n_1"], row["n_2"]) for row in found.rows()} == {(900, 900)}


def test_long_schedules_list_their_parameters_shortly() -> None:
    with pytest.raises(InvalidInputError, match=r"alpha_1, alpha_2, \.\., alpha_9, scale_1"):
        rmt.sweep(THREE.with_n_steps(9), {"beta": [1]})


def test_a_sweep_follows_its_closed_form() -> None:
    """One step: ``theta = eta mu_1 sqrt(B)``, so position and overlap are known on the grid."""
    problem = rmt.Problem("z", "z", 500, 500, 1000, rmt.Step(1, 0.2))
    noise, scale = np.array([0.0, 0.5, 2.0]), np.array([0.5, 1.0])
    found = rmt.sweep(problem, {"noise_std": noise, "scale_1": scale})
    B = 1 + (1 + noise**2) / 2
    theta = np.sqrt(B)[:, None] * scale * 500**0.2
    np.testing.assert_allclose(found.strength[..., 0], theta, rtol=1e-10)
    np.testing.assert_allclose(found.singular_value[..., 0], theta + 1 / theta, rtol=1e-10)
    overlap = (1 - 1 / theta**2) / B[:, None]
    np.testing.assert_allclose(found.target_overlap[..., 0], overlap, rtol=1e-9)
    assert found.actual("noise_std")[2, 1] == 2


def identical(first: rmt.Sweep, second: rmt.Sweep) -> None:
    for name in (*OF_SPIKES, *OF_DIRECTIONS):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(getattr(first.error, name), getattr(second.error, name))
    for name in ("n_outliers", "is_outlier", "undecided", "bulk_edges", "status", "message"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_bad_point_keeps_the_others() -> None:
    good = rmt.sweep(REUSED, {"alpha_2": [0.1, 0.4]}, rtol=1e-5)
    mixed = rmt.sweep(REUSED, {"alpha_2": [0.1, 0.6, 0.4, math.nan]}, rtol=1e-5)
    np.testing.assert_array_equal(mixed.strength[[0, 2]], good.strength)
    assert [s.name for s in mixed.status] == ["CONVERGED", "INVALID_INPUT"] * 2
    assert "must lie in [0, 1/2], got 0.6" in mixed.message[1]
    assert np.isnan(mixed.strength[1]).all()
    assert mixed.n_outliers[[1, 3]].tolist() == [-1, -1]
    assert mixed.undecided.tolist() == [False, True, False, True]
    assert mixed.problems[1] is None
    assert "INVALID_INPUT" in str(mixed)
    with pytest.raises(InvalidInputError, match=r"2 points .* got 0\.6"):
        rmt.sweep(REUSED, {"alpha_2": [0.1, 0.6, 0.4, math.nan]}, throw=True)
    with pytest.raises(InvalidInputError, match="no point of the grid"):
        rmt.sweep(REUSED, {"alpha_2": [0.6, 0.7]})


def test_a_point_that_does_not_converge() -> None:
    """``theta_0 = 1e11`` drowns what is below; its neighbour of ordinary size is not affected."""
    problem = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [(1, 0.3), (1, 0)])
    found = rmt.sweep(problem, {"scale_1": [1, 1e10]})
    assert [s is Status.CONVERGED for s in found.status] == [True, False]
    assert found.message[1] == found.status[1].value
    assert found.strength[0, 0] == pytest.approx(rmt.predict(problem).spikes[0].strength, rel=1e-6)
    with pytest.raises(ConvergenceError) as caught:
        rmt.sweep(problem, {"scale_1": [1, 1e10]}, throw=True)
    assert isinstance(caught.value.best, rmt.Sweep)
    identical(caught.value.best, found)


BAD_AXES = {
    "unknown": ({"alpha": [0.1]}, r"unknown parameter 'alpha'; .*alpha_1, alpha_2, scale_1"),
    "empty mapping": ({}, "over must map names"),
    "no mapping": ([1, 2], "over must map names"),
    "empty": ({"alpha_1": []}, "one-dimensional array of real numbers"),
    "number": ({"alpha_1": 0.1}, "one-dimensional array of real numbers"),
    "text": ({"alpha_1": "0.1"}, "one-dimensional array of real numbers"),
    "matrix": ({"alpha_1": [[0.1]]}, "one-dimensional array of real numbers"),
    "one text": ({"target": "z"}, "list of texts"),
    "number as text": ({"batch": [1]}, "each batch must be a text"),
    "twice": ({"alpha_1": [0.1], ("alpha_1", "alpha_2"): ([0.1], [0.1])}, "given twice"),
    "zipped lengths": ({("alpha_1", "alpha_2"): ([0.1], [0.1, 0.2])}, "arrays of one length"),
    "zipped count": ({("alpha_1", "alpha_2"): ([0.1],)}, "take 2 arrays"),
    "both samples": ({"samples_per_dim": [1], "samples_per_dim_1": [1]}, "give either"),
}


@pytest.mark.parametrize("name", BAD_AXES)
def test_bad_axes(name: str) -> None:
    over, expected = BAD_AXES[name]
    with pytest.raises(InvalidInputError, match=expected):
        rmt.sweep(REUSED, over)  # type: ignore[arg-type]


def test_one_step_has_no_second_exponent() -> None:
    one = rmt.Problem("z", "z", 100, 100, 200, rmt.Step(1, 0.2))
    with pytest.raises(InvalidInputError, match="one step are alpha_1, scale_1"):
        rmt.sweep(one, {"alpha_2": [0.1]})


def test_bad_arguments() -> None:
    over = {"alpha_2": [0.1]}
    with pytest.raises(InvalidInputError, match="problem must be a Problem"):
        rmt.sweep("z", over)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="method must be one of"):
        rmt.sweep(REUSED, over, method="guess")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="rtol must lie"):
        rmt.sweep(REUSED, over, rtol=1)
    with pytest.raises(InvalidInputError, match="executor must be"):
        rmt.sweep(REUSED, over, executor=4)  # type: ignore[arg-type]


def test_progress_counts_every_point() -> None:
    seen: list[tuple[int, int]] = []
    over = {"alpha_1": [0.1, 0.2], "alpha_2": [0.1, 0.2, 0.6]}
    rmt.sweep(REUSED, over, rtol=1e-3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 4), (4, 4)]


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("readout", ["gaussian", "rademacher"])
@pytest.mark.parametrize("outliers_only", [False, True])
def test_family_agrees_with_single_solves(batch: str, readout: str, outliers_only: bool) -> None:
    base = rmt.Problem(
        "tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 2000, [(2, 0.3), (1, 0)], batch=batch
    ).replace(readout=readout)
    family = [base.replace(steps=[(2, 0.3), (c, 0.3)]) for c in (0.3, 1, 3)]
    for problem, member in zip(family, resummed_family(family, 1e-4, outliers_only), strict=True):
        exact = resummed_strengths(problem, 1e-7)
        kept = min(member.strengths.size, exact.strengths.size)
        assert member.status is Status.CONVERGED
        difference = np.abs(member.strengths[:kept] - exact.strengths[:kept])
        assert np.all(difference <= member.strength_errors[:kept] + exact.strength_errors[:kept])
        squares = np.abs(member.alignments[:kept] ** 2 - exact.alignments[:kept] ** 2)
        assert np.all(squares <= member.alignment_sq_errors[:kept] + 1e-6)
        outliers = exact.strengths > 1
        relative = member.strength_errors[: outliers.sum()] / exact.strengths[outliers]
        assert np.all(relative <= 1.01e-4)
        # No spike may be said to be on the wrong side of the threshold.
        assert np.all(
            (member.strengths[:kept] > 1 + member.strength_errors[:kept]) <= outliers[:kept]
        )


def test_a_family_solves_its_moments_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    honest = mean_update.averages_of

    def counted(*arguments: object) -> object:
        calls.append(1)
        return honest(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(mean_update, "averages_of", counted)
    rmt.sweep(REUSED, {"scale_2": np.linspace(2.9, 3.1, 30)}, rtol=1e-4)
    together = len(calls)
    calls.clear()
    rmt.predict(REUSED, rtol=1e-4)
    assert together <= 2 * len(calls) + 4


def test_a_damaged_member_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = mean_update._spikes

    def damaged(problem: rmt.Problem, c: object, moments: object) -> object:
        if problem.steps[1].scale == 2:
            raise np.linalg.LinAlgError
        return honest(problem, c, moments)  # type: ignore[arg-type]

    alone = resummed_family([REUSED.replace(steps=[(3, 0.25), (c, 0.3)]) for c in (1, 4)])
    monkeypatch.setattr(mean_update, "_spikes", damaged)
    three = resummed_family([REUSED.replace(steps=[(3, 0.25), (c, 0.3)]) for c in (1, 2, 4)])
    assert [found.status.name for found in three] == ["CONVERGED", "NOT_FINITE", "CONVERGED"]
    for found, expected in zip((three[0], three[2]), alone, strict=True):
        np.testing.assert_array_equal(found.strengths, expected.strengths)


def test_problems_of_two_families_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="of a family"):
        resummed_family([REUSED, REUSED.replace(noise_std=0.1)])


def test_forms_of_the_result() -> None:
    over = {"target": ["z", "z1 + z1*z2"], "alpha_2": [0.4, 0.6]}
    found = rmt.sweep(REUSED, over, rtol=1e-4)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["n_outliers"] == found.n_outliers.tolist()
    assert document["strength"][0][1] == [None] * found.strength.shape[-1]
    assert document["target_overlaps"][0][0][0][1] is None  # a target of one direction
    frame = found.to_frame()
    spikes = frame[(frame.target == "z1 + z1*z2") & (frame.status == "CONVERGED")]
    here = found.strength[1, 0]
    assert spikes.strength.tolist() == here[~np.isnan(here)].tolist()
    assert spikes.target_overlap_2.iloc[1] == found.target_overlaps[1, 0, 1, 1]
    assert set(frame[frame.status == "INVALID_INPUT"].n_outliers) == {-1}
    total = found.target_overlaps[1, 0].sum(axis=-1)
    np.testing.assert_array_equal(found.target_overlap[1, 0], total)


def test_printed_table_is_short() -> None:
    text = str(rmt.sweep(REUSED, {"alpha_2": np.linspace(0, 0.45, 100)}, rtol=1e-3))
    assert "(76 more)" in text
    assert len(text.splitlines()) < 32


# The command

BASE = ["--activation", "tanh(z + 7/10)", "--target", "sin(2*z)", "--width", "300"]
BASE += ["--step", "3,0.3", "--step", "3,0.4", "--rtol", "1e-4"]


def run(arguments: list[str]) -> int:
    try:
        return main(["sweep", *BASE, *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def test_command(tmp_path, capsys):  # type: ignore[no-untyped-def]
    table, picture = tmp_path / "s.csv", tmp_path / "s.png"
    arguments = ["--over", "alpha_2=0:0.45:4", "--over", "noise_std=0,0.5", "--json"]
    assert run([*arguments, "--csv", str(table), "--plot", str(picture)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    problem = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 300, 300, 600, [(3, 0.3), (3, 0.4)])
    over = {"alpha_2": np.linspace(0, 0.45, 4), "noise_std": [0, 0.5]}
    found = rmt.sweep(problem, over, rtol=1e-4)
    assert json.loads(captured.out) == found.to_dict()
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.rows())
    assert float(rows[0]["singular_value"]) == found.singular_value[0, 0, 0]
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_command_axes(capsys):  # type: ignore[no-untyped-def]
    over = ["--over", "width=100:10000:3:log", "--over", "activation=relu(z);leaky_relu(z, 1/5)"]
    assert run([*over, "--json", "--over", "batch=reused,independent"]) == 0
    axes = json.loads(capsys.readouterr().out)["axes"]
    assert axes["width"] == pytest.approx([100, 1000, 10000])
    assert axes["activation"] == ["relu(z)", "leaky_relu(z, 1/5)"]
    assert axes["batch"] == ["reused", "independent"]
    assert run(["--over", "scale_2=1"]) == 0
    assert capsys.readouterr().out.startswith("1 point (resummed), all converged")


def test_command_over_steps(capsys):  # type: ignore[no-untyped-def]
    problem = "--activation erf(z) --target z --width 100 --step 2,0.3 --rtol 1e-3 --json".split()
    for axis, shape in (("n_steps=1:3:3", 3), ("steps=2,0.3;2,0.3 1,0.4", 2)):
        assert main(["sweep", *problem, "--over", axis]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["n_outliers"] == [1] * shape
        assert found["status"] == ["CONVERGED"] * shape


def test_command_with_workers(capsys):  # type: ignore[no-untyped-def]
    assert run(["--over", "scale_1=1,2", "--json"]) == 0
    alone = capsys.readouterr().out
    assert run(["--over", "scale_1=1,2", "--json", "--workers", "2"]) == 0
    assert capsys.readouterr().out == alone


def test_command_of_which_a_point_fails(tmp_path, capsys):  # type: ignore[no-untyped-def]
    table = tmp_path / "s.csv"
    assert run(["--over", "alpha_2=0.1,0.7", "--json", "--csv", str(table)]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["status"] == ["CONVERGED", "INVALID_INPUT"]
    with open(table, newline="", encoding="utf-8") as file:
        statuses = {row["status"] for row in csv.DictReader(file)}
    assert statuses == {"CONVERGED", "INVALID_INPUT"}
    start = "rmt: 1 of 2 points failed; the first: Step.exponent must lie in [0, 1/2], got 0.7"
    assert captured.err.startswith(start)
    assert captured.err.count("\n") == 1


BAD_COMMANDS = {
    "no axis": ([], "--over"),
    "no values": (["--over", "alpha_2"], "NAME=VALUES"),
    "unknown": (["--over", "alpha=1"], "unknown parameter 'alpha'"),
    "no number": (["--over", "alpha_2=a,b"], "FIRST:LAST:COUNT"),
    "no count": (["--over", "alpha_2=0:0.4"], "FIRST:LAST:COUNT"),
    "code": (["--over", "alpha_2=__import__('os')"], "FIRST:LAST:COUNT"),
    "log of zero": (["--over", "width=0:10:3:log"], "FIRST:LAST:COUNT"),
    "out of range": (["--over", "alpha_2=0.6,0.7"], "must lie in [0, 1/2]"),
    "twice": (["--over", "alpha_2=0.1", "--over", "alpha_2=0.2"], "given twice"),
    "workers": (["--over", "alpha_2=0.1", "--workers", "0"], "workers must lie"),
    "csv": (["--over", "alpha_2=0.1", "--csv", "/nowhere/x.csv"], "--csv"),
    "plot": (["--over", "alpha_2=0.1", "--plot", "/nowhere/x.png"], "--plot"),
    "dimensions": (
        [
            "--over",
            "alpha_2=0.1",
            "--over",
            "alpha_1=0.1",
            "--over",
            "scale_1=1",
            "--plot",
            "x.png",
        ],
        "one or two dimensions",
    ),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_bad_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, expected = BAD_COMMANDS[name]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_pictures_hold_the_numbers() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    problem = rmt.Problem("tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0.35), (2, 0.4)])
    found = rmt.sweep(problem, {"alpha_2": [0.0, 0.2, 0.4, 0.6]}, rtol=1e-3)
    above, below = found.plot().axes
    curves = {str(line.get_label()): line for line in above.lines}
    shown = np.asarray(curves["outlier 0"].get_ydata())[:3]
    np.testing.assert_array_equal(shown, found.singular_value[:3, 0])
    seen = np.asarray(curves["outlier 1"].get_ydata())
    np.testing.assert_array_equal(np.isfinite(seen), found.is_outlier[:, 1])
    drawn = [np.asarray(line.get_ydata(), float) for line in below.lines]
    expected = np.where(found.is_outlier[:, 1], found.target_overlaps[:, 1, 1], np.nan)
    assert any(line.size == 4 and np.array_equal(line, expected, equal_nan=True) for line in drawn)
    plane = rmt.sweep(problem, {"alpha_2": [0.1, 0.4], "noise_std": [0, 1, 3]}, rtol=1e-3)
    counts = plane.plot().axes[0].collections[0].get_array()
    np.testing.assert_array_equal(counts, plane.n_outliers.T)
    pyplot.close("all")


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.25, 1, 4, 16], ["0.25", "1", "4", "16"]),
        (np.geomspace(0.2, 25, 9), "0.2 0.5 1 2 5 10 20".split()),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_plain(values, ticks) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    problem = rmt.Problem("tanh(z + 7/10)", "z", 400, 400, 800, [(2, 0.35)])
    for over in ({"samples_per_dim": values}, {"samples_per_dim": values, "noise_std": [0, 1]}):
        figure = rmt.sweep(problem, over, rtol=1e-2).plot()
        figure.canvas.draw()
        axis = figure.axes[1 if len(over) == 1 else 0].xaxis
        assert axis.get_scale() == "log"
        assert [t.get_text() for t in axis.get_ticklabels()] == ticks
        assert not [t for t in axis.get_minorticklabels() if t.get_text()]
    pyplot.close("all")


def test_forms_of_the_deformed_level():
    problem = rmt.Problem(
        "tanh(z + 7/10)", "sin(2*z)", 600, 600, 1200, [(4, 0.3), (4, 0.4)], "reused", "rademacher"
    )
    found = {
        forms: rmt.sweep(problem, {"alpha_2": [0.4]}, "deformed", forms=forms)
        for forms in ("exact", "linked")
    }
    for forms, one in found.items():
        single = rmt.predict(problem, "deformed", forms=forms)
        positions = [spike.singular_value for spike in single.spikes]
        assert one.singular_value[0] == pytest.approx(positions, rel=1e-6)
    assert np.all(found["exact"].singular_value[:, 1] != found["linked"].singular_value[:, 1])
    with pytest.raises(rmt.InvalidInputError, match="forms must be one of simple, exact, linked"):
        rmt.sweep(problem, {"alpha_2": [0.4]}, "deformed", forms="crude")
    with pytest.raises(rmt.InvalidInputError, match="forms belongs to method='deformed'"):
        rmt.sweep(problem, {"alpha_2": [0.4]}, forms="exact")


def test_weight_decay_of_the_steps_is_kept():
    problem = rmt.Problem("tanh(z)", "z", 100, 100, 200, [rmt.Step(2, 0.3, 0.01), rmt.Step(2, 0.3)])
    changed = problem_at(problem, {"alpha_1": 0.2, "scale_2": 3.0, "noise_std": 0.5})
    assert changed.steps == (rmt.Step(2, 0.2, 0.01), rmt.Step(3, 0.3))
    text = schedule_text(problem.steps)
    assert text == "2,0.3,0.01 2,0.3"
    assert problem_at(problem.replace(steps=[(1, 0)]), {"steps": text}).steps == problem.steps
    for wrong in ("2", "2,0.3,0.01,1", [(2, 0.3, 0.01, 1)]):
        with pytest.raises(InvalidInputError, match="must be a schedule"):
            schedule_text(wrong)
