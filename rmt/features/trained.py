"""The features of a trained network: their mean part on the bulk that it sits on.

theory.md, sections 6-7. With ``A`` the mean features in the orthonormal polynomials
``H_alpha(kappa)`` (one column for each readout node) and ``E`` the indicator of the ``kappa_k``
themselves, which are correlated with the linear part of the bulk, the population covariance of the
features enters by

    T(t) = N r(t) A A^T + e(t) E E^T,

``r`` and ``e`` as in `rmt.features.bulk`. It is a matrix on all polynomials, of rank at most
``Q + K``: with ``B = [A, E]`` and ``C = B^T B`` everything is algebra with the small matrix ``C``,
exact in the degree of the polynomials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt.features.bulk import FeatureBulk, Transforms, feature_bulk
from rmt.features.mean_features import MeanFeatures, mean_features
from rmt.features.target import target_expansion, target_projection
from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths

__all__ = ["TrainedFeatures", "trained_features"]

Array = NDArray[np.float64]

_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFeatures:
    """Mean features, bulk and target of one network, reduced to what the data can tell apart.

    Attributes
    ----------
    bulk : FeatureBulk
    mean : MeanFeatures
    alignments : array (K, r)
        ``o_k`` of the spikes with the target directions.
    basis : array (Q, Q')
        Orthonormal combinations of readout nodes that carry the Gram matrix of the mean features.
    gram : array (Q' + K, Q' + K)
        ``C``: the first ``Q'`` columns stand for mean features, the others for the ``kappa_k``.
    target : array (Q' + K,)
        ``B^T y``.
    linear_rest : float
        ``|b|^2 - sum_k (b . o_k)^2``: the linear part of the target outside of the spikes.
    second_moment : float
        ``E[y^2]``, label noise included.
    noise_variance : float
        The label noise's share of it.
    """

    bulk: FeatureBulk
    mean: MeanFeatures
    alignments: Array
    basis: Array
    gram: Array
    target: Array
    linear_rest: float
    second_moment: float
    noise_variance: float

    @property
    def width(self) -> int:
        """``N``."""
        return self.mean.width

    def couplings(self, transforms: Transforms) -> tuple[Array, Array, Array]:
        """The diagonal ``D(t)`` of ``T = B D B^T`` and its two derivatives, each (..., Q' + K)."""
        first, linear = self.basis.shape[1], self.mean.n_spikes

        def diagonal(r: Array, e: Array) -> Array:
            columns = [np.repeat(self.width * r[..., None], first, axis=-1)]
            columns.append(np.repeat(e[..., None], linear, axis=-1))
            return np.concatenate(columns, axis=-1)

        t = transforms
        return diagonal(t.r, t.e), diagonal(t.r1, t.e1), diagonal(t.r2, t.e2)

    def project(self, nodes: Array, coordinates: Array) -> Array:
        """``B^T`` of a function of ``kappa``, given its projections on the mean features at the
        nodes, (Q,), and on the ``kappa_k``, (K,)."""
        return np.concatenate([self.basis.T @ nodes, coordinates])


def trained_features(problem: Problem, spikes: SpikeStrengths) -> TrainedFeatures:
    """Features of the weights that carry these spikes.

    Parameters
    ----------
    problem : Problem
        Gives activation, target, noise, width and dimension; its steps do not matter here.
    spikes : SpikeStrengths
        Of the weights, at whatever stage of the training.
    """
    mean = mean_features(problem.activation, spikes, problem.width)
    bulk = feature_bulk(mean, problem.aspect_ratio)
    expansion = target_expansion(problem.target)
    gram, linear = mean.gram(), mean.linear()
    values, vectors = np.linalg.eigh(gram)
    kept = values > _NEGLIGIBLE * max(values[-1], 1e-300)
    basis = vectors[:, kept]
    corner = basis.T @ linear
    alignments = spikes.alignments
    r = alignments.shape[1]
    b = np.array([expansion.coefficients.get(tuple(row), 0.0) for row in np.eye(r, dtype=int)])
    seen = alignments @ b
    noise = problem.noise_std**2
    return TrainedFeatures(
        bulk=bulk,
        mean=mean,
        alignments=alignments,
        basis=basis,
        gram=np.block([[np.diag(values[kept]), corner], [corner.T, np.eye(mean.n_spikes)]]),
        target=np.concatenate([basis.T @ target_projection(mean, expansion, alignments), seen]),
        linear_rest=max(float(b @ b - seen @ seen), 0.0),
        second_moment=expansion.second_moment + noise,
        noise_variance=noise,
    )
