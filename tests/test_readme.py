"""Snippets of the README and of the pages run, and their shell commands are ones that exist."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rmt.cli import main
from rmt.cli.program import parser_of
from validation.catalogue import case
from validation.cli.main import PROGRAM, main as validate
from validation.suites import suite

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
VALIDATION = (DOCS / "validation.md").read_text(encoding="utf-8")
FEATURES = (DOCS / "features.md").read_text(encoding="utf-8")


def snippets_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def commands_of(page: str, program: str) -> list[list[str]]:
    """The arguments of every line of the page that calls a program, continuation lines included."""
    joined = page.replace("\\\n", "")
    lines = re.findall(rf"^{re.escape(program)} (.*)$", joined, re.MULTILINE)
    return [shlex.split(line.partition(">")[0], comments=True) for line in lines]


SNIPPETS = snippets_of(README)


@pytest.mark.parametrize("code", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})


def test_there_are_snippets():
    assert len(SNIPPETS) == 9


def test_the_first_screen_shows_what_the_snippet_prints(capsys):
    """The table alone: notes are below it."""
    [shown] = re.findall(r"```\n(activation .*?)```", README, re.DOTALL)
    exec(compile(SNIPPETS[0], "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith(f"{shown}in brackets: ")
    # The numbers of panel e of the figure beside it.
    assert re.findall(r" (20\.\d+|3\.53|2\.47)\(", shown) == ["20.08", "3.53", "2.47"]


def test_the_words_of_the_first_screen_are_said_before_the_snippet():
    before = README.partition("```python")[0]
    for word in ("overlap", "reused batch", "information exponent"):
        assert f"*{word}*" in before
        assert before.count(f"*{word}*") == 1


def test_hermite_page_is_what_the_code_gives():
    """Its tables are current (`python docs/hermite_tables.py` writes them), its snippets run."""
    path = DOCS / "hermite_tables.py"
    specification = importlib.util.spec_from_file_location("hermite_tables", path)
    tables = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tables)
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.with_tables(page) == page
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == 3
    for code in snippets:
        exec(compile(code, "hermite.md", "exec"), {})


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("deformed.md", 1),
        ("features.md", 1),
        ("spectra.md", 6),
        ("scaling.md", 7),
        ("sweeps.md", 4),
    ],
)
def test_snippets_of_pages(name, count):
    page = (DOCS / name).read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == count
    for code in snippets:
        exec(compile(code, name, "exec"), {})


def test_snippets_of_the_validation_page(tmp_path, monkeypatch, capsys):
    """In their order and in one folder, then the command that reads what they have written."""
    monkeypatch.chdir(tmp_path)
    snippets = snippets_of(VALIDATION)
    [script] = [code for code in snippets if "__main__" in code]
    snippets.remove(script)
    assert len(snippets) == 5
    seen: dict[str, object] = {}
    for code in snippets:
        exec(compile(code, "validation.md", "exec"), seen)
    assert seen["more"].n_samples == 16
    assert seen["found"].agrees()
    assert seen["along"].row(2, "training error").difference != 0
    capsys.readouterr()
    commands = commands_of(VALIDATION, "python -m validation")
    [check, other] = [one for one in commands if one[0] == "check"]
    assert validate(check) == 0
    assert "predicted 1, found 1" in capsys.readouterr().out
    assert "--step" in other  # of three steps, which these weights have not seen
    # One that starts processes, as a script.
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    subprocess.run([sys.executable, "script.py"], check=True)


@pytest.mark.parametrize(("page", "count"), [(README, 4), (VALIDATION, 13)], ids=["README", "page"])
def test_validation_commands_exist(page, count):
    commands = commands_of(page, "python -m validation")
    assert len(commands) == count
    for arguments in commands:
        options = parser_of(PROGRAM).parse_args(arguments)
        if arguments[0] in ("run", "report", "list"):
            suite(options.suite).only(getattr(options, "section", None) or [])
        elif arguments[0] == "show":
            case(options.name)


@pytest.mark.parametrize("page", [README, FEATURES], ids=["README", "features"])
def test_feature_commands(page, capsys):
    for command in ("features", "ridge"):
        [arguments] = [one for one in commands_of(page, "rmt") if one[0] == command]
        assert main(arguments) == 0
        assert "N = 1000" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["hermite", "exponents"])
def test_hermite_commands(command, capsys):
    line = re.search(rf"^rmt {command} .*$", README, re.MULTILINE)[0]
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out


def test_shell_command(capsys):
    command = re.search(r"```\n(rmt predict .*?)```", README, re.DOTALL)
    arguments = shlex.split(command[1].replace("\\\n", ""))[1:]
    assert main(arguments) == 0
    assert "3 outliers" in capsys.readouterr().out


def test_the_test_command_is_the_one_that_ci_calls():
    ci = (Path(__file__).parent.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in ci
    assert "make test" in README
