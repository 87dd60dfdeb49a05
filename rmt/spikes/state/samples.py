"""Nodes of a sample, and what the samples of a batch remember of the steps that used them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from rmt.arrays import Array, Indices, Integers
from rmt.moments.rules import gaussian_rule, tensor_rule
from rmt.problem import Problem
from rmt.spikes.constants import constants
from rmt.spikes.label_law import hermite_nodes
from rmt.status import ConvergenceError, Status

__all__ = ["Memory", "Nodes", "Resolution", "likely", "nodes_of"]


PER_UNIT = {1: 4.0, 2: 2.5, 3: 1.6}  # nodes of a target direction, by their number
NOISE_NODES = 5.0
NEGLIGIBLE = 1e-6  # share of E[1 + y^2 / E y^2] that rare nodes may add up to for all to be dropped
DROPPED_SIZE = 1.5e-3  # of the rows along a direction
MOST_NODES = 1_500_000  # a bound on time and memory
MOST_POINTS = 64  # of the directions that are small


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
    """

    target: float = 1.0
    noise: float = 1.0
    own: float = 1.0
    along: float = 1.0
    dropped: float = 1.0

    @classmethod
    def of(cls, resolution: Resolution | float) -> Resolution:
        """One number stands for all."""
        if isinstance(resolution, Resolution):
            return resolution
        return cls(*(resolution,) * 5)


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
    """

    ratio: float
    residuals: dict[int, Array] = field(default_factory=dict)
    means: dict[int, Array] = field(default_factory=dict)
    answers: dict[int, Array] = field(default_factory=dict)
    along: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def moved(self, index: Indices) -> None:
        """To other nodes, each of which has the numbers of an old one."""
        for numbers in (self.residuals, self.means, self.answers):
            for key, value in numbers.items():
                numbers[key] = value[..., index]
        self.along = self.along[:, index]


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes of ``(z, omega_1, .., label noise)``.

    Attributes
    ----------
    coordinates : array, shape (K, P)
        Of a sample along the ``e_k``, standard normal.
    label : array, shape (P,)
        ``y``, noise included.
    weights : array, shape (P,)
    code : array of int, shape (P,)
        Which of ``points`` it is in the directions that are small.
    small, points : int
        How many these are, and a power of two.
    """

    coordinates: Array
    label: Array
    weights: Array
    code: Integers
    small: int = 0
    points: int = 1

    def with_direction(
        self, size: float, resolution: Resolution | float, small: bool = True
    ) -> tuple[Nodes, Indices] | None:
        """With one direction more, along which rows have a size; and the old node of each new one.

        None when the direction is too small to be resolved, or for what is asked (not ``small``):
        never by its number of nodes, or two rules would be refined by the same direction. Small
        ones have the coordinates +-1: the bits of ``code`` that an odd number has in common with it
        are odd or even in number.
        Products of up to three such coordinates have the right means, as the numbers are odd, and
        k directions need no more than 4 k points.
        """
        fine = Resolution.of(resolution)
        count = round(fine.along * (9.0 + 4.0 * math.log10(max(size, 1e-12))))
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
            kept = likely(weights, self.label[index], NEGLIGIBLE / fine.target**4)
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

    def with_noise(
        self, std: float, resolution: Resolution | float
    ) -> tuple[Nodes, Indices, Array]:
        """With label noise; the old node of each new one, and what it adds to the label."""
        if std == 0:
            return self, np.arange(self.weights.size), np.zeros(self.weights.size)
        x, weight = _gauss_hermite(round(NOISE_NODES * Resolution.of(resolution).noise))
        index = np.repeat(np.arange(self.weights.size), x.size)
        noise = std * np.tile(x, self.weights.size)
        made = replace(
            self,
            coordinates=self.coordinates[:, index],
            label=self.label[index] + noise,
            weights=np.outer(self.weights, weight).ravel(),
            code=self.code[index],
        )
        return made, index, noise

    def _with(self, index: Indices, weights: Array, code: Integers, last: Array) -> Nodes:
        coordinates = np.concatenate([self.coordinates[:, index], last[None]])
        return replace(
            self,
            coordinates=coordinates,
            label=self.label[index],
            weights=weights / weights.sum(),
            code=code,
        )


def nodes_of(problem: Problem, resolution: Resolution | float, noise: bool = True) -> Nodes:
    """Of the target's directions, and of the label noise if that is wanted."""
    fine = Resolution.of(resolution)
    target, r = problem.target, problem.n_directions
    half_width = constants(problem).target_half_width
    kinks = [target.kinks] if r == 1 else [target.kinks_along(i) for i in range(r)]
    rule = tensor_rule([gaussian_rule(PER_UNIT[r] * fine.target, half_width, one) for one in kinks])
    z, weights = rule.nodes, rule.weights
    y = np.asarray(target(*z), dtype=float)
    kept = likely(weights, y, NEGLIGIBLE / fine.target**4)
    z, y, weights = z[:, kept], y[kept], weights[kept]
    nodes = Nodes(z, y, weights / weights.sum(), np.zeros(weights.size, dtype=np.int64))
    return nodes.with_noise(problem.noise_std, fine)[0] if noise else nodes


def _gauss_hermite(order: int) -> tuple[Array, Array]:
    nodes, vectors = hermite_nodes(max(2, order))
    return nodes, vectors[0] ** 2


def likely(weights: Array, label: Array, negligible: float) -> Indices:
    """The nodes without the least ones: of these a few may carry a large label."""
    share = weights * (1.0 + label**2 / max(float(weights @ label**2), 1e-300))
    order = np.argsort(share, kind="stable")
    dropped = np.searchsorted(np.cumsum(share[order]), negligible * share.sum())
    return np.asarray(np.sort(order[dropped:]))
