"""Whether a function is square-integrable under the standard normal law."""

from __future__ import annotations

import math

import numpy as np

from rmt.caching import cached
from rmt.evaluation.graph import Graph
from rmt.evaluation.guarded import LARGE, guarded_function
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import mpmath
from rmt.moments.singular_ends import place_text, singular_ends
from rmt.pieces.roots import SEARCH_RADIUS
from rmt.status import InvalidInputError

__all__ = ["check_square_integrable"]

# Irrational fractions of an octave, from r = 5 to 5000.
_OCTAVES = [
    [5.12 * 2.0**j * 2 ** (i / 8 + 1 / (100 * math.pi)) for i in range(8)] for j in range(10)
]
LEAST_POWER = -0.5 + 1e-6


def check_square_integrable(function: ScalarFunction) -> None:
    """Raise unless ``f`` is a real function with ``E[f(Z)^2]`` finite, ``Z`` standard normal.

    The growth is read off the symbolic form where the function has one (see
    `rmt.moments.exact.closed_form`); otherwise ``log |f|`` is compared with ``z^2/4`` up to
    ``|z| = 5000``. The singular points are the ends of the smooth pieces, where the power of the
    distance must exceed ``-1/2``. Never overflows, and evaluates nothing that takes long.

    Raises
    ------
    InvalidInputError
        More than one variable; not real on the line; grows too fast; a pole, or another singular
        point that is not square-integrable. The message names the place.

    Examples
    --------
    >>> check_square_integrable(ScalarFunction.parse("log(abs(z))"))
    >>> check_square_integrable(ScalarFunction.parse("1/(z**2 - 2)"))
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: 1/(z**2 - 2) is not square-integrable: near z = -1.41421 ...
    """
    if function.n_variables != 1:
        raise InvalidInputError(
            f"function: {function.short} has {function.n_variables} variables; one is allowed"
        )
    _check(function)


@cached(512)
def _check(function: ScalarFunction) -> None:
    # The growth is judged first, by arithmetic that cannot overflow.
    _check_growth(function)
    function.check_real()
    for piece, ends in zip(function.smooth_pieces, singular_ends(function), strict=True):
        for end, place in zip(ends, (piece.lower, piece.upper), strict=True):
            if end is not None and end.power <= LEAST_POWER:
                raise InvalidInputError(
                    f"{function.short} is not square-integrable: near z = {place_text(place)} it "
                    f"grows like |z - z0|**({end.power:.3g}), and the power must exceed -1/2"
                )


def _check_growth(function: ScalarFunction) -> None:
    from rmt.moments.exact.closed_form import is_square_integrable_towards

    runaway = _runaway_points(function)
    for side, name in ((-1, "minus"), (1, "plus")):
        # Where exponents run away, even the search for kinks would take for ever.
        decays = None if runaway else is_square_integrable_towards(function, side)
        if decays is None:
            decays = _square_decays(function, side)
        if not decays:
            raise InvalidInputError(
                f"{function.short} is not square-integrable under the normal law: towards z = "
                f"{name} infinity it grows as fast as exp(z**2/4) or faster; allowed is "
                "exp(a*z**2) with a < 1/4"
            )
    _check_evaluation(function, [x for x in runaway if abs(x) < SEARCH_RADIUS + 1])


def _runaway_points(function: ScalarFunction) -> list[float]:
    """Points at which the argument of an exponential is a number beyond measure."""
    guarded = guarded_function(*function.symbols, function.expression)
    if not guarded.exponents:
        return []
    near = [r for octave in _OCTAVES for r in octave if r < SEARCH_RADIUS + 1]
    points = [side * r for side in (-1, 1) for r in (*near, *_OCTAVES[-1])]
    return [x for x in points if guarded.largest_exponent(mpmath.mpf(x)) > LARGE]


def _check_evaluation(function: ScalarFunction, runaway: list[float]) -> None:
    """Where exponents run away plain arithmetic must cope: its repair would take for ever."""
    graph = Graph()
    value = lower(graph, function.expression, function.symbols)
    plain = Program(graph, [value], repair=False)
    for x in runaway:
        if not np.isfinite(plain(np.array([x]))[0]).all():
            raise InvalidInputError(
                f"{function.short} cannot be evaluated near z = {x:.3g}: exponentials of "
                "exponentials overflow there; write it so that large exponents have a minus sign"
            )


def _square_decays(function: ScalarFunction, side: int) -> bool:
    """Whether ``z f(z)^2 exp(-z^2/2)`` decays like a power of z, or faster, on one side."""
    evaluate = guarded_function(*function.symbols, function.expression)
    profile = []
    for radii in _OCTAVES:
        values = [(r, evaluate(mpmath.mpf(side * r), 20)) for r in radii]
        sizes = [
            2 * (float(mpmath.log(abs(value))) if value else -math.inf) - r**2 / 2 + math.log(r)
            for r, value in values
            if mpmath.isfinite(value)
        ]
        if sizes:
            profile.append(max(sizes))
    # What has reached the bound of the exponents stays the same, with either sign.
    return len(profile) < 2 or profile[-1] < max(profile[-2] - 0.2, -1e12)
