"""Where the samples of a campaign are computed: processes of this machine, or a dask cluster."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from threadpoolctl import threadpool_limits

from rmt.status import InvalidInputError

__all__ = ["connect_dask", "worker_processes"]


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


@contextmanager
def connect_dask(address: str, timeout: float = 10.0) -> Iterator[Executor]:
    """The workers of a running dask cluster; the connection is closed when the block is left.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://host:8786``.
    timeout : float
        Seconds to wait for an answer.

    Returns
    -------
    context manager
        Whose value is a `concurrent.futures.Executor`, for `run_campaign` and `rmt.sweep`.

    Raises
    ------
    InvalidInputError
        When no scheduler answers.
    ImportError
        Without dask.

    Examples
    --------
    >>> with connect_dask("tcp://127.0.0.1:1", timeout=0.5) as executor:
    ...     run_campaign([plan], "samples.sqlite", executor=executor)
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: no dask scheduler answers at 'tcp://127.0.0.1:1' ...
    """
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise ImportError(
            "a dask cluster needs dask.distributed (the extra 'parallel' of this package)"
        ) from error
    # A client that fails to connect is never quite closed, so ask in a plainer way first; in a
    # thread, since a notebook has an event loop of its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _ask_scheduler(distributed, address, timeout)).result()
    with distributed.Client(address, timeout=timeout, set_as_default=False) as client:
        # Samples are told apart by their arguments; dask need not find out what those are.
        yield client.get_executor(pure=False)


async def _ask_scheduler(distributed: Any, address: str, timeout: float) -> None:
    answer = "nothing"
    try:
        security = distributed.Security().get_connection_args("client")
        async with (
            asyncio.timeout(timeout),
            distributed.core.rpc(address, timeout=timeout, connection_args=security) as scheduler,
        ):
            answer = (await scheduler.identity())["type"]
    except (OSError, ValueError, TypeError, KeyError) as error:  # no host, no such protocol, ...
        cause: Exception | None = error
    else:
        cause = None
    if answer != "Scheduler":
        raise InvalidInputError(
            f"no dask scheduler answers at {address!r} within {timeout:g} s, but {answer.lower()}: "
            "it must be running, and its address look like tcp://host:8786"
        ) from cause


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
