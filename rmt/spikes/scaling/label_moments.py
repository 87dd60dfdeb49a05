"""What the first step leaves behind, and the moments ``E[y^a zeta^j z^alpha]`` of labels.

``zeta = <beta_1, x> = b . z + s omega`` with ``s^2 = B - |b|^2 = phi_1 Ey2``, and ``omega`` a
standard normal independent of ``z``. Labels are the effective ones of the loss throughout,
``y -> y_1 = rho(0, y)``: ``f(z) + eps`` for the squared loss of a target with noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.hermite import tensor_hermite_expansion
from rmt.hermite.exponents.target_exponents import rounding_of_decimals
from rmt.hermite.tensor_tables import Estimate
from rmt.lazy import sympy
from rmt.moments.precise.products import ProductMoments, product_moments
from rmt.problem import Problem
from rmt.problem.effective import EffectiveLabels, labels_of
from rmt.spikes.scaling.activation_moments import (
    ExactActivationMoments,
    activation_moments,
    hermite_numbers,
    monomial_in_hermite,
    tabulated,
)
from rmt.spikes.scaling.number import DIGITS, Number
from rmt.status import InvalidInputError

__all__ = ["FirstStep", "Polynomial", "decimal_fraction", "double_factorial"]

Index: TypeAlias = tuple[int, ...]
Polynomial: TypeAlias = Mapping[tuple[int, int], Number]
"""Coefficients of ``y^a zeta^j`` by ``(a, j)``."""


class FirstStep:
    """The constants of theory.md, section 1, and moments of labels for spikes up to an order.

    Attributes
    ----------
    problem : Problem
    highest : int
        The largest order ``k`` of a spike.
    reused : bool
        Whether there is a second step, on the same batch.
    phi : tuple of Number
        ``d / n`` of each batch.
    activation : ExactActivationMoments
    labels : EffectiveLabels
    """

    def __init__(self, problem: Problem, highest: int) -> None:
        self.problem, self.highest = problem, highest
        self.reused = len(problem.steps) == 2 and problem.batch == "reused"
        self.phi = tuple(Number.of(Fraction(problem.dim, n)) for n in problem.samples)
        self.activation: ExactActivationMoments = activation_moments(
            problem.activation, highest, self.reused
        )
        self.labels = labels_of(problem)
        self._noise = Number.of(self.labels.noise_std**2)
        self._memo: dict[tuple[int, int, Index], Number] = {}

    @property
    def n_directions(self) -> int:
        """``r``."""
        return self.problem.n_directions

    @property
    def zero_digits(self) -> int:
        """A cancellation to this many digits is a zero."""
        return 18 if self.n_directions == 1 and self.labels.is_symbolic else 9

    @cached_property
    def b(self) -> tuple[Number, ...]:
        """``E[z y]``."""
        r = self.n_directions
        units = (tuple(int(i == j) for j in range(r)) for i in range(r))
        return tuple(self._of_target(1, unit) for unit in units)

    @cached_property
    def mean(self) -> Number:
        """``Ey``."""
        return self._of_target(1, (0,) * self.n_directions)

    @cached_property
    def second_moment(self) -> Number:
        """``Ey2``, noise included."""
        return self._of_target(2, (0,) * self.n_directions) + self._noise

    @cached_property
    def s2(self) -> Number:
        """``s^2 = phi_1 Ey2``."""
        return self.phi[0] * self.second_moment

    @cached_property
    def overlap_square(self) -> Number:
        """``|b|^2``."""
        return sum((x * x for x in self.b), Number.of(0))

    @cached_property
    def tau2(self) -> Number:
        """``tau^2 = phi_1 Ey2 (E[sigma'^2] - mu_1^2)``."""
        square = self.activation.slope_square
        variance = square - self.activation.coefficient(1) ** 2
        return self.s2 * variance.settled(square.magnitude, 22)

    def moment(self, a: int, j: int, extra: Index) -> Number:
        """``E[y^a zeta^j z^extra]``."""
        key = (a, j, extra)
        if key not in self._memo:
            self._memo[key] = self._moment(a, j, extra)
        return self._memo[key]

    def _moment(self, a: int, j: int, extra: Index) -> Number:
        total = Number.of(0)
        for n in range(0, j + 1, 2):  # omega^n
            weight = math.comb(j, n) * double_factorial(n) * self.s2 ** (n // 2)
            for multi, coefficient in self._power_of_b(j - n):
                index = tuple(p + q for p, q in zip(multi, extra, strict=True))
                for m in range(0, a + 1, 2):  # eps^m
                    noise = self._noise ** (m // 2)
                    if not noise.is_zero:
                        noise = noise * (math.comb(a, m) * double_factorial(m))
                        of_target = self._of_target(a - m, index)
                        total = total + weight * coefficient * noise * of_target
        return total

    def _power_of_b(self, j: int) -> Iterator[tuple[Index, Number]]:
        """``(b . z)^j`` as (exponents of z, coefficient)."""
        for multi in itertools.product(*(range(1 if x.is_zero else j + 1) for x in self.b)):
            if sum(multi) == j:
                power = Number.of(math.factorial(j) // math.prod(map(math.factorial, multi)))
                for x, m in zip(self.b, multi, strict=True):
                    power = power * x**m
                yield multi, power

    def expectation(
        self, psi: Polynomial, y: int = 0, zeta: int = 0, z: int | None = None
    ) -> Number:
        """``E[psi(y, zeta) y^. zeta^. z_i]``."""
        extra = tuple(int(i == z) for i in range(self.n_directions))
        terms = (c * self.moment(a + y, j + zeta, extra) for (a, j), c in psi.items())
        return sum(terms, Number.of(0))

    def mean_of_product(self, psi: Polynomial, chi: Polynomial) -> Number:
        """``E[psi chi]``."""
        product: dict[tuple[int, int], Number] = {}
        for (a, j), c in psi.items():
            for (b, i), d in chi.items():
                key = (a + b, j + i)
                product[key] = product[key] + c * d if key in product else c * d
        return self.expectation(product)

    def _of_target(self, a: int, index: Index) -> Number:
        """``E[f(z)^a z^index]``; of labels that are no function plus noise, themselves."""
        if a == 0:
            odd = any(c % 2 for c in index)
            return Number.of(0 if odd else math.prod(map(double_factorial, index)))
        most = 2 * self.highest + 2 if self.reused else 2
        degree = max(2 * self.highest, self.highest + 1, 2)
        function = self.labels.function
        try:
            if function is not None:
                return _target_moment(function, a, index, most, degree)
            if not self.labels.is_symbolic:
                return _numerical_moment(self.labels, a, index, degree)
            total = Number.of(0)
            for coefficient, one in self.labels.terms(a):
                # Powers of the function itself are not asked for.
                total = total + _number(coefficient) * _target_moment(one, 1, index, 2, degree)
            return total
        except InvalidInputError as error:
            raise InvalidInputError(
                f"target: the scaling level needs moments of its power {a}, of degree {sum(index)} "
                f"in the index, which are not to be had ({error}); use the level resummed, or "
                "fewer spikes (n_spikes)"
            ) from error


def decimal_fraction(value: float) -> Fraction:
    """The decimal that a float prints as: 0.3 is 3/10."""
    return Fraction(repr(float(value)))


def double_factorial(m: int) -> int:
    """``E[xi^m]`` of a standard normal ``xi`` for even m: ``(m - 1)!!``."""
    return math.prod(range(m - 1, 0, -2))


def _number(coefficient: Any) -> Number:
    if not coefficient.has(sympy.Float):
        return Number.of(coefficient)
    value = coefficient.evalf(2 * DIGITS)
    return Number.certified(value, abs(value) * 1e-15)


# Moments of the target


@cached(4096)
def _target_moment(f: ScalarFunction, a: int, index: Index, most: int, degree: int) -> Number:
    """``E[f(z)^a z^index]``; what a decimal in ``f`` leaves of a coefficient it removes is zero."""
    moment = _computed_moment(f, a, index, most, degree)
    if a == 1 and not moment.is_zero:
        square = _computed_moment(f, 2, (0,) * len(index), most, degree)
        growth = math.sqrt(math.prod(double_factorial(2 * n) for n in index))
        rounding = growth * rounding_of_decimals(f, math.sqrt(square.magnitude))
        if moment.magnitude <= rounding:
            return Number.nearly_zero(rounding)
    return moment


def _computed_moment(f: ScalarFunction, a: int, index: Index, most: int, degree: int) -> Number:
    if f.n_variables == len(index) == 1:
        (n,) = index
        table = _table(f, most, degree)
        moment = None if table is None else tabulated(table, (a,), n)
        if moment is not None:
            return moment
    power = _power(f, a)
    r = power.n_variables  # a power may depend on fewer variables than f
    total = Number.of(0)
    for term in itertools.product(*map(monomial_in_hermite, index)):
        orders = tuple(order for order, _ in term)
        weight = math.prod(coefficient for _, coefficient in term)
        if any(orders[r:]):
            continue
        if r == 1:
            mu = hermite_numbers(power, max(degree, orders[0]))[orders[0]]
        else:
            mu = _tensor(power, max(degree, sum(orders)))[orders[:r]]
        total = total + weight * mu
    return total


@cached(4096)
def _numerical_moment(labels: EffectiveLabels, a: int, index: Index, degree: int) -> Number:
    """``E[y_1^a z^index]`` of labels whose moments have no symbolic form."""
    table = _numbers(labels, a, max(degree, sum(index)))
    total = Number.of(0)
    for term in itertools.product(*map(monomial_in_hermite, index)):
        weight = math.prod(coefficient for _, coefficient in term)
        total = total + weight * table[tuple(order for order, _ in term)]
    return total


@cached(256)
def _numbers(labels: EffectiveLabels, a: int, degree: int) -> dict[Index, Number]:
    return {alpha: _of_estimate(mu) for alpha, mu in labels.coefficients(a, degree).items()}


@cached(256)
def _power(f: ScalarFunction, a: int) -> ScalarFunction:
    return ScalarFunction.parse(f.expression**a)


@cached(64)
def _table(f: ScalarFunction, most: int, degree: int) -> ProductMoments | None:
    """Moments of a target without closed form."""
    from rmt.moments.exact.closed_form import normal_pieces

    if normal_pieces(f) is not None:
        return None
    return product_moments((f,), (most,), degree + 1)


@cached(256)
def _tensor(power: ScalarFunction, degree: int) -> dict[Index, Number]:
    """``E[F He_alpha]`` up to a degree; what is lost in its error estimate counts as zero."""
    found = tensor_hermite_expansion(power, degree, max_seconds=None).estimates
    return {alpha: _of_estimate(mu) for alpha, mu in found.items()}


def _of_estimate(mu: Estimate) -> Number:
    if not mu.error:
        return Number.of(mu.value)
    value = float(mu.value)
    if abs(value) < 10.0 * mu.error:
        return Number.nearly_zero(abs(value) + mu.error)
    return Number.certified(mu.value, mu.error)
