"""Options that several commands have, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rmt.cli.options import integer
from rmt.cli.program import Argument, choice, option
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from validation.store.store import SampleStore

__all__ = [
    "DEVICE",
    "DTYPE",
    "STORE",
    "SUITE_NAMES",
    "case_names",
    "existing_store",
    "seed",
    "store",
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
