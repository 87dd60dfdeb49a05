"""Ends of smooth pieces: their place in any precision, and whether a singularity is there."""

from __future__ import annotations

from typing import Any

from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.precise import precise_value, precise_values
from rmt.lazy import mpmath, sympy
from rmt.pieces.branches import branch_at
from rmt.pieces.roots import root_gap
from rmt.pieces.switches import singular_arguments, switch_arguments, vanishing_factors
from rmt.status import ConvergenceError, Status

__all__ = ["refined_end", "singular_at"]

# A root of an argument and of up to three of its derivatives: where the argument touches zero.
MAX_MULTIPLICITY = 4


def refined_end(expr: sympy.Expr, symbol: sympy.Symbol, end: Any, digits: int) -> Any:
    """The end of a piece as an mpmath number with this many digits.

    An exact end is evaluated. One that is known as a Float is the root of a switch or of a singular
    argument of the function; Newton's method takes it from there, on a derivative of the argument
    where that only touches zero.

    Parameters
    ----------
    expr : sympy.Expr
        The whole function, with its branches.
    symbol : sympy.Symbol
    end : sympy number
        A finite end of a `SmoothPiece`.
    digits : int

    Raises
    ------
    ConvergenceError
        No argument of the function has a root within 1e-10 of the Float.

    Examples
    --------
    >>> import mpmath, sympy
    >>> from rmt.pieces.kinks import smooth_pieces
    >>> z = sympy.Symbol("z", real=True)
    >>> sign = sympy.sign(sympy.cos(z) - z)
    >>> with mpmath.workdps(30):
    ...     print(refined_end(sign, z, smooth_pieces(sign, z)[0].upper, 30))
    0.739085133215160641655312087674
    """
    with mpmath.workdps(digits + 10):
        if not end.is_Float:
            return end.evalf(digits + 10)._to_mpmath(mpmath.mp.prec)
        guess, gap = end._to_mpmath(mpmath.mp.prec), root_gap(float(end))
        sides = [float(end) - 3 * gap, float(end) + 3 * gap]
        arguments = [*switch_arguments(expr), *singular_arguments(expr)]
        for side in sides:
            arguments += singular_arguments(branch_at(expr, symbol, side))
        resolved = [branch_at(a, symbol, s) for a in dict.fromkeys(arguments) for s in sides]
        factors = [factor for argument in resolved for factor in vanishing_factors(argument)]
        for factor in dict.fromkeys(factors):
            root = _root_near(factor, symbol, guess, gap, digits)
            if root is not None:
                return root
    raise ConvergenceError(
        f"the kink of {expr} near {symbol} = {float(end):.12g} was not found in {digits} digits",
        Status.NOT_CONVERGED,
        float(end),
    )


def _root_near(factor: Any, symbol: Any, guess: Any, gap: float, digits: int) -> Any:
    """A root within the gap, by Newton's method; None where it does not converge there."""
    graph = Graph()
    nodes = [lower(graph, factor, (symbol,))]
    for _ in range(MAX_MULTIPLICITY):
        nodes.append(derivative(graph, nodes[-1]))
    if abs(guess) < gap and precise_values(graph, nodes[:1], [mpmath.mpf(0)], digits)[0] == 0:
        return mpmath.mpf(0)
    small = mpmath.mpf(10) ** -(digits + 2)
    for multiplicity in range(1, MAX_MULTIPLICITY + 1):
        x = guess
        # Quadratic convergence from 1e-10; at a multiple root it is linear, and is given up.
        for _ in range(4 + digits.bit_length()):
            *below, value, slope = precise_values(
                graph, nodes[: multiplicity + 1], [x], digits + 10
            )
            if not mpmath.isfinite(value) or not mpmath.isfinite(slope) or slope == 0:
                break
            step = value / slope
            x -= step
            if abs(x - guess) > gap:
                break
            if abs(step) <= small * (1 + abs(x)):
                if all(abs(v) <= 1000 * small * (1 + abs(slope)) for v in below):
                    return x
                break
    return None


def singular_at(expr: sympy.Expr, symbol: sympy.Symbol, point: Any) -> bool:
    """Whether a root, a logarithm or a quotient of a smooth expression is singular at a point.

    Parameters
    ----------
    expr : sympy.Expr
        The expression of a `SmoothPiece`.
    point : mpmath number
        Known to 40 digits.

    Examples
    --------
    >>> import sympy
    >>> z = sympy.Symbol("z", real=True)
    >>> singular_at(sympy.sqrt(z) + 1 / (z + 1), z, 0), singular_at(1 / (z + 1), z, 0)
    (True, False)
    """
    for argument in singular_arguments(expr):
        value = precise_value(argument, symbol, point, 40)
        if not mpmath.isfinite(value) or abs(value) <= mpmath.mpf("1e-18"):
            return True
    return False
