"""Information exponent and reuse exponent of a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rmt.arguments import whole_number
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.functions import FunctionLike, ScalarFunction
from rmt.hermite.expansion import hermite_expansion
from rmt.hermite.exponents.exponent import Exponent, VanishingOrder, ZeroProof
from rmt.hermite.tensor import MAX_DEGREE, tensor_hermite_expansion
from rmt.lazy import sympy
from rmt.moments.integrability import check_square_integrable
from rmt.moments.sampled import sampling_error
from rmt.moments.symmetry import even_or_odd_part
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["information_exponent", "reuse_exponent"]

DIGITS = 30
MAX_ORDER = 100
MAX_POWER = 24
# Orders are looked at in batches of growing length.
_FIRST_BATCH = 4

_Search: TypeAlias = Callable[[ScalarFunction, int, str, list[VanishingOrder]], Exponent]


def information_exponent(
    function: FunctionLike, max_order: int = 30, *, max_seconds: float | None = MAX_SECONDS
) -> Exponent:
    """The least ``k >= 1`` with ``E[f(z) He_k(z)] != 0``, ``z`` standard normal.

    For several variables the least total degree of a non-zero tensor coefficient. One step of
    gradient descent on fresh data learns the direction of a single-index target exactly when it
    is 1. Source: Ben Arous, Gheissari, Jagannath, arXiv:2003.10409; docs/theory.md, section 1.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        The target ``f``; one variable, or up to three.
    max_order : int
        Where to stop; 1 to 100 (12 with several variables).
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    Exponent
        Zeros by symmetry or in closed form are proved; others are zero to 30 digits (14 with
        several variables and no closed form), and said to be so.

    Raises
    ------
    InvalidInputError
        As for `hermite_expansion`.
    ConvergenceError
        As for `hermite_expansion`; ``best`` holds the orders that are known to vanish.

    Examples
    --------
    >>> information_exponent("He3(z)").value
    3
    >>> print(information_exponent("relu(z) - z/2"))
    information exponent: 2
    >>> information_exponent("z1*z2").value
    2
    """
    parsed = ScalarFunction.parse(function)
    several = parsed.n_variables > 1
    highest = MAX_DEGREE if several else MAX_ORDER
    if several:  # the default is beyond what tensors reach
        max_order = min(max_order, highest)
    max_order = whole_number("max_order", max_order, 1, highest)
    find = _least_degree if several else _least_order
    return _in_time(find, parsed, max_order, "information exponent", max_seconds)


def _in_time(
    find: _Search, function: ScalarFunction, most: int, name: str, max_seconds: float | None
) -> Exponent:
    """The exponent that a search finds; when it is ended, its error carries the zeros so far."""
    zeros: list[VanishingOrder] = []
    try:
        with time_limit(checked_seconds(max_seconds)):
            return find(function, most, name, zeros)
    except ConvergenceError as error:
        error.best = Exponent(name, None, len(zeros), tuple(zeros))
        raise


def _least_order(
    parsed: ScalarFunction, max_order: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    if _is_constant(parsed):
        orders = tuple(VanishingOrder(k, ZeroProof.EXACT) for k in range(1, max_order + 1))
        return Exponent(name, None, max_order, orders, is_infinite=True)
    batch = _FIRST_BATCH
    k = 1
    while k <= max_order:
        last = min(batch, max_order)
        expansion = hermite_expansion(parsed, last, digits=_digits(parsed), max_seconds=None)
        for order in range(k, last + 1):
            mu = expansion.probabilists[order]
            error = expansion.errors[order]
            symmetry = even_or_odd_part(parsed)[0].parity * (-1) ** order == -1
            zero = _as_zero(symmetry and not mu, mu, error, order, expansion)
            if zero is None:
                return Exponent(name, order, order, tuple(zeros), mu)
            zeros.append(zero)
        k, batch = last + 1, 3 * batch
    return Exponent(name, None, max_order, tuple(zeros))


def reuse_exponent(
    function: FunctionLike, max_power: int = 8, *, max_seconds: float | None = MAX_SECONDS
) -> Exponent:
    """The least ``m >= 1`` such that ``E[z f(z)^m] != 0``, ``z`` standard normal.

    Gradient steps that reuse a batch see powers of the labels; the direction of the target is
    learned once the power ``m`` appears. ``Exponent.value`` is that power, and ``coefficient`` is
    ``E[z f^m]``. Infinite for an even target. Source: docs/theory.md, section 1; Dandi et al.,
    arXiv:2402.03220.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        A target of one variable, whose powers are square-integrable under the normal law.
    max_power : int
        Where to stop; 1 to 24.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    Exponent
        As for `information_exponent`: zeros by symmetry or in closed form are proved.

    Raises
    ------
    InvalidInputError
        A function of several variables or that is not square-integrable, a power out of range.
    ConvergenceError
        As for `information_exponent`.

    Examples
    --------
    >>> exponent = reuse_exponent("He3(z)")
    >>> exponent.value, exponent.coefficient
    (3, 324)
    >>> print(reuse_exponent("He2(z)"))
    reuse exponent: infinite
    """
    parsed = ScalarFunction.parse(function)
    max_power = whole_number("max_power", max_power, 1, MAX_POWER)
    if parsed.n_variables != 1:
        raise InvalidInputError(
            f"function: {parsed.short} has {parsed.n_variables} variables; the reuse exponent is "
            "that of a single-index target"
        )
    return _in_time(_least_power, parsed, max_power, "reuse exponent", max_seconds)


def _least_power(
    parsed: ScalarFunction, max_power: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    if parsed.parity == 1:
        check_square_integrable(parsed)
        powers = range(1, max_power + 1)
        proved = tuple(VanishingOrder(m, ZeroProof.SYMMETRY) for m in powers)
        return Exponent(name, None, max_power, proved, is_infinite=True)
    for m in range(1, max_power + 1):
        if parsed.parity == -1 and m % 2 == 0:
            zeros.append(VanishingOrder(m, ZeroProof.SYMMETRY))
            continue
        expansion = hermite_expansion(
            parsed.expression**m, 1, digits=_digits(parsed), max_seconds=None
        )
        mu, error = expansion.probabilists[1], expansion.errors[1]
        zero = _as_zero(expansion.function.parity == 1, mu, error, m, expansion)
        if zero is None:
            return Exponent(name, m, m, tuple(zeros), mu)
        zeros.append(zero)
    return Exponent(name, None, max_power, tuple(zeros))


def _digits(function: ScalarFunction) -> int | None:
    """Those of doubles for what was sampled."""
    return None if function.tables else DIGITS


def _as_zero(
    by_symmetry: bool, mu: Any, error: float, order: int, expansion: Any
) -> VanishingOrder | None:
    """The proof that a coefficient vanishes; None when it does not."""
    if by_symmetry:
        return VanishingOrder(order, ZeroProof.SYMMETRY)
    if not mu:
        if not error:
            return VanishingOrder(order, ZeroProof.EXACT)
        size = float(expansion.second_moment) ** 0.5
        return VanishingOrder(order, ZeroProof.NUMERICAL, error / size if size else error)
    size = float(expansion.second_moment) ** 0.5
    rounding = rounding_of_decimals(expansion.function, size)
    if rounding and abs(float(mu)) <= rounding:
        return VanishingOrder(order, ZeroProof.NUMERICAL, rounding / size)
    if mu.is_Float or not _looks_like_zero(mu):
        return None
    if sympy.simplify(mu) == 0:
        return VanishingOrder(order, ZeroProof.EXACT)
    return VanishingOrder(order, ZeroProof.NUMERICAL, 10.0**-DIGITS)


def rounding_of_decimals(function: ScalarFunction, size: float) -> float:
    """What a coefficient may owe to decimals in the function, such as `remove_hermite` leaves.

    A coefficient that was removed comes back as the rounding of its decimal; 0 without decimals.
    Of a sampled function, what is not known of it.
    """
    decimals = function.expression.atoms(sympy.Float)
    rounding = max((1e3 * 2.0**-d._prec * max(abs(float(d)), size) for d in decimals), default=0.0)
    if function.tables:
        rounding = max(rounding, 10.0 * sampling_error(function), 1e-13 * size)
    return rounding


def _looks_like_zero(mu: Any) -> bool:
    """Whether a closed form is zero to 30 digits of its largest term."""
    largest = max(abs(term.evalf(20)) for term in mu.as_ordered_terms())
    # Enough digits that what is left of a true zero is far below the threshold.
    return bool(abs(mu.evalf(10, maxn=400)) <= largest * 10**-DIGITS)


def _is_constant(function: ScalarFunction) -> bool:
    return not function.expression.free_symbols


def _least_degree(
    function: ScalarFunction, max_order: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    degree = min(_FIRST_BATCH, max_order)
    while True:
        expansion = tensor_hermite_expansion(function, degree, max_seconds=None)
        size = float(expansion.second_moment) ** 0.5
        orthonormal = expansion.orthonormal
        for order in range(len(zeros) + 1, degree + 1):
            bound = 0.0
            for alpha, c in orthonormal.items():
                if sum(alpha) != order:
                    continue
                error = expansion.errors[alpha]
                if c and (not error or abs(float(c)) > error + 1e-14 * size):
                    return Exponent(name, order, order, tuple(zeros), expansion.probabilists[alpha])
                bound = max(bound, error + abs(float(c)))
            proof = ZeroProof.NUMERICAL if bound else ZeroProof.EXACT
            zeros.append(VanishingOrder(order, proof, bound / size if size else bound))
        if degree == max_order:
            return Exponent(name, None, max_order, tuple(zeros))
        degree = max_order
