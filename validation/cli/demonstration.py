"""``python -m validation demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rmt.cli.parser import add_command, integer

__all__ = ["add_demo"]


def add_demo(commands: Any) -> None:
    """The command ``demo``."""
    command = add_command(
        commands,
        "demo",
        "predict and simulate four problems; a table and a figure",
        "Two gradient steps for targets of information exponents 1 and 3 with independent and "
        "reused batches, and networks with N = d = 1000. Two minutes on two cores.",
        examples=["--samples 20 --output demo-output"],
    )
    method = command.add_argument_group("method")
    method.add_argument(
        "--samples",
        type=integer,
        default=40,
        metavar="K",
        help="networks of each problem (default: 40)",
    )
    method.add_argument(
        "--seed", type=integer, default=0, metavar="S", help="random seed (default: 0)"
    )
    command.add_argument_group("output").add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where to write demo.json, demo.png and demo.pdf (default: demo-output)",
    )
    command.set_defaults(run=_run, interrupted="nothing written")


def _run(options: argparse.Namespace) -> str:
    from validation.demo import run_demo
    from validation.drawing import require_matplotlib
    from validation.folders import prepare_folder

    require_matplotlib()
    prepare_folder(options.output)
    demo = run_demo(options.samples, options.seed, progress=True)
    written = demo.save(options.output)
    return f"{demo}\nWritten: {', '.join(map(str, written))}"
