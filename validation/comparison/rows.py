"""The simulated means that a comparison tests: of outliers, of overlaps, of the outliers' count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar

from rmt.display import InNotebooks
from rmt.status import InvalidInputError
from validation.comparison.verdict import Criteria, Verdict, classify, student_p_value

__all__ = ["BeyondBulk", "ComparisonRow", "Quantity", "beyond", "in_standard_errors", "row_at"]

Quantity: TypeAlias = Literal["singular value", "squared overlap"]


@dataclass(frozen=True, slots=True)
class ComparisonRow(InNotebooks):
    """One predicted number and its simulated mean.

    Attributes
    ----------
    spike : int
        Rank of the outlier, from 0, in decreasing order of singular values; the same rank in
        prediction and simulation.
    quantity : {"singular value", "squared overlap"}
        Of the outlier, or of its right singular vector with a target direction.
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
    def difference(self) -> float:
        """Simulated minus predicted."""
        return self.simulated - self.predicted

    @property
    def in_margin(self) -> bool:
        """Whether the outlier is predicted within the margin of the bulk's edge."""
        return self.margin is not None

    @property
    def excess(self) -> float:
        """How far the mean lies, with a sign, from what the theory states.

        That is the interval of its error estimate, a bound on its bias, around the prediction; or
        the margin of the bulk's edge, for the singular value of an outlier predicted there.
        """
        if not all(map(math.isfinite, (self.simulated, self.predicted, self.predicted_error))):
            return math.nan
        return beyond(self.simulated, *self._stated)

    @property
    def sigmas(self) -> float:
        """`excess` in standard errors: Student's t statistic."""
        return in_standard_errors(self.excess, self.standard_error)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of this row alone, by Student's law; undefined numbers have none."""
        return student_p_value(abs(self.excess), self.standard_error, self.n_samples)

    @property
    def label(self) -> str:
        """The quantity in words."""
        if self.direction is None:
            return self.quantity
        return f"{self.quantity} with e_{self.direction}"

    def verdict(self, criteria: Criteria, n_tests: int) -> Verdict:
        """Whether the mean agrees, as one of several tests.

        Parameters
        ----------
        criteria : Criteria
            Of a singular value the allowance is relative: to the prediction, or to the end of the
            margin that the mean lies beyond.
        n_tests : int
            Number of tests that share the significance.
        """
        noise = criteria.quantile(self.n_samples, n_tests) * self.standard_error
        if self.quantity == "squared overlap":
            allowance = criteria.overlap_allowance
        elif self.margin is None:
            allowance = criteria.allowance * abs(self.predicted)
        else:
            allowance = criteria.allowance * self.margin[0 if self.excess < 0 else 1]
        return classify(abs(self.excess), noise, allowance)

    def __str__(self) -> str:
        return (
            f"spike {self.spike}, {self.label}: predicted {self.predicted:.4f}, simulated "
            f"{self.simulated:.4f} +- {self.standard_error:.4f} ({self.sigmas:+.1f} sigma)"
        )

    @property
    def _stated(self) -> tuple[float, float]:
        if self.margin is not None and self.quantity == "singular value":
            return self.margin
        return self.predicted - self.predicted_error, self.predicted + self.predicted_error


@dataclass(frozen=True, slots=True)
class BeyondBulk(InNotebooks):
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

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the difference, by Student's law; undefined numbers have none."""
        return student_p_value(abs(self.excess), self.standard_error, self.n_samples)

    def verdict(self, criteria: Criteria, n_tests: int) -> Verdict:
        """Whether the counts agree, as one of several tests.

        The allowance is half an outlier, and every predicted outlier within the criteria's
        allowance of the threshold, which may be counted or not.
        """
        noise = criteria.quantile(self.n_samples, n_tests) * self.standard_error
        if self.excess < 0:
            doubtful = self.n_predicted - self._n_beyond(1 - criteria.allowance)
        else:
            doubtful = self._n_beyond(1 + criteria.allowance) - self.n_predicted
        return classify(abs(self.excess), noise, 0.5 + doubtful)

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


def beyond(value: float, low: float, high: float) -> float:
    """How far a value lies outside of an interval, with a sign; 0 within.

    Examples
    --------
    >>> beyond(0.7, 1.0, 2.0), beyond(1.5, 1.0, 2.0)
    (-0.30000000000000004, 0.0)
    """
    return min(value - low, 0.0) + max(value - high, 0.0)


def in_standard_errors(excess: float, standard_error: float) -> float:
    """The ratio, infinite where the error vanishes and the excess does not.

    Examples
    --------
    >>> in_standard_errors(-0.5, 0.25), in_standard_errors(-0.5, 0.0), in_standard_errors(0.0, 0.0)
    (-2.0, -inf, 0.0)
    """
    if excess == 0:
        return 0.0
    if standard_error == 0:
        return math.copysign(math.inf, excess)
    return excess / standard_error


class _Ranked(Protocol):
    """What a row is found by."""

    @property
    def spike(self) -> int: ...
    @property
    def direction(self) -> int | None: ...


_Row = TypeVar("_Row", bound=_Ranked)


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
