"""Right vectors of the scaling level: their Gram matrix, and distances from the earlier ones.

Distances are ratios of Gram determinants, ``r_k^2 = det G[S, k] / det G[S]``, so that nothing is
divided or rooted before the end. ``w_0 = mu_1 (eta_1 beta_1 + eta_2 u)`` is the one vector that
depends on ``N``, with ``u = X_2^T y / n_2`` for independent batches and ``u = beta_1`` for a reused
one; determinants are quadratic forms in its two coefficients.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import mpmath

from rmt.lazy import sympy
from rmt.spikes.scaling.label_moments import FirstStep, Polynomial, double_factorial
from rmt.spikes.scaling.number import Number
from rmt.spikes.scaling.powers import PowerSum

__all__ = ["RightVectors", "label_polynomials"]

Name: TypeAlias = "int | str | tuple[str, int]"
"""``k`` for ``v_k``, ``"beta"``, ``"u"``, or ``("z", i)`` for a target direction."""


def label_polynomials(first: FirstStep, count: int) -> list[Polynomial]:
    """``psi_k = y Phi_k`` as polynomials in ``(y, zeta)``, ``k = 0 .. count - 1``.

    The bracket of ``Phi_k``, ``(phi_1 y sigma' [reused] + mu_1 zeta + mu_2 Ey Z + tau xi)^k``, is
    multiplied out; ``xi`` is averaged, and ``E[sigma^{(k+1)} sigma'^i Z^n]`` remains.
    """
    return [_label_polynomial(first, k) for k in range(count)]


def _label_polynomial(first: FirstStep, k: int) -> Polynomial:
    mu1 = first.activation.coefficient(1)
    # A factor that vanishes allows the power 0 alone.
    drift = first.activation.coefficient(2) * first.mean if k else Number.of(0)
    tau2 = first.tau2 if k > 1 else Number.of(0)
    labels, slopes, drifts, noises = (
        range(k + 1) if there else range(1)
        for there in (first.reused, not mu1.is_zero, not drift.is_zero, not tau2.is_zero)
    )
    psi: dict[tuple[int, int], Number] = {}
    sizes: dict[tuple[int, int], Any] = {}
    for i, j, n, m in itertools.product(labels, slopes, drifts, noises):
        if i + j + n + m == k and m % 2 == 0:
            ways = math.factorial(k) // math.prod(map(math.factorial, (i, j, n, m)))
            value = ways * double_factorial(m) * first.phi[0] ** i * mu1**j
            value = value * drift**n * tau2 ** (m // 2) * first.activation.moment(k, i, n)
            psi[i + 1, j] = psi.get((i + 1, j), Number.of(0)) + value
            sizes[i + 1, j] = sizes.get((i + 1, j), mpmath.mpf(0)) + value.magnitude
    settled = {c: value.settled(sizes[c], first.zero_digits) for c, value in psi.items()}
    return {c: value for c, value in settled.items() if not (value.is_exact and value.is_zero)}


class RightVectors:
    """Gram matrix of ``beta_1, u, v_1, .., v_K`` and the target directions (theory.md, section 3).

    Attributes
    ----------
    first : FirstStep
    polynomials : sequence of Polynomial
        ``psi_k`` for ``k = 0 .. K``; for one step none.
    """

    def __init__(self, first: FirstStep, polynomials: Sequence[Polynomial]) -> None:
        self.first = first
        self._psi: dict[Name, Polynomial] = dict(enumerate(polynomials[1:], 1))
        if len(first.problem.steps) == 2 and not first.reused:
            self._psi["u"] = {(1, 0): Number.of(1)}
        self._means = {
            name: (
                tuple(first.expectation(psi, z=i) for i in range(first.n_directions)),
                first.expectation(_slope_in_zeta(psi)),
                first.expectation(psi, y=1) if first.reused else Number.of(0),
            )
            for name, psi in self._psi.items()
        }
        self._gram: dict[tuple[Name, Name], Number] = {}
        self.inner = cache(self._inner)

    # Inner products

    def _inner(self, x: Name, y: Name) -> Number:
        """``<x, y>``; zero when the two are orthogonal to all digits that are known."""
        value = self._formula(x, y)
        if x == y:
            return value
        with mpmath.workprec(60):
            scale = mpmath.sqrt(self.inner(x, x).magnitude * self.inner(y, y).magnitude)
        return value.settled(scale, self.first.zero_digits)

    def _formula(self, x: Name, y: Name) -> Number:
        first = self.first
        for left, right in ((x, y), (y, x)):
            if not isinstance(left, tuple):
                continue
            if isinstance(right, tuple):
                return Number.of(int(left == right))
            return first.b[left[1]] if right == "beta" else self._means[right][0][left[1]]
        if x == y == "beta":
            return first.overlap_square + first.s2
        if "beta" in (x, y):
            z, slope, label = self._means[y if x == "beta" else x]
            # E[zeta psi] = b . E[z psi] + s^2 E[d psi / d zeta]
            value = _dot(first.b, z) + first.s2 * slope
            return value + first.phi[0] * label if first.reused else value
        (z, m, label), (other_z, other_m, other_label) = self._means[x], self._means[y]
        phi = first.phi[0] if first.reused else first.phi[-1]
        value = phi * first.mean_of_product(self._psi[x], self._psi[y])
        value = value + _dot(z, other_z) + first.s2 * m * other_m
        if first.reused:
            value = value + first.phi[0] * (m * other_label + other_m * label)
        return value

    def overlap(self, k: int) -> tuple[Number, ...]:
        """``<v_k, beta_*>``."""
        return tuple(self.inner(k, target) for target in self._targets)

    @property
    def _targets(self) -> list[Name]:
        return [("z", i) for i in range(self.first.n_directions)]

    # Spike 0

    @property
    def has_two_batches(self) -> bool:
        """Whether ``u`` is another vector than ``beta_1``."""
        return "u" in self._psi

    def first_square(self, eta: Sequence[tuple[Any, Number]]) -> tuple[PowerSum, PowerSum]:
        """``|w_0|^2 = outside^2 inside``, as (outside, inside); `eta` are exponents and scales."""
        steps = PowerSum.of(list(eta))
        mu1 = self.first.activation.coefficient(1)
        square = mu1 * mu1
        if not self.has_two_batches:
            return steps, PowerSum.constant(square * self.inner("beta", "beta"))
        names: tuple[Name, ...] = ("beta", "u")
        inside = PowerSum.of(
            [
                (e + f, c * d * square * self.inner(x, y))
                for (e, c), x in zip(eta, names, strict=True)
                for (f, d), y in zip(eta, names, strict=True)
            ]
        )
        return PowerSum.constant(1), inside

    def first_overlap(self, eta: Sequence[tuple[Any, Number]]) -> list[PowerSum]:
        """``<w_0, beta_*> = mu_1 (eta_1 + eta_2) b``."""
        mu1 = self.first.activation.coefficient(1)
        return [PowerSum.of(list(eta)).times(mu1 * b) for b in self.first.b]

    # The others

    def residual(
        self, k: int, kept: Sequence[int], eta: Sequence[tuple[Any, Number]]
    ) -> tuple[PowerSum, PowerSum, list[PowerSum]]:
        """What is left of ``v_k`` off ``w_0`` and the ``v_l``, ``l`` in `kept`.

        Returns
        -------
        over, under : PowerSum
            ``r_k^2 = over / under``.
        dots : list of PowerSum
            Inner products with the target directions, times `under`.
        """
        weights = self._weights(eta)
        connected = self._connected(k, [*weights, *kept])
        weights = {name: w for name, w in weights.items() if name in connected}
        rows: list[Name] = [name for name in kept if name in connected]
        if not weights:
            under = PowerSum.constant(self._minor(rows, rows))
            over = PowerSum.constant(self._minor([*rows, k], [*rows, k]))
            dots = [PowerSum.constant(self._minor([*rows, k], [*rows, t])) for t in self._targets]
            return over, under, dots

        def form(row_end: list[Name], column_end: list[Name]) -> PowerSum:
            terms = []
            for (x, (e, c)), (y, (f, d)) in itertools.product(weights.items(), weights.items()):
                minor = self._minor([x, *rows, *row_end], [y, *rows, *column_end])
                terms.append((e + f, c * d * minor))
            return PowerSum.of(terms)

        return form([k], [k]), form([], []), [form([k], [t]) for t in self._targets]

    def _weights(self, eta: Sequence[tuple[Any, Number]]) -> dict[Name, tuple[Any, Number]]:
        """The direction of ``w_0``: exponents of ``N`` and coefficients of ``beta_1`` and ``u``."""
        if self.first.activation.coefficient(1).is_zero:
            return {}
        zero, one = sympy.Integer(0), Number.of(1)
        if not self.has_two_batches:
            return {"beta": (zero, one)}
        (e, c), (f, d) = eta
        return {"beta": (sympy.expand(e - f), c / d), "u": (zero, one)}

    def _connected(self, k: int, names: Sequence[Name]) -> set[Name]:
        """Those that ``v_k`` is not orthogonal to, or that others of them are not orthogonal to.

        ``beta_1`` and ``u`` are one: only a combination of the two counts.
        """
        found: set[Name] = {k}
        pending: list[Name] = [k]
        while pending:
            name = pending.pop()
            for other in names:
                if other not in found and not self.inner(name, other).is_zero:
                    partners = {"beta", "u"} & set(names) if other in ("beta", "u") else {other}
                    found |= partners
                    pending += list(partners)
        return found

    def _minor(self, rows: Sequence[Name], columns: Sequence[Name]) -> Number:
        """A determinant of inner products; zero when it vanishes to all digits that are known."""
        value = _determinant([[self.inner(x, y) for y in columns] for x in rows])
        with mpmath.workprec(60):
            scale = mpmath.sqrt(mpmath.fprod(self.inner(x, x).magnitude for x in [*rows, *columns]))
        return value.settled(scale, self.first.zero_digits)


def _slope_in_zeta(psi: Polynomial) -> Polynomial:
    return {(a, j - 1): j * c for (a, j), c in psi.items() if j}


def _dot(x: Sequence[Number], y: Sequence[Number]) -> Number:
    return sum((p * q for p, q in zip(x, y, strict=True)), Number.of(0))


def _determinant(matrix: Sequence[Sequence[Number]]) -> Number:
    """Along the rows; every minor once, and none below a zero."""

    @cache
    def minor(row: int, columns: tuple[int, ...]) -> Number:
        total = Number.of(1 if not columns else 0)
        for position, column in enumerate(columns):
            entry = matrix[row][column]
            if entry.is_exact and entry.is_zero:
                continue
            rest = columns[:position] + columns[position + 1 :]
            total = total + (-1) ** position * entry * minor(row + 1, rest)
        return total

    return minor(0, tuple(range(len(matrix))))
