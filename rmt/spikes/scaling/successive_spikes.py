"""The spikes of the scaling level, one after the other: each off those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rmt.lazy import sympy
from rmt.problem import Problem
from rmt.spikes.scaling.gram import RightVectors, label_polynomials
from rmt.spikes.scaling.label_moments import FirstStep, Polynomial, decimal_fraction
from rmt.spikes.scaling.number import Number
from rmt.spikes.scaling.powers import PowerSum, RootRatio
from rmt.spikes.scaling.readout_moments import left_distance_square, left_polynomial
from rmt.spikes.scaling.spikes_in_n import ScalingSpike
from rmt.status import InvalidInputError

__all__ = ["scaling_spikes"]


def scaling_spikes(
    problem: Problem, count: int, exponents: tuple[Any, ...]
) -> tuple[ScalingSpike, ...]:
    """Spikes ``k = 0 .. count - 1``, absent ones included."""
    first = FirstStep(problem, count - 1)
    if first.reused:
        first.activation.check_smooth(count - 1)
    polynomials = label_polynomials(first, count) if len(exponents) == 2 else []
    eta = [
        (a, Number.of(decimal_fraction(step.scale)))
        for a, step in zip(exponents, problem.steps, strict=True)
    ]
    made = _Spikes(problem, eta, polynomials, RightVectors(first, polynomials))
    return tuple(made.next() for _ in range(count))


@dataclass(frozen=True, slots=True)
class _Right:
    """The right side of a spike: what is left of its vector off those of the earlier ones.

    Attributes
    ----------
    exponent : sympy.Expr
    growth : PowerSum
        ``eta_2 eta_1^k / k! N^{-k/2}``; 1 for k = 0.
    outside, over, under : PowerSum
        Its length is ``outside sqrt(over / under)``.
    dots : sequence of PowerSum
        Inner products with the target directions, times ``under / outside``.
    overlap : sequence of PowerSum
        Those of the whole vector.
    """

    exponent: Any
    growth: PowerSum
    outside: PowerSum
    over: PowerSum
    under: PowerSum
    dots: Sequence[PowerSum]
    overlap: Sequence[PowerSum]

    @property
    def alignments(self) -> tuple[RootRatio, ...]:
        """Inner products of the unit vector with the target directions."""
        return tuple(RootRatio(dot, self.under, self.over, self.under) for dot in self.dots)


@dataclass(slots=True)
class _Spikes:
    """The spikes found so far, and what the next are made from."""

    problem: Problem
    eta: list[tuple[Any, Number]]
    polynomials: list[Polynomial]
    right: RightVectors
    present: list[int] = field(default_factory=list)
    count: int = 0
    collinear: bool = False
    """Whether some v_k was not zero but in the span of earlier ones."""

    def next(self) -> ScalingSpike:
        k = self.count
        self.count += 1
        powers = [order + 1 for order in self.present]
        delta_sq = left_distance_square(self.problem, powers, k + 1)
        right = self._first() if k == 0 else self._later(k)
        absent = self._why_absent(k, right, delta_sq)
        strength = RootRatio(right.outside * right.growth, right.over.times(delta_sq), right.under)
        distance = RootRatio(right.outside, right.over, right.under)
        zero = sympy.Integer(0)
        if absent:
            nothing = RootRatio(PowerSum(()), right.under, right.under)
            alignments = (nothing,) * self.problem.n_directions
        else:
            self._check_decided(k)
            alignments = right.alignments
            self.present.append(k)
        leading = None
        if not right.exponent.free_symbols:
            grows, limit = strength.leading()
            leading = limit if not absent and grows == right.exponent else zero
        return ScalingSpike(
            order=k,
            exponent=right.exponent,
            strength=zero if absent else strength.expression(),
            leading=leading,
            left_distance=delta_sq.root().expression(),
            right_distance=distance.expression(),
            overlap=tuple(overlap.expression() for overlap in right.overlap),
            alignment=tuple(law.expression() for law in alignments),
            at_threshold=not absent and bool(right.exponent == 0),
            is_outlier=self._leaves(right.exponent, leading),
            absent=absent,
            left_polynomial=() if absent else left_polynomial(self.problem, powers, k + 1),
            strength_law=strength,
            alignment_laws=alignments,
        )

    def _first(self) -> _Right:
        exponents = [a for a, _ in self.eta]
        outside, over = self.right.first_square(self.eta)
        overlap = self.right.first_overlap(self.eta)
        dots: list[PowerSum] = overlap
        if not self.right.has_two_batches:
            mu1 = self.right.first.activation.coefficient(1)
            dots = [PowerSum.constant(mu1 * b) for b in self.right.first.b]
        one = PowerSum.constant(1)
        return _Right(sympy.Max(*exponents), one, outside, over, one, dots, overlap)

    def _later(self, k: int) -> _Right:
        (first, c), (second, d) = self.eta
        exponent = sympy.expand(second - k * (sympy.Rational(1, 2) - first))
        growth = PowerSum.constant(c**k * d / math.factorial(k)).times(1, exponent)
        kept = [order for order in self.present if order]
        over, under, dots = self.right.residual(k, kept, self.eta)
        overlap = [PowerSum.constant(o) for o in self.right.overlap(k)]
        return _Right(exponent, growth, PowerSum.constant(1), over, under, dots, overlap)

    def _leaves(self, exponent: Any, leading: Any) -> bool | None:
        """Whether a spike of this size is an outlier as ``N`` grows."""
        if exponent.free_symbols:
            return None
        ratio = sympy.Rational(self.problem.width, self.problem.dim)
        return bool(leading != 0 and (exponent > 0 or (exponent == 0 and leading**4 > ratio)))

    def _why_absent(self, k: int, right: _Right, delta_sq: Number) -> str:
        """Empty when the spike is there."""
        coefficients = [self.right.first.activation.coefficient(1)]
        if k:
            coefficients = list(self.polynomials[k].values())
        if all(c.is_zero for c in coefficients):
            return self._how_it_vanishes(k, coefficients)
        if right.over.is_zero:
            self.collinear = True
            return f"v_{k} lies in the span of the earlier right vectors"
        if delta_sq.is_zero:
            return f"g^{k + 1} lies in the span of the earlier powers of g"
        return ""

    def _how_it_vanishes(self, k: int, coefficients: Sequence[Number]) -> str:
        parity = self.problem.activation.parity
        if parity == -1 and k % 2:
            return f"Phi_{k} = 0 by parity: sigma is odd"
        if parity == 1:
            return f"Phi_{k} = 0 by parity: sigma is even"
        bound = max((c.error for c in coefficients), default=0.0)
        return f"Phi_{k} = 0 " + (f"to within {bound:.0e}" if bound else "exactly")

    def _check_decided(self, k: int) -> None:
        """Powers of ``g`` and right vectors both dependent: terms of equal size would be left."""
        every = range(1, k + 1)
        if self.collinear and left_distance_square(self.problem, every, k + 1).is_zero:
            raise InvalidInputError(
                f"readout: with so few values of g, and right vectors that are linearly dependent, "
                f"several orders meet in spike {k}; use the level resummed, or n_spikes={k}"
            )
