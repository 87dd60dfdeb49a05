"""Fluctuations of the rarest neurons and samples of a network of finite size.

In the limit an unbounded readout or label has no largest value, and the bulk no edge. Among ``N``
neurons or ``n`` samples there is a largest: fluctuations are cut to the size that one neuron, or
one sample, is expected to exceed, where extreme value theory centres the largest. What depends on
that number is uncertain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmt.arrays import Array
from rmt.spikes.deformed.fluctuations import BatchFluctuations

__all__ = ["cut_to_finite_size"]


def cut_to_finite_size(
    batch: BatchFluctuations, w: Array, neurons: int, samples: int, exceeding: float = 1.0
) -> BatchFluctuations:
    """A batch with ``E_g[L^2 + V]`` of a sample, then that of a neuron over the samples, cut off.

    Parameters
    ----------
    batch : BatchFluctuations
    w : array, shape (Q,)
        Weights of the readout nodes.
    neurons, samples : int
        ``N`` and ``n``.
    exceeding : float
        How many are expected to exceed the size.
    """
    factor = _cut(w @ _size(batch), batch.weights, exceeding / samples)
    batch = _scaled(batch, factor[None, :])
    factor = _cut(_size(batch) @ batch.weights, w, exceeding / neurons)
    return _scaled(batch, factor[:, None])


def _size(batch: BatchFluctuations) -> Array:
    return np.asarray(batch.linear**2 + batch.variance)


def _scaled(batch: BatchFluctuations, factor: Array) -> BatchFluctuations:
    linear, variance = batch.linear * np.sqrt(factor), batch.variance * factor
    return replace(batch, linear=linear, variance=variance)


def _cut(size: Array, weights: Array, share: float) -> Array:
    """What brings sizes down to the one that is exceeded with a given probability."""
    if not np.any(size > 0):
        return np.ones_like(size)
    order = np.argsort(-size)
    exceeded = np.cumsum(weights[order]) - weights[order] / 2.0
    least = np.finfo(float).tiny
    largest = np.exp(np.interp(share, exceeded, np.log(np.maximum(size[order], least))))
    return np.where(size > largest, largest / np.maximum(size, largest), 1.0)
