"""What a neuron in the second step averages to, given the label and ``zeta`` of a sample.

A neuron with readout ``g`` has been shifted by the first step: its pre-activation is ``Z + S`` with

    S = t (phi_1 y sigma'(Z) [reused batch only] + mu_1 zeta + mu_2 Ey Z + tau xi),

``t = eta_1 g / sqrt(N)``, ``Z, xi`` independent standard normals (theory.md, section 3). Who needs
averages over ``Z`` and ``xi`` asks `averages` for them by name; the other modules are its rules.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Average"]

Average: TypeAlias = Literal["value", "slope", "slope_z", "square", "product", "bend"]
"""``E[sigma], E[sigma'], E[Z sigma'], E[sigma'^2], E[sigma'(Z) sigma'], E[sigma'']``: the functions
without an argument at ``Z + S``; ``sigma''`` with what jumps of ``sigma'`` add, so that it is how
``E[sigma']`` answers to a shift of ``Z + S``.
"""
