"""Errors of ridge regression on given features, as functions of the effective ridge.

theory.md, section 7, in units in which the features are not divided by ``sqrt(N)``: ``t = N tau``.
With ``L(t) = log det(1 + T)``, ``y`` the target in the basis of `rmt.features.trained` and ``r``
the mean of the bulk's resolvent,

    tr1 = N r + L',    df1 = N - t tr1,    df2 = N - 2 t tr1 - t^2 tr1',
    S = y^T T (1 + T)^{-1} y + what the bulk explains outside of the spikes,
    N lambda = t (1 - df1 / m),
    test error = (E[y^2] - S + t S') / (1 - df2 / m),
    training error = (1 - df1 / m)^2 test error.

All derivatives in ``t`` are in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from numpy.polynomial import chebyshev

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.features.trained import TrainedFeatures

__all__ = ["Risk", "RiskTable", "effective_ridge", "ridge_roots", "risk", "smallest_ridge"]


_RTOL = 1e-14
_MAX_ITERATIONS = 200
_TINY = 1e-12  # stands for a zero effective ridge where zero itself is singular
_FIRST_NODES, _MAX_NODES = 17, 129
_INTERPOLATION = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """Everything about the regression that depends on the number of data only through ``t``.

    Attributes
    ----------
    df1, df2 : array
        Degrees of freedom, ``tr C (C + tau)^{-1}`` and ``tr C^2 (C + tau)^{-2}`` of the population
        covariance ``C`` of the features.
    df1_slope : array
        The derivative of ``df1`` in ``log t``.
    bias : array
        ``E[f^2] - S + t S'``: the error without label noise of the regression on infinitely many
        samples with this ridge.
    """

    df1: Array
    df2: Array
    df1_slope: Array
    bias: Array


def risk(features: TrainedFeatures, t: float) -> Risk:
    """Degrees of freedom and bias at one effective ridge ``t``, by the matrices."""
    resolvent = features.bulk.resolvent(t)
    if resolvent is None:
        raise ArithmeticError(f"the bulk's resolvent has no solution at {t:g}")
    coupling, coupling1, coupling2 = features.couplings(resolvent)
    n, y = features.width, features.target
    right = np.concatenate([coupling1, coupling2, y[:, None]], axis=1)
    solved = np.linalg.solve(np.eye(y.size) + coupling, right)
    first, second, p = np.split(solved, [y.size, 2 * y.size], axis=1)
    w = features.mean.weights
    trace = n * float(w @ resolvent.diagonal[0]) + float(np.trace(first))
    slope = n * float(w @ resolvent.diagonal[1]) + float(np.trace(second) - np.sum(first * first.T))
    p = p[:, 0]
    explained = float(y @ coupling @ p) + features.outside(resolvent.forms[0])
    explained_slope = float(p @ coupling1 @ p) + features.outside(resolvent.forms[1])
    target = features.second_moment - features.noise_variance
    return Risk(
        df1=np.asarray(n - t * trace),
        df2=np.asarray(n - 2.0 * t * trace - t**2 * slope),
        df1_slope=np.asarray(-t * trace - t**2 * slope),
        bias=np.asarray(target - explained + t * explained_slope),
    )


class RiskTable:
    """`risk` between two effective ridges, by Chebyshev interpolation in ``log t``.

    The functions are analytic in ``log t`` within ``pi`` of the real line (their singularities lie
    at negative ``t``), so the interpolation converges geometrically; nodes are doubled until the
    new values are met to 1e-11 of the largest. ``error`` is the relative error then found.
    """

    __slots__ = ("_coefficients", "_high", "_low", "error")

    def __init__(self, features: TrainedFeatures, low: float, high: float) -> None:
        self._low, self._high = math.log(low), math.log(high)
        self.error = 0.0
        count = 1 if self._high - self._low < 1e-9 else _FIRST_NODES
        nodes, values = self._at_nodes(features, count)
        self._coefficients = chebyshev.chebfit(nodes, values, count - 1)
        while count > 1:
            count = 2 * count - 1
            nodes, values = self._at_nodes(features, count)
            missed = np.abs(chebyshev.chebval(nodes, self._coefficients).T - values).max(axis=0)
            self.error = float(np.max(missed / np.abs(values).max(axis=0)))
            self._coefficients = chebyshev.chebfit(nodes, values, count - 1)
            if self.error <= _INTERPOLATION or count >= _MAX_NODES:
                break

    def __call__(self, t: Array) -> Risk:
        """At effective ridges between the two, of any shape."""
        x = np.log(t)
        width = self._high - self._low
        place = (2.0 * x - self._low - self._high) / width if width >= 1e-9 else np.zeros(x.shape)
        return Risk(*chebyshev.chebval(place, self._coefficients))

    def _at_nodes(self, features: TrainedFeatures, count: int) -> tuple[Array, Array]:
        """Nodes in [-1, 1], and the numbers of `Risk` there, in columns."""
        nodes = np.cos(np.pi * np.arange(count) / (count - 1)) if count > 1 else np.zeros(1)
        middle, half = (self._high + self._low) / 2.0, (self._high - self._low) / 2.0
        return nodes, np.array(
            [astuple(risk(features, math.exp(middle + half * x))) for x in nodes]
        )


def smallest_ridge(features: TrainedFeatures) -> float:
    """The effective ridge that stands for zero: zero itself, unless the features are singular."""
    singular = features.bulk.variance.min() <= 0.0
    return _TINY * features.bulk.trace if singular else 0.0


def effective_ridge(features: TrainedFeatures, samples: float, ridge: float) -> float:
    """The root ``t`` of ``t (1 - df1(t) / m) = N lambda``, to rounding.

    Parameters
    ----------
    features : TrainedFeatures
    samples : float
        ``m``.
    ridge : float
        ``N lambda``. Zero stands for its limit: the root of ``df1 = m`` where there are fewer
        samples than that, and `smallest_ridge` otherwise.
    """
    zero = smallest_ridge(features)
    if ridge == 0.0 and samples >= float(risk(features, zero).df1) * (1.0 - 1e-12):
        return zero
    q = features.mean.weights.size
    total = features.width * (features.bulk.trace + float(np.sum(features.functions[:q] ** 2)))
    low = max(ridge, _TINY * features.bulk.trace)
    high = ridge + 2.0 * total / samples + low
    return float(ridge_roots(lambda t: risk(features, float(t)), samples, ridge, low, high))


def ridge_roots(
    risk_at: Callable[[Array], Risk],
    samples: Array | float,
    ridge: Array | float,
    least: float,
    most: float,
) -> Array:
    """The roots ``t`` of ``t (1 - df1(t) / m) = N lambda`` between two bounds, to rounding.

    ``df1`` falls from the rank of the features to 0, so the left side is increasing where it is
    positive, and the root is unique. Newton steps in ``log t``, kept inside brackets that shrink.
    """
    low, high = np.full(np.shape(samples), least), np.full(np.shape(samples), most)
    t, done = np.sqrt(low * high), low > high
    for _ in range(_MAX_ITERATIONS):
        check_time()
        now = risk_at(t)
        free = 1.0 - now.df1 / samples
        value, slope = t * free - ridge, t * free - t * now.df1_slope / samples
        low, high = np.where(value < 0, t, low), np.where(value < 0, high, t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = np.where(slope > 0, t * np.exp(-value / slope), 0.0)
        following = np.where((step > low) & (step < high), step, np.sqrt(low * high))
        done = done | (np.abs(following - t) <= _RTOL * t) | (high - low <= 4 * _RTOL * high)
        t = following
        if done.all():
            return np.asarray(t)
    raise ArithmeticError("an effective ridge was not found: the iteration has not settled")
