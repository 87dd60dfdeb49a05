"""A command is a function and a line in the table of its program."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

import pytest

from rmt.cli.options import JSON, integer
from rmt.cli.program import Outcome, Program, command, option, run_program
from rmt.status import InvalidInputError


@dataclass(frozen=True)
class Double:
    value: int

    def to_dict(self) -> dict[str, int]:
        return {"value": self.value}


@command(
    problem=[option("value", "K", "what is doubled", integer)],
    output=[JSON],
    details=["Below the purpose."],
    notes=["Below the examples."],
)
def twice_it(options: argparse.Namespace) -> object:
    """Double a number.

    example:
      %(prog)s 3
    """
    if options.value == 0:
        error = InvalidInputError("nothing to double")
        error.add_note("a note")
        raise error
    if options.value < 0:
        raise KeyboardInterrupt
    return Outcome(Double(2 * options.value), "too large" if options.value > 9 else None)


PROGRAM = Program("some", "Some commands.", "The end.", (twice_it,), "{program} {command}")


def test_a_function_and_a_line_are_a_command(capsys):
    assert run_program(PROGRAM, ["twice-it", "3"]) == 0
    assert capsys.readouterr().out == "Double(value=6)\n"
    assert run_program(PROGRAM, ["twice-it", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"value": 6}


def test_the_docstring_is_the_help(capsys):
    for arguments in (["--help"], ["twice-it", "--help"]):
        with pytest.raises(SystemExit):
            run_program(PROGRAM, arguments)
    listed, said = capsys.readouterr().out.split("usage: some twice-it")
    assert "\n  twice-it    double a number\n" in listed
    parts = ["Double a number.", "Below the purpose.", "problem:\n  K ", "output:\n  --json "]
    parts += ["example:\n  some twice-it 3\n\nBelow the examples.", "Exit codes: 0;"]
    places = [said.find(part) for part in parts]
    assert places == sorted(places)
    assert places[0] > 0


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("0", 2, "error: nothing to double; a note"),
        ("10", 1, "too large"),
        ("-1", 130, "interrupted"),
    ],
)
def test_failures_end_in_one_line(value, code, said, capsys):
    assert run_program(PROGRAM, ["twice-it", "--", value]) == code
    assert capsys.readouterr().err == f"some twice-it: {said}\n"


def test_what_is_said_after_an_interruption(capsys):
    program = replace(PROGRAM, interrupted="{value} is not doubled")
    assert run_program(program, ["twice-it", "--", "-1"]) == 130
    assert capsys.readouterr().err == "some twice-it: interrupted, -1 is not doubled\n"
