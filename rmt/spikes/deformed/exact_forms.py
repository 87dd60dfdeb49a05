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

import numpy as np

from rmt.arrays import Array, Indices
from rmt.problem import Problem
from rmt.spectra.coupled_outliers import FormsAt
from rmt.spectra.dyson import BlockDiagonal, DysonSolution, solve
from rmt.spikes.constants import constants
from rmt.spikes.deformed.bulk import BatchSlots, DeformedBulk
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["DataCouplings"]


_NEGLIGIBLE = 1e-10  # of the mean update: separable terms beyond it are dropped


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Nodes of the last batch, shape (P,), and what multiplies the directions, (r + 1, P)."""

    index: Indices  # into the nodes of the pencil
    weights: Array
    along: Array  # s_c
    label: Array  # yhat


class DataCouplings:
    """The vectors of the couplings and their forms at real ``z`` right of the spectrum.

    Parameters
    ----------
    problem : Problem
    bulk : DeformedBulk
    spikes : SpikeStrengths
        On the same readout nodes; their directions are those that overlaps are taken with.
    """

    def __init__(self, problem: Problem, bulk: DeformedBulk, spikes: SpikeStrengths) -> None:
        self._pencil, self._spikes = bulk.pencil, spikes
        self._last: DysonSolution | None = None
        batch = bulk.batches[-1]
        self._batch = batch
        c = constants(problem)
        r = problem.n_directions
        fresh = len(problem.steps) == 2 and problem.batch == "independent"
        spread = math.sqrt(problem.sample_ratios[0] * c.Ey2)
        self._samples = _samples(batch, spread, fresh, c.Ey2, problem.sample_ratios[0])
        g, w = bulk.readout_nodes, bulk.readout_weights
        self._first = problem.learning_rates[0] * c.mu1 * g
        self._second = np.zeros((0, g.size))
        psi = np.zeros((0, batch.samples.weights.size))
        if len(problem.steps) == 2:
            update = problem.learning_rates[1] * g[:, None] * batch.samples.mean
            self._second, psi = _separable(update, w, batch.samples.weights)
        terms, directions = batch.right.shape[0], r + 1
        self.couplings = 1 + len(psi) + directions * (1 + terms)
        if not fresh:
            self.couplings += 1 + terms
        # Every coupling is x_p y_p^T + y_p x_p^T.
        beta1 = np.append(c.b, spread)
        along = self._samples.along
        y = self.couplings  # where the vectors y begin
        self._neurons: list[tuple[int, Array]] = [(0, self._first)]
        self._inputs: list[tuple[int, str, Array]] = [(y, "u", beta1)]
        self._data: list[tuple[int, str, Array]] = []
        p = 1
        for left, right in zip(self._second, psi[:, self._samples.index], strict=True):
            self._neurons.append((p, left))
            self._data.append((y + p, "v", right))
            p += 1
        self._target = slice(y + p, y + p + r)
        for unit, values in zip(np.eye(directions), along, strict=True):
            self._data.append((p, "lambda", -values))
            self._inputs.append((y + p, "u", unit))
            p += 1
        right_functions = batch.right[:, self._samples.index]
        for multiplier, function in zip(batch.multipliers, right_functions, strict=True):
            for unit, values in zip(np.eye(directions), along, strict=True):
                self._inputs.append((p, multiplier, -unit))
                self._data.append((y + p, "v", function * values))
                p += 1
        self._projected: list[tuple[int, int]] = []
        self._before = None if fresh else y + p
        if not fresh:
            label = self._samples.label
            self._data += [(p, "lambda", label), (y + p, "v", label)]
            p += 1
            for m, function in enumerate(right_functions):
                self._projected.append((p, m))
                self._data.append((y + p, "v", function * label))
                p += 1
        self._tests = 2 * self.couplings  # where the left functions begin
        self._neurons += list(enumerate(spikes.left_functions, start=self._tests))
        self._size = self._tests + len(spikes.left_functions)
        self._sources = slice(y, y + 1 + len(psi))

    def overlaps(self, z: Array, amplitudes: Array) -> tuple[Array, Array, Array]:
        """Squared left, right and target overlaps, shapes (J,), (J,), (J, r).

        The mean update ``P(g)^T = sum_k theta_k u_k(g) v_k^T`` applied to a right singular vector
        tells its inner products with the ``v_k``.
        """
        spikes = self._spikes
        left = amplitudes[:, self._tests :]
        functions = np.concatenate([self._first[None, :], self._second])
        update = amplitudes[:, self._sources] @ functions
        right = (update * spikes.readout_weights) @ spikes.left_functions.T / spikes.strengths
        target = amplitudes[:, self._target] ** 2
        return (left**2).sum(axis=1) / z, (right**2).sum(axis=1), target

    def __call__(self, z: float) -> FormsAt:
        """All forms at ``z``."""
        solution = solve(self._pencil, z, initial=self._last)
        self._last = solution
        slope = solution.derivative()
        values, slopes = np.zeros((2, self._size, self._size))
        self._add_neurons(solution, slope, values, slopes)
        self._add_inputs(solution, slope, values, slopes)
        self._add_data(solution, slope, values, slopes)
        relative = max(
            float(error.max() / np.abs(solution.matrices[name]).max())
            for name, error in solution.errors.items()
        )
        return FormsAt(values, slopes, relative)

    def _add_neurons(
        self, m: BlockDiagonal, dm: BlockDiagonal, values: Array, slopes: Array
    ) -> None:
        at, functions = zip(*self._neurons, strict=True)
        f = np.array(functions)
        values[np.ix_(at, at)] += m.form("r", None, f, f).real
        slopes[np.ix_(at, at)] += dm.form("r", None, f, f).real

    def _add_inputs(
        self, m: BlockDiagonal, dm: BlockDiagonal, values: Array, slopes: Array
    ) -> None:
        """``X'`` does not act on the directions ``d_c``: its self-energy is left out there."""
        slots = list(self._pencil.type_of("u").slots)
        inner = m.matrices["d"][0].real
        inverse = np.linalg.inv(inner)
        without = np.linalg.inv(inverse + self._energy(m, slots))
        change = -inverse @ dm.matrices["d"][0].real @ inverse + self._energy(dm, slots)
        at = [one for one, _, _ in self._inputs]
        where = np.array([slots.index(slot) for _, slot, _ in self._inputs])
        units = np.array([unit for _, _, unit in self._inputs])
        same = units @ units.T
        values[np.ix_(at, at)] += without[np.ix_(where, where)] * same
        slopes[np.ix_(at, at)] -= (without @ change @ without)[np.ix_(where, where)] * same

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

    def _add_data(self, m: BlockDiagonal, dm: BlockDiagonal, values: Array, slopes: Array) -> None:
        batch, nodes = self._batch, self._samples
        kernel, change = (
            np.array(
                [
                    [one.entry(first, second).real for second in (batch.after, batch.before)]
                    for first in (batch.after, batch.before)
                ]
            )[:, :, nodes.index]
            for one in (m, dm)
        )
        at = [one for one, _, _ in self._data] + [one for one, _ in self._projected]
        sources = np.zeros((len(at), 2, nodes.weights.size))
        moved = np.zeros_like(sources)
        for row, (_, slot, function) in enumerate(self._data):
            sources[row, 0 if slot == "v" else 1] = function
        if self._projected:
            right = batch.right[:, nodes.index]
            for target, one in ((sources, m), (moved, dm)):
                s = self._between_inputs(one)
                rows = target[len(self._data) :]
                rows[:, 0] = (s[1:, 1:] @ right) * nodes.label
                rows[:, 1] = s[1:, :1] * nodes.label
        block = _pair_forms(sources, kernel, sources, nodes.weights)
        cross = _pair_forms(moved, kernel, sources, nodes.weights)
        values[np.ix_(at, at)] += block
        slopes[np.ix_(at, at)] += (
            _pair_forms(sources, change, sources, nodes.weights) + cross + cross.T
        )
        if self._before is not None:
            for index, slot, function in self._data:
                if slot == "lambda":
                    both = -float(nodes.weights @ (function * nodes.label))
                    values[index, self._before] += both
                    values[self._before, index] += both
        if self._projected:
            chi = [one for one, _ in self._projected]
            size = float(nodes.weights @ nodes.label**2)
            values[np.ix_(chi, chi)] += size * self._between_inputs(m)[1:, 1:]
            slopes[np.ix_(chi, chi)] += size * self._between_inputs(dm)[1:, 1:]

    def _between_inputs(self, m: BlockDiagonal) -> Array:
        """``phi M_d`` between ``u`` and the multipliers of the last batch."""
        slots = ["u", *self._batch.multipliers]
        block = np.array([[m.entry(a, b)[0].real for b in slots] for a in slots])
        return self._batch.samples.sample_ratio * block


def _pair_forms(left: Array, kernel: Array, right: Array, weights: Array) -> Array:
    """``sum_p weights left^T kernel right`` over nodes and the pair of slots."""
    moved = np.einsum("aip,ijp->ajp", left, kernel * weights)
    return np.asarray(moved.reshape(len(left), -1) @ right.reshape(len(right), -1).T)


def _samples(batch: BatchSlots, spread: float, fresh: bool, ey2: float, phi: float) -> _Samples:
    samples = batch.samples
    index = np.arange(samples.weights.size)
    weights, omega = samples.weights, samples.omega
    if omega is None:  # the forms are quadratic in omega: two nodes are exact
        index, weights = np.tile(index, 2), np.tile(weights / 2.0, 2)
        omega = np.repeat([-1.0, 1.0], samples.weights.size)
    y = samples.y[index]
    along = omega if fresh else phi * y / spread + omega
    s = np.concatenate([samples.z[:, index], along[None, :]])
    return _Samples(index, weights, s, y / math.sqrt(ey2))


def _separable(update: Array, w: Array, weights: Array) -> tuple[Array, Array]:
    """``update[q, p] = sum_k left[k, q] right[k, p]``, to rounding of the largest."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * update * columns, full_matrices=False)
    kept = s > _NEGLIGIBLE * max(float(s[0]), 1e-300)
    root = np.sqrt(s[kept, None])
    return u[:, kept].T * root / rows, vt[kept] * root / columns
