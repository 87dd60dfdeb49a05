"""Errors of ridge regression on given features, as functions of the effective ridge.

theory.md, section 7, in units in which the features are not divided by ``sqrt(N)``: ``t = N tau``.
With ``L(t) = log det(1 + T)`` and the explained part of the labels,

    tr1 = N r + L',    df1 = N - t tr1,    df2 = N - 2 t tr1 - t^2 tr1',
    S = y^T T (1 + T)^{-1} y + (|b|^2 - sum_k (b . o_k)^2) e,
    N lambda = t (1 - df1 / m),
    test error = (E[y^2] - S + t S') / (1 - df2 / m),
    training error = (1 - df1 / m)^2 test error.

Derivatives are in closed form: with ``T = B D B^T``, ``C = B^T B`` and ``G = (1 + C D)^{-1} C``,

    L' = tr G D',    L'' = tr G D'' - tr G D' G D',
    S  = (B^T y)^T D p + ..,    S' = p^T D' p + ..,    p = (1 + C D)^{-1} B^T y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt.features.trained import TrainedFeatures

__all__ = ["Risk", "effective_ridge", "risk"]

Array = NDArray[np.float64]

_MAX_ITERATIONS = 200
_RTOL = 1e-14
_TINY = 1e-12  # the smallest effective ridge, relative to the trace, where zero itself is singular


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """Everything about the regression that depends on the data's number only through ``t``.

    Arrays of the shape of ``t``.

    Attributes
    ----------
    df1, df2 : array
        Degrees of freedom, ``tr C (C + tau)^{-1}`` and ``tr C^2 (C + tau)^{-2}`` of the population
        covariance ``C`` of the features.
    df1_slope : array
        The derivative of ``df1`` in ``t``.
    bias : array
        ``E[f^2] - S + t S'``: the error without label noise of the regression on infinitely many
        samples with this ridge.
    """

    df1: Array
    df2: Array
    df1_slope: Array
    bias: Array


def risk(features: TrainedFeatures, t: Array) -> Risk:
    """Degrees of freedom and bias at effective ridges ``t``, of any shape."""
    t = np.asarray(t, dtype=float)
    transforms = features.bulk.transforms(t)
    d, d1, d2 = features.couplings(transforms)
    n, c, y = features.width, features.gram, features.target
    mixed = np.eye(y.size) + c * d[..., None, :]  # 1 + C D
    right = np.concatenate([c, y[:, None]], axis=1)
    solved = np.linalg.solve(mixed, np.broadcast_to(right, (*t.shape, *right.shape)))
    g, p = solved[..., :-1], solved[..., -1]
    g1 = g * d1[..., None, :]
    trace = n * transforms.r + np.einsum("...ii->...", g1)
    slope = (
        n * transforms.r1
        + np.einsum("...ii,...i->...", g, d2)
        - np.einsum("...ij,...ji->...", g1, g1)
    )
    explained = np.sum(y * d * p, axis=-1) + features.linear_rest * transforms.e
    explained_slope = np.sum(p**2 * d1, axis=-1) + features.linear_rest * transforms.e1
    return Risk(
        df1=n - t * trace,
        df2=n - 2.0 * t * trace - t**2 * slope,
        df1_slope=-trace - t * slope,
        bias=features.second_moment - features.noise_variance - explained + t * explained_slope,
    )


def effective_ridge(
    features: TrainedFeatures, samples: Array, ridge: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """The root ``t`` of ``t (1 - df1(t) / m) = N lambda``, and whether each was found.

    ``df1`` falls from the rank of the features to 0, so the left side is increasing where it is
    positive, and the root is unique. Newton steps in ``log t``, kept inside a bracket that shrinks.

    Parameters
    ----------
    features : TrainedFeatures
    samples : array
        ``m``.
    ridge : array of the same shape
        ``N lambda``. Zero stands for its limit: the root of ``df1 = m`` where there are fewer
        samples than that, and ``t = 0`` otherwise.
    """
    trace = features.width * (
        features.bulk.linear**2
        + features.bulk.nonlinear**2
        + features.width * float(np.sum(features.gram.diagonal()[: features.basis.shape[1]]))
    )
    tiny = _TINY * (features.bulk.linear**2 + features.bulk.nonlinear**2)
    low, high = np.maximum(ridge, tiny), ridge + 2.0 * trace / samples + tiny
    at_zero = risk(features, np.asarray(0.0 if features.bulk.nonlinear > 0 else tiny))
    limit = (ridge == 0) & (samples >= at_zero.df1 * (1 - 1e-12))
    t = np.sqrt(low * high)
    found = limit.copy()
    for _ in range(_MAX_ITERATIONS):
        now = risk(features, t)
        value = t * (1.0 - now.df1 / samples) - ridge
        slope = (1.0 - now.df1 / samples) - t * now.df1_slope / samples
        low = np.where(value < 0, t, low)
        high = np.where(value < 0, high, t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = t * np.exp(-value / (t * slope))
        inside = (step > low) & (step < high)
        following = np.where(inside, step, np.sqrt(low * high))
        found |= np.abs(following - t) <= _RTOL * t
        found |= (high - low) <= 4 * _RTOL * high
        if found.all():
            break
        t = np.where(found, t, following)
    zero = 0.0 if features.bulk.nonlinear > 0 else tiny
    return np.where(limit, zero, t), found
