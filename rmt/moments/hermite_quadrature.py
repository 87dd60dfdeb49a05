"""Hermite coefficients of a function in double precision, all orders at once.

With the Hermite functions ``psi_k = He_k sqrt(phi) / sqrt(k!)``, which are bounded, the orthonormal
coefficient is ``c_k = int f sqrt(phi) psi_k dz``. The rule is the trapezoid rule where the function
is smooth, Gauss-Legendre panels between its kinks otherwise, and panels that are uniform in the
logarithm of the distance towards a singular point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arguments import whole_number
from rmt.arrays import Array
from rmt.caching import cached
from rmt.functions.scalar_function import ScalarFunction
from rmt.moments.integrability import check_square_integrable
from rmt.moments.rules import gaussian_rule, legendre_panels
from rmt.moments.sampled import sampling_error
from rmt.moments.singular_ends import closeness, singular_ends, values_near_end
from rmt.status import ConvergenceError, Status

__all__ = ["DoubleCoefficients", "double_coefficients"]


EPSILON = float(np.finfo(float).eps)
TOLERANCE = 4 * EPSILON  # relative to sqrt(E[f^2])
MAX_NODES = 200_000
BLOCK = 4096
TINIEST = float(np.finfo(float).smallest_normal)
FARTHEST = 37.0  # the square of the density of the standard normal law underflows beyond
LEAST_REACH = 7.0
NEGLIGIBLE = math.log(1e-20)
SINGULAR_DIGITS = 16
LOGARITHM_PANEL = 4.0
CHECK_RESOLUTION = 512.0  # nodes per unit of length, to see narrow features
MOST_PER_PANEL = 128  # finding the nodes of larger Gauss-Legendre rules takes long
MAX_EXACT_NODES = 6_000  # evaluated in arbitrary precision, near singular points


@dataclass(frozen=True, slots=True)
class DoubleCoefficients:
    """Coefficients of ``f`` in the orthonormal Hermite polynomials ``He_k / sqrt(k!)``.

    Attributes
    ----------
    orthonormal : array, shape (order + 1,)
        ``c_k = E[f(Z) He_k(Z)] / sqrt(k!)``.
    errors : array, shape (order + 1,)
        Absolute error estimates; 0 for the coefficients that vanish by parity.
    second_moment, second_moment_error : float
        ``E[f(Z)^2]`` and its absolute error estimate.
    """

    orthonormal: Array
    errors: Array
    second_moment: float
    second_moment_error: float


def double_coefficients(function: ScalarFunction, order: int) -> DoubleCoefficients:
    """``c_k = E[f(Z) He_k(Z)] / sqrt(k!)`` for ``k = 0 .. order``, in double precision.

    ``Z`` is standard normal and ``He_k`` the probabilists' Hermite polynomial; ``E[f^2]`` is the
    sum of the squares of all ``c_k``. The resolution grows until two agree to rounding: about
    ``1e-15 sqrt(E[f^2])``, whatever the size of the coefficient. For relative accuracy of small
    coefficients see `rmt.moments.precise.coefficients.precise_coefficients`.

    Parameters
    ----------
    function : ScalarFunction
        One variable, square-integrable under the normal law.
    order : int
        The highest order, at least 0.

    Raises
    ------
    InvalidInputError
        See `rmt.moments.integrability.check_square_integrable`; an order that is not allowed.
    ConvergenceError
        Nothing is known, even roughly: the function overflows where it matters. Where only the
        accuracy falls short (a singular point other than 0, poles very close to the line) the
        errors say so and nothing is raised.

    Examples
    --------
    >>> relu = double_coefficients(ScalarFunction.parse("relu(z)"), 3)
    >>> relu.orthonormal.round(12).tolist()
    [0.398942280401, 0.5, 0.282094791774, 0.0]
    >>> bool(abs(relu.second_moment - 0.5) <= relu.second_moment_error < 1e-14)
    True
    """
    order = whole_number("order", order, 0)
    check_square_integrable(function)
    kept = np.ones(order + 1, bool)
    if function.parity:
        kept[function.parity == 1 :: 2] = False
    reach, left_out = _reach(function)
    tails = left_out * np.maximum.accumulate(np.abs(_hermite_functions(np.array([reach]), order)))
    # psi_k has wave numbers up to sqrt(k), f sqrt(phi) as a rule below 25.
    resolution = (math.sqrt(order) + 25.0) / (2.0 * math.pi)
    if function.kinks:
        resolution = max(8.0, 1.5 * resolution)
    # Panels in the logarithm lose a little more, in the weights.
    lost = 8.0 if any(end for ends in singular_ends(function) for end in ends) else 4.0
    sampled = sampling_error(function)
    previous = None
    best: DoubleCoefficients | None = None
    while True:
        samples = _samples(function, resolution, reach)
        if samples is None:
            break
        with np.errstate(over="ignore", invalid="ignore"):
            values, sizes = _sums(samples, order)
        if not np.isfinite(values).all():
            break
        norm = math.sqrt(sizes[-1])
        if previous is not None:
            # Rounding: the recurrence, and the places of nodes and kinks.
            rounding = (lost + np.sqrt(np.arange(order + 1.0))) * EPSILON * norm
            rounding += 2.0 * EPSILON * sizes[:-1]
            square_rounding = 2.0 * lost * EPSILON * values[-1]
            change = np.abs(values - previous)
            errors = change[:-1] + rounding + tails[:, 0] * norm + sampled
            missed = _missed(function, reach, resolution, values[-1])
            square_error = change[-1] + missed + square_rounding + TINIEST
            square_error += left_out**2 * values[-1] + 2.0 * sampled * norm + sampled**2
            best = DoubleCoefficients(
                np.where(kept, values[:-1], 0.0),
                np.where(kept, errors, 0.0),
                float(values[-1]),
                float(square_error),
            )
            settled = change[:-1][kept] <= TOLERANCE * norm + 2.0 * rounding[kept] + sampled
            enough = 1e-13 * values[-1] + 2.0 * sampled * norm + TINIEST
            if settled.all() and change[-1] + missed <= enough:
                return best
            # Two resolutions agree, and both have passed over something narrow.
            if settled.all() and missed > enough:
                resolution = max(resolution, CHECK_RESOLUTION / 4.0)
        previous = values
        resolution *= 1.5
    if best is None:
        raise ConvergenceError(
            f"the Hermite coefficients of {function.short} are beyond double precision",
            Status.NOT_FINITE,
        )
    return best


@dataclass(frozen=True, slots=True)
class _Samples:
    """``E[f(Z) g(Z)] ~ sum weights values g(nodes)``; all of shape (M,)."""

    nodes: Array
    weights: Array
    values: Array


def _sums(samples: _Samples, order: int) -> tuple[Array, Array]:
    """``c_0 .. c_order`` and ``E[f^2]``; and the same with absolute values."""
    total, size = np.zeros(order + 2), np.zeros(order + 2)
    for start in range(0, samples.nodes.size, BLOCK):
        block = slice(start, start + BLOCK)
        weights, values = samples.weights[block], samples.values[block]
        psi = _hermite_functions(samples.nodes[block], order)
        amplitude = values * (weights / psi[0])
        square = float(values * weights @ values)
        total[:-1] += psi @ amplitude
        size[:-1] += np.abs(psi, out=psi) @ np.abs(amplitude)
        total[-1] += square
        size[-1] += square
    return total, size


def _hermite_functions(z: Array, order: int) -> Array:
    """``psi_k(z)``, shape (order + 1, M), without the constant ``(2 pi)**(-1/4)`` of ``psi_0``."""
    psi = np.empty((order + 1, z.size))
    np.exp(-(z**2) / 4.0, out=psi[0])
    if order:
        np.multiply(z, psi[0], out=psi[1])
    scratch = np.empty(z.size)
    for k in range(1, order):
        following = psi[k + 1]
        np.multiply(z, 1.0 / math.sqrt(k + 1.0), out=following)
        following *= psi[k]
        np.multiply(psi[k - 1], math.sqrt(k / (k + 1.0)), out=scratch)
        following -= scratch
    return psi


def _missed(function: ScalarFunction, reach: float, resolution: float, square: float) -> float:
    """How far ``E[f^2]`` is from its value with many nodes: a narrow feature that was passed by."""
    exact = any(end and end.loss for ends in singular_ends(function) for end in ends)
    fine = 16.0 if exact else CHECK_RESOLUTION  # few nodes, where they are evaluated one by one
    if resolution >= fine:
        return 0.0
    difference = abs(square - _second_moment(function, reach, fine))
    return difference if math.isfinite(difference) else 0.0


@cached(256)
def _second_moment(function: ScalarFunction, reach: float, resolution: float) -> float:
    samples = _samples(function, resolution, reach)
    if samples is None:
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(samples.values * samples.weights @ samples.values)


@cached(256)
def _reach(function: ScalarFunction) -> tuple[float, float]:
    """Where ``f sqrt(phi)`` has become negligible, and the fraction left out when it has not.

    The Hermite functions are bounded, so that this does not depend on the order.
    """
    radii = np.arange(0.0621234, FARTHEST, 0.125)
    points = np.stack([radii, -radii])
    with np.errstate(all="ignore"):
        log_size = (np.log(np.abs(function(points))) - points**2 / 4.0).max(axis=0)
    log_size = np.where(np.isfinite(log_size), log_size, -math.inf)
    largest = float(log_size.max())
    if largest == -math.inf:
        return LEAST_REACH, 0.0
    visible = int(np.flatnonzero(log_size + 2.0 * np.log1p(radii) > largest + NEGLIGIBLE)[-1])
    tail = 0.0
    if visible == radii.size - 1:
        tail = 10.0 * FARTHEST * math.exp(float(log_size[-1]) - largest)
    return max(LEAST_REACH, float(radii[visible]) + 0.125), tail


def _samples(function: ScalarFunction, resolution: float, reach: float) -> _Samples | None:
    """The rule with this many nodes per unit of length; None when that is too much work."""
    if 2.0 * reach * resolution > MAX_NODES:
        return None
    pieces, ends = function.smooth_pieces, singular_ends(function)
    singular = [
        (index, side, float(place), min(1.0, (float(piece.upper) - float(piece.lower)) / 2.0))
        for index, (piece, sides) in enumerate(zip(pieces, ends, strict=True))
        for place, side, end in zip((piece.lower, piece.upper), (1, -1), sides, strict=True)
        if end is not None and abs(float(place)) < reach
    ]
    kinks = [*function.kinks, *(place + side * near for _, side, place, near in singular)]
    if kinks and 2.0 * resolution > MOST_PER_PANEL:
        count = math.ceil(2.0 * reach * resolution / MOST_PER_PANEL)
        edges = [*kinks, *np.linspace(-reach, reach, count + 1)[1:-1].tolist()]
        rule = gaussian_rule(MOST_PER_PANEL / 2.0, reach, edges)
    else:
        rule = gaussian_rule(resolution, reach, kinks)
    z, weights = rule.nodes[0], rule.weights
    inside = np.zeros(z.size, bool)
    parts = []
    for index, side, place, near in singular:
        inside |= (side * (z - place) > 0) & (side * (z - place) < near)
        part = _near_singular(function, index, side, place, near, resolution)
        if part is None:
            return None
        parts.append(part)
    away = z[~inside]
    parts.append(_Samples(away, weights[~inside], function(away)))
    return _Samples(
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def _near_singular(
    function: ScalarFunction, index: int, side: int, place: float, near: float, resolution: float
) -> _Samples | None:
    """Panels in the logarithm of the distance from an end of a smooth piece."""
    end = singular_ends(function)[index][0 if side == 1 else 1]
    assert end is not None
    digits = min(closeness(end, SINGULAR_DIGITS), 290)
    low, high = -digits * math.log(10.0), math.log(near)
    order = min(math.ceil(LOGARITHM_PANEL * resolution), MOST_PER_PANEL)
    count = math.ceil((high - low) * max(resolution / order, 1.0 / LOGARITHM_PANEL))
    if count * order > (MAX_EXACT_NODES if end.loss else MAX_NODES):
        return None
    logarithms, widths = legendre_panels(np.linspace(low, high, count + 1), order)
    distances = np.exp(logarithms)
    nodes = place + side * distances
    density = np.exp(-(nodes**2) / 2.0) / math.sqrt(2.0 * math.pi)
    weights = widths * distances * density
    values = values_near_end(function, index, side, distances) if end.loss else function(nodes)
    return _Samples(nodes, weights, values)
