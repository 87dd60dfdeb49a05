"""Hermite coefficients of every order at once: ``mu_k`` as an expression in ``k``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rmt.functions import FunctionLike, ScalarFunction
from rmt.lazy import sympy
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.moments.exact.closed_form import Piece
    from rmt.moments.exact.gaussian_class import Kernel, NormalForm

__all__ = ["general_term"]

Term = Callable[[Any], Any]


def general_term(function: FunctionLike, k: Any = None) -> Any:
    """``mu_k = E[f(Z) He_k(Z)]`` as an expression in ``k``, or its value for a whole ``k``.

    Known for sums of

    * piecewise polynomials of degree ``m`` with jumps ``J_j(c)`` of the ``j``-th derivative:
      ``mu_k = sum_c phi(c) sum_j J_j(c) He_{k-1-j}(c)`` for ``k > m`` (integration by parts);
    * polynomials times ``exp(A z^2 + B z)``: without the polynomial, ``mu_k = mu_0 s^k He_k(x)``
      with ``s^2 = -2 A / (1 - 2 A)`` and ``x = B / ((1 - 2 A) s)``, or ``mu_0 B^k`` when ``A = 0``
      (generating functions);
    * polynomials times ``exp(B z)`` times a sine or cosine;
    * polynomials times ``erf(u z + v)``: ``mu_k`` of the derivative, one order down (Stein).

    So ReLU and its powers, leaky ReLU, abs, sign, thresholds, hard tanh, sin, cos, exp, erf, GELU,
    Gaussian bumps, all of them shifted and scaled.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Of one variable.
    k : sympy.Symbol or int, optional
        By default a symbol ``k``, a whole number.

    Returns
    -------
    sympy.Expr
        A Piecewise where the first orders do not follow the rule. ``He_n(x)`` is sympy's
        ``hermite_prob(n, x)``.

    Raises
    ------
    InvalidInputError
        When no general term is known.

    Notes
    -----
    Each rule is derived in docs/hermite.md, general terms.

    Examples
    --------
    >>> general_term("exp(z/2)")
    exp(1/8)/2**k
    >>> general_term("erf(z)", 3)
    -4*sqrt(3)/(9*sqrt(pi))
    >>> general_term("heaviside(z - 1)").args[1]
    (sqrt(2)*exp(-1/2)*hermite_prob(k - 1, 1)/(2*sqrt(pi)), True)
    """
    from rmt.moments.exact.closed_form import exact_coefficients, normal_pieces

    parsed = ScalarFunction.parse(function)
    if parsed.n_variables != 1:
        raise InvalidInputError(
            f"function: {parsed.short} has {parsed.n_variables} variables; one is allowed"
        )
    symbol = sympy.Symbol("k", integer=True, nonnegative=True)
    pieces = normal_pieces(parsed)
    rule = None if pieces is None else _rule(pieces)
    if rule is None:
        raise InvalidInputError(
            f"function: no general term is known for {parsed.short}; hermite_expansion gives its "
            "coefficients order by order"
        )
    term, start = rule
    if k is not None and not (isinstance(k, sympy.Symbol) or _is_order(k)):
        raise InvalidInputError(f"k: expected a symbol or a whole number >= 0, got {k!r}")
    if k is not None and _is_order(k) and int(k) >= start:
        return sympy.expand_func(term(sympy.Integer(int(k))))
    first = exact_coefficients(parsed, max(start - 1, int(k) if _is_order(k) else 0))
    if first is None:  # the rule has a term whose first orders have no closed form
        raise InvalidInputError(f"function: the first coefficients of {parsed.short} are not known")
    if _is_order(k):
        return first[int(k)]
    general = sympy.powsimp(term(symbol))
    while start and _follows(general, symbol, start - 1, first[start - 1]):
        start -= 1
    if start:
        branches = [(first[j], sympy.Eq(symbol, j)) for j in range(start)]
        general = sympy.Piecewise(*branches, (general, True))
    return general if k is None else general.subs(symbol, k)


def _is_order(k: Any) -> bool:
    try:
        return not isinstance(k, bool) and int(k) == k and int(k) >= 0
    except TypeError:
        return False


def _follows(general: Any, symbol: Any, order: int, value: Any) -> bool:
    """Whether the rule gives the right value at an order for which it was not derived."""
    number = sympy.expand_func(general.subs(symbol, order))
    return bool(number.is_finite) and bool(sympy.expand(number - value) == 0)


def _rule(pieces: tuple[Piece, ...]) -> tuple[Term, int] | None:
    """A rule for ``mu_k`` and the first order for which it holds."""
    from rmt.moments.exact.gaussian_class import COS, ONE

    everywhere = _common_part(pieces)
    if everywhere is None:
        return None
    terms: list[Term] = []
    start = 0
    polynomials = [form.get((ONE, COS), [sympy.Integer(0)]) for _, _, form in pieces]
    degree = max(len(p) for p in polynomials) - 1
    if degree or len(pieces) > 1 or polynomials[0] != [0]:
        jumps = [
            (left[1], p, q) for left, (p, q) in zip(pieces, pairwise(polynomials), strict=False)
        ]
        terms.append(lambda k: sum((_jump_term(k, *jump) for jump in jumps), sympy.Integer(0)))
        start = degree + 1
    for (kernel, part), polynomial in everywhere.items():
        found = _kernel_term(kernel, part)
        if found is None:
            return None
        term, first = found
        terms.append(_with_polynomial(term, polynomial))
        start = max(start, first + len(polynomial) - 1)
    return lambda k: sympy.Add(*(term(k) for term in terms)), start


def _common_part(pieces: tuple[Piece, ...]) -> NormalForm | None:
    """What is not polynomial, when it is the same on all pieces."""
    from rmt.moments.exact.gaussian_class import ONE

    parts = [
        {key: polynomial for key, polynomial in form.items() if key[0] != ONE}
        for _, _, form in pieces
    ]
    return parts[0] if all(part == parts[0] for part in parts) else None


def _density(x: Any) -> Any:
    return sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)


def _hermite(order: Any, x: Any) -> Any:
    if order.is_negative:
        return sympy.Integer(0)
    if x == 0 and not order.is_Integer:
        # sympy 1.14 leaves out the power of two in hermite_prob(k, 0).
        return 2 ** (order / 2) * sympy.sqrt(sympy.pi) / sympy.gamma((1 - order) / 2)
    return sympy.hermite_prob(order, x)


def _jump_term(k: Any, at: Any, left: list[Any], right: list[Any]) -> Any:
    """``phi(c) sum_j J_j(c) He_{k-1-j}(c)``."""
    x = sympy.Dummy()
    difference = sum(c * x**i for i, c in enumerate(right)) - sum(
        c * x**i for i, c in enumerate(left)
    )
    total = sympy.Integer(0)
    for j in range(max(len(left), len(right))):
        jump = sympy.expand(difference.subs(x, at))
        if jump != 0:
            total += jump * _hermite(k - 1 - j, at)
        difference = sympy.diff(difference, x)
    return total * _density(at)


def _with_polynomial(term: Term, polynomial: list[Any]) -> Term:
    """``mu_k(z f) = mu_{k+1}(f) + k mu_{k-1}(f)``, by Horner's rule."""

    def result(k: Any, lowest: int = 0) -> Any:
        value = polynomial[lowest] * term(k)
        if lowest + 1 < len(polynomial):
            value += result(k + 1, lowest + 1) + k * result(k - 1, lowest + 1)
        return value

    return lambda k: result(k)


def _kernel_term(kernel: Kernel, part: int) -> tuple[Term, int] | None:
    """Rule for one kernel on the whole line and its first order."""
    from rmt.moments.exact.gaussian_class import COS, Kernel as make_kernel

    a, b, w = kernel.quadratic, kernel.linear, kernel.frequency
    if kernel.erfs:
        if len(kernel.erfs) > 1 or a != 0 or b != 0 or w != 0:
            return None
        ((u, v),) = kernel.erfs
        bump = make_kernel(-(u**2), sympy.expand(-2 * u * v), w, ())
        derivative, first = _kernel_term(bump, COS) or (None, 0)
        factor = 2 * u / sympy.sqrt(sympy.pi) * sympy.exp(-(v**2))
        assert derivative is not None
        return lambda k: factor * derivative(k - 1), first + 1
    if w != 0:
        if a != 0:
            return None
        size = sympy.exp((b**2 - w**2) / 2)
        modulus = sympy.sqrt(b**2 + w**2)
        angle = sympy.atan2(w, b) if b != 0 else sympy.pi / 2
        wave = sympy.cos if part == COS else sympy.sin
        return lambda k: size * modulus**k * wave(k * angle + b * w), 0
    precision = 1 - 2 * a
    mean = sympy.exp(b**2 / (2 * precision)) / sympy.sqrt(precision)
    if a == 0:
        return lambda k: mean * b**k, 0
    ratio = 2 * a / precision
    if a.is_negative:
        scale = sympy.sqrt(-ratio)
        x = sympy.radsimp(b / (precision * scale))
        return lambda k: mean * (-ratio) ** (k / 2) * _hermite(k, x), 0
    # He_k of an imaginary argument: (-i)^k He_k(i x) has only positive terms.
    scale = sympy.sqrt(ratio)
    x = sympy.radsimp(b / (precision * scale))
    if x == 0:
        return lambda k: mean * ratio ** (k / 2) * _absolute_hermite_at_zero(k), 0
    return lambda k: mean * ratio ** (k / 2) * (-sympy.I) ** k * _hermite(k, sympy.I * x), 0


def _absolute_hermite_at_zero(k: Any) -> Any:
    """``|He_k(0)|``: ``(k - 1)!!`` for even ``k``, else 0."""
    if k.is_Integer:
        return sympy.Abs(sympy.hermite_prob(k, 0))
    return sympy.cos(sympy.pi * k / 2) * _hermite(k, sympy.Integer(0))
