"""``rmt predict``, ``rmt scaling``, ``rmt features`` and ``rmt ridge``."""

from __future__ import annotations

import argparse
from typing import Literal

from rmt.cli.options import (
    JSON,
    integer,
    latex_or_json,
    level,
    max_seconds,
    plot,
    problem_command,
    problem_of,
    reader,
    rtol,
    solver_of,
)
from rmt.cli.program import flag, option
from rmt.status import InvalidInputError
from rmt.vocabulary import RTOL

__all__ = ["features", "predict", "ridge", "scaling"]

_numbers = reader(
    lambda text: [float(part) for part in text.split(",")],
    "numbers are separated by commas, such as 500,1000;",
)


def _regularisation(text: str) -> list[float] | Literal["optimal"]:
    return "optimal" if text == "optimal" else _numbers(text)


@problem_command(
    method=level(RTOL),
    output=[latex_or_json("print a LaTeX table (booktabs)"), plot("bulk and outliers")],
)
def predict(options: argparse.Namespace) -> object:
    r"""Predict the outliers of the weights after one or two steps.

    For each outlier among the singular values of the first-layer weights: where it is, and its
    squared overlaps with the target directions. Error estimates are in --json.

    examples:
      %(prog)s --activation 'relu(z)' --target 'z**2' --width 1000 --step 2,0.3
      %(prog)s --activation 'tanh(z + 7/10)' --target 'sin(2*z)' \
          --width 2000 --step 4,0.3 --step 4,0.4 --batch reused
    """
    from rmt.predict import predict

    return predict(problem_of(options), **solver_of(options))


@problem_command(
    method=[
        option("--spikes", "K", "how many to list (default: those that grow)", integer),
        flag("--symbolic", "leave the exponents of the steps open (needs --spikes)"),
    ],
    output=[latex_or_json("print LaTeX instead of a table")],
)
def scaling(options: argparse.Namespace) -> object:
    r"""List exponents and constants of the spikes as the width grows.

    Spikes of the weights as the width N grows at fixed N/d and d/n: exponent, leading constant and
    alignment of each.

    examples:
      %(prog)s --activation 'erf(z + 1/2)' --target 'He3(z)' \
          --width 1000 --step 1,0.3 --step 2,0.4 --batch reused
      %(prog)s --activation 'relu(z)' --target 'z' --width 1000 \
          --step 1,0 --step 1,0 --symbolic --spikes 2
    """
    from rmt.spikes.scaling import scaling
    from rmt.spikes.scaling.exponents import alpha_symbols

    problem = problem_of(options)
    if options.symbolic and problem.n_steps > 2:
        raise InvalidInputError(
            f"--symbolic is for one or two steps, got {problem.n_steps}; without it their sizes "
            "are listed"
        )
    alpha = alpha_symbols()[: problem.n_steps] if options.symbolic else None
    return scaling(problem, options.spikes, alpha)


@problem_command(
    method=[
        option("--inputs", "m", "number of fresh inputs (default: the last batch's size)", integer),
        rtol(RTOL),
        max_seconds(),
    ],
    output=[JSON],
)
def features(options: argparse.Namespace) -> object:
    r"""Predict the spikes of the features, and what each has learned.

    Outliers of the features sigma(X W^T) of fresh inputs after the last step, the polynomial that
    each has learned, and its overlap with monomials of the target.

    example:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'sin(2*z)' \
          --width 1000 --step 4,0.3 --step 4,0.4 --inputs 3000
    """
    from rmt.features import feature_spikes

    return feature_spikes(problem_of(options), options.inputs, **solver_of(options))


@problem_command(
    method=[
        option(
            "--inputs",
            "m[,m..]",
            "numbers of samples that the readout is trained on",
            _numbers,
            required=True,
        ),
        option(
            "--regularisation",
            "LAMBDA[,LAMBDA..]",
            "'optimal', or numbers: one for each m, or one for all (default: 0.001)",
            _regularisation,
            default=[1e-3],
            offered=lambda: ["optimal"],
        ),
        rtol(RTOL),
        max_seconds(),
    ],
    output=[latex_or_json("print a LaTeX table (booktabs)"), plot("the learning curves")],
)
def ridge(options: argparse.Namespace) -> object:
    r"""Predict the errors of ridge regression on the features.

    Training and test error of the network whose readout is trained by ridge regression on fresh
    samples: before any step and after each.

    example:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'sin(2*z)' \
          --width 1000 --step 4,0.3 --step 4,0.4 \
          --inputs 500,1000,3000 --regularisation 0.001
    """
    from rmt.regression import ridge

    problem = problem_of(options)
    return ridge(problem, options.inputs, options.regularisation, **solver_of(options))
