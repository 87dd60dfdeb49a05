"""How long a call may take: `max_seconds`, checked inside of the innermost loops.

The clock is the last resort. What a solve may cost is limited by counting its work, which is the
same on every machine; a limit of time ends what the counting has not foreseen. It counts the
processor time of the thread that computes, so that other programs on the machine change no
result; on an idle machine that is the time on the wall. The counting is here as well: inner loops
say what they do, and whoever decides how far to go reads the sum.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = [
    "MAX_SECONDS",
    "OutOfTime",
    "TooCostly",
    "check_time",
    "checked_seconds",
    "count_work",
    "time_limit",
    "work_left",
    "work_limit",
]

MAX_SECONDS = 60.0  # of one prediction, unless the caller says otherwise


class OutOfTime(ConvergenceError):
    """The limit of time was reached; whoever has a best answer so far puts it in."""


class TooCostly(Exception):
    """A solve has done the work that it is allowed."""


class _Current(threading.local):
    """Of each thread: when the limit in force ends on its own clock, and its length; what has been
    counted, and the count at which the limit of work ends.
    """

    end = math.inf
    seconds = math.inf
    work = 0.0
    most = math.inf


_current = _Current()


def checked_seconds(value: Any) -> float | None:
    """A limit in seconds, or None for no limit.

    Raises
    ------
    InvalidInputError
        Unless it is None or a positive number.

    Examples
    --------
    >>> checked_seconds(5)
    5.0
    >>> checked_seconds(-1)
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: max_seconds must be a positive number, or None for no ...
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
        raise InvalidInputError(
            f"max_seconds must be a positive number, or None for no limit; got {value!r}"
        )
    return float(value)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Let `check_time` raise once the block has used this much processor time in this thread.

    Limits nest: the one that ends first holds.

    Examples
    --------
    >>> with time_limit(0.01):
    ...     while True:
    ...         check_time()
    Traceback (most recent call last):
        ...
    rmt.budget.OutOfTime: Out of time: ... max_seconds = 0.01.
    """
    outer = _current.end, _current.seconds
    if seconds is not None:
        end = time.thread_time() + seconds
        if end < outer[0]:
            _current.end, _current.seconds = end, seconds
    try:
        yield
    finally:
        _current.end, _current.seconds = outer


@contextmanager
def work_limit(amount: float) -> Iterator[None]:
    """Let `count_work` raise `TooCostly` once the block has counted this much; limits nest.

    Examples
    --------
    >>> with work_limit(100.0):
    ...     while True:
    ...         count_work(1.0)
    Traceback (most recent call last):
        ...
    rmt.budget.TooCostly
    """
    outer = _current.most
    _current.most = min(outer, _current.work + amount)
    try:
        yield
    finally:
        _current.most = outer


def count_work(amount: float) -> None:
    """Add to `work_done`, and look at both limits."""
    _current.work += float(amount)  # no number of NumPy, which warns of infinities
    if _current.work > _current.most:
        raise TooCostly
    check_time()


def work_left() -> float:
    """What may still be counted, infinite without a limit.

    About a unit for an operation on an array's element, and so a nanosecond; the same on every
    machine.
    """
    return _current.most - _current.work


def check_time() -> None:
    """Raise `OutOfTime` if the limit in force has been reached; costs less than a microsecond."""
    if _current.end != math.inf and time.thread_time() >= _current.end:
        raise OutOfTime(
            f"{Status.OUT_OF_TIME.value} The limit was max_seconds = {_current.seconds:g}.",
            Status.OUT_OF_TIME,
        )
