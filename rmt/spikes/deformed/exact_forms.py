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
from rmt.spectra.dyson import BlockDiagonal, DysonSolution, solve
from rmt.spikes.constants import constants
from rmt.spikes.deformed.bulk import BatchSlots, DeformedBulk
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["ExactForms"]


_NEGLIGIBLE = 1e-10  # of the mean update: separable terms beyond it are dropped


@dataclass(frozen=True, slots=True, eq=False)
class _OnReadout:
    """``f(a)^T r``: ``f`` on the nodes of the readout."""

    function: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """``d^T slot``: ``d`` a combination of the ``d_c``, the slot ``u`` or a ``lambda_m``."""

    slot: str
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

    index: Indices  # into the nodes of the pencil
    weights: Array
    along: Array  # s_c, (r + 1, P)
    label: Array  # yhat
    right: Array  # r_m, (M, P)

    def sources(self, s: Array) -> Array:
        """The ``yhat^T lambda_chi_m`` as sources on ``(v, lambda)``, shape (M, 2, P)."""
        return np.stack([s[1:, 1:] @ self.right * self.label, s[1:, :1] * self.label], axis=1)

    def forms(self, left: Array, kernel: Array, right: Array) -> Array:
        """``sum_p weights left^T kernel right`` over nodes and the pair of slots."""
        moved = np.einsum("aip,ijp->ajp", left, kernel * self.weights)
        return np.asarray(moved.reshape(len(left), -1) @ right.reshape(len(right), -1).T)


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
        self._pencil, self._spikes, self._batch = bulk.pencil, spikes, bulk.batches[-1]
        self._last: DysonSolution | None = None
        c, phi = constants(problem), problem.sample_ratios[0]
        fresh = len(problem.steps) == 2 and problem.batch == "independent"
        spread = math.sqrt(phi * c.Ey2)
        nodes = self._nodes = _last_batch(self._batch, spread, fresh, c.Ey2, phi)
        d, g = np.eye(problem.n_directions + 1), bulk.readout_nodes
        multipliers = self._batch.multipliers

        update: list[tuple[_OnReadout, _Vector]] = [
            (
                _OnReadout(problem.learning_rates[0] * c.mu1 * g),
                _Direction("u", np.append(c.b, spread)),
            )
        ]
        if len(problem.steps) == 2:
            second = problem.learning_rates[1] * g[:, None] * self._batch.samples.mean
            terms = _separable(second, bulk.readout_weights, self._batch.samples.weights)
            update += [
                (_OnReadout(c_k), _OnSamples("v", psi_k[nodes.index]))
                for c_k, psi_k in zip(*terms, strict=True)
            ]
        couplings: list[tuple[_Vector, _Vector]] = [*update]
        couplings += [
            (_OnSamples("lambda", -s_c), _Direction("u", d_c))
            for d_c, s_c in zip(d, nodes.along, strict=True)
        ]
        couplings += [
            (_Direction(multiplier, -d_c), _OnSamples("v", s_c * r_m))
            for multiplier, r_m in zip(multipliers, nodes.right, strict=True)
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
        target = [_Direction("u", beta) for beta in d[:-1]]
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
        m = self._last = solve(self._pencil, z, initial=self._last)
        dm = m.derivative()
        values, slopes = np.zeros((2, len(self._vectors), len(self._vectors)))
        for forms in (self._on_readout, self._directions, self._on_samples):
            at, value, slope = forms(m, dm)
            values[np.ix_(at, at)], slopes[np.ix_(at, at)] = value, slope
        relative = max(
            float(error.max() / np.abs(m.matrices[name]).max()) for name, error in m.errors.items()
        )
        return FormsAt(values, slopes, relative)

    def _of(self, kind: type[_Kind]) -> tuple[list[int], list[_Kind]]:
        """The vectors of a kind, and where they are."""
        found = [(i, one) for i, one in enumerate(self._vectors) if isinstance(one, kind)]
        return [i for i, _ in found], [one for _, one in found]

    def _on_readout(self, m: BlockDiagonal, dm: BlockDiagonal) -> _Forms:
        at, vectors = self._of(_OnReadout)
        f = np.array([one.function for one in vectors])
        return at, m.form("r", None, f, f).real, dm.form("r", None, f, f).real

    def _directions(self, m: BlockDiagonal, dm: BlockDiagonal) -> _Forms:
        """``X'`` does not act on the directions ``d_c``: its self-energy is left out there."""
        slots = list(self._pencil.type_of("u").slots)
        inverse = np.linalg.inv(m.matrices["d"][0].real)
        without = np.linalg.inv(inverse + self._energy(m, slots))
        change = -inverse @ dm.matrices["d"][0].real @ inverse + self._energy(dm, slots)
        at, vectors = self._of(_Direction)
        between = np.ix_(*2 * ([slots.index(one.slot) for one in vectors],))
        d = np.array([one.coefficients for one in vectors])
        same = d @ d.T
        return at, without[between] * same, -(without @ change @ without)[between] * same

    def _energy(self, m: BlockDiagonal, slots: list[str]) -> Array:
        """Self-energy of the last batch's inputs, between the slots of type d."""
        v, multiplier, r = self._batch.after, self._batch.before, self._batch.right
        own = [slots.index("u"), *(slots.index(one) for one in self._batch.multipliers)]
        among = np.zeros((1 + len(r), 1 + len(r)))
        among[0, 0] = m.form(multiplier).real
        among[0, 1:] = among[1:, 0] = m.form(v, multiplier, r).real
        among[1:, 1:] = m.form(v, None, r, r).real
        result = np.zeros((len(slots), len(slots)))
        result[np.ix_(own, own)] = among
        return result

    def _on_samples(self, m: BlockDiagonal, dm: BlockDiagonal) -> _Forms:
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
        among, change = (self._between_inputs(one) for one in (m, dm))
        sources, moved = (
            np.concatenate([one, nodes.sources(s)[numbers]])
            for one, s in ((fixed, among), (np.zeros_like(fixed), change))
        )
        kernel, kernel_change = (self._between_samples(one) for one in (m, dm))
        value = nodes.forms(sources, kernel, sources)
        cross = nodes.forms(moved, kernel, sources)
        slope = nodes.forms(sources, kernel_change, sources) + cross + cross.T

        count, chi = len(at), np.ix_(numbers, numbers)
        # <lambda, v'> -= 1 and <lambda_chi_m, lambda_chi_m'> += S_mm'
        identity = (multiplier * nodes.weights) @ before.T
        value[:count, :count] -= identity + identity.T
        size = float(nodes.weights @ nodes.label**2)
        value[count:, count:] += size * among[1:, 1:][chi]
        slope[count:, count:] += size * change[1:, 1:][chi]
        return [*at, *places], value, slope

    def _between_samples(self, m: BlockDiagonal) -> Array:
        """The resolvent between ``v`` and ``lambda`` at the nodes, shape (2, 2, P)."""
        pair = (self._batch.after, self._batch.before)
        block = np.array([[m.entry(one, other).real for other in pair] for one in pair])
        return block[:, :, self._nodes.index]

    def _between_inputs(self, m: BlockDiagonal) -> Array:
        """``phi M_d`` between ``u`` and the multipliers of the last batch."""
        slots = ["u", *self._batch.multipliers]
        block = np.array([[m.entry(a, b)[0].real for b in slots] for a in slots])
        return self._batch.samples.sample_ratio * block


def _last_batch(
    batch: BatchSlots, spread: float, fresh: bool, ey2: float, phi: float
) -> _LastBatch:
    samples = batch.samples
    index = np.arange(samples.weights.size)
    weights, omega = samples.weights, samples.omega
    if omega is None:  # the forms are quadratic in omega: two nodes are exact
        index, weights = np.tile(index, 2), np.tile(weights / 2.0, 2)
        omega = np.repeat([-1.0, 1.0], samples.weights.size)
    y = samples.y[index]
    along = omega if fresh else phi * y / spread + omega
    s = np.concatenate([samples.z[:, index], along[None, :]])
    return _LastBatch(index, weights, s, y / math.sqrt(ey2), batch.right[:, index])


def _separable(update: Array, w: Array, weights: Array) -> tuple[Array, Array]:
    """``update[q, p] = sum_k left[k, q] right[k, p]``, to rounding of the largest."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * update * columns, full_matrices=False)
    kept = s > _NEGLIGIBLE * max(float(s[0]), 1e-300)
    root = np.sqrt(s[kept, None])
    return u[:, kept].T * root / rows, vt[kept] * root / columns
