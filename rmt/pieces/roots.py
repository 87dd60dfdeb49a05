"""Real roots of expressions in one variable: exact for polynomials, otherwise by a search."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.lazy import sympy
from rmt.status import InvalidInputError

__all__ = ["check_number", "distinct", "exact_roots", "numerical_roots", "root_gap"]

# Roots that have no closed form are looked for in |z| <= SEARCH_RADIUS: the standard normal weight
# of what lies beyond is below 1e-340.
SEARCH_RADIUS = 40.0
FIRST_GRID = 2**14
LAST_GRID = 2**20
MAX_KINKS = 2_000
# Points of the grid at which an overflow is worth a second evaluation.
MAX_REPAIRS = 500


def distinct(values: Iterable[float]) -> list[float]:
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > root_gap(value):
            kept.append(value)
    return kept


def root_gap(value: float) -> float:
    """Two roots closer than this are one root, found twice."""
    return 1e-10 * (1 + abs(value)) if math.isfinite(value) else 0.0


def exact_roots(argument: Any, symbol: Any) -> list[Any] | None:
    if not argument.is_polynomial(symbol):
        return None
    polynomial = sympy.Poly(argument, symbol)
    coefficients = polynomial.all_coeffs()
    if len(coefficients) == 2:
        return [-coefficients[1] / coefficients[0]]
    if len(coefficients) == 3:
        a, b, c = coefficients
        discriminant = sympy.expand(b**2 - 4 * a * c)
        if discriminant.is_negative:
            return []
        if discriminant.is_zero:
            return [-b / (2 * a)]
        if discriminant.is_positive:
            root = sympy.sqrt(discriminant)
            return [sympy.expand((-b + s * root) / (2 * a)) for s in (-1, 1)]
    if (not polynomial.domain.is_QQ and not polynomial.domain.is_ZZ) or len(coefficients) > 61:
        return None
    roots: list[Any] = []
    for factor, _ in polynomial.factor_list()[1]:
        if factor.degree() <= 2:
            roots += exact_roots(factor.as_expr(), symbol) or []
        else:
            roots += [root.evalf(25) for root in factor.real_roots()]
    return roots


def numerical_roots(argument: Any, symbol: Any) -> list[float]:
    """Zeros in |z| <= SEARCH_RADIUS, those that only touch zero included.

    The grid is refined until the number of zeros stays the same.
    """
    graph = Graph()
    value = lower(graph, argument, (symbol,))
    outputs = [value, derivative(graph, value)]
    programs = Program(graph, outputs, repair=False), Program(graph, outputs)
    points = FIRST_GRID
    found = _zeros_on_grid(programs, points)
    while points < LAST_GRID:
        points *= 4
        finer = _zeros_on_grid(programs, points)
        if len(finer) == len(found):
            return finer
        found = finer
    return found


def _zeros_on_grid(programs: tuple[Program, Program], points: int) -> list[float]:
    # An irrational offset: a grid that hits round numbers would see 0 rather than a sign change.
    radius = SEARCH_RADIUS + 1 / math.e**3
    plain, program = programs
    grid = np.linspace(-radius, radius, points)
    values, slopes = plain(grid)
    overflowed = np.flatnonzero(~np.isfinite(values))
    dropped = np.ones(points, bool)
    dropped[overflowed[:: 1 + len(overflowed) // MAX_REPAIRS]] = False
    dropped &= ~np.isfinite(values)
    grid = grid[~dropped]
    values, slopes = values[~dropped], slopes[~dropped]
    again = ~np.isfinite(values)
    values[again], slopes[again] = program(grid[again])
    step = np.diff(grid)
    scale = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    if scale == 0:
        return []
    with np.errstate(invalid="ignore", over="ignore"):
        crossing = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
        # Towards zero on the left and away from it on the right, strictly: where both underflow,
        # nothing turns. An extremum further from zero than the slopes can reach touches nothing.
        turning = np.flatnonzero(
            (np.sign(values[:-1]) * np.sign(values[1:]) > 0)
            & (np.sign(values[:-1]) * np.sign(slopes[:-1]) < 0)
            & (np.sign(values[1:]) * np.sign(slopes[1:]) > 0)
            & (np.abs(values[:-1]) <= 4 * step * np.maximum(abs(slopes[:-1]), abs(slopes[1:])))
        )
    check_number(len(crossing))
    # A run of zeros is underflow, or a branch that vanishes; its ends are kinks of their own.
    zero = np.concatenate([[True], values == 0, [True]])
    alone = zero[1:-1] & ~zero[:-2] & ~zero[2:]
    roots = [
        grid[alone],
        _bisect(lambda x: program(x)[0], grid[crossing], grid[crossing + 1]),
        _touching(program, grid[turning], grid[turning + 1], float(scale)),
    ]
    found = distinct(np.concatenate(roots).tolist())
    check_number(len(found))
    return found


def check_number(kinks: int) -> None:
    if kinks > MAX_KINKS:
        raise InvalidInputError(
            f"the function has {kinks} kinks or more in |z| <= {SEARCH_RADIUS:g}; "
            f"at most {MAX_KINKS} are allowed"
        )


def _bisect(function: Any, low: Any, high: Any) -> Any:
    """Sign changes of a function between two arrays of points, down to neighbouring floats."""
    if not len(low):
        return low
    sign = np.sign(function(low))
    for _ in range(64):
        middle = (low + high) / 2
        below = np.sign(function(middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _touching(program: Program, low: Any, high: Any, scale: float) -> Any:
    """Zeros at an extremum between grid points: a double root, or two roots close together."""
    if not len(low):
        return low
    turn = _bisect(lambda x: program(x)[1], low, high)
    left, extreme, right = (program(x)[0] for x in (low, turn, high))
    through = (extreme * left < 0) & (extreme * right < 0)
    local = np.maximum(abs(left), abs(right))
    rounding = 1e-14 * np.minimum(scale, 1 + local)
    touches = ~through & (abs(extreme) <= np.maximum(rounding, 1e-9 * local))
    return np.concatenate(
        [
            turn[touches],
            _bisect(lambda x: program(x)[0], low[through], turn[through]),
            _bisect(lambda x: program(x)[0], turn[through], high[through]),
        ]
    )
