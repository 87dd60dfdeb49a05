"""The routes to ``E[sigma(Z + S)]`` and ``Phi_t`` against each other and against brute force."""

import math
from typing import get_args

import numpy as np
import pytest

from rmt.functions import ScalarFunction
from rmt.moments import smoothing
from rmt.problem import Problem
from rmt.spikes.constants import constants
from rmt.spikes.label_law import joint_law
from rmt.spikes.second_step import Average, SecondStep, on_grid
from rmt.spikes.second_step.averages import averages_on_grid
from rmt.spikes.second_step.table import tabulated

BOTH = ("value", "slope")
T = np.array([-3.0, -0.4, -0.01, 0.02, 0.7, 2.5])


def setting(activation, noise=0.2, n_zeta=24):
    problem = Problem(
        activation,
        "tanh(z) + He2(z)/3",
        500,
        500,
        1000,
        [(1, 0.3), (1, 0.3)],
        batch="reused",
        noise_std=noise,
    )
    c = constants(problem)
    law, _ = joint_law(problem.target, noise, c, 1.0, 9, n_zeta, 12.0)
    return problem.activation, c, problem.sample_ratios[0], law


def brute_force(sigma, c, phi, t, y, zeta):
    """Dense panels over Z, split at the kinks, and a dense trapezoid rule over xi."""
    xi = np.linspace(-8.5, 8.5, 1201)
    w_xi = (xi[1] - xi[0]) * np.exp(-(xi**2) / 2) / math.sqrt(2 * math.pi)
    edges = np.unique(np.concatenate([np.linspace(-8.5, 8.5, 1501), sigma.kinks]))
    x, w = np.polynomial.legendre.leggauss(2)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (x + 1)).ravel()
    weights = (half * w).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    shift = phi * y * sigma.derivative(z)[:, None] + c.mu1 * zeta + c.tau * xi
    s = t * (shift + c.mu2 * c.Ey * z[:, None])
    value, slope = sigma.value_and_derivative(z[:, None] + s)
    return weights @ value @ w_xi, weights @ slope @ w_xi


@pytest.mark.parametrize(
    ("activation", "tolerance"),
    [
        ("tanh(z + 7/10)", 1e-9),
        ("erf(z)", 1e-9),
        ("gelu(z)", 1e-9),
        ("z + z**2/4", 1e-9),
        ("elu(z - 1/3)", 1e-6),
        ("relu(z + 1/5)", 3e-4),
        ("hard_tanh(2*z - 1/2)", 3e-4),
    ],
)
def test_reused_against_brute_force(activation, tolerance):
    """The tolerance is that of the brute force, which does not split at the outer kinks."""
    sigma, c, phi, law = setting(activation, n_zeta=80)
    value, slope = averages_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, 24.0)
    J = law.zeta.size
    for q in (0, 2, 4):
        for a, j in ((2, J // 2), (5, J // 2 + 6)):
            expected = brute_force(sigma, c, phi, T[q], law.y[a], law.zeta[j])
            found = value[q, a * J + j], slope[q, a * J + j]
            assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize(
    "activation",
    ["relu(z)", "leaky_relu(z + 2/5, 3/10)", "hard_tanh(2*z - 1/2)", "abs(z - 1)", "relu6(3*z)"],
)
def test_closed_form_agrees_with_the_grid(activation):
    """Bivariate normal probabilities against quadrature that does not use piecewise linearity."""
    sigma, c, phi, law = setting(activation)
    closed = averages_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, 0.0)
    # Labels of 30 (of no weight) move U faster than is resolved.
    usual = np.repeat(np.abs(law.y), law.zeta.size) < 10
    errors = []
    for nodes_per_unit in (4.0, 8.0, 16.0):
        found = on_grid.reused_on_grid(
            SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, nodes_per_unit
        )
        pairs = zip(closed, found, strict=True)
        errors.append(max(np.abs(exact - one)[:, usual].max() for exact, one in pairs))
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 30 + 1e-11
    assert errors[2] < errors[1] / 30 + 1e-11


def test_a_kink_that_is_none_changes_nothing(monkeypatch):
    """A smooth activation, told that it has a kink at 0."""
    sigma, c, phi, law = setting("tanh(z + 7/10)", n_zeta=80)

    class Kinked:
        kinks = (0.0,)
        derivative = staticmethod(sigma.derivative)
        value_and_derivative = staticmethod(sigma.value_and_derivative)

    def on_panels(function, mean, std, nodes_per_unit):
        return smoothing._between_kinks(function, *np.broadcast_arrays(mean, std), nodes_per_unit)

    smooth = on_grid.reused_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, 16.0)
    monkeypatch.setattr(on_grid, "smoothed", on_panels)
    panels = on_grid.reused_on_grid(SecondStep(Kinked, c, phi), T, law.y, law.zeta, BOTH, 16.0)
    usual = np.repeat(np.abs(law.y), law.zeta.size) < 10
    for a, b in zip(smooth, panels, strict=True):
        assert np.abs(a - b)[:, usual].max() < 1e-9


@pytest.mark.parametrize("activation", ["atan(2*z)", "1/(1 + 9*z**2)"])
def test_poles_next_to_the_axis(activation):
    """For these, Gauss-Hermite rules in ``w`` are wrong by 1e-3 to 1e-2, whatever else is fine."""
    sigma, c, phi, law = setting(activation)
    found = averages_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, 6.0)
    J = law.zeta.size
    for q in (0, 2, 4):
        for a, j in ((2, J // 2), (5, J // 2 + 6)):
            expected = brute_force(sigma, c, phi, T[q], law.y[a], law.zeta[j])
            assert [part[q, a * J + j] for part in found] == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("activation", ["tanh(z + 7/10)", "gelu(z)", "atan(2*z)", "z + z**2/4"])
@pytest.mark.parametrize("wanted", [BOTH, get_args(Average)], ids=len)
def test_the_table_agrees_with_the_grid(activation, wanted):
    """Two routes for smooth activations, which differ in all but the law of ``U``."""
    sigma, c, phi, law = setting(activation)
    step = SecondStep(sigma, c, phi)
    reach = np.abs(T) * (abs(c.mu1) * np.abs(law.zeta).max() + 7.0 * c.tau)
    y, zeta = np.repeat(law.y, law.zeta.size), np.tile(law.zeta, law.y.size)
    usual = (np.abs(y) < 10) & (np.abs(zeta) < 3.0 * math.sqrt(c.B))
    exact = on_grid.reused_on_grid(step, T, law.y, law.zeta, wanted, 12.0)
    errors = []
    for nodes_per_unit in (4.0, 8.0):
        table = tabulated(step, T, law.y, wanted, nodes_per_unit, reach)
        found = table.averages(step, T, law.y, law.zeta, reach)
        sizes = np.abs(exact).max(axis=(1, 2))[:, None, None]
        errors.append((np.abs(found - exact) / sizes)[:, :, usual].max())
    assert errors[0] < 5e-4
    assert errors[1] < errors[0] / 30 + 1e-8


def test_no_step_changes_nothing():
    """``t -> 0``: ``E[sigma(Z)]`` and ``mu_1``, on every route."""
    for activation in ("tanh(z + 7/10)", "relu(z)", "elu(z)"):
        sigma, c, phi, law = setting(activation)
        value, slope = averages_on_grid(
            SecondStep(sigma, c, phi), np.array([1e-9]), law.y, law.zeta, BOTH, 60.0
        )
        z, w = np.polynomial.hermite_e.hermegauss(120)
        mean = (w / w.sum()) @ sigma(z)
        assert slope == pytest.approx(np.full(slope.shape, c.mu1), abs=1e-7)
        assert value == pytest.approx(np.full(value.shape, mean), abs=2e-3)


def test_independent_batch_is_one_smoothing():
    """ReLU: ``E[(m + s Z)_+] = m Phi(m/s) + s p(m/s)`` with the mean and spread of theory.md."""
    sigma, c, _, law = setting("relu(z)")
    value, slope = averages_on_grid(SecondStep(sigma, c, 0.0), T, None, law.zeta, BOTH, 6.0)
    m = np.outer(T * c.mu1, law.zeta)
    s = np.hypot(1 + T * c.mu2 * c.Ey, T * c.tau)[:, None]
    cdf = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2)(m / s)
    pdf = np.exp(-((m / s) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert slope == pytest.approx(cdf, abs=1e-14)
    assert value == pytest.approx(m * cdf + s * pdf, abs=1e-13)


@pytest.mark.parametrize("activation", ["tanh(z + 7/10)", "elu(z - 1/3)"])
def test_errors_fall_with_a_high_power_of_the_resolution(activation):
    sigma, c, phi, law = setting(activation, n_zeta=60)
    fine = on_grid.reused_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, 24.0)[1]
    usual = np.repeat(np.abs(law.y), law.zeta.size) < 10
    errors = [
        np.abs(
            on_grid.reused_on_grid(SecondStep(sigma, c, phi), T, law.y, law.zeta, BOTH, n)[1] - fine
        )[:, usual].max()
        for n in (3.0, 6.0, 12.0)
    ]  # fmt: skip
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 2**6
    assert errors[2] < errors[1] / 2**6


def test_piecewise_linear_route_refuses_nothing_else():
    assert ScalarFunction.parse("relu(z)**2").kinks == (0.0,)
    sigma, c, phi, law = setting("relu(z)**2")
    value, slope = averages_on_grid(SecondStep(sigma, c, phi), T[4:5], law.y, law.zeta, BOTH, 8.0)
    J = law.zeta.size
    expected = brute_force(sigma, c, phi, T[4], law.y[4], law.zeta[J // 2])
    assert value[0, 4 * J + J // 2] == pytest.approx(expected[0], rel=1e-4)
    assert slope[0, 4 * J + J // 2] == pytest.approx(expected[1], rel=1e-4)
