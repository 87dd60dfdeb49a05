"""A prediction against samples, as a result: its rows, its verdicts, its table, its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rmt.display import InPapers, Part, Table, as_text, paragraph
from rmt.problem import Problem
from validation.comparison.bulk_distance import BulkDistance
from validation.comparison.rows import DERIVED, BeyondBulk, ComparisonRow, paper_table, row_at
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict, Verdicts
from validation.json_form import InJson, fields
from validation.words import sizes

__all__ = ["Comparison"]


@dataclass(frozen=True, slots=True)
class Comparison(InJson, InPapers):
    """A prediction against samples; prints as a table with verdicts by the default `Criteria`.

    Attributes
    ----------
    problem : Problem
        What was predicted and simulated.
    n_samples, seed : int
        Which samples.
    rows : tuple of ComparisonRow
        Singular value and squared overlaps of every predicted outlier, the last with the initial
        output where that is of order one.
    beyond_bulk : BeyondBulk
        The number of outliers.
    method : str
        Level of the prediction, with the forms of the deformed one in brackets.
    bulk : BulkDistance or None
        Of the predicted bulk, where whole spectra were kept.
    conditional : bool
        Whether every sample was predicted from its own readout, and the differences paired.
    n_dropped : int
        Outliers that some of the predictions of a conditional comparison have and others lack;
        they are the last in rank, and have no rows.

    Examples
    --------
    >>> from rmt import Step
    >>> problem = Problem("tanh(z)", "z", width=100, dim=100, samples=200, steps=[Step(12, 0.3)])
    >>> row = ComparisonRow(0, "singular value", None, 41.0, 0.0, 41.9, 0.2, n_samples=10)
    >>> counted = BeyondBulk(2.0, 0.5, ((41.0,),), 1.0, 0.0, n_samples=10, observed=2)
    >>> comparison = Comparison(problem, 10, 0, (row,), counted, "resummed")
    >>> comparison.agrees(), comparison.agrees(Criteria(allowance=0.0))
    (True, False)
    >>> print(comparison.verdicts().overall)
    within allowance
    """

    _FORMAT: ClassVar[int] = 2
    _WRITTEN: ClassVar[tuple[str, ...]] = (
        *("problem", "n_samples", "seed", "method", "conditional", "n_dropped"),
        *("rows", "beyond_bulk", "bulk"),
    )
    _DERIVED: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "rows": DERIVED,
        "beyond_bulk": ("threshold", "n_predicted", "p_value"),
        "bulk": ("resolution",),
    }
    _READ: ClassVar[Any] = {
        "problem": Problem.from_dict,
        "rows": lambda rows: tuple(
            ComparisonRow(**fields(row, "direction", "margin")) for row in rows
        ),
        "beyond_bulk": lambda counted: BeyondBulk(**fields(counted)),
        "bulk": lambda bulk: bulk and BulkDistance(**fields(bulk)),
    }

    problem: Problem
    n_samples: int
    seed: int
    rows: tuple[ComparisonRow, ...]
    beyond_bulk: BeyondBulk
    method: str
    bulk: BulkDistance | None = None
    conditional: bool = False
    n_dropped: int = 0

    @property
    def n_tests(self) -> int:
        """How many means are tested: those of all rows, and the number of outliers.

        A report on several comparisons passes the sum over all of them as ``n_tests``. The bulk's
        distance is held against a resolution, not tested (see `BulkDistance`).
        """
        return len(self.rows) + 1

    def verdicts(
        self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None
    ) -> Verdicts:
        """The verdict on every row, on the number of outliers, and on the bulk.

        Parameters
        ----------
        criteria : Criteria
            Significance and allowances.
        n_tests : int, optional
            Number of tests that share the significance; by default those of this comparison.

        Raises
        ------
        InvalidInputError
            For ``n_tests`` below one.

        Notes
        -----
        Of an outlier within the margin of the bulk's edge no more is asked of the singular value
        than to lie within the margin in the simulation too, up to the same noise and allowance.
        """
        m = self.n_tests if n_tests is None else n_tests
        return Verdicts(
            criteria,
            m,
            tuple(row.verdict(criteria, m) for row in self.rows),
            self.beyond_bulk.verdict(criteria, m),
            None if self.bulk is None else self.bulk.verdict(criteria),
        )

    def agrees(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> bool:
        """Whether nothing differs by more than noise and allowance; see `verdicts`."""
        return self.verdicts(criteria, n_tests).overall is not Verdict.DIFFERS

    def disagreements(
        self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None
    ) -> tuple[str, ...]:
        """One sentence for everything that differs; see `verdicts`."""
        found = self.verdicts(criteria, n_tests)
        judged = [
            *zip(self.rows, found.rows, strict=True),
            (self.beyond_bulk, found.beyond_bulk),
            (self.bulk, found.bulk),
        ]
        return tuple(str(what) for what, verdict in judged if verdict is Verdict.DIFFERS)

    def row(self, spike: int, direction: int | None = None) -> ComparisonRow:
        """The singular value of an outlier, or its overlap with a direction (from 1).

        Raises
        ------
        InvalidInputError
            When there is no such row.
        """
        return row_at(self.rows, spike, direction, self.problem.n_directions)

    def table(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> str:
        """Everything compared, each with its verdict, and the criteria below; see `verdicts`."""
        return as_text(self._table(criteria, n_tests))

    def _table(self, criteria: Criteria, n_tests: int | None) -> list[Part]:
        problem, counted = self.problem, self.beyond_bulk
        found = self.verdicts(criteria, n_tests)
        kind = "conditional on each readout" if self.conditional else "mean over readouts"
        lines: list[Part] = [
            f"{sizes(problem)}, {problem.batch_text} batch: "
            f"{self.n_samples} samples, seed {self.seed}",
            f"prediction: {self.method}, {kind}",
        ]
        header = ["spike", "quantity", "predicted", "simulated", "std. error", "difference"]
        rows = [
            [
                f"{row.spike}{'*' if row.in_margin else ' '}",
                *row.cells,
                *(f"{row.p_value:.2g}", str(verdict)),
            ]
            for row, verdict in zip(self.rows, found.rows, strict=True)
        ]
        lines.append(Table("rlrrrrrrl", [*header, "sigma", "p-value", "verdict"], rows))
        lines.append(f"{counted} (bulk edge {counted.edge:.4g}, margin {counted.margin:.0%}): "
                     f"{found.beyond_bulk}")  # fmt: skip
        if self.bulk is not None:
            lines.append(f"{self.bulk}: {found.bulk}")
        if counted.predicted_in_margin:
            lines.append(f"* {counted.predicted_in_margin:g} more predicted within the margin")
        if self.n_dropped:
            lines.append(f"{self.n_dropped} more predicted for some readouts only, not compared")
        lines.append(paragraph(criteria.describe(self.n_samples, found.n_tests)))
        return lines

    def _parts(self) -> list[Part]:
        return self._table(DEFAULT_CRITERIA, None)

    def _for_paper(self) -> list[Part]:
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        spikes = [str(row.spike) for row in self.rows]
        return [*lines, paper_table({"spike": spikes}, self.rows, self.verdicts().rows)]
