"""Statements about training in several steps, each as one test of theory, of networks, or both."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import rmt
from rmt import Problem
from rmt.functions import ScalarFunction
from validation import PathPlan, run_paths
from validation.catalogue import ALL_CASES, LOSSES, PATHS, SMALL_LOSSES, SMALL_PATHS

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


# --- problems of one and two steps stay what they were --------------------------------------------

# Of names, hashes, texts and JSON of all cases with one or two steps, from before there were more.
_BEFORE = "927bbcf4242beef2bea0fc8c24363c18a060c6164e904979e207376c3398da94"


def test_problems_of_before_keep_text_json_and_hash():
    digest, count = hashlib.sha256(), 0
    for name in sorted(set(ALL_CASES) - set(PATHS | SMALL_PATHS | LOSSES | SMALL_LOSSES)):
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
