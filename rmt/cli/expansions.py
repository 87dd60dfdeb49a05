"""``rmt hermite`` and ``rmt exponents``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rmt.cli.options import save_figure
from rmt.cli.parser import FUNCTIONS, add_command, add_max_seconds, integer

__all__ = ["add_exponents", "add_hermite"]


def add_hermite(commands: Any) -> None:
    """The command ``hermite``."""
    command = add_command(
        commands,
        "hermite",
        "list Hermite coefficients of a function, exact where possible",
        "Coefficients E[f(Z) He_k(Z)] of a function of one standard normal variable (probabilists' "
        "polynomials): closed forms where they exist, otherwise numbers with an error bound.",
        examples=["'relu(z + 1/2)' --order 8", "'tanh(z)' --order 5 --digits 30 --json"],
        notes=[FUNCTIONS],
    )
    problem = command.add_argument_group("problem")
    problem.add_argument("function", metavar="TEXT", help="f(z), such as 'gelu(z)'")
    method = command.add_argument_group("method")
    method.add_argument(
        "--order", type=integer, default=8, metavar="K", help="highest order (default: 8)"
    )
    method.add_argument(
        "--digits",
        type=integer,
        metavar="D",
        help="correct digits where there is no closed form (default: those of a double)",
    )
    add_max_seconds(method)
    output = command.add_argument_group("output")
    output.add_argument("--orthonormal", action="store_true", help="divide by sqrt(k!)")
    output.add_argument(
        "--general-term", action="store_true", help="add the coefficient as an expression in k"
    )
    form = output.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="print the series in LaTeX, not a table")
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    output.add_argument(
        "--plot", metavar="FILE", help="also draw function, partial sums and decay to this file"
    )
    command.set_defaults(run=_run_hermite)


def add_exponents(commands: Any) -> None:
    """The command ``exponents``."""
    command = add_command(
        commands,
        "exponents",
        "say how hard a target is to learn: its exponents, or its leap",
        "Information, reuse and generative exponent of f(z); information exponent, leap and the "
        "order in which directions are learned for f(z1, z2[, z3]).",
        examples=["'He3(z)'", "'z1 + z1*z2'"],
        notes=[FUNCTIONS],
    )
    problem = command.add_argument_group("problem")
    problem.add_argument("function", metavar="TEXT", help="f(z), or f(z1, z2[, z3])")
    add_max_seconds(command.add_argument_group("method"), " for each exponent")
    output = command.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.set_defaults(run=_run_exponents)


def _run_hermite(options: argparse.Namespace) -> str:
    from rmt.hermite import hermite_expansion

    expansion = hermite_expansion(
        options.function,
        options.order,
        digits=options.digits,
        max_seconds=options.max_seconds,
    )
    if options.plot is not None:
        save_figure(expansion.plot, options.plot)
    general = str(expansion.general_term()) if options.general_term else None
    if options.json:
        document = expansion.to_dict()
        if general is not None:
            document["general_term"] = general
        return json.dumps(document, indent=1)
    if options.latex:
        return expansion.latex()
    text = expansion.table(options.orthonormal)
    return text if general is None else f"{text}\nE[f He_k] = {general}"


def _run_exponents(options: argparse.Namespace) -> str:
    from rmt.functions import ScalarFunction
    from rmt.hermite import generative_exponent, information_exponent, reuse_exponent, staircase

    function = ScalarFunction.parse(options.function)
    limit = options.max_seconds
    exponents = [information_exponent(function, max_seconds=limit)]
    if function.n_variables == 1:
        exponents.append(reuse_exponent(function, max_seconds=limit))
        exponents.append(generative_exponent(function, max_seconds=limit))
    stairs = staircase(function, max_seconds=limit) if function.n_variables > 1 else None
    if options.json:
        document: dict[str, object] = {"function": function.text}
        document |= {e.name.replace(" ", "_"): e.to_dict() for e in exponents}
        if stairs is not None:
            document["staircase"] = stairs.to_dict()
        return json.dumps(document, indent=1)
    lines = [str(exponent) for exponent in exponents]
    return "\n".join(lines if stairs is None else [*lines, str(stairs)])
