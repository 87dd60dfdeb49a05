"""Results for other programs: rows as a pandas frame (extra ``frame``), arrays ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas

__all__ = ["frame_of", "plain"]


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


def plain(values: ArrayLike) -> Any:
    """Nested lists, or one number, with None for what is not finite: JSON has neither nan nor inf.

    Examples
    --------
    >>> plain([1.0, float("nan"), float("inf")])
    [1.0, None, None]
    >>> plain(2.5)
    2.5
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array.tolist()
    objects: Any = array.astype(object)
    objects[~np.isfinite(array)] = None
    return objects.tolist()
