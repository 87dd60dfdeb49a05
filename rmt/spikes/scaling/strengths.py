"""The leading terms of the scaling level at one width, as the spikes of a mean update."""

from __future__ import annotations

import numpy as np

from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.scaling.level import two_step_scaling
from rmt.status import Status

__all__ = ["scaling_strengths"]

_READOUT_NODES = 32  # exact for the powers of g that spikes have
_KEEP = 0.05  # as in `resummed_strengths`: relative to the threshold


def scaling_strengths(problem: Problem) -> SpikeStrengths:
    """Strengths and target alignments at the problem's width, strongest first.

    What is left out, of relative order ``N^{alpha_1 - 1/2}``, is not in the errors.

    Raises
    ------
    InvalidInputError
        As for `rmt.spikes.scaling.scaling`.
    """
    result = two_step_scaling(problem)
    theta, alignments = result.strengths(problem.width), result.alignments(problem.width)
    g, w = readout_rule(problem.readout, _READOUT_NODES, 4.0, False)
    order = np.argsort(-theta, kind="stable")
    order = order[theta[order] > _KEEP * problem.aspect_ratio**0.25]
    return SpikeStrengths(
        strengths=theta[order],
        alignments=alignments[order],
        readout_nodes=g,
        readout_weights=w,
        left_functions=result.left_functions(g)[order],
        strength_errors=result.strength_errors(problem.width)[order],
        alignment_sq_errors=result.alignment_sq_errors(problem.width)[order],
        status=Status.CONVERGED,
    )
