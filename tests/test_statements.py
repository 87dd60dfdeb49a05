"""Statements about training in several steps, each as one test of theory, of networks, or both."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rmt
from rmt import Problem
from rmt.functions import ScalarFunction
from validation import PathPlan, run_paths
from validation.catalogue import (
    ALL_CASES,
    LOSSES,
    PATHS,
    SCATTERED,
    SMALL_LOSSES,
    SMALL_PATHS,
)

# --- staircases on fresh batches ------------------------------------------------------------------


def learned(path: rmt.TrainingPath, step: int, direction: int) -> float:
    """Squared overlap of the span of all outliers after a step with a direction of the target."""
    point = path[step]
    outliers = point.spikes.strengths > path.problem.aspect_ratio**0.25
    return float(np.sum(point.spikes.alignments[outliers, direction] ** 2))


def test_a_direction_of_leap_one_enters_one_step_after_the_one_it_needs():
    """z1 + z1 z2: z1 from the first step on, z2 from the second; theory and networks."""
    problem = Problem(
        "tanh(z + 7/10)", "z1 + z1*z2", 300, 300, 1200, [(2, 0.35)] * 3, readout="rademacher"
    )
    path = rmt.training_path(problem, rtol=1e-3)
    samples = run_paths(PathPlan(problem, 8, seed=3, n_test=100, dtype="float32"))
    # Overlaps of the two leading right vectors together, with either direction.
    seen = samples.target_overlaps[:, :, :2].sum(axis=2).mean(axis=0)
    floor = 2 * 2 / 300  # of two random directions, twice
    for step, first, second in ((1, 0.3, 0.0), (2, 0.5, 0.1), (3, 0.7, 0.3)):
        assert learned(path, step, 0) > first
        assert seen[step - 1, 0] > first
        if step == 1:
            assert learned(path, 1, 1) < 1e-10
            assert seen[0, 1] < floor
        else:
            assert learned(path, step, 1) > second
            assert seen[step - 1, 1] > second


# --- exponents ------------------------------------------------------------------------------------


def strength_along_the_second(target: str, alpha: float, width: int) -> float:
    """Root mean square over rows of what two fresh steps add along e_2, times sqrt(N)."""
    problem = Problem(
        "tanh(z + 7/10)", target, width, width, 2 * width, [(1, alpha)] * 2, readout="rademacher"
    )
    cosines = rmt.training_path(problem, rtol=1e-4)[2].row_alignments[:, 1]
    return float(np.sqrt(width * np.mean(cosines**2)))


@pytest.mark.parametrize(("target", "order"), [("z1 + z1*z2", 1), ("z1 + He3(z1)*z2/sqrt(6)", 3)])
@pytest.mark.parametrize("alpha", [0.3, 0.375, pytest.param(0.45, marks=pytest.mark.slow)])
def test_a_direction_reached_at_order_k_of_the_shift(target, order, alpha):
    """Its size is ``N^(alpha - k (1/2 - alpha))``: at ``k = 3`` it grows above alpha = 3/8 alone.

    The shift is ``N^(alpha - 1/2)``, so the slope is approached as its square.
    """
    # Below N = 1e8 the size is above what the rules drop, 1e-6 of the first direction's.
    sizes = [
        strength_along_the_second(target, alpha, round(10**power))
        for power in ((3, 5, 7) if alpha < 0.4 else (6, 8, 10))
    ]
    slopes = np.diff(np.log(sizes)) / np.log(100)
    expected = alpha - order * (0.5 - alpha)
    assert slopes[1] == pytest.approx(expected, abs=0.02)
    assert abs(slopes[1] - expected) < abs(slopes[0] - expected) + 1e-3
    if order == 3:
        assert (slopes[1] > 0.02) == (alpha > 3 / 8)
        assert (slopes[1] < -0.02) == (alpha < 3 / 8)


# --- the limit of small steps ---------------------------------------------------------------------


def population_flow(activation, target, time):
    """Test error of gradient flow at ``N -> infinity`` and ``n >> d``: rows are ``b Z + m z``.

    With signs as readouts, ``d(m, b)/dt = g E[(y - h) sigma'(b Z + m z) (z, Z)]``.
    """
    x, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    z, own = x[:, None, None], x[:, None]  # shapes (z, 1, 1), (own, 1) of (z, own, g)
    g = np.array([-1.0, 1.0])
    both = weights[:, None] * weights
    y = target(x)

    def output(m, b):
        return np.einsum("zog,o,g->z", activation(b * own + m * z), weights, g / 2)

    def slope(_, state):
        m, b = state[:2], state[2:]
        force = both[:, :, None] * (y - output(m, b))[:, None, None]
        force = force * activation.derivative(b * own + m * z) * g
        return np.concatenate([(force * z).sum(axis=(0, 1)), (force * own).sum(axis=(0, 1))])

    end = solve_ivp(slope, (0.0, time), [0.0, 0.0, 1.0, 1.0], rtol=1e-9, atol=1e-11).y[:, -1]
    return weights @ (y - output(end[:2], end[2:])) ** 2


def test_small_steps_are_the_gradient_flow():
    """10, 20 and 40 steps of the same time in all: their errors are of first order."""
    found, target = [], "tanh(z) + (cos(2*z) - exp(-2))/2"
    for n_steps in (10, 20, 40):
        problem = Problem(
            "tanh(z + 7/10)", target, 1000, 1000, 4000, [(3.0 / n_steps, 0.5)] * n_steps,
            readout="rademacher",
        )  # fmt: skip
        found.append(rmt.training_path(problem, rtol=1e-4)[-1].test_error)
    flow = population_flow(problem.activation, problem.target, 3.0)
    first = 2 * found[2] - found[1], 2 * found[1] - found[0]
    assert 0.4 < (found[2] - flow) / (found[1] - flow) < 0.6
    assert (4 * first[0] - first[1]) / 3 == pytest.approx(flow, rel=1e-5)
    assert flow < 0.5 * np.mean(problem.target(np.random.default_rng(0).normal(size=4000)) ** 2)


# --- problems of one and two steps stay what they were --------------------------------------------

# Of names, hashes, texts and JSON of all cases with one or two steps, from before there were more.
_BEFORE = "927bbcf4242beef2bea0fc8c24363c18a060c6164e904979e207376c3398da94"


def test_problems_of_before_keep_text_json_and_hash():
    digest, count = hashlib.sha256(), 0
    for name in sorted(
        set(ALL_CASES) - set(PATHS | SMALL_PATHS | LOSSES | SMALL_LOSSES | SCATTERED)
    ):
        problem = ALL_CASES[name].problem
        assert Problem.from_json(problem.to_json()) == problem
        text = f"{name}\n{problem.content_hash}\n{problem}\n{problem.to_json()}\n"
        digest.update(text.encode())
        count += 1
    assert (count, digest.hexdigest()) == (97, _BEFORE)


def test_every_word_and_length_is_in_the_catalogue():
    words = {
        "".join("ABCDEFGH"[b] for b in one.problem.schedule): one.problem for one in PATHS.values()
    }
    assert {"AAA", "AAAA", "AAB", "ABB", "ABC", "ABA", "ABAB"} <= set(words)
    problems = [one.problem for one in PATHS.values()]
    assert len(problems) >= 16
    assert {len(one.steps) for one in problems} == {3, 4, 8}
    assert {one.n_directions for one in problems} == {1, 2}
    assert {one.readout for one in problems} == {"gaussian", "rademacher", "uniform"}
    texts = ("tanh(z + 7/10)", "erf(z + 1/2)", "gelu(z)", "relu(z)")
    assert {one.activation for one in problems} == {*map(ScalarFunction.parse, texts)}
    assert {0.3, 0.5} <= {step.exponent for one in problems for step in one.steps}
    assert any(one.dim != one.width for one in problems)
    assert any(one.noise_std > 0 for one in problems)
