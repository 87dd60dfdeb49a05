"""Results as JSON texts, exactly: every number, and the laws that densities are computed from.

A result is a tree of dataclasses, arrays, problems and plain values. It is written with the names
of their types, and read by constructors of the types that are listed here: no text can make
anything else, and nothing is pickled. A float is written so that the same float is read.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt.status import InvalidInputError, Status

__all__ = ["FORMAT", "THEORY", "InJson", "read", "written"]


FORMAT = 1
"""Of the texts. A change that texts of before cannot be read with raises it."""

THEORY = 2
"""Version of the theory: raised where a prediction changes by more than its error estimates."""

# What is made again, with the module that defines it. Of a dataclass its fields are written; of
# other classes the attributes that are the arguments of its constructor.
_MODULES = {
    "Prediction": "rmt.prediction.prediction",
    "Spike": "rmt.prediction.prediction",
    "SpikeError": "rmt.prediction.prediction",
    "TrainingPath": "rmt.prediction.path",
    "PathPoint": "rmt.prediction.path",
    "Sweep": "rmt.grids.sweep",
    "SweepError": "rmt.grids.sweep",
    "Point": "rmt.grids.points",
    "RidgeErrors": "rmt.regression.errors",
    "Stage": "rmt.features.stages",
    "SpikeStrengths": "rmt.spikes.mean_update",
    "MarchenkoPasturBulk": "rmt.spectra.laws.marchenko_pastur",
    "GeneralisedMarchenkoPastur": "rmt.spectra.laws.silverstein",
    "Population": "rmt.spectra.laws.population",
    "ContinuousPart": "rmt.spectra.laws.derived",
    "SingularValueLaw": "rmt.spectra.laws.derived",
    "DeformedLaw": "rmt.spikes.deformed.law",
    "Equation": "rmt.spikes.deformed.equation",
    "BatchTerms": "rmt.spikes.deformed.equation",
    "Edge": "rmt.spikes.deformed.edge",
    "Problem": "rmt.problem.problem",
}
_ARGUMENTS = {
    "MarchenkoPasturBulk": ("aspect_ratio",),
    "GeneralisedMarchenkoPastur": ("population", "ratio"),
    "ContinuousPart": ("whole",),
    "SingularValueLaw": ("eigenvalues",),
    "DeformedLaw": ("equation", "edge"),
    "Equation": ("aspect_ratio", "weights", "batches", "base"),
}
_DTYPES = ("float64", "int64", "bool", "object")


class InJson:
    """Base of results that are written to JSON texts exactly, and read back."""

    __slots__ = ()

    def to_json(self) -> str:
        """Everything that the result holds, as JSON text; `from_json` gives it back exactly.

        The text has a format and a version of the theory. A bulk is written as what its density is
        computed from: that of the level ``deformed`` as the arrays of its equation (some 200 kB),
        which is solved again when a density is asked for.
        """
        return written(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`.

        Raises
        ------
        InvalidInputError
            For what is no JSON text, not of such a result, or of another format or version of the
            theory; the message says what to do.
        """
        name = cls.__name__
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, TypeError) as error:
            raise InvalidInputError(f"a {name} must be a JSON object: {error}") from error
        if not isinstance(data, dict) or "type" not in data:
            raise InvalidInputError(f"data must be a text written by {name}.to_json")
        if data["type"] != name:
            raise InvalidInputError(
                f"the text holds a {data['type']}, not a {name}; read it with from_json of that"
            )
        _check_version(data)
        found = read(data)
        assert isinstance(found, cls)
        return found


def _check_version(data: Mapping[str, Any]) -> None:
    for what, known in (("format", FORMAT), ("theory", THEORY)):
        if data.get(what) != known:
            raise InvalidInputError(
                f"the text is of {what} {data.get(what)!r}, this version of rmt knows {known}: "
                "read it with the version that wrote it, or predict again from its problem, "
                'rmt.Problem.from_dict(data), data what json.loads(text)["problem"] has beside '
                '"type"'
            )


def written(result: Any) -> str:
    """A result as JSON text, with format and version of the theory."""
    header = {"format": FORMAT, "theory": THEORY}
    return json.dumps(header | _plain(result), allow_nan=False)


def read(data: Mapping[str, Any]) -> Any:
    """A result from what `written` has written, parsed.

    Raises
    ------
    InvalidInputError
        Where something is missing, or is not what it must be.
    """
    try:
        return _made({key: one for key, one in data.items() if key not in ("format", "theory")})
    except InvalidInputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"data is not a complete {data.get('type')}: {error}") from error


def _plain(value: Any) -> Any:
    """What JSON can hold: types by name, numbers that are not finite as texts within an object."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, Status):
        return {"type": "Status", "name": value.name}
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return _plain_object(value)


def _plain_object(value: Any) -> dict[str, Any]:
    name = type(value).__name__
    if _MODULES.get(name) != type(value).__module__:
        raise InvalidInputError(f"a {name} cannot be written as JSON")
    if name == "Problem":
        return {"type": name, **value.to_dict()}
    names = _ARGUMENTS.get(name) or [one.name for one in dataclasses.fields(value) if one.init]
    return {"type": name} | {one: _plain(getattr(value, one)) for one in names}


def _plain_array(array: NDArray[Any]) -> dict[str, Any]:
    if array.dtype.name not in _DTYPES:
        raise InvalidInputError(f"an array of {array.dtype} cannot be written as JSON")
    values = array.ravel().tolist()
    if array.dtype.kind == "f":
        values = [x if math.isfinite(x) else str(x) for x in values]
    elif array.dtype.kind == "O":
        values = [_plain(x) for x in values]
    return {
        "type": "array",
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "values": values,
    }


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_made(one) for one in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        return {key: _made(one) for key, one in value.items()}
    name = value["type"]
    rest = {key: one for key, one in value.items() if key != "type"}
    if name == "array":
        return _array(**rest)
    if name == "float":
        return float(rest["value"])
    if name == "Status":
        return Status[rest["name"]]
    if name not in _MODULES:
        raise InvalidInputError(f"the text holds a {name!r}, which is no part of a result")
    kind = getattr(import_module(_MODULES[name]), name)
    if name == "Problem":
        return kind.from_dict(rest)
    return kind(**{key: _made(one) for key, one in rest.items()})


def _array(dtype: str, shape: Sequence[int], values: Sequence[Any]) -> NDArray[Any]:
    if dtype not in _DTYPES:
        raise InvalidInputError(f"the text holds an array of {dtype!r}")
    if dtype != "object":
        return np.array(values, dtype=dtype).reshape(shape)
    array = np.empty(len(values), dtype=object)
    array[:] = [_made(one) for one in values]
    return array.reshape(shape)
