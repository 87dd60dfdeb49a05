"""Means and standard errors of a stream of arrays that is seen once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.status import InvalidInputError

__all__ = ["RunningMoments"]


@dataclass(frozen=True, slots=True, eq=False)
class RunningMoments:
    """Number, mean and scatter of the arrays seen so far; adding gives a new object.

    With ``m_n`` the mean and ``S_n = sum_i (x_i - m_n)^2`` of ``n`` arrays,

        m_n = m_{n-1} + (x_n - m_{n-1}) / n,
        S_n = S_{n-1} + (x_n - m_{n-1}) (x_n - m_n),

    which never subtracts two large numbers, as ``sum x^2 - n m^2`` would.

    Attributes
    ----------
    count : int
        ``n``.
    mean : array (...)
        ``m_n``, element by element; zero before the first array.
    scatter : array (...)
        ``S_n``.

    Notes
    -----
    Sources: B. P. Welford, Technometrics 4 (1962) 419; for `merge`, T. F. Chan, G. H. Golub and
    R. J. LeVeque, The American Statistician 37 (1983) 242, eq. (2.1).

    Examples
    --------
    >>> seen = RunningMoments.empty((2,))
    >>> for values in ([1.0, 10.0], [2.0, 10.0], [6.0, 10.0]):
    ...     seen = seen.add(values)
    >>> seen.mean, seen.variance
    (array([ 3., 10.]), array([7., 0.]))
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...] = ()) -> RunningMoments:
        """Nothing seen yet, of arrays of this shape."""
        return cls(0, np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, values: ArrayLike) -> RunningMoments:
        """Of all arrays ``values[i]`` at once.

        Raises
        ------
        InvalidInputError
            For a single number, which has no axis to run over.
        """
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0:
            raise InvalidInputError("values must have an axis of samples, got a single number")
        if not len(array):
            return cls.empty(array.shape[1:])
        mean = array.mean(axis=0)
        return cls(len(array), np.asarray(mean), np.asarray(((array - mean) ** 2).sum(axis=0)))

    def add(self, values: ArrayLike) -> RunningMoments:
        """With one more array.

        Raises
        ------
        InvalidInputError
            For an array of another shape.
        """
        array = self._of_my_shape(np.asarray(values, dtype=np.float64))
        before = array - self.mean
        mean = self.mean + before / (self.count + 1)
        return RunningMoments(self.count + 1, mean, self.scatter + before * (array - mean))

    def merge(self, other: RunningMoments) -> RunningMoments:
        """With everything that the other has seen.

        Raises
        ------
        InvalidInputError
            For arrays of another shape.
        """
        self._of_my_shape(other.mean)
        count = self.count + other.count
        if count == 0:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        between = apart**2 * (self.count * other.count / count)
        return RunningMoments(count, mean, self.scatter + other.scatter + between)

    @property
    def variance(self) -> Array:
        """``S_n / (n - 1)``; infinite for fewer than two arrays, which tell nothing of it."""
        if self.count < 2:
            return np.full(self.mean.shape, np.inf)
        return np.asarray(self.scatter / (self.count - 1))

    @property
    def standard_error(self) -> Array:
        """Of the mean; infinite for fewer than two arrays."""
        return np.asarray(np.sqrt(self.variance / max(self.count, 1)))

    def __str__(self) -> str:
        pairs = zip(self.mean.ravel(), self.standard_error.ravel(), strict=True)
        values = "  ".join(f"{mean:.4f} ({error:.4f})" for mean, error in pairs)
        return f"{self.count} seen, standard errors in brackets: {values}"

    def _of_my_shape(self, array: Array) -> Array:
        if array.shape != self.mean.shape:
            raise InvalidInputError(
                f"values must all have the shape {self.mean.shape}, got {array.shape}"
            )
        return array
