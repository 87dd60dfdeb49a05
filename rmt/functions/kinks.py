"""Where a function is not smooth, and the smooth expressions in between."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rmt.functions.exact import exact_values
from rmt.functions.graph import Graph
from rmt.functions.lowering import lower
from rmt.functions.program import Program
from rmt.functions.roots import check_number, distinct, exact_roots, numerical_roots, root_gap
from rmt.status import ConvergenceError, Status

if TYPE_CHECKING:
    import sympy

__all__ = [
    "SmoothPiece",
    "axis_kinks",
    "jumps_among",
    "refined_end",
    "singular_at",
    "smooth_pieces",
    "switch_arguments",
]

# A root of an argument and of up to three of its derivatives: where the argument touches zero.
MAX_MULTIPLICITY = 4


@dataclass(frozen=True, slots=True)
class SmoothPiece:
    """An open interval on which a function is one smooth expression.

    ``lower`` and ``upper`` are sympy numbers (infinite at the ends; a Float where the kink has no
    closed form), ``expression`` holds no ``abs``, ``max``, ``Piecewise`` or the like.
    """

    lower: Any
    upper: Any
    expression: Any


@dataclass(frozen=True, slots=True)
class _Kink:
    exact: Any  # sympy number
    value: float


def smooth_pieces(expr: sympy.Expr, symbol: sympy.Symbol) -> tuple[SmoothPiece, ...]:
    """Split a function of one variable at its kinks.

    Neighbouring pieces with the same expression are joined (``max(z, z - 1)`` has no kink) unless
    that expression is itself singular in between (a root or logarithm whose argument vanishes, a
    pole).
    """
    import sympy

    switches = _roots_of_all(switch_arguments(expr), symbol)
    ends = [-sympy.oo, *(kink.exact for kink in switches), sympy.oo]
    resolved = _resolve(expr, symbol, [kink.value for kink in switches])
    pieces: list[SmoothPiece] = []
    for piece, lower_end, upper_end in zip(resolved, ends, ends[1:], strict=False):
        if pieces and _same(pieces[-1].expression, piece):
            pieces[-1] = SmoothPiece(pieces[-1].lower, upper_end, piece)
        else:
            pieces.append(SmoothPiece(lower_end, upper_end, piece))
    return tuple(part for piece in pieces for part in _split_at_singularities(piece, symbol))


def _split_at_singularities(piece: SmoothPiece, symbol: Any) -> list[SmoothPiece]:
    singular = _roots_of_all(_singular_arguments(piece.expression), symbol)
    low, high = float(piece.lower), float(piece.upper)
    inside = [kink for kink in singular if low + root_gap(low) < kink.value < high - root_gap(high)]
    ends = [piece.lower, *(kink.exact for kink in inside), piece.upper]
    return [SmoothPiece(a, b, piece.expression) for a, b in pairwise(ends)]


def axis_kinks(
    expr: sympy.Expr, symbols: tuple[sympy.Symbol, ...]
) -> tuple[tuple[tuple[float, ...], ...], bool]:
    """Kinks of a function of several variables on hyperplanes ``z_i = const``.

    Returns one tuple per variable, and whether there may be kinks on other surfaces.
    """
    import sympy

    along: list[list[float]] = [[] for _ in symbols]
    oblique = False
    arguments = [*switch_arguments(expr), *_singular_arguments(expr)]
    factors: list[Any] = []
    for argument in arguments:
        for factor in sympy.Mul.make_args(argument):
            while factor.is_Pow and factor.exp.is_positive:
                factor = factor.base
            factors.append(factor)
    for factor in dict.fromkeys(factors):
        free = [i for i, symbol in enumerate(symbols) if symbol in factor.free_symbols]
        if len(free) == 1:
            along[free[0]] += [kink.value for kink in _roots(factor, symbols[free[0]])]
        elif free and factor.is_nonzero is not True:
            oblique = True
    return tuple(tuple(distinct(values)) for values in along), oblique


def _same(a: Any, b: Any) -> bool:
    import sympy

    return bool(a == b or sympy.expand(a - b) == 0)


# Arguments whose zeros are kinks


def _branch_classes() -> tuple[Any, ...]:
    import sympy

    return (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)


def switch_arguments(expr: Any) -> list[Any]:
    """Expressions at whose zeros a branch changes, innermost included."""
    import sympy

    found: dict[Any, None] = {}

    def add_relations(condition: Any) -> None:
        for relation in condition.atoms(sympy.core.relational.Relational):
            found[relation.lhs - relation.rhs] = None

    for node in sympy.preorder_traversal(expr):
        if isinstance(node, (sympy.Abs, sympy.sign, sympy.Heaviside)):
            found[node.args[0]] = None
        elif isinstance(node, (sympy.Max, sympy.Min)):
            arguments = sorted(node.args, key=sympy.default_sort_key)
            for i, a in enumerate(arguments):
                for b in arguments[:i]:
                    found[a - b] = None
        elif isinstance(node, sympy.Piecewise):
            for _, condition in node.args:
                add_relations(condition)
    return [argument for argument in found if argument.free_symbols]


def _singular_arguments(expr: Any) -> list[Any]:
    """Expressions at whose zeros a root, a logarithm or a quotient is singular."""
    import sympy

    found: dict[Any, None] = {}
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, sympy.exp):
            continue
        if node.is_Pow:
            exponent = node.exp
            if not (exponent.is_Integer and exponent > 0) and not node.base.is_number:
                found[node.base] = None
        elif isinstance(node, (sympy.log, sympy.tan)):
            found[node.args[0] if isinstance(node, sympy.log) else sympy.cos(node.args[0])] = None
        elif isinstance(node, (sympy.asin, sympy.acos, sympy.atanh)):
            found[1 - node.args[0] ** 2] = None
    return [a for a in found if a.free_symbols and a.is_positive is not True]


# Real roots


def _roots_of_all(arguments: list[Any], symbol: Any) -> list[_Kink]:
    """The distinct real roots of all these expressions, sorted."""
    roots = sorted(
        (root for argument in arguments for root in _roots(argument, symbol)),
        key=lambda kink: (kink.value, kink.exact.is_Float),
    )
    kept: list[_Kink] = []
    for root in roots:
        if not kept or root.value - kept[-1].value > root_gap(root.value):
            kept.append(root)
        elif kept[-1].exact.is_Float:
            kept[-1] = root
    check_number(len(kept))
    return kept


def _roots(argument: Any, symbol: Any) -> list[_Kink]:
    """Real roots: exact for polynomials, otherwise by a numerical search.

    An argument that has branches of its own is solved on each of its smooth pieces.

    A root of a polynomial whose irreducible factor has degree above two is a sympy Float.
    """
    import sympy

    if argument.has(*_branch_classes()):
        return [
            root
            for piece in smooth_pieces(argument, symbol)
            for root in _roots(piece.expression, symbol)
            if float(piece.lower) <= root.value <= float(piece.upper)
        ]
    roots: list[_Kink] = []
    for factor in sympy.Mul.make_args(argument):
        while factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_positive:
            factor = factor.base
        if symbol not in factor.free_symbols or factor.is_positive or isinstance(factor, sympy.exp):
            continue
        exact = exact_roots(factor, symbol)
        if exact is not None:
            roots += [_Kink(root, float(root)) for root in exact]
        else:
            roots += [
                _Kink(sympy.Float(root, 17), root) for root in numerical_roots(factor, symbol)
            ]
    return roots


# Ends in any precision


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
    >>> z = sympy.Symbol("z", real=True)
    >>> sign = sympy.sign(sympy.cos(z) - z)
    >>> with mpmath.workdps(30):
    ...     print(refined_end(sign, z, smooth_pieces(sign, z)[0].upper, 30))
    0.739085133215160641655312087674
    """
    import mpmath

    with mpmath.workdps(digits + 10):
        if not end.is_Float:
            return end.evalf(digits + 10)._to_mpmath(mpmath.mp.prec)
        guess, gap = end._to_mpmath(mpmath.mp.prec), root_gap(float(end))
        sides = [float(end) - 3 * gap, float(end) + 3 * gap]
        arguments = [*switch_arguments(expr), *_singular_arguments(expr)]
        for side in sides:
            arguments += _singular_arguments(_branch_at(expr, symbol, side, {}))
        resolved = [_branch_at(a, symbol, s, {}) for a in dict.fromkeys(arguments) for s in sides]
        factors = [factor for argument in resolved for factor in _factors(argument, symbol)]
        for factor in dict.fromkeys(factors):
            root = _root_near(factor, symbol, guess, gap, digits)
            if root is not None:
                return root
    raise ConvergenceError(
        f"the kink of {expr} near {symbol} = {float(end):.12g} was not found in {digits} digits",
        Status.NOT_CONVERGED,
        float(end),
    )


def _factors(argument: Any, symbol: Any) -> list[Any]:
    """The factors of a product that can vanish, without their powers."""
    import sympy

    kept = []
    for factor in sympy.Mul.make_args(argument):
        while factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_positive:
            factor = factor.base
        if symbol in factor.free_symbols and not isinstance(factor, sympy.exp):
            kept.append(factor)
    return kept


def _root_near(factor: Any, symbol: Any, guess: Any, gap: float, digits: int) -> Any:
    """A root within the gap, by Newton's method; None where it does not converge there."""
    import mpmath

    graph = Graph()
    nodes = [lower(graph, factor, (symbol,))]
    for _ in range(MAX_MULTIPLICITY):
        nodes.append(graph.derivative(nodes[-1]))
    if abs(guess) < gap and exact_values(graph, nodes[:1], [mpmath.mpf(0)], digits)[0] == 0:
        return mpmath.mpf(0)
    small = mpmath.mpf(10) ** -(digits + 2)
    for multiplicity in range(1, MAX_MULTIPLICITY + 1):
        x = guess
        # Quadratic convergence from 1e-10; at a multiple root it is linear, and is given up.
        for _ in range(4 + digits.bit_length()):
            *below, value, slope = exact_values(graph, nodes[: multiplicity + 1], [x], digits + 10)
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
    import mpmath

    for argument in _singular_arguments(expr):
        graph = Graph()
        value = exact_values(graph, [lower(graph, argument, (symbol,))], [point], 40)[0]
        if not mpmath.isfinite(value) or abs(value) <= mpmath.mpf("1e-18"):
            return True
    return False


# The expression on each side


def _resolve(expr: Any, symbol: Any, kinks: list[float]) -> list[Any]:
    """The smooth expression on every interval between consecutive kinks."""
    if not kinks:
        points = [0.1234567]
    else:
        middle = [(a + b) / 2 for a, b in pairwise(kinks)]
        points = [kinks[0] - 0.734, *middle, kinks[-1] + 0.734]
    return [_branch_at(expr, symbol, point, {}) for point in points]


def _branch_at(expr: Any, symbol: Any, point: float, done: dict[Any, Any]) -> Any:
    """The expression with every branch replaced by the one that holds at a point."""
    import sympy

    if not expr.args or not expr.free_symbols:
        return expr
    if expr in done:
        return done[expr]

    def branch(e: Any) -> Any:
        return _branch_at(e, symbol, point, done)

    def number(e: Any) -> Any:
        return _number_at(branch(e), symbol, point)

    if isinstance(expr, sympy.Abs):
        inner = branch(expr.args[0])
        result = inner if number(inner) >= 0 else -inner
    elif isinstance(expr, sympy.sign):
        value = number(expr.args[0])
        result = sympy.Integer((value > 0) - (value < 0))
    elif isinstance(expr, sympy.Heaviside):
        value = number(expr.args[0])
        result = sympy.Rational((value > 0) - (value < 0) + 1, 2)
    elif isinstance(expr, (sympy.Max, sympy.Min)):
        arguments = sorted((branch(a) for a in expr.args), key=sympy.default_sort_key)
        pick = max if isinstance(expr, sympy.Max) else min
        result = pick(arguments, key=number)
    elif isinstance(expr, sympy.Piecewise):
        result = sympy.nan
        for value, condition in expr.args:
            if _holds(condition, number):
                result = branch(value)
                break
    else:
        result = expr.func(*(branch(a) for a in expr.args))
    done[expr] = result
    return result


def _holds(condition: Any, number: Any) -> bool:
    import sympy

    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, sympy.And):
        return all(_holds(c, number) for c in condition.args)
    if isinstance(condition, sympy.Or):
        return any(_holds(c, number) for c in condition.args)
    if isinstance(condition, sympy.Not):
        return not _holds(condition.args[0], number)
    left, right = number(condition.lhs), number(condition.rhs)
    relation = type(condition).__name__
    if relation == "Equality":
        return bool(left == right)
    if relation == "Unequality":
        return bool(left != right)
    if relation in ("StrictLessThan", "LessThan"):
        return bool(left < right or (relation == "LessThan" and left == right))
    return bool(left > right or (relation == "GreaterThan" and left == right))


def _number_at(expr: Any, symbol: Any, point: float) -> Any:
    """Value of a smooth expression at a point, in 40 digits."""
    import mpmath

    if expr.is_Rational:
        return mpmath.mpf(int(expr.p)) / int(expr.q)
    graph = Graph()
    program = Program(graph, [lower(graph, expr, (symbol,))])
    return program.evaluate([point], 40)[0]


# Jumps


def jumps_among(pieces: tuple[SmoothPiece, ...], symbol: sympy.Symbol) -> tuple[float, ...]:
    """The inner ends of pieces at which the function itself is discontinuous.

    Compares the values at a distance ``delta`` on both sides for ``delta = 1e-10 .. 1e-40``: the
    difference of a continuous function shrinks, that of a jump stays.
    """
    import mpmath
    import sympy

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
    import mpmath

    if expr is None or (not expr.is_finite and expr.is_number):
        return mpmath.nan
    graph = Graph()
    return Program(graph, [lower(graph, expr, (symbol,))]).evaluate([point], 100)[0]
