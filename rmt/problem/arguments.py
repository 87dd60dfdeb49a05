"""The arguments that only a `Problem` has, each checked and brought to one form.

Errors name the argument, what was given and what is allowed.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from rmt.arguments import checked_choice, checked_size, is_sequence
from rmt.arrays import Array
from rmt.functions import ExpressionError, ScalarFunction
from rmt.status import InvalidInputError
from rmt.vocabulary import ReadoutLaw

__all__ = [
    "checked_counts",
    "checked_function",
    "checked_readout",
]


def checked_counts(value: Any, n_steps: int, batch: str) -> tuple[int, ...]:
    """The size of each step's batch."""
    if not is_sequence(value):
        return (checked_size("samples", value),) * n_steps
    counts = tuple(checked_size("samples", n) for n in value)
    if len(counts) != n_steps:
        raise InvalidInputError(
            f"samples must be one number or one for each of the {n_steps} steps, got {value!r}"
        )
    if batch == "reused" and len(set(counts)) > 1:
        raise InvalidInputError(
            f"samples must be the same for both steps when the batch is reused, got {value!r}; "
            "with batch='independent' they may differ"
        )
    return counts


def checked_readout(value: Any, width: int) -> str | Array:
    """The name of a law, or the values themselves, which cannot be written to."""
    if isinstance(value, str):
        return checked_choice("readout", value, get_args(ReadoutLaw))
    try:
        numbers = np.asarray(value)
    except (TypeError, ValueError):  # ragged
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "fiu":  # no text, no complex numbers
        raise InvalidInputError(
            "readout must be gaussian, rademacher, uniform or a vector of real numbers, "
            f"got {type(value).__name__}"
        )
    vector = np.array(numbers, dtype=np.float64)
    if vector.shape != (width,):
        raise InvalidInputError(
            f"readout must be a vector of length width = {width}, got shape {vector.shape}"
        )
    if not np.all(np.isfinite(vector)):
        raise InvalidInputError("readout must be finite, got infinite or undefined entries")
    if np.ptp(vector) <= 1e-12 * np.abs(vector).max():
        raise InvalidInputError(
            f"readout must have a positive variance, got a vector of {width} equal entries"
        )
    vector.flags.writeable = False
    return vector


def checked_function(name: str, value: Any) -> ScalarFunction:
    """A function, in whatever form it is given."""
    try:
        return ScalarFunction.parse(value)
    except ExpressionError as error:
        raise ExpressionError(f"{name}: {error.reason}", error.text, error.position) from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error
