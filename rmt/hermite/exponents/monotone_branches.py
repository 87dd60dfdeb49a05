"""Intervals on which a function of one variable is strictly monotone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rmt.evaluation.program import Program
from rmt.functions.scalar_function import ScalarFunction
from rmt.hermite.exponents.conditional_moment import (
    DIGITS,
    SMALLEST_BOUND,
    clipped,
    value_and_slope,
)
from rmt.hermite.exponents.exponent import Exponent
from rmt.hermite.exponents.label_atoms import End
from rmt.lazy import mpmath, sympy
from rmt.pieces.kinks import SmoothPiece
from rmt.pieces.roots import SEARCH_RADIUS, distinct, exact_roots, numerical_roots
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["Branch", "flat_and_curved", "monotone_branches"]


@dataclass(frozen=True, slots=True)
class Branch:
    """An interval on which the function is strictly monotone, and its values at the ends.

    ``program`` gives the function and its slope.
    """

    program: Program
    lower: float
    upper: float
    at_lower: float
    at_upper: float


def flat_and_curved(f: ScalarFunction) -> tuple[list[SmoothPiece], list[SmoothPiece]]:
    """The smooth pieces on which the function is constant, and the others."""
    flat: list[SmoothPiece] = []
    curved: list[SmoothPiece] = []
    for piece in f.smooth_pieces:
        (flat if _is_constant(piece.expression, f.symbols[0]) else curved).append(piece)
    return flat, curved


def _is_constant(expression: Any, symbol: Any) -> bool:
    """Whether the derivative is shown to vanish identically."""
    slope = sympy.diff(expression, symbol)
    if not slope or not sympy.expand(slope):
        return True
    # Simplification is slow: only where numbers leave it no other chance.
    values = [value_and_slope(expression, symbol).evaluate([z], DIGITS) for z in (-0.6180, 1.4142)]
    looks_constant = all(abs(v[1]) <= SMALLEST_BOUND * (1 + abs(v[0])) for v in values)
    return looks_constant and not sympy.simplify(slope)


def monotone_branches(pieces: list[SmoothPiece], ends: dict[Any, End], symbol: Any) -> list[Branch]:
    """The pieces within SEARCH_RADIUS, cut at their critical points."""
    known: dict[Any, tuple[Program, list[float]]] = {}
    branches: list[Branch] = []
    for piece in pieces:
        low, high = max(float(piece.lower), -SEARCH_RADIUS), min(float(piece.upper), SEARCH_RADIUS)
        if low >= high:
            continue
        if piece.expression not in known:
            known[piece.expression] = (
                value_and_slope(piece.expression, symbol),
                _critical_points(piece.expression, symbol),
            )
        program, critical = known[piece.expression]
        inside = [c for c in critical if low < c < high]
        values = [
            _value_beside(program, ends[piece.lower].value, +1),
            *(program(np.array(inside))[0] if inside else ()),
            _value_beside(program, ends[piece.upper].value, -1),
        ]
        if np.isnan(values).any():
            raise ConvergenceError(
                f"the limits of {piece.expression} at the ends of ({low:.6g}, {high:.6g}) "
                "could not be computed",
                Status.NOT_FINITE,
                Exponent("generative exponent", None, 0),
            )
        cuts = [low, *inside, high]
        branches += [
            Branch(program, a, b, float(u), float(v))
            for (a, b), (u, v) in zip(pairwise(cuts), pairwise(values), strict=True)
        ]
    return branches


def _critical_points(expression: Any, symbol: Any) -> list[float]:
    """Zeros of the derivative in |z| <= SEARCH_RADIUS."""
    found: list[float] = []
    for factor in sympy.Mul.make_args(sympy.factor_terms(sympy.diff(expression, symbol))):
        while factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_positive:
            factor = factor.base
        if symbol not in factor.free_symbols or factor.is_positive or isinstance(factor, sympy.exp):
            continue
        exact = exact_roots(factor, symbol)
        try:
            found += (
                numerical_roots(factor, symbol)
                if exact is None
                else [float(root) for root in exact]
            )
        except InvalidInputError:
            raise InvalidInputError(
                f"{expression} oscillates too fast: it has more than 2000 extrema in "
                f"|z| <= {SEARCH_RADIUS:g}"
            ) from None
    return distinct(found)


def _value_beside(program: Program, end: Any, side: int) -> float:
    """The limit of a function at the end of a piece, from inside; at SEARCH_RADIUS beyond it."""
    with mpmath.workdps(DIGITS):
        end = min(max(end, -mpmath.mpf(SEARCH_RADIUS)), mpmath.mpf(SEARCH_RADIUS))
        for distance in ("1e-40", "1e-12"):
            point = end + side * mpmath.mpf(distance)
            value = program.evaluate([point], DIGITS)[0]
            if not mpmath.isnan(value):
                return clipped(value)
    return math.nan
