"""The spikes as couplings inside the pencil of the deformed bulk: the exact outlier forms.

Spikes and bulk are built from the same inputs ``X``. Conditionally on the labels and on ``X`` along
``d_c in {beta_*, e}``, with ``beta_1 = b beta_* + s e`` and ``s^2 = phi_1 Ey2``, the last batch is

    fresh batch:   X = z beta_*^T + omega e^T + X' P_d
    otherwise:     X = z beta_*^T + (phi_1 y / s + omega) e^T + P_y X' P_d

(``P_d`` projects off the ``d_c``, ``P_y`` off the labels; ``s_c`` are the n-vectors multiplying the
``d_c``), which adds to the quadratic form of `rmt.spikes.deformed.bulk` the couplings

    r^T h_0 (beta_1^T u)                            h_0 = eta_1 mu_1 a
    r^T c_k(a) (psi_k^T v) / sqrt(n)                sum_k c_k(a) psi_k = eta_2 a psi_t
    - (lambda^T s_c) (d_c^T u) / sqrt(n)
    - (lambda_m^T d_c) (s_c^T D_{r_m} v) / sqrt(n)

and for ``P_y``, with ``v' = n^{-1/2} X' P_d u``, ``v = P_y v' + ..``, ``chi_m = P_y D_{r_m} v`` and
``yhat = y / sqrt(Ey2)``,

    (lambda^T yhat) (yhat^T v') / n + (lambda_chi_m^T yhat) (yhat^T D_{r_m} v) / n.

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
from rmt.spikes.constants import constants
from rmt.spikes.deformed.above import Solution
from rmt.spikes.deformed.bulk import DeformedBulk
from rmt.spikes.deformed.equation import BatchTerms
from rmt.spikes.deformed.fluctuations import BatchFluctuations
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
    """``n^{-1/2} yhat^T lambda_chi_m``."""

    m: int


_Vector: TypeAlias = _OnReadout | _Direction | _OnSamples | _Projected
_Kind = TypeVar("_Kind", _OnReadout, _Direction, _OnSamples, _Projected)
_Forms: TypeAlias = tuple[list[int], Array, Array]  # where, values, slopes


@dataclass(frozen=True, slots=True, eq=False)
class _LastBatch:
    """Nodes of the last batch, shape (P,), and functions on them."""

    index: Indices  # into the nodes of the bulk
    weights: Array
    along: Array  # s_c, (r + 1, P)
    label: Array  # yhat
    right: Array  # r_m, (M, P)

    def sources(self, s: Array) -> Array:
        """The ``yhat^T lambda_chi_m`` as sources on ``(v, lambda)``, shape (M, 2, P)."""
        return np.stack([s[1:, 1:] @ self.right * self.label, s[1:, :1] * self.label], axis=1)

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
        self._weights, self._ratio = bulk.readout_weights, bulk.equation.batches[-1].sample_ratio
        samples, terms = bulk.samples[-1], bulk.equation.batches[-1]
        c, phi = constants(problem), problem.sample_ratios[0]
        fresh = len(problem.steps) == 2 and problem.batch == "independent"
        spread = math.sqrt(phi * c.Ey2)
        nodes = self._nodes = _last_batch(samples, terms, spread, fresh, c.Ey2, phi)
        d, g = np.eye(problem.n_directions + 1), bulk.readout_nodes

        update: list[tuple[_OnReadout, _Vector]] = [
            (
                _OnReadout(problem.learning_rates[0] * c.mu1 * g),
                _Direction(0, np.append(c.b, spread)),
            )
        ]
        if len(problem.steps) == 2:
            second = problem.learning_rates[1] * g[:, None] * samples.mean
            updates = _separable(second, bulk.readout_weights, samples.weights)
            update += [
                (_OnReadout(c_k), _OnSamples("v", psi_k[nodes.index]))
                for c_k, psi_k in zip(*updates, strict=True)
            ]
        couplings: list[tuple[_Vector, _Vector]] = [*update]
        couplings += [
            (_OnSamples("lambda", -s_c), _Direction(0, d_c))
            for d_c, s_c in zip(d, nodes.along, strict=True)
        ]
        couplings += [
            (_Direction(m, -d_c), _OnSamples("v", s_c * r_m))
            for m, r_m in enumerate(nodes.right, start=1)
            for d_c, s_c in zip(d, nodes.along, strict=True)
        ]
        if not fresh:
            couplings.append((_OnSamples("lambda", nodes.label), _OnSamples("v'", nodes.label)))
            couplings += [
                (_Projected(m), _OnSamples("v", nodes.label * r_m))
                for m, r_m in enumerate(nodes.right)
            ]
        self.couplings = len(couplings)
        self._update = np.array([x.function for x, _ in update])
        left = [_OnReadout(u_k) for u_k in spikes.left_functions]
        target = [_Direction(0, beta) for beta in d[:-1]]
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
        """``X'`` does not act on the directions ``d_c``: its self-energy is left out there."""
        equation = self._above.equation
        inner, change = equation.without(solution.state, solution.along, -1)
        at, vectors = self._of(_Direction)
        slots = np.append(0, equation.multipliers[-1])[[one.slot for one in vectors]]
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
        numbers = [one.m for one in projected]
        slots = np.append(0, self._above.equation.multipliers[-1])
        between = np.ix_(slots, slots)
        state, along = solution.state, solution.along
        among, change = (self._ratio * one.inner[0][between] for one in (state, along))
        moved = nodes.sources(change)[numbers]
        sources = np.concatenate([fixed, nodes.sources(among)[numbers]])
        kernel, kernel_change = (one.samples[-1][:, 0, nodes.index] for one in (state, along))
        value = nodes.forms(sources, kernel, sources)
        slope = nodes.forms(sources, kernel_change, sources)
        count, chi = len(at), np.ix_(numbers, numbers)
        cross = nodes.forms(moved, kernel, sources)
        slope[count:] += cross
        slope[:, count:] += cross.T
        # <lambda, v'> -= 1 and <lambda_chi_m, lambda_chi_m'> += S_mm'
        identity = (multiplier * nodes.weights) @ before.T
        value[:count, :count] -= identity + identity.T
        size = float(nodes.weights @ nodes.label**2)
        value[count:, count:] += size * among[1:, 1:][chi]
        slope[count:, count:] += size * change[1:, 1:][chi]
        return [*at, *places], value, slope


def _last_batch(
    samples: BatchFluctuations,
    terms: BatchTerms,
    spread: float,
    fresh: bool,
    ey2: float,
    phi: float,
) -> _LastBatch:
    index = np.arange(samples.weights.size)
    weights, omega = samples.weights, samples.omega
    if omega is None:  # the forms are quadratic in omega: two nodes are exact
        index, weights = np.tile(index, 2), np.tile(weights / 2.0, 2)
        omega = np.repeat([-1.0, 1.0], samples.weights.size)
    y = samples.y[index]
    along = omega if fresh else phi * y / spread + omega
    s = np.concatenate([samples.z[:, index], along[None, :]])
    return _LastBatch(index, weights, s, y / math.sqrt(ey2), terms.right[:, index])


def _separable(update: Array, w: Array, weights: Array) -> tuple[Array, Array]:
    """``update[q, p] = sum_k left[k, q] right[k, p]``, to rounding of the largest."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * update * columns, full_matrices=False)
    kept = s > _NEGLIGIBLE * max(float(s[0]), 1e-300)
    root = np.sqrt(s[kept, None])
    return u[:, kept].T * root / rows, vt[kept] * root / columns
