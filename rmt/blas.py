"""One BLAS thread for as long as a block of code runs, whichever threads run such blocks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rmt.caching import cached

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit the BLAS of this process to one thread; also a decorator of functions.

    The matrices of the theory are small. A BLAS that hands them to several threads gains nothing
    on an idle machine, and on a busy one waits for its threads at every product: a prediction was
    seen to take twenty times as long.

    The number of BLAS threads mostly belongs to the process, so blocks that overlap on several
    threads must not each restore what they found: the first one in sets the limit, and the last
    one out takes it away. Where it belongs to the calling thread (OpenMP), so does the count.

    Examples
    --------
    >>> import numpy as np
    >>> with one_blas_thread():
    ...     product = np.ones((2, 3)) @ np.ones((3, 2))
    """
    of_process, of_thread = _libraries()
    mine = _of_thread()
    with _lock:
        _of_process.enter(of_process)
    mine.enter(of_thread)
    try:
        yield
    finally:
        mine.leave()
        with _lock:
            _of_process.leave()


class _Limit:
    """A limit that is set while at least one block is inside."""

    __slots__ = ("_before", "_inside")

    def __init__(self) -> None:
        self._inside = 0
        self._before: dict[str, tuple[Any, int]] = {}

    def enter(self, libraries: Sequence[Any]) -> None:
        for library in libraries:  # one that was loaded since an outer block began is new
            if library.filepath not in self._before:
                self._before[library.filepath] = library, library.num_threads
                _set(library, 1)
        self._inside += 1

    def leave(self) -> None:
        self._inside -= 1
        if self._inside == 0:
            for library, count in self._before.values():
                _set(library, count)
            self._before.clear()


_lock = threading.Lock()
_of_process = _Limit()
_local = threading.local()


def _of_thread() -> _Limit:
    if not hasattr(_local, "limit"):
        _local.limit = _Limit()
    limit: _Limit = _local.limit
    return limit


def _set(library: Any, count: int) -> None:
    # Newer versions of threadpoolctl let only the first thread that sets a limit set another. Here
    # the thread that lifts a limit may be another than the one that has set it.
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(count)
    release(force=True)


def _libraries() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The BLAS libraries with one number of threads in the process, and with one in each thread."""
    # SciPy may bring a BLAS of its own, with the first of these that is imported.
    return _found(*(f"scipy.{name}" in sys.modules for name in ("linalg", "special")))


@cached(16)
def _found(*_: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The libraries that are loaded. Finding them takes longer than a small product."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    of_thread = tuple(lib for lib in found if getattr(lib, "threading_layer", "") == "openmp")
    return tuple(lib for lib in found if lib not in of_thread), of_thread
