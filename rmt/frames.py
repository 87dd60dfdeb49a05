"""Rows of results as a pandas frame; pandas is loaded when the first is made (extra ``frame``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["frame_of"]


def frame_of(rows: Sequence[dict[str, Any]]) -> pandas.DataFrame:
    """One row for each dict.

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
