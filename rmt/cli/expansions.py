"""``rmt hermite`` and ``rmt exponents``."""

from __future__ import annotations

import argparse
import json

from rmt.cli.options import FUNCTIONS, integer, latex_or_json, max_seconds, plot, solver_of
from rmt.cli.program import command, flag, option, save_figure

__all__ = ["exponents", "hermite"]


@command(
    problem=[option("function", "TEXT", "f(z), such as 'gelu(z)'")],
    method=[
        option("--order", "K", "highest order", integer, default=8),
        option(
            "--digits",
            "D",
            "correct digits where there is no closed form (default: those of a double)",
            integer,
        ),
        max_seconds(),
    ],
    output=[
        flag("--orthonormal", "divide by sqrt(k!)"),
        flag("--general-term", "add the coefficient as an expression in k"),
        latex_or_json("print the series in LaTeX, not a table"),
        plot("function, partial sums and decay"),
    ],
    notes=[FUNCTIONS],
)
def hermite(options: argparse.Namespace) -> str:
    """List Hermite coefficients of a function, exact where possible.

    Coefficients E[f(Z) He_k(Z)] of a function of one standard normal variable (probabilists'
    polynomials): closed forms where they exist, otherwise numbers with an error bound.

    examples:
      %(prog)s 'relu(z + 1/2)' --order 8
      %(prog)s 'tanh(z)' --order 5 --digits 30 --json
    """
    from rmt.hermite import hermite_expansion

    expansion = hermite_expansion(
        options.function, options.order, digits=options.digits, **solver_of(options)
    )
    save_figure(expansion, options)
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


@command(
    problem=[option("function", "TEXT", "f(z), or f(z1, z2[, z3])")],
    method=[max_seconds(" for each exponent")],
    output=[flag("--json", "print JSON instead of text")],
    notes=[FUNCTIONS],
)
def exponents(options: argparse.Namespace) -> str:
    """Say how hard a target is to learn: its exponents, or its leap.

    Information, reuse and generative exponent of f(z); information exponent, leap and the order in
    which directions are learned for f(z1, z2[, z3]).

    examples:
      %(prog)s 'He3(z)'
      %(prog)s 'z1 + z1*z2'
    """
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
