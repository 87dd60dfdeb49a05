"""Ridge errors of given features at many numbers of samples and regularisations at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.features.trained import TrainedFeatures
from rmt.regression.risk import Risk, RiskTable, effective_ridge, risk, smallest_ridge

__all__ = ["Points", "solved_points"]


_FEW = 4  # points that are solved one by one
_MAX_ITERATIONS = 200
_RTOL = 1e-14
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One stage at all points; arrays of their shape.

    Attributes
    ----------
    t : array
        ``N tau``.
    risk : Risk
    test_error, training_error : array
    error : float
        Relative error of the interpolation.
    """

    t: Array
    risk: Risk
    test_error: Array
    training_error: Array
    error: float


def solved_points(features: TrainedFeatures, samples: Array, ridge: Array) -> Points:
    """Solve for ``t`` at every point, and evaluate the errors there.

    Parameters
    ----------
    features : TrainedFeatures
    samples, ridge : arrays of one shape
        ``m`` and ``N lambda``.
    """
    m, lam = samples.ravel(), ridge.ravel()
    if m.size <= _FEW:
        t = np.array([effective_ridge(features, a, b) for a, b in zip(m, lam, strict=True)])
        found = [risk(features, x) for x in t]
        here = Risk(*(np.array([float(getattr(r, name)) for r in found]) for name in _NAMES))
        error = 0.0
    else:
        t, here, error = _by_table(features, m, lam)
    shape = samples.shape
    now = Risk(*(getattr(here, name).reshape(shape) for name in _NAMES))
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.maximum(1.0 - now.df2 / samples, 0.0)
        below = np.where(below < _ROUNDING, 0.0, below)
        test = (now.bias + features.noise_variance) / below
        free = np.maximum(1.0 - now.df1 / samples, 0.0)
        training = np.where(free > _ROUNDING, free**2 * test, 0.0)
    return Points(t.reshape(shape), now, test, training, error)


_NAMES = ("df1", "df2", "df1_slope", "bias")


def _by_table(features: TrainedFeatures, m: Array, lam: Array) -> tuple[Array, Risk, float]:
    zero = smallest_ridge(features)
    limit = np.zeros(m.shape, bool)
    if (lam == 0).any():
        at_zero = risk(features, zero)
        limit = (lam == 0) & (m >= float(at_zero.df1) * (1 - 1e-12))
    t = np.full(m.shape, zero)
    values = {name: np.empty(m.shape) for name in _NAMES}
    if limit.any():
        for name in _NAMES:
            values[name][limit] = float(getattr(at_zero, name))
    rest = ~limit
    error = 0.0
    if rest.any():
        # t rises with the ridge and falls with the samples: its extremes are at points that no
        # other point of the grid beats in both.
        points = np.stack([m[rest], lam[rest]], axis=1)
        least = min(effective_ridge(features, a, b) for a, b in _extreme(points, 1.0))
        most = max(effective_ridge(features, a, b) for a, b in _extreme(points, -1.0))
        table = RiskTable(features, least, most)
        error = table.error
        t[rest] = _roots(table, m[rest], lam[rest], least, most)
        found = table(t[rest])
        for name in _NAMES:
            values[name][rest] = getattr(found, name)
    return t, Risk(**values), error


def _extreme(points: Array, sign: float) -> Array:
    """The points of least ``t`` (sign 1) or largest (sign -1) in the partial order."""
    unique = np.unique(points, axis=0)
    m, lam = sign * unique[:, 0], sign * unique[:, 1]
    order = np.lexsort((lam, -m))
    best, kept = np.inf, []
    for i in order:
        if lam[i] < best:
            best = lam[i]
            kept.append(i)
    return np.asarray(unique[kept])


def _roots(table: RiskTable, m: Array, lam: Array, least: float, most: float) -> Array:
    """`effective_ridge` at all points, on the interpolated functions."""
    low, high = np.full(m.shape, least), np.full(m.shape, most)
    t = np.sqrt(low * high)
    for _ in range(_MAX_ITERATIONS):
        check_time()
        now = table(t)
        free = 1.0 - now.df1 / m
        value, slope = t * free - lam, t * free - t * now.df1_slope / m
        low, high = np.where(value < 0, t, low), np.where(value < 0, high, t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = t * np.exp(-value / slope)
        following = np.where((step > low) & (step < high), step, np.sqrt(low * high))
        done = (np.abs(following - t) <= _RTOL * t) | (high - low <= 4 * _RTOL * high)
        t = following
        if done.all():
            break
    return np.asarray(t)
