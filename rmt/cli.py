"""The command ``rmt``: predictions, sweeps and Hermite expansions from a shell."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from typing import Any, NoReturn

import numpy as np

from rmt.functions import ScalarFunction
from rmt.hermite import (
    generative_exponent,
    hermite_expansion,
    information_exponent,
    reuse_exponent,
    staircase,
)
from rmt.phase_diagram import PhaseDiagram, phase_diagram
from rmt.predict import METHODS, predict
from rmt.problem import Problem, Step
from rmt.status import ConvergenceError, InvalidInputError
from rmt.sweep import Sweep, sweep
from rmt.sweep.grid import NUMBERS, TEXTS

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
    _add_sweep(commands)
    _add_phase_diagram(commands)
    _add_hermite(commands)
    _add_exponents(commands)
    return parser


def _add_problem(command: Any) -> None:
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


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="outliers of the weights after one or two gradient steps",
        description="Predict the outliers of the first-layer weights after one or two gradient "
        "steps, and their squared overlaps with the target directions.",
        epilog="example: rmt predict --activation 'tanh(z + 7/10)' --target 'sin(2*z)' "
        "--width 2000 --step 4,0.3 --step 4,0.4 --batch reused",
    )
    _add_problem(command)
    add = command.add_argument
    add("--method", default="resummed", choices=METHODS, help="level of theory")
    add("--rtol", type=float, default=1e-6, help="relative tolerance (default: 1e-6)")
    add("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_run_predict)


def _add_sweep(commands: Any) -> None:
    command = commands.add_parser(
        "sweep",
        help="outliers along one or several parameters of a problem",
        description="Predict the outliers at every point of a grid. Parameters: "
        f"{', '.join(NUMBERS + TEXTS)}.",
        epilog="example: rmt sweep --activation 'tanh(z + 7/10)' --target 'sin(2*z)' "
        "--width 2000 --step 4,0.3 --step 4,0.4 --over alpha_2=0:0.45:10 --over noise_std=0,0.5",
    )
    _add_problem(command)
    add = command.add_argument
    add(
        "--over",
        required=True,
        action="append",
        type=_axis,
        metavar="NAME=VALUES",
        help="an axis of the grid: FIRST:LAST:COUNT (with :log, evenly spaced in the logarithm), "
        "or values between commas; between semicolons where they are functions. Repeat for more",
    )
    add("--method", default="resummed", choices=METHODS, help="level of theory")
    add("--rtol", type=float, default=1e-6, help="relative tolerance (default: 1e-6)")
    add("--csv", metavar="FILE", help="also write one row for each spike of each point")
    _add_grid_output(command)
    command.set_defaults(run=_run_sweep)


def _add_phase_diagram(commands: Any) -> None:
    command = commands.add_parser(
        "phase-diagram",
        help="outliers over the exponents of the two steps",
        description="Number of outliers and largest overlap with the target over the plane of the "
        "two steps' exponents. The scales of the steps are kept, their exponents are not used.",
        epilog="example: rmt phase-diagram --activation 'tanh(z + 7/10)' --target 'He3(z)/sqrt(6)' "
        "--width 2000 --step 4,0 --step 4,0 --batch reused --readout rademacher --plot phases.png",
    )
    _add_problem(command)
    add = command.add_argument
    add(
        "--grid",
        type=_grid,
        default=(50, 50),
        metavar="N1xN2",
        help="numbers of exponents of the first and second step (default: 50x50)",
    )
    add("--method", default="resummed", choices=METHODS, help="level of theory")
    add("--rtol", type=float, default=1e-3, help="relative tolerance (default: 1e-3)")
    _add_grid_output(command)
    command.set_defaults(run=_run_phase_diagram)


def _add_grid_output(command: Any) -> None:
    add = command.add_argument
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--plot", metavar="FILE", help="also draw to this file")
    add("--workers", type=int, default=1, metavar="K", help="processes (default: 1)")


def _axis(text: str) -> tuple[str, list[str] | Any]:
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise argparse.ArgumentTypeError(
            f"an axis is NAME=VALUES such as alpha_2=0:0.45:10 or noise_std=0,0.5; got {text!r}"
        )
    name = name.strip()
    if name in TEXTS:
        separator = ";" if name in ("activation", "target") else ","
        return name, [value.strip() for value in values.split(separator)]
    try:
        if ":" not in values:
            return name, [float(value) for value in values.split(",")]
        first, last, count, *spacing = values.split(":")
        if spacing not in ([], ["log"]) or not 1 <= int(count) <= 100_000:
            raise ValueError
        ends = float(first), float(last)
        if spacing and not min(ends) > 0:
            raise ValueError
        return name, (np.geomspace if spacing else np.linspace)(*ends, int(count))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"values are FIRST:LAST:COUNT[:log] or numbers between commas; got {values!r}"
        ) from None


def _grid(text: str) -> tuple[int, int]:
    try:
        first, second = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a grid is N1xN2 such as 50x50; got {text!r}") from None
    return first, second


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


def _problem(options: argparse.Namespace) -> Problem:
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


def _run_predict(options: argparse.Namespace) -> object:
    prediction = predict(_problem(options), method=options.method, rtol=options.rtol)
    return json.dumps(prediction.to_dict(), indent=1) if options.json else prediction


def _run_sweep(options: argparse.Namespace) -> object:
    over: dict[str | tuple[str, ...], Any] = {}
    for name, values in options.over:
        if name in over:
            raise InvalidInputError(f"--over: the parameter {name} is given twice")
        over[name] = values
    with _workers(options.workers) as executor:
        found = sweep(_problem(options), over, options.method, options.rtol, executor, _progress())
    if options.csv is not None:
        rows = found.rows()
        try:
            with open(options.csv, "w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise InvalidInputError(f"--csv {options.csv}: {error}") from error
    return _shown(found, options)


def _run_phase_diagram(options: argparse.Namespace) -> object:
    first, second = options.grid
    with _workers(options.workers) as executor:
        found = phase_diagram(
            _problem(options),
            first,
            second,
            options.method,
            options.rtol,
            executor,
            _progress(),
        )
    return _shown(found, options)


def _shown(found: Sweep | PhaseDiagram, options: argparse.Namespace) -> object:
    if options.plot is not None:
        _save(found.plot, options.plot)
    return json.dumps(found.to_dict(), indent=1) if options.json else found


def _save(plot: Callable[[], Any], path: str) -> None:
    try:
        plot().savefig(path, dpi=150)
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInputError(f"--plot {path}: {error}") from error


@contextmanager
def _workers(count: int) -> Iterator[Executor | None]:
    if not 1 <= count <= 1024:
        raise InvalidInputError(f"workers must lie between 1 and 1024, got {count}")
    if count == 1:
        yield None
        return
    # One BLAS thread in each: the matrices are small, and the processes share the cores.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(count, get_context("spawn")) as executor:
        yield executor


def _progress() -> bool | Callable[[int, int], object]:
    """A counter on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        return False

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total} points", end="\n" if done == total else "", file=sys.stderr)

    return show


def _run_hermite(options: argparse.Namespace) -> str:
    expansion = hermite_expansion(options.function, options.order, digits=options.digits)
    if options.plot is not None:
        _save(expansion.plot, options.plot)
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
