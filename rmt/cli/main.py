"""The commands together: arguments in, text and exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rmt.cli.completion import add_completion
from rmt.cli.expansions import add_exponents, add_hermite
from rmt.cli.features import add_features, add_ridge
from rmt.cli.grids import add_phase_diagram, add_sweep
from rmt.cli.levels import add_predict, add_scaling
from rmt.cli.parser import EXIT_CODES, FUNCTIONS, CommandParser, Outcome, add_version, one_line
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["main"]


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="rmt",
        description="Random-matrix theory of feature learning in two-layer networks.",
        epilog="examples:\n"
        "  rmt predict --activation 'relu(z)' --target 'z' --width 1000 --step 2,0.3\n"
        "  rmt predict --help\n\n"
        f"{FUNCTIONS}\n\n{EXIT_CODES}",
    )
    add_version(parser)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for add in (
        add_predict,
        add_scaling,
        add_sweep,
        add_phase_diagram,
        add_features,
        add_ridge,
        add_hermite,
        add_exponents,
    ):
        add(commands)
    add_completion(commands, "rmt", _parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.

    Returns
    -------
    int
        0; 1 where a computation did not converge; 2 for bad input; 130 after Ctrl-C. Each but the
        first comes with one line on standard error.

    Examples
    --------
    >>> main(["exponents", "He3(z)"])
    information exponent: 3
    reuse exponent: 3
    generative exponent: 1
    0
    """
    options = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        found = options.run(options)
        outcome = found if isinstance(found, Outcome) else Outcome(found)
        print(outcome.text)
        sys.stdout.flush()
    except (InvalidInputError, ImportError) as error:
        return _failed(2, f"error: {error}")
    except ConvergenceError as error:
        return _failed(1, f"error: {error}")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _failed(130, "interrupted")
    return 0 if outcome.failure is None else _failed(1, outcome.failure)


def _joined(arguments: Sequence[str]) -> list[str]:
    """``--target -z**2`` as ``--target=-z**2``: a formula may begin with a minus sign."""
    arguments = list(arguments)
    joined: list[str] = []
    formula_first = arguments[:1] in (["hermite"], ["exponents"])
    for argument in arguments:
        if formula_first and argument[:1] == "-" and argument[:2] != "--" and argument != "-h":
            argument = f" {argument}"  # not an option
        if joined and joined[-1] in {"--activation", "--target", "--step"}:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _failed(code: int, what: str) -> int:
    print(f"rmt: {one_line(what)}", file=sys.stderr)
    return code
