"""Joint law of a sample for any loss and any law of labels, as weights that follow the output.

In the second step a sample counts by ``rho(h(y_1, zeta), y)``: of another loss than the squared one
that is not affine in the label, and moments in ``y`` (`label_law`) are not enough. What is smooth is
``h`` and ``Phi_t`` as functions of the effective label ``y_1`` and of ``zeta``. So they are known at
a few nodes of these two, and the sum over samples is condensed into weights on them,

    E[rho m F(y_1, zeta)] ~ sum_p weights[m, p] F(point p),    m = 1, y_1, rho, z_i,

in which ``rho`` itself is taken at every sample, by rules that are cut where it has kinks. Given
``z``, ``zeta`` is averaged by Mehler's formula, as for the squared loss.

Labels are of two kinds: *atoms*, values that a set of ``z`` shares, such as ``+-1`` and counts,
for which the integral over ``z`` is done once and kinks lie in ``zeta``; and those that vary with
``z``, for which kinks lie in ``z``, at other places for every ``zeta``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmt.arrays import Array, Bools, Indices
from rmt.budget import count_work
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import gaussian_rule, negligible_beyond, tensor_rule
from rmt.problem import Problem
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
from rmt.spikes.residual_kinks import Cut, Panels, cut_panels, switches

__all__ = ["ResidualLaw", "residual_law"]

_CHUNK = 1 << 18  # entries of a temporary array
_WIDEST = 2.0  # panel over z
_NOISE = 8.0  # standard deviations of label noise that count
_SHARED = 16  # nodes of z with one label that make an atom of it
_MOST_SHARED = 64
_FEW = 8  # different effective labels that are nodes themselves
_FARTHEST = 8.5  # of zeta / sqrt(B)
_SAME = 1e-12


class _FewLabels:
    """Effective labels that are nodes themselves; in the place of `LabelNodes`."""

    def __init__(self, nodes: Array) -> None:
        self.nodes, self.count = nodes, nodes.size
        self.to_coefficients = np.eye(nodes.size)

    def polynomials(self, y: Array) -> Array:
        """1 at the nearest of the nodes, and 0 at the others; shape (count, *y.shape)."""
        if self.count == 1:
            return np.ones((1, *y.shape))
        nearest = np.searchsorted((self.nodes[1:] + self.nodes[:-1]) / 2.0, y)
        return np.asarray((nearest == np.arange(self.count)[:, None]).astype(float))


@dataclass(frozen=True, eq=False)
class _Samples:
    """Nodes of ``z`` and what labels there are; nothing depends on nodes of ``y_1`` or ``zeta``.

    Attributes
    ----------
    z, weights : array, shapes (r, I) and (I,)
    y, p : array, shape (E, I)
        Labels that vary with ``z``, and their probabilities.
    hermite : array, shape (K, I)
        ``he_k(z_b)``.
    shared : array
        Atoms, rare ones among them.
    atoms : array, shape (S,)
        Those that are not rare.
    moments : array, shape (1 + r, S, K)
        ``E[m 1{y = atom} he_k(z_b)]`` of ``m = 1, z_i``.
    panels : Panels or None
        Those of which ``z`` are the nodes, where the loss has kinks that are looked for there.
    range : (float, float)
        Of labels.
    """

    problem: Problem
    direction: Array
    z: Array
    weights: Array
    y: Array
    p: Array
    hermite: Array
    shared: Array
    atoms: Array
    moments: Array
    panels: Panels | None
    range: tuple[float, float]
    noise: Array

    @property
    def loss(self) -> Loss:
        return self.problem.loss

    @cached_property
    def y_1(self) -> Array:
        return self.effective(self.y)

    def effective(self, y: Array) -> Array:
        """``rho(0, y)``."""
        return np.asarray(self.loss.residual(np.zeros_like(y), y))

    def labels_at(self, z: Array) -> Array:
        """Labels that vary, at other points of shape (r, P); shape (E, P)."""
        problem = self.problem
        if problem.labels is not None:
            return problem.labels.at(z)[0]
        return np.asarray(np.asarray(problem.target(*z), dtype=float) + self.noise[:, None])

    def probabilities_at(self, z: Array) -> Array:
        if self.problem.labels is not None:
            return self.problem.labels.at(z)[1]
        return np.broadcast_to(self.p[:, :1], (self.p.shape[0], z.shape[1]))


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

    @property
    def shape(self) -> tuple[int, int]:
        return 1 if self.y is None else self.y.size, self.zeta.size

    def residuals(self, h: Array) -> Array:
        """Of ``rho, y_1 rho, rho^2, z_i rho``, with the output at the points; shape (3 + r, P)."""
        labels, r = self.labels, self.samples.z.shape[0]
        output = h.reshape(self.shape) / self._size(labels.nodes, 1)[:, None]
        coefficients = labels.to_coefficients @ output
        total = np.zeros((3 + r, *self.shape))
        with np.errstate(over="ignore", invalid="ignore"):
            if self.samples.atoms.size:
                self._add_atoms(total, coefficients)
            if self.samples.y.size:
                self._add_varying(total, coefficients)
        found = np.einsum("na,mnj->maj", labels.to_coefficients, total)
        for row, power in zip(found, self._powers, strict=True):
            row /= self._size(labels.nodes, power)[:, None]
        return found.reshape(3 + r, -1)

    @property
    def _powers(self) -> list[int]:
        """How the rows' functions grow: ``Phi_t^2`` for ``rho^2``, ``Phi_t`` for the others."""
        return [0, 0, 2, *[0] * self.samples.z.shape[0]]

    def _size(self, y: Array, power: int) -> Array:
        """What functions of the effective label are divided by: of ``Phi_t``, ``h``, ``Phi_t^2``.

        They grow like powers ``s``, ``s + 1`` and ``2 s`` for slopes that grow like ``z^s``.
        """
        s = self.growth
        if not s:
            return np.ones_like(y)
        return np.asarray(
            (1.0 + (y / self.scale) ** 2) ** ((s / 2.0, (s + 1) / 2.0, float(s))[power])
        )

    @cached_property
    def _vectors(self) -> Array:
        """``he_k(zeta_j)`` times the weight of node ``j``, shape (K, J)."""
        vectors = hermite_nodes(self.order)[1][:, significant(self.order)]
        return np.asarray(vectors * vectors[0])

    @cached_property
    def _damped(self) -> Array:
        """The same for functions of ``z_b``: times powers of the correlation."""
        degrees = len(self.samples.hermite)
        powers = self.correlation ** np.arange(self.order)
        return np.asarray((powers[:, None] * self._vectors)[:degrees])

    # Labels that are atoms

    def _add_atoms(self, total: Array, coefficients: Array) -> None:
        y = self.samples.atoms
        y_1 = self.samples.effective(y)
        on_labels = self.labels.polynomials(y_1)  # (A, S)
        h = (coefficients.T @ on_labels).T * self._size(y_1, 1)[:, None]  # (S, J)
        moments = self.samples.moments[..., : len(self._damped)]
        at = switches(self.samples.loss)
        if at is None:
            count_work(50.0 * h.size)
            rho = self.samples.loss.residual(h, y[:, None])
            weights = moments @ self._damped
            rows = _rows(rho, y_1[:, None], weights[0] * rho, weights[1:])
        else:
            rows = self._over_zeta(h, y, y_1, moments)
        for row, sums, power in zip(rows, total, self._powers, strict=True):
            sums += (on_labels * self._size(y_1, power)) @ row

    def _over_zeta(self, h: Array, y: Array, y_1: Array, moments: Array) -> list[Array]:
        """Weights of the atoms at the nodes of ``zeta``, by panels cut at kinks; (S, J) each."""
        at, loss = switches(self.samples.loss), self.samples.loss
        assert at is not None
        order = self.order
        end = min(_FARTHEST, float(np.abs(hermite_nodes(order)[0]).max()) + 0.5)
        edges = np.linspace(-end, end, 1 + math.ceil(end / _WIDEST * 2.0))
        panels = Panels(edges, 8 + math.ceil(4.0 * math.sqrt(order)))
        # Polynomials explode between the last nodes, where nothing counts.
        low, high = h.min(axis=1), h.max(axis=1)
        series = h @ self._vectors.T  # (S, K)
        damped = moments * self.correlation ** np.arange(moments.shape[-1])

        def output(x: Array, those: Indices) -> Array:
            found = np.einsum("kp,kp->p", orthonormal_hermite(x, order), series.T[:, those])
            return np.clip(found, low[those], high[those])

        def on_nodes(x: Array, weights: Array, h: Array, of: Indices | slice) -> list[Array]:
            """At points (X,), of all atoms or of one each: ``h`` and rows (S, X) or (X,)."""
            density = weights * np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi)
            count_work(20.0 * x.size * order + 50.0 * h.size)
            hermite = orthonormal_hermite(x, damped.shape[-1], density)
            if isinstance(of, slice):
                law, labels, effective = damped @ hermite, y[:, None], y_1[:, None]
            else:
                law = np.einsum("mpk,kp->mp", damped[:, of], hermite)
                labels, effective = y[of], y_1[of]
            rho = loss.residual(h, labels)
            return _rows(rho, effective, law[0] * rho, law[1:])

        everyone = np.arange(y.size)
        x, weights = panels.nodes()
        looked = panels.looked_at()
        seen = np.clip(
            series @ orthonormal_hermite(looked.ravel(), order), low[:, None], high[:, None]
        )
        values = np.stack(at(seen, np.broadcast_to(y[:, None], seen.shape).copy()))
        shape = len(values), y.size, *looked.shape
        cut = cut_panels(panels, values.reshape(shape), lambda x, s: at(output(x, s), y[s]))
        of_nodes = seen.reshape(y.size, *looked.shape)[..., 1:-1].reshape(y.size, -1)
        rows = on_nodes(x, weights, of_nodes, slice(None))
        if cut is not None:
            for row in rows:
                row[np.repeat(cut.panels, panels.order, axis=1)] = 0.0
        between = orthonormal_hermite(x, order).T @ self._vectors  # (X, J)
        found = [row @ between for row in rows]
        if cut is not None:
            x, s = cut.nodes, cut.column
            pieces = on_nodes(x, cut.weights, output(x, s), s)
            between = orthonormal_hermite(x, order).T @ self._vectors
            bounds = np.searchsorted(s, np.append(everyone, y.size))
            for one in everyone[bounds[1:] > bounds[:-1]]:
                some = slice(bounds[one], bounds[one + 1])
                for row, piece in zip(found, pieces, strict=True):
                    row[one] += piece[some] @ between[some]
        return found

    # Labels that vary with z

    def _add_varying(self, total: Array, coefficients: Array) -> None:
        samples = self.samples
        kept, cut = None, self._cut(coefficients)
        if cut is not None:
            assert samples.panels is not None
            kept = ~np.repeat(cut.panels, samples.panels.order, axis=1)
        for some in self._chunks():
            y, y_1 = samples.y[:, some], samples.y_1[:, some]
            z, p = samples.z[:, some], samples.p[:, some]
            on_labels = self.labels.polynomials(y_1.ravel())  # (A, E I)
            h = self._output(coefficients, on_labels, y_1)  # (J, E, I)
            rho = samples.loss.residual(h, np.broadcast_to(y, h.shape))
            hermite = samples.hermite[: len(self._damped), some]
            weights = self._damped.T @ (hermite * samples.weights[some])  # (J, I)
            weighted = weights[:, None] * p * rho
            count_work(h.size * (60.0 + len(total) * (2.0 + 0.2 * len(on_labels))))
            if kept is not None:
                weighted *= kept.reshape(*h.shape[:2], -1)[..., some]
            rows = _rows(rho, y_1, weighted, weighted * z[:, None, None], ready=True)
            for row, sums, power in zip(rows, total, self._powers, strict=True):
                sized = on_labels * self._size(y_1.ravel(), power)
                sums += sized @ row.reshape(len(row), -1).T
        if cut is not None:
            self._add_pieces(total, coefficients, cut)

    def _output(self, coefficients: Array, on_labels: Array, y_1: Array) -> Array:
        h = coefficients.T @ on_labels
        return np.asarray((h * self._size(y_1.ravel(), 1)).reshape(-1, *y_1.shape))

    def _chunks(self) -> Iterator[slice]:
        """Of nodes of ``z``."""
        rows, count = self.samples.y.shape
        size = max(64, _CHUNK // (rows * max(self.shape)))
        return (slice(start, min(start + size, count)) for start in range(0, count, size))

    def _cut(self, coefficients: Array) -> Cut | None:
        """Panels over ``z`` that kinks cut, a column for each node of ``zeta`` and each row."""
        samples = self.samples
        if samples.panels is None:
            return None
        panels, rows = samples.panels, len(samples.y)
        looked = panels.looked_at()
        y = np.ascontiguousarray(samples.labels_at(looked.ravel()[None]))
        y_1 = samples.effective(y)
        h = self._output(coefficients, self.labels.polynomials(y_1.ravel()), y_1)
        values = np.stack(self._switches(h, np.broadcast_to(y, h.shape)))
        values = values.reshape(len(values), -1, *looked.shape)

        def switch_at(z: Array, column: Indices) -> list[Array]:
            y, _, h, _ = self._at(z, column, rows, coefficients)
            return self._switches(h, y)

        return cut_panels(panels, values, switch_at)

    def _switches(self, h: Array, y: Array) -> list[Array]:
        """At whose zeros the residual has a kink, or the effective label."""
        loss = self.samples.loss
        at = switches(loss)
        found = [] if at is None else list(at(h, y))
        if self.y is not None and self.samples.noise.any():  # otherwise edges of panels
            found += [y - kink for kink in loss.label_kinks]
        return found

    def _at(
        self, z: Array, column: Indices, rows: int, coefficients: Array
    ) -> tuple[Array, Array, Array, Array]:
        """At points of columns ``(zeta_j, row)``: ``y, y_1, h`` and polynomials of ``y_1``."""
        j, row = np.divmod(column, rows)
        y = self.samples.labels_at(z[None])[row, np.arange(z.size)]
        y_1 = self.samples.effective(y)
        on_labels = self.labels.polynomials(y_1)
        count_work(z.size * (50.0 + 5.0 * len(on_labels)))
        h = np.einsum("np,np->p", on_labels, coefficients[:, j]) * self._size(y_1, 1)
        return y, y_1, h, on_labels

    def _add_pieces(self, total: Array, coefficients: Array, cut: Cut) -> None:
        samples, z = self.samples, cut.nodes
        rows = len(samples.y)
        j, row = np.divmod(cut.column, rows)
        y, y_1, h, on_labels = self._at(z, cut.column, rows, coefficients)
        rho = samples.loss.residual(h, y)
        density = cut.weights * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
        p = samples.probabilities_at(z[None])[row, np.arange(z.size)]
        # Atoms have been taken care of: their probability is zero at the nodes.
        hermite = orthonormal_hermite(z * samples.direction[0], len(self._damped), density * p)
        weighted = np.einsum("kp,kp->p", hermite, self._damped[:, j]) * rho
        count_work(z.size * 20.0 * len(hermite))
        sums = _rows(rho, y_1, weighted, (weighted * z)[None], ready=True)
        bounds = np.searchsorted(j, np.arange(self.zeta.size + 1))
        for values, into, power in zip(sums, total, self._powers, strict=True):
            sized = on_labels * self._size(y_1, power) * values
            for one in range(self.zeta.size):
                into[:, one] += sized[:, bounds[one] : bounds[one + 1]].sum(axis=1)


def _rows(
    rho: Array, y_1: Array, weighted: Array, along: Array, ready: bool = False
) -> list[Array]:
    """``rho, y_1 rho, rho^2, z_i rho`` times weights, which ``weighted`` has with ``rho``.

    ``along`` is the weights times ``z_i``, or, where that is ready, times ``rho`` as well.
    """
    last = [one if ready else one * rho for one in along]
    return [weighted, y_1 * weighted, weighted * rho, *last]


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
        )

    found = law(fine, nodes, n_zeta)
    coarser = {
        "zeta": CoarserLaw(
            law(fine, nodes, fewer(n_zeta)), found, zetas=between_zetas(n_zeta, fewer(n_zeta))
        ),
        "target": CoarserLaw(law(less, nodes, n_zeta), found),
    }
    if isinstance(nodes, LabelNodes):
        few = _label_nodes(fine, label_scale, fewer(n_labels))
        between = nodes.polynomials(few.nodes).T @ nodes.to_coefficients
        coarser["labels"] = CoarserLaw(law(fine, few, n_zeta), found, labels=between)
    if fewer(noise) < noise:
        less = _samples(problem, c, n_zeta, per_unit, fewer(noise), tail, fine)
        coarser["noise"] = CoarserLaw(law(less, nodes, n_zeta), found)
    return found, coarser


def _label_nodes(samples: _Samples, scale: float, count: int) -> LabelNodes | _FewLabels:
    """Effective labels themselves where they are few, otherwise Chebyshev nodes between them."""
    different = _apart(samples.effective(np.concatenate([samples.atoms, samples.y.ravel()])))
    if different.size <= (_FEW if samples.y.size else count):
        return _FewLabels(different)
    low, high = samples.range
    kinks = [kink for kink in samples.loss.label_kinks if low < kink < high]
    y_1 = samples.effective(np.concatenate([np.linspace(low, high, 2001), kinks]))
    return LabelNodes(float(y_1.min()), float(y_1.max()), scale, count)


def _apart(values: Array) -> Array:
    """In ascending order, those that are equal but for rounding once."""
    values = np.sort(values)
    size = np.abs(values).max(initial=0.0)
    return values[np.diff(values, prepend=-np.inf) > _SAME * size]


def _samples(
    problem: Problem,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    n_noise: int,
    tail: float,
    finer: _Samples | None = None,
) -> _Samples:
    """On nodes of ``z``; of a finer law, whose atoms it has then."""
    r, law, std, target = problem.n_directions, problem.labels, problem.noise_std, problem.target
    kinked = switches(problem.loss) is not None
    half_width = _half_width(problem, tail)
    levels = kinked or bool(problem.loss.label_kinks)
    if std or not levels:
        along = target.kinks_along if law is None else law.kinks_along
        kinks = [list(along(i)) for i in range(r)]
    else:
        kinks = kinks_of_labels(problem.loss, target, law)
    panels = None
    if kinked and r == 1:
        panels = _panels(kinks[0], half_width, nodes_per_unit)
        nodes, weights = panels.nodes()
        weights = weights * np.exp(-(nodes**2) / 2.0) / math.sqrt(2.0 * math.pi)
        z = nodes[None]
    else:
        rule = tensor_rule([gaussian_rule(nodes_per_unit, half_width, one) for one in kinks])
        z, weights = rule.nodes, rule.weights
    norm = float(np.linalg.norm(c.b))
    # Without a linear part zeta is independent of z, and only k = 0 survives.
    degrees = n_zeta if norm > 0 else 1
    direction = c.b / max(norm, 1e-300)
    hermite = orthonormal_hermite(direction @ z, degrees)
    noise = np.zeros(1)
    if law is not None:
        y, p = law.at(z)
    else:
        y, p = np.asarray(target(*z), dtype=float)[None], np.ones((1, weights.size))
        if std:
            x, vectors = hermite_nodes(n_noise)
            noise = std * x
            y, p = y + noise[:, None], np.repeat(vectors[0][:, None] ** 2, weights.size, axis=1)
    count_work(weights.size * (50.0 + 10.0 * degrees + 20.0 * len(y)))
    spread = _NOISE * std
    likely = y[p > 0]
    margin = 0.01 * float(np.ptp(likely))  # the extremes may lie between the nodes
    ends = float(likely.min()), float(likely.max())
    if std:
        ends = ends[0] - float(noise.min()) - spread, ends[1] - float(noise.max()) + spread
    shared = _shared(y, p, kinked and finer is None)
    if finer is not None:
        shared = _apart(np.concatenate([shared, finer.shared]))
    moments, rest = _condensed(z, weights, y, p, hermite, shared)
    if finer is None:
        likely_ones = _not_rare(shared, moments[0, :, 0], tail)
    else:
        likely_ones = np.flatnonzero(np.isin(shared, finer.atoms))
    varies = np.any(rest > 0, axis=1)
    return _Samples(
        problem=problem,
        direction=direction,
        z=z,
        weights=weights,
        y=y[varies] if law is None or not varies.any() else y,
        p=rest[varies] if law is None or not varies.any() else rest,
        hermite=hermite,
        shared=shared,
        atoms=shared[likely_ones],
        moments=moments[:, likely_ones],
        panels=panels if varies.any() else None,
        range=(ends[0] - margin, ends[1] + margin),
        noise=noise[varies] if law is None else noise,
    )


def _panels(kinks: list[float], half_width: float, nodes_per_unit: float) -> Panels:
    edges = [-half_width]
    for kink in [*(k for k in sorted(set(kinks)) if abs(k) < half_width), half_width]:
        pieces = max(1, math.ceil((kink - edges[-1]) / _WIDEST))
        edges.extend(np.linspace(edges[-1], kink, pieces + 1)[1:].tolist())
    return Panels(np.array(edges), max(4, math.ceil(_WIDEST * nodes_per_unit)))


def _half_width(problem: Problem, tail: float) -> float:
    """Where labels, and effective labels, of the tail are negligible."""
    loss, law, target = problem.loss, problem.labels, problem.target

    def size(*z: Array) -> Array:
        shape = np.shape(z[0])
        points = np.stack([np.ravel(one) for one in z])
        if law is None:
            y = np.asarray(target(*points), dtype=float)[None]
            p = np.ones_like(y)
        else:
            y, p = law.at(points)
        largest = np.maximum(np.abs(y), np.abs(loss.residual(np.zeros_like(y), y)))
        return np.asarray(np.sqrt((p * largest**2).sum(axis=0)).reshape(shape))

    return negligible_beyond(size, problem.n_directions, tail)


def _shared(y: Array, p: Array, kinked: bool) -> Array:
    """Labels that many points share: of rows that do not vary, and on plateaus where it matters."""
    constant = np.ptp(y, axis=1) == 0
    found = y[constant, 0]
    rest = np.where(constant[:, None] | (p <= 0), np.nan, y)
    if kinked and not constant.all():
        values = np.sort(rest[np.isfinite(rest)])
        starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)
        counts = np.diff(np.append(starts, values.size))
        often = values[starts][counts >= _SHARED]
        if often.size <= _MOST_SHARED:
            found = np.concatenate([found, often])
    return _apart(found)


def _condensed(
    z: Array, weights: Array, y: Array, p: Array, hermite: Array, atoms: Array
) -> tuple[Array, Array]:
    """Moments of the atoms, and the probabilities that are left to others."""
    factors = np.concatenate([np.ones((1, weights.size)), z]) * weights  # (1 + r, I)
    moments = np.zeros((len(factors), atoms.size, len(hermite)))
    rest = p.copy()
    for number, atom in enumerate(atoms):
        here: Bools = np.abs(y - atom) <= _SAME * max(1.0, abs(atom))
        mass = np.where(here, p, 0.0).sum(axis=0)
        rest[here] = 0.0
        moments[:, number] = (factors * mass) @ hermite.T
    count_work(atoms.size * hermite.size * 0.5 * len(factors) + 2.0 * atoms.size * y.size)
    return moments, rest


def _not_rare(atoms: Array, mass: Array, tail: float) -> Indices:
    """The atoms that count in ``E[1 + y^2 / E y^2]``."""
    share = mass * (1.0 + atoms**2 / max(float(mass @ atoms**2), 1e-300))
    order = np.argsort(share, kind="stable")
    dropped = int(np.searchsorted(np.cumsum(share[order]), tail * share.sum()))
    return np.sort(order[dropped:])
