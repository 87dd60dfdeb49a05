"""Solutions of the equation of a bulk above its edge, each found from those before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.spikes.deformed.edge import Edge
from rmt.spikes.deformed.equation import EPS, Direction, Equation, State
from rmt.status import ConvergenceError, Status

__all__ = ["AboveEdge", "Solution"]


MAX_HALVINGS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A real solution outside the spectrum.

    Attributes
    ----------
    state : State
        At one point.
    slope : array, shape (n,)
        ``dx/dz``.
    along : Direction
        All else by ``z``.
    relative_error : float
        Of the unknowns and of what follows from them on the samples: by the defect, and rounding.
    """

    state: State
    slope: Array
    along: Direction
    relative_error: float


class AboveEdge:
    """Solutions above the edge of a bulk.

    Parameters
    ----------
    equation : Equation
    edge : Edge
    """

    def __init__(self, equation: Equation, edge: Edge) -> None:
        self.equation, self._edge = equation, edge
        self._found: dict[float, Solution] = {}

    def __call__(self, z: float, start: Array | None = None) -> Solution:
        """The solution at a point, from ``start`` or from the nearest that is known."""
        if z not in self._found:
            found = None if start is None else self._solved(z, start)
            self._found[z] = self._from_nearest(z) if found is None else found
        return self._found[z]

    def _from_nearest(self, z: float) -> Solution:
        above = self._edge.z
        near = min(
            self._found, key=lambda one: abs(np.log((one - above) / (z - above))), default=None
        )
        at, reached = (above, None) if near is None else (near, self._found[near])
        step = z - at
        for _ in range(MAX_HALVINGS):
            end = z if abs(z - at) <= abs(step) * (1.0 + 1e-12) else at + step
            if reached is None:
                guess = self._edge.start(end)
            else:
                guess = reached.state.x[0] + (end - at) * reached.slope
            found = self._solved(end, guess)
            if found is None:
                step /= 4.0
            elif end == z:
                return found
            else:
                at, reached, step = end, found, 2.0 * step
        raise ConvergenceError(
            f"no solution was found above the bulk, at z = {z:.6g}", Status.NOT_CONVERGED
        )

    def _solved(self, z: float, guess: Array) -> Solution | None:
        equation = self.equation
        state, settled = equation.solve(np.array([z]), guess[None], 12)
        if not settled[0] or not equation.outside(state):
            return None
        inverse = equation.inverse(state)
        if not equation.grows(state, inverse):
            return None
        slope = equation.derivative(state, inverse)
        along = equation.along(state, slope, 1.0)
        shift = 2.0 * np.abs((inverse @ state.defect[..., None])[..., 0])
        shift += 4.0 * EPS * (np.abs(inverse) @ np.abs(state.x)[..., None])[..., 0]
        samples = equation.along(state, shift).samples
        errors = [float(equation.relative(shift, state.x)[0])]
        errors += [
            float(np.abs(change).max() / np.abs(one).max())
            for change, one in zip(samples, state.samples, strict=True)
        ]
        return Solution(state, slope[0], along, max(errors))
