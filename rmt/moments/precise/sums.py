"""Sums over nodes in fixed point: all Hermite moments from one evaluation a node."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import WholeNumbers
from rmt.moments.precise.plan import Piece, Plan
from rmt.moments.singular_ends import SingularEnd
from rmt.status import ConvergenceError, Status

__all__ = ["Budget", "Exhausted", "Node", "moment_sums", "node_near_end"]

Node: TypeAlias = tuple[Any, int, Any]  # point, extra digits to evaluate with, weight


class Exhausted(Exception):
    """The limit of evaluations is reached."""


class Budget:
    """Evaluations that may still be done."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def spend(self, cost: int) -> None:
        if self.left < cost:
            raise Exhausted
        self.left -= cost


def node_near_end(
    place: Any, side: int, distance: Any, end: SingularEnd | None, weight: Any
) -> Node:
    """The node at a distance from an end, with the digits that cancel there."""
    extra = 0
    if end is not None and end.loss:
        import mpmath

        extra = max(0, math.ceil(-0.302 * mpmath.mp.mag(distance))) * end.loss
    return place + side * distance, extra, weight


def moment_sums(plan: Plan, piece: Piece, nodes: Iterable[Node], budget: Budget) -> WholeNumbers:
    """``sum weight exp(-z^2/2) f (He_k, .., f)`` over nodes."""
    import mpmath
    from mpmath.libmp import to_fixed

    orders, fixed, scale, digits = plan.orders, plan.fixed, plan.scale, plan.target + 5
    exp, evaluate = mpmath.mp.exp, piece.evaluate
    shifts = [(2 * k + 1) << fixed for k in orders]
    sums = [0] * (len(orders) + 1)
    for z, extra, weight in nodes:
        budget.spend(1 + extra // (2 * digits))
        value = evaluate(z, digits + extra)
        if not mpmath.isfinite(value):
            raise ConvergenceError(
                f"the function has no finite value at z = {float(z):.12g}", Status.NOT_FINITE
            )
        density = value * exp(-z * z / 2) * weight
        sums[-1] += to_fixed((value * density)._mpf_, fixed - 2 * scale)
        x = to_fixed(z._mpf_, fixed)
        previous, current = 0, to_fixed(density._mpf_, fixed - scale)
        if orders.step == 1:
            for k in orders:
                sums[k] += current
                previous, current = current, (x * current >> fixed) - k * previous
        else:
            # He_{k+2} = (z^2 - 2k - 1) He_k - k (k - 1) He_{k-2}
            square = x * x >> fixed
            if orders.start:
                current = x * current >> fixed
            for i, k in enumerate(orders):
                sums[i] += current
                previous, current = (
                    current,
                    ((square - shifts[i]) * current >> fixed) - k * (k - 1) * previous,
                )
    return np.array(sums, dtype=object)
