"""The command ``rmt``: predictions from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from rmt.predict import METHODS, predict
from rmt.problem import Problem, Step
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """Bad arguments: one line on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


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


def _parser() -> _Parser:
    parser = _Parser(
        prog="rmt",
        description="Random-matrix theory of feature learning in two-layer networks.",
    )
    parser.add_argument("--version", action="version", version=f"rmt {version('rmt')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "predict",
        help="outliers of the weights after one or two gradient steps",
        description="Predict the outliers of the first-layer weights after one or two gradient "
        "steps, and their squared overlaps with the target directions.",
        epilog="example: rmt predict --activation 'tanh(z + 7/10)' --target 'sin(2*z)' "
        "--width 2000 --step 4,0.3 --step 4,0.4 --batch reused",
    )
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
    add("--method", default="resummed", choices=METHODS, help="level of theory")
    add("--rtol", type=float, default=1e-6, help="relative tolerance (default: 1e-6)")
    add("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0; 1: not converged; 2: bad input)."""
    parser = _parser()
    options = parser.parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    dim = options.width if options.dim is None else options.dim
    try:
        problem = Problem(
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
        prediction = predict(problem, method=options.method, rtol=options.rtol)
    except InvalidInputError as error:
        return _fail(2, error)
    except ConvergenceError as error:
        return _fail(1, error)
    print(json.dumps(prediction.to_dict(), indent=1) if options.json else prediction)
    return 0


def _joined(arguments: Sequence[str]) -> list[str]:
    """``--target -z**2`` as ``--target=-z**2``: a formula may begin with a minus sign."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in {"--activation", "--target", "--step"}:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _fail(code: int, error: Exception) -> int:
    print(f"rmt: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
