"""The numbers of a problem that the first gradient step leaves behind (theory.md, sections 1-3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.hermite import tensor_hermite_expansion
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.rules import gaussian_rule, negligible_beyond, tensor_rule
from rmt.problem import Problem

__all__ = ["ActivationMoments", "Constants", "TargetMoments", "constants", "output_moments"]


@dataclass(frozen=True, slots=True)
class ActivationMoments:
    """Gaussian moments of the activation, with one absolute error estimate for all of them.

    Attributes
    ----------
    mu1, mu2 : float
        Unnormalised Hermite coefficients ``E[sigma He_k]``.
    mean_square_slope, slope_variance : float
        ``E[sigma'^2]`` and ``E[sigma'^2] - mu1^2``.
    slope_growth : int
        Degree of the growth of ``sigma'`` for large arguments; 0 when it is bounded.
    error : float
    """

    mu1: float
    mu2: float
    mean_square_slope: float
    slope_variance: float
    slope_growth: int
    error: float


@dataclass(frozen=True, slots=True)
class TargetMoments:
    """Gaussian moments of the noise-free target, with one absolute error estimate for all of them.

    Attributes
    ----------
    mean, second_moment : float
        ``E[f]``, ``E[f^2]``.
    linear : array, shape (r,)
        ``b = E[z f]``.
    large : float
        ``|f|`` above which lies a share of 1e-6 of ``E[f^2]``.
    half_width : float
        Where the tail of ``f^2`` under the normal law is negligible.
    error : float
    """

    mean: float
    second_moment: float
    linear: Array
    large: float
    half_width: float
    error: float


@dataclass(frozen=True, slots=True)
class Constants:
    """Everything that the second step needs to know of the first, in the symbols of theory.md.

    Attributes
    ----------
    mu1, mu2 : float
        ``E[sigma He_1]``, ``E[sigma He_2]``.
    b : array, shape (r,)
        ``E[z y]``.
    Ey, Ey2 : float
        ``E[y]`` and ``E[y^2]``, label noise included.
    target_variance : float
        ``Var[f]``, label noise left out.
    B : float
        ``|beta_1|^2 -> |b|^2 + phi_1 Ey2``.
    tau : float
        ``tau^2 = phi_1 Ey2 (E[sigma'^2] - mu1^2)``.
    rms_slope : float
        ``E[sigma'^2]^{1/2}``.
    slope_growth : int
        Degree of the growth of ``sigma'``.
    large_label : float
        The ``|y|`` that few labels exceed, so few that they carry 1e-6 of ``Ey2``.
    target_half_width : float
        Cut-off for integrals over ``z``.
    error : float
        Relative error estimate, the largest over these numbers, each relative to its natural scale.
    """

    mu1: float
    mu2: float
    b: Array
    Ey: float
    Ey2: float
    target_variance: float
    B: float
    tau: float
    rms_slope: float
    slope_growth: int
    large_label: float
    target_half_width: float
    error: float


@cached(256)
def activation_moments(sigma: ScalarFunction) -> ActivationMoments:
    """Moments of ``sigma`` from the coefficients of its slope: ``mu_{k+1} = E[sigma' He_k]``.

    The slope is the almost-everywhere derivative, as in a gradient step.
    """
    slope = double_coefficients(sigma.derivative_function, 1)
    mu1, mu2 = slope.orthonormal.tolist()
    square = slope.second_moment
    # The variance of a constant slope is rounding, not a number.
    variance = square - mu1**2
    if variance < 1e-13 * square:
        variance = 0.0
    error = max(float(slope.errors.max()), slope.second_moment_error)
    return ActivationMoments(mu1, mu2, square, variance, _growth(sigma), error)


@cached(256)
def output_moments(sigma: ScalarFunction) -> tuple[float, float, float]:
    """``mu_0 = E[sigma]``, ``mu_1`` and ``mu_perp``, ``mu_perp^2 = E[sigma^2] - mu_0^2 - mu_1^2``.

    Of these an untrained output of order one is made (docs/losses.md, output of order one).
    """
    found = double_coefficients(sigma, 1)
    mu0, mu1 = found.orthonormal.tolist()
    rest = found.second_moment - mu0**2 - mu1**2
    return mu0, mu1, math.sqrt(rest) if rest > 1e-13 * found.second_moment else 0.0


def _growth(sigma: ScalarFunction) -> int:
    near, far = (np.abs(sigma.derivative(np.array([-z, z]))).max() for z in (20.0, 40.0))
    if not far > 1.2 * near > 0:
        return 0
    return min(round(math.log2(far / near)), 4) if math.isfinite(far) else 4


@cached(256)
def target_moments(target: ScalarFunction) -> TargetMoments:
    """Moments of ``f`` from its Hermite coefficients of order 0 and 1, and ``E[f^2]``."""
    r = target.n_variables
    half_width = negligible_beyond(target, r)
    if r == 1:
        coefficients = double_coefficients(target, 1)
        mean, linear = float(coefficients.orthonormal[0]), coefficients.orthonormal[1:]
        second = coefficients.second_moment
        error = max(float(coefficients.errors.max()), coefficients.second_moment_error)
    else:
        expansion = tensor_hermite_expansion(target, 1, max_seconds=None)
        mean, linear = float(expansion.probabilists[(0,) * r]), expansion.tensor(1)
        second = float(expansion.second_moment.value)
        error = max(*expansion.errors.values(), expansion.second_moment.error)
    # What cancellation leaves at the level of rounding is zero.
    linear = np.where(np.abs(linear) < 1e-15 * math.sqrt(second), 0.0, linear)
    large = _large_label(target, half_width, second)
    return TargetMoments(mean, second, linear, large, half_width, error)


def _large_label(target: ScalarFunction, half_width: float, second_moment: float) -> float:
    r = target.n_variables
    rule = tensor_rule([gaussian_rule({1: 16.0, 2: 5.0}.get(r, 2.0), half_width)] * r)
    size = np.abs(target(*rule.nodes))
    order = np.argsort(size)[::-1]
    above = np.cumsum((rule.weights * size**2)[order])
    first = int(np.searchsorted(above, 1e-6 * second_moment))
    return float(size[order][min(first, size.size - 1)])


def constants(problem: Problem) -> Constants:
    """Constants of a `Problem` (theory.md, section 1 and the start of section 3)."""
    sigma, f = activation_moments(problem.activation), target_moments(problem.target)
    phi = problem.sample_ratios[0]
    second = f.second_moment + problem.noise_std**2
    scale = math.sqrt(second)
    return Constants(
        mu1=sigma.mu1,
        mu2=sigma.mu2,
        b=f.linear,
        Ey=f.mean,
        Ey2=second,
        target_variance=max(f.second_moment - f.mean**2, 0.0),
        B=float(f.linear @ f.linear) + phi * second,
        tau=math.sqrt(phi * second * sigma.slope_variance),
        rms_slope=math.sqrt(sigma.mean_square_slope),
        slope_growth=sigma.slope_growth,
        large_label=math.hypot(f.large, 5.0 * problem.noise_std),
        target_half_width=f.half_width,
        error=max(sigma.error / math.sqrt(sigma.mean_square_slope), f.error / scale),
    )
