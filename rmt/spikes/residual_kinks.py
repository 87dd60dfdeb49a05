"""Where the residual of a loss is not smooth: functions that change their sign there.

The residual of the Huber loss has kinks where ``|y - h|`` is its width: where these are moves with
the output ``h``, so that no rule that is chosen beforehand knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.expressions.construction import variable
from rmt.pieces.switches import singular_arguments, switch_arguments
from rmt.problem.losses import Loss

__all__ = ["crossings", "grows_fast", "switches"]

_OUTPUTS = np.linspace(-8.0, 8.0, 1601)[:, None] + 1.234e-4
_LABELS = np.linspace(-4.0, 4.0, 33)
_STEPS = 14  # of the method of Illinois
_SIDE = 1e-6
_SMOOTH = 1e-4  # what a residual, or its slope, may change across a point where it is smooth
_CLOSE = 1e-5  # a last move, of a method that converges faster than linearly


@cached(64)
def switches(loss: Loss) -> Program | None:
    """Functions of ``(h, y)`` at whose zeros the residual has a kink or a jump; None without any.

    Examples
    --------
    >>> [one.round(3).tolist() for one in switches(Loss("huber(1/2)"))(0.25, np.array([1.0]))]
    [[0.25]]
    >>> switches(Loss("logistic")) is None
    True
    """
    expression = loss.expression
    arguments = [*switch_arguments(expression), *singular_arguments(expression)]
    arguments = [one for one in dict.fromkeys(arguments) if variable("h") in one.free_symbols]
    kept = [one for one in arguments if not _is_smooth_at(loss, _program([one]))]
    return _program(kept) if kept else None


@cached(64)
def grows_fast(loss: Loss) -> bool:
    """Whether the residual grows faster than the square of the output, so that tails count.

    Examples
    --------
    >>> grows_fast(Loss("huber(1)")), grows_fast(Loss("poisson"))
    (False, True)
    """
    h = np.array([-16.0, -8.0, 8.0, 16.0])[:, None]
    low, near, other, high = np.abs(loss.residual(h, np.array([-1.0, 0.5, 1.0])))
    with np.errstate(over="ignore"):
        return bool(np.any(low > 4.0 * near + 4.0) or np.any(high > 4.0 * other + 4.0))


def _program(arguments: list[Any]) -> Program:
    graph = Graph()
    names = variable("h"), variable("y")
    return Program(graph, [lower(graph, one, names) for one in arguments])


def _is_smooth_at(loss: Loss, switch: Program) -> bool:
    """Whether the residual has neither kink nor jump at the zeros, where there are any in reach."""
    values = switch(_OUTPUTS, _LABELS)[0]
    at, of = np.nonzero((values[1:] > 0) != (values[:-1] > 0))
    if not at.size:
        return bool((values > 0).all() and not np.any(np.isclose(values, 0.0)))
    y = _LABELS[of]
    h = crossings(lambda x: switch(x, y)[0], _OUTPUTS[at, 0], _OUTPUTS[at + 1, 0])
    sides = np.stack([h - _SIDE, h + _SIDE])
    for found in (loss.residual(sides, y), loss.residual_slope(sides, y)):
        if not np.abs(found[1] - found[0]).max() < _SMOOTH * (1.0 + np.abs(found).max()):
            return False
    return True


def crossings(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Of each bracket the place where the function changes its sign, by the method of Illinois.

    Examples
    --------
    >>> crossings(lambda x: x**2 - np.array([2.0, 3.0]), np.ones(2), np.full(2, 2.0)).round(6)
    array([1.414214, 1.732051])
    """
    a, b = low, high
    at_a, at_b = function(a), function(b)
    for _ in range(_STEPS):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = (a * at_b - b * at_a) / (at_b - at_a)
        x = np.where((x >= low) & (x <= high), x, (a + b) / 2.0)
        at_x = function(x)
        across = (at_x > 0) != (at_b > 0)
        moved = np.abs(x - b).max(initial=0.0)
        a, at_a = np.where(across, b, a), np.where(across, at_b, at_a / 2.0)
        b, at_b = x, at_x
        if moved <= _CLOSE:
            break
    return b
