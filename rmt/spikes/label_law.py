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

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.budget import count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import GaussianRule, gaussian_rule, negligible_beyond, tensor_rule
from rmt.spikes.constants import Constants

__all__ = [
    "LabelLaw",
    "hermite_nodes",
    "independent_law",
    "joint_law",
    "significant",
]


_CHUNK = 1 << 21  # entries of a temporary array
_STRETCH = 0.98


@dataclass(frozen=True, slots=True)
class LabelLaw:
    """Weights on ``P`` points such that ``E[F m] ~ sum_p m_weights[p] F(point p)``.

    Attributes
    ----------
    zeta : array, shape (J,)
        The significant ones of the Gauss-Hermite nodes of ``N(0, B)``.
    n_hermite : int
        Number of all those nodes, and of the Hermite polynomials behind the weights.
    y : array, shape (A,), or None
        Label nodes; the points are then the pairs ``(y_a, zeta_j)`` and ``P = A J``. None when
        ``F`` depends on ``zeta`` alone, ``P = J``.
    one, y1, y2 : array, shape (P,)
        Weights of ``m = 1, y, y^2``.
    z1, zy : array, shape (r, P)
        Weights of ``m = z_i`` and ``z_i y``.
    """

    zeta: Array
    n_hermite: int
    y: Array | None
    one: Array
    y1: Array
    y2: Array
    z1: Array
    zy: Array


@cached(64)
def hermite_nodes(order: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes of ``N(0, 1)`` and the orthogonal ``V[k, j] = he_k(x_j) sqrt(w_j)``."""
    nodes = scipy.linalg.eigvalsh_tridiagonal(np.zeros(order), np.sqrt(np.arange(1.0, order)))
    nodes = (nodes - nodes[::-1]) / 2.0
    # The recurrence is accurate at the outermost nodes, where eigenvectors have lost all digits;
    # the factor keeps it from overflowing there.
    vectors = orthonormal_hermite(nodes, order, np.exp(-(nodes**2) / 4.0))
    vectors /= np.linalg.norm(vectors, axis=0)
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
    target: ScalarFunction, noise_std: float, c: Constants, n_zeta: int, nodes_per_unit: float
) -> LabelLaw:
    """Law for functions of ``zeta`` alone (a fresh second batch), on ``n_zeta`` nodes."""

    def monomials(z: Array) -> Array:
        f = target(*z)
        return np.stack([np.ones_like(f), f, f * f, *z, *(zi * f for zi in z)])

    r = target.n_variables
    weights = _project(target, c, n_zeta, nodes_per_unit, monomials, 3 + 2 * r)
    one, y1, y2 = weights[:3]
    return LabelLaw(
        zeta=hermite_nodes(n_zeta)[0][significant(n_zeta)] * math.sqrt(c.B),
        n_hermite=n_zeta,
        y=None,
        one=one,
        y1=y1,
        y2=y2 + noise_std**2 * one,
        z1=weights[3 : 3 + r],
        zy=weights[3 + r :],
    )


def joint_law(
    target: ScalarFunction,
    noise_std: float,
    c: Constants,
    label_scale: float,
    n_labels: int,
    n_zeta: int,
    nodes_per_unit: float,
) -> LabelLaw:
    """Law for functions of ``(y, zeta)`` (the first batch reused).

    Functions of ``y`` are interpolated by Chebyshev polynomials in ``asinh(y / label_scale)``:
    labels of an unbounded target spread over decades, and beyond the scale at which they move a
    pre-activation by O(1) what is integrated varies with their logarithm. It is divided by its
    growth, so that it stays bounded and loses no digits: with ``sigma' ~ y^s``, ``Phi_t`` grows
    like that and ``h`` like ``y^(s+1)``, so of ``(y - h)^2 Phi_t^2`` the factor of ``y^k`` grows
    like ``y^(2s + (2-k)(s+1))``. A bound above that loses digits: what large labels add to it, and
    the division takes away again, is far more than the result.
    """
    r = target.n_variables
    low, high = _label_range(target)
    clean = nodes = _LabelNodes(low, high, label_scale, n_labels)
    s = c.slope_growth
    # Of 1 + (y / label_scale)^2, for the factors of 1, y and y^2.
    powers = [s + (2 - k) * (s + 1) / 2.0 if s else 0.0 for k in range(3)]

    def bound(y: Array, k: int) -> Array:
        return np.asarray((1.0 + (y / label_scale) ** 2) ** powers[k])

    def monomials(z: Array) -> Array:
        f = target(*z)
        basis = clean.polynomials(f)
        factors = [f**k * bound(f, k) for k in range(3)]
        factors += [zi * factors[k] for k in range(2) for zi in z]
        return np.concatenate([factor * basis for factor in factors])

    moments = _project(target, c, n_zeta, nodes_per_unit, monomials, (3 + 2 * r) * clean.count)
    moments = moments.reshape(3 + 2 * r, clean.count, -1)
    weights = np.einsum("na,mnj->maj", clean.to_coefficients, moments)
    for m, k in enumerate([0, 1, 2, *[0] * r, *[1] * r]):
        weights[m] /= bound(clean.nodes, k)[:, None]
    one, y1, y2, z1, zy = weights[0], weights[1], weights[2], weights[3 : 3 + r], weights[3 + r :]
    if noise_std > 0:
        nodes = _LabelNodes(low - 8.0 * noise_std, high + 8.0 * noise_std, label_scale, n_labels)
        rule = gaussian_rule(max(4.0, n_labels / 8.0), 8.0)
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
        # y = f + eps: every power of y is expanded in f and eps.
        y2 = e[2, 0] @ y2 + 2.0 * e[2, 1] @ y1 + e[2, 2] @ one
        y1, one = e[1, 0] @ y1 + e[1, 1] @ one, e[0, 0] @ one
        zy, z1 = e[1, 0] @ zy + e[1, 1] @ z1, e[0, 0] @ z1
    return LabelLaw(
        zeta=hermite_nodes(n_zeta)[0][significant(n_zeta)] * math.sqrt(c.B),
        n_hermite=n_zeta,
        y=nodes.nodes,
        one=one.ravel(),
        y1=y1.ravel(),
        y2=y2.ravel(),
        z1=z1.reshape(r, -1),
        zy=zy.reshape(r, -1),
    )


class _LabelNodes:
    """Interpolation nodes between two labels, and the polynomials behind them.

    Chebyshev nodes ``x = cos(angle)`` are mapped by ``p = arcsin(STRETCH x) / arcsin(STRETCH)``,
    which spaces them almost evenly (Kosloff & Tal-Ezer 1993); ``p`` runs over ``asinh(y / scale)``.
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
            count_work(10.0 * y.size)
            if n == 1:
                current = x
            elif n > 1:
                previous, current = current, 2.0 * x * current - previous
            sums[n] = (weights * current).sum(axis=-1)
        return np.asarray(np.einsum("na,nkc->kac", self.to_coefficients, sums, optimize=True))


def _project(
    target: ScalarFunction,
    c: Constants,
    n_zeta: int,
    nodes_per_unit: float,
    monomials: Callable[[Array], Array],
    n_monomials: int,
) -> Array:
    """Weights on the ``zeta`` nodes of every monomial, shape (n_monomials, n_zeta)."""
    rule = _target_rule(target, c.target_half_width, nodes_per_unit)
    norm = float(np.linalg.norm(c.b))
    # Without a linear part zeta is independent of z, and only k = 0 survives.
    degrees = n_zeta if norm > 0 else 1
    coefficients = np.zeros((n_monomials, n_zeta))
    chunk = max(1, _CHUNK // (n_monomials + degrees))
    for start in range(0, rule.weights.size, chunk):
        z = rule.nodes[:, start : start + chunk]
        count_work(z.shape[1] * n_monomials * (4.0 + 0.5 * degrees))
        hermite = orthonormal_hermite(
            c.b @ z / max(norm, 1e-300), degrees, rule.weights[start : start + chunk]
        )
        coefficients[:, :degrees] += monomials(z) @ hermite.T
    return mehler_weights(coefficients, norm / math.sqrt(c.B))


def _target_rule(target: ScalarFunction, half_width: float, nodes_per_unit: float) -> GaussianRule:
    small = target.n_variables == 1
    return (_kept_rule if small else _new_rule)(target, half_width, nodes_per_unit)


def _new_rule(target: ScalarFunction, half_width: float, nodes_per_unit: float) -> GaussianRule:
    r = target.n_variables
    kinks = [target.kinks] if r == 1 else [target.kinks_along(i) for i in range(r)]
    return tensor_rule([gaussian_rule(nodes_per_unit, half_width, k) for k in kinks])


_kept_rule = cached(32)(_new_rule)


@cached(256)
def _label_range(target: ScalarFunction) -> tuple[float, float]:
    """Least and greatest noise-free label, but for those of negligible weight, with a margin."""
    half_width = negligible_beyond(target, target.n_variables, 1e-17)
    rule = _target_rule(target, half_width, {1: 16.0, 2: 5.0}.get(target.n_variables, 3.0))
    values = target(*rule.nodes)
    low, high = float(values.min()), float(values.max())
    margin = 0.01 * (high - low)  # the extremes may lie between the nodes
    return low - margin, high + margin
