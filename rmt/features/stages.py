"""The stages of a training: the untrained network, and the weights after each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.problem.supported import check_two_steps
from rmt.spikes.mean_update import SpikeStrengths, no_spikes
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.row_lengths import with_row_lengths
from rmt.vocabulary import RTOL

__all__ = ["Stage", "last_stage", "row_lengths", "stage_names", "stages"]


_LENGTH_ERROR = 1e-3  # of what the steps have added to the lengths


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The spikes that the weights carry at one point of the training.

    Attributes
    ----------
    name : str
        ``"untrained"``, ``"step 1"`` or ``"step 2"``.
    spikes : SpikeStrengths
    lengths : array (Q,)
        Of the neurons' weights beside the spikes, at the readout's nodes.
    """

    name: str
    spikes: SpikeStrengths
    lengths: Array

    @property
    def length_errors(self) -> Array:
        """Error estimates of the lengths."""
        return _LENGTH_ERROR * np.abs(self.lengths - 1.0)


def stage_names(problem: Problem) -> tuple[str, ...]:
    """Of all stages, in order.

    Examples
    --------
    >>> stage_names(Problem("erf(z)", "z", 100, 100, 200, [(1, 0.25), (1, 0.3)]))
    ('untrained', 'step 1', 'step 2')
    """
    return ("untrained", *(f"step {s}" for s in range(1, len(problem.steps) + 1)))


def stages(problem: Problem, rtol: float = RTOL) -> Iterator[Stage]:
    """Every stage of a problem, the untrained network first, each solved when it is asked for.

    Examples
    --------
    >>> p = Problem("erf(z)", "z", 100, 100, 200, [(1, 0.25), (1, 0.3)])
    >>> [(stage.name, stage.spikes.strengths.size) for stage in stages(p)]
    [('untrained', 0), ('step 1', 1), ('step 2', 2)]
    """
    check_two_steps(problem, "the level of the features")
    untrained = no_spikes(problem.n_directions)
    yield Stage("untrained", untrained, np.ones(untrained.readout_nodes.size))
    if len(problem.steps) == 2:
        first = problem.replace(
            steps=problem.steps[:1], samples=problem.samples[:1], batch="independent"
        )
        yield _after(first, rtol)
    yield _after(problem, rtol)


def last_stage(problem: Problem, rtol: float = RTOL) -> Stage:
    """The stage after the problem's last step."""
    return _after(problem, rtol)


def _after(problem: Problem, rtol: float) -> Stage:
    check_two_steps(problem, "the level of the features")
    spikes = resummed_strengths(problem, rtol)
    return Stage(f"step {len(problem.steps)}", spikes, row_lengths(problem, spikes))


def row_lengths(problem: Problem, spikes: SpikeStrengths) -> Array:
    """``b(g)``: lengths of the neurons' weights beside the spikes, after the problem's last step.

    Beside its mean the update of a neuron in step ``s`` is ``chi_s = (1/n) sum_j kappa_j x_j``,
    and ``b^2 = Var(<w + chi_1 + .. , x>)`` on a fresh sample (`rmt.spikes.state.walk`).

    Returns
    -------
    array (Q,)
        At the readout's nodes, to about 1e-3 of what the steps have added.

    Examples
    --------
    >>> p = Problem("erf(z)", "z", 100, 100, 200, [(3, 0.25)])
    >>> spikes = resummed_strengths(p)
    >>> b = row_lengths(p, spikes)
    >>> bool((b >= 1).all()), bool(abs(b[spikes.readout_nodes.argmax()] - 1) > 0.1)
    (True, True)
    """
    g = spikes.readout_nodes
    if not spikes.strengths.size or not np.isfinite(g).all():
        return np.ones(g.size)
    lengths = with_row_lengths([problem], [spikes])[0].row_lengths
    assert lengths is not None
    return lengths
