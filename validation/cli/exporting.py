"""``python -m validation export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rmt.cli.parser import add_command
from validation.cli.options import add_store, existing_store

__all__ = ["add_export"]


def add_export(commands: Any) -> None:
    """The command ``export``."""
    command = add_command(
        commands,
        "export",
        "write all stored networks as CSV or NPZ",
        "What was observed in all stored networks: a row for every singular value (CSV), or arrays "
        "that numpy.load reads, whole spectra included (NPZ).",
        examples=["--csv networks.csv", "--store networks.sqlite --npz networks.npz"],
    )
    add_store(command, required=True)
    form = command.add_argument_group("output").add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", type=Path, metavar="FILE", help="write comma-separated values")
    form.add_argument("--npz", type=Path, metavar="FILE", help="write NumPy arrays")
    command.set_defaults(run=_run, interrupted="nothing written")


def _run(options: argparse.Namespace) -> str:
    with existing_store(options.store) as store:
        if options.csv is not None:
            store.to_csv(options.csv)
        else:
            store.to_npz(options.npz)
        return f"{store.summary().n_samples} networks written to {options.csv or options.npz}"
