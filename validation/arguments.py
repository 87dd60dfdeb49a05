"""Numbers that a user gives, checked before any work."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from rmt.status import InvalidInputError

__all__ = ["integer", "none_or_several", "not_negative", "precision", "probability"]


def integer(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """An integer of at least ``least``, and at most ``most`` where that is given.

    Raises
    ------
    InvalidInputError
        For anything else; truth values are no numbers here.

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


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
