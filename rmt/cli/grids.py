"""``rmt sweep`` and ``rmt phase-diagram``."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rmt.cli.options import (
    FIRST_PROBLEM,
    FIRST_STEPS,
    JSON,
    PROBLEM_NOTES,
    checked_workers,
    integer,
    latex_or_json,
    level,
    on_terminal,
    plot,
    problem_command,
    problem_of,
    read_step,
    reader,
    solver_of,
)
from rmt.cli.program import Outcome, command, flag, option
from rmt.status import InvalidInputError
from rmt.vocabulary import NUMBERS, RTOL, TEXTS

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from rmt.grids import Sweep

__all__ = ["AXES", "OVER", "explore", "phase_diagram", "read_axis", "read_numbers", "sweep"]


def _read_values(text: str) -> Any:
    if ":" not in text:
        return [None if value.strip() == "none" else float(value) for value in text.split(",")]
    first, last, count, *spacing = text.split(":")
    ends = float(first), float(last)
    if spacing not in ([], ["log"]) or not 1 <= int(count) <= 100_000:
        raise ValueError
    if spacing and not min(ends) > 0:
        raise ValueError
    import numpy as np

    return (np.geomspace if spacing else np.linspace)(*ends, int(count))


read_numbers = reader(_read_values, "values are FIRST:LAST:COUNT[:log] or numbers between commas;")


def read_axis(text: str) -> tuple[str, Any]:
    """``NAME=VALUES`` as a name and its values."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise argparse.ArgumentTypeError(
            f"an axis is NAME=VALUES such as alpha_2=0:0.45:10 or noise_std=0,0.5; got {text!r}"
        )
    name = name.strip()
    if name not in TEXTS:
        return name, read_numbers(values)
    separator = ";" if name in ("activation", "target", "loss", "steps") else ","
    found = [value.strip() for value in values.split(separator)]
    if name in ("activation", "target", "loss"):
        for one in found:
            several = _between_commas(one)
            if len(several) > 1 and ":" not in one:
                right = "; ".join(several)
                raise argparse.ArgumentTypeError(
                    f"between functions come semicolons, {name}='{right}'; got {text!r}"
                )
    return name, found


def _between_commas(text: str) -> list[str]:
    """The parts of a text, but for commas within brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _read_grid(text: str) -> tuple[int, int]:
    first, second = map(int, text.lower().split("x"))
    return first, second


OVER = (
    "FIRST:LAST:COUNT (with :log, evenly spaced in the logarithm), or values between commas; "
    "between semicolons where they are functions or losses, or schedules such as "
    "steps='2,0.3;2,0.3 2,0.3'"
)
AXES = f"Parameters: {', '.join(NUMBERS + TEXTS)}; of more than two steps alpha_3 and so on."
_MEANS = [
    option("--workers", "K", "processes", integer, default=1),
    flag("--progress", "show a bar on standard error, with the time that is left"),
]
_NOTES = [
    *PROBLEM_NOTES,
    "When some points fail the others are printed and written all the same, and the exit code is "
    "1.",
]


@problem_command(
    grid=[
        option(
            "--over",
            "NAME=VALUES",
            f"an axis of the grid: {OVER}. Repeat for more",
            read_axis,
            required=True,
            action="append",
        ),
        *_MEANS,
    ],
    method=level(RTOL, " for each point"),
    output=[
        latex_or_json("print a LaTeX table of all points (booktabs)"),
        plot("positions and overlaps"),
        option("--csv", "FILE", "also write one row for each spike of each point"),
    ],
    notes=_NOTES,
    details=[AXES],
)
def sweep(options: argparse.Namespace) -> Outcome:
    r"""Predict the outliers on a grid of parameters.

    example:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'sin(2*z)' \
          --width 2000 --step 4,0.3 --step 4,0.4 \
          --over alpha_2=0:0.45:10 --over noise_std=0,0.5
    """
    from rmt.grids import sweep

    over = _over(options)
    with _executor(options) as executor:
        found = sweep(
            problem_of(options),
            over,
            executor=executor,
            progress=_progress(options),
            **solver_of(options),
        )
    if options.csv is not None:
        try:
            found.to_csv(options.csv)
        except InvalidInputError as error:
            raise InvalidInputError(f"--csv {options.csv}: {error.__cause__}") from error
    return Outcome(found, _failed_points(found))


@problem_command(
    grid=[
        option(
            "--grid",
            "N1xN2",
            "numbers of exponents of the first and second step (default: 50x50)",
            reader(_read_grid, "a grid is N1xN2 such as 50x50;"),
            default=(50, 50),
        ),
        *_MEANS,
    ],
    method=level(1e-3, " for each point"),
    output=[JSON, plot("two maps")],
    notes=_NOTES,
)
def phase_diagram(options: argparse.Namespace) -> Outcome:
    r"""Predict the outliers over the exponents of the two steps.

    Number of outliers and largest overlap with the target over the plane of the two steps'
    exponents. The scales of the steps are kept, their exponents are not used.

    example:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'He3(z)/sqrt(6)' \
          --width 2000 --step 4,0 --step 4,0 --batch reused \
          --readout rademacher --grid 10x10 --plot phases.png
    """
    from rmt.grids.phase_diagram import phase_diagram

    first, second = options.grid
    with _executor(options) as executor:
        found = phase_diagram(
            problem_of(options),
            first,
            second,
            executor=executor,
            progress=_progress(options),
            **solver_of(options),
        )
    return Outcome(found, _failed_points(found.sweep))


@command(
    problem=FIRST_PROBLEM,
    page=[
        option(
            "--over",
            "NAME=VALUES",
            "a slider and its values, as for rmt sweep; n_steps=1,2 are the numbers of steps. "
            "Repeat for more (default: batch, samples, width, N/d and exponents)",
            read_axis,
            action="append",
        ),
        option("--output", "FILE", "the page", default="rmt-explore.html"),
        flag("--open", "also open it in a browser"),
        *_MEANS,
    ],
    method=level(1e-3, " for all points; of each, with --workers", 300.0),
    notes=[
        *PROBLEM_NOTES,
        "Points that fail, or are not reached in the time, are gaps, and the exit code is 1.",
    ],
)
def explore(options: argparse.Namespace) -> Outcome:
    r"""Write a page with sliders, for a browser.

    Spectrum, outliers and overlaps with the target for every position of the sliders: one file
    that needs nothing else, neither a server nor the network. Where no problem is given it is the
    first one of the README; the sliders begin there.

    examples:
      %(prog)s --activation 'relu(z)' --target 'z1 + z1*z2' \
          --over batch=independent,reused --over samples_per_dim=1,2,4
      %(prog)s --over width=500,1000,2000 --output page.html
    """
    from rmt.explorer import explore

    if options.steps is None:
        options.steps = [read_step(step) for step in FIRST_STEPS]
    with _executor(options) as executor:
        found = explore(
            problem_of(options),
            _over(options) or None,
            executor=executor,
            progress=_progress(options),
            **solver_of(options),
        )
    path = found.save(options.output)
    if options.open:
        webbrowser.open(path.resolve().as_uri())
    failed = found.n_failed
    why = [str(one.message[~one.ok].flat[0]) for one in found.sweeps if not one.ok.all()]
    said = f"{failed} of {found.n_frames} frames are gaps; the first: {why[0]}" if why else None
    return Outcome(f"{found}\n{path}: open it in a browser", said)


def _over(options: argparse.Namespace) -> dict[str | tuple[str, ...], Any]:
    over: dict[str | tuple[str, ...], Any] = {}
    for name, values in options.over or []:
        if name in over:
            raise InvalidInputError(f"--over: the parameter {name} is given twice")
        over[name] = values
    return over


def _failed_points(found: Sweep) -> str | None:
    failed = found.message[~found.ok]
    if not failed.size:
        return None
    return f"{failed.size} of {found.ok.size} points failed; the first: {failed[0]}"


def _executor(options: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    count = checked_workers(options)
    if count == 1:
        return nullcontext()
    from rmt.grids.workers import worker_processes

    return worker_processes(count)


def _progress(options: argparse.Namespace) -> bool | Callable[[int, int], object]:
    """A bar where one is asked for; else a counter on standard error when that is a terminal."""
    if options.progress or not on_terminal():
        return bool(options.progress)

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total} points", end="\n" if done == total else "", file=sys.stderr)

    return show
