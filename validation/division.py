"""How the cores of a machine are shared out between the samples of a campaign."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Division", "divided", "memory_there"]

# What decides between a few processes: about right is good enough. Multiplications a second of one
# core; seconds that a network takes for itself, and for each further thread; the power of their
# number with which threads gain; seconds until processes are there, and bytes of what each imports.
_RATE = 2e10
_EACH, _EACH_THREAD = 4e-3, 1e-3
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
    Division(processes=1, threads=1)
    """
    room = max(1, int(min(available / (memory + _LIBRARIES), cores)))

    def seconds(division: Division) -> float:
        processes, threads = division
        together: float = threads**_THREADS
        own = _EACH + _EACH_THREAD * (threads - 1)
        each = [own + (steps / together + observed) / _RATE for steps, observed in work]
        if processes == 1 or len(each) > _MANY:
            return sum(each) / processes + (_START if processes > 1 else 0.0)
        ends = [_START] * processes
        for one in each:
            heapq.heapreplace(ends, ends[0] + one)
        return max(ends)

    most = min(cores, room, max(1, len(work)))
    every = (Division(p, t) for p in range(1, most + 1) for t in sorted({1, cores // p}))
    return min(every, key=seconds)


def memory_there() -> float:
    """Bytes of memory of this machine, or infinity where it does not say."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf
    return float(pages) * float(size)
