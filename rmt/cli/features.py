"""``rmt features`` and ``rmt ridge``."""

from __future__ import annotations

import argparse
import json
from typing import Any, Literal

from rmt.cli.completion import offer
from rmt.cli.options import PROBLEM_NOTES, add_output, add_problem, problem_of, save_figure
from rmt.cli.parser import add_command, add_max_seconds, add_rtol, integer

__all__ = ["add_features", "add_ridge"]


def add_features(commands: Any) -> None:
    """The command ``features``."""
    command = add_command(
        commands,
        "features",
        "predict the spikes of the features, and what each has learned",
        "Outliers of the features sigma(X W^T) of fresh inputs after the last step, the polynomial "
        "that each has learned, and its overlap with monomials of the target.",
        examples=[
            "--activation 'tanh(z + 7/10)' --target 'sin(2*z)' \\\n"
            "      --width 1000 --step 4,0.3 --step 4,0.4 --inputs 3000",
        ],
        notes=PROBLEM_NOTES,
    )
    add_problem(command)
    method = command.add_argument_group("method")
    method.add_argument(
        "--inputs",
        type=integer,
        metavar="m",
        help="number of fresh inputs (default: the last batch's size)",
    )
    add_rtol(method, 1e-6)
    add_max_seconds(method)
    add_output(command)
    command.set_defaults(run=_run_features)


def add_ridge(commands: Any) -> None:
    """The command ``ridge``."""
    command = add_command(
        commands,
        "ridge",
        "predict the errors of ridge regression on the features",
        "Training and test error of the network whose readout is trained by ridge regression on "
        "fresh samples: before any step and after each.",
        examples=[
            "--activation 'tanh(z + 7/10)' --target 'sin(2*z)' \\\n"
            "      --width 1000 --step 4,0.3 --step 4,0.4 \\\n"
            "      --inputs 500,1000,3000 --regularisation 0.001",
        ],
        notes=PROBLEM_NOTES,
    )
    add_problem(command)
    method = command.add_argument_group("method")
    method.add_argument(
        "--inputs",
        type=_numbers,
        required=True,
        metavar="m[,m..]",
        help="numbers of samples that the readout is trained on",
    )
    regularisation = method.add_argument(
        "--regularisation",
        type=_regularisation,
        default=[1e-3],
        metavar="LAMBDA[,LAMBDA..]",
        help="'optimal', or numbers: one for each m, or one for all (default: 0.001)",
    )
    offer(regularisation, lambda: ["optimal"])
    add_rtol(method, 1e-6)
    add_max_seconds(method)
    add_output(command, "the learning curves")
    command.set_defaults(run=_run_ridge)


def _run_features(options: argparse.Namespace) -> object:
    from rmt.features import feature_spikes

    found = feature_spikes(
        problem_of(options), options.inputs, rtol=options.rtol, max_seconds=options.max_seconds
    )
    return json.dumps(found.to_dict(), indent=1) if options.json else found


def _run_ridge(options: argparse.Namespace) -> object:
    from rmt.regression import ridge

    found = ridge(
        problem_of(options),
        options.inputs,
        options.regularisation,
        rtol=options.rtol,
        max_seconds=options.max_seconds,
    )
    if options.plot is not None:
        save_figure(lambda: found.plot().figure, options.plot)
    return json.dumps(found.to_dict(), indent=1) if options.json else found


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"numbers are separated by commas, such as 500,1000; got {text!r}"
        ) from None


def _regularisation(text: str) -> list[float] | Literal["optimal"]:
    return "optimal" if text == "optimal" else _numbers(text)
