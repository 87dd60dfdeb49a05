"""Exponents of more than two steps on fresh batches (theory.md, any number of steps).

Everything is counted in powers of the readout ``g`` and of ``N``. The rows' mean update is a sum of
``g^{k+1} w_k^T / sqrt(N)``, one right vector for each power, and a pre-activation is shifted by the
same sum with ``1 / sqrt(N)``: a factor of the shift of size ``N^{e - 1/2}`` for each ``w`` of size
``N^e``. Step ``s + 1`` multiplies factors of the shift that the steps before have left, so that

    e_k(s + 1) = max( e_k(s), alpha_{s+1} + sum of (e - 1/2) over the factors ),

the largest over the products that do not vanish. With the largest exponent ``A_s`` of the steps
before in every factor this is ``alpha_{s+1} - k (1/2 - A_s)``. For a direction ``q_i`` of the
target the product of ``j`` factors has the coefficient ``mu_{j+1} T_{j+1}[q_i, q_{i_1}, ..]``,
``T_k = E[y He_k(z)]``, in which the factors are directions that are known: leap 1.

Labels are the effective ones of the loss, ``y -> y_1 = rho(0, y)``. The residual answers to the
output ``h``, which holds the same factors, but no power of ``g``: an answer ``q(h)`` that is the
same for every label is made of known directions and finds none. One that depends on the label
would (`rmt.problem.effective.answers_alike`), and has no prediction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.functions import ScalarFunction
from rmt.hermite import tensor_hermite_expansion
from rmt.hermite.exponents.staircase import Staircase, staircase
from rmt.lazy import sympy
from rmt.problem import Problem
from rmt.spikes.scaling.activation_moments import activation_moments
from rmt.spikes.scaling.exponents import highest_power
from rmt.spikes.scaling.gram import RightVectors, label_polynomials
from rmt.spikes.scaling.label_moments import FirstStep, decimal_fraction
from rmt.spikes.scaling.number import Number
from rmt.spikes.scaling.powers import PowerSum, RootRatio
from rmt.spikes.scaling.readout_moments import left_distance_square
from rmt.spikes.scaling.steps_in_n import StepsDirection, StepsScaling, StepsSpike
from rmt.status import InvalidInputError

__all__ = ["steps_scaling"]

_DEGREE = 6  # of the target's coefficients, as `staircase` has it
_ZERO = 1e-9  # of a contraction, relative to the size of the target
_MORE_STEPS = 6  # how many further ones are looked at to say which would find a direction


def steps_scaling(problem: Problem, count: int, exponents: tuple[Any, ...]) -> StepsScaling:
    """Spikes of the powers ``0 .. count - 1``, and the target's directions.

    Raises
    ------
    InvalidInputError
        For an activation with ``mu_1 = 0``, of which the first power is absent.
    """
    # Moments are those of two steps on fresh batches: no product of steps has others.
    first = FirstStep(problem.with_n_steps(2), count - 1)
    if first.activation.coefficient(1).is_zero:
        raise InvalidInputError(
            f"activation: E[sigma'(Z)] = 0 for {problem.activation.text}, so that no step learns "
            "to first order; exponents after more than two steps need it, use the level resummed"
        )
    spikes = _spikes(problem, first, count, exponents)
    slopes = activation_moments(problem.activation, 2 * _DEGREE, False)
    mu = [slopes.coefficient(k) for k in range(2 * _DEGREE + 1)]
    directions = _directions(problem, _Pieces(first.labels.mean, mu, first.mean), exponents)
    return StepsScaling(problem, exponents, spikes, directions, highest_power(exponents))


# Powers of the readout


def _spikes(
    problem: Problem, first: FirstStep, count: int, exponents: tuple[Any, ...]
) -> tuple[StepsSpike, ...]:
    polynomials = label_polynomials(first, count)
    seen = [any(not c.is_zero for c in one.values()) for one in polynomials]
    sizes = _sizes_of_powers(count, seen, exponents)
    right = RightVectors(first, polynomials)
    pair = [(a, Number.of(1)) for a in exponents[:2]]
    made: list[StepsSpike] = []
    kept: list[int] = []
    for k, size in enumerate(sizes):
        zero_left = left_distance_square(problem, [p + 1 for p in kept], k + 1).is_zero
        absent = undecided = ""
        if size is None:
            absent = _why_no_power(problem, k)
        elif zero_left:
            absent = f"g^{k + 1} lies in the span of the earlier powers of g"
        elif k and seen[k]:
            of_a_pair = [p for p in kept if p and seen[p]]
            if right.residual(k, of_a_pair, pair)[0].is_zero:
                undecided = (
                    "of this size at most, not derived: a pair of steps has it in the span of the "
                    "earlier right vectors"
                )
        if not (absent or undecided):
            kept.append(k)
        laws = _first_spike(problem, first, exponents) if k == 0 else (None, ())
        made.append(StepsSpike(k, size, absent, undecided, *laws))
    return tuple(made)


def _sizes_of_powers(count: int, seen: Sequence[bool], exponents: Sequence[Any]) -> list[Any]:
    """The exponent of each power after the last step; None where no product makes it."""
    half = sympy.Rational(1, 2)
    sizes: list[Any] = [None] * count
    for s, alpha in enumerate(exponents):
        largest = max(exponents[:s], default=None)
        grown = list(sizes)
        for k in range(count):
            for parts in _partitions(k):
                if (parts and largest is None) or not seen[len(parts)]:
                    continue
                # A factor of the power 1 is what a step leaves itself, of either kind.
                factors = [largest if m == 1 else sizes[m - 1] for m in parts]
                if all(one is not None for one in factors):
                    size = alpha + sum(one - half for one in factors)
                    grown[k] = size if grown[k] is None else max(grown[k], size)
        sizes = grown
    return sizes


def _partitions(total: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """A whole number as a sum of falling ones."""
    if not total:
        yield ()
        return
    for part in range(min(total, most or total), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)


def _why_no_power(problem: Problem, k: int) -> str:
    if problem.activation.parity == -1 and k % 2:
        return "its coefficients are 0 by parity: sigma is odd"
    return "the coefficients of all products of this power are 0"


def _first_spike(
    problem: Problem, first: FirstStep, exponents: Sequence[Any]
) -> tuple[RootRatio, tuple[RootRatio, ...]]:
    """``mu_1 |sum_s eta_s beta_s|``: the batches share their mean ``b`` alone."""
    eta = [
        (a, Number.of(decimal_fraction(step.scale)))
        for a, step in zip(exponents, problem.steps, strict=True)
    ]
    total = PowerSum.of(eta)
    phi = [Number.of(sympy.Rational(problem.dim, n)) for n in problem.samples]
    noise = PowerSum.of(
        [(2 * a, c * c * p * first.second_moment) for (a, c), p in zip(eta, phi, strict=True)]
    )
    inside = (total * total).times(first.overlap_square) + noise
    mu1, one = first.activation.coefficient(1), PowerSum.constant(1)
    square = left_distance_square(problem, [], 1)
    strength = RootRatio(one, inside.times(mu1 * mu1 * square), one)
    # |mu_1| and sqrt(E g^2) stand on both sides of a unit vector.
    sign = 1 if float(mu1) > 0 else -1
    alignments = tuple(RootRatio(total.times(sign * b), one, inside) for b in first.b)
    return strength, alignments


# Directions of the target


@dataclass(frozen=True, slots=True)
class _Found:
    """How large a direction is, the power of the readout it comes with, and since which step."""

    exponent: Any
    order: int
    step: int


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The target as it is seen, ``E[y_1 | z]``; ``mu_k`` of the activation by ``k``; ``Ey_1``."""

    target: ScalarFunction
    mu: Sequence[Number]
    mean: Number


@dataclass(frozen=True, slots=True)
class _Route:
    """A product that holds a direction: of these known ones, with `extra` powers of the lengths."""

    target: int
    factors: tuple[int, ...]
    extra: int


def _directions(
    problem: Problem, pieces: _Pieces, exponents: tuple[Any, ...]
) -> tuple[StepsDirection, ...]:
    known = staircase(pieces.target, _DEGREE, max_seconds=None)
    basis, leaps = _basis(known, pieces)
    routes = _routes(known, basis, pieces)
    after = [*exponents, *[exponents[-1]] * _MORE_STEPS]
    found = _walk(routes, basis.shape[1], exponents)
    later = _walk(routes, basis.shape[1], after)
    # Directions that the labels have, and what is seen of them has not.
    n = problem.n_directions
    unseen = (0.0,) * (n - basis.shape[0])
    made = []
    for i, leap in enumerate(leaps):
        one, then = found[i], later[i]
        vector = (*(float(x) for x in basis[:, i]), *unseen)
        if one is None:
            reason = _why_never(problem, known, leap, then, len(exponents))
            made.append(StepsDirection(vector, leap, None, None, None, reason))
            continue
        reason = _too_small(one) if one.exponent <= 0 else ""
        made.append(StepsDirection(vector, leap, one.order, one.step, one.exponent, reason))
    for i in range(basis.shape[0], n):
        vector = tuple(float(j == i) for j in range(n))
        reason = _why_never(problem, known, None, None, len(exponents))
        made.append(StepsDirection(vector, None, None, None, None, reason))
    return tuple(made)


def _too_small(one: _Found) -> str:
    need = sympy.Rational(one.order, 2 * (one.order + 1))
    return (
        f"it comes with the power {one.order} of the shift and does not grow; with equal exponents "
        f"these must exceed {need}"
    )


def _why_never(
    problem: Problem, known: Staircase, leap: int | None, later: _Found | None, n_steps: int
) -> str:
    if later is not None:
        return f"it enters at step {later.step}, and there are {n_steps}"
    if leap is None:
        return f"no coefficient of the target up to degree {known.searched} depends on it"
    if known.leap is not None and leap > 1:
        return f"leap {leap} over what is known: fresh batches find leap 1 alone"
    parity = {1: "even", -1: "odd"}.get(problem.activation.parity or 0)
    why = f"sigma is {parity}" if parity else "coefficients of the activation vanish"
    return f"leap 1, but no power of the shift holds it: {why}, or what it leans on is not found"


def _basis(known: Staircase, pieces: _Pieces) -> tuple[Array, list[int | None]]:
    """Directions in the order of the staircase, with the leap of each; None where it has none."""
    columns: list[Array] = []
    leaps: list[int | None] = []
    for step in known.steps:
        block = step.directions
        if step.degree == 1 and block.shape[1] > 1 and columns:
            block = _in_order(block, columns[0], pieces)
        columns += list(block.T)
        # Behind a leap that is never made nothing is known.
        behind = max([step.degree, *(one for one in leaps if one is not None)])
        leaps += [behind] * block.shape[1]
    columns += list(known.unlearned.T)
    leaps += [None] * known.unlearned.shape[1]
    return np.array(columns).T, leaps


def _in_order(block: Array, known: Array, pieces: _Pieces) -> Array:
    """A basis of directions that are reached together, by the power at which each comes."""
    expansion = tensor_hermite_expansion(pieces.target, _DEGREE, max_seconds=None)
    orders = sorted(range(1, _DEGREE), key=lambda j: (pieces.mu[j + 1].is_zero, j))
    vectors = []
    for j in orders:
        tensor = expansion.tensor(j + 1)
        for _ in range(j):
            tensor = np.tensordot(tensor, known, axes=([-1], [0]))
        vectors.append(block.T @ tensor)
    size = max(float(np.linalg.norm(v)) for v in vectors)
    made: list[Array] = []
    for vector in [*vectors, *np.eye(block.shape[1])]:
        rest = vector - sum((u * (u @ vector) for u in made), np.zeros(vector.size))
        if len(made) < block.shape[1] and np.linalg.norm(rest) > _ZERO * max(size, 1.0):
            made.append(rest / np.linalg.norm(rest))
    return np.asarray(block @ np.array(made).T)


def _routes(known: Staircase, basis: Array, pieces: _Pieces) -> list[_Route]:
    """Products whose coefficient does not vanish, with the least powers of the rows' lengths."""
    expansion = tensor_hermite_expansion(pieces.target, _DEGREE, max_seconds=None)
    tensors = []
    for k in range(_DEGREE + 1):
        tensor = expansion.tensor(k)
        for _ in range(k):
            tensor = np.tensordot(tensor, basis, axes=([0], [0]))
        tensors.append(tensor)
    size = float(np.sqrt(sum(float(np.sum(t * t)) for t in tensors))) or 1.0
    zero = max(known.tolerance, _ZERO) * size
    extra = [_extra_powers(pieces, j) for j in range(_DEGREE)]
    routes = []
    for j, least in enumerate(extra):
        if least is None:
            continue
        for factors in itertools.combinations_with_replacement(range(basis.shape[1]), j):
            for i in range(basis.shape[1]):
                if abs(tensors[j + 1][(i, *factors)]) > zero:
                    routes.append(_Route(i, factors, least))
    return routes


def _extra_powers(pieces: _Pieces, j: int) -> int | None:
    """The least power of the shift in ``E[sigma^{(j+1)}(sqrt(Sigma) Z)]``, if there is one.

    The variance ``Sigma`` of a pre-activation is 1 and terms of all powers from the second on, and
    of the first where ``mu_2 Ey`` is not zero; ``q`` of them come with ``mu_{j+1+2q}``.
    """
    mu = pieces.mu
    linear = not (mu[2].is_zero or pieces.mean.is_zero)
    least = [
        q if linear else 2 * q
        for q in range((len(mu) - j - 2) // 2 + 1)
        if not mu[j + 1 + 2 * q].is_zero
    ]
    return min(least, default=None)


def _walk(routes: Sequence[_Route], n: int, exponents: Sequence[Any]) -> list[_Found | None]:
    half = sympy.Rational(1, 2)
    found: list[_Found | None] = [None] * n
    for s, alpha in enumerate(exponents):
        largest = max(exponents[:s], default=None)
        grown = list(found)
        for route in routes:
            factors = [one for one in (found[i] for i in route.factors) if one is not None]
            if len(factors) < len(route.factors) or (route.extra and largest is None):
                continue
            size = alpha + sum(one.exponent - half for one in factors)
            if route.extra:
                size += route.extra * (largest - half)
            order = sum(one.order + 1 for one in factors) + route.extra
            had = grown[route.target]
            if had is None or size > had.exponent:
                step = s + 1 if had is None else had.step
                grown[route.target] = _Found(size, order, step)
        found = grown
    return found
