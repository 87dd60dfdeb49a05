"""Atoms of the label: values that a function takes on whole intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rmt.functions.scalar_function import ScalarFunction
from rmt.hermite.exponents.conditional_moment import (
    DIGITS,
    SMALLEST_BOUND,
    Moment,
    clipped,
    value_and_slope,
)
from rmt.lazy import mpmath, sympy
from rmt.moments.hermite_values import hermite_value
from rmt.pieces.ends import refined_end
from rmt.pieces.kinks import SmoothPiece
from rmt.pieces.roots import SEARCH_RADIUS
from rmt.status import ConvergenceError

__all__ = ["Atom", "End", "atoms_of", "piece_ends"]

# How well an end is known that could not be solved for again.
FLOAT_END_ERROR = 1e-14


@dataclass(frozen=True, slots=True)
class End:
    """The end of a smooth piece: as it is known, and in high precision."""

    exact: Any  # sympy number
    value: Any  # mpmath number
    error: float  # of `value`


@dataclass(frozen=True)
class Atom:
    """A value that the function takes on whole intervals.

    Attributes
    ----------
    precise_value : mpmath number
    is_exact : bool
        Whether the value is shown to be the same on all of them.
    intervals : tuple of (End, End)
    """

    precise_value: Any
    is_exact: bool
    intervals: tuple[tuple[End, End], ...]

    @property
    def value(self) -> float:
        """The value in double precision."""
        return clipped(self.precise_value)

    @cached_property
    def probability(self) -> Any:
        """That the label takes the value, in high precision."""
        with mpmath.workdps(DIGITS):
            return mpmath.fsum(_probability(a.value, b.value) for a, b in self.intervals)

    @property
    def weight(self) -> float:
        """How much the value matters."""
        return float(self.probability)

    def rough(self, order: int) -> float:
        """The size of the normalised conditional moment."""
        # A few ends: high precision costs nothing.
        return abs(self.moment(order).zeta)

    def moment(self, order: int) -> Moment:
        """The conditional moment in high precision."""
        with mpmath.workdps(DIGITS):
            terms, error = [], mpmath.mpf(0)
            for sign, end in self._signed_ends():
                density = mpmath.npdf(end.value)
                terms.append(sign * hermite_value(order - 1, end.value) * density)
                error += abs(hermite_value(order, end.value)) * density * end.error
            total, size = mpmath.fsum(terms), mpmath.fsum(map(abs, terms))
            relative, relative_error = (
                (float(abs(total) / size), float(error / size)) if size else (0.0, 0.0)
            )
            zeta = float(total / self.probability / mpmath.sqrt(mpmath.factorial(order)))
        if relative <= SMALLEST_BOUND and self._is_exactly_zero(order):
            return Moment(0.0, 0.0, 0.0)
        return Moment(zeta, relative, max(relative_error, SMALLEST_BOUND))

    def _signed_ends(self) -> list[tuple[int, End]]:
        ends = [(s, end) for pair in self.intervals for s, end in zip((1, -1), pair, strict=True)]
        return [(sign, end) for sign, end in ends if not end.exact.is_infinite]

    def _is_exactly_zero(self, order: int) -> bool:
        ends = self._signed_ends()
        if not self.is_exact or any(end.exact.has(sympy.Float) for _, end in ends):
            return False
        total = sympy.Add(
            *(
                sign * hermite_value(order - 1, e.exact) * sympy.exp(-(e.exact**2) / 2)
                for sign, e in ends
            )
        )
        return not sympy.expand(total)


def _probability(a: Any, b: Any) -> Any:
    # In the tail where ncdf is small, nothing cancels.
    return mpmath.ncdf(b) - mpmath.ncdf(a) if a + b <= 0 else mpmath.ncdf(-a) - mpmath.ncdf(-b)


def atoms_of(flat: list[SmoothPiece], ends: dict[Any, End], symbol: Any) -> list[Atom]:
    """The flat pieces, those of equal value together."""

    groups: list[tuple[Any, list[SmoothPiece]]] = []
    for piece in flat:
        inside = max(float(piece.lower), -SEARCH_RADIUS) + min(float(piece.upper), SEARCH_RADIUS)
        (value, _) = value_and_slope(piece.expression, symbol).evaluate([inside / 2], DIGITS)
        with mpmath.workdps(DIGITS):
            near = SMALLEST_BOUND * (1 + abs(value))
            same = [members for other, members in groups if abs(other - value) <= near]
        if same:
            same[0].append(piece)
        else:
            groups.append((value, [piece]))
    return [
        Atom(
            value,
            not any(sympy.expand(p.expression - pieces[0].expression) for p in pieces[1:]),
            tuple((ends[piece.lower], ends[piece.upper]) for piece in pieces),
        )
        for value, pieces in groups
    ]


def piece_ends(f: ScalarFunction) -> dict[Any, End]:
    """The ends of the smooth pieces in high precision."""
    ends = {end for piece in f.smooth_pieces for end in (piece.lower, piece.upper)}
    return {end: _piece_end(end, f) for end in ends}


def _piece_end(end: Any, f: ScalarFunction) -> End:
    if end.is_infinite:
        return End(end, mpmath.inf if end > 0 else -mpmath.inf, 0.0)
    try:
        return End(end, refined_end(f.expression, f.symbols[0], end, DIGITS), 0.0)
    except ConvergenceError:
        return End(end, mpmath.mpf(float(end)), FLOAT_END_ERROR * (1 + abs(float(end))))
