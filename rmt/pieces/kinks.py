"""Where a function is not smooth, and the smooth expressions in between."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rmt.evaluation.precise import precise_value
from rmt.expressions.construction import build_piecewise, build_relation
from rmt.lazy import mpmath, sympy
from rmt.pieces.branches import branch_at
from rmt.pieces.roots import check_number, distinct, exact_roots, numerical_roots, root_gap
from rmt.pieces.switches import (
    has_branches,
    singular_arguments,
    switch_arguments,
    vanishing_factors,
)

__all__ = ["SmoothPiece", "axis_kinks", "derivative_expression", "jumps_among", "smooth_pieces"]


@dataclass(frozen=True, slots=True)
class SmoothPiece:
    """An open interval on which a function is one smooth expression.

    ``lower`` and ``upper`` are sympy numbers (infinite at the ends; a Float where the kink has no
    closed form), ``expression`` holds no ``abs``, ``max``, ``Piecewise`` or the like.
    """

    lower: Any
    upper: Any
    expression: Any


def smooth_pieces(expr: sympy.Expr, symbol: sympy.Symbol) -> tuple[SmoothPiece, ...]:
    """Split a function of one variable at its kinks.

    Neighbouring pieces with the same expression are joined (``max(z, z - 1)`` has no kink) unless
    that expression is itself singular in between (a root or logarithm whose argument vanishes, a
    pole).
    """
    switches = _roots_of_all(switch_arguments(expr), symbol)
    ends = [-sympy.oo, *switches, sympy.oo]
    kinks = [float(switch) for switch in switches]
    inside = [0.1234567]
    if kinks:
        middle = [(a + b) / 2 for a, b in pairwise(kinks)]
        inside = [kinks[0] - 0.734, *middle, kinks[-1] + 0.734]
    pieces: list[SmoothPiece] = []
    for point, lower_end, upper_end in zip(inside, ends, ends[1:], strict=False):
        piece = branch_at(expr, symbol, point)
        if pieces and _same(pieces[-1].expression, piece):
            pieces[-1] = SmoothPiece(pieces[-1].lower, upper_end, piece)
        else:
            pieces.append(SmoothPiece(lower_end, upper_end, piece))
    return tuple(part for piece in pieces for part in _split_at_singularities(piece, symbol))


def _split_at_singularities(piece: SmoothPiece, symbol: Any) -> list[SmoothPiece]:
    singular = _roots_of_all(singular_arguments(piece.expression), symbol)
    low, high = float(piece.lower), float(piece.upper)
    low, high = low + root_gap(low), high - root_gap(high)
    inside = [root for root in singular if low < float(root) < high]
    ends = [piece.lower, *inside, piece.upper]
    return [SmoothPiece(a, b, piece.expression) for a, b in pairwise(ends)]


def derivative_expression(pieces: tuple[SmoothPiece, ...], symbol: sympy.Symbol) -> sympy.Expr:
    """The derivative between the kinks, without what a jump contributes."""
    branches = []
    for piece in pieces:
        below = sympy.true
        if piece.upper.is_finite:
            below = build_relation("<", symbol, piece.upper)
        branches.append((sympy.diff(piece.expression, symbol), below))
    return build_piecewise(branches)


def axis_kinks(
    expr: sympy.Expr, symbols: tuple[sympy.Symbol, ...]
) -> tuple[tuple[tuple[float, ...], ...], bool]:
    """Kinks of a function of several variables on hyperplanes ``z_i = const``.

    Returns one tuple per variable, and whether there may be kinks on other surfaces.
    """
    along: list[list[float]] = [[] for _ in symbols]
    oblique = False
    arguments = [*switch_arguments(expr), *singular_arguments(expr)]
    factors = [factor for argument in arguments for factor in vanishing_factors(argument)]
    for factor in dict.fromkeys(factors):
        free = [i for i, symbol in enumerate(symbols) if symbol in factor.free_symbols]
        if len(free) == 1:
            along[free[0]] += map(float, _roots(factor, symbols[free[0]]))
        elif free and factor.is_nonzero is not True:
            oblique = True
    return tuple(tuple(distinct(values)) for values in along), oblique


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or sympy.expand(a - b) == 0)


# Real roots


def _roots_of_all(arguments: list[Any], symbol: Any) -> list[Any]:
    """The distinct real roots of all these expressions, sorted."""
    roots = [root for argument in arguments for root in _roots(argument, symbol)]
    kept: list[Any] = []
    for root in sorted(roots, key=lambda root: (float(root), root.is_Float)):
        if not kept or float(root) - float(kept[-1]) > root_gap(float(root)):
            kept.append(root)
        elif kept[-1].is_Float:
            kept[-1] = root
    check_number(len(kept))
    return kept


def _roots(argument: Any, symbol: Any) -> list[Any]:
    """Real roots: exact for polynomials, otherwise by a numerical search.

    An argument that has branches of its own is solved on each of its smooth pieces.

    A root of a polynomial whose irreducible factor has degree above two is a sympy Float.
    """
    if has_branches(argument):
        return [
            root
            for piece in smooth_pieces(argument, symbol)
            for root in _roots(piece.expression, symbol)
            if float(piece.lower) <= float(root) <= float(piece.upper)
        ]
    roots: list[Any] = []
    for factor in vanishing_factors(argument):
        if factor.is_positive:
            continue
        exact = exact_roots(factor, symbol)
        if exact is None:
            exact = [sympy.Float(root, 17) for root in numerical_roots(factor, symbol)]
        roots += exact
    return roots


# Jumps


def jumps_among(pieces: tuple[SmoothPiece, ...], symbol: sympy.Symbol) -> tuple[float, ...]:
    """The inner ends of pieces at which the function itself is discontinuous.

    Compares the values at a distance ``delta`` on both sides for ``delta = 1e-10 .. 1e-40``: the
    difference of a continuous function shrinks, that of a jump stays.
    """

    found = []
    for left, right in pairwise(pieces):
        kink = left.upper
        differences = []
        with mpmath.workdps(120):
            at = kink.evalf(110)._to_mpmath(mpmath.mp.prec)
            if kink.is_Float:
                at = mpmath.mpf(float(kink))
            for delta in (mpmath.mpf("1e-10"), mpmath.mpf("1e-40")):
                sides = [
                    _limit_value(piece.expression, symbol, at + step)
                    for piece, step in ((left, -delta), (right, delta))
                ]
                differences.append(abs(sides[0] - sides[1]))
            size = 1 + abs(sides[0])
            is_jump = not differences[1] <= size * mpmath.mpf("1e-12")
            shrinks = differences[1] <= differences[0] * mpmath.mpf("1e-2")
            if mpmath.isnan(differences[1]):
                is_jump, shrinks = sympy.nan not in (left.expression, right.expression), False
        if is_jump and not shrinks:
            found.append(float(kink))
    return tuple(found)


def _limit_value(expr: Any, symbol: Any, point: Any) -> Any:
    if expr is None or (not expr.is_finite and expr.is_number):
        return mpmath.nan
    return precise_value(expr, symbol, point, 100)
