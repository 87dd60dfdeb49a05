"""The simulated means that a comparison tests: of outliers, of overlaps, of the outliers' count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from rmt.arrays import Array
from rmt.display import Cell, Formula, InNotebooks, Table, with_error
from rmt.status import InvalidInputError
from validation.comparison.verdict import Criteria, Verdict, classify, student_p_value
from validation.simulation.samples import standard_error

__all__ = [
    "DERIVED",
    "BeyondBulk",
    "ComparisonRow",
    "FeatureQuantity",
    "FeatureRow",
    "PredictedMean",
    "Quantity",
    "TestedMean",
    "mean_of",
    "paper_table",
    "row_at",
]

# Of a row, what its plain form holds beside the fields.
DERIVED = ("difference", "sigmas", "p_value")

Quantity: TypeAlias = Literal[
    "singular value", "squared overlap", "squared overlap with the initial output"
]
FeatureQuantity: TypeAlias = Literal[
    "test error", "training error", "singular value", "squared overlap"
]


class TestedMean(InNotebooks):
    """Base of what a comparison tests: a simulated mean with its standard error.

    What has it says by how much the mean lies beyond the prediction (`excess`), and what of that
    finite size accounts for (`allowance`).
    """

    __slots__ = ()

    simulated: float
    standard_error: float
    n_samples: int

    @property
    def excess(self) -> float:
        """How far the mean lies, with a sign, from what the theory states."""
        raise NotImplementedError

    def allowance(self, criteria: Criteria) -> float:
        """What the excess may be beyond the noise."""
        raise NotImplementedError

    @property
    def p_value(self) -> float:
        """Two-sided p-value of this test alone, by Student's law; undefined numbers have none."""
        return student_p_value(abs(self.excess), self.standard_error, self.n_samples)

    def verdict(self, criteria: Criteria, n_tests: int) -> Verdict:
        """Whether the mean agrees, as one of several tests.

        Parameters
        ----------
        criteria : Criteria
            Of noise and allowance.
        n_tests : int
            Number of tests that share the significance.
        """
        noise = criteria.quantile(self.n_samples, n_tests) * self.standard_error
        return classify(abs(self.excess), noise, self.allowance(criteria))


class PredictedMean(TestedMean):
    """Base of a test of one number that the theory predicts."""

    __slots__ = ()

    predicted: float
    predicted_error: float

    @property
    def label(self) -> str:
        """The quantity in words."""
        raise NotImplementedError

    @property
    def difference(self) -> float:
        """Simulated minus predicted."""
        return self.simulated - self.predicted

    @property
    def _stated(self) -> tuple[float, float]:
        """Where the theory says that the mean lies: the interval of its error estimate."""
        return self.predicted - self.predicted_error, self.predicted + self.predicted_error

    @property
    def excess(self) -> float:
        """How far the mean lies, with a sign, from the interval that the theory states."""
        if not all(map(math.isfinite, (self.simulated, self.predicted, self.predicted_error))):
            return math.nan
        low, high = self._stated
        return min(self.simulated - low, 0.0) + max(self.simulated - high, 0.0)

    @property
    def sigmas(self) -> float:
        """`excess` in standard errors: Student's t statistic."""
        if self.excess == 0:
            return 0.0
        if self.standard_error == 0:  # and the excess does not vanish
            return math.copysign(math.inf, self.excess)
        return self.excess / self.standard_error

    @property
    def cells(self) -> list[str]:
        """For a table: label, both numbers, standard error, difference and sigmas."""
        return [
            *(self.label, f"{self.predicted:.4f}", f"{self.simulated:.4f}"),
            *(f"{self.standard_error:.4f}", f"{self.difference:+.4f}", f"{self.sigmas:+.1f}"),
        ]

    @property
    def paper_cells(self) -> list[str]:
        """For a table of a paper: the same with errors in brackets, without the difference."""
        return [
            self.label,
            with_error(self.predicted, self.predicted_error),
            with_error(self.simulated, self.standard_error, fine=True),
            f"{self.sigmas:+.1f}" if math.isfinite(self.sigmas) else "--",
        ]

    def __str__(self) -> str:
        return (
            f"{self.label}: predicted {self.predicted:.4f}, simulated {self.simulated:.4f} +- "
            f"{self.standard_error:.4f} ({self.sigmas:+.1f} sigma)"
        )


def mean_of(simulated: Array, predicted: Array | float, error: Array | float) -> dict[str, Any]:
    """The numbers of a `PredictedMean`, predicted once for all samples or once for each.

    Examples
    --------
    >>> mean_of(np.array([1.0, 3.0]), 1.5, 0.1)["simulated"]
    2.0
    """
    return {
        "predicted": float(np.mean(predicted)),
        "predicted_error": float(np.mean(error)),
        "simulated": float(simulated.mean()),
        "standard_error": float(standard_error(simulated - predicted)),
        "n_samples": simulated.size,
    }


@dataclass(frozen=True, slots=True)
class ComparisonRow(PredictedMean):
    """One predicted number and its simulated mean.

    Attributes
    ----------
    spike : int
        Rank of the outlier, from 0, in decreasing order of singular values; the same rank in
        prediction and simulation.
    quantity : {"singular value", "squared overlap", "squared overlap with the initial output"}
        Of the outlier, or of its right singular vector with a target direction, or with that of
        the untrained network's own output where it is of order one.
    direction : int or None
        The target direction, from 1, of an overlap.
    predicted, predicted_error : float
        The theory's number and its own error estimate; of a conditional comparison the means over
        the samples' predictions.
    simulated, standard_error : float
        Mean over the samples and the standard error of its difference from `predicted`: of the
        paired differences in a conditional comparison.
    n_samples : int
        How many samples; their spread has one degree of freedom less.
    margin : (float, float) or None
        Of an outlier predicted between the bulk's edge and `BeyondBulk.threshold`, where the bulk
        of a finite network may reach it: these two. Its singular value is tested for lying between
        them.

    Examples
    --------
    >>> row = ComparisonRow(0, "singular value", None, 20.0, 0.1, 20.5, 0.2, n_samples=10)
    >>> round(row.sigmas, 6), round(row.p_value, 3)
    (2.0, 0.077)
    """

    spike: int
    quantity: Quantity
    direction: int | None
    predicted: float
    predicted_error: float
    simulated: float
    standard_error: float
    n_samples: int
    margin: tuple[float, float] | None = None

    @property
    def in_margin(self) -> bool:
        """Whether the outlier is predicted within the margin of the bulk's edge."""
        return self.margin is not None

    @property
    def _stated(self) -> tuple[float, float]:
        """The interval of the error estimate, a bound on its bias, around the prediction.

        Or the margin of the bulk's edge, for the singular value of an outlier predicted there.
        """
        if self.margin is not None and self.quantity == "singular value":
            return self.margin
        return self.predicted - self.predicted_error, self.predicted + self.predicted_error

    @property
    def label(self) -> str:
        """The quantity in words."""
        if self.direction is None:
            return self.quantity
        return f"{self.quantity} with e_{self.direction}"

    def allowance(self, criteria: Criteria) -> float:
        """Of a singular value relative to the prediction, or to the end of the margin."""
        if self.quantity != "singular value":
            return criteria.overlap_allowance
        if self.margin is None:
            return criteria.allowance * abs(self.predicted)
        return criteria.allowance * self.margin[0 if self.excess < 0 else 1]

    def __str__(self) -> str:
        return f"spike {self.spike}, {PredictedMean.__str__(self)}"


@dataclass(frozen=True, slots=True)
class FeatureRow(PredictedMean):
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

    def allowance(self, criteria: Criteria) -> float:
        """Of an overlap absolute, of the others relative to the prediction."""
        if self.is_overlap:
            return criteria.feature_overlap_allowance
        return criteria.allowance * abs(self.predicted)


@dataclass(frozen=True, slots=True)
class BeyondBulk(TestedMean):
    """Outliers counted beyond the bulk with a finite-size margin: the same threshold for both.

    Attributes
    ----------
    edge : float
        Upper edge of the predicted bulk.
    margin : float
        The margin, relative to the edge.
    predicted : tuple of tuples of float
        Singular values of all predicted outliers: of the one prediction for all samples, or of
        each sample's own.
    simulated, standard_error : float
        Mean number of observed singular values above the threshold, and the standard error of its
        difference from the predicted number.
    n_samples : int
        How many samples.
    observed : int
        Number of singular values observed per sample, which bounds the counts.

    Examples
    --------
    >>> counted = BeyondBulk(2.0, 0.5, ((25.0, 4.0, 2.2),), 2.0, 0.0, n_samples=10, observed=4)
    >>> counted.threshold, counted.n_predicted, counted.predicted_in_margin
    (3.0, 2.0, 1.0)
    """

    edge: float
    margin: float
    predicted: tuple[tuple[float, ...], ...]
    simulated: float
    standard_error: float
    n_samples: int
    observed: int

    @property
    def threshold(self) -> float:
        """``edge (1 + margin)``."""
        return self.edge * (1 + self.margin)

    @property
    def n_predicted(self) -> float:
        """Predicted number of outliers above the threshold, the mean over the predictions."""
        return self._n_beyond()

    @property
    def predicted_in_margin(self) -> float:
        """Predicted outliers at or below the threshold, which are not counted."""
        below = [value <= self.threshold for values in self.predicted for value in values]
        return sum(below) / len(self.predicted)

    @property
    def excess(self) -> float:
        """Simulated minus predicted number."""
        return self.simulated - self.n_predicted

    def allowance(self, criteria: Criteria) -> float:
        """Half an outlier, and every predicted outlier that may be counted or not.

        That is each one within the criteria's allowance of the threshold.
        """
        if self.excess < 0:
            return 0.5 + self.n_predicted - self._n_beyond(1 - criteria.allowance)
        return 0.5 + self._n_beyond(1 + criteria.allowance) - self.n_predicted

    def __str__(self) -> str:
        return (
            f"outliers above {self.threshold:.4g}: predicted {self.n_predicted:g}, simulated "
            f"{self.simulated:.2f} +- {self.standard_error:.2f}"
        )

    def _n_beyond(self, scale: float = 1.0) -> float:
        """Number of outliers above the threshold, were all of them larger by this factor."""
        numbers = [
            sum(value * scale > self.threshold for value in values) for values in self.predicted
        ]
        return sum(min(number, self.observed) for number in numbers) / len(self.predicted)


def paper_table(
    columns: dict[str, Sequence[str]],
    rows: Sequence[PredictedMean],
    verdicts: Sequence[Verdict],
) -> Table:
    """A table of tested means with errors in brackets, to the right of columns of its own.

    Parameters
    ----------
    columns : dict of str to sequence of str
        By their headers.
    rows, verdicts : sequence
    """
    header: list[Cell] = [
        *columns,
        *("quantity", "predicted", "simulated"),
        Formula("simulated minus predicted in standard errors", (r"\Delta/\sigma",)),
        "verdict",
    ]
    cells = [
        [*(column[i] for column in columns.values()), *row.paper_cells, str(verdict)]
        for i, (row, verdict) in enumerate(zip(rows, verdicts, strict=True))
    ]
    return Table("r" * len(columns) + "lrrrl", header, cells)


_Row = TypeVar("_Row", bound=Any)  # has a spike and a direction


def row_at(rows: Sequence[_Row], spike: int, direction: int | None, n_directions: int) -> _Row:
    """The row of an outlier's singular value, or of its overlap with a direction (from 1).

    Raises
    ------
    InvalidInputError
        When there is no such row; the message says which there are.
    """
    for row in rows:
        if (row.spike, row.direction) == (spike, direction):
            return row
    known = sorted({row.spike for row in rows})
    raise InvalidInputError(
        f"no row for spike {spike!r}, direction {direction!r}; spikes are {known}, "
        f"directions None, 1 .. {n_directions}"
    )
