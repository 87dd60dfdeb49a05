"""What the target is in the spike coordinates, as far as the mean features can see it.

With ``z_i`` and ``kappa_k`` jointly Gaussian, ``Cov(z_i, kappa_k) = o_ik``, a neuron sees of the
target its projection on functions of ``s = n . kappa``, and ``Cov(z_i, s) = (o n)_i``, so that for
the orthonormal coefficients ``f_beta`` of the target, with ``|beta| = j``,

    E[ M(kappa, g) f(z) ] = sum_beta f_beta c_j(g) sqrt(j!/beta!) prod_i (o n)_i^{beta_i}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt.features.mean_features import MeanFeatures
from rmt.functions import ScalarFunction
from rmt.functions.hermite_quadrature import double_coefficients
from rmt.hermite import tensor_hermite_expansion

__all__ = ["TargetExpansion", "monomial_projection", "target_expansion", "target_projection"]

Array = NDArray[np.float64]

_DEGREES = {1: 40, 2: 12}  # by the number of variables
_DEGREE = 8  # of more variables
_NEGLIGIBLE = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class TargetExpansion:
    """A target in orthonormal Hermite polynomials of its variables.

    Attributes
    ----------
    coefficients : mapping of multi-index to float
        Those that are not negligible, up to ``degree``.
    degree : int
    second_moment : float
        ``E[f^2]``.
    missing : float
        The share of ``E[f^2]`` beyond the degree.
    """

    coefficients: Mapping[tuple[int, ...], float]
    degree: int
    second_moment: float
    missing: float


@lru_cache(maxsize=256)
def target_expansion(target: ScalarFunction) -> TargetExpansion:
    """The expansion of a target to the degree that its number of variables allows."""
    r = target.n_variables
    degree = _DEGREES.get(r, _DEGREE)
    if r == 1:
        found = double_coefficients(target, degree)
        second = found.second_moment
        every: dict[tuple[int, ...], float] = {
            (j,): float(c) for j, c in enumerate(found.orthonormal)
        }
    else:
        expansion = tensor_hermite_expansion(target, degree)
        second = float(expansion.second_moment.value)
        every = {
            alpha: float(value) / math.sqrt(math.prod(map(math.factorial, alpha)))
            for alpha, value in expansion.probabilists.items()
        }
    size = math.sqrt(second)
    kept = {alpha: c for alpha, c in every.items() if abs(c) > _NEGLIGIBLE * size}
    left = second - sum(c**2 for c in kept.values())
    return TargetExpansion(kept, degree, second, max(left / second, 0.0))


def target_projection(mean: MeanFeatures, target: TargetExpansion, alignments: Array) -> Array:
    """``sqrt(w_q) E[M(kappa, g_q) f(z)]``, shape (Q,).

    Parameters
    ----------
    mean : MeanFeatures
    target : TargetExpansion
    alignments : array (K, r)
        ``o``, of the spikes' right directions with the target's.
    """
    projection = np.zeros(mean.weights.size)
    for beta, coefficient in target.coefficients.items():
        projection += coefficient * monomial_projection(mean, beta, alignments)
    return projection


def monomial_projection(mean: MeanFeatures, beta: tuple[int, ...], alignments: Array) -> Array:
    """``sqrt(w_q) E[M(kappa, g_q) H_beta(z)]``, shape (Q,), of a Hermite polynomial of the target's
    variables."""
    j = sum(beta)
    if j > mean.order:
        return np.zeros(mean.weights.size)
    seen = mean.directions @ alignments  # (Q, r)
    multinomial = math.factorial(j) / math.prod(map(math.factorial, beta))
    power = np.prod(seen ** np.array(beta, dtype=int), axis=1)
    return np.asarray(np.sqrt(mean.weights * multinomial) * mean.coefficients[:, j] * power)
