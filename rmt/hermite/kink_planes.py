"""Where a function of several variables has kinks, and quadrature rules that end at them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, Bools, Indices
from rmt.expressions.construction import variable
from rmt.functions.scalar_function import ScalarFunction
from rmt.hermite.directions import directions
from rmt.lazy import sympy
from rmt.moments.rules import GaussianRule, gauss_legendre, gaussian_rule
from rmt.pieces.kinks import axis_kinks
from rmt.pieces.switches import singular_arguments, switch_arguments

__all__ = ["KinkPlanes", "kink_planes"]


_PANEL_WIDTH = 2.0
_CHUNK = 1 << 14
_MAX_OBLIQUE = 8  # beyond that, the panels between all their intersections are too many
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class KinkPlanes:
    """Planes ``c.z + d = 0`` on which a function of ``m`` variables has its kinks.

    Attributes
    ----------
    rows : array, shape (n, m + 1)
        ``(c, d)`` with unit ``c``.
    is_incomplete : bool
        Whether there may be kinks elsewhere.
    """

    rows: Array
    is_incomplete: bool

    def rules(self, resolution: float, half_width: float) -> Iterator[GaussianRule]:
        """A rule for ``E[f(z)]``, in chunks, that is cut off at ``|z| = half_width``.

        One variable is integrated after another: at each value of the outer ones the panels of the
        next end where it meets a plane. What is left is smooth in the outer variables but where
        planes intersect, so that panels end there, too.
        """
        m = self.rows.shape[1] - 1
        turn = self._axes()
        arrangements = [np.column_stack([self.rows[:, :m] @ turn, self.rows[:, m]])]
        while arrangements[0].shape[1] > 2:
            arrangements.insert(0, _projected(arrangements[0]))
        outer = GaussianRule(np.zeros((0, 1)), np.ones(1))
        for planes in arrangements[:-1]:
            outer = _extended(outer, planes, resolution, half_width)
        step = max(1, _CHUNK // math.ceil(2.0 * half_width * resolution))
        for start in range(0, outer.weights.size, step):
            chunk = slice(start, start + step)
            part = GaussianRule(outer.nodes[:, chunk], outer.weights[chunk])
            inner = _extended(part, arrangements[-1], resolution, half_width)
            if inner.weights.size:
                yield GaussianRule(turn @ inner.nodes, inner.weights)

    def _axes(self) -> Array:
        """Orthonormal columns, the innermost variable last: the one that crosses most planes."""
        m = self.rows.shape[1] - 1
        normals = self.rows[:, :m]
        if np.all(_is_along_axis(self.rows)):
            return np.eye(m)
        _, _, right = np.linalg.svd(np.vstack([normals, np.zeros((m, m))]))
        return np.asarray(right[::-1].T)


def kink_planes(function: ScalarFunction) -> KinkPlanes:
    """The planes, from the symbolic form.

    Examples
    --------
    >>> kink_planes(ScalarFunction.parse("max(z1, 1)*tanh(z1*z2)")).rows.tolist()
    [[1.0, 0.0, -1.0]]
    """
    m = function.n_variables
    along_axes = np.array(
        [[*np.eye(m)[i], -kink] for i in range(m) for kink in function.kinks_along(i)]
    ).reshape(-1, m + 1)
    if not function.has_oblique_kinks:
        return KinkPlanes(_distinct(along_axes), is_incomplete=False)
    found, are_all = _switching_planes(function)
    planes = _distinct(np.vstack([along_axes, found]))
    if np.sum(~_is_along_axis(planes)) > _MAX_OBLIQUE:
        return KinkPlanes(_distinct(along_axes), is_incomplete=True)
    return KinkPlanes(planes, is_incomplete=not are_all)


def _switching_planes(function: ScalarFunction) -> tuple[Array, bool]:
    """Planes where a branch changes or a root or the like is singular; whether all are planes."""
    symbols, w = function.symbols, variable("z")
    planes: list[list[float]] = []
    are_all = True
    expr = function.expression
    for argument in [*switch_arguments(expr), *singular_arguments(expr)]:
        product = sympy.factor(argument) if argument.is_polynomial(*symbols) else argument
        for factor in sympy.Mul.make_args(product):
            found = directions(factor, symbols)
            if len(found) == 1:
                square = sum(c * c for c in found[0])
                on_line = {s: c * w / square for s, c in zip(symbols, found[0], strict=True)}
                (kinks,), _ = axis_kinks(sympy.Abs(factor.xreplace(on_line)), (w,))
                norm = float(sympy.sqrt(square))
                planes += [[*(float(c) / norm for c in found[0]), -k / norm] for k in kinks]
            elif factor.is_nonzero is not True:
                are_all = False
    return np.array(planes).reshape(-1, len(symbols) + 1), are_all


def _is_along_axis(planes: Array) -> Bools:
    return np.asarray(np.count_nonzero(planes[:, :-1], axis=1) == 1)


# Arrangements of planes


def _projected(planes: Array) -> Array:
    """Planes in one variable less: those parallel to the last axis, and the intersections."""
    is_crossing = np.abs(planes[:, -2]) > _ROUNDING
    crossing = planes[is_crossing]
    i, j = np.triu_indices(len(crossing), 1)
    a, b = crossing[i], crossing[j]
    met = a * b[:, -2:-1] - b * a[:, -2:-1]
    return _distinct(np.delete(np.vstack([planes[~is_crossing], met]), -2, axis=1))


def _distinct(planes: Array) -> Array:
    """The planes with unit normals, each once; those without a normal are none."""
    sizes = np.linalg.norm(planes[:, :-1], axis=1)
    planes = planes[sizes > _ROUNDING] / sizes[sizes > _ROUNDING, None]
    leading = np.argmax(np.abs(planes[:, :-1]) > 0.1, axis=1)
    planes = planes * np.sign(planes[np.arange(len(planes)), leading])[:, None]
    _, first = np.unique(np.round(planes, 11) + 0.0, axis=0, return_index=True)
    return np.asarray(planes[np.sort(first)])


def _extended(
    outer: GaussianRule, planes: Array, resolution: float, half_width: float
) -> GaussianRule:
    """A rule in one variable more, its panels split at the planes."""
    crossing = planes[np.abs(planes[:, -2]) > _ROUNDING]
    if not len(crossing):
        rule = gaussian_rule(resolution, half_width)
        x = np.tile(rule.nodes[0], outer.weights.size)
        which = np.repeat(np.arange(outer.weights.size), rule.weights.size)
        weights = np.tile(rule.weights, outer.weights.size)
    else:
        at = (crossing[:, :-2] @ outer.nodes + crossing[:, -1:]) / -crossing[:, -2:-1]
        ends = np.full((1, outer.weights.size), half_width)
        edges = np.vstack([-ends, np.sort(np.clip(at, -half_width, half_width), axis=0), ends])
        which, low, width = _panels(edges)
        nodes, legendre = gauss_legendre(max(4, math.ceil(_PANEL_WIDTH * resolution)))
        x = (low[:, None] + width[:, None] * (nodes + 1.0) / 2.0).ravel()
        weights = (width[:, None] * legendre / 2.0).ravel()
        weights = weights * np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi)
        which = np.repeat(which, nodes.size)
    points = np.vstack([outer.nodes[:, which], x])
    inside = np.sum(points**2, axis=0) <= half_width**2 * (1.0 + 1e-12)
    return GaussianRule(points[:, inside], (outer.weights[which] * weights)[inside])


def _panels(edges: Array) -> tuple[Indices, Array, Array]:
    """Intervals between consecutive rows, cut into panels: column, lower end and width of each."""
    widths = np.diff(edges, axis=0)
    pieces = np.ceil(widths / _PANEL_WIDTH).astype(int)
    interval = np.repeat(np.arange(pieces.size), pieces.ravel())
    position = np.arange(interval.size) - np.repeat(
        np.cumsum(pieces.ravel()) - pieces.ravel(), pieces.ravel()
    )
    width = widths.ravel()[interval] / pieces.ravel()[interval]
    low = edges[:-1].ravel()[interval] + position * width
    return interval % edges.shape[1], low, width
