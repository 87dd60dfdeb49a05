"""Any loss, labels and output scale: the simulation against a small dense one, written here again.

Nothing of rmt's losses and laws is used to check them: residuals are formulas, or differences of
the loss of the network, and the laws of labels are tested as statistics.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import rmt
from rmt.evaluation.array_program import to_numpy
from rmt.problem import Problem, Step
from rmt.problem.labels import Bernoulli, Channel, Law, Poisson, SignOf
from rmt.status import InvalidInputError
from validation.simulation.devices import Device
from validation.simulation.draws import fresh_batch, sample_readout
from validation.simulation.forward import outputs_of
from validation.simulation.plan import Plan
from validation.simulation.simulate import simulate

SIGNS: Law = SignOf("z + 3/10", noise_std=0.5, flip=0.1)
COUNTS: Law = Poisson("exp(7*z/10)")

# Loss, labels it is tried on, its value and its residual.
LOSSES = {
    "squared": (
        "tanh(z) + z**2/3",
        lambda h, y: (y - h) ** 2 / 2,
        lambda h, y: y - h,
    ),
    "correlation": ("tanh(z) + z**2/3", lambda h, y: -y * h, lambda h, y: y),
    "logistic": (
        SIGNS,
        lambda h, y: np.logaddexp(0, -y * h),
        lambda h, y: y / (1 + np.exp(y * h)),
    ),
    "huber(1/2)": (
        "tanh(z) + z**2/3",
        lambda h, y: np.where(abs(y - h) < 0.5, (y - h) ** 2 / 2, 0.5 * abs(y - h) - 0.125),
        lambda h, y: np.clip(y - h, -0.5, 0.5),
    ),
    "squared_hinge": (
        SIGNS,
        lambda h, y: np.maximum(0, 1 - y * h) ** 2 / 2,
        lambda h, y: y * np.maximum(0, 1 - y * h),
    ),
    "poisson": (COUNTS, lambda h, y: np.exp(h) - y * h, lambda h, y: y - np.exp(h)),
    "log(cosh(y - h))": (
        "tanh(z) + z**2/3",
        lambda h, y: np.log(np.cosh(y - h)),
        lambda h, y: np.tanh(y - h),
    ),
}
LAWS: list[Law] = [
    Bernoulli("sigmoid(3*z + 1)"),
    SignOf("z"),
    SIGNS,
    COUNTS,
    Channel(["z", 0], ["3/4", "1/4"]),
    Bernoulli("sigmoid(z1 - 2*z2)"),
]


def problem_with(**changes):
    arguments = {
        "activation": "tanh(z + 7/10)",
        "target": "tanh(z) + z**2/3",
        "width": 24,
        "dim": 17,
        "samples": 40,
        "steps": [Step(1, 0.3), Step(2, 0.4)],
        "batch": "reused",
    }
    return Problem(**{**arguments, **changes})


def dense_steps(problem, sample, residual):
    """The weights after every step, without pieces, from the initial ones and the data."""
    width, dim = problem.width, problem.dim
    s = width**-0.5 if problem.output_scale is None else problem.output_scale
    a = sample.readout / width**0.5
    found = [sample.weights[0]]
    for step, data in zip(problem.steps, sample.batches, strict=True):
        x, y, w = data.inputs, data.labels, found[-1]
        eta = step.scale * width**step.exponent
        gradient = np.zeros((width, dim))
        for x_j, y_j in zip(x, y, strict=True):
            pre = w @ x_j + 0.7
            h = s * np.dot(a, np.tanh(pre))
            gradient += np.outer(a * residual(h, y_j) / np.cosh(pre) ** 2, x_j)
        found.append((1 - eta * step.weight_decay) * w + eta * gradient / len(y))
    return found


def assert_dense(problem, residual, **options):
    sample = simulate(problem, 3, 1, **options)
    expected = dense_steps(problem, sample, residual)
    for one, other in zip(sample.weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
    return sample


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_at_every_output_scale(loss, scale):
    target, _, residual = LOSSES[loss]
    problem = problem_with(loss=loss, target=target, output_scale=scale)
    sample = assert_dense(problem, residual)
    # The residuals of the second step are not those of the first: the output has a share in them.
    x, y = sample.batches[1].inputs, sample.batches[1].labels
    h = outputs_of(problem, sample.weights[1], sample.readout, x)
    moved = np.abs(residual(h, y) - residual(0 * h, y)).max()
    assert (moved > 0.01) == (loss != "correlation")


@pytest.mark.parametrize("batch", ["reused", "independent", (0, 1, 0)])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.text)
def test_every_law_of_labels(law, batch):
    steps = [Step(1, 0.3)] * (3 if batch == (0, 1, 0) else 2)
    problem = problem_with(target=law, loss="squared", steps=steps, batch=batch)
    assert_dense(problem, LOSSES["squared"][2])


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("initialisation", ["independent", "antisymmetric"])
def test_weight_decay_and_antisymmetric_networks(loss, scale, initialisation):
    target, _, residual = LOSSES[loss]
    steps = [Step(1, 0.3, 0.1), Step(2, 0.4, 0.05)]
    problem = problem_with(
        loss=loss, target=target, output_scale=scale, steps=steps, initialisation=initialisation
    )
    sample = assert_dense(problem, residual)
    without = simulate(problem.replace(steps=[(1, 0.3), (2, 0.4)]), 3, 1)
    assert np.abs(sample.weights[1] - without.weights[1]).max() > 0.01


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [None, 1.0])
def test_steps_descend_the_loss(loss, scale):
    """``G = -(1/s) grad_W of the mean loss``, by differences of the loss itself."""
    target, value, _ = LOSSES[loss]
    problem = problem_with(loss=loss, target=target, output_scale=scale)
    sample = simulate(problem, 2)
    s = problem.width**-0.5 if scale is None else scale
    a = sample.readout / problem.width**0.5
    rng = np.random.default_rng(0)
    for step in range(2):
        data, before = sample.batches[step], sample.weights[step]
        gradient = (sample.weights[step + 1] - before) / problem.learning_rates[step]

        def mean_loss(w, data=data):
            h = s * np.tanh(data.inputs @ w.T + 0.7) @ a
            return np.mean(value(h, data.labels))

        for _ in range(5):
            direction = 1e-5 * rng.standard_normal(before.shape)
            change = (mean_loss(before + direction) - mean_loss(before - direction)) / (-2 * s)
            found = np.sum(gradient * direction)
            # A kink within the difference moves it by its share of the samples.
            assert found == pytest.approx(change, rel=1e-4, abs=1e-9)


def test_losses_see_pieces_of_the_samples_alike(monkeypatch):
    import importlib

    problem = problem_with(
        loss="logistic", target=SIGNS, samples=100, steps=[Step(1, 0.3, 0.1)] * 2, output_scale=1
    )
    whole = simulate(problem)
    module = importlib.import_module("validation.simulation.simulate")
    for name, rows in (("_SLAB_ROWS", 7), ("_SAMPLES", 3), ("_NEURONS", 5)):
        monkeypatch.setattr(module, name, rows)
    monkeypatch.setattr(module, "CACHE_ELEMENTS", 50)
    pieces = simulate(problem, threads=2)
    np.testing.assert_allclose(pieces.weights[2], whole.weights[2], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [None, 1.0])
def test_float32_stays_float32(loss, scale):
    problem = problem_with(
        loss=loss, target=LOSSES[loss][0], output_scale=scale, steps=[Step(1, 0.3, 0.1)] * 2
    )
    single, double = (simulate(problem, dtype=kind) for kind in (np.float32, np.float64))
    arrays = [*single.weights, single.readout, single.batches[0].labels]
    assert all(array.dtype == np.float32 for array in arrays)
    if isinstance(problem.labels, SignOf | Poisson):
        np.testing.assert_array_equal(single.batches[0].labels, double.batches[0].labels)
    np.testing.assert_allclose(single.weights[2], double.weights[2], atol=2e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_network_on_another_library(loss, dtype):
    strict = pytest.importorskip("array_api_strict")
    problem = problem_with(
        loss=loss, target=LOSSES[loss][0], output_scale=1, steps=[Step(1, 0.3, 0.1)] * 2
    )
    reference = simulate(problem, 1, dtype=dtype)
    sample = simulate(problem, 1, dtype=dtype, device=Device("strict", strict))
    assert sample.weights[2].dtype == getattr(strict, dtype)
    tolerance = {"float64": 1e-13, "float32": 1e-5}[dtype]
    for one, other in zip(sample.weights, reference.weights, strict=True):
        np.testing.assert_allclose(to_numpy(one), other, rtol=0, atol=tolerance)


# What is drawn


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.text)
def test_labels_follow_their_law(law):
    """By their frequencies in cells of the first direction, against probabilities written here."""
    problem = problem_with(target=law, samples=60_000, width=4, dim=2, steps=[Step(1, 0)])
    data = simulate(problem).batches[0]
    z1, z2, y = *data.inputs.T, data.labels
    probabilities = [
        1 / (1 + np.exp(-3 * z1 - 1)),
        1.0 * (z1 > 0),
        0.1 + 0.8 * stats.norm.cdf((z1 + 0.3) / 0.5),
        None,
        None,
        1 / (1 + np.exp(2 * z2 - z1)),
    ]
    p = probabilities[LAWS.index(law)]
    if p is not None:
        assert set(y) == {-1.0, 1.0}
        expected, variance = 2 * p - 1, 4 * p * (1 - p)
    elif law == COUNTS:
        np.testing.assert_array_equal(y, np.round(y))
        assert y.min() == 0
        expected = variance = np.exp(0.7 * z1)
    else:
        assert np.all((y == 0) | (y == z1))
        assert 0.24 < np.mean(y == 0) < 0.26
        expected, variance = 0.75 * z1, 3 / 16 * z1**2
    for low, high in ((-9, -0.6), (-0.6, 0.0), (0.0, 0.5), (0.5, 9)):
        cell = (low < z1) & (z1 <= high)
        error = np.sqrt(np.sum(variance[cell]) + 1e-20)
        assert abs(np.sum((y - expected)[cell])) < 4.5 * error
        spread = np.sum(((y - expected) ** 2 - variance)[cell])
        assert abs(spread) < 5 * np.sqrt(np.sum((y - expected)[cell] ** 4) + 1e-20)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.text)
def test_a_smaller_batch_has_the_first_labels_of_a_larger_one(law):
    problem = problem_with(target=law)
    small, large = (fresh_batch(problem, 0, 0, size, "train") for size in (300, 700))
    np.testing.assert_array_equal(small.labels, large.labels[:300])
    other = fresh_batch(problem, 0, 0, 700, "test")
    assert not np.array_equal(other.labels, large.labels)


def test_labels_of_a_law_do_not_move_inputs_and_weights():
    """Their stream is their own: the labels of a law are all that its draws change."""
    problem = problem_with(target=SIGNS, samples=600)
    law = simulate(problem)
    again = simulate(problem, threads=2)
    np.testing.assert_array_equal(law.batches[0].labels, again.batches[0].labels)
    pieces = law.batches[0].labels[:512].reshape(2, 256)
    assert not np.array_equal(*pieces)


def test_antisymmetric_networks():
    problem = problem_with(width=1200, initialisation="antisymmetric", output_scale=1, samples=60)
    sample = simulate(problem)
    w, g = sample.weights[0], sample.readout
    np.testing.assert_array_equal(w[:600], w[600:])
    np.testing.assert_array_equal(g[:600], -g[600:])
    assert stats.kstest(g[:600], stats.norm.cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1, rtol=1e-13)
    assert np.linalg.matrix_rank(w[:600] @ w[:600].T) == min(600, problem.dim)
    h = outputs_of(problem, w, g, sample.batches[0].inputs)
    assert np.abs(h).max() < 1e-14
    assert np.abs(sample.weights[1][:600] - sample.weights[1][600:]).max() > 1e-3
    given = problem.replace(readout=g)
    np.testing.assert_array_equal(simulate(given).readout, g)


@pytest.mark.parametrize("total", [0.0, 0.7, -2.5])
def test_readouts_of_a_given_sum(total):
    """Exactly the law given the sum: covariance ``1 - 1/N``, and ``-1/N`` between neurons."""
    problem = problem_with(width=12, output_scale=1, readout_sum=total)
    g = np.array([sample_readout(problem, 0, index) for index in range(4000)])
    np.testing.assert_allclose(g.sum(axis=1), total * 12**0.5, atol=1e-13)
    assert stats.kstest(g[:, 3], stats.norm(total / 12**0.5, (11 / 12) ** 0.5).cdf).pvalue > 1e-3
    covariance = np.cov(g.T)
    expected = np.eye(12) - 1 / 12
    assert np.abs(covariance - expected).max() < 5 / 4000**0.5


def test_signs_of_a_given_sum():
    problem = problem_with(
        width=16, readout="rademacher", output_scale=1, readout_sum=-0.5
    )  # seven of 16 are +1
    g = np.array([sample_readout(problem, 0, index) for index in range(2000)])
    assert set(g.ravel()) == {-1.0, 1.0}
    np.testing.assert_array_equal(g.sum(axis=1), -2.0)
    assert np.abs(g.mean(axis=0) + 2 / 16).max() < 5 / 2000**0.5


@pytest.mark.parametrize(
    ("readout", "total", "message"),
    [
        ("uniform", 0.0, "drawn for readout='gaussian' and 'rademacher', got 'uniform'"),
        ("rademacher", 0.3, "the nearest sums are 0 and 0.5"),
        ("rademacher", 9.0, "the nearest sums are 4$"),
    ],
)
def test_sums_that_cannot_be_drawn(readout, total, message):
    problem = problem_with(width=16, readout=readout, output_scale=1, readout_sum=total)
    for attempt in (simulate, sample_readout, lambda one: Plan(one, 3)):
        with pytest.raises(InvalidInputError, match=f"readout_sum: .*{message}"):
            attempt(problem)


def test_without_a_given_sum_every_network_has_its_own():
    problem = problem_with(output_scale=1)
    sums = [sample_readout(problem, 0, index).sum() / 24**0.5 for index in range(500)]
    assert stats.kstest(sums, stats.norm.cdf).pvalue > 1e-3


def test_outputs_have_their_scale():
    problem = problem_with(output_scale=2.0)
    sample = simulate(problem)
    x, a = sample.batches[0].inputs, sample.readout / 24**0.5
    expected = 2.0 * np.tanh(x @ sample.weights[2].T + 0.7) @ a
    found = outputs_of(problem, sample.weights[2], sample.readout, x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert isinstance(rmt.Problem.from_json(problem.to_json()), Problem)


def test_overflow_of_a_loss_is_found():
    """The Poisson likelihood's residual is exponential in the output."""
    problem = problem_with(
        loss="poisson", target=COUNTS, output_scale=1, steps=[Step(1e3, 0.5)] * 2, activation="z"
    )
    with pytest.raises(rmt.ConvergenceError, match="after step 2"):
        simulate(problem)
