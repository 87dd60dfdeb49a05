"""How long a call may take: `max_seconds`, checked inside of the innermost loops.

The clock is the last resort. What a solve may cost is limited by counting its work, which is the
same on every machine; a limit of time ends what the counting has not foreseen. It counts the
processor time of the thread that computes, so that other programs on the machine change no
result; on an idle machine that is the time on the wall.
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
    "check_time",
    "checked_seconds",
    "time_limit",
]

MAX_SECONDS = 60.0  # of one prediction, unless the caller says otherwise


class OutOfTime(ConvergenceError):
    """The limit of time was reached; whoever has a best answer so far puts it in."""


class _Deadlines(threading.local):
    """The limit in force in each thread: when it ends on the thread's own clock, and its length."""

    end = math.inf
    seconds = math.inf


_current = _Deadlines()


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


def check_time() -> None:
    """Raise `OutOfTime` if the limit in force has been reached; costs less than a microsecond."""
    if _current.end != math.inf and time.thread_time() >= _current.end:
        raise OutOfTime(
            f"{Status.OUT_OF_TIME.value} The limit was max_seconds = {_current.seconds:g}.",
            Status.OUT_OF_TIME,
        )
