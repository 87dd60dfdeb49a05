"""The spikes as couplings to the deformed bulk, their right directions independent of it.

The simple outlier forms of theory.md, section 4: couplings ``theta_k (u_k^T r) (v_k^T u)`` with
orthonormal ``v_k`` that know nothing of the bulk.
"""

from __future__ import annotations

import numpy as np

from rmt.arrays import Array
from rmt.spectra.coupled_outliers import FormsAt
from rmt.spectra.dyson import DysonSolution, Pencil, solve
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["GenericCouplings"]


class GenericCouplings:
    """Forms at real ``z`` right of the spectrum of a pencil with slots ``r`` and ``u``."""

    def __init__(self, pencil: Pencil, spikes: SpikeStrengths) -> None:
        self._pencil, self._spikes = pencil, spikes
        self._last: DysonSolution | None = None
        self.couplings = spikes.strengths.size

    def __call__(self, z: float) -> FormsAt:
        """All forms at ``z``."""
        solution = solve(self._pencil, z, initial=self._last)
        self._last = solution
        theta, functions = self._spikes.strengths, self._spikes.left_functions
        scaled = theta[:, None] * functions
        blocks = []
        for one in (solution, solution.derivative()):
            block = np.zeros((2 * theta.size, 2 * theta.size))
            block[: theta.size, : theta.size] = one.form("r", None, scaled, scaled).real
            block[theta.size :, theta.size :] = one.form("u").real * np.eye(theta.size)
            blocks.append(block)
        relative = max(
            float(np.max(solution.error(slot)) / np.abs(solution.entry(slot)).max())
            for slot in ("r", "u")
        )
        return FormsAt(blocks[0], blocks[1], relative)

    def overlaps(self, z: Array, amplitudes: Array) -> tuple[Array, Array, Array]:
        """Squared left, right and target overlaps, shapes (J,), (J,), (J, r)."""
        theta = self._spikes.strengths
        left, right = amplitudes[:, : theta.size] / theta, amplitudes[:, theta.size :]
        target = (right @ self._spikes.alignments) ** 2
        return (left**2).sum(axis=1) / z, (right**2).sum(axis=1), target
