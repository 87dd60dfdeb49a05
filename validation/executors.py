"""Where the samples of a campaign are computed: processes of this machine, or a dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from rmt.grids.workers import worker_processes
from rmt.status import InvalidInputError

__all__ = ["connect_dask", "worker_processes"]


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
