"""``rmt sweep`` and ``rmt phase-diagram``."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rmt.cli.options import (
    PROBLEM_NOTES,
    add_level,
    add_output,
    add_problem,
    problem_of,
    save_figure,
)
from rmt.cli.parser import Outcome, add_command, integer
from rmt.status import InvalidInputError
from rmt.vocabulary import NUMBERS, TEXTS

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from rmt.grids import Sweep
    from rmt.grids.phase_diagram import PhaseDiagram

__all__ = ["add_phase_diagram", "add_sweep"]

_FAILED_POINTS = (
    "When some points fail the others are printed and written all the same, and the exit code is 1."
)


def add_sweep(commands: Any) -> None:
    """The command ``sweep``."""
    command = add_command(
        commands,
        "sweep",
        "predict the outliers on a grid of parameters",
        f"Parameters: {', '.join(NUMBERS + TEXTS)}.",
        examples=[
            "--activation 'tanh(z + 7/10)' --target 'sin(2*z)' \\\n"
            "      --width 2000 --step 4,0.3 --step 4,0.4 \\\n"
            "      --over alpha_2=0:0.45:10 --over noise_std=0,0.5",
        ],
        notes=(*PROBLEM_NOTES, _FAILED_POINTS),
    )
    add_problem(command)
    group = command.add_argument_group("grid")
    group.add_argument(
        "--over",
        required=True,
        action="append",
        type=_axis,
        metavar="NAME=VALUES",
        help="an axis of the grid: FIRST:LAST:COUNT (with :log, evenly spaced in the logarithm), "
        "or values between commas; between semicolons where they are functions. Repeat for more",
    )
    _add_workers(group)
    add_level(command, 1e-6, " for each point")
    output = add_output(command, "positions and overlaps")
    output.add_argument(
        "--csv", metavar="FILE", help="also write one row for each spike of each point"
    )
    command.set_defaults(run=_run_sweep)


def add_phase_diagram(commands: Any) -> None:
    """The command ``phase-diagram``."""
    command = add_command(
        commands,
        "phase-diagram",
        "predict the outliers over the exponents of the two steps",
        "Number of outliers and largest overlap with the target over the plane of the two steps' "
        "exponents. The scales of the steps are kept, their exponents are not used.",
        examples=[
            "--activation 'tanh(z + 7/10)' --target 'He3(z)/sqrt(6)' \\\n"
            "      --width 2000 --step 4,0 --step 4,0 --batch reused \\\n"
            "      --readout rademacher --grid 10x10 --plot phases.png",
        ],
        notes=(*PROBLEM_NOTES, _FAILED_POINTS),
    )
    add_problem(command)
    group = command.add_argument_group("grid")
    group.add_argument(
        "--grid",
        type=_grid,
        default=(50, 50),
        metavar="N1xN2",
        help="numbers of exponents of the first and second step (default: 50x50)",
    )
    _add_workers(group)
    add_level(command, 1e-3, " for each point")
    add_output(command, "two maps")
    command.set_defaults(run=_run_phase_diagram)


def _add_workers(group: Any) -> None:
    group.add_argument(
        "--workers", type=integer, default=1, metavar="K", help="processes (default: 1)"
    )


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
        import numpy as np

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


def _run_sweep(options: argparse.Namespace) -> Outcome:
    from rmt.grids import sweep

    over: dict[str | tuple[str, ...], Any] = {}
    for name, values in options.over:
        if name in over:
            raise InvalidInputError(f"--over: the parameter {name} is given twice")
        over[name] = values
    with _workers(options.workers) as executor:
        found = sweep(
            problem_of(options),
            over,
            options.method,
            options.rtol,
            executor,
            _progress(),
            forms=options.forms,
            max_seconds=options.max_seconds,
        )
    if options.csv is not None:
        rows = found.rows()
        try:
            with open(options.csv, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise InvalidInputError(f"--csv {options.csv}: {error}") from error
    return _shown(found, options)


def _run_phase_diagram(options: argparse.Namespace) -> Outcome:
    from rmt.grids.phase_diagram import phase_diagram

    first, second = options.grid
    with _workers(options.workers) as executor:
        found = phase_diagram(
            problem_of(options),
            first,
            second,
            options.method,
            options.rtol,
            executor,
            _progress(),
            forms=options.forms,
            max_seconds=options.max_seconds,
        )
    return _shown(found, options)


def _shown(found: Sweep | PhaseDiagram, options: argparse.Namespace) -> Outcome:
    if options.plot is not None:
        save_figure(found.plot, options.plot)
    from rmt.grids.phase_diagram import PhaseDiagram

    made = found.sweep if isinstance(found, PhaseDiagram) else found
    failed = made.message[~made.ok]
    return Outcome(
        json.dumps(found.to_dict(), indent=1) if options.json else found,
        f"{failed.size} of {made.ok.size} points failed; the first: {failed[0]}"
        if failed.size
        else None,
    )


@contextmanager
def _workers(count: int) -> Iterator[Executor | None]:
    if not 1 <= count <= 1024:
        raise InvalidInputError(f"workers must lie between 1 and 1024, got {count}")
    if count == 1:
        yield None
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

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
