"""How large expressions and their constants may be; and they must be finite and real."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rmt.expressions.source_text import shortened
from rmt.lazy import sympy

__all__ = ["MAX_NUMBER", "TOO_LARGE", "is_too_large", "why_no_power", "why_not"]

MAX_NODES = 5_000  # nodes of the symbolic tree, repeated subtrees counted each time
MAX_EXPONENT = 1_000  # of a power with a numerical exponent
MAX_NUMBER = 1e300  # magnitude of a constant
MAX_BITS = 1_000  # of the numerator and the denominator of a rational constant

TOO_LARGE = f"the expression is too large; at most {MAX_NODES} symbolic terms"


def why_not(expr: Any, sizes: dict[Any, int]) -> str | None:
    """Why a sympy object is not allowed: not finite, not real, or too large; else None."""
    if expr.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        return "this is not finite (a division by zero or the like)"
    if expr.has(sympy.I) or (expr.is_number and expr.is_real is False):
        return "this is not real"
    if expr.is_Rational and max(abs(expr.p), expr.q).bit_length() > MAX_BITS:
        return "this constant has too many digits"
    if expr.is_number and _magnitude(expr) > MAX_NUMBER:
        return f"this constant is too large; at most {MAX_NUMBER:g}"
    return TOO_LARGE if is_too_large([expr], sizes) else None


def why_no_power(base: Any, exponent: Any) -> str | None:
    """Why a power with a numerical exponent may not even be built; else None."""
    size = abs(_magnitude(exponent))
    if size > MAX_EXPONENT:
        return f"exponent {shortened(exponent)} is too large; at most {MAX_EXPONENT}"
    # Where both are numbers sympy would evaluate a rational power exactly.
    if base.is_number and size * max(_bits(base), 1) > MAX_BITS:
        return "this constant is too large"
    return None


def is_too_large(parts: Iterable[Any], sizes: dict[Any, int]) -> bool:
    """Whether what is made of these parts has too many nodes; `sizes` remembers those of each."""
    return sum(_size(part, sizes) for part in parts) > MAX_NODES


def _size(expr: Any, sizes: dict[Any, int]) -> int:
    if not getattr(expr, "args", ()):
        return 1
    size = sizes.get(expr)
    if size is None:
        size = sizes[expr] = 1 + sum(_size(argument, sizes) for argument in expr.args)
    return size


def _magnitude(number: Any) -> float:
    """``|number|`` as a float; infinity where it overflows, 0 where it cannot be told."""
    try:
        return abs(float(number.evalf(15, maxn=200)))
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return 0.0


def _bits(number: Any) -> float:
    """About how many bits an exact power of a number gains per unit of exponent."""
    if number.is_Rational:
        return float(max(abs(number.p).bit_length(), number.q.bit_length()))
    return 1.0
