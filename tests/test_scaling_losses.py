"""The scaling level with any loss and law of labels: brute force, known cases, and its limit.

Labels here are nodes and weights of ``(z, y)``, and residuals are written out by hand: nothing of
`rmt.problem.effective` is used.
"""

import math

import numpy as np
import pytest
import scipy
import sympy

import rmt
from rmt import (
    Bernoulli,
    Channel,
    InvalidInputError,
    Poisson,
    Problem,
    ScalarFunction,
    SignOf,
    UnsupportedProblemError,
)
from rmt.problem.supported import SETTINGS, settings_of

STEPS = [(1, 0.3), (2, 0.4)]


def given(activation, target, loss, batch="reused", steps=STEPS, **changes):
    return Problem(
        *(activation, target, 1000, 1000, 2000, steps), batch=batch, loss=loss, **changes
    )


# Labels as nodes: (z, y_1, weight), flat


def normal_nodes(edges=(0.0,), reach=9.0, order=40):
    x, w = np.polynomial.legendre.leggauss(order)
    ends = np.array(sorted({*np.linspace(-reach, reach, 7).tolist(), *edges}))
    half = np.diff(ends)[:, None] / 2
    z = (ends[:-1, None] + half * (x + 1)).ravel()
    return z, (half * w).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def hermite_nodes(n):
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return x, w / w.sum()


def of_signs(p, rho, edges=()):
    z, w = normal_nodes(edges)
    y = np.repeat([1.0, -1.0], z.size)
    return np.tile(z, 2), rho(y), np.concatenate([w * p(z), w * (1 - p(z))])


def of_function(f, rho, edges=()):
    z, w = normal_nodes(edges)
    return z, rho(f(z)), w


def with_noise(f, rho, std):
    z, w = normal_nodes()
    xi, v = hermite_nodes(90)
    z, xi = (a.ravel() for a in np.meshgrid(z, xi, indexing="ij"))
    return z, rho(f(z) + std * xi), np.multiply.outer(w, v).ravel()


def of_counts(rate, rho):
    z, w = normal_nodes(order=14)
    y = np.arange(120.0)[:, None]
    p = scipy.stats.poisson.pmf(y, rate(z)) * w
    y, z = np.broadcast_arrays(rho(y), z)
    return z.ravel(), y.ravel(), p.ravel()


def sigmoid(u):
    return scipy.special.expit(u)


def cubic(z):
    return (z**3 - 3 * z) / math.sqrt(6)


CLIPS = ScalarFunction("min(max(He3(z)/sqrt(6), -1/2), 1/2)").kinks
# Target, noise, loss, nodes of the effective label, and whether it has more than two values.
CASES = {
    "logistic, sign": (
        *(SignOf("z"), 0.0, "logistic"),
        lambda: of_signs(lambda z: (z > 0) * 1.0, lambda y: y / 2, (0.0,)),
    ),
    "logistic, Bernoulli": (
        *(Bernoulli("sigmoid(3*z + 1)"), 0.0, "logistic"),
        lambda: of_signs(lambda z: sigmoid(3 * z + 1), lambda y: y / 2),
    ),
    "squared hinge, noisy sign, flipped": (
        *(SignOf("z + 3/10", noise_std=0.5, flip=0.15), 0.0, "squared_hinge"),
        lambda: of_signs(lambda z: 0.15 + 0.7 * scipy.special.ndtr((z + 0.3) / 0.5), lambda y: y),
    ),
    "log cosh, Bernoulli": (
        *(Bernoulli("sigmoid(2*z)"), 0.0, "log(cosh(h - y))"),
        lambda: of_signs(lambda z: sigmoid(2 * z), np.tanh),
    ),
    "Huber, He3": (
        *("He3(z)/sqrt(6)", 0.0, "huber(1/2)"),
        lambda: of_function(cubic, lambda y: np.clip(y, -0.5, 0.5), CLIPS),
    ),
    "Poisson": (
        *(Poisson("exp(z/2)"), 0.0, "poisson"),
        lambda: of_counts(lambda z: np.exp(z / 2), lambda y: y - 1),
    ),
    "Huber, Poisson": (
        *(Poisson("exp(z/2)"), 0.0, "huber(3/2)"),
        lambda: of_counts(lambda z: np.exp(z / 2), lambda y: np.clip(y, -1.5, 1.5)),
    ),
    "log cosh, Poisson": (  # numbers alone
        *(Poisson("exp(z/2)"), 0.0, "log(cosh(h - y))"),
        lambda: of_counts(lambda z: np.exp(z / 2), np.tanh),
    ),
    "log cosh, noise": (  # numbers alone
        *("z + z**2/3", 0.5, "log(cosh(h - y))"),
        lambda: with_noise(lambda z: z + z**2 / 3, np.tanh, 0.5),
    ),
    "quartic, noise": (
        *("z/2", 0.25, "(y - h)**4/4"),
        lambda: with_noise(lambda z: z / 2, lambda y: y**3, 0.25),
    ),
    "channel": (
        *(Channel(["z", "1/2"], ["sigmoid(z)", "1 - sigmoid(z)"]), 0.0, "correlation"),
        lambda: (
            np.tile(normal_nodes()[0], 2),
            np.concatenate([normal_nodes()[0], 0.5 + 0 * normal_nodes()[0]]),
            np.concatenate(
                [
                    normal_nodes()[1] * sigmoid(normal_nodes()[0]),
                    normal_nodes()[1] * sigmoid(-normal_nodes()[0]),
                ]
            ),
        ),
    ),
}


def slopes_of(activation, x):
    sigma = ScalarFunction(activation)
    z = sigma.symbols[0]
    return [
        sympy.lambdify(z, sigma.expression.diff(z, m), ["scipy", "numpy"])(x) + 0 * x
        for m in (1, 2, 3)
    ]


def brute_force(activation, nodes, batch, width, phi=0.5):
    """Strengths and alignments of k = 0, 1, 2 by quadrature (docs/theory.md, section 3)."""
    z, label, weight = nodes
    x, w = hermite_nodes(60)
    slopes = slopes_of(activation, x)
    b, mean, square = weight @ (z * label), weight @ label, weight @ label**2
    mu1, mu2 = w @ slopes[0], w @ (slopes[0] * x)
    s = math.sqrt(phi * square)
    tau2 = phi * square * (w @ slopes[0] ** 2 - mu1**2)
    reused = batch == "reused"
    omega, v = hermite_nodes(40)
    z, label, weight = z[:, None], label[:, None], weight[:, None] * v
    zeta = b * z + s * omega
    # psi_k = y_1 E[sigma^{(k+1)} (c + d sigma' + e Z)^k], c = mu_1 zeta, by moments of sigma.
    psi = [mu1 * label + 0 * zeta]
    drift = mu2 * mean * x
    first = [w @ (slopes[1] * one) for one in (1, slopes[0], drift)]
    psi.append(label * (mu1 * zeta * first[0] + phi * label * first[1] * reused + first[2]))
    total = 0.0
    for p, slope, high, d in zip(w, slopes[0], slopes[2], drift, strict=True):
        total = total + p * high * ((phi * label * slope * reused + mu1 * zeta + d) ** 2 + tau2)
    psi.append(label * total)
    vectors = [None, *psi]

    def stein(p):
        return np.array([(weight * z * p).sum(), (weight * omega * p).sum()])

    gram = np.eye(5)
    for i in range(4):
        gram[i, 4] = gram[4, i] = b if i == 0 else stein(vectors[i])[0]
    gram[0, 0] = b**2 + s**2
    for i in range(1, 4):
        p = vectors[i]
        of_beta = (weight * zeta * p).sum() + reused * phi * (weight * label * p).sum()
        gram[0, i] = gram[i, 0] = of_beta
        for j in range(1, 4):
            q = vectors[j]
            gram[i, j] = phi * (weight * p * q).sum() + stein(p) @ stein(q)
            for one, other in ((p, q), (q, p)) if reused else ():
                gram[i, j] += phi * stein(one)[1] / s * (weight * label * other).sum()
    eta1, eta2 = width**0.3, 2 * width**0.4
    rows = np.zeros((4, 5))
    rows[0, :2] = mu1 * eta1, eta2
    rows[1, 2] = rows[2, 3] = rows[3, 4] = 1.0
    inner = rows @ gram @ rows.T
    strengths, alignments, kept = [], [], []
    for k in range(3):
        left = inner - inner[:, kept] @ np.linalg.solve(inner[np.ix_(kept, kept)], inner[kept])
        distance = math.sqrt(max(left[k, k], 0.0))
        growth = 1.0 if k == 0 else eta2 * eta1**k / math.factorial(k) * width ** (-k / 2)
        strengths.append(growth * math.sqrt((1, 3, 6)[k]) * distance)
        alignments.append(left[k, 3] / distance)
        kept.append(k)
    return np.array(strengths), np.array(alignments)


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("name", CASES)
def test_spikes_by_brute_force(name, batch):
    target, noise, loss, nodes = CASES[name]
    activation = "erf(z/2 + 1/2)"
    result = rmt.scaling(given(activation, target, loss, batch, noise_std=noise))
    for width in (100.0, 1e6):
        strengths, alignments = brute_force(activation, nodes(), batch, width)
        assert result.strengths(width) == pytest.approx(strengths, rel=2e-7)
        assert abs(result.alignments(width)[:, 0]) == pytest.approx(abs(alignments), abs=1e-6)
        assert result.strength_errors(width) == pytest.approx(0 * strengths, abs=1e-4)


# Known cases


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("target", [SignOf("z + z**2/2"), Bernoulli("sigmoid(z)")])
def test_logistic_loss_is_the_squared_one_with_half_the_steps(target, batch):
    squared = rmt.scaling(given("tanh(z + 7/10)", target, "squared", batch))
    twice = [(2 * c, alpha) for c, alpha in STEPS]
    logistic = rmt.scaling(given("tanh(z + 7/10)", target, "logistic", batch, twice))
    assert squared.n_outliers == logistic.n_outliers
    for one, other in zip(squared.spikes, logistic.spikes, strict=True):
        assert one.exponent == other.exponent
    for width in (1e3, 1e9):
        assert logistic.strengths(width) == pytest.approx(squared.strengths(width), rel=1e-13)
        assert logistic.alignments(width) == pytest.approx(squared.alignments(width), abs=1e-13)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "squared"])
def test_known_alignments(loss):
    """``sign(z)`` on a reused batch: docs/losses.md, the level scaling."""
    result = rmt.scaling(given("erf(z + 1/2)", SignOf("z"), loss, steps=[(8, 0.3), (8, 0.4)]))
    assert result.is_exact
    squares = result.alignments(1000)[:, 0] ** 2
    assert squares == pytest.approx([0.5601, 0.0, 0.0838], abs=5e-5)


def test_a_sign_is_a_law_of_signs():
    """As a target that is a function, and as a law: the same, exactly."""
    for batch in ("independent", "reused"):
        law = rmt.scaling(given("erf(z + 1/2)", SignOf("z - 1/3"), "logistic", batch))
        function = rmt.scaling(given("erf(z + 1/2)", "sign(z - 1/3)", "logistic", batch))
        for width in (1e3, 1e8):
            assert law.strengths(width) == pytest.approx(function.strengths(width), rel=1e-13)
            ours, theirs = law.alignments(width), function.alignments(width)
            assert ours == pytest.approx(theirs, abs=1e-13)


def test_noise_of_the_correlation_loss_is_that_of_the_squared_one():
    one, other = (
        rmt.scaling(given("erf(z + 1/2)", "He3(z)/3 + z", loss, noise_std=0.5))
        for loss in ("squared", "correlation")
    )
    assert [s.strength for s in one.spikes] == [s.strength for s in other.spikes]
    assert one.is_exact


def test_binary_labels_of_a_high_exponent_are_never_learned():
    target = SignOf("z*(z**2 - 2*log(2))")
    for batch in ("independent", "reused"):
        result = rmt.scaling(given("erf(z + 1/2)", target, "logistic", batch), 5)
        assert not any(s.carries_target for s in result.spikes)
        region = rmt.learned_region(target, batch, "erf(z + 1/2)", loss="logistic")
        assert region.order is None


def test_robust_losses_are_learned_by_the_first_spike():
    for batch in ("independent", "reused"):
        region = rmt.learned_region("He3(z)/sqrt(6)", batch, loss="huber(1/2)")
        assert (region.exponent, region.order) == (1, 0)
        plain = rmt.learned_region("He3(z)/sqrt(6)", batch)
        assert plain.order == (None if batch == "independent" else 2)
    problem = given("erf(z + 1/2)", "He3(z)/sqrt(6)", "huber(1/2)", "independent")
    assert rmt.scaling(problem, 1).spikes[0].carries_target


def test_several_directions():
    """Labels of one direction or the other: ``b`` halves, and the second moment stays."""
    law = Channel(["z1", "z2"], ["1/2", "1/2"])
    result = rmt.scaling(given("z + He2(z)/2", law, "squared", "independent", [(2, 0.3)]))
    # theta^2 = eta^2 (|b|^2 + phi E[y^2]) = 4 (1/4 + 1/4 + 1/2), o_i = b_i / 1
    assert result.strengths(1)[0] == pytest.approx(2.0, rel=1e-14)
    assert result.alignments(1)[0] == pytest.approx([0.5, 0.5], rel=1e-14)
    both = Bernoulli("(1 + erf(z1 + z2/2))/2")
    ridge = rmt.scaling(given("z + He2(z)/2", both, "logistic", "reused"))
    single = Bernoulli("(1 + erf(sqrt(5)/2*z))/2")
    turned = rmt.scaling(given("z + He2(z)/2", single, "logistic", "reused"))
    assert ridge.strengths(1e4) == pytest.approx(turned.strengths(1e4), rel=1e-12)
    found = ridge.alignments(1e4) @ np.array([2, 1]) / math.sqrt(5)
    assert abs(found) == pytest.approx(abs(turned.alignments(1e4)[:, 0]), abs=1e-12)


# The limit: docs/losses.md, effective labels, at a finite width


def mean_update(activation, law, rho, batch, steps, width, phi=0.5):
    """Singular values of the mean update, with the residual at the output that it has.

    ``psi_t = rho(h, y) Phi_t`` and ``h = E_g[g E[sigma(Z + S)]]``, with ``S`` of ``(y_1, zeta)``.
    """
    z, y, weight = law
    sigma = ScalarFunction(activation)
    reused = batch == "reused"
    y1 = rho(0.0 * y, y)
    b, mean, square = weight @ (z * y1), weight @ y1, weight @ y1**2
    s = math.sqrt(phi * square)
    omega, v = hermite_nodes(16)
    z, y, y1 = (np.repeat(a, omega.size) for a in (z, y, y1))
    omega = np.tile(omega, weight.size)
    p = np.multiply.outer(weight, v).ravel()
    zeta = b * z + s * omega
    x, u = hermite_nodes(32)
    slope = sigma.derivative(x)
    mu1, mu2 = u @ slope, u @ (slope * x)
    tau = math.sqrt(phi * square * (u @ slope**2 - mu1**2))
    xi, q = hermite_nodes(8)
    eta = [c * width**alpha for c, alpha in steps]
    g, w = hermite_nodes(16)
    shift = (phi * y1 * slope[:, None] if reused else 0.0) + mu1 * zeta + mu2 * mean * x[:, None]
    Phi, h = np.zeros((g.size, z.size)), np.zeros(z.size)
    for i, readout in enumerate(g):
        t = eta[0] * readout / math.sqrt(width)
        for noise, share in zip(xi, q, strict=True):
            at = x[:, None] + t * (shift + tau * noise)
            value, derivative = sigma.value_and_derivative(at)
            Phi[i] += share * (u @ derivative)
            h += w[i] * readout * share * (u @ value)
    psi = rho(h, y) * Phi
    m_z, m_o, m_y = psi @ (p * z), psi @ (p * omega) / s, psi @ (p * y1)
    inner = phi * (psi * p) @ psi.T + np.multiply.outer(m_z, m_z)
    inner += s**2 * np.multiply.outer(m_o, m_o)
    with_beta = b * m_z + s**2 * m_o
    if reused:
        inner += phi * (np.multiply.outer(m_o, m_y) + np.multiply.outer(m_y, m_o))
        with_beta = with_beta + phi * m_y
    first = eta[0] * mu1
    kernel = first**2 * (b**2 + s**2) + eta[1] ** 2 * inner
    kernel += first * eta[1] * (with_beta[:, None] + with_beta)
    left = g * np.sqrt(w)
    values, vectors = np.linalg.eigh(left[:, None] * kernel * left)
    values, vectors = values[::-1][:3], vectors[:, ::-1][:, :3]
    overlaps = vectors.T @ (left * (first * b + eta[1] * m_z))
    return np.sqrt(values), overlaps**2 / values


def logistic(h, y):
    return y * sigmoid(-y * h)


def squared_hinge(h, y):
    return y * np.maximum(0.0, 1 - y * h)


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize(
    ("loss", "rho", "law", "p"),
    [
        ("logistic", logistic, SignOf("z"), lambda z: (z > 0) * 1.0),
        (
            "squared_hinge",
            squared_hinge,
            Bernoulli("sigmoid(3*z + 1)"),
            lambda z: sigmoid(3 * z + 1),
        ),
    ],
)
def test_the_residual_answers_at_the_next_order(loss, rho, law, p, batch):
    """What `rho(h, y)` adds to `rho(0, y)` vanishes as ``N^(alpha_1 - 1/2)``."""
    steps = [(2, 0.3), (2, 0.4)]
    z, w = normal_nodes(order=8)
    nodes = (
        np.tile(z, 2),
        np.repeat([1.0, -1.0], z.size),
        np.concatenate([w * p(z), w * (1 - p(z))]),
    )
    result = rmt.scaling(given("erf(z + 1/2)", law, loss, batch, steps))
    ratios, differences = [], []
    for width in (1e9, 1e11, 1e13):
        strengths, squares = mean_update("erf(z + 1/2)", nodes, rho, batch, steps, width)
        ratios.append(result.strengths(width)[:2] / strengths[:2] - 1)
        differences.append(result.alignments(width)[:2, 0] ** 2 - squares[:2])
    assert np.abs(ratios[0]).max() < 0.03
    falls = np.log10(np.abs(ratios[0] / ratios[2])) / 4
    assert falls == pytest.approx([0.2, 0.2], abs=0.03)
    assert np.abs(differences[2]).max() < 0.1 * np.abs(differences[0]).max() + 1e-9 + 1e-3


# What there is, and what refuses


def test_the_table_says_so():
    problem = given("erf(z + 1/2)", SignOf("z"), "logistic")
    assert settings_of(problem) == SETTINGS[:1]
    found = rmt.supported(problem)
    for level in ("exponents", "scaling"):
        assert found.of(level).verdict == "derived"
        assert "test_scaling_losses.py" in found.of(level).evidence
    prediction = rmt.predict(problem, "scaling")
    assert prediction.spikes[0].strength == rmt.scaling(problem).strengths(1000)[0]
    assert "labels SignOf(z)" in str(prediction)
    assert ", loss logistic" in str(prediction)
    one = problem.replace(steps=STEPS[:1])
    assert rmt.predict(one, "scaling").spikes[0].strength > 0


def test_levels_that_know_no_effective_labels_refuse():
    problem = given("erf(z + 1/2)", SignOf("z"), "logistic", "independent")
    calls = {
        "features": [
            lambda: rmt.feature_spikes(problem, 500),
            lambda: rmt.ridge(problem, 500, 0.1),
            lambda: rmt.feature_exponents(problem),
        ],
    }
    for level in ("resummed", "deformed"):
        calls[level] = [
            lambda level=level: rmt.predict(problem, level),
            lambda level=level: rmt.sweep(problem, {"alpha_1": [0.1, 0.2]}, method=level),
            lambda level=level: rmt.training_path(problem, method=level),
        ]
    # The errors and alignments along a path are those of the resummed level.
    calls["resummed"].append(lambda: rmt.training_path(problem, method="scaling"))
    for level, some in calls.items():
        if rmt.supported(problem).of(level).ok:
            continue
        for call in some:
            with pytest.raises(InvalidInputError, match="effective labels are not worked out"):
                call()


def test_phase_diagram():
    problem = given("erf(z + 1/2)", SignOf("z"), "logistic", "reused")
    found = rmt.phase_diagram(problem, [0.1, 0.3], [0.1, 0.4], method="scaling")
    for i, a in enumerate([0.1, 0.3]):
        for j, c in enumerate([0.1, 0.4]):
            one = problem.replace(steps=[(1, a), (2, c)])
            assert found.n_outliers[i, j] == len(rmt.predict(one, "scaling").outliers)


def test_weight_decay_is_not_forgotten_with_symbols():
    problem = given("erf(z + 1/2)", SignOf("z"), "logistic", steps=[(1, 0.3, 0.01), (1, 0.3)])
    for alpha in (None, ("a", "b"), (0.2, 0.3)):
        with pytest.raises(UnsupportedProblemError, match="weight decay"):
            rmt.scaling(problem, 2, alpha)


# More than two steps


def test_more_steps():
    steps = [(2, 0.4), (2, 0.4), (2, 0.3)]
    law = Bernoulli("(1 + sin(z1)/2 + sin(z1)*sin(z2)/4)/2")
    result = rmt.scaling(given("tanh(z + 7/10)", law, "logistic", "independent", steps))
    assert [(d.step, d.order) for d in result.directions] == [(1, 0), (2, 1)]
    target = "sin(z1)/4 + sin(z1)*sin(z2)/8"  # E[y_1 | z]
    plain = rmt.scaling(given("tanh(z + 7/10)", target, "squared", "independent", steps))
    for one, other in zip(result.directions, plain.directions, strict=True):
        assert one == other
    assert [s.exponent for s in result.spikes] == [s.exponent for s in plain.spikes]
    # theta_0^2 = mu_1^2 [(sum eta)^2 |b|^2 + sum eta^2 phi E[y_1^2]], b = E[z sin z]/4, y_1 = y/2
    mu1 = float(rmt.hermite_expansion("tanh(z + 7/10)", 1).probabilists[1])
    eta = np.array([c * 1e4**alpha for c, alpha in steps])
    square = mu1**2 * (eta.sum() ** 2 * math.exp(-1) / 16 + (eta**2).sum() * 0.5 / 4)
    strength = result.spikes[0].strength.subs(sympy.Symbol("N", positive=True), 10**4)
    assert float(strength) == pytest.approx(math.sqrt(square), rel=1e-12)


def test_more_steps_refuse_an_answer_that_depends_on_the_label():
    steps = [(2, 0.4)] * 3
    for loss, ok in (("logistic", True), ("squared_hinge", True), ("exp(-y*h)", False)):
        problem = given("tanh(z + 7/10)", SignOf("z"), loss, "independent", steps)
        assert rmt.supported(problem).of("exponents").ok == ok
        if ok:
            assert rmt.scaling(problem).n_found == 1
        else:
            with pytest.raises(UnsupportedProblemError, match="answers differently to each label"):
                rmt.scaling(problem)
            assert rmt.supported(problem).of("exponents").nearest == problem.with_n_steps(2)


def test_directions_that_the_loss_does_not_see():
    """Labels of ``z1 z2`` whose sign is a coin: nothing of either direction is left in the mean."""
    law = Channel(["z1*z2", "-z1*z2"], ["1/2", "1/2"])
    result = rmt.scaling(given("tanh(z + 7/10)", law, "squared", "independent", [(2, 0.4)] * 3))
    assert [one.direction for one in result.directions] == [(1.0, 0.0), (0.0, 1.0)]
    assert result.n_found == 0
    assert all("no coefficient" in one.reason for one in result.directions)
