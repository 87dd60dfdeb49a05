"""Rules of a walk against finer ones and other routes, and error estimates against true errors."""

from __future__ import annotations

import numpy as np
import pytest
from random_problems import random_arguments

from rmt import ConvergenceError, Problem
from rmt.budget import time_limit
from rmt.functions import ScalarFunction
from rmt.moments.smoothing import smoothed
from rmt.spikes.path import walked
from rmt.spikes.refined_walk import refined_walk, spectrum
from rmt.spikes.state.own_numbers import first_number, innovation
from rmt.spikes.state.table import SmoothedTable

ONE_INDEX = "tanh(z) + (cos(2*z) - exp(-2))/2"
WORDS = ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 2))


@pytest.mark.parametrize("text", ["tanh(z + 7/10)", "relu(z)", "elu(z) + abs(z - 1)", "atan(5*z)"])
@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0, 3.0])
def test_tables_are_the_smoothed_activation(text, spread):
    sigma = ScalarFunction.parse(text)
    mean = np.linspace(-6.0, 7.0, 20_001)
    value, slope, square, moment = SmoothedTable(sigma, spread, 1.5).at(mean)
    some = slice(None, None, 397)
    exact = smoothed(sigma, mean[some], spread, 24.0)
    squared = smoothed(
        ScalarFunction.parse(sigma.derivative_function.expression**2), mean[some], spread, 24.0
    )[0]
    scale = max(1.0, spread)
    assert value[some] == pytest.approx(exact[0], abs=2e-6 * scale)
    assert slope[some] == pytest.approx(exact[1], abs=5e-6)
    assert square[some] == pytest.approx(squared, abs=2e-5)
    product = ScalarFunction.parse(sigma.symbols[0] * sigma.derivative_function.expression)
    mixed = smoothed(product, mean[some], spread, 24.0)[0]
    assert moment[some] == pytest.approx((mixed - mean[some] * exact[1]) / spread, abs=2e-5)


def test_rules_of_own_numbers_know_a_jump():
    """The mean beyond a jump, and moments up to the third beside it."""
    below, spread, kink = np.array([[-0.3, 0.0, 2.0]]), 0.4, 0.1
    x, weights = innovation([kink], below, spread, 1.0)
    for power, exact in enumerate((1.0, 0.0, 1.0, 0.0)):
        assert (weights * x**power).sum(axis=-1) == pytest.approx(exact, abs=1e-6)
    at = (kink - below) / spread
    density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    assert (weights * x * (x > at[..., None])).sum(axis=-1) == pytest.approx(density, abs=1e-6)
    x, weights = first_number([kink], below[0], spread, 1.0)
    assert (weights * x * (x > at[0][:, None])).sum(axis=-1) == pytest.approx(density[0], abs=1e-5)


@pytest.mark.parametrize("readout", ["rademacher", "gaussian"])
def test_errors_at_the_end_are_those_before_one_step_more(readout):
    """Nodes are chosen for the end where another step would ask for all directions."""

    def path(steps, to_the_end):
        problem = Problem(
            "tanh(z + 7/10)", ONE_INDEX, 1000, 1000, 2000, [(2, 0.3)] * steps, "reused", readout
        )
        return walked(problem, 1e-4, to_the_end)

    end, middle = path(2, True)[-1], path(3, False)[2]
    for name in ("training_error", "test_error"):
        claimed = getattr(end, f"{name}_error") + getattr(middle, f"{name}_error")
        assert claimed < 1e-4
        assert abs(getattr(end, name) - getattr(middle, name)) < claimed


def three_steps(seed):
    """Of a stranger, with exponents up to that of giant steps."""
    rng = np.random.default_rng([77, seed])
    steps = [
        (float(rng.choice([1.0, 2.0, 4.0])), float(rng.choice(np.arange(0.2, 0.51, 0.05))))
        for _ in range(3)
    ]
    return Problem(**{**random_arguments(seed), "steps": steps, "batch": WORDS[seed % 4]})


@pytest.mark.parametrize(
    "seed",
    [13, 15, pytest.param(16, marks=pytest.mark.slow), 21, 27, 31],  # a minute
)
def test_error_estimates_of_random_problems_bound_the_distance_to_finer_walks(seed):
    problem = three_steps(seed)
    with time_limit(60.0):
        found, finer = (refined_walk(problem, rtol, False) for rtol in (1e-3, 5e-5))
    for s, (one, other) in enumerate(zip(found.states, finer.states, strict=True)):
        theta, toward, _ = spectrum(problem, found.g, found.w, one)
        exact, exactly, _ = spectrum(problem, finer.g, finer.w, other)
        k = int(np.sum(exact > problem.aspect_ratio**0.25))
        error = found.strength_errors[s, :k] + finer.strength_errors[s, :k]
        assert np.all(np.abs(theta[:k] - exact[:k]) <= error)
        error = found.square_errors[s, :k] + finer.square_errors[s, :k]
        assert np.all(np.abs(toward[:k] ** 2 - exactly[:k] ** 2) <= error)
        error = (found.error_errors[s] + finer.error_errors[s])[:2]
        assert np.all(np.abs(one.before - other.before)[:2] <= error)


@pytest.mark.parametrize("seed", [2, 7, 10, 18, 30])
def test_what_is_beyond_the_rules_says_so(seed):
    with time_limit(5.0):
        try:
            status = walked(three_steps(seed), 1e-4)[-1].spikes.status
        except ConvergenceError as error:
            status = error.status
    assert not status.ok
