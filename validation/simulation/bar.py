"""The bar of tqdm, which is an extra."""

from __future__ import annotations

from typing import Any

from rmt.status import RmtError

__all__ = ["bar_of"]


def bar_of(*arguments: Any, **options: Any) -> Any:
    """``tqdm.tqdm`` of the same arguments.

    Raises
    ------
    RmtError
        Without tqdm; names the extra.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise RmtError(
            "a progress bar needs tqdm (the extra 'validation' of this package)"
        ) from error
    return tqdm(*arguments, **options)
