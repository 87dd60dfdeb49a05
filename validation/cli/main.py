"""The command ``rmt-validation``: arguments in, text and exit code out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rmt.cli.completion import completion_of
from rmt.cli.program import Program, run_program
from validation.cli.campaigns import demo, export, report, run
from validation.cli.checking import check
from validation.cli.following import path
from validation.cli.showing import list_, show
from validation.cli.studying import study

__all__ = ["PROGRAM", "main", "script"]

_SCRIPT = "rmt-validation"

PROGRAM = Program(
    "python -m validation",
    description="Simulate two-layer networks and hold the theory against them.",
    epilog="a first look:\n"
    "  %(prog)s run --suite quick\n"
    "  %(prog)s report --suite quick\n\n"
    f"{_SCRIPT} and python -m validation are the same command.",
    speaker="{program} {command}",
    interrupted="nothing written",
    commands=(run, report, list_, show, study, path, check, export, demo, completion_of(_SCRIPT)),
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM.name) -> int:
    """Run a command and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.
    program : str
        The name by which it was called, for messages.

    Returns
    -------
    int
        0; 1 where a computation failed, or ``check`` finds that weights differ; 2 for bad input;
        130 after Ctrl-C. Each but the first comes with one line on standard error.

    Examples
    --------
    >>> main(["show", "ie3-reused", "--no-prediction"])
    ie3-reused: information exponent 3, reused batch
    ...
    0
    """
    return run_program(replace(PROGRAM, name=program), arguments)


def script() -> int:
    """Run the command under the name by which shells know it, ``rmt-validation``."""
    return main(program=_SCRIPT)
