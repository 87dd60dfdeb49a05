"""What the parts of the generative exponent share: high precision, and conditional moments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.lazy import mpmath

__all__ = ["DIGITS", "SMALLEST_BOUND", "Moment", "clipped", "newton", "value_and_slope"]

# Decimal digits of the arithmetic, of a preimage, and of what may be called zero.
DIGITS = 70
ROOT_DIGITS = 55
ZERO = 1e-30
SMALLEST_BOUND = 1e-50


@dataclass(frozen=True, slots=True)
class Moment:
    """A conditional moment of one value: normalised, and relative to the size of its terms."""

    zeta: float
    relative: float
    error: float  # of `relative`; 0 when the moment is shown to be 0

    @property
    def is_zero(self) -> bool:
        """Whether nothing of the sum is left but what its terms leave open."""
        return self.relative <= max(ZERO, self.error)


def value_and_slope(expression: Any, symbol: Any) -> Program:
    """An expression and its derivative."""
    graph = Graph()
    value = lower(graph, expression, (symbol,))
    return Program(graph, [value, derivative(graph, value)])


def clipped(value: Any) -> float:
    """A number in double precision; what overflows becomes the largest double."""
    largest = float(np.finfo(float).max)
    return float(value) if abs(value) <= largest else math.copysign(largest, value)


def newton(program: Program, start: float, y: float) -> tuple[Any, Any] | None:
    """The solution of f(z) = y next to a point, and the slope there; None if it escapes."""
    z = mpmath.mpf(start)
    for _ in range(8):
        value, slope = program.evaluate([z], DIGITS)
        if not mpmath.isfinite(value) or not mpmath.isfinite(slope) or slope == 0:
            return None
        step = (value - y) / slope
        z -= step
        if abs(z - start) > 1e-6 * (1 + abs(start)):
            return None
        if abs(step) <= mpmath.mpf(10) ** -ROOT_DIGITS * (1 + abs(z)):
            return z, slope
    return None
