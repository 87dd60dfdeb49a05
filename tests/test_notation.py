"""Conversions to the conventions of other papers: the page's examples, and what they rest on."""

import doctest
import math
import re
from pathlib import Path

import numpy as np
import pytest

import rmt
from validation import simulate

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "notation.md").read_text(encoding="utf-8")


def test_examples_of_the_page():
    examples = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, "notation.md", "notation.md", 0)
    assert len(parsed.examples) == 23
    outcome = doctest.DocTestRunner().run(parsed)
    assert outcome.failed == 0


# Means over three data sets of what the notebook of arXiv:2402.04980 prints: m / d, test error,
# training error. One first-layer step for all of them; single numbers scatter by 2 to 4 percent.
CUI = [
    (0.2, 0.29445, 0.000468),
    (2 / 3, 0.31855, 0.003744),
    (17 / 15, 0.27704, 0.019375),
    (1.6, 0.20575, 0.039310),
    (31 / 15, 0.17217, 0.051529),
    (38 / 15, 0.15489, 0.059369),
    (3.0, 0.14488, 0.066688),
]


def test_ridge_errors_printed_by_cui_et_al():
    p = d = 2000
    problem = rmt.Problem(
        "tanh(z)", "tanh(z)", p, d, d // 2, [rmt.Step(math.sqrt(p), 0)], readout="rademacher"
    )
    for ratio, test, training in CUI:
        m = int(ratio * d)
        found = rmt.ridge(problem, m, 0.01 / m)
        # Shifts of order one, outside of the regime of the theory: it is 1 to 5 percent low.
        assert found.test_error[-1] == pytest.approx(test, rel=0.05)
        assert found.training_error[-1] == pytest.approx(training, rel=0.04)


# Steps: theirs as a numerical gradient of their loss.


@pytest.fixture(scope="module")
def network():
    """Inputs, labels, weights before and after a step, readout ``a``, rate: of a simulation."""
    problem = rmt.Problem("tanh(z)", "sin(z)", 7, 5, 11, [rmt.Step(2, 0.25)])
    sample = simulate(problem, seed=3)
    batch, a = sample.batches[0], sample.readout / math.sqrt(problem.width)
    return batch.inputs, batch.labels, *sample.weights, a, problem.learning_rates[0]


def numerical_gradient(loss, weights, h=1e-5):
    gradient = np.empty_like(weights)
    for index in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[index] = h
        gradient[index] = (loss(weights + shift) - loss(weights - shift)) / (2 * h)
    return gradient


def half_square(x, y, a, output_scale):
    """Half the square of the residuals, summed over the samples."""
    return lambda w: np.sum((y - output_scale * np.tanh(x @ w.T) @ a) ** 2) / 2


def step_here(x, y, w, a, eta, output_scale):
    """The package's step; another output scale changes its residual alone."""
    pre = w @ x.T
    residual = y - output_scale * a @ np.tanh(pre)
    return w + eta / len(y) * (np.outer(a, residual) * (1 - np.tanh(pre) ** 2)) @ x


def test_the_step_of_the_package(network):
    x, y, before, after, a, eta = network
    np.testing.assert_allclose(step_here(x, y, before, a, eta, a.size**-0.5), after, atol=1e-14)


def test_steps_of_ba_et_al_and_of_cui_et_al(network):
    x, y, before, after, a, eta = network
    gradient = numerical_gradient(half_square(x, y, a, a.size**-0.5), before) / len(y)
    np.testing.assert_allclose(before - eta * math.sqrt(a.size) * gradient, after, atol=1e-8)


def test_step_of_dandi_et_al_2023(network):
    """Without the square root: their rate is ``eta sqrt(p)``."""
    x, y, before, after, a, eta = network
    gradient = numerical_gradient(half_square(x, y, a, a.size**-0.5), before) / len(y)
    rate = eta * math.sqrt(a.size)
    np.testing.assert_allclose(before - rate * gradient, after, atol=1e-8)


def test_step_of_moniri_et_al_2023(network):
    """The output enters the residual without its ``N^{-1/2}``; the rate is the same."""
    x, y, before, _, a, eta = network
    theirs = before - eta * numerical_gradient(half_square(x, y, a, 1.0), before) / len(y)
    np.testing.assert_allclose(step_here(x, y, before, a, eta, 1.0), theirs, atol=1e-8)


def test_step_of_dandi_et_al_2024(network):
    """Rows of length ``sqrt(D)``, a loss summed over the samples."""
    x, y, before, _, a, _ = network
    (n, d), rate = x.shape, 0.2
    gradient = numerical_gradient(half_square(x / math.sqrt(d), y, a, 1.0), before * math.sqrt(d))
    theirs = before - rate * gradient / math.sqrt(d)
    np.testing.assert_allclose(step_here(x, y, before, a, rate * n / d, 1.0), theirs, atol=1e-8)


# Exponents.


@pytest.mark.parametrize(
    "target", ["He3(z)", "remove_hermite(3*tanh(2*z), 1)", "He2(z) + He3(z)/3", "z**2 + z**3/5"]
)
def test_a_reuse_exponent_makes_the_generative_exponent_one(target):
    """``E[z f^m] = E[zeta_1(y) y^m]``; the two exponents are found in different ways."""
    assert rmt.reuse_exponent(target).value is not None
    assert rmt.generative_exponent(target).value == 1


# The ridge of other scalings of the readout.


def test_regularisation_in_other_scalings():
    rng = np.random.default_rng(2)
    m, n, d, lam = 30, 20, 8, 0.3
    f, y = rng.standard_normal((m, n)), rng.standard_normal(m)

    def prediction(scale, penalty):
        """Fit of ``y`` by ``scale F a``, mean square and ``penalty |a|^2``."""
        g = scale * f
        return g @ np.linalg.solve(g.T @ g / m + penalty * np.eye(n), g.T @ y / m)

    def here(penalty):
        return prediction(1 / math.sqrt(n), penalty)

    np.testing.assert_allclose(here(lam / d), prediction(1.0, n * lam / d))
    np.testing.assert_allclose(here(lam / m), prediction(1 / math.sqrt(n), lam / m))
    np.testing.assert_allclose(here(lam / n), prediction(1.0, lam))
