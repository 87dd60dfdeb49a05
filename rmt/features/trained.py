"""The features of a trained network: their mean part, and the bulk that is correlated with it.

theory.md, sections 6-7. The covariance of the features with a function ``h`` of the spike
coordinates is ``E[M_0 h] + sum_k E[kappa_k M_1 h] W_0 v_k``: the mean part, and the part of the
bulk along the spikes' own directions (``M_1`` stands for ``b M_1`` there). With the bulk's
resolvent between them, the population covariance of the features enters by the operator on
functions of ``kappa``

    T(t) = N sum_q w_q R_q M_0(., g_q) M_0(., g_q)^T
           + gamma sum_k sum_q w_q R_q kappa_k M_1(., g_q) (kappa_k M_1(., g_q))^T.

The bulk between them is that of the other directions. (With all directions in it, the forms of
``W_0 v_k`` would be those of ``Omega``; a direction that a spike has barely touched would then be
counted twice, and the target along it explained to ``e / (1 + e)`` instead of ``e``.)

Its range is spanned by the ``(1 + K) Q`` functions ``M_0(., g_q)`` and ``kappa_k M_1(., g_q)``,
whose inner products are kernels of `rmt.features.mean_features` by integration by parts: with
``p_qk = N^{-1/2} theta_k u_k(g_q)`` and ``K_ab`` the kernel of ``M_a`` and ``M_b'``,

    E[M_0 kappa_k M_1']         = p_qk K_11 + p_q'k K_02,
    E[kappa_k M_1 kappa_l M_1'] = delta_kl K_11 + p_qk p_ql K_31
                                  + (p_qk p_q'l + p_ql p_q'k) K_22 + p_q'k p_q'l K_13.

In an orthonormal basis of that range ``T`` is a small matrix, exact in the degree of polynomials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.features.bulk import BulkResolvent, FeatureBulk, feature_bulk
from rmt.features.mean_features import MeanFeatures, mean_features
from rmt.features.target import Polynomial, derivative, projection, target_expansion
from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["TrainedFeatures", "trained_features"]


_NEGLIGIBLE = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFeatures:
    """Mean features, bulk and target of one network.

    Attributes
    ----------
    bulk : FeatureBulk
    mean : MeanFeatures
    alignments : array (K, r)
        ``o_k`` of the spikes with the target directions.
    functions : array ((1 + K) Q, P)
        The functions ``sqrt(w_q) M_0(., g_q)``, then ``sqrt(w_q) b_q kappa_k M_1(., g_q)`` spike
        by spike, in an orthonormal basis.
    target : array (P,)
        The projection of the target on that basis.
    slopes : array (r, Q)
        ``b_q E[M_1(kappa, g_q) df/dz_i]``: what the bulk sees of the target outside of the spikes.
    second_moment : float
        ``E[y^2]``, label noise included.
    noise_variance : float
        The label noise's share of it.
    """

    bulk: FeatureBulk
    mean: MeanFeatures
    alignments: Array
    functions: Array
    target: Array
    slopes: Array
    second_moment: float
    noise_variance: float

    @property
    def width(self) -> int:
        """``N``."""
        return self.mean.width

    def couplings(self, resolvent: BulkResolvent) -> tuple[Array, Array, Array]:
        """``T`` and its two derivatives in ``t``, each (P, P)."""
        q, k = self.mean.weights.size, self.mean.n_spikes
        scale = np.repeat([float(self.width), *[self.bulk.aspect_ratio] * k], q)
        made = [
            self.functions.T @ ((scale * np.tile(diagonal, k + 1))[:, None] * self.functions)
            for diagonal in resolvent.diagonal
        ]
        return made[0], made[1], made[2]

    def outside(self, forms: Array) -> float:
        """``sum_ii' (1 - o^T o)_ii' h_i^T Omega h_i'`` for ``h`` the `slopes`: the share of the
        labels that the bulk explains beside the spikes."""
        rest = np.eye(len(self.slopes)) - self.alignments.T @ self.alignments
        return float(np.sum(rest * (self.slopes @ forms @ self.slopes.T)))

    def project(self, polynomial: Polynomial, alignments: Array) -> Array:
        """A polynomial of some directions ``z`` in the orthonormal basis, (P,).

        Parameters
        ----------
        polynomial : mapping of multi-index to float
        alignments : array (K, r)
            Of the spikes with the directions; the identity for the ``kappa_k`` themselves.
        """
        return _projected(self.mean, self.functions, polynomial, alignments)


def trained_features(
    problem: Problem, spikes: SpikeStrengths, lengths: Array | None = None
) -> TrainedFeatures:
    """Features of the weights that carry these spikes.

    Parameters
    ----------
    problem : Problem
        Gives activation, target, noise, width and dimension; its steps do not matter here.
    spikes : SpikeStrengths
        Of the weights, at whatever stage of the training.
    lengths : array (Q,), optional
        Of the neurons' weights beside the spikes, at the readout's nodes; by default 1.
    """
    mean = mean_features(problem.activation, spikes, problem.width, lengths)
    gram = _gram(mean)
    values, vectors = np.linalg.eigh(gram)
    kept = values > _NEGLIGIBLE * max(values[-1], 1e-300)
    functions = vectors[:, kept] * np.sqrt(values[kept])
    polynomial = target_expansion(problem.target).polynomial
    alignments = spikes.alignments
    noise = problem.noise_std**2
    return TrainedFeatures(
        bulk=feature_bulk(mean, problem.aspect_ratio, _largest_readout(problem)),
        mean=mean,
        alignments=alignments,
        functions=functions,
        target=_projected(mean, functions, polynomial, alignments),
        slopes=mean.lengths * _slopes(mean, polynomial, alignments),
        second_moment=target_expansion(problem.target).second_moment + noise,
        noise_variance=noise,
    )


def _largest_readout(problem: Problem) -> float:
    """What one of ``N`` neurons exceeds in size, where the law of the readout has no bound."""
    unbounded = isinstance(problem.readout, str) and problem.readout == "gaussian"
    return float(-scipy.special.ndtri(0.5 / problem.width)) if unbounded else math.inf


def _gram(mean: MeanFeatures) -> Array:
    """Inner products of the spanning functions, scaled by `_scales`."""
    p, k = mean.moved, mean.n_spikes
    k11, k22, k02, k13 = (mean.kernel(a, b) for a, b in ((1, 1), (2, 2), (0, 2), (1, 3)))
    blocks = [[np.empty(0)] * (k + 1) for _ in range(k + 1)]
    blocks[0][0] = mean.kernel(0, 0)
    for a in range(k):
        blocks[0][a + 1] = p[:, a, None] * k11 + k02 * p[:, a]
        blocks[a + 1][0] = blocks[0][a + 1].T
        for b in range(k):
            blocks[a + 1][b + 1] = (
                (a == b) * k11
                + (p[:, a] * p[:, b])[:, None] * k13.T
                + (np.outer(p[:, a], p[:, b]) + np.outer(p[:, b], p[:, a])) * k22
                + k13 * (p[:, a] * p[:, b])
            )
    gram = np.block(blocks)
    scales = _scales(mean)
    return np.asarray(0.5 * (gram + gram.T) * np.outer(scales, scales))


def _scales(mean: MeanFeatures) -> Array:
    """``sqrt(w_q)`` of the mean features, ``sqrt(w_q) b_q`` of the slopes."""
    root = np.sqrt(mean.weights)
    return np.concatenate([root, *[root * mean.lengths] * mean.n_spikes])


def _slopes(mean: MeanFeatures, polynomial: Polynomial, alignments: Array) -> Array:
    """``E[M_1(kappa, g_q) df/dz_i]`` of a polynomial, (r, Q)."""
    variables = range(alignments.shape[1])
    return np.array([projection(mean, derivative(polynomial, i), alignments, 1) for i in variables])


def _projected(
    mean: MeanFeatures, functions: Array, polynomial: Polynomial, alignments: Array
) -> Array:
    """``E[kappa_k M_1 f] = p_qk E[M_2 f] + sum_i o_ki E[M_1 df/dz_i]``, and the basis."""
    second = projection(mean, polynomial, alignments, 2)
    slopes = _slopes(mean, polynomial, alignments)
    rows = [projection(mean, polynomial, alignments)]
    rows += [mean.moved[:, k] * second + alignments[k] @ slopes for k in range(mean.n_spikes)]
    # The columns of `functions` are orthogonal, of squared norms the eigenvalues that they carry.
    weighted: Array = (_scales(mean) * np.concatenate(rows)) @ functions
    return np.asarray(weighted / np.sum(functions**2, axis=0))
