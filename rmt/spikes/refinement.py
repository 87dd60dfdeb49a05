"""The driver that refines a discretisation until its error estimate meets a tolerance.

It knows nothing of what is solved: a resolution is a number of nodes for each of several variables,
a solution a vector of numbers. Convergence is expected to be geometric in each number of nodes and
checked to be: three resolutions, all variables coarsened alike by 0.8 from one to the next, give
two changes ``d_1`` (fine) and ``d_2`` (coarse), and the error of the finest is estimated as ``3 d_1
min(1, d_1 / d_2)``. For geometric convergence that is cautious (the true one is ``d_1 (d_1 /
d_2)^{5/4}``); for algebraic convergence of order ``p`` it is ``3 * 0.8^p d_1`` against a true error
of ``d_1 / (0.8^-p - 1)``, a bound for ``p >= 1.2``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmt.status import Status

__all__ = ["Refined", "Resolution", "refine"]

Array = NDArray[np.float64]
Solution = TypeVar("Solution")
Resolution = Mapping[str, float]

COARSENING = 0.8
SAFETY = 3.0
SHARE = 0.03  # of the tolerance, that each variable may use up


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
    as_vector, scale : callable
        The numbers of a solution that are to converge, and the size relative to which each must;
        vectors of a fixed length.
    start : mapping of str to float
        The first resolution; its keys are the variables.
    work : callable
        Cost of a resolution, in the units of ``max_work``, beyond which the refinement gives up.
    rtol : float
    """
    resolution = dict(start)
    while True:
        levels = [
            solve({name: n * COARSENING**level for name, n in resolution.items()})
            for level in range(3)
        ]
        fine = levels[0]
        vectors, unit = [as_vector(level) for level in levels], scale(fine)
        change = np.abs(vectors[0] - vectors[1]) / unit
        before = np.abs(vectors[1] - vectors[2]) / unit
        largest, largest_before = change.max(initial=0.0), before.max(initial=0.0)
        ratio = min(1.0, largest / largest_before) if largest_before > 0 else 1.0
        # A change may be small by accident: none is trusted to be below a hundredth of the largest.
        errors = SAFETY * ratio * np.maximum(change, 0.01 * largest)
        worst = SAFETY * ratio * largest
        if not math.isfinite(worst):
            return Refined(fine, errors, Status.NOT_FINITE, resolution)
        if worst <= rtol:
            return Refined(fine, errors, Status.CONVERGED, resolution)
        goal = math.log(SHARE * rtol)
        if worst <= 5.0 * rtol:
            growth = 1.0 + math.log(3.0 * worst / rtol) / -goal
            finer = {name: n * growth for name, n in resolution.items()}
        else:
            finer = {}
            for name, n in resolution.items():
                alone = as_vector(solve({**resolution, name: n * COARSENING}))
                moved = (np.abs(vectors[0] - alone) / unit).max(initial=0.0)
                # exp(-rate 0.8 n) = moved, and exp(-rate n') should be the goal.
                growth = COARSENING * goal / math.log(min(max(moved, 1e-16), 0.1))
                finer[name] = n * min(max(growth, 0.6), 3.0)
        if work(finer) > max_work:
            return Refined(fine, errors, Status.NOT_CONVERGED, resolution)
        resolution = finer
