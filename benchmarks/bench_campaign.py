"""A campaign on two workers against one.

The samples are cut into pieces; each piece is computed by one process and then by all, in turn.
The processes are started and warmed up before; what is timed is `run_campaign` with a store on
disk. One half would be perfect.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from rmt.problem import Problem, Step
from validation.campaign import run_campaign
from validation.executors import worker_processes
from validation.simulation.plan import Plan
from validation.simulation.threads import available_cores
from validation.store.store import SampleStore

TITLE = "Campaigns on several processes"


def rows(effort: Effort) -> Iterator[Row]:
    """Two workers at full size; a few small networks, where one process is enough."""
    if available_cores() < 2:
        yield Row(what="a campaign on two workers", baseline="on one", note="skipped: one core")
        return
    width = effort.pick(1000, 60)
    found, samples = two_workers(width, effort)
    yield row(
        f"{samples} networks, N = d = {width}, two workers",
        "one worker",
        found,
        claim=Claim("0.98 of twice the work (0.51)", "docs/validation.md", 0.51 * 1.1),
    )
    plan = Plan(_problem(100), 4)
    few = race(
        clock(lambda: run_campaign([plan], workers=1)),
        clock(lambda: run_campaign([plan], workers=2)),
        effort,
        least=2,
    )
    yield row(
        "4 networks, N = d = 100, in this process",
        "two processes, started for it",
        few,
        claim=Claim("faster for a few small networks", "docs/validation.md", 1.0),
    )


def two_workers(width: int, effort: Effort) -> tuple[Race, int]:
    """Time the pieces on one worker and on two in turn."""
    pieces = effort.pick(4, 2)
    problem, each = _problem(width), effort.pick(12, 2)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clocks = []
        for workers in (2, 1):
            pool = stack.enter_context(worker_processes(workers))
            run_campaign([Plan(problem, 4 * workers, seed=0)], executor=pool, workers=workers)
            store = stack.enter_context(SampleStore(folder / f"{workers} workers.sqlite"))
            seeds = count(1)

            def piece(pool=pool, store=store, workers=workers, seeds=seeds) -> None:
                plan = Plan(problem, each, seed=next(seeds))
                run_campaign([plan], store, executor=pool, workers=workers)

            clocks.append(clock(piece, least=0.0))
        return race(*clocks, Effort(pieces, 1e9, cheap=0.0)), pieces * each


def _problem(width: int) -> Problem:
    return Problem(
        activation="tanh(z + 7/10)",
        target="remove_hermite(3*tanh(2*z), 1)",
        width=width,
        dim=width,
        samples=2 * width,
        steps=[Step(4, 0.3), Step(4, 0.4)],
        batch="reused",
    )
