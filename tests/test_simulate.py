"""The simulation against its definition (theory.md, section 1), and its random streams."""

from __future__ import annotations

import importlib
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from rmt.problem import Problem, Step
from rmt.status import ConvergenceError, InvalidInputError, Status
from validation import simulate as simulate_function
from validation.simulation.draws import DataSet
from validation.simulation.observe import observe
from validation.simulation.simulate import Sample, numbers_kept, simulate

RELU = "relu(z)"
ACTIVATIONS = ["tanh(z + 7/10)", RELU, "z + z**2/4", "sin(2*z)"]


def make(**changes):
    arguments = {
        "activation": "tanh(z + 7/10)",
        "target": "tanh(z) + z**2/3",
        "width": 24,
        "dim": 17,
        "samples": 40,
        "steps": [Step(2, 0.3), Step(3, 0.4)],
        "batch": "reused",
        "noise_std": 0.3,
    }
    return Problem(**{**arguments, **changes})


def loss(problem: Problem, weights: np.ndarray, readout: np.ndarray, data: DataSet) -> float:
    """``(1/2n) |y - h(X)|^2``, straight from the definition."""
    a = readout / np.sqrt(problem.width)
    h = problem.activation(data.inputs @ weights.T) @ a / np.sqrt(problem.width)
    return float(np.sum((data.labels - h) ** 2) / (2 * len(h)))


def gradients(sample: Sample) -> list[np.ndarray]:
    """``G_s`` as the sample's weights imply them."""
    rates = sample.problem.learning_rates
    pairs = zip(sample.weights[:-1], sample.weights[1:], rates, strict=True)
    return [(after - before) / rate for before, after, rate in pairs]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch", ["reused", "independent"])
@pytest.mark.parametrize("readout", ["gaussian", "explicit"])
def test_steps_follow_the_gradient_of_the_loss(activation, batch, readout):
    g = np.linspace(-1.5, 2.0, 24) if readout == "explicit" else readout
    problem = make(activation=activation, batch=batch, readout=g)
    sample = simulate(problem, seed=3)
    rng = np.random.default_rng(0)
    step = 1e-6
    for s, gradient in enumerate(gradients(sample)):
        weights, data = sample.weights[s], sample.batches[s]
        for _ in range(5):
            direction = rng.standard_normal(weights.shape)
            ahead = loss(problem, weights + step * direction, sample.readout, data)
            behind = loss(problem, weights - step * direction, sample.readout, data)
            numerical = -np.sqrt(problem.width) * (ahead - behind) / (2 * step)
            assert np.sum(gradient * direction) == pytest.approx(numerical, rel=3e-6, abs=3e-8)


@pytest.mark.parametrize("i", range(3))
def test_single_entries_of_the_gradient(i):
    problem = make(width=5, dim=4, samples=30, steps=[Step(1, 0.2)], init="gaussian")
    sample = simulate(problem, index=i)
    weights, data = sample.weights[0], sample.batches[0]
    numerical = np.empty_like(weights)
    for entry in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[entry] = 1e-5
        ahead = loss(problem, weights + shift, sample.readout, data)
        behind = loss(problem, weights - shift, sample.readout, data)
        numerical[entry] = -np.sqrt(problem.width) * (ahead - behind) / 2e-5
    np.testing.assert_allclose(gradients(sample)[0], numerical, rtol=1e-6, atol=1e-9)


def test_the_slabs_of_a_step_add_up(monkeypatch):
    problem = make(samples=100)
    whole = simulate(problem)
    module = importlib.import_module("validation.simulation.simulate")
    for name, rows in (("_SLAB_ROWS", 7), ("_SAMPLES", 3), ("_NEURONS", 5)):
        monkeypatch.setattr(module, name, rows)
    monkeypatch.setattr(module, "CACHE_ELEMENTS", 50)
    pieces = simulate(problem)
    np.testing.assert_array_equal(pieces.weights[0], whole.weights[0])
    np.testing.assert_allclose(pieces.weights[2], whole.weights[2], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("batch", "steps", "threads"), [("reused", 2, 1), ("independent", 2, 2), ("reused", 1, 2)]
)
def test_memory(batch, steps, threads):
    """What it takes at its peak stays below 1.5 times the inputs and weights that it returns.

    Of two threads from N = 2000 on: their pieces may be there at the same time, or not.
    """
    n = 2000 if threads == 2 else 1600
    problem = make(
        width=n, dim=n, samples=2 * n, batch=batch, steps=[Step(2, 0.3), Step(3, 0.4)][:steps]
    )
    simulate(problem.replace(width=20))  # what is remembered between calls
    tracemalloc.start()
    try:
        sample = simulate(problem, threads=threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    inputs = {id(data): data.inputs.nbytes for data in sample.batches}
    kept = sum(inputs.values()) + sum(weights.nbytes for weights in sample.weights)
    assert numbers_kept(problem) * 8 == kept
    assert kept < peak < 1.5 * kept


def assert_same(first: Sample, second: Sample) -> None:
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first.readout, second.readout)
    for one, other in zip(first.batches, second.batches, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("batch", ["reused", "independent"])
def test_same_seed_and_index_give_the_same_bits_in_any_order(batch):
    problem = make(width=300, dim=270, samples=600, batch=batch)
    forwards = [simulate(problem, seed=5, index=i) for i in range(3)]
    backwards = [simulate(problem, seed=5, index=i) for i in reversed(range(3))]
    for one, other in zip(forwards, reversed(backwards), strict=True):
        assert_same(one, other)
    same_problem = Problem.from_json(problem.to_json())
    assert_same(simulate(same_problem, seed=5, index=1), forwards[1])


def test_threads_do_not_change_the_result():
    problem = make(width=700, dim=270, samples=5000, batch="independent")
    assert all(n > 2048 for n in problem.samples)  # several slabs, and several pieces of each
    with threadpool_limits(1):
        one = simulate(problem, threads=1)
        four = simulate(problem, threads=4)
    assert_same(one, four)


def test_every_seed_index_and_problem_has_samples_of_its_own():
    problem = make()
    samples = [
        simulate(problem),
        simulate(problem, seed=1),
        simulate(problem, index=1),
        simulate(problem, seed=1, index=1),
        simulate(problem.replace(noise_std=0.2)),
    ]
    firsts = {sample.weights[0][0, 0] for sample in samples}
    firsts |= {sample.batches[0].inputs[0, 0] for sample in samples}
    assert len(firsts) == 2 * len(samples)


def test_streams_of_a_sample_are_independent():
    sample = simulate(make(width=600, dim=300, samples=600, batch="independent", init="gaussian"))
    first, second = (data.inputs for data in sample.batches)
    arrays = [sample.weights[0] * np.sqrt(300), first, second]
    for i, one in enumerate(arrays):
        for other in arrays[:i]:
            correlation = np.mean(one * other)
            assert abs(correlation) < 5 / np.sqrt(one.size)
    # Rows of one array come from several streams.
    assert abs(np.mean(first[:256] * first[256:512])) < 5 / np.sqrt(256 * 300)


def test_initial_rows_on_the_sphere():
    sample = simulate(make(width=2000, dim=50))
    rows = sample.weights[0]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-13)
    marginal = stats.beta(0.5, (50 - 1) / 2)
    for column in (0, 7, 49):
        assert stats.kstest(rows[:, column] ** 2, marginal.cdf).pvalue > 1e-3
        assert stats.binomtest(int((rows[:, column] > 0).sum()), 2000).pvalue > 1e-3


def test_gaussian_initial_rows():
    rows = simulate(make(width=2000, dim=50, init="gaussian")).weights[0]
    assert stats.kstest(50 * np.sum(rows**2, axis=1), stats.chi2(50).cdf).pvalue > 1e-3
    assert stats.kstest(rows.ravel() * np.sqrt(50), stats.norm.cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("law", "distribution"),
    [("gaussian", stats.norm()), ("uniform", stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)))],
)
def test_continuous_readouts(law, distribution):
    g = simulate(make(width=4000, readout=law)).readout
    assert stats.kstest(g, distribution.cdf).pvalue > 1e-3


def test_rademacher_readout():
    g = simulate(make(width=4000, readout="rademacher")).readout
    assert set(g) == {-1.0, 1.0}
    assert stats.binomtest(int((g > 0).sum()), 4000).pvalue > 1e-3


def test_explicit_readout_is_taken_as_it_is():
    g = np.linspace(-2, 2, 24)
    sample = simulate(make(readout=g))
    np.testing.assert_array_equal(sample.readout, g)


def test_inputs_and_label_noise():
    problem = make(samples=4000, noise_std=0.7)
    data = simulate(problem).batches[0]
    assert stats.kstest(data.inputs.ravel(), stats.norm.cdf).pvalue > 1e-3
    noise = data.labels - problem.target(data.inputs[:, 0])
    assert stats.kstest(noise / 0.7, stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noise, data.inputs[:, 0])[0, 1]) < 5 / np.sqrt(4000)


def test_label_variance():
    # Var[z + z^2] = 1 + 2; fourth moments give the standard error of the sample variance.
    y = simulate(make(target="z + z**2", samples=20_000, noise_std=0.5)).batches[0].labels
    centred = y - 1
    error = np.std(centred**2) / np.sqrt(y.size)
    assert abs(np.mean(centred**2) - 3.25) < 4 * error


@pytest.mark.parametrize("target", ["z1 + z1*z2", "z1*z2*z3"])
def test_multi_index_labels_use_the_first_coordinates(target):
    problem = make(target=target, noise_std=0)
    data = simulate(problem).batches[0]
    z1, z2, z3 = data.inputs[:, :3].T
    expected = z1 + z1 * z2 if target == "z1 + z1*z2" else z1 * z2 * z3
    np.testing.assert_allclose(data.labels, expected, rtol=1e-14, atol=1e-14)


def test_a_reused_batch_is_the_same_data():
    sample = simulate(make(batch="reused"))
    assert sample.batches[0] is sample.batches[1]


def test_independent_batches_may_differ_in_size():
    sample = simulate(make(batch="independent", samples=(40, 70)))
    assert [data.inputs.shape for data in sample.batches] == [(40, 17), (70, 17)]
    assert [data.labels.shape for data in sample.batches] == [(40,), (70,)]
    assert sample.batches[0].inputs[0, 0] != sample.batches[1].inputs[0, 0]


def test_the_first_batch_does_not_depend_on_what_follows():
    """The draws of one sample are separate streams: a longer second batch changes nothing else."""
    short = simulate(make(batch="independent", samples=(40, 70)))
    assert len(short.weights) == 3
    one_step = simulate(make(steps=[Step(2, 0.3)]))
    assert len(one_step.weights) == 2
    assert len(one_step.batches) == 1


def test_float32_simulates_the_same_network():
    problem = make(width=200, dim=150, samples=400)
    double, single = simulate(problem), simulate(problem, dtype=np.float32)
    arrays = [*single.weights, single.readout, single.batches[0].inputs, single.batches[0].labels]
    assert all(array.dtype == np.float32 for array in arrays)
    np.testing.assert_array_equal(single.weights[0], double.weights[0].astype(np.float32))
    np.testing.assert_array_equal(single.batches[0].inputs, double.batches[0].inputs.astype("f4"))
    difference = np.linalg.norm(single.weights[2] - double.weights[2])
    assert difference < 1e-5 * np.linalg.norm(double.weights[2])


@pytest.mark.parametrize("activation", ["tanh(z + 7/10)", RELU, "gelu(z)", "sin(2*z)"])
@pytest.mark.parametrize("batch", ["reused", "independent"])
def test_singular_values_in_float32(activation, batch):
    """All of them to 1e-5 of the largest, leading ones to 1e-5 of themselves."""
    problem = make(activation=activation, batch=batch, width=400, dim=300, samples=900)
    seen = [
        observe(simulate(problem, dtype=dtype).weights[2], 3, spectrum=True)
        for dtype in (np.float32, np.float64)
    ]
    single, double = (one.spectrum for one in seen)
    assert np.abs(single - double).max() < 1e-5 * double[0]
    leading = seen[0].singular_values / seen[1].singular_values - 1
    assert 0 < np.abs(leading).max() < 1e-5
    np.testing.assert_allclose(seen[0].target_overlaps, seen[1].target_overlaps, atol=1e-5)


def test_overflow_keeps_the_last_finite_weights():
    problem = make(activation="z + z**2", steps=[Step(1e100, 0.1), Step(1e200, 0.1)])
    with pytest.raises(ConvergenceError, match="after step 2") as caught:
        simulate(problem)
    assert caught.value.status is Status.NOT_FINITE
    assert len(caught.value.best.weights) == 2
    assert np.isfinite(caught.value.best.weights[1]).all()
    huge = problem.replace(steps=[Step(1e200, 0.1), Step(1e200, 0.1)])
    with pytest.raises(ConvergenceError, match="after step 1"):  # finite, but not their squares
        simulate(huge)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be a non-negative integer, got -1"),
        ({"index": 0.5}, "index must be a non-negative integer, got 0.5"),
        ({"seed": True}, "seed"),
        ({"dtype": np.int64}, "dtype must be float64 or float32, got int64"),
        ({"dtype": np.float16}, "dtype must be float64 or float32, got float16"),
        ({"dtype": "no such"}, "dtype must be float64 or float32"),
        ({"threads": -1}, "threads"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        simulate(make(), **arguments)


def test_results_print_as_a_line():
    sample = simulate_function(make())
    assert str(sample) == "Sample 0 of seed 0: N = 24, d = 17, 2 step(s), reused batch, float64"
    assert str(sample.batches[0]) == "DataSet of 40 samples in dimension 17"
