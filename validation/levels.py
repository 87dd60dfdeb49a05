"""Whole spectra of simulated networks: the bulk's edge, the outliers beyond it, and its law.

Nothing here knows of the theory. Where the bulk ends is read off the singular values themselves,
so that outliers can be counted, and removed, without a prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.observe import observe
from validation.simulate import simulate

__all__ = ["BulkEdge", "Spectra", "bulk_edge", "count_outliers", "kolmogorov_distance", "spectra"]

FloatArray: TypeAlias = NDArray[np.float64]

# Ranks in the bulk that its edge is fitted to: beyond the fluctuations of the very largest values,
# and close enough to the edge for its square-root law.
_RANKS = np.arange(4, 13)
# Tracy-Widom scales beyond the edge at which a singular value is an outlier: for a real matrix
# without any the chance that the largest lies there is 0.2 percent.
_SCALES = 3.0


@dataclass(frozen=True, slots=True)
class BulkEdge:
    """Upper edge of a bulk of singular values, read off the values below it.

    Attributes
    ----------
    position : float
        Where the square-root law of the density ends.
    scale : float
        Unit of the largest value's Tracy-Widom fluctuations.
    n_outliers : int
        Singular values beyond ``position + 3 scale``.
    """

    position: float
    scale: float
    n_outliers: int


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """All singular values of several networks, and what the leading vectors have learned.

    Attributes
    ----------
    problem : Problem
    seed : int
    singular_values : array (n_samples, min(N, d))
        In decreasing order.
    target_overlaps : array (n_samples, k, r)
        Squared overlaps of the leading right singular vectors with each target direction.
    """

    problem: Problem
    seed: int
    singular_values: FloatArray
    target_overlaps: FloatArray

    @property
    def mean_singular_values(self) -> FloatArray:
        """Means over samples, rank by rank, shape (min(N, d),)."""
        return np.asarray(self.singular_values.mean(axis=0))

    @property
    def singular_value_errors(self) -> FloatArray:
        """Their standard errors."""
        return _standard_error(self.singular_values)

    @property
    def mean_target_overlaps(self) -> FloatArray:
        """Means over samples, shape (k, r)."""
        return np.asarray(self.target_overlaps.mean(axis=0))

    @property
    def target_overlap_errors(self) -> FloatArray:
        """Their standard errors."""
        return _standard_error(self.target_overlaps)

    @property
    def edge(self) -> BulkEdge:
        """Edge of the bulk of the mean singular values."""
        return bulk_edge(self.mean_singular_values)

    def bulk(self, n_outliers: int) -> FloatArray:
        """The singular values of all samples without the largest of each, in one array."""
        return np.asarray(self.singular_values[:, n_outliers:].ravel())

    def __str__(self) -> str:
        edge = self.edge
        leading = ", ".join(
            f"{mean:.4f} ({error:.4f})"
            for mean, error in zip(
                self.mean_singular_values[: edge.n_outliers + 1],
                self.singular_value_errors,
                strict=False,
            )
        )
        return (
            f"{len(self.singular_values)} spectra, seed {self.seed}: bulk edge {edge.position:.4f}"
            f", {edge.n_outliers} outlier(s); largest {leading}"
        )


def spectra(
    problem: Problem,
    n_samples: int,
    seed: int = 0,
    *,
    n_vectors: int = 6,
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
) -> Spectra:
    """Simulate networks of a problem and keep their whole spectra.

    Parameters
    ----------
    problem : Problem
    n_samples : int
        How many networks; their sample indices are ``0 .. n_samples - 1``.
    seed : int
    n_vectors : int
        Leading right singular vectors whose overlaps are kept.
    dtype : float32 or float64
        Of the simulation.
    threads : int, optional
        As in `validation.simulate`.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> seen = spectra(problem, 3, n_vectors=2)
    >>> seen.singular_values.shape, seen.target_overlaps.shape
    ((3, 40), (3, 2, 1))
    """
    seen = [
        observe(
            simulate(problem, seed, index, dtype, threads=threads).weights[-1],
            min(n_vectors, problem.width, problem.dim),
            n_directions=problem.n_directions,
            spectrum=True,
        )
        for index in range(n_samples)
    ]
    return Spectra(
        problem,
        seed,
        np.array([one.spectrum for one in seen]),
        np.array([one.target_overlaps for one in seen]),
    )


def bulk_edge(singular_values: ArrayLike) -> BulkEdge:
    """Edge of the bulk, and how many singular values lie beyond it.

    Below a soft edge ``E`` the ``k``-th largest value is near ``E - c tau_k`` with
    ``tau_k = (3 pi (4 k - 1) / 8)^{2/3}``, the zeros of the Airy function, where ``c`` is the unit
    of the Tracy-Widom fluctuations. ``E`` and ``c`` are fitted to the ranks 4 to 12 below the
    outliers, and an outlier is a value above ``E + 3 c``; their number is the smallest that is
    consistent with the edge that it leads to.

    Parameters
    ----------
    singular_values : array (m,)
        Of one matrix, or means rank by rank over several; ``m`` at least 24.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.random.default_rng(0).standard_normal((400, 400)) / 20
    >>> w[:, 0] += 3 * np.ones(400) / 20
    >>> edge = bulk_edge(np.linalg.svd(w, compute_uv=False))
    >>> edge.n_outliers, round(edge.position, 1)
    (1, 2.0)
    """
    values = np.sort(np.asarray(singular_values, dtype=np.float64).ravel())[::-1]
    if values.size < 2 * _RANKS[-1]:
        raise InvalidInputError(
            f"singular_values must be at least {2 * _RANKS[-1]}, got {values.size}"
        )
    tau = (3.0 * np.pi * (4.0 * _RANKS - 1.0) / 8.0) ** (2.0 / 3.0)
    for n_outliers in range(values.size - int(_RANKS[-1]) + 1):
        slope, position = np.polyfit(tau, values[n_outliers + _RANKS - 1], 1)
        beyond = int(np.count_nonzero(values > position - _SCALES * slope))
        if beyond <= n_outliers:
            break
    return BulkEdge(float(position), float(-slope), n_outliers)


def count_outliers(singular_values: ArrayLike) -> NDArray[np.int64]:
    """Outliers of each of several matrices, by `bulk_edge`.

    Parameters
    ----------
    singular_values : array (n_samples, m)
    """
    return np.array([bulk_edge(values).n_outliers for values in np.asarray(singular_values)])


def kolmogorov_distance(
    distribution: Callable[[FloatArray], ArrayLike], values: ArrayLike
) -> float:
    """Largest difference between a distribution function and that of the values.

    Examples
    --------
    >>> kolmogorov_distance(lambda x: x, [0.25, 0.75])
    0.25
    """
    points = np.sort(np.asarray(values, dtype=np.float64).ravel())
    predicted = np.asarray(distribution(points), dtype=np.float64)
    steps = np.arange(points.size + 1) / points.size
    return float(max(np.abs(predicted - steps[:-1]).max(), np.abs(predicted - steps[1:]).max()))


def _standard_error(values: NDArray[Any]) -> FloatArray:
    n = values.shape[0]
    if n < 2:
        return np.full(values.shape[1:], np.inf)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(n))
