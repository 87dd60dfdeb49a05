"""Ridge errors of given features at many numbers of samples and regularisations at once."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np

from rmt.arrays import Array
from rmt.features.trained import TrainedFeatures
from rmt.regression.risk import Risk, RiskTable, effective_ridge, ridge_roots, risk, smallest_ridge

__all__ = ["Points", "solved_points"]


_FEW = 4  # points that are solved one by one
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
        here = np.array([astuple(risk(features, x)) for x in t]).T
        error = 0.0
    else:
        t, here, error = _by_table(features, m, lam)
    shape = samples.shape
    now = Risk(*here.reshape(-1, *shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.maximum(1.0 - now.df2 / samples, 0.0)
        below = np.where(below < _ROUNDING, 0.0, below)
        test = (now.bias + features.noise_variance) / below
        free = np.maximum(1.0 - now.df1 / samples, 0.0)
        training = np.where(free > _ROUNDING, free**2 * test, 0.0)
    return Points(t.reshape(shape), now, test, training, error)


def _by_table(features: TrainedFeatures, m: Array, lam: Array) -> tuple[Array, Array, float]:
    """``t``, the numbers of `Risk` there, a row for each, and the relative error of these."""
    t = np.full(m.shape, smallest_ridge(features))
    values = np.empty((len(fields(Risk)), m.size))
    limit = np.zeros(m.shape, bool)
    if (lam == 0).any():
        at_zero = risk(features, float(t[0]))
        limit = (lam == 0) & (m >= float(at_zero.df1) * (1 - 1e-12))
        values[:, limit] = np.array(astuple(at_zero))[:, None]
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
        t[rest] = ridge_roots(table, m[rest], lam[rest], least, most)
        values[:, rest] = astuple(table(t[rest]))
    return t, values, error


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
