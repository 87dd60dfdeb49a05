"""``E[y_1^m | z]`` of each kind of labels: symbolic, or its Hermite coefficients as numbers.

A kind has ``n_variables``; ``n_values``, how many values ``y_1`` has where they are finitely many
numbers; ``is_even``, whether the law is shown to be the same at ``-z``; and ``terms(m)``, of
``E[y_1^m | z]``, or where it has no symbolic form (`NUMERICAL`) ``coefficients(m, degree)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.expressions.construction import VARIABLE_NAMES, variable
from rmt.functions import ScalarFunction
from rmt.hermite.tensor import tensor_hermite_expansion
from rmt.hermite.tensor_tables import Estimate, Index, multi_indices
from rmt.lazy import sympy
from rmt.moments.hermite_values import hermite_value
from rmt.moments.ladder import hermite_moments
from rmt.moments.rules import legendre_panels
from rmt.pieces.kinks import SmoothPiece
from rmt.problem.effective_residual import Residual
from rmt.problem.labels import Channel, Poisson
from rmt.problem.losses import Loss
from rmt.status import InvalidInputError

__all__ = [
    "NUMERICAL",
    "Atoms",
    "Counts",
    "NoiseAsVariable",
    "OfFunction",
    "Powers",
    "Signs",
    "Smoothed",
    "SumOverCounts",
    "Terms",
    "atoms_of_channel",
    "constant_function",
    "hermite_estimates",
]

Terms: TypeAlias = tuple[tuple[Any, ScalarFunction], ...]
"""A function of ``z`` as a sum of coefficients, sympy numbers, times functions."""

_MOST_VARIABLES = 3
_REACH = 8.0  # of sums over counts, as far as `Poisson` has them
_BLOCK = 2048  # points


# Targets that are functions


@dataclass(frozen=True)
class OfFunction:
    """``y_1 = f(z) + s xi``."""

    function: ScalarFunction
    noise_std: Any
    n_values: ClassVar[int | None] = None

    @property
    def n_variables(self) -> int:
        return self.function.n_variables

    @property
    def is_even(self) -> bool:
        return _is_even(self.function)

    def terms(self, m: int) -> Terms:
        f, s = self.function.expression, self.noise_std
        orders = range(0, m + 1, 2) if s else (0,)
        return tuple(
            (math.comb(m, j) * s**j * _odd_factorial(j), ScalarFunction.parse(f ** (m - j)))
            for j in orders
        )


@dataclass(frozen=True)
class Smoothed:
    """``y_1 = P(f(z) + s xi)`` of a piecewise polynomial ``P``: error functions of ``f``."""

    function: ScalarFunction
    noise_std: Any
    pieces: tuple[SmoothPiece, ...]
    n_values: ClassVar[int | None] = None

    @property
    def n_variables(self) -> int:
        return self.function.n_variables

    @property
    def is_even(self) -> bool:
        return _is_even(self.function)

    def terms(self, m: int) -> Terms:
        f, y, s = sympy.Dummy("f"), variable("y"), self.noise_std
        below: dict[Any, Any] = {}  # P(y < c) and the density of y at c
        density: dict[Any, Any] = {}
        for one in self.pieces[:-1]:
            below[one.upper], density[one.upper] = sympy.Dummy("P"), sympy.Dummy("p")
        total = sympy.Integer(0)
        for one in self.pieces:
            coefficients = sympy.Poly(one.expression**m, y).all_coeffs()[::-1]
            low, high = ((c, below.get(c), density.get(c)) for c in (one.lower, one.upper))
            moments = _truncated_moments(f, s, low, high, len(coefficients))
            total += sum(c * moment for c, moment in zip(coefficients, moments, strict=True))
        total = sympy.collect(sympy.expand(total), [*below.values(), *density.values()])
        root = sympy.sqrt(2) * s
        put = {f: self.function.expression}
        for c in below:
            far = (c - self.function.expression) / root
            put[below[c]] = (1 + sympy.erf(far)) / 2
            put[density[c]] = sympy.exp(-(far**2)) / (sympy.sqrt(2 * sympy.pi) * s)
        return ((sympy.Integer(1), ScalarFunction.parse(total.xreplace(put))),)


def _truncated_moments(f: Any, s: Any, low: Any, high: Any, count: int) -> list[Any]:
    """``E[y^k; low < y < high]`` of ``y = f + s xi``, by parts.

    Ends are given with the probability below, and the density there; None where they are infinite.
    """
    (a, below_a, at_a), (b, below_b, at_b) = low, high
    moments = [(1 if below_b is None else below_b) - (0 if below_a is None else below_a)]
    for k in range(1, count):
        moment = f * moments[k - 1] + (s**2 * (k - 1) * moments[k - 2] if k > 1 else 0)
        moment += 0 if at_a is None else s**2 * a ** (k - 1) * at_a
        moment -= 0 if at_b is None else s**2 * b ** (k - 1) * at_b
        moments.append(moment)
    return moments


@dataclass(frozen=True)
class NoiseAsVariable:
    """``y_1 = rho(0, f(z) + s xi)``, with the noise as one more variable that is integrated."""

    function: ScalarFunction
    noise_std: Any
    residual: Any
    n_values: ClassVar[int | None] = None
    why: ClassVar[str] = (
        "the average over Gaussian noise of a residual that is no piecewise polynomial"
    )

    @property
    def n_variables(self) -> int:
        return self.function.n_variables

    @property
    def is_even(self) -> bool:
        return _is_even(self.function)

    def coefficients(self, m: int, degree: int) -> Mapping[Index, Estimate]:
        r = self.n_variables
        if r == _MOST_VARIABLES:
            raise InvalidInputError(
                f"noise_std: with {r} index directions and a residual that is no piecewise "
                "polynomial of the label, its noise is one variable too many to integrate over; "
                "take a loss such as huber, or no noise"
            )
        z = [variable(name) for name in VARIABLE_NAMES[1 : r + 2]]
        f = self.function.expression.subs(
            dict(zip(self.function.symbols, z[:r], strict=True)), simultaneous=True
        )
        noisy = f + self.noise_std * z[r]
        whole = ScalarFunction.parse(self.residual.subs(variable("y"), noisy) ** m)
        found = tensor_hermite_expansion(whole, degree, max_seconds=None).estimates
        return {alpha: found[*alpha, 0] for alpha in multi_indices(r, degree)}


# Laws of labels


@dataclass(frozen=True)
class Signs:
    """``y_1 = plus`` or ``minus``: ``y_1^m`` is affine in ``y``."""

    plus: Any
    minus: Any
    mean: ScalarFunction
    n_variables: int

    @property
    def n_values(self) -> int:
        return 1 if self.plus == self.minus else 2

    @property
    def is_even(self) -> bool:
        return _is_even(self.mean)

    def terms(self, m: int) -> Terms:
        even = (self.plus**m + self.minus**m) / 2
        odd = (self.plus**m - self.minus**m) / 2
        return _without_zeros(((even, constant_function(1)), (odd, self.mean)))


@dataclass(frozen=True)
class Atoms:
    """``y_1 = nodes[a](z)`` with probability ``weights[a](z)``."""

    nodes: tuple[Any, ...]
    weights: tuple[Any, ...]
    n_variables: int

    @property
    def n_values(self) -> int | None:
        return None if any(one.free_symbols for one in self.nodes) else len(set(self.nodes))

    @property
    def is_even(self) -> bool:
        return all(_is_even(ScalarFunction.parse(one)) for one in (*self.nodes, *self.weights))

    def terms(self, m: int) -> Terms:
        found = []
        for node, weight in zip(self.nodes, self.weights, strict=True):
            if node.free_symbols:
                found.append((sympy.Integer(1), ScalarFunction.parse(node**m * weight)))
            else:
                found.append((node**m, ScalarFunction.parse(weight)))
        return _without_zeros(tuple(found))


def atoms_of_channel(law: Channel, residual: Residual) -> Atoms:
    r = law.n_variables
    nodes, weights = (
        [_in_variables(one, r) for one in those] for those in (law.nodes, law.weights)
    )
    values = [residual.of(one) if one.free_symbols else residual.at(one) for one in nodes]
    for one in law.nodes:
        if one.expression.free_symbols:
            residual.check_values(one)
    merged: dict[Any, Any] = {}
    for value, weight in zip(values, weights, strict=True):
        merged[value] = merged.get(value, sympy.Integer(0)) + weight
    return Atoms(tuple(merged), tuple(merged.values()), r)


@dataclass(frozen=True)
class Counts:
    """``y_1 = P(y)`` of a count, ``P`` a piecewise polynomial: its last piece, and the few others.

    ``E[y (y - 1) .. (y - j + 1)] = rate^j``.
    """

    rate: ScalarFunction
    residual: Residual
    n_values: ClassVar[int | None] = None

    @property
    def n_variables(self) -> int:
        return self.rate.n_variables

    @property
    def is_even(self) -> bool:
        return _is_even(self.rate)

    def terms(self, m: int) -> Terms:
        y, rate = variable("y"), self.rate.expression
        last = self.residual.pieces[-1]
        found: dict[int, Any] = {}
        power = sympy.Poly(last.expression**m, y)
        for (degree,), c in power.terms():
            for j in range(degree + 1):
                found[j] = found.get(j, 0) + c * _stirling(degree, j)
        made = [(c, ScalarFunction.parse(rate**j)) for j, c in sorted(found.items())]
        if last.lower.is_finite:
            for count in range(math.floor(float(last.lower)) + 1):
                value = self.residual.at(count) ** m - power.eval(count)
                weight = sympy.exp(-rate) * rate**count / sympy.factorial(count)
                made.append((value, ScalarFunction.parse(weight)))
        return _without_zeros(tuple(made))


@dataclass(frozen=True)
class SumOverCounts:
    """A residual that is no polynomial of counts: a sum over them, and a quadrature over ``z``."""

    law: Poisson
    loss: Loss
    n_values: ClassVar[int | None] = None
    why: ClassVar[str] = "a sum over all counts of a residual that is no piecewise polynomial"

    @property
    def n_variables(self) -> int:
        return self.law.n_variables

    @property
    def is_even(self) -> bool:
        return _is_even(self.law.rate)

    def coefficients(self, m: int, degree: int) -> Mapping[Index, Estimate]:
        r = self.n_variables
        if r == _MOST_VARIABLES:
            raise InvalidInputError(
                f"target: counts of {r} index directions are summed for residuals that are "
                f"piecewise polynomials of the label, got loss={self.loss.text!r}"
            )
        fine, coarse = (_quadrature(self.law, self.loss, m, degree, order) for order in (16, 12))
        return _with_errors(fine, coarse)


def _with_errors(
    fine: Mapping[Index, tuple[float, float]], coarse: Mapping[Index, tuple[float, float]]
) -> dict[Index, Estimate]:
    # What is left of the counts has the probability 1e-12 at most.
    return {
        alpha: Estimate(sympy.Float(value, 17), 2.0 * abs(value - coarse[alpha][0]) + 4e-12 * size)
        for alpha, (value, size) in fine.items()
    }


def _quadrature(
    law: Poisson, loss: Loss, m: int, degree: int, order: int
) -> dict[Index, tuple[float, float]]:
    """``E[y_1^m He_alpha(z)]``, and by how much it may be off at the ends of the range."""
    r = law.n_variables
    width = {1: 0.5}.get(r, 1.0)
    axes = []
    for i in range(r):
        inside = [kink for kink in law.kinks_along(i) if abs(kink) < _REACH]
        edges = np.unique([*np.arange(-_REACH, _REACH + width / 2, width), *inside])
        x, w = legendre_panels(edges, order)
        axes.append((x, w * np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi)))
    z = np.stack([one.ravel() for one in np.meshgrid(*(x for x, _ in axes), indexing="ij")])
    weights = axes[0][1]
    for _, w in axes[1:]:
        weights = np.multiply.outer(weights, w)
    mean = _mean_of_counts(law, loss, m, z)
    terms = weights.ravel() * mean
    end = np.abs(z).max(axis=0) > _REACH - 1.0
    found = {}
    for alpha in multi_indices(r, degree):
        values = terms.copy()
        for i, k in enumerate(alpha):
            values *= np.asarray(hermite_value(k, z[i]), dtype=float)
        found[alpha] = (
            float(values.sum()),
            float(np.abs(values).sum() + 1e12 * np.abs(values[end]).sum()),
        )
    return found


def _mean_of_counts(law: Poisson, loss: Loss, m: int, z: Array) -> Array:
    """``E[y_1^m | z]`` at points, some of them at a time."""
    parts = []
    for start in range(0, z.shape[1], _BLOCK):
        y, p = law.at(z[:, start : start + _BLOCK])
        parts.append((p * loss.residual(0.0, y) ** m).sum(axis=0))
    return np.concatenate(parts)


NUMERICAL = (NoiseAsVariable, SumOverCounts)
Powers: TypeAlias = OfFunction | Smoothed | Signs | Atoms | Counts | NoiseAsVariable | SumOverCounts


# Small things


def constant_function(value: int) -> ScalarFunction:
    return ScalarFunction.parse(sympy.Integer(value))


def _without_zeros(terms: Terms) -> Terms:
    kept = tuple((c, function) for c, function in terms if c != 0 and function.expression != 0)
    return kept or ((sympy.Integer(1), constant_function(0)),)


def _is_even(function: ScalarFunction) -> bool:
    if not function.expression.free_symbols:
        return True
    return function.n_variables == 1 and function.parity == 1


def _odd_factorial(j: int) -> int:
    """``E[xi^j]`` for even j."""
    return math.prod(range(j - 1, 0, -2))


def _stirling(n: int, j: int) -> int:
    """Of the second kind: ``y^n = sum_j S(n, j) y (y - 1) .. (y - j + 1)``."""
    total = 0
    for i in range(j + 1):
        sign = -1 if (j - i) % 2 else 1
        total += sign * math.comb(j, i) * int(i**n)
    return total // math.factorial(j)


def _in_variables(function: ScalarFunction, r: int) -> Any:
    """The expression, with a lone ``z`` as the first of several variables."""
    if r > 1 and function.variables == ("z",):
        return function.expression.subs(variable("z"), variable("z1"))
    return function.expression


def hermite_estimates(function: ScalarFunction, r: int, degree: int) -> dict[Index, Estimate]:
    own = function.n_variables
    if own == 1:
        found = hermite_moments(function, degree)
        return {
            (k, *(0,) * (r - 1)): Estimate(mu, error * math.sqrt(math.factorial(k)))
            for k, (mu, error) in enumerate(zip(found.values, found.errors, strict=True))
        }
    table = tensor_hermite_expansion(function, degree, max_seconds=None).estimates
    return {(*alpha, *(0,) * (r - own)): one for alpha, one in table.items()}
