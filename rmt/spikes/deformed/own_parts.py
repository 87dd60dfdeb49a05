"""What earlier steps have scattered along the directions of the mean update, met by later ones.

The own part ``o`` of a row, all of it that is not the mean update, goes through a segment of
steps as ``o -> o (1 + A) + noise``, ``A = (1/n) sum_b X_b^T D_{L'_b} X_b``, ``L' = L / own`` the
segment's answer. In a direction that its samples do not know ``A`` is its mean plus what is
independent of ``o``: linked fluctuations say that (`fluctuations`). Along the directions ``e_k`` of
the mean update, the target's first, the samples' weights depend on ``s_k``, and

    o e_k -> sum_l o e_l (1 + Gamma)_lk + noise,       Gamma_lk(a) = sum_b E[L'_b s_l s_k].

With ``R_k = o e_k - own W_0 e_k``, a vector on the rows of which the bulk's form holds nothing, the
quadratic form lacks

    sum_{b, m, k} (r^T D_{l'_m} R_k) (e_k^T q_m)  -  sum_k (r^T D_{E L'} R_k) (e_k^T u),

couplings of a vector that is random, but made of the bulk's own matrices: by the same recursion

    R_k = sum_{b, l} D_F Y_bl + sum_l D_O W_0 e_l,
    Y_bl = (1/n) (sum_m D_{l_m} W_0 X'^T P_a D_{r_m} s_l + (sqrt(V) o G) s_l),

over the batches of earlier segments. Integrated over ``W_0``, ``G`` and ``X'`` (Gaussian, by parts)
a source on ``D_F Y_bl`` acts like sources on what the forms know, with ``h_ml = P_a D_{r_m} s_l``
and ``W_t = gamma E_g[rho F l_m l_t]`` for the slots ``t = u, q, ..``:

    on lambda:   - phi sum_{t, m} W_t M_tu h_ml
    on v:        - phi sum_{t, m, m'} W_t M_{t lambda_m'} r_m' h_ml  -  gamma phi E_g[rho F V] s_l,

one on ``D_O W_0 e_l`` like ``-gamma E_g[rho O l_t]`` on ``e_l`` of the slot ``t``; and two of them
have besides these the form of their common matrices,

    phi E[h h'] (gamma E_g[rho F F' l_m l_m'] + W_t M_tt' W_t') + gamma phi E E_g[rho F F' V s s']
    + gamma E_g[rho O O'].

docs/deformed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.spikes.deformed.above import Solution
from rmt.spikes.deformed.equation import Equation
from rmt.spikes.deformed.fluctuations import Fluctuations

__all__ = ["AtSolution", "OnBatch", "OwnParts", "Samples"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A batch on its nodes, and on a copy of them for each number that it has not seen.

    Attributes
    ----------
    weights : array, shape (P,)
    known : array, shape (P,)
        1 on the nodes, 0 on the copies.
    along : array, shape (K, P)
        ``s_k``; on a copy what multiplies its number in it.
    right : array, shape (M, P)
        ``r_m``.
    projected : array, shape (J, P)
        ``a_l``, orthonormal.
    """

    weights: Array
    known: Array
    along: Array
    right: Array
    projected: Array


@dataclass(frozen=True, slots=True, eq=False)
class OnBatch:
    """Functions on ``v`` and on ``lambda`` of a batch's nodes and copies, (C, P), by ``z`` too."""

    v: Array
    multiplier: Array
    v_slope: Array
    multiplier_slope: Array


@dataclass(frozen=True, slots=True, eq=False)
class AtSolution:
    """The vectors in terms of others at one point, and by ``z``.

    Attributes
    ----------
    directions, directions_slope : array, shape (C, slots, K)
        Sources on the ``e_k`` of every slot of dimension d.
    batches : list of OnBatch
    common, common_slope : array, shape (C, C)
        What their forms have besides.
    """

    directions: Array
    directions_slope: Array
    batches: list[OnBatch]
    common: Array
    common_slope: Array


class OwnParts:
    """The couplings of the own parts, one after another: ``D_f R_l`` with a direction.

    Parameters
    ----------
    found : Fluctuations
        Of linked steps; without links there are no couplings.
    equation : Equation
        Of the bulk cut from them.
    samples : sequence of Samples
        Of its batches.
    """

    def __init__(self, found: Fluctuations, equation: Equation, samples: Sequence[Samples]) -> None:
        self._equation, self._samples = equation, samples
        rows, count = equation.weights.size, len(samples[0].along)
        self.partners: list[tuple[int, int]] = []  # slot and k
        one = np.eye(count)[:, :, None] * np.ones(rows)
        made: dict[int, Array] = {}  # (K, K, Q): Y_bl in R_k
        initial = np.zeros((count, count, rows))  # W_0 e_l in R_k
        functions: list[Array] = []
        sources: list[dict[int, Array]] = []
        starts: list[Array] = []
        segments = 1 + max(batch.segment for batch in found.batches)
        for segment in range(segments if found.linked else 0):
            members = [b for b, one in enumerate(found.batches) if one.segment == segment]
            own, later = found.batches[members[0]].own, found.batches[members[0]].later
            mean, gamma = np.zeros(rows), np.zeros((count, count, rows))
            answers: list[tuple[int, Array]] = []
            for b in members:
                batch, left = samples[b], _over(equation.batches[b].left, own)
                weighted = batch.right * batch.weights
                mean += (weighted @ batch.known) @ left
                products = np.einsum("mp,lp,kp->lkm", weighted, batch.along, batch.along)
                gamma += products @ left
                answers += zip(equation.inputs[b].tolist(), left, strict=True)
            if made and answers:
                for slot, f in [*answers, (0, -mean)]:
                    self.partners += [(slot, k) for k in range(count)]
                    functions += [f] * count
                    sources += [
                        {b: values[:, k] for b, values in made.items()} for k in range(count)
                    ]
                    starts += [initial[:, k] for k in range(count)]
            through = one + _over(gamma, later)
            made = {b: np.einsum("ljq,jkq->lkq", value, through) for b, value in made.items()}
            initial = np.einsum("ljq,jkq->lkq", initial, through)
            initial += own * (_over(gamma, later) - one * _over(mean, later))
            made |= {b: _over(one, later) for b in members}
        nothing = np.zeros((count, rows))
        self._batches: list[_OfBatch | None] = []
        for b, batch in enumerate(samples):
            f_made = [f * one.get(b, nothing) for f, one in zip(functions, sources, strict=True)]
            used = any(one.any() for one in f_made)
            self._batches.append(_OfBatch(equation, np.array(f_made), batch, b) if used else None)
        self._initial = np.array([f * start for f, start in zip(functions, starts, strict=True)])

    def __len__(self) -> int:
        return len(self.partners)

    def at(self, solution: Solution) -> AtSolution:
        """All at a solution."""
        equation = self._equation
        rows = equation.weights.size
        rho, rho_slope = solution.state.x[0, :rows], solution.slope[:rows]
        scale = equation.aspect_ratio * equation.weights
        inner, inner_slope = solution.state.inner[0], solution.along.inner[0]
        start = self._initial

        def directions(rho: Array) -> Array:
            met = (equation.left * (scale * rho)) @ start.reshape(-1, rows).T
            return np.asarray(-met.reshape(-1, *start.shape[:2]).swapaxes(0, 1))

        def common(rho: Array) -> Array:
            first, second = (one.reshape(len(self), -1) for one in (start * (scale * rho), start))
            return np.asarray(first @ second.T)

        value, slope = common(rho), common(rho_slope)
        batches = []
        for one, samples in zip(self._batches, self._samples, strict=True):
            if one is None:
                nothing = np.zeros((len(self), samples.weights.size))
                batches.append(OnBatch(nothing, nothing, nothing, nothing))
                continue
            batches.append(one.sources(rho, rho_slope, inner, inner_slope))
            more, steeper = one.common(rho, rho_slope, inner, inner_slope)
            value, slope = value + more, slope + steeper
        return AtSolution(directions(rho), directions(rho_slope), batches, value, slope)


class _OfBatch:
    """The vectors ``D_F Y_bl`` of one batch, ``F`` of shape (C, K, Q)."""

    def __init__(self, equation: Equation, made: Array, samples: Samples, number: int) -> None:
        terms = equation.batches[number]
        self._equation, self._made, self._samples = equation, made, samples
        self._ratio, self._slots = terms.sample_ratio, np.append(0, equation.multipliers[number])
        self._scale = equation.aspect_ratio * equation.weights
        # h_ml, and F l_m, on one axis.
        h = samples.right[:, None] * samples.along
        h = h - ((h * samples.weights) @ samples.projected.T) @ samples.projected
        self._h = h.reshape(-1, samples.weights.size)
        self._gram = terms.sample_ratio * (self._h * samples.weights) @ self._h.T
        self._with = (made[:, None] * terms.left[:, None]).reshape(len(made), -1, made.shape[2])
        copies = samples.weights.size // terms.weights.size
        self._variance = np.tile(terms.variance, (1, copies))
        # E[V s s'], shape (K, K, Q), with F.
        weighted = samples.along * samples.weights
        products = weighted[:, None] * samples.along
        squares = terms.sample_ratio * products @ self._variance.T
        self._squares = np.einsum("klq,clq->ckq", squares, made, optimize=True)

    def _met(self, rho: Array) -> Array:
        """``W``, shape (C, slots, M K)."""
        scaled = (self._equation.left * (self._scale * rho)).T
        return np.asarray((self._with @ scaled).swapaxes(1, 2))

    def sources(self, rho: Array, rho_slope: Array, inner: Array, inner_slope: Array) -> OnBatch:
        """Those that they are on the samples."""
        across, across_slope = inner[self._slots], inner_slope[self._slots]
        met, met_slope = self._met(rho), self._met(rho_slope)
        v, multiplier = self._on_samples(across @ met, rho)
        v_slope, multiplier_slope = self._on_samples(
            across @ met_slope + across_slope @ met, rho_slope
        )
        return OnBatch(v, multiplier, v_slope, multiplier_slope)

    def _on_samples(self, met: Array, rho: Array) -> tuple[Array, Array]:
        samples, ratio = self._samples, self._ratio
        v = np.zeros((len(met), samples.weights.size))
        for m, r_m in enumerate(samples.right):
            v -= ratio * r_m * (met[:, 1 + m] @ self._h)
        for k, s_k in enumerate(samples.along):
            v -= ratio * s_k * ((self._made[:, k] * (self._scale * rho)) @ self._variance)
        return v, -ratio * (met[:, 0] @ self._h)

    def common(
        self, rho: Array, rho_slope: Array, inner: Array, inner_slope: Array
    ) -> tuple[Array, Array]:
        """What two of them have besides the sources, and by ``z``."""
        met, met_slope = self._met(rho), self._met(rho_slope)
        across = inner @ met
        turned = self._product(met_slope @ self._gram, across)
        slope = self._alike(rho_slope) + turned + turned.T
        slope += self._product(met @ self._gram, inner_slope @ met)
        return self._alike(rho) + self._product(met @ self._gram, across), slope

    def _alike(self, rho: Array) -> Array:
        weights = self._scale * rho
        with_gram = np.swapaxes(np.swapaxes(self._with, 1, 2) @ self._gram, 1, 2)
        first = self._product(self._with * weights, with_gram)
        return first + self._product(self._made * weights, self._squares)

    def _product(self, first: Array, second: Array) -> Array:
        return np.asarray(first.reshape(len(first), -1) @ second.reshape(len(second), -1).T)


def _over(values: Array, factor: Array) -> Array:
    """A quotient, zero where the factor is: there nothing is left of the values either."""
    return np.divide(values, factor, out=np.zeros_like(values), where=factor != 0.0)
