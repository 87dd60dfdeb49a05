"""One sample as it is stored: bytes that give back every number exactly, and their checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.status import InvalidInputError
from validation.simulation.observe import Observation
from validation.simulation.plan import Plan

__all__ = ["COLUMNS", "Key", "Values", "check_belongs", "checksum_of", "from_values", "to_values"]

COLUMNS = ("singular_values", "target_overlaps", "residual", "spectrum")

# Content hash of the problem, seed, recipe.
Key: TypeAlias = tuple[str, str, str]
# Singular values, target overlaps, residual, spectrum: little-endian 64-bit floats.
Values: TypeAlias = tuple[bytes, bytes, bytes, bytes | None]


def check_belongs(plan: Plan, index: int, observation: Observation) -> None:
    """See that an observation is what the plan says of its sample ``index``.

    Raises
    ------
    InvalidInputError
        When it is not.
    """
    if index not in plan.indices:
        raise InvalidInputError(
            f"index must be one of the {plan.n_samples} of the plan, got {index}"
        )
    shape = (plan.n_outliers, plan.problem.n_directions)
    whole = min(plan.problem.width, plan.problem.dim) if plan.keeps_spectrum(index) else None
    size = None if observation.spectrum is None else observation.spectrum.size
    found = observation.target_overlaps.shape
    if found != shape or observation.singular_values.shape != shape[:1] or size != whole:
        raise InvalidInputError(
            f"observation must have {shape[0]} triplets, {shape[1]} directions and "
            f"{whole or 'no'} values of a whole spectrum, as the plan says of sample {index}; got "
            f"overlaps of shape {found} and {size or 'no'} values"
        )


def to_values(observation: Observation) -> Values:
    """The numbers of an observation as bytes."""
    return (
        _to_bytes(observation.singular_values),
        _to_bytes(observation.target_overlaps),
        _to_bytes(np.float64(observation.residual)),
        None if observation.spectrum is None else _to_bytes(observation.spectrum),
    )


def from_values(
    values: bytes, overlaps: bytes, residual: bytes, spectrum: bytes | None
) -> Observation:
    """The observation that gave these `Values`."""
    singular_values = _from_bytes(values)
    return Observation(
        singular_values,
        _from_bytes(overlaps).reshape(singular_values.size, -1),
        float(_from_bytes(residual)[0]),
        None if spectrum is None else _from_bytes(spectrum),
    )


def checksum_of(key: Key, index: int, values: Sequence[bytes | None], versions: str) -> bytes:
    """Of a whole row with its key, every part with its length, so that no two rows look alike."""
    digest = hashlib.sha256()
    for part in (*key, str(index), *values, versions):
        # Damage may change even the type of a value.
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(f"{type(part).__name__} {len(data)} ".encode())
        digest.update(data)
    return digest.digest()


def _to_bytes(array: Any) -> bytes:
    return np.asarray(array, dtype="<f8").tobytes()


def _from_bytes(data: bytes) -> Array:
    # A copy: the caller may write to it, and it has the byte order of this machine.
    return np.frombuffer(data, dtype="<f8").astype(np.float64)
