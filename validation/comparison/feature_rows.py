"""The simulated means that a comparison of features tests: errors, outliers, their overlaps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from validation.comparison.rows import beyond, in_standard_errors
from validation.comparison.verdict import Criteria, Verdict, classify, student_p_value

__all__ = ["FeatureQuantity", "FeatureRow"]

FeatureQuantity: TypeAlias = Literal[
    "test error", "training error", "singular value", "squared overlap"
]


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One predicted number and its simulated mean.

    Attributes
    ----------
    quantity : {"test error", "training error", "singular value", "squared overlap"}
        Of ridge regression, of an outlier of the features, of left singular vectors.
    of : str
        The stage, number of inputs and regularisation of an error; the outlier of a singular
        value; the outliers and the monomial of an overlap.
    predicted, predicted_error : float
        The theory's number and its own error estimate.
    simulated, standard_error : float
        Mean over the networks with its standard error.
    n_samples : int
        How many networks; their spread has one degree of freedom less.

    Examples
    --------
    >>> row = FeatureRow("test error", "step 2, m = 3000, lambda = 0.001", 0.19, 0, 0.2, 0.005, 12)
    >>> round(row.sigmas, 6), str(row.verdict(Criteria(), n_tests=1))
    (2.0, 'agrees')
    """

    quantity: FeatureQuantity
    of: str
    predicted: float
    predicted_error: float
    simulated: float
    standard_error: float
    n_samples: int

    @property
    def label(self) -> str:
        """The quantity in words."""
        return f"{self.quantity}, {self.of}"

    @property
    def is_overlap(self) -> bool:
        """Whether it is a squared overlap, whose allowance is absolute."""
        return self.quantity == "squared overlap"

    @property
    def difference(self) -> float:
        """Simulated minus predicted."""
        return self.simulated - self.predicted

    @property
    def excess(self) -> float:
        """How far the mean lies, with a sign, from the interval of the theory's own error."""
        if not all(map(math.isfinite, (self.simulated, self.predicted, self.predicted_error))):
            return math.nan
        return beyond(
            self.simulated,
            self.predicted - self.predicted_error,
            self.predicted + self.predicted_error,
        )

    @property
    def sigmas(self) -> float:
        """`excess` in standard errors: Student's t statistic."""
        return in_standard_errors(self.excess, self.standard_error)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of this row alone, by Student's law; undefined numbers have none."""
        return student_p_value(abs(self.excess), self.standard_error, self.n_samples)

    def verdict(self, criteria: Criteria, n_tests: int) -> Verdict:
        """Whether the mean agrees, as one of several tests; see `Criteria`."""
        noise = criteria.quantile(self.n_samples, n_tests) * self.standard_error
        if self.is_overlap:
            allowance = criteria.feature_overlap_allowance
        else:
            allowance = criteria.allowance * abs(self.predicted)
        return classify(abs(self.excess), noise, allowance)

    def __str__(self) -> str:
        return (
            f"{self.label}: predicted {self.predicted:.4f}, simulated {self.simulated:.4f} +- "
            f"{self.standard_error:.4f} ({self.sigmas:+.1f} sigma)"
        )
