"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.cli.completion import offer
from rmt.cli.parser import add_choice, integer
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from validation.store.store import SampleStore
    from validation.suites import Suite

__all__ = [
    "STORE",
    "SUITE_NAMES",
    "add_device",
    "add_store",
    "add_suite",
    "add_suite_name",
    "add_workers",
    "case_names",
    "chosen_suite",
    "existing_store",
    "on_terminal",
    "positive",
    "workers_of",
]

STORE = Path("validation.sqlite")
SUITE_NAMES = ("quick", "full")  # those of `validation.suites.SUITES`, which takes long to load


def add_suite(command: Any) -> Any:
    """``--suite`` and ``--samples``, in a group that is returned; see `chosen_suite`."""
    group = command.add_argument_group("problems")
    add_suite_name(group, "which suite", "quick")
    group.add_argument(
        "--samples",
        type=positive,
        default=1.0,
        metavar="FACTOR",
        help="networks of each case, relative to what the suite asks for (default: 1)",
    )
    return group


def add_suite_name(group: Any, text: str, default: str | None) -> None:
    """``--suite``."""
    add_choice(group, "--suite", "NAME", SUITE_NAMES, text, default)


def add_store(command: Any, required: bool = False) -> None:
    """``--store``, by default `STORE` or, where it is not needed, none."""
    command.add_argument_group("store").add_argument(
        "--store",
        type=Path,
        default=STORE if required else None,
        metavar="FILE",
        help=f"file of simulated networks (default: {STORE if required else 'none'})",
    )


def add_device(group: Any) -> None:
    """``--device``."""
    device = group.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="where networks are or were simulated: cpu, cuda, cuda:1 (default: cpu)",
    )
    offer(device, lambda: ["cpu", "cuda"])


def add_workers(group: Any) -> None:
    """``--workers``; see `workers_of`."""
    group.add_argument(
        "--workers",
        type=integer,
        metavar="K",
        help="processes (default: one for each core)",
    )


def chosen_suite(options: argparse.Namespace) -> Suite:
    """The suite, with as many networks as asked for."""
    from validation.suites import suite

    found = suite(options.suite)
    return found if options.samples == 1 else found.scaled(options.samples)


def existing_store(path: Path) -> SampleStore:
    """Open a store that is there.

    Raises
    ------
    InvalidInputError
        Where there is none, or when it cannot be opened.
    """
    from validation.store.store import SampleStore

    if not path.exists():
        raise InvalidInputError(
            f"store {path} does not exist; make one with: python -m validation run --store {path}"
        )
    return SampleStore(path)


def case_names() -> Iterable[str]:
    """The names of all cases, for shells to offer."""
    from validation.catalogue import ALL_CASES

    return ALL_CASES


def workers_of(options: argparse.Namespace) -> int | None:
    """The number of processes, or None for one each core.

    Raises
    ------
    InvalidInputError
        For a number out of range.
    """
    workers: int | None = options.workers
    if workers is not None and not 1 <= workers <= 1024:
        raise InvalidInputError(f"workers must lie between 1 and 1024, got {workers}")
    return workers


def on_terminal() -> bool:
    """Whether someone watches a progress bar."""
    return sys.stderr.isatty()


def positive(text: str) -> float:
    """A positive number, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value
