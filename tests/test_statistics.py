"""Running moments against those of the whole array, in any order and any grouping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from rmt.status import InvalidInputError
from validation.store.running_moments import RunningMoments

VALUES = arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.integers(1, 3)),
    elements=st.floats(-1e6, 1e6),
)


def added(values: np.ndarray) -> RunningMoments:
    moments = RunningMoments.empty(values.shape[1:])
    for row in values:
        moments = moments.add(row)
    return moments


def assert_same(one: RunningMoments, other: RunningMoments, scale: float) -> None:
    assert one.count == other.count
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-14 * scale, rtol=1e-12)
    np.testing.assert_allclose(one.scatter, other.scatter, atol=1e-13 * scale**2, rtol=1e-9)


@given(VALUES)
def test_adding_one_at_a_time_is_adding_all_at_once(values):
    assert_same(added(values), RunningMoments.of(values), 1 + np.abs(values).max(initial=0))


@given(VALUES, st.integers(0, 12))
def test_merging_is_adding(values, cut):
    merged = RunningMoments.of(values[:cut]).merge(added(values[cut:]))
    assert_same(merged, RunningMoments.of(values), 1 + np.abs(values).max(initial=0))


def test_moments_are_those_of_numpy():
    values = np.random.default_rng(0).normal(3, 2, (50, 4, 2))
    moments = added(values)
    np.testing.assert_allclose(moments.variance, values.var(axis=0, ddof=1))
    np.testing.assert_allclose(moments.standard_error, values.std(axis=0, ddof=1) / np.sqrt(50))
    assert "50 seen" in str(moments)


def test_a_large_mean_costs_no_digits_of_the_variance():
    noise = np.random.default_rng(0).normal(size=(1000, 1))
    np.testing.assert_allclose(added(1e9 + noise).variance, noise.var(axis=0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_tell_nothing_of_the_error(count):
    moments = RunningMoments.of(np.ones((count, 3)))
    assert np.isinf(moments.standard_error).all()
    assert moments.merge(RunningMoments.empty((3,))).count == count


def test_nothing_is_changed_in_place():
    first = RunningMoments.of([[1.0], [3.0]])
    first.add([9.0])
    assert (first.count, first.mean[0], first.scatter[0]) == (2, 2.0, 2.0)


def test_other_shapes_are_named():
    moments = RunningMoments.empty((2,))
    with pytest.raises(InvalidInputError, match=r"shape \(2,\), got \(3,\)"):
        moments.add([1.0, 2.0, 3.0])
    with pytest.raises(InvalidInputError, match="shape"):
        moments.merge(RunningMoments.empty())
    with pytest.raises(InvalidInputError, match="axis of samples"):
        RunningMoments.of(1.0)
