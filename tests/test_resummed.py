"""The resummed level against independent numbers, closed forms and brute force."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import rmt
from rmt.problem import Problem, Step
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes import mean_update, resummed
from rmt.spikes.resummed import resummed_strengths
from rmt.status import ConvergenceError, Status

REFERENCE = Path(__file__).parent / "reference"


def reference_problems(name):
    cases = json.loads((REFERENCE / name).read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{i}-{case['batch']}") for i, case in enumerate(cases)]


def problem_of(case):
    keys = ("activation", "target", "width", "dim", "samples", "steps", "batch", "readout")
    return Problem(**{key: case[key] for key in keys}, noise_std=case["noise_std"])


@pytest.mark.parametrize("case", reference_problems("resummed.json"))
def test_reference(case):
    problem = problem_of(case)
    found = resummed_strengths(problem, 1e-6)
    assert found.status is Status.CONVERGED
    outliers = rectangular_outliers(found.strengths, problem.aspect_ratio)
    for k, spike in enumerate(case["spikes"]):
        stated = spike["abs_error"]
        error = abs(found.strengths[k] - spike["strength"])
        assert error <= 3e-6 * spike["strength"] + stated
        # The estimate covers the difference, but for what the reference itself may be off by.
        assert error <= found.strength_errors[k] + stated
        alignment = float(found.alignments[k] @ found.alignments[k])
        assert alignment == pytest.approx(spike["target_alignment_sq"], rel=3e-6, abs=3e-6 + stated)
        position = outliers.singular_value[k]
        assert position == pytest.approx(spike["singular_value"], rel=3e-6, abs=stated)
        for name in ("left_overlap", "right_overlap"):
            value = getattr(outliers, name)[k]
            assert value == pytest.approx(spike[name + "_sq"], rel=3e-6, abs=3e-6 + stated)
    # Nothing strong is missing from the reference's list.
    assert np.all(found.strengths[len(case["spikes"]) :] < min(0.5, found.strengths[0]))


# The relative errors that the file states, beside half a unit of its last digit.
@pytest.mark.parametrize(("batch", "precision"), [("independent", 3e-4), ("reused", 1e-4)], ids=str)
def test_two_index_reference(batch, precision):
    cases = json.loads((REFERENCE / "multi_index.json").read_text(encoding="utf-8"))["cases"]
    case = next(case for case in cases if case["batch"] == batch)
    problem = Problem(
        "tanh(z + 7/10)", case["target"], 1000, 1000, 3000, [(2, 0.35), (2, 0.4)], batch=batch
    )
    found = resummed_strengths(problem, 1e-6)
    outliers = rectangular_outliers(found.strengths, 1.0)
    for k, position in enumerate(case["singular_values"]):
        rounded = 5e-4
        assert abs(outliers.singular_value[k] - position) <= rounded + precision * position
        overlaps = outliers.right_overlap[k] * found.alignments[k] ** 2
        assert np.all(np.abs(overlaps - case["overlaps"][k]) <= rounded + precision)


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_undefined_numbers_are_never_an_answer(monkeypatch, damage):
    """A kernel that is not finite has no spikes to show: that must not pass for convergence."""
    honest = mean_update.averages_of

    def damaged(*arguments):
        averages = honest(*arguments)

        def evaluated(*places):
            found = averages(*places)
            found[1, 0, 0] = damage
            return found

        return evaluated

    monkeypatch.setattr(mean_update, "averages_of", damaged)
    problem = Problem("tanh(z + 7/10)", "sin(2*z)", 500, 500, 900, [(2, 0.3), (2, 0.3)])
    assert resummed_strengths(problem, 1e-6).status is Status.NOT_FINITE


@pytest.mark.parametrize("batch", ["reused", "independent"])
def test_an_activation_that_overflows_says_so(batch):
    """``exp`` leaves floating point in the second step: seen at once, not repaired node by node."""
    problem = Problem("exp(z)", "He3(z)", 1000, 1000, 2000, [(50, 0.45)] * 2, batch=batch)
    with pytest.raises(ConvergenceError) as caught:
        rmt.predict(problem)
    assert caught.value.status is Status.NOT_FINITE


def test_a_solve_that_grows_too_large_ends_with_its_best(monkeypatch):
    """Weights that explode have no digits to give: an error that carries what there is.

    Finer rules find 1e-4 of the first strength, then 1e-13: nothing of it is certain. Whether a
    second spike shows is a matter of rounding, and with it how far the work allowed goes.
    """
    monkeypatch.setattr(resummed, "_MAX_WORK", 3e9)
    steps = [(50, 0.45)] * 2
    problem = Problem("z**5", "He3(z)", 1000, 1000, 2000, steps, "reused", readout="rademacher")
    with pytest.raises(ConvergenceError) as caught:
        rmt.predict(problem)
    assert caught.value.status is Status.NOT_CONVERGED
    assert all(spike.error.strength > spike.strength for spike in caught.value.best.spikes)
    overlaps = [sum(spike.target_alignments) for spike in caught.value.best.spikes]
    assert max(overlaps) <= 1 + 1e-9


def test_a_first_solve_that_is_too_large_is_an_error_with_no_spikes(monkeypatch):
    monkeypatch.setattr(resummed, "_MAX_WORK", 1e4)
    problem = Problem("tanh(z)", "z", 100, 100, 200, [(1, 0.3)] * 2, "reused")
    with pytest.raises(ConvergenceError) as caught:
        rmt.predict(problem)
    assert caught.value.status is Status.NOT_CONVERGED
    assert caught.value.best.spikes == ()


def test_a_rule_of_too_many_points_is_not_asked_for():
    """An oblique kink converges slowly: the tolerance is refused before memory runs out."""
    problem = Problem("relu(z)", "max(z1 + z2, 0)", 100, 100, 200, [(4, 0.3), (4, 0.4)])
    allowed = {"readout": 20.0, "zeta": 40.0, "inner": 4.0, "target": 200.0}
    assert math.isfinite(resummed._work(problem, allowed))
    assert resummed._work(problem, {**allowed, "target": 300.0}) == math.inf


def test_an_indefinite_kernel_shows_in_the_errors(monkeypatch):
    """Wrong weights make the kernel indefinite: its negative part bounds the errors from below."""
    honest = mean_update.independent_law

    def damaged(*arguments):
        law, coarser = honest(*arguments)
        law.weights[2] -= 30.0 * law.weights[0]
        return law, coarser

    monkeypatch.setattr(mean_update, "independent_law", damaged)
    problem = Problem("tanh(z + 7/10)", "sin(2*z)", 500, 500, 900, [(2, 0.3), (2, 0.3)])
    found = resummed_strengths(problem, 1e-6)
    assert found.status is Status.NOT_CONVERGED


def test_rounding_is_not_reported_as_outliers():
    """``theta_0 = 1e11`` leaves ``theta^2`` accurate to 1e6 or so: nothing below is certain."""
    problem = Problem("tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [(1e10, 0.49), (1, 0)])
    found = resummed_strengths(problem, 1e-6)
    assert found.status is Status.NOT_CONVERGED
    assert np.all(found.strength_errors[1:] > 0.1 * found.strengths[1:])


def gauss_hermite(order):
    x, w = np.polynomial.hermite_e.hermegauss(order)
    return x, w / w.sum()


def trapezoid(half_width, spacing):
    count = math.ceil(half_width / spacing)
    x = np.arange(-count, count + 1) * spacing
    w = spacing * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return x, w


def spikes_of_operator(problem, b, B, mu1, g, w, psi, weights, z, zeta, y):
    """Strengths and squared alignments from ``psi[q, p]`` on explicit points of ``(z, zeta, y)``.

    Section 3 of theory.md written out for points with weights; nothing is taken from the package.
    """
    eta1, eta2 = (step.scale * problem.width**step.exponent for step in problem.steps)
    phi1, phi2 = (problem.dim / n for n in problem.samples)
    reused = problem.batch == "reused"
    r = len(b)
    gamma = np.block([[np.eye(r), b[:, None]], [b[None, :], np.array([[B]])]])
    first = np.stack([psi @ (weights * v) for v in (*z, zeta)], axis=1)
    E_y_psi = psi @ (weights * y)
    m = np.linalg.solve(gamma, first.T).T
    beta1_v = first[:, -1] + phi1 * E_y_psi * reused
    v_v = (phi1 if reused else phi2) * (psi * weights) @ psi.T + m @ gamma @ m.T
    if reused:
        v_v += phi1 * (np.outer(m[:, -1], E_y_psi) + np.outer(E_y_psi, m[:, -1]))
    kernel = eta1**2 * mu1**2 * B + eta2**2 * v_v
    kernel += eta1 * eta2 * mu1 * (beta1_v[:, None] + beta1_v)
    scaled = np.sqrt(w) * g
    values, vectors = np.linalg.eigh(scaled[:, None] * kernel * scaled)
    theta = np.sqrt(np.maximum(values[::-1], 0))
    rows = (vectors[:, ::-1].T * scaled) @ (eta1 * mu1 * b + eta2 * first[:, :r])
    with np.errstate(all="ignore"):
        return theta, (rows / theta[:, None]) ** 2


def polynomial_case(problem, f, phi_t, h, mu1):
    """Exact spikes where ``Phi_t`` and ``h`` are polynomials: Gauss-Hermite rules are exact."""
    g, w = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    z, wz = gauss_hermite(40)
    omega, wo = gauss_hermite(24)
    z, omega = (a.ravel() for a in np.meshgrid(z, omega, indexing="ij"))
    weights = np.outer(wz, wo).ravel()
    phi1 = problem.dim / problem.samples[0]
    y = f(z)
    assert problem.noise_std == 0
    b = np.array([weights @ (z * y)])
    Ey, Ey2 = weights @ y, weights @ y**2
    B = b[0] ** 2 + phi1 * Ey2
    zeta = b[0] * z + math.sqrt(phi1 * Ey2) * omega
    t = problem.steps[0].scale * problem.width ** problem.steps[0].exponent * g
    t = t / math.sqrt(problem.width)
    psi = np.stack([(y - h(y, zeta, Ey)) * phi_t(y, zeta, ti, Ey) for ti in t])
    return spikes_of_operator(problem, b, B, mu1, g, w, psi, weights, [z], zeta, y)


def he3_and_more(z):
    return (z**3 - 3 * z) / 3 + z / 2 + (z**2 - 1) / 4 + 0.3


POLYNOMIAL_TARGET = "He3(z)/3 + z/2 + He2(z)/4 + 3/10"


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("readout", ["rademacher", "gaussian", "uniform"])
def test_linear_activation_is_one_spike(batch, readout):
    """``sigma(z) = z``: ``Phi = 1``, ``h = kappa (phi y [reused] + zeta)``, rank one."""
    problem = Problem(
        "z", POLYNOMIAL_TARGET, 900, 600, 1500, [(3, 0.2), (2, 0.35)], batch=batch, readout=readout
    )
    found = resummed_strengths(problem, rtol=1e-10)
    kappa = 3 * 900**0.2 / 30
    phi1 = 0.4 if batch == "reused" else 0.0
    theta, o2 = polynomial_case(
        problem,
        he3_and_more,
        lambda y, zeta, t, Ey: np.ones_like(y),
        lambda y, zeta, Ey: kappa * (phi1 * y + zeta),
        mu1=1.0,
    )
    assert found.strengths.size == 1
    assert found.strengths[0] == pytest.approx(theta[0], rel=1e-10)
    assert found.alignments[0, 0] ** 2 == pytest.approx(o2[0, 0], rel=1e-9)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_quadratic_activation(batch):
    """``sigma = z + He2(z)/2``, ``g = +-1``: ``Phi_t = 1 + E[Z + S]`` and ``h`` are linear."""
    problem = Problem(
        "z + He2(z)/2",
        POLYNOMIAL_TARGET,
        900,
        600,
        1500,
        [(3, 0.2), (2, 0.35)],
        batch=batch,
        readout="rademacher",
    )
    found = resummed_strengths(problem, rtol=1e-10)
    t = 3 * 900**0.2 / 30
    phi1 = 0.4 if batch == "reused" else 0.0
    # sigma' = 1 + Z, mu_1 = mu_2 = 1. The part of E[sigma(Z + S)] that is odd in t is
    # E[S] + E[Z S] = t (2 phi y + zeta + Ey) and, from E[S^2]/2, nothing.
    theta, o2 = polynomial_case(
        problem,
        he3_and_more,
        lambda y, zeta, t, Ey: 1.0 + t * (phi1 * y + zeta),
        lambda y, zeta, Ey: t * (2 * phi1 * y + zeta + Ey),
        mu1=1.0,
    )
    assert found.strengths == pytest.approx(theta[:2], rel=1e-10)
    assert found.alignments[:, 0] ** 2 == pytest.approx(o2[:2, 0], rel=1e-9)
    assert np.all(np.abs(found.strengths - theta[:2]) <= found.strength_errors)


def test_one_step_is_closed_form():
    problem = Problem("erf(z)", "tanh(z) + z**2/3", 500, 400, 700, Step(2, 0.3), noise_std=0.4)
    found = resummed_strengths(problem, 1e-6)
    z, w = trapezoid(9, 0.05)
    f = np.tanh(z) + z**2 / 3
    b, Ey2 = w @ (z * f), w @ f**2 + 0.16
    mu1 = w @ (2 / math.sqrt(math.pi) * np.exp(-(z**2)))
    B = b**2 + 400 / 700 * Ey2
    assert found.strengths == pytest.approx([2 * 500**0.3 * mu1 * math.sqrt(B)], rel=1e-12)
    assert found.alignments[0, 0] ** 2 == pytest.approx(b**2 / B, rel=1e-12)


def test_given_readout_is_conditional():
    readout = np.random.default_rng(5).standard_normal(300)
    problem = Problem("erf(z)", "z", 300, 400, 700, Step(2, 0.3))
    given = resummed_strengths(problem.replace(readout=readout), 1e-6)
    ratio = given.strengths[0] / resummed_strengths(problem, 1e-6).strengths[0]
    assert ratio == pytest.approx(math.sqrt(np.mean(readout**2)), rel=1e-12)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_given_readout_of_quantiles_approaches_its_law(batch):
    """Half a million quantiles of the uniform law stand for the law itself, to O(1/n^2)."""
    width = 500_000
    problem = Problem(
        "tanh(z + 7/10)", "sin(2*z)", width, width, 2 * width, [(4, 0.2), (4, 0.3)], batch=batch
    )
    grid = math.sqrt(3) * (2 * (np.arange(width) + 0.5) / width - 1)
    law = resummed_strengths(problem.replace(readout="uniform"), 1e-6)
    given = resummed_strengths(problem.replace(readout=grid), 1e-6)
    assert given.strengths[:2] == pytest.approx(law.strengths[:2], rel=2e-6)


def brute_force(problem, f, r, spacing, n_omega, n_readout, inner_spacing, n_xi, scale=0.8):
    """Tensor quadrature over (z, omega, Z, xi) at every point, for tanh(z + 7/10)."""
    sigma = np.tanh
    shift = 0.7
    Z, wZ = trapezoid(9, 0.05)
    slope = 1 - sigma(Z + shift) ** 2
    mu1, mu2 = wZ @ slope, wZ @ (slope * Z)
    variance = wZ @ slope**2 - mu1**2
    x, wx = trapezoid(7.5, spacing)
    omega, wo = gauss_hermite(n_omega)
    grids = np.meshgrid(*([x] * r), omega, indexing="ij")
    weights = np.ones_like(grids[0])
    for axis, w in enumerate([*([wx] * r), wo]):
        weights = weights * w.reshape([-1 if k == axis else 1 for k in range(r + 1)])
    keep = weights.ravel() > 1e-13
    weights = weights.ravel()[keep]
    *z, om = (grid.ravel()[keep] for grid in grids)
    y = f(*z)
    phi1 = problem.dim / problem.samples[0]
    b = np.array([weights @ (zi * y) for zi in z])
    b[np.abs(b) < 1e-12] = 0
    Ey, Ey2 = weights @ y, weights @ y**2
    B = b @ b + phi1 * Ey2
    tau = math.sqrt(phi1 * Ey2 * variance)
    zeta = b @ np.array(z) + math.sqrt(phi1 * Ey2) * om
    v = np.linspace(-1, 1, n_readout) * math.asinh(8 / scale)
    g = scale * np.sinh(v)
    w = np.cosh(v) * np.exp(-(g**2) / 2)
    w /= w.sum()
    Z, wZ = trapezoid(7.5, inner_spacing)
    slope = 1 - sigma(Z + shift) ** 2
    xi, w_xi = gauss_hermite(n_xi)
    eta1 = problem.steps[0].scale * problem.width ** problem.steps[0].exponent
    phi_t, h = np.empty((g.size, y.size)), np.zeros(y.size)
    kick = phi1 if problem.batch == "reused" else 0.0
    for q, t in enumerate(eta1 * g / math.sqrt(problem.width)):
        for start in range(0, y.size, 40):
            rows = slice(start, start + 40)
            linear = mu1 * zeta[rows, None, None] + (tau * xi)[:, None] + mu2 * Ey * Z
            s = sigma(shift + Z + t * (kick * y[rows, None, None] * slope + linear))
            h[rows] += w[q] * g[q] * ((s @ wZ) @ w_xi)
            phi_t[q, rows] = ((1 - s**2) @ wZ) @ w_xi
    return spikes_of_operator(problem, b, B, mu1, g, w, (y - h) * phi_t, weights, z, zeta, y)


def test_two_indices_by_brute_force():
    problem = Problem(
        "tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0.35), (2, 0.4)], batch="reused"
    )
    found = resummed_strengths(problem, 1e-6)
    theta, o2 = brute_force(problem, lambda a, b: a + a * b, 2, 0.5, 14, 24, 0.3, 10)
    assert found.strengths[:2] == pytest.approx(theta[:2], rel=1e-6)
    assert found.alignments[:2] ** 2 == pytest.approx(o2[:2], abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize(
    ("text", "f", "r", "spacing", "n_omega"),
    [
        ("He3(z)/3 + z/2 + 3/10", lambda z: (z**3 - 3 * z) / 3 + z / 2 + 0.3, 1, 0.15, 24),
        ("z1*z2 + tanh(z2)", lambda a, b: a * b + np.tanh(b), 2, 0.35, 18),
        ("z1 + z1*z2*z3/2", lambda a, b, c: a + a * b * c / 2, 3, 0.6, 12),
    ],
)
def test_brute_force(batch, text, f, r, spacing, n_omega):
    problem = Problem("tanh(z + 7/10)", text, 1000, 1000, 3000, [(1, 0.35), (2, 0.4)], batch=batch)
    found = resummed_strengths(problem, 1e-6)
    theta, o2 = brute_force(problem, f, r, spacing, n_omega, 24, 0.3, 12)
    assert found.strengths[:2] == pytest.approx(theta[:2], rel=2e-6)
    assert found.alignments[:2] ** 2 == pytest.approx(o2[:2], abs=5e-6)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_two_indices_that_are_one(batch):
    """``f(z1 + z2)`` is ``f(sqrt(2) z)`` in rotated axes; its alignment is shared by both."""
    same = {"width": 800, "dim": 800, "samples": 1600, "steps": [(2, 0.3), (2, 0.4)]}
    two = resummed_strengths(Problem("tanh(z + 7/10)", "tanh(z1 + z2)", batch=batch, **same), 1e-6)
    one = resummed_strengths(
        Problem("tanh(z + 7/10)", "tanh(sqrt(2)*z)", batch=batch, **same), 1e-6
    )
    assert two.strengths[:3] == pytest.approx(one.strengths[:3], rel=2e-6)
    halves = np.repeat(one.alignments[:2] ** 2 / 2, 2, axis=1)
    assert two.alignments[:2] ** 2 == pytest.approx(halves, abs=2e-6)


def test_oblique_kink():
    """A kink along z1 = -z2: exact moments, and an estimate that covers the other integrals."""
    same = {"width": 800, "dim": 800, "samples": 1600, "steps": [(2, 0.3), (2, 0.4)]}
    exact = resummed_strengths(Problem("tanh(z + 7/10)", "relu(sqrt(2)*z)", **same), 1e-8)
    oblique = Problem("tanh(z + 7/10)", "relu(z1 + z2)", **same)
    for rtol in (1e-3, 1e-5):
        found = resummed_strengths(oblique, rtol)
        assert found.status is Status.CONVERGED
        error = np.abs(found.strengths[:2] - exact.strengths[:2])
        assert np.all(error <= found.strength_errors[:2])


def test_neuron_that_has_no_readout():
    """``g = 0`` does not move: kinked activations in closed form must not divide by it."""
    readout = np.tile([-1.5, 0.0, 1.5], 200)
    problem = Problem(
        "relu(z)", "sin(2*z)", 600, 600, 1200, [(2, 0.3), (2, 0.4)], "reused", readout
    )
    found = resummed_strengths(problem, 1e-6)
    assert found.status.ok
    near = problem.replace(readout=np.tile([-1.5, 1e-6, 1.5], 200))
    assert found.strengths == pytest.approx(resummed_strengths(near, 1e-6).strengths, rel=1e-5)
