"""Leading singular triplets against the full decomposition, overlaps and histograms."""

from __future__ import annotations

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation import observe as observe_function
from validation.simulation.observe import Histogram, observe
from validation.simulation.samples import Samples
from validation.simulation.simulate import simulate
from validation.simulation.triplets import leading_triplets
from validation.simulation.weights import run_samples


def with_spectrum(shape: tuple[int, int], top: list[float], seed: int = 0) -> np.ndarray:
    """A random matrix with these largest singular values over a bulk on [0, 1]."""
    rng = np.random.default_rng(seed)
    size = min(shape)
    left = np.linalg.qr(rng.standard_normal((shape[0], size)))[0]
    right = np.linalg.qr(rng.standard_normal((shape[1], size)))[0]
    values = np.concatenate([top, rng.uniform(0, 1, size - len(top))])
    return (left * values) @ right.T


def spiked(shape: tuple[int, int], strengths: list[float], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(shape) / np.sqrt(shape[1])
    for strength in strengths:
        u, v = rng.standard_normal(shape[0]), rng.standard_normal(shape[1])
        weights += strength * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    return weights


@pytest.mark.parametrize("shape", [(300, 300), (500, 200), (200, 500), (30, 40), (40, 3)])
@pytest.mark.parametrize("count", [1, 3])
def test_triplets_of_a_spiked_matrix(shape, count):
    weights = spiked(shape, [20.0, 4.0])
    found = leading_triplets(weights, count)
    u, s, vt = np.linalg.svd(weights, full_matrices=False)
    np.testing.assert_allclose(found.values, s[:count], rtol=1e-11)
    gaps = np.abs(np.diff(s[: count + 1])).min() if s.size > count else s[-1]
    accuracy = 10 * s[0] * found.residual / gaps + 1e-12
    right = np.abs(np.sum(found.right * vt[:count].T, axis=0))
    left = np.abs(np.sum(found.left * u[:, :count], axis=0))
    np.testing.assert_allclose(right, 1, atol=accuracy)
    np.testing.assert_allclose(left, 1, atol=accuracy)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_triplets_at_the_edge_of_the_bulk(count):
    """No outlier at all: the values sit at the soft edge, the hardest place."""
    weights = spiked((400, 300), [])
    found = leading_triplets(weights, count)
    s = np.linalg.svd(weights, compute_uv=False)[:count]
    np.testing.assert_allclose(found.values, s, rtol=1e-10)


@pytest.mark.parametrize(
    "top",
    [
        [5.0, 5.0],
        [5.0, 5.0, 4.0],
        [5.0, 5.0 - 1e-6, 4.0],
        [5.0, 5.0 - 1e-9, 5.0 - 2e-9, 4.0],
        [3.0, 3.0, 3.0, 3.0, 1.2],
        [1.02, 1.02, 1.01, 1.01],
        [1e6, 1e6, 3.0, 3.0],
    ],
)
@pytest.mark.parametrize("shape", [(300, 400), (400, 250)])
def test_equal_and_nearly_equal_singular_values(top, shape):
    weights = with_spectrum(shape, top)
    found = leading_triplets(weights, len(top))
    np.testing.assert_allclose(found.values, top, rtol=0, atol=1e-12 * top[0])
    # Single vectors of a multiple value are arbitrary; the space they span is not.
    vt = np.linalg.svd(weights, full_matrices=False)[2][: len(top)]
    np.testing.assert_allclose(np.linalg.svd(vt @ found.right)[1], 1, atol=1e-6)
    gram = found.right.T @ found.right
    np.testing.assert_allclose(gram, np.eye(len(top)), atol=1e-10)


def test_the_residual_bounds_what_it_says():
    weights = spiked((400, 300), [8.0, 3.0, 2.0])
    found = leading_triplets(weights, 5)
    remainder = weights.T @ found.left - found.right * found.values
    assert np.linalg.norm(remainder, axis=0).max() <= 1.01 * found.residual * found.values[0]
    assert found.residual <= 1e-7
    np.testing.assert_allclose(weights @ found.right, found.left * found.values, atol=1e-12)


def test_a_tighter_tolerance_is_met():
    weights = spiked((400, 300), [8.0])
    assert leading_triplets(weights, 4, tolerance=1e-12).residual <= 1e-12


@pytest.mark.parametrize("rank", [0, 1, 3, 40])
def test_matrices_whose_range_is_exhausted(rank):
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((400, rank)) @ rng.standard_normal((rank, 300))
    found = leading_triplets(weights, 4)
    s = np.linalg.svd(weights, compute_uv=False)[:4]
    np.testing.assert_allclose(found.values, s, atol=1e-10)


def test_float32_stays_float32():
    weights = spiked((400, 300), [8.0, 3.0])
    found = leading_triplets(weights.astype(np.float32), 3)
    assert found.left.dtype == found.right.dtype == np.float32
    s = np.linalg.svd(weights, compute_uv=False)[:3]
    np.testing.assert_allclose(found.values, s, rtol=1e-6)


def test_triplets_are_deterministic():
    weights = spiked((400, 300), [8.0, 3.0])
    first, second = leading_triplets(weights, 3), leading_triplets(weights, 3)
    np.testing.assert_array_equal(first.right, second.right)


def test_overlaps_are_with_the_coordinate_axes():
    weights = spiked((300, 250), [9.0, 5.0, 3.0])
    weights[:, 1] += 0.5
    seen = observe(weights, 4, n_directions=3)
    vt = np.linalg.svd(weights, full_matrices=False)[2]
    assert seen.target_overlaps.shape == (4, 3)
    np.testing.assert_allclose(seen.target_overlaps, vt[:4, :3] ** 2, atol=1e-7)
    assert seen.spectrum is None


def test_full_spectrum():
    weights = spiked((60, 90), [4.0])
    seen = observe(weights, 2, spectrum=True)
    np.testing.assert_allclose(seen.spectrum, np.linalg.svd(weights, compute_uv=False))
    np.testing.assert_allclose(seen.spectrum[:2], seen.singular_values)


def test_observation_prints_as_a_table():
    text = str(observe_function(np.diag([3.0, 1.0, 2.0]), 1, n_directions=2))
    assert text == "singular value  squared overlaps\n      3.000000  1.0000  0.0000"


def test_triplets_of_a_trained_network():
    problem = Problem("tanh(z + 1)", "z", 400, 300, 900, [Step(4, 0.3), Step(4, 0.4)], "reused")
    weights = simulate(problem).weights[-1]
    s = np.linalg.svd(weights, compute_uv=False)[:4]
    np.testing.assert_allclose(observe(weights, 4).singular_values, s, rtol=1e-10)


@pytest.mark.parametrize(
    ("weights", "arguments", "message"),
    [
        (np.zeros(3), {}, "weights must be a non-empty real matrix"),
        (np.zeros((0, 3)), {}, "weights must be a non-empty real matrix"),
        (np.zeros((5, 5), complex), {}, "complex128"),
        ([[1.0, 2.0], [3.0]], {}, "weights must be a matrix of numbers"),
        ([["a"]], {}, "weights must be"),
        (np.full((5, 5), np.nan), {}, "weights must be finite"),
        (np.eye(5), {"n_outliers": 6}, "n_outliers must be an integer from 1 to 5, got 6"),
        (np.eye(5), {"n_outliers": 0}, "n_outliers must be an integer from 1 to 5, got 0"),
        (np.eye(5), {"n_outliers": 2.0}, "n_outliers"),
        (np.eye(5), {"n_directions": 6}, "n_directions must be an integer from 1 to 5, got 6"),
    ],
)
def test_bad_arguments_are_named(weights, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        observe(weights, **{"n_outliers": 1, **arguments})


def test_integer_matrices_are_real_matrices():
    assert observe(np.diag([3, 1, 2]), 1).singular_values[0] == pytest.approx(3)


def test_histogram_counts_everything():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 3, 500), rng.uniform(0, 3, 300)
    edges = np.linspace(0, 2, 21)
    histogram = Histogram.empty(edges).add(first).add(second)
    both = np.concatenate([first, second])
    np.testing.assert_array_equal(histogram.counts, np.histogram(both, edges)[0])
    assert histogram.n_values == 800
    mass = np.sum(histogram.density * np.diff(edges))
    assert mass == pytest.approx(np.mean(both <= 2))
    assert "800 values" in str(histogram)
    np.testing.assert_array_equal(Histogram.empty(edges).density, 0)


@pytest.mark.parametrize("edges", [[1.0], [0, 0], [1, 0], [[0, 1]], [0, np.nan]])
def test_bad_bins(edges):
    with pytest.raises(InvalidInputError, match="edges"):
        Histogram.empty(edges)


PROBLEM = Problem("tanh(z + 7/10)", "z1 + z1*z2", 60, 50, 150, [Step(4, 0.3), Step(4, 0.4)])


def test_run_samples_is_what_simulate_and_observe_give():
    samples = run_samples(PROBLEM, 4, seed=2, n_outliers=3, n_spectra=2, threads=1)
    assert samples.singular_values.shape == (4, 3)
    assert samples.target_overlaps.shape == (4, 3, 2)
    last = observe(simulate(PROBLEM, 2, 3).weights[-1], 3, n_directions=2)
    np.testing.assert_allclose(samples.singular_values[3], last.singular_values, rtol=1e-12)
    np.testing.assert_allclose(samples.target_overlaps[3], last.target_overlaps, atol=1e-12)
    np.testing.assert_allclose(samples.mean_singular_values, samples.singular_values.mean(0))
    errors = samples.target_overlaps.std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(samples.target_overlap_errors, errors)
    assert samples.spectra.shape == (2, 50)
    assert samples.histogram().n_values == samples.histogram().counts.sum() == 2 * 50
    threshold = float(samples.singular_values[0, 1])
    assert samples.count_beyond(threshold)[0] == 1
    assert "4 samples, seed 2" in str(samples)


def test_without_spectra_there_is_no_histogram():
    samples = run_samples(PROBLEM, 2)
    assert samples.spectra.shape == (0, 50)
    for ask in (samples.histogram, lambda: samples.edge):
        with pytest.raises(InvalidInputError, match="n_spectra"):
            ask()


def test_samples_are_the_first_of_a_longer_run():
    short, long = (run_samples(PROBLEM, n, n_outliers=2, threads=1) for n in (2, 3))
    np.testing.assert_array_equal(short.singular_values, long.singular_values[:2])


def test_a_single_sample_has_no_standard_error():
    samples = run_samples(PROBLEM, 1)
    assert np.isinf(samples.singular_value_errors).all()


def test_progress_goes_to_standard_error(capsys):
    run_samples(PROBLEM, 2, progress="some problem")
    captured = capsys.readouterr()
    assert "some problem" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1, got 0"),
        ({"n_outliers": 0}, "n_outliers"),
        ({"n_spectra": -1}, "n_spectra"),
        ({"threads": 0}, "threads"),
        ({"seed": -1}, "seed"),
    ],
)
def test_run_samples_names_bad_arguments(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        run_samples(PROBLEM, **{"n_samples": 2, **arguments})


def test_observations_of_different_sizes_do_not_mix():
    seen = [observe(np.eye(5), 2), observe(np.eye(5), 3)]
    with pytest.raises(InvalidInputError, match="same numbers"):
        Samples.collect(PROBLEM, 0, seen)
    with pytest.raises(InvalidInputError, match="at least one"):
        Samples.collect(PROBLEM, 0, [])


def test_overflow_says_which_sample_it_was():
    problem = PROBLEM.replace(activation="z + z**2", steps=[Step(1e200, 0.1), Step(1e200, 0.1)])
    with pytest.raises(ArithmeticError) as caught:
        run_samples(problem, 2, seed=7)
    assert caught.value.__notes__ == ["in sample 0 of seed 7"]
