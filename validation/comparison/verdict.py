"""What "agrees" means: Student's t at a family-wise significance, and an allowance beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

from scipy.special import stdtr, stdtrit

from rmt.arguments import integer, not_negative, probability

__all__ = [
    "DEFAULT_CRITERIA",
    "Criteria",
    "Verdict",
    "Verdicts",
    "classify",
    "student_p_value",
    "worst",
]


class Verdict(Enum):
    """The outcome of a test, from best to worst.

    Examples
    --------
    >>> [str(verdict) for verdict in Verdict], [verdict.mark for verdict in Verdict]
    (['agrees', 'within allowance', 'differs'], [' ', '~', '!'])
    """

    AGREES = "agrees"
    """Within the noise alone."""
    WITHIN_ALLOWANCE = "within allowance"
    """Beyond the noise, within noise and finite-size allowance together."""
    DIFFERS = "differs"
    """Beyond both, or not defined."""

    @property
    def mark(self) -> str:
        """One character for tables: a space, ``~`` or ``!``."""
        return {Verdict.AGREES: " ", Verdict.WITHIN_ALLOWANCE: "~", Verdict.DIFFERS: "!"}[self]

    def __str__(self) -> str:
        return self.value


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; of none, `Verdict.AGREES`.

    Examples
    --------
    >>> print(worst([Verdict.AGREES, Verdict.WITHIN_ALLOWANCE]))
    within allowance
    """
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.AGREES)


@dataclass(frozen=True, slots=True)
class Criteria:
    r"""When a prediction and a simulated mean agree.

    The mean of ``n`` samples has the standard error ``s``, and the theory bounds its own error by
    ``e``. With ``m`` tests and the family-wise ``significance``, a difference within

    .. math:: e + t\, s,

    with ``t`` the ``1 - significance / (2 m)`` quantile of Student's law of ``n - 1`` degrees, is
    noise: where theory and simulation have the same limit, the chance that any of the ``m`` tests
    finds more is at most the significance (Bonferroni), whatever the dependence between them. The
    prediction is a limit and the networks are finite: the allowance is what the difference may
    exceed the noise by on that account. It is a claim on the theory's accuracy, not on chance.

    Parameters
    ----------
    significance : float
        Between 0 and 1: accepted chance of any false alarm among all tests.
    allowance : float
        Of singular values and of errors of ridge regression, relative to the predicted one.
    overlap_allowance : float
        Of squared overlaps, absolute.
    bulk_allowance : float
        Of the Kolmogorov distance between predicted and simulated bulk, absolute.
    feature_overlap_allowance : float
        Of squared overlaps of the features' left singular vectors, absolute.
    path_error_allowance : float
        Of training and test errors and losses after a step, relative to the predicted one; of the
        share of misclassified samples, absolute.
    path_allowance, path_weak_allowance : float
        Of outliers after a step, relative: of those far from the bulk, and near to it.
    path_overlap_allowance : float
        Of their squared overlaps, absolute.

    Raises
    ------
    InvalidInputError
        For a significance outside (0, 1), or an allowance that is negative or not finite.

    Notes
    -----
    Student's law is exact for normal samples. For others it is an approximation, the worse the
    fewer the samples and the longer their tails (labels without bounds). docs/validation.md,
    comparison and verdicts.

    Examples
    --------
    >>> criteria = Criteria(significance=0.01)
    >>> round(criteria.quantile(n_samples=10, n_tests=1), 3)
    3.25
    >>> round(criteria.quantile(n_samples=10, n_tests=25), 3)
    5.461
    """

    significance: float = 0.01
    allowance: float = 0.03
    overlap_allowance: float = 0.02
    bulk_allowance: float = 0.01
    feature_overlap_allowance: float = 0.03
    path_error_allowance: float = 0.005
    path_allowance: float = 0.01
    path_weak_allowance: float = 0.02
    path_overlap_allowance: float = 0.015

    def __post_init__(self) -> None:
        probability("significance", self.significance)
        for name in (one.name for one in fields(self)[1:]):
            not_negative(name, getattr(self, name))

    def quantile(self, n_samples: int, n_tests: int) -> float:
        """Standard errors that are noise: the quantile of Student's law.

        Parameters
        ----------
        n_samples : int
            At least two: one sample says nothing of the noise.
        n_tests : int
            At least one: over how many the significance is shared.

        Raises
        ------
        InvalidInputError
            For smaller counts.
        """
        integer("n_samples", n_samples, 2)
        integer("n_tests", n_tests, 1)
        # The lower tail, where small probabilities keep their precision.
        return -float(stdtrit(n_samples - 1, self.significance / (2 * n_tests)))

    def describe(self, n_samples: int, n_tests: int) -> str:
        """The criteria in one sentence, with the number of tests and Student's quantile."""
        t = self.quantile(n_samples, n_tests)
        return (
            f"Noise: {t:.2f} standard errors, Student's t of {n_samples} samples at family-wise "
            f"significance {self.significance:g} of {n_tests} test{'s' if n_tests > 1 else ''}; "
            f"allowance for finite size: {self.allowance:.3g} of a singular value (relative), "
            f"{self.overlap_allowance:g} of a squared overlap, {self.bulk_allowance:g} of the "
            "bulk's distance. Sigma: what of a difference is beyond the theory's own error, in "
            "standard errors."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def classify(excess: float, noise: float, allowance: float) -> Verdict:
    """The verdict on a difference; every undefined number differs.

    Parameters
    ----------
    excess : float
        Not negative: the difference, less the theory's own error.
    noise, allowance : float
        What chance and finite size account for.

    Examples
    --------
    >>> print(classify(0.5, noise=0.3, allowance=0.3))
    within allowance
    >>> print(classify(float("nan"), noise=0.3, allowance=0.3))
    differs
    """
    if not math.isfinite(noise):
        return Verdict.DIFFERS
    # In conditions that an undefined excess fails.
    if excess <= noise:
        return Verdict.AGREES
    return Verdict.WITHIN_ALLOWANCE if excess <= noise + allowance else Verdict.DIFFERS


def student_p_value(excess: float, standard_error: float, n_samples: int) -> float:
    """Chance of a difference at least as large, on either side, by noise alone.

    ``2 P(T > excess / standard_error)`` for Student's ``T`` with ``n_samples - 1`` degrees of
    freedom: of a single test, not yet adjusted to their number. Undefined for a difference or an
    error that is not finite, and for one sample.

    Examples
    --------
    >>> round(student_p_value(3.25, 1.0, 10), 4)
    0.01
    """
    if not (math.isfinite(excess) and math.isfinite(standard_error)) or n_samples < 2:
        return math.nan
    if excess == 0:
        return 1.0
    ratio = abs(excess) / standard_error if standard_error != 0 else math.inf
    return 2.0 * float(stdtr(n_samples - 1, -ratio))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts on everything that a comparison holds.

    Attributes
    ----------
    criteria : Criteria
        By which they were reached.
    n_tests : int
        Number of tests that share the significance.
    rows : tuple of Verdict
        In the order of `Comparison.rows`.
    beyond_bulk : Verdict
        On the number of outliers.
    bulk : Verdict or None
        On the bulk; None where no spectra were kept.

    Examples
    --------
    >>> print(Verdicts(Criteria(), 2, (Verdict.AGREES,), Verdict.DIFFERS, None).overall)
    differs
    """

    criteria: Criteria
    n_tests: int
    rows: tuple[Verdict, ...]
    beyond_bulk: Verdict
    bulk: Verdict | None

    @property
    def overall(self) -> Verdict:
        """The worst of all."""
        bulk = () if self.bulk is None else (self.bulk,)
        return worst((*self.rows, self.beyond_bulk, *bulk))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "criteria": self.criteria.to_dict(),
            "n_tests": self.n_tests,
            "rows": [verdict.value for verdict in self.rows],
            "beyond_bulk": self.beyond_bulk.value,
            "bulk": None if self.bulk is None else self.bulk.value,
            "overall": self.overall.value,
        }


DEFAULT_CRITERIA = Criteria()
