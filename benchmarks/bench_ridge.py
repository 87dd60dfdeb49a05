"""A learning curve against the same points solved one by one, and against simulation.

The simulation is one network of the same problem with ridge regression at one point of the curve;
a simulated curve needs it at every point, and for several networks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.common import Effort, Row, clock, race, row
from rmt import Problem, Step, ridge
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.features import run_features

TITLE = "A learning curve against its points, and against simulation"


def rows(effort: Effort) -> Iterator[Row]:
    """Two for each readout and batch; curves over ``m/d`` from 0.2 to 8, all three stages."""
    points, width = effort.pick(100, 10), effort.pick(1000, 100)
    for readout in effort.few(("rademacher", "gaussian")):
        for batch in effort.few(("independent", "reused")):
            problem = Problem(
                activation="tanh(z + 7/10)",
                target="tanh(z) + (cos(2*z) - exp(-2))/2",
                width=width,
                dim=width,
                samples=2 * width,
                steps=[Step(4, 0.3), Step(4, 0.4)],
                batch=batch,
                readout=readout,
            )
            samples, lam = np.geomspace(0.2, 8.0, points) * width, 1.0 / width
            name = f"{points} points, {readout}, {batch}"
            some = samples[:: points // 10]
            curve = clock(lambda p=problem, m=samples, lam=lam: ridge(p, m, lam))
            alone = clock(lambda p=problem, m=some, lam=lam: [ridge(p, k, lam) for k in m])
            yield row(
                name,
                "the points one by one",
                race(curve, alone, effort, least=2).scaled(other=points / len(some)),
                note=f"{len(some)} of {points} points timed",
            )
            plan = FeaturePlan(problem, 1, inputs=(3 * width,), regularisations=(lam,))
            simulated = clock(lambda plan=plan: run_features(plan, threads=1))
            yield row(
                name, "one simulated network at one point", race(curve, simulated, effort, least=2)
            )
