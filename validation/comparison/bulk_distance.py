"""The predicted bulk against whole simulated spectra, and Marchenko-Pastur beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.display import InNotebooks
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from validation.comparison.verdict import Criteria, Verdict, classify
from validation.simulation.bulk import FEWEST_VALUES, bulk_edge, kolmogorov_distance
from validation.simulation.samples import Samples

__all__ = ["BulkDistance", "bulk_distance", "bulk_values"]


@dataclass(frozen=True, slots=True)
class BulkDistance(InNotebooks):
    """Kolmogorov distance between the predicted bulk and the simulated singular values.

    Attributes
    ----------
    predicted : float
        ``max_x |F(x) - F_sim(x)|`` of the predicted bulk's distribution function and that of all
        singular values below the outliers, those of the kept spectra together.
    marchenko_pastur : float
        The same of the Marchenko-Pastur law, the bulk before training.
    n_spectra, n_values : int
        How many spectra, and how many singular values below the outliers each has.

    Examples
    --------
    >>> found = BulkDistance(0.004, 0.05, n_spectra=4, n_values=998)
    >>> round(found.resolution, 4)
    0.0026
    """

    predicted: float
    marchenko_pastur: float
    n_spectra: int
    n_values: int

    @property
    def resolution(self) -> float:
        """The distance that spectra of this size have from their own limit.

        ``((sqrt(2)/pi log m + 1) / sqrt(k) + 1/2) / m`` for ``k`` spectra of ``m`` values. Singular
        values are rigid: the largest deviation of their counting function from its mean is
        near ``sqrt(2)/pi log m`` (real matrices; Claeys, Fahs, Lambert and Webb 2021 prove ``1/pi
        log m`` for complex ones), instead of the ``sqrt(m)`` of independent points. Half a value is
        left for the mean's own distance from the limit. Spectra of Gaussian matrices of 50 to 1000
        rows stay below it in 97 of 100 draws or more; so this is no test at a stated significance,
        and it is not counted among them.
        """
        fluctuation = math.sqrt(2.0) / math.pi * math.log(self.n_values) + 1.0
        return (fluctuation / math.sqrt(self.n_spectra) + 0.5) / self.n_values

    def verdict(self, criteria: Criteria) -> Verdict:
        """Whether the predicted bulk is within the resolution, or the allowance beside it."""
        return classify(self.predicted, self.resolution, criteria.bulk_allowance)

    def __str__(self) -> str:
        spectra = "spectrum" if self.n_spectra == 1 else "spectra"
        return (
            f"bulk: distance {self.predicted:.4f} from {self.n_spectra} {spectra} (resolution "
            f"{self.resolution:.4f}), Marchenko-Pastur {self.marchenko_pastur:.4f}"
        )


def bulk_values(samples: Samples) -> Array | None:
    """The singular values below the outliers of all kept spectra.

    Outliers are told by the spectra alone, as many of each as their mean has (see `bulk_edge`).

    Returns
    -------
    array (n_spectra, m) or None
        None when no spectrum was kept, or spectra of fewer than 24 values.
    """
    if not len(samples.spectra) or samples.spectra.shape[1] < FEWEST_VALUES:
        return None
    n_outliers = bulk_edge(samples.spectra.mean(axis=0)).n_outliers
    return np.asarray(samples.spectra[:, n_outliers:])


def bulk_distance(
    distribution: Callable[[Array], ArrayLike], values: Array, aspect_ratio: float
) -> BulkDistance:
    """Distance of a predicted law, and of Marchenko-Pastur, from simulated values.

    Parameters
    ----------
    distribution : callable
        The predicted distribution function, of a sorted array.
    values : array (n_spectra, m)
        Of `bulk_values`.
    aspect_ratio : float
        ``N / d``, of the Marchenko-Pastur law.

    Examples
    --------
    >>> from validation.simulation.samples import Samples
    >>> w = np.random.default_rng(0).standard_normal((200, 200)) / np.sqrt(200)
    >>> spectrum = np.linalg.svd(w, compute_uv=False)
    >>> found = bulk_distance(MarchenkoPasturBulk(1.0).cdf, spectrum[None], 1.0)
    >>> found.predicted == found.marchenko_pastur, found.predicted < found.resolution
    (True, True)
    """
    return BulkDistance(
        kolmogorov_distance(distribution, values),
        kolmogorov_distance(MarchenkoPasturBulk(aspect_ratio).cdf, values),
        *values.shape,
    )
