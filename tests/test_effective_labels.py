"""Effective labels ``y_1 = rho(0, y)`` against sums and integrals over labels, and exponents."""

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
    Loss,
    Poisson,
    Problem,
    ScalarFunction,
    SignOf,
)
from rmt.problem.effective import answers_alike, effective_labels, labels_of

# Residuals at h = 0, by hand.
AT_ZERO = {
    "squared": lambda y: y,
    "correlation": lambda y: y,
    "logistic": lambda y: y / 2,
    "huber(1/2)": lambda y: np.clip(y, -0.5, 0.5),
    "huber(3/2)": lambda y: np.clip(y, -1.5, 1.5),
    "squared_hinge": lambda y: y * np.maximum(0, 1 - 0 * y),
    "poisson": lambda y: y - 1,
    "(y - h)**4/4": lambda y: y**3,
    "log(cosh(h - y))": np.tanh,
    "abs(y - h)": np.sign,
    "sqrt(1 + (y - h)**2)": lambda y: y / np.sqrt(1 + y**2),
    "max(0, 1 - y*h)": lambda y: y,
    "exp(-y*h)": lambda y: y,
}


def panels(edges, order=24):
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.asarray(edges, dtype=float)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (x + 1)).ravel(), (half * w).ravel()


def normal_rule(kinks=(), reach=9.0, pieces=18, order=24):
    edges = sorted({*np.linspace(-reach, reach, pieces + 1).tolist(), *(k for k in kinks)})
    z, w = panels(edges, order)
    return z, w * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def conditional(rho, m, function=None, std=0.0, law=None, z=None, kinks=()):
    """``E[rho(y)^m | z]`` by a sum over labels, or an integral over the noise."""
    if isinstance(law, Poisson):
        y = np.arange(150.0)[:, None]
        return (scipy.stats.poisson.pmf(y, law.rate(z)) * rho(y) ** m).sum(axis=0)
    if law is not None:
        y, p = law.at(z[None])
        return (p * rho(y) ** m).sum(axis=0)
    f = function(z)
    if not std:
        return rho(f) ** m
    total = []
    for one in np.ravel(f):  # the noise's own kinks are where the label has them
        xi, w = normal_rule([(k - one) / std for k in kinks if abs(k - one) < 9 * std])
        total.append(w @ rho(one + std * xi) ** m)
    return np.array(total)


LAWS = [
    (SignOf("z"), "logistic"),
    (SignOf("He3(z)", noise_std=0.5, flip=0.2), "squared_hinge"),
    (Bernoulli("sigmoid(3*z + 1)"), "logistic"),
    (Bernoulli("sigmoid(z)"), "log(cosh(h - y))"),
    (Bernoulli("sigmoid(z)"), "max(0, 1 - y*h)"),
    (Poisson("exp(z/2)"), "squared"),
    (Poisson("exp(z/2)"), "poisson"),
    (Poisson("exp(z/2)"), "huber(3/2)"),
    (Poisson("z**2"), "(y - h)**4/4"),
    (Channel(["z", 0], ["3/4", "1/4"]), "huber(1/2)"),
    (Channel([2, 0, -1], ["sigmoid(z)/2", "1/2", "1/2 - sigmoid(z)/2"]), "huber(3/2)"),
]


@pytest.mark.parametrize(("law", "loss"), LAWS, ids=lambda x: getattr(x, "text", x))
def test_moments_of_laws(law, loss):
    labels = effective_labels(law, loss)
    z = np.linspace(-3, 3, 50)
    assert labels.is_symbolic
    for m in range(5):
        found = np.broadcast_to(labels.moment(m)(z), z.shape)
        expected = conditional(AT_ZERO[loss], m, law=law, z=z)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


FUNCTIONS = [
    ("He3(z)/sqrt(6)", "huber(1/2)", 0.0),
    ("tanh(z) + z**2", "sqrt(1 + (y - h)**2)", 0.0),
    ("z + z**2", "abs(y - h)", 0.7),
    ("z + z**2", "squared", 0.7),
    ("z", "correlation", 0.7),
    ("z", "huber(1/2)", 0.5),
    ("sin(2*z)", "huber(3/2)", 0.3),
    ("z", "(y - h)**4/4", 0.5),
    ("z", "max(0, abs(y - h) - 1)**2/2", 0.5),
]
AT_ZERO["max(0, abs(y - h) - 1)**2/2"] = lambda y: np.sign(y) * np.maximum(0, abs(y) - 1)


@pytest.mark.parametrize(("target", "loss", "std"), FUNCTIONS)
def test_moments_of_targets(target, loss, std):
    labels = effective_labels(target, loss, std)
    z = np.linspace(-2.5, 2.5, 21) + 0.0123
    for m in range(5):
        found = np.broadcast_to(labels.moment(m)(z), z.shape)
        expected = conditional(
            *(AT_ZERO[loss], m, ScalarFunction(target), std),
            z=z,
            kinks=(-1.5, -1, -0.5, 0, 0.5, 1, 1.5),
        )
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("target", "loss", "std"),
    [
        ("He3(z)/sqrt(6)", "log(cosh(h - y))", 0.5),
        ("z + 1/2", "sqrt(1 + (y - h)**2)", 0.3),
        (Poisson("exp(z/2)"), "log(cosh(h - y))", 0.0),
        (Poisson("abs(z)"), "sqrt(1 + (y - h)**2)", 0.0),
        (Bernoulli("sigmoid(2*z)"), "logistic", 0.0),
        ("z", "huber(1/2)", 0.5),
    ],
    ids=lambda x: getattr(x, "text", x),
)
def test_errors_of_coefficients_are_bounds(target, loss, std):
    """Symbolic or not; where not, in double precision."""
    labels = effective_labels(target, loss, std)
    law = None if isinstance(target, str) else target
    z, w = normal_rule([0.0])
    function = ScalarFunction(target) if law is None else None
    hermite = [np.polynomial.hermite_e.HermiteE.basis(k)(z) for k in range(5)]
    for m in (1, 2, 3):
        inside = conditional(AT_ZERO[loss], m, function, std, law, z, (-0.5, 0.5))
        for k, found in labels.coefficients(m, 4).items():
            error = abs(float(found.value) - w @ (hermite[k[0]] * inside))
            assert error <= found.error + 3e-11
            assert found.error < 1e-7


def test_coefficients_of_two_directions():
    x, w = normal_rule(reach=8.0, pieces=8, order=12)
    z1, z2 = (a.ravel() for a in np.meshgrid(x, x, indexing="ij"))
    weight = np.multiply.outer(w, w).ravel()
    rate = Poisson("exp(z1/3 + abs(z2)/4)")
    tanh = effective_labels(rate, "log(cosh(h - y))").coefficients(1, 2)
    y, p = rate.at(np.stack([z1, z2]))
    mean = (p * np.tanh(y)).sum(axis=0)
    for alpha, function in {(1, 0): z1, (0, 1): z2, (1, 1): z1 * z2, (0, 2): z2**2 - 1}.items():
        error = abs(float(tanh[alpha].value) - weight @ (function * mean))
        assert error <= tanh[alpha].error + 1e-11
    noisy = effective_labels("z1*z2", "log(cosh(h - y))", 0.5)
    assert not noisy.is_symbolic
    found, expected = noisy.coefficients(1, 2)[1, 1], 0.0
    for one, u in zip(x, w, strict=True):
        expected += u * (weight @ (z1 * z2 * np.tanh(z1 * z2 + 0.5 * one)))
    assert abs(float(found.value) - expected) <= found.error + 1e-9


def test_forms_are_kept():
    assert effective_labels("He3(z)", "huber(1/2)").function == ScalarFunction(
        "min(max(He3(z), -1/2), 1/2)"
    )
    assert effective_labels("z", "log(cosh(h - y))").function == ScalarFunction("tanh(z)")
    assert effective_labels("z", "(y - h)**2").function == ScalarFunction("2*z")
    assert effective_labels("z", "(y - h)**2", 0.25).noise_std == sympy.Rational(1, 2)
    assert effective_labels("sign(z)", "logistic").function == ScalarFunction("sign(z)/2")
    target = ScalarFunction("gelu(z)")
    for loss in ("squared", "correlation"):
        assert effective_labels(target, loss, 0.3).function is target
    assert effective_labels(SignOf("z"), "log(cosh(h - y))").terms(2) == (
        (sympy.tanh(1) ** 2, ScalarFunction("1")),
    )


@pytest.mark.parametrize("loss", AT_ZERO)
def test_residual_is_that_of_the_loss(loss):
    y = np.linspace(-3, 3, 40) + 0.0123
    if Loss(loss).labels == "signs":
        y = np.array([-1.0, 1.0])
    if Loss(loss).labels == "non-negative":
        y = np.arange(6.0)
    assert Loss(loss).residual(0.0, y) == pytest.approx(AT_ZERO[loss](y), abs=1e-14)


@pytest.mark.parametrize("loss", ["max(0, h) - y*h", "abs(h) + (y - h)**2"])
def test_a_kink_where_the_network_starts_is_refused(loss):
    for call in (effective_labels, lambda t, loss: rmt.information_exponent(t, loss=loss)):
        with pytest.raises(InvalidInputError, match="kink at the output h = 0"):
            call(SignOf("z"), loss)


def test_a_kink_at_labels_of_some_probability_is_refused():
    """The absolute error of labels that are 0: the sign of an output that is as good as 0."""
    for target in ("relu(z)", "relu(z1)*z2", Channel(["z", 0], ["1/2", "1/2"]), Poisson("exp(z)")):
        with pytest.raises(InvalidInputError, match="which some share of the samples has"):
            effective_labels(target, "abs(y - h)")
    assert effective_labels("relu(z) + 1", "abs(y - h)").function == ScalarFunction(
        "sign(relu(z) + 1)"
    )
    assert effective_labels("relu(z)", "abs(y - h)", 0.5).is_symbolic
    assert effective_labels("relu(z)", "huber(1/2)").is_symbolic


def test_what_has_no_symbolic_form_says_so():
    labels = effective_labels("z", "log(cosh(h - y))", 0.5)
    with pytest.raises(InvalidInputError, match="no symbolic form: the average over Gaussian"):
        labels.moment(1)
    with pytest.raises(InvalidInputError, match="a sum over all counts"):
        effective_labels(Poisson("exp(z)"), "log(cosh(h - y))").moment(2)
    with pytest.raises(InvalidInputError, match="no symbolic form"):
        rmt.staircase("z1 + z1*z2", loss="log(cosh(h - y))", noise_std=0.5)
    many = effective_labels("z1 + z2*z3", "log(cosh(h - y))", 0.5)
    with pytest.raises(InvalidInputError, match="one variable too many"):
        many.coefficients(1, 2)
    with pytest.raises(InvalidInputError, match="for labels y"):
        effective_labels("z", "logistic")
    with pytest.raises(InvalidInputError, match="have their own law"):
        effective_labels(SignOf("z"), "squared", 0.5)


def test_answers():
    given = Problem("erf(z)", "z + z**2", 90, 90, 90, [(1, 0.2)])
    alike = {
        *("squared", "correlation", "3*(y - h)**2 + h**4"),
    }
    for loss in (*alike, "huber(1/2)", "log(cosh(h - y))", "(y - h)**4"):
        assert answers_alike(given.replace(loss=loss)) == (loss in alike)
    signs = given.replace(target=Bernoulli("sigmoid(z)"))
    for loss in ("logistic", "squared_hinge", "huber(3)"):
        assert answers_alike(signs.replace(loss=loss))
    assert not answers_alike(signs.replace(loss="exp(-y*h)"))
    counts = given.replace(target=Poisson("exp(z)"))
    assert answers_alike(counts.replace(loss="poisson"))
    assert not answers_alike(counts.replace(loss="huber(3/2)"))
    assert labels_of(counts).moment(2) == ScalarFunction("exp(z) + exp(2*z)")


# Exponents


def test_exponents_of_binary_labels():
    """Reuse does not help; and the exponent of a sign is not that of what is in it."""
    third = SignOf("z*(z**2 - 2*log(2))")
    for loss in ("squared", "logistic", "squared_hinge", "exp(-y*h)"):
        found = rmt.information_exponent(third, loss=loss)
        assert (found.value, found.is_proved) == (3, True)
        found = rmt.reuse_exponent(third, loss=loss)
        assert found.is_infinite
        assert found.is_proved
        assert rmt.generative_exponent(third, loss=loss).value == 3
        first = rmt.information_exponent(SignOf("He3(z)"), loss=loss)
        assert first.value == rmt.reuse_exponent(SignOf("He3(z)"), loss=loss).value == 1
    expected = 2 / math.sqrt(2 * math.pi) * (2 * math.exp(-1.5) - 1)
    assert float(rmt.information_exponent(SignOf("He3(z)")).coefficient) == pytest.approx(expected)
    even = SignOf("abs(z) - 0.6745")
    assert rmt.information_exponent(even, loss="logistic").value == 2
    assert rmt.reuse_exponent(even, loss="logistic").is_infinite
    # A target that is a function of two values is such a label, too.
    assert rmt.reuse_exponent("sign(z*(z**2 - 2*log(2)))").is_infinite


def test_robust_losses_lower_the_exponent():
    assert rmt.information_exponent("He3(z)/sqrt(6)").value == 3
    found = rmt.information_exponent("He3(z)/sqrt(6)", loss="huber(1/2)")
    assert found.value == 1
    kinks = ScalarFunction("min(max(He3(z)/sqrt(6), -1/2), 1/2)").kinks
    z, w = normal_rule(kinks)
    clipped = np.clip((z**3 - 3 * z) / math.sqrt(6), -0.5, 0.5)
    assert float(found.coefficient) == pytest.approx(w @ (z * clipped), abs=1e-13)
    assert float(found.coefficient) == pytest.approx(-0.2026, abs=5e-5)
    # What noise leaves of it: E[clip(f + noise)] is an integral of error functions.
    noisy = rmt.information_exponent("He3(z)/sqrt(6)", loss="huber(1/2)", noise_std=0.3)
    xi, v = normal_rule(pieces=90)
    f = (z**3 - 3 * z) / math.sqrt(6)
    expected = w @ (z * (np.clip(f[:, None] + 0.3 * xi, -0.5, 0.5) @ v))
    assert noisy.value == 1
    assert float(noisy.coefficient) == pytest.approx(expected, abs=2e-6)


def test_the_least_power_of_several_values():
    """``y = z^2 - 1`` and the like with three values: power 2 may see what power 1 does not."""
    p = "(1 + tanh(z))/8"
    values = Channel([1, -1, 0], [p, p, f"1 - 2*{p}"])
    found = rmt.reuse_exponent(values)
    assert found.value == 2
    assert float(found.coefficient) == pytest.approx(0.6057055096 / 4, abs=1e-9)
    assert rmt.information_exponent(values).is_infinite
    assert rmt.generative_exponent(values).value == 1
    q = "exp(-z**2)/4"
    even = rmt.reuse_exponent(Channel([1, -1, 0], [q, q, f"1 - 2*{q}"]))
    assert even.is_infinite
    # Huber of width 1/2 sees 2 and 1 as one value: two are left.
    merged = Channel([2, 1, -3], [p, f"1/2 - {p}", "1/2"])
    assert rmt.reuse_exponent(merged, loss="huber(1/2)").is_infinite
    assert rmt.reuse_exponent(merged).value == 1


def test_exponents_of_counts():
    bump = "z**2*exp(-z**2)"
    assert rmt.generative_exponent(Poisson(bump)).value == rmt.generative_exponent(bump).value == 4
    assert rmt.information_exponent(Poisson("exp(z)"), loss="poisson").value == 1
    assert rmt.information_exponent(Poisson("z**2"), loss="poisson").value == 2
    assert rmt.reuse_exponent(Poisson("z**2"), loss="huber(3/2)").is_infinite
    even = rmt.information_exponent(Poisson("z**2"), loss="log(cosh(h - y))")
    assert (even.value, str(even.vanishing[0].proof)) == (2, "symmetry")
    with pytest.raises(InvalidInputError, match="counts that the loss tells apart"):
        rmt.generative_exponent(Poisson("exp(z)"), loss="huber(3/2)")


def test_the_least_power_without_a_symbolic_form():
    given = rmt.reuse_exponent(Poisson("exp(z/2)"), loss="log(cosh(h - y))")
    assert given.value == 1
    noisy = rmt.reuse_exponent("He3(z)", loss="log(cosh(h - y))", noise_std=0.5)
    assert noisy.value == 1
    assert not rmt.reuse_exponent("He2(z)", loss="log(cosh(h - y))", noise_std=0.5).value


def test_the_squared_loss_is_what_it_was():
    for text in ("He3(z)", "relu(z) - z/2", "z**2*exp(-z**2)", "tanh(z)"):
        for find in (rmt.information_exponent, rmt.reuse_exponent, rmt.generative_exponent):
            plain, same = find(text), find(text, loss=Loss("squared"))
            assert plain == same
            if find is not rmt.generative_exponent:
                assert find(text, loss="correlation", noise_std=0.5).value == plain.value
    assert rmt.staircase("z1 + z1*z2", loss="correlation").leap == 1


def test_staircases_of_labels():
    found = rmt.staircase(Bernoulli("(1 + sin(z1 + z2)/2)/2"), loss="logistic")
    assert found.leap == 1
    assert found.steps[0].directions[:, 0] == pytest.approx([math.sqrt(0.5)] * 2)
    assert found.unlearned.shape == (2, 1)
    two = rmt.staircase(Channel(["z1 + z1*z2", 0], ["1/2", "1/2"]))
    assert [step.degree for step in two.steps] == [1, 1]
    # The cube of what has a leap of 3 shows both directions at once.
    assert rmt.staircase("z2 + He3(z1)").leap == 3
    assert rmt.staircase("z2 + He3(z1)", loss="(y - h)**4/4").leap == 1
