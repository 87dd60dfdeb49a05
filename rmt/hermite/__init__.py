"""Hermite expansions, and the exponents that they decide."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.hermite.decay import CoefficientDecay
    from rmt.hermite.expansion import HermiteExpansion, hermite_expansion
    from rmt.hermite.exponents.exponent import Exponent, VanishingOrder, ZeroProof
    from rmt.hermite.exponents.generative import generative_exponent
    from rmt.hermite.exponents.staircase import Staircase, StaircaseStep, staircase
    from rmt.hermite.exponents.target_exponents import information_exponent, reuse_exponent
    from rmt.hermite.general_term import general_term
    from rmt.hermite.tensor import TensorHermiteExpansion, tensor_hermite_expansion

__all__ = [
    "CoefficientDecay",
    "Exponent",
    "HermiteExpansion",
    "Staircase",
    "StaircaseStep",
    "TensorHermiteExpansion",
    "VanishingOrder",
    "ZeroProof",
    "general_term",
    "generative_exponent",
    "hermite_expansion",
    "information_exponent",
    "reuse_exponent",
    "staircase",
    "tensor_hermite_expansion",
]

load_on_demand(
    __name__,
    {
        "rmt.hermite.decay": "CoefficientDecay",
        "rmt.hermite.expansion": "HermiteExpansion hermite_expansion",
        "rmt.hermite.exponents.exponent": "Exponent VanishingOrder ZeroProof",
        "rmt.hermite.exponents.generative": "generative_exponent",
        "rmt.hermite.exponents.staircase": "Staircase StaircaseStep staircase",
        "rmt.hermite.exponents.target_exponents": "information_exponent reuse_exponent",
        "rmt.hermite.general_term": "general_term",
        "rmt.hermite.tensor": "TensorHermiteExpansion tensor_hermite_expansion",
    },
)
