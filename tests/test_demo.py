"""The demo on small problems: its table, its files, and its command line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation.__main__ import main
from validation.catalogue import CASES, Case, case
from validation.comparison.comparison import Comparison
from validation.comparison.verdict import Verdict
from validation.demo import Demo, run_demo
from validation.drawing import comparison_figure
from validation.folders import prepare_folder

pytestmark = pytest.mark.once


def small_case(name: str, target: str, **changes) -> Case:
    steps = [Step(4, 0.3), Step(4, 0.4)]
    # The readout whose predictions are quick.
    problem = Problem(
        "tanh(z + 7/10)", target, 200, 200, 400, steps, readout="rademacher", **changes
    )
    return Case(name, f"target {target}", problem)


@pytest.fixture(scope="module")
def demo() -> Demo:
    cases = [
        small_case("one-independent", "tanh(z)"),
        small_case("one-reused", "tanh(z)", batch="reused"),
        small_case("two", "z1 + z1*z2"),
    ]
    return run_demo(3, seed=1, cases=cases)


def test_table_has_a_line_for_every_overlap(demo):
    lines = str(demo).splitlines()
    rows = [row for panel in demo.panels for row in panel.comparison.rows if row.direction]
    # And one for the bulk of every case.
    assert sum(line.startswith("target ") for line in lines) == len(rows) + len(demo.panels)


def test_the_cases_share_one_significance(demo):
    assert demo.n_tests == sum(len(panel.comparison.rows) + 1 for panel in demo.panels)
    assert all(verdicts.n_tests == demo.n_tests for verdicts in demo.verdicts)
    assert f"of {demo.n_tests} tests" in " ".join(str(demo).split())


def test_a_difference_is_marked_and_named(demo):
    first = demo.panels[0]
    row = first.comparison.rows[0]
    wrong = replace(row, simulated=2 * row.predicted, standard_error=1e-9)
    comparison = replace(first.comparison, rows=(wrong, *first.comparison.rows[1:]))
    changed = Demo((replace(first, comparison=comparison), *demo.panels[1:]), demo.predictions)
    text = str(changed)
    assert changed.overall is Verdict.DIFFERS
    assert f"{wrong.difference:+8.4f}!" in text
    assert f"\n  {first.case.name}: spike 0, singular value: predicted" in text
    assert changed.to_dict()["verdict"] == "differs"


def test_files_hold_the_same_numbers(demo, tmp_path):
    written = demo.save(tmp_path / "new" / "folder")
    assert [path.name for path in written] == ["demo.json", "demo.png", "demo.pdf"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(written)
    data = json.loads(written[0].read_text(encoding="utf-8"))
    assert data["verdict"] == demo.overall.value
    for entry, panel in zip(data["cases"], demo.panels, strict=True):
        assert Comparison.from_dict(entry["comparison"]) == panel.comparison
    assert written[1].read_bytes().startswith(b"\x89PNG")
    assert written[2].read_bytes().startswith(b"%PDF")


def test_a_failed_write_keeps_the_older_result(demo, tmp_path, monkeypatch):
    before = {name: name.encode() for name in ("demo.json", "demo.png", "demo.pdf")}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)

    def fail(figure, path):
        raise OSError("disk full")

    monkeypatch.setattr("validation.demo.save_figure", fail)
    with pytest.raises(InvalidInputError, match="disk full"):
        demo.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_figure_has_a_row_for_every_target(demo):
    figure = comparison_figure(demo.panels)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 3 + 2


def test_figure_needs_histograms(demo):
    with pytest.raises(InvalidInputError, match="at least one"):
        comparison_figure([])


def test_catalogue_names_its_cases():
    assert list(CASES) == ["ie1-independent", "ie1-reused", "ie3-independent", "ie3-reused"]
    for found in CASES.values():
        assert found.problem.width == found.problem.dim == 1000
        assert found.problem.samples == (2000, 2000)
    with pytest.raises(InvalidInputError, match="got 'ie2'"):
        case("ie2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--samples", "one"], "--samples: must be an integer, got 'one'"),
        (["demo", "--samples", "1"], "samples must be at least 2, got 1"),
        (["demo", "--seed", "-1"], "seed must not be negative, got -1"),
        (["demo", "--no-such"], "unrecognized arguments: --no-such"),
        (["nothing"], "invalid choice: 'nothing'"),
        ([], "required: COMMAND"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_an_output_that_is_no_folder_is_refused_before_any_work(capsys, tmp_path):
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    assert main(["demo", "--output", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "output must be a folder that can be written" in captured.err
    assert (tmp_path / "file").read_text(encoding="utf-8") == "precious"
    with pytest.raises(InvalidInputError):
        prepare_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize("command", ["demo", "run --workers 1"])
def test_without_tqdm_the_extra_is_named(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("validation.cli.campaigns.on_terminal", lambda: True)
    assert main(command.split()) == 1
    assert capsys.readouterr().err == (
        f"python -m validation {command.split()[0]}: error: a progress bar needs tqdm "
        "(the extra 'validation' of this package)\n"
    )
