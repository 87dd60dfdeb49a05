"""Where the samples of a campaign are computed: processes of this machine, or a dask cluster."""

from __future__ import annotations

import asyncio
import heapq
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from rmt.status import InvalidInputError

__all__ = ["Division", "connect_dask", "divided", "memory_there", "worker_processes"]

# What decides between a few processes: about right is good enough. Multiplications a second of one
# core; seconds of a small network; the power of their number with which threads gain; seconds until
# processes are there, and bytes of what each of them imports.
_RATE = 2e10
_EACH = 4e-3
_THREADS = 0.8
_START = 1.5
_LIBRARIES = 2e8
# Above this many samples they are taken to fill all processes to the end.
_MANY = 1000


class Division(NamedTuple):
    """How the cores of a machine are shared out; a single process is the one that asks."""

    processes: int
    threads: int


def divided(
    work: Sequence[tuple[float, float]], memory: float, cores: int, available: float
) -> Division:
    """Processes, and threads of each, with which independent samples are soon done.

    Threads share the steps of one network, but not what is observed in it, and not quite evenly;
    processes share whole networks, but take time to start and memory of their own.

    Parameters
    ----------
    work : sequence of (float, float)
        Of each sample the multiplications in its steps and in what is observed.
    memory : float
        Bytes that a sample needs.
    cores : int
    available : float
        Bytes that all processes together may need.

    Examples
    --------
    >>> large, small = (3.2e10, 0.0), (1.6e7, 0.0)
    >>> divided([large] * 100, 1e9, cores=8, available=2e10)
    Division(processes=8, threads=1)
    >>> divided([large] * 3, 1e9, cores=8, available=2e10)
    Division(processes=1, threads=8)
    >>> divided([large] * 100, 1e9, cores=8, available=3e9)
    Division(processes=2, threads=4)
    >>> divided([small] * 20, 1e6, cores=8, available=2e10)
    Division(processes=1, threads=8)
    """
    room = max(1, int(min(available / (memory + _LIBRARIES), cores)))

    def seconds(division: Division) -> float:
        processes, threads = division
        together: float = threads**_THREADS
        each = [_EACH + (steps / together + observed) / _RATE for steps, observed in work]
        if processes == 1 or len(each) > _MANY:
            return sum(each) / processes + (_START if processes > 1 else 0.0)
        ends = [_START] * processes
        for one in each:
            heapq.heapreplace(ends, ends[0] + one)
        return max(ends)

    most = min(cores, room, max(1, len(work)))
    return min((Division(p, cores // p) for p in range(1, most + 1)), key=seconds)


def memory_there() -> float:
    """Bytes of memory of this machine, or infinity where it does not say."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf
    return float(pages) * float(size)


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
