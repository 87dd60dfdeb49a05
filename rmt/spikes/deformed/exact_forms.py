"""The spikes as couplings inside the pencil of the deformed bulk: the exact outlier forms.

Spikes and bulk are built from the same inputs ``X``. The mean update of the steps before the last
is ``sum_k h_k(g) e_k`` in orthonormal directions, the target's first. Of the last step's batch

    X = sum_k s_k e_k^T + P_a X' P_e

conditionally on its samples along the ``e_k``, ``s_k`` (`rmt.spikes.state`: what a sample would
have there, and what it has put there itself), and on the directions ``(1/n) X^T p_l`` that the
batch has made in earlier steps: ``P_e`` projects off the ``e_k``, ``P_a`` off the ``a_l``, which
are the ``p_l`` made orthonormal over the samples (none for a batch that is used once). This adds to
the quadratic form of `rmt.spikes.deformed.bulk` the couplings

    r^T h_k (e_k^T u)
    r^T c_k(a) (psi_k^T v) / sqrt(n)                sum_k c_k(a) psi_k = mean of the last step
    - (lambda^T s_k) (e_k^T u) / sqrt(n)
    - (lambda_m^T e_k) (s_k^T D_{r_m} v) / sqrt(n)

and for ``P_a``, with ``v' = n^{-1/2} X' P_e u``, ``v = P_a v' + ..``, ``chi_m = P_a D_{r_m} v``,

    (lambda^T a_l) (a_l^T v') / n + (lambda_chi_m^T a_l) (a_l^T D_{r_m} v) / n.

The batches of the steps before are treated as if they were independent of the ``e_k``.

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

from rmt.arrays import Array
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
    """``d^T slot``: ``d`` a combination of the ``d_c``, the slot ``u`` (0) or ``lambda_m`` (m)."""

    slot: int
    coefficients: Array


@dataclass(frozen=True, slots=True, eq=False)
class _OnSamples:
    """``n^{-1/2} f^T slot``: ``f`` on the nodes of the samples; ``v``, ``v'`` or ``lambda``."""

    slot: str
    function: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Projected:
    """``n^{-1/2} a_l^T lambda_chi_m``."""

    m: int
    source: int


_Vector: TypeAlias = _OnReadout | _Direction | _OnSamples | _Projected
_Kind = TypeVar("_Kind", _OnReadout, _Direction, _OnSamples, _Projected)
_Forms: TypeAlias = tuple[list[int], Array, Array]  # where, values, slopes


@dataclass(frozen=True, slots=True, eq=False)
class _LastBatch:
    """Functions on the nodes of the last batch, shape (P,)."""

    weights: Array
    along: Array  # s_k, (K, P)
    projected: Array  # a_l, (J, P)
    right: Array  # r_m, (M, P)

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
        last, w = bulk.fluctuations.last, bulk.readout_weights
        samples, terms = bulk.fluctuations.batches[last.batch], bulk.equation.batches[last.batch]
        self._weights, self._ratio, self._batch = w, terms.sample_ratio, last.batch
        a = _orthonormal(last.sources, samples.weights)
        nodes = self._nodes = _LastBatch(samples.weights, last.along, a, terms.right)
        d, root = np.eye(len(last.along)), math.sqrt(problem.width)
        update: list[tuple[_OnReadout, _Vector]] = [
            (_OnReadout(root * h_k), _Direction(0, e_k))
            for h_k, e_k in zip(last.before.T, d, strict=True)
            if h_k.any()
        ]
        update += [
            (_OnReadout(c_k), _OnSamples("v", psi_k))
            for c_k, psi_k in zip(*_separable(root * last.mean, w, samples.weights), strict=True)
        ]
        couplings: list[tuple[_Vector, _Vector]] = [*update]
        couplings += [
            (_OnSamples("lambda", -s_k), _Direction(0, e_k))
            for e_k, s_k in zip(d, nodes.along, strict=True)
        ]
        couplings += [
            (_Direction(m, -e_k), _OnSamples("v", s_k * r_m))
            for m, r_m in enumerate(nodes.right, start=1)
            for e_k, s_k in zip(d, nodes.along, strict=True)
        ]
        couplings += [(_OnSamples("lambda", a_l), _OnSamples("v'", a_l)) for a_l in a]
        couplings += [
            (_Projected(m, number), _OnSamples("v", a_l * r_m))
            for m, r_m in enumerate(nodes.right)
            for number, a_l in enumerate(a)
        ]
        self.couplings = len(couplings)
        self._update = np.array([x.function for x, _ in update])
        left = [_OnReadout(u_k) for u_k in spikes.left_functions]
        target = [_Direction(0, beta) for beta in d[: problem.n_directions]]
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
        for forms in (self._on_readout, self._directions, self._on_samples):
            at, value, slope = forms(solution)
            values[np.ix_(at, at)], slopes[np.ix_(at, at)] = value, slope
        return FormsAt(values, slopes, solution.relative_error)

    def _of(self, kind: type[_Kind]) -> tuple[list[int], list[_Kind]]:
        """The vectors of a kind, and where they are."""
        found = [(i, one) for i, one in enumerate(self._vectors) if isinstance(one, kind)]
        return [i for i, _ in found], [one for _, one in found]

    def _on_readout(self, solution: Solution) -> _Forms:
        at, vectors = self._of(_OnReadout)
        f, rows = np.array([one.function for one in vectors]), self._weights.size
        value, slope = solution.state.x[0, :rows], solution.slope[:rows]
        return at, (f * self._weights * value) @ f.T, (f * self._weights * slope) @ f.T

    def _directions(self, solution: Solution) -> _Forms:
        """``X'`` does not act on the directions ``e_k``: its self-energy is left out there."""
        equation = self._above.equation
        inner, change = equation.without(solution.state, solution.along, self._batch)
        at, vectors = self._of(_Direction)
        slots = np.append(0, equation.multipliers[self._batch])[[one.slot for one in vectors]]
        d = np.array([one.coefficients for one in vectors])
        same, between = d @ d.T, np.ix_(slots, slots)
        return at, inner[0][between] * same, change[0][between] * same

    def _on_samples(self, solution: Solution) -> _Forms:
        """All as sources on the pair ``(v, lambda)``; those of ``lambda_chi_m`` move with ``z``."""
        nodes = self._nodes
        at, vectors = self._of(_OnSamples)
        places, projected = self._of(_Projected)
        functions = np.array([one.function for one in vectors])
        before, multiplier = (
            functions * np.array([[one.slot == slot] for one in vectors])
            for slot in ("v'", "lambda")
        )
        fixed = np.stack([functions - multiplier, multiplier], axis=1)
        m = np.array([one.m for one in projected], dtype=int)
        of = np.array([one.source for one in projected], dtype=int)
        slots = np.append(0, self._above.equation.multipliers[self._batch])
        between = np.ix_(slots, slots)
        state, along = solution.state, solution.along
        among, change = (self._ratio * one.inner[0][between] for one in (state, along))
        moved = nodes.sources(change)[m, of]
        sources = np.concatenate([fixed, nodes.sources(among)[m, of]])
        kernel, kernel_change = (one.samples[self._batch][:, 0] for one in (state, along))
        value = nodes.forms(sources, kernel, sources)
        slope = nodes.forms(sources, kernel_change, sources)
        count = len(at)
        cross = nodes.forms(moved, kernel, sources)
        slope[count:] += cross
        slope[:, count:] += cross.T
        # <lambda, v'> -= 1 and <lambda_chi_m, lambda_chi_m'> += S_mm'
        identity = (multiplier * nodes.weights) @ before.T
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
