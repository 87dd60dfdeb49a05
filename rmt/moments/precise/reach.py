"""The size of a function under the normal law, and where its integrals may be cut off."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from rmt.caching import cached
from rmt.evaluation.guarded import guarded_function
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import mpmath
from rmt.pieces.roots import SEARCH_RADIUS
from rmt.status import ConvergenceError, Status

__all__ = ["check_outermost", "scale_and_reach"]

NATURAL = math.log(10.0)
FARTHEST = 3000.0


def scale_and_reach(
    function: ScalarFunction, order: int, target: int
) -> tuple[int, tuple[float, float]]:
    """``log2 sqrt(E[f^2])`` roughly, and the cut-off on the left and right.

    Beyond the cut-off, ``|f He_k| phi`` is below ``10**-(target + 3) sqrt(k! E[f^2])`` for every
    order, and ``f^2 phi`` below the same fraction of ``E[f^2]``.
    """
    profile = _profile(function)
    radius = 2.0 * math.sqrt(order) + 1.5 * math.sqrt(2.0 * NATURAL * (target + 3))
    small = -(target + 3) * NATURAL
    while radius <= FARTHEST:
        inside = [entry for entry in profile(radius) if entry[1] > -math.inf]
        squares = [2 * size - z**2 / 2 + math.log(width) for z, size, width in inside]
        largest = max(squares, default=0.0)
        log_norm = (largest + math.log(sum(math.exp(s - largest) for s in squares) or 1.0)) / 2
        visible = [
            z
            for z, size, _ in inside
            if size - z**2 / 2 + _log_hermite(order, abs(z)) - log_norm > small
            or 2 * (size - z**2 / 4 - log_norm) > small
        ]
        left = max([-z for z in visible if z < 0], default=1.0) + 0.5
        right = max([z for z in visible if z > 0], default=1.0) + 0.5
        # Twelve points below the bar at the end of the scan: the tail is really over.
        if visible and max(left, right) < radius - 6:
            return round(log_norm / math.log(2)), (left, right)
        radius *= 1.5
    cause = (
        f"grows almost as fast as exp(z**2/4): its tail cannot be cut off at {target} digits"
        if visible
        else f"was zero wherever it was looked at, for |z| <= {FARTHEST:g}"
    )
    raise ConvergenceError(f"{function.short} {cause}", Status.NOT_CONVERGED)


@cached(64)
def _profile(function: ScalarFunction) -> Callable[[float], list[tuple[float, float, float]]]:
    """``(z, log |f(z)|, width)`` on a grid of step 1/2 and in the middle of every piece."""
    evaluate = guarded_function(*function.symbols, function.expression)

    @cache
    def size(z: float) -> float:
        value = evaluate(mpmath.mpf(z), 20)
        if not mpmath.isfinite(value):
            return -math.inf
        return float(mpmath.log(abs(value))) if value else -math.inf

    finite = [(float(p.lower), float(p.upper)) for p in function.smooth_pieces[1:-1]]
    middles = [((a + b) / 2, min(b - a, 0.5)) for a, b in finite]

    def profile(radius: float) -> list[tuple[float, float, float]]:
        half = [0.2512345 + i / 2 for i in range(math.ceil(2 * radius))]
        grid = [(s * z, 0.5) for z in half for s in (-1, 1)]
        return [(z, size(z), width) for z, width in [*grid, *middles] if abs(z) <= radius]

    return profile


@cached(4096)
def _log_hermite(order: int, z: float) -> float:
    """``log max |He_k(z)| / sqrt(k!)`` over ``k <= order``."""
    previous, current, shift, largest = 0.0, 1.0, 0.0, 0.0
    for k in range(order):
        previous, current = (
            current,
            (z * current - math.sqrt(k) * previous) / math.sqrt(k + 1),
        )
        if abs(current) > 1e100:
            previous, current, shift = previous / 1e100, current / 1e100, shift + 100 * NATURAL
        if current:
            largest = max(largest, math.log(abs(current)) + shift)
    return largest


def check_outermost(function: ScalarFunction, reach: tuple[float, float]) -> None:
    """Kinks without a closed form are known up to a radius; raise where there are more beyond."""
    (z,) = function.symbols
    pieces = function.smooth_pieces
    whole = guarded_function(z, function.expression)
    for side, piece, far in ((-1, pieces[0], reach[0]), (1, pieces[-1], reach[1])):
        outermost = guarded_function(z, piece.expression)
        for i in range(math.ceil(8 * max(0.0, far + 1 - SEARCH_RADIUS))):
            x = mpmath.mpf(side * (SEARCH_RADIUS + 0.0612345 + i / 8))
            if float(piece.lower) < x < float(piece.upper):
                expected, found = whole(x, 40), outermost(x, 40)
                if not abs(expected - found) <= mpmath.mpf("1e-20") * abs(expected):
                    raise ConvergenceError(
                        f"so many digits need {function.short} at |z| = {float(abs(x)):.4g}, and "
                        f"its kinks are known for |z| <= {SEARCH_RADIUS:g}; ask for fewer digits",
                        Status.NOT_CONVERGED,
                    )
