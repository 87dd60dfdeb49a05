"""``python -m validation export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from validation.cli.options import STORE, existing_store

__all__ = ["add_export"]


def add_export(commands: Any) -> None:
    """The command ``export``."""
    command = commands.add_parser(
        "export",
        help="write all stored networks as CSV or NPZ",
        description="Write what was observed in all stored networks: a row for every singular "
        "value (CSV), or arrays that numpy.load reads, whole spectra included (NPZ).",
        epilog="example: python -m validation export --store networks.sqlite --csv networks.csv",
    )
    command.add_argument(
        "--store",
        type=Path,
        default=STORE,
        metavar="FILE",
        help=f"file of simulated networks (default {STORE})",
    )
    form = command.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", type=Path, metavar="OUT", help="write comma-separated values")
    form.add_argument("--npz", type=Path, metavar="OUT", help="write NumPy arrays")
    command.set_defaults(run=_run, interrupted="nothing written")


def _run(options: argparse.Namespace) -> str:
    with existing_store(options.store) as store:
        if options.csv is not None:
            store.to_csv(options.csv)
        else:
            store.to_npz(options.npz)
        return f"{store.summary().n_samples} networks written to {options.csv or options.npz}"
