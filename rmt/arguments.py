"""Arguments that are whole numbers: orders, degrees, digits, limits of work."""

from __future__ import annotations

import math

import numpy as np

from rmt.status import InvalidInputError

__all__ = ["whole_number"]


def whole_number(name: str, value: object, least: int, most: float = math.inf) -> int:
    """The argument as an int, NumPy's integers included.

    Raises
    ------
    InvalidInputError
        For anything else (booleans, floats), or outside of ``least .. most``.

    Examples
    --------
    >>> whole_number("order", np.int64(3), 0, 10)
    3
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidInputError(f"{name}: expected a whole number, got {value!r}")
    if not least <= value <= most:
        allowed = f"is at least {least}" if most == math.inf else f"are {least} to {most}"
        raise InvalidInputError(f"{name}: got {value}; allowed {allowed}")
    return int(value)
