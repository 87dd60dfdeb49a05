"""The spikes as couplings inside the pencil of the deformed bulk: the exact outlier forms.

Spikes and bulk are built from the same inputs ``X``. The mean update of the steps before the last
is ``sum_k h_k(g) e_k`` in orthonormal directions, the target's first. The inputs of a batch are

    X = sum_k s_k e_k^T + P_a X' P_e

conditionally on its samples along the ``e_k``, ``s_k`` (`rmt.spikes.state`: what a sample would
have there, and what it has put there itself), and on the directions ``(1/n) X^T p_l`` that the
batch has made before the last step: ``P_e`` projects off the ``e_k``, ``P_a`` off the ``a_l``,
which are the ``p_l`` made orthonormal over the samples. For every batch this adds to the quadratic
form of `rmt.spikes.deformed.bulk` the couplings

    - (lambda^T s_k) (e_k^T u) / sqrt(n)
    - (lambda_m^T e_k) (s_k^T D_{r_m} v) / sqrt(n)

and for ``P_a``, with ``v' = n^{-1/2} X' P_e u``, ``v = P_a v' + ..``, ``chi_m = P_a D_{r_m} v``,

    (lambda^T a_l) (a_l^T v') / n + (lambda_chi_m^T a_l) (a_l^T D_{r_m} v) / n;

and the mean update adds, ``sum_k c_k(a) psi_k`` that of the last step, on its batch's ``v``,

    r^T h_k (e_k^T u) + r^T c_k(a) (psi_k^T v) / sqrt(n).

What ``s_k`` holds of directions that were made after the batch was used is a Gaussian number, of
which nothing else at the sample knows.

The slots ``v', chi_m`` need no larger pencil. Without the projections they are determined by ``v``
and ``lambda`` at each node, and with ``S = phi M_d`` between ``u, lambda_1, ..`` a source on one of
them acts like one on the pair ``(v, lambda)``:

    v' -> (1, 0),   lambda_chi_m -> (sum_m' S_mm' r_m', S_um),

up to ``<lambda, v'> -= 1`` and ``<lambda_chi_m, lambda_chi_m'> += S_mm'``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from rmt.arrays import Array, Indices
from rmt.problem import Problem
from rmt.spectra.coupled_outliers import FormsAt
from rmt.spikes.deformed.above import Solution
from rmt.spikes.deformed.bulk import DeformedBulk
from rmt.spikes.deformed.equation import BatchTerms
from rmt.spikes.deformed.fluctuations import Inputs
from rmt.spikes.deformed.own_parts import AtSolution, OnBatch, OwnParts, Samples
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["ExactForms"]


_NEGLIGIBLE = 1e-10  # of the mean update: separable terms beyond it are dropped


@dataclass(frozen=True, slots=True, eq=False)
class _OnReadout:
    """``f(a)^T r``: ``f`` on the nodes of the readout."""

    function: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """``e_k^T slot``, the slot by its place in ``M_d``."""

    slot: int
    k: int


@dataclass(frozen=True, slots=True, eq=False)
class _OnSamples:
    """``n^{-1/2} f^T slot`` on a batch: ``f`` on its nodes; the slot ``v``, ``v'`` or ``lambda``.

    With ``source`` it is made of ``a_l``, with ``m`` times ``r_m``.
    """

    batch: int
    slot: str
    function: Array
    m: int | None = None
    source: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Projected:
    """``n^{-1/2} a_l^T lambda_chi_m`` on a batch."""

    batch: int
    m: int
    source: int


@dataclass(frozen=True, slots=True, eq=False)
class _OfOwn:
    """``r^T D_f R_k``, by its number in the `OwnParts`."""

    number: int


_Vector: TypeAlias = _OnReadout | _Direction | _OnSamples | _Projected | _OfOwn
_Kind = TypeVar("_Kind", _OnReadout, _Direction, _OfOwn)
_Forms: TypeAlias = tuple[Indices, Indices, Array, Array]  # rows, columns, values, slopes


def _samples(inputs: Inputs, terms: BatchTerms) -> Samples:
    """What the batch has not seen of the ``s_k``: a copy of the nodes for each such number.

    Functions are at most linear in these numbers, which are independent of the nodes and of each
    other, so that products of two of them are sums over the copies.
    """
    values, vectors = np.linalg.eigh(inputs.unseen)
    kept = values > _NEGLIGIBLE * values.max(initial=0.0)
    numbers = vectors[:, kept] * np.sqrt(values[kept])
    size, copies = terms.weights.size, 1 + numbers.shape[1]
    known = np.repeat(np.arange(copies) == 0, size) * 1.0
    sources = _orthonormal(inputs.sources, terms.weights)
    return Samples(
        np.tile(terms.weights, copies),
        known,
        np.concatenate([inputs.along, np.repeat(numbers, size, axis=1)], axis=1),
        np.tile(terms.right, (1, copies)),
        np.tile(sources, (1, copies)) * known,
    )


def _couplings(b: int, samples: Samples, multipliers: Indices) -> list[tuple[_Vector, _Vector]]:
    """Of the inputs of a batch; the ``lambda_m`` are in these places of ``M_d``."""
    found: list[tuple[_Vector, _Vector]] = [
        (_OnSamples(b, "lambda", -s_k), _Direction(0, k)) for k, s_k in enumerate(samples.along)
    ]
    found += [
        (_Direction(int(place), k), _OnSamples(b, "v", -s_k * r_m, m))
        for m, (place, r_m) in enumerate(zip(multipliers, samples.right, strict=True))
        for k, s_k in enumerate(samples.along)
    ]
    found += [
        (_OnSamples(b, "lambda", a_l, source=number), _OnSamples(b, "v'", a_l))
        for number, a_l in enumerate(samples.projected)
    ]
    found += [
        (_Projected(b, m, number), _OnSamples(b, "v", a_l * r_m, m=m, source=number))
        for m, r_m in enumerate(samples.right)
        for number, a_l in enumerate(samples.projected)
    ]
    return found


class _Sources:
    """The vectors on a batch, as sources on the pair ``(v, lambda)`` at each node.

    First those on ``v``, then those on ``lambda``. What is left, the ``a_l^T lambda_chi_m``, moves
    with ``z`` and is made of them: ``sum_m' S_mm' a_l r_m'`` on ``v``, ``S_um a_l`` on ``lambda``.
    """

    def __init__(self, number: int, samples: Samples, vectors: Sequence[_Vector]) -> None:
        self._weights = samples.weights
        of_batch = [
            (i, one)
            for i, one in enumerate(vectors)
            if isinstance(one, _OnSamples) and one.batch == number
        ]
        of_batch.sort(key=lambda pair: pair[1].slot == "lambda")
        fixed = [one for _, one in of_batch]
        moving = [
            (i, one)
            for i, one in enumerate(vectors)
            if isinstance(one, _Projected) and one.batch == number
        ]
        self.at = np.array([i for i, _ in of_batch] + [i for i, _ in moving])
        self._count, rank = len(fixed), len(samples.right)
        on_v = sum(one.slot != "lambda" for one in fixed)
        functions = np.array([one.function for one in fixed])
        self._on_v, self._on_lambda = functions[:on_v], functions[on_v:]
        # <lambda, v'> -= 1
        before = np.array([one.slot == "v'" for one in fixed[:on_v]], dtype=float)
        identity = np.zeros((self._count, self._count))
        identity[on_v:, :on_v] = (self._on_lambda * samples.weights) @ self._on_v.T * before
        self._identity = identity + identity.T
        # The sources that a_l^T lambda_chi_m is made of.
        place = {(one.source, one.m): i for i, one in enumerate(fixed) if one.source is not None}
        sources = [one.source for _, one in moving]
        self._m = np.array([one.m for _, one in moving], dtype=np.intp)
        self._same = (np.array(sources)[:, None] == np.array(sources)) * 1.0
        parts = [[place[one, m] for m in range(rank)] for one in sources]
        self._parts = np.array(parts, dtype=np.intp).reshape(len(moving), rank)
        self._alone = np.array([place[one, None] for one in sources], dtype=np.intp)

    def forms(self, kernel: Array, change: Array, among: Array, turn: Array) -> tuple[Array, Array]:
        """Values and slopes of all forms.

        ``kernel`` and ``change``, shape (3, P), are ``(M_vv, M_vl, M_ll)`` and their derivatives by
        ``z``; ``among`` and ``turn`` are ``S`` and its derivative.
        """
        value, slope = self._of_fixed(kernel), self._of_fixed(change)
        value -= self._identity
        if not self._m.size:
            return value, slope
        made, moved = self._combined(among), self._combined(turn)
        # The identity is no part of what the moving ones meet.
        free = value + self._identity
        cross, cross_slope = made @ free, made @ slope + moved @ free
        corner = cross_slope @ made.T + cross @ moved.T
        # <lambda_chi_m, lambda_chi_m'> += S_mm'
        both = np.ix_(1 + self._m, 1 + self._m)
        return (
            np.block([[value, cross.T], [cross, cross @ made.T + self._same * among[both]]]),
            np.block([[slope, cross_slope.T], [cross_slope, corner + self._same * turn[both]]]),
        )

    def with_own(
        self, own: OnBatch, kernel: Array, change: Array, among: Array, turn: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Forms of the own parts with all of these, and with each other, and their slopes."""
        values, slopes = (own.v, own.multiplier), (own.v_slope, own.multiplier_slope)
        met = self._met(kernel, *values)
        moved = self._met(change, *values) + self._met(kernel, *slopes)
        cross, cross_slope = self._with_fixed(met), self._with_fixed(moved)
        if self._m.size:
            made, turned = self._combined(among), self._combined(turn)
            cross_slope = np.hstack([cross_slope, cross_slope @ made.T + cross @ turned.T])
            cross = np.hstack([cross, cross @ made.T])
        both, turned = np.hstack(values), np.hstack(slopes)
        return cross, cross_slope, met @ both.T, moved @ both.T + met @ turned.T

    def _met(self, kernel: Array, v: Array, multiplier: Array) -> Array:
        """Pairs of functions after the matrix at every node, shape (C, 2 P)."""
        vv, vl, ll = kernel * self._weights
        return np.hstack([v * vv + multiplier * vl, v * vl + multiplier * ll])

    def _with_fixed(self, met: Array) -> Array:
        on_v, on_lambda = np.hsplit(met, 2)
        return np.hstack([on_v @ self._on_v.T, on_lambda @ self._on_lambda.T])

    def _of_fixed(self, kernel: Array) -> Array:
        on_v, on_lambda = self._on_v, self._on_lambda
        vv, vl, ll = kernel * self._weights
        cross = (on_v * vl) @ on_lambda.T
        return np.block([[_weighted(on_v, vv), cross], [cross.T, _weighted(on_lambda, ll)]])

    def _combined(self, s: Array) -> Array:
        """The ``a_l^T lambda_chi_m`` in terms of the fixed ones."""
        result, here = np.zeros((self._m.size, self._count)), np.arange(self._m.size)
        result[here[:, None], self._parts] = s[1:, 1:][self._m]
        result[here, self._alone] = s[0, 1:][self._m]
        return result


class ExactForms:
    """The vectors of the couplings and their forms at real ``z`` right of the spectrum.

    Parameters
    ----------
    problem : Problem
    bulk : DeformedBulk
    spikes : SpikeStrengths
        On the same readout nodes; their directions are those that overlaps are taken with.
    """

    def __init__(self, problem: Problem, bulk: DeformedBulk, spikes: SpikeStrengths) -> None:
        self._spikes, self._above = spikes, bulk.above
        found, w = bulk.fluctuations, bulk.readout_weights
        self._weights, root = w, math.sqrt(problem.width)
        terms = bulk.equation.batches
        samples = [_samples(*one) for one in zip(found.inputs, terms, strict=True)]
        self._ratios = [one.sample_ratio for one in terms]
        update: list[tuple[_OnReadout, _Vector]] = [
            (_OnReadout(root * h_k), _Direction(0, k))
            for k, h_k in enumerate(found.before.T)
            if h_k.any()
        ]
        last = samples[found.last]
        weights = terms[found.last].weights
        update += [
            (_OnReadout(c_k), _OnSamples(found.last, "v", _on_nodes(psi_k, last)))
            for c_k, psi_k in zip(*_separable(root * found.mean, w, weights), strict=True)
        ]
        couplings: list[tuple[_Vector, _Vector]] = [*update]
        for b, multipliers in enumerate(bulk.equation.multipliers):
            couplings += _couplings(b, samples[b], multipliers)
        self._own = OwnParts(found, bulk.equation, samples)
        couplings += [
            (_OfOwn(number), _Direction(*partner))
            for number, partner in enumerate(self._own.partners)
        ]
        self.couplings = len(couplings)
        self._update = np.array([x.function for x, _ in update])
        left = [_OnReadout(u_k) for u_k in spikes.left_functions]
        target = [_Direction(0, k) for k in range(problem.n_directions)]
        xs, ys = ([pair[side] for pair in couplings] for side in (0, 1))
        self._vectors: list[_Vector] = [*xs, *ys, *left, *target]
        self._ends = np.cumsum([len(xs), len(ys), len(left)])
        self._sources = [_Sources(b, one, self._vectors) for b, one in enumerate(samples)]
        self._copies = [
            one.weights.size // nodes.weights.size
            for one, nodes in zip(samples, terms, strict=True)
        ]

    def overlaps(self, z: Array, amplitudes: Array) -> tuple[Array, Array, Array]:
        """Squared left, right and target overlaps, shapes (J,), (J,), (J, r).

        The mean update ``P(g)^T = sum_k theta_k u_k(g) v_k^T`` applied to a right singular vector
        tells its inner products with the ``v_k``.
        """
        spikes = self._spikes
        _, ys, left, target = np.split(amplitudes, self._ends, axis=1)
        update = ys[:, : len(self._update)] @ self._update
        right = (update * spikes.readout_weights) @ spikes.left_functions.T / spikes.strengths
        return (left**2).sum(axis=1) / z, (right**2).sum(axis=1), target**2

    def __call__(self, z: float) -> FormsAt:
        """All forms at ``z``."""
        solution = self._above(z)
        values, slopes = np.zeros((2, len(self._vectors), len(self._vectors)))
        own = self._own.at(solution) if len(self._own) else None
        parts = [self._on_readout(solution), *self._directions(solution, own)]
        for b in range(len(self._sources)):
            parts += self._on_samples(solution, b, own)
        for rows, columns, value, slope in parts:
            values[np.ix_(rows, columns)] += value
            slopes[np.ix_(rows, columns)] += slope
            if rows is not columns:
                values[np.ix_(columns, rows)] += value.T
                slopes[np.ix_(columns, rows)] += slope.T
        return FormsAt(values, slopes, solution.relative_error)

    def _of(self, kind: type[_Kind]) -> tuple[Indices, list[_Kind]]:
        """The vectors of a kind, and where they are."""
        found = [(i, one) for i, one in enumerate(self._vectors) if isinstance(one, kind)]
        return np.array([i for i, _ in found]), [one for _, one in found]

    def _on_readout(self, solution: Solution) -> _Forms:
        at, vectors = self._of(_OnReadout)
        f, rows = np.array([one.function for one in vectors]), self._weights.size
        value, slope = solution.state.x[0, :rows], solution.slope[:rows]
        return at, at, (f * self._weights * value) @ f.T, (f * self._weights * slope) @ f.T

    def _directions(self, solution: Solution, own: AtSolution | None) -> list[_Forms]:
        """``X'`` does not act on the directions ``e_k``: its self-energy is left out there."""
        equation = self._above.equation
        (inner,), (change,) = equation.without_inputs(solution.state, solution.along)
        at, vectors = self._of(_Direction)
        slots, k = np.array([[one.slot, one.k] for one in vectors]).T
        same, between = k[:, None] == k, np.ix_(slots, slots)
        found: list[_Forms] = [(at, at, inner[between] * same, change[between] * same)]
        if own is None:
            return found
        # Sources on all slots, by what they make there.
        sources, turned = own.directions, own.directions_slope
        met = np.einsum("csk,st->ctk", sources, inner)
        moved = np.einsum("csk,st->ctk", turned, inner) + np.einsum("csk,st->ctk", sources, change)
        here = self._of(_OfOwn)[0]
        found.append((here, at, met[:, slots, k], moved[:, slots, k]))
        twice = np.einsum("csk,dsk->cd", met, sources) + own.common
        slope = np.einsum("csk,dsk->cd", moved, sources) + np.einsum("csk,dsk->cd", met, turned)
        found.append((here, here, twice, slope + own.common_slope))
        return found

    def _on_samples(self, solution: Solution, b: int, own: AtSolution | None) -> list[_Forms]:
        """All as sources on the pair ``(v, lambda)``."""
        state, along, sources = solution.state, solution.along, self._sources[b]
        slots = np.append(0, self._above.equation.multipliers[b])
        between = np.ix_(slots, slots)
        kernel, change = (np.tile(one.samples[b][:, 0], self._copies[b]) for one in (state, along))
        among, turn = (self._ratios[b] * one.inner[0][between] for one in (state, along))
        at = sources.at
        found: list[_Forms] = [(at, at, *sources.forms(kernel, change, among, turn))]
        if own is not None:
            here = self._of(_OfOwn)[0]
            cross, cross_slope, twice, slope = sources.with_own(
                own.batches[b], kernel, change, among, turn
            )
            found += [(here, at, cross, cross_slope), (here, here, twice, slope)]
        return found


def _weighted(functions: Array, weights: Array) -> Array:
    """Products of functions with each other, of which the transposed ones are not taken twice.

    The weights have one sign: those of the resolvent outside of the spectrum, and its derivative.
    """
    sign = -1.0 if weights.max() <= 0.0 else 1.0
    if (sign * weights).min() < 0.0:  # rounding
        return np.asarray((functions * weights) @ functions.T)
    rows = functions * np.sqrt(sign * weights)
    return np.asarray(sign * (rows @ rows.T))


def _orthonormal(functions: Array, weights: Array) -> Array:
    """An orthonormal basis, over the samples, of what the functions span."""
    _, s, vt = np.linalg.svd(functions * np.sqrt(weights), full_matrices=False)
    kept = s > _NEGLIGIBLE * s.max(initial=0.0)
    return np.asarray(vt[kept] / np.sqrt(weights))


def _separable(update: Array, w: Array, weights: Array) -> tuple[Array, Array]:
    """``update[q, p] = sum_k left[k, q] right[k, p]``, to rounding of the largest."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * update * columns, full_matrices=False)
    kept = s > _NEGLIGIBLE * max(float(s[0]), 1e-300)
    root = np.sqrt(s[kept, None])
    return u[:, kept].T * root / rows, vt[kept] * root / columns


def _on_nodes(functions: Array, samples: Samples) -> Array:
    """A function on the nodes of a batch as one that knows nothing of its copies."""
    copies = samples.weights.size // functions.size
    return np.tile(functions, copies) * samples.known
