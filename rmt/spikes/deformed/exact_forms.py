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

    With ``k``, ``noise`` times what the batch has not seen of ``s_k`` is added to ``f``.
    """

    batch: int
    slot: str
    function: Array
    k: int | None = None
    noise: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Projected:
    """``n^{-1/2} a_l^T lambda_chi_m`` on a batch."""

    batch: int
    m: int
    source: int


_Vector: TypeAlias = _OnReadout | _Direction | _OnSamples | _Projected
_Kind = TypeVar("_Kind", _OnReadout, _Direction, _OnSamples, _Projected)
_OfBatch = TypeVar("_OfBatch", _OnSamples, _Projected)
_Forms: TypeAlias = tuple[list[int], Array, Array]  # where, values, slopes


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
        b, one = self.number, np.ones_like(self.weights)
        found: list[tuple[_Vector, _Vector]] = [
            (_OnSamples(b, "lambda", -s_k, k, -one), _Direction(0, k))
            for k, s_k in enumerate(self.along)
        ]
        found += [
            (_Direction(int(m), k), _OnSamples(b, "v", -s_k * r_m, k, -r_m))
            for m, r_m in zip(multipliers, self.right, strict=True)
            for k, s_k in enumerate(self.along)
        ]
        found += [
            (_OnSamples(b, "lambda", a_l), _OnSamples(b, "v'", a_l)) for a_l in self.projected
        ]
        found += [
            (_Projected(b, m, number), _OnSamples(b, "v", a_l * r_m))
            for m, r_m in enumerate(self.right)
            for number, a_l in enumerate(self.projected)
        ]
        return found

    def sources(self, s: Array) -> Array:
        """The ``a_l^T lambda_chi_m`` as sources on ``(v, lambda)``, shape (M, J, 2, P)."""
        made = np.stack([s[1:, 1:] @ self.right, np.broadcast_to(s[1:, :1], self.right.shape)], 1)
        return np.asarray(made[:, None] * self.projected[:, None])

    def forms(self, left: Array, kernel: Array, right: Array) -> Array:
        """``sum_p weights left^T kernel right`` over nodes and the pair of slots."""
        vv, vl, ll = kernel * self.weights
        first = (left[:, 0] * vv + left[:, 1] * vl) @ right[:, 0].T
        return np.asarray(first + (left[:, 0] * vl + left[:, 1] * ll) @ right[:, 1].T)


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
        parts += [self._on_samples(solution, batch) for batch in self._batches]
        for at, value, slope in parts:
            values[np.ix_(at, at)], slopes[np.ix_(at, at)] = value, slope
        return FormsAt(values, slopes, solution.relative_error)

    def _of(self, kind: type[_Kind]) -> tuple[list[int], list[_Kind]]:
        """The vectors of a kind, and where they are."""
        found = [(i, one) for i, one in enumerate(self._vectors) if isinstance(one, kind)]
        return [i for i, _ in found], [one for _, one in found]

    def _of_batch(self, kind: type[_OfBatch], batch: int) -> tuple[list[int], list[_OfBatch]]:
        found = [pair for pair in zip(*self._of(kind), strict=True) if pair[1].batch == batch]
        return [i for i, _ in found], [one for _, one in found]

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

    def _on_samples(self, solution: Solution, batch: _Batch) -> _Forms:
        """All as sources on the pair ``(v, lambda)``; those of ``lambda_chi_m`` move with ``z``."""
        b = batch.number
        at, vectors = self._of_batch(_OnSamples, b)
        places, projected = self._of_batch(_Projected, b)
        slot = {
            name: np.array([[one.slot == name] for one in vectors]) for name in ("v'", "lambda")
        }

        def as_sources(functions: Array) -> Array:
            multiplier = functions * slot["lambda"]
            return np.stack([functions - multiplier, multiplier], axis=1)

        functions = np.array([one.function for one in vectors])
        fixed = as_sources(functions)
        m = np.array([one.m for one in projected], dtype=int)
        of = np.array([one.source for one in projected], dtype=int)
        slots = np.append(0, self._above.equation.multipliers[b])
        between = np.ix_(slots, slots)
        state, along = solution.state, solution.along
        among, change = (batch.ratio * one.inner[0][between] for one in (state, along))
        moved = batch.sources(change)[m, of]
        sources = np.concatenate([fixed, batch.sources(among)[m, of]])
        kernel, kernel_change = (one.samples[b][:, 0] for one in (state, along))
        value = batch.forms(sources, kernel, sources)
        slope = batch.forms(sources, kernel_change, sources)
        count = len(at)
        cross = batch.forms(moved, kernel, sources)
        slope[count:] += cross
        slope[:, count:] += cross.T
        if batch.unseen.any():
            # Independent of the nodes: a form for each pair of the s_k.
            k = np.array([0 if one.k is None else one.k for one in vectors])
            noise = as_sources(
                np.array(
                    [
                        np.zeros_like(functions[0]) if n is None else n
                        for n in (one.noise for one in vectors)
                    ]
                )
            )
            pairs = batch.unseen[np.ix_(k, k)]
            value[:count, :count] += pairs * batch.forms(noise, kernel, noise)
            slope[:count, :count] += pairs * batch.forms(noise, kernel_change, noise)
        # <lambda, v'> -= 1 and <lambda_chi_m, lambda_chi_m'> += S_mm'
        identity = (functions * slot["lambda"] * batch.weights) @ (functions * slot["v'"]).T
        value[:count, :count] -= identity + identity.T
        same = (of[:, None] == of) * 1.0
        value[count:, count:] += same * among[1:, 1:][np.ix_(m, m)]
        slope[count:, count:] += same * change[1:, 1:][np.ix_(m, m)]
        return [*at, *places], value, slope


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
