"""Laws by the Dyson equation, against closed forms, polynomials and simulated matrices."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from pencils import (
    A_NODES,
    B_NODES,
    G_NODES,
    V_PROFILE,
    Y_NODES,
    conjugate_kernel,
    marchenko_pastur,
    marchenko_pastur_transform,
    sandwich,
    silverstein,
    two_layers,
)

from rmt.spectra.dyson import (
    Pencil,
    density,
    solve,
)

Array = NDArray[np.float64]


# Closed forms


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.5])
def test_marchenko_pastur_transform(gamma: float) -> None:
    edge = (1 + math.sqrt(gamma)) ** 2
    inside = (1 - math.sqrt(gamma)) ** 2 + np.linspace(0.02, 0.98, 41) * 4 * math.sqrt(gamma)
    z = np.concatenate([inside, [edge + 1e-3, 2 * edge, 1e3, -0.2, -50.0, 1 + 1j, 2 + 1e-6j]])
    exact = marchenko_pastur_transform(gamma, z)
    solution = solve(marchenko_pastur(gamma), z)
    assert np.abs(solution.form("u") / exact - 1).max() < 1e-11
    # The r block is z (W W^T - z)^{-1}.
    other = (z * exact - (gamma - 1)) / gamma
    assert np.abs(solution.form("r") / other - 1).max() < 1e-11
    assert (solution.form("u").imag[-7:-2] == 0).all()


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.5])
def test_error_estimates_bound_the_error_up_to_the_edge(gamma: float) -> None:
    edge = (1 + math.sqrt(gamma)) ** 2
    distance = np.logspace(-14, -1, 27)
    z = np.concatenate([edge - distance, edge + distance, [edge]])
    solution = solve(marchenko_pastur(gamma), z)
    actual = np.abs(solution.form("u") - marchenko_pastur_transform(gamma, z))
    # The distance to the edge itself is known to rounding, whence the second term.
    rounding = np.abs(marchenko_pastur_transform(gamma, z * (1 + 1e-15)) - solution.form("u"))
    assert (actual <= solution.error("u") + 4 * rounding).all()
    far = np.abs(z - edge) > 1e-4
    assert (actual <= solution.error("u"))[far].all()
    assert solution.error("u").max() < 1e-6
    assert solution.error("u")[far].max() < 1e-12


def positive_root(coefficients: Any) -> complex:
    """The root of a polynomial in the upper half plane, of which there is one."""
    with mpmath.workdps(40):
        roots = mpmath.polyroots(coefficients, maxsteps=500, extraprec=200)
    (upper,) = [complex(root) for root in roots if root.imag > 1e-12]
    return upper


@pytest.mark.parametrize("ratio", [0.3, 1.7])
def test_silverstein_is_a_root_of_its_cubic(ratio: float) -> None:
    t, w = np.array([1.0, 6.0]), np.array([0.6, 0.4])
    pencil = silverstein(t, w, ratio)
    x = np.linspace(0.05, 25, 60)
    solution = solve(pencil, x)
    companion = ratio * solution.form("u") - (1 - ratio) / x
    inside = companion.imag > 1e-3
    assert 5 < inside.sum() < 60
    one, two = np.poly1d([t[0], 1.0]), np.poly1d([t[1], 1.0])
    v = np.poly1d([1.0, 0.0])

    def cubic(z: float) -> Any:
        # z v (1 + t0 v)(1 + t1 v) + (1 + t0 v)(1 + t1 v) - c v (w0 t0 (1 + t1 v) + ...) = 0
        mean = two * float(w[0] * t[0]) + one * float(w[1] * t[1])
        return ((v * float(z) + 1.0) * one * two - v * mean * ratio).coeffs

    for point, found in zip(x[inside], companion[inside], strict=True):
        assert abs(found / positive_root(cubic(point).tolist()) - 1) < 1e-10
    for point, found in zip(x[~inside], companion[~inside], strict=True):
        if found.imag == 0:
            roots = np.roots(cubic(point))
            nearest = roots[np.argmin(abs(roots - found))]
            assert abs(found / nearest - 1) < 1e-10
            slope = 1 / found.real**2 - ratio * np.sum(w * t**2 / (1 + t * found.real) ** 2)
            assert slope > 0  # Silverstein and Choi: dz/dv > 0 outside the support
    # The resolvent of each population eigenvalue.
    expected = -1 / (x[:, None] * (1 + t * companion[:, None]))
    assert np.abs(solution.entry("u") / expected - 1).max() < 1e-10


def pennington_worah(m: Any, z: Any, c1: float, c2: float, linear: float, rest: float) -> Any:
    """The quartic of the conjugate kernel; ``c1 = n/d``, ``c2 = n/N``.

    ``-z m = int dH(t) / (1 + t v)`` with ``H`` the law of ``linear^2 tau + rest^2``, ``tau``
    Marchenko-Pastur of ratio ``c1``, and ``v = c2 m - (1 - c2) / z``.
    """
    v = c2 * m - (1 - c2) / z
    g = -z * m * linear**2 * v
    y_g = (1 + rest**2 * v) * z * m
    return c1 * y_g * g + y_g + (c1 - 1) * g + 1


@pytest.mark.parametrize("ratios", [(0.5, 0.7), (2.0, 1.5)])
def test_conjugate_kernel_is_a_root_of_the_quartic(ratios: tuple[float, float]) -> None:
    c1, c2 = ratios
    linear, rest = 0.8, 0.6
    pencil = conjugate_kernel(1.0, 1 / c1, 1 / c2, linear, rest)

    def quartic(z: complex) -> Array:
        m = np.exp(2j * np.pi * np.arange(5) / 5)
        values = pennington_worah(m, z, c1, c2, linear, rest)
        return np.fft.fft(values)[[4, 3, 2, 1, 0]] / 5

    x = np.linspace(0.02, 8, 60)
    solution = solve(pencil, x)
    m = solution.form("u")
    inside = m.imag > 1e-3
    assert inside.any()
    assert not inside.all()
    for point, found in zip(x[inside], m[inside], strict=True):
        upper = positive_root([complex(c).real for c in quartic(point)])
        assert abs(found / upper - 1) < 1e-10
    # Outside: the root continued from -1/z at infinity.
    root, points = -1e-3 + 0j, np.geomspace(1e3, 9.0, 400)
    for point in points:
        roots = np.roots(quartic(point))
        root = roots[np.argmin(abs(roots - root))]
    assert abs(solve(pencil, 9.0).form("u") / root - 1) < 1e-10


# Simulation


def distance_to(pencil: Pencil, eigenvalues: Array, top: float, atom: float = 0.0) -> float:
    """Kolmogorov distance; the grid is even in ``sqrt(x)``."""
    s = (np.arange(400) + 0.5) / 400 * math.sqrt(top)
    value = density(pencil, "u", s**2).value * 2 * s
    cdf = atom + (np.cumsum(value) - value / 2) * (s[1] - s[0])
    assert cdf[-1] == pytest.approx(1, abs=0.01)
    levels = (np.arange(eigenvalues.size) + 0.5) / eigenvalues.size
    seen = np.interp(np.sqrt(np.maximum(eigenvalues, 0)), s, cdf)
    bulk = eigenvalues > 1e-9
    return float(np.abs(seen - levels)[bulk].max())


def test_conjugate_kernel_of_simulated_features() -> None:
    rng = np.random.default_rng(3)
    n, d, width = 600, 400, 900
    linear, rest = 0.6057, math.sqrt(0.394295 - 0.6057**2)  # tanh
    features = np.tanh(rng.standard_normal((n, d)) @ rng.standard_normal((d, width)) / d**0.5)
    pencil = conjugate_kernel(n, d, width, linear, rest)
    eigenvalues = np.linalg.eigvalsh(features @ features.T / width)
    assert distance_to(pencil, eigenvalues, 4.0) < 0.015


def test_sandwich_of_simulated_matrices() -> None:
    rng = np.random.default_rng(4)
    d, n = 600, 720
    w = rng.standard_normal((n, d)) / math.sqrt(d)
    f = w + np.repeat(A_NODES, n // 3)[:, None] * w * np.repeat(B_NODES, d // 4)
    pencil = sandwich()
    assert distance_to(pencil, np.linalg.svd(f, compute_uv=False)[::-1] ** 2, 40.0) < 0.01


def test_terms_and_variance_profile_agree() -> None:
    z = np.array([0.3, 2.0, 7.0, 60.0, -1.0, 1 + 2j])
    terms, profile = solve(sandwich(), z), solve(sandwich(profile=True), z)
    for name in ("N", "d"):
        difference = np.abs(terms.matrices[name] - profile.matrices[name])
        assert difference.max() < 1e-11


def test_fields_in_several_places_of_simulated_matrices() -> None:
    rng = np.random.default_rng(5)
    width, d, n = 600, 500, 900
    w, x = rng.standard_normal((width, d)) / math.sqrt(d), rng.standard_normal((n, d))
    i, j = np.arange(width) % 4, np.arange(n) % 4
    noise = rng.standard_normal((width, n)) * np.sqrt(V_PROFILE[np.ix_(i, j)])
    f = w + (G_NODES[i][:, None] * (w @ x.T) * Y_NODES[j] + noise) @ x / n
    squares = np.linalg.svd(f, compute_uv=False)[::-1] ** 2
    assert distance_to(two_layers(width, d, n), squares, 200.0) < 0.01
