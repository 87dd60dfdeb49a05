"""From the strength of a spike to the outlier it makes, and how much of its directions it keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import positive_number
from rmt.arrays import Array, Bools
from rmt.display import InNotebooks, Part, columns_of
from rmt.status import InvalidInputError

__all__ = ["Outliers", "not_negative", "real_numbers", "rectangular_outliers"]


@dataclass(frozen=True, slots=True)
class Outliers(InNotebooks):
    """Outliers of a spiked rectangular matrix, one per strength.

    Attributes
    ----------
    singular_value, left_overlap, right_overlap : array
        The shape of the strengths. Overlaps are squared inner products of the singular vectors with
        the directions of the spike.
    is_outlier : array of bool
        False below the threshold; the singular value is then the bulk edge and the overlaps 0.

    Examples
    --------
    >>> from rmt import rectangular_outliers
    >>> found = rectangular_outliers([2.0, 0.5], aspect_ratio=1.0)
    >>> found.is_outlier.tolist(), found.singular_value.tolist(), found.right_overlap.tolist()
    ([True, False], [2.5, 2.0], [0.75, 0.0])
    """

    singular_value: Array
    left_overlap: Array
    right_overlap: Array
    is_outlier: Bools

    def _parts(self) -> list[Part]:
        return [columns_of(self, ["singular_value", "left_overlap", "right_overlap"])]


def rectangular_outliers(strength: ArrayLike, aspect_ratio: float) -> Outliers:
    r"""Outliers of ``W_0 + sum_k theta_k u_k v_k^T`` on the Marchenko-Pastur bulk.

    ``W_0`` is ``N x d`` with iid entries of variance ``1/d``; ``u_k``, ``v_k`` are orthonormal and
    independent of it. For ``theta > gamma^{1/4}``, ``gamma = N/d``,

    .. math::
       s &= \frac{\sqrt{(1 + \theta^2)(\gamma + \theta^2)}}{\theta} \\
       \text{left overlap} &= 1 - \frac{\gamma (1 + \theta^2)}{\theta^2 (\theta^2 + \gamma)} \\
       \text{right overlap} &= 1 - \frac{\gamma + \theta^2}{\theta^2 (\theta^2 + 1)},

    otherwise ``s`` is the bulk edge ``1 + sqrt(gamma)``.

    Parameters
    ----------
    strength : array_like
        ``theta >= 0``.
    aspect_ratio : float
        ``gamma = N / d > 0``.

    Returns
    -------
    Outliers
        In arrays of the shape of the strengths.

    Raises
    ------
    InvalidInputError
        For a strength that is negative or not finite, an aspect ratio that is not positive.

    Notes
    -----
    Benaych-Georges & Nadakuditi 2012; docs/theory.md, section 3. Closed forms, exact to rounding.

    Examples
    --------
    >>> found = rectangular_outliers([2.0, 0.5], aspect_ratio=1.0)
    >>> found.singular_value.tolist(), found.left_overlap.tolist()
    ([2.5, 2.0], [0.75, 0.0])
    """
    gamma = positive_number("aspect_ratio", aspect_ratio)
    theta = not_negative("strength", strength)
    above = theta > gamma**0.25
    t2 = np.where(above, theta, 1.0 + gamma) ** 2
    # (theta^4 - gamma) / theta^2, in which no large strength overflows.
    excess = np.maximum(t2 - gamma / t2, 0.0)
    return Outliers(
        singular_value=np.where(
            above, np.sqrt((1.0 + t2) * (1.0 + gamma / t2)), 1.0 + np.sqrt(gamma)
        ),
        left_overlap=np.where(above, excess / (t2 + gamma), 0.0),
        right_overlap=np.where(above, excess / (t2 + 1.0), 0.0),
        is_outlier=above,
    )


def not_negative(name: str, values: ArrayLike) -> Array:
    """Strengths or singular values as an array of doubles."""
    array = real_numbers(name, values)
    if not np.all((array >= 0) & np.isfinite(array)):
        raise InvalidInputError(f"{name} must be finite and not negative, got {values!r}")
    return array


def real_numbers(name: str, values: ArrayLike) -> Array:
    """Numbers as an array of doubles; no text, no complex numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InvalidInputError(f"{name} must be real numbers, got {values!r}")
    return array.astype(float)
