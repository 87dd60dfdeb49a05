"""Where the residual of a loss is not smooth, and rules that are cut there.

The residual of the Huber loss has kinks where ``|y - h|`` is its width: where these are in ``z``, or
in ``zeta``, moves with the output ``h``, so that no rule that is chosen beforehand knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Bools, Indices
from rmt.budget import count_work
from rmt.caching import cached
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.expressions.construction import variable
from rmt.moments.rules import gauss_legendre
from rmt.pieces.switches import singular_arguments, switch_arguments
from rmt.problem.losses import Loss

__all__ = ["Cut", "Panels", "cut_panels", "switches"]

_OUTPUTS = np.linspace(-8.0, 8.0, 1601)[:, None] + 1.234e-4
_LABELS = np.linspace(-4.0, 4.0, 33)
_STEPS = 14  # of the method of Illinois
_SIDE = 1e-6
_SMOOTH = 1e-4  # what a residual, or its slope, may change across a point where it is smooth
_SHORTEST = 1e-13  # of a panel
_JUST_INSIDE = 1e-9


@cached(64)
def switches(loss: Loss) -> Callable[[Array, Array], list[Array]] | None:
    """Functions of ``(h, y)`` at whose zeros the residual has a kink or a jump; None without any.

    Examples
    --------
    >>> [one.round(3).tolist() for one in switches(Loss("huber(1/2)"))(0.25, np.array([1.0]))]
    [[0.25]]
    >>> switches(Loss("logistic")) is None
    True
    """
    names = variable("h"), variable("y")
    arguments = [*switch_arguments(loss.expression), *singular_arguments(loss.expression)]
    arguments = [one for one in dict.fromkeys(arguments) if names[0] in one.free_symbols]
    kept = [one for one in arguments if not _is_smooth_at(loss, _program((one,)))]
    return _program(tuple(kept)) if kept else None


def _program(arguments: tuple[object, ...]) -> Program:
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
    ends = _OUTPUTS[at, 0], _OUTPUTS[at + 1, 0]
    h = _root(lambda x: switch(x, y)[0], *ends, values[at, of], values[at + 1, of])
    sides = np.stack([h - _SIDE, h + _SIDE])
    for found in (loss.residual(sides, y), loss.residual_slope(sides, y)):
        if not np.abs(found[1] - found[0]).max() < _SMOOTH * (1.0 + np.abs(found).max()):
            return False
    return True


def _root(
    function: Callable[[Array], Array], a: Array, b: Array, at_a: Array, at_b: Array
) -> Array:
    """Of each bracket the zero, or the jump, by the method of Illinois."""
    a, b, at_a, at_b = (one.copy() for one in (a, b, at_a, at_b))
    low, high = np.minimum(a, b), np.maximum(a, b)
    for _ in range(_STEPS):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = (a * at_b - b * at_a) / (at_b - at_a)
        x = np.where((x >= low) & (x <= high), x, (a + b) / 2.0)
        at_x = function(x)
        across = (at_x > 0) != (at_b > 0)
        a, at_a = np.where(across, b, a), np.where(across, at_b, at_a / 2.0)
        moved = np.abs(x - b)
        b, at_b = x, at_x
        if not np.any(moved > _SHORTEST):
            break
    return b


@dataclass(frozen=True, slots=True)
class Panels:
    """Gauss-Legendre panels between edges, the same for all columns.

    Attributes
    ----------
    edges : array, shape (P + 1,)
    order : int
    """

    edges: Array
    order: int

    @property
    def count(self) -> int:
        """``P``."""
        return self.edges.size - 1

    def nodes(self) -> tuple[Array, Array]:
        """Nodes and weights, of one panel after the other."""
        return _on_pieces(self.edges[:-1], self.edges[1:], self.order)

    def looked_at(self) -> Array:
        """Where signs are looked at: the nodes, and next to the edges; shape (P, order + 2)."""
        x = np.concatenate([[_JUST_INSIDE - 1.0], gauss_legendre(self.order)[0]])
        x = np.append(x, 1.0 - _JUST_INSIDE)
        half = np.diff(self.edges)[:, None] / 2.0
        return np.asarray(self.edges[:-1, None] + half * (x + 1.0))


@dataclass(frozen=True, slots=True)
class Cut:
    """Rules for the panels that are cut, of one column after the other.

    Attributes
    ----------
    panels : array of bool, shape (columns, P)
        Which these are.
    nodes, weights : array, shape (F,)
    column : array of int, shape (F,)
    """

    panels: Bools
    nodes: Array
    weights: Array
    column: Indices


def cut_panels(
    panels: Panels, values: Array, switch_at: Callable[[Array, Indices], list[Array]]
) -> Cut | None:
    """Panels of columns of integrals cut where one of some functions has a zero; None: nowhere.

    Parameters
    ----------
    values : array, shape (S, columns, P, order + 2)
        Of the functions where one looks.
    switch_at : callable
        The functions at points ``x`` of columns, both of shape (F,).
    """
    positive = values > 0
    which, column, panel, at = np.nonzero(positive[..., 1:] != positive[..., :-1])
    if not which.size:
        return None
    x = panels.looked_at()
    number = np.arange(which.size)

    def chosen(points: Array) -> Array:
        count_work(100.0 * points.size)
        return np.stack(switch_at(points, column))[which, number]

    ends = values[which, column, panel, at], values[which, column, panel, at + 1]
    roots = _root(chosen, x[panel, at], x[panel, at + 1], *ends)
    cut = np.zeros(values.shape[1:3], dtype=bool)
    cut[column, panel] = True
    columns, those = np.nonzero(cut)
    key = np.concatenate([columns * panels.count + those] * 2 + [column * panels.count + panel])
    place = np.concatenate([panels.edges[those], panels.edges[those + 1], roots])
    order = np.lexsort((place, key))
    key, place = key[order], place[order]
    pieces = np.flatnonzero((key[1:] == key[:-1]) & (place[1:] - place[:-1] > _SHORTEST))
    nodes, weights = _on_pieces(place[pieces], place[pieces + 1], panels.order)
    return Cut(cut, nodes, weights, np.repeat(key[pieces] // panels.count, panels.order))


def _on_pieces(low: Array, high: Array, order: int) -> tuple[Array, Array]:
    x, w = gauss_legendre(order)
    half = (high - low)[:, None] / 2.0
    return (low[:, None] + half * (x + 1.0)).ravel(), (half * w).ravel()
