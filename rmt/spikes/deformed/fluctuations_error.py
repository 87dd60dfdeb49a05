"""How far off the averages of `fluctuations` over the samples are, by a coarser rule."""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spikes.deformed.fluctuations import BatchFluctuations, fluctuations
from rmt.spikes.refinement import COARSENING, SAFETY

__all__ = ["fluctuation_error"]


def fluctuation_error(problem: Problem, g: Array, w: Array, resolution: float = 1.0) -> list[Array]:
    """Relative error estimate of what `fluctuations` averages over the samples of every batch.

    Parameters
    ----------
    problem, g, w, resolution
        As in `fluctuations`.

    Returns
    -------
    list of array, shape (Q,)
        For every readout node the largest error of ``E[L^2]`` and ``E[V]``, relative to their sum,
        of ``E[psi^2]``, relative, and of ``E[y psi]`` and ``E[z psi]``, relative to the product of
        the norms: twice what they change by when all rules are coarsened by 0.8, but not less than
        half of that at the worst node.

    Notes
    -----
    Takes about 1.6 times as long as `fluctuations` itself.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem("relu(z)", "sin(2*z)", 500, 500, 900, [Step(2, 0.3)] * 2, batch="reused")
    >>> (error,) = fluctuation_error(problem, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    >>> bool((error < 1e-4).all())
    True
    """
    fine = fluctuations(problem, g, w, resolution)
    coarse = fluctuations(problem, g, w, COARSENING * resolution)
    errors = []
    for a, b in zip(coarse, fine, strict=True):
        change = (np.abs(_averages(b) - _averages(a)) / _norms(b)).max(axis=0)
        # A change may be small by accident: none is trusted to be below half the largest.
        errors.append(SAFETY * np.maximum(change, 0.5 * change.max()))
    return errors


def _averages(batch: BatchFluctuations) -> Array:
    """``E[L^2], E[V], E[psi^2], E[y psi], E[z_i psi]``, shape (4 + r, Q)."""
    psi, weights = batch.mean, batch.weights
    squares = np.stack([batch.linear**2, batch.variance, psi**2, batch.y * psi]) @ weights
    return np.concatenate([squares, (batch.z * weights) @ psi.T])


def _norms(batch: BatchFluctuations) -> Array:
    """What each average is relative to, of the same shape."""
    linear, variance, square = _averages(batch)[:3]
    norm = np.sqrt(square)
    label = norm * np.sqrt(batch.weights @ batch.y**2)
    total = np.maximum(linear + variance, np.finfo(float).tiny)
    rows = [total, total, square, label, *([norm] * batch.z.shape[0])]
    return np.asarray(np.maximum(np.stack(rows), np.finfo(float).tiny))
