"""The driver that refines a discretisation until its error estimate meets a tolerance.

It knows nothing of what is solved: a resolution is a number of nodes for each of several variables,
a solution a vector of numbers. A solve tells what the solution would be with each variable alone
coarsened by 0.8, which costs it little. Several solutions that share most of their work are a
family: they are refined at one resolution, and each leaves as soon as its own estimate allows.

Twice the sum of these changes is taken as the error. For geometric convergence that is cautious
(the true error is about ``d^{5/4}`` for a change ``d``); for algebraic convergence of order ``p``
the true error is ``d / (0.8^-p - 1)``, less than ``2 d`` for ``p >= 1.9``; where rounding has
stopped the convergence, ``d`` is of its size. Where none of the solves converges, the answer is the
one with the smallest estimate, and twice the distance to those that came after it counts as well: a
change may be small by accident, or before anything converges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from rmt.arrays import Array
from rmt.budget import OutOfTime, TooCostly, work_left
from rmt.status import Status

__all__ = ["COARSENING", "SAFETY", "Refined", "Resolution", "Solved", "refine_family"]

Solution = TypeVar("Solution")
Resolution = Mapping[str, float]
Solved = tuple[Solution, Mapping[str, Solution]]
"""A solution, and by the name of each variable the same with that one coarsened."""

COARSENING = 0.8
SAFETY = 2.0
PREFACTOR = 3.0
SHARE = 0.05  # of the tolerance, that each variable may use up
MOST_GROWTH = 2.2
ENOUGH = 1.1  # growth of one variable at least, for another solve to be worth it
UNSETTLED = 5.0  # times a relative error, by which errors are more than changes tell
SETTLED = 0.01  # a relative change below which refinement ought to show
LOST = 8.0  # times the rounding: a change of less is no news
STALLED = 4  # solves without progress: rounding, or a singularity that the rules do not know of


@dataclass(frozen=True, slots=True)
class Refined(Generic[Solution]):
    """Outcome of `refine_family` for one member.

    Attributes
    ----------
    solution : Solution
        At the finest resolution.
    errors : array
        Error estimate of each entry of the solution's vector, in the units of its scale.
    status : Status
    resolution : mapping of str to float
    """

    solution: Solution
    errors: Array
    status: Status
    resolution: Resolution


def refine_family(
    solve: Callable[[Resolution, Sequence[int]], Sequence[Solved[Solution]]],
    size: int,
    as_vector: Callable[[Solution], Array],
    least_error: Callable[[Solution], Array],
    rounding: Callable[[Solution], Array],
    scale: Callable[[Solution, int], Array],
    start: Resolution,
    work: Callable[[Resolution], float],
    rtol: float,
    orders: Mapping[str, float],
) -> list[Refined[Solution]]:
    """Solve at growing resolution until every error estimate is below ``rtol``.

    ``size`` solutions share their resolution and most of their work.

    Every member is judged on its own and is solved no further once its outcome is known, so a
    member that fails spoils no other; those that remain decide on the next resolution together.

    Parameters
    ----------
    solve : callable
        Resolution and numbers of members to the solutions of those members, in that order, each
        with what coarsening makes of it.
    size : int
    scale : callable
        Of a solution and its member's number: the size relative to which each must converge.
    as_vector, least_error, rounding : callable
        The numbers of a solution that are to converge, what each is known to be off by, and what is
        lost of it in floating point however fine the resolution; vectors of a fixed length.
    start : mapping of str to float
        The first resolution; its keys are the variables.
    work : callable
        What the cost of a solve at a resolution is proportional to, roughly. The refinement goes as
        far as `rmt.budget.work_limit` lets it: with the next solve planned to be within it.
    rtol : float
    orders : mapping of str to float
        Of the variables that converge algebraically; the others do geometrically.

    Returns
    -------
    list of Refined, one for each member

    Raises
    ------
    TooCostly, OutOfTime
        From the first solve: there is nothing to return.
    """
    resolution: Resolution = dict(start)
    ongoing = {number: _Member[Solution]() for number in range(size)}
    outcomes: dict[int, Refined[Solution]] = {}
    seen = {name: _Seen(math.inf, 0.0, orders.get(name, math.inf)) for name in start}
    status = Status.NOT_CONVERGED
    try:
        while True:
            numbers = list(ongoing)
            before = work_left()
            solved = solve(resolution, numbers)
            cost = before - work_left()
            moved = dict.fromkeys(resolution, 0.0)
            for number, (solution, coarser) in zip(numbers, solved, strict=True):
                unit, vector = scale(solution, number), as_vector(solution)
                lost = LOST * rounding(solution) / unit
                change = np.zeros(vector.size)
                here = {}
                for name, other in coarser.items():
                    alone = np.abs(vector - as_vector(other)) / unit
                    here[name] = np.nan_to_num(alone, nan=1.0)[~(alone <= lost)].max(initial=0.0)
                    change += alone
                change = np.maximum(change, least_error(solution) / unit)
                # What more nodes can mend; the rest is rounding.
                largest = SAFETY * change[~(change <= lost)].max(initial=0.0)
                # A change may be small by accident: none is trusted to be below the largest.
                errors = np.maximum(SAFETY * change, largest) * (1.0 + UNSETTLED * largest)
                found = Refined(solution, errors, Status.CONVERGED, resolution)
                outcome = ongoing[number].judged(found, largest, vector, unit, rtol)
                if outcome is not None:
                    outcomes[number] = outcome
                    del ongoing[number]
                else:
                    moved = {name: max(d, here.get(name, 0.0)) for name, d in moved.items()}
            if not ongoing:
                break
            growth = {
                name: _growth(seen[name], resolution[name], d, rtol) for name, d in moved.items()
            }
            seen = {name: _Seen(resolution[name], d, seen[name].order) for name, d in moved.items()}
            if max(growth.values()) < ENOUGH:  # an error that is in no question
                growth = dict.fromkeys(growth, 1.25)
            finer = {name: n * growth[name] for name, n in resolution.items()}
            left = work_left() / cost * work(resolution) if cost > 0 else math.inf
            allowed = _allowed(resolution, finer, work, left)
            if allowed is None:
                break
            resolution = allowed
    except (TooCostly, OutOfTime) as end:
        if any(member.best is None for member in ongoing.values()):
            raise
        if isinstance(end, OutOfTime):
            status = end.status
    # Of the members without an outcome, the best solve so far.
    given_up = {number: member.given_up(status) for number, member in ongoing.items()}
    return [(outcomes | given_up)[number] for number in range(size)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Of a variable: nodes of a solve, its change there, and the best order that it may have."""

    n: float
    moved: float
    order: float


def _growth(before: _Seen, n: float, moved: float, rtol: float) -> float:
    """Of a variable, for its change to become its share of the tolerance."""
    share, order = SHARE * rtol, before.order
    # Geometric convergence: the change under coarsening is PREFACTOR * exp(-rate * n).
    growth = math.log(PREFACTOR / share) / math.log(PREFACTOR / min(max(moved, 1e-16), 0.1))
    if n > 1.01 * before.n and moved > 0:  # what the last refinement has shown
        gain = before.moved / moved
        if gain < 2.0 and moved < SETTLED:
            return 1.0  # it did not help: noise, or another variable
        order = min(max(math.log(min(gain, 1.0 / moved)) / math.log(n / before.n), 1.0), order)
    return float(min(max(growth, (moved / share) ** (1.0 / order), 1.0), MOST_GROWTH))


def _allowed(
    resolution: Resolution,
    finer: Resolution,
    work: Callable[[Resolution], float],
    left: float,
) -> Resolution | None:
    """As far towards the finer resolution as the work allows; None if that is not worth it."""
    while work(finer) > left:
        finer = {name: math.sqrt(n * finer[name]) for name, n in resolution.items()}
        if max(finer[name] / n for name, n in resolution.items()) < ENOUGH:
            return None
    return finer


@dataclass(slots=True)
class _Member(Generic[Solution]):
    """What is known so far of one member of a family that is being refined."""

    best: Refined[Solution] | None = None
    vector: Array = field(default_factory=lambda: np.empty(0))  # of the best
    unit: Array = field(default_factory=lambda: np.empty(0))  # its scale
    worst: float = math.inf  # its error that is no rounding
    least: float = math.inf  # of such errors so far
    stalled: int = 0

    def judged(
        self, found: Refined[Solution], worst: float, vector: Array, unit: Array, rtol: float
    ) -> Refined[Solution] | None:
        """The outcome, if the solve at hand decides it; ``worst`` is its error beside rounding."""
        if found.errors.max(initial=0.0) <= rtol:
            return found
        if not math.isfinite(worst):
            return self.best or replace(found, status=Status.NOT_FINITE)
        if worst <= rtol:  # the rest is beyond double precision
            return replace(found, status=Status.NOT_CONVERGED)
        self.stalled = 0 if worst < 0.5 * self.least else self.stalled + 1
        self.least = min(self.least, worst)
        if self.best is not None:  # further off than it has claimed to be?
            moved = SAFETY * np.abs(vector - self.vector) / self.unit
            self.worst = max(self.worst, moved[moved > self.best.errors].max(initial=0.0))
            self.best = replace(self.best, errors=np.maximum(self.best.errors, moved))
        if worst < self.worst:
            self.best = replace(found, status=Status.NOT_CONVERGED)
            self.worst, self.vector, self.unit = worst, vector, unit
        return self.best if self.stalled == STALLED else None

    def given_up(self, status: Status) -> Refined[Solution]:
        """The best solve so far; there has been one."""
        assert self.best is not None
        return replace(self.best, status=status)
