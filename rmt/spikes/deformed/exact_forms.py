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

    With ``k`` it is made of ``-s_k``, with ``source`` of ``a_l``, with ``m`` times ``r_m``.
    """

    batch: int
    slot: str
    function: Array
    k: int | None = None
    m: int | None = None
    source: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Projected:
    """``n^{-1/2} a_l^T lambda_chi_m`` on a batch."""

    batch: int
    m: int
    source: int


_Vector: TypeAlias = _OnReadout | _Direction | _OnSamples | _Projected
_Kind = TypeVar("_Kind", _OnReadout, _Direction)
_Forms: TypeAlias = tuple[Indices, Array, Array]  # where, values, slopes


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Functions on the nodes of a batch, shape (P,)."""

    number: int
    weights: Array
    along: Array  # s_k, (K, P)
    unseen: Array  # (K, K)
    projected: Array  # a_l, (J, P)
    right: Array  # r_m, (M, P)
    ratio: float

    def couplings(self, multipliers: Indices) -> list[tuple[_Vector, _Vector]]:
        """Of its inputs; the ``lambda_m`` are in these places of ``M_d``."""
        b = self.number
        found: list[tuple[_Vector, _Vector]] = [
            (_OnSamples(b, "lambda", -s_k, k), _Direction(0, k)) for k, s_k in enumerate(self.along)
        ]
        found += [
            (_Direction(int(place), k), _OnSamples(b, "v", -s_k * r_m, k, m))
            for m, (place, r_m) in enumerate(zip(multipliers, self.right, strict=True))
            for k, s_k in enumerate(self.along)
        ]
        found += [
            (_OnSamples(b, "lambda", a_l, source=number), _OnSamples(b, "v'", a_l))
            for number, a_l in enumerate(self.projected)
        ]
        found += [
            (_Projected(b, m, number), _OnSamples(b, "v", a_l * r_m, m=m, source=number))
            for m, r_m in enumerate(self.right)
            for number, a_l in enumerate(self.projected)
        ]
        return found


class _Sources:
    """The vectors on a batch, as sources on the pair ``(v, lambda)`` at each node.

    First those on ``v``, then those on ``lambda``. What is left, the ``a_l^T lambda_chi_m``, moves
    with ``z`` and is made of them: ``sum_m' S_mm' a_l r_m'`` on ``v``, ``S_um a_l`` on ``lambda``.
    """

    def __init__(self, batch: _Batch, vectors: Sequence[_Vector]) -> None:
        self._batch = batch
        of_batch = [
            (i, one)
            for i, one in enumerate(vectors)
            if isinstance(one, _OnSamples) and one.batch == batch.number
        ]
        of_batch.sort(key=lambda pair: pair[1].slot == "lambda")
        fixed = [one for _, one in of_batch]
        moving = [
            (i, one)
            for i, one in enumerate(vectors)
            if isinstance(one, _Projected) and one.batch == batch.number
        ]
        self.at = np.array([i for i, _ in of_batch] + [i for i, _ in moving])
        self._count, rank = len(fixed), len(batch.right)
        on_v = sum(one.slot != "lambda" for one in fixed)
        functions = np.array([one.function for one in fixed])
        self._on_v, self._on_lambda = functions[:on_v], functions[on_v:]
        # <lambda, v'> -= 1
        before = np.array([one.slot == "v'" for one in fixed[:on_v]], dtype=float)
        identity = np.zeros((self._count, self._count))
        identity[on_v:, :on_v] = (self._on_lambda * batch.weights) @ self._on_v.T * before
        self._identity = identity + identity.T
        # The sources that a_l^T lambda_chi_m is made of.
        place = {(one.source, one.m): i for i, one in enumerate(fixed) if one.source is not None}
        sources = [one.source for _, one in moving]
        self._m = np.array([one.m for _, one in moving], dtype=np.intp)
        self._same = (np.array(sources)[:, None] == np.array(sources)) * 1.0
        parts = [[place[one, m] for m in range(rank)] for one in sources]
        self._parts = np.array(parts, dtype=np.intp).reshape(len(moving), rank)
        self._alone = np.array([place[one, None] for one in sources], dtype=np.intp)
        # What the batch has not seen of the s_k comes with -r_m on v, with -1 on lambda.
        k = np.array([-1 if one.k is None else one.k for one in fixed])
        self._noisy = np.flatnonzero(k >= 0)
        self._unseen = batch.unseen[np.ix_(k[self._noisy], k[self._noisy])]
        self._with = np.array([rank if fixed[i].m is None else fixed[i].m for i in self._noisy])

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

    def _of_fixed(self, kernel: Array) -> Array:
        result = self._products(kernel, self._on_v, self._on_lambda)
        if self._unseen.any():  # independent of the nodes: a form for each pair of the s_k
            one = np.ones((1, self._batch.weights.size))
            noise = self._products(kernel, self._batch.right, one)
            result[np.ix_(self._noisy, self._noisy)] += (
                self._unseen * noise[np.ix_(self._with, self._with)]
            )
        return result

    def _products(self, kernel: Array, on_v: Array, on_lambda: Array) -> Array:
        vv, vl, ll = kernel * self._batch.weights
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
        self._batches = [
            _Batch(
                number,
                terms.weights,
                inputs.along,
                inputs.unseen,
                _orthonormal(inputs.sources, terms.weights),
                terms.right,
                terms.sample_ratio,
            )
            for number, (inputs, terms) in enumerate(
                zip(found.inputs, bulk.equation.batches, strict=True)
            )
        ]
        update: list[tuple[_OnReadout, _Vector]] = [
            (_OnReadout(root * h_k), _Direction(0, k))
            for k, h_k in enumerate(found.before.T)
            if h_k.any()
        ]
        weights = self._batches[found.last].weights
        update += [
            (_OnReadout(c_k), _OnSamples(found.last, "v", psi_k))
            for c_k, psi_k in zip(*_separable(root * found.mean, w, weights), strict=True)
        ]
        couplings: list[tuple[_Vector, _Vector]] = [*update]
        for batch, multipliers in zip(self._batches, bulk.equation.multipliers, strict=True):
            couplings += batch.couplings(multipliers)
        self.couplings = len(couplings)
        self._update = np.array([x.function for x, _ in update])
        left = [_OnReadout(u_k) for u_k in spikes.left_functions]
        target = [_Direction(0, k) for k in range(problem.n_directions)]
        xs, ys = ([pair[side] for pair in couplings] for side in (0, 1))
        self._vectors: list[_Vector] = [*xs, *ys, *left, *target]
        self._ends = np.cumsum([len(xs), len(ys), len(left)])
        self._sources = [_Sources(batch, self._vectors) for batch in self._batches]

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
        parts = [self._on_readout(solution), self._directions(solution)]
        parts += [
            self._on_samples(solution, batch, sources)
            for batch, sources in zip(self._batches, self._sources, strict=True)
        ]
        for at, value, slope in parts:
            values[np.ix_(at, at)], slopes[np.ix_(at, at)] = value, slope
        return FormsAt(values, slopes, solution.relative_error)

    def _of(self, kind: type[_Kind]) -> tuple[Indices, list[_Kind]]:
        """The vectors of a kind, and where they are."""
        found = [(i, one) for i, one in enumerate(self._vectors) if isinstance(one, kind)]
        return np.array([i for i, _ in found]), [one for _, one in found]

    def _on_readout(self, solution: Solution) -> _Forms:
        at, vectors = self._of(_OnReadout)
        f, rows = np.array([one.function for one in vectors]), self._weights.size
        value, slope = solution.state.x[0, :rows], solution.slope[:rows]
        return at, (f * self._weights * value) @ f.T, (f * self._weights * slope) @ f.T

    def _directions(self, solution: Solution) -> _Forms:
        """``X'`` does not act on the directions ``e_k``: its self-energy is left out there."""
        equation = self._above.equation
        inner, change = equation.without_inputs(solution.state, solution.along)
        at, vectors = self._of(_Direction)
        slots, k = np.array([[one.slot, one.k] for one in vectors]).T
        same, between = k[:, None] == k, np.ix_(slots, slots)
        return at, inner[0][between] * same, change[0][between] * same

    def _on_samples(self, solution: Solution, batch: _Batch, sources: _Sources) -> _Forms:
        """All as sources on the pair ``(v, lambda)``."""
        state, along, b = solution.state, solution.along, batch.number
        slots = np.append(0, self._above.equation.multipliers[b])
        between = np.ix_(slots, slots)
        kernel, change = (one.samples[b][:, 0] for one in (state, along))
        among, turn = (batch.ratio * one.inner[0][between] for one in (state, along))
        return sources.at, *sources.forms(kernel, change, among, turn)


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
