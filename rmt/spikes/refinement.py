"""The driver that refines a discretisation until its error estimate meets a tolerance.

It knows nothing of what is solved: a resolution is a number of nodes for each of several variables,
a solution a vector of numbers. Several solutions that share most of their work are a family: they
are refined at one resolution, and each leaves as soon as its own estimate allows.

Twice the change ``d`` between a solve and the same with all variables coarsened by 0.8 is taken as
the error. For geometric convergence that is cautious (the true error is about ``d^{5/4}``); for
algebraic convergence of order ``p`` the true error is ``d / (0.8^-p - 1)``, less than ``2 d`` for
``p >= 1.9``; where rounding has stopped the convergence, ``d`` is of its size. Where none of the
solves converges, the answer is the one with the smallest estimate, and twice the distance to those
that came after it counts as well: a change may be small by accident, or before anything converges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmt.budget import OutOfTime
from rmt.status import Status

__all__ = ["Refined", "Resolution", "TooCostly", "refine_family"]

Array = NDArray[np.float64]
Solution = TypeVar("Solution")
Resolution = Mapping[str, float]

COARSENING = 0.8
SAFETY = 2.0
PREFACTOR = 3.0
SHARE = 0.05  # of the tolerance, that each variable may use up
NEAR = 50.0  # times the tolerance, within which all variables are refined alike
LEAST_GROWTH = 1.1  # of one variable at least, for another solve to be worth it
STALLED = 4  # solves without progress: rounding, or a singularity that the rules do not know of


class TooCostly(Exception):
    """Raised by a solve that would take more work than is allowed, as only it can know."""


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
    solve: Callable[[Resolution, Sequence[int]], Sequence[Solution]],
    size: int,
    as_vector: Callable[[Solution], Array],
    least_error: Callable[[Solution], Array],
    scale: Callable[[Solution, int], Array],
    start: Resolution,
    work: Callable[[Resolution], float],
    rtol: float,
    max_work: float,
    ask_first: bool = False,
) -> list[Refined[Solution]]:
    """Solve at growing resolution until every error estimate is below ``rtol``.

    ``size`` solutions share their resolution and most of their work.

    Every member is judged on its own and is solved no further once its outcome is known, so a
    member that fails spoils no other; those that remain decide on the next resolution together.

    Parameters
    ----------
    solve : callable
        Resolution and numbers of members to the solutions of those members, in that order. Where it
        raises `TooCostly` or `OutOfTime` the refinement ends with the best so far.
    size : int
    scale : callable
        Of a solution and its member's number: the size relative to which each must converge.
    as_vector, least_error : callable
        The numbers of a solution that are to converge, and what each is known to be off by; vectors
        of a fixed length.
    start : mapping of str to float
        The first resolution; its keys are the variables.
    work : callable
        Cost of a resolution, in the units of ``max_work``, beyond which the refinement gives up.
    rtol : float
    ask_first : bool
        Ask every variable for its share of the error before the first refinement, however close
        the tolerance is: pays where solves at the next resolution cost much more than the first.

    Returns
    -------
    list of Refined, one for each member

    Raises
    ------
    TooCostly, OutOfTime
        From the first solves: there is nothing to return.
    """
    resolution: Resolution = dict(start)
    ongoing = {number: _Member[Solution]() for number in range(size)}
    outcomes: dict[int, Refined[Solution]] = {}

    near, asked = 0, False
    status = Status.NOT_CONVERGED
    try:
        while True:
            numbers = list(ongoing)
            fine = solve(resolution, numbers)
            coarse = solve({name: n * COARSENING for name, n in resolution.items()}, numbers)
            vectors, units, worst = {}, {}, 0.0
            for number, solution, coarser in zip(numbers, fine, coarse, strict=True):
                unit, vector = scale(solution, number), as_vector(solution)
                change = np.abs(vector - as_vector(coarser)) / unit
                change = np.maximum(change, least_error(solution) / unit)
                largest = change.max(initial=0.0)
                # A change may be small by accident: none is trusted to be below half the largest.
                errors = SAFETY * np.maximum(change, 0.5 * largest)
                found = Refined(solution, errors, Status.CONVERGED, resolution)
                outcome = ongoing[number].judged(found, vector, unit, rtol)
                if outcome is not None:
                    outcomes[number] = outcome
                    del ongoing[number]
                else:
                    vectors[number], units[number] = vector, unit
                    worst = max(worst, SAFETY * largest)
            if not ongoing:
                break
            # Model: the change under coarsening is PREFACTOR * exp(-rate * n).
            goal = math.log(PREFACTOR / (SHARE * rtol))
            if worst <= NEAR * rtol and (asked or not ask_first):  # cheaper than to ask each one
                near += 1  # each time that the model has promised too much it is trusted less
                growth = 1.0 + near * math.log(3.0 * worst / rtol) / goal
                finer = {name: n * growth for name, n in resolution.items()}
            else:
                asked = True
                finer = {}
                for name, n in resolution.items():
                    alone = solve({**resolution, name: n * COARSENING}, list(ongoing))
                    moved = 0.0
                    for number, solution in zip(ongoing, alone, strict=True):
                        shift = np.abs(vectors[number] - as_vector(solution)) / units[number]
                        moved = max(moved, np.nan_to_num(shift, nan=1.0).max(initial=0.0))
                    growth = goal / math.log(PREFACTOR / min(max(moved, 1e-16), 0.1))
                    finer[name] = n * min(max(growth, 0.6), 3.0)
            allowed = _allowed(resolution, finer, work, max_work)
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


def _allowed(
    resolution: Resolution,
    finer: Resolution,
    work: Callable[[Resolution], float],
    max_work: float,
) -> Resolution | None:
    """As far towards the finer resolution as the work allows; None if that is not worth it."""
    while work(finer) > max_work:
        finer = {name: math.sqrt(n * finer[name]) for name, n in resolution.items()}
        if max(finer[name] / n for name, n in resolution.items()) < LEAST_GROWTH:
            return None
    return finer


@dataclass(slots=True)
class _Member(Generic[Solution]):
    """What is known so far of one member of a family that is being refined."""

    best: Refined[Solution] | None = None
    vector: Array = field(default_factory=lambda: np.empty(0))  # of the best
    unit: Array = field(default_factory=lambda: np.empty(0))  # its scale
    least: float = math.inf  # of the estimates so far
    stalled: int = 0

    def judged(
        self, found: Refined[Solution], vector: Array, unit: Array, rtol: float
    ) -> Refined[Solution] | None:
        """The outcome, if the solve at hand decides it."""
        worst = found.errors.max(initial=0.0)
        if worst <= rtol:
            return found
        if not math.isfinite(worst):
            return self.best or replace(found, status=Status.NOT_FINITE)
        self.stalled = 0 if worst < 0.5 * self.least else self.stalled + 1
        self.least = min(self.least, worst)
        if self.best is not None:
            moved = SAFETY * np.abs(vector - self.vector) / self.unit
            self.best = replace(self.best, errors=np.maximum(self.best.errors, moved))
        if self.best is None or worst < self.best.errors.max():
            self.best = replace(found, status=Status.NOT_CONVERGED)
            self.vector, self.unit = vector, unit
        return self.best if self.stalled == STALLED else None

    def given_up(self, status: Status) -> Refined[Solution]:
        """The best solve so far; there has been one."""
        assert self.best is not None
        return replace(self.best, status=status)
