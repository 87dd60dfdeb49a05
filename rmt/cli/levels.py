"""``rmt predict`` and ``rmt scaling``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rmt.cli.options import (
    PROBLEM_NOTES,
    add_level,
    add_output,
    add_problem,
    problem_of,
    save_figure,
)
from rmt.cli.parser import add_command, integer

__all__ = ["add_predict", "add_scaling"]


def add_predict(commands: Any) -> None:
    """The command ``predict``."""
    command = add_command(
        commands,
        "predict",
        "predict the outliers of the weights after one or two steps",
        "For each outlier among the singular values of the first-layer weights: where it is, and "
        "its squared overlaps with the target directions. Error estimates are in --json.",
        examples=[
            "--activation 'relu(z)' --target 'z**2' --width 1000 --step 2,0.3",
            "--activation 'tanh(z + 7/10)' --target 'sin(2*z)' \\\n"
            "      --width 2000 --step 4,0.3 --step 4,0.4 --batch reused",
        ],
        notes=PROBLEM_NOTES,
    )
    add_problem(command)
    add_level(command, 1e-6)
    add_output(command, "bulk and outliers")
    command.set_defaults(run=_run_predict)


def add_scaling(commands: Any) -> None:
    """The command ``scaling``."""
    command = add_command(
        commands,
        "scaling",
        "list exponents and constants of the spikes as the width grows",
        "Spikes of the weights as the width N grows at fixed N/d and d/n: exponent, leading "
        "constant and alignment of each.",
        examples=[
            "--activation 'erf(z + 1/2)' --target 'He3(z)' \\\n"
            "      --width 1000 --step 1,0.3 --step 2,0.4 --batch reused",
            "--activation 'relu(z)' --target 'z' --width 1000 \\\n"
            "      --step 1,0 --step 1,0 --symbolic --spikes 2",
        ],
        notes=PROBLEM_NOTES,
    )
    add_problem(command)
    method = command.add_argument_group("method")
    method.add_argument(
        "--spikes", type=integer, metavar="K", help="how many to list (default: those that grow)"
    )
    method.add_argument(
        "--symbolic",
        action="store_true",
        help="leave the exponents of the steps open (needs --spikes)",
    )
    form = command.add_argument_group("output").add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="print LaTeX instead of a table")
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_run_scaling)


def _run_predict(options: argparse.Namespace) -> object:
    from rmt.predict import predict

    prediction = predict(
        problem_of(options),
        method=options.method,
        rtol=options.rtol,
        forms=options.forms,
        max_seconds=options.max_seconds,
    )
    if options.plot is not None:
        save_figure(lambda: prediction.plot().figure, options.plot)
    return json.dumps(prediction.to_dict(), indent=1) if options.json else prediction


def _run_scaling(options: argparse.Namespace) -> object:
    from rmt.spikes.scaling import scaling
    from rmt.spikes.scaling.exponents import alpha_symbols

    problem = problem_of(options)
    alpha = None
    if options.symbolic:
        alpha = alpha_symbols()[: len(problem.steps)]
    found = scaling(problem, options.spikes, alpha)
    if options.latex:
        return found.latex()
    return json.dumps(found.to_dict(), indent=1) if options.json else found
