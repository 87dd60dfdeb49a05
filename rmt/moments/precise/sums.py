"""Values at the nodes of a rule, and sums over them in fixed point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rmt.arrays import WholeNumbers
from rmt.evaluation.guarded import GuardedFunction
from rmt.lazy import mpmath
from rmt.moments.precise.nodes import Node
from rmt.moments.precise.plan import Piece, Plan
from rmt.status import ConvergenceError, Status

__all__ = ["Budget", "Exhausted", "hermite_sums", "in_fixed_point", "values_at"]


class Exhausted(Exception):
    """The limit of evaluations is reached."""


class Budget:
    """Evaluations that may still be done."""

    def __init__(self, limit: float) -> None:
        self.limit = self.left = limit

    def spend(self, cost: int) -> None:
        if self.left < cost:
            raise Exhausted
        self.left -= cost


def values_at(
    nodes: Iterable[Node], functions: GuardedFunction, digits: int, budget: Budget
) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Point, weight times ``exp(-z^2/2)``, and the values of the functions, at every node."""
    for z, extra, weight in nodes:
        budget.spend(1 + extra // (2 * digits))
        values = functions.values(z, digits + extra)
        if not all(map(mpmath.isfinite, values)):
            raise ConvergenceError(
                f"the function has no finite value at z = {float(z):.12g}", Status.NOT_FINITE
            )
        yield z, mpmath.mp.exp(-z * z / 2) * weight, values


def in_fixed_point(rows: Iterable[tuple[Any, ...]], bits: tuple[int, ...]) -> WholeNumbers:
    """Columns of mpmath numbers as rows of whole ones, each with so many bits behind the point."""
    from mpmath.libmp import to_fixed

    columns = [
        [to_fixed(x._mpf_, fixed) for x, fixed in zip(row, bits, strict=True)] for row in rows
    ]
    return np.array(columns, dtype=object).reshape(-1, len(bits)).T


def hermite_sums(plan: Plan, piece: Piece, nodes: Iterable[Node], budget: Budget) -> WholeNumbers:
    """``sum weight exp(-z^2/2) f (He_k, .., f)`` over nodes."""
    orders, fixed, scale = plan.orders, plan.fixed, plan.scale
    rows = []
    for z, weight, (value,) in values_at(nodes, piece.evaluate, plan.target + 5, budget):
        weighted = value * weight
        rows.append((z, weighted, value * weighted))
    x, current, squares = in_fixed_point(rows, (fixed, fixed - scale, fixed - 2 * scale))
    previous, sums = 0 * current, []
    if orders.step == 1:
        for k in orders:
            sums.append(current.sum())
            previous, current = current, (x * current >> fixed) - k * previous
    else:
        # He_{k+2} = (z^2 - 2k - 1) He_k - k (k - 1) He_{k-2}
        square = x * x >> fixed
        if orders.start:
            current = x * current >> fixed
        for k in orders:
            sums.append(current.sum())
            factor = square - ((2 * k + 1) << fixed)
            previous, current = current, (factor * current >> fixed) - k * (k - 1) * previous
    return np.array([*sums, squares.sum()], dtype=object)
