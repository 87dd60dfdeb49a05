"""``python -m validation demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_demo"]


def add_demo(commands: Any) -> None:
    """The command ``demo``."""
    command = commands.add_parser(
        "demo",
        help="predict and simulate four problems; print a table and write it with a figure",
        description="Predict two gradient steps for targets of information exponents 1 and 3 with "
        "independent and reused batches, simulate networks with N = d = 1000, and compare.",
        epilog="example: python -m validation demo --samples 20 --output demo-output",
    )
    command.add_argument(
        "--samples",
        type=int,
        default=40,
        metavar="K",
        help="networks of each problem (default 40)",
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default 0)")
    command.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where to write demo.json, demo.png and demo.pdf (default demo-output)",
    )
    command.set_defaults(run=_run, interrupted="nothing written")


def _run(options: argparse.Namespace) -> str:
    from validation.demo import prepare_folder, run_demo
    from validation.figures import require_matplotlib

    require_matplotlib()
    prepare_folder(options.output)
    demo = run_demo(options.samples, options.seed, progress=True)
    written = demo.save(options.output)
    return f"{demo}\nWritten: {', '.join(map(str, written))}"
