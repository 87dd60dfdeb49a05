"""Outliers that finitely many couplings pull out of a bulk, counted by inertia.

A matrix ``H(z) + sum_p (x_p y_p^T + y_p x_p^T)`` is singular where

    K(z) = [[0, 1], [1, 0]] + Mhat(z),      Mhat = U^T H(z)^{-1} U,   U = (x_1 .. x_P, y_1 .. y_P)

is. When ``z`` enters ``H`` as ``-z`` times a projection, ``dMhat/dz`` is positive semidefinite:
above the spectrum of ``H`` the eigenvalues of ``K`` only rise with ``z``. So the outliers above a
point are as many as eigenvalues that are negative there and not at infinity, and each is the zero
of one rising function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.newton import bracketed
from rmt.status import ConvergenceError, Status

__all__ = ["CoupledOutliers", "FormsAt", "coupled_outliers", "displaced"]


MAX_STEPS = 100
SETTLED = 1e-13  # the last step, relative
COINCIDING = 1e-12  # relative
MAX_DOUBLINGS = 200


@dataclass(frozen=True, slots=True, eq=False)
class FormsAt:
    """Forms of the resolvent of ``H`` at one real ``z``.

    Attributes
    ----------
    values, slopes : array, shape (2 P + T, 2 P + T)
        ``Mhat`` and ``dMhat/dz``: first the vectors ``x``, then the ``y``, then ``T`` vectors
        that take no part in a coupling.
    relative_error : float
        Of the values.

    Examples
    --------
    >>> import numpy as np
    >>> FormsAt(np.diag([-4.0, -0.25]), np.diag([0.0, 0.0625]), relative_error=1e-15).values.shape
    (2, 2)
    """

    values: Array
    slopes: Array
    relative_error: float


@dataclass(frozen=True, slots=True, eq=False)
class CoupledOutliers:
    """Outliers above the bulk, the largest first.

    Attributes
    ----------
    z : array, shape (J,)
    error : array, shape (J,)
        Estimate of the absolute error of ``z``, from that of the forms.
    amplitudes : array, shape (J, 2 P + T)
        Inner products of the vectors with the eigenvector of the outlier: minus the residue of
        ``U^T (H + couplings)^{-1} U`` at ``z`` is the outer product of a row with itself. The sign
        of a row is arbitrary.

    Examples
    --------
    >>> import numpy as np
    >>> def forms(z):  # H = diag(-1, -z), coupled by x = (2, 0) and y = (0, 1)
    ...     values, slopes = np.diag([-4.0, -1.0 / z]), np.diag([0.0, 1.0 / z**2])
    ...     return FormsAt(values, slopes, relative_error=1e-15)
    >>> found = coupled_outliers(forms, couplings=1, start=1e-6, guess=np.array([3.0]))
    >>> np.abs(found.amplitudes).round(9).tolist()
    [[4.0, 1.0]]
    """

    z: Array
    error: Array
    amplitudes: Array


def coupled_outliers(
    forms: Callable[[float], FormsAt], couplings: int, start: float, guess: Array
) -> CoupledOutliers:
    r"""All points above ``start`` where ``K`` is singular.

    The matrix ``H(z) + sum_p (x_p y_p^T + y_p x_p^T)`` is singular where

    .. math:: K(z) = \begin{pmatrix} 0 & 1 \\ 1 & 0 \end{pmatrix} + U^T H(z)^{-1} U, \qquad
       U = (x_1, \dots, x_P, y_1, \dots, y_P),

    is. When ``z`` enters ``H`` as ``-z`` times a projection the eigenvalues of ``K`` only rise with
    ``z`` above the spectrum of ``H``: the outliers are as many as eigenvalues that are negative at
    ``start`` and not at infinity, and each is the zero of one of them.

    Parameters
    ----------
    forms : callable
        The forms at a real ``z``, right of the spectrum.
    couplings : int
        ``P``.
    start : float
        Just above the upper edge of the bulk.
    guess : array, shape (G,)
        Points near which outliers are expected, the largest first; they save time.

    Returns
    -------
    CoupledOutliers
        The largest ``z`` first.

    Raises
    ------
    ConvergenceError
        An outlier was counted and not found.

    Notes
    -----
    docs/theory.md, section 4 (outliers on any bulk); docs/deformed.md. Bad input is not looked for:
    it is called with forms that the package has made.

    Examples
    --------
    >>> import numpy as np
    >>> def forms(z):  # H = diag(-1, -z), coupled by x = (2, 0) and y = (0, 1)
    ...     values, slopes = np.diag([-4.0, -1.0 / z]), np.diag([0.0, 1.0 / z**2])
    ...     return FormsAt(values, slopes, relative_error=1e-15)
    >>> found = coupled_outliers(forms, couplings=1, start=1e-6, guess=np.array([3.0]))
    >>> found.z.round(12).tolist(), bool(found.error.max() < 1e-12)
    ([4.0], True)
    """
    bottom = _Spectrum(forms, couplings, start)
    far = 4.0 * max([start, *guess])
    for _ in range(MAX_DOUBLINGS):  # beyond the outliers half of the eigenvalues are negative
        beyond = _Spectrum(forms, couplings, far).negative
        if beyond <= couplings:
            break
        far *= 4.0
    else:
        raise ConvergenceError("the outliers have no upper bound", Status.NOT_CONVERGED)
    indices = range(beyond, bottom.negative)
    near = itertools.chain(guess.tolist(), itertools.repeat(math.nan))
    found = [
        _zero(forms, couplings, index, start, far, z)
        for index, z in zip(indices, near, strict=False)
    ]
    z = np.array([one.z for one in found])
    apart = np.flatnonzero(z[:-1] - z[1:] > COINCIDING * z[1:]) + 1
    error, amplitudes = np.empty(z.size), np.empty((z.size, len(bottom.here.values)))
    for group in np.split(np.arange(z.size), apart) if found else ():
        one = found[group[0]]
        error[group] = [one.shift(indices[k]) for k in group]
        amplitudes[group] = one.amplitudes([indices[k] for k in group])
    return CoupledOutliers(z, error, amplitudes)


def displaced(forms: Callable[[float], FormsAt], couplings: int, z: Array) -> CoupledOutliers:
    """Outliers of other forms that are very near to known ones, to first order.

    At each point the eigenvalue of ``K`` (see `coupled_outliers`) that is nearest to zero, and how
    far from there it vanishes: its value over its slope.

    Parameters
    ----------
    forms : callable
        The other forms at a real ``z``, right of the spectrum.
    couplings : int
        ``P``.
    z : array, shape (J,)
        The known outliers.

    Returns
    -------
    CoupledOutliers
        ``error`` is how far they are, and ``z`` stays as it is.

    Notes
    -----
    docs/deformed.md: how the error of a discretisation is found from another one.

    Examples
    --------
    >>> import numpy as np
    >>> def forms(z):  # as in `coupled_outliers`, with x = (2.001, 0): the outlier is at 4.004
    ...     values, slopes = np.diag([-(2.001**2), -1.0 / z]), np.diag([0.0, 1.0 / z**2])
    ...     return FormsAt(values, slopes, relative_error=1e-15)
    >>> displaced(forms, 1, np.array([4.0])).error.round(4).tolist()
    [0.004]
    """
    nearby = [_Spectrum(forms, couplings, float(point)) for point in z]
    nearest = [int(np.argmin(np.abs(one.values))) for one in nearby]
    pairs = list(zip(nearby, nearest, strict=True))
    return CoupledOutliers(
        z,
        np.array([one.shift(index) for one, index in pairs]),
        np.concatenate([one.amplitudes([index]) for one, index in pairs]),
    )


class _Spectrum:
    """Eigenvalues of ``K`` at one point, in ascending order."""

    def __init__(self, forms: Callable[[float], FormsAt], couplings: int, z: float) -> None:
        check_time()
        coupled = slice(0, 2 * couplings)
        swap = np.kron([[0.0, 1.0], [1.0, 0.0]], np.eye(couplings))
        self.z, self.here = z, forms(z)
        self.inner = self.here.values[coupled, coupled]
        self.rates = self.here.slopes[coupled, coupled]
        self.values, self.vectors = np.linalg.eigh(swap + self.inner)

    @property
    def negative(self) -> int:
        """How many eigenvalues are."""
        return int(np.sum(self.values < 0.0))

    def slope(self, index: int) -> float:
        """Of an eigenvalue, in ``z``."""
        null = self.vectors[:, index]
        return float(null @ self.rates @ null)

    def shift(self, index: int) -> float:
        """How far the zero of an eigenvalue may be, by its value and the error of the forms."""
        size = np.abs(self.vectors[:, index])
        error = self.here.relative_error * float(size @ np.abs(self.inner) @ size)
        return (abs(float(self.values[index])) + error) / self.slope(index)

    def amplitudes(self, indices: list[int]) -> Array:
        """Of all vectors with the eigenvectors of outliers that coincide, or of one.

        Any rotation of equal outliers would do: each is along as few couplings as there may be.
        """
        null = self.vectors[:, indices]
        root = np.linalg.inv(np.linalg.cholesky(null.T @ self.rates @ null)).T
        normal = null @ root
        turn = np.linalg.eigh(-normal.T * np.arange(len(null)) @ normal)[1]
        return np.asarray((self.here.values[:, : len(null)] @ normal @ turn).T)


def _zero(
    forms: Callable[[float], FormsAt],
    couplings: int,
    index: int,
    low: float,
    high: float,
    guess: float,
) -> _Spectrum:
    """The spectrum where the eigenvalue of an index passes zero, found in ``log z``."""
    last: _Spectrum

    def value_and_slope(log_z: Array, at: object) -> tuple[Array, Array]:
        nonlocal last
        last = _Spectrum(forms, couplings, math.exp(log_z[0]))
        return last.values[[index]], np.array([last.slope(index) * last.z])

    start, bottom, top = (np.log([one]) for one in (guess, low, high))
    if not bracketed(value_and_slope, start, bottom, top, MAX_STEPS, atol=SETTLED).settled[0]:
        raise ConvergenceError(
            f"the outlier near {math.sqrt(last.z):.6g}^2 was not settled",
            Status.NOT_CONVERGED,
            last.z,
        )
    return last
