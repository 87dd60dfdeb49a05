"""How fast Hermite coefficients fall off."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.display import InNotebooks
from rmt.functions import ScalarFunction
from rmt.lazy import sympy
from rmt.pieces.switches import tables_in

__all__ = ["CoefficientDecay", "coefficient_decay"]


MAX_DERIVATIVE = 8


@dataclass(frozen=True, slots=True)
class CoefficientDecay(InNotebooks):
    """Law by which the orthonormal coefficients ``c_k`` fall off for large ``k``.

    Attributes
    ----------
    kind : str
        ``"finite"``: a polynomial. ``"algebraic"``: the ``j``-th derivative jumps at a kink, and
        ``|c_k| ~ k^{-(2 j + 3) / 4}`` (envelope). ``"exponential"``: smooth on the line;
        ``|c_k| ~ exp(-rate sqrt(k))`` when the nearest singularity in the complex plane is `rate`
        away from the line, faster for entire functions. ``"unknown"``: a kink at which the
        function is singular in another way.
    rate : float
        ``(2 j + 3) / 4`` for algebraic decay (exact); for exponential decay the slope of
        ``log |c_k|`` against ``sqrt(k)`` fitted to the upper half of the coefficients, nan when
        there are fewer than four to fit; infinite for a polynomial; nan when unknown.

    Examples
    --------
    >>> from rmt import hermite_expansion
    >>> print(hermite_expansion("relu(z)").decay())
    algebraic: |c_k| ~ k^(-5/4)
    >>> hermite_expansion("sign(z)").decay().rate, hermite_expansion("tanh(z)", 20).decay().kind
    (0.75, 'exponential')
    """

    kind: str
    rate: float

    def __str__(self) -> str:
        if self.kind == "algebraic":
            return f"algebraic: |c_k| ~ k^(-{Fraction(self.rate)})"
        if self.kind == "exponential":
            return f"exponential: |c_k| ~ exp(-{self.rate:.3g} sqrt(k))"
        return self.kind


def coefficient_decay(
    function: ScalarFunction, orthonormal: Array, errors: Array
) -> CoefficientDecay:
    """The law for a function whose first coefficients are given (with absolute errors)."""
    (z,) = function.symbols
    if len(function.smooth_pieces) > 1:
        order = _order_of_first_jump(function)
        if order is None:
            return CoefficientDecay("unknown", np.nan)
        return CoefficientDecay("algebraic", (2 * order + 3) / 4)
    if function.expression.is_polynomial(z):
        return CoefficientDecay("finite", np.inf)
    k = np.arange(orthonormal.size)
    size = np.abs(orthonormal)
    seen = (size > 1e3 * errors) & (size > 0) & (k > 0)
    k, size = k[seen], size[seen]
    if k.size < 4:
        return CoefficientDecay("exponential", np.nan)
    upper = slice(k.size // 2, None) if k.size >= 8 else slice(None)
    slope = np.polyfit(np.sqrt(k[upper]), np.log(size[upper]), 1)[0]
    return CoefficientDecay("exponential", float(-slope))


def _order_of_first_jump(function: ScalarFunction) -> int | None:
    """The least ``j`` such that the ``j``-th derivative jumps at some kink."""
    (z,) = function.symbols
    orders = []
    for left, right in pairwise(function.smooth_pieces):
        order = _jump_order(left.expression, right.expression, z, left.upper)
        if order is None:
            return None
        orders.append(order)
    return min(orders)


def _sampling_noise(difference: Any, z: Any, kink: Any) -> float:
    """What is not known, next to a kink, of the sampled functions in it; 0 without any."""
    found = 0.0
    for node, table in tables_in(difference):
        u, _, order = node.args
        found += 4.0 * float(table.errors_at(float(u.subs(z, kink)), int(order)))
    return found


def _jump_order(left: Any, right: Any, z: Any, kink: Any) -> int | None:
    difference = right - left
    for order in range(MAX_DERIVATIVE + 1):
        value = difference.subs(z, kink)
        number = value.evalf(30) if value.is_number else sympy.nan
        if not number.is_finite:
            return None
        if abs(number) > max(1e-12, _sampling_noise(difference, z, kink)):
            return order
        difference = sympy.diff(difference, z)
    return None
