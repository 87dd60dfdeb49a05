"""The axes of sweeps: every field of a problem under its own name, and what is derived of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import rmt
from rmt.cli import main
from rmt.grids.grid import actual_value, grid, parameters, problem_at
from rmt.problem.law_texts import law_text, read_law
from rmt.status import InvalidInputError
from rmt.vocabulary import NUMBERS, TEXTS

TWO = rmt.Problem("erf(z)", "z", 60, 40, 80, [(2, 0.2), (3, 0.3, 0.01)])


def test_every_field_of_a_problem_is_an_axis() -> None:
    fields = {one.name for one in dataclasses.fields(rmt.Problem) if one.init}
    assert fields <= set(parameters(TWO))
    assert set(parameters(TWO)) == {*NUMBERS, *TEXTS}  # what the help of the command lists


LAW = rmt.SignOf("z", noise_std=0.5)
# Axis, the values given, what `replace` makes of the second, and what is read off that.
FIELDS: dict[str, tuple[list[Any], dict[str, Any], Any]] = {
    "activation": (
        ["erf(z)", rmt.ScalarFunction("relu(z)")],
        {"activation": "relu(z)"},
        "max(z, 0)",
    ),
    "target": (["z", LAW], {"target": LAW}, "sign_of: z; noise_std=0.5"),
    "width": ([60, 120], {"width": 120, "dim": 80, "samples": 160}, 120.0),
    "dim": ([40, 30], {"dim": 30}, 30.0),
    "samples": ([80, 100.4], {"samples": 100}, 100.0),
    "samples_2": ([80, 100], {"samples": (80, 100)}, 100.0),
    "weight_decay_1": ([0, 0.1], {"steps": [(2, 0.2, 0.1), (3, 0.3, 0.01)]}, 0.1),
    "steps": ([[(2, 0.2)] * 2, [(1, 0.2)]], {"steps": [(1, 0.2)]}, "1,0.2"),
    "batch": (["independent", (0, 0)], {"batch": "reused"}, "reused"),
    "readout": (["gaussian", "uniform"], {"readout": "uniform"}, "uniform"),
    "noise_std": ([0, 0.5], {"noise_std": 0.5}, 0.5),
    "init": (["sphere", "gaussian"], {"init": "gaussian"}, "gaussian"),
    "loss": (["squared", rmt.Loss("huber(1)")], {"loss": "huber(1)"}, "huber(1)"),
    "output_scale": ([None, 0.5], {"output_scale": 0.5}, 0.5),
    "readout_sum": ([0, None], {}, math.nan),
    "initialisation": (
        ["independent", "antisymmetric"],
        {"initialisation": "antisymmetric"},
        "antisymmetric",
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_an_axis_is_what_replace_makes(name: str) -> None:
    given, changes, actual = FIELDS[name]
    axes = grid(TWO, {name: given})
    second = axes.points()[1]
    made = problem_at(TWO, second)
    assert made == TWO.replace(**changes)
    np.testing.assert_equal(actual_value(made, name), actual)
    assert len({problem_at(TWO, one) for one in axes.points()}) == 2


def test_a_sweep_over_what_may_be_none_is_kept_and_drawn() -> None:
    found = rmt.sweep(TWO, {"output_scale": [None, 0.1]}, rtol=1e-3)
    for point, scale in zip(found.problems, (None, 0.1), strict=True):
        assert point.output_scale == scale
    again = rmt.Sweep.from_json(found.to_json())
    assert again.axes["output_scale"].tolist() == [None, 0.1]
    assert again.rows()[0]["output_scale"] is None
    assert "none" in str(found)
    assert "none &" in found.to_latex()
    figure = found.plot()
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["none", "0.1"]
    assert all(line.get_linestyle() == "None" for line in figure.axes[0].lines)
    plt.close(figure)


def test_a_slider_over_what_may_be_none() -> None:
    sheet = rmt.explore(TWO.with_n_steps(1), {"output_scale": [0.1, None]}).html
    assert '"values":["0.1","none"],"at":null' in sheet.replace(" ", "")
    assert '"label":"outputscale"' in sheet.replace(" ", "")


def test_schedules_of_batches() -> None:
    three = rmt.Problem("erf(z)", "z", 60, 40, 80, [(2, 0.2)] * 3)
    axes = grid(three, {"batch": [(0, 0, 1), "AAB", "0,1,1", "reused", (0, 1)]})
    assert axes.axes["batch"].tolist() == ["AAB", "AAB", "ABB", "reused", "AB"]
    made = [problem_at(three, values).batch for values in axes.points()[:4]]
    assert made == [(0, 0, 1), (0, 0, 1), (0, 1, 1), "reused"]
    with pytest.raises(InvalidInputError, match="2 are given for 3 steps"):
        problem_at(three, axes.points()[4])


def test_sizes_given_together() -> None:
    made = problem_at(TWO, {"width": 120, "dim": 30})
    assert (made.width, made.dim, made.samples) == (120, 30, (60, 60))  # n/d stays
    made = problem_at(TWO, {"dim": 30, "samples_per_dim_1": 3})
    assert (made.width, made.samples) == (60, (90, 80))


BAD = {
    "two ratios": ({"dim": [10], "aspect_ratio": [2]}, "are the same"),
    "n twice": ({"samples": [10], "samples_per_dim": [2]}, "give either it or samples_per_dim"),
    "n of one": ({"samples": [10], "samples_per_dim_1": [2]}, "either it or samples_per_dim_1"),
    "n of one twice": ({"samples_1": [10], "samples_per_dim_1": [2]}, "one for each batch"),
    "none of a number": ({"noise_std": [None, 1]}, "array of real numbers"),
    "text or none": ({"output_scale": [None, "x"]}, "array of real numbers"),
    "batch": ({"batch": [("a", "b")]}, r"number of the batch that each step uses, .*'a'"),
    "loss": ({"loss": [3]}, "each loss must be a text or a Loss, got int"),
    "law": ({"target": [3 + 4j]}, "target must be a text or a function"),
    "readout": ({"readout": [[1.0, 2.0]]}, "each readout must be a text, got list"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_axes(name: str) -> None:
    over, expected = BAD[name]
    with pytest.raises(InvalidInputError, match=expected):
        grid(TWO, over)


LAWS = [
    rmt.Bernoulli("sigmoid(3*z + 1)"),
    rmt.SignOf("z1*z2", noise_std=0.5, flip=0.1),
    rmt.SignOf("z"),
    rmt.Poisson("exp(z/2)"),
    rmt.Channel(["z", 0], ["3/4", "1/4"]),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.text)
def test_laws_of_labels_as_texts(law: Any) -> None:
    assert read_law(law_text(law)) == law


def test_axes_in_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    words = "sweep --activation erf(z) --target z --width 60 --step 2,0.2".split()
    words += ["--over", "loss=squared;huber(1)", "--over", "output_scale=none,0.1"]
    assert main([*words, "--rtol", "1e-2"]) == 0
    printed = capsys.readouterr().out
    assert "huber(1)" in printed
    assert "none" in printed


def test_sampled_functions_are_shown_by_a_name():
    problem = rmt.Problem("tanh(z)", "z", 100, 100, 200, [(2, 0.3)])
    found = rmt.sweep(problem, {"activation": [lambda z: np.maximum(z, 0) - z / 4, "relu(z)"]})
    assert "table(" not in str(found) + found.to_latex()
    assert "table_" in str(found)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch", "reuse", "over: each batch must be one of reused, independent; got 'reuse'"),
        ("readout", "gauss", "over: each readout must be one of gaussian, rademacher, uniform"),
        ("init", "ball", "over: each init must be one of sphere, gaussian; got 'ball'"),
    ],
)
def test_words_that_no_problem_takes_are_refused_at_once(name, value, message):
    problem = rmt.Problem("tanh(z)", "z", 100, 100, 200, [(2, 0.3)])
    good = {"batch": "reused", "readout": "uniform", "init": "sphere"}[name]
    with pytest.raises(InvalidInputError, match=message):
        grid(problem, {name: [good, value]})


@pytest.mark.parametrize(
    ("name", "meant"), [("n", "samples"), ("noise", "noise_std"), ("lr", "scale_1")]
)
def test_names_of_papers_and_slips_are_answered(name, meant):
    problem = rmt.Problem("tanh(z)", "z", 100, 100, 200, [(2, 0.3)])
    with pytest.raises(
        InvalidInputError, match=rf"parameter '{name}' \(did you mean {meant}\?\); "
    ):
        grid(problem, {name: [1, 2]})
