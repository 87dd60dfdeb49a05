"""Nodes of a sample, and what the samples of a batch remember of the steps that used them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from rmt.arrays import Array, Indices, Integers
from rmt.moments.rules import gaussian_rule, tensor_rule
from rmt.problem import Problem
from rmt.spikes.constants import constants, kinks_of_labels, output_moments
from rmt.spikes.label_law import hermite_nodes
from rmt.spikes.residual_kinks import switches
from rmt.spikes.state.residuals import Cells
from rmt.status import ConvergenceError, Status

__all__ = ["Memory", "Nodes", "Resolution", "known_directions", "likely", "nodes_of"]


PER_UNIT = {1: 4.0, 2: 2.5, 3: 1.6}  # nodes of a target direction, by their number
NOISE_NODES = 5.0
KINKED_NOISE, NOISE_END = 0.3, 4.75  # nodes per unit for each of these, and where they end
OUTPUT_NODES = 9.0  # of each of the two numbers that an untrained output is made of
ZERO, ONE = np.zeros(1), np.ones(1)
NEGLIGIBLE = 1e-6  # share of E[1 + y^2 / E y^2] that rare nodes may add up to for all to be dropped
DROPPED_SIZE = 1.5e-3  # of the rows along a direction
MOST_NODES = 1_500_000  # a bound on time and memory
SAME = 1e-9  # relative: shares of nodes that are mirror images
MOST_POINTS = 64  # of the directions that are small
# For the law of what is at a sample, not for means alone: nodes per unit of a target direction,
# nodes of the first direction beside it, and of small label noise, and what is negligible.
OF_THE_LAW = {1: (4.0, 12.0, 5.0, 5e-7), 2: (2.0, 9.0, 4.0, 5e-6), 3: (1.4, 8.0, 3.0, 5e-5)}


@dataclass(frozen=True, slots=True)
class Resolution:
    """Factors on the numbers of nodes of a walk's variables; 1 for errors of about 1e-5.

    Attributes
    ----------
    target : float
        Of the target's directions.
    noise : float
        Of the label noise, where it is not averaged in closed form.
    own : float
        Of a row's own numbers.
    along : float
        Of the directions along which rows have moved.
    dropped : float
        The square of it divides the size of those that have no nodes.
    output : float
        Of the numbers that an untrained output of order one is made of.
    """

    target: float = 1.0
    noise: float = 1.0
    own: float = 1.0
    along: float = 1.0
    dropped: float = 1.0
    output: float = 1.0

    @classmethod
    def of(cls, resolution: Resolution | float) -> Resolution:
        """One number stands for all."""
        if isinstance(resolution, Resolution):
            return resolution
        return cls(*(resolution,) * 6)


@dataclass(slots=True, eq=False)
class Memory:
    """Of the samples of a batch, at the nodes.

    Attributes
    ----------
    ratio : float
        ``phi = d / n``.
    residuals : dict of array, shape (P,)
        ``r_t`` of the steps ``t`` that have used the batch.
    means : dict of array, shape (Q, P)
        ``E_n theta_t`` of these steps.
    answers : dict of array, shape (Q, P)
        ``O_t``: what step ``t`` has put into the batch's pre-activations through the outputs.
    along : array, shape (K, P)
        ``R_k``: what its samples have put into the directions ``e_k``.
    sources : list of array, shape (P,)
        ``p`` of the directions that its steps have made, ``(1/n) sum_j p(j) x_j`` beside others.
    linear : dict of array, shape (Q, P)
        ``E_n[kappa_t Z]`` with the own part ``Z`` at the start of the segment; where it is kept.
    covariances : dict of array, shape (Q, P)
        ``E_n[kappa_t kappa_t']`` of two steps, the later first; where it is kept.
    """

    ratio: float
    residuals: dict[int, Array] = field(default_factory=dict)
    means: dict[int, Array] = field(default_factory=dict)
    answers: dict[int, Array] = field(default_factory=dict)
    along: Array = field(default_factory=lambda: np.zeros((0, 0)))
    sources: list[Array] = field(default_factory=list)
    linear: dict[int, Array] = field(default_factory=dict)
    covariances: dict[tuple[int, int], Array] = field(default_factory=dict)

    def moved(self, index: Indices) -> None:
        """To other nodes, each of which has the numbers of an old one."""
        for numbers in (self.residuals, self.means, self.answers, self.linear):
            for key, value in numbers.items():
                numbers[key] = value[..., index]
        for pair, value in self.covariances.items():
            self.covariances[pair] = value[..., index]
        self.sources = [one[index] for one in self.sources]
        self.along = self.along[:, index]


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes of ``(z, omega_1, .., label noise)``.

    Attributes
    ----------
    coordinates : array, shape (K, P)
        Of a sample along the ``e_k``, standard normal.
    label : array, shape (P,)
        ``y``, or its mean given ``z`` where it is not resolved.
    variance : array, shape (P,)
        Of the label, where it is not resolved; else 0.
    untrained : array, shape (P,)
        ``h_0``, the output of the untrained network: 0 where it vanishes.
    weights : array, shape (P,)
    code : array of int, shape (P,)
        Which of ``points`` it is in the directions that are small.
    cells : Cells
        Of the rule of the target's directions.
    spread : array, shape (P,)
        Half the width, in the label, of a node's cell of the label noise; 0 without it.
    small, points : int
        How many these are, and a power of two.
    first : float
        Least number of nodes, at resolution 1, of the first direction beside the target's.
    negligible : float
        Share of ``E[1 + y^2 / E y^2]`` that rare nodes may add up to for all to be dropped.
    """

    coordinates: Array
    label: Array
    variance: Array
    untrained: Array
    weights: Array
    code: Integers
    cells: Cells
    spread: Array
    small: int = 0
    points: int = 1
    first: float = 0.0
    negligible: float = NEGLIGIBLE

    def with_direction(
        self, size: float, resolution: Resolution | float, small: bool = True
    ) -> tuple[Nodes, Indices] | None:
        """With one direction more, along which rows have a size; and the old node of each new one.

        None when the direction is too small to be resolved, or for what is asked (not ``small``):
        never by its number of nodes, or two rules would be refined by the same direction.
        Small ones have the coordinates +-1: the bits of ``code`` that an odd number has in common
        with it are odd or even in number.
        Products of up to three such coordinates have the right means, as the numbers are odd, and
        k directions need no more than 4 k points.
        """
        fine = Resolution.of(resolution)
        wanted = max(9.0 + 4.0 * math.log10(max(size, 1e-12)), self.first)
        count = round(fine.along * wanted)
        if size < DROPPED_SIZE / fine.dropped**2 or not small:
            return None
        if self.weights.size * max(count, 2) > MOST_NODES:
            # To leave the direction out would show in no comparison with another rule.
            raise ConvergenceError(
                f"{Status.NOT_CONVERGED.value} The samples need nodes along more directions than "
                "can be had.",
                Status.NOT_CONVERGED,
            )
        if count > 2:
            x, weight = _gauss_hermite(count)
            index = np.repeat(np.arange(self.weights.size), count)
            weights = np.outer(self.weights, weight).ravel()
            kept = likely(weights, self.label[index], self.negligible)
            index, weights = index[kept], weights[kept]
            last = np.tile(x, self.weights.size)[kept]
            return self._with(index, weights, self.code[index], last), index
        column, points = 2 * self.small + 1, self.points
        index, code = np.arange(self.weights.size), self.code
        if column >= points:
            if points == MOST_POINTS:
                return None
            index = np.repeat(index, 2)
            code = self.code[index] + points * np.tile([0, 1], self.weights.size)
            points *= 2
        signs = 1.0 - 2.0 * (np.bitwise_count(code & column) % 2)
        made = self._with(index, self.weights[index], code, signs)
        return replace(made, small=self.small + 1, points=points), index

    def with_labels(
        self, problem: Problem, resolution: Resolution | float, count: float = NOISE_NODES
    ) -> tuple[Nodes, Indices, Array]:
        """With labels resolved; the old node of each new one, and what that adds to its label."""
        if not np.any(self.variance):
            return self, np.arange(self.weights.size), np.zeros(self.weights.size)
        if problem.labels is None:
            x, weight, half = _noise_rule(problem, count * Resolution.of(resolution).noise)
            index = np.repeat(np.arange(self.weights.size), x.size)
            more = problem.noise_std * np.tile(x, self.weights.size)
            spread = problem.noise_std * np.tile(half, self.weights.size)
            weights = np.outer(self.weights, weight).ravel()
        else:
            y, p = problem.labels.at(self.coordinates[: problem.n_directions])
            weights = (self.weights * p).T.ravel()
            index = np.repeat(np.arange(self.weights.size), len(y))
            more = (y - self.label).T.ravel()
            kept = likely(weights, self.label[index] + more, self.negligible)
            index, more, weights = index[kept], more[kept], weights[kept]
            spread = np.zeros(index.size)
        made = replace(
            self,
            coordinates=self.coordinates[:, index],
            label=self.label[index] + more,
            variance=np.zeros(index.size),
            untrained=self.untrained[index],
            spread=spread,
            weights=weights / weights.sum(),
            code=self.code[index],
        )
        return made, index, more

    def with_untrained_output(self, problem: Problem, resolution: Resolution | float) -> Nodes:
        """With the output that the network has before training, and the direction it is along.

        ``h_0 = s (mu_0 A + mu_1 omega + mu_perp nu)`` of two standard normal numbers, ``omega``
        along ``W_0^T a``: one direction more.
        """
        if problem.starts_at_zero:
            return self
        mu0, mu1, beyond = output_moments(problem.activation)
        assert problem.output_scale is not None
        count = round(OUTPUT_NODES * Resolution.of(resolution).output)
        counts = count, count if beyond else 1
        (x, wx), (nu, wn) = (_gauss_hermite(n) if n > 1 else (ZERO, ONE) for n in counts)
        index = np.repeat(np.arange(self.weights.size), x.size * nu.size)
        omega = np.tile(np.repeat(x, nu.size), self.weights.size)
        output = mu0 * problem.sum_of_readout + mu1 * omega
        output += beyond * np.tile(nu, self.weights.size * x.size)
        weights = np.outer(self.weights, np.outer(wx, wn)).ravel()
        kept = likely(weights, self.label[index], self.negligible)
        index, omega, output = index[kept], omega[kept], output[kept]
        weights = weights[kept]
        return replace(
            self,
            coordinates=np.concatenate([self.coordinates[:, index], omega[None]]),
            label=self.label[index],
            variance=self.variance[index],
            untrained=problem.output_scale * output,
            spread=self.spread[index],
            weights=weights / weights.sum(),
            code=self.code[index],
        )

    def some(self, index: Indices) -> Nodes:
        """Only these."""
        weights = self.weights[index]
        return replace(
            self,
            coordinates=self.coordinates[:, index],
            label=self.label[index],
            variance=self.variance[index],
            untrained=self.untrained[index],
            spread=self.spread[index],
            weights=weights / weights.sum(),
            code=self.code[index],
        )

    def _with(self, index: Indices, weights: Array, code: Integers, last: Array) -> Nodes:
        coordinates = np.concatenate([self.coordinates[:, index], last[None]])
        return replace(
            self,
            coordinates=coordinates,
            label=self.label[index],
            variance=self.variance[index],
            untrained=self.untrained[index],
            spread=self.spread[index],
            weights=weights / weights.sum(),
            code=code,
            first=0.0,
        )


def nodes_of(
    problem: Problem, resolution: Resolution | float, labels: bool = True, law: bool = False
) -> Nodes:
    """Of the target's directions, and of the labels if they are to be resolved.

    For the ``law`` of what is at a sample, or for means alone. With an output of order one the
    direction that it is along comes after those of the target.
    """
    fine = Resolution.of(resolution)
    r, moments = problem.n_directions, constants(problem)
    per_unit, first, n_noise = PER_UNIT[r], 0.0, NOISE_NODES
    negligible = NEGLIGIBLE / fine.target**4
    if law:
        per_unit, first, n_noise, negligible = OF_THE_LAW[r]
        n_noise *= 1.0 + problem.noise_std**2 / moments.Ey2
        negligible **= fine.target
    rules = [
        gaussian_rule(per_unit * fine.target, moments.target_half_width, one)
        for one in _kinks(problem)
    ]
    rule = tensor_rule(rules)
    z, weights = rule.nodes, rule.weights
    y, variance = mean_and_variance(problem, z)
    kept = likely(weights, np.sqrt(y**2 + variance), negligible)
    z, y, variance, weights = z[:, kept], y[kept], variance[kept], weights[kept]
    nodes = Nodes(
        z,
        y,
        variance,
        np.zeros(weights.size),
        weights / weights.sum(),
        np.zeros(weights.size, dtype=np.int64),
        Cells.of([(one.nodes[0], one.weights) for one in rules]),
        np.zeros(weights.size),
        first=first,
        negligible=negligible,
    )
    if labels:
        nodes = nodes.with_labels(problem, fine, n_noise)[0]
    return nodes.with_untrained_output(problem, fine)


def known_directions(problem: Problem) -> int:
    """Those of the target, and of an untrained output of order one."""
    return problem.n_directions + (not problem.starts_at_zero)


def _kinks(problem: Problem) -> list[list[float]]:
    """Along the target's directions, of labels, or of what the first step sees of them."""
    if problem.labels is None and problem.noise_std:
        return [list(problem.target.kinks_along(i)) for i in range(problem.n_directions)]
    return kinks_of_labels(problem.loss, problem.target, problem.labels)


def mean_and_variance(problem: Problem, z: Array) -> tuple[Array, Array]:
    """Of the label at points of shape (r, P)."""
    if problem.labels is None:
        y = np.asarray(problem.target(*z), dtype=float)
        return y, np.full(y.shape, problem.noise_std**2)
    values, p = problem.labels.at(z)
    mean = (p * values).sum(axis=0)
    return mean, (p * (values - mean) ** 2).sum(axis=0)


def _noise_rule(problem: Problem, order: float) -> tuple[Array, Array, Array]:
    """Nodes and weights of the label noise, in units of its deviation, and half widths of cells.

    Nodes are even where the loss has kinks, as cells that hold one must be.
    """
    if switches(problem.loss) is None:
        x, weights = _gauss_hermite(round(order))
        return x, weights, np.zeros(x.size)
    rule = gaussian_rule(KINKED_NOISE * order, NOISE_END)
    x, weights = rule.nodes[0], rule.weights
    return x, weights / weights.sum(), np.full(x.size, (x[1] - x[0]) / 2.0)


def _gauss_hermite(order: int) -> tuple[Array, Array]:
    nodes, vectors = hermite_nodes(max(2, order))
    return nodes, vectors[0] ** 2


def likely(weights: Array, label: Array, negligible: float) -> Indices:
    """The nodes without the least ones: of these a few may carry a large label.

    Of nodes that count the same, which a symmetry makes, none is dropped without the others, or
    rounding would decide which.
    """
    share = weights * (1.0 + label**2 / max(float(weights @ label**2), 1e-300))
    ranked = np.sort(share)
    dropped = np.searchsorted(np.cumsum(ranked), negligible * share.sum())
    least = ranked[min(int(dropped), share.size - 1)]
    return np.flatnonzero(share >= (1.0 - SAME) * least)
