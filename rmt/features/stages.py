"""The stages of a training: the untrained network, and the weights after each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.resummed import resummed_strengths
from rmt.status import Status

__all__ = ["Stage", "last_stage", "no_spikes", "stages"]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The spikes that the weights carry at one point of the training.

    Attributes
    ----------
    name : str
        ``"untrained"``, ``"step 1"`` or ``"step 2"``.
    spikes : SpikeStrengths
    """

    name: str
    spikes: SpikeStrengths


def stages(problem: Problem, rtol: float = 1e-6) -> tuple[Stage, ...]:
    """Every stage of a problem, the untrained network first.

    Examples
    --------
    >>> p = Problem("erf(z)", "z", 100, 100, 200, [(1, 0.25), (1, 0.3)])
    >>> [(stage.name, stage.spikes.strengths.size) for stage in stages(p)]
    [('untrained', 0), ('step 1', 1), ('step 2', 2)]
    """
    earlier = [Stage("untrained", no_spikes(problem.n_directions))]
    if len(problem.steps) == 2:
        first = problem.replace(
            steps=problem.steps[:1], samples=problem.samples[:1], batch="independent"
        )
        earlier.append(Stage("step 1", resummed_strengths(first, rtol)))
    return (*earlier, last_stage(problem, rtol))


def last_stage(problem: Problem, rtol: float = 1e-6) -> Stage:
    """The stage after the problem's last step."""
    return Stage(f"step {len(problem.steps)}", resummed_strengths(problem, rtol))


def no_spikes(r: int) -> SpikeStrengths:
    """What the weights carry at initialisation, for a target of ``r`` directions."""
    return SpikeStrengths(
        strengths=np.empty(0),
        alignments=np.empty((0, r)),
        readout_nodes=np.zeros(1),
        readout_weights=np.ones(1),
        left_functions=np.empty((0, 1)),
        strength_errors=np.empty(0),
        alignment_sq_errors=np.empty((0, r)),
        status=Status.CONVERGED,
    )
