"""What the mean features see of a polynomial of the target's directions.

With ``z_i`` and ``kappa_k`` jointly Gaussian, ``Cov(z_i, kappa_k) = o_ik``, a neuron sees of a
function of ``z`` its projection on functions of ``s = n . kappa``, and ``Cov(z_i, s) = (o n)_i``,
so that for orthonormal coefficients ``f_beta``, with ``|beta| = j``,

    E[ M_a(kappa, g) f(z) ] = sum_beta f_beta c^a_j(g) sqrt(j!/beta!) prod_i (o n)_i^{beta_i}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.features.mean_features import MeanFeatures
from rmt.functions import ScalarFunction
from rmt.hermite import tensor_hermite_expansion
from rmt.moments.hermite_quadrature import double_coefficients

__all__ = ["Polynomial", "TargetExpansion", "derivative", "projection", "target_expansion"]

# Coefficients of the orthonormal Hermite polynomials of several variables, by multi-index.
Polynomial = Mapping[tuple[int, ...], float]

_DEGREES = {1: 40, 2: 12}  # by the number of variables
_DEGREE = 8  # of more variables
_NEGLIGIBLE = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class TargetExpansion:
    """A target in orthonormal Hermite polynomials of its variables.

    Attributes
    ----------
    polynomial : mapping of multi-index to float
        The coefficients that are not negligible, up to ``degree``.
    degree : int
    second_moment : float
        ``E[f^2]``.
    missing : float
        The share of ``E[f^2]`` beyond the degree.
    """

    polynomial: Polynomial
    degree: int
    second_moment: float
    missing: float


@cached(256)
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
        expansion = tensor_hermite_expansion(target, degree, max_seconds=None)
        second = float(expansion.second_moment.value)
        every = {
            alpha: float(value) / math.sqrt(math.prod(map(math.factorial, alpha)))
            for alpha, value in expansion.probabilists.items()
        }
    size = math.sqrt(second)
    kept = {alpha: c for alpha, c in every.items() if abs(c) > _NEGLIGIBLE * size}
    left = second - sum(c**2 for c in kept.values())
    return TargetExpansion(kept, degree, second, max(left / second, 0.0))


def derivative(polynomial: Polynomial, i: int) -> dict[tuple[int, ...], float]:
    """The derivative in variable ``i``.

    Examples
    --------
    >>> derivative({(3,): 1.0}, 0)  # He_3' / sqrt(6) = sqrt(3) He_2 / sqrt(2)
    {(2,): 1.7320508075688772}
    """
    lowered = {}
    for beta, coefficient in polynomial.items():
        if beta[i]:
            lower = (*beta[:i], beta[i] - 1, *beta[i + 1 :])
            lowered[lower] = math.sqrt(beta[i]) * coefficient
    return lowered


def projection(
    mean: MeanFeatures, polynomial: Polynomial, alignments: Array, order: int = 0
) -> Array:
    """``E[M_a(kappa, g_q) f(z)]`` with ``a = order``, shape (Q,).

    Parameters
    ----------
    mean : MeanFeatures
    polynomial : mapping of multi-index to float
        ``f``, of the variables ``z``.
    alignments : array (K, r)
        ``o``, of the spikes' right directions with those of ``z``. The identity makes ``z`` the
        spike coordinates themselves.
    order : int
        ``a``.
    """
    seen = mean.directions @ alignments  # (Q, r)
    coefficients = mean.coefficients[order]
    found = np.zeros(mean.weights.size)
    for beta, value in polynomial.items():
        j = sum(beta)
        if j <= mean.order:
            multinomial = math.factorial(j) / math.prod(map(math.factorial, beta))
            power = np.prod(seen ** np.array(beta, dtype=int), axis=1)
            found += value * math.sqrt(multinomial) * coefficients[:, j] * power
    return found
