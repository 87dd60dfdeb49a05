"""What was seen in the features of one network, as it is stored: four arrays with their shapes."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from rmt.arrays import Array
from rmt.status import InvalidInputError
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.features import FeatureObservation

__all__ = ["COLUMNS", "check_belongs", "from_values", "to_values"]

COLUMNS = ("singular_values", "overlaps", "test_error", "training_error")


def check_belongs(plan: FeaturePlan, index: int, observation: FeatureObservation) -> None:
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
    errors = (plan.n_stages, len(plan.inputs), len(plan.regularisations))
    expected = ((plan.n_spikes,), (plan.n_spikes, len(plan.monomials)), errors, errors)
    found = tuple(getattr(observation, name).shape for name in COLUMNS)
    if found != expected:
        raise InvalidInputError(
            f"observation must have arrays of shapes {expected}, as the plan says; got {found}"
        )


def to_values(observation: FeatureObservation) -> tuple[bytes, ...]:
    """The arrays as bytes, in the format of NumPy's own files, little-endian.

    Examples
    --------
    >>> made = FeatureObservation(*(np.full(shape, 0.1) for shape in (2, (2, 3), (1, 1, 1), 1)))
    >>> from_values(*to_values(made)).overlaps.shape
    (2, 3)
    """
    return tuple(_to_bytes(getattr(observation, name)) for name in COLUMNS)


def from_values(*values: bytes) -> FeatureObservation:
    """The observation that gave these bytes."""
    return FeatureObservation(*map(_from_bytes, values))


def _to_bytes(array: Array) -> bytes:
    buffer = BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, dtype="<f8", order="C"), version=(1, 0))
    return buffer.getvalue()


def _from_bytes(data: bytes) -> Array:
    # In the byte order of this machine.
    return np.asarray(np.lib.format.read_array(BytesIO(data), allow_pickle=False), np.float64)
