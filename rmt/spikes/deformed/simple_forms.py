"""The spikes as couplings to the deformed bulk, their right directions independent of it.

The simple outlier forms of theory.md, section 4: couplings ``theta_k (u_k^T r)(v_k^T u)`` with
orthonormal ``v_k`` that know nothing of the bulk.
"""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array
from rmt.spectra.coupled_outliers import FormsAt
from rmt.spikes.deformed.bulk import DeformedBulk
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["SimpleForms"]


class SimpleForms:
    """Forms at real ``z`` above the edge of a bulk, with the spikes on its readout nodes."""

    def __init__(self, bulk: DeformedBulk, spikes: SpikeStrengths) -> None:
        self.couplings = spikes.strengths.size
        self._spikes, self._above = spikes, bulk.above

    def __call__(self, z: float) -> FormsAt:
        """All forms at ``z``."""
        solution = self._above(z)
        x = solution.state.x[0]
        return FormsAt(self._of(x), self._of(solution.slope), solution.relative_error)

    def _of(self, unknowns: Array) -> Array:
        spikes, count = self._spikes, self.couplings
        rho, m = unknowns[: spikes.readout_weights.size], unknowns[spikes.readout_weights.size]
        scaled = spikes.strengths[:, None] * spikes.left_functions
        forms = np.zeros((2 * count, 2 * count))
        forms[:count, :count] = (scaled * spikes.readout_weights * rho) @ scaled.T
        forms[count:, count:] = m * np.eye(count)
        return forms

    def overlaps(self, z: Array, amplitudes: Array) -> tuple[Array, Array, Array]:
        """Squared left, right and target overlaps, shapes (J,), (J,), (J, r)."""
        left, right = np.split(amplitudes, 2, axis=1)
        target = (right @ self._spikes.alignments) ** 2
        return (
            ((left / self._spikes.strengths) ** 2).sum(axis=1) / z,
            (right**2).sum(axis=1),
            target,
        )
