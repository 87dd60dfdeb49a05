"""Every public law offers the same, and its parts fit together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rmt
from rmt.spectra import PencilLaw
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term

METHODS = ("pdf", "cdf", "ppf", "rvs", "mean", "std", "median", "support", "plot")


def pencil_law() -> PencilLaw:
    pencil = Pencil(
        types=[IndexType("N", 0.25, ["r"]), IndexType("d", 1.0, ["u"])],
        fields=[GaussianField(Term("r", "u"), reference="d")],
        constant={("r", "r"): -1.0},
        linear={("u", "u"): -1.0},
    )
    return PencilLaw(pencil, "u")


LAWS = {
    "Marchenko-Pastur": rmt.MarchenkoPastur(4.0),
    "bulk": rmt.MarchenkoPasturBulk(0.5),
    "generalised": rmt.GeneralisedMarchenkoPastur([1, 3], ratio=0.5, weights=[0.9, 0.1]),
    "kernel": rmt.ConjugateKernel("tanh(z)", ratios=(1.0, 0.5)),
    "population of atoms": rmt.Population.of_atoms([1, 8]),
    "uniform population": rmt.Population.uniform([(0, 1), (2, 3)]),
    "population of a law": rmt.Population.of_law(rmt.MarchenkoPastur(4.0)),
    "kernel's population": rmt.ConjugateKernel("tanh(z)", ratios=(2.0, 0.5)).population,
    "semicircle": rmt.Semicircle(2.0, 1.0),
    "atoms": rmt.DiscreteLaw([-1, 1], [0.25, 0.75]),
    "density": rmt.DensityLaw(lambda x: 0.75 * (1 - x**2), [(-1, 1)]),
    "singular values": rmt.MarchenkoPastur(4.0).singular_values(),
    "continuous part": rmt.MarchenkoPastur(4.0).without_atoms(),
    "affine": rmt.MarchenkoPastur(4.0).affine(-2.0, 1.0),
    "sum": rmt.FreeConvolution([-1, 1], rmt.Semicircle(0.1)),
    "product": rmt.FreeConvolution([0, 1], [0, 0, 1], kind="multiplicative"),
    "corner": rmt.FreeCompression([-1, 2, 2], 0.5),
    "pencil": pencil_law(),
    "Tracy-Widom": rmt.TracyWidom(1),
}


@pytest.mark.parametrize("name", LAWS)
def test_every_law_offers_the_same(name: str) -> None:
    law: Any = LAWS[name]
    for method in METHODS:
        assert callable(getattr(law, method))
    q = np.array([0.03, 0.2, 0.45, 0.7, 0.98])
    x = law.ppf(q)
    below = law.cdf(x - 1e-9 * (1.0 + np.abs(x)))
    assert (below <= q + 1e-7).all()
    assert (law.cdf(x) >= q - 1e-7).all()
    free = np.abs(law.cdf(x) - q) < 1e-7  # at no atom
    step = 1e-5
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2.0 * step)
    assert slope[free] == pytest.approx(law.pdf(x)[free], rel=1e-4)
    # The mean by quantiles, of equal shares
    shares = (np.arange(20_000) + 0.5) / 20_000
    assert law.ppf(shares).mean() == pytest.approx(law.mean(), abs=2e-4 * law.std())
    draws = law.rvs(4000, rng=0)
    assert draws.mean() == pytest.approx(law.mean(), abs=5.0 * law.std() / math.sqrt(4000))
    axes = law.plot()
    axes.figure.canvas.draw()


def test_weights_of_eigenvalues() -> None:
    law = rmt.GeneralisedMarchenkoPastur([1, 3], ratio=0.5, weights=[0.9, 0.1])
    other = rmt.GeneralisedMarchenkoPastur(rmt.Population.of_atoms([1, 3], [0.9, 0.1]), 0.5)
    assert law.edges == other.edges
    assert law.mean() == pytest.approx(1.2, rel=1e-12)
    with pytest.raises(rmt.InvalidInputError, match="weights: expected one for each of the 2"):
        rmt.GeneralisedMarchenkoPastur([1, 3], ratio=0.5, weights=[1.0])
    with pytest.raises(rmt.InvalidInputError, match="weights: expected None for a Population"):
        rmt.GeneralisedMarchenkoPastur(rmt.Population.of_atoms([1, 3]), 0.5, weights=[0.9, 0.1])


def test_transforms_next_to_the_support() -> None:
    exact = rmt.Semicircle(2.0)
    law = rmt.DensityLaw(exact.pdf, exact.edges)
    z = np.array([2.9, 2.83, 1 + 1e-3j, -2.8 + 1e-4j, 50.0, 3j])
    assert law.stieltjes(z) == pytest.approx(exact.stieltjes(z), rel=1e-11)
    assert law.stieltjes_derivative(z) == pytest.approx(exact.stieltjes_derivative(z), rel=1e-8)
