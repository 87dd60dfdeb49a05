"""``rmt hermite`` and ``rmt exponents``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rmt.cli.options import save_figure
from rmt.functions import ScalarFunction
from rmt.hermite import (
    generative_exponent,
    hermite_expansion,
    information_exponent,
    reuse_exponent,
    staircase,
)

__all__ = ["add_exponents", "add_hermite"]


def add_hermite(commands: Any) -> None:
    """The command ``hermite``."""
    command = commands.add_parser(
        "hermite",
        help="Hermite coefficients of a function, exact where possible",
        description="Hermite coefficients E[f(Z) He_k(Z)] of a function of one standard normal "
        "variable (probabilists' polynomials): closed forms where they exist, otherwise numbers "
        "with an error bound.",
        epilog="example: rmt hermite 'relu(z + 1/2)' --order 8",
    )
    add = command.add_argument
    add("function", metavar="TEXT", help="f(z), such as 'gelu(z)' or 'max(z, 0)**2'")
    add("--order", type=int, default=8, metavar="K", help="highest order (default: 8)")
    add("--orthonormal", action="store_true", help="divide by sqrt(k!)")
    add("--digits", type=int, metavar="D", help="correct digits where there is no closed form")
    add("--general-term", action="store_true", help="print the coefficient as an expression in k")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="print the series in LaTeX")
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add("--plot", metavar="FILE", help="also draw function, partial sums and decay to this file")
    command.set_defaults(run=_run_hermite)


def add_exponents(commands: Any) -> None:
    """The command ``exponents``."""
    command = commands.add_parser(
        "exponents",
        help="information, reuse and generative exponent; leap of a multi-index target",
        description="The exponents that decide how hard a target is to learn: information, reuse "
        "and generative exponent of f(z); information exponent, leap and the order in which "
        "directions are learned for f(z1, z2[, z3]).",
        epilog="example: rmt exponents 'He3(z)'",
    )
    command.add_argument("function", metavar="TEXT", help="f(z), or f(z1, z2[, z3])")
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.set_defaults(run=_run_exponents)


def _run_hermite(options: argparse.Namespace) -> str:
    expansion = hermite_expansion(options.function, options.order, digits=options.digits)
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
    function = ScalarFunction.parse(options.function)
    exponents = [information_exponent(function)]
    if function.n_variables == 1:
        exponents += [reuse_exponent(function), generative_exponent(function)]
    stairs = staircase(function) if function.n_variables > 1 else None
    if options.json:
        document: dict[str, object] = {"function": function.text}
        document |= {e.name.replace(" ", "_"): e.to_dict() for e in exponents}
        if stairs is not None:
            document["staircase"] = stairs.to_dict()
        return json.dumps(document, indent=1)
    lines = [str(exponent) for exponent in exponents]
    return "\n".join(lines if stairs is None else [*lines, str(stairs)])
