"""Joint law of the label ``y``, the index ``z`` and ``zeta = <beta_1, x>``, as quadrature weights.

``(z, zeta)`` is Gaussian with ``Cov = [[I_r, b], [b^T, B]]``. What the theory integrates depends on
the data through ``(y, zeta)`` alone, times powers of ``z`` and ``y`` up to the second. So the whole
law is condensed into weights on a few points: with ``he_k`` the orthonormal Hermite polynomials,
``z_b = b.z/|b|`` and ``rho = |b| / sqrt(B)``, Mehler's formula gives

    E[m(z) he_k(zeta / sqrt B)] = rho^k E[m(z) he_k(z_b)],

and the ``r``-dimensional integral over ``z`` is done once, whatever is integrated afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.budget import count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import (
    NEGLIGIBLE,
    GaussianRule,
    gaussian_rule,
    negligible_beyond,
    tensor_rule,
)
from rmt.spikes.constants import Constants
from rmt.spikes.refinement import COARSENING

__all__ = [
    "CoarserLaw",
    "LabelLaw",
    "LabelNodes",
    "Laws",
    "WeightedLaw",
    "between_zetas",
    "correlation",
    "fewer",
    "hermite_nodes",
    "independent_law",
    "joint_law",
    "significant",
    "zeta_nodes",
]


_CHUNK = 1 << 21  # entries of a temporary array
_STRETCH = 0.98


class WeightedLaw(Protocol):
    """Weights on ``P`` points, pairs of a label and of ``zeta``: `LabelLaw`, `ResidualLaw`."""

    @property
    def zeta(self) -> Array:
        """The different ``zeta``, shape (J,)."""

    @property
    def y(self) -> Array | None:
        """The different labels, shape (A,); None where they do not matter."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(A, J)``, (1, J) without labels."""

    def residuals(self, h: Array) -> Array:
        """Weights of ``rho, y rho, rho^2, z_i rho``, the residual at output ``h``; (3 + r, P)."""


@dataclass(frozen=True, slots=True)
class LabelLaw:
    """Weights on ``P`` points such that ``E[F m] ~ sum_p weights[m, p] F(point p)``.

    For residuals that are affine, ``y + q h``, as those of the squared loss are.

    Attributes
    ----------
    zeta : array, shape (J,)
        The significant ones of the Gauss-Hermite nodes of ``N(0, B)``.
    y : array, shape (A,), or None
        Label nodes; the points are then the pairs ``(y_a, zeta_j)`` and ``P = A J``. None when
        ``F`` depends on ``zeta`` alone, ``P = J``.
    weights : array, shape (3 + 2 r, P)
        Of ``m = 1, y, y^2, z_i, z_i y``.
    answer : float
        ``q``.
    """

    zeta: Array
    y: Array | None
    weights: Array
    answer: float = -1.0

    @property
    def shape(self) -> tuple[int, int]:
        return 1 if self.y is None else self.y.size, self.zeta.size

    def residuals(self, h: Array) -> Array:
        """Weights of ``rho, y rho, rho^2, z_i rho``, the residual at output ``h``; (3 + r, P)."""
        (one, y1, y2), qh = self.weights[:3], self.answer * h
        z1, zy = np.split(self.weights[3:], 2)
        rho = [y1 + qh * one, y2 + qh * y1, y2 + 2.0 * qh * y1 + qh**2 * one]
        return np.concatenate([np.stack(rho), zy + qh * z1])


@dataclass(frozen=True, slots=True)
class CoarserLaw:
    """A law with fewer nodes, and what interpolates between those of a finer one to its own.

    What depends on ``(y, zeta)`` need not be evaluated again to see how well the nodes resolve it.
    """

    law: WeightedLaw
    finer: WeightedLaw
    labels: Array | None = None
    zetas: Array | None = None

    def values(self, given: Array) -> Array:
        """Values at the points of this law from those of the finer one; the last axis."""
        pairs = given.reshape(*given.shape[:-1], *self.finer.shape)
        if self.labels is not None:
            pairs = self.labels @ pairs
        if self.zetas is not None:
            # In the tails polynomials explode: no further off than the neighbours are apart.
            after = np.searchsorted(self.finer.zeta, self.law.zeta)
            after = np.clip(after, 2, self.finer.zeta.size - 2)
            near = [pairs[..., after + k] for k in (-2, -1, 0, 1)]
            low, high = np.minimum.reduce(near), np.maximum.reduce(near)
            pairs = np.clip(pairs @ self.zetas.T, 2.0 * low - high, 2.0 * high - low)
        return np.asarray(pairs).reshape(*given.shape[:-1], -1)


Laws = tuple[WeightedLaw, dict[str, CoarserLaw]]
"""A law, and those coarser in ``labels``, ``zeta`` or the rule over the ``target``'s ``z``."""


@cached(64)
def hermite_nodes(order: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes of ``N(0, 1)`` and the orthogonal ``V[k, j] = he_k(x_j) sqrt(w_j)``."""
    nodes = scipy.linalg.eigvalsh_tridiagonal(np.zeros(order), np.sqrt(np.arange(1.0, order)))
    nodes = (nodes - nodes[::-1]) / 2.0
    # The recurrence is accurate at the outermost nodes, where eigenvectors have lost all digits;
    # the factor keeps it from overflowing there.
    vectors = orthonormal_hermite(nodes, order, np.exp(-(nodes**2) / 4.0))
    # Beyond 54 the factor is zero, and so is the weight of a node.
    vectors /= np.maximum(np.linalg.norm(vectors, axis=0), 1e-300)
    nodes.flags.writeable = vectors.flags.writeable = False
    return nodes, vectors


@cached(64)
def significant(order: int) -> slice:
    """The Gauss-Hermite nodes whose weight exceeds 1e-17.

    Beyond them (|zeta| > 8 sqrt B) nothing contributes, and truncated Hermite series explode.
    """
    kept = np.flatnonzero(hermite_nodes(order)[1][0] ** 2 > 1e-17)
    return slice(int(kept[0]), int(kept[-1]) + 1)


def mehler_weights(coefficients: Array, correlation: float) -> Array:
    """Weights on the significant nodes from ``E[m he_k(z_b)]``, ``k`` the last axis."""
    order = coefficients.shape[-1]
    vectors = hermite_nodes(order)[1][:, significant(order)]
    damped = coefficients * correlation ** np.arange(order)
    return np.asarray(vectors[0] * (damped @ vectors))


def independent_law(
    target: ScalarFunction,
    noise_std: float,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    tail: float = NEGLIGIBLE,
    answer: float = -1.0,
) -> Laws:
    """Law for functions of ``zeta`` alone (a fresh second batch), on ``n_zeta`` nodes.

    The residual is ``y + answer h``. What is beyond ``tail``, relative to the largest, is left out.
    """

    def law(zetas: int, moments: Array) -> LabelLaw:
        weights = mehler_weights(moments[:, 0, :zetas], correlation(c))
        weights[2] += noise_std**2 * weights[0]
        return LabelLaw(zeta_nodes(c, zetas), None, weights, answer)

    fine, coarse = (
        _moments(target, c, n_zeta, nodes, tail, lambda f: np.ones((1, f.size)))
        for nodes in (nodes_per_unit, COARSENING * nodes_per_unit)
    )
    found, few = law(n_zeta, fine), fewer(n_zeta)
    return found, {
        "zeta": CoarserLaw(law(few, fine), found, zetas=between_zetas(n_zeta, few)),
        "target": CoarserLaw(law(n_zeta, coarse), found),
    }


def joint_law(
    target: ScalarFunction,
    noise_std: float,
    c: Constants,
    label_scale: float,
    n_labels: int,
    n_zeta: int,
    nodes_per_unit: float,
    tail: float = NEGLIGIBLE,
    answer: float = -1.0,
) -> Laws:
    """Law for functions of ``(y, zeta)`` (the first batch reused); the residual ``y + answer h``.

    Functions of ``y`` are interpolated by Chebyshev polynomials in ``asinh(y / label_scale)``:
    labels of an unbounded target spread over decades, and beyond the scale at which they move a
    pre-activation by O(1) what is integrated varies with their logarithm. It is divided by its
    growth, so that it stays bounded and loses no digits: with ``sigma' ~ y^s``, ``Phi_t`` grows
    like that and ``h`` like ``y^(s+1)``, so of ``(y - h)^2 Phi_t^2`` the factor of ``y^k`` grows
    like ``y^(2s + (2-k)(s+1))``. A bound above that loses digits: what large labels add to it, and
    the division takes away again, is far more than the result.
    """
    r = target.n_variables
    low, high = _label_range(target, tail)
    noise = 8.0 * noise_std
    s = c.slope_growth
    # Of 1 + (y / label_scale)^2, for the factors of 1, y and y^2.
    powers = [s + (2 - k) * (s + 1) / 2.0 if s else 0.0 for k in range(3)]
    degrees = [0, 1, 2, *[0] * r, *[1] * r]

    def bound(y: Array, k: int) -> Array:
        return np.asarray((1.0 + (y / label_scale) ** 2) ** powers[k])

    def noisy(count: int) -> LabelNodes:
        return LabelNodes(low - noise, high + noise, label_scale, count)

    def law(labels: int, zetas: int, moments: Array) -> LabelLaw:
        clean = nodes = LabelNodes(low, high, label_scale, labels)
        weights = mehler_weights(moments[:, : clean.count, :zetas], correlation(c))
        weights = np.einsum("na,mnj->maj", clean.to_coefficients, weights)
        weights /= np.stack([bound(clean.nodes, k) for k in degrees])[:, :, None]
        if noise_std > 0:
            nodes = noisy(labels)
            rule = gaussian_rule(max(4.0, labels / 8.0), 8.0)
            eps = noise_std * rule.nodes[0]
            y = clean.nodes[:, None] + eps
            # E[eps^j; ..] from clean to noisy nodes, for the factor of y^k: (k, j).
            pairs = [(k, j) for k in range(3) for j in range(k + 1)]
            scaled = [rule.weights * bound(y, k) * eps**j for k, j in pairs]
            spread = nodes.averaged_cardinals(y, np.stack(scaled))
            e = {
                (k, j): cardinals / bound(nodes.nodes, k)[:, None]
                for (k, j), cardinals in zip(pairs, spread, strict=True)
            }
            one, y1, y2 = weights[:3]
            z1, zy = weights[3 : 3 + r], weights[3 + r :]
            # y = f + eps: every power of y is expanded in f and eps.
            y2 = e[2, 0] @ y2 + 2.0 * e[2, 1] @ y1 + e[2, 2] @ one
            y1, one = e[1, 0] @ y1 + e[1, 1] @ one, e[0, 0] @ one
            zy, z1 = e[1, 0] @ zy + e[1, 1] @ z1, e[0, 0] @ z1
            weights = np.concatenate([np.stack([one, y1, y2]), z1, zy])
        points = weights.reshape(len(weights), -1)
        return LabelLaw(zeta_nodes(c, zetas), nodes.nodes, points, answer)

    basis = LabelNodes(low, high, label_scale, n_labels).polynomials
    fine, coarse = (
        _moments(target, c, n_zeta, nodes, tail, basis, bound)
        for nodes in (nodes_per_unit, COARSENING * nodes_per_unit)
    )
    found = law(n_labels, n_zeta, fine)
    coarser, nodes = law(fewer(n_labels), n_zeta, fine), noisy(n_labels)
    between_labels = nodes.polynomials(noisy(fewer(n_labels)).nodes).T @ nodes.to_coefficients
    of_zetas = between_zetas(n_zeta, fewer(n_zeta))
    return found, {
        "labels": CoarserLaw(coarser, found, labels=between_labels),
        "zeta": CoarserLaw(law(n_labels, fewer(n_zeta), fine), found, zetas=of_zetas),
        "target": CoarserLaw(law(n_labels, n_zeta, coarse), found),
    }


def fewer(count: int) -> int:
    """Of nodes, in a coarser law."""
    return max(1, round(COARSENING * count))


def zeta_nodes(c: Constants, order: int) -> Array:
    """The significant ones of ``N(0, B)``."""
    return np.asarray(hermite_nodes(order)[0][significant(order)] * math.sqrt(c.B))


def between_zetas(order: int, few: int) -> Array:
    """Interpolation weights at the significant ones of fewer nodes; shape (few, order)."""
    vectors = hermite_nodes(order)[1][:, significant(order)]
    values = orthonormal_hermite(hermite_nodes(few)[0][significant(few)], order)
    return np.asarray(values.T @ (vectors * vectors[0]))


def correlation(c: Constants) -> float:
    """Of ``zeta`` with ``b.z``."""
    return float(np.linalg.norm(c.b)) / math.sqrt(c.B)


class LabelNodes:
    """Interpolation nodes between two labels, and the polynomials behind them.

    Values at the ``nodes`` become coefficients by the matrix ``to_coefficients``. Chebyshev nodes
    ``x = cos(angle)`` are mapped by ``p = arcsin(STRETCH x) / arcsin(STRETCH)``, which spaces them
    almost evenly (Kosloff & Tal-Ezer 1993); ``p`` runs over ``asinh(y / scale)``.
    """

    def __init__(self, low: float, high: float, scale: float, count: int) -> None:
        self.scale = scale
        ends = math.asinh(low / scale), math.asinh(high / scale)
        self.centre, self.half = (ends[0] + ends[1]) / 2.0, (ends[1] - ends[0]) / 2.0
        self.count = count if self.half > 1e-14 * max(1.0, abs(self.centre)) else 1
        angles = (np.arange(self.count) + 0.5) * math.pi / self.count
        p = np.arcsin(_STRETCH * np.cos(angles)) / math.asin(_STRETCH)
        self.nodes = scale * np.sinh(self.centre + self.half * p)
        # Discrete orthogonality: Chebyshev coefficient n is to_coefficients[n] @ nodal values.
        self.to_coefficients = np.cos(np.outer(np.arange(self.count), angles)) * (2.0 / self.count)
        self.to_coefficients[0] /= 2.0

    def _place(self, y: Array) -> Array:
        """``x(y)``."""
        p = np.clip((np.arcsinh(y / self.scale) - self.centre) / self.half, -1.0, 1.0)
        return np.asarray(np.sin(math.asin(_STRETCH) * p) / _STRETCH)

    def polynomials(self, y: Array) -> Array:
        """``T_n(x(y))``, shape (count, *y.shape)."""
        values = np.empty((self.count, *y.shape))
        values[0] = 1.0
        if self.count > 1:
            x = self._place(y)
            values[1] = x
            x = 2.0 * x
            for n in range(2, self.count):
                np.multiply(x, values[n - 1], out=values[n])
                values[n] -= values[n - 2]
        return values

    def averaged_cardinals(self, y: Array, weights: Array) -> Array:
        """Interpolation weights of every node at ``y``, summed over the last axis of ``y``.

        For ``y`` of shape (C, E) and ``weights`` that broadcast to (K, C, E) the result has the
        shape (K, count, C). One polynomial is in memory at a time.
        """
        sums = np.empty((self.count, weights.shape[0], y.shape[0]))
        previous = current = np.ones_like(y)
        x = self._place(y) if self.count > 1 else y
        for n in range(self.count):
            count_work(20.0 * y.size)
            if n == 1:
                current = x
            elif n > 1:
                previous, current = current, 2.0 * x * current - previous
            sums[n] = (weights * current).sum(axis=-1)
        return np.asarray(np.einsum("na,nkc->kac", self.to_coefficients, sums, optimize=True))


def _moments(
    target: ScalarFunction,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    tail: float,
    basis: Callable[[Array], Array],
    bound: Callable[[Array, int], Array] = lambda f, k: np.ones_like(f),
) -> Array:
    """``E[m bound T_n(f) he_k(z_b)]`` for ``m = 1, f, f^2, z_i, z_i f``, shape (3 + 2r, n, k)."""
    r = target.n_variables
    rule = _target_rule(target, _half_width(target, tail), nodes_per_unit)
    norm = float(np.linalg.norm(c.b))
    # Without a linear part zeta is independent of z, and only k = 0 survives.
    degrees = n_zeta if norm > 0 else 1
    total = np.zeros((3 + 2 * r, len(basis(np.zeros(1))), n_zeta))
    chunk = max(1, _CHUNK // (2 * n_zeta + degrees))
    for start in range(0, rule.weights.size, chunk):
        z = rule.nodes[:, start : start + chunk]
        f = target(*z)
        polynomials = basis(f)
        products = (3 + 2 * r) * degrees * (2.0 + 0.2 * len(polynomials))
        count_work(z.shape[1] * (50.0 + 10.0 * degrees + products))
        hermite = orthonormal_hermite(
            c.b @ z / max(norm, 1e-300), degrees, rule.weights[start : start + chunk]
        )
        powers = [f**k * bound(f, k) for k in range(3)]
        factors = [*powers, *(zi * powers[k] for k in range(2) for zi in z)]
        for sum_, factor in zip(total, factors, strict=True):
            sum_[:, :degrees] += polynomials @ (factor * hermite).T
    return total


def _target_rule(target: ScalarFunction, half_width: float, nodes_per_unit: float) -> GaussianRule:
    small = target.n_variables == 1
    return (_kept_rule if small else _new_rule)(target, half_width, nodes_per_unit)


def _new_rule(target: ScalarFunction, half_width: float, nodes_per_unit: float) -> GaussianRule:
    r = target.n_variables
    kinks = [target.kinks] if r == 1 else [target.kinks_along(i) for i in range(r)]
    return tensor_rule([gaussian_rule(nodes_per_unit, half_width, k) for k in kinks])


_kept_rule = cached(32)(_new_rule)


@cached(256)
def _half_width(target: ScalarFunction, tail: float) -> float:
    return negligible_beyond(target, target.n_variables, tail)


@cached(256)
def _label_range(target: ScalarFunction, tail: float) -> tuple[float, float]:
    """Least and greatest noise-free label, but for those of negligible weight, with a margin."""
    half_width = _half_width(target, tail)
    rule = _target_rule(target, half_width, {1: 16.0, 2: 5.0}.get(target.n_variables, 3.0))
    values = target(*rule.nodes)
    low, high = float(values.min()), float(values.max())
    margin = 0.01 * (high - low)  # the extremes may lie between the nodes
    return low - margin, high + margin
