"""Results for other programs: fields ready for JSON, arrays as rows, rows as a pandas frame."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.status import InvalidInputError, Status

if TYPE_CHECKING:
    import pandas

__all__ = ["frame_of", "plain", "plain_fields", "rows_of", "telling", "write_csv"]


def frame_of(rows: Sequence[dict[str, Any]]) -> pandas.DataFrame:
    """One row for each dict (needs the extra ``frame``).

    Raises
    ------
    ImportError
        Without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_frame needs pandas (the extra 'frame' of this package)") from error
    return pandas.DataFrame(rows)


def telling(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without columns that say nothing.

    Those in which every entry is missing, and error estimates that are all zero: of closed forms.

    Examples
    --------
    >>> telling([{"k": 0, "x": 0.0, "x_error": 0.0, "y": float("nan")}])
    [{'k': 0, 'x': 0.0}]
    """
    names = dict.fromkeys(name for row in rows for name in row)
    kept = [name for name in names if any(_says(name, row.get(name)) for row in rows)]
    return [{name: row[name] for name in kept if name in row} for row in rows]


def _says(name: str, value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return False
    return not (name == "error" or name.endswith("_error")) or value != 0


def rows_of(columns: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    """One row for each entry of arrays that broadcast, the last dimension fastest.

    Examples
    --------
    >>> rows_of({"stage": [["first"], ["last"]], "x": [0.5, 1.0]})[1:3]
    [{'stage': 'first', 'x': 1.0}, {'stage': 'last', 'x': 0.5}]
    """
    arrays = np.broadcast_arrays(*columns.values())
    entries = zip(*(array.ravel().tolist() for array in arrays), strict=True)
    return [dict(zip(columns, entry, strict=True)) for entry in entries]


def write_csv(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Rows of the same columns as a CSV file, in UTF-8: every number so that the same is read.

    Raises
    ------
    InvalidInputError
        When the file cannot be written.
    """
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise InvalidInputError(f"the file {path} cannot be written: {error}") from error


def plain(value: Any) -> Any:
    """Numbers, texts and nested lists; None for what is not finite: JSON has neither nan nor inf.

    Outcomes give their names, expressions their texts, results what their `to_dict` says.

    Examples
    --------
    >>> plain([1.0, float("nan"), float("inf")]), plain(2.5)
    ([1.0, None, None], 2.5)
    >>> plain({"status": (Status.CONVERGED,), "count": np.arange(2)})
    {'status': ['CONVERGED'], 'count': [0, 1]}
    """
    if isinstance(value, Status):
        return value.name
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "free_symbols"):
        return str(value)
    array = np.asarray(value)
    if array.dtype == object:
        return np.frompyfunc(plain, 1, 1)(array).tolist() if array.ndim else value
    if array.dtype.kind == "f":
        array = np.where(np.isfinite(array), array, np.array(None))
    return array.tolist()


def plain_fields(result: Any, names: Iterable[str]) -> dict[str, Any]:
    """Some of a result's attributes, each `plain`."""
    return {name: plain(getattr(result, name)) for name in names}
