"""Packages for the same laws: freealg, and scikit-rmt in an environment of its own.

Each with the settings that it comes with, and freealg also with a small imaginary part where the
default one limits its error. Laws are made once and kept, ours as well. scikit-rmt times itself in
its own process, reading by reading in turn with ours. Errors are the largest absolute ones, against
mpmath with thirty digits or Fredholm determinants; of samples, the Kolmogorov distance from the
law, which is 0.003 for 100000 perfect ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rmt
from benchmarks import references
from benchmarks.bench_spectra import HIGH, LOW, RATIO, TWO
from benchmarks.common import Effort, Row, clock, race, row
from benchmarks.peers import PeerMissing, ScikitRmt, freealg_distributions, scikit_rmt_python
from rmt.spectra import Population

TITLE = "Packages for the same laws"

X = np.linspace(LOW, HIGH, 1002)[1:-1]
EDGES = "edges, population of 2 atoms"
DENSITY = "density at 1000 points, population of 2 atoms"


def rows(effort: Effort) -> Iterator[Row]:
    """Both peers, or why there is none."""
    for name, measure in (("freealg", freealg), ("scikit-rmt", scikit_rmt)):
        try:
            yield from measure(effort)
        except PeerMissing as missing:
            yield Row(what="all of its rows", baseline=name, note=str(missing))


def freealg(effort: Effort) -> Iterator[Row]:
    """Marchenko-Pastur, and a population of two atoms as a compound free Poisson law."""
    distributions = freealg_distributions()
    ours, peer = rmt.MarchenkoPastur(RATIO), distributions.MarchenkoPastur(RATIO)
    few = X[::100]
    exact = references.marchenko_pastur_pdf(few, RATIO)
    yield row(
        "Marchenko-Pastur density, 1000 points",
        "freealg",
        race(clock(lambda: ours.pdf(X)), clock(lambda: peer.density(X)), effort),
        error=np.abs(ours.pdf(few) - exact).max(),
        other_error=np.abs(peer.density(few) - exact).max(),
    )
    count = 100_000
    yield row(
        f"{count} Marchenko-Pastur samples",
        "freealg, method='mc'",
        race(
            clock(lambda: ours.rvs(count, rng=0)),
            clock(lambda: peer.sample(count, method="mc", seed=0)),
            effort,
        ),
        error=distance(ours.rvs(count, rng=0), ours.cdf),
        other_error=distance(peer.sample(count, method="mc", seed=0), ours.cdf),
    )
    atoms, weights = TWO
    law = rmt.GeneralisedMarchenkoPastur(Population.of_atoms(atoms, weights), RATIO)
    compound = distributions.CompoundFreePoisson(atoms, weights, RATIO)
    x = np.linspace(0.05, 19.0, 1000)
    low, high = law.edges[0]
    few = np.linspace(low, high, 12)[1:-1]
    exact = references.silverstein_pdf(few, atoms, weights, RATIO)
    for label, options in (("freealg", {}), ("freealg, eta=1e-10", {"eta": 1e-10})):
        # The law of n x n matrices has the same eigenvalues and as many zeros more.
        def density(x: np.ndarray, options: dict[str, float] = options) -> np.ndarray:
            return np.asarray(compound.density(x, **options)) / RATIO

        yield row(
            DENSITY,
            label,
            race(clock(lambda: law.pdf(x)), clock(lambda density=density: density(x)), effort),
            error=np.abs(law.pdf(few) - exact).max(),
            other_error=np.abs(density(few) - exact).max(),
        )
    ends = references.silverstein_edges(atoms, weights, RATIO)

    def edges() -> Any:
        made = rmt.GeneralisedMarchenkoPastur(Population.of_atoms(atoms, weights), RATIO)
        return made.edges

    found = np.ravel(compound.support())
    same = found.size == ends.size
    yield row(
        EDGES,
        "freealg, support()",
        race(clock(edges), clock(compound.support), effort, least=2),
        error=np.abs(np.ravel(edges()) - ends).max(),
        other_error=np.abs(found - ends).max() if same else None,
        note="" if same else f"freealg finds {found.size // 2} bands, there are {ends.size // 2}",
    )


def scikit_rmt(effort: Effort) -> Iterator[Row]:
    """Marchenko-Pastur and Tracy-Widom."""
    with ScikitRmt(scikit_rmt_python(effort.scikit_rmt)) as peer:
        versions = ", ".join(f"{name} {number}" for name, number in peer.versions.items())
        name, options = "MarchenkoPasturDistribution", {"ratio": RATIO}
        ours = rmt.MarchenkoPastur(RATIO)
        few = X[::100]
        for method, what, exact in (
            ("pdf", "density", references.marchenko_pastur_pdf(few, RATIO)),
            ("cdf", "distribution function", references.marchenko_pastur_cdf(few, RATIO)),
        ):
            own = getattr(ours, method)
            yield row(
                f"Marchenko-Pastur {what}, 1000 points",
                "scikit-rmt",
                race(clock(lambda own=own: own(X)), peer.clock(name, options, method, X), effort),
                error=np.abs(own(few) - exact).max(),
                other_error=np.abs(peer.values(name, options, method, few) - exact).max(),
                note=f"scikit-rmt with {versions}" if method == "pdf" else "",
            )
        count = 100_000
        yield row(
            f"{count} Marchenko-Pastur samples",
            "scikit-rmt",
            race(
                clock(lambda: ours.rvs(count, rng=0)),
                peer.clock(name, options, "rvs", count),
                effort,
            ),
            error=distance(ours.rvs(count, rng=0), ours.cdf),
            other_error=distance(peer.values(name, options, "rvs", count), ours.cdf),
        )
        s = np.linspace(-4.0, 2.0, 1000)
        few = np.linspace(-4.0, 2.0, 13)
        for beta in (1, 2):
            law, options = rmt.TracyWidom(beta), {"beta": beta}
            exact = references.tracy_widom_cdf(few, beta)
            theirs = peer.values("TracyWidomDistribution", options, "cdf", few)
            yield row(
                f"Tracy-Widom distribution function, beta = {beta}, {s.size} points",
                "scikit-rmt",
                race(
                    clock(lambda law=law: law.cdf(s)),
                    peer.clock("TracyWidomDistribution", options, "cdf", s),
                    effort,
                ),
                error=np.abs(law.cdf(few) - exact).max(),
                other_error=np.abs(theirs - exact).max(),
            )


def distance(samples: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """Largest distance between the samples' distribution function and the law's."""
    values = cdf(np.sort(samples))
    steps = np.arange(samples.size + 1) / samples.size
    return float(np.maximum(steps[1:] - values, values - steps[:-1]).max())
