"""What a neuron in the second step averages to, given the label and ``zeta`` of a sample.

A neuron with readout ``g`` has been shifted by the first step: its pre-activation is ``Z + S`` with

    S = t (phi_1 y sigma'(Z) [reused batch only] + mu_1 zeta + mu_2 Ey Z + tau xi),

``t = eta_1 g / sqrt(N)``, ``Z, xi`` independent standard normals (theory.md, section 3); it is
``r Z + S`` where weight decay has left ``r`` of the weights. With another loss than the squared one
``y`` is the effective label, the residual at an output of zero (docs/losses.md). Who needs averages
over ``Z`` and ``xi`` asks `averages` for them by name; the other modules are its rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from rmt.arrays import Array
    from rmt.functions import ScalarFunction
    from rmt.spikes.constants import Constants

__all__ = ["Average", "SecondStep", "Wanted"]

Average: TypeAlias = Literal["value", "slope", "slope_z", "square", "product", "bend"]
"""``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2], E[sigma'(Z) sigma'], E[sigma'']``: the functions
without an argument at ``Z + S``, or ``r Z + S``; ``sigma''`` with what jumps of ``sigma'`` add, so
that it is how ``E[sigma']`` answers to a shift of it.
"""

Wanted: TypeAlias = Sequence[Average]


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What all neurons and samples of a second step have in common.

    Attributes
    ----------
    sigma : ScalarFunction
    c : Constants
    phi : float
        ``phi_1``.
    kept : float
        ``r``, what weight decay of the first step has left of the weights.
    """

    sigma: ScalarFunction
    c: Constants
    phi: float
    kept: float = 1.0

    def along(self, t: Array) -> Array:
        """``alpha = r + t mu_2 Ey``: how much of ``Z`` is in the pre-activation."""
        return self.kept + t * (self.c.mu2 * self.c.Ey)
