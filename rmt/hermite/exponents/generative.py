"""The generative exponent: the least Hermite order that a label, transformed at will, shows."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Protocol

from rmt.budget import MAX_SECONDS, OutOfTime, checked_seconds, time_limit
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.hermite.exponents.conditional_moment import Moment
from rmt.hermite.exponents.exponent import Exponent, VanishingOrder, ZeroProof
from rmt.hermite.exponents.label_atoms import atoms_of, piece_ends
from rmt.hermite.exponents.label_levels import levels_of
from rmt.hermite.exponents.monotone_branches import flat_and_curved, monotone_branches
from rmt.hermite.exponents.seen_labels import function_or_labels
from rmt.hermite.exponents.target_exponents import least_order_of_atoms
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["generative_exponent"]

NAME = "generative exponent"
HIGHEST_ORDER = 50


def generative_exponent(
    function: FunctionLike | Any,
    max_order: int = 12,
    *,
    loss: Any = "squared",
    max_seconds: float | None = MAX_SECONDS,
) -> Exponent:
    r"""Least order at which the label of a single-index model says something about its direction.

    For ``y = f(z)`` with ``z`` standard normal, of density ``phi``, the least ``k >= 1`` such that

    .. math:: \zeta_k(y) = E[He_k(z) \mid y]

    is not almost surely zero. It is the least information exponent that any transformation of the
    label can reach. Independent additive noise in the label, of whatever size, does not change it
    when the noise is Gaussian: convolution with a Gaussian is injective on
    ``zeta_k(y) p(y)``.

    Where ``f`` is not constant, with the sum over the preimages ``z_i`` of ``y``,

    .. math:: \zeta_k(y) p(y) = \sum_i He_k(z_i) \varphi(z_i) / |f'(z_i)|,

    and where it is flat, ``y = c`` has an atom, whose moment is a sum over the flat pieces
    ``(a, b)`` of ``He_{k-1}(a) phi(a) - He_{k-1}(b) phi(b)``.

    With a law of labels, or a loss, it is that of what the loss sees of the label,
    ``y_1 = rho(0, y)``. A label of finitely many values is a list of atoms, whose moments are those
    of their probabilities: for two values the information exponent. Counts of a rate ``r(z)`` have
    the exponent of ``r``: the signed measures ``E[He_k(z); r(z) = r]`` are determined by their
    moments against the Poisson weights ``e^{-r} r^y``, as Gaussian noise leaves them determined.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction, or the law of labels
        Of one variable.
    max_order : int
        The highest order to look at, 1 to 50.
    loss : str or Loss
        As in `rmt.Problem`; with ``squared`` what is seen is the label itself.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    Exponent
        ``coefficient`` is the float ``zeta_k(y) / sqrt(k!)`` at the value (or atom) where it
        counts most: ``|zeta_k|`` times the probability of the atom, or the normal density at
        the preimage nearest to 0, is largest among the values looked at.

    Raises
    ------
    InvalidInputError
        A function of several variables, not real on the whole line, or with more than 2000 extrema
        or kinks in ``|z| <= 40``; `max_order` out of range. A law of labels whose values depend on
        ``z``, and counts of which the loss does not see each.
    ConvergenceError
        No value of the function could be separated from its extrema, or it overflows even in
        multiple precision. Time ran out: ``best`` holds the orders that are known to vanish.

    Notes
    -----
    ``zeta_k(y) p(y)`` is continuous between the values of ``f`` at its extrema and kinks:
    one ``y`` where it is not zero proves that the exponent is at most ``k``. The sums are
    computed with 70 digits. That an order vanishes is proved for odd orders of an even function
    (``SYMMETRY``), and for a piecewise constant function with kinks in closed form (``EXACT``);
    otherwise the sum is zero to the stated bound, at most 1e-30, relative to the sum of the
    absolute values of its terms, at values in every interval between consecutive extremal values,
    48 at most (``NUMERICAL``). So ``sin(20*z)`` is found to vanish at every order: its moments are
    of the order ``exp(-200)``. Features of the function beyond ``|z| = 25`` are not seen.

    A function with a single preimage on a set of values of positive probability has exponent 1,
    and a polynomial that is not constant has at most 2.

    References
    ----------
    Damian, Pillaud-Vivien, Lee, Bruna, "Computational-statistical gaps in Gaussian single-index
    models", arXiv:2403.05529.

    Examples
    --------
    >>> print(generative_exponent("He3(z)"))
    generative exponent: 1
    >>> print(generative_exponent("z**2*exp(-z**2)"))
    generative exponent: 4 (zero to within 1e-50, not proved, at order 2)
    >>> print(generative_exponent("z**2*exp(-z**2)").vanishing[0].proof)
    symmetry
    >>> import rmt
    >>> print(generative_exponent(rmt.SignOf("z*(z**2 - 2*log(2))")))
    generative exponent: 3
    """
    max_order = _checked_order(max_order)
    f, atoms = _what_is_seen(function, loss)
    vanishing: list[VanishingOrder] = []
    try:
        with time_limit(checked_seconds(max_seconds)):
            if atoms is not None:
                return least_order_of_atoms(atoms, max_order, NAME, vanishing)
            return _least_order(f, max_order, vanishing)
    except OutOfTime as end:
        end.best = Exponent(NAME, None, len(vanishing), tuple(vanishing))
        raise


def _least_order(f: ScalarFunction, max_order: int, vanishing: list[VanishingOrder]) -> Exponent:
    """The exponent; orders that vanish are put into the list as they are found."""
    flat, curved = flat_and_curved(f)
    ends = piece_ends(f)
    atoms = atoms_of(flat, ends, f.symbols[0])
    if not curved and len(atoms) == 1:
        zeros = tuple(VanishingOrder(k, ZeroProof.EXACT) for k in range(1, max_order + 1))
        return Exponent(NAME, None, max_order, zeros, is_infinite=True)
    levels = levels_of(
        monotone_branches(curved, ends, f.symbols[0]), [atom.value for atom in atoms], max_order
    )
    if curved and not any(level.refined for level in levels):
        raise ConvergenceError(
            f"no value of {f.short} could be separated from its extremal values in double "
            f"precision; rescale or shift the function",
            Status.NOT_CONVERGED,
            Exponent(NAME, None, 0),
        )
    sources: list[_Source] = [*atoms, *levels]
    for order in range(1, max_order + 1):
        if order % 2 and f.parity == 1:
            vanishing.append(VanishingOrder(order, ZeroProof.SYMMETRY))
            continue
        outcome = _examine(order, sources)
        if not isinstance(outcome, VanishingOrder):
            return Exponent(NAME, order, order, tuple(vanishing), outcome)
        vanishing.append(outcome)
    return Exponent(NAME, None, max_order, tuple(vanishing))


def _checked_order(max_order: int) -> int:
    try:
        max_order = operator.index(max_order)
    except TypeError:
        raise InvalidInputError(
            f"max_order: expected an integer, got {type(max_order).__name__}"
        ) from None
    if not 1 <= max_order <= HIGHEST_ORDER:
        raise InvalidInputError(
            f"max_order: got {max_order}; allowed are the integers 1 to {HIGHEST_ORDER}"
        )
    return max_order


def _what_is_seen(
    function: FunctionLike | Any, loss: Any
) -> tuple[ScalarFunction, tuple[ScalarFunction, ...] | None]:
    """A function whose values are seen; or the probabilities of finitely many values."""
    seen = function_or_labels(function, loss, 0.0)
    if seen.n_variables != 1:
        raise InvalidInputError(
            "generative_exponent needs a function of one variable; "
            f"{getattr(seen, 'short', seen.text)} has {seen.n_variables}"
        )
    if not isinstance(seen, ScalarFunction):
        if seen.probabilities is not None:
            return seen.mean, seen.probabilities
        f = seen.function or seen.rate
        if f is None:
            raise InvalidInputError(
                f"generative_exponent needs labels of finitely many values, counts that the loss "
                f"tells apart, or a function without noise, got {seen.text} with "
                f"loss={getattr(loss, 'text', loss)!r}"
            )
        seen = f
    seen.check_real()
    return seen, None


# Does an order vanish?


class _Source(Protocol):
    """A value of the function that has a conditional law: a generic value, or an atom."""

    @property
    def weight(self) -> float:
        """How much the value matters."""

    def rough(self, order: int) -> float:
        """The size of the normalised conditional moment, in double precision."""

    def moment(self, order: int) -> Moment | None:
        """The moment in high precision; None where that fails."""


def _examine(order: int, sources: Sequence[_Source]) -> VanishingOrder | float:
    """The normalised moment where it counts most, or how it is known to vanish everywhere."""
    bound = 0.0
    for source in sorted(sources, key=lambda s: s.rough(order) * s.weight, reverse=True):
        moment = source.moment(order)
        if moment is None:
            continue
        if not moment.is_zero:
            return moment.zeta
        bound = max(bound, moment.relative, moment.error)
    proof = ZeroProof.NUMERICAL if bound else ZeroProof.EXACT
    return VanishingOrder(order, proof, bound)
