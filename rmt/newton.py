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

__all__ = ["Iterated", "Points", "Step", "bracketed", "newton"]


Points = NDArray[Any]
Step = Callable[..., tuple[Points, Bools]]


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


def newton(step: Step, start: Points, limit: int, *data: Points) -> Iterated:
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
    settled, steps = np.zeros(len(x), dtype=bool), np.full(len(x), limit)
    left = np.arange(len(x))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for number in range(1, limit + 1):
            check_time()
            at: Any = slice(None) if left.size == len(x) else left
            here = x[at]
            change, done = step(here, at, *data)
            x[at] = here + change
            gone = done
            if not np.isfinite(change).all():
                lost = ~np.isfinite(change.reshape(left.size, -1)).all(axis=1)
                done, gone = done & ~lost, done | lost
            if gone.any():
                settled[left[done]] = True
                steps[left[gone]] = number
                left, data = left[~gone], tuple(one[~gone] for one in data)
            if not left.size:
                break
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
    start = np.where((start >= low) & (start <= high), start, (low + high) / 2.0)

    def step(x: Array, at: Any) -> tuple[Array, Bools]:
        value, slope = value_and_slope(x, at)
        under = value < 0
        low[at] = below = np.where(under, x, low[at])
        high[at] = above = np.where(under, high[at], x)
        new = x - value / slope
        # A step to an end of the bracket may be one of rounding, and lead back and forth for ever.
        inside = ((new > below) & (new < above)) | (new == x)
        new = np.where(inside, new, (below + above) / 2.0)
        change = np.where(np.isnan(value), np.nan, new - x)
        small = atol[at] if isinstance(atol, np.ndarray) else atol
        return change, np.abs(change) <= small + rtol * np.abs(new)

    return newton(step, start, limit)
