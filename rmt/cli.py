"""The command ``rmt``: predictions and Hermite expansions from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from rmt.functions import ScalarFunction
from rmt.hermite import (
    generative_exponent,
    hermite_expansion,
    information_exponent,
    reuse_exponent,
    staircase,
)
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
    _add_predict(commands)
    _add_hermite(commands)
    _add_exponents(commands)
    return parser


def _add_predict(commands: Any) -> None:
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
    command.set_defaults(run=_run_predict)


def _add_hermite(commands: Any) -> None:
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


def _add_exponents(commands: Any) -> None:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0; 1: not converged; 2: bad input)."""
    parser = _parser()
    options = parser.parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        print(options.run(options))
    except InvalidInputError as error:
        return _fail(2, error)
    except ConvergenceError as error:
        return _fail(1, error)
    return 0


def _run_predict(options: argparse.Namespace) -> object:
    dim = options.width if options.dim is None else options.dim
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
    return json.dumps(prediction.to_dict(), indent=1) if options.json else prediction


def _run_hermite(options: argparse.Namespace) -> str:
    expansion = hermite_expansion(options.function, options.order, digits=options.digits)
    if options.plot is not None:
        try:
            expansion.plot().savefig(options.plot, dpi=150)
        except (OSError, ValueError, ImportError) as error:
            raise InvalidInputError(f"--plot {options.plot}: {error}") from error
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


def _joined(arguments: Sequence[str]) -> list[str]:
    """``--target -z**2`` as ``--target=-z**2``: a formula may begin with a minus sign."""
    arguments = list(arguments)
    joined: list[str] = []
    formula_first = arguments[:1] in (["hermite"], ["exponents"])
    for argument in arguments:
        if formula_first and argument[:1] == "-" and argument[:2] != "--" and argument != "-h":
            argument = f" {argument}"  # not an option
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
