"""The help of both commands: at 80 columns, complete, and with examples that run."""

from __future__ import annotations

import argparse
import re
import shlex

import numpy as np
import pytest

from rmt.cli import main as rmt
from rmt.cli.main import PROGRAM as RMT_PROGRAM
from rmt.cli.program import parser_of
from rmt.functions import ScalarFunction
from rmt.problem import Problem, Step
from validation.catalogue import ALL_CASES, Case
from validation.cli import main as validation
from validation.cli.main import PROGRAM as VALIDATION_PROGRAM
from validation.demo import run_demo
from validation.simulation.plan import Plan
from validation.simulation.simulate import simulate
from validation.suites import SUITES, Entry, Section, Suite

pytestmark = pytest.mark.once


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return {command.prog: command for command in commands.choices.values()}


RMT = commands_of(parser_of(RMT_PROGRAM))
VALIDATION = commands_of(parser_of(VALIDATION_PROGRAM))
COMMANDS = RMT | VALIDATION


def examples_of(command: argparse.ArgumentParser) -> list[str]:
    """The lines of a help that are commands."""
    text = command.format_help().replace("\\\n", "")
    return re.findall(r"^  ((?:rmt|python -m validation) .*)$", text, re.MULTILINE)


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(
    "parser", [parser_of(RMT_PROGRAM), parser_of(VALIDATION_PROGRAM)], ids=["rmt", "validation"]
)
def test_list_of_commands(parser):
    text = parser.format_help()
    assert max(map(len, text.splitlines())) <= 80
    for name in (prog.split()[-1] for prog in commands_of(parser)):
        assert re.search(rf"^  {name} +\S.*$", text, re.MULTILINE)
    assert "Exit codes: 0;" in text


def test_every_listed_function_is_one():
    text = " ".join(parser_of(RMT_PROGRAM).format_help().split())
    names = re.search(r"\(g, True\)\), (.*?)\. Exit", text)[1].split(", ")
    assert len(names) > 30
    for name in names:
        ScalarFunction.parse(f"{name}(z, 1)" if name in ("max", "min") else f"{name}(z)")


@pytest.mark.parametrize("program", COMMANDS)
def test_help(program, capsys):
    main = rmt if program in RMT else validation
    with pytest.raises(SystemExit) as stop:
        main([program.split()[-1], "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"usage: {program} ")
    # One line of purpose, before anything else.
    assert re.fullmatch(r"[A-Z].*\.", text.split("\n\n")[1])
    assert "Exit codes: 0;" in text
    if program.split()[-1] != "completion":
        assert examples_of(COMMANDS[program])
    if "--activation" in text:
        assert "Functions TEXT are written in z" in text


@pytest.mark.parametrize("program", COMMANDS)
def test_options_say_what_they_take_and_what_holds_without_them(program):
    command = COMMANDS[program]
    usage = " ".join(command.format_help().split("\n\n")[0].split())
    either = {a for g in command._mutually_exclusive_groups if g.required for a in g._group_actions}
    for action in command._actions:
        assert action.help
        if action.nargs == 0:
            continue
        assert action.metavar
        name = action.option_strings[0] if action.option_strings else action.metavar
        if action.required or action in either:
            assert re.search(rf"(^|[ (]){re.escape(name)}", usage)
        elif action.default is not None:
            assert "default:" in action.help
        if action.choices:
            assert all(choice in action.help for choice in action.choices)


@pytest.mark.parametrize(
    "line", [line for command in RMT.values() for line in examples_of(command)]
)
def test_examples_of_rmt(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    assert rmt(shlex.split(line)[1:]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip()
    assert captured.err == ""


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Suites, a case and a demo of small networks in the place of the large ones."""
    monkeypatch.chdir(tmp_path)
    problem = Problem("tanh(z + 7/10)", "tanh(z)", 60, 60, 120, Step(4, 0.3), readout="rademacher")
    found = Case("ie3-reused", "small", problem)
    monkeypatch.setitem(ALL_CASES, found.name, found)
    section = Section(
        "levels", "Levels", "Small.", "cases", (Entry(found, Plan(problem, 3, n_spectra=3)),)
    )
    for name in ("quick", "full"):
        monkeypatch.setitem(SUITES, name, Suite(name, "small", (section,)))
    monkeypatch.setattr(
        "validation.demo.run_demo",
        lambda samples, seed, progress: run_demo(min(samples, 3), seed, cases=[found]),
    )
    for module in ("campaign", "report.evidence"):  # no processes for so little work
        monkeypatch.setattr(f"validation.{module}.available_cores", lambda: 1)
    network = simulate(problem)
    np.save("W.npy", network.weights[-1])
    np.save("a.npy", network.readout / np.sqrt(60))


def test_examples_of_validation(small, tmp_path, capsys):
    """In the order of the commands: what one writes, the next may read."""
    lines = [line for command in VALIDATION.values() for line in examples_of(command)]
    assert len(lines) > 8
    # A problem file is written by the command `show` and read by `check`.
    for line in lines:
        command, _, written = line.partition(" > ")
        arguments = shlex.split(command)[3:]
        assert validation(arguments) == 0, line
        captured = capsys.readouterr()
        assert captured.out.strip()
        if written:
            (tmp_path / written).write_text(captured.out, encoding="utf-8")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"validation-report", "full-report", "networks.csv", "networks.npz"} <= names
    assert {"problem.json", "demo-output"} <= names
