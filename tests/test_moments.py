"""Every route to a Gaussian moment, on every function, against proved enclosures.

A route is a function that gives numbers with error bounds; a new one is one line in ``ROUTES``. The
enclosures are those of `flint_moments`: what is claimed of an error holds in ball arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import mpmath
import pytest
import sympy
from flint import arb, ctx
from flint_moments import Case, ball, moment
from hermite_catalogue import CASES

from rmt.functions import ScalarFunction
from rmt.moments.exact.closed_form import exact_coefficients, exact_second_moment
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.ladder import hermite_moments, second_moment
from rmt.moments.precise.coefficients import precise_coefficients
from rmt.moments.precise.products import product_moments
from rmt.moments.singular_ends import singular_ends
from rmt.moments.smoothing import smoothed

parse = ScalarFunction.parse
ORDERS = (0, 1, 2, 3, 8, 30)
DIGITS = 50

Piece = Callable[[Any, bool], Any]
Found = Iterator[tuple[dict[str, int], Any, Any]]
"""What moment it is, its value and the bound of its error: numbers or balls."""

SQUARE = {"power": 2}


def exact(function: ScalarFunction, case: Case) -> Found:
    """Closed forms, evaluated to 60 digits."""
    coefficients = exact_coefficients(function, max(ORDERS))
    assert (coefficients is not None) == case.is_exact
    if coefficients is not None:
        values = [({"order": k}, coefficients[k]) for k in ORDERS]
        square = exact_second_moment(function)
        for what, value in values if square is None else [*values, (SQUARE, square)]:
            number = sympy.Float(value.evalf(60, maxn=4000), 60)
            yield what, number, abs(ball(number)) * arb("1e-59")


def double(function: ScalarFunction, case: Case) -> Found:
    found = double_coefficients(function, max(ORDERS))
    norm = math.sqrt(found.second_moment)
    assert found.errors.max() <= 5e-14 * norm
    assert found.second_moment_error <= 1e-13 * norm**2
    for k in ORDERS:
        root = arb.fac_ui(k).sqrt()
        c, error = float(found.orthonormal[k]), float(found.errors[k])
        yield {"order": k}, arb(c) * root, arb(error) * root
    yield SQUARE, found.second_moment, found.second_moment_error


def precise(function: ScalarFunction, case: Case) -> Found:
    order, digits = (8, 30) if case.is_exact else (max(ORDERS), DIGITS)
    found = precise_coefficients(function, order, digits)
    tolerance = mpmath.mpf(10) ** -digits
    for k in (k for k in ORDERS if k <= order):
        value, error = found.values[k], found.errors[k]
        assert error <= tolerance * abs(value) or value == 0
        yield {"order": k}, value, error
    assert found.second_moment_error <= tolerance * found.second_moment
    yield SQUARE, found.second_moment, found.second_moment_error


def products(function: ScalarFunction, case: Case) -> Found:
    """Powers of the function and of ``z``."""
    table = product_moments((function,), (3,), 8)
    assert (table is None) == (case in UNTABLED)
    for power, n in ((1, 0), (1, 1), (1, 8), (2, 0), (3, 1)) if table else ():
        found = table.moment((power,), n)
        assert found is not None
        value, error = found
        assert error <= 1e-31 * table.natural_size((power,), n)
        yield {"power": power, "monomial": n}, value, error


def smoothing(function: ScalarFunction, case: Case) -> Found:
    """``E[f(Z)]`` and ``E[f'(Z)] = E[f(Z) Z]``; the errors by two resolutions."""
    # It is cut off at 8.5 standard deviations, and what cancels at 0 cancels.
    if case.growth != "0" or any(end for ends in singular_ends(function) for end in ends):
        return
    fine, coarse = (smoothed(function, 0.0, 1.0, nodes) for nodes in (48.0, 32.0))
    sizes = math.sqrt(double_coefficients(function, 0).second_moment) + 1.0
    for k, (value, other) in enumerate(zip(fine, coarse, strict=True)):
        if k == 0 or not function.jumps:
            yield {"order": k}, float(value), abs(float(value - other)) + 2e-14 * sizes


def ladder(function: ScalarFunction, case: Case) -> Found:
    """Exact if that is to be had, otherwise in double precision."""
    found = hermite_moments(function, max(ORDERS))
    assert (not any(found.errors)) == case.is_exact
    square = found.square or second_moment(function)
    for k in ORDERS:
        value = ball(sympy.Float(found.values[k].evalf(60, maxn=4000), 60))
        error = arb(found.errors[k]) * arb.fac_ui(k).sqrt() + abs(value) * arb("1e-15")
        yield {"order": k}, value, error
    yield SQUARE, sympy.Float(square[0].evalf(30), 30), square[1] + 1e-15 * float(square[0])


UNTABLED = [
    CASES[text]
    for text in (
        "exp(z**2/5)",  # grows too fast
        "1/(1 + 100*z**2)",  # too narrow
        "tanh(z) + exp(-100*(z - 1)**2)",
        "sign(cos(z) - z)",  # a kink without closed form
        "sin(z)/z",  # no numbers at 0
        "(1 - cos(z))/z**2",
        "log(abs(z))",
        "abs(z)**(-1/4)",
    )
]
ROUTES: dict[str, Callable[[ScalarFunction, Case], Found]] = {
    route.__name__: route for route in (exact, double, precise, products, smoothing, ladder)
}


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("route", ROUTES)
def test_errors_are_bounds(route: str, text: str) -> None:
    case = CASES[text]
    with ctx.workdps(90):
        for what, value, error in ROUTES[route](parse(text), case):
            reference = moment(case, **what)
            distance = abs(ball(value) - reference)
            # The reference is sharp: what it leaves open would not hide a wrong bound.
            assert reference.rad() <= 1e-60 * arb.fac_ui(what.get("order", 0) + 8).sqrt()
            assert distance.upper() <= ball(error) + 2 * reference.rad(), what


# Several functions in one product, and other means and standard deviations


def both(f: Piece, g: Piece, p: int, q: int) -> Piece:
    return lambda z, analytic: f(z, analytic) ** p * g(z, analytic) ** q


PAIRS: dict[str, tuple[tuple[Piece, ...], tuple[Piece, ...], tuple[str, ...]]] = {
    "tanh(z + 1/3)": (
        (lambda z, _: (z + ball("1/3")).tanh(),),
        (lambda z, _: (z + ball("1/3")).sech() ** 2,),
        (),
    ),
    "cos(z)*tanh(z)": (
        (lambda z, _: z.cos() * z.tanh(),),
        (lambda z, _: z.cos() * z.sech() ** 2 - z.sin() * z.tanh(),),
        (),
    ),
    "softsign(z)": (
        CASES["softsign(z)"].pieces,
        (lambda z, _: (1 - z) ** -2, lambda z, _: (1 + z) ** -2),
        ("0",),
    ),
}


@pytest.mark.parametrize("text", PAIRS)
def test_products_of_a_function_and_its_slope(text: str) -> None:
    f = parse(text)
    values, slopes, kinks = PAIRS[text]
    table = product_moments((f, f.derivative_function), (3, 2), 2)
    assert table is not None
    with ctx.workdps(90):
        for (p, q), n in (((1, 0), 1), ((3, 0), 0), ((1, 2), 0), ((2, 1), 2)):
            pieces = tuple(both(u, v, p, q) for u, v in zip(values, slopes, strict=True))
            reference = moment(Case(pieces, kinks), monomial=n)
            found = table.moment((p, q), n)
            assert found is not None
            value, error = found
            assert abs(ball(value) - reference).upper() <= ball(error) + 2 * reference.rad()
            assert error < 1e-31


@pytest.mark.parametrize("mean", ["7/10", "-3/2"])
@pytest.mark.parametrize("std", ["1/3", "5/2"])
@pytest.mark.parametrize("text", ["relu(z)", "elu(z)", "gelu(z)", "hard_tanh(z)", "tanh(z)"])
def test_smoothing_of_a_shifted_law(text: str, mean: str, std: str) -> None:
    m, s = float(Fraction(mean)), float(Fraction(std))
    value, slope = smoothed(parse(text), m, s, 48.0)
    case = CASES[text]
    with ctx.workdps(40):
        # Stein: E[f'(m + s Z)] = E[f(m + s Z) Z] / s
        references = [moment(case, k, mean=mean, std=std, digits=30) for k in (0, 1)]
        assert abs(ball(float(value)) - references[0]).upper() <= 2e-15
        assert abs(ball(float(slope)) - references[1] / ball(std)).upper() <= 2e-15


@pytest.mark.parametrize("text", ["sigmoid(2*z)", "hard_tanh(z)"])
def test_eighty_digits(text: str) -> None:
    found = precise_coefficients(parse(text), 3, 80)
    with ctx.workdps(130):
        for k in (1, 3):
            reference = moment(CASES[text], k, digits=100)
            distance, error = abs(ball(found.values[k]) - reference), ball(found.errors[k])
            assert distance.upper() <= error
            assert error <= abs(reference) * arb(10) ** -80
