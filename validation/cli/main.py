"""The commands together: arguments in, text and exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rmt.cli.completion import add_completion
from rmt.cli.parser import EXIT_CODES, CommandParser, Outcome, add_version, one_line
from rmt.status import ConvergenceError, InvalidInputError, RmtError
from validation.cli.checking import add_check
from validation.cli.demonstration import add_demo
from validation.cli.exporting import add_export
from validation.cli.reporting import add_report
from validation.cli.running import add_run
from validation.cli.showing import add_list, add_show

__all__ = ["main", "script"]

MODULE = "python -m validation"
SCRIPT = "rmt-validation"


def _parser(program: str = MODULE) -> CommandParser:
    parser = CommandParser(
        prog=program,
        description="Simulate two-layer networks and hold the theory against them.",
        epilog="a first look:\n"
        "  %(prog)s run --suite quick\n"
        "  %(prog)s report --suite quick\n\n"
        f"{SCRIPT} and {MODULE} are the same command.\n\n{EXIT_CODES}",
    )
    add_version(parser)
    parser.set_defaults(program=program)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for add in (add_run, add_report, add_list, add_show, add_check, add_export, add_demo):
        add(commands)
    add_completion(commands, SCRIPT, lambda: _parser(SCRIPT))
    return parser


def main(arguments: Sequence[str] | None = None, program: str = MODULE) -> int:
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
    options = _parser(program).parse_args(arguments)
    command = f"{program} {options.command}"
    try:
        found = options.run(options)
        outcome = found if isinstance(found, Outcome) else Outcome(found)
        print(outcome.text)
        sys.stdout.flush()
    except (InvalidInputError, ImportError) as error:
        return _failed(2, command, error)
    except ConvergenceError as error:
        return _failed(1, command, error)
    except RmtError as error:
        return _failed(1, command, error)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as error:
        said = options.interrupted.format(**vars(options))
        kept = getattr(error, "__notes__", [])
        print(f"{command}: interrupted, {'; '.join([*kept[:1], said])}", file=sys.stderr)
        return 130
    if outcome.failure is None:
        return 0
    print(f"{command}: {outcome.failure}", file=sys.stderr)
    return 1


def script() -> int:
    """Run the command under the name by which shells know it, ``rmt-validation``."""
    return main(program=SCRIPT)


def _failed(code: int, command: str, error: Exception) -> int:
    parts = [str(error), *getattr(error, "__notes__", [])]
    print(f"{command}: error: {'; '.join(map(one_line, parts))}", file=sys.stderr)
    return code
