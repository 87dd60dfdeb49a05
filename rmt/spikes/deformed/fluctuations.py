"""What the gradient steps add to the weights besides their mean: its Gaussian equivalent.

Given the readout ``a = g / sqrt(N)`` of a neuron, step ``s`` moves the part of its row that is its
own by ``chi_s = (1/n) sum_j kappa_s x_j``, with (`rmt.spikes.state.walk`)

    kappa_s = eta_s a r_s (sigma'(u_s) - E_n sigma'(u_s)).

With ``L_s`` and ``D_st`` the mean answers of ``chi_s`` to the part ``Z'`` at the start of the
segment and to the ``chi_t`` before it, and ``nu_s`` what is left,

    chi_s = L_s Z' + sum_t D_st chi_t + nu_s,    nu_s = (1/n) sum_j kappa_s x_j - E[.],

and after the segment the own part is ``(1 + sum_s c_s L_s) Z' + sum_s c_s nu_s``, with
``c = (1 - D)^{-T} 1``: later steps act on what earlier ones have scattered (*linked* steps). So at
the end it is

    base(a) w + sum_b (1/n_b) sum_j kappa_b x_j,      kappa_b = sum_{s in b} c_s kappa_s

times the answers of later segments; ``base`` is 1 less what the ``kappa`` would say twice. To
leading order only two functions of ``a`` and of a batch's sample matter, over the row's numbers:

    L = E_n[kappa_b Z],     V = Var_n[kappa_b] - L^2.

Without links ``base``, ``c`` and the answers of later segments are 1. docs/deformed.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spikes.state.samples import Resolution
from rmt.spikes.state.walk import AfterStep, SegmentEnd, walk
from rmt.status import ConvergenceError, Status

__all__ = ["BatchFluctuations", "Fluctuations", "Inputs", "fluctuations", "resolution_of"]


TINY = 1e-300
OWN_NUMBERS = 4.0, 1.0  # their resolution, against that of the samples: up to two uses, and more


@dataclass(frozen=True, slots=True, eq=False)
class BatchFluctuations:
    """``L`` and ``V`` of one batch, on the nodes of the readout and of its samples.

    Attributes
    ----------
    weights : array, shape (P,)
        Probability weights of the sample nodes.
    linear : array, shape (Q, P)
        ``L(a_q; p)``.
    variance : array, shape (Q, P)
        ``V(a_q; p) >= 0``.
    sample_ratio : float
        ``phi_b = d / n_b``.
    segment : int
        In which it is used.
    own : array, shape (Q,)
        Covariance of the own part before that segment with the initial row: the answer of the
        segment to its own parts is ``L / own``, up to ``later``.
    later : array, shape (Q,)
        What the segments after it, and weight decay, have multiplied it with.
    """

    weights: Array
    linear: Array
    variance: Array
    sample_ratio: float
    segment: int
    own: Array
    later: Array


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What the samples of a batch are along the directions of the mean update.

    Attributes
    ----------
    along : array, shape (K, P)
        ``s_k`` at the nodes, with what the batch itself has put there.
    unseen : array, shape (K, K)
        Covariance of what ``s_k`` has besides: directions that were made after the batch was used.
    sources : array, shape (J, P)
        ``p`` of the directions that the batch has made, ``(1/n) sum_j p x_j`` beside others.
    """

    along: Array
    unseen: Array
    sources: Array


@dataclass(frozen=True, slots=True, eq=False)
class Fluctuations:
    """The rows after the last step, in their mean and besides.

    Attributes
    ----------
    base : array, shape (Q,)
        What the initial weights are multiplied with.
    batches : tuple of BatchFluctuations
        In the order of their first use.
    inputs : tuple of Inputs
        Of the batches.
    before : array, shape (Q, K)
        ``<P(g), e_k>`` of the mean update of the steps before the last, in orthonormal directions
        of which the first r are the target's.
    mean : array, shape (Q, P)
        ``E_n theta`` of the last step: its mean update is ``(1/n) sum_j mean x_j``.
    last : int
        Its batch.
    state : AfterStep
        The mean update after it, from the same averages.
    linked : bool
        Whether steps act on the fluctuations of those before.
    """

    base: Array
    batches: tuple[BatchFluctuations, ...]
    inputs: tuple[Inputs, ...]
    before: Array
    mean: Array
    last: int
    state: AfterStep
    linked: bool

    def interpolated(self, matrix: Array) -> Fluctuations:
        """On other nodes of the readout: ``matrix`` takes functions of the nodes there."""
        batches = tuple(
            replace(
                one,
                linear=matrix @ one.linear,
                variance=np.maximum(matrix @ one.variance, 0.0),
                own=matrix @ one.own,
                later=matrix @ one.later,
            )
            for one in self.batches
        )
        state = replace(
            self.state,
            kernel=matrix @ self.state.kernel @ matrix.T,
            toward=matrix @ self.state.toward,
        )
        return replace(
            self,
            base=matrix @ self.base,
            batches=batches,
            before=matrix @ self.before,
            mean=matrix @ self.mean,
            state=state,
        )


def fluctuations(
    problem: Problem, g: Array, w: Array, resolution: float = 1.0, linked: bool = False
) -> Fluctuations:
    """Gaussian equivalent of the fluctuations of every batch.

    Parameters
    ----------
    problem : Problem
    g, w : array, shape (Q,)
        Nodes and weights of the law of the readout.
    resolution : float
        Multiplies the number of nodes of every other variable.
    linked : bool
        Whether steps act on the fluctuations of those before.

    Notes
    -----
    At a sample, ``L`` and ``V`` are accurate to about 1e-7 of the largest for a batch of one or two
    steps. Averages over the samples depend on their rule: relative errors are about 1e-5 for one
    direction and moderate steps, 1e-3 for three, 1e-2 for a cubic target and steps near
    ``N^{1/2}``.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem("relu(z)", "sin(2*z)", 500, 500, 900, [Step(2, 0.3)] * 2, batch="reused")
    >>> found = fluctuations(problem, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    >>> (batch,) = found.batches
    >>> (batch.variance @ batch.weights).round(3).tolist()
    [0.04, 0.04]
    """
    base, start = np.ones_like(g), np.ones_like(g)
    batches: list[BatchFluctuations] = []
    inputs: list[Inputs] = []
    fine = resolution_of(problem, resolution)
    try:
        steps = list(walk(problem, g, w, fine, to_the_end=False, kept=True))
    except np.linalg.LinAlgError as error:  # own parts without a law: rules that are too coarse
        raise ConvergenceError(Status.NOT_CONVERGED.value, Status.NOT_CONVERGED) from error
    segments = [one.segment for one in steps if one.segment is not None]
    for number, segment in enumerate(segments):
        gains, whole = _gains(segment, linked)
        new = _batches(segment, gains, number, start)
        if linked:
            base = whole * base
            base -= sum((one.linear @ one.weights for one in new), start=np.zeros_like(g))
        batches = [_multiplied(one, whole) for one in batches] if linked else batches
        batches += new
        start = base + sum((one.linear @ one.weights for one in batches), start=np.zeros_like(g))
        count = len(segment.nodes.coordinates)
        inputs += [
            Inputs(
                segment.nodes.coordinates + memory.along,
                np.zeros((count, count)),
                np.array(memory.sources).reshape(len(memory.sources), segment.nodes.weights.size),
            )
            for memory in segment.memories.values()
        ]
        if number + 1 < len(segments):
            old = len(inputs) - len(segment.memories)
            inputs = [
                _carried(one, segment, segments[number + 1].first, w, problem, batch, batch >= old)
                for batch, one in enumerate(inputs)
            ]
    # The walk is of the weights over what weight decay has left of the initial ones.
    left = steps[-1].shrunk
    batches = [_multiplied(one, np.full_like(g, left)) for one in batches]
    last = segments[-1]
    inputs = [_padded(one, len(last.nodes.coordinates)) for one in inputs]
    memory = last.memories[problem.schedule[-1]]
    return Fluctuations(
        left * base,
        tuple(batches),
        tuple(inputs),
        before=left * last.before_last,
        mean=left * memory.means[last.answers.shape[1] - 1],
        last=problem.schedule[-1],
        state=steps[-1],
        linked=linked,
    )


def _carried(
    inputs: Inputs,
    segment: SegmentEnd,
    axes: Array,
    w: Array,
    problem: Problem,
    batch: int,
    own: bool,
) -> Inputs:
    """In the directions of the next segment; ``own`` if the batch is one of this segment."""
    inputs = _padded(inputs, len(segment.nodes.coordinates))
    r, weighted = problem.n_directions, (w[:, None] * axes).T
    turn = weighted / np.maximum((weighted * axes.T).sum(axis=1), TINY)[:, None]
    turn = np.concatenate([turn @ segment.last, turn @ segment.made], axis=1)
    turn[:r] = np.eye(r, turn.shape[1])
    turn[r:, :r] = 0.0
    made = segment.made.shape[1]
    along, sources = np.zeros((made, inputs.along.shape[1])), inputs.sources
    if own:
        along = segment.made_along[batch]
    steps = segment.answers.shape[1]
    if own and steps - 1 in segment.memories[batch].means:
        sources = np.concatenate([sources, segment.made_of])
    unseen = np.eye(len(inputs.unseen) + made)
    unseen[: len(inputs.unseen), : len(inputs.unseen)] = inputs.unseen
    return Inputs(turn @ np.concatenate([inputs.along, along]), turn @ unseen @ turn.T, sources)


def _padded(inputs: Inputs, count: int) -> Inputs:
    """With directions that a later segment has made on its way: the batch has seen none of them."""
    old = len(inputs.along)
    along, unseen = np.zeros((count, inputs.along.shape[1])), np.eye(count)
    along[:old], unseen[:old, :old] = inputs.along, inputs.unseen
    return replace(inputs, along=along, unseen=unseen)


def resolution_of(problem: Problem, resolution: float) -> Resolution:
    """That of the walk: own numbers at a sample are no more than a few, and are resolved better."""
    few = max(Counter(problem.schedule).values()) <= 2
    return replace(Resolution.of(resolution), own=OWN_NUMBERS[0 if few else 1] * resolution)


def _gains(segment: SegmentEnd, linked: bool) -> tuple[Array, Array]:
    """``c_s``, shape (Q, T), and the answer of the segment to the own part before it, (Q,)."""
    count = segment.answers.shape[1]
    if not linked:
        return np.ones_like(segment.answers), np.ones(len(segment.answers))
    gains = np.linalg.inv(np.eye(count) - segment.gates).sum(axis=1)
    return gains, 1.0 + (gains * segment.answers).sum(axis=1)


def _batches(
    segment: SegmentEnd, gains: Array, number: int, start: Array
) -> list[BatchFluctuations]:
    """Of the batches of a segment, with its number; ``start`` is ``Cov(Z', w)``."""
    from_start, result = start / segment.start, []
    for memory in segment.memories.values():
        linear = from_start[:, None] * sum(
            gains[:, t, None] * one for t, one in memory.linear.items()
        )
        variance = sum(
            (1.0 if t == s else 2.0) * (gains[:, t] * gains[:, s])[:, None] * one
            for (t, s), one in memory.covariances.items()
        )
        variance = np.maximum(variance - linear**2, 0.0)
        result.append(
            BatchFluctuations(
                segment.nodes.weights,
                linear,
                variance,
                memory.ratio,
                number,
                own=start,
                later=np.ones_like(start),
            )
        )
    return result


def _multiplied(batch: BatchFluctuations, factor: Array) -> BatchFluctuations:
    linear, variance = factor[:, None] * batch.linear, factor[:, None] ** 2 * batch.variance
    return replace(batch, linear=linear, variance=variance, later=factor * batch.later)
