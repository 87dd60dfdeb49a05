"""The README's Python snippets run, and its shell command is one that the parser takes."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from rmt.cli import main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_there_are_snippets():
    assert len(SNIPPETS) == 7


def test_hermite_page_is_what_the_code_gives():
    """Its tables are current (`python docs/hermite_tables.py` writes them), its snippets run."""
    path = DOCS / "hermite_tables.py"
    specification = importlib.util.spec_from_file_location("hermite_tables", path)
    tables = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tables)
    page = tables.PAGE.read_text()
    assert tables.with_tables(page) == page
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == 2
    for code in snippets:
        exec(compile(code, "hermite.md", "exec"), {})


@pytest.mark.parametrize(
    ("name", "count"), [("deformed.md", 1), ("spectra.md", 5), ("scaling.md", 5), ("sweeps.md", 3)]
)
def test_snippets_of_pages(name, count):
    page = (DOCS / name).read_text()
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == count
    for code in snippets:
        exec(compile(code, name, "exec"), {})


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
    ci = (Path(__file__).parent.parent / ".ci" / "run").read_text()
    assert "make test" in ci
    assert "make test" in README
