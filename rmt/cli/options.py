"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rmt.predict import METHODS
from rmt.problem import Problem, Step
from rmt.spikes.deformed import FORMS
from rmt.status import InvalidInputError

__all__ = ["add_level", "add_problem", "problem_of", "save_figure"]


def add_problem(command: Any) -> None:
    """The options that describe a `Problem`."""
    add = command.add_argument
    add("--activation", required=True, metavar="TEXT", help="sigma(z), such as 'relu(z)'")
    add("--target", required=True, metavar="TEXT", help="f(z), or f(z1, z2[, z3])")
    add("--width", required=True, type=int, metavar="N", help="number of neurons")
    add("--dim", type=int, metavar="d", help="input dimension (default: the width)")
    add("--samples", type=_samples, metavar="n[,n2]", help="batch sizes (default: twice dim)")
    add(
        "--step",
        required=True,
        type=_step,
        action="append",
        dest="steps",
        metavar="C,ALPHA",
        help="a step of size C * N**ALPHA; give it once or twice",
    )
    add("--batch", default="independent", help="reused or independent (default)")
    add("--readout", default="gaussian", help="gaussian (default), rademacher or uniform")
    add("--noise", type=float, default=0.0, metavar="STD", help="label noise (default: 0)")


def add_level(command: Any, rtol: float) -> None:
    """The options that say how a `Problem` is solved, with the default tolerance."""
    add = command.add_argument
    add("--method", default="resummed", choices=METHODS, help="level of theory")
    add(
        "--forms",
        default="exact",
        choices=FORMS,
        help="outlier equation of the level deformed (default: exact)",
    )
    add("--rtol", type=float, default=rtol, help=f"relative tolerance (default: {rtol:.0e})")
    add("--json", action="store_true", help="print JSON instead of a table")


def problem_of(options: argparse.Namespace) -> Problem:
    """The `Problem` that the options describe."""
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
