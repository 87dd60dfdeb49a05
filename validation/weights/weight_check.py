"""The result of `check`: predicted numbers beside a user's weights, outliers found, their count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from rmt.display import Part, Shown, Table, as_text, paragraph
from rmt.problem import Problem
from validation.comparison.bulk_distance import BulkDistance
from validation.comparison.rows import row_at
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict, classify, worst
from validation.json_form import InJson, fields
from validation.words import sizes

__all__ = ["CheckRow", "FoundOutlier", "Noise", "OutlierCount", "WeightCheck"]

# Where the standard deviation of one network comes from.
Noise: TypeAlias = Literal["reference", "weights", "unknown"]

_MOST_LINES = 8  # of found singular values in the table


@dataclass(frozen=True, slots=True)
class FoundOutlier:
    """A singular value of the weights: an outlier, or the first that lies in the predicted bulk.

    Attributes
    ----------
    singular_value : float
        Mean over the matrices.
    overlaps : tuple of r floats
        Squared, of the right singular vector with each target direction; means too.
    p_value : float
        Chance that the largest singular value of the predicted bulk is as large (Tracy-Widom); of
        several matrices the largest.
    is_outlier : bool
        Whether the p-value, and that of every larger singular value, is below the significance.
    """

    singular_value: float
    overlaps: tuple[float, ...]
    p_value: float
    is_outlier: bool


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One predicted number, and the same of the given weights.

    Attributes
    ----------
    spike : int
        Rank of the outlier, from 0, in decreasing order of singular values.
    direction : int or None
        The target direction, from 1, of a squared overlap; None for a singular value.
    predicted, predicted_error : float
        Means over the matrices, where each has a prediction of its own readout.
    observed : float
        Mean over the matrices.
    deviation : float
        Standard deviation of one network around its prediction; nan when it is not known.
    reference : float
        Mean of the reference networks, moved by their predictions to these weights' own; nan
        without any.
    """

    spike: int
    direction: int | None
    predicted: float
    predicted_error: float
    observed: float
    deviation: float
    reference: float

    @property
    def label(self) -> str:
        """The quantity in words."""
        return "singular value" if self.direction is None else f"overlap with e_{self.direction}"

    @property
    def difference(self) -> float:
        """Observed minus predicted."""
        return self.observed - self.predicted

    @property
    def excess(self) -> float:
        """How far, beyond the prediction's own error estimate."""
        # An undefined difference stays undefined.
        distance = abs(self.difference) - self.predicted_error
        return 0.0 if distance <= 0 else distance

    def allowance(self, criteria: Criteria) -> float:
        """What finite size accounts for."""
        if self.direction is None:
            return criteria.allowance * abs(self.predicted)
        return criteria.overlap_allowance


@dataclass(frozen=True, slots=True)
class OutlierCount:
    """How many singular values leave the bulk.

    Attributes
    ----------
    predicted : float
        Mean over the predictions.
    least, most : float
        The same where those that the theory cannot tell from the bulk are left out, or counted.
    found : tuple of int
        Of each matrix by the Tracy-Widom test at the edge.
    clear : tuple of int
        Of these the ones that stand beyond the edge by more than the finite-size allowance of a
        singular value.
    by_spectrum : tuple of int or None
        Of each matrix by its own spectrum, without any theory (`bulk_edge`).
    edge : float
        Where the predicted bulk ends, its error estimate included (`Reading.edge`).
    edge_by_spectrum : float or None
        The same read off the spectra.
    """

    predicted: float
    least: float
    most: float
    found: tuple[int, ...]
    clear: tuple[int, ...]
    by_spectrum: tuple[int, ...] | None
    edge: float
    edge_by_spectrum: float | None

    @property
    def verdict(self) -> Verdict:
        """Whether the mean number found is a possible one, to half an outlier.

        Within the allowance, when it is once those next to the edge are left out.
        """
        found = sum(self.found) / len(self.found)
        clear = sum(self.clear) / len(self.clear)
        if self.least - 0.5 <= found <= self.most + 0.5:
            return Verdict.AGREES
        possible = found >= self.least - 0.5 and clear <= self.most + 0.5
        return Verdict.WITHIN_ALLOWANCE if possible else Verdict.DIFFERS

    def __str__(self) -> str:
        text = (
            f"outliers: predicted {self.predicted:g}, found {_counts(self.found)} beyond the "
            f"bulk's edge {self.edge:.4g} (Tracy-Widom)"
        )
        if self.by_spectrum is not None:
            text += (
                f", {_counts(self.by_spectrum)} beyond the spectrum's own edge "
                f"{self.edge_by_spectrum:.4g}"
            )
        return text


def _counts(numbers: tuple[int, ...]) -> str:
    if len(set(numbers)) == 1:
        return str(numbers[0])
    return f"{sum(numbers) / len(numbers):.2f} (from {min(numbers)} to {max(numbers)})"


@dataclass(frozen=True, slots=True)
class WeightCheck(InJson, Shown):
    """A user's weights held against the prediction; prints as a table.

    Attributes
    ----------
    problem : Problem
        As it was given; see `conditional`.
    n_weights : int
        How many matrices.
    method : str
        Level of the prediction, with the forms of the deformed one in brackets.
    conditional : bool
        Whether each matrix is held against the prediction for its own readout.
    noise : {"reference", "weights", "unknown"}
        Whether the noise of a network is known from simulated networks, from the scatter of the
        given ones, or not at all.
    n_noise : int
        How many networks tell it.
    rows : tuple of CheckRow
        Singular value and squared overlaps of every predicted outlier.
    found : tuple of FoundOutlier
        The largest singular values of the weights: the outliers, and the largest one that is none.
    count : OutlierCount
    bulk : BulkDistance or None
        Where whole spectra were computed.
    notes : tuple of str
        What is odd about the weights, and what the theory says of the problem, in plain words.

    Examples
    --------
    >>> import numpy as np
    >>> import rmt
    >>> from validation import check, simulate
    >>> problem = rmt.Problem("tanh(z)", "z", 200, 200, 800, steps=[(8, 0.3)], readout="rademacher")
    >>> found = check(problem, simulate(problem).weights[-1], n_reference=4)
    >>> found.noise, found.n_noise, len(found.outliers)
    ('reference', 4, 1)
    >>> [row.label for row in found.rows]
    ['singular value', 'overlap with e_1']
    """

    _FORMAT: ClassVar[int] = 1
    _READ: ClassVar[Any] = {
        "problem": Problem.from_dict,
        "rows": lambda rows: tuple(CheckRow(**fields(row, "direction")) for row in rows),
        "found": lambda found: tuple(FoundOutlier(**fields(each)) for each in found),
        "count": lambda c: OutlierCount(**fields(c, "by_spectrum", "edge_by_spectrum")),
        "bulk": lambda bulk: bulk and BulkDistance(**fields(bulk)),
    }

    problem: Problem
    n_weights: int
    method: str
    conditional: bool
    noise: Noise
    n_noise: int
    rows: tuple[CheckRow, ...]
    found: tuple[FoundOutlier, ...]
    count: OutlierCount
    bulk: BulkDistance | None
    notes: tuple[str, ...]

    @property
    def outliers(self) -> tuple[FoundOutlier, ...]:
        """The outliers among `found`."""
        return tuple(each for each in self.found if each.is_outlier)

    @property
    def n_tests(self) -> int:
        """Rows that share the significance, at least one."""
        return max(len(self.rows), 1)

    def noise_of(self, row: CheckRow, criteria: Criteria = DEFAULT_CRITERIA) -> float:
        """What chance accounts for in a row; nan when the noise is unknown.

        ``t deviation / sqrt(k)`` for ``k`` matrices, with Student's quantile for the networks that
        the deviation is known from, Bonferroni-adjusted to the number of rows.
        """
        if self.noise == "unknown":
            return math.nan
        quantile = criteria.quantile(self.n_noise, self.n_tests)
        return quantile * row.deviation / math.sqrt(self.n_weights)

    def verdict_of(self, row: CheckRow, criteria: Criteria = DEFAULT_CRITERIA) -> Verdict | None:
        """The verdict on a row; None when it is beyond the allowance and the noise is unknown.

        A single network may well be further from the prediction than the allowance: without
        reference networks nothing says whether that is chance.
        """
        unknown = self.noise == "unknown"
        noise = 0.0 if unknown else self.noise_of(row, criteria)
        found = classify(row.excess, noise, row.allowance(criteria))
        return None if unknown and found is Verdict.DIFFERS else found

    def _judged(self, criteria: Criteria) -> list[tuple[str, Verdict | None]]:
        """Rows, the number of outliers and the bulk in words, each with its verdict."""
        rows = [(f"{row.label} of spike {row.spike}", self.verdict_of(row, criteria))
                for row in self.rows]  # fmt: skip
        bulk = [] if self.bulk is None else [("bulk", self.bulk.verdict(criteria))]
        return [*rows, ("number of outliers", self.count.verdict), *bulk]

    def verdict(self, criteria: Criteria = DEFAULT_CRITERIA) -> Verdict | None:
        """The worst verdict on rows, outliers' number and bulk; None when that is undecided."""
        verdicts = [verdict for _, verdict in self._judged(criteria)]
        overall = worst(verdict for verdict in verdicts if verdict is not None)
        return None if None in verdicts and overall is not Verdict.DIFFERS else overall

    def differing(self, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[str, ...]:
        """What differs, in words: rows, the number of outliers, the bulk."""
        judged = self._judged(criteria)
        return tuple(name for name, verdict in judged if verdict is Verdict.DIFFERS)

    def _conclusion(self, criteria: Criteria) -> str:
        verdict = self.verdict(criteria)
        if verdict is Verdict.DIFFERS:
            return f"differs in: {', '.join(self.differing(criteria))}"
        if verdict is not None:
            return str(verdict)
        undecided = [name for name, verdict in self._judged(criteria) if verdict is None]
        return f"undecided, noise unknown: {', '.join(undecided)}"

    def agrees(self, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
        """Whether nothing differs and nothing is undecided."""
        return self.verdict(criteria) in (Verdict.AGREES, Verdict.WITHIN_ALLOWANCE)

    def reference_sigmas(self, row: CheckRow) -> float:
        """Standard errors between the weights and the reference networks, whatever the theory.

        A user's own simulation of the same problem stays within a few; nan without references.
        """
        if self.noise != "reference":
            return math.nan
        error = row.deviation * math.sqrt(1 / self.n_weights + 1 / self.n_noise)
        return (row.observed - row.reference) / error if error > 0 else math.nan

    def row(self, spike: int, direction: int | None = None) -> CheckRow:
        """The singular value of an outlier, or its overlap with a direction (from 1).

        Raises
        ------
        InvalidInputError
            When there is no such row.
        """
        return row_at(self.rows, spike, direction, self.problem.n_directions)

    def table(self, criteria: Criteria = DEFAULT_CRITERIA) -> str:
        """Everything compared, each with its verdict."""
        return as_text(self._table(criteria))

    def _table(self, criteria: Criteria) -> list[Part]:
        problem = self.problem
        matrices = "1 matrix" if self.n_weights == 1 else f"{self.n_weights} matrices"
        kind = "conditional on the readout" if self.conditional else "mean over readouts"
        lines: list[Part] = [
            f"{sizes(problem)}, {problem.batch_text} batch: {matrices}",
            f"prediction: {self.method}, {kind}",
        ]
        header = ["spike", "quantity", "predicted", "own error", "observed", "difference", "noise"]
        rows = []
        for row in self.rows:
            verdict = self.verdict_of(row, criteria)
            rows.append(
                [
                    *(f"{row.spike}", row.label, f"{row.predicted:.4f}"),
                    *(_cell(row.predicted_error), f"{row.observed:.4f}"),
                    *(f"{row.difference:+.4f}", _cell(self.noise_of(row, criteria))),
                    *(f"{row.allowance(criteria):.4f}", _cell(row.reference)),
                    str(verdict or "beyond allowance, noise unknown"),
                ]
            )
        lines.append(Table("rlrrrrrrrl", [*header, "allowance", "reference", "verdict"], rows))
        lines.append(f"{self.count}: {self.count.verdict}")
        for i, each in enumerate(self.found[:_MOST_LINES]):
            overlaps = ", ".join(f"{o:.4f}" for o in each.overlaps)
            what = "outlier" if each.is_outlier else "largest of the bulk"
            lines.append(
                f"  {i}: {each.singular_value:.4f}, squared overlaps {overlaps}, "
                f"p = {each.p_value:.2g}: {what}"
            )
        if len(self.found) > _MOST_LINES:
            lines.append(f"  and {len(self.found) - _MOST_LINES} more")
        if self.bulk is not None:
            lines.append(f"{self.bulk}: {self.bulk.verdict(criteria)}")
        own = "Own error: the theory's estimate of its error, taken off the difference first."
        lines.append(paragraph(f"{self._explained(criteria)} {own}"))
        lines += [paragraph(f"note: {note}") for note in self.notes]
        lines.append(paragraph(f"verdict: {self._conclusion(criteria)}"))
        return lines

    def _parts(self) -> list[Part]:
        return self._table(DEFAULT_CRITERIA)

    def _explained(self, criteria: Criteria) -> str:
        if self.noise == "unknown":
            return (
                "Noise: unknown, one network does not tell it; ask for reference networks "
                "(n_reference=20). Within the allowance for finite size a row agrees, beyond it "
                "nothing is decided."
            )
        networks = "simulated reference networks" if self.noise == "reference" else "given matrices"
        return (
            f"Noise: {criteria.quantile(self.n_noise, self.n_tests):.2f} standard errors, from the "
            f"scatter of {self.n_noise} {networks} (Student's t at family-wise significance "
            f"{criteria.significance:g} of {self.n_tests} rows)."
        )


def _cell(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
