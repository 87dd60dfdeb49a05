"""A bulk's equation on fewer sample nodes, which makes the same sums.

The equation sums functions of the samples, features times ``(M_vv, M_vl, M_ll)``. As ``M`` on a
sample is a smooth function of few numbers, those that occur, at all points ``z``, are close to the
span of those at a few points. A rule with as many nodes as that span has dimensions, all of them
nodes of the full rule, and with positive weights, integrates the span exactly (Caratheodory). It is
found by recombination: groups of nodes stand for one node each, half of the groups are emptied
along the null vectors of their means, and what is left is grouped anew.

How far solutions on it are from those of the full rule is not known beforehand: they start them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmt.arrays import Array, Indices
from rmt.spikes.deformed.equation import BatchTerms, Equation, State

__all__ = ["on_fewer_nodes"]


SPAN = 1e-5  # relative: functions of the span beyond it are dropped
LITTLE = 1e-12  # entries of a null vector, relative, that empty no node


def on_fewer_nodes(equation: Equation, states: Sequence[State]) -> Equation:
    """The equation with sample nodes that integrate what it sums at some states.

    Parameters
    ----------
    equation : Equation
    states : sequence of State
        Of it, real or complex, between which other states are expected.

    Returns
    -------
    Equation
        With the same unknowns.

    Notes
    -----
    docs/deformed.md. Features times ``M`` at a few points of an arc over the bulk leave 40 to 80 of
    3000 nodes, on which solutions next to the axis are known to 1e-3 at worst, 1e-5 mostly.
    """
    terms, seen = [], [one.samples for one in states]
    for batch, values in zip(equation.batches, zip(*seen, strict=True), strict=True):
        functions = _span(batch, values)
        kept, weights = recombined(functions, batch.weights)
        terms.append(
            BatchTerms(
                weights,
                batch.left,
                batch.right[:, kept],
                batch.variance[:, kept],
                batch.sample_ratio,
            )
        )
    return Equation(equation.aspect_ratio, equation.weights, terms, equation.base)


def _span(batch: BatchTerms, values: Sequence[Array]) -> Array:
    """Orthonormal functions on the nodes whose span holds all that is summed, shape (R, P)."""
    i, j = np.triu_indices(len(batch.right))
    features = np.concatenate([batch.variance, batch.right[i] * batch.right[j]])
    root = np.sqrt(batch.weights)
    rows = [root[None]]
    for vv, vl, ll in (np.concatenate([one.real, one.imag], axis=1) for one in values):
        for a, b, c in zip(vv, vl, ll, strict=True):
            rows += [features * (root * a), batch.right * (root * b), (root * c)[None]]
    functions = np.concatenate(rows)
    norms = np.sqrt((functions**2).sum(axis=1))
    functions = functions[norms > 0] / norms[norms > 0, None]
    squares, turn = np.linalg.eigh(functions @ functions.T)
    large = squares > SPAN**2 * squares[-1]
    return np.asarray(turn[:, large].T @ functions / np.sqrt(squares[large, None]) / root)


def recombined(functions: Array, weights: Array) -> tuple[Indices, Array]:
    """As many nodes as functions, or fewer, and positive weights with the same integrals.

    Parameters
    ----------
    functions : array, shape (R, P)
    weights : array, shape (P,)
        Positive.

    Returns
    -------
    kept : array of int, shape (K,)
    weights : array, shape (K,)

    Examples
    --------
    >>> x, weights = np.linspace(-1.0, 1.0, 50), np.full(50, 0.02)
    >>> kept, fewer = recombined(x ** np.arange(6)[:, None], weights)
    >>> kept.size <= 6, bool((fewer > 0).all())
    (True, True)
    >>> bool(abs(fewer @ x[kept] ** 4 - weights @ x**4) < 1e-14)
    True
    """
    count, kept, weights = len(functions), np.arange(weights.size), weights.copy()
    while kept.size > count:
        groups = min(2 * count, kept.size)
        first = -(-np.arange(groups) * kept.size // groups)
        sums = np.add.reduceat(functions[:, kept] * weights, first, axis=1)
        masses = np.add.reduceat(weights, first)
        shares = _fewest(sums / masses, masses) / masses
        weights = weights * np.repeat(shares, np.diff(first, append=kept.size))
        kept, weights = kept[weights > 0], weights[weights > 0]
    return kept, weights


def _fewest(values: Array, weights: Array) -> Array:
    """Weights with the same integrals, of which at most as many as functions are not zero."""
    null = np.linalg.qr(values.T, mode="complete")[0].T[len(values) :].copy()
    weights = weights.copy()
    for k, vector in enumerate(null):
        size = np.abs(vector)
        able = np.flatnonzero(size > LITTLE * size.max())
        node = able[np.argmin(weights[able] / size[able])]
        weights -= weights[node] / vector[node] * vector
        weights[node] = 0.0
        np.maximum(weights, 0.0, out=weights)
        null[k + 1 :] -= null[k + 1 :, node, None] * (vector / vector[node])
    return weights
