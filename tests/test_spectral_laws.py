"""Spectral laws against mpmath, exact moments, each other, and simulated matrices."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from scipy import stats

from rmt.functions import ScalarFunction
from rmt.spectra import (
    ConjugateKernel,
    GeneralisedMarchenkoPastur,
    MarchenkoPastur,
    MarchenkoPasturBulk,
    Population,
    SpectralLaw,
)
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, density
from rmt.spectra.laws.quantiles import QuantileTable
from rmt.spectra.pencil_outliers import upper_edge
from rmt.status import InvalidInputError

Array = NDArray[np.float64]
mp = mpmath.mp.clone()
mp.dps = 40

RATIOS = (0.1, 0.5, 1.0, 2.0, 10.0)


# An independent implementation in 40 digits


class InDigits:
    """The Silverstein equation in mpmath: by polynomial roots in the companion transform ``v``."""

    def __init__(self, values: list[Any], weights: list[Any], ratio: Any) -> None:
        self.t = [mp.mpf(t) for t in values]
        self.w = [mp.mpf(w) for w in weights]
        self.c = mp.mpf(ratio)

    def z(self, v: Any) -> Any:
        terms = (w * t / (1 + t * v) for t, w in zip(self.t, self.w, strict=True))
        return -1 / v + self.c * mp.fsum(terms)

    def slope(self, v: Any) -> Any:
        terms = (w * t**2 / (1 + t * v) ** 2 for t, w in zip(self.t, self.w, strict=True))
        return 1 / v**2 - self.c * mp.fsum(terms)

    def _product(self, skip: tuple[int, ...] = ()) -> list[Any]:
        """Ascending coefficients of ``prod_j (1 + t_j v)``, some factors left out."""
        p = [mp.mpf(1)]
        for j, t in enumerate(self.t):
            if j not in skip:
                p = [a + t * b for a, b in zip([*p, mp.mpf(0)], [mp.mpf(0), *p], strict=True)]
        return p

    def edges(self) -> list[Any]:
        """Real roots of ``z'(v)``, a polynomial of degree 2 K after clearing denominators."""
        p = self._product()
        total = self._convolve(p, p)
        for j, (t, w) in enumerate(zip(self.t, self.w, strict=True)):
            q = self._product((j,))
            square = [mp.mpf(0), mp.mpf(0), *self._convolve(q, q)]
            total = self._add(total, [-self.c * w * t**2 * a for a in square])
        while total and abs(total[-1]) < mp.mpf(10) ** -30:
            total.pop()
        roots = mp.polyroots(total[::-1], maxsteps=500, extraprec=400)
        real = [r.real for r in map(mp.mpc, roots) if abs(r.imag) < mp.mpf(10) ** -25]
        return sorted(self.z(v) for v in real)

    def density(self, x: Any) -> Any:
        """From the roots of ``x - z(v)`` that are not real."""
        x = mp.mpf(x)
        p = self._product()
        # (x + 1/v) P - c sum w t P_j, times v
        total = self._add([mp.mpf(0), *(x * a for a in p)], p)
        for j, (t, w) in enumerate(zip(self.t, self.w, strict=True)):
            q = self._product((j,))
            total = self._add(total, [mp.mpf(0), *(-self.c * w * t * a for a in q)])
        roots = mp.polyroots(total[::-1], maxsteps=500, extraprec=400)
        return max(mp.mpc(r).imag for r in roots) / (mp.pi * self.c)

    @staticmethod
    def _convolve(a: list[Any], b: list[Any]) -> list[Any]:
        result = [mp.mpf(0)] * (len(a) + len(b) - 1)
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                result[i + j] += x * y
        return result

    @staticmethod
    def _add(a: list[Any], b: list[Any]) -> list[Any]:
        pairs = itertools.zip_longest(a, b, fillvalue=mp.mpf(0))
        return [x + y for x, y in pairs]


def exact_moments(values: Array, weights: Array, ratio: float, order: int) -> list[float]:
    """Moments of a free compound Poisson law: its free cumulants are ``c int t^k dH``."""
    cumulants = [0.0, *(ratio * float(weights @ values**k) for k in range(1, order + 1))]
    moments = [1.0]
    for n in range(1, order + 1):
        total = 0.0
        for s in range(1, n + 1):
            product = np.array([1.0])
            for _ in range(s):
                product = np.convolve(product, moments[: n - s + 1])[: n - s + 1]
            total += cumulants[s] * product[n - s]
        moments.append(total)
    return [m / ratio for m in moments[1:]]


TWO = InDigits([1, 8], ["0.5", "0.5"], "0.5")
THREE = InDigits([mp.mpf("0.25"), 1, 8], [mp.mpf("0.25"), mp.mpf("0.5"), mp.mpf("0.25")], "0.125")


def law_of(reference: InDigits) -> GeneralisedMarchenkoPastur:
    atoms = Population.of_atoms([float(t) for t in reference.t], [float(w) for w in reference.w])
    return GeneralisedMarchenkoPastur(atoms, float(reference.c))


# Accuracy bars


def test_edges_of_the_known_case() -> None:
    edges = np.ravel(law_of(TWO).edges)
    assert edges == pytest.approx([0.1282376, 1.7648919, 2.3341475, 18.2727230], abs=5e-8)


@pytest.mark.parametrize("reference", [TWO, THREE], ids=["two", "three"])
def test_edges_against_forty_digits(reference: InDigits) -> None:
    expected = reference.edges()
    edges = np.ravel(law_of(reference).edges)
    assert len(expected) == edges.size
    for edge, exact in zip(edges, expected, strict=True):
        assert abs(mp.mpf(float(edge)) - exact) <= mp.mpf("1e-13") * exact


@pytest.mark.parametrize("reference", [TWO, THREE], ids=["two", "three"])
def test_density_in_the_bulk(reference: InDigits) -> None:
    law = law_of(reference)
    for low, high in law.edges:
        x = low + (high - low) * np.array([0.01, 0.1, 0.35, 0.5, 0.7, 0.95])
        exact = np.array([float(reference.density(float(point))) for point in x])
        assert np.abs(law.pdf(x) - exact).max() < 1e-12


@pytest.mark.parametrize("reference", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("share", [1e-4, 1e-8])
def test_density_next_to_edges(reference: InDigits, share: float) -> None:
    """At a share of the interval's width from either end, relative."""
    law = law_of(reference)
    for low, high in law.edges:
        for x in (low + share * (high - low), high - share * (high - low)):
            exact = reference.density(x)
            assert abs(mp.mpf(float(law.pdf(x))) - exact) <= mp.mpf("1e-8") * exact


@pytest.mark.parametrize("reference", [TWO, THREE], ids=["two", "three"])
def test_error_bound_of_the_density(reference: InDigits) -> None:
    """It covers the error from the bulk to next to the edge, and is small in the bulk."""
    law = law_of(reference)
    for low, high in law.edges:
        width = high - low
        for share in (1e-10, 1e-8, 1e-5, 0.01, 0.3, 0.5):
            for x in (low + share * width, high - share * width):
                exact = reference.density(float(x))
                error, bound = abs(mp.mpf(float(law.pdf(x))) - exact), float(law.pdf_error(x))
                assert error <= bound
                assert share < 0.01 or bound < 1e-13


def atoms(kind: str, count: int, seed: int) -> Population:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(count))
    if kind == "random":
        values = rng.uniform(0.2, 10, count)
    elif kind == "logarithmic":
        values = np.logspace(-1, 2, count)
    elif kind == "merging":
        near = 1.0 + 1e-3 * rng.random(count // 2)
        values = np.concatenate([near, 5.0 + 1e-6 * rng.random(count - count // 2)])
    else:  # some mass at zero
        values = np.append(0.0, rng.uniform(0.5, 4, count - 1))
    return Population.of_atoms(values, weights)


@pytest.mark.parametrize("kind", ["random", "logarithmic", "merging", "with zero"])
@pytest.mark.parametrize("count", [3, 8, 10, 20, 60, 200])
def test_mass_and_six_moments(kind: str, count: int) -> None:
    for ratio in RATIOS:
        population = atoms(kind, count, count)
        law = GeneralisedMarchenkoPastur(population, ratio)
        assert law.mass_error < 1e-10
        exact = exact_moments(population.values, population.weights, ratio, 6)
        moments = [law.moment(k) for k in range(1, 7)]
        assert moments == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("kind", ["random", "logarithmic", "merging", "with zero"])
def test_every_gap_is_found(kind: str) -> None:
    """In 40 digits: each edge is one, and none is missing."""
    population = atoms(kind, 6, 1)
    for ratio in (0.02, 0.1, 0.5, 2.0):
        law = GeneralisedMarchenkoPastur(population, ratio)
        positive = population.values > 0
        reference = InDigits(
            population.values[positive].tolist(), population.weights[positive].tolist(), ratio
        )
        expected = [float(edge) for edge in reference.edges()]
        assert np.ravel(law.edges) == pytest.approx(expected, rel=1e-11)


# Distribution function, quantiles, samples


LAWS: dict[str, SpectralLaw] = {
    "two atoms": law_of(TWO),
    "three atoms": law_of(THREE),
    "wide": GeneralisedMarchenkoPastur([1.0, 8.0], 5.0),
    "hard edge": GeneralisedMarchenkoPastur([1.0, 3.0], 1.0),
    "Marchenko-Pastur": MarchenkoPastur(0.3, 2.0),
    "Marchenko-Pastur, atom": MarchenkoPastur(4.0),
    "Marchenko-Pastur, hard edge": MarchenkoPastur(1.0),
    "singular values": law_of(TWO).singular_values(),
    "kernel": ConjugateKernel("relu(z)", (0.5, 0.25)),
    "bands that nearly touch": GeneralisedMarchenkoPastur([1.0, 3.4], 0.5),
    "zero in the population": GeneralisedMarchenkoPastur(
        Population.of_atoms([0, 2], [0.25, 0.75]), 0.5
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_quantiles_invert(name: str) -> None:
    law = LAWS[name]
    u = np.random.default_rng(1).random(4000)
    at_zero = sum(atom.mass for atom in law.atoms)
    back = law.cdf(law.ppf(u))
    free = u > at_zero
    assert np.abs(back[free] - u[free]).max() < 1e-10
    assert (law.ppf(u[~free]) == 0).all()
    assert back[~free] == pytest.approx(np.full((~free).sum(), at_zero), abs=1e-12)


def off_by(law: MarchenkoPastur, x: float, q: float) -> Any:
    """Newton's step in 40 digits from ``x`` to the quantile, for a density that is not small."""
    c, x = mp.mpf(law.ratio), mp.mpf(x) / law.variance
    low, high = (1 - mp.sqrt(c)) ** 2, (1 + mp.sqrt(c)) ** 2
    middle, radius = (low + high) / 2, (high - low) / 2

    def density(angle: Any) -> Any:  # in the angle, times ``2 pi c``
        return (radius * mp.sin(angle)) ** 2 / (low + 2 * radius * mp.sin(angle / 2) ** 2)

    angle = mp.acos((middle - x) / radius)
    # Most of it may be next to an angle of zero.
    points = [mp.mpf(0), *(angle * mp.mpf(10) ** k for k in range(-6, 1))]
    value = mp.quad(density, points) / (2 * mp.pi * c) + max(0, 1 - 1 / c)
    slope = mp.sqrt((high - x) * (x - low)) / (2 * mp.pi * c * x)
    return law.variance * (value - mp.mpf(q)) / slope


@pytest.mark.parametrize("ratio", [0.01, 0.5, 0.999, 1.0, 3.0])
@pytest.mark.parametrize("many", [False, True])
def test_errors_of_quantiles_are_bounded_and_small(ratio: float, many: bool) -> None:
    """Solved one by one, and from the table."""
    law = MarchenkoPastur(ratio, 2.0)
    least = max(0.0, 1.0 - 1.0 / ratio)
    q = least + (1 - least) * np.array([1e-6, 1e-3, 0.09, 0.25, 0.49999, 0.5, 0.7, 0.97, 1 - 1e-7])
    filling = np.linspace(0, 1, 20_000 if many else 0)
    x = law.ppf(np.concatenate([q, filling]))[: q.size]
    bound = law.ppf_error(q)
    errors = np.array([float(abs(off_by(law, *pair))) for pair in zip(x, q, strict=True)])
    assert np.all(errors <= bound)
    assert law.mass_error < 1e-14
    # No more than what a distribution function with that error leaves open.
    assert np.all(bound <= 4e-14 * law.upper_edge + 2 * (law.mass_error + 1e-15) / law.pdf(x))


@pytest.mark.parametrize("name", LAWS)
def test_many_quantiles_are_those_of_a_few(name: str) -> None:
    law = LAWS[name]
    q = np.random.default_rng(2).random(30_000)
    q[:3] = 0.0, 1.0, math.nan
    found = law.ppf(q)
    alone = np.concatenate([law.ppf(part) for part in np.array_split(q, 10)])
    ok = ~np.isnan(q)
    assert np.all(np.abs(found - alone)[ok] <= law.ppf_error(q)[ok])
    assert np.isnan(found[2])
    assert found[:2].tolist() == [law.lower_edge, law.upper_edge]
    ends = np.sort(q[ok])
    ordered = law.ppf(ends)
    assert np.all(np.diff(ordered) >= -law.ppf_error(ends)[1:])
    assert (law.rvs(30_000, rng=3) == law.ppf(np.random.default_rng(3).random(30_000))).all()


def test_a_table_of_quantiles_asks_the_solver_where_it_is_not_good_enough() -> None:
    """Smooth on the first interval but for a kink, a square-root edge on the second."""
    asked = []

    def solve(mass: Array) -> Array:
        asked.append(mass.size)
        first = np.where(mass < 0.11, mass, 0.11 + 2 * (mass - 0.11))
        return np.where(mass <= 0.4, first, 2 + np.maximum(mass - 0.4, 0) ** (2 / 3))

    ends = np.array([0.0, 2.0]), np.array([0.69, 2 + 0.6 ** (2 / 3)])
    table = QuantileTable(solve, *ends, np.array([0.4, 0.6]))
    mass = np.random.default_rng(4).random(50_000)
    asked.clear()
    found = table(mass)
    few = sum(asked)
    assert np.abs(found - solve(mass)).max() < 2e-14
    # One cell is left to the solver, 1/32 of the octave from a quarter to a half.
    assert 0 < few < 0.4 / 128 * 50_000 * 1.3


@pytest.mark.parametrize("name", LAWS)
def test_distribution_function_is_the_integral_of_the_density(name: str) -> None:
    law = LAWS[name]
    for low, high in law.edges:
        # Gauss-Legendre in the angle of the interval.
        x, w = np.polynomial.legendre.leggauss(400)
        angle = (x + 1) * np.pi / 2
        points = low + (high - low) * np.sin(angle / 2) ** 2
        mass = np.sum(law.pdf(points) * (high - low) * np.sin(angle) * w * np.pi / 4)
        below = float(law.cdf(np.nextafter(low, -np.inf)))
        start = below if low > 0 or not law.atoms else law.atoms[0].mass
        assert mass == pytest.approx(float(law.cdf(high)) - start, abs=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_samples(name: str) -> None:
    """They follow the law, none lies in a gap, and the seed decides them."""
    law = LAWS[name]
    draws = law.rvs(4000, rng=3)
    assert (draws == law.rvs(4000, rng=np.random.default_rng(3))).all()
    in_support = np.isin(draws, [atom.location for atom in law.atoms])
    for low, high in law.edges:
        in_support |= (draws >= low) & (draws <= high)
    assert in_support.all()
    continuous = draws[draws > 0]
    mass = 1.0 - sum(atom.mass for atom in law.atoms)
    share = (law.cdf(continuous) - (1.0 - mass)) / mass
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert abs(continuous.size / draws.size - mass) < 5 * math.sqrt(mass * (1 - mass) / 4000) + 1e-9


def test_moments_of_singular_values_are_those_of_roots() -> None:
    law = MarchenkoPastur(0.5)
    assert law.singular_values().moment(2) == pytest.approx(1.0, abs=1e-13)
    assert law.singular_values().moment(4) == pytest.approx(law.moment(2), abs=1e-13)
    bulk, s = MarchenkoPasturBulk(0.5), np.linspace(0.2, 1.8, 33)
    np.testing.assert_allclose(law.singular_values().pdf(s), bulk.pdf(s), atol=1e-13)
    np.testing.assert_allclose(law.singular_values().cdf(s), bulk.cdf(s), atol=1e-13)


# Routes agree


@pytest.mark.parametrize("ratio", RATIOS)
def test_one_atom_is_marchenko_pastur(ratio: float) -> None:
    closed, general = MarchenkoPastur(ratio, 1.7), GeneralisedMarchenkoPastur([1.7], ratio)
    x = np.linspace(0.01, 30, 300)
    z = np.array([-1, 50, 3 + 1j, 1e-3 + 1e-6j, 5 - 2j, 1e4])
    assert np.ravel(general.edges) == pytest.approx(np.ravel(closed.edges), rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(general.pdf(x), closed.pdf(x), atol=1e-12)
    np.testing.assert_allclose(general.cdf(x), closed.cdf(x), atol=1e-12)
    np.testing.assert_allclose(general.stieltjes(z), closed.stieltjes(z), rtol=1e-11)
    companion = closed.companion_stieltjes(z)
    np.testing.assert_allclose(general.companion_stieltjes(z), companion, rtol=1e-11)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[1, 3], [1, 8], [1, 2, 30], np.linspace(1, 2, 40)])
def test_density_at_an_edge_is_zero(values: Any) -> None:
    law = GeneralisedMarchenkoPastur(values, 0.5)
    edges = np.ravel(law.edges)
    assert law.pdf(edges).tolist() == [0.0] * edges.size
    inside = np.nextafter(edges, np.mean(law.edges, axis=1).repeat(2))
    density = law.pdf(inside)
    assert np.all((density > 0) & (density < 1e-6))


@given(st.floats(-30, 30), st.floats(1e-6, 10))
def test_silverstein_equation_is_solved(x: float, y: float) -> None:
    law, z = LAWS["two atoms"], complex(x, y)
    v = complex(law.companion_stieltjes(z))  # type: ignore[attr-defined]
    assert v.imag > 0
    right = -1 / v + 0.5 * sum(0.5 * t / (1 + t * v) for t in (1, 8))
    assert right == pytest.approx(z, rel=1e-9)
    m = complex(law.stieltjes(z))
    assert v == pytest.approx(0.5 * m - 0.5 / z, rel=1e-9)


def test_stieltjes_transform_is_the_integral() -> None:
    for name in ("two atoms", "wide", "hard edge", "kernel"):
        law = LAWS[name]
        for z in (-2.0 + 0j, 90.0 + 3j, 1.0 + 20j):
            expected = law.expect(lambda x, z=z: (1 / (x - z)).real) + 1j * law.expect(
                lambda x, z=z: (1 / (x - z)).imag
            )
            assert complex(law.stieltjes(z)) == pytest.approx(expected, rel=1e-9)


def test_density_is_the_limit_of_the_transform() -> None:
    law, x = LAWS["three atoms"], 1.1
    assert float(law.stieltjes(x + 1e-9j).imag) / math.pi == pytest.approx(
        float(law.pdf(x)), rel=1e-6
    )


@pytest.mark.parametrize("ratios", [(1.0, 0.5), (0.5, 0.25), (2.0, 1.5)])
@pytest.mark.parametrize("text", ["tanh(z)", "relu(z)"])
def test_conjugate_kernel_is_a_pencil(text: str, ratios: tuple[float, float]) -> None:
    law = ConjugateKernel(text, ratios)
    sizes = {"n": 1.0, "d": 1.0 / ratios[0], "N": 1.0 / ratios[1]}
    kernel = Pencil(
        [
            IndexType("n", sizes["n"], ["u"]),
            IndexType("d", sizes["d"], ["q", "l"]),
            IndexType("N", sizes["N"], ["r"]),
        ],
        [
            GaussianField([Term("r", "q")], reference="d", variance=law.linear**2),
            GaussianField([Term("r", "u")], reference="N", variance=law.nonlinear**2),
            GaussianField([Term("l", "u", -1.0)], reference="N"),
        ],
        {("r", "r"): -1.0, ("l", "q"): 1.0},
        {("u", "u"): -1.0},
    )
    low, high = law.edges[0]
    x = low + (high - low) * np.linspace(0.05, 0.95, 25)
    found = density(kernel, "u", x)
    np.testing.assert_allclose(found.value, law.pdf(x), rtol=1e-10)
    assert upper_edge(kernel, "u") == pytest.approx(law.upper_edge, rel=1e-7)


# Populations


def test_continuous_populations() -> None:
    """Uniform: its moments; a law as population: that of the product of two Wishart matrices."""
    uniform = GeneralisedMarchenkoPastur(Population.uniform([(1, 2), (4, 5)], [0.25, 0.75]), 0.3)
    nodes = uniform.population
    assert nodes.moment(1) == pytest.approx(0.25 * 1.5 + 0.75 * 4.5, rel=1e-12)
    assert [uniform.moment(k) for k in range(1, 5)] == pytest.approx(
        exact_moments(nodes.values, nodes.weights, 0.3, 4), rel=1e-10
    )
    product = GeneralisedMarchenkoPastur(MarchenkoPastur(0.5), 0.25)
    # E[t] = 1, E[t^2] = 1.5: m_2 = E[t^2] + c E[t]^2.
    assert product.moment(2) == pytest.approx(1.75, rel=1e-11)


def test_population_of_a_covariance_matrix() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    sigma = root @ root.T
    law = GeneralisedMarchenkoPastur(Population.of_covariance(sigma), 0.4)
    same = GeneralisedMarchenkoPastur(np.linalg.eigvalsh(sigma), 0.4)
    np.testing.assert_allclose(np.ravel(law.edges), np.ravel(same.edges), rtol=1e-12)


def test_semicircle_limit() -> None:
    """Ratio to 0: (S - 1)/sqrt(c) tends to the semicircle law, at the rate sqrt(c)."""
    gaps = []
    for c in (1e-4, 1e-6):
        law = GeneralisedMarchenkoPastur([1.0], c)
        y = np.linspace(-1.9, 1.9, 41)
        scaled = law.pdf(1 + math.sqrt(c) * y) * math.sqrt(c)
        gaps.append(np.abs(scaled - np.sqrt(4 - y**2) / (2 * math.pi)).max())
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.1)


# Simulated matrices


def distance(law: SpectralLaw, eigenvalues: Array) -> float:
    """Kolmogorov-Smirnov distance."""
    x = np.sort(eigenvalues)
    n = x.size
    share = law.cdf(x)
    return float(np.maximum(share - np.arange(n) / n, np.arange(1, n + 1) / n - share).max())


def test_sample_covariance() -> None:
    rng = np.random.default_rng(5)
    p, n = 400, 800
    x = rng.standard_normal((n, p)) * np.sqrt(np.repeat([1.0, 8.0], p // 2))
    assert distance(LAWS["two atoms"], np.linalg.eigvalsh(x.T @ x / n)) < 0.01


def features(text: str, n: int, d: int, width: int) -> Array:
    rng = np.random.default_rng(7)
    x, w = rng.standard_normal((n, d)), rng.standard_normal((width, d)) / math.sqrt(d)
    sigma = ScalarFunction.parse(text)
    z = np.linspace(-9, 9, 4001)
    mean = float(np.sum(sigma(z) * np.exp(-(z**2) / 2)) / np.sum(np.exp(-(z**2) / 2)))
    return np.asarray(sigma(x @ w.T) - mean)


@pytest.mark.parametrize("text", ["relu(z)", "tanh(z)", "erf(z)", "He2(z) + He3(z)"])
@pytest.mark.parametrize("n", [500, pytest.param(2000, marks=pytest.mark.slow)])
def test_conjugate_kernel_of_simulated_features(text: str, n: int) -> None:
    f = features(text, n, 2 * n, 2 * n)
    law = ConjugateKernel(text, (0.5, 0.5))
    limit = 0.01 if n == 2000 else 0.03
    if text.startswith("He"):
        # Cubes of Gaussians: 1/d corrections are larger; the distance is 0.032 at 500, 0.0107 at
        # 2000, so it falls about as n^(-0.8).
        limit *= 1.2
    assert distance(law, np.linalg.eigvalsh(f @ f.T / f.shape[1])) < limit


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GeneralisedMarchenkoPastur([1, -2], 0.5), "not negative"),
        (lambda: GeneralisedMarchenkoPastur([1, math.nan], 0.5), "finite"),
        (lambda: GeneralisedMarchenkoPastur([], 0.5), "at least one"),
        (lambda: GeneralisedMarchenkoPastur([1.0], 0.0), "ratio"),
        (lambda: GeneralisedMarchenkoPastur(np.eye(2), 0.5), "of_covariance"),
        (lambda: Population.of_atoms([1, 2], [0.5, 0.6]), "add up to 1"),
        (lambda: Population.of_atoms([1, 2], [1.0]), "one for each"),
        (lambda: Population.of_atoms([1, 2], [1.5, -0.5]), "not negative"),
        (lambda: Population.of_covariance([[1, 2], [0, 1]]), "not symmetric"),
        (lambda: Population.of_covariance([[1, 2], [2, 1]]), "negative eigenvalue"),
        (lambda: Population.uniform([(2, 1)]), "a < b"),
        (lambda: Population.of_density(lambda t: t, [(0, 1)]), "integrate to 1"),
        (lambda: MarchenkoPastur(-1), "^ratio must"),
        (lambda: MarchenkoPastur(1, variance=0), "variance"),
        (lambda: ConjugateKernel("tanh(z)", 0.5), "pair"),  # type: ignore[arg-type]
        (lambda: ConjugateKernel("3", (1, 1)), "constant"),
        (lambda: MarchenkoPastur(1).moment(-1), "whole number"),
        (lambda: LAWS["two atoms"].stieltjes(1.0), "in the support"),
        (lambda: LAWS["wide"].stieltjes(0.0), "in the support"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_edge_cases_follow_scipy() -> None:
    law = LAWS["wide"]
    assert np.isnan(law.ppf([-0.1, 1.1, math.nan])).all()
    assert np.isnan(law.cdf(math.nan))
    assert np.isnan(law.pdf(math.nan))
    assert law.cdf([-1.0, -1e-300, 0.0, 1e9]) == pytest.approx([0, 0, 0.8, 1])
    assert law.ppf(1.0) == pytest.approx(law.upper_edge, rel=1e-12)
    assert law.ppf(0.0) == law.lower_edge == 0.0
    assert law.pdf([[1.0], [2.0]]).shape == (2, 1)
    assert isinstance(law.rvs(rng=1), float)
    assert law.sf(3.0) == pytest.approx(1 - float(law.cdf(3.0)))
