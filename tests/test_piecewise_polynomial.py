"""Gaussian averages of piecewise polynomials against quadrature."""

import numpy as np
import pytest

import rmt
from rmt.moments.piecewise_polynomial import smoothed_polynomials
from rmt.spikes.state.table import SmoothedTable

TEXTS = [
    "relu(z)",
    "leaky_relu(z)",
    "hard_tanh(z - 1/3)",
    "abs(z)**3",
    "max(0, z)**2 - z",
    "He4(z)",
]


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def by_panels(pieces, mean, spread):
    """Panels of length one in ``xi`` at most, none of which has a kink in it."""
    total = np.zeros(4)
    for low, high, coefficients in pieces:
        a, b = np.clip([(float(low) - mean) / spread, (float(high) - mean) / spread], -12, 12)
        value = np.polynomial.Polynomial(np.array(coefficients, dtype=float))
        ends = np.linspace(a, b, int(b - a) + 2)
        half = np.diff(ends)[:, None] / 2
        xi = ends[:-1, None] + half * (1 + NODES)
        weights = half * WEIGHTS * np.exp(-(xi**2) / 2) / np.sqrt(2 * np.pi)
        f, d = value(mean + spread * xi), value.deriv()(mean + spread * xi)
        total += [np.sum(weights * one) for one in (f, d, d * d, xi * d)]
    return total


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("spread", [0.01, 0.8, 5.0])
def test_against_quadrature(text, spread):
    pieces = rmt.ScalarFunction.parse(text).polynomial_pieces
    means = np.array([-20.0, -1.5, 0.0, 0.34, 7.0])
    found = smoothed_polynomials(pieces, means, spread)
    for k, mean in enumerate(means):
        exact = by_panels(pieces, mean, spread)
        size = np.abs(by_panels(pieces, abs(mean), spread)) + 1.0
        np.testing.assert_array_less(np.abs(found[:, k] - exact), 2e-13 * size)


@pytest.mark.parametrize("text", TEXTS[:3])
def test_panels_agree(text):
    """What is done where pieces are no polynomials."""
    sigma = rmt.ScalarFunction.parse(text)
    table = SmoothedTable(sigma, 0.7, 1.25)
    x = np.linspace(-6.0, 6.0, 41)
    np.testing.assert_allclose(table._between_kinks(x), table._exact(x), atol=3e-8)
