"""Spikes added to a rectangular matrix: outliers on any bulk, and back from what is observed.

``W + sum_k theta_k u_k v_k^T`` with ``W`` (``N x d``) invariant under rotations on both sides, or
of independent entries with generic directions. With the Stieltjes transform ``m`` of the law of
``W^T W`` and its companion ``mc`` of ``W W^T``, a spike makes an outlier ``s`` where

    D(s^2) = 1 / theta^2,      D(z) = z m(z) mc(z),

and its singular vectors keep the squared overlaps ``mc / (theta^2 D')`` (left) and
``m / (theta^2 D')`` (right). Benaych-Georges & Nadakuditi 2012; docs/theory.md, section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import whole_number
from rmt.arrays import Array, Bools, ComplexArray
from rmt.display import InNotebooks, Part, columns_of
from rmt.newton import bracketed
from rmt.spectra.outliers.rectangular import Outliers, not_negative
from rmt.status import ConvergenceError, Status

__all__ = [
    "RectangularBulk",
    "SpikeEstimate",
    "additive_outliers",
    "additive_threshold",
    "estimate_spikes",
    "outlier_std",
    "shrink_singular_values",
]


MAX_STEPS = 200


class RectangularBulk(Protocol):
    """A law of the eigenvalues of ``W^T W`` that knows its companion: `MarchenkoPastur`,
    `GeneralisedMarchenkoPastur`.
    """

    ratio: float

    @property
    def upper_edge(self) -> float: ...

    def stieltjes(self, z: ArrayLike) -> ComplexArray: ...

    def stieltjes_derivative(self, z: ArrayLike) -> ComplexArray: ...

    def companion_stieltjes(self, z: ArrayLike) -> ComplexArray: ...

    def _edge_transforms(self) -> tuple[float, float]: ...


@dataclass(frozen=True, slots=True)
class SpikeEstimate(InNotebooks):
    """Spikes that would make the observed singular values, one per value.

    Attributes
    ----------
    strength, left_overlap, right_overlap : array
        0 where the singular value is not above the bulk.
    shrunk : array
        The singular value that is best in squared error when the observed singular vectors are
        kept: ``theta |<u, u_hat> <v, v_hat>|``.
    is_outlier : array of bool

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur, estimate_spikes
    >>> found = estimate_spikes([2.5, 1.9], MarchenkoPastur(1.0))
    >>> found.is_outlier.tolist(), found.left_overlap.round(12).tolist()
    ([True, False], [0.75, 0.0])
    """

    strength: Array
    left_overlap: Array
    right_overlap: Array
    shrunk: Array
    is_outlier: Bools

    def _parts(self) -> list[Part]:
        return [columns_of(self, ["strength", "left_overlap", "right_overlap", "shrunk"])]


def additive_threshold(bulk: RectangularBulk) -> float:
    """The least strength that makes an outlier: ``D(edge)^{-1/2}``.

    ``D`` as in `additive_outliers`, at the upper edge of the law of ``W^T W``.

    Parameters
    ----------
    bulk : MarchenkoPastur or GeneralisedMarchenkoPastur
        Law of the eigenvalues of ``W^T W``.

    Returns
    -------
    float
        ``theta_c``; ``(N/d)^{1/4}`` on the Marchenko-Pastur bulk.

    Notes
    -----
    Benaych-Georges & Nadakuditi 2012 (arXiv:1103.2221); docs/theory.md, section 4.

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> round(additive_threshold(MarchenkoPastur(1.0)), 12)
    1.0
    """
    m, companion = bulk._edge_transforms()
    return 1.0 / math.sqrt(bulk.upper_edge * m * companion)


def additive_outliers(strength: ArrayLike, bulk: RectangularBulk) -> Outliers:
    r"""Outliers above the bulk for spikes with orthonormal directions.

    Of ``W + sum_k theta_k u_k v_k^T`` with ``W`` (``N x d``) invariant under rotations, or with
    generic directions. With the Stieltjes transform ``m`` of the law of ``W^T W`` and its companion
    ``mc`` of ``W W^T`` a spike above the threshold makes the singular value ``s`` where

    .. math:: D(s^2) = \frac{1}{\theta^2}, \qquad D(z) = z\, m(z)\, m_c(z),

    and its singular vectors keep the squared overlaps ``mc / (theta^2 D')`` (left) and
    ``m / (theta^2 D')`` (right) with ``u_k`` and ``v_k``.

    Parameters
    ----------
    strength : array_like
        ``theta >= 0``. For spikes whose directions are not orthonormal see `combined_spikes`.
    bulk : MarchenkoPastur or GeneralisedMarchenkoPastur
        Law of the eigenvalues of ``W^T W``.

    Returns
    -------
    Outliers
        Singular values and squared overlaps; at the bulk's edge and 0 below the threshold.

    Raises
    ------
    InvalidInputError
        Strengths that are negative or not finite.
    ConvergenceError
        A root was not found.

    Notes
    -----
    Benaych-Georges & Nadakuditi 2012 (arXiv:1103.2221); docs/theory.md, section 4.

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> found = additive_outliers([2.0, 0.5], MarchenkoPastur(1.0))
    >>> found.singular_value.round(12).tolist(), found.left_overlap.round(12).tolist()
    ([2.5, 2.0], [0.75, 0.0])
    """
    theta = not_negative("strength", strength)
    above = np.asarray(theta > additive_threshold(bulk))
    z = np.full(theta.shape, bulk.upper_edge)
    left, right = np.zeros(theta.shape), np.zeros(theta.shape)
    if above.any():
        z[above] = _solve(theta[above], bulk)
        left[above], right[above] = _overlaps(theta[above], _transforms(z[above], bulk))
    return Outliers(np.asarray(np.sqrt(z)), left, right, above)


def estimate_spikes(singular_value: ArrayLike, bulk: RectangularBulk) -> SpikeEstimate:
    """From observed singular values to the spikes behind them: ``theta = D(s^2)^{-1/2}``.

    The inverse of `additive_outliers`, with the same ``D``; a value that is not above the bulk
    tells of no spike. With the overlaps of that spike, the estimate ``theta |<u, u_hat> <v,
    v_hat>|`` of its contribution along the observed vectors is the best in squared error.

    Parameters
    ----------
    singular_value : array_like
        ``s >= 0``.
    bulk : MarchenkoPastur or GeneralisedMarchenkoPastur
        Law of the eigenvalues of ``W^T W``.

    Returns
    -------
    SpikeEstimate
        One spike for each value, in arrays of the shape of the values.

    Raises
    ------
    InvalidInputError
        Values that are negative or not finite.

    Notes
    -----
    The shrinker that follows is optimal in squared (Frobenius) error: Nadakuditi 2014; Gavish &
    Donoho 2017.

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> found = estimate_spikes([2.5, 1.9], MarchenkoPastur(1.0))
    >>> found.strength.round(12).tolist(), found.shrunk.round(12).tolist()
    ([2.0, 0.0], [1.5, 0.0])
    """
    s = not_negative("singular_value", singular_value)
    above = np.asarray(s**2 > bulk.upper_edge)
    strength, left, right = (np.zeros(s.shape) for _ in range(3))
    if above.any():
        z = s[above] ** 2
        m, companion, slope = _transforms(z, bulk)
        strength[above] = 1.0 / np.sqrt(z * m * companion)
        left[above], right[above] = _overlaps(strength[above], (m, companion, slope))
    shrunk = np.asarray(strength * np.sqrt(left * right))
    return SpikeEstimate(strength, left, right, shrunk, above)


def shrink_singular_values(singular_value: ArrayLike, bulk: RectangularBulk) -> Array:
    """The optimal shrinker in squared error: what to put in the place of each singular value.

    ``theta |<u, u_hat> <v, v_hat>|`` of the spike that `estimate_spikes` finds, and 0 for a value
    that is not above the bulk.

    Parameters
    ----------
    singular_value : array_like
        ``s >= 0``.
    bulk : MarchenkoPastur or GeneralisedMarchenkoPastur
        Law of the eigenvalues of ``W^T W``.

    Returns
    -------
    array
        Of the shape of the values.

    Raises
    ------
    InvalidInputError
        Values that are negative or not finite.

    Notes
    -----
    Nadakuditi 2014; Gavish & Donoho 2017 (arXiv:1405.7511).

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> shrink_singular_values([2.5, 1.9], MarchenkoPastur(1.0)).round(12).tolist()
    [1.5, 0.0]
    """
    return estimate_spikes(singular_value, bulk).shrunk


def outlier_std(strength: ArrayLike, bulk: RectangularBulk, rows: int, columns: int) -> Array:
    """Standard deviation of an outlying singular value in one Gaussian matrix of this size.

    The outlier solves ``(1 + theta k)^2 = theta^2 z a b`` with the forms ``a = v^T (W^T W - z)^{-1}
    v``, ``b = u^T (W W^T - z)^{-1} u``, ``k = u^T W (W^T W - z)^{-1} v``. For a matrix that is
    rotation invariant on both sides they are uncorrelated, of variance ``2 (m' - m^2) / d``,
    ``2 (mc' - mc^2) / N`` and ``(m + z m') / N``; expanding the equation gives the variance of
    ``z = s^2``.

    Parameters
    ----------
    strength : array_like
        ``theta >= 0``.
    bulk : MarchenkoPastur or GeneralisedMarchenkoPastur
        Law of the eigenvalues of ``W^T W``.
    rows, columns : int
        ``N`` and ``d``.

    Returns
    -------
    array
        Of the shape of the strengths; nan below the threshold, where fluctuations are not Gaussian.

    Raises
    ------
    InvalidInputError
        Strengths that are negative or not finite, dimensions that are no positive whole numbers.

    Notes
    -----
    To leading order in the size. The forms' variances are those of vectors that are uniform on the
    sphere; Benaych-Georges & Nadakuditi 2012 (arXiv:1103.2221) for the equation they enter.

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> outlier_std([2.0, 4.0], MarchenkoPastur(1.0), 400, 400).round(4).tolist()
    [0.0433, 0.0484]
    """
    theta = not_negative("strength", strength)
    rows, columns = whole_number("rows", rows, 1), whole_number("columns", columns, 1)
    result = np.full(theta.shape, np.nan)
    above = np.asarray(theta > additive_threshold(bulk))
    if above.any():
        t = theta[above]
        z = _solve(t, bulk)
        m, companion, slope = _transforms(z, bulk)
        dm = bulk.stieltjes_derivative(z).real
        dc = bulk.ratio * dm + (1.0 - bulk.ratio) / z**2
        variance = 4.0 * t**2 * (m + z * dm) / rows
        variance += t**4 * z**2 * companion**2 * 2.0 * (dm - m**2) / columns
        variance += t**4 * z**2 * m**2 * 2.0 * (dc - companion**2) / rows
        result[above] = np.sqrt(variance) / (t**2 * np.abs(slope)) / (2.0 * np.sqrt(z))
    return result


def _transforms(z: Array, bulk: RectangularBulk) -> tuple[Array, Array, Array]:
    """``m``, its companion, and ``D'``."""
    m, dm = bulk.stieltjes(z).real, bulk.stieltjes_derivative(z).real
    companion = bulk.companion_stieltjes(z).real
    slope = bulk.ratio * dm + (1.0 - bulk.ratio) / z**2
    return m, companion, m * companion + z * (dm * companion + m * slope)


def _overlaps(theta: Array, transforms: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Squared, left and right, of spikes above the threshold."""
    m, companion, slope = transforms
    scale = theta**2 * slope
    return np.clip(companion / scale, 0.0, 1.0), np.clip(m / scale, 0.0, 1.0)


def _solve(theta: Array, bulk: RectangularBulk) -> Array:
    """``D(z) = 1 / theta^2`` above the edge.

    In ``r = sqrt(z - edge)``, where ``D`` is smooth, by Newton's method between brackets: an
    outlier is at most the strength plus the norm of the bulk.
    """
    edge = bulk.upper_edge
    low, high = np.zeros(theta.size), np.sqrt((theta + math.sqrt(edge)) ** 2 * 1.0001 - edge)

    def value_and_slope(r: Array, at: Any) -> tuple[Array, Array]:
        z = edge + r**2
        m, companion, slope = _transforms(z, bulk)
        # 1/sqrt(D) is close to a straight line in sqrt(z).
        root = np.sqrt(z * m * companion)
        return 1.0 / root - theta[at], -slope / root**3 * r

    start = np.minimum(theta, 0.9 * high)
    found = bracketed(value_and_slope, start, low, high, MAX_STEPS, rtol=1e-9)
    z = edge + found.x**2
    if found.settled.all():
        return np.asarray(z)
    raise ConvergenceError(
        f"the outlier of strength {theta[~found.settled][0]:.6g} was not found",
        Status.NOT_CONVERGED,
        np.sqrt(z),
    )
