"""The limiting spectrum of the conjugate kernel of random features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmt.arguments import positive_number
from rmt.functions import FunctionLike, ScalarFunction
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.spectra.laws.marchenko_pastur import MarchenkoPastur
from rmt.spectra.laws.population import Population
from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur
from rmt.status import InvalidInputError

__all__ = ["ConjugateKernel", "gaussian_equivalent_kernel"]


class ConjugateKernel(GeneralisedMarchenkoPastur):
    """Eigenvalues of ``K = F F^T / N`` with features ``F = sigma(X W^T)``, ``n x N``.

    Inputs ``x ~ N(0, I_d)`` (``n`` of them), rows of ``W`` on the unit sphere or ``N(0, I_d / d)``
    (``N`` of them). The features have the spectrum of their Gaussian equivalent ``mu_1 X W^T +
    mu_* Z``, with ``mu_1 = E[sigma(Z) Z]`` and ``mu_*^2 = E[sigma^2] - mu_0^2 - mu_1^2``: given
    ``X``, ``K`` is a sample covariance matrix of ratio ``n / N`` and population
    ``mu_1^2 X X^T / d + mu_*^2``, a shifted Marchenko-Pastur law of ratio ``n / d``. The mean
    ``mu_0`` adds an outlier of size ``n mu_0^2``, which is not part of the law.

    Parameters
    ----------
    activation : str, sympy.Expr or ScalarFunction
        ``sigma``, of one variable.
    ratios : pair of float
        ``(n / d, n / N)``.

    Raises
    ------
    InvalidInputError
        An activation of several variables or not square-integrable, ratios that are not positive.

    Notes
    -----
    Pennington & Worah 2017; docs/theory.md, section 5. That the features' spectrum is that of the
    Gaussian equivalent, for inputs that are nearly orthogonal: Péché 2019, Hu & Lu
    (arXiv:2009.07669).

    Examples
    --------
    >>> law = ConjugateKernel("erf(z)", ratios=(0.5, 0.25))
    >>> round(law.mean(), 12) == round(law.linear**2 + law.nonlinear**2, 12)
    True
    """

    def __init__(self, activation: FunctionLike, ratios: tuple[float, float]) -> None:
        sigma = ScalarFunction.parse(activation)
        try:
            dim_ratio, width_ratio = ratios
        except (TypeError, ValueError):
            raise InvalidInputError(
                f"ratios: expected the pair (n/d, n/N), got {ratios!r}"
            ) from None
        moments = double_coefficients(sigma, 1)
        mean, self.linear = moments.orthonormal.tolist()
        rest = moments.second_moment - mean**2 - self.linear**2
        self.nonlinear = float(np.sqrt(max(rest, 0.0)))
        if rest < 1e-13 * moments.second_moment:  # linear activations: rounding, not a number
            self.nonlinear = 0.0
        self.activation = sigma
        self.ratios = (
            positive_number("ratios: n/d", dim_ratio),
            positive_number("ratios: n/N", width_ratio),
        )
        if self.linear == self.nonlinear == 0.0:
            raise InvalidInputError(f"activation: {sigma.short} is constant")
        super().__init__(_covariance(self.linear, self.nonlinear, self.ratios[0]), self.ratios[1])

    def __repr__(self) -> str:
        return f"ConjugateKernel({self.activation.short!r}, ratios={self.ratios})"


def gaussian_equivalent_kernel(
    linear: float, nonlinear: float, ratios: tuple[float, float]
) -> GeneralisedMarchenkoPastur:
    """Eigenvalues of ``F F^T / N`` for features ``F = mu_1 X W^T + mu_* Z``.

    Parameters
    ----------
    linear, nonlinear : float
        ``mu_1`` and ``mu_*``, not both zero.
    ratios : pair of float
        ``(n / d, n / N)``, as of `ConjugateKernel`.

    Examples
    --------
    >>> law = gaussian_equivalent_kernel(0.6, 0.8, (0.5, 0.25))
    >>> round(law.mean(), 12)
    1.0
    """
    dim_ratio = positive_number("ratios: n/d", ratios[0])
    width_ratio = positive_number("ratios: n/N", ratios[1])
    return GeneralisedMarchenkoPastur(_covariance(linear, nonlinear, dim_ratio), width_ratio)


def _covariance(linear: float, nonlinear: float, dim_ratio: float) -> Population:
    """The law of ``mu_1^2 X X^T / d + mu_*^2``."""
    if linear == 0.0:
        return Population.of_atoms([nonlinear**2])
    return _shifted(Population.of_law(MarchenkoPastur(dim_ratio)), linear**2, nonlinear**2)


def _shifted(population: Population, scale: float, shift: float) -> Population:
    """The law of ``scale t + shift``."""
    refine, whole = population.refine, population.whole
    return replace(
        population,
        values=scale * population.values + shift,
        refine=None if refine is None else lambda count: _shifted(refine(count), scale, shift),
        whole=None if whole is None else lambda: whole().affine(scale, shift),
    )
