"""``rmt predict`` and ``rmt scaling``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rmt.cli.options import add_level, add_problem, problem_of, save_figure
from rmt.predict import predict
from rmt.spikes.scaling import scaling
from rmt.spikes.scaling.exponents import alpha_symbols

__all__ = ["add_predict", "add_scaling"]


def add_predict(commands: Any) -> None:
    """The command ``predict``."""
    command = commands.add_parser(
        "predict",
        help="outliers of the weights after one or two gradient steps",
        description="Predict the outliers of the first-layer weights after one or two gradient "
        "steps, and their squared overlaps with the target directions.",
        epilog="example: rmt predict --activation 'tanh(z + 7/10)' --target 'sin(2*z)' "
        "--width 2000 --step 4,0.3 --step 4,0.4 --batch reused",
    )
    add_problem(command)
    add_level(command, 1e-6)
    command.add_argument("--plot", metavar="FILE", help="also draw bulk and outliers to this file")
    command.set_defaults(run=_run_predict)


def add_scaling(commands: Any) -> None:
    """The command ``scaling``."""
    command = commands.add_parser(
        "scaling",
        help="exponents, counts and leading constants of the spikes, symbolic in the width",
        description="Spikes of the weights as the width N grows at fixed N/d and d/n: exponent, "
        "leading constant and alignment of each, as expressions in N.",
        epilog="example: rmt scaling --activation 'erf(z + 1/2)' --target 'He3(z)' --width 1000 "
        "--step 1,0.3 --step 2,0.4 --batch reused",
    )
    add_problem(command)
    add = command.add_argument
    add("--spikes", type=int, metavar="K", help="how many to list (default: those that grow)")
    add(
        "--symbolic",
        action="store_true",
        help="leave the exponents of the steps open (needs --spikes)",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="print LaTeX")
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_run_scaling)


def _run_predict(options: argparse.Namespace) -> object:
    prediction = predict(
        problem_of(options), method=options.method, rtol=options.rtol, forms=options.forms
    )
    if options.plot is not None:
        save_figure(lambda: prediction.plot().figure, options.plot)
    return json.dumps(prediction.to_dict(), indent=1) if options.json else prediction


def _run_scaling(options: argparse.Namespace) -> object:
    problem = problem_of(options)
    alpha = None
    if options.symbolic:
        alpha = alpha_symbols()[: len(problem.steps)]
    found = scaling(problem, options.spikes, alpha)
    if options.latex:
        return found.latex()
    return json.dumps(found.to_dict(), indent=1) if options.json else found
