"""How to integrate one function: precision, cut-off, pieces. What both rules work on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rmt.arrays import WholeNumbers
from rmt.caching import cached
from rmt.evaluation.guarded import GuardedFunction, guarded_function
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import mpmath
from rmt.moments.precise.reach import check_outermost, scale_and_reach
from rmt.moments.singular_ends import SingularEnd, closeness, singular_ends
from rmt.pieces.ends import refined_end

__all__ = ["Piece", "Plan", "make_plan", "right_half"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A smooth piece; a finite end is an mpmath number, an infinite one None."""

    lower: Any
    upper: Any
    evaluate: GuardedFunction
    lower_end: SingularEnd | None = None
    upper_end: SingularEnd | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to integrate.

    Attributes
    ----------
    order, digits : int
        What was asked for.
    target : int
        Digits to work for, relative to ``sqrt(k! E[f^2])``.
    bits : int
        The working precision.
    fixed, scale : int
        Sums are in fixed point with ``fixed`` bits, in units of ``2**scale`` times the function.
    orders : range
        Those that do not vanish by parity.
    fold : int
        2 when the integral over the right half line is doubled, else 1.
    reach : tuple of float
        The cut-off on the left and right.
    pieces : tuple of Piece
        All of them, but the right half alone when the function has a parity and kinks.
    """

    order: int
    digits: int
    target: int
    bits: int
    fixed: int
    scale: int
    orders: range
    fold: int
    reach: tuple[float, float]
    pieces: tuple[Piece, ...]

    @property
    def tolerances(self) -> WholeNumbers:
        """Of sums in fixed point, one for each order and one for ``E[f^2]``: ``10**-target`` of
        ``sqrt(k! E[f^2])`` and of ``E[f^2]``, if that is ``4**scale``.
        """
        unit = (1 << self.fixed) // 10**self.target
        roots = [math.isqrt(math.factorial(k) << 20) for k in self.orders]
        return np.array([*((unit * root) >> 10 for root in roots), unit], dtype=object)

    @property
    def visible_pieces(self) -> list[Piece]:
        """The pieces that reach into the range; an end beyond it counts as infinite."""
        left, right = self.reach
        kept = []
        for piece in self.pieces:
            if piece.lower is not None and piece.lower <= -left and self.fold == 1:
                piece = replace(piece, lower=None, lower_end=None)
            if piece.upper is not None and piece.upper >= right:
                piece = replace(piece, upper=None, upper_end=None)
            starts = -left if piece.lower is None else piece.lower
            if starts < (right if piece.upper is None else piece.upper):
                kept.append(piece)
        return kept

    def refined(self) -> Plan:
        """The same with more bits and a wider cut-off."""
        left, right = self.reach
        wider = (left if self.fold == 2 else left + 1, right + 1)
        return replace(self, bits=self.bits + 40, reach=wider)


def make_plan(
    function: ScalarFunction, order: int, digits: int, target: int, scale: int | None = None
) -> Plan:
    """The plan for ``target`` digits; the scale is found when it is not given."""
    parity = function.parity
    found, reach = scale_and_reach(function, order, target)
    check_outermost(function, reach)
    ends = [end for ends in singular_ends(function) for end in ends if end and end.loss]
    closest = max([closeness(end, target) for end in ends], default=0)
    return Plan(
        order=order,
        digits=digits,
        target=target,
        bits=math.ceil((target + 18 + closest) * math.log2(10.0)),
        fixed=math.ceil(target * math.log2(10.0) + (max(reach) + 1) ** 2 / 4 / math.log(2)) + 48,
        scale=found if scale is None else scale,
        orders=range(parity == -1, order + 1, 2 if parity else 1),
        fold=2 if parity else 1,
        reach=(0.0, max(reach)) if parity else reach,
        pieces=_pieces(function, target + 25 + closest),
    )


@cached(64)
def _pieces(function: ScalarFunction, digits: int) -> tuple[Piece, ...]:
    """The pieces that are not zero, with their ends to this many digits."""
    (z,) = function.symbols
    edges = [None, *(piece.upper for piece in function.smooth_pieces[:-1]), None]
    ends = [
        None if edge is None else refined_end(function.expression, z, edge, digits)
        for edge in edges
    ]
    pieces = [
        Piece(low, high, guarded_function(z, piece.expression), *singular)
        for piece, singular, low, high in zip(
            function.smooth_pieces, singular_ends(function), ends, ends[1:], strict=False
        )
        if piece.expression != 0
    ]
    return right_half(pieces) if function.parity else tuple(pieces)


def right_half(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The pieces cut at 0, but for a whole smooth line, which keeps its trapezoid rule."""
    kept = []
    for piece in pieces:
        if piece.lower is not piece.upper and (piece.lower is None or piece.lower < 0):
            piece = replace(piece, lower=mpmath.mpf(0), lower_end=None)
        if piece.upper is None or piece.upper > 0:
            kept.append(piece)
    return tuple(kept)
