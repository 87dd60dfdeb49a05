"""What the benchmarks share: two things timed in turn, and the rows of the table.

A benchmark is a module with a `TITLE` and a function `rows` of the `Effort`. Times of two things
are never taken one after the other: `race` reads both clocks in every repetition, in turn, so that
whatever else the machine does falls on both, and the ratio is that of the same moment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np

# Does the work, and says how many seconds it took.
Clock = Callable[[], float]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    repetitions : int
        Of each race, at most; five times as many while they take less than ``cheap`` seconds.
    seconds : float
        After which a race is not repeated any more.
    quick : bool
        Small problems and few of them. What the documentation states is then not judged.
    scikit_rmt : str, optional
        The Python of an environment with scikit-rmt.
    cheap : float
        See ``repetitions``.
    """

    repetitions: int = 7
    seconds: float = 3.0
    quick: bool = False
    scikit_rmt: str | None = None
    cheap: float = 0.5

    def pick(self, full: T, quick: T) -> T:
        """One or the other."""
        return quick if self.quick else full

    def few(self, cases: Iterable[T]) -> list[T]:
        """All cases, or the first one."""
        return list(cases)[: 1 if self.quick else None]


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds of both in each repetition."""

    ours: list[float]
    other: list[float]

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Ours over the other: median over the repetitions, and the quartiles."""
        ratios = np.divide(self.ours, self.other)
        low, middle, high = (float(q) for q in np.quantile(ratios, [0.25, 0.5, 0.75]))
        return middle, low, high

    def scaled(self, ours: float = 1.0, other: float = 1.0) -> Race:
        """Where only a part of the work was timed."""
        return Race([ours * s for s in self.ours], [other * s for s in self.other])


def clock(
    call: Callable[[], object],
    least: float = 3e-3,
    now: Callable[[], float] = time.perf_counter,
) -> Clock:
    """The clock of a call, which is made often enough for a reading of ``least`` seconds.

    The first call, which may parse texts and fill caches, is made here and not counted. With
    ``least=0`` there is none, and a reading is one call. ``now`` reads the seconds.
    """
    if least == 0.0:
        return lambda: _seconds(call, 1, now)
    first = _seconds(call, 1, now)
    once = first if first > 1.0 else _seconds(call, 1, now)
    count = max(1, math.ceil(least / max(once, 1e-7)))
    return lambda: _seconds(call, count, now)


def race(ours: Clock, other: Clock, effort: Effort, least: int = 3) -> Race:
    """Read both clocks in turn; each goes first as often as the other."""
    clocks = (ours, other)
    seen: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    for repetition in range(5 * effort.repetitions):
        spent = time.perf_counter() - start
        if repetition >= effort.repetitions and spent > effort.cheap:
            break
        if repetition >= least and spent > effort.seconds:
            break
        for k in (0, 1) if repetition % 2 else (1, 0):
            seen[k].append(clocks[k]())
    return Race(*seen)


def _seconds(call: Callable[[], object], count: int, now: Callable[[], float]) -> float:
    start = now()
    for _ in range(count):
        call()
    return (now() - start) / count


@dataclass(frozen=True, slots=True)
class Claim:
    """What the documentation says of a row, and the largest number with which it is true.

    Attributes
    ----------
    text, where : str
        The statement, and the file that makes it.
    at_most : float
        The limit.
    of : str
        What has the limit: ``"ratio"``, ``"seconds"`` (ours), ``"error"`` (ours).
    """

    text: str
    where: str
    at_most: float
    of: str = "ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    what, baseline : str
        What is computed, and what it is compared with.
    ours, other : float, optional
        Medians of the seconds of both; None if there was nothing to measure.
    ratio : tuple of float, optional
        Ours over the baseline: median over the repetitions, and the quartiles.
    repetitions : int
        How many.
    error, other_error : float, optional
        Of both, against a reference that the note names.
    claim : Claim, optional
        What the documentation says.
    note : str
        What else there is to know; why nothing was measured.
    """

    what: str
    baseline: str
    ours: float | None = None
    other: float | None = None
    ratio: tuple[float, float, float] | None = None
    repetitions: int = 0
    error: float | None = None
    other_error: float | None = None
    claim: Claim | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the claim is true; None without a claim or a measurement."""
        if self.claim is None or self.ratio is None:
            return None
        value = {"ratio": self.ratio[0], "seconds": self.ours, "error": self.error}[self.claim.of]
        return None if value is None else bool(value <= self.claim.at_most)


def row(
    what: str,
    baseline: str,
    found: Race,
    *,
    error: float | None = None,
    other_error: float | None = None,
    claim: Claim | None = None,
    note: str = "",
) -> Row:
    """The line of a race."""
    return Row(
        what=what,
        baseline=baseline,
        ours=median(found.ours),
        other=median(found.other),
        ratio=found.ratio,
        repetitions=len(found.ours),
        error=None if error is None else float(error),
        other_error=None if other_error is None else float(other_error),
        claim=claim,
        note=note,
    )
