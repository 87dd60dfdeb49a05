"""``python -m validation report``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rmt.cli.parser import add_command
from validation.cli.options import (
    add_device,
    add_store,
    add_suite,
    add_workers,
    chosen_suite,
    existing_store,
    on_terminal,
    workers_of,
)

__all__ = ["add_report"]


def add_report(commands: Any) -> None:
    """The command ``report``."""
    command = add_command(
        commands,
        "report",
        "write what the stored networks of a suite say of the theory",
        "Predict every case of a suite that has been simulated, compare, and write report.html, "
        "one page that needs no other file, and the same numbers as report.json. Cases that are "
        "not stored are listed as not simulated.",
        examples=["--suite quick", "--suite full --output full-report"],
    )
    add_suite(command)
    add_store(command, required=True)
    method = command.add_argument_group("method")
    add_device(method)
    add_workers(method)
    command.add_argument_group("output").add_argument(
        "--output",
        type=Path,
        default=Path("validation-report"),
        metavar="FOLDER",
        help="where to write report.html and report.json (default: validation-report)",
    )
    command.set_defaults(run=_run, interrupted="nothing written; nothing in {store} has changed")


def _run(options: argparse.Namespace) -> str:
    from validation.drawing import require_matplotlib
    from validation.folders import prepare_folder
    from validation.report.evidence import gather
    from validation.report.page import make_report, require_jinja2

    require_matplotlib()
    require_jinja2()
    suite = chosen_suite(options)
    workers = workers_of(options)
    with existing_store(options.store) as store:
        prepare_folder(options.output)
        evidence = gather(
            suite,
            store,
            device=options.device,
            workers=workers,
            progress="predictions" if on_terminal() else False,
        )
    report = make_report(evidence)
    written = report.save(options.output)
    return f"{report}\nWritten: {', '.join(map(str, written))}"
