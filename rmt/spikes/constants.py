"""The numbers of a problem that the first gradient step leaves behind (theory.md, sections 1-3).

The untrained output vanishes, so that the first step sees a label ``y`` through its *effective
label* ``y_1 = rho(0, y)`` alone, the residual of the loss (docs/losses.md, effective labels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import count_work
from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.hermite import tensor_hermite_expansion
from rmt.lazy import sympy
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.rules import (
    NEGLIGIBLE,
    GaussianRule,
    gauss_legendre,
    gaussian_rule,
    negligible_beyond,
    tensor_rule,
)
from rmt.problem import Problem
from rmt.problem.labels import Channel, LabelLaw
from rmt.problem.losses import Loss

__all__ = [
    "ActivationMoments",
    "Constants",
    "TargetMoments",
    "constants",
    "kinks_of_labels",
    "output_moments",
]

# Nodes per unit of each of r directions, of a first rule and of the finest.
_PER_UNIT = {1: (10.0, 80.0), 2: (6.0, 40.0), 3: (2.5, 5.2)}
_FINER = 1.6
_SETTLED = 1e-13  # relative, between two rules
_NOISE_WIDTH = 8.0
_NOISE_PANELS = 8
_NOISE_ORDER = {1: 12, 2: 8, 3: 6}
_CHUNK = 1 << 14  # points whose labels are in memory, by their number at each


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
    """Gaussian moments of labels, with one absolute error estimate for all of them.

    Attributes
    ----------
    mean, second_moment : float
        ``E[y_1]``, ``E[y_1^2]``.
    variance : float
        ``Var E[y_1 | z]``.
    linear : array, shape (r,)
        ``b = E[z y_1]``.
    large : float
        ``|y_1|`` above which lies a share of 1e-6 of ``E[y_1^2]``.
    half_width : float
        Where the tail of ``E[y^2 | z]`` under the normal law is negligible.
    error : float
    """

    mean: float
    second_moment: float
    variance: float
    linear: Array
    large: float
    half_width: float
    error: float


@dataclass(frozen=True, slots=True)
class Constants:
    """Everything that the second step needs to know of the first, in the symbols of theory.md.

    Labels are the effective ones: ``y`` stands for ``y_1 = rho(0, y)``, which for the squared loss
    is ``y`` itself.

    Attributes
    ----------
    mu1, mu2 : float
        ``E[sigma He_1]``, ``E[sigma He_2]``.
    b : array, shape (r,)
        ``E[z y]``.
    Ey, Ey2 : float
        ``E[y]`` and ``E[y^2]``, label noise included.
    target_variance : float
        ``Var E[y | z]``, label noise left out.
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
    rule = tensor_rule([gaussian_rule({1: 16.0, 2: 5.0}.get(r, 2.0), half_width)] * r)
    large = _large_label(np.abs(target(*rule.nodes)), rule.weights, second)
    variance = max(second - mean**2, 0.0)
    return TargetMoments(mean, second, variance, linear, large, half_width, error)


def _large_label(size: Array, weights: Array, second_moment: float) -> float:
    order = np.argsort(size)[::-1]
    above = np.cumsum((weights * size**2)[order])
    first = int(np.searchsorted(above, 1e-6 * second_moment))
    return float(size[order][min(first, size.size - 1)])


def _effective_moments(problem: Problem) -> TargetMoments:
    """Moments of ``y_1``, label noise included."""
    loss, law, std = problem.loss, problem.labels, problem.noise_std
    if law is None and loss.affine is not None:
        return _scaled(target_moments(problem.target), loss.affine[0], std)
    if _are_signs(problem):
        return _of_signs(loss, target_moments(problem.target))
    return _quadrature(loss, problem.target, law, std)


def _scaled(f: TargetMoments, p: float, std: float) -> TargetMoments:
    """``y_1 = p (f + noise)``."""
    return TargetMoments(
        mean=p * f.mean,
        second_moment=p**2 * (f.second_moment + std**2),
        variance=p**2 * f.variance,
        linear=p * f.linear,
        large=abs(p) * math.hypot(f.large, 5.0 * std),
        half_width=f.half_width,
        error=max(abs(p), p**2) * f.error,
    )


def _are_signs(problem: Problem) -> bool:
    """Whether the labels are +1 and -1, so that ``y_1`` is affine in them."""
    if problem.labels is not None:
        return problem.labels.kind == "signs"
    if problem.noise_std:
        return False
    axis = np.linspace(-4.0, 4.0, {1: 401, 2: 41}.get(problem.n_directions, 15)) + 0.0123
    z = np.meshgrid(*[axis] * problem.n_directions)
    return bool(np.all(np.abs(problem.target(*z)) == 1.0))


def _of_signs(loss: Loss, mean: TargetMoments) -> TargetMoments:
    """``y_1 = middle + half y`` from the moments of ``E[y | z]``."""
    plus, minus = loss.residual(np.zeros(2), np.array([1.0, -1.0])).tolist()
    middle, half = (plus + minus) / 2.0, (plus - minus) / 2.0
    return TargetMoments(
        mean=middle + half * mean.mean,
        second_moment=middle**2 + 2.0 * middle * half * mean.mean + half**2,
        variance=half**2 * mean.variance,
        linear=half * mean.linear,
        large=max(abs(plus), abs(minus)),
        half_width=mean.half_width,
        error=max(abs(half), half**2, 2.0 * abs(middle * half)) * mean.error,
    )


def kinks_of_labels(loss: Loss, target: ScalarFunction, law: LabelLaw | None) -> list[list[float]]:
    """Along each direction, where the law of ``y_1`` given ``z`` is not smooth, without noise."""
    functions = [target]
    if law is not None:
        functions = list(law.nodes) if isinstance(law, Channel) else []
    r = (law or target).n_variables
    found = []
    for i in range(r):
        kinks = set(target.kinks_along(i) if law is None else law.kinks_along(i))
        for f in (one for one in functions if i < one.n_variables):
            kinks.update(*(_levels(f, kink, i) for kink in loss.label_kinks))
        found.append(sorted(kinks))
    return found


@cached(256)
def _levels(f: ScalarFunction, level: float, index: int) -> tuple[float, ...]:
    """Where ``f`` meets a level along a direction, its own kinks beside."""
    return ScalarFunction(sympy.Abs(f.expression - sympy.Rational(level))).kinks_along(index)


@cached(256)
def _quadrature(
    loss: Loss, target: ScalarFunction, law: LabelLaw | None, std: float
) -> TargetMoments:
    """Moments of ``y_1`` by rules that are refined until two of them agree."""
    r = (law or target).n_variables

    def size(*z: Array) -> Array:
        """Of labels, for the cut-off."""
        points = np.stack([np.asarray(one, dtype=float).ravel() for one in z])
        y, p = _labels_at(target, law, std, points)
        largest = np.maximum(np.abs(y), np.abs(loss.residual(np.zeros_like(y), y)))
        return np.asarray(np.sqrt((p * largest**2).sum(axis=0)).reshape(z[0].shape))

    half_width = min(negligible_beyond(size, r, NEGLIGIBLE), 38.0)
    kinks = kinks_of_labels(loss, target, law)
    per_unit, most = _PER_UNIT[r]
    before = found = np.full(r + 3, np.nan)
    large = 0.0
    while per_unit <= most:
        rule = tensor_rule([gaussian_rule(per_unit, half_width, one) for one in kinks])
        before = found
        found, large = _sums(loss, target, law, std, rule)
        if np.abs(found - before).max() <= _SETTLED * max(found[1], math.sqrt(found[1])):
            break
        per_unit *= _FINER
    change = float(np.abs(found - before).max())
    second = float(found[1])
    error = 2.0 * change + 1e-15 * max(second, math.sqrt(second))
    linear = np.where(np.abs(found[3:]) < 1e-14 * math.sqrt(second), 0.0, found[3:])
    variance = max(float(found[2] - found[0] ** 2), 0.0)
    return TargetMoments(float(found[0]), second, variance, linear, large, half_width, error)


def _labels_at(
    target: ScalarFunction,
    law: LabelLaw | None,
    std: float,
    z: Array,
    levels: Sequence[float] = (),
    order: int = 4,
) -> tuple[Array, Array]:
    """Labels and probabilities at points (r, P), both (A, P); noise by panels cut at levels."""
    if law is not None:
        return law.at(z)
    f = np.asarray(target(*z), dtype=float)[None]
    if not std:
        return f, np.ones_like(f)
    base = np.linspace(-_NOISE_WIDTH, _NOISE_WIDTH, _NOISE_PANELS + 1)
    cuts = [np.clip((level - f) / std, -_NOISE_WIDTH, _NOISE_WIDTH) for level in levels]
    every = [np.broadcast_to(base[:, None], (base.size, f.size)), *cuts]
    edges = np.sort(np.concatenate(every), axis=0)
    x, w = gauss_legendre(order)
    half = np.diff(edges, axis=0)[:, None] / 2.0
    eps = edges[:-1, None] + half * (x[:, None] + 1.0)
    p = half * w[:, None] * np.exp(-(eps**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return (f + std * eps.reshape(-1, f.size)), p.reshape(-1, f.size)


def _sums(
    loss: Loss, target: ScalarFunction, law: LabelLaw | None, std: float, rule: GaussianRule
) -> tuple[Array, float]:
    """``E[y_1], E[y_1^2], E[E[y_1 | z]^2], E[z y_1]`` by a rule, and the ``|y_1|`` few exceed."""
    r = len(rule.nodes)
    chunk = max(64, _CHUNK * 4 // (_NOISE_ORDER[r] * _NOISE_PANELS if std else 4))
    total = np.zeros(r + 3)
    sizes = []
    for start in range(0, rule.weights.size, chunk):
        z, w = rule.nodes[:, start : start + chunk], rule.weights[start : start + chunk]
        y, p = _labels_at(target, law, std, z, loss.label_kinks, _NOISE_ORDER[r])
        count_work(20.0 * y.size)
        y_1 = loss.residual(np.zeros_like(y), y)
        mean, square = (p * y_1).sum(axis=0), (p * y_1**2).sum(axis=0)
        total += [w @ mean, w @ square, w @ mean**2, *(z @ (w * mean))]
        sizes.append(np.sqrt(square))
    return total, _large_label(np.concatenate(sizes), rule.weights, float(total[1]))


def constants(problem: Problem) -> Constants:
    """Constants of a `Problem` (theory.md, section 1 and the start of section 3).

    Of labels those of ``y_1 = rho(0, y)`` (docs/losses.md, effective labels).
    """
    sigma, y = activation_moments(problem.activation), _effective_moments(problem)
    phi, second = problem.sample_ratios[0], y.second_moment
    return Constants(
        mu1=sigma.mu1,
        mu2=sigma.mu2,
        b=y.linear,
        Ey=y.mean,
        Ey2=second,
        target_variance=y.variance,
        B=float(y.linear @ y.linear) + phi * second,
        tau=math.sqrt(phi * second * sigma.slope_variance),
        rms_slope=math.sqrt(sigma.mean_square_slope),
        slope_growth=sigma.slope_growth,
        large_label=y.large,
        target_half_width=y.half_width,
        error=max(sigma.error / math.sqrt(sigma.mean_square_slope), y.error / math.sqrt(second)),
    )
