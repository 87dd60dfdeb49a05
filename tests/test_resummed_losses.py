"""The resummed level for any loss and law of labels: references, brute force, closed forms.

docs/losses.md, effective labels.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy

from rmt.problem import Problem, Step
from rmt.problem.labels import Bernoulli, Channel, Poisson, SignOf
from rmt.problem.losses import Loss
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.constants import constants
from rmt.spikes.mean_update import solve_family
from rmt.spikes.residual_kinks import switches
from rmt.spikes.residual_samples import samples_of
from rmt.spikes.resummed import family_key, resummed_family, resummed_strengths
from rmt.status import Status
from tests.test_resummed import gauss_hermite, spikes_of_operator, trapezoid

CASES = json.loads((Path(__file__).parent / "reference" / "losses.json").read_text("utf-8"))[
    "cases"
]
LABELS = {"bernoulli 1/(1 + exp(-(3*z + 1)))": Bernoulli("1/(1 + exp(-3*z - 1))")}
VANISHING = [
    pytest.param(case, id=f"{case['loss']}-{case['labels']}")
    for case in CASES
    if case["output_scale"] != 1.0
]


def problem_of(case):
    n, decays = case["width"], case["eta_times_weight_decay"]
    steps = [
        Step(c, alpha, decay / (c * n**alpha))
        for (c, alpha), decay in zip(case["steps"], decays, strict=True)
    ]
    return Problem(
        case["activation"],
        LABELS.get(case["labels"], case["labels"]),
        n,
        case["dim"],
        case["samples"][0],
        steps,
        batch=case["batch"],
        readout=case["readout"],
        loss=case["loss"],
    )


@pytest.mark.parametrize("case", VANISHING)
def test_reference(case):
    """Spikes and outliers of the reference, to the accuracy that it states.

    Its product rules converge algebraically for the Huber loss, to 3e-5: `test_brute_force` holds
    that problem with rules of its own.
    """
    problem = problem_of(case)
    found = resummed_strengths(problem, 1e-7)
    assert found.status is Status.CONVERGED
    off = 3e-5 if case["loss"].startswith("huber") else 1e-5
    moments = case["moments"]
    c = constants(problem)
    for name, value in (("b", c.b[0]), ("Ey1", c.Ey), ("Ey1sq", c.Ey2), ("B", c.B), ("tau", c.tau)):
        assert value == pytest.approx(moments[name], abs=3e-8)
    assert len(case["spikes"]) == 3
    for k, spike in enumerate(case["spikes"]):
        strength = off * spike["strength"] + spike["strength_error"]
        if found.strengths[k] > 1:  # weaker ones leave no outlier
            assert abs(found.strengths[k] - spike["strength"]) <= strength
            assert found.alignments[k, 0] ** 2 == pytest.approx(
                spike["target_alignment_sq"], abs=1e-5
            )
    kept = math.prod(1.0 - decay for decay in case["eta_times_weight_decay"])
    outliers = rectangular_outliers(found.strengths / kept, problem.aspect_ratio)
    for k, outlier in enumerate(case["outliers"]):
        value = outlier["singular_value"]
        stated = outlier["abs_error_singular_value"]
        assert kept * outliers.singular_value[k] == pytest.approx(value, abs=off * value + stated)
        overlap = outliers.right_overlap[k] * found.alignments[k, 0] ** 2
        assert overlap == pytest.approx(outlier["target_overlap_sq"], abs=1e-5)


# Brute force: h and Phi_t by sums over Z and xi at points of (y_1, zeta), joined by splines, then
# sums over dense points of (z, y, omega). Nothing of it is taken from the package.


def dense_normal(spacing, edges=(), half_width=7.5):
    """Gauss-Legendre panels of about that spacing between edges, times the normal density."""
    ends = np.array([-half_width, *edges, half_width])
    x, w = np.polynomial.legendre.leggauss(8)
    counts = np.maximum(1, np.ceil(np.diff(ends) / (8 * spacing))).astype(int)
    cuts = np.concatenate(
        [np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(ends, ends[1:], counts, strict=False)]
    )
    cuts = np.append(cuts, half_width)
    half = np.diff(cuts)[:, None] / 2
    z = (cuts[:-1, None] + half * (x + 1)).ravel()
    return z, (half * w).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def brute_force(problem, residual, z, weights, y, p, omega, labels=0, shift=0.7):
    """Strengths and squared alignments for ``tanh(z + shift)`` and Gaussian readouts.

    Points ``z`` of shape (r, I) with their weights, labels and probabilities of shape (A, I), and
    a rule for ``omega``. ``labels``: the number of nodes of ``y_1`` to interpolate between on a
    reused batch; 0 for all different ones.
    """
    reused = problem.batch == "reused"
    phi1, eta1 = problem.dim / problem.samples[0], problem.steps[0].size(problem.width)
    decays = [step.size(problem.width) * step.weight_decay for step in problem.steps]
    Z, wZ = trapezoid(7.5, 0.3)
    sigma, slope = np.tanh(Z + shift), 1 - np.tanh(Z + shift) ** 2
    mu1, mu2 = wZ @ slope, wZ @ (Z * slope)
    variance = wZ @ slope**2 - mu1**2
    y_1 = residual(np.zeros_like(y), y)
    mass = (p * weights).ravel()
    every = np.broadcast_to(z[:, None], (len(z), *y.shape)).reshape(len(z), -1)
    kept = mass > 1e-15
    mass, every = mass[kept], every[:, kept]
    y, y_1 = (np.broadcast_to(one, p.shape).ravel()[kept] for one in (y, y_1))
    b = every @ (mass * y_1)
    b[np.abs(b) < 1e-13] = 0
    Ey, Ey2 = mass @ y_1, mass @ y_1**2
    B, tau = b @ b + phi1 * Ey2, math.sqrt(phi1 * Ey2 * variance)
    om, w_om = omega
    zeta = (b @ every)[:, None] + math.sqrt(phi1 * Ey2) * om
    v = np.linspace(-1, 1, 41) * math.asinh(8 / 1.0)
    g, w = np.sinh(v), np.cosh(v) * np.exp(-(np.sinh(v) ** 2) / 2)
    w /= w.sum()
    xi, w_xi = gauss_hermite(12)
    nodes = np.zeros(1)
    if reused and labels:
        half = (y_1.max() - y_1.min()) / 2
        nodes = y_1.min() + half * (1 - np.cos(np.pi * np.arange(labels) / (labels - 1)))
    elif reused:
        nodes = np.unique(y_1.round(12))
    knots = np.linspace(zeta.min(), zeta.max(), 121)
    output, phi_t = np.zeros((nodes.size, knots.size)), np.empty((g.size, nodes.size, knots.size))
    for q, t in enumerate(eta1 / math.sqrt(problem.width) * g):
        for a, node in enumerate(nodes):
            linear = mu1 * knots[:, None, None] + (tau * xi)[:, None] + mu2 * Ey * Z
            moved = phi1 * node * slope if reused else 0.0
            s = np.tanh(shift + (1 - decays[0]) * Z + t * (moved + linear))
            output[a] += w[q] * g[q] * ((s @ wZ) @ w_xi)
            phi_t[q, a] = ((1 - s**2) @ wZ) @ w_xi
    output *= problem.output_gain
    place = np.broadcast_to(y_1[:, None], zeta.shape)
    rho = np.empty(zeta.shape)
    psi = np.empty((g.size, *zeta.shape))

    def at_samples(table):
        if reused and labels:
            spline = scipy.interpolate.RectBivariateSpline(nodes, knots, table, kx=5, ky=5)
            return spline(place, zeta, grid=False)
        found = np.empty(zeta.shape)
        which = np.abs(y_1[:, None] - nodes).argmin(axis=1) if reused else np.zeros(y_1.size, int)
        for a in range(nodes.size):
            rows = which == a
            found[rows] = scipy.interpolate.make_interp_spline(knots, table[a], 7)(zeta[rows])
        return found

    rho = residual(at_samples(output), y[:, None])
    for q in range(g.size):
        psi[q] = rho * at_samples(phi_t[q])
    points = np.repeat(every, om.size, axis=1)
    total = np.multiply.outer(mass, w_om).ravel()
    arguments = g, w, psi.reshape(g.size, -1), total, list(points), zeta.ravel(), place.ravel()
    del sigma
    return spikes_of_operator(problem, b, B, mu1 * (1 - decays[1]), *arguments)


def logistic(h, y):
    return y / (1 + np.exp(y * h))


def huber(h, y):
    return np.clip(y - h, -0.5, 0.5)


def hinge(h, y):
    return y * np.maximum(0, 1 - y * h)


def signs(p):
    return np.array([[1.0], [-1.0]]) * np.ones_like(p), np.stack([p, 1 - p])


def problem(labels, loss, batch, steps=((6, 0.3), (6, 0.4)), **more):
    return Problem(
        "tanh(z + 7/10)", labels, 1000, 900, 1800, list(steps), batch=batch, loss=loss, **more
    )


def agrees(case, brute, rtol=2e-6):
    found = resummed_strengths(case, 1e-7)
    assert found.status is Status.CONVERGED
    theta, o2 = brute
    count = min(3, found.strengths.size)
    assert count >= 2
    assert found.strengths[:count] == pytest.approx(theta[:count], rel=rtol)
    assert found.alignments[:2] ** 2 == pytest.approx(o2[:2], abs=rtol)


BATCHES = pytest.mark.parametrize("batch", ["independent", "reused"])


@BATCHES
def test_logistic_signs(batch):
    z, w = dense_normal(0.1, [0.0])
    y, p = signs((z > 0).astype(float))
    brute = brute_force(
        problem("z", "squared", batch), logistic, z[None], w, y, p, gauss_hermite(40)
    )
    agrees(problem(SignOf("z"), "logistic", batch), brute)
    agrees(problem("sign(z)", "logistic", batch), brute)


@BATCHES
def test_logistic_probabilities_with_weight_decay(batch):
    steps = [Step(6, 0.3, 0.4 / (6 * 1000**0.3)), Step(6, 0.4, 0.3 / (6 * 1000**0.4))]
    case = problem(Bernoulli("sigmoid(3*z + 1)"), "logistic", batch, steps)
    z, w = dense_normal(0.1)
    y, p = signs(scipy.special.expit(3 * z + 1))
    agrees(case, brute_force(case, logistic, z[None], w, y, p, gauss_hermite(40)))


@pytest.mark.slow  # seconds each
@BATCHES
def test_two_directions(batch):
    case = problem(Bernoulli("sigmoid(2*z1 + z1*z2)"), "logistic", batch)
    z, w = dense_normal(0.24, half_width=6.5)
    grid = np.stack([one.ravel() for one in np.meshgrid(z, z, indexing="ij")])
    y, p = signs(scipy.special.expit(2 * grid[0] + grid[0] * grid[1]))
    weights = np.multiply.outer(w, w).ravel()
    agrees(case, brute_force(case, logistic, grid, weights, y, p, gauss_hermite(16)))


@BATCHES
def test_squared_hinge(batch):
    case = problem(SignOf("z + 3/10", noise_std=0.5), "squared_hinge", batch)
    z, w = dense_normal(0.12)
    y, p = signs(scipy.special.ndtr((z + 0.3) / 0.5))
    omega = dense_normal(0.02, half_width=7)
    agrees(case, brute_force(case, hinge, z[None], w, y, p, omega), 3e-6)


def he3_between_kinks(spacing):
    """Nodes cut where the label is one of those at which the Huber loss turns."""
    roots = np.concatenate([np.roots([1, 0, -3, s * math.sqrt(6) / 2]) for s in (1, -1)])
    z, w = dense_normal(spacing, np.sort(roots.real), 8.0)
    y = (z**3 - 3 * z)[None] / math.sqrt(6)
    return z[None], w, y, np.ones_like(y)


@pytest.mark.slow  # seconds each
@pytest.mark.parametrize("steps", [((6, 0.3), (6, 0.4)), ((2, 0.2), (4, 0.4))], ids=["", "small"])
def test_huber_on_fresh_batches(steps):
    """The first is the reference's problem up to its dimension."""
    case = problem("He3(z)/sqrt(6)", "huber(1/2)", "independent", steps)
    samples = he3_between_kinks(0.04)
    agrees(case, brute_force(case, huber, *samples, dense_normal(0.03)), 4e-6)


@pytest.mark.slow  # seconds each
def test_huber_on_one_batch():
    case = problem("He3(z)/sqrt(6)", "huber(1/2)", "reused")
    samples = he3_between_kinks(0.05)
    agrees(case, brute_force(case, huber, *samples, dense_normal(0.05), 40), 5e-6)


@pytest.mark.slow  # seconds each
@BATCHES
def test_counts(batch):
    case = problem(Poisson("exp(z/2)"), "poisson", batch, ((3, 0.3), (3, 0.4)))
    z, w = dense_normal(0.15)
    y = np.arange(40.0)[:, None] * np.ones_like(z)
    p = scipy.stats.poisson.pmf(y, np.exp(z / 2))

    def residual(h, y):
        return y - np.exp(h)

    agrees(case, brute_force(case, residual, z[None], w, y, p, gauss_hermite(36)), 4e-6)


@pytest.mark.slow  # seconds each
@BATCHES
def test_a_loss_of_ones_own_with_label_noise(batch):
    case = problem("sin(2*z)", "log(cosh(h - y))", batch, noise_std=0.3)
    z, w = dense_normal(0.12)
    x, wx = gauss_hermite(14)
    y, p = np.sin(2 * z) + 0.3 * x[:, None], wx[:, None] * np.ones_like(z)
    brute = brute_force(case, lambda h, y: np.tanh(y - h), z[None], w, y, p, gauss_hermite(24), 30)
    agrees(case, brute, 3e-6)


@pytest.mark.slow  # seconds each
def test_kinks_with_label_noise():
    """Kinks of the residual and of the effective label, in the label noise as well."""
    case = problem("sin(2*z)", "huber(1/2)", "independent", noise_std=0.5)
    z, w = dense_normal(0.2, half_width=6.5)
    x, wx = dense_normal(0.05, half_width=6)
    y, p = np.sin(2 * z) + 0.5 * x[:, None], wx[:, None] * np.ones_like(z)
    # Not cut where the effective label has its kinks: those are at other noise for every z.
    brute = brute_force(case, huber, z[None], w, y, p, gauss_hermite(20))
    found = resummed_strengths(case, 1e-5)
    assert found.status is Status.CONVERGED
    assert found.strengths[:2] == pytest.approx(brute[0][:2], rel=3e-5)
    assert found.alignments[:2] ** 2 == pytest.approx(brute[1][:2], abs=3e-5)


@pytest.mark.slow  # seconds each
@BATCHES
def test_lost_labels(batch):
    """Labels that vary beside an atom."""
    case = problem(Channel(["z", 0], ["3/4", "1/4"]), "huber(1/2)", batch)
    z, w = dense_normal(0.06, [-0.5, 0.0, 0.5])
    y = np.stack([z, np.zeros_like(z)])
    p = np.array([[0.75], [0.25]]) * np.ones_like(y)
    brute = brute_force(case, huber, z[None], w, y, p, dense_normal(0.08), 24)
    agrees(case, brute, 5e-6)


@pytest.mark.slow  # seconds each
@BATCHES
def test_output_scale(batch):
    more = {"output_scale": 0.1, "initialisation": "antisymmetric"}
    case = problem(SignOf("z"), "logistic", batch, **more)
    assert case.output_gain == pytest.approx(0.1 * math.sqrt(1000))
    z, w = dense_normal(0.1, [0.0])
    y, p = signs((z > 0).astype(float))
    agrees(case, brute_force(case, logistic, z[None], w, y, p, gauss_hermite(40)))


# Closed forms and limits


@BATCHES
@pytest.mark.parametrize("target", ["sin(2*z)", pytest.param("z1 + z1*z2", marks=pytest.mark.slow)])
def test_correlation_loss_is_the_squared_one_without_an_answer(batch, target):
    """``rho = y``: what the squared loss is in the limit of large labels.

    With labels ``c y`` and steps ``eta / c`` it moves the weights like the residuals ``y - h / c``.
    """
    case = problem(target, "correlation", batch)
    found = resummed_strengths(case, 1e-8)
    large = f"1000000*({target})"
    near = resummed_strengths(
        case.replace(loss="squared", target=large, steps=[(6e-6, 0.3), (6e-6, 0.4)]), 1e-8
    )
    assert found.strengths[:3] == pytest.approx(near.strengths[:3], rel=1e-5)
    assert found.alignments[:2] ** 2 == pytest.approx(near.alignments[:2] ** 2, abs=1e-5)


@pytest.mark.slow  # seconds each
@BATCHES
def test_affine_residuals_by_both_routes(batch, monkeypatch):
    """Moments in the label, and residuals at every sample."""
    for target, noise, losses in (
        ("sin(2*z)", 0.3, ["squared"]),
        ("tanh(z) + z**2/4", 0.0, ["squared", "correlation", "3*(y - h)**2/2"]),
        ("sign(z)", 0.0, ["squared"]),
    ):
        for loss in losses:
            case = problem(target, loss, batch, ((3, 0.3), (3, 0.4)), noise_std=noise)
            moments = resummed_strengths(case, 1e-7)
            with monkeypatch.context() as patched:
                patched.setattr("rmt.spikes.mean_update.is_affine", lambda problem: False)
                patched.setattr("rmt.spikes.resummed.is_affine", lambda problem: False)
                samples = resummed_strengths(case, 1e-7)
            assert samples.status is Status.CONVERGED
            assert samples.strengths[:3] == pytest.approx(moments.strengths[:3], rel=1e-6)
            assert samples.alignments[:3] ** 2 == pytest.approx(
                moments.alignments[:3] ** 2, abs=1e-6
            )


@BATCHES
def test_a_multiple_of_a_loss_is_a_step_as_many_times_as_large(batch):
    once = problem("sin(2*z)", "squared", batch)
    twice = once.replace(loss="(y - h)**2", steps=[(3, 0.3), (3, 0.4)])
    one, other = (resummed_strengths(case, 1e-9) for case in (once, twice))
    assert one.strengths == pytest.approx(other.strengths, rel=1e-8)


@BATCHES
def test_small_logistic_steps_are_those_of_the_squared_loss(batch):
    """The output stays zero: effective labels ``y / 2``, which is a step of half the size."""
    signs = SignOf("z + 3/10", noise_std=0.5)
    for eta, off in ((1e-2, 3e-3), (1e-3, 3e-4)):
        case = problem(signs, "logistic", batch, ((2 * eta, 0.0), (8, 0.3)))
        squared = case.replace(loss="squared", steps=[(eta, 0.0), (4, 0.3)])
        one, other = (resummed_strengths(each, 1e-8) for each in (case, squared))
        assert one.strengths[0] == pytest.approx(other.strengths[0], rel=off)


@BATCHES
@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "squared", "abs(y - h)", "huber(1)"])
def test_binary_labels_hide_a_target_of_higher_exponent(batch, loss):
    """Functions of two labels are affine: with ``E[z y] = 0`` no batch finds the target."""
    case = problem(SignOf("z*(z**2 - 2*log(2))"), loss, batch, ((8, 0.3), (8, 0.4)))
    found = resummed_strengths(case, 1e-5)
    assert found.status is Status.CONVERGED
    assert found.strengths[1] > 1
    assert np.abs(found.alignments[found.strengths > 0.1]).max() <= 1e-8


def test_huber_lowers_the_exponent():
    """``E[z y] = 0``, but ``E[z y_1]``, of labels that are cut, is not."""
    case = problem("He3(z)/sqrt(6)", "huber(1/2)", "independent")
    assert constants(case).b[0] == pytest.approx(-0.2025602733, abs=1e-10)
    assert constants(case.replace(loss="squared")).b[0] == 0
    one = resummed_strengths(case.replace(steps=[(6, 0.3)]), 1e-6)
    b, B = constants(case).b[0], constants(case).B
    assert one.alignments[0, 0] ** 2 == pytest.approx(b**2 / B, rel=1e-12)
    assert resummed_strengths(case, 1e-6).alignments[0, 0] ** 2 > 0.4


def test_a_residual_that_never_turns_is_that_of_the_squared_loss():
    """A Huber loss beyond all labels; its label kinks are out of reach."""
    wide = problem("tanh(z)", "huber(30)", "reused")
    for case in (wide, wide.replace(batch="independent")):
        one = resummed_strengths(case, 1e-8)
        other = resummed_strengths(case.replace(loss="squared"), 1e-8)
        assert one.strengths[:3] == pytest.approx(other.strengths[:3], rel=1e-7)


def test_weight_decay_of_a_linear_activation():
    """``sigma = z``: ``P = (g / sqrt N)(r_2 eta_1 beta_1 + eta_2 v)`` of rank one."""
    n, eta, kept = 1000, 6 * 1000**0.3, (0.6, 0.7)
    steps = [Step(6, 0.3, (1 - r) / eta) for r in kept]
    case = Problem("z", "z", n, n, 2000, steps)
    found = resummed_strengths(case, 1e-9)
    phi, k = 0.5, eta / math.sqrt(n)
    # zeta = z + sqrt(phi) omega, h = k zeta, psi = z - k zeta; <beta_*, v>, <beta_1, v>, |v|^2.
    B = 1 + phi
    z_v, zeta_v, square = 1 - k, 1 - k * B, 1 - 2 * k + k**2 * B
    drift = np.array([z_v, zeta_v]) @ np.linalg.solve([[1, 1], [1, B]], [z_v, zeta_v])
    theta2 = (kept[1] * eta) ** 2 * B + 2 * kept[1] * eta**2 * zeta_v
    theta2 += eta**2 * (phi * square + drift)
    assert found.strengths == pytest.approx([math.sqrt(theta2)], rel=1e-9)


# Error estimates, families, statuses

MANY = [
    (SignOf("z", noise_std=0.5, flip=0.1), "logistic"),
    (SignOf("abs(z) - 1/2"), "squared_hinge"),
    ("sign(z) + relu(z)", "huber(1/2)"),
    ("z", "abs(h - y)"),
    ("(z**3 - 3*z)/2", "sqrt(1 + (h - y)**2)"),
    (Poisson("1 + z**2"), "poisson"),
    (Poisson("exp(z/2)"), "huber(1)"),
    (Channel(["z", "-z"], ["sigmoid(z)", "1 - sigmoid(z)"]), "log(cosh(h - y))"),
    (Bernoulli("sigmoid(z1*z2 + z1)"), "logistic"),
    ("z1*z2 + z1", "log(cosh(h - y))"),
]


@pytest.mark.slow  # seconds each
@BATCHES
@pytest.mark.parametrize(("labels", "loss"), MANY, ids=[loss for _, loss in MANY])
def test_estimates_cover_the_errors(batch, labels, loss):
    """Of several activations and steps, against a tolerance a hundredth of it."""
    rng = np.random.default_rng(len(loss))
    for activation in ("tanh(z + 7/10)", "relu(z)", "softplus(z - 1/3)"):
        steps = [(float(np.exp(rng.uniform(-0.5, 2.0))), a) for a in (0.3, 0.35)]
        case = problem(labels, loss, batch, steps, readout="rademacher").replace(
            activation=activation
        )
        found, finer = (resummed_strengths(case, rtol) for rtol in (1e-4, 1e-6))
        assert found.status is Status.CONVERGED
        assert finer.status is Status.CONVERGED
        k = min(found.strengths.size, finer.strengths.size)
        error = np.abs(found.strengths[:k] - finer.strengths[:k])
        assert np.all(error <= found.strength_errors[:k] + finer.strength_errors[:k])
        error = np.abs(found.alignments[:k] ** 2 - finer.alignments[:k] ** 2)
        assert np.all(error <= found.alignment_sq_errors[:k] + finer.alignment_sq_errors[:k])


def test_estimates_see_every_variable():
    """Each solve beside a much finer one: what coarsening tells is of the size of the error."""
    case = problem("sin(2*z)", "huber(1/2)", "reused", noise_std=0.4)
    c, fine = constants(case), {"readout": 40.0, "zeta": 48.0, "inner": 6.0}
    fine |= {"target": 14.0, "labels": 50.0, "noise": 16.0}
    exact = solve_family([case], c, fine, 1e-12)[0][0].strengths[:2]
    for name, coarse in {"zeta": 8.0, "target": 2.0, "labels": 8.0, "noise": 3.0}.items():
        found, coarser = solve_family([case], c, {**fine, name: coarse}, 1e-12)[0]
        error = np.abs(found.strengths[:2] - exact) / exact
        told = np.abs(found.strengths[:2] - coarser[name].strengths[:2]) / exact
        assert error.max() > 1e-8
        assert error.max() <= 2.0 * told.max() * (1 + 5 * told.max())


def test_families_share_loss_labels_and_gain():
    case = problem(SignOf("z"), "logistic", "independent")
    other = case.replace(steps=[case.steps[0], (2, 0.3, 0.01)], samples=(1800, 700))
    assert family_key(case) == family_key(other)
    together = resummed_family([case, other], 1e-6)
    for found, member in zip(together, (case, other), strict=True):
        alone = resummed_strengths(member, 1e-6)
        k = min(found.strengths.size, alone.strengths.size)
        assert found.strengths[:k] == pytest.approx(alone.strengths[:k], rel=2e-6)
    decays = [Step(6, 0.3, 0.01), case.steps[1]]
    scaled = case.replace(output_scale=0.1, initialisation="antisymmetric")
    keys = [
        family_key(case),
        family_key(case.replace(loss="squared")),
        family_key(case.replace(target=SignOf("z", flip=0.1))),
        family_key(case.replace(target="sign(z)")),
        family_key(case.replace(steps=decays)),
        family_key(scaled),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.slow  # as far as a solve may go
def test_residuals_without_second_moment_do_not_pass():
    """Counts of a log-normal rate: ``exp(h)`` grows faster with the label than its law falls."""
    case = problem(Poisson("exp(7*z/10)"), "poisson", "reused").replace(activation="relu(z)")
    assert resummed_strengths(case, 1e-4).status is not Status.CONVERGED


# Switches, and rules that know of them


@pytest.mark.parametrize(
    ("loss", "count"),
    [
        ("squared", 0),
        ("logistic", 0),
        ("poisson", 0),
        ("log(cosh(h - y))", 0),
        ("sqrt(1 + (h - y)**2)", 0),
        ("huber(1/2)", 1),  # not where h = y, at which its text has an abs
        ("huber(30)", 1),
        ("squared_hinge", 1),
        ("abs(h - y)", 1),
        ("max(h - y, 0)**2 + max(h, 0)", 2),
    ],
)
def test_switches(loss, count):
    found = switches(Loss(loss))
    assert (0 if found is None else len(found(0.1, np.array([1.0])))) == count


def test_labels_that_many_samples_share_are_atoms():
    """Plateaus of a target, and rows of a law that do not vary."""
    cases = {
        "sign(z)": [-1, 1],
        "relu(z)": [0],
        "sign(z) + relu(z)": [-1],
        "z": [],
        Channel(["z", 0], ["3/4", "1/4"]): [0],
        SignOf("z1*z2"): [-1, 1],
    }
    for labels, atoms in cases.items():
        case = problem(labels, "huber(1/2)", "reused")
        samples = samples_of(case, constants(case), 20, 6.0, 1, 1e-9)
        assert samples.atoms.tolist() == atoms
        total = samples.weights.sum() + samples.moments[0, :, 0].sum()
        assert total == pytest.approx(1.0, abs=1e-9)
