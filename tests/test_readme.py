"""The README's Python snippets run, and its shell command is one that the parser takes."""

import re
import shlex
from pathlib import Path

import pytest

from rmt.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_there_are_snippets():
    assert len(SNIPPETS) == 2


def test_shell_command(capsys):
    command = re.search(r"```\n(rmt predict .*?)```", README, re.DOTALL)
    arguments = shlex.split(command[1].replace("\\\n", ""))[1:]
    assert main(arguments) == 0
    assert "3 outliers" in capsys.readouterr().out


def test_the_test_command_is_the_one_that_ci_calls():
    ci = (Path(__file__).parent.parent / ".ci" / "run").read_text()
    assert "make test" in ci
    assert "make test" in README
