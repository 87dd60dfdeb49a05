"""A schedule of gradient steps on batches, as a walk of the rows' state.

Step ``s`` on batch ``b`` moves a row of readout ``g`` by ``(1/n) sum_j theta_s x_j``, with
``a = g / sqrt(N)`` and

    theta_s = eta_s a r_s sigma'(u_s),    r_s = rho(h_s, y),    h_s = kappa E_g[g E_n sigma(u_s)]
    u_1 = Z,    u_{s+1} = u_s + F_s + chi_s + R_s
    R_s = [b is the batch of s] phi theta_s + sum_{t<s} D_st R_t + O_s

at a sample of ``b``; ``E_n`` is over a row's own numbers ``Z, chi``, and ``tbar_s = E_n theta_s``.
In the mean over rows of a readout the increment is ``p_s``, with ``F_s`` its product with an input
had it not been trained on; the rest is ``chi_s``. Then, over the samples of the batch,

    gates    c = E[theta_s (Z, chi)],  D_s = Cov(Z, chi)^{-1} c
    own      Cov(chi_s, .) = c + E[kappa_s Rt],  Rt_t = phi sum_{t' in b} (1 - D)^{-1}_tt' kappa_t'
    mean     m_sk = E[tbar_s omega_k],  B_sk = <p_s, e_k> = m_sk + E[tbar_s R_k]
             <p_s, p_s'> = m.B' + B.m' - m.m' + phi E[tbar_s tbar_s']
    outputs  O_s = sum_k (m_sk - sum_{t<s} D_st B_tk) R_k
             R_k = E_g[c_k (E_n R_s - sum_{older} B_sk' R_k')] / E_g[c_k^2]

where the ``e_k`` beside the target's directions are those along which ``p_s`` leaves the known
ones, of size ``c_k(g)``. Nothing is expanded in the steps. A schedule is cut into segments wherever
no batch is used on both sides: what is remembered of samples and steps ends there, and fresh steps
are segments of length 1. Derivation and checks: docs/theory.md, any number of steps.

The residual ``rho`` is ``y - h`` for the square loss; with an output of order one ``h_s`` has the
untrained ``h_0`` besides, which is along a direction of its own, ``W_0^T a`` (docs/losses.md). With
weight decay the walk is that of the weights divided by what is left of the initial ones, ``c_s``
before step ``s``: with ``eta_s / c_{s+1}`` for ``eta_s`` and ``sigma'(c_s u)`` for ``sigma'(u)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rmt.arrays import Array, Indices
from rmt.budget import check_time
from rmt.problem import Problem
from rmt.spikes.state.averages import Averages, PastStep, at_samples
from rmt.spikes.state.mean_errors import wrong_signs
from rmt.spikes.state.rows import Rows, principal
from rmt.spikes.state.samples import (
    DROPPED_SIZE,
    Memory,
    Nodes,
    Resolution,
    known_directions,
    likely,
    nodes_of,
)

__all__ = ["AfterStep", "Sizes", "segments", "shrunk", "walk"]


SMALL = 0.01  # size of a direction that a fresh step does not resolve
LINEAR = (
    "squared",
    "correlation",
)  # losses whose residual is ``y`` less what is known of the output
TINY = 1e-300
SINGULAR = 1e-13  # relative: own numbers that a step of nothing has not told apart
LAST = 0.012  # of one that is not resolved for the errors at the end
AT_THE_END = 5e-6  # of a mean square: what rare nodes may add up to that are not asked after it


@dataclass(slots=True, eq=False)
class Sizes:
    """How large the directions of a walk are, in the order in which it asks for nodes along them.

    Walks that differ in one rule differ in these as well, a little: what is small for one would be
    dropped by the other. With the sizes of the first they have the same directions.
    """

    known: list[Array] = field(default_factory=list)
    asked: int = 0

    def instead_of(self, found: Array) -> Array:
        """The sizes known, of the shape of those found; or these, for walks to come."""
        if self.asked == len(self.known):
            self.known.append(found)
        known = self.known[self.asked]
        self.asked += 1
        return np.append(known, found[known.size :])[: found.size]


@dataclass(frozen=True, slots=True, eq=False)
class AfterStep:
    """The rows after a step, and what was seen on the way there.

    Attributes
    ----------
    kernel : array, shape (Q, Q)
        ``<P(g), P(g')>`` of the mean update so far.
    toward : array, shape (Q, r) or (Q, r + 1)
        ``<P(g), beta_c>``; with an output of order one the last column is ``<P(g), W_0^T a>``.
    own : array, shape (Q,)
        ``b^2``: squared length of a row's own part.
    gradient : array, shape (Q, r)
        Cosines of the step's gradient with the target's directions.
    before : array, shape (4, 2)
        Before the step, on its batch and on fresh samples: the mean squared error ``E (y - h)^2``,
        the loss, the share of labels ``+-1`` that have not the sign of the output, and an estimate
        of that share's error beside that of the rules.
    after : array, shape (4, 2), or None
        The same after the step: for the last only, for others it is that before the next.
    shrunk : float
        What weight decay has left of the initial weights.
    segment : SegmentEnd or None
        After the last step of a segment, where that is kept.
    """

    kernel: Array
    toward: Array
    own: Array
    gradient: Array
    before: Array
    after: Array | None
    segment: SegmentEnd | None = None
    shrunk: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SegmentEnd:
    """What a segment has done to the own parts of rows, and its batches.

    All of the weights divided by what weight decay has left of the initial ones.

    Attributes
    ----------
    answers : array, shape (Q, T)
        ``L_s``, of its steps.
    gates : array, shape (Q, T, T)
        ``D_st``.
    start : array, shape (Q,)
        Squared length of the own part before it.
    first, before_last, last : array, shape (Q, K1) and (Q, K)
        ``<P(g), e_k>`` before its first step, and before and after its last, in the directions
        known then.
    made : array, shape (Q, J)
        The same after the last step, in the directions that it has made.
    made_of : array, shape (J, P)
        What they are at the samples of its batch, ``(1/n) sum_j p x_j`` beside others.
    made_along : dict of array, shape (J, P)
        What the samples of every batch have put there.
    nodes : Nodes
        Of its samples, with the directions known before its last step.
    memories : dict of Memory
        Of its batches, by number, with all that they keep; steps are counted within the segment.
    """

    answers: Array
    gates: Array
    start: Array
    first: Array
    before_last: Array
    last: Array
    made: Array
    made_of: Array
    made_along: dict[int, Array]
    nodes: Nodes
    memories: dict[int, Memory]


def shrunk(problem: Problem, s: int) -> float:
    """What weight decay leaves of the initial weights before step ``s``."""
    return math.prod(step.kept(problem.width) for step in problem.steps[:s])


def segments(schedule: Sequence[int]) -> list[range]:
    """The steps of a schedule, cut wherever no batch is used on both sides.

    Examples
    --------
    >>> segments([0, 0, 1, 2, 1, 3])
    [range(0, 2), range(2, 5), range(5, 6)]
    """
    cuts = [s for s in range(1, len(schedule)) if not set(schedule[:s]) & set(schedule[s:])]
    return [range(a, b) for a, b in zip([0, *cuts], [*cuts, len(schedule)], strict=True)]


def walk(
    problem: Problem,
    g: Array,
    w: Array,
    resolution: Resolution | float,
    to_the_end: bool = True,
    sizes: Sizes | None = None,
    kept: bool = False,
) -> Iterator[AfterStep]:
    """The state after every step, on nodes of the readout.

    Parameters
    ----------
    problem : Problem
    g, w : array, shape (Q,)
    resolution : Resolution or float
        Multiplies the number of nodes of every other variable; 1 for errors of about 1e-5.
    to_the_end : bool
        Whether errors after the last step are wanted, which cost as much as one step more.
    sizes : Sizes, optional
        Of directions, by which their nodes are chosen: those of another walk, or to be filled.
    kept : bool
        Whether what the bulk is made of is wanted, the `SegmentEnd` of every segment, in the place
        of test errors, which are nan; not together with ``to_the_end``.
    """
    rows = Rows.untrained(g.size, known_directions(problem))
    sizes = Sizes() if sizes is None else sizes
    sizes.asked = 0
    for steps in segments(problem.schedule):
        segment = _Segment(problem, g, w, resolution, rows, steps, sizes, kept)
        for s in steps:
            yield segment.take(s, s == steps[-1], to_the_end)
        rows = segment.rows()


class _Segment:
    """Steps that share batches, with all that their samples remember."""

    def __init__(
        self,
        problem: Problem,
        g: Array,
        w: Array,
        resolution: Resolution | float,
        rows: Rows,
        steps: range,
        sizes: Sizes,
        kept: bool,
    ) -> None:
        self._problem, self._g, self._w, self._first = problem, g, w, steps.start
        fresh = len(steps) == 1
        self._resolution = fine = Resolution.of(resolution)
        self._sizes = sizes
        r = self._r = known_directions(problem)
        # Of a batch that is used once, only means and variances of labels count, where the residual
        # is linear in them.
        linear = problem.loss.text in LINEAR
        nodes = nodes_of(problem, fine, labels=not (fresh and linear) or kept, law=kept)
        self._signs = problem.has_signs
        # Axes that are too small for nodes keep their part of the kernel.
        with_nodes, beside = list(range(r)), np.sqrt(w @ rows.mean[:, r:] ** 2)
        for k, size in enumerate(self._sizes.instead_of(beside), r):
            # Nothing remembers a small one of these: it is worth its square.
            small = not fresh or size > SMALL / fine.dropped**2
            more = nodes.with_direction(float(size), fine, small)
            if more is None:
                break
            nodes, with_nodes = more[0], [*with_nodes, k]
        small = np.delete(rows.mean, with_nodes, axis=1)
        self._nodes: Nodes = nodes
        self._unresolved = small @ small.T
        self._start = rows.mean[:, with_nodes]
        self._origin = self._start @ nodes.coordinates
        self._along: list[Array] = []  # B_s, (Q, K) of its time
        self._past: list[PastStep] = []
        self._own = rows.own[:, None, None]  # covariance of (Z, chi_1, ..), (Q, t + 1, t + 1)
        # What axes without nodes add to its diagonal, (Q, t + 1).
        self._blur = np.diagonal(self._unresolved)[:, None]
        self._memories: dict[int, Memory] = {}
        self._kept = kept
        self._answers: list[Array] = []

    def rows(self) -> Rows:
        """The state as it is handed on: all steps of the segment as one."""
        total, r = self._total(), self._r
        beside = total[:, r:] @ total[:, r:].T + self._unresolved
        mean = np.concatenate([total[:, :r], principal(beside, self._w)], axis=1)
        return Rows(mean, self._own.sum(axis=(1, 2)))

    def _total(self) -> Array:
        """``<P(g), e_k>``, shape (Q, K)."""
        total = np.zeros((self._g.size, len(self._nodes.coordinates)))
        for one in (self._start, *self._along):
            total[:, : one.shape[1]] += one
        return total

    def _averages(self, memory: Memory) -> Averages:
        """At the samples of a batch, before the next step."""
        uses = [*sorted(memory.residuals), len(self._past)]
        before = np.tri(len(self._past) + 1)[uses]  # V_t = Z + chi_1 + .. + chi_{t-1}
        covariance = before @ self._own @ before.T
        covariance += np.einsum("it,qt,jt->qij", before, self._blur, before)
        sigma, fine = self._problem.activation, self._resolution.own
        left = shrunk(self._problem, self._first + len(self._past))
        return at_samples(sigma, covariance, self._past, self._origin, memory, left, fine)

    def _output(self, seen: Averages, s: int) -> Array:
        """``h`` at the nodes, before step ``s``."""
        nodes = self._nodes
        if s == 0:
            return nodes.untrained
        return self._problem.output_gain * ((self._w * self._g) @ seen.value) + nodes.untrained

    def _residual(self, seen: Averages, output: Array, s: int) -> Array:
        """``rho(h, y)`` at the nodes."""
        problem, nodes = self._problem, self._nodes
        affine = problem.loss.affine
        if affine is not None:
            return np.asarray(affine[0] * nodes.label + affine[1] * output)
        r = problem.n_directions
        z, rise = nodes.coordinates[:r], np.zeros((r, output.size))
        if s == 0 and r == 1 and not problem.noise_std and problem.starts_at_zero:
            return np.asarray(
                problem.loss.residual(output, nodes.label)
            )  # the rule is cut at kinks
        if s > 0:  # but for what the sample itself has put into the rows
            gain = problem.output_gain * shrunk(problem, s) * self._w * self._g
            rise = (gain[:, None] * self._total()[:, :r]).T @ seen.slope
        return nodes.cells.residual(problem, z, nodes.label, output, rise, nodes.spread)

    def _errors(self, output: Array) -> Array:
        """Of outputs at the nodes, as in `AfterStep.before`, shape (4,)."""
        nodes, loss = self._nodes, self._problem.loss
        square = float(nodes.weights @ ((nodes.label - output) ** 2 + nodes.variance))
        mean = square / 2.0
        if loss.text != "squared":
            mean = float(nodes.weights @ loss.value(output, nodes.label))
        wrong = math.nan, math.nan
        if self._signs:
            # Where labels are not resolved, a node's is the mean of its signs.
            shares = nodes.weights * (1.0 + np.array([[1.0], [-1.0]]) * nodes.label) / 2.0
            wrong = wrong_signs(np.stack([output, -output]).ravel(), shares.ravel())
        return np.array([square, mean, *wrong])

    def take(self, s: int, closing: bool, to_the_end: bool) -> AfterStep:
        """One step of the schedule, the last of the segment or not."""
        check_time()
        problem, nodes = self._problem, self._nodes
        batch, t, r = problem.schedule[s], len(self._past), self._r
        memory = self._memories.get(batch) or Memory(problem.dim / problem.samples[batch])
        seen = self._averages(memory)
        output = self._output(seen, s)
        residual = self._residual(seen, output, s)
        training = self._errors(output)
        test = np.full(4, math.nan) if self._kept else training
        if memory.residuals and not self._kept:
            test = self._errors_at(Memory(memory.ratio), s)
        left, kept = shrunk(problem, s), shrunk(problem, s + 1)
        amplitude = problem.learning_rates[s] / kept * self._g / math.sqrt(problem.width)
        weighted = amplitude[:, None] * residual * nodes.weights
        tbar = amplitude[:, None] * residual * seen.slope

        per_residual = amplitude[:, None] * seen.slope

        answer, covariance, variance = self._own_part(memory, seen, weighted, tbar)
        gates = answer[:, 1:]
        self._answers.append(answer[:, 0])
        if self._kept:
            self._keep(memory, seen, amplitude[:, None] * residual, tbar)
        first, along, gram = self._along_known(memory, nodes, tbar)
        self._answer(gates, first)
        asked = to_the_end and s + 1 == len(problem.schedule)
        if np.any(nodes.variance):
            scatter = per_residual * (nodes.variance * nodes.weights)
            gram += memory.ratio * scatter @ per_residual.T
            more = amplitude**2 * (seen.square @ (nodes.variance * nodes.weights))
            variance += memory.ratio * (more - (scatter * per_residual).sum(axis=1))
            if asked:
                # From here on the batch has been used, and its labels with it.
                self._nodes, index, added = nodes.with_labels(problem, self._resolution)
                nodes = self._nodes
                residual = residual[index] + added
                tbar = tbar[:, index] + per_residual[:, index] * added
                self._move(index, {})
        memory.residuals[t], memory.means[t] = residual, tbar
        self._memories[batch] = memory
        before_last = self._total()
        self._grow(covariance, variance)
        field = along @ nodes.coordinates
        self._past.append(PastStep(amplitude, gates, field, left))
        length = np.diagonal(gram) + variance
        self._add_directions(memory, along, gram, none=closing and not asked, large=asked)
        total = self._total()
        end = self._end(memory, before_last, gram, along) if self._kept and closing else None
        known = problem.n_directions
        return AfterStep(
            kernel=kept**2 * (total @ total.T + self._unresolved),
            toward=kept * total[:, :r],
            own=kept**2 * self._own.sum(axis=(1, 2)),
            gradient=along[:, :known] / np.sqrt(np.maximum(length, TINY))[:, None],
            before=np.stack([training, test], axis=1),
            after=self._at_the_end(memory) if asked else None,
            segment=end,
            shrunk=kept,
        )

    def _keep(self, memory: Memory, seen: Averages, scale: Array, tbar: Array) -> None:
        """What the step adds to the bulk, at the samples; ``scale`` is ``eta a r``."""
        t, uses = len(self._past), sorted(memory.residuals)
        before = np.tri(t + 1)[[*uses, t]]
        own = before @ (self._own + self._blur[:, :, None] * np.eye(t + 1)) @ before.T
        with_start = self._own[:, 0] @ before.T
        answer = _solved(own, with_start)
        memory.linear[t] = scale * np.einsum("qn,nqp->qp", answer, seen.moments)
        for k, one in enumerate(uses):
            product = scale * self._kappa_scale(memory, one) * seen.products[k]
            memory.covariances[t, one] = product - tbar * memory.means[one]
        memory.covariances[t, t] = scale**2 * seen.square - tbar**2

    def _end(self, used: Memory, before: Array, gram: Array, along: Array) -> SegmentEnd:
        steps, w = len(self._past), self._w
        matrix = np.zeros((self._g.size, steps, steps))
        for t, step in enumerate(self._past):
            matrix[:, t, :t] = step.gates
        made = principal(gram - along @ along.T, w)
        sizes = w @ made**2
        made = made[:, np.sqrt(sizes) > DROPPED_SIZE / self._resolution.dropped**2]
        functions = (w[:, None] * made / sizes[: made.shape[1]]).T
        return SegmentEnd(
            answers=np.stack(self._answers, axis=1),
            gates=matrix,
            start=self._own[:, 0, 0],
            first=self._start,
            before_last=before,
            last=self._total(),
            made=made,
            made_of=functions @ used.means[steps - 1],
            made_along={
                key: functions @ (self._put_in(one) - along @ one.along)
                for key, one in self._memories.items()
            },
            nodes=self._nodes,
            memories=self._memories,
        )

    def _at_the_end(self, memory: Memory) -> Array:
        """Errors after the last step, on the nodes that matter for means of squares."""
        nodes = self._nodes
        index = likely(nodes.weights, nodes.label, AT_THE_END / self._resolution.target**2)
        self._nodes = nodes.some(index)
        self._move(index, {})
        last = self._problem.n_steps
        fresh = self._errors_at(Memory(memory.ratio), last)
        return np.stack([self._errors_at(memory, last), fresh], axis=1)

    def _errors_at(self, memory: Memory, s: int) -> Array:
        """On samples with a memory, or fresh ones, before step ``s``."""
        return self._errors(self._output(self._averages(memory), s))

    def _own_part(
        self, memory: Memory, seen: Averages, weighted: Array, tbar: Array
    ) -> tuple[Array, Array, Array]:
        """``(L_s, D_s)`` and ``Cov(chi_s, (Z, chi))``, both (Q, t + 1), and ``Var chi_s`` (Q,)."""
        t, uses = len(self._past), sorted(memory.residuals)
        weights = self._nodes.weights
        before = np.tri(t + 1)[[*uses, t]]
        own = before @ (self._own + self._blur[:, :, None] * np.eye(t + 1)) @ before.T
        moments = np.einsum("nqp,qp->qn", seen.moments, weighted)
        answer = _solved(own, moments) @ before  # (L_s, D_s)
        covariance = (self._own @ answer[..., None])[..., 0]
        gates = answer[:, 1:]
        products = {
            one: (seen.products[k] * weighted * self._kappa_scale(memory, one)).sum(axis=1)
            - (tbar * memory.means[one]) @ weights
            for k, one in enumerate(uses)
        }
        square = (weighted * (weighted / weights) * seen.square).sum(axis=1) - tbar**2 @ weights
        products[t] = square
        matrix = np.zeros((self._g.size, t + 1, t + 1))
        for one, step in enumerate(self._past):
            matrix[:, one, :one] = step.gates
        matrix[:, t, :t] = gates
        inverse = np.linalg.inv(np.eye(t + 1) - matrix)
        put_in = memory.ratio * sum(inverse[:, :, one] * products[one][:, None] for one in products)
        covariance[:, 1:] += put_in[:, :t]
        variance = answer[:, 0] * covariance[:, 0]
        variance = variance + (gates * covariance[:, 1:]).sum(axis=1) + put_in[:, t]
        return answer, covariance, variance

    def _kappa_scale(self, memory: Memory, t: int) -> Array:
        """``eta_t a r_t``, shape (Q, P)."""
        return self._past[t].amplitude[:, None] * memory.residuals[t]

    def _along_known(self, memory: Memory, nodes: Nodes, tbar: Array) -> tuple[Array, Array, Array]:
        """``m_s`` and ``B_s``, both (Q, K), and ``<p_s, p_s'>`` (Q, Q)."""
        weighted = tbar * nodes.weights
        first = weighted @ nodes.coordinates.T
        along = first.copy()
        if memory.residuals:
            along += weighted @ memory.along.T
        both = first @ along.T
        return first, along, both + both.T - first @ first.T + memory.ratio * (weighted @ tbar.T)

    def _answer(self, gates: Array, first: Array) -> None:
        """``O_s`` of every batch in use."""
        t = len(self._past)
        coefficients = first.copy()
        for before, one in enumerate(self._along):
            coefficients[:, : one.shape[1]] -= gates[:, before, None] * one
        for memory in self._memories.values():
            memory.answers[t] = coefficients @ memory.along

    def _grow(self, covariance: Array, variance: Array) -> None:
        last = np.append(covariance, variance[:, None], axis=1)
        wider = np.pad(self._own, ((0, 0), (0, 1), (0, 1)))
        wider[:, -1], wider[:, :, -1] = last, last
        self._own = wider

    def _put_in(self, memory: Memory) -> Array:
        """``E_n R_s`` of the last step at a batch's samples, shape (Q, P)."""
        effects: list[Array] = []
        for t, step in enumerate(self._past):
            effect = np.zeros_like(step.field)
            if t in memory.means:
                effect += memory.ratio * memory.means[t]
            for before, one in enumerate(effects):
                effect += step.gates[:, before, None] * one
            if t in memory.answers:
                effect += memory.answers[t]
            effects.append(effect)
        return effects[-1]

    def _add_directions(
        self, used: Memory, along: Array, gram: Array, none: bool, large: bool
    ) -> None:
        """Those along which the step leaves the known ones: all, only the large, or none of them.

        After a segment's last step no nodes are needed along them, but for the errors then.
        """
        new, w = principal(gram - along @ along.T, self._w), self._w
        effects = {key: self._put_in(one) for key, one in self._memories.items()}
        known = along.shape[1]
        for key, memory in self._memories.items():
            if not memory.along.size:
                memory.along = np.zeros((known, self._nodes.weights.size))
            effects[key] = effects[key] - along @ memory.along
        kept = 0
        found = w @ new**2
        sizes = np.zeros(0) if none else self._sizes.instead_of(np.sqrt(found))
        for c, known_size, size in zip(new.T, sizes, found, strict=False):
            fine = self._resolution
            small = not large or known_size > LAST / fine.dropped**2
            more = self._nodes.with_direction(float(known_size), fine, small)
            if more is None:
                break
            function = w * c / max(size, TINY)  # of none, where an activation is linear
            for key, memory in self._memories.items():
                memory.along = np.append(memory.along, [function @ effects[key]], axis=0)
            used.sources.append(function @ used.means[len(self._past) - 1])
            self._nodes, index = more
            self._move(index, effects)
            kept += 1
        wider = np.concatenate([along, new[:, :kept]], axis=1)
        self._along.append(wider)
        self._past[-1].field[:] = wider @ self._nodes.coordinates
        rest = new[:, kept:]
        self._unresolved = self._unresolved + rest @ rest.T
        self._blur = np.append(self._blur, (rest**2).sum(axis=1, keepdims=True), axis=1)

    def _move(self, index: Indices, effects: dict[int, Array]) -> None:
        """Everything that is known at the nodes, to those of one direction more."""
        self._origin = self._origin[:, index]
        self._past = [replace(one, field=one.field[:, index]) for one in self._past]
        for memory in self._memories.values():
            memory.moved(index)
        for key, effect in effects.items():
            effects[key] = effect[:, index]


def _solved(covariance: Array, moments: Array) -> Array:
    """Least coefficients with these moments: own numbers may be the same."""
    inverse = np.linalg.pinv(covariance, rcond=SINGULAR, hermitian=True)
    return np.asarray((inverse @ moments[..., None])[..., 0])
