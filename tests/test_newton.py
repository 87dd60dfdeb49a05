"""The one driver of Newton's method: each point on its own, brackets, budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rmt.budget import OutOfTime, time_limit
from rmt.newton import bracketed, newton


def test_points_do_not_hold_up_each_other() -> None:
    """Square roots: of one that is there at once, of one that is far, and of one that is lost."""
    square = np.array([4.0, 1e8, -1.0, np.nan])
    seen = []

    def step(x: Any, at: Any, square: Any) -> Any:
        seen.append(x.size)
        change = (square / x - x) / 2.0
        return change, np.abs(change) <= 1e-9 * x

    found = newton(step, np.array([2.0, 1.0, 1.0, 1.0]), 60, square)
    assert found.settled.tolist() == [True, True, False, False]
    assert found.x[:2] == pytest.approx([2.0, 1e4], rel=1e-15)
    assert found.steps[0] == 1 < found.steps[1] < 60
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_points_of_several_numbers(shape: tuple[int, ...]) -> None:
    start = np.full((4, *shape), 3.0 + 1j)
    found = newton(lambda x, at: (-x, np.arange(4)[at] % 2 == 0), start, 5)
    assert found.settled.tolist() == [True, False, True, False]
    assert not found.x.any()


def test_no_step_is_allowed() -> None:
    found = newton(lambda x, at: (x, x > 0), np.ones(2), 0)
    assert found.x.tolist() == [1.0, 1.0]
    assert not found.settled.any()


@pytest.mark.parametrize("start", [0.3, -5.0, np.nan, 40.0])
def test_brackets_hold(start: float) -> None:
    """The arc tangent, on which Newton's method alone diverges; it may be undefined in places."""
    at_zero = np.array([-3.0, 0.0, 10.0])

    def value_and_slope(x: Any, at: Any) -> Any:
        return np.arctan(20.0 * (x - at_zero[at])), 20.0 / (1.0 + (20.0 * (x - at_zero[at])) ** 2)

    ends = np.full(3, -8.0), np.full(3, 11.0)
    found = bracketed(value_and_slope, np.full(3, start), *ends, 100, atol=1e-12)
    assert found.settled.all()
    assert found.x == pytest.approx(at_zero, abs=1e-12)
    lost = bracketed(lambda x, at: (x * np.nan, x), np.zeros(3), *ends, 100, atol=1e-12)
    assert not lost.settled.any()


def test_the_budget_is_looked_at() -> None:
    with time_limit(0.01), pytest.raises(OutOfTime):
        newton(lambda x, at: (np.ones(1), x < 0), np.ones(1), 10**9)


def test_a_zero_lost_in_rounding_is_still_bracketed() -> None:
    """Values that are rounding have steps from one end of the bracket to the other, and back."""

    def value_and_slope(x: Any, at: Any) -> Any:
        lost = np.where(x < 1.0, -2e-9, 2e-9)
        return np.where(np.abs(x - 1.0) < 2e-9, lost, x - 1.0), np.ones(1)

    found = bracketed(value_and_slope, *np.array([[1 + 1e-9], [0.0], [2.0]]), 100, atol=1e-12)
    assert found.settled.all()
    assert found.x == pytest.approx(1.0, abs=1e-11)
