"""The law of a pencil's slot, against closed forms, Silverstein's equation and counted masses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rmt.problem import Problem, Step
from rmt.spectra import Atom, GeneralisedMarchenkoPastur, MarchenkoPasturBulk, Population
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, solve
from rmt.spectra.pencil.law import PencilLaw
from rmt.spectra.pencil_outliers import upper_edge
from rmt.spikes.deformed.bulk import deformed_bulk
from rmt.status import ConvergenceError, InvalidInputError

Array = NDArray[np.float64]


def rows_of_sizes(gamma: float, rows: Any = (1.0,), weights: Any = None) -> Pencil:
    """``D W_0``: the rows of an ``N x d`` matrix multiplied by lengths."""
    types = [IndexType("N", gamma, ["r"], rows, weights), IndexType("d", 1.0, ["u"])]
    fields = [GaussianField(Term("r", "u", np.asarray(rows)), reference="d")]
    return Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})


def two_layers(width: float, dim: float, samples: float, nodes: Any, weights: Any) -> Pencil:
    """``W + D_g W X^T X / n + 0.3 G X / n``."""
    return Pencil(
        types=[
            IndexType("N", width, ["r"], nodes, weights),
            IndexType("d", dim, ["u", "q", "m"]),
            IndexType("n", samples, ["v", "l"]),
        ],
        fields=[
            GaussianField([Term("r", "u"), Term("r", "q", lambda g: g)], "d"),
            GaussianField([Term("l", "u", -1.0), Term("v", "m", -1.0)], "n"),
            GaussianField(Term("r", "v"), "n", 0.3),
        ],
        constant={("r", "r"): -1.0, ("l", "v"): 1.0, ("m", "q"): 1.0},
        linear={("u", "u"): -1.0},
    )


@pytest.mark.parametrize("gamma", [0.25, 0.9, 1.0, 4.0])
def test_marchenko_pastur(gamma: float) -> None:
    law = PencilLaw(rows_of_sizes(gamma), "u")
    low, high = (1 - math.sqrt(gamma)) ** 2, (1 + math.sqrt(gamma)) ** 2
    ((left, right),) = law.edges
    assert left == pytest.approx(low, rel=1e-12, abs=1e-300)
    assert right == pytest.approx(high, rel=1e-14)
    share = min(1.0, gamma)
    assert [(atom.location, atom.mass) for atom in law.atoms] == (
        [(0.0, pytest.approx(1 - gamma, abs=1e-14))] if gamma < 1 else []
    )
    assert law.masses == (pytest.approx(share, abs=1e-14),)
    x = low + np.linspace(0.001, 0.999, 57) * (high - low)
    exact = 1 - share + share * MarchenkoPasturBulk(gamma).cdf(np.sqrt(x))
    error = np.abs(law.cdf(x) - exact).max()
    assert error <= law.mass_error < 1e-7
    assert error < 1e-8
    density = np.sqrt((x - low) * (high - x)) / (2 * math.pi * x)
    assert (np.abs(law.pdf(x) - density) <= law.pdf_error(x)).all()
    assert law.pdf_error(x).max() < 1e-11
    assert law.pdf([low / 2, high + 0.1, -1.0]).tolist() == [0.0, 0.0, 0.0]
    assert law.mean() == pytest.approx(gamma, abs=1e-9)
    assert law.moment(2) == pytest.approx(gamma * (1 + gamma), abs=1e-8)
    u = 1 - share + share * np.linspace(0.01, 0.99, 23)
    assert law.cdf(law.ppf(u)) == pytest.approx(u, abs=1e-12)


def test_several_bands_of_silverstein() -> None:
    rows, weights, gamma = np.array([0.5, 1.0, 6.0, 20.0]), [0.5, 0.478, 0.02, 0.002], 0.6
    law = PencilLaw(rows_of_sizes(gamma, rows, weights), "u")
    exact = GeneralisedMarchenkoPastur(Population.of_atoms(rows**2, weights), gamma)
    # The other Gram matrix: same positive eigenvalues, gamma times as much mass.
    assert len(law.edges) == 3
    assert np.array(law.edges) == pytest.approx(np.array(exact.edges), rel=1e-13)
    assert law.masses == pytest.approx([0.978 * gamma, 0.02 * gamma, 0.002 * gamma], abs=1e-13)
    x = np.linspace(0.01, 520, 301)
    zero = sum(atom.mass for atom in exact.atoms)
    expected = 0.4 + gamma * (exact.cdf(x) - zero) / (1 - zero)
    assert law.cdf(x) == pytest.approx(expected, abs=1e-7)
    assert np.abs(law._table.interval_mass - law.masses).max() < 1e-8


def test_transforms() -> None:
    law, exact = PencilLaw(rows_of_sizes(1.5), "u"), rows_of_sizes(1.5)
    z = np.array([7.0, -1.0, 2 + 1j, 2 - 1j])
    assert law.stieltjes(z) == pytest.approx(solve(exact, z).form("u"), rel=1e-12)
    slope = (law.stieltjes(z + 1e-4) - law.stieltjes(z - 1e-4)) / 2e-4
    assert law.stieltjes_derivative(z) == pytest.approx(slope, rel=1e-6)


def test_a_symmetric_matrix_has_negative_eigenvalues() -> None:
    """``X + X^T``: Wigner's semicircle of variance 2."""
    field = GaussianField(Term("u", "u"), reference="d")
    law = PencilLaw(Pencil([IndexType("d", 1.0, ["u"])], [field], {}, {("u", "u"): -1.0}), "u")
    radius = math.sqrt(8.0)
    assert law.edges[0] == pytest.approx((-radius, radius), rel=1e-14)
    x = np.linspace(-2.8, 2.8, 9)
    assert law.pdf(x) == pytest.approx(np.sqrt(8 - x**2) / (4 * math.pi), rel=1e-11)
    assert law.var() == pytest.approx(2.0, abs=1e-9)
    assert float(law.cdf(0.0)) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 2.0), (0.5, 1.0, 1.0), (2.0, 1.0, 0.7)])
def test_a_sum_of_products(sizes: tuple[float, float, float]) -> None:
    """Mass and mean, of a law for which there is no closed form, with outlying nodes."""
    nodes, weights = [-1.0, 0.5, 2.0, 15.0], [0.3, 0.5, 0.19, 0.01]
    pencil = two_layers(*sizes, nodes, weights)
    law = PencilLaw(pencil, "u")
    mass = law._table.mass + sum(atom.mass for atom in law.atoms)
    assert mass == pytest.approx(1.0, abs=1e-8)
    assert sum(law.masses) == pytest.approx(min(1.0, sizes[0] / sizes[1]), abs=1e-12)
    assert np.abs(law._table.interval_mass - law.masses).max() < 1e-8
    # m = -1/z - mean / z^2 - .., and z (z m + 1) = -mean - E[X^2] / z
    z = np.array([1e7, 2e7])
    one, two = -z * (z * solve(pencil, z).form("u").real + 1)
    assert law.mean() == pytest.approx(2 * two - one, rel=1e-7)
    u = np.linspace(0.6, 0.9999, 41)
    assert law.cdf(law.ppf(u)) == pytest.approx(u, abs=1e-10)
    assert len(law._seen) < 800


def test_given_atoms_and_bad_input() -> None:
    pencil = rows_of_sizes(0.5)
    assert PencilLaw(pencil, "u", atoms=[Atom(0.0, 0.25)]).atoms == (Atom(0.0, 0.25),)
    assert PencilLaw(pencil, "u", atoms=[Atom(0.0, 0.25)]).mass_error == pytest.approx(0.25)
    assert "2 unknowns" in repr(PencilLaw(pencil, "u"))
    with pytest.raises(InvalidInputError, match="no slot 'x'"):
        PencilLaw(pencil, "x")
    with pytest.raises(InvalidInputError, match="tolerance"):
        PencilLaw(pencil, "u", tolerance=0.0)


@pytest.mark.parametrize("aspect", [1.0, 0.5])
def test_bulk_of_trained_weights(aspect: float) -> None:
    """Mass and mean of the deformed bulk, with few points of the Dyson equation."""
    problem = Problem("tanh(z + 7/10)", "sin(2*z)", round(1000 * aspect), 1000, 2000, Step(4, 0.4))
    pencil = deformed_bulk(problem).pencil
    law = PencilLaw(pencil, "u")
    assert law.upper_edge == upper_edge(pencil, "u")
    assert law.masses == pytest.approx([aspect], abs=1e-12)
    assert law._table.mass == pytest.approx(aspect, abs=1e-7)
    assert sum(atom.mass for atom in law.atoms) == pytest.approx(1 - aspect, abs=1e-12)
    z = np.array([1e7, 2e7])
    one, two = -z * (z * solve(pencil, z).form("u").real + 1)
    assert law.mean() == pytest.approx(2 * two - one, rel=1e-6)
    assert len(law._seen) < 300


@pytest.mark.parametrize("lost", [1e-9, 3e-6, 2e-5])
def test_a_density_lost_next_to_a_hard_edge(lost: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point that is not solved there is filled in, with an error that covers the truth; the same
    further away is said.
    """
    read = PencilLaw._read
    for place, is_filled in ((lost, True), (1e-3, False)):

        def fails(self: PencilLaw, found: Any, place: float = place) -> Any:
            value, error = read(self, found)
            value[np.isclose(value, density(4.0 * place), rtol=1e-3)] = np.nan
            return value, error

        monkeypatch.setattr(PencilLaw, "_read", fails)
        law = PencilLaw(rows_of_sizes(1.0), "u")
        x = 4.0 * np.array([place, 3.0 * place, 9.0 * place])
        if is_filled:
            true = density(x)
            assert (np.abs(law.pdf(x) - true) <= law.pdf_error(x)).all()
            assert law.pdf_error(x)[0] < 1e-3 * true[0]
        else:
            with pytest.raises(ConvergenceError, match="not solved at 1 of"):
                law.pdf(x)


def density(x: Any) -> Any:
    """Of a square matrix: ``sqrt((4 - x) / x) / 2 pi``."""
    return np.sqrt((4.0 - x) / x) / (2.0 * math.pi)
