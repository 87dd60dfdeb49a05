"""Fluctuations of the rarest neurons and samples of a network of finite size.

In the limit an unbounded readout or label has no largest value, and the bulk no edge. Among ``N``
neurons or ``n`` samples there is a largest: fluctuations are cut to the size that one neuron, or
one sample, is expected to exceed, where extreme value theory centres the largest. What depends on
that number is uncertain.
"""

from __future__ import annotations

import math

import numpy as np

from rmt.arrays import Array

__all__ = ["cut_factors", "exceeded_by"]


_BANDWIDTH = 0.5  # of the logarithm of the share that exceeds a size


def cut_factors(size: Array, largest: float) -> Array:
    """Factors that bring sizes down to the largest that is allowed."""
    factors = np.ones_like(size)
    beyond = size > largest
    factors[beyond] = largest / size[beyond]
    return factors


def exceeded_by(share: float, size: Array, weights: Array) -> float:
    """The size that a given share of a law exceeds.

    Nodes and weights are no sample: among nodes that are next to each other in size a few have
    nearly all of the weight, and a quantile of theirs would move in jumps. So the logarithm of the
    size is fitted by a straight line in that of the share that exceeds it, near the given one, each
    node with its part of that share.
    """
    order = np.argsort(-size)
    size, weights = size[order], weights[order]
    kept = (size > 0) & (weights > 0)
    if not kept.any():
        return math.inf
    exceeding = (np.cumsum(weights) - weights / 2.0)[kept]
    y, x = np.log(size[kept]), np.log(exceeding) - math.log(share)
    distance = 0.5 * (x / _BANDWIDTH) ** 2
    part = weights[kept] / exceeding * np.exp(distance.min() - distance)
    part /= part.sum()
    mean_x, mean_y = part @ x, part @ y
    spread = part @ (x - mean_x) ** 2
    slope = part @ ((x - mean_x) * (y - mean_y)) / spread if spread > 0 else 0.0
    return math.exp(min(mean_y - min(slope, 0.0) * mean_x, y[0]))
