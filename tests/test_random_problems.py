"""Problems that nobody has chosen: every one ends in time, with an answer or with an error."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from random_problems import random_arguments

import rmt
from rmt import ConvergenceError, InvalidInputError, Prediction, Problem, Status
from rmt.vocabulary import Method

LIMIT = 30.0  # seconds of processor time, in the long run


def predicted(seed: int, method: Method, seconds: float, rtol: float = 1e-6) -> Prediction | None:
    """The prediction, whether it converged or not; None for a problem that is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            problem = Problem(**random_arguments(seed))
            return rmt.predict(problem, method, rtol, max_seconds=seconds)
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
def test_a_few_in_a_second_each(method: Method) -> None:
    refused = 0
    for seed in range(1000, 1008):
        start = time.thread_time()
        found = predicted(seed, method, 1.0)
        assert time.thread_time() - start < 2.5, random_arguments(seed)
        refused += found is None
        if found is not None and found.status.ok:
            check_numbers(found)
    assert refused < 3


def explodes(found: Prediction) -> bool:
    """Of no use in double precision: weights whose weak spikes are below the rounding of others."""
    strengths = [spike.strength for spike in found.spikes]
    return found.status is Status.NOT_FINITE or max(strengths, default=0.0) > 1e6


@pytest.mark.slow
def test_many_resummed() -> None:
    """All end by themselves, and of 100 that are no nonsense at most 4 without an answer."""
    outcomes: list[Status] = []
    for seed in range(300):
        start = time.thread_time()
        found = predicted(seed, "resummed", LIMIT, 1e-4)
        assert time.thread_time() - start < LIMIT, random_arguments(seed)
        if found is not None and (found.status.ok or not explodes(found)):
            outcomes.append(found.status)
            if found.status.ok:
                check_numbers(found)
    assert len(outcomes) > 200
    assert Status.OUT_OF_TIME not in outcomes
    assert sum(not outcome.ok for outcome in outcomes) <= 0.04 * len(outcomes)


@pytest.mark.slow
def test_many_deformed() -> None:
    """At most 5 in 100 run out of time."""
    outcomes: list[Status] = []
    for seed in range(100):
        start = time.thread_time()
        found = predicted(seed, "deformed", LIMIT)
        assert time.thread_time() - start < 1.2 * LIMIT, random_arguments(seed)
        if found is not None:
            outcomes.append(found.status)
            if found.status.ok:
                check_numbers(found)
    assert len(outcomes) > 80
    assert outcomes.count(Status.OUT_OF_TIME) <= 0.05 * len(outcomes)


@pytest.mark.slow
def test_a_looser_tolerance_is_off_by_no_more_than_it_says() -> None:
    """``rtol`` 1e-4 against 1e-6: errors that no estimate sees show here, and nowhere else."""
    compared = 0
    for seed in range(2000, 2150):
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
            if one.is_outlier and two.is_outlier:  # on rows, whose lengths have errors of their own
                for name in ("singular_value", "left_overlap", "right_overlap", "target_overlap"):
                    error = getattr(one.error, name) + getattr(two.error, name)
                    apart = abs(getattr(one, name) - getattr(two, name))
                    assert apart <= error + 1e-9, (seed, name, random_arguments(seed))
    assert compared >= 100
