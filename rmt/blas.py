"""One BLAS thread for as long as a block of code runs, whichever threads run such blocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]

_lock = threading.Lock()
_inside = 0
_limits: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit the BLAS of this process to one thread; also a decorator of functions.

    The matrices of the theory are small. A BLAS that hands them to several threads gains nothing
    on an idle machine, and on a busy one waits for its threads at every product: a prediction was
    seen to take twenty times as long.

    The number of BLAS threads belongs to the process, so blocks that overlap on several threads
    must not each restore what they found: the first one in sets the limit, and the last one out
    takes it away.

    Examples
    --------
    >>> import numpy as np
    >>> with one_blas_thread():
    ...     product = np.ones((2, 3)) @ np.ones((3, 2))
    """
    global _inside, _limits
    with _lock:
        if _inside == 0:
            _limits = _blas().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
                _limits = None


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """The BLAS libraries in this process; finding them takes longer than a Lanczos step."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
