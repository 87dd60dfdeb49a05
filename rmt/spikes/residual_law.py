"""Joint law of a sample for any loss and any law of labels, as weights that follow the output.

In the second step a sample counts by ``rho(h(y_1, zeta), y)``, which for most losses is not affine
in the label, so that moments in ``y`` (`label_law`) are not enough. What is smooth are ``h`` and
``Phi_t``, as functions of the effective label ``y_1`` and of ``zeta``. So they are known at a few
nodes of these two, and the sum over samples is condensed into weights on them,

    E[rho m F(y_1, zeta)] ~ sum_p weights[m, p] F(point p),    m = 1, y_1, rho, z_i,

in which ``rho`` is taken at every sample. Labels that a set of ``z`` shares, such as ``+-1`` and
counts, are *atoms*, for which the integral over ``z`` is done once; any other sample is a node of
``z``, and of the label noise. Given ``z``, ``zeta`` is averaged by Mehler's formula, as for the
squared loss; where the residual has kinks, by rules that are cut where it has them in ``zeta``.
What is left then is smooth in ``z``, but for kinks that ``zeta`` hardly moves: there panels over
``z`` are cut as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmt.arrays import Array, Bools, Indices
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
from rmt.spikes.label_law import (
    CoarserLaw,
    LabelNodes,
    Laws,
    between_zetas,
    correlation,
    fewer,
    hermite_nodes,
    significant,
    zeta_nodes,
)
from rmt.spikes.refinement import COARSENING, Resolution
from rmt.spikes.residual_kinks import crossings, switches

__all__ = ["ResidualLaw", "residual_law"]

_CHUNK = 1 << 20  # entries of a temporary array
_NOISE = 8.0  # standard deviations of label noise that count
_SHARED = 16  # nodes of z with one label that make an atom of it
_MOST_SHARED = 64
_FEW = 8  # different effective labels that are nodes themselves
_ORDERS = 2.0, 0.8  # Gauss-Legendre nodes of a panel, for K polynomials: and times sqrt(K)
_NEAREST = 8  # nodes on which a kink is found
_SAME = 1e-12
_WIDEST = 2.0  # panel over z
_LOOKED_AT = 40.0  # points of a unit of z, for kinks
_USUAL = 2.0  # zeta, in units of its standard deviation
_NARROW = 0.3  # of z, where it takes panels of its own to resolve what is smoothed over it
_LEAST = 0.8  # of a unit's nodes, on the shortest


class _FewLabels:
    """Effective labels that are nodes themselves; in the place of `LabelNodes`."""

    def __init__(self, nodes: Array) -> None:
        self.nodes, self.count = nodes, nodes.size
        self.to_coefficients = np.eye(nodes.size)

    def polynomials(self, y: Array) -> Array:
        """1 at the nearest of the nodes, and 0 at the others; shape (count, *y.shape)."""
        nearest = np.searchsorted((self.nodes[1:] + self.nodes[:-1]) / 2.0, y)
        every = np.arange(self.count).reshape(-1, *[1] * y.ndim)
        return np.asarray((nearest == every).astype(float))


@dataclass(frozen=True, eq=False)
class _Group:
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
class _Samples:
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
    cut: Callable[[tuple[float, ...]], _Samples] | None
    labels_at: Callable[[Array], Array]

    def effective(self, y: Array) -> Array:
        """``rho(0, y)``."""
        return np.asarray(self.loss.residual(np.zeros_like(y), y))

    @cached_property
    def y_1(self) -> Array:
        return self.effective(self.y)

    def groups(self, degrees: int, size: int) -> Iterator[_Group]:
        """All samples, some of them at a time, with the first polynomials."""
        if self.atoms.size:
            series = list(self.moments[..., :degrees])
            yield _Group(self.atoms, self.effective(self.atoms), None, series)
        for start in range(0, self.y.size, size):
            some = slice(start, start + size)
            place = self.place[some]
            series = [self.hermite[:degrees, place].T * self.weights[some, None]]
            yield _Group(self.y[some], self.y_1[some], self.z[:, place], series)


@dataclass(frozen=True, eq=False)
class ResidualLaw:
    """Weights on ``P`` points ``(y_1, zeta)`` that take the residual at every sample.

    Attributes
    ----------
    zeta : array, shape (J,)
        The significant ones of the Gauss-Hermite nodes of ``N(0, B)``.
    y : array, shape (A,), or None
        Nodes of the effective label, the points being the pairs with ``zeta``; None for functions
        of ``zeta`` alone.
    """

    zeta: Array
    y: Array | None
    samples: _Samples
    labels: LabelNodes | _FewLabels
    order: int
    correlation: float
    growth: int
    scale: float
    reach: float

    @property
    def shape(self) -> tuple[int, int]:
        return 1 if self.y is None else self.y.size, self.zeta.size

    def residuals(self, h: Array) -> Array:
        """Weights of ``rho, y_1 rho, rho^2, z_i rho``, ``h`` being the output; (3 + r, P)."""
        labels, r = self.labels, len(self.samples.z)
        output = h.reshape(self.shape) / self._size(labels.nodes, 1)[:, None]
        coefficients = labels.to_coefficients @ output
        total = np.zeros((3 + r, *self.shape))
        size = max(64, _CHUNK // (4 * max(self.shape)))
        for group in self._samples_for(coefficients).groups(self._powers.size, size):
            on_labels = labels.polynomials(group.y_1)  # (A, S)
            here = (coefficients.T @ on_labels).T * self._size(group.y_1, 1)[:, None]  # (S, J)
            count_work(group.y.size * (len(total) + 1.0) * (50.0 + 0.5 * output.size))
            rho, square, *along = self._averaged(group, here)
            if group.z is not None:
                along = [z[:, None] * rho for z in group.z]
            rows = [rho, group.y_1[:, None] * rho, square, *along]
            for n, row in enumerate(rows):
                total[n] += (on_labels * self._size(group.y_1, _growth(n))) @ row
        found = np.einsum("na,mnj->maj", labels.to_coefficients, total)
        for n in range(len(found)):
            found[n] /= self._size(labels.nodes, _growth(n))[:, None]
        return np.asarray(found.reshape(3 + r, -1))

    def _samples_for(self, coefficients: Array) -> _Samples:
        """Samples with panels over ``z`` that resolve kinks which ``zeta`` hardly moves.

        Averages over ``zeta`` smooth a kink over the ``z`` between which it moves: cut there where
        they are close, which a rule that is chosen beforehand does not see.
        """
        samples, at = self.samples, switches(self.samples.loss)
        if samples.cut is None or at is None:
            return samples
        end = float(np.abs(samples.z).max())
        z = np.linspace(-end, end, 1 + math.ceil(2.0 * end * _LOOKED_AT))
        y = samples.labels_at(z[None])
        y_1 = samples.effective(y)
        on_labels = self.labels.polynomials(y_1.ravel())
        those = [int(np.abs(self._nodes - x).argmin()) for x in (-_USUAL, 0.0, _USUAL)]
        h = (coefficients[:, those].T @ on_labels) * self._size(y_1.ravel(), 1)
        values = np.stack(at(h.reshape(3, *y.shape), np.broadcast_to(y, (3, *y.shape))))
        count_work(values.size * (50.0 + 2.0 * len(on_labels)))
        crosses = (values[..., 1:] > 0) != (values[..., :-1] > 0)  # (switches, 3, E, Z)
        places: list[float] = []
        for switch, row in np.ndindex(len(values), len(y)):
            found = [np.flatnonzero(one) for one in crosses[switch, :, row]]
            if len({one.size for one in found}) > 1:
                continue  # folds: smooth, but for few z
            for before in zip(*found, strict=True):
                at_ends = [values[switch, n, row, [i, i + 1]] for n, i in enumerate(before)]
                part = [abs(a) / (abs(a) + abs(b) + 1e-300) for a, b in at_ends]
                where = [z[i] + s * (z[1] - z[0]) for i, s in zip(before, part, strict=True)]
                if max(where) - min(where) < _NARROW:
                    places += where
        more: _Samples = samples.cut(tuple(sorted({round(x, 4) for x in places})))
        return more

    def _size(self, y: Array, power: int) -> Array:
        """What functions of the effective label are divided by: of ``Phi_t``, ``h``, ``Phi_t^2``.

        They grow like powers ``s``, ``s + 1`` and ``2 s`` for slopes that grow like ``z^s``.
        """
        s = self.growth
        if not s:
            return np.ones_like(y)
        powers = s / 2.0, (s + 1) / 2.0, float(s)
        return np.asarray((1.0 + (y / self.scale) ** 2) ** powers[power])

    @cached_property
    def _vectors(self) -> Array:
        """``he_k(zeta_j)`` times the weight of node ``j``, shape (K, J)."""
        vectors = hermite_nodes(self.order)[1][:, significant(self.order)]
        return np.asarray(vectors * vectors[0])

    @property
    def _nodes(self) -> Array:
        """``zeta`` in units of its standard deviation."""
        return hermite_nodes(self.order)[0][significant(self.order)]

    @cached_property
    def _powers(self) -> Array:
        """Of the correlation of ``zeta`` with ``z_b``."""
        return np.asarray(self.correlation ** np.arange(min(len(self.samples.hermite), self.order)))

    def _averaged(self, group: _Group, h: Array) -> list[Array]:
        """Of ``rho``, ``rho^2`` and, for atoms, ``z_i rho``: weights at the ``zeta_j``, (S, J).

        By the Gauss-Hermite rule, but for samples whose residual has a kink between its nodes.
        """
        loss, at = self.samples.loss, switches(self.samples.loss)
        y = np.broadcast_to(group.y[:, None], h.shape)
        rho = loss.residual(h, y)
        series = [one * self._powers for one in group.series]
        weights = [one @ self._vectors[: self._powers.size] for one in series]
        found = [weights[0] * rho, weights[0] * rho**2, *(one * rho for one in weights[1:])]
        if at is None:
            return found
        positive = np.stack(at(h, y)) > 0  # (switches, S, J)
        changes = positive[..., 1:] != positive[..., :-1]
        changes &= np.abs(self._nodes[1:] + self._nodes[:-1]) < 2.0 * self.reach - 2.0
        some = np.flatnonzero(changes.any(axis=(0, 2)))
        size = max(1, _CHUNK // (20 * self.order * math.ceil(math.sqrt(self.order))))
        for start in range(0, some.size, size):
            here = some[start : start + size]
            of_those = [one[here] for one in series]
            cut = self._between_kinks(h[here], group.y[here], of_those, changes[:, here])
            for row, values in zip(found, cut, strict=True):
                row[here] = values
        return found

    def _between_kinks(
        self, h: Array, y: Array, series: list[Array], changes: Bools
    ) -> list[Array]:
        """The same for samples with kinks, by Gauss-Legendre panels, cut where these are."""
        loss, panels = self.samples.loss, self._panels
        of_h = h @ self._vectors.T  # (S, K)
        # Polynomials explode between the last nodes, where nothing counts.
        low, high = h.min(axis=1)[:, None], h.max(axis=1)[:, None]
        sample, kinks = self._kinks(h, y, changes)
        panel = np.clip(np.searchsorted(panels.edges, kinks) - 1, 0, panels.edges.size - 2)
        cut = np.zeros((y.size, panels.edges.size - 1), dtype=bool)
        cut[sample, panel] = True
        count_work(y.size * panels.x.size * (60.0 + 2.0 * self.order))
        output = np.clip(of_h @ panels.hermite, low, high)
        rho = loss.residual(output, np.broadcast_to(y[:, None], output.shape))
        rho[np.repeat(cut, panels.x.size // cut.shape[1], axis=1)] = 0.0
        laws = [one @ panels.given * rho for one in series]
        rows = [laws[0], laws[0] * rho, *laws[1:]]
        found = [row @ panels.between for row in rows]
        # The pieces of a panel that is cut: between its ends and the kinks, in this order.
        those, number = np.nonzero(cut)
        ends = panels.edges[number], panels.edges[number + 1]
        key = np.concatenate([those, those, sample]) * cut.shape[1]
        key += np.concatenate([number, number, panel])
        place = np.concatenate([*ends, kinks])
        order = np.lexsort((place, key))
        key, place = key[order], place[order]
        # A kink may lie on the end of a panel, or on another.
        pieces = np.flatnonzero((key[1:] == key[:-1]) & (place[1:] > place[:-1]))
        those = key[pieces] // cut.shape[1]
        x, weights = _on_pieces(place[pieces], place[pieces + 1], panels.order)  # (P, X)
        count_work(x.size * (60.0 + 10.0 * self.order))
        hermite = orthonormal_hermite(x, self.order, weights)  # (K, P, X)
        values = np.einsum("kpx,pk->px", hermite, of_h[those]) / weights
        output = np.clip(values, low[those], high[those])
        rho = loss.residual(output, np.broadcast_to(y[those, None], x.shape))
        given = hermite[: self._powers.size]
        laws = [np.einsum("kpx,pk->px", given, one[those]) * rho / weights for one in series]
        first = np.flatnonzero(np.diff(those, prepend=-1))
        for row, one in zip(found, [laws[0], laws[0] * rho, *laws[1:]], strict=True):
            sums = np.einsum("kpx,px->pk", hermite, one) @ self._vectors
            row[those[first]] += np.add.reduceat(sums, first)
        return found

    def _kinks(self, h: Array, y: Array, changes: Bools) -> tuple[Indices, Array]:
        """Samples and places of kinks that lie between nodes, ``zeta`` in units of its deviation.

        Found on the polynomial through the eight nearest nodes.
        """
        at = switches(self.samples.loss)
        assert at is not None
        nodes = self._nodes
        which, sample, after = np.nonzero(changes)
        near = min(_NEAREST, nodes.size)
        first = np.clip(after + 1 - near // 2, 0, nodes.size - near)
        x = nodes[first + np.arange(near)[:, None]]  # (8, F)
        apart = x[:, None] - x
        apart[np.arange(near), np.arange(near)] = 1.0
        scaled = h[sample, first + np.arange(near)[:, None]] / apart.prod(axis=1)
        every = np.arange(sample.size)

        def switch(place: Array) -> Array:
            count_work(place.size * 100.0)
            distance = place - x
            before, later = np.ones_like(x), np.ones_like(x)
            np.cumprod(distance[:-1], axis=0, out=before[1:])
            np.cumprod(distance[:0:-1], axis=0, out=later[-2::-1])
            output = (scaled * before * later).sum(axis=0)
            return np.asarray(np.stack(at(output, y[sample]))[which, every])

        return sample, crossings(switch, nodes[after], nodes[after + 1])

    @cached_property
    def _panels(self) -> _Panels:
        edges = np.linspace(-self.reach, self.reach, 1 + math.ceil(2.0 * self.reach))
        order = math.ceil(_ORDERS[0] + _ORDERS[1] * math.sqrt(self.order))
        x, weights = _on_pieces(edges[:-1], edges[1:], order)
        hermite = orthonormal_hermite(x.ravel(), self.order)
        given = hermite[: self._powers.size] * weights.ravel()
        return _Panels(edges, order, x.ravel(), hermite, given, hermite.T @ self._vectors)


@dataclass(frozen=True, slots=True)
class _Panels:
    """Gauss-Legendre panels over ``zeta``, in units of its deviation.

    Attributes
    ----------
    edges : array, shape (P + 1,)
    order : int
    x : array, shape (X,)
    hermite, given : array, shape (K, X)
        ``he_k`` there, without the weights and the first of them with them.
    between : array, shape (X, J)
        What of a value is at the nodes of the law.
    """

    edges: Array
    order: int
    x: Array
    hermite: Array
    given: Array
    between: Array


def _on_pieces(low: Array, high: Array, order: int) -> tuple[Array, Array]:
    """Nodes and weights for ``N(0, 1)`` of each piece, shape (P, order)."""
    x, w = gauss_legendre(order)
    half = (high - low)[:, None] / 2.0
    nodes = low[:, None] + half * (x + 1.0)
    return nodes, half * w * np.exp(-(nodes**2) / 2.0) / math.sqrt(2.0 * math.pi)


def _growth(row: int) -> int:
    """How the function grows that a row of weights is for: ``Phi_t^2`` with ``rho^2``."""
    return 2 if row == 2 else 0


def residual_law(
    problem: Problem, c: Constants, resolution: Resolution, tail: float, label_scale: float
) -> Laws:
    """The law, and those that are coarser in one of the variables of the resolution.

    Parameters
    ----------
    problem : Problem
    c : Constants
    resolution : mapping of str to float
        ``zeta``, ``target``, and where they are needed ``noise`` and ``labels``.
    tail : float
        What is beyond it, relative to the largest, is left out.
    label_scale : float
        The effective label at which interpolation turns to its logarithm.

    Notes
    -----
    docs/losses.md, effective labels.
    """
    n_zeta, per_unit = round(resolution["zeta"]), resolution["target"]
    noise = round(resolution.get("noise", 1.0))
    reused, n_labels = problem.batch == "reused", round(resolution.get("labels", 1.0))
    fine = _samples(problem, c, n_zeta, per_unit, noise, tail)
    less = _samples(problem, c, n_zeta, COARSENING * per_unit, noise, tail, fine)
    nodes = _label_nodes(fine, label_scale, n_labels) if reused else _FewLabels(np.zeros(1))

    def law(samples: _Samples, labels: LabelNodes | _FewLabels, zetas: int) -> ResidualLaw:
        return ResidualLaw(
            zeta=zeta_nodes(c, zetas),
            y=labels.nodes if reused else None,
            samples=samples,
            labels=labels,
            order=zetas,
            correlation=correlation(c),
            growth=c.slope_growth if reused else 0,
            scale=label_scale,
            reach=min(math.sqrt(-2.0 * math.log(tail)), 8.5),
        )

    found, few = law(fine, nodes, n_zeta), fewer(n_zeta)
    coarser = {
        "zeta": CoarserLaw(law(fine, nodes, few), found, zetas=between_zetas(n_zeta, few)),
        "target": CoarserLaw(law(less, nodes, n_zeta), found),
    }
    if isinstance(nodes, LabelNodes):
        some = _label_nodes(fine, label_scale, fewer(n_labels))
        between = nodes.polynomials(some.nodes).T @ nodes.to_coefficients
        coarser["labels"] = CoarserLaw(law(fine, some, n_zeta), found, labels=between)
    if fewer(noise) < noise:
        less = _samples(problem, c, n_zeta, per_unit, fewer(noise), tail, fine)
        coarser["noise"] = CoarserLaw(law(less, nodes, n_zeta), found)
    return found, coarser


def _label_nodes(samples: _Samples, scale: float, count: int) -> LabelNodes | _FewLabels:
    """Effective labels themselves where they are few, otherwise Chebyshev nodes between them."""
    different = _apart(samples.effective(np.concatenate([samples.atoms, samples.y])))
    if different.size <= (_FEW if samples.y.size else max(_FEW, count)):
        return _FewLabels(different)
    low, high = samples.ends
    kinks = [kink for kink in samples.loss.label_kinks if low < kink < high]
    y_1 = samples.effective(np.concatenate([np.linspace(low, high, 2001), kinks]))
    return LabelNodes(float(y_1.min()), float(y_1.max()), scale, count)


def _apart(values: Array) -> Array:
    """In ascending order, those that are equal but for rounding once."""
    values = np.sort(values)
    size = np.abs(values).max(initial=0.0)
    return np.asarray(values[np.diff(values, prepend=-np.inf) > _SAME * size])


# Labels at nodes of z


def _samples(
    problem: Problem,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    n_noise: int,
    tail: float,
    finer: _Samples | None = None,
    places: tuple[float, ...] = (),
) -> _Samples:
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
        shared = _apart(np.concatenate([shared, finer.shared]))
    moments, rest = _condensed(z, weights, y, p, hermite, shared)
    if finer is None:
        kept = _not_rare(shared, moments[0, :, 0], tail)
    else:
        kept = np.flatnonzero(np.isin(shared, finer.atoms))
    row, place = np.nonzero(rest > 0)
    known: dict[tuple[float, ...], _Samples] = {}

    def cut(more: tuple[float, ...]) -> _Samples:
        if not more:
            return found
        if more not in known:
            known.clear()
            numbers = n_zeta, nodes_per_unit, n_noise, tail
            known[more] = _samples(problem, c, *numbers, found, more)
        return known[more]

    def labels_at(z: Array) -> Array:
        return np.asarray(problem.target(*z), dtype=float)[None] if law is None else law.at(z)[0]

    found = _Samples(
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
        _on_pieces(low[None], high[None], max(4, order))
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
    return _apart(found)


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
