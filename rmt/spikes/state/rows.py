"""The state of the rows of the weights, on the nodes of the readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array

__all__ = ["Rows", "principal"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What training has made of the rows, between two steps that share no batch.

    A row of readout ``g`` is ``sum_k mean_k(g) e_k`` and a part of its own, independent of all
    samples to come. The first ``r`` of the orthonormal ``e_k`` are the target's directions, the
    others principal axes of what is beside them.

    Attributes
    ----------
    mean : array, shape (Q, K)
        In the order of the axes' size.
    own : array, shape (Q,)
        Squared length of the own part: 1 at the start.
    """

    mean: Array
    own: Array

    @classmethod
    def untrained(cls, rows: int, directions: int) -> Rows:
        """At the start: nothing but the own part."""
        return cls(np.zeros((rows, directions)), np.ones(rows))


def principal(kernel: Array, w: Array, floor: float = 1e-15) -> Array:
    """Functions ``c_k`` with ``kernel(g, g') = sum_k c_k(g) c_k(g')``, orthogonal under ``w``.

    Shape (Q, n), the largest first; ``sqrt(E_g c_k^2)`` are their sizes. Signs do not depend on
    rounding, whether a function is odd or even.
    """
    root = np.sqrt(w)
    values, vectors = np.linalg.eigh(root[:, None] * kernel * root)
    order = np.argsort(values)[::-1]
    order = order[values[order] > floor * max(float(values[-1]), 1e-300)]
    found = vectors[:, order] * np.sqrt(values[order]) / root[:, None]
    signs = np.where(np.linspace(1.0, 2.0, w.size) * w @ found < 0, -1.0, 1.0)
    return np.asarray(found * signs)
