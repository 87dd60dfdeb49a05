"""Spectral laws against what one writes first with NumPy and SciPy.

A law is made anew for every repetition, so that its edges are part of the time. *Fixed point*: the
Silverstein equation iterated at ``x + i eta`` with ``eta = 1e-3``, all points at once, until the
steps are below 1e-8. Errors of densities are the largest absolute ones, against mpmath with thirty
digits: closed form, or roots of the polynomial of the Stieltjes transform.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import quad

import rmt
from benchmarks import references
from benchmarks.common import Claim, Effort, Row, clock, race, row
from rmt.spectra import Population

TITLE = "Spectral laws against plain NumPy and SciPy"

RATIO = 0.5
LOW, HIGH = (1 - RATIO**0.5) ** 2, (1 + RATIO**0.5) ** 2
TWO = ([1.0, 8.0], [0.5, 0.5])


def rows(effort: Effort) -> Iterator[Row]:
    """Marchenko-Pastur, then populations of two and of two hundred atoms."""
    yield from marchenko_pastur(effort)
    yield from population(effort)


def marchenko_pastur(effort: Effort) -> Iterator[Row]:
    """Density, distribution function, sampling."""
    points = effort.pick(1000, 40)
    x = np.linspace(LOW, HIGH, points + 2)[1:-1]
    few = x[:: points // 10]

    def formula(x: np.ndarray = x) -> np.ndarray:
        return np.sqrt((HIGH - x) * (x - LOW)) / (2 * np.pi * RATIO * x)

    def ours(x: np.ndarray = x) -> np.ndarray:
        return rmt.MarchenkoPastur(RATIO).pdf(x)

    exact = references.marchenko_pastur_pdf(few, RATIO)
    yield row(
        f"Marchenko-Pastur density, {points} points",
        "the formula in NumPy",
        race(clock(ours), clock(formula), effort),
        error=np.abs(ours(few) - exact).max(),
        other_error=np.abs(formula(few) - exact).max(),
    )

    def integrals(x: np.ndarray = x) -> np.ndarray:
        return np.array([quad(formula, LOW, high)[0] for high in x])

    def cdf(x: np.ndarray = x) -> np.ndarray:
        return rmt.MarchenkoPastur(RATIO).cdf(x)

    exact = references.marchenko_pastur_cdf(few, RATIO)
    yield row(
        f"Marchenko-Pastur distribution function, {points} points",
        "scipy.integrate.quad of the formula",
        race(clock(cdf), clock(integrals), effort),
        error=np.abs(cdf(few) - exact).max(),
        other_error=np.abs(integrals(few) - exact).max(),
    )


def population(effort: Effort) -> Iterator[Row]:
    """Densities, edges and quantiles of sample covariance matrices."""
    atoms, weights = TWO
    law = rmt.GeneralisedMarchenkoPastur(Population.of_atoms(atoms, weights), RATIO)
    (low, high), *_ = law.edges[:1]
    points = effort.pick(1000, 40)
    x = np.linspace(0.05, 19.0, points)
    few = np.linspace(low, high, 12)[1:-1]
    exact = references.silverstein_pdf(few, atoms, weights, RATIO)

    def density(x: np.ndarray = x) -> np.ndarray:
        made = rmt.GeneralisedMarchenkoPastur(Population.of_atoms(atoms, weights), RATIO)
        return made.pdf(x)

    yield row(
        f"density at {points} points, population of 2 atoms",
        "fixed point",
        race(clock(density), clock(lambda: fixed_point(x, atoms, weights)), effort),
        error=np.abs(density(few) - exact).max(),
        other_error=np.abs(fixed_point(few, atoms, weights) - exact).max(),
    )
    yield row(
        f"density at {points} points, population of 2 atoms",
        "roots of the polynomial, numpy.roots",
        race(clock(density), clock(lambda: by_roots(x, atoms, weights)), effort),
        error=np.abs(density(few) - exact).max(),
        other_error=np.abs(by_roots(few, atoms, weights) - exact).max(),
    )
    count = effort.pick(100_000, 1000)
    u = np.random.default_rng(1).random(count)
    q = np.linspace(0.05, 0.95, 10)
    grid = np.linspace(law.lower_edge, law.upper_edge, effort.pick(10_000, 100))

    def table(u: np.ndarray = u) -> np.ndarray:
        cdf = np.cumsum(density(grid))
        return np.interp(u, cdf / cdf[-1], grid)

    def quantiles(u: np.ndarray = u) -> np.ndarray:
        made = rmt.GeneralisedMarchenkoPastur(Population.of_atoms(atoms, weights), RATIO)
        return made.ppf(u)

    yield row(
        f"{count} quantiles, population of 2 atoms",
        f"a table of our density at {grid.size} points, interpolated",
        race(clock(quantiles), clock(table), effort),
        error=np.abs(law.cdf(quantiles(q)) - q).max(),
        other_error=np.abs(law.cdf(table(q)) - q).max(),
        note="errors in probability",
    )
    roots = law.singular_values()
    edges = np.sqrt(grid)
    steps = roots.cdf(edges)
    yield row(
        f"{count} samples, singular values of a population of 2 atoms, law kept",
        f"its distribution function at {grid.size} points, interpolated",
        race(
            clock(lambda: roots.rvs(count, rng=0)),
            clock(lambda: np.interp(np.random.default_rng(0).random(count), steps, edges)),
            effort,
        ),
        error=np.abs(roots.cdf(roots.ppf(u))[: q.size] - u[: q.size]).max(),
        other_error=np.abs(roots.cdf(np.interp(q, steps, edges)) - q).max(),
        claim=Claim("some 5 ms", "docs/spectra.md", 0.01, "seconds"),
        note="errors in probability",
    )
    rng = np.random.default_rng(0)
    size = effort.pick(200, 20)
    many = (rng.uniform(0.2, 10, size), rng.dirichlet(np.ones(size)))
    wide = np.linspace(0.01, 25, points)

    def density_of_many(x: np.ndarray = wide) -> np.ndarray:
        return rmt.GeneralisedMarchenkoPastur(Population.of_atoms(*many), RATIO).pdf(x)

    few = np.linspace(2.0, 10.0, 5)
    exact = density_of_many(few)
    yield row(
        f"density at {points} points, population of {size} atoms",
        "fixed point",
        race(clock(density_of_many), clock(lambda: fixed_point(wide, *many)), effort, least=2),
        other_error=np.abs(fixed_point(few, *many) - exact).max(),
        note="error of the fixed point against our density",
    )


def fixed_point(x: np.ndarray, atoms: object, weights: object, eta: float = 1e-3) -> np.ndarray:
    """``m <- -1/(z - c sum w t/(1 + t m))`` until it stands still; the density of the law."""
    t, w = np.asarray(atoms)[:, None], np.asarray(weights)[:, None]
    z = x + 1j * eta
    m = -1.0 / z
    for _ in range(20_000):
        new = -1.0 / (z - RATIO * np.sum(w * t / (1.0 + t * m), axis=0))
        done = np.abs(new - m).max() < 1e-8
        m = new
        if done:
            break
    return m.imag / np.pi / RATIO


def by_roots(x: np.ndarray, atoms: list[float], weights: list[float]) -> np.ndarray:
    """The largest imaginary part of a root, point by point."""
    (s, t), (v, w) = atoms, weights
    square = np.polymul([s, 1.0], [t, 1.0])
    rest = RATIO * np.array([(v + w) * s * t, v * s + w * t, 0.0])
    found = []
    for z in x:
        polynomial = np.polysub(np.polymul([z, 1.0], square), rest)
        found.append(max(np.roots(polynomial).imag) / np.pi / RATIO)
    return np.array(found)
