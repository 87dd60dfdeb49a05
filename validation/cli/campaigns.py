"""``python -m validation run``, ``report``, ``export`` and ``demo``."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rmt.cli.options import checked_workers, integer, on_terminal, reader
from rmt.cli.program import Argument, Either, choice, command, option
from validation.cli.options import DEVICE, DTYPE, STORE, SUITE_NAMES, existing_store, seed, store

if TYPE_CHECKING:
    from validation.suites import Suite

__all__ = ["demo", "export", "report", "run"]


def _read_factor(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


# See `_chosen_suite`.
_SUITE = [
    choice("--suite", "NAME", "which suite", SUITE_NAMES, "quick"),
    option(
        "--samples",
        "FACTOR",
        "networks of each case, relative to what the suite asks for",
        reader(_read_factor, "must be a positive number,"),
        default=1.0,
    ),
]
_WORKERS = option("--workers", "K", "processes (default: one for each core)", integer)


def _folder(default: str, files: str) -> Argument:
    """``--output``; see `_saved`."""
    text = f"where to write {files}"
    return option("--output", "FOLDER", text, Path, default=Path(default))


def _sections() -> Iterable[str]:
    from validation.suites import SUITES

    return dict.fromkeys(section.name for suite in SUITES.values() for section in suite.sections)


@command(
    problems=[
        *_SUITE,
        option(
            "--section",
            "NAME",
            "only this section of the suite, as the command 'list' shows; repeat for more "
            "(default: all)",
            action="append",
            offered=_sections,
        ),
    ],
    store=[store(STORE)],
    method=[
        DEVICE,
        DTYPE,
        Either(
            [
                _WORKERS,
                option(
                    "--dask",
                    "ADDRESS",
                    "instead of processes, the dask cluster with this scheduler, such as "
                    "tcp://host:8786",
                ),
            ]
        ),
    ],
    interrupted="run the same command again to go on",
)
def run(options: argparse.Namespace) -> str:
    """Simulate the networks of a suite that are not stored yet.

    Each network is stored as soon as it is done. Stop the command at any time (Ctrl-C, kill, a full
    disk): the same command goes on from there, with the same results. Networks that another suite
    or an earlier run has stored are not simulated again.

    examples:
      %(prog)s --suite quick
      %(prog)s --suite full --section levels --store networks.sqlite
    """
    from validation.campaign import run_campaign
    from validation.executors import connect_dask
    from validation.simulation.devices import find_device
    from validation.store.store import SampleStore

    suite = _chosen_suite(options)
    if options.section:
        suite = suite.only(options.section)
    workers = checked_workers(options)
    if not options.dask:  # else the device is the cluster's
        find_device(options.device)
    began = perf_counter()
    with ExitStack() as stack:
        # The cluster first: without one there is nothing to make a store for.
        executor = stack.enter_context(connect_dask(options.dask)) if options.dask else None
        store = stack.enter_context(SampleStore(options.store))
        missing = sum(len(store.missing(plan, options.device)) for plan in suite.plans)
        run_campaign(
            suite.plans,
            store,
            executor=executor,
            workers=workers,
            device=options.device,
            progress=on_terminal(),
        )
    networks = sum(plan.n_samples for plan in suite.plans)
    done = f"{missing} of {networks} networks simulated in {perf_counter() - began:.0f} s"
    if missing < networks:
        done += f", {networks - missing} were stored"
    return f"{done}; all are in {options.store}.\nMake the report with: {_report_command(options)}"


def _report_command(options: argparse.Namespace) -> str:
    words = [*options.program.name.split(), "report", "--suite", options.suite]
    if options.store != STORE:
        words += ["--store", str(options.store)]
    if options.samples != 1:
        words += ["--samples", f"{options.samples:g}"]
    if options.device != "cpu":
        words += ["--device", options.device]
    if options.dtype is not None:
        words += ["--dtype", options.dtype]
    return shlex.join(words)


def _chosen_suite(options: argparse.Namespace) -> Suite:
    """The suite, with as many networks as asked for, in the precision asked for."""
    from validation.suites import suite

    found = suite(options.suite).in_precision(options.dtype)
    return found if options.samples == 1 else found.scaled(options.samples)


@command(
    problems=_SUITE,
    store=[store(STORE)],
    method=[DEVICE, DTYPE, _WORKERS],
    output=[_folder("validation-report", "report.html and report.json")],
    interrupted="nothing written; nothing in {store} has changed",
)
def report(options: argparse.Namespace) -> str:
    """Write what the stored networks of a suite say of the theory.

    Predict every case of a suite that has been simulated, compare, and write report.html, one page
    that needs no other file, and the same numbers as report.json. Cases that are not stored are
    listed as not simulated.

    examples:
      %(prog)s --suite quick
      %(prog)s --suite full --output full-report
    """
    from validation.drawing import require_matplotlib
    from validation.folders import prepare_folder
    from validation.report.evidence import gather
    from validation.report.page import make_report, require_jinja2

    require_matplotlib()
    require_jinja2()
    suite = _chosen_suite(options)
    workers = checked_workers(options)
    with existing_store(options.store) as store:
        prepare_folder(options.output)
        evidence = gather(
            suite,
            store,
            device=options.device,
            workers=workers,
            progress="predictions" if on_terminal() else False,
        )
    return _saved(make_report(evidence), options)


@command(
    store=[store(STORE)],
    output=[
        Either(
            [
                option("--csv", "FILE", "write comma-separated values", Path),
                option("--npz", "FILE", "write NumPy arrays", Path),
            ],
            required=True,
        )
    ],
)
def export(options: argparse.Namespace) -> str:
    """Write all stored networks as CSV or NPZ.

    What was observed in all stored networks: a row for every singular value (CSV), or arrays that
    numpy.load reads, whole spectra included (NPZ).

    examples:
      %(prog)s --csv networks.csv
      %(prog)s --store networks.sqlite --npz networks.npz
    """
    with existing_store(options.store) as store:
        if options.csv is not None:
            store.to_csv(options.csv)
        else:
            store.to_npz(options.npz)
        return f"{store.summary().n_samples} networks written to {options.csv or options.npz}"


@command(
    method=[
        option("--samples", "K", "networks of each problem", integer, default=40),
        seed("random seed"),
    ],
    output=[_folder("demo-output", "demo.json, demo.png and demo.pdf")],
)
def demo(options: argparse.Namespace) -> str:
    """Predict and simulate four problems; a table and a figure.

    Two gradient steps for targets of information exponents 1 and 3 with independent and reused
    batches, and networks with N = d = 1000. Two minutes on two cores.

    example:
      %(prog)s --samples 20 --output demo-output
    """
    from validation.demo import run_demo
    from validation.drawing import require_matplotlib
    from validation.folders import prepare_folder

    require_matplotlib()
    prepare_folder(options.output)
    return _saved(run_demo(options.samples, options.seed, progress=True), options)


def _saved(found: Any, options: argparse.Namespace) -> str:
    """Write a result to the folder of the options; the result as text, and the names of files."""
    written = found.save(options.output)
    return f"{found}\nWritten: {', '.join(map(str, written))}"
