"""What the scaling level needs to know of the activation: Gaussian moments of its derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.ladder import hermite_moments
from rmt.moments.precise.products import ProductMoments, product_moments
from rmt.moments.symmetry import even_or_odd_part
from rmt.spikes.scaling.number import DIGITS, Number
from rmt.status import InvalidInputError

__all__ = [
    "ExactActivationMoments",
    "activation_moments",
    "hermite_numbers",
    "monomial_in_hermite",
    "tabulated",
]

_ZERO_DIGITS = 28  # of the natural size

Powers: TypeAlias = tuple[int, ...]
"""Powers of ``sigma', sigma'', ..``; trailing zeros are left out."""


class ExactActivationMoments:
    """Moments of an activation ``sigma`` and its derivatives; ``Z`` is standard normal.

    Each is a closed form where there is one, otherwise known to 30 digits.

    Attributes
    ----------
    sigma : ScalarFunction
    highest : int
        The largest order ``k`` of a spike.
    reused : bool
        Whether products of derivatives are needed.
    """

    def __init__(self, sigma: ScalarFunction, highest: int, reused: bool) -> None:
        self.sigma, self.highest, self.reused = sigma, highest, reused
        self._derivatives = [sigma]
        self._products: dict[tuple[Powers, int], Number] = {}

    # The moments

    def coefficient(self, k: int) -> Number:
        """``mu_k = E[sigma(Z) He_k(Z)]``, ``k >= 1``."""
        return self._coefficients[k]

    @cached_property
    def slope_square(self) -> Number:
        """``E[sigma'(Z)^2]``."""
        from rmt.moments.exact.closed_form import exact_second_moment

        exact = exact_second_moment(self.derivative(1))
        return self._product((2,), 0) if exact is None else Number.of(exact)

    def moment(self, k: int, i: int, n: int) -> Number:
        """``E[sigma^{(k+1)}(Z) sigma'(Z)^i Z^n]``, derivatives in the sense of distributions.

        With ``sigma^{(p+1)}`` the first derivative that jumps, ``i >= 1`` needs ``k <= 2 p``:
        ``m = k - p`` derivatives are moved, ``E[F' g] = E[F (Z g - g')]``, on to
        ``g = sigma'^i Z^n``, which has that many that are functions.
        """
        if i == 0:
            terms = (w * self.coefficient(k + 1 + order) for order, w in monomial_in_hermite(n))
            return sum(terms, Number.of(0))
        moved = max(0, k - self.smoothness) if self.sigma.kinks else 0
        factor: dict[tuple[Powers, int], int] = {((i,), n): 1}
        for _ in range(moved):
            factor = _adjoint(factor)
        total = Number.of(0)
        for (powers, m), c in factor.items():
            total = total + c * self._product(_raised(powers, k + 1 - moved), m)
        return total

    def check_smooth(self, highest: int) -> None:
        """Raise when the products that spikes up to an order need are undefined."""
        last = self.last_order
        if last is None or highest <= last:
            return
        k = 2 * self.smoothness + 1
        raise InvalidInputError(
            f"activation: {self.sigma.text} is not smooth enough for the scaling level with a "
            f"reused batch and k = {k}: its derivative of order {self.smoothness + 1} jumps, so "
            f"that products of its derivatives such as sigma^({k + 1}) sigma' are undefined; use "
            f"the level resummed (rmt.spikes.resummed), or n_spikes={k}"
        )

    @property
    def last_order(self) -> int | None:
        """``2 p``, beyond which products of derivatives are undefined; None without kinks."""
        return 2 * self.smoothness if self.sigma.kinks else None

    @cached_property
    def smoothness(self) -> int:
        """``p``: the number of derivatives that are continuous, of one that has kinks."""
        p = 0
        while not self.derivative(p + 1).jumps:
            p += 1
        return p

    def derivative(self, order: int) -> ScalarFunction:
        """``sigma^{(order)}`` almost everywhere."""
        while len(self._derivatives) <= order:
            self._derivatives.append(self._derivatives[-1].derivative_function)
        return self._derivatives[order]

    # How they are found

    @cached_property
    def _coefficients(self) -> tuple[Number, ...]:
        from rmt.moments.exact.closed_form import exact_coefficients

        order = 2 * self.highest + 2
        exact = exact_coefficients(self.sigma, order)
        if exact is not None:
            return tuple(map(Number.of, exact))
        table = self._table
        if table is None:
            return hermite_numbers(self.sigma, order)
        numbers = [Number.of(0)]  # mu_0 is of no interest
        first = (1,) + (0,) * (len(table.functions) - 1)
        for k in range(1, order + 1):
            # E[sigma He_k] = E[sigma' He_{k-1}]
            number = Number.of(self._line) if k == 1 else Number.of(0)
            for power, weight in _hermite_in_monomials(k - 1):
                moment = tabulated(table, first, power)
                if moment is None:
                    return hermite_numbers(self.sigma, order)
                number = number + weight * moment
            numbers.append(number.settled(math.factorial(k) ** 0.5, DIGITS - 4))
        return tuple(numbers)

    @cached_property
    def _split(self) -> tuple[ScalarFunction, Any, Any]:
        return even_or_odd_part(self.sigma)

    @property
    def _line(self) -> Any:
        """``s`` of ``sigma = g + c + s z`` with ``g`` even or odd."""
        return self._split[2]

    @cached_property
    def _table(self) -> ProductMoments | None:
        """Products of ``g'``, ``sigma''``, ..; None where they must be integrated one by one."""
        derivatives = [self._split[0].derivative_function]
        if self.reused:
            derivatives += [self.derivative(k + 1) for k in range(1, self.highest + 1)]
        powers = (max(self.highest, 2), *(2 for _ in derivatives[1:]))
        return product_moments(tuple(derivatives), powers, 2 * self.highest + 2)

    def _product(self, powers: Powers, n: int) -> Number:
        """``E[prod_j sigma^{(j)}(Z)^{powers[j-1]} Z^n]``."""
        if (powers, n) not in self._products:
            self._products[powers, n] = self._integrated(powers, n)
        return self._products[powers, n]

    def _integrated(self, powers: Powers, n: int) -> Number:
        from rmt.moments.exact.closed_form import exact_coefficients, normal_pieces

        product: ScalarFunction | None = None
        if normal_pieces(self.sigma) is not None:
            product = self._multiplied(powers)
            exact = exact_coefficients(product, n)
            if exact is not None:
                return _monomial_moment([Number.of(mu) for mu in exact], n)
        number = self._tabulated(powers, n)
        if number is None:
            product = product or self._multiplied(powers)
            number = _monomial_moment(hermite_numbers(product, n), n)
        return number

    def _multiplied(self, powers: Powers) -> ScalarFunction:
        expression = 1
        for j, power in enumerate(powers, 1):
            expression = expression * self.derivative(j).expression ** power
        return ScalarFunction.parse(expression)

    def _tabulated(self, powers: Powers, n: int) -> Number | None:
        """With ``sigma' = g' + s`` multiplied out."""
        table = self._table
        if table is None or len(powers) > len(table.functions):
            return None
        first, *others = (*powers, *(0 for _ in range(len(table.functions) - len(powers))))
        line, total = Number.of(self._line), Number.of(0)
        for j in range(first + 1) if not line.is_zero else (first,):
            moment = tabulated(table, (j, *others), n)
            if moment is None:
                return None
            total = total + math.comb(first, j) * line ** (first - j) * moment
        return total


@cached(64)
def activation_moments(sigma: ScalarFunction, highest: int, reused: bool) -> ExactActivationMoments:
    """Moments for spikes up to an order, which are kept.

    Examples
    --------
    >>> from rmt.functions import ScalarFunction
    >>> moments = activation_moments(ScalarFunction.parse("erf(z)"), 2, True)
    >>> moments.moment(2, 2, 0)
    Number(-80*sqrt(7)/(49*pi**(3/2)))
    """
    return ExactActivationMoments(sigma, highest, reused)


def _adjoint(factor: dict[tuple[Powers, int], int]) -> dict[tuple[Powers, int], int]:
    """``Z g - g'`` for a polynomial ``g`` in ``Z`` and the derivatives of the activation."""
    total: dict[tuple[Powers, int], int] = {}

    def add(powers: Powers, n: int, c: int) -> None:
        total[powers, n] = total.get((powers, n), 0) + c

    for (powers, n), c in factor.items():
        add(powers, n + 1, c)
        if n:
            add(powers, n - 1, -c * n)
        for j, power in enumerate(powers):
            if power:
                lowered = (*powers[:j], power - 1, *powers[j + 1 :])
                add(_raised(lowered, j + 2), n, -c * power)
    return {key: c for key, c in total.items() if c}


def _raised(powers: Powers, order: int) -> Powers:
    """One more factor of the derivative of an order."""
    longer = [*powers, *(0 for _ in range(order - len(powers)))]
    longer[order - 1] += 1
    return tuple(longer)


def tabulated(table: ProductMoments, powers: Powers, n: int) -> Number | None:
    """A moment of a product; below ``10**-28`` of its natural size it counts as zero."""
    found = table.moment(powers, n)
    if found is None:
        return None
    value, error = found
    if not error:
        return Number.of(0)
    return Number.certified(value, error).settled(table.natural_size(powers, n), _ZERO_DIGITS)


# Hermite polynomials


@cached(256)
def hermite_numbers(function: ScalarFunction, order: int) -> tuple[Number, ...]:
    """``E[F(Z) He_k(Z)]`` for ``k = 0 .. order``, exact or to 30 digits.

    Raises
    ------
    InvalidInputError
        When the function is not square-integrable.
    """
    found = hermite_moments(function, order, DIGITS)
    numbers = []
    for k, (mu, error) in enumerate(zip(found.values, found.errors, strict=True)):
        if error or mu.is_Float:
            bound = error * math.factorial(k) ** 0.5 * (1.0 + 1e-15)
            numbers.append(Number.certified(mu, bound) if mu else Number.nearly_zero(bound))
        else:
            numbers.append(Number.of(mu))
    return tuple(numbers)


def monomial_in_hermite(c: int) -> Iterator[tuple[int, int]]:
    """``z^c = sum c! / (2^m m! (c - 2m)!) He_{c - 2m}``, as (order, coefficient).

    Examples
    --------
    >>> list(monomial_in_hermite(4))
    [(4, 1), (2, 6), (0, 3)]
    """
    for m in range(c // 2 + 1):
        below = 2**m * math.factorial(m) * math.factorial(c - 2 * m)
        yield c - 2 * m, math.factorial(c) // below


def _hermite_in_monomials(k: int) -> Iterator[tuple[int, int]]:
    for m in range(k // 2 + 1):
        below = 2**m * math.factorial(m) * math.factorial(k - 2 * m)
        yield k - 2 * m, (-1) ** m * math.factorial(k) // below


def _monomial_moment(coefficients: Sequence[Number], n: int) -> Number:
    return sum((w * coefficients[k] for k, w in monomial_in_hermite(n)), Number.of(0))
