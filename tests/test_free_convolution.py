"""Free convolutions against closed forms, Silverstein's equation, free cumulants and matrices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import rmt
from rmt import (
    ConvergenceError,
    DensityLaw,
    DiscreteLaw,
    FreeCompression,
    FreeConvolution,
    GeneralisedMarchenkoPastur,
    InvalidInputError,
    MarchenkoPastur,
    Population,
    Semicircle,
    SpectralLaw,
)
from rmt.spectra.free.operations import Sum

Array = NDArray[np.float64]
# Of the width of a band, from either end.
PLACES = np.array([1e-9, 1e-7, 1e-6, 1e-5, 1e-3, 0.1, 0.3, 0.5, 0.8, 1 - 1e-4, 1 - 1e-6, 1 - 1e-8])
EPS = float(np.finfo(float).eps)


def free_binomial(first: float, second: float) -> tuple[tuple[float, float], Callable]:
    """Of ``p q p`` for free projections of traces ``a``, ``b``: Voiculescu 1987, example 2.8."""
    centre = first + second - 2.0 * first * second
    radius = 2.0 * math.sqrt(first * second * (1.0 - first) * (1.0 - second))
    low, high = centre - radius, centre + radius

    def density(x: Array) -> Array:
        return np.sqrt((x - low) * (high - x)) / (2.0 * math.pi * x * (1.0 - x))

    return (low, high), density


def compressed_bernoulli(ratio: float) -> tuple[tuple[float, float], Callable]:
    """Of a corner of a matrix with as many eigenvalues 1 as -1: of Kesten and McKay."""
    edge = 2.0 * math.sqrt(ratio * (1.0 - ratio))

    def density(x: Array) -> Array:
        return np.sqrt(edge**2 - x**2) / (2.0 * math.pi * ratio * (1.0 - x**2))

    return (-edge, edge), density


def arcsine(x: Array) -> Array:
    return 1.0 / (math.pi * np.sqrt((2.0 - x) * (2.0 + x)))


def halves(share: float) -> DiscreteLaw:
    return DiscreteLaw([0, 1], [1.0 - share, share])


def cases() -> dict[str, tuple[SpectralLaw, tuple[tuple[float, float], ...], Callable]]:
    found = {
        "semicircles": (
            FreeConvolution(Semicircle(1.0, 0.5), Semicircle(3.0, -1.0)),
            Semicircle(4.0, -0.5).edges,
            Semicircle(4.0, -0.5).pdf,
        ),
        "arcsine": (FreeConvolution([-1, 1], [-1, 1]), ((-2.0, 2.0),), arcsine),
        "two Marchenko-Pastur": (
            # Free Poisson laws of rates 1/c and jumps c: rates add up where jumps are equal.
            FreeConvolution(MarchenkoPastur(0.5, 2.0), MarchenkoPastur(0.25, 4.0)),
            MarchenkoPastur(1.0 / 6.0, 6.0).edges,
            MarchenkoPastur(1.0 / 6.0, 6.0).pdf,
        ),
        "compressed Marchenko-Pastur": (
            FreeCompression(MarchenkoPastur(0.5), 0.3),
            MarchenkoPastur(0.15).edges,
            MarchenkoPastur(0.15).pdf,
        ),
    }
    for a, b in ((0.5, 0.8), (0.3, 0.3), (0.9, 0.6), (0.05, 0.4)):
        interval, density = free_binomial(a, b)
        law = FreeConvolution(halves(a), halves(b), "multiplicative")
        found[f"projections {a} {b}"] = (law, (interval,), density)
    for t in (0.5, 0.1, 0.7):
        interval, density = compressed_bernoulli(t)
        found[f"compressed {t}"] = (FreeCompression([-1, 1], t), (interval,), density)
    for c, values, weights in (
        (0.5, [1, 8], [0.5, 0.5]),
        (2.0, [0, 1, 8], [0.2, 0.4, 0.4]),
        (0.05, [0, 1, 2, 4], [0.5, 0.2, 0.2, 0.1]),
        (1.0, [1, 3], [0.9, 0.1]),
    ):
        law = FreeConvolution(MarchenkoPastur(c), DiscreteLaw(values, weights), "multiplicative")
        other = GeneralisedMarchenkoPastur(values, c, weights)
        found[f"Silverstein {c}"] = law, other.edges, other.pdf
    return found


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_edges_within_their_errors(name: str) -> None:
    law, edges, _ = CASES[name]
    assert len(law.edges) == len(edges)
    error = np.abs(np.array(law.edges) - np.array(edges))
    assert (error <= np.array(law.edge_errors) + 2.0 * EPS * np.abs(edges)).all()
    assert error.max() <= 1e-13 * np.abs(edges).max()


@pytest.mark.parametrize("name", CASES)
def test_density_within_its_error(name: str) -> None:
    law, _, density = CASES[name]
    for low, high in law.edges:
        x = low + (high - low) * PLACES
        # What the reference itself loses between its edge and a point next to it.
        nearest = np.minimum(x - low, high - x)
        exact = density(x)
        reference = exact * EPS * (8.0 + 2.0 * max(abs(low), abs(high)) / nearest)
        error = np.abs(law.pdf(x) - exact)
        assert (error <= law.pdf_error(x) + reference).all()
        away = (PLACES >= 1e-6) & (PLACES <= 1.0 - 1e-6)
        assert (law.pdf_error(x) <= 1e-6 * exact)[away].all()
        inner = (PLACES > 1e-4) & (PLACES < 0.9)
        assert (error[inner] <= 1e-11 * exact[inner]).all()


@pytest.mark.parametrize("name", CASES)
def test_mass_and_mean(name: str) -> None:
    law = CASES[name][0]
    assert law.mass_error < 1e-9
    assert law.moment(1) == pytest.approx(law.mean(), rel=1e-9, abs=1e-9)


def test_atoms() -> None:
    law = FreeConvolution(DiscreteLaw([0, 1], [0.7, 0.3]), DiscreteLaw([0, 2], [0.6, 0.4]))
    assert [(a.location, round(a.mass, 12)) for a in law.atoms] == [(0.0, 0.3), (2.0, 0.1)]
    law = FreeConvolution(halves(0.9), halves(0.8), "multiplicative")
    assert [(a.location, round(a.mass, 12)) for a in law.atoms] == [(0.0, 0.2), (1.0, 0.7)]
    law = FreeCompression(DiscreteLaw([-1, 2], [0.2, 0.8]), 0.5)
    assert [(a.location, round(a.mass, 12)) for a in law.atoms] == [(2.0, 0.6)]
    for one in (law, FreeConvolution(DiscreteLaw([0, 1, 2], [0.8, 0.1, 0.1]), [0, 0, 0, 1])):
        assert one.mass_error < 1e-12
    # What is 1 to rounding is no atom.
    assert FreeConvolution(halves(0.5), halves(0.5)).atoms == ()


def test_edges_at_atoms_whose_masses_add_up_to_one() -> None:
    law = FreeConvolution(
        DiscreteLaw([1.5, 2.0, 5.0], [0.4, 0.2, 0.4]),
        DiscreteLaw([1.0, 2.2], [0.6, 0.4]),
        "multiplicative",
    )
    assert 5.0 in [round(low, 12) for low, _ in law.edges]
    assert law.atoms == ()
    assert law.mass_error < 1e-12
    # Inverse square roots there
    near = law.pdf(5.0 + np.array([1e-8, 4e-8]))
    assert near[0] / near[1] == pytest.approx(2.0, rel=1e-6)


def test_a_single_point_shifts_and_scales() -> None:
    law = MarchenkoPastur(4.0)
    moved = FreeConvolution([2.0], law)
    assert moved.edges == ((3.0, 11.0),)
    assert moved.atoms == (rmt.spectra.Atom(2.0, 0.75),)
    assert moved.pdf(5.0) == pytest.approx(float(law.pdf(3.0)), rel=1e-14)
    scaled = FreeConvolution(law, [3.0], "multiplicative")
    assert scaled.mean() == pytest.approx(3.0)
    assert scaled.cdf(6.0) == pytest.approx(float(law.cdf(2.0)), rel=1e-12)
    assert FreeConvolution(law, [0.0], "multiplicative").atoms == (rmt.spectra.Atom(0.0, 1.0),)
    assert FreeCompression([5.0], 0.3).mean() == 5.0
    assert FreeCompression(law, 1.0).edges == law.edges


# Moments by free cumulants


def of_partitions(series: list[float], other: list[float], n: int) -> float:
    """``sum_{s < n} series[s] [z^(n - s)] M(z)^s``: moments and free cumulants of each other."""
    total = 0.0
    for s in range(1, n):
        power = np.array([1.0])
        for _ in range(s):
            power = np.convolve(power, other[: n - s + 1])[: n - s + 1]
        total += series[s] * power[n - s]
    return total


def free_cumulants(moments: list[float]) -> list[float]:
    full, found = [1.0, *moments], [0.0]
    for n in range(1, len(full)):
        found.append(full[n] - of_partitions([*found, 0.0], full, n))
    return found[1:]


def from_cumulants(cumulants: list[float]) -> list[float]:
    moments = [1.0]
    for n in range(1, len(cumulants) + 1):
        moments.append(cumulants[n - 1] + of_partitions([0.0, *cumulants], moments, n))
    return moments[1:]


def random_law(rng: np.random.Generator, positive: bool) -> SpectralLaw:
    kind = rng.integers(0, 4)
    if kind == 0:
        return MarchenkoPastur(float(rng.choice([0.1, 0.5, 2.0, 5.0])))
    if kind == 1 and not positive:
        return Semicircle(float(rng.uniform(0.1, 3.0)), float(rng.normal()))
    count = int(rng.integers(2, 6))
    values = 3.0 * rng.normal(size=count)
    return DiscreteLaw(np.abs(values) if positive else values, rng.dirichlet(np.full(count, 2.0)))


@pytest.mark.parametrize("seed", range(12))
def test_moments_of_random_sums_and_corners(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_law(rng, False), random_law(rng, False)
    ratio = float(rng.uniform(0.05, 0.95))
    a, b = (free_cumulants([law.moment(n) for n in range(1, 6)]) for law in (first, second))
    sums = from_cumulants([x + y for x, y in zip(a, b, strict=True)])
    corners = from_cumulants([x * ratio**n for n, x in enumerate(a)])
    for law, expected in (
        (FreeConvolution(first, second), sums),
        (FreeCompression(first, ratio), corners),
    ):
        size = max(map(abs, law.support()))
        assert law.mass_error < 1e-11
        for n, moment in enumerate(expected, 1):
            assert law.moment(n) == pytest.approx(moment, abs=1e-11 * size**n)


@pytest.mark.parametrize("seed", range(12))
def test_moments_of_random_products(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    first, second = random_law(rng, True), random_law(rng, True)
    law = FreeConvolution(first, second, "multiplicative")
    a, b = ([one.moment(n) for n in range(1, 3)] for one in (first, second))
    expected = [a[0] * b[0], a[1] * b[0] ** 2 + a[0] ** 2 * b[1] - (a[0] * b[0]) ** 2]
    size = law.upper_edge
    assert law.mass_error < 1e-9
    for n, moment in enumerate(expected, 1):
        assert law.moment(n) == pytest.approx(moment, abs=1e-11 * size**n)


# Against matrices, and other laws


def test_matrices() -> None:
    size, rng = 600, np.random.default_rng(0)
    a = np.repeat([-2.0, 0.0, 3.0], [300, 150, 150])
    b = np.repeat([0.5, 4.0], [400, 200])
    u, triangle = np.linalg.qr(rng.normal(size=(size, size)))
    u *= np.sign(np.diag(triangle))
    rotated = (u * b) @ u.T
    sums = np.linalg.eigvalsh(np.diag(a) + rotated)
    root = np.sqrt(np.abs(a))
    products = np.linalg.eigvalsh(root[:, None] * rotated * root)
    corner = np.linalg.eigvalsh(rotated[:240, :240])
    for eigenvalues, law in (
        (sums, FreeConvolution(a, b)),
        (products, FreeConvolution(np.abs(a), b, "multiplicative")),
        (corner, FreeCompression(b, 0.4)),
    ):
        count = eigenvalues.size
        # Eigenvalues of rotated matrices hardly fluctuate: a few counts, next to atoms too.
        away = np.sort(np.concatenate([eigenvalues + 1e-6, eigenvalues - 1e-6]))
        empirical = np.searchsorted(eigenvalues, away) / count
        assert np.abs(law.cdf(away) - empirical).max() < 6.0 / count
        assert eigenvalues[-1] == pytest.approx(law.upper_edge, rel=0.02)


def test_results_are_laws_themselves() -> None:
    # (semicircle [+] Bernoulli) [+] semicircle, in two orders; sqrt(A) B sqrt(A) in two
    bernoulli = DiscreteLaw([-2, 2])
    inner = FreeConvolution(Semicircle(0.5), bernoulli)
    twice, once = FreeConvolution(inner, Semicircle(0.5)), FreeConvolution(bernoulli, Semicircle())
    assert np.array(twice.edges) == pytest.approx(np.array(once.edges), rel=1e-10)
    x = np.linspace(-3.4, 3.4, 9)
    assert twice.pdf(x) == pytest.approx(once.pdf(x), abs=1e-9)
    # (MP x H) [+] semicircle, in two orders
    silverstein = GeneralisedMarchenkoPastur([1, 8], 0.5)
    other_way = FreeConvolution(MarchenkoPastur(0.5), [1, 8], "multiplicative")
    first, second = (FreeConvolution(a, Semicircle(0.1)) for a in (silverstein, other_way))
    assert np.array(first.edges) == pytest.approx(np.array(second.edges), abs=1e-9)
    assert first.mass_error < 1e-10
    law = FreeConvolution(MarchenkoPastur(0.5), Population.of_atoms([1, 8]), "multiplicative")
    other = GeneralisedMarchenkoPastur([1, 8], 0.5)
    assert law.ppf([0.1, 0.4, 0.9]) == pytest.approx(other.ppf([0.1, 0.4, 0.9]), rel=1e-11)
    assert law.rvs(5, rng=1) == pytest.approx(other.rvs(5, rng=1), rel=1e-10)
    singular = law.singular_values().pdf(2.0)
    assert singular == pytest.approx(float(other.singular_values().pdf(2.0)), rel=1e-11)


@pytest.mark.parametrize("z", [-1.0, 2.0, 25.0, 1 + 1e-3j, 5 - 2j, 300.0])
def test_stieltjes_transform(z: complex) -> None:
    law = FreeConvolution(MarchenkoPastur(0.5), [1, 8], "multiplicative")
    other = GeneralisedMarchenkoPastur([1, 8], 0.5)
    assert complex(law.stieltjes(z)) == pytest.approx(complex(other.stieltjes(z)), rel=1e-11)
    slope, expected = law.stieltjes_derivative(z), other.stieltjes_derivative(z)
    assert complex(slope) == pytest.approx(complex(expected), rel=1e-10)


def test_laws_that_are_quadratures() -> None:
    given = DensityLaw(Semicircle(2.0).pdf, Semicircle(2.0).edges)
    law, exact = FreeConvolution(given, Semicircle(0.01)), Semicircle(2.01)
    assert np.array(law.edges) == pytest.approx(np.array(exact.edges), rel=1e-9)
    x = np.linspace(-2.8, 2.8, 11)
    assert law.pdf(x) == pytest.approx(exact.pdf(x), rel=1e-9)


# What is refused, and limits


def test_refusals() -> None:
    with pytest.raises(InvalidInputError, match="kind must be one of additive"):
        FreeConvolution([0, 1], [0, 1], "product")
    with pytest.raises(InvalidInputError, match="second: a product needs laws on the non-neg"):
        FreeConvolution([0, 1], [-1, 1], "multiplicative")
    with pytest.raises(InvalidInputError, match=r"ratio: expected a number in \(0, 1\]"):
        FreeCompression([0, 1], 1.5)
    with pytest.raises(InvalidInputError, match="values must be finite"):
        FreeConvolution([0, math.nan], [0, 1])


def test_what_is_not_solved_raises_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    law = FreeConvolution(Semicircle(), [0, 1])
    assert (law.pdf([0.5, 1.5]) > 0).all()
    solve = Sum.solve

    def fails_beyond_one(self: Sum, x: Array, start: Array | None = None) -> object:
        solved = solve(self, x, start)
        solved.found[x.real > 1.0] = False
        return solved

    monkeypatch.setattr(Sum, "solve", fails_beyond_one)
    with pytest.raises(ConvergenceError, match="was not solved at 1 of 2 points") as caught:
        law.pdf([0.5, 1.5])
    assert caught.value.best[0] > 0
    assert np.isnan(caught.value.best[1])
