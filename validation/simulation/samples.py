"""Many simulated networks of one problem, and their means with standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array, Integers
from rmt.display import Part, Shown, Table
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.simulation.bulk import BulkEdge, bulk_edge
from validation.simulation.observe import Histogram, Observation

__all__ = ["Samples", "stacked", "standard_error"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples(Shown):
    """What was observed in several simulated networks of one problem.

    Attributes
    ----------
    problem : Problem
        What was simulated.
    seed : int
        Seed of all samples.
    singular_values : array (n_samples, k)
        Largest singular values of the last weights, in decreasing order.
    target_overlaps : array (n_samples, k, r)
        Squared overlap of the right singular vector of each with each target direction.
    residual : float
        Largest relative residual of any triplet (see `Observation`).
    spectra : array (n_spectra, min(N, d))
        All singular values, in decreasing order, of the samples of which they were kept; without
        any the array has no rows.
    indices : array of int (n_samples,)
        Which samples of the seed they are, by default the first ``n_samples``.
    initial_output_overlap : array (n_samples, k) or None
        Squared overlap of the right singular vectors with ``W_0^T a``, of networks whose untrained
        output is of order one.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import run_samples
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> samples = run_samples(problem, 5, n_outliers=2, n_spectra=3)
    >>> samples.n_samples, samples.mean_singular_values.shape, samples.spectra.shape
    (5, (2,), (3, 40))
    >>> samples.count_beyond(3.0).tolist()
    [1, 1, 1, 1, 1]
    """

    problem: Problem
    seed: int
    singular_values: Array
    target_overlaps: Array
    residual: float
    spectra: Array = field(default_factory=lambda: np.empty((0, 0)))
    indices: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    initial_output_overlap: Array | None = None

    def __post_init__(self) -> None:
        if not len(self.indices):
            object.__setattr__(self, "indices", np.arange(self.n_samples))

    @classmethod
    def collect(
        cls,
        problem: Problem,
        seed: int,
        observations: Iterable[Observation],
        indices: Sequence[int] = (),
    ) -> Samples:
        """Put observations of the same problem together, in the order given.

        ``indices`` says which samples they are, by default the first ones.

        Raises
        ------
        InvalidInputError
            Without any observation, or for observations of different sizes.
        """
        seen = list(observations)
        if not seen:
            raise InvalidInputError("observations must hold at least one, got none")
        first = seen[0].target_overlaps.shape
        for shape in (one.target_overlaps.shape for one in seen):
            if shape != first:
                raise InvalidInputError(
                    "observations must all have the same numbers of triplets and directions, got "
                    f"{shape} after {first}"
                )
        spectra = [one.spectrum for one in seen if one.spectrum is not None]
        return cls(
            problem,
            seed,
            np.array([one.singular_values for one in seen]),
            np.array([one.target_overlaps for one in seen]),
            max(one.residual for one in seen),
            np.array(spectra).reshape(-1, min(problem.width, problem.dim)),
            np.array(indices, dtype=np.int64),
            stacked([one.initial_output_overlap for one in seen]),
        )

    @property
    def n_samples(self) -> int:
        """How many networks were simulated."""
        return int(self.singular_values.shape[0])

    @property
    def n_observed(self) -> int:
        """``k``, the number of triplets observed in each."""
        return int(self.singular_values.shape[1])

    @property
    def mean_singular_values(self) -> Array:
        """Shape (k,)."""
        return np.asarray(self.singular_values.mean(axis=0))

    @property
    def mean_target_overlaps(self) -> Array:
        """Shape (k, r)."""
        return np.asarray(self.target_overlaps.mean(axis=0))

    @property
    def singular_value_errors(self) -> Array:
        """Standard errors of the means, shape (k,); infinite for a single sample."""
        return standard_error(self.singular_values)

    @property
    def target_overlap_errors(self) -> Array:
        """Standard errors of the means, shape (k, r); infinite for a single sample."""
        return standard_error(self.target_overlaps)

    def count_beyond(self, threshold: float) -> Integers:
        """Observed singular values above a threshold in each sample, at most ``k``."""
        return np.asarray(np.count_nonzero(self.singular_values > threshold, axis=1))

    @property
    def edge(self) -> BulkEdge:
        """Edge of the bulk of the spectra's mean, rank by rank (see `bulk_edge`).

        Raises
        ------
        InvalidInputError
            When no whole spectrum was kept.
        """
        return bulk_edge(self._kept_spectra().mean(axis=0))

    def histogram(self, bins: ArrayLike | int = 80) -> Histogram:
        """All singular values of the whole spectra, counted.

        Parameters
        ----------
        bins : int or array
            Bin edges, or a number of equal bins from 0 that hold every value.

        Raises
        ------
        InvalidInputError
            When no whole spectrum was kept.
        """
        spectra = self._kept_spectra()
        if np.ndim(bins) == 0:
            bins = np.linspace(0.0, 1.02 * float(spectra.max()), int(np.asarray(bins)) + 1)
        return Histogram.empty(bins).add(spectra)

    def _kept_spectra(self) -> Array:
        if not len(self.spectra):
            raise InvalidInputError(
                "samples must hold at least one whole spectrum: run_samples(..., n_spectra=1)"
            )
        return self.spectra

    def _parts(self) -> list[Part]:
        means, errors = self.mean_target_overlaps, self.target_overlap_errors
        values = zip(self.mean_singular_values, self.singular_value_errors, strict=True)
        rows = []
        for i, (value, error) in enumerate(values):
            overlaps = zip(means[i], errors[i], strict=True)
            told = "  ".join(f"{mean:.4f} ({sem:.4f})" for mean, sem in overlaps)
            rows.append([f"{i}", f"{value:.4f} ({error:.4f})", told])
        header = ["spike", "singular value", "squared overlaps"]
        along = self.initial_output_overlap
        if along is not None:
            header.append("with the initial output")
            means, errors = along.mean(axis=0), standard_error(along)
            for row, mean, sem in zip(rows, means, errors, strict=True):
                row.append(f"{mean:.4f} ({sem:.4f})")
        head = f"{self.n_samples} samples, seed {self.seed}, standard errors in brackets"
        return [head, Table("rrll"[: len(header)], header, rows)]


def stacked(arrays: Sequence[Array | float | None]) -> Array | None:
    """One array of those of all networks, the network first; None where some have none."""
    there = [one for one in arrays if one is not None]
    return np.array(there, dtype=np.float64) if len(there) == len(arrays) else None


def standard_error(values: Array) -> Array:
    """Of the mean over the first axis; infinite for a single sample."""
    n = values.shape[0]
    if n < 2:
        return np.full(values.shape[1:], np.inf)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(n))
