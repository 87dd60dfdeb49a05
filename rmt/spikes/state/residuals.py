"""Residuals at nodes of a sample, where the loss has kinks that move with the output.

A rule in ``z`` does not know where ``rho(h(z), y(z))`` has its kinks: they move from step to step.
A sum over nodes of what has a kink between two of them is off by the square of their distance, and
erratically. So at a node in whose cell there is a kink the residual is averaged over the cell, less
what the sums over the nodes on both sides of it are off by: an error of third order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spikes.residual_kinks import switches

__all__ = ["Cells"]


BESIDE = 0.1  # of half a cell: where slopes beside a kink are taken


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """How wide the cells of a product rule are along the target's directions.

    Attributes
    ----------
    nodes, widths : tuple of array
        Of the rule of each direction, in rising order.
    """

    nodes: tuple[Array, ...]
    widths: tuple[Array, ...]

    @classmethod
    def of(cls, rules: Sequence[tuple[Array, Array]]) -> Cells:
        """Of nodes and weights for the standard normal law, one rule for each direction."""
        nodes, widths = [], []
        for x, weights in rules:
            order = np.argsort(x)
            nodes.append(x[order])
            width = weights[order] * np.exp(x[order] ** 2 / 2.0) * np.sqrt(2.0 * np.pi)
            widths.append(width / weights.sum())
        return cls(tuple(nodes), tuple(widths))

    def residual(
        self,
        problem: Problem,
        z: Array,
        label: Array,
        output: Array,
        rise: Array,
        spread: Array,
    ) -> Array:
        """``rho(h, y)`` at nodes, averaged over the cells that have a kink in them.

        Parameters
        ----------
        problem : Problem
        z : array, shape (r, P)
        label, output : array, shape (P,)
            ``y`` and ``h``.
        rise : array, shape (r, P)
            Derivatives of ``h`` along the target's directions.
        spread : array, shape (P,)
            Half the width of the cells of the label noise, in the label.
        """
        loss = problem.loss
        found: Array = loss.residual(output, label)
        at_zeros = switches(loss)
        if at_zeros is None:
            return found
        largest, where = np.zeros(label.size), np.full(label.size, -1)
        at = np.zeros(label.size)
        dh, dy = np.zeros((2, len(z) + 1, label.size))
        dy[-1] = spread
        for i, (nodes, widths) in enumerate(zip(self.nodes, self.widths, strict=True)):
            half = np.interp(z[i], nodes, widths) / 2.0
            dh[i] = rise[i] * half
            if problem.labels is None:
                up, down = z.copy(), z.copy()
                up[i] += half
                down[i] -= half
                dy[i] = (problem.target(*up) - problem.target(*down)) / 2.0
        for i in range(len(dh)):
            ends = zip(
                at_zeros(output - dh[i], label - dy[i]),
                at_zeros(output + dh[i], label + dy[i]),
                strict=True,
            )
            for before, after in ends:
                change = after - before
                crossed = (before * after < 0) & (np.abs(change) > largest)
                largest[crossed], where[crossed] = np.abs(change[crossed]), i
                at[crossed] = -1.0 - 2.0 * before[crossed] / change[crossed]
        some = np.flatnonzero(where >= 0)
        if some.size == 0:
            return found
        along_h, along_y = dh[where[some], some], dy[where[some], some]

        def value(tau: Array) -> Array:
            found: Array = loss.residual(output[some] + tau * along_h, label[some] + tau * along_y)
            return found

        kink = at[some]
        average = np.zeros_like(kink)
        for low, high in ((-np.ones(some.size), kink), (kink, np.ones(some.size))):
            middle, part = (low + high) / 2.0, (high - low) / 2.0
            for x in (-1.0, 1.0):
                average = average + part * value(middle + part * x / np.sqrt(3.0)) / 2.0
        below, above = (
            (value(kink + 2.0 * side) - value(kink + side)) / side for side in (-BESIDE, BESIDE)
        )
        # Sums over the nodes on each side are off by their slope at the end.
        found[some] = average - (above - below) / 12.0
        return found
