"""Work on the rows of an array, shared between threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

__all__ = ["CACHE_ELEMENTS", "MapRows", "available_cores", "rows_in_parallel"]

# Runs a task for every row number, and gives the results in the order of the rows.
MapRows: TypeAlias = Callable[[Callable[[int], Any], Iterable[int]], Iterator[Any]]
# Elements of a piece of an array that stays in a core's cache while it is worked on.
CACHE_ELEMENTS = 1 << 17


@contextmanager
def rows_in_parallel(threads: int) -> Iterator[MapRows]:
    """A function that runs ``task(row)`` for all rows on this many threads.

    It never is more than ``threads`` tasks ahead of the result that is taken next.
    """
    if threads == 1:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:

        def together(task: Callable[[int], Any], rows: Iterable[int]) -> Iterator[Any]:
            waiting: deque[Future[Any]] = deque()
            for row in rows:
                if len(waiting) > threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(task, row))
            while waiting:
                yield waiting.popleft().result()

        yield together


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
