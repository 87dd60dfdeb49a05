"""The Dyson equation of the deformed bulk in the unknowns that it has.

The pencil of `rmt.spikes.deformed.bulk` has one diagonal entry on a row, a small matrix ``M_d``
on the slots ``(u, q, lambda)`` of dimension d, and a pair ``(v, lambda)`` on a sample. Unknowns are

    rho_q = M_r(g_q),        f = M_d between u and the multipliers lambda_m of each batch.

With ``F`` the part of ``f`` between multipliers, on a sample

    S_vv = phi r^T F r + gamma phi sum_q w_q V rho_q,   S_vl = phi r.f_u = 1 - c,   S_ll = phi f_uu
    (M_vv, M_vl, M_ll) = -(S_ll, c, S_vv) / (S_vv S_ll - c^2)

and, with ``l`` the base on ``u``, the equation is

    H = A(z) - gamma sum_q w_q rho_q l l^T                          on (u, q)
             - sum_p om_p (M_ll, r M_vl, r r^T M_vv)                on (u, lambda)
    rho_q = -1 / (1 + l^T H^{-1} l + sum_p om_p V M_vv),        f = H^{-1} on (u, lambda).

What multiplies an unknown in the sums over samples is a *feature* of the sample (a row of ``V``,
``r_m r_m'``, ``r_m``, 1), and the same features make its equation: the Jacobian is a Gram matrix of
features. All arrays have a leading axis of points ``z``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools, Indices
from rmt.newton import newton

__all__ = ["BatchTerms", "Direction", "Equation", "State"]

Values = NDArray[Any]  # real or complex

NEWTON_STEPS = 30
SETTLED = 1e-11  # the last step, relative: Newton's method has doubled the digits
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True, eq=False)
class BatchTerms:
    """``L = sum_m l_m(a) r_m(y, zeta)`` and ``V`` of one batch.

    Attributes
    ----------
    weights : array, shape (P,)
        Of the samples.
    left, right : array, shape (M, Q) and (M, P)
        ``l_m`` and ``r_m``.
    variance : array, shape (Q, P)
        ``V``.
    sample_ratio : float
        ``phi = d / n``.
    """

    weights: Array
    left: Array
    right: Array
    variance: Array
    sample_ratio: float


class _Samples:
    """Features of the samples of a batch, and where their unknowns are."""

    def __init__(self, batch: BatchTerms, scale: Array, first: int) -> None:
        """``scale`` is ``gamma w``; ``first`` is the unknown ``f_{u lambda_1}`` of the batch."""
        rows, m = scale.size, len(batch.right)
        i, j = np.triu_indices(m)
        self.weights, self.right = batch.weights, batch.right
        self.vv = np.concatenate([batch.variance, batch.right[i] * batch.right[j]])
        pairs = first + m + np.arange(i.size)
        self.at_vv = np.concatenate([np.arange(rows), pairs])
        self.at_vl = first + np.arange(m)
        self.at = np.concatenate([self.at_vv, self.at_vl, [rows]])
        phi = batch.sample_ratio
        self.c_vv = phi * np.concatenate([scale, np.where(i == j, 1.0, 2.0)])
        self.phi = phi
        self.coefficients = np.concatenate([self.c_vv, np.full(m + 1, phi)])

    def energy(self, x: Values, uu: int) -> tuple[Values, Values, Values]:
        """``S_vv, S_vl`` of shape (points, P), ``S_ll`` of shape (points, 1)."""
        s_vv = _times_real(self.c_vv * x[:, self.at_vv], self.vv)
        s_vl = self.phi * _times_real(x[:, self.at_vl], self.right)
        return s_vv, s_vl, self.phi * x[:, uu, None]

    def sums(self, m: Values) -> Values:
        """Weighted sums of features times ``(M_vv, M_vl, M_ll)``, in the order of ``at``."""
        vv, vl, ll = m * self.weights
        return np.concatenate(
            [
                _times_real(vv, self.vv.T),
                _times_real(vl, self.right.T),
                ll.sum(axis=1, keepdims=True),
            ],
            axis=1,
        )

    def gram(self, m: Values) -> Values:
        """Derivatives of the `sums` by the unknowns, in the order of ``at`` both."""
        vv, vl, ll = m
        w = self.weights
        count, rest = len(self.vv), len(self.right)
        result = np.empty((len(vv), count + rest + 1, count + rest + 1), dtype=vv.dtype)
        a, b, c = slice(count), slice(count, count + rest), -1
        crossed, squared = w * vv * vl, w * vl * vl
        if np.isrealobj(vv):  # a product with its own transpose takes half of the time
            root = np.sqrt(w)
            rows = self.vv * (root * vv)[:, None], self.right * (root * vl)[:, None]
            both = np.concatenate(rows, axis=1)
            both = both @ both.swapaxes(1, 2)
            result[:, a, a], half = both[:, a, a], both[:, b, a]
            rest_squared = both[:, b, b] + _weighted(self.right, w * vv * ll, self.right)
        else:
            result[:, a, a] = _weighted(self.vv, w * vv * vv, self.vv)
            half = _weighted(self.right, crossed, self.vv)
            rest_squared = _weighted(self.right, w * vv * ll + squared, self.right)
        result[:, b, a], result[:, a, b] = half, 2.0 * half.swapaxes(1, 2)
        result[:, b, b] = rest_squared
        result[:, a, c] = result[:, c, a] = _times_real(squared, self.vv.T)
        last = _times_real(w * vl * ll, self.right.T)
        result[:, b, c], result[:, c, b] = last, 2.0 * last
        result[:, c, c] = (w * ll * ll).sum(axis=1)
        result *= self.coefficients
        return result


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One evaluation of the equation at points.

    Attributes
    ----------
    z : array, shape (points,)
    x, image : array, shape (points, n)
        The unknowns, and what the equation makes of them.
    inner : array, shape (points, k, k)
        ``M_d`` on all slots of dimension d.
    across : array, shape (points, k, Q)
        ``M_d l(g_q)``.
    energies, samples : list of array, shape (3, points, P)
        ``(S_vv, c, S_ll)`` and ``(M_vv, M_vl, M_ll)`` of each batch.
    """

    z: Values
    x: Values
    image: Values
    inner: Values
    across: Values
    energies: list[Values]
    samples: list[Values]

    @property
    def defect(self) -> Values:
        """What the equation does not agree with."""
        return self.image - self.x


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """Derivatives along a line in the unknowns and ``z``.

    Attributes
    ----------
    image : array, shape (points, n)
        Of the equation.
    inner : array, shape (points, k, k)
        Of ``M_d``.
    energies, samples : list of array, shape (3, points, P)
        Of ``(S_vv, c, S_ll)`` and ``(M_vv, M_vl, M_ll)``.
    source : array, shape (points, k, k)
        Of the self-energy of ``M_d``, with that of ``A``.
    """

    image: Values
    inner: Values
    energies: list[Values]
    samples: list[Values]
    source: Values


class Equation:
    """The equation of one bulk.

    Parameters
    ----------
    aspect_ratio : float
        ``gamma = N / d``.
    weights : array, shape (Q,)
        Of the readout's nodes.
    batches : sequence of BatchTerms
    base : array, shape (Q,), optional
        What the initial weights are multiplied with; 1 by default.
    """

    def __init__(
        self,
        aspect_ratio: float,
        weights: Array,
        batches: Sequence[BatchTerms],
        base: Array | None = None,
    ) -> None:
        self.aspect_ratio, self.weights, self.batches = aspect_ratio, weights, tuple(batches)
        rows = self.rows = weights.size
        self._scale = aspect_ratio * weights
        size = 1 + 2 * sum(len(one.right) for one in batches)
        self.left = np.zeros((size, rows))
        self.left[0] = self.base = np.ones(rows) if base is None else base
        self.constant = np.zeros((size, size))
        self.inputs: list[Indices] = []
        self.multipliers: list[Indices] = []
        self._samples: list[_Samples] = []
        first, second = [np.zeros(1, np.intp)], [np.zeros(1, np.intp)]
        slot, unknown = 1, rows + 1
        for batch in batches:
            m = len(batch.right)
            own, dual = slot + np.arange(m), slot + m + np.arange(m)
            self.left[own] = batch.left
            self.constant[own, dual] = self.constant[dual, own] = 1.0
            self.inputs.append(own)
            self.multipliers.append(dual)
            self._samples.append(_Samples(batch, self._scale, unknown))
            i, j = np.triu_indices(m)
            first += [np.zeros(m, np.intp), dual[i]]
            second += [dual, dual[j]]
            slot, unknown = slot + 2 * m, unknown + m + i.size
        self._a, self._b = np.concatenate(first), np.concatenate(second)
        self._twice = np.where(self._a == self._b, 1.0, 2.0)
        self.count = rows + self._a.size
        diagonal = {int(a): rows + k for k, a in enumerate(self._a) if a == self._b[k]}
        self._diagonals = np.array([[diagonal[int(k)] for k in one] for one in (self._a, self._b)])

    @property
    def powers_at_hard_edge(self) -> Indices:
        """Powers of ``sqrt(z)`` that unknowns are next to zero if the bulk begins there; (n,)."""
        inner = (self._a > 0).astype(np.intp) + (self._b > 0) - 1
        return np.concatenate([np.ones(self.rows, np.intp), inner])

    def evaluate(self, z: Values, x: Values) -> State:
        """The equation at points."""
        energies, samples, sums = [], [], []
        for one in self._samples:
            s_vv, s_vl, s_ll = one.energy(x, self.rows)
            c = 1.0 - s_vl
            s_ll = np.broadcast_to(s_ll, c.shape)
            inverse = -1.0 / (s_vv * s_ll - c * c)
            samples.append(np.stack([s_ll * inverse, c * inverse, s_vv * inverse]))
            energies.append(np.stack([s_vv, c, s_ll]))
            sums.append(one.sums(samples[-1]))
        total, output = self._gathered(sums, x)
        hessian = self.constant - self._self_energy(x[:, : self.rows], total)
        hessian[:, 0, 0] -= z
        inner = np.linalg.inv(hessian)
        across = inner @ self.left
        image = np.empty_like(hessian, shape=x.shape)
        row = 1.0 + (self.left * across).sum(axis=1) + output
        image[:, : self.rows] = -1.0 / row
        image[:, self.rows :] = inner[:, self._a, self._b]
        return State(z, x, image, inner, across, energies, samples)

    def _gathered(self, sums: Sequence[Values], like: Values) -> tuple[Values, Values]:
        """Sums over all batches: those between slots of dimension d, and those of rows."""
        total = np.zeros((len(like), self.count), dtype=np.result_type(like, *sums))
        for one, value in zip(self._samples, sums, strict=True):
            total[:, one.at] += value
        return total[:, self.rows :], total[:, : self.rows]

    def _self_energy(self, rho: Values, total: Values) -> Values:
        """Of ``M_d``: ``gamma sum_q w l l^T rho`` and the sums over samples."""
        result = ((self._scale * rho)[:, None] * self.left) @ self.left.T
        result = result.astype(np.result_type(result, total), copy=False)
        result[:, self._a, self._b] += total
        off = self._a != self._b
        result[:, self._b[off], self._a[off]] += total[:, off]
        return result

    def without_inputs(self, state: State, along: Direction) -> tuple[Values, Values]:
        """``M_d`` in directions on which no batch's inputs act, and its derivative."""

        def added(samples: Sequence[Values]) -> Values:
            sums = [one.sums(m) for one, m in zip(self._samples, samples, strict=True)]
            total, output = self._gathered(sums, state.x)
            return self._self_energy(np.zeros_like(output), total)

        inner = np.linalg.inv(np.linalg.inv(state.inner) + added(state.samples))
        change = along.source - added(along.samples)
        return inner, inner @ change @ inner

    def jacobian(self, state: State) -> Values:
        """Of the equation, shape (points, n, n)."""
        rows, inner, across = self.rows, state.inner, state.across
        squared = state.image[:, :rows, None] ** 2
        points = len(state.x)
        sums = np.zeros((points, self.count, self.count), dtype=state.image.dtype)
        for one, m in zip(self._samples, state.samples, strict=True):
            sums[:, one.at[:, None], one.at] += one.gram(m)
        # Of the rows and the f by the rows directly, and by the sums between slots.
        direct = np.empty((points, self.count, rows), dtype=sums.dtype)
        by_sums = np.empty((points, self.count, self.count - rows), dtype=sums.dtype)
        a, b = self._a, self._b
        direct[:, :rows] = squared * self._scale * (self.left.T @ across) ** 2
        direct[:, rows:] = self._scale * across[:, a] * across[:, b]
        products = across[:, a] * across[:, b] * self._twice[:, None]
        by_sums[:, :rows] = squared * products.swapaxes(1, 2)
        aa, ab = inner[:, a[:, None], a], inner[:, a[:, None], b]
        ba, bb = inner[:, b[:, None], a], inner[:, b[:, None], b]
        by_sums[:, rows:] = (aa * bb + ab * ba) * (self._twice / 2.0)
        result = by_sums @ sums[:, rows:]
        result[:, :, :rows] += direct
        result[:, :rows] += squared * sums[:, :rows]
        return result

    def by_z(self, state: State) -> Values:
        """Of the equation by ``z`` at fixed unknowns, shape (points, n)."""
        inner = state.inner[:, 0]
        rows = state.image[:, : self.rows] ** 2 * state.across[:, 0] ** 2
        return np.concatenate([rows, inner[:, self._a] * inner[:, self._b]], axis=1)

    def along(
        self, state: State, dx: Values, dz: float | Values = 0.0, epsilon: float = 0.0
    ) -> Direction:
        """Derivatives along ``(dx, dz)``, and with ``-epsilon`` times the identity in ``A``."""
        rows, inner = self.rows, state.inner
        energies, samples, first = [], [], []
        for one, m in zip(self._samples, state.samples, strict=True):
            s_vv, s_vl, s_ll = one.energy(dx, rows)
            s_ll = np.broadcast_to(s_ll, s_vv.shape)
            energies.append(np.stack([s_vv, -s_vl, s_ll]))
            e_vv, e_ll = s_vv + epsilon, s_ll + epsilon
            samples.append(np.stack(_times(_product(m, (e_vv, s_vl, e_ll)), m)))
            first.append(one.sums(samples[-1]))
        total, output = self._gathered(first, dx)
        source = self._self_energy(dx[:, :rows], total)
        source[:, 0, 0] += dz
        source[:, np.arange(len(source[0])), np.arange(len(source[0]))] += epsilon
        change = inner @ source @ inner
        image = np.empty_like(change, shape=dx.shape)
        image[:, :rows] = state.image[:, :rows] ** 2 * (self._across(change) + output + epsilon)
        image[:, rows:] = change[:, self._a, self._b]
        return Direction(image, change, energies, samples, source)

    def bend(self, state: State, along: Direction) -> Values:
        """The second derivative of the equation along the line of a direction, (points, n)."""
        rows, second = self.rows, []
        for one, m, change, energies in zip(
            self._samples, state.samples, along.samples, along.energies, strict=True
        ):
            s_vv, c, s_ll = energies  # M'' = 2 M S' M' for S'' = 0
            second.append(one.sums(2.0 * np.stack(_times(_product(m, (s_vv, -c, s_ll)), change))))
        total, output = self._gathered(second, state.x)
        curved = 2.0 * along.inner @ along.source @ state.inner
        curved += (
            state.inner @ self._self_energy(np.zeros_like(state.x[:, :rows]), total) @ state.inner
        )
        result = np.empty_like(curved, shape=state.x.shape)
        rho = state.image[:, :rows]
        turned = 2.0 * along.image[:, :rows] ** 2 / rho
        result[:, :rows] = rho**2 * (self._across(curved) + output) + turned
        result[:, rows:] = curved[:, self._a, self._b]
        return result

    def _across(self, inner: Values) -> Values:
        """``l(g_q)^T inner l(g_q)``, shape (points, Q)."""
        return np.asarray((self.left * (inner @ self.left)).sum(axis=1))

    def distances(self, state: State) -> Array:
        """From the resonances of ``u``, the rows and the samples, at one real point."""
        x, rows = state.x[0], self.rows
        samples = [(c * c - s_vv * s_ll)[0] for s_vv, c, s_ll in state.energies]
        return np.concatenate([[-1.0 / x[rows]], -1.0 / x[:rows], *samples])

    def distance_derivatives(
        self, state: State, dx: Values, along: Direction
    ) -> tuple[Array, Array]:
        """First and second derivatives of the `distances` along a line."""
        at = [self.rows, *range(self.rows)]
        x, change = state.x[0, at], dx[0, at]
        first, second = [change / x**2], [-2.0 * change**2 / x**3]
        for energies, changes in zip(state.energies, along.energies, strict=True):
            (s_vv, c, s_ll), (d_vv, d_c, d_ll) = energies[:, 0], changes[:, 0]
            first.append(2.0 * c * d_c - d_vv * s_ll - s_vv * d_ll)
            second.append(2.0 * (d_c**2 - d_vv * d_ll))
        return np.concatenate(first), np.concatenate(second)

    def distance_gradient(self, state: State, node: int) -> Array:
        """Of one of the `distances`, by the unknowns."""
        result, rows = np.zeros(self.count), self.rows
        if node <= rows:
            at = rows if node == 0 else node - 1
            result[at] = 1.0 / state.x[0, at] ** 2
            return result
        node -= rows + 1
        for one, energies in zip(self._samples, state.energies, strict=True):
            if node < one.weights.size:
                s_vv, c, s_ll = energies[:, 0, node]
                result[one.at_vv] = -s_ll * one.c_vv * one.vv[:, node]
                result[one.at_vl] = -2.0 * c * one.phi * one.right[:, node]
                result[rows] = -s_vv * one.phi
                break
            node -= one.weights.size
        return result

    def relative(self, change: Values, x: Values) -> Array:
        """The largest change, relative to the rows, or to the diagonal of ``M_d``; (points,)."""
        rows, size = self.rows, np.abs(x)
        of_rows = np.abs(change[:, :rows]).max(axis=1) / size[:, :rows].max(axis=1)
        between = np.sqrt(size[:, self._diagonals[0]] * size[:, self._diagonals[1]])
        inner = np.abs(change[:, rows:]) / np.maximum(between, 1e-300)
        return np.asarray(np.maximum(of_rows, inner.max(axis=1)))

    def solve(
        self, z: Values, start: Values, limit: int = NEWTON_STEPS, rtol: float = SETTLED
    ) -> tuple[State, Bools]:
        """Solutions near a start, and whether they have settled; branches are not checked."""
        unit = np.eye(self.count)

        def step(x: Values, at: Any) -> tuple[Values, Bools]:
            state = self.evaluate(z[at], x)
            if (self.relative(state.defect, x) <= 1e-2 * rtol).all():
                return np.zeros_like(x), np.ones(len(x), dtype=bool)
            change = _solve(unit - self.jacobian(state), state.defect)
            size = self.relative(change, x)
            return change, np.asarray(size <= 1e-2 * rtol**0.5)

        found = newton(step, start, limit)
        state = self.evaluate(z, found.x)
        return state, found.settled & (self.relative(state.defect, found.x) <= rtol)

    def inverse(self, state: State) -> Values:
        """``(1 - J)^{-1}``, which answers to small changes of the equation; nan where singular."""
        matrix = np.eye(self.count) - self.jacobian(state)
        try:
            return np.asarray(np.linalg.inv(matrix))
        except np.linalg.LinAlgError:
            return np.full_like(matrix, np.nan)

    def derivative(self, state: State, inverse: Values | None = None) -> Values:
        """``dx/dz`` of solutions, shape (points, n); ``inverse`` is what `inverse` has returned."""
        inverse = self.inverse(state) if inverse is None else inverse
        return np.asarray((inverse @ self.by_z(state)[..., None])[..., 0])

    def grows(self, state: State, inverse: Values | None = None) -> bool:
        """Whether one real solution starts a path of positive ones.

        With ``A - i epsilon`` in the place of ``A``, ``M' = M (1 + Sigma[M']) M`` by ``epsilon``,
        of which the bracket is at least 1 on the right branch and negative on another.
        """
        source = self.along(state, np.zeros_like(state.x), epsilon=1.0).image
        inverse = self.inverse(state) if inverse is None else inverse
        along = self.along(state, (inverse @ source[..., None])[..., 0], epsilon=1.0)
        least = [float((along.image[:, : self.rows] / state.x[:, : self.rows] ** 2).min())]
        least.append(float(np.linalg.eigvalsh(along.source[0])[0]))
        for s_vv, c, s_ll in along.energies:
            # The smaller eigenvalue of the pair's bracket, without its rounding where it is large.
            a, b = 1.0 + s_vv, 1.0 + s_ll
            least.append(
                float(((a * b - c * c) / ((a + b) / 2.0 + np.hypot((a - b) / 2.0, c))).min())
            )
        return min(least) > 0.5

    def outside(self, state: State, above: bool = True) -> bool:
        """Whether no mass is between a real solution and infinity, or the atom at zero and below.

        Then all eigenvalues have the signs that they have far out: an eigenvalue of the bulk is one
        of the pencil that falls through zero. Above all, ``u`` is negative; above the ``d - N``
        zeros of ``W^T W`` only, rows are positive.
        """
        rows = state.x[0, : self.rows]
        from_zero = not above and self.aspect_ratio < 1.0
        negative = sum(len(one) for one in self.multipliers) + (above or from_zero)
        return bool(
            ((rows > 0) if from_zero else (rows < 0)).all()
            and (np.linalg.eigvalsh(state.inner[0]) < 0).sum() == negative
            and all((c * c > s_vv * s_ll).all() for s_vv, c, s_ll in state.energies)
        )

    def positive(self, state: State, tolerance: float = 1e-9) -> Bools:
        """Where all imaginary parts are: above the real axis only one solution has that."""
        slack = tolerance * np.abs(state.inner).max(axis=(1, 2))
        result = (state.x[:, : self.rows].imag >= -tolerance).all(axis=1)
        result &= np.linalg.eigvalsh(state.inner.imag)[:, 0] >= -slack
        for vv, vl, ll in (one.imag for one in state.samples):
            size = tolerance * (1.0 + np.abs(vv) + np.abs(ll))
            result &= (vv >= -size).all(axis=1) & (ll >= -size).all(axis=1)
            result &= (vv * ll - vl * vl >= -size * size - size * (np.abs(vv) + np.abs(ll))).all(
                axis=1
            )
        return np.asarray(result)


def _times_real(values: Values, matrix: Array) -> Values:
    """A product with a real matrix, which stays real."""
    if np.iscomplexobj(values):
        return np.asarray(values.real @ matrix + 1j * (values.imag @ matrix))
    return np.asarray(values @ matrix)


def _weighted(left: Array, weights: Values, right: Array) -> Values:
    """``sum_p left_ip weights_p right_jp`` for each row of weights."""
    if np.iscomplexobj(weights):
        return _weighted(left, weights.real, right) + 1j * _weighted(left, weights.imag, right)
    return np.asarray((weights[:, None] * left) @ right.T)


def _product(m: Values, change: tuple[Values, Values, Values]) -> tuple[Values, ...]:
    """Of two symmetric matrices on the pair of a sample, given by three entries each."""
    (vv, vl, ll), (e_vv, e_vl, e_ll) = m, change
    return (
        vv * e_vv + vl * e_vl,
        vv * e_vl + vl * e_ll,
        vl * e_vv + ll * e_vl,
        vl * e_vl + ll * e_ll,
    )


def _times(left: tuple[Values, ...], m: Values) -> tuple[Values, Values, Values]:
    """The product of a matrix and a symmetric one, which is symmetric."""
    vv, vl, ll = m
    return left[0] * vv + left[1] * vl, left[0] * vl + left[1] * ll, left[2] * vl + left[3] * ll


def _solve(matrix: Values, right: Values) -> Values:
    """Solutions of stacked systems, nan where one is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)
