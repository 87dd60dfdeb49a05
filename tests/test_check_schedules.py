"""Weights after more than two steps, on any schedule, against the prediction; in shells too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rmt import Problem
from validation import check, simulate
from validation.cli.main import main

ONE_INDEX = "tanh(z) + (cos(2*z) - exp(-2))/2"
PROBLEM = Problem(
    "tanh(z + 7/10)", ONE_INDEX, 300, 300, 600, [(2, 0.3)] * 3, (0, 0, 1), "rademacher"
)


@pytest.fixture(scope="module")
def network():
    return simulate(PROBLEM, seed=1)


def test_weights_of_three_steps_agree(network):
    a = network.readout / np.sqrt(300)
    found = check(PROBLEM, network.weights[-1], a, n_reference=8)
    assert found.agrees(), found
    assert found.method == "resummed"
    assert found.conditional
    assert found.bulk is None
    assert len(found.outliers) == 1
    assert "AAB batch" in str(found)
    assert "beyond the spectrum's own edge" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ({"batch": (0, 1, 2)}, "overlap with e_1"),
        ({"steps": [(3, 0.3)] * 3}, "singular value"),
    ],
    ids=["fresh batches", "larger steps"],
)
def test_weights_of_another_training_differ(other, differing):
    several = [simulate(PROBLEM.replace(samples=600, **other), 1, i).weights[-1] for i in range(6)]
    found = check(PROBLEM, several)
    assert any(told.startswith(differing) for told in found.differing()), found


def test_weights_that_were_taken_too_early_are_named(network):
    found = check(PROBLEM, network.weights[1], n_reference=6)
    assert not found.agrees()
    assert "as after step 1 alone: give the weights after step 3" in found.notes[0]


def test_giant_steps_on_one_batch():
    problem = PROBLEM.replace(steps=[(1, 0.5)] * 4, batch="reused", samples=600)
    found = check(problem, simulate(problem).weights[-1], n_reference=6)
    assert found.row(0).observed == pytest.approx(found.row(0).predicted, rel=0.1)
    assert not found.differing()


# --- in a shell -----------------------------------------------------------------------------------


@pytest.fixture
def files(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("W.npy", network.weights[-1])
    one = PROBLEM.replace(steps=[(2, 0.3)], batch="independent", samples=600)
    with open("problem.json", "w") as file:
        file.write(one.to_json())
    return tmp_path


STEPS = ["--step", "2,0.3"] * 3


def test_check_with_a_schedule_of_its_own(files, network, capsys):
    """The file has one step; options say how the weights were really trained."""
    arguments = ["check", "--problem", "problem.json", "--weights", "W.npy", "--json"]
    assert main([*arguments, *STEPS, "--batches", "0,0,1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problem"] == PROBLEM.to_dict()
    assert found["rows"] == check(PROBLEM, network.weights[-1]).to_dict()["rows"]
    main([*arguments, *STEPS])
    assert json.loads(capsys.readouterr().out)["problem"]["batch"] == "independent"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*STEPS, "--batches", "0,2,1"], "in the order of their first use"),
        (["--batches", "0,1"], "batch must hold the number of the batch of each of the 1 step"),
        (["--batches", "A,B"], "batches are numbers from 0"),
        (["--step", "2"], "a step is SCALE,EXPONENT"),
    ],
)
def test_bad_schedules_end_in_one_line(files, capsys, arguments, message):
    try:
        code = main(["check", "--problem", "problem.json", "--weights", "W.npy", *arguments])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        *("path", "--activation", "erf(z + 1/2)", "--target", "tanh(z)", "--width", "120"),
        *("--samples", "360", *STEPS, "--batches", "0,0,1", "--readout", "rademacher"),
        *("--networks", "8", "--test-samples", "500", "--workers", "1", "--store", "kept.sqlite"),
    ]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "AAB batches: 8 samples" in told
    assert told.count("training error") == 3
    assert (tmp_path / "kept.sqlite").exists()
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["step"] for row in found["rows"]} == {1, 2, 3}
    assert f"{found['rows'][0]['simulated']:.4f}" in told
