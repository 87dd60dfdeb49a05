"""A campaign on two workers against one, and on processes and threads as it chooses them.

The samples are cut into pieces; each piece is computed by one process and then by all, in turn.
The processes are started and warmed up before; what is timed is `run_campaign` with a store on
disk. One half would be perfect. The choice is held against the fastest of all fixed ones, with the
start of processes in the time of each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from rmt.problem import Problem, Step
from validation.campaign import run_campaign
from validation.division import Division
from validation.executors import worker_processes
from validation.simulation.plan import Plan
from validation.simulation.threads import available_cores
from validation.store.store import SampleStore

# Width, and number of networks.
CHOICES = ((1000, 12), (1000, 3), (400, 40), (100, 8))

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
    for size, networks in effort.few(CHOICES):
        best, chosen = choice(Plan(_problem(effort.pick(size, 60)), networks), effort)
        yield row(
            f"{networks} networks, N = d = {size}, processes and threads chosen",
            f"the best fixed choice, {best.processes} of {best.threads}",
            chosen,
            claim=Claim("within 10 percent of the best: the aim", "docs/validation.md", 1.1),
        )


def choice(plan: Plan, effort: Effort) -> tuple[Division, Race]:
    """The fastest fixed choice, and the campaign's own timed with all fixed ones in turn."""
    cores = available_cores()
    fixed = [
        Division(processes, threads)
        for processes in range(1, cores + 1)
        for threads in {1, cores // processes}
    ]
    own = clock(lambda: run_campaign([plan]), least=0.0)
    clocks = [
        clock(lambda one=one: run_campaign([plan], workers=one[0], threads=one[1]), least=0.0)
        for one in fixed
    ]
    seen = [[own(), *(read() for read in clocks)] for _ in range(effort.pick(3, 1))]
    ours, *others = map(list, zip(*seen, strict=True))
    fastest = min(range(len(fixed)), key=lambda k: median(others[k]))
    return fixed[fastest], Race(ours, others[fastest])


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
