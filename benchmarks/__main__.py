"""Runs the benchmarks and writes their table: ``make bench``, ``python -m benchmarks``.

A whole run writes ``docs/benchmarks.json`` and the tables of ``docs/benchmarks.md``; a part of it
(``--only``, ``--quick``) prints the tables and writes nothing unless told where, or to ``--update``
the file with its part.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks import machine, table
from benchmarks.common import Effort, Row

# In the order of the page; benchmarks/bench_<name>.py each.
NAMES = (
    *("predict", "levels", "deformed", "losses", "sweep", "ridge", "simulation", "campaign"),
    *("precision", "hermite", "spectra", "peers", "dyson", "processes"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small problems, one of each kind")
    parser.add_argument("--repetitions", type=int, default=7, help="of each row, at most")
    parser.add_argument("--seconds", type=float, default=3.0, help="after which a row ends")
    parser.add_argument("--scikit-rmt", metavar="PYTHON", help="of an environment with scikit-rmt")
    parser.add_argument("--output", type=Path, help="folder for the file and the page")
    parser.add_argument("--update", action="store_true", help="put a part into file and page")
    parser.add_argument("--page", action="store_true", help="only make the page from the file")
    options = parser.parse_args(arguments)
    if options.page:
        table.write(table.stored())
        return 0
    effort = Effort(
        options.repetitions,
        options.seconds,
        options.quick,
        options.scikit_rmt,
        cheap=0.0 if options.quick else 0.5,
    )
    results = run(options.only or NAMES, effort)
    print(table.markdown(results))
    whole = not (options.only or options.quick)
    if options.update:
        table.write(table.merged(table.stored(), results, NAMES))
    elif whole or options.output:
        table.write(results, options.output or table.DOCS)
    return 0


def run(names: Sequence[str], effort: Effort) -> dict[str, Any]:
    """Facts and rows, as they are written."""
    start = time.perf_counter()
    facts = {**machine.facts(), "repetitions": effort.repetitions, "quick": effort.quick}
    results: dict[str, Any] = {"machine": facts, "benchmarks": []}
    for name in names:
        module = import_module(f"benchmarks.bench_{name}")
        began, rows = time.perf_counter(), []
        with threadpool_limits(1):
            for row in module.rows(effort):
                rows.append(as_dict(row, effort))
                print(f"{name}: {' | '.join(table.cells(rows[-1]))}", file=sys.stderr, flush=True)
        results["benchmarks"].append(
            {
                "name": name,
                "title": module.TITLE,
                "about": (inspect.getdoc(module) or "").partition("\n\n")[2],
                "seconds": round(time.perf_counter() - began, 1),
                "rows": rows,
            }
        )
    facts["minutes"] = round((time.perf_counter() - start) / 60, 2)
    facts["load_after"] = machine.load()
    return results


def as_dict(row: Row, effort: Effort) -> dict[str, Any]:
    """A row with its verdict, which small problems do not get."""
    return {**asdict(row), "holds": None if effort.quick else row.holds}


if __name__ == "__main__":
    sys.exit(main())
