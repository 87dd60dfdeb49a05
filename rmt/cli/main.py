"""The command ``rmt``: arguments in, text and exit code out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rmt.cli.completion import completion_of
from rmt.cli.expansions import exponents, hermite
from rmt.cli.grids import phase_diagram, sweep
from rmt.cli.kept import cache
from rmt.cli.options import FUNCTIONS
from rmt.cli.predictions import features, predict, ridge, scaling
from rmt.cli.program import Program, run_program

__all__ = ["PROGRAM", "main"]

PROGRAM = Program(
    "rmt",
    description="Random-matrix theory of feature learning in two-layer networks.",
    epilog="examples:\n"
    "  rmt predict --activation 'relu(z)' --target 'z' --width 1000 --step 2,0.3\n"
    f"  rmt predict --help\n\n{FUNCTIONS}",
    speaker="{program}",
    commands=(
        predict,
        scaling,
        sweep,
        phase_diagram,
        features,
        ridge,
        hermite,
        exponents,
        cache,
        completion_of("rmt"),
    ),
)


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
    return run_program(PROGRAM, _joined(sys.argv[1:] if arguments is None else arguments))


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
