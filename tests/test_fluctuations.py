"""The Gaussian equivalent of the gradients' fluctuations: closed forms, quadrature, Monte Carlo."""

import dataclasses
import itertools
import math
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from rmt.moments.quadrant import quadrant
from rmt.problem import Problem
from rmt.spikes.constants import constants
from rmt.spikes.deformed.fluctuations import fluctuations, resolution_of
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.second_step import SecondStep
from rmt.spikes.second_step.averages import averages_at_samples
from rmt.spikes.second_step.on_grid import reused_on_grid
from rmt.spikes.second_step.piecewise_linear import of_piecewise_linear
from rmt.spikes.state.averages import at_samples
from rmt.spikes.state.walk import walk
from rmt.status import ConvergenceError

T = np.array([-12.0, -2.0, -0.3, -0.01, 1e-5, 0.05, 0.8, 6.0])
PIECEWISE_LINEAR = ["relu(z)", "leaky_relu(z + 2/5, 3/10)", "hard_tanh(2*z - 1/2)", "abs(z - 1)"]
OTHER_KINKED = ["elu(z - 1/3)", "selu(z)", "max(tanh(z), 0)", "relu(z)**2/2"]
SMOOTH = ["tanh(z + 7/10)", "gelu(z)", "z + z**2/4", "sin(2*z)"]
MOMENTS = "value", "slope", "slope_z", "square", "product"
SIGNS = np.array([-1.0, 1.0]), np.array([0.5, 0.5])


def setting(activation):
    """Constants of a problem with ``Ey != 0``, and samples of it, two of them rare."""
    problem = Problem(
        activation, "tanh(z) + He2(z)/3 + 1/4", 500, 500, 1000, [(1, 0.3), (1, 0.3)], "reused"
    )
    c, rng = constants(problem), np.random.default_rng(7)
    y = np.append(math.sqrt(c.Ey2) * rng.standard_normal(4), [6.0, -6.0])
    zeta = np.append(math.sqrt(c.B) * rng.standard_normal(4), [0.3, -0.5])
    return problem.activation, c, 0.5, y, zeta


def direct(sigma, c, phi, t, y, zeta):
    """The five averages by Gauss-Legendre panels over ``Z`` and over ``xi``, both dense.

    Panels over ``Z`` close in geometrically on the inner kinks; those over ``xi`` end at the outer.
    """
    ends, graded = [-8.5, *sigma.kinks, 8.5], np.geomspace(1e-8, 0.5, 150)
    edges = [np.linspace(-8.5, 8.5, 341)]
    edges += [np.clip(np.append(k - graded, k + graded), -8.5, 8.5) for k in ends]
    edges = np.unique(np.concatenate([*edges, ends]))
    x, w = np.polynomial.legendre.leggauss(6)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (x + 1)).ravel()
    weights = (half * w).ravel() * stats.norm.pdf(z)
    inner = sigma.derivative(z)
    u = z + t * (phi * y * inner + c.mu2 * c.Ey * z + c.mu1 * zeta)
    spread, bounds = abs(t) * c.tau, [-math.inf, *sigma.kinks, math.inf]
    x, w = np.polynomial.legendre.leggauss(48 if sigma.kinks else 300)
    total = np.zeros((3, z.size))
    for low, high in itertools.pairwise(bounds):
        a, b = (np.clip((end - u) / spread, -8.5, 8.5) for end in (low, high))
        half = (b - a)[:, None] / 2
        xi = a[:, None] + half * (x + 1)
        inside = np.clip(u[:, None] + spread * xi, np.nextafter(low, high), np.nextafter(high, low))
        value, slope = sigma.value_and_derivative(inside)
        for sum_, part in zip(total, (value, slope, slope**2), strict=True):
            sum_ += np.sum(part * half * w * stats.norm.pdf(xi), axis=1)
    value, slope, square = total
    return [weights @ f for f in (value, slope, z * slope, square, inner * slope)]


# Averages given a sample


@pytest.mark.parametrize("u", [-math.inf, -1.3, -0.0, 0.0, 1e-9, 0.7, 3.0, math.inf])
@pytest.mark.parametrize("r", [-0.99999, -0.6, 1e-12, 0.3, 0.9999999])
def test_quadrant_against_quadrature(u, r):
    q = math.sqrt((1 - r) * (1 + r))
    x = np.array([-2.0, -1e-30, -0.0, 0.0, 1e-30, 0.2])
    found = quadrant(u, x, np.full(x.size, r), np.full(x.size, q))
    nodes, node_weights = np.polynomial.legendre.leggauss(40)
    for k, xk in enumerate(x):
        layers = (xk + np.array([-8, -2, 0, 2, 8]) * q) / r
        ends = np.unique(np.clip([*range(-9, 10), *layers], -9, np.clip(u, -9, 9)))
        half = np.diff(ends)[:, None] / 2
        z = ends[:-1, None] + half * (nodes + 1)
        weights = half * node_weights * stats.norm.pdf(z)
        above = stats.norm.cdf((r * z - xk) / q)
        x_above = r * z * above + q * stats.norm.pdf((r * z - xk) / q)
        for number, part in enumerate((above, z * above, x_above)):
            assert found[number][k] == pytest.approx(np.sum(weights * part), abs=1e-13)


def test_quadrant_of_one_variable():
    """Correlation 1 and -1, also where both ends meet."""
    for u in (-0.5, 0.0, 0.4):
        for x in (-0.5, 0.0, 0.4):
            same = quadrant(u, np.array([x]), np.ones(1), np.full(1, 1e-150))
            mass = max(stats.norm.cdf(u) - stats.norm.cdf(x), 0.0)
            mean = (stats.norm.pdf(x) - stats.norm.pdf(u)) if u > x else 0.0
            assert np.ravel(same) == pytest.approx([mass, mean, mean], abs=1e-15)
            opposite = quadrant(u, np.array([x]), -np.ones(1), np.full(1, 1e-150))
            end = min(u, -x)
            expected = [stats.norm.cdf(end), -stats.norm.pdf(end), stats.norm.pdf(end)]
            assert np.ravel(opposite) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("activation", PIECEWISE_LINEAR)
def test_closed_form_against_direct_quadrature(activation):
    sigma, c, phi, y, zeta = setting(activation)
    found = of_piecewise_linear(SecondStep(sigma, c, phi), T, y, zeta, MOMENTS)
    for q, p in [(0, 4), (1, 1), (4, 0), (6, 5), (7, 3)]:
        expected = direct(sigma, c, phi, T[q], y[p], zeta[p])
        # The reference rounds ends of panels over xi by 1e-16 / (t tau).
        assert found[:, q, p] == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_relu_in_a_reused_batch_by_one_integral():
    """``P(Z + S > 0 | Z)`` is a normal distribution function; what is left is one integral."""
    sigma, c, phi, y, zeta = setting("relu(z)")
    found = of_piecewise_linear(SecondStep(sigma, c, phi), T, y, zeta, MOMENTS)
    for q, p in [(1, 0), (5, 1), (6, 2), (7, 4)]:

        def slope(z, t=T[q], p=p):
            s = phi * y[p] * (z > 0) + c.mu1 * zeta[p] + c.mu2 * c.Ey * z
            return stats.norm.cdf((z + t * s) / abs(t * c.tau))

        def mean(f, low, slope=slope):
            def integrand(z):
                return f(z) * slope(z) * stats.norm.pdf(z)

            halves = [(-9.0, 0.0), (0.0, 9.0)] if low < 0 else [(0.0, 9.0)]
            return sum(integrate.quad(integrand, *h, epsabs=1e-12, limit=200)[0] for h in halves)

        expected = [mean(lambda z: 1, -9), mean(lambda z: z, -9)]
        assert found[1:3, q, p] == pytest.approx(expected, abs=1e-9)
        assert found[3, q, p] == pytest.approx(expected[0], abs=1e-9)
        assert found[4, q, p] == pytest.approx(mean(lambda z: 1, 0), abs=1e-9)


@pytest.mark.parametrize("activation", [*OTHER_KINKED, *SMOOTH])
def test_grid_against_direct_quadrature(activation):
    """Relative to the size of each function; the labels of 6 are the hard ones."""
    sigma, c, phi, y, zeta = setting(activation)
    found = averages_at_samples(SecondStep(sigma, c, phi), T, y, zeta, MOMENTS, 10.0)
    for q, p in [(0, 4), (1, 5), (4, 0), (6, 2)]:
        expected = direct(sigma, c, phi, T[q], y[p], zeta[p])
        assert found[:, q, p] == pytest.approx(expected, rel=2e-8, abs=2e-8)


@pytest.mark.parametrize("activation", PIECEWISE_LINEAR)
def test_grid_against_the_closed_form(activation):
    sigma, c, phi, y, zeta = setting(activation)
    wanted = (*MOMENTS, "bend")
    t, pairs = T[np.abs(T) > 1e-3], (np.repeat(y, zeta.size), np.tile(zeta, y.size))
    exact = of_piecewise_linear(SecondStep(sigma, c, phi), t, *pairs, wanted)
    found = reused_on_grid(SecondStep(sigma, c, phi), t, y, zeta, wanted, 10.0, 64.0)
    error = np.abs(found - exact) / (1 + np.abs(exact))
    assert error[:5].max() < 1e-8
    assert error[5].max() < 1e-5  # rises to the inverse width of a smoothed kink


@pytest.mark.parametrize("activation", [*PIECEWISE_LINEAR, *OTHER_KINKED, *SMOOTH])
@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_bend_is_the_answer_of_the_slope_to_a_shift(activation, batch):
    """With ``mu_1 = 1``, a shift of ``zeta`` by ``h`` is one of ``Z + S`` by ``t h``."""
    sigma, c, phi, y, zeta = setting(activation)
    c, t, h = dataclasses.replace(c, mu1=1.0), np.array([-2.0, 0.8]), 1e-3
    labels = y if batch == "reused" else None

    def average(name, shift):
        return averages_at_samples(
            SecondStep(sigma, c, phi), t, labels, zeta + shift, [name], 20.0
        )[0]

    # Fourth order in h.
    near, far = (average("slope", k * h) - average("slope", -k * h) for k in (1, 2))
    expected = (8 * near - far) / (12 * h * t[:, None])
    assert average("bend", 0.0) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "activation",
    [
        "tanh(z + 7/10)",
        "sin(3*z)",
        "elu(z - 1/3)",
        "hard_tanh(z)*exp(z/3)",
        "z**2*tanh(z)",
        "cos(2*z)",
    ],
)
@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_between_the_nodes_of_the_grid(activation, batch):
    """Of many samples the averages are interpolated; of a few they are not."""
    sigma, c, phi, _, _ = setting(activation)
    rng, t = np.random.default_rng(5), np.array([-2.0, -0.05, 0.8])
    y, zeta = rng.standard_normal((2, 3000)) * [[math.sqrt(c.Ey2)], [math.sqrt(c.B)]]
    some = np.argsort(np.abs(y))[::250]

    def averages(rows):
        labels = y[rows] if batch == "reused" else None
        return averages_at_samples(
            SecondStep(sigma, c, phi), t, labels, zeta[rows], MOMENTS[:4], 10.0
        )

    few, many = averages(some), averages(slice(None))[:, :, some]
    size = 1 + np.abs(few)
    assert (np.abs(few - many) / size).max() < 2e-8


def test_errors_at_samples_fall_with_the_eighth_power():
    sigma, c, phi, _, _ = setting("elu(z - 1/3)")
    rng, t = np.random.default_rng(6), np.array([-2.0, 0.8])
    y, zeta = rng.standard_normal((2, 3000)) * [[math.sqrt(c.Ey2)], [math.sqrt(c.B)]]
    fine, *others = (
        averages_at_samples(SecondStep(sigma, c, phi), t, y, zeta, MOMENTS, n)
        for n in (24.0, 4.0, 8.0)
    )
    coarse, medium = (np.abs(one - fine).max() for one in others)
    assert 1e-7 < coarse < 1e-3
    assert medium < coarse / 2**6


def test_averages_come_in_the_order_in_which_they_are_asked_for():
    for activation in ("tanh(z + 7/10)", "relu(z)"):
        sigma, c, phi, y, zeta = setting(activation)
        for labels in (y, None):
            arguments = SecondStep(sigma, c, phi), T, labels, zeta
            both = averages_at_samples(*arguments, ["slope_z", "value"], 6.0)
            alone = [averages_at_samples(*arguments, [one], 6.0)[0] for one in ("slope_z", "value")]
            assert both == pytest.approx(np.stack(alone), rel=1e-14)


def test_an_activation_that_overflows_in_the_second_step_says_so():
    sigma, c, phi, y, zeta = setting("exp(z)")
    for labels in (y, None):
        with np.errstate(all="ignore"), pytest.raises(ConvergenceError, match="overflows"):
            averages_at_samples(SecondStep(sigma, c, phi), 100 * T, labels, zeta, MOMENTS[:4], 6.0)


def test_a_sample_by_mpmath():
    """``max(tanh(z), 0)``: two integrals, split where ``Z`` or ``Z + S`` meets the kink."""
    sigma, c, phi, y, zeta = setting("max(tanh(z), 0)")
    t, p = 0.8, 1
    found = averages_at_samples(
        SecondStep(sigma, c, phi), np.array([t]), y[p : p + 1], zeta[p : p + 1], MOMENTS, 10.0
    )[:, 0, 0]
    delta, alpha, shift = t * c.tau, 1 + t * c.mu2 * c.Ey, t * c.mu1 * zeta[p]

    def density(x):
        return mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi)

    def inner(z):
        return mpmath.sech(z) ** 2 if z > 0 else mpmath.mpf(0)

    def given_z(z):
        """``E[sigma], E[sigma'], E[sigma'^2]`` over ``xi``."""
        u = alpha * z + t * phi * y[p] * inner(z) + shift
        parts = (mpmath.tanh, lambda v: mpmath.sech(v) ** 2, lambda v: mpmath.sech(v) ** 4)
        low = max(-u / delta, mpmath.mpf(-7))
        ends = [low, low + 2, low + 5, 7] if low < 2 else [low, max(low + 1, 7)]
        return [mpmath.quad(lambda x, f=f: f(u + delta * x) * density(x), ends) for f in parts]

    rule = [
        (z, w)
        for low, high in ((-7, -3), (-3, -1), (-1, 0), (0, 1), (1, 2), (2, 4), (4, 7))
        for z, w in panel(low, high)
    ]
    expected = [mpmath.mpf(0)] * 5
    for z, w in rule:
        value, slope, square = given_z(z)
        row = value, slope, z * slope, square, inner(z) * slope
        expected = [e + w * density(z) * one for e, one in zip(expected, row, strict=True)]
    assert found == pytest.approx([float(e) for e in expected], rel=3e-9, abs=3e-9)


def panel(low, high, order=20):
    x, w = np.polynomial.legendre.leggauss(order)
    half = (high - low) / 2
    return [(mpmath.mpf(low + half * (a + 1)), half * b) for a, b in zip(x, w, strict=True)]


@dataclass
class Batch:
    """A batch's fluctuations with its samples; ``psi`` is the mean per unit of ``eta a``."""

    weights: np.ndarray
    linear: np.ndarray
    variance: np.ndarray
    y: np.ndarray
    z: np.ndarray
    omega: np.ndarray | None
    psi: np.ndarray


def batches_of(problem, g, w, resolution=1.0, linked=False):
    found, result = fluctuations(problem, g, w, resolution, linked), []
    segments = [
        one.segment
        for one in walk(
            problem, g, w, resolution_of(problem, resolution), to_the_end=False, kept=True
        )
        if one.segment is not None
    ]
    r, a = problem.n_directions, g / math.sqrt(problem.width)
    samples = [(one.nodes, m) for one in segments for m in one.memories.values()]
    for batch, (nodes, memory) in zip(found.batches, samples, strict=True):
        step = problem.schedule.index(len(result)) if len(samples) > 1 else len(problem.steps) - 1
        scale = np.where(a == 0, np.nan, problem.learning_rates[step] * a)
        beside = nodes.coordinates[r] if len(nodes.coordinates) > r else None
        mean = memory.means[max(memory.means)]
        result.append(
            Batch(
                batch.weights,
                batch.linear,
                batch.variance,
                nodes.label,
                nodes.coordinates[:r],
                beside if beside is None else beside * np.sign(c_of(problem, found)),
                mean / scale[:, None],
            )
        )
    return result


def c_of(problem, found):
    """Of the sign of the first direction beside the target's, as ``beta_1`` has it."""
    return found.before[-1, problem.n_directions] * constants(problem).mu1


def last_batch(*arguments, **options):
    return batches_of(*arguments, **options)[-1]


# L and V by their definitions


@pytest.mark.parametrize(
    ("activation", "batch", "noise_std"),
    [
        ("relu(z)", "reused", 0.0),
        ("elu(z)", "reused", 0.4),
        ("tanh(z + 7/10)", "reused", 0.0),
        ("hard_tanh(z - 1/2)", "reused", 0.4),
        ("relu(z)", "independent", 0.0),
        ("tanh(z + 7/10)", "independent", 0.4),
    ],
)
def test_definitions_by_monte_carlo(activation, batch, noise_std):
    """``kappa`` from the gradients themselves, for a few samples; within five standard errors."""
    problem = Problem(
        activation, "z + He2(z) + 1/5", 300, 200, 400, [(3, 0.35), (3, 0.4)], batch, "rademacher"
    ).replace(noise_std=noise_std)
    found, c = last_batch(problem, *SIGNS), constants(problem)
    reused = batch == "reused"
    sigma, phi = problem.activation, problem.sample_ratios[0]
    rng, count = np.random.default_rng(3), 400_000
    z, xi = rng.standard_normal((2, count))
    likely = np.argsort(-found.weights * found.y**2)[[0, 11, 40]]
    for p in likely:
        y = found.y[p]
        zeta = c.b @ found.z[:, p] + math.sqrt(phi * c.Ey2) * found.omega[p]
        eta = [rate / math.sqrt(problem.width) for rate in problem.learning_rates]
        inner = sigma.derivative(z)
        common = c.mu1 * zeta + c.mu2 * c.Ey * z + c.tau * xi + reused * phi * y * inner
        value, slope = zip(
            *(sigma.value_and_derivative(z + g * eta[0] * common) for g in SIGNS[0]), strict=True
        )
        outputs = (value[1] - value[0]) / 2
        h, h_error = outputs.mean(), outputs.std() / math.sqrt(count)

        def terms(h, g, slope, y=y, inner=inner, eta=eta):
            """Terms whose means are ``L``, ``V`` (to first order about ``L``) and ``psi``."""
            kappa = eta[1] * g * (y - h) * slope + reused * eta[0] * g * y * inner
            kappa -= kappa.mean()
            linear = (kappa * z).mean()
            square = kappa**2 + linear**2 - 2 * linear * kappa * z
            return np.stack([kappa * z, square, (y - h) * slope])

        for q, g in enumerate(SIGNS[0]):
            here = terms(h, g, slope[q])
            error = here.std(axis=1) / math.sqrt(count)
            error += np.abs(terms(h + h_error, g, slope[q]).mean(axis=1) - here.mean(axis=1))
            stated = [found.linear[q, p], found.variance[q, p], found.psi[q, p]]
            assert (np.abs(stated - here.mean(axis=1)) < 5 * error).all()


@pytest.mark.parametrize("activation", ["relu(z)", "elu(z)", "tanh(z + 7/10)"])
def test_small_steps(activation):
    """``kappa -> (eta_1 + eta_2) a y (sigma' - mu_1)``, on the one batch."""
    steps = [(1e-5, 0.1), (1e-5, 0.1)]
    problem = Problem(activation, "sin(2*z)", 500, 500, 900, steps, "reused", "rademacher")
    found, c = last_batch(problem, *SIGNS), constants(problem)
    k = sum(problem.learning_rates) / math.sqrt(500) * SIGNS[0][:, None] * found.y
    slope_variance = c.rms_slope**2 - c.mu1**2
    size = np.abs(k).max()
    assert found.linear == pytest.approx(k * c.mu2, abs=1e-5 * size)
    assert found.variance == pytest.approx(k**2 * (slope_variance - c.mu2**2), abs=1e-5 * size**2)
    psi = np.broadcast_to(c.mu1 * found.y, found.psi.shape)
    assert found.psi == pytest.approx(psi, abs=1e-4)


@pytest.mark.parametrize("activation", ["relu(z)", "elu(z)", "tanh(z + 7/10)"])
@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_a_step_of_zero(activation, batch):
    """``g = 0``: nothing fluctuates, and everything else is the limit of small ``g``."""
    steps = [(2, 0.3), (2, 0.3)]
    problem = Problem(activation, "sin(2*z)", 500, 500, 900, steps, batch)
    w = np.array([0.25, 0.25, 0.25, 0.25])
    found = last_batch(problem, np.array([-1.5, 0.0, 1e-7, 1.5]), w)
    assert not found.linear[1].any()
    assert not found.variance[1].any()
    # Half way between the two signs, but for what is of second order in g.
    assert found.weights @ found.psi[2] ** 2 > 0.01
    assert np.isfinite(found.psi[[0, 2, 3]]).all()


# Samples


@pytest.mark.parametrize(
    ("target", "noise_std"),
    [
        ("sin(2*z) + z", 0.0),
        ("He3(z)/sqrt(6)", 0.0),
        ("relu(z - 1/3)", 0.5),
        ("tanh(z)", 2.0),
        ("z1 + z1*z2", 0.0),
        ("tanh(z1) + He2(z1)*z2/2", 0.4),
        ("z1 + z1*z2*z3", 0.0),
    ],
)
@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_moments_of_the_samples(target, noise_std, batch):
    """Up to the rare nodes that are dropped, of a share of 1e-6, 1e-5, 1e-4 of ``1 + y^2/Ey2``."""
    problem = Problem(
        "relu(z)", target, 500, 500, 900, [(1, 0.1), (1, 0.1)], batch, noise_std=noise_std
    )
    c, r = constants(problem), problem.n_directions
    dropped = 10.0 ** (r - 7)
    for found in batches_of(problem, *SIGNS):
        w, y, z = found.weights, found.y, found.z
        assert w.min() > 0
        assert z.shape == (r, w.size)
        assert w.sum() == pytest.approx(1.0, abs=1e-14)
        assert w @ y == pytest.approx(c.Ey, abs=dropped)
        assert w @ y**2 == pytest.approx(c.Ey2, rel=2 * dropped)
        assert (z * w) @ y == pytest.approx(c.b, abs=5 * dropped)
        # z^2, omega^2 of rare nodes are about 10 to 20.
        assert (z * w) @ z.T == pytest.approx(np.eye(r), abs=20 * dropped)
        if found.omega is not None:
            assert w @ found.omega**2 == pytest.approx(1.0, abs=20 * dropped)
            assert w @ (found.omega * y) ** 2 == pytest.approx(c.Ey2, rel=20 * dropped)
            assert w @ (found.omega * y * z[0]) == pytest.approx(0.0, abs=5 * dropped)


@pytest.mark.parametrize("activation", ["relu(z)", "gelu(z)"])
def test_averages_converge_with_the_resolution(activation):
    """Mean of ``V`` and of ``(E[y psi], E[z psi])``, by the number of sample nodes."""
    steps = [(2, 0.3), (2, 0.3)]
    problem = Problem(activation, "sin(2*z) + z/2", 500, 500, 900, steps, "reused", "rademacher")

    def averages(resolution):
        found = last_batch(problem, *SIGNS, resolution)
        parts = [found.variance, found.linear**2, found.psi * found.y, found.psi * found.z[0]]
        return np.concatenate([part @ found.weights for part in parts])

    fine = averages(2.2)
    errors = [np.abs(averages(r) / fine - 1).max() for r in (0.4, 0.7, 1.0, 1.4)]
    assert errors[0] > 1e-3
    assert errors[1] < 0.1 * errors[0]
    assert errors[2] < 1e-5
    assert errors[3] < 1e-6


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("activation", ["erf(z)", "tanh(z + 7/10)", "elu(z)", "sin(3*z)"])
def test_the_second_step_is_not_what_limits_the_accuracy(activation, batch, monkeypatch):
    """``L``, ``V`` and the mean at the same samples, the second step averaged more finely."""
    steps = [(2, 0.35), (2, 0.45)]
    problem = Problem(activation, "sin(2*z) + z/2", 500, 500, 1000, steps, batch)
    g, w = readout_rule("gaussian", 8, 1.0, True)
    usual = last_batch(problem, g, w, linked=True)

    def finely(*arguments):
        return at_samples(*arguments[:-1], 4.0 * arguments[-1])

    monkeypatch.setattr("rmt.spikes.state.walk.at_samples", finely)
    fine = last_batch(problem, g, w, linked=True)
    size = {"linear": np.sqrt(fine.variance + fine.linear**2).max()}
    for name in ("linear", "variance", "psi"):
        one, two = getattr(usual, name), getattr(fine, name)
        error = np.sqrt((one - two) ** 2 @ fine.weights).max()
        assert error < 1e-7 * size.get(name, np.sqrt(two**2 @ fine.weights).max())


def test_two_indices_that_are_one():
    """``tanh(z1 + z2)`` is ``tanh(sqrt(2) z)``: another sample rule, the same averages."""
    steps = [(3, 0.3), (3, 0.3)]
    one = Problem("elu(z)", "tanh(sqrt(2)*z)", 800, 800, 1600, steps, "reused", "rademacher")
    two = one.replace(target="tanh(z1 + z2)")
    a, b = last_batch(one, *SIGNS), last_batch(two, *SIGNS)
    along = np.full(2, math.sqrt(0.5)) @ b.z
    for f, h in [
        (a.variance, b.variance),
        (a.linear**2, b.linear**2),
        (a.psi * a.y, b.psi * b.y),
        (a.psi * a.omega, b.psi * b.omega),
        (a.psi * a.z[0], b.psi * along),
    ]:
        assert f @ a.weights == pytest.approx(h @ b.weights, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("relu(z)", "sin(2*z) + z/2"),
        ("relu(z)", "z1 + z1*z2"),
        ("elu(z)", "sin(2*z) + z/2"),
        ("tanh(z + 7/10)", "z1 + z1*z2"),
    ],
)
@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_strengths_from_the_mean_at_the_samples(activation, batch, target):
    """The kernel of theory.md, section 3, from ``psi`` at the nodes, against the resummed level."""
    steps = [(3, 0.3), (3, 0.35)]
    problem = Problem(activation, target, 1000, 1000, 2000, steps, batch, "uniform")
    spikes = resummed_strengths(problem, 1e-6)
    g, w, c = spikes.readout_nodes, spikes.readout_weights, constants(problem)
    found = last_batch(problem, g, w)
    psi, y, p = found.psi, found.y, found.weights
    phi_1, phi_2 = problem.sample_ratios
    reused = batch == "reused"
    zeta = c.b @ found.z + math.sqrt(phi_1 * c.Ey2) * found.omega
    points = np.vstack([found.z, zeta])
    r = len(found.z)
    gamma = np.block([[np.eye(r), c.b[:, None]], [c.b[None, :], np.array([[c.B]])]])
    with_points, with_y = (psi * p) @ points.T, psi @ (p * y)
    stein = np.linalg.solve(gamma, with_points.T).T
    inner = (phi_1 if reused else phi_2) * (psi * p) @ psi.T + stein @ gamma @ stein.T
    along = with_points[:, -1].copy()
    if reused:
        along += phi_1 * with_y
        inner += phi_1 * (np.outer(stein[:, -1], with_y) + np.outer(with_y, stein[:, -1]))
    eta_1, eta_2 = problem.learning_rates
    kernel = (eta_1 * c.mu1) ** 2 * c.B + eta_1 * eta_2 * c.mu1 * np.add.outer(along, along)
    kernel = (kernel + eta_2**2 * inner) * np.outer(g, g) * np.sqrt(np.outer(w, w))
    theta = np.sqrt(np.linalg.eigvalsh(kernel)[:-3:-1])
    assert theta == pytest.approx(spikes.strengths[:2], rel=1e-4)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_link_of_a_quadratic_activation_is_closed_form(batch):
    """``sigma'' = 2 a``: the response ``c(g)`` is ``2 a eta_2 g E[y - h] / sqrt(N)``."""
    steps = [(2, 0.3), (3, 0.35)]
    problem = Problem("z + He2(z)/4", "sin(2*z) + z/2 + 2/5", 900, 600, 1500, steps, batch)
    problem = problem.replace(readout="rademacher")
    plain, linked = (batches_of(problem, *SIGNS, linked=one) for one in (False, True))
    base = fluctuations(problem, *SIGNS, linked=True).base
    c, last = constants(problem), plain[-1]
    t = problem.learning_rates[0] * SIGNS[0] / math.sqrt(problem.width)
    # psi_t = (y - h) Phi_t with Phi_t = 1 + E[Z + S]/2, of which E[y - h] follows node by node.
    phi1 = problem.sample_ratios[0] if batch == "reused" else 0.0
    zeta = c.b @ last.z + math.sqrt(problem.sample_ratios[0] * c.Ey2) * last.omega
    # On a reused batch E[Z + S] holds phi y E[sigma'] = phi y.
    slope = 1.0 + t[:, None] * (phi1 * last.y + c.mu1 * zeta) / 2.0
    residual = (last.psi / slope)[0]
    response = 0.5 * problem.learning_rates[1] / problem.learning_rates[0] * t
    response = response * float(last.weights @ residual)
    if batch == "independent":
        first, moved = plain[0], linked[0]
        assert moved.linear == pytest.approx((1 + response)[:, None] * first.linear, rel=1e-6)
        assert moved.variance == pytest.approx((1 + response)[:, None] ** 2 * first.variance)
        assert linked[1].linear == pytest.approx(last.linear, abs=1e-9)
    else:
        shift = linked[0].linear - last.linear
        expected = response[:, None] * c.mu2 * t[:, None] * last.y
        assert shift == pytest.approx(expected, abs=1e-6)
    # What the first step has added in the mean is not said twice.
    assert base == pytest.approx(1.0 - response * t * c.mu2 * c.Ey, abs=1e-7)


def test_linear_activation_has_no_link():
    problem = Problem("z", "sin(2*z)", 500, 500, 900, [(2, 0.3), (2, 0.3)], "reused")
    (batch,) = fluctuations(problem, *SIGNS, linked=True).batches
    assert np.abs(batch.linear).max() < 1e-12
