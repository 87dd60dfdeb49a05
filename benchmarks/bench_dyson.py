"""The Dyson solver against what it replaces.

The conjugate kernel is compared with the eigenvalues of one matrix; bulks of trained weights with
one simulated network and all its singular values.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.common import Effort, Row, clock, race, row
from benchmarks.networks import OneNetwork
from rmt.problem import Problem, Step
from rmt.spectra import ConjugateKernel
from rmt.spectra.dyson import density, solve
from rmt.spectra.pencil.law import PencilLaw
from rmt.spectra.pencil_outliers import pencil_outliers, upper_edge
from rmt.spikes.deformed.outliers import deformed_bulk

TITLE = "The Dyson equation"

NETWORK = "one network, all singular values"


def rows(effort: Effort) -> Iterator[Row]:
    """The solver on the bulk of trained weights."""
    law, x = ConjugateKernel("tanh(z)", (1.0, 0.5)), np.linspace(0.2, 1.4, 400)
    size = effort.pick(1000, 100)
    rng = np.random.default_rng(0)

    def eigenvalues() -> None:
        inputs, weights = rng.standard_normal((size, size)), rng.standard_normal((2 * size, size))
        features = np.tanh(inputs @ weights.T / size**0.5)
        np.linalg.eigvalsh(features @ features.T / (2 * size))

    yield row(
        "conjugate kernel of tanh, density at 400 points",
        f"eigenvalues of one matrix, n = d = {size}, N = {2 * size}",
        race(clock(lambda: law.pdf(x)), clock(eigenvalues), effort),
    )
    width = effort.pick(1000, 100)
    for readout, batch in effort.few((("gaussian", "reused"), ("rademacher", "independent"))):
        problem = Problem(
            "tanh(z + 7/10)",
            "sin(2*z)",
            width,
            width,
            2 * width,
            [Step(4, 0.3), Step(4, 0.4)],
            batch=batch,
            readout=readout,
        )
        yield from trained_weights(f"{readout} readout, {batch}", problem, effort)


def trained_weights(name: str, problem: Problem, effort: Effort) -> Iterator[Row]:
    """Points, edge, outliers, densities."""
    network = clock(OneNetwork(problem))
    pencil = deformed_bulk(problem).pencil
    edge, grid = upper_edge(pencil, "u"), np.linspace(0.05, 6, 400)
    near = solve(pencil, 1.0)
    for what, call in (
        ("one point", lambda: solve(pencil, 1.01)),
        ("one point from a neighbour", lambda: solve(pencil, 1.01, initial=near)),
        ("upper edge", lambda: upper_edge(pencil, "u")),
        (
            "three outliers with overlaps",
            lambda: pencil_outliers(pencil, "r", "u", [18.0, 6.0, 4.0], edge=edge),
        ),
        ("density at 400 points", lambda: density(pencil, "u", grid)),
        ("distribution function at 400 points", lambda: PencilLaw(pencil, "u").cdf(grid)),
    ):
        yield row(
            f"trained weights, {what}, {name}",
            NETWORK,
            race(clock(call), network, effort, least=2),
        )
