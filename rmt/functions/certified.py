"""Hermite moments of a function in any precision, each shown by two independent rules.

``mu_k = E[f(Z) He_k(Z)]`` for all orders at once: the function is evaluated once a node, and the
polynomials and sums are done on whole numbers in fixed point. Rule A is the trapezoid rule, on the
line itself where the function is smooth and otherwise on every smooth piece after a double
exponential change of variable. Rule B bisects Gauss-Legendre panels until every panel agrees with
its two halves; towards a singular end the panels are uniform in the logarithm of the distance. The
rules share neither nodes nor precision nor cut-off, so that their difference shows all three.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.functions.exact import exact_values
from rmt.functions.graph import Graph, NodeId
from rmt.functions.kinks import SmoothPiece, refined_end, singular_at
from rmt.functions.lowering import lower
from rmt.functions.program import Program
from rmt.functions.roots import SEARCH_RADIUS
from rmt.functions.scalar_function import ScalarFunction
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = [
    "CertifiedCoefficients",
    "SingularEnd",
    "certified_coefficients",
    "check_square_integrable",
    "closeness",
    "singular_ends",
    "values_near_end",
]

MAX_DIGITS = 1000
ZERO_DIGITS = 10  # a numerical zero is known to this many digits more than were asked for
GUARD_DIGITS = 12
NATURAL = math.log(10.0)

Evaluator: TypeAlias = Callable[[Any, int], Any]
Node: TypeAlias = tuple[Any, int, Any]  # point, extra digits to evaluate with, weight
Sums: TypeAlias = list[int]  # one for each order that does not vanish, and E[f^2]; fixed point


@dataclass(frozen=True, slots=True)
class CertifiedCoefficients:
    """``mu_k = E[f(Z) He_k(Z)]`` for ``k = 0 .. order``, with bounds of the errors.

    Attributes
    ----------
    values, errors : tuple of mpmath.mpf
        ``mu_k`` (not divided by ``k!`` or its root) and its absolute error bound. A zero with a
        positive bound is a numerical zero; one with bound 0 is proved by parity.
    second_moment, second_moment_error : mpmath.mpf
        ``E[f(Z)^2]`` and its absolute error bound.
    """

    values: tuple[Any, ...]
    errors: tuple[Any, ...]
    second_moment: Any
    second_moment_error: Any


def certified_coefficients(
    function: ScalarFunction, order: int, digits: int, *, max_evaluations: int = 200_000
) -> CertifiedCoefficients:
    """``mu_k = E[f(Z) He_k(Z)]`` for ``k = 0 .. order``, each with ``digits`` correct digits.

    ``Z`` is standard normal and ``He_k`` the probabilists' Hermite polynomial, so that
    ``E[He_k^2] = k!``. The relative error of every coefficient that is not zero, and of
    ``E[f^2]``, is at most ``10**-digits``. A coefficient below
    ``10**-(digits + 10) sqrt(k! E[f^2])`` is returned as 0 with that bound as its error; those
    that vanish by parity are 0 with error 0.

    Parameters
    ----------
    function : ScalarFunction
        One variable, square-integrable under the normal law.
    order : int
        The highest order, at least 0.
    digits : int
        1 to 1000 decimal digits.
    max_evaluations : int
        The limit of the work, in evaluations of the function at one point. Next to a singular
        point, one that takes several times the digits of the others counts as several.

    Raises
    ------
    InvalidInputError
        See `check_square_integrable`; an order, a number of digits or a limit that is not allowed.
    ConvergenceError
        The limit was reached first; ``best`` holds the `CertifiedCoefficients` so far, with their
        errors (infinite where nothing is known yet). Also a tail that decays too slowly to cut off.

    Examples
    --------
    >>> import mpmath
    >>> relu = certified_coefficients(ScalarFunction.parse("relu(z)"), 2, 40)
    >>> with mpmath.workdps(40):
    ...     print(relu.values[2])
    ...     print(1 / mpmath.sqrt(2 * mpmath.pi))
    0.3989422804014326779399460599343818684759
    0.3989422804014326779399460599343818684759
    """
    _check_count("order", order, 0, math.inf)
    _check_count("digits", digits, 1, MAX_DIGITS)
    _check_count("max_evaluations", max_evaluations, 1, math.inf)
    check_square_integrable(function)
    if all(piece.expression == 0 for piece in function.smooth_pieces):
        return _zeros(order)
    budget = _Budget(max_evaluations)
    target, scale = digits + GUARD_DIGITS, None
    while True:
        plan = _plan(function, order, digits, target, scale)
        try:
            outcome = _two_rules(plan, budget)
        except _Exhausted as reached:
            raise ConvergenceError(
                f"the Hermite coefficients of {function.text} up to order {order} did not reach "
                f"{digits} digits within max_evaluations={max_evaluations} evaluations of the "
                "function; allow more, or ask for fewer digits or a lower order",
                Status.NOT_CONVERGED,
                reached.best,
            ) from None
        if isinstance(outcome, CertifiedCoefficients):
            return outcome
        target, scale = outcome


def _zeros(order: int) -> CertifiedCoefficients:
    import mpmath

    zeros = (mpmath.mpf(0),) * (order + 1)
    return CertifiedCoefficients(zeros, zeros, mpmath.mpf(0), mpmath.mpf(0))


def _check_count(name: str, value: int, least: int, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{name}: expected a whole number, got {value!r}")
    if not least <= value <= most:
        allowed = f"at least {least}" if most == math.inf else f"{least} to {most}"
        raise InvalidInputError(f"{name}: got {value}; allowed is {allowed}")


# What can be integrated


def check_square_integrable(function: ScalarFunction) -> None:
    """Raise unless ``f`` is a real function with ``E[f(Z)^2]`` finite.

    The growth is that of ``log |f|`` up to ``|z| = 4096``, compared with ``z^2/4``; the singular
    points are the ends of the smooth pieces, where the power of the distance must exceed ``-1/2``.
    Never overflows, and evaluates nothing that takes long.

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
            f"function: {function.text} has {function.n_variables} variables; one is allowed"
        )
    _checked(function)


@lru_cache(maxsize=512)
def _checked(function: ScalarFunction) -> bool:
    # The order matters: the growth is judged first, by arithmetic that cannot overflow.
    _check_growth(function)
    function.check_real()
    for piece, ends in zip(function.smooth_pieces, singular_ends(function), strict=True):
        for end, exact in zip(ends, (piece.lower, piece.upper), strict=True):
            if end is not None and end.power <= -0.5 + 1e-6:
                raise InvalidInputError(
                    f"{function.text} is not square-integrable: near z = {_place(exact)} it "
                    f"grows like |z - z0|**({end.power:.3g}), and the power must exceed -1/2"
                )
    return True


def _check_growth(function: ScalarFunction) -> None:
    import mpmath

    graph, root, arguments = _guarded_graph(function.expression, function.symbols[0])
    plain = Program(*_lowered(function.expression, function.symbols[0]), repair=False)
    # Irrational fractions of an octave, from r = 5 to 4096.
    steps = [2 ** (i / 8 + 1 / (100 * math.pi)) for i in range(8)]
    octaves = [[5.12 * 2**j * step for step in steps] for j in range(10)]
    risky: list[float] = []
    for sign, side in ((-1, "minus"), (1, "plus")):
        profile = []
        for radii in octaves:
            largest = []
            for radius in radii:
                x = mpmath.mpf(sign * radius)
                value, *inner = exact_values(
                    graph.graph, [root, *arguments], graph.point(x, 20), 20
                )
                if radius < SEARCH_RADIUS + 1 and any(abs(a) > _LARGE for a in inner):
                    risky.append(float(x))
                if mpmath.isfinite(value):
                    size = float(mpmath.log(abs(value))) if value else -math.inf
                    largest.append(2 * size - radius**2 / 2 + math.log(radius))
            if largest:
                profile.append(max(largest))
        # E[f^2] is finite when z f(z)^2 exp(-z^2/2) decays like a power of z, or faster.
        # What has reached the bound of the exponents stays the same, with either sign.
        decays = len(profile) < 2 or profile[-1] < max(profile[-2] - 0.2, -1e12)
        if not decays:
            raise InvalidInputError(
                f"{function.text} is not square-integrable under the normal law: towards z = "
                f"{side} infinity it grows as fast as exp(z**2/4) or faster; allowed is "
                "exp(a*z**2) with a < 1/4"
            )
    # Where exponents run away, plain arithmetic must cope: the repair of it would take for ever.
    bad = [x for x in risky if not np.isfinite(plain(np.array([x]))[0]).all()]
    if bad:
        raise InvalidInputError(
            f"{function.text} cannot be evaluated near z = {bad[0]:.3g}: exponentials of "
            "exponentials overflow there; write it so that large exponents have a minus sign"
        )


def _place(point: Any) -> str:
    return f"{float(point) if abs(point) > 1e-10 else 0.0:.6g}"


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


@lru_cache(maxsize=512)
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
    (z,) = function.symbols

    def at(piece: SmoothPiece, end: Any, side: int) -> SingularEnd | None:
        if not end.is_finite or not singular_at(
            piece.expression, z, refined_end(function.expression, z, end, 45)
        ):
            return None
        return _singular_end(function, piece, end, side)

    return tuple(
        (at(piece, piece.lower, 1), at(piece, piece.upper, -1)) for piece in function.smooth_pieces
    )


def _singular_end(function: ScalarFunction, piece: SmoothPiece, end: Any, side: int) -> SingularEnd:
    import mpmath

    (z,) = function.symbols
    evaluate = _evaluator(piece.expression, z)
    most = 8
    with mpmath.workdps(60 + 40 * most):
        place = refined_end(function.expression, z, end, 400)
        near, nearer = place + side * mpmath.mpf("1e-20"), place + side * mpmath.mpf("1e-40")
        values = [evaluate(near, 400), evaluate(nearer, 400)]
        if not all(mpmath.isfinite(v) for v in values):
            raise InvalidInputError(
                f"{function.text} is not a number near z = {_place(place)}; it must be real "
                "and finite on both sides of every singular point"
            )
        power = 0.0
        if all(values):
            power = float(mpmath.log(abs(values[0] / values[1])) / (20 * mpmath.log(10)))
        for loss in (0, 1, 2, 3, 4, most):
            rough = evaluate(nearer, 30 + 40 * loss)
            if abs(rough - values[1]) <= mpmath.mpf("1e-28") * abs(values[1]):
                break
    return SingularEnd(power, loss)


def values_near_end(
    function: ScalarFunction, index: int, side: int, distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``f`` in double precision at these distances from an end of the piece of this index.

    ``side`` is 1 at the lower end, -1 at the upper one. The place of the end and the function are
    computed with as many digits as the closest distance costs.
    """
    import mpmath

    (z,) = function.symbols
    piece = function.smooth_pieces[index]
    end = singular_ends(function)[index][0 if side == 1 else 1]
    loss = end.loss if end is not None else 0
    most = math.ceil(-math.log10(distances.min())) + 25
    place = refined_end(function.expression, z, piece.lower if side == 1 else piece.upper, 2 * most)
    evaluate = _evaluator(piece.expression, z)
    values = []
    with mpmath.workdps(2 * most):
        for distance in distances.tolist():
            digits = 20 + loss * max(0, math.ceil(-math.log10(distance)))
            values.append(float(evaluate(place + side * mpmath.mpf(distance), digits)))
    return np.array(values)


# Evaluation with exponents that cannot run away

_LARGE = 2**256
_EXPONENTIAL = frozenset(
    (
        "exp expm1 sinh cosh tanh sech sech2 sigmoid sigmoid_slope softplus erf erfc sin cos tan"
    ).split()
)
_LINEAR = frozenset({"const", "var", "add", "sub", "neg"})


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A graph whose constants are variables: they are computed once for each precision."""

    graph: Graph
    constants: tuple[Any, ...]
    known: dict[int, list[Any]]

    def point(self, x: Any, digits: int) -> list[Any]:
        if digits not in self.known:
            graph = Graph()
            nodes = [graph.const(c) for c in self.constants]
            self.known[digits] = exact_values(graph, nodes, [], digits)
        return [x, *self.known[digits]]


def _lowered(expression: Any, symbol: Any) -> tuple[Graph, list[NodeId]]:
    graph = Graph()
    return graph, [lower(graph, expression, (symbol,))]


def _guarded_graph(expression: Any, symbol: Any) -> tuple[_Guarded, NodeId, list[NodeId]]:
    """The graph, its root, and the arguments that are kept within ``2**256`` in size.

    An exponential of more than that is no number that could be stored, and one of less is nothing.
    """
    import sympy

    source, (root,) = _lowered(expression, symbol)
    graph = Graph()
    constants: list[Any] = []
    renamed: dict[NodeId, NodeId] = {}
    limited: list[NodeId] = []

    def constant(number: Any) -> NodeId:
        constants.append(number)
        return graph.node("var", payload=len(constants))

    bound = constant(sympy.Integer(_LARGE)), constant(sympy.Integer(-_LARGE))
    for node in source.ancestors([root]):
        operation, payload = source.operations[node], source.payloads[node]
        arguments = [renamed[a] for a in source.arguments[node]]
        if operation == "const":
            renamed[node] = constant(payload)
            continue
        index = {"power": 1}.get(operation, 0 if operation in _EXPONENTIAL else -1)
        if index >= 0 and not _is_tame(source, source.arguments[node][index]):
            limited.append(arguments[index])
            arguments[index] = graph.node(
                "max", graph.node("min", arguments[index], bound[0]), bound[1]
            )
        renamed[node] = graph.node(operation, *arguments, payload=payload)
    return _Guarded(graph, tuple(constants), {}), renamed[root], limited


def _is_tame(graph: Graph, node: NodeId) -> bool:
    operation = graph.operations[node]
    if operation == "mul" and not graph.is_const(graph.arguments[node][1]):
        return False
    return operation in (*_LINEAR, "mul") and all(_is_tame(graph, a) for a in graph.arguments[node])


@lru_cache(maxsize=512)
def _evaluator(expression: Any, symbol: Any) -> Evaluator:
    guarded, root, _ = _guarded_graph(expression, symbol)
    graph, point = guarded.graph, guarded.point

    def evaluate(x: Any, digits: int) -> Any:
        return exact_values(graph, (root,), point(x, digits), digits)[0]

    return evaluate


# The plan of one computation


@dataclass(frozen=True, slots=True)
class _Piece:
    """A smooth piece; a finite end is an mpmath number, an infinite one None."""

    lower: Any
    upper: Any
    evaluate: Evaluator
    lower_end: SingularEnd | None = None
    upper_end: SingularEnd | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to integrate.

    ``target`` digits relative to ``sqrt(k! E[f^2])``; values in fixed point with ``fixed`` bits in
    units of ``2**scale``; ``reach`` is the cut-off on the left and right; ``fold`` is 2 when the
    integral over the half line is doubled, and ``orders`` are those that do not vanish by parity.
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
    pieces: tuple[_Piece, ...]

    @property
    def tolerances(self) -> Sums:
        unit = (1 << self.fixed) // 10**self.target
        roots = [math.isqrt(math.factorial(k) << 20) for k in self.orders]
        return [*((unit * root) >> 10 for root in roots), unit]


def _plan(
    function: ScalarFunction, order: int, digits: int, target: int, scale: int | None
) -> _Plan:
    parity = function.parity
    orders = range(parity == -1, order + 1, 2 if parity else 1)
    found, reach = _scale_and_reach(function, order, target)
    _check_outermost(function, reach)
    closest = max(
        [
            closeness(end, target)
            for ends in singular_ends(function)
            for end in ends
            if end is not None and end.loss
        ],
        default=0,
    )
    return _Plan(
        order=order,
        digits=digits,
        target=target,
        bits=math.ceil((target + 18 + closest) * math.log2(10.0)),
        fixed=math.ceil(target * math.log2(10.0) + (max(reach) + 1) ** 2 / 4 / math.log(2)) + 48,
        scale=found if scale is None else scale,
        orders=orders,
        fold=2 if parity else 1,
        reach=(0.0, max(reach)) if parity else reach,
        pieces=_pieces(function, target + 25 + closest),
    )


def closeness(end: SingularEnd, target: int) -> int:
    """Digits of the distance from a singular end at which the distance times ``f^2`` is negligible.

    Negligible is ``10**-(target + 6)``.
    """
    return math.ceil((target + 6) / min(1.0, max(1.0 + 2.0 * end.power, 0.005)))


@lru_cache(maxsize=64)
def _pieces(function: ScalarFunction, digits: int) -> tuple[_Piece, ...]:
    """The pieces, on the right half line alone when the function has a parity."""
    import mpmath

    (z,) = function.symbols
    kept: list[_Piece] = []
    edges = [None, *(piece.upper for piece in function.smooth_pieces[:-1]), None]
    ends = [
        None if edge is None else refined_end(function.expression, z, edge, digits)
        for edge in edges
    ]
    for piece, singular, low, high in zip(
        function.smooth_pieces, singular_ends(function), ends, ends[1:], strict=False
    ):
        lower_end, upper_end = singular
        if function.parity:
            if high is not None and high <= 0:
                continue
            # A whole smooth line keeps its trapezoid rule.
            if (low is None or low < 0) and len(function.smooth_pieces) > 1:
                low, lower_end = mpmath.mpf(0), None
        if piece.expression != 0:
            kept.append(_Piece(low, high, _evaluator(piece.expression, z), lower_end, upper_end))
    return tuple(kept)


def _visible(plan: _Plan) -> list[_Piece]:
    """The pieces that reach into the range; an end beyond it counts as infinite."""
    left, right = plan.reach
    kept = []
    for piece in plan.pieces:
        if piece.lower is not None and piece.lower <= -left and plan.fold == 1:
            piece = replace(piece, lower=None, lower_end=None)
        if piece.upper is not None and piece.upper >= right:
            piece = replace(piece, upper=None, upper_end=None)
        starts = -left if piece.lower is None else piece.lower
        if starts < (right if piece.upper is None else piece.upper):
            kept.append(piece)
    return kept


def _scale_and_reach(
    function: ScalarFunction, order: int, target: int
) -> tuple[int, tuple[float, float]]:
    """``log2 sqrt(E[f^2])`` roughly, and the cut-off on both sides.

    Beyond the cut-off, ``|f He_k| phi`` is below ``10**-(target + 3) sqrt(k! E[f^2])`` for every
    order, and ``f^2 phi`` below the same fraction of ``E[f^2]``.
    """
    profile = _profile(function)
    least = 2.0 * math.sqrt(order) + 1.5 * math.sqrt(2.0 * NATURAL * (target + 3))
    reached = {}
    while True:
        inside = [entry for entry in profile(least) if entry[1] > -math.inf]
        squares = [2 * size - z**2 / 2 + math.log(width) for z, size, width in inside]
        largest = max(squares, default=0.0)
        log_norm = (largest + math.log(sum(math.exp(s - largest) for s in squares) or 1.0)) / 2
        small = -(target + 3) * NATURAL
        for side in (-1, 1):
            visible = [
                abs(z)
                for z, size, _ in inside
                if side * z > 0
                and max(
                    size - z**2 / 2 + _log_hermite(order, abs(z)) - log_norm,
                    2 * (size - z**2 / 4 - log_norm),
                )
                > small
            ]
            reached[side] = max(visible, default=1.0) + 0.5
        # Twelve points below the bar at the end of the scan: the tail is really over.
        if max(reached.values()) < least - 6:
            break
        least *= 1.5
        if least > 3000:
            raise ConvergenceError(
                f"{function.text} grows almost as fast as exp(z**2/4): its tail cannot be cut off "
                f"at {target} digits",
                Status.NOT_CONVERGED,
            )
    return round(log_norm / math.log(2)), (reached[-1], reached[1])


def _check_outermost(function: ScalarFunction, reach: tuple[float, float]) -> None:
    """Kinks without a closed form are known up to a radius; raise where there are more beyond."""
    import mpmath

    pieces = function.smooth_pieces
    whole = _evaluator(function.expression, function.symbols[0])
    for side, piece, far in ((-1, pieces[0], reach[0]), (1, pieces[-1], reach[1])):
        outermost = _evaluator(piece.expression, function.symbols[0])
        for i in range(math.ceil(8 * max(0.0, far + 1 - SEARCH_RADIUS))):
            x = mpmath.mpf(side * (SEARCH_RADIUS + 0.0612345 + i / 8))
            if float(piece.lower) < x < float(piece.upper):
                expected, found = whole(x, 40), outermost(x, 40)
                if not abs(expected - found) <= mpmath.mpf("1e-20") * abs(expected):
                    raise ConvergenceError(
                        f"so many digits need {function.text} at |z| = {float(abs(x)):.4g}, and "
                        f"its kinks are known for |z| <= {SEARCH_RADIUS:g}; ask for fewer digits",
                        Status.NOT_CONVERGED,
                    )


@lru_cache(maxsize=64)
def _profile(function: ScalarFunction) -> Callable[[float], list[tuple[float, float, float]]]:
    """``(z, log |f(z)|, width)`` on a grid of step 1/2 and in the middle of every piece."""
    import mpmath

    evaluate = _evaluator(function.expression, function.symbols[0])

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


@lru_cache(maxsize=4096)
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


# Sums over nodes


class _Exhausted(Exception):
    """The limit of evaluations is reached."""

    def __init__(self) -> None:
        super().__init__()
        self.best: CertifiedCoefficients | None = None


class _Budget:
    """Evaluations that may still be done."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, cost: int) -> None:
        if self.left < cost:
            raise _Exhausted
        self.left -= cost


def _moments(plan: _Plan, piece: _Piece, nodes: Iterable[Node], budget: _Budget) -> Sums:
    """``sum weight exp(-z^2/2) f (He_k, .., f)`` over nodes, in fixed point."""
    import mpmath
    from mpmath.libmp import to_fixed

    orders, fixed, scale, digits = plan.orders, plan.fixed, plan.scale, plan.target + 5
    exp, evaluate = mpmath.mp.exp, piece.evaluate
    shifts = [(2 * k + 1) << fixed for k in orders]
    sums = [0] * (len(orders) + 1)
    for z, extra, weight in nodes:
        budget.spend(1 + extra // (2 * digits))
        value = evaluate(z, digits + extra)
        if not mpmath.isfinite(value):
            raise ConvergenceError(
                f"the function has no finite value at z = {float(z):.12g}", Status.NOT_FINITE
            )
        density = value * exp(-z * z / 2) * weight
        sums[-1] += to_fixed((value * density)._mpf_, fixed - 2 * scale)
        x = to_fixed(z._mpf_, fixed)
        previous, current = 0, to_fixed(density._mpf_, fixed - scale)
        if orders.step == 1:
            for k in orders:
                sums[k] += current
                previous, current = current, (x * current >> fixed) - k * previous
        else:
            # He_{k+2} = (z^2 - 2k - 1) He_k - k (k - 1) He_{k-2}
            square = x * x >> fixed
            if orders.start:
                current = x * current >> fixed
            for i, k in enumerate(orders):
                sums[i] += current
                previous, current = (
                    current,
                    ((square - shifts[i]) * current >> fixed) - k * (k - 1) * previous,
                )
    return sums


# Rule A: the trapezoid rule, refined by halving the step


# On the line the first step is 1/32, so that nothing narrow is passed over.
FIRST_LEVEL = 5


@dataclass(slots=True)
class _Refinement:
    """One piece under rule A: the sums over all nodes so far, the integral and its last change."""

    piece: _Piece
    level: int
    sums: Sums | None = None
    value: Sums | None = None
    change: Sums | None = None


def _refine_once(plan: _Plan, part: _Refinement, budget: _Budget) -> None:
    first = part.sums is None
    level = part.level if first else part.level + 1
    new = _moments(plan, part.piece, _trapezoid_nodes(plan, part.piece, level, first), budget)
    sums = new if part.sums is None else [a + b for a, b in zip(part.sums, new, strict=True)]
    value = [s >> level for s in sums]
    if part.value is not None:
        part.change = [abs(a - b) for a, b in zip(value, part.value, strict=True)]
    part.level, part.sums, part.value = level, sums, value


def _trapezoid_nodes(plan: _Plan, piece: _Piece, level: int, first: bool) -> Iterator[Node]:
    """The nodes that a level adds, for steps of ``2**-level`` in the variable of the rule."""
    import mpmath

    mpf = mpmath.mp.mpf
    left, right = plan.reach
    if piece.lower is None and piece.upper is None:
        for i in _indices(-left, right, level, first):
            weight = 1 if plan.fold == 2 and i == 0 else plan.fold
            yield mpmath.ldexp(mpf(i), -level), 0, weight
        return
    target, bits = plan.target, plan.bits
    if piece.lower is None or piece.upper is None:
        side = 1 if piece.upper is None else -1
        place, end = (piece.lower, piece.lower_end) if side == 1 else (piece.upper, piece.upper_end)
        closest = closeness(end, target) if end else target + 6
        far = float(right - place if side == 1 else place + left)
        for distance, weight in _half_line(closest, _rounded_up(far), level, first, bits):
            yield _near(place, side, distance, end, plan.fold * weight)
        return
    width = piece.upper - piece.lower
    for place, end, side in (
        (piece.lower, piece.lower_end, 1),
        (piece.upper, piece.upper_end, -1),
    ):
        closest = closeness(end, target) if end else target + 6
        for distance, weight in _interval(closest, level, first, side, bits):
            yield _near(place, side, distance * width, end, plan.fold * width * weight)


def _near(place: Any, side: int, distance: Any, end: SingularEnd | None, weight: Any) -> Node:
    extra = 0
    if end is not None and end.loss:
        import mpmath

        extra = max(0, math.ceil(-0.302 * mpmath.mp.mag(distance))) * end.loss
    return place + side * distance, extra, weight


def _indices(low: float, high: float, level: int, first: bool) -> range:
    count = 2**level
    start, stop = math.ceil(low * count), math.floor(high * count)
    return range(start, stop + 1) if first else range(start + 1 - start % 2, stop + 1, 2)


def _rounded_up(value: float) -> float:
    return math.ceil(4 * value) / 4


@lru_cache(maxsize=32)
def _half_line(
    closeness: int, far: float, level: int, first: bool, bits: int
) -> list[tuple[Any, Any]]:
    """Distances ``exp(t - exp(-t))`` and weights: double exponential at 0, exponential far out."""
    import mpmath

    high = math.log(far) + 0.25
    for _ in range(5):
        high = math.log(far) + math.exp(-high)
    nodes = []
    with mpmath.workprec(bits):
        for i in _indices(-math.log(NATURAL * closeness), high, level, first):
            t = mpmath.ldexp(mpmath.mpf(i), -level)
            inverse = mpmath.exp(-t)
            distance = mpmath.exp(t - inverse)
            nodes.append((distance, distance * (1 + inverse)))
    return nodes


@lru_cache(maxsize=32)
def _interval(
    closeness: int, level: int, first: bool, side: int, bits: int
) -> list[tuple[Any, Any]]:
    """Tanh-sinh nodes of the unit interval next to one end; the middle belongs to the lower."""
    import mpmath

    nodes = []
    high = math.asinh(NATURAL * closeness / math.pi)
    with mpmath.workprec(bits):
        for i in _indices(0.0, high, level, first):
            if i == 0 and side == -1:
                continue
            e = mpmath.exp(mpmath.ldexp(mpmath.mpf(i), -level))
            q = mpmath.exp(-mpmath.pi / 2 * (e - 1 / e))
            distance = q / (1 + q)
            nodes.append((distance, mpmath.pi / 2 * (e + 1 / e) * distance / (1 + q)))
    return nodes


# Rule B: Gauss-Legendre panels, bisected

PANEL = 2.0
PANEL_OF_LOGARITHM = 12.0
LEAST_PANEL = 1e-12


@dataclass(frozen=True, slots=True)
class _Segment:
    """Part of a piece: ``z`` from ``low`` to ``high``, or ``place + side * exp(-t)`` for such t."""

    low: Any
    high: Any
    place: Any = None
    side: int = 0
    end: SingularEnd | None = None


def _segments(plan: _Plan, piece: _Piece) -> list[_Segment]:
    import mpmath

    left, right = plan.reach
    low = mpmath.mpf(-left) if piece.lower is None else piece.lower
    high = mpmath.mpf(right) if piece.upper is None else piece.upper
    reach = min(mpmath.mpf(1), (high - low) / 2)
    segments = []
    inner = [low, high]
    for i, (place, end, side) in enumerate(
        ((low, piece.lower_end, 1), (high, piece.upper_end, -1))
    ):
        if end is not None:
            start, stop = -mpmath.log(reach), NATURAL * closeness(end, plan.target + 3)
            segments.append(_Segment(start, mpmath.mpf(stop), place, side, end))
            inner[i] = place + side * reach
    if inner[0] < inner[1]:
        segments.append(_Segment(*inner))
    return segments


def _panel_nodes(plan: _Plan, segment: _Segment, low: Any, high: Any) -> Iterator[Node]:
    import mpmath

    middle, half = (low + high) / 2, (high - low) / 2
    for x, weight in _legendre(_panel_order(plan.target), plan.bits):
        t = middle + half * x
        if segment.end is None:
            yield t, 0, plan.fold * half * weight
        else:
            distance = mpmath.mp.exp(-t)
            yield _near(
                segment.place,
                segment.side,
                distance,
                segment.end,
                plan.fold * half * weight * distance,
            )


def _panel_order(target: int) -> int:
    return min(8 * math.ceil(max(target, 48) / 8), 400)


def _panels(plan: _Plan, budget: _Budget) -> tuple[Sums, Sums]:
    """The integral by panels, and the sum of the differences between panels and their halves."""
    tolerances = [t >> 6 for t in plan.tolerances]
    total, change = [0] * len(tolerances), [0] * len(tolerances)
    for piece in _visible(plan):

        def sums(segment: _Segment, low: Any, high: Any, piece: _Piece = piece) -> Sums:
            return _moments(plan, piece, _panel_nodes(plan, segment, low, high), budget)

        for segment in _segments(plan, piece):
            width = PANEL if segment.end is None else PANEL_OF_LOGARITHM
            count = max(1, round(float(segment.high - segment.low) / width))
            step = (segment.high - segment.low) / count
            edges = [segment.low + i * step for i in range(count)] + [segment.high]
            stack = [(a, b, sums(segment, a, b)) for a, b in pairwise(edges)]
            while stack:
                low, high, whole = stack.pop()
                middle = (low + high) / 2
                halves = sums(segment, low, middle), sums(segment, middle, high)
                both = [a + b for a, b in zip(*halves, strict=True)]
                apart = [abs(a - b) for a, b in zip(whole, both, strict=True)]
                if high - low < LEAST_PANEL or all(
                    a <= t for a, t in zip(apart, tolerances, strict=True)
                ):
                    total = [a + b for a, b in zip(total, both, strict=True)]
                    change = [a + b for a, b in zip(change, apart, strict=True)]
                else:
                    stack += [(middle, high, halves[1]), (low, middle, halves[0])]
    return total, change


@lru_cache(maxsize=32)
def _legendre(count: int, bits: int) -> list[tuple[Any, Any]]:
    """Gauss-Legendre nodes and weights on [-1, 1], by Newton's method in fixed point."""
    import mpmath

    fixed = bits + 20
    one = 1 << fixed
    starts = np.polynomial.legendre.leggauss(count)[0]
    nodes: list[tuple[Any, Any]] = []
    with mpmath.workprec(bits + 10):
        for start in starts[count // 2 :]:
            x = int(mpmath.ldexp(mpmath.mpf(float(start)), fixed))
            for _ in range(max(1, math.ceil(math.log2(fixed / 45))) + 1):
                previous, current = one, x
                for k in range(1, count):
                    previous, current = (
                        current,
                        ((2 * k + 1) * (x * current >> fixed) - k * previous) // (k + 1),
                    )
                gap = one - (x * x >> fixed)
                slope = (count * (previous - (x * current >> fixed)) << fixed) // gap
                x -= (current << fixed) // slope
            node = mpmath.ldexp(mpmath.mpf(x), -fixed)
            steepness = mpmath.ldexp(mpmath.mpf(slope), -fixed)
            weight = 2 / ((1 - node * node) * steepness**2)
            nodes.append((node, weight))
    mirrored = [(-x, w) for x, w in nodes[::-1] if abs(x) > mpmath.mpf("1e-10")]
    return mirrored + nodes


# Both rules, and what they show


def _two_rules(plan: _Plan, budget: _Budget) -> CertifiedCoefficients | tuple[int, int]:
    """The result; or the digits and the scale with which to start again."""
    import mpmath

    with mpmath.workprec(plan.bits):
        parts = [
            _Refinement(piece, FIRST_LEVEL if piece.lower is piece.upper is None else 2)
            for piece in _visible(plan)
        ]
        try:
            again = _refine(plan, parts, budget)
            if again is not None:
                return again
            left, right = plan.reach
            other = replace(
                plan, bits=plan.bits + 40, reach=(left if plan.fold == 2 else left + 1, right + 1)
            )
            with mpmath.workprec(other.bits):
                panels = _panels(other, budget)
            while not (result := _result(plan, parts, panels))[1]:
                for part in parts:
                    _refine_once(plan, part, budget)
            return result[0]
        except _Exhausted as reached:
            reached.best = _result(plan, parts, None)[0]
            raise


def _refine(plan: _Plan, parts: list[_Refinement], budget: _Budget) -> tuple[int, int] | None:
    """Halve the steps of every piece until it settles."""
    tolerances = [t // max(len(parts), 1) for t in plan.tolerances]
    pending = parts
    while pending:
        for part in pending:
            _refine_once(plan, part, budget)
        pending = [
            part
            for part in parts
            if part.change is None
            or any(c > t for c, t in zip(part.change, tolerances, strict=True))
        ]
        square = sum(part.value[-1] for part in parts if part.value is not None)
        off = (square.bit_length() - plan.fixed) // 2
        if square and (off > 8 or (not pending and off < -4)):
            return plan.target, plan.scale + off
    needed = plan.digits + 3 + _digits_lost(plan, parts)
    return None if needed <= plan.target else (math.ceil(needed) + 2, plan.scale)


def _digits_lost(plan: _Plan, parts: list[_Refinement]) -> float:
    """``log10`` of the largest ``sqrt(k! E[f^2]) / |mu_k|`` among those that are not zero."""
    import mpmath

    *values, square = _measured(plan, _summed([part.value for part in parts], plan))
    lost = 0.0
    for k, value in zip(plan.orders, values, strict=True):
        size = mpmath.sqrt(mpmath.factorial(k) * square)
        if abs(value) * 2 * mpmath.mpf(10) ** (plan.digits + ZERO_DIGITS) > size:
            lost = max(lost, float(mpmath.log10(size / abs(value))))
    return lost


def _summed(sums: Iterable[Sums | None], plan: _Plan) -> Sums | None:
    total = [0] * (len(plan.orders) + 1)
    for entry in sums:
        if entry is None:
            return None
        total = [a + b for a, b in zip(total, entry, strict=True)]
    return total


def _measured(plan: _Plan, sums: Sums | None) -> list[Any]:
    """Fixed point to numbers; unknown sums are infinite."""
    import mpmath

    if sums is None:
        return [mpmath.inf] * (len(plan.orders) + 1)
    root = mpmath.sqrt(2 * mpmath.pi)
    exponents = [plan.scale - plan.fixed] * len(plan.orders) + [2 * plan.scale - plan.fixed]
    return [
        mpmath.ldexp(mpmath.mpf(s), exponent) / root
        for s, exponent in zip(sums, exponents, strict=True)
    ]


def _result(
    plan: _Plan, parts: list[_Refinement], panels: tuple[Sums, Sums] | None
) -> tuple[CertifiedCoefficients, bool]:
    """The coefficients with their error bounds, and whether all of them are certified."""
    import mpmath

    mpf = mpmath.mpf
    first = _measured(plan, _summed([part.value for part in parts], plan))
    changes = _measured(plan, _summed([part.change for part in parts], plan))
    if panels is None:
        # One rule alone: twice its last change.
        values = [v if mpmath.isfinite(v) else mpf(0) for v in first]
        bounds = [2 * c for c in changes]
    else:
        values = _measured(plan, panels[0])
        bounds = [
            abs(a - b) + c + d
            for a, b, c, d in zip(first, values, changes, _measured(plan, panels[1]), strict=True)
        ]
    square = abs(values[-1])
    # What the rules share: the tail, the evaluation and the ends.
    shared = mpf(10) ** -(plan.target + 1)
    bounds[-1] += shared * square
    tolerance = mpf(10) ** -plan.digits
    certified = bool(bounds[-1] <= tolerance * square) and panels is not None and square > 0
    coefficients = [mpf(0)] * (plan.order + 1)
    errors = [mpf(0)] * (plan.order + 1)
    for k, value, bound in zip(plan.orders, values, bounds, strict=False):
        size = mpmath.sqrt(mpmath.factorial(k) * square)
        bound += shared * size
        nothing = size * mpf(10) ** -(plan.digits + ZERO_DIGITS)
        if abs(value) + bound <= nothing:
            value, bound = mpf(0), nothing
        elif not bound <= tolerance * abs(value):
            certified = False
        coefficients[k], errors[k] = value, bound
    result = CertifiedCoefficients(tuple(coefficients), tuple(errors), values[-1], bounds[-1])
    return result, certified
