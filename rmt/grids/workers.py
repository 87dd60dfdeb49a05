"""Processes of this machine that leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["worker_processes"]


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """Processes of this machine, each with one BLAS thread; gone when the block is left.

    They are started afresh, never forked, so they share no threads and no locks with this process.
    They leave Ctrl-C to it, are ended when the block ends by an exception, and end themselves when
    this process dies, however that happens.

    Parameters
    ----------
    count : int
        How many.

    Returns
    -------
    context manager
        Whose value is the `concurrent.futures.Executor`.

    Examples
    --------
    >>> with worker_processes(1) as executor:
    ...     executor.submit(abs, -3).result()
    3
    """
    pool = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker
    )
    try:
        with _interrupts_held_back():
            # A process is started for every task that finds none idle, and inherits what this
            # thread holds back.
            for _ in range(count):
                pool.submit(int)
        yield pool
    except BaseException:
        # No one is left to take the results.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1, user_api="blas")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without this, a worker whose parent has been killed would wait for its next task forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C comes a little later, and never to a process that is started here."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
