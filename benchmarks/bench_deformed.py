"""The levels `deformed` and `resummed` on eight problems whose averages converge slowly.

Width and dimension 500, 1000 samples, steps (2, 0.35) and (2, 0.45). Seconds are of the processor,
on one thread, and the baseline is one simulated network of the same problem, timed in turn. Errors
are relative: the largest that the prediction itself estimates for the singular value of an outlier,
and how far the largest singular value of one network scatters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import rmt
from benchmarks.bench_levels import NETWORK
from benchmarks.common import Effort, Row, clock, race, row
from benchmarks.networks import OneNetwork

TITLE = "The deformed level where it is hardest"

STEPS = [(2, 0.35), (2, 0.45)]
PROBLEMS = (
    ("erf(z)", "sign(z)", "reused"),
    ("tanh(z + 7/10)", "He3(z)/sqrt(6)", "reused"),
    ("tanh(z + 7/10)", "He3(z)/sqrt(6)", "independent"),
    ("softplus(z - 3/10)", "He3(z)", "independent"),
    ("relu(z)", "z1*z2", "independent"),
    ("silu(z)", "He2(z)", "reused"),
    ("gelu(z)", "z + He2(z)", "reused"),
    ("silu(z)", "z1 + z1*z2", "independent"),
)


def rows(effort: Effort) -> Iterator[Row]:
    """Both levels on each problem; a level that gives up says why."""
    size = effort.pick(500, 100)
    for activation, target, batch in effort.few(PROBLEMS):
        problem = rmt.Problem(activation, target, size, size, 2 * size, STEPS, batch)
        network = OneNetwork(problem)
        for method in ("resummed", "deformed"):
            what = f"{method}, {activation}, target {target}, {batch}"
            try:
                yield level(what, problem, method, network, effort)
            except rmt.RmtError as failure:
                note = f"{type(failure).__name__}: {failure}".partition("\n")[0]
                yield Row(what=what, baseline=NETWORK, note=note)


def level(what: str, problem: rmt.Problem, method: str, network: OneNetwork, effort: Effort) -> Row:
    """One level against networks, in turn."""
    found = rmt.predict(problem, method)
    timed = race(
        clock(lambda: rmt.predict(problem, method), now=time.process_time),
        clock(network, now=time.process_time),
        effort,
        least=2,
    )
    outliers = [spike for spike in found.spikes if spike.is_outlier]
    _, scatter = network.errors(1.0)
    return row(
        what,
        NETWORK,
        timed,
        error=max((s.error.singular_value / s.singular_value for s in outliers), default=None),
        other_error=scatter,
        note="" if outliers else "no outlier",
    )
