"""Numbers and words that a user gives, checked before any work.

Errors name the argument, what was given and what is allowed. Truth values are no numbers here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any

import numpy as np

from rmt.status import InvalidInputError

__all__ = [
    "checked_choice",
    "checked_real",
    "checked_size",
    "checked_type",
    "integer",
    "is_sequence",
    "none_or_several",
    "not_negative",
    "positive_number",
    "precision",
    "probability",
    "whole_number",
]

LARGEST_SIZE = 10**100  # far beyond any limit of interest, and products of sizes do not overflow


def whole_number(name: str, value: Any, least: int, most: float = math.inf) -> int:
    """An order, degree, number of digits or limit of work; NumPy's integers included.

    Raises
    ------
    InvalidInputError
        For anything else (booleans, floats), or outside of ``least .. most``.

    Examples
    --------
    >>> whole_number("order", np.int64(3), 0, 10)
    3
    """
    if not _is_whole(value):
        raise InvalidInputError(f"{name}: expected a whole number, got {value!r}")
    if not least <= value <= most:
        allowed = f"is at least {least}" if most == math.inf else f"are {least} to {most}"
        raise InvalidInputError(f"{name}: got {value}; allowed {allowed}")
    return int(value)


def integer(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """An integer of at least ``least``, and at most ``most`` where that is given.

    Raises
    ------
    InvalidInputError
        For anything else.

    Examples
    --------
    >>> integer("seed", -1)
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: seed must be a non-negative integer, got -1
    """
    if _is_whole(value) and value >= least and (most is None or value <= most):
        return int(value)
    if most is not None:
        allowed = f"an integer from {least} to {most}"
    else:
        allowed = f"an integer of at least {least}" if least else "a non-negative integer"
    raise InvalidInputError(f"{name} must be {allowed}, got {value!r}")


def none_or_several(name: str, value: Any) -> int:
    """0, or an integer of at least 2: one network tells nothing of the noise.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    if not _is_whole(value) or value < 0 or value == 1:
        raise InvalidInputError(f"{name} must be 0, or an integer of at least 2, got {value!r}")
    return int(value)


def checked_size(name: str, value: Any) -> int:
    """A size of the network or of its data."""
    if not _is_whole(value) or value < 1:
        raise InvalidInputError(f"{name} must be a positive integer, got {value!r}")
    if int(value) > LARGEST_SIZE:
        raise InvalidInputError(f"{name} must be at most {LARGEST_SIZE:.0e}, got {value!r}")
    return int(value)


def checked_type(name: str, value: Any, kind: type, made_by: str) -> None:
    """Raise unless a value is of a kind that some function makes.

    Examples
    --------
    >>> checked_type("samples", 3, list, "run_samples")
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: samples must be of type list, as run_samples makes it; got int
    """
    if not isinstance(value, kind):
        raise InvalidInputError(
            f"{name} must be of type {kind.__name__}, as {made_by} makes it; "
            f"got {type(value).__name__}"
        )


def checked_real(name: str, value: Any) -> float:
    """A finite number in double precision."""
    number = math.nan
    if _is_real(value):
        try:
            number = float(value) + 0.0  # no negative zero: equal problems have equal hashes
        except OverflowError:  # an integer beyond the range of floats
            number = math.inf
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be a finite real number, got {value!r}")
    return number


def positive_number(name: str, value: Any) -> float:
    """A positive finite number, such as a ratio of dimensions.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    if not (_is_real(value) and 0 < float(value) < math.inf):
        raise InvalidInputError(f"{name} must be a positive number, got {value!r}")
    return float(value)


def not_negative(name: str, value: Any) -> float:
    """A finite number that is not negative.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    if not (_is_real(value) and 0 <= value < math.inf):
        raise InvalidInputError(f"{name} must be a non-negative number, got {value!r}")
    return float(value)


def probability(name: str, value: Any) -> float:
    """A number between 0 and 1, neither of them.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    if not (_is_real(value) and 0 < value < 1):
        raise InvalidInputError(f"{name} must lie between 0 and 1, got {value!r}")
    return float(value)


def checked_choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of a few words."""
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        raise InvalidInputError(f"{name} must be one of {', '.join(words)}; got {value!r}")
    return value


def precision(dtype: Any) -> str:
    """``"float64"`` or ``"float32"``.

    Raises
    ------
    InvalidInputError
        For another type of numbers.

    Examples
    --------
    >>> precision(np.float32)
    'float32'
    """
    try:
        name = str(np.dtype(dtype).name)
    except TypeError:
        name = repr(dtype)
    if name not in ("float64", "float32"):
        raise InvalidInputError(f"dtype must be float64 or float32, got {name}")
    return name


def is_sequence(value: Any) -> bool:
    """Whether it holds several things in an order."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Set)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
