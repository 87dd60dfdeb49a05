"""Quadrature rules for the standard normal law.

Two rules cover every integrand of the package. For a smooth integrand the trapezoid rule is
spectrally accurate: with spacing ``h`` the error is ``exp(-2 pi a / h)`` for a function analytic in
a strip of half-width ``a``. For a kinked one, composite Gauss-Legendre panels between the kinks.
Both stop where the Gaussian tail, *times the growth of the integrand*, is negligible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.caching import cached

__all__ = [
    "GaussianRule",
    "gauss_legendre",
    "gaussian_rule",
    "legendre_panels",
    "negligible_beyond",
    "tensor_rule",
]


LARGEST_NODE = 38.0  # the standard normal density underflows just beyond
NEGLIGIBLE = 1e-19  # of the largest value of integrand times density
_PANEL_WIDTH = 2.0
_LEAST_HALF_WIDTH = 7.0


@dataclass(frozen=True, slots=True)
class GaussianRule:
    """A quadrature rule for ``N(0, I_r)``: ``E[F(z)] ~ sum_m weights[m] F(nodes[:, m])``.

    Attributes
    ----------
    nodes : array, shape (r, M)
    weights : array, shape (M,)
        The Gaussian density is included, so the weights add up to 1.
    """

    nodes: Array
    weights: Array


@cached(64)
def gauss_legendre(order: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss-Legendre rule on [-1, 1] (read-only arrays)."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def legendre_panels(edges: ArrayLike, order: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre rules of one order between consecutive edges."""
    edges = np.asarray(edges)
    x, w = gauss_legendre(order)
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half * (x + 1.0)).ravel(), (half * w).ravel()


def gaussian_rule(
    nodes_per_unit: float, half_width: float = 9.0, kinks: Sequence[float] = ()
) -> GaussianRule:
    """Rule for one standard normal variable.

    Parameters
    ----------
    nodes_per_unit : float
        Resolution: the number of nodes per unit of length. The trapezoid rule (no kinks) has
        spacing ``1 / nodes_per_unit``; Gauss-Legendre panels have the same mean density.
    half_width : float
        The integral is cut off at ``|z| = half_width``; see `negligible_beyond`.
    kinks : sequence of float
        Points that no panel may contain.

    Examples
    --------
    >>> rule = gaussian_rule(4.0)
    >>> float(round(rule.weights @ rule.nodes[0] ** 4, 12))
    3.0
    >>> rule = gaussian_rule(8.0, kinks=(0.5,))  # P(Z > 1/2)
    >>> float(round(rule.weights @ (rule.nodes[0] > 0.5), 12))
    0.308537538726
    """
    inside = sorted({float(k) for k in kinks if -half_width < k < half_width})
    if not inside:
        count = max(2, math.ceil(half_width * nodes_per_unit))
        nodes = np.linspace(-half_width, half_width, 2 * count + 1)
        weights = np.full(nodes.size, half_width / count)
    else:
        edges: list[float] = [-half_width]
        for kink in [*inside, half_width]:
            pieces = max(1, math.ceil((kink - edges[-1]) / _PANEL_WIDTH))
            edges.extend(np.linspace(edges[-1], kink, pieces + 1)[1:].tolist())
        order = max(4, math.ceil(_PANEL_WIDTH * nodes_per_unit))
        nodes, weights = legendre_panels(edges, order)
    weights = weights * np.exp(-(nodes**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return GaussianRule(nodes[None, :], weights)


def tensor_rule(rules: Sequence[GaussianRule]) -> GaussianRule:
    """Product of one-dimensional rules, for ``N(0, I_r)``.

    Nodes further from the origin than the rules reach along the axes are dropped.
    """
    nodes = np.stack(np.meshgrid(*(rule.nodes[0] for rule in rules), indexing="ij"))
    weights = rules[0].weights
    for rule in rules[1:]:
        weights = np.multiply.outer(weights, rule.weights)
    flat = nodes.reshape(len(rules), -1)
    reach = max(np.abs(rule.nodes).max() for rule in rules)
    keep = np.sum(flat**2, axis=0) <= reach**2 * (1.0 + 1e-12)
    return GaussianRule(flat[:, keep], weights.ravel()[keep])


def negligible_beyond(
    function: Callable[..., Any], n_variables: int = 1, negligible: float = NEGLIGIBLE
) -> float:
    """Least radius beyond which ``f(z)^2 (1 + |z|^2)^2`` times the Gaussian density is small.

    Small is ``negligible`` times its largest value. Scanned along the axes and the diagonals up to
    |z| = 38, where the density underflows. Returns ``inf`` when the product does not decay there:
    the second moment is infinite, or so close to infinite that double precision cannot tell;
    ``nan`` when the function is not finite and real.

    Examples
    --------
    >>> import numpy as np
    >>> 8 < negligible_beyond(np.tanh) < 11
    True
    >>> negligible_beyond(lambda z: np.exp(z**2))
    inf
    """
    radii = np.arange(0.0, LARGEST_NODE + 1e-9, 0.125)
    grids = np.meshgrid(*([(-1.0, 0.0, 1.0)] * n_variables), indexing="ij")
    directions = np.stack([grid.ravel() for grid in grids], axis=1)
    directions = directions[np.any(directions != 0, axis=1)]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = directions.T[:, :, None] * radii  # (r, directions, radii)
    with np.errstate(all="ignore"):
        values = np.abs(np.asarray(function(*points), dtype=float)) + np.zeros(points.shape[1:])
        if np.isnan(values).any():
            return math.nan
        log_size = 2.0 * np.log(values) + 2.0 * np.log1p(radii**2) - radii**2 / 2.0
    log_size = log_size.max(axis=0)
    largest = log_size[np.isfinite(log_size)].max(initial=-math.inf)
    if np.isposinf(log_size).any():
        return math.inf
    if largest == -math.inf:
        return _LEAST_HALF_WIDTH
    beyond = np.flatnonzero(log_size > largest + math.log(negligible))
    last = int(beyond[-1]) if beyond.size else 0
    if last == radii.size - 1:
        return math.inf
    return max(_LEAST_HALF_WIDTH, float(radii[last + 1]))
