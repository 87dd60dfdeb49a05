"""``python -m validation run``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from time import perf_counter
from typing import Any

from rmt.cli.completion import offer
from rmt.cli.parser import add_command
from validation.cli.options import (
    STORE,
    add_device,
    add_store,
    add_suite,
    add_workers,
    chosen_suite,
    on_terminal,
    workers_of,
)

__all__ = ["add_run"]


def add_run(commands: Any) -> None:
    """The command ``run``."""
    command = add_command(
        commands,
        "run",
        "simulate the networks of a suite that are not stored yet",
        "Each network is stored as soon as it is done. Stop the command at any time (Ctrl-C, kill, "
        "a full disk): the same command goes on from there, with the same results. Networks that "
        "another suite or an earlier run has stored are not simulated again.",
        examples=[
            "--suite quick",
            "--suite full --section levels --store networks.sqlite",
        ],
    )
    section = add_suite(command).add_argument(
        "--section",
        action="append",
        metavar="NAME",
        help="only this section of the suite, as the command 'list' shows; repeat for more "
        "(default: all)",
    )
    offer(section, _sections)
    add_store(command, required=True)
    method = command.add_argument_group("method")
    add_device(method)
    where = method.add_mutually_exclusive_group()
    add_workers(where)
    where.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="instead of processes, the dask cluster with this scheduler, such as tcp://host:8786",
    )
    command.set_defaults(run=_run, interrupted="run the same command again to go on")


def _sections() -> Iterable[str]:
    from validation.suites import SUITES

    return dict.fromkeys(section.name for suite in SUITES.values() for section in suite.sections)


def _run(options: argparse.Namespace) -> str:
    from validation.campaign import run_campaign
    from validation.executors import connect_dask
    from validation.simulation.devices import find_device
    from validation.store.store import SampleStore

    suite = chosen_suite(options)
    if options.section:
        suite = suite.only(options.section)
    workers = workers_of(options)
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
    words = [*options.program.split(), "report", "--suite", options.suite]
    if options.store != STORE:
        words += ["--store", str(options.store)]
    if options.samples != 1:
        words += ["--samples", f"{options.samples:g}"]
    if options.device != "cpu":
        words += ["--device", options.device]
    return shlex.join(words)
