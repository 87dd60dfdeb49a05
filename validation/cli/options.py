"""Options that several commands have, and what is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.cli.options import STEP, integer, read_schedule, reader
from rmt.cli.program import Argument, choice, option
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.problem import Problem
    from validation.store.store import SampleStore

__all__ = [
    "DEVICE",
    "DTYPE",
    "STORE",
    "SUITE_NAMES",
    "TRAINING",
    "case_names",
    "existing_store",
    "seed",
    "store",
    "trained_otherwise",
]

STORE = Path("validation.sqlite")
SUITE_NAMES = ("quick", "full")  # those of `validation.suites.SUITES`, which takes long to load
DEVICE = option(
    "--device",
    "NAME",
    "where networks are or were simulated: cpu, cuda, cuda:1",
    default="cpu",
    offered=lambda: ["cpu", "cuda"],
)
DTYPE = choice(
    "--dtype",
    "TYPE",
    "precision in which networks are or were simulated (default: what the suite asks for)",
    ("float64", "float32"),
)


# See `trained_otherwise`.
TRAINING = [
    option(
        "--step",
        "C,ALPHA[,DECAY]",
        "in the place of the problem's own steps: one with learning rate C * N**ALPHA, and weight "
        "decay; give it once for each step",
        STEP,
        action="append",
        dest="steps",
    ),
    option(
        "--batches",
        "B,B,..",
        "in the place of its own schedule: which batch each step uses, such as 0,0,1, each of as "
        "many samples as its first",
        reader(read_schedule, "batches are numbers from 0, one for each step, such as 0,0,1;"),
    ),
]


def trained_otherwise(problem: Problem, options: argparse.Namespace) -> Problem:
    """The problem with the steps and the schedule that the options of `TRAINING` give, if any."""
    if options.steps is None and options.batches is None:
        return problem
    changes: dict[str, Any] = {"samples": problem.samples[0]}
    if options.steps is not None:
        changes["steps"] = options.steps
    if options.batches is not None:
        changes["batch"] = options.batches
    elif not isinstance(problem.batch, str):
        raise InvalidInputError(
            f"--batches must be given with --step where the problem has a schedule of its own, "
            f"{problem.batch_text}"
        )
    return problem.replace(**changes)


def store(default: Path | None = None) -> Argument:
    """``--store``; see `existing_store`."""
    text = f"file of simulated networks (default: {default or 'none'})"
    return option("--store", "FILE", text, Path, default=default)


def seed(text: str) -> Argument:
    """``--seed``."""
    return option("--seed", "S", text, integer, default=0)


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
