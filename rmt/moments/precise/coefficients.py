"""Hermite moments of a function in any precision, each shown by two independent rules.

``mu_k = E[f(Z) He_k(Z)]`` for all orders at once: the function is evaluated once a node, and the
polynomials and sums are done on whole numbers in fixed point. The rules share neither nodes nor
precision nor cut-off, so that their difference shows all three:

- A (`rmt.moments.precise.trapezoid`) halves the step of a trapezoid rule;
- B (`rmt.moments.precise.panels`) bisects Gauss-Legendre panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arguments import whole_number
from rmt.arrays import WholeNumbers
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import mpmath
from rmt.moments.integrability import check_square_integrable
from rmt.moments.precise.panels import panel_sums
from rmt.moments.precise.plan import Plan, make_plan
from rmt.moments.precise.sums import Budget, Exhausted
from rmt.moments.precise.trapezoid import TrapezoidSum, halve_step, trapezoid_sums
from rmt.moments.sampled import check_not_sampled
from rmt.status import ConvergenceError, Status

__all__ = ["PreciseCoefficients", "precise_coefficients"]

MAX_DIGITS = 1000
ZERO_DIGITS = 10  # a numerical zero is known to this many digits more than were asked for
GUARD_DIGITS = 12


@dataclass(frozen=True, slots=True)
class PreciseCoefficients:
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


def precise_coefficients(
    function: ScalarFunction, order: int, digits: int, *, max_evaluations: int = 200_000
) -> PreciseCoefficients:
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
        See `rmt.moments.integrability.check_square_integrable`; an order, a number of digits or a
        limit that is not allowed; a function that was sampled, which has no such digits.
    ConvergenceError
        The limit was reached first; ``best`` holds the `PreciseCoefficients` so far, with their
        errors (infinite where nothing is known yet). Also a tail that decays too slowly to cut off.

    Examples
    --------
    >>> import mpmath
    >>> relu = precise_coefficients(ScalarFunction.parse("relu(z)"), 2, 40)
    >>> with mpmath.workdps(40):
    ...     print(relu.values[2])
    ...     print(1 / mpmath.sqrt(2 * mpmath.pi))
    0.3989422804014326779399460599343818684759
    0.3989422804014326779399460599343818684759
    """
    order = whole_number("order", order, 0)
    digits = whole_number("digits", digits, 1, MAX_DIGITS)
    max_evaluations = whole_number("max_evaluations", max_evaluations, 1)
    check_square_integrable(function)
    check_not_sampled(function, digits)
    if all(piece.expression == 0 for piece in function.smooth_pieces):
        return _zeros(order)
    budget = Budget(max_evaluations)
    plan = make_plan(function, order, digits, digits + GUARD_DIGITS)
    while True:
        outcome = _two_rules(function, plan, budget)
        if isinstance(outcome, PreciseCoefficients):
            return outcome
        plan = outcome


def _zeros(order: int) -> PreciseCoefficients:
    zeros = (mpmath.mpf(0),) * (order + 1)
    return PreciseCoefficients(zeros, zeros, mpmath.mpf(0), mpmath.mpf(0))


def _two_rules(function: ScalarFunction, plan: Plan, budget: Budget) -> PreciseCoefficients | Plan:
    """The result; or a better plan with which to start again."""
    with mpmath.workprec(plan.bits):
        parts = trapezoid_sums(plan)
        try:
            target, scale = _settle(plan, parts, budget)
            if (target, scale) != (plan.target, plan.scale):
                return make_plan(function, plan.order, plan.digits, target, scale)
            other = plan.refined()
            with mpmath.workprec(other.bits):
                panels = panel_sums(other, budget)
            while not (result := _result(plan, parts, panels))[1]:
                for part in parts:
                    halve_step(plan, part, budget)
            return result[0]
        except Exhausted:
            raise ConvergenceError(
                f"the Hermite coefficients of {function.short} up to order {plan.order} did not "
                f"reach {plan.digits} digits within max_evaluations={budget.limit} evaluations of "
                "the function; allow more, or ask for fewer digits or a lower order",
                Status.NOT_CONVERGED,
                _result(plan, parts, None)[0],
            ) from None


def _settle(plan: Plan, parts: list[TrapezoidSum], budget: Budget) -> tuple[int, int]:
    """Halve the steps of every piece until it settles; the target and the scale it should have."""
    tolerances = plan.tolerances // max(len(parts), 1)
    pending = parts
    while pending:
        for part in pending:
            halve_step(plan, part, budget)
        pending = [
            part for part in parts if part.change is None or (part.change > tolerances).any()
        ]
        square = sum(part.value[-1] for part in parts if part.value is not None)
        off = (square.bit_length() - plan.fixed) // 2
        if square and (off > 8 or (not pending and off < -4)):
            return plan.target, plan.scale + off
    needed = plan.digits + 3 + _digits_lost(plan, parts)
    return plan.target if needed <= plan.target else math.ceil(needed) + 2, plan.scale


def _digits_lost(plan: Plan, parts: list[TrapezoidSum]) -> float:
    """``log10`` of the largest ``sqrt(k! E[f^2]) / |mu_k|`` among those that are not zero."""
    *values, square = _measured(plan, [part.value for part in parts])
    lost = 0.0
    for k, value in zip(plan.orders, values, strict=True):
        size = mpmath.sqrt(mpmath.factorial(k) * square)
        if abs(value) * 2 * mpmath.mpf(10) ** (plan.digits + ZERO_DIGITS) > size:
            lost = max(lost, float(mpmath.log10(size / abs(value))))
    return lost


def _measured(plan: Plan, parts: Iterable[WholeNumbers | None]) -> WholeNumbers:
    """The sum over the parts, from fixed point to numbers; infinite where a part is unknown."""
    count = len(plan.orders)
    total = np.zeros(count + 1, dtype=object)
    for sums in parts:
        if sums is None:
            return np.full(count + 1, mpmath.inf, dtype=object)
        total = total + sums
    root = mpmath.sqrt(2 * mpmath.pi)
    exponents = [plan.scale - plan.fixed] * count + [2 * plan.scale - plan.fixed]
    numbers = [mpmath.ldexp(mpmath.mpf(s), e) for s, e in zip(total, exponents, strict=True)]
    return np.array([number / root for number in numbers], dtype=object)


def _result(
    plan: Plan, parts: list[TrapezoidSum], panels: tuple[WholeNumbers, WholeNumbers] | None
) -> tuple[PreciseCoefficients, bool]:
    """The coefficients with their error bounds, and whether all of them are as precise as asked."""
    mpf = mpmath.mpf
    values = _measured(plan, [part.value for part in parts])
    changes = _measured(plan, [part.change for part in parts])
    if panels is None:
        # One rule alone: twice its last change.
        values = np.array([v if mpmath.isfinite(v) else mpf(0) for v in values], dtype=object)
        bounds = changes * 2
    else:
        first, values = values, _measured(plan, panels[:1])
        bounds = abs(first - values) + changes + _measured(plan, panels[1:])
    square = abs(values[-1])
    # What the rules share: the tail, the evaluation and the ends.
    shared = mpf(10) ** -(plan.target + 1)
    bounds[-1] += shared * square
    tolerance = mpf(10) ** -plan.digits
    settled = bool(bounds[-1] <= tolerance * square) and panels is not None and square > 0
    coefficients = [mpf(0)] * (plan.order + 1)
    errors = [mpf(0)] * (plan.order + 1)
    for k, value, bound in zip(plan.orders, values, bounds, strict=False):
        size = mpmath.sqrt(mpmath.factorial(k) * square)
        bound += shared * size
        nothing = size * mpf(10) ** -(plan.digits + ZERO_DIGITS)
        if abs(value) + bound <= nothing:
            value, bound = mpf(0), nothing
        elif not bound <= tolerance * abs(value):
            settled = False
        coefficients[k], errors[k] = value, bound
    result = PreciseCoefficients(tuple(coefficients), tuple(errors), values[-1], bounds[-1])
    return result, settled
