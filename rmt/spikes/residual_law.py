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
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmt.arrays import Array, Bools, Indices
from rmt.budget import count_work
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.problem import Problem
from rmt.spikes.constants import Constants
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
from rmt.spikes.residual_samples import Group, Samples, apart, on_pieces, samples_of

__all__ = ["ResidualLaw", "residual_law"]

_CHUNK = 1 << 20  # entries of a temporary array
_FEW = 8  # different effective labels that are nodes themselves
_ORDERS = 2.0, 0.8  # Gauss-Legendre nodes of a panel, for K polynomials: and times sqrt(K)
_NEAREST = 8  # nodes on which a kink is found
_LOOKED_AT = 40.0  # points of a unit of z, for kinks
_USUAL = 2.0  # zeta, in units of its standard deviation
_NARROW = 0.3  # of z, where it takes panels of its own to resolve what is smoothed over it


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
    samples: Samples
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

    def _samples_for(self, coefficients: Array) -> Samples:
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
        more: Samples = samples.cut(tuple(sorted({round(x, 4) for x in places})))
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

    def _averaged(self, group: Group, h: Array) -> list[Array]:
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
        x, weights = on_pieces(place[pieces], place[pieces + 1], panels.order)  # (P, X)
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
        x, weights = on_pieces(edges[:-1], edges[1:], order)
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
    fine = samples_of(problem, c, n_zeta, per_unit, noise, tail)
    less = samples_of(problem, c, n_zeta, COARSENING * per_unit, noise, tail, fine)
    nodes = _label_nodes(fine, label_scale, n_labels) if reused else _FewLabels(np.zeros(1))

    def law(samples: Samples, labels: LabelNodes | _FewLabels, zetas: int) -> ResidualLaw:
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
        less = samples_of(problem, c, n_zeta, per_unit, fewer(noise), tail, fine)
        coarser["noise"] = CoarserLaw(law(less, nodes, n_zeta), found)
    return found, coarser


def _label_nodes(samples: Samples, scale: float, count: int) -> LabelNodes | _FewLabels:
    """Effective labels themselves where they are few, otherwise Chebyshev nodes between them."""
    different = apart(samples.effective(np.concatenate([samples.atoms, samples.y])))
    if different.size <= (_FEW if samples.y.size else max(_FEW, count)):
        return _FewLabels(different)
    low, high = samples.ends
    kinks = [kink for kink in samples.loss.label_kinks if low < kink < high]
    y_1 = samples.effective(np.concatenate([np.linspace(low, high, 2001), kinks]))
    return LabelNodes(float(y_1.min()), float(y_1.max()), scale, count)
