"""Newton's method: at many points at once, and between brackets.

A caller supplies the map, and says of each point when it is done. Here are the loop, its budget,
and which points are left: one that is done, or lost, does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools, Integers
from rmt.budget import check_time

__all__ = ["Iterated", "bracketed", "newton"]


Points = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Iterated:
    """Where points have gone.

    Attributes
    ----------
    x : array, shape (points, ...)
    settled : array of bool, shape (points,)
        Whether the method said that the point is done, and it is finite.
    steps : array of int, shape (points,)
    """

    x: Points
    settled: Bools
    steps: Integers


def newton(
    step: Callable[[Points, Any], tuple[Points, Bools]], start: Points, limit: int
) -> Iterated:
    """Add steps to points until they are done, each on its own.

    Parameters
    ----------
    step : callable
        ``step(x, at)`` returns the steps from the points ``x`` that are left, and which of them are
        done once theirs is taken. ``at`` is their index among all points: a slice while all are
        left, for which a view is cheaper.
    start : array, shape (points, ...)
    limit : int
        Of steps.

    Examples
    --------
    >>> import numpy as np
    >>> square = np.array([2.0, 9.0])
    >>> def step(x, at):
    ...     change = (square[at] - x**2) / (2.0 * x)
    ...     return change, np.abs(change) <= 1e-8 * x
    >>> found = newton(step, np.array([1.0, 1.0]), limit=20)
    >>> found.x.round(12).tolist(), found.settled.tolist()
    ([1.414213562373, 3.0], [True, True])
    """
    x = start.copy()
    points = len(x)
    settled, steps = np.zeros(points, dtype=bool), np.zeros(points, dtype=np.int64)
    left = np.arange(points)
    while left.size and limit > 0:
        check_time()
        limit -= 1
        at: Any = slice(None) if left.size == points else left
        here = x[at]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            change, done = step(here, at)
            x[at] = here + change
        steps[at] += 1
        finite = np.isfinite(change.reshape(left.size, -1)).all(axis=1)
        settled[left[done & finite]] = True
        left = left[finite & ~done]
    return Iterated(x, settled, steps)


def bracketed(
    value_and_slope: Callable[[Array, Any], tuple[Array, Array]],
    start: Array,
    low: Array,
    high: Array,
    limit: int,
    *,
    atol: float | Array = 0.0,
    rtol: float = 0.0,
) -> Iterated:
    """Zeros of functions that rise through them, by Newton's method between shrinking brackets.

    A step out of its bracket goes to the middle instead.

    Parameters
    ----------
    value_and_slope : callable
        Of ``(x, at)``, as in `newton`.
    start, low, high : array, shape (points,)
        A start out of its bracket, or nan, stands for the middle.
    limit : int
        Of steps.
    atol, rtol : float
        A point is done with a step of at most ``atol + rtol |x|``. Newton's method doubles the
        digits: a step of 1e-8 is the last that counts.

    Examples
    --------
    >>> import numpy as np
    >>> start, low, high = np.array([[2.0], [0.0], [9.0]])
    >>> found = bracketed(lambda x, at: (np.log(x), 1.0 / x), start, low, high, 50, atol=1e-9)
    >>> found.x.round(12).tolist(), found.settled.tolist()
    ([1.0], [True])
    """
    low, high = low.copy(), high.copy()
    start = np.where((start > low) & (start < high), start, (low + high) / 2.0)
    wide = np.broadcast_to(atol, start.shape)

    def step(x: Array, at: Any) -> tuple[Array, Bools]:
        value, slope = value_and_slope(x, at)
        below, above = np.where(value < 0, x, low[at]), np.where(value < 0, high[at], x)
        low[at], high[at] = below, above
        new = x - value / slope
        new = np.where((new >= below) & (new <= above), new, (below + above) / 2.0)
        change = np.where(np.isnan(value), np.nan, new - x)
        return change, np.abs(change) <= wide[at] + rtol * np.abs(new)

    return newton(step, start, limit)
