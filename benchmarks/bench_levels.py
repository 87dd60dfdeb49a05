"""The three levels of theory against one simulated network of the same problem.

A simulated network is what a prediction stands in for: two gradient steps at width 1000 and the
singular values of the result, on one thread. Errors are relative, of the largest singular value,
from the mean over the networks that were timed: of the prediction, and of a single network. The
scaling level remembers problems, so that its first call counts and is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import rmt
from benchmarks.common import Claim, Effort, Race, Row, clock, race, row
from benchmarks.networks import OneNetwork

TITLE = "The levels of theory against one simulated network"

STEPS = [(4, 0.3), (4, 0.4)]
PROBLEMS = {
    "tanh, two-valued readout": ("tanh(z + 7/10)", "sin(2*z)", "rademacher"),
    "tanh, Gaussian readout": ("tanh(z + 7/10)", "sin(2*z)", "gaussian"),
    "relu, uniform readout": ("relu(z)", "tanh(z)", "uniform"),
}
NETWORK = "one network, all singular values"
SECONDS = {
    "resummed": Claim("0.01 to 1 s", "docs/levels.md", 1.0, "seconds"),
    "deformed": Claim("0.5 to 20 s", "docs/levels.md", 20.0, "seconds"),
    "scaling": Claim("0.01 to 1 s", "docs/levels.md", 1.0, "seconds"),
}


def rows(effort: Effort) -> Iterator[Row]:
    """The levels on several problems, the slow ones, and one level against another."""
    width = effort.pick(1000, 200)
    for name, (activation, target, readout) in effort.few(PROBLEMS.items()):
        for batch in effort.few(("independent", "reused")):
            problem = rmt.Problem(
                activation, target, width, width, 2 * width, STEPS, batch, readout
            )
            yield from levels(f"{name}, {batch}", problem, effort)
    if effort.quick:
        return
    heavy = rmt.Problem(
        "tanh(z + 7/10)", "He3(z)/sqrt(6)", width, width, 2 * width, STEPS, "reused", "rademacher"
    )
    usual = heavy.replace(target="sin(2*z)")
    yield row(
        "resummed, target He3, reused",
        "the same with target sin(2*z)",
        race(clock(lambda: rmt.predict(heavy)), clock(lambda: rmt.predict(usual)), effort),
        claim=Claim("seconds, others a tenth of one", "README.md", 10.0, "seconds"),
    )
    yield row(
        "deformed, target He3, reused",
        NETWORK,
        race(
            clock(lambda: rmt.predict(heavy, "deformed")),
            clock(OneNetwork(heavy)),
            effort,
            least=1,
        ),
        claim=Claim("up to twenty seconds", "README.md", 20.0, "seconds"),
    )
    own = rmt.Problem(
        activation="z*sigmoid(2*z) + sin(z)/2",
        target="z1 + z1*z2 + (z2**2 - 1)/4",
        width=500,
        dim=500,
        samples=2000,
        steps=[(2, 0.4), (2, 0.45)],
        batch="independent",
        readout="rademacher",
        noise_std=0.2,
    )
    yield row(
        "resummed, two directions",
        "the level deformed with linked forms",
        race(
            clock(lambda: rmt.predict(own)),
            clock(lambda: rmt.predict(own, "deformed", forms="linked")),
            effort,
            least=1,
        ),
        claim=Claim("a hundredth of the time", "docs/howto/own_activation.md", 0.015),
    )


def levels(name: str, problem: rmt.Problem, effort: Effort) -> Iterator[Row]:
    """Each level against a network, in turn."""
    network = OneNetwork(problem)
    for method in ("resummed", "deformed"):
        timed = race(
            clock(lambda method=method: rmt.predict(problem, method)), clock(network), effort, 2
        )
        found = rmt.predict(problem, method)
        error, scatter = network.errors(found.spikes[0].singular_value)
        yield row(
            f"{method}, {name}",
            NETWORK,
            timed,
            error=error,
            other_error=scatter,
            claim=SECONDS[method],
        )
    if not problem.activation.kinks:
        start = time.perf_counter()
        rmt.scaling(problem)
        first = time.perf_counter() - start
        yield row(
            f"scaling, first call, {name}",
            NETWORK,
            Race([first], [clock(network)()]),
            claim=SECONDS["scaling"],
            note="" if name.startswith("tanh, two") else "moments known from the rows above",
        )
