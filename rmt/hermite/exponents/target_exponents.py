"""Information exponent and reuse exponent of a target, or of the labels that a loss sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from rmt.arguments import whole_number
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.functions import FunctionLike, ScalarFunction
from rmt.hermite.expansion import hermite_expansion
from rmt.hermite.exponents.exponent import Exponent, VanishingOrder, ZeroProof
from rmt.hermite.exponents.seen_labels import SeenLabels, function_or_labels
from rmt.hermite.tensor import MAX_DEGREE, tensor_hermite_expansion
from rmt.lazy import sympy
from rmt.moments.integrability import check_square_integrable
from rmt.moments.sampled import sampling_error
from rmt.moments.symmetry import even_or_odd_part
from rmt.status import ConvergenceError, InvalidInputError

__all__ = ["information_exponent", "least_order_of_atoms", "reuse_exponent"]

DIGITS = 30
MAX_ORDER = 100
MAX_POWER = 24
# Orders are looked at in batches of growing length.
_FIRST_BATCH = 4
# What counts as zero of numbers in double precision: their error estimates, many times over.
_ROUNDING = 1e-13
_CLEAR = 10.0

_Search: TypeAlias = Callable[[Any, int, str, list[VanishingOrder]], Exponent]


def information_exponent(
    function: FunctionLike | Any,
    max_order: int = 30,
    *,
    loss: Any = "squared",
    noise_std: float = 0.0,
    max_seconds: float | None = MAX_SECONDS,
) -> Exponent:
    """The least ``k >= 1`` with ``E[f(z) He_k(z)] != 0``, ``z`` standard normal.

    For several variables the least total degree of a non-zero tensor coefficient. One step of
    gradient descent on fresh data learns the direction of a single-index target exactly when it
    is 1. Source: Ben Arous, Gheissari, Jagannath, arXiv:2003.10409; docs/theory.md, section 1.

    With a loss ``l(h, y)`` or a law of labels it is the *effective* exponent: of
    ``E[y_1 | z]`` in the place of ``f``, ``y_1 = rho(0, y)`` with ``rho = -dl/dh`` being what the
    first step sees of a label (docs/losses.md, effective labels).

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction, or the law of labels
        The target ``f``; one variable, or up to three. Or the law of ``y`` given ``z``:
        `rmt.Bernoulli`, `rmt.SignOf`, `rmt.Poisson`, `rmt.Channel`.
    max_order : int
        Where to stop; 1 to 100 (12 with several variables).
    loss : str or Loss
        As in `rmt.Problem`; with ``squared`` what is seen is the label itself.
    noise_std : float
        Of Gaussian noise in the label of a target that is a function, which counts for losses whose
        residual is not linear in the label.
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
    >>> clipped = information_exponent("He3(z)/sqrt(6)", loss="huber(1/2)")
    >>> clipped.value, round(float(clipped.coefficient), 4)
    (1, -0.2026)
    >>> import rmt
    >>> print(information_exponent(rmt.SignOf("z*(z**2 - 2*log(2))"), loss="logistic"))
    information exponent: 3
    """
    seen = function_or_labels(function, loss, noise_std)
    parsed = seen if isinstance(seen, ScalarFunction) else seen.mean if seen.is_symbolic else None
    several = (seen if parsed is None else parsed).n_variables > 1
    highest = MAX_DEGREE if several or parsed is None else MAX_ORDER
    if highest == MAX_DEGREE:  # the default is beyond what tensors reach
        max_order = min(max_order, highest)
    max_order = whole_number("max_order", max_order, 1, highest)
    find: _Search = _least_degree if several else _least_order
    if parsed is None:
        find = _least_degree_of_numbers
    found: Any = seen if parsed is None else parsed
    return _in_time(find, found, max_order, "information exponent", max_seconds)


def _in_time(
    find: _Search, function: Any, most: int, name: str, max_seconds: float | None
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
    function: FunctionLike | Any,
    max_power: int = 8,
    *,
    loss: Any = "squared",
    noise_std: float = 0.0,
    max_seconds: float | None = MAX_SECONDS,
) -> Exponent:
    """The least ``m >= 1`` such that ``E[z f(z)^m] != 0``, ``z`` standard normal.

    Gradient steps that reuse a batch see powers of the labels; the direction of the target is
    learned once the power ``m`` appears. ``Exponent.value`` is that power, and ``coefficient`` is
    ``E[z f^m]``. Infinite for an even target. Source: docs/theory.md, section 1; Dandi et al.,
    arXiv:2402.03220.

    With a loss or a law of labels it is the *effective* exponent, the least ``m`` with
    ``E[z y_1^m] != 0``, as for `information_exponent`. Labels of two values have 1 or none:
    every function of such a label is affine in it, so that reuse does not help.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction, or the law of labels
        A target of one variable, whose powers are square-integrable under the normal law.
    max_power : int
        Where to stop; 1 to 24.
    loss, noise_std
        As for `information_exponent`.
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
    >>> import rmt
    >>> print(reuse_exponent(rmt.SignOf("z*(z**2 - 2*log(2))")))
    reuse exponent: infinite
    >>> reuse_exponent(rmt.SignOf("He3(z)")).value
    1
    """
    seen = function_or_labels(function, loss, noise_std)
    max_power = whole_number("max_power", max_power, 1, MAX_POWER)
    if seen.n_variables != 1:
        raise InvalidInputError(
            f"function: {getattr(seen, 'short', seen.text)} has {seen.n_variables} variables; the "
            "reuse exponent is that of a single-index target"
        )
    # Gaussian noise of its own leaves the first moment that does not vanish what it is.
    if not isinstance(seen, ScalarFunction) and seen.function is not None:
        seen = seen.function
    find: _Search = _least_power if isinstance(seen, ScalarFunction) else _least_power_of_labels
    return _in_time(find, seen, max_power, "reuse exponent", max_seconds)


def _least_power(
    parsed: ScalarFunction, max_power: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    if parsed.parity == 1:
        check_square_integrable(parsed)
        powers = range(1, max_power + 1)
        proved = tuple(VanishingOrder(m, ZeroProof.SYMMETRY) for m in powers)
        return Exponent(name, None, max_power, proved, is_infinite=True)
    values = _number_of_values(parsed)
    for m in range(1, max_power + 1):
        if values is not None and m >= values:
            return _all_powers(max_power, name, zeros)
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


def least_order_of_atoms(
    probabilities: Sequence[ScalarFunction],
    max_order: int,
    name: str,
    zeros: list[VanishingOrder],
) -> Exponent:
    """The least ``k`` with ``E[He_k(z) p(z)] != 0`` for some of the probabilities of values.

    The coefficient is ``E[He_k(z) | y] / sqrt(k!)`` at the value where it counts most.
    """
    if all(_is_constant(p) for p in probabilities):
        orders = tuple(VanishingOrder(k, ZeroProof.EXACT) for k in range(1, max_order + 1))
        return Exponent(name, None, max_order, orders, is_infinite=True)
    k, batch = 1, _FIRST_BATCH
    while k <= max_order:
        last = min(batch, max_order)
        expansions = [
            hermite_expansion(p, last, digits=DIGITS, max_seconds=None)
            for p in probabilities
            if not _is_constant(p)
        ]
        for order in range(k, last + 1):
            found = []
            vanishing = []
            for one in expansions:
                mu, error = one.probabilists[order], one.errors[order]
                symmetry = even_or_odd_part(one.function)[0].parity * (-1) ** order == -1
                zero = _as_zero(symmetry and not mu, mu, error, order, one)
                if zero is None:
                    found.append((abs(float(mu)), float(mu / one.probabilists[0])))
                else:
                    vanishing.append(zero)
            if found:
                zeta = max(found)[1] / math.sqrt(math.factorial(order))
                return Exponent(name, order, order, tuple(zeros), zeta)
            zeros.append(max(vanishing, key=lambda zero: (zero.bound, zero.proof)))
        k, batch = last + 1, 3 * batch
    return Exponent(name, None, max_order, tuple(zeros))


def _number_of_values(parsed: ScalarFunction) -> int | None:
    """Of a function that is constant between its kinks."""
    values = {piece.expression for piece in parsed.smooth_pieces}
    return None if any(one.free_symbols for one in values) else len(values)


def _least_power_of_labels(
    labels: SeenLabels, max_power: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    if labels.is_even:
        powers = range(1, max_power + 1)
        proved = tuple(VanishingOrder(m, ZeroProof.SYMMETRY) for m in powers)
        return Exponent(name, None, max_power, proved, is_infinite=True)
    for m in range(1, max_power + 1):
        if labels.n_values is not None and m >= labels.n_values:
            return _all_powers(max_power, name, zeros)
        zero: VanishingOrder | None
        if labels.is_symbolic:
            expansion = hermite_expansion(labels.moment(m), 1, digits=DIGITS, max_seconds=None)
            mu, error = expansion.probabilists[1], expansion.errors[1]
            zero = _as_zero(expansion.function.parity == 1, mu, error, m, expansion)
        else:
            mu, error = labels.coefficients(m, 1)[1,]
            size = math.sqrt(max(float(labels.coefficients(2 * m, 0)[0,].value), 0.0))
            zero = _as_small(mu, error, size, m)
        if zero is None:
            return Exponent(name, m, m, tuple(zeros), mu)
        zeros.append(zero)
    return Exponent(name, None, max_power, tuple(zeros))


def _all_powers(max_power: int, name: str, zeros: list[VanishingOrder]) -> Exponent:
    """Of labels with as many values as powers that vanish, and one more: the others are sums."""
    known = len(zeros)
    if not zeros:  # one value alone
        zeros.append(VanishingOrder(1, ZeroProof.EXACT))
    bound = max(zero.bound for zero in zeros)
    proof = ZeroProof.NUMERICAL if bound else ZeroProof.EXACT
    zeros += [VanishingOrder(m, proof, bound) for m in range(len(zeros) + 1, max_power + 1)]
    proved = all(zero.proof is not ZeroProof.NUMERICAL for zero in zeros[:known])
    return Exponent(name, None, max_power, tuple(zeros), is_infinite=proved)


def _as_small(mu: Any, error: float, size: float, order: int) -> VanishingOrder | None:
    """As `_as_zero`, of a number with an error estimate; it is no proof."""
    bound = error + _ROUNDING * size
    if abs(float(mu)) > _CLEAR * bound:
        return None
    relative = (abs(float(mu)) + bound) / size if size else 0.0
    return VanishingOrder(order, ZeroProof.NUMERICAL, relative)


def _least_degree_of_numbers(
    labels: SeenLabels, max_order: int, name: str, zeros: list[VanishingOrder]
) -> Exponent:
    """Of labels whose conditional mean has no symbolic form."""
    r = labels.n_variables
    size = math.sqrt(max(float(labels.coefficients(2, 0)[(0,) * r].value), 0.0))
    degree = min(_FIRST_BATCH, max_order)
    while True:
        found = labels.coefficients(1, degree)
        for order in range(len(zeros) + 1, degree + 1):
            bound = 0.0
            for alpha, (mu, error) in found.items():
                if sum(alpha) != order:
                    continue
                zero = _as_small(mu, error, size, order)
                if zero is None:
                    return Exponent(name, order, order, tuple(zeros), mu)
                bound = max(bound, zero.bound)
            if labels.is_even and order % 2:
                zeros.append(VanishingOrder(order, ZeroProof.SYMMETRY))
            else:
                zeros.append(VanishingOrder(order, ZeroProof.NUMERICAL, bound))
        if degree == max_order:
            return Exponent(name, None, max_order, tuple(zeros))
        degree = max_order


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
