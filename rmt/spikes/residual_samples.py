"""Labels at nodes of ``z``, and those that many ``z`` share, as atoms (`residual_law`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmt.arrays import Array, Indices
from rmt.budget import count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import (
    GaussianRule,
    gauss_legendre,
    gaussian_rule,
    negligible_beyond,
    tensor_rule,
)
from rmt.problem import Problem
from rmt.problem.labels import Law
from rmt.problem.losses import Loss
from rmt.spikes.constants import Constants, kinks_of_labels
from rmt.spikes.label_law import hermite_nodes
from rmt.spikes.residual_kinks import switches

__all__ = ["Group", "Samples", "apart", "on_pieces", "samples_of"]

_NOISE = 8.0  # standard deviations of label noise that count
_SHARED = 16  # nodes of z with one label that make an atom of it
_MOST_SHARED = 64
_SAME = 1e-12
_WIDEST = 2.0  # panel over z
_LEAST = 0.8  # of a unit's nodes, on the shortest


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the samples.

    Attributes
    ----------
    y, y_1 : array, shape (S,)
    z : array, shape (r, S), or None
        None for atoms.
    series : list of array, shape (S, K)
        ``E[m he_k(z_b); sample]`` of ``m = 1``, and of atoms of the ``z_i`` as well.
    """

    y: Array
    y_1: Array
    z: Array | None
    series: list[Array]


@dataclass(frozen=True, eq=False)
class Samples:
    """What labels there are at nodes of ``z``; nothing depends on nodes of ``y_1`` or ``zeta``.

    Attributes
    ----------
    loss : Loss
    z, hermite : array, shapes (r, I) and (K, I)
        Nodes, and ``he_k(z_b)`` there.
    shared, atoms : array
        Labels that many ``z`` share, and those of them that are not rare.
    moments : array, shape (1 + r, S, K)
        ``E[m 1{y = atom} he_k(z_b)]`` of ``m = 1, z_i``.
    y, weights : array, shape (V,)
        Labels that vary with ``z``, with their weights.
    place : array of int, shape (V,)
        At which ``z`` they are.
    ends : (float, float)
        Least and greatest label, with a margin.
    cut : callable, or None
        The same with panels over ``z`` cut at places more; None where kinks are not looked for.
    labels_at : callable
        Labels at nodes of ``z``, without noise, shape (E, I).
    """

    loss: Loss
    z: Array
    hermite: Array
    shared: Array
    atoms: Array
    moments: Array
    y: Array
    weights: Array
    place: Indices
    ends: tuple[float, float]
    cut: Callable[[tuple[float, ...]], Samples] | None
    labels_at: Callable[[Array], Array]

    def effective(self, y: Array) -> Array:
        """``rho(0, y)``."""
        return np.asarray(self.loss.residual(np.zeros_like(y), y))

    @cached_property
    def y_1(self) -> Array:
        return self.effective(self.y)

    def groups(self, degrees: int, size: int) -> Iterator[Group]:
        """All samples, some of them at a time, with the first polynomials."""
        if self.atoms.size:
            series = list(self.moments[..., :degrees])
            yield Group(self.atoms, self.effective(self.atoms), None, series)
        for start in range(0, self.y.size, size):
            some = slice(start, start + size)
            place = self.place[some]
            series = [self.hermite[:degrees, place].T * self.weights[some, None]]
            yield Group(self.y[some], self.y_1[some], self.z[:, place], series)


def samples_of(
    problem: Problem,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    n_noise: int,
    tail: float,
    finer: Samples | None = None,
    places: tuple[float, ...] = (),
) -> Samples:
    """On nodes of ``z``, cut at places more; of a finer law, whose atoms it has then."""
    r, loss, law, std = problem.n_directions, problem.loss, problem.labels, problem.noise_std
    if std or not loss.label_kinks:
        along = problem.target.kinks_along if law is None else law.kinks_along
        kinks = [list(along(i)) for i in range(r)]
    else:
        kinks = kinks_of_labels(loss, problem.target, law)
    half_width = _half_width(loss, problem.target if law is None else law, tail)
    if r == 1:
        kinks[0] = [*kinks[0], *places]
    rule = tensor_rule([_rule(nodes_per_unit, half_width, one) for one in kinks])
    z, weights = rule.nodes, rule.weights
    norm = float(np.linalg.norm(c.b))
    # Without a linear part zeta is independent of z, and only k = 0 survives.
    degrees = n_zeta if norm > 0 else 1
    hermite = orthonormal_hermite(c.b @ z / max(norm, 1e-300), degrees)
    if law is None:
        f = np.asarray(problem.target(*z), dtype=float)
        y, p = _with_noise(loss, f, std, n_noise)
        ends = float(f.min()) - _NOISE * std, float(f.max()) + _NOISE * std
    else:
        y, p = law.at(z)
        ends = float(y[p > 0].min()), float(y[p > 0].max())
    margin = 0.01 * (ends[1] - ends[0])  # the extremes may lie between the nodes
    count_work(weights.size * (50.0 + 10.0 * degrees + 20.0 * len(y)))
    shared = _shared(y, p, switches(loss) is not None and finer is None and not std)
    if finer is not None:
        shared = apart(np.concatenate([shared, finer.shared]))
    moments, rest = _condensed(z, weights, y, p, hermite, shared)
    if finer is None:
        kept = _not_rare(shared, moments[0, :, 0], tail)
    else:
        kept = np.flatnonzero(np.isin(shared, finer.atoms))
    row, place = np.nonzero(rest > 0)
    known: dict[tuple[float, ...], Samples] = {}

    def cut(more: tuple[float, ...]) -> Samples:
        if not more:
            return found
        if more not in known:
            known.clear()
            numbers = n_zeta, nodes_per_unit, n_noise, tail
            known[more] = samples_of(problem, c, *numbers, found, more)
        return known[more]

    def labels_at(z: Array) -> Array:
        return np.asarray(problem.target(*z), dtype=float)[None] if law is None else law.at(z)[0]

    found = Samples(
        loss=loss,
        z=z,
        hermite=hermite,
        shared=shared,
        atoms=shared[kept],
        moments=moments[:, kept],
        y=y[row, place],
        weights=(rest * weights)[row, place],
        place=place,
        ends=(ends[0] - margin, ends[1] + margin),
        cut=cut if r == 1 and not std and place.size and switches(loss) is not None else None,
        labels_at=labels_at,
    )
    return found


def _rule(nodes_per_unit: float, half_width: float, kinks: Sequence[float]) -> GaussianRule:
    """As `gaussian_rule`, but with few nodes on short panels, of which labels make many."""
    inside = sorted({k for k in kinks if abs(k) < half_width})
    if not inside:
        return gaussian_rule(nodes_per_unit, half_width)
    ends = np.array([-half_width, *inside, half_width])
    pieces = np.maximum(np.ceil(np.diff(ends) / _WIDEST), 1.0).astype(int)
    widths = np.repeat(np.diff(ends) / pieces, pieces)
    edges = np.append(-half_width, -half_width + np.cumsum(widths))
    orders = np.ceil((_LEAST + (1.0 - _LEAST / _WIDEST) * widths) * nodes_per_unit).astype(int)
    panels = [
        on_pieces(low[None], high[None], max(4, order))
        for low, high, order in zip(edges[:-1], edges[1:], orders.tolist(), strict=True)
    ]
    nodes, weights = (np.concatenate([one[0] for one in of]) for of in zip(*panels, strict=True))
    return GaussianRule(nodes[None], weights)


def _with_noise(loss: Loss, f: Array, std: float, count: int) -> tuple[Array, Array]:
    """Labels and their probabilities, shape (E, I): by panels where the loss has kinks."""
    if not std:
        return f[None], np.ones((1, f.size))
    if switches(loss) is None and not loss.label_kinks:
        x, vectors = hermite_nodes(count)
        return f + std * x[:, None], np.repeat(vectors[0][:, None] ** 2, f.size, axis=1)
    levels = [np.clip((kink - f) / std, -_NOISE, _NOISE) for kink in loss.label_kinks]
    ends = [np.full(f.size, end) for end in (-_NOISE, 0.0, _NOISE)]
    edges = np.sort(np.stack([*ends, *levels]), axis=0)
    x, w = gauss_legendre(count)
    half = np.diff(edges, axis=0)[:, None] / 2.0
    eps = edges[:-1, None] + half * (x[:, None] + 1.0)
    p = half * w[:, None] * np.exp(-(eps**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return (f + std * eps).reshape(-1, f.size), p.reshape(-1, f.size)


@cached(256)
def _half_width(loss: Loss, law: Law | ScalarFunction, tail: float) -> float:
    """Where labels, and effective labels, of the tail are negligible."""

    def size(*z: Array) -> Array:
        points = np.stack([np.ravel(one) for one in z])
        if isinstance(law, ScalarFunction):
            y = np.asarray(law(*points), dtype=float)[None]
            p = np.ones_like(y)
        else:
            y, p = law.at(points)
        largest = np.maximum(np.abs(y), np.abs(loss.residual(np.zeros_like(y), y)))
        return np.asarray(np.sqrt((p * largest**2).sum(axis=0)).reshape(np.shape(z[0])))

    return negligible_beyond(size, law.n_variables, tail)


def _shared(y: Array, p: Array, plateaus: bool) -> Array:
    """Labels that many points share: of rows that do not vary, and on plateaus where it matters."""
    constant = np.ptp(y, axis=1) == 0
    found = y[constant, 0]
    if plateaus and not constant.all():
        values = np.sort(y[(p > 0) & ~constant[:, None]])
        starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)
        often = values[starts][np.diff(np.append(starts, values.size)) >= _SHARED]
        if often.size <= _MOST_SHARED:
            found = np.concatenate([found, often])
    return apart(found)


def _condensed(
    z: Array, weights: Array, y: Array, p: Array, hermite: Array, atoms: Array
) -> tuple[Array, Array]:
    """Moments of the atoms, and the probabilities that are left to others."""
    factors = np.concatenate([np.ones((1, weights.size)), z]) * weights  # (1 + r, I)
    constant = np.ptp(y, axis=1) == 0
    number = np.searchsorted((atoms[1:] + atoms[:-1]) / 2.0, y[constant, 0])
    mass = np.zeros((atoms.size, weights.size))
    np.add.at(mass, number, p[constant])
    rest, varying = p[~constant], y[~constant]
    for atom, of_atom in zip(atoms if len(rest) else (), mass, strict=False):
        here = np.abs(varying - atom) <= _SAME * max(1.0, abs(atom))
        of_atom += np.where(here, rest, 0.0).sum(axis=0)
        rest[here] = 0.0
    moments = np.stack([(mass * factor) @ hermite.T for factor in factors])
    count_work(atoms.size * (hermite.size * 0.5 * len(factors) + 2.0 * varying.size))
    left = np.zeros(p.shape)
    left[~constant] = rest
    return moments, left


def _not_rare(atoms: Array, mass: Array, tail: float) -> Indices:
    """The atoms that count in ``E[1 + y^2 / E y^2]``."""
    share = mass * (1.0 + atoms**2 / max(float(mass @ atoms**2), 1e-300))
    order = np.argsort(share, kind="stable")
    dropped = int(np.searchsorted(np.cumsum(share[order]), tail * share.sum()))
    return np.sort(order[dropped:])


def apart(values: Array) -> Array:
    """In ascending order, those that are equal but for rounding once."""
    values = np.sort(values)
    size = np.abs(values).max(initial=0.0)
    return np.asarray(values[np.diff(values, prepend=-np.inf) > _SAME * size])


def on_pieces(low: Array, high: Array, order: int) -> tuple[Array, Array]:
    """Nodes and weights for ``N(0, 1)`` of each piece, shape (P, order)."""
    x, w = gauss_legendre(order)
    half = (high - low)[:, None] / 2.0
    nodes = low[:, None] + half * (x + 1.0)
    return nodes, half * w * np.exp(-(nodes**2) / 2.0) / math.sqrt(2.0 * math.pi)
