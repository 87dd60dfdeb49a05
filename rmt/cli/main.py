"""The command ``rmt``: arguments in, text and exit code out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rmt.cli.completion import completion_of
from rmt.cli.expansions import exponents, hermite
from rmt.cli.grids import explore, phase_diagram, sweep
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
        explore,
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
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["hermite"], ["exponents"]):  # the formula may begin with a minus sign
        short = (word[:1] == "-" and word[:2] != "--" and word != "-h" for word in words)
        words = [f" {word}" if one else word for word, one in zip(words, short, strict=True)]
    return run_program(PROGRAM, words)
