"""The result of `check`: a user's weights beside the prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from rmt.display import Part, Shown, Table, as_text
from rmt.problem import Problem
from validation.comparison.bulk_distance import BulkDistance
from validation.comparison.rows import row_at
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict, classify, worst
from validation.json_form import InJson, fields
from validation.weights.rows import CheckRow, FoundOutlier, OutlierCount
from validation.words import paragraph, sizes

__all__ = ["Noise", "WeightCheck"]

# Where the standard deviation of one network comes from.
Noise: TypeAlias = Literal["reference", "weights", "unknown"]

_MOST_LINES = 8  # of found singular values in the table


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
            f"{sizes(problem)}, {problem.batch} batch: {matrices}",
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
