"""Proved enclosures of Gaussian moments, by rigorous integration in ball arithmetic (python-flint).

`acb.integral` proves the integral over every piece (Johansson 2018, *Numerical integration in
arbitrary-precision ball arithmetic*); what is left out, beyond a cut-off and next to a singular
point, is bounded by hand and added to the radius. Nothing here has seen the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from flint import acb, acb_poly, arb, ctx

SIZE = 25  # |f(z)| <= SIZE exp(2 |z| + growth z^2) if |z| >= 1, everywhere if f is not singular
RATE = 2
SINGULAR_POWER = arb(1) / 4  # |f(z)| <= SIZE |z|^(-1/4) for |z| < 1 if it is singular at 0
CLOSEST = 800  # exp(-800) is as close to a singular point as matters
CRAMER = arb("1.0865")  # |He_k(z)| <= CRAMER sqrt(k!) exp(z^2/4)


@dataclass(frozen=True, eq=False)
class Case:
    """A function that is analytic between its kinks.

    Attributes
    ----------
    pieces : callables
        ``f(z, analytic)`` on each interval, of complex balls; not finite where `analytic` is asked
        for and the ball crosses a branch cut.
    kinks : tuple
        Balls, or text such as ``"1/6"``.
    is_exact : bool
        Whether its coefficients have closed forms.
    growth : text
        Of ``exp(growth z^2)``.
    singular : bool
        Not finite, or not analytic, at the kink 0.
    """

    pieces: tuple[Callable[[Any, bool], Any], ...]
    kinks: tuple[Any, ...] = ()
    is_exact: bool = True
    growth: str = "0"
    singular: bool = False


def ball(value: Any) -> Any:
    """A real ball: of text such as ``"1/6"``, or without radius of an mpmath or sympy number."""
    if isinstance(value, str):
        top, _, bottom = value.partition("/")
        return arb(top) / arb(bottom or 1)
    if hasattr(value, "_mpf_"):
        sign, mantissa, exponent, _ = value._mpf_
        return arb((-int(mantissa) if sign else int(mantissa), int(exponent)))
    return arb(value)


@cache
def _hermite_polynomial(order: int) -> Any:
    previous, current = acb_poly([0]), acb_poly([1])
    for k in range(order):
        previous, current = current, acb_poly([0, 1]) * current - k * previous
    return current


@cache
def moment(
    case: Case,
    order: int = 0,
    *,
    power: int = 1,
    monomial: int = 0,
    mean: str = "0",
    std: str = "1",
    digits: int = 65,
) -> Any:
    """A ball that holds ``E[f(m + s Z)^power He_order(Z) Z^monomial]``, ``Z`` standard normal.

    Its radius is about ``10**-digits`` of the natural size, ``sqrt(order! monomial!)``.
    """
    with ctx.workdps(digits + 15):
        m, s = ball(mean), ball(std)
        hermite = _hermite_polynomial(order)
        size = (arb.fac_ui(order) * arb.fac_ui(monomial)).sqrt()
        tolerance = size * arb(10) ** -digits

        def integrand(f: Callable[[Any, bool], Any]) -> Callable[[Any, bool], Any]:
            def value(z: Any, analytic: bool) -> Any:
                weight = (-(z * z) / 2).exp() * hermite(z) * z**monomial
                return f(m + s * z, analytic) ** power * weight

            return value

        # |f|^power |He_k| |z|^n exp(-z^2/2) <= constant exp(b |z| - c z^2) beyond the cut-off
        c = arb(1) / 2 - power * ball(case.growth) * s**2
        b = power * (RATE * s + 2 * ball(case.growth) * abs(m) * s)
        constant = (SIZE * (RATE * abs(m) + ball(case.growth) * m**2).exp()) ** power
        if order:
            c -= arb(1) / 4
            constant *= CRAMER * arb.fac_ui(order).sqrt()
        if monomial:  # |z|^n <= n! exp(|z|)
            b += 1
            constant *= arb.fac_ui(monomial)
        reach = _reach(b, c, constant / tolerance)
        # Twice the integral of the bound from the cut-off to infinity.
        tail = constant * (b**2 / (4 * c)).exp() * (arb.pi() / c).sqrt()
        total = _about(tail * (c.sqrt() * reach - b / (2 * c.sqrt())).erfc())

        kinks = [(ball(kink) - m) / s for kink in case.kinks]
        ends = [-reach, *(max(-reach, min(kink.mid(), reach)) for kink in kinks), reach]
        for f, (low, high) in zip(case.pieces, pairwise(ends), strict=True):
            for g, a, e in _parts(integrand(f), low, high, case.singular):
                integral = acb.integral(g, a, e, rel_tol=arb(0), abs_tol=tolerance)
                total += integral.real
        for kink, left, right in zip(kinks, case.pieces, case.pieces[1:], strict=False):
            if case.singular:
                # |f|^power <= SIZE^power |z|^(-power/4), and exp(-z^2/2) < 1; both sides.
                exponent = 1 - power * SINGULAR_POWER + monomial
                closest = arb(-CLOSEST).exp()
                height = abs(hermite(acb(arb(0).union(closest))).real) + closest
                total += _about(2 * SIZE**power * height * closest**exponent / exponent)
            else:  # the integrals ended in the middle of the ball
                at = acb(kink)
                heights = abs(integrand(left)(at, False)) + abs(integrand(right)(at, False))
                total += _about(kink.rad() * heights)
        return total / (2 * arb.pi()).sqrt()


def _about(bound: Any) -> Any:
    return arb(0, abs(bound).upper())


def _reach(b: Any, c: Any, ratio: Any) -> Any:
    """Where ``ratio exp(b z - c z^2)`` is below 1, or later; a whole number."""
    reach = 4
    while not ratio.log() + b * reach - c * reach**2 < 0:
        reach += 1
    return arb(reach)


def _parts(
    f: Callable[[Any, bool], Any], low: Any, high: Any, singular: bool
) -> Iterator[tuple[Callable[[Any, bool], Any], Any, Any]]:
    """What to integrate, and from where to where; towards 0 in the logarithm of the distance."""
    if not singular:
        yield f, low, high
        return
    side = 1 if low == 0 else -1

    def in_logarithm(t: Any, analytic: bool) -> Any:
        distance = (-t).exp()
        return distance * f(side * distance, analytic)

    yield in_logarithm, arb(0), arb(CLOSEST)
    yield (f, arb(1), high) if side == 1 else (f, low, arb(-1))
