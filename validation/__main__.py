"""``python -m validation``: see ``python -m validation --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rmt.status import RmtError


class _Parser(argparse.ArgumentParser):
    """Reports a bad argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, or 2 for bad input with one line on stderr."""
    parser = _Parser(
        prog="python -m validation",
        description="Simulate two-layer networks and hold the theory against them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="predict and simulate four problems; print a table and write it with a figure",
        description="Predict two gradient steps for targets of information exponents 1 and 3 with "
        "independent and reused batches, simulate networks with N = d = 1000, and compare.",
    )
    demo.add_argument(
        "--samples",
        type=int,
        default=40,
        metavar="K",
        help="networks of each problem (default 40)",
    )
    demo.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default 0)")
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where to write demo.json, demo.png and demo.pdf (default demo-output)",
    )
    given = parser.parse_args(arguments)
    try:
        return _demo(given.samples, given.seed, given.output)
    except RmtError as error:
        print(
            f"{parser.prog} {given.command}: error: {' '.join(str(error).split())}", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog} {given.command}: interrupted, nothing written", file=sys.stderr)
        return 130


def _demo(samples: int, seed: int, output: Path) -> int:
    from validation.demo import prepare_folder, run_demo
    from validation.figures import require_matplotlib

    require_matplotlib()
    prepare_folder(output)
    demo = run_demo(samples, seed, progress=True)
    print(demo)
    written = demo.save(output)
    print(f"Written: {', '.join(map(str, written))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
