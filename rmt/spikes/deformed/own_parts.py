"""What earlier steps have scattered along the directions of the mean update, met by later ones.

The own part ``o`` of a row, all of it that is not the mean update, goes through a segment of steps
as ``o -> o (1 + A) + noise``, ``A = (1/n) sum_b X_b^T D_{L'_b} X_b``, ``L' = L / own`` the segment's
answer. In a direction that its samples do not know ``A`` is its mean plus what is independent
of ``o``: linked fluctuations say that (`fluctuations`). Along the directions ``e_k`` of the mean
update, the target's first, the samples' weights depend on ``s_k``, and

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
from rmt.spikes.deformed.equation import BatchTerms, Equation
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
        self._made = [
            np.array(
                [
                    f * source.get(b, 0.0 * initial[0])
                    for f, source in zip(functions, sources, strict=True)
                ]
            )
            for b in range(len(samples))
        ]
        self._initial = np.array([f * start for f, start in zip(functions, starts, strict=True)])
        self._used = [bool(one.size and one.any()) for one in self._made]

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
            return -np.einsum("sq,ckq->csk", equation.left * (scale * rho), start)

        def started(rho: Array) -> Array:
            return np.einsum("ckq,dkq->cd", start * (scale * rho), start)

        common, common_slope = started(rho), started(rho_slope)
        batches = []
        for made, used, terms, samples in zip(
            self._made, self._used, equation.batches, self._samples, strict=True
        ):
            if not used:
                nothing = np.zeros((len(self), samples.weights.size))
                batches.append(OnBatch(nothing, nothing, nothing, nothing))
                continue
            one = _OfBatch(self._equation, made, terms, samples, len(batches))
            batches.append(one.sources(rho, rho_slope, inner, inner_slope))
            value, slope = one.common(rho, rho_slope, inner, inner_slope)
            common, common_slope = common + value, common_slope + slope
        return AtSolution(directions(rho), directions(rho_slope), batches, common, common_slope)


class _OfBatch:
    """The vectors ``D_F Y_bl`` of one batch, ``F`` of shape (C, K, Q)."""

    def __init__(
        self, equation: Equation, made: Array, terms: BatchTerms, samples: Samples, number: int
    ) -> None:
        self._made, self._terms, self._samples = made, terms, samples
        self._equation, self._dual = equation, equation.multipliers[number]
        self._scale = equation.aspect_ratio * equation.weights
        # h_ml, on the first two axes.
        h = samples.right[:, None] * samples.along
        h = h - ((h * samples.weights) @ samples.projected.T) @ samples.projected
        self._h = h.reshape(-1, samples.weights.size)
        self._gram = terms.sample_ratio * (self._h * samples.weights) @ self._h.T
        # F l_m on the same two.
        self._with = (made[:, None] * terms.left[:, None]).reshape(len(made), -1, made.shape[2])
        copies = samples.weights.size // terms.weights.size
        self._variance = np.tile(terms.variance, (1, copies))

    def _met(self, rho: Array) -> Array:
        """``W``, shape (C, slots, M K)."""
        return np.einsum("sq,cjq->csj", self._equation.left * (self._scale * rho), self._with)

    def sources(self, rho: Array, rho_slope: Array, inner: Array, inner_slope: Array) -> OnBatch:
        samples, phi = self._samples, self._terms.sample_ratio
        met, met_slope = self._met(rho), self._met(rho_slope)
        found = []
        on = np.append(0, self._dual)
        for values in (
            np.einsum("csj,st->ctj", met, inner[:, on]),
            np.einsum("csj,st->ctj", met_slope, inner[:, on])
            + np.einsum("csj,st->ctj", met, inner_slope[:, on]),
        ):
            multiplier = -phi * values[:, 0] @ self._h
            v = np.zeros_like(multiplier)
            for m, r_m in enumerate(samples.right):
                v -= phi * r_m * (values[:, 1 + m] @ self._h)
            found.append((v, multiplier))
        for (v, _), one in zip(found, (rho, rho_slope), strict=True):
            for k, s_k in enumerate(samples.along):
                v -= phi * ((self._made[:, k] * (self._scale * one)) @ self._variance) * s_k
        (v, multiplier), (v_slope, multiplier_slope) = found
        return OnBatch(v, multiplier, v_slope, multiplier_slope)

    def common(
        self, rho: Array, rho_slope: Array, inner: Array, inner_slope: Array
    ) -> tuple[Array, Array]:
        """What two of them have besides the sources, and by ``z``."""
        samples, phi, gram = self._samples, self._terms.sample_ratio, self._gram
        met, met_slope = self._met(rho), self._met(rho_slope)
        weighted = samples.along * samples.weights
        squares = np.einsum("kp,lp,qp->klq", weighted, samples.along, self._variance)

        def alike(rho: Array) -> Array:
            one = self._scale * rho
            both = np.einsum("ciq,djq,ij->cd", self._with * one, self._with, gram, optimize=True)
            made = np.einsum("klq,dlq->dkq", squares, self._made, optimize=True)
            both += phi * np.einsum("ckq,dkq->cd", self._made * one, made, optimize=True)
            return np.asarray(both)

        def between(first: Array, inner: Array, second: Array) -> Array:
            return np.einsum("csi,st,dtj,ij->cd", first, inner, second, gram, optimize=True)

        turned = between(met_slope, inner, met)
        slope = alike(rho_slope) + turned + turned.T + between(met, inner_slope, met)
        return alike(rho) + between(met, inner, met), slope


def _over(values: Array, factor: Array) -> Array:
    """A quotient, zero where the factor is: there nothing is left of the values either."""
    return np.divide(values, factor, out=np.zeros_like(values), where=factor != 0.0)
