"""Problems that nobody has chosen: every one ends in time, with an answer or with an error."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from random_problems import random_arguments

import rmt
from rmt import ConvergenceError, InvalidInputError, Prediction, Problem, Status

LIMIT = 30.0  # seconds of processor time, in the long run


def predicted(seed: int, method: str, seconds: float) -> Prediction | None:
    """The prediction, whether it converged or not; None for a problem that is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            problem = Problem(**random_arguments(seed))
            return rmt.predict(problem, method, max_seconds=seconds)  # type: ignore[arg-type]
        except InvalidInputError:
            return None
        except ConvergenceError as error:
            best, status = error.best, error.status
    assert isinstance(best, Prediction)
    assert best.status is status
    return best


def check_numbers(found: Prediction) -> None:
    """Of a prediction that has converged: finite, overlaps in [0, 1], with finite errors."""
    for spike in found.spikes:
        overlaps = [spike.left_overlap, spike.right_overlap, spike.target_overlap]
        overlaps += spike.target_alignments + spike.target_overlaps
        assert all(-1e-9 <= overlap <= 1 + 1e-9 for overlap in overlaps)
        assert np.isfinite([spike.strength, spike.singular_value]).all()
        assert np.isfinite([spike.error.strength, spike.error.singular_value]).all()
        assert spike.error.strength >= 0


@pytest.mark.parametrize("method", ["resummed", "deformed"])
def test_a_few_in_a_second_each(method: str) -> None:
    refused = 0
    for seed in range(1000, 1008):
        start = time.thread_time()
        found = predicted(seed, method, 1.0)
        assert time.thread_time() - start < 2.5, random_arguments(seed)
        refused += found is None
        if found is not None and found.status.ok:
            check_numbers(found)
    assert refused < 3


@pytest.mark.slow
@pytest.mark.parametrize(("method", "count"), [("resummed", 300), ("deformed", 100)])
def test_many(method: str, count: int) -> None:
    """Of those that are no nonsense, at most 5 in 100 run out of time."""
    outcomes: list[Status] = []
    for seed in range(count):
        start = time.thread_time()
        found = predicted(seed, method, LIMIT)
        assert time.thread_time() - start < 1.2 * LIMIT, random_arguments(seed)
        if found is not None:
            outcomes.append(found.status)
            if found.status.ok:
                check_numbers(found)
    assert len(outcomes) > 0.8 * count
    assert outcomes.count(Status.OUT_OF_TIME) <= 0.05 * len(outcomes)


@pytest.mark.slow
def test_a_looser_tolerance_is_off_by_no_more_than_it_says() -> None:
    """``rtol`` 1e-4 against 1e-6: errors that no estimate sees show here, and nowhere else."""
    compared = 0
    for seed in range(2000, 2100):
        try:
            problem = Problem(**random_arguments(seed))
            loose, fine = (rmt.predict(problem, rtol=r, max_seconds=LIMIT) for r in (1e-4, 1e-6))
        except (InvalidInputError, ConvergenceError):
            continue
        compared += 1
        for one, two in zip(loose.spikes, fine.spikes, strict=False):
            error = one.error.strength + two.error.strength
            assert abs(one.strength - two.strength) <= error, (seed, random_arguments(seed))
            pairs = zip(
                one.target_alignments,
                two.target_alignments,
                one.error.target_alignments,
                two.error.target_alignments,
                strict=True,
            )
            for a, b, a_error, b_error in pairs:
                assert abs(a - b) <= a_error + b_error + 1e-12, (seed, random_arguments(seed))
    assert compared > 60
