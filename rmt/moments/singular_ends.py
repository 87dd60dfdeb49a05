"""Singular ends of the smooth pieces of a function: how it behaves next to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.evaluation.guarded import guarded_function
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import mpmath
from rmt.pieces.ends import refined_end, singular_at
from rmt.pieces.kinks import SmoothPiece
from rmt.status import InvalidInputError

__all__ = ["SingularEnd", "closeness", "place_text", "singular_ends", "values_near_end"]

MAX_LOSS = 8


@dataclass(frozen=True, slots=True)
class SingularEnd:
    """A singular end of a smooth piece.

    Attributes
    ----------
    power : float
        ``f ~ distance**power``; about 0 for a logarithm or a removable singularity.
    loss : int
        Each digit of closeness costs this many digits of precision, by cancellation.
    """

    power: float
    loss: int


@cached(512)
def singular_ends(
    function: ScalarFunction,
) -> tuple[tuple[SingularEnd | None, SingularEnd | None], ...]:
    """For every smooth piece its lower and upper end; None where the piece is regular.

    Raises
    ------
    InvalidInputError
        The function is not a number next to a singular end.

    Examples
    --------
    >>> singular_ends(ScalarFunction.parse("relu(z)"))
    ((None, None), (None, None))
    >>> singular_ends(ScalarFunction.parse("sqrt(abs(z))"))[1]
    (SingularEnd(power=0.5, loss=0), None)
    """
    return tuple(
        (_end(function, piece, piece.lower, 1), _end(function, piece, piece.upper, -1))
        for piece in function.smooth_pieces
    )


def _end(function: ScalarFunction, piece: SmoothPiece, end: Any, side: int) -> SingularEnd | None:
    (z,) = function.symbols
    if not end.is_finite or not singular_at(
        piece.expression, z, refined_end(function.expression, z, end, 45)
    ):
        return None
    evaluate = guarded_function(z, piece.expression)
    with mpmath.workdps(60 + 40 * MAX_LOSS):
        place = refined_end(function.expression, z, end, 400)
        near, nearer = place + side * mpmath.mpf("1e-20"), place + side * mpmath.mpf("1e-40")
        values = [evaluate(near, 400), evaluate(nearer, 400)]
        if not all(mpmath.isfinite(v) for v in values):
            raise InvalidInputError(
                f"{function.short} is not a number near z = {place_text(place)}; it must be real "
                "and finite on both sides of every singular point"
            )
        power = 0.0
        if all(values):
            power = float(mpmath.log(abs(values[0] / values[1])) / (20 * mpmath.log(10)))
        for loss in (0, 1, 2, 3, 4, MAX_LOSS):
            rough = evaluate(nearer, 30 + 40 * loss)
            if abs(rough - values[1]) <= mpmath.mpf("1e-28") * abs(values[1]):
                break
    return SingularEnd(power, loss)


def place_text(point: Any) -> str:
    """A point for a message; a zero that was found numerically is 0."""
    return f"{float(point) if abs(point) > 1e-10 else 0.0:.6g}"


def closeness(end: SingularEnd | None, target: int) -> int:
    """Digits of the distance from an end at which the distance times ``f^2`` is negligible.

    Negligible is ``10**-(target + 6)``.
    """
    power = 0.0 if end is None else end.power
    return math.ceil((target + 6) / min(1.0, max(1.0 + 2.0 * power, 0.005)))


def values_near_end(function: ScalarFunction, index: int, side: int, distances: Array) -> Array:
    """``f`` in double precision at these distances from an end of the piece of this index.

    ``side`` is 1 at the lower end, -1 at the upper one. The place of the end and the function are
    computed with as many digits as the closest distance costs.
    """
    (z,) = function.symbols
    piece = function.smooth_pieces[index]
    end = singular_ends(function)[index][0 if side == 1 else 1]
    loss = end.loss if end is not None else 0
    most = math.ceil(-math.log10(distances.min())) + 25
    place = refined_end(function.expression, z, piece.lower if side == 1 else piece.upper, 2 * most)
    evaluate = guarded_function(z, piece.expression)
    values = []
    with mpmath.workdps(2 * most):
        for distance in distances.tolist():
            digits = 20 + loss * max(0, math.ceil(-math.log10(distance)))
            values.append(float(evaluate(place + side * mpmath.mpf(distance), digits)))
    return np.array(values)
