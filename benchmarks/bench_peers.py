"""Packages for the same laws: freealg, rmtool, jrmt, and scikit-rmt in an environment of its own.

Each with the settings that it comes with, and freealg also with a small imaginary part where the
default one limits its error. Laws are made once and kept, ours as well, where a row does not say
that they are made anew. rmtool makes the polynomial of the Stieltjes transform with sympy, and
takes its roots at every point. jrmt draws matrices, with JAX in double precision on one thread:
samples of a law are their eigenvalues. scikit-rmt times itself in its own process, reading by
reading in turn with ours. Errors are the largest absolute ones, against mpmath with thirty digits
or Fredholm determinants; of samples, the Kolmogorov distance from the law, which is 0.003 for
100000 perfect ones that are independent, and less for eigenvalues, which repel each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np

import rmt
from benchmarks import references
from benchmarks.bench_spectra import HIGH, LOW, RATIO, TWO
from benchmarks.common import Effort, Row, clock, race, row
from benchmarks.peers import PeerMissing, ScikitRmt, imported, jrmt, scikit_rmt_python
from rmt.spectra import Population

TITLE = "Packages for the same laws"

X = np.linspace(LOW, HIGH, 1002)[1:-1]
EDGES = "edges, population of 2 atoms"
DENSITY = "density at 1000 points, population of 2 atoms"


def rows(effort: Effort) -> Iterator[Row]:
    """All peers, or why there is none."""
    for name, measure in (
        ("freealg", freealg),
        ("rmtool", rmtool),
        ("jrmt", matrices),
        ("scikit-rmt", scikit_rmt),
    ):
        try:
            yield from measure(effort)
        except PeerMissing as missing:
            yield Row(what="all of its rows", baseline=name, note=str(missing))


def freealg(effort: Effort) -> Iterator[Row]:
    """Marchenko-Pastur, and a population of two atoms as a compound free Poisson law."""
    distributions = imported("freealg.distributions")
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
    many = 100_000
    yield row(
        f"{many} Marchenko-Pastur samples",
        "freealg, method='mc'",
        race(
            clock(lambda: ours.rvs(many, rng=0)),
            clock(lambda: peer.sample(many, method="mc", seed=0)),
            effort,
        ),
        error=distance(ours.rvs(many, rng=0), ours.cdf),
        other_error=distance(peer.sample(many, method="mc", seed=0), ours.cdf),
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


def rmtool(effort: Effort) -> Iterator[Row]:
    """A population of two atoms, whose polynomial is of degree three."""
    peer = imported("rmtool")

    def polynomial() -> Any:
        return peer.AtimesWish(peer.atomLmz(*TWO), RATIO)

    def law() -> rmt.GeneralisedMarchenkoPastur:
        return rmt.GeneralisedMarchenkoPastur(Population.of_atoms(*TWO), RATIO)

    def density(x: np.ndarray, made: Any) -> np.ndarray:
        return np.nan_to_num(peer.Lmz2pdf(made, x).density)  # not a number outside of the bulk

    ours, made, x = law(), polynomial(), np.linspace(0.05, 19.0, 1000)
    low, high = ours.edges[0]
    few = np.linspace(low, high, 12)[1:-1]
    exact = references.silverstein_pdf(few, *TWO, RATIO)
    errors = {
        "error": np.abs(ours.pdf(few) - exact).max(),
        "other_error": np.abs(density(few, made) - exact).max(),
    }
    yield row(
        DENSITY,
        "rmtool",
        race(clock(lambda: ours.pdf(x)), clock(lambda: density(x, made)), effort),
        **errors,
        note=f"largest difference {np.abs(ours.pdf(x) - density(x, made)).max():.0e}",
    )
    yield row(
        f"{DENSITY}, law made anew",
        "rmtool, polynomial made anew",
        race(clock(lambda: law().pdf(x)), clock(lambda: density(x, polynomial())), effort),
        **errors,
    )


def matrices(effort: Effort) -> Iterator[Row]:
    """Eigenvalues of Wishart matrices, and the matrices themselves."""
    jax, peer = jrmt()
    size = effort.pick(1000, 50)
    columns = round(size / RATIO)
    keys = map(jax.random.key, count())
    law, rng = rmt.MarchenkoPastur(RATIO), np.random.default_rng(0)

    def draw() -> np.ndarray:
        return np.asarray(peer.random_wre(next(keys), size, columns**-0.5, columns))

    def plain() -> np.ndarray:
        factor = rng.standard_normal((size, columns)) * columns**-0.5
        return factor @ factor.T

    def eigenvalues() -> np.ndarray:
        return np.linalg.eigvalsh(draw())

    yield row(
        f"{size} Marchenko-Pastur samples",
        "jrmt, eigenvalues of one matrix",
        race(clock(lambda: law.rvs(size, rng=rng)), clock(eigenvalues), effort),
        error=distance(law.rvs(size, rng=rng), law.cdf),
        other_error=distance(eigenvalues(), law.cdf),
    )
    yield row(
        f"a Wishart matrix, {size} x {size}, of {columns} columns, by plain NumPy",
        "jrmt",
        race(clock(plain), clock(draw), effort),
        error=distance(np.linalg.eigvalsh(plain()), law.cdf),
        other_error=distance(eigenvalues(), law.cdf),
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
        many = 100_000
        yield row(
            f"{many} Marchenko-Pastur samples",
            "scikit-rmt",
            race(
                clock(lambda: ours.rvs(many, rng=0)),
                peer.clock(name, options, "rvs", many),
                effort,
            ),
            error=distance(ours.rvs(many, rng=0), ours.cdf),
            other_error=distance(peer.values(name, options, "rvs", many), ours.cdf),
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
