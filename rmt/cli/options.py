"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from rmt.cli.parser import add_choice, add_max_seconds, add_rtol, integer, number
from rmt.status import InvalidInputError
from rmt.vocabulary import FORMS, METHODS, Batch, ReadoutLaw

if TYPE_CHECKING:
    from rmt.problem import Problem, Step

__all__ = ["PROBLEM_NOTES", "add_level", "add_output", "add_problem", "problem_of", "save_figure"]

PROBLEM_NOTES = (
    "Functions TEXT are written in z, or z1, z2 and z3 for a target with several directions, as in "
    "'relu(z) - 1/2' or 'He3(z1) + z1*z2'; rmt --help lists the names that may stand in them.",
)


def add_problem(command: Any) -> None:
    """The options that describe a `Problem`."""
    group = command.add_argument_group("problem")
    add = group.add_argument
    add("--activation", required=True, metavar="TEXT", help="sigma(z), such as 'relu(z)'")
    add("--target", required=True, metavar="TEXT", help="f(z), or f(z1, z2[, z3])")
    add("--width", required=True, type=integer, metavar="N", help="number of neurons")
    add("--dim", type=integer, metavar="d", help="input dimension (default: the width)")
    add(
        "--samples",
        type=_samples,
        metavar="n[,n2]",
        help="size of the batch, or of both (default: twice the input dimension)",
    )
    add(
        "--step",
        required=True,
        type=_step,
        action="append",
        dest="steps",
        metavar="C,ALPHA",
        help="a gradient step with learning rate C * N**ALPHA; give it once or twice",
    )
    add_choice(group, "--batch", "KIND", get_args(Batch), "second batch", "independent")
    add_choice(group, "--readout", "LAW", get_args(ReadoutLaw), "second layer", "gaussian")
    add(
        "--noise",
        type=number,
        default=0.0,
        metavar="STD",
        help="standard deviation of the label noise (default: 0)",
    )


def add_level(command: Any, rtol: float, each: str = "") -> None:
    """The options that say how a `Problem` is solved, with the default tolerance.

    ``each`` says what the limit of time is for.
    """
    group = command.add_argument_group("method")
    add_choice(group, "--method", "LEVEL", METHODS, "level of theory", "resummed")
    add_choice(
        group,
        "--forms",
        "FORMS",
        FORMS,
        "outlier equation, with --method deformed only (default there: linked)",
        None,
    )
    add_rtol(group, rtol)
    add_max_seconds(group, each)


def add_output(command: Any, plot: str | None = None) -> Any:
    """``--json`` and, where something can be drawn, ``--plot``; returns their group."""
    group = command.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON instead of a table")
    if plot is not None:
        group.add_argument("--plot", metavar="FILE", help=f"also draw {plot} to this file")
    return group


def problem_of(options: argparse.Namespace) -> Problem:
    """The `Problem` that the options describe."""
    from rmt.problem import Problem

    dim = options.width if options.dim is None else options.dim
    return Problem(
        activation=options.activation,
        target=options.target,
        width=options.width,
        dim=dim,
        samples=2 * dim if options.samples is None else options.samples,
        steps=options.steps,
        batch=options.batch,
        readout=options.readout,
        noise_std=options.noise,
    )


def save_figure(plot: Callable[[], Any], path: str) -> None:
    """Draw and write a figure."""
    try:
        plot().savefig(path, dpi=150)
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInputError(f"--plot {path}: {error}") from error


def _step(text: str) -> Step:
    parts = text.split(",")
    try:
        scale, exponent = (float(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a step is SCALE,EXPONENT such as 4,0.3; got {text!r}"
        ) from None
    from rmt.problem import Step

    try:
        return Step(scale, exponent)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _samples(text: str) -> int | list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"samples are one integer or two, such as 2000 or 2000,4000; got {text!r}"
        ) from None
    return counts[0] if len(counts) == 1 else counts
