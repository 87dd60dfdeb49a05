"""The command ``python -m validation``: what it prints, what it refuses, what it leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from documents import assert_same_document

import rmt
from rmt.problem import Problem, Step
from validation.__main__ import main
from validation.campaign import CampaignError
from validation.catalogue import Case
from validation.cli import script
from validation.cli.main import PROGRAM
from validation.cli.options import SUITE_NAMES
from validation.simulation.plan import Plan
from validation.simulation.simulate import simulate
from validation.store.store import SampleStore
from validation.suites import SUITES, Entry, Section, Suite

pytestmark = pytest.mark.once


def _entry(name: str, target: str) -> Entry:
    problem = Problem(
        "tanh(z + 7/10)", target, 60, 60, 120, [Step(4, 0.3), Step(4, 0.4)], readout="rademacher"
    )
    return Entry(Case(name, f"target {target}", problem), Plan(problem, 3, n_spectra=3))


@pytest.fixture
def tiny(monkeypatch, tmp_path) -> Suite:
    """A suite of two sections, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found = Suite(
        "tiny",
        "two networks",
        (
            Section("first", "First", "One.", "cases", (_entry("one", "tanh(z)"),)),
            Section("second", "Second", "Two.", "cases", (_entry("two", "sin(2*z)"),)),
        ),
    )
    monkeypatch.setitem(SUITES, "tiny", found)
    for command in PROGRAM.commands:
        for argument in command.groups.get("problems", ()):
            if argument.name == "--suite":
                monkeypatch.setitem(argument.settings, "choices", tuple(SUITES))
    monkeypatch.setattr(
        "validation.catalogue.ALL_CASES", {e.case.name: e.case for e in found.entries}
    )
    return found


def test_suites_that_help_lists_are_those_that_there_are():
    assert tuple(SUITES) == SUITE_NAMES


def output(capsys, *arguments: str) -> str:
    """What a command that succeeds prints."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refusal(capsys, *arguments: str, code: int = 2) -> str:
    """The one line of a command that fails."""
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == code
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def test_run_and_report(tiny, capsys, tmp_path):
    run = ("run", "--suite", "tiny", "--workers", "1")
    assert "3 of 3 networks simulated" in output(capsys, *run, "--section", "first")
    text = output(capsys, *run)
    assert "3 of 6 networks simulated" in text
    assert "3 were stored" in text
    assert "all are in validation.sqlite" in text
    assert text.endswith("Make the report with: python -m validation report --suite tiny\n")
    assert "0 of 6 networks simulated" in output(capsys, *run)

    text = output(capsys, "report", "--suite", "tiny", "--workers", "1", "--output", "out")
    assert text.endswith("Written: out/report.html, out/report.json\n")
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [case["name"] for s in data["sections"] for case in s["cases"]] == ["one", "two"]
    assert all(case["tests"] for s in data["sections"] for case in s["cases"])
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    output(capsys, "report", "--suite", "tiny", "--workers", "1", "--output", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
    again = json.loads((tmp_path / "out" / "report.json").read_text())
    assert_same_document(again, data)


def test_report_command_names_what_is_not_the_default(tiny, capsys):
    text = output(
        capsys, *("run", "--suite", "tiny", "--workers", "1"), "--samples", "2", "--store", "a b.db"
    )
    assert "12 of 12 networks simulated" in text
    assert text.endswith("report --suite tiny --store 'a b.db' --samples 2\n")


def test_precisions_are_simulated_and_reported_apart(tiny, capsys, tmp_path):
    run = ("run", "--suite", "tiny", "--workers", "1")
    output(capsys, *run)
    text = output(capsys, *run, "--dtype", "float32")
    assert "6 of 6 networks simulated" in text
    assert text.endswith("report --suite tiny --dtype float32\n")
    assert "0 of 6 networks simulated" in output(capsys, *run, "--dtype", "float32")
    with SampleStore("validation.sqlite") as store:
        plans = [tiny.in_precision(dtype).plans[0] for dtype in ("float64", "float32")]
        double, single = map(store.samples, plans)
    assert 0 < np.abs(single.singular_values / double.singular_values - 1).max() < 1e-5

    stored = ("list", "--suite", "tiny", "--store", "validation.sqlite", "--dtype")
    assert "two    3 of   3" in output(capsys, *stored, "float32")
    tables = []
    for dtype in ("float64", "float32"):
        output(capsys, *("report", "--suite", "tiny", "--workers", "1", "--dtype", dtype))
        data = json.loads((tmp_path / "validation-report" / "report.json").read_text("utf-8"))
        cases = [case for section in data["sections"] for case in section["cases"]]
        tables.append([test["verdict"] for case in cases for test in case["tests"]])
    assert tables[0]
    assert tables[0] == tables[1]
    for words in (("show", "two", "--store", "validation.sqlite", "--no-prediction"),):
        assert "float32, seed 0, 3 stored" in output(capsys, *words, "--dtype", "float32")
    assert "'float16'" in refusal(capsys, *run, "--dtype", "float16")


def test_list(tiny, capsys):
    text = output(capsys, "list", "--suite", "tiny")
    assert "tiny: two networks; 2 cases, 6 networks" in text
    assert "second: Second\n  two    3 x N = 60" in text
    output(capsys, "run", "--suite", "tiny", "--workers", "1", "--section", "first")
    text = output(capsys, "list", "--suite", "tiny", "--store", "validation.sqlite")
    assert "one    3 of   3 x N = 60" in text
    assert "two    0 of   3 x N = 60" in text
    assert "quick: some of everything" in output(capsys, "list")


def test_show(tiny, capsys):
    text = output(capsys, "show", "one")
    assert text.startswith("one: target tanh(z), independent batch\nsigma(z) = tanh(z + 7/10)\n")
    assert "N = 60 neurons" in text
    assert "strength  singular value" in text
    output(capsys, "run", "--suite", "tiny", "--workers", "1", "--section", "first")
    text = output(capsys, "show", "one", "--store", "validation.sqlite")
    assert "suite tiny: 3 networks with N = 60" in text
    assert "3 stored" in text
    assert "prediction: deformed (linked forms)" in text
    text = output(capsys, "show", "two", "--store", "validation.sqlite")
    assert text.endswith("not simulated\n")
    assert "singular value" not in output(capsys, "show", "two", "--no-prediction")


def test_check(tiny, capsys, tmp_path):
    problem = tiny.entries[0].case.problem
    shown = output(capsys, "show", "one", "--json")
    assert Problem.from_json(shown) == problem
    (tmp_path / "problem.json").write_text(shown, encoding="utf-8")
    network = simulate(problem)
    np.save("W.npy", network.weights[-1])
    np.save("a.npy", network.readout / np.sqrt(60))
    given = ("--weights", "W.npy", "--readout", "a.npy")
    text = output(capsys, "check", "--problem", "problem.json", *given)
    assert text == output(capsys, "check", "--problem", "one", *given)
    data = json.loads(output(capsys, "check", "--problem", "one", *given, "--json"))
    assert data["n_weights"] == 1
    np.save("u.npy", np.eye(60)[:1])
    assert text == output(capsys, "check", "--problem", "one", *given, "--directions", "u.npy")
    assert text.splitlines()[-1].startswith("verdict: ")


def test_check_of_weights_that_differ_ends_with_1(tiny, capsys):
    np.save("W.npy", 3 * simulate(tiny.entries[0].case.problem).weights[-1])
    assert main(["check", "--problem", "one", "--weights", "W.npy"]) == 1
    captured = capsys.readouterr()
    found = "number of outliers, bulk"
    assert captured.out.endswith(f"verdict: differs in: {found}\n")
    assert captured.err == f"python -m validation check: the weights differ in: {found}\n"
    assert main(["check", "--problem", "one", "--weights", "W.npy", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["n_weights"] == 1


def test_export(tiny, capsys):
    output(capsys, "run", "--suite", "tiny", "--workers", "1")
    assert output(capsys, "export", "--csv", "all.csv") == "6 networks written to all.csv\n"
    output(capsys, "export", "--npz", "all.npz")
    with np.load("all.npz") as arrays:
        assert sum(arrays[f"{i}/indices"].size for i in range(2)) == 6


def test_messages_have_the_name_by_which_it_was_called(tiny, capsys, monkeypatch):
    run = ["--suite", "tiny", "--workers", "1", "--section", "first"]
    monkeypatch.setattr("sys.argv", ["rmt-validation", "run", *run])
    assert script() == 0
    assert capsys.readouterr().out.endswith("with: rmt-validation report --suite tiny\n")
    monkeypatch.setattr("sys.argv", ["rmt-validation", "show", "on"])
    assert script() == 2
    assert capsys.readouterr().err.startswith("rmt-validation show: error: ")


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"rmt {rmt.__version__} (Python ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run --suite slow", "invalid choice: 'slow' (choose from 'quick', 'full', 'tiny')"),
        ("run --suite tiny --section third", "must be one of first, second; got 'third'"),
        ("run --suite tiny --samples 0", "must be a positive number, got '0'"),
        ("run --suite tiny --samples many", "must be a positive number, got 'many'"),
        ("run --suite tiny --workers 0", "workers must lie between 1 and 1024, got 0"),
        ("run --suite tiny --workers two", "must be an integer, got 'two'"),
        ("run --suite tiny --workers 1 --dask tcp://a:1", "not allowed with argument"),
        ("run --suite tiny --device abacus", "abacus"),
        ("run --suite tiny --store no/such/folder/a.db", "no/such/folder/a.db"),
        ("run --suite tiny --store text.txt", "text.txt"),
        ("report --suite tiny --store absent.db", "store absent.db does not exist; make one with"),
        ("report --suite tiny --store text.txt", "text.txt"),
        ("report --suite tiny --store text.txt --workers -1", "workers must lie between"),
        ("list --suite slow", "invalid choice: 'slow'"),
        ("list --store absent.db", "store absent.db does not exist"),
        ("show", "the following arguments are required: NAME"),
        ("show on", "such as one, two; got 'on'"),
        ("show one --store absent.db", "store absent.db does not exist"),
        ("check --problem one", "required: --weights"),
        ("check --problem absent.json --weights W.npy", "problem file absent.json does not exist"),
        ("check --problem text.txt --weights W.npy", "a problem must be a JSON object"),
        ("check --problem on --weights W.npy", "such as one, two; got 'on'"),
        ("check --problem one --weights absent.npy", "absent.npy"),
        ("check --problem one --weights text.txt", "text.txt"),
        ("check --problem one --weights wrong.npy", "(60, 60)"),
        ("check --problem one --weights nan.npy", "finite"),
        ("check --problem one --weights unit.npy --directions wrong.npy", "(1, 60)"),
        ("check --problem one --weights unit.npy --directions absent.npy", "no file absent.npy"),
        ("check --problem one --weights unit.npy --reference 1", "at least 2"),
        ("check --problem one --weights nan.npy --seed -1", "seed must not be negative"),
        ("export --store absent.db --csv a.csv", "store absent.db does not exist"),
        ("export", "one of the arguments --csv --npz is required"),
        ("export --csv a --npz b", "not allowed with argument"),
        ("nothing", "invalid choice: 'nothing'"),
        ("", "required: COMMAND"),
    ],
)
def test_bad_input_ends_in_one_line(tiny, capsys, tmp_path, arguments, message):
    (tmp_path / "text.txt").write_text("precious", encoding="utf-8")
    np.save("wrong.npy", np.zeros((3, 4)))
    np.save("unit.npy", np.eye(60))
    np.save("nan.npy", np.full((60, 60), np.nan))
    assert message in refusal(capsys, *arguments.split())
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == "precious"
    assert not (tmp_path / "absent.db").exists()
    assert not (tmp_path / "validation.sqlite").exists()


def test_a_problem_with_a_formula_that_is_none(tiny, capsys, tmp_path):
    data = tiny.entries[0].case.problem.to_dict()
    data["target"] = "__import__('os').system('touch danger')"
    (tmp_path / "problem.json").write_text(json.dumps(data), encoding="utf-8")
    np.save("W.npy", np.zeros((60, 60)))
    refused = refusal(capsys, "check", "--problem", "problem.json", "--weights", "W.npy")
    assert "target" in refused
    assert "^" not in refused
    assert not (tmp_path / "danger").exists()


def test_output_that_is_no_folder_is_refused_before_any_work(tiny, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    with SampleStore("validation.sqlite"):
        pass
    monkeypatch.setattr("validation.report.evidence.gather", None)
    line = refusal(capsys, "report", "--suite", "tiny", "--output", "file")
    assert "output must be a folder that can be written" in line
    assert (tmp_path / "file").read_text(encoding="utf-8") == "precious"


def test_export_to_a_folder_that_is_not_there(tiny, capsys):
    with SampleStore("validation.sqlite"):
        pass
    assert "no/a.csv cannot be written" in refusal(capsys, "export", "--csv", "no/a.csv")


def test_no_scheduler(tiny, capsys, monkeypatch):
    pytest.importorskip("distributed")
    from validation.executors import connect_dask

    monkeypatch.setattr(
        "validation.executors.connect_dask", lambda address: connect_dask(address, timeout=0.3)
    )
    line = refusal(capsys, "run", "--suite", "tiny", "--dask", "tcp://127.0.0.1:1")
    assert "no dask scheduler answers at" in line
    assert "tcp://127.0.0.1:1" in line


def test_interrupted(tiny, capsys, monkeypatch):
    def stop(*arguments, **options):
        error = KeyboardInterrupt()
        error.add_note("2 of 6 missing samples were computed")
        raise error

    monkeypatch.setattr("validation.campaign.run_campaign", stop)
    line = refusal(capsys, "run", "--suite", "tiny", "--store", "{odd}.db", code=130)
    assert line.endswith(
        "interrupted, 2 of 6 missing samples were computed; run the same command again to go on\n"
    )


def test_a_lost_worker_is_no_bad_input(tiny, capsys, monkeypatch):
    def stop(*arguments, **options):
        raise CampaignError("a worker died")

    monkeypatch.setattr("validation.campaign.run_campaign", stop)
    assert "error: a worker died" in refusal(capsys, "run", "--suite", "tiny", code=1)
