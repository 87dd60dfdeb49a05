"""The arguments that only a `Problem` has, each checked and brought to one form.

Errors name the argument, what was given and what is allowed.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from rmt.arguments import checked_choice, checked_real, checked_size, is_sequence
from rmt.arrays import Array
from rmt.functions import ExpressionError, ScalarFunction
from rmt.status import InvalidInputError
from rmt.vocabulary import Batch, Initialisation, ReadoutLaw

__all__ = [
    "check_decay",
    "checked_batch",
    "checked_counts",
    "checked_function",
    "checked_initialisation",
    "checked_output_scale",
    "checked_readout",
    "checked_readout_sum",
]


def checked_batch(value: Any, n_steps: int) -> str | tuple[int, ...]:
    """One of the words, or which batch each step uses; a schedule that has a word becomes it."""
    if isinstance(value, str) or not is_sequence(value):
        if not isinstance(value, str) or value not in get_args(Batch):
            raise InvalidInputError(
                f"batch must be one of {', '.join(get_args(Batch))}, or the number of the batch "
                f"that each step uses, such as (0, 0, 1); got {value!r}"
            )
        return value
    schedule = tuple(value)
    numbers = all(isinstance(b, int | np.integer) and not isinstance(b, bool) for b in schedule)
    seen = list(dict.fromkeys(schedule))
    wrong = None
    if not numbers:
        wrong = "each is a whole number"
    elif len(schedule) != n_steps:
        wrong = f"{len(schedule)} are given for {n_steps} steps"
    elif seen != list(range(len(seen))):
        renumbered = tuple(seen.index(b) for b in schedule)
        wrong = f"the same batches are {renumbered}"
    if wrong is not None:
        raise InvalidInputError(
            "batch must hold the number of the batch of each of the "
            f"{n_steps} steps, counted from 0 in the order of their first use; got {value!r}: "
            f"{wrong}"
        )
    if len(seen) == n_steps:
        return "independent"
    return "reused" if len(seen) == 1 else tuple(int(b) for b in schedule)


def checked_counts(value: Any, n_steps: int, batch: str | tuple[int, ...]) -> tuple[int, ...]:
    """The size of each step's batch; of each batch, where a schedule says which step uses which."""
    named = isinstance(batch, str)
    count = n_steps if named else len(set(batch))
    if not is_sequence(value):
        return (checked_size("samples", value),) * count
    counts = tuple(checked_size("samples", n) for n in value)
    if len(counts) != count:
        raise InvalidInputError(
            f"samples must be one number or one for each of the {count} "
            f"{'steps' if named else f'batches of the schedule {batch}'}, got {len(counts)}: "
            f"{value!r}"
        )
    if batch == "reused" and len(set(counts)) > 1:
        raise InvalidInputError(
            f"samples must be the same for {'both' if n_steps == 2 else 'all'} steps when the "
            f"batch is reused, got {value!r}; with batch='independent' they may differ"
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


def checked_output_scale(value: Any) -> float | None:
    """None, or a positive number."""
    if value is None:
        return None
    scale = checked_real("output_scale", value)
    if not 0 < scale <= 1e100:
        raise InvalidInputError(
            f"output_scale must be None (N**-1/2) or a positive number, got {value!r}: a network "
            "whose output is zero learns nothing from it; loss='correlation' leaves the output out"
        )
    return scale


def checked_initialisation(value: Any, readout: str | Array, width: int) -> str:
    """The word; antisymmetric only where neurons have partners of the opposite readout."""
    word = checked_choice("initialisation", value, get_args(Initialisation))
    if word == "antisymmetric":
        half = width // 2
        if width % 2:
            raise InvalidInputError(
                f"initialisation='antisymmetric' takes neurons in pairs, got width = {width}: it "
                "must be even"
            )
        if not isinstance(readout, str) and not np.array_equal(readout[half:], -readout[:half]):
            raise InvalidInputError(
                "initialisation='antisymmetric' needs a readout with g[i + N/2] = -g[i], got one "
                "without; readout='gaussian' and its like make one"
            )
    return word


def checked_readout_sum(value: Any, readout: str | Array, initialisation: str) -> float | None:
    """None, or a number where nothing else says it."""
    if value is None:
        return None
    if not isinstance(readout, str) or initialisation == "antisymmetric":
        why = "the readout is given" if not isinstance(readout, str) else "it is zero by symmetry"
        raise InvalidInputError(f"readout_sum must be None where {why}, got {value!r}")
    return checked_real("readout_sum", value)


def check_decay(steps: Any, width: int) -> None:
    """Raise unless every step leaves something of the weights."""
    for number, step in enumerate(steps, 1):
        if not step.kept(width) > 0:
            raise InvalidInputError(
                f"weight_decay of step {number} must be below 1/eta = {1 / step.size(width):g}, "
                f"got {step.weight_decay:g}: it would leave nothing of the weights"
            )
