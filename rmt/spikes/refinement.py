"""The driver that refines a discretisation until its error estimate meets a tolerance.

It knows nothing of what is solved: a resolution is a number of nodes for each of several variables,
a solution a vector of numbers. Twice the change ``d`` between a solve and the same with all
variables coarsened by 0.8 is taken as the error. For geometric convergence that is cautious (the
true error is about ``d^{5/4}``); for algebraic convergence of order ``p`` the true error is ``d /
(0.8^-p - 1)``, less than ``2 d`` for ``p >= 1.9``; where rounding has stopped the convergence,
``d`` is of its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmt.status import Status

__all__ = ["Refined", "Resolution", "refine"]

Array = NDArray[np.float64]
Solution = TypeVar("Solution")
Resolution = Mapping[str, float]

COARSENING = 0.8
SAFETY = 2.0
PREFACTOR = 3.0
SHARE = 0.05  # of the tolerance, that each variable may use up


@dataclass(frozen=True, slots=True)
class Refined(Generic[Solution]):
    """Outcome of `refine`.

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


def refine(
    solve: Callable[[Resolution], Solution],
    as_vector: Callable[[Solution], Array],
    least_error: Callable[[Solution], Array],
    scale: Callable[[Solution], Array],
    start: Resolution,
    work: Callable[[Resolution], float],
    rtol: float,
    max_work: float,
) -> Refined[Solution]:
    """Solve at growing resolution until every error estimate is below ``rtol``.

    Parameters
    ----------
    solve : callable
        Resolution to solution.
    as_vector, least_error, scale : callable
        The numbers of a solution that are to converge, what each is known to be off by, and the
        size relative to which each must converge; vectors of a fixed length.
    start : mapping of str to float
        The first resolution; its keys are the variables.
    work : callable
        Cost of a resolution, in the units of ``max_work``, beyond which the refinement gives up.
    rtol : float
    """
    resolution = dict(start)
    best: Refined[Solution] | None = None
    stalled = near = 0
    while True:
        fine = solve(resolution)
        coarse = solve({name: n * COARSENING for name, n in resolution.items()})
        unit = scale(fine)
        change = np.abs(as_vector(fine) - as_vector(coarse)) / unit
        change = np.maximum(change, least_error(fine) / unit)
        largest = change.max(initial=0.0)
        # A change may be small by accident: none is trusted to be below half the largest.
        errors = SAFETY * np.maximum(change, 0.5 * largest)
        worst = SAFETY * largest
        found = Refined(fine, errors, Status.CONVERGED, resolution)
        if worst <= rtol:
            return found
        if not math.isfinite(worst):
            return best or replace(found, status=Status.NOT_FINITE)
        if best is None or worst < 0.5 * best.errors.max():
            stalled = 0
        else:
            stalled += 1
        if best is None or worst < best.errors.max():
            best = replace(found, status=Status.NOT_CONVERGED)
        if stalled == 4:  # rounding, or a singularity that the rules do not know of
            return best
        # Model: the change under coarsening is PREFACTOR * exp(-rate * n).
        goal = math.log(PREFACTOR / (SHARE * rtol))
        if worst <= 50.0 * rtol:  # cheaper than to ask each variable
            near += 1  # each time that the model has promised too much it is trusted less
            growth = 1.0 + near * math.log(3.0 * worst / rtol) / goal
            finer = {name: n * growth for name, n in resolution.items()}
        else:
            finer = {}
            for name, n in resolution.items():
                alone = as_vector(solve({**resolution, name: n * COARSENING}))
                moved = (np.abs(as_vector(fine) - alone) / unit).max(initial=0.0)
                growth = goal / math.log(PREFACTOR / min(max(moved, 1e-16), 0.1))
                finer[name] = n * min(max(growth, 0.6), 3.0)
        while work(finer) > max_work:  # go as far as the work allows
            finer = {name: math.sqrt(n * finer[name]) for name, n in resolution.items()}
            if max(finer[name] / n for name, n in resolution.items()) < 1.1:
                return best
        resolution = finer
