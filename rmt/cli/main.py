"""The commands together: arguments in, text and exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from rmt.cli.expansions import add_exponents, add_hermite
from rmt.cli.features import add_features, add_ridge
from rmt.cli.grids import add_phase_diagram, add_sweep
from rmt.cli.levels import add_predict, add_scaling
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """Bad arguments: one line on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="rmt",
        description="Random-matrix theory of feature learning in two-layer networks.",
    )
    parser.add_argument("--version", action="version", version=f"rmt {version('rmt')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
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
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0; 1: not converged; 2: bad input)."""
    parser = _parser()
    options = parser.parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        print(options.run(options))
    except InvalidInputError as error:
        return _fail(2, error)
    except ConvergenceError as error:
        return _fail(1, error)
    return 0


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


def _fail(code: int, error: Exception) -> int:
    print(f"rmt: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code
