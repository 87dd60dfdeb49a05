"""Functions that are even or odd but for a straight line."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.lazy import sympy
from rmt.status import RmtError

__all__ = ["even_or_odd_part"]

MAX_DENOMINATOR = 1000
PROBE = np.array([0.37, 1.1, 2.3])


@cached(256)
def even_or_odd_part(function: ScalarFunction) -> tuple[ScalarFunction, Any, Any]:
    """``(g, c, s)`` with ``f = g + c + s z`` and ``g`` even or odd, where that can be proved.

    Sigmoid is 1/2 and an odd function; softplus and SiLU are ``z / 2`` and an even one. Then all
    Hermite coefficients of one parity, but for one, are zero. Without a proof ``(f, 0, 0)``.

    Examples
    --------
    >>> g, constant, slope = even_or_odd_part(ScalarFunction.parse("softplus(z)"))
    >>> g.parity, constant, slope
    (1, 0, 1/2)
    """
    zero = sympy.Integer(0)
    if function.parity:
        return function, zero, zero
    (z,) = function.symbols
    right, left = function(PROBE), function(-PROBE)
    slopes, means = (right - left) / (2.0 * PROBE), (right + left) / 2.0
    for values, factor in ((means, sympy.Integer(1)), (slopes, z)):
        guess = float(values[0])
        if not math.isfinite(guess) or np.abs(values - guess).max() > 1e-12 * (1 + abs(guess)):
            continue
        fraction = Fraction(guess).limit_denominator(MAX_DENOMINATOR)
        if abs(float(fraction) - guess) > 1e-12 * (1 + abs(guess)):
            continue
        amount = sympy.Rational(fraction.numerator, fraction.denominator)
        try:
            rest = ScalarFunction.parse(function.expression - amount * factor)
        except RmtError:
            continue
        if rest.parity:
            return (rest, zero, amount) if factor == z else (rest, amount, zero)
    return function, zero, zero
