"""The spikes as couplings to the deformed bulk, their right directions independent of it.

The simple outlier forms of theory.md, section 4: couplings ``theta_k (u_k^T r)(v_k^T u)`` with
orthonormal ``v_k`` that know nothing of the bulk.
"""

from __future__ import annotations

from rmt.arrays import Array
from rmt.spectra.coupled_outliers import FormsAt
from rmt.spectra.dyson import Pencil
from rmt.spectra.pencil_outliers import GenericForms
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["SimpleForms"]


class SimpleForms:
    """Forms at real ``z`` right of the spectrum of a pencil with slots ``r`` and ``u``."""

    def __init__(self, pencil: Pencil, spikes: SpikeStrengths) -> None:
        self.couplings = spikes.strengths.size
        self._alignments = spikes.alignments
        self._forms = GenericForms(pencil, "r", "u", spikes.strengths, spikes.left_functions)

    def __call__(self, z: float) -> FormsAt:
        """All forms at ``z``."""
        return self._forms(z)

    def overlaps(self, z: Array, amplitudes: Array) -> tuple[Array, Array, Array]:
        """Squared left, right and target overlaps, shapes (J,), (J,), (J, r)."""
        left, right = self._forms.components(amplitudes)
        target = (right @ self._alignments) ** 2
        return (left**2).sum(axis=1) / z, (right**2).sum(axis=1), target
