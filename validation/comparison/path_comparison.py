"""Errors and outliers after every step of training, predicted and simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rmt.arguments import checked_type
from rmt.arrays import Array
from rmt.display import InPapers, Part, Table, as_text, paragraph
from rmt.predict import training_path
from rmt.prediction import TrainingPath
from rmt.problem import Problem
from rmt.status import InvalidInputError
from rmt.vocabulary import Bulk
from validation.comparison.compare import (
    DEFORMED_MARGIN,
    RESUMMED_MARGIN,
    PredictedOutliers,
    numbers_of,
)
from validation.comparison.path_rows import (
    FEWEST_ADJUSTED,
    PathQuantity,
    PathRow,
    adjusted_mean,
    plain_mean,
)
from validation.comparison.rows import DERIVED, paper_table
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict, worst
from validation.json_form import InJson, fields
from validation.simulation.draws import sample_readout
from validation.simulation.path_plan import PathPlan, PathSamples
from validation.words import sizes

__all__ = [
    "PathComparison",
    "compare_path",
    "predicted_path",
]

# Tolerance of the predictions: a fifth of the smallest allowance.
_RTOL = 1e-3
# Outliers below so many times the bulk's edge are weak: the width of the bulk matters to them.
_WEAK = 2.5
# Relative distance from where counting begins at which an outlier may be counted or not.
_DOUBTFUL = 0.1


@dataclass(frozen=True, slots=True)
class PathComparison(InJson, InPapers):
    """A predicted path of training against samples; prints as a table with verdicts.

    Attributes
    ----------
    problem : Problem
        What was predicted and simulated.
    n_samples, seed : int
        Which samples.
    method : str
        Level of the prediction.
    adjusted : bool
        Whether the means are adjusted to the exact mean squares of labels and readout.
    rows : tuple of PathRow
        After each step: training error, test error, where both know them losses and shares of
        misclassified samples, singular value and squared overlaps of every predicted outlier, and
        their number beyond the bulk.

    Examples
    --------
    >>> from rmt import Step
    >>> problem = Problem("tanh(z)", "z", width=100, dim=100, samples=200, steps=[Step(2, 0.3)])
    >>> row = PathRow(1, "test error", None, None, 0.34, 0.0, 0.343, 0.001, n_samples=19)
    >>> found = PathComparison(problem, 20, 0, "resummed", True, (row,))
    >>> found.agrees(), found.agrees(Criteria(path_error_allowance=0.0, significance=0.2))
    (True, False)
    """

    _FORMAT: ClassVar[int] = 1
    _DERIVED: ClassVar[Mapping[str, tuple[str, ...]]] = {"rows": DERIVED}
    _READ: ClassVar[Any] = {
        "problem": Problem.from_dict,
        "rows": lambda rows: tuple(
            PathRow(**fields(row, "spike", "direction", "margin")) for row in rows
        ),
    }

    problem: Problem
    n_samples: int
    seed: int
    method: str
    adjusted: bool
    rows: tuple[PathRow, ...]

    @property
    def n_tests(self) -> int:
        """How many means are tested."""
        return len(self.rows)

    def verdicts(
        self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None
    ) -> tuple[Verdict, ...]:
        """The verdict on every row; the significance is shared by ``n_tests``, by default all."""
        m = self.n_tests if n_tests is None else n_tests
        return tuple(row.verdict(criteria, m) for row in self.rows)

    def overall(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> Verdict:
        """The worst verdict."""
        return worst(self.verdicts(criteria, n_tests))

    def agrees(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> bool:
        """Whether nothing differs by more than noise and allowance."""
        return self.overall(criteria, n_tests) is not Verdict.DIFFERS

    def disagreements(
        self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None
    ) -> tuple[str, ...]:
        """One sentence for everything that differs."""
        judged = zip(self.rows, self.verdicts(criteria, n_tests), strict=True)
        return tuple(str(row) for row, verdict in judged if verdict is Verdict.DIFFERS)

    def row(
        self, step: int, quantity: PathQuantity, spike: int | None = None,
        direction: int | None = None,
    ) -> PathRow:  # fmt: skip
        """One of the rows; spikes are counted from 0, directions from 1.

        Raises
        ------
        InvalidInputError
            When there is no such row.
        """
        wanted = (step, quantity, spike, direction)
        for row in self.rows:
            if (row.step, row.quantity, row.spike, row.direction) == wanted:
                return row
        known = ", ".join(row.label for row in self.rows if row.step == step)
        raise InvalidInputError(
            f"no row for step {step!r}, {quantity!r}, spike {spike!r}, direction {direction!r}; "
            f"after that step there are: {known or 'none'}"
        )

    def table(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> str:
        """Everything compared, each with its verdict, and the criteria below."""
        return as_text(self._table(criteria, n_tests))

    def _table(self, criteria: Criteria, n_tests: int | None) -> list[Part]:
        problem, m = self.problem, self.n_tests if n_tests is None else n_tests
        kind = "batch" if isinstance(problem.batch, str) else "batches"
        lines: list[Part] = [
            f"{sizes(problem)}, {problem.batch_text} {kind}: {self.n_samples} samples, seed "
            f"{self.seed}",
            f"prediction: {self.method}, mean over readouts, after every step",
        ]
        header = ["step", "quantity", "predicted", "simulated", "std. error", "difference", "sigma"]
        rows, last = [], 0
        for row, verdict in zip(self.rows, self.verdicts(criteria, m), strict=True):
            label, *numbers = row.cells
            step = f"{row.step}" if row.step != last else ""
            last = row.step
            rows.append([step, label + "*" * row.in_margin, *numbers, str(verdict)])
        lines.append(Table("rlrrrrrl", [*header, "verdict"], rows))
        lines.append(paragraph(self._explained(criteria, m)))
        return lines

    def _explained(self, criteria: Criteria, n_tests: int) -> str:
        t = criteria.quantile(min(row.n_samples for row in self.rows), n_tests)
        text = (
            f"Noise: {t:.2f} standard errors, Student's t at family-wise significance "
            f"{criteria.significance:g} of {n_tests} tests; allowance for finite size: "
            f"{criteria.path_error_allowance:.3g} of an error, {criteria.path_allowance:.3g} of a "
            f"singular value ({criteria.path_weak_allowance:.3g} below {_WEAK:g} times the bulk's "
            f"edge), relative, {criteria.path_overlap_allowance:g} of a squared overlap"
        )
        share = any(row.quantity.endswith("misclassified") for row in self.rows)
        text += f", {criteria.path_error_allowance:g} of a share of samples." if share else "."
        if self.adjusted:
            text += " Means are adjusted to the exact mean squares of labels and readout."
        if any(row.in_margin for row in self.rows):
            text += " * Predicted within the margin of the bulk's edge."
        return text + _own_sums(self.problem)

    def _parts(self) -> list[Part]:
        return self._table(DEFAULT_CRITERIA, None)

    def _for_paper(self) -> list[Part]:
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        steps = [str(row.step) for row in self.rows]
        return [*lines, paper_table({"step": steps}, self.rows, self.verdicts())]


def predicted_path(plan: PathPlan, max_seconds: float | None = None) -> TrainingPath:
    """What `compare_path` holds against the samples of a plan, to a fifth of its allowances.

    Parameters
    ----------
    plan : PathPlan
        Its problem alone counts.
    max_seconds : float or None
        As in `rmt.training_path`; None for no limit.

    Returns
    -------
    TrainingPath

    Raises
    ------
    ConvergenceError
        When the walk has not converged, or not in time.

    Notes
    -----
    docs/theory.md, any number of steps; docs/validation.md, along the path.

    Examples
    --------
    >>> problem = Problem("erf(z)", "z", 100, 100, 400, [(2, 0.3)] * 2, readout="rademacher")
    >>> [point.step for point in predicted_path(PathPlan(problem, 8)).points]
    [0, 1, 2]
    """
    bulk: Bulk | None = "rows"  # the nearer to networks; of pairs of rows there is but one
    if plan.problem.initialisation == "antisymmetric":
        bulk = None
    return training_path(plan.problem, _RTOL, max_seconds=max_seconds, bulk=bulk)


def compare_path(
    path: TrainingPath, samples: PathSamples, *, adjust: bool = True
) -> PathComparison:
    """Hold a predicted path of training against simulated networks of the same problem.

    After every step: the error on the batch of the step that comes next (at the end that of the
    last) and on fresh samples; with another loss than the squared one the mean loss on both, with
    labels +1 and -1 the share that is misclassified; the outliers and their squared overlaps with
    the target, matched by rank, and how many there are beyond 1.5 times the bulk's edge. The errors
    are the sharpest test of a schedule: they tell a batch that is used again from a fresh one by
    tens of standard errors.

    Parameters
    ----------
    path : TrainingPath
        Of `rmt.training_path`.
    samples : PathSamples
        At least two, with at least as many triplets observed as outliers are predicted.
    adjust : bool
        Whether to take off the noise that comes from two numbers whose limits are known exactly
        (`adjusted_mean`), the mean squares of the readout and, where the untrained output vanishes,
        of the labels: those of the batch for its error, all used so far for outliers. Takes at
        least 8 networks.

    Returns
    -------
    PathComparison

    Raises
    ------
    InvalidInputError
        When the problems differ, or the samples are too few or observe too few triplets.

    Notes
    -----
    Of an outlier predicted within 10 percent of the bulk's edge no more is asked than to lie there.
    With an output of order one the prediction is for readouts of the sum that the problem gives, or
    0; networks have sums of their own unless ``readout_sum`` says which. docs/validation.md, along
    the path; docs/theory.md, any number of steps.

    Examples
    --------
    >>> import rmt
    >>> from validation import PathPlan, run_paths
    >>> steps = [(2, 0.3)] * 3
    >>> problem = rmt.Problem("erf(z)", "z", 100, 100, 400, steps, (0, 0, 1), "rademacher")
    >>> path = rmt.training_path(problem, rtol=1e-3)
    >>> found = compare_path(path, run_paths(PathPlan(problem, 8, n_test=500)))
    >>> [row.label for row in found.rows if row.step == 1]
    ['training error', 'test error', 'singular value 0', 'squared overlap 0 with e_1',
    'number of outliers']
    """
    checked_type("path", path, TrainingPath, "rmt.training_path")
    checked_type("samples", samples, PathSamples, "validation.run_paths")
    if path.problem != samples.problem:
        raise InvalidInputError(
            "path and samples must be of the same problem, got content hashes "
            f"{path.problem.content_hash[:12]} and {samples.problem.content_hash[:12]}"
        )
    n = samples.n_samples
    if n < 2:
        raise InvalidInputError("samples must be at least two, to have a standard error; got one")
    steps = range(1, len(path))
    points = {step: path[step].prediction for step in steps}
    predicted = {step: PredictedOutliers.of(one) for step, one in points.items() if one is not None}
    most = max(one.singular_values.size for one in predicted.values())
    if most > samples.n_observed:
        raise InvalidInputError(
            f"samples must observe at least the {most} predicted outliers, got "
            f"{samples.n_observed} triplets: PathPlan(..., n_outliers={most})"
        )
    # Where the untrained output has a part in the first error, that is no mean square of labels.
    first = path[0].test_error if samples.problem.starts_at_zero else np.nan
    known = np.array([first, 1.0])
    readouts = _readout_squares(samples)

    def mean(values: Array, labels: Array) -> dict[str, Any]:
        if not adjust:
            return plain_mean(values)
        controls, there = np.stack([labels, readouts], axis=1), np.isfinite(known)
        return adjusted_mean(values, controls[:, there], known[there])

    rows: list[PathRow] = []
    for step in steps:
        rows += _errors(path, samples, step, mean)
        used = list(dict.fromkeys(samples.problem.schedule[:step]))
        labels = samples.label_squares[:, used].mean(axis=1)
        rows += _outliers(predicted[step], samples, step, labels, mean)
    adjusted = adjust and n >= FEWEST_ADJUSTED
    return PathComparison(samples.problem, n, samples.seed, "resummed", adjusted, tuple(rows))


def _readout_squares(samples: PathSamples) -> Array:
    """Mean square of the readout of each network."""
    every = (sample_readout(samples.problem, samples.seed, int(i)) for i in samples.indices)
    return np.array([np.mean(g**2) for g in every])


def _own_sums(problem: Problem) -> str:
    """What is to be said of networks that have other readouts than the prediction is for."""
    given = problem.readout_sum is not None or not isinstance(problem.readout, str)
    if problem.starts_at_zero or given or problem.activation.parity == -1:
        return ""
    return (
        " The prediction is for readouts of the sum 0, and every network has its own, which moves "
        "the output by a number of order one: readout_sum=0 simulates networks of that sum."
    )


_ERRORS: tuple[tuple[str, tuple[PathQuantity, PathQuantity]], ...] = (
    ("error", ("training error", "test error")),
    ("loss", ("training loss", "test loss")),
    ("misclassified", ("training misclassified", "test misclassified")),
)


def _errors(path: TrainingPath, samples: PathSamples, step: int, mean: Any) -> Iterator[PathRow]:
    """Those that both know; the squared loss is half the error, and no number of its own."""
    point, squares = path[step], samples.label_squares
    batches = samples.training_batches[step], -1
    for kind, quantities in _ERRORS:
        if kind == "loss" and samples.problem.loss.text == "squared":
            continue
        for on, quantity, batch in zip(("training", "test"), quantities, batches, strict=True):
            name = f"{on}_{kind}"
            predicted, seen = getattr(point, name), getattr(samples, name)
            if seen is None or (kind == "misclassified" and np.isnan(predicted)):
                continue
            yield PathRow(
                step, quantity, None, None, predicted, getattr(point, f"{name}_error"),
                **mean(seen[:, step], squares[:, batch]),
            )  # fmt: skip


def _outliers(
    predicted: PredictedOutliers, samples: PathSamples, step: int, labels: Array, mean: Any
) -> Iterator[PathRow]:
    values = samples.singular_values[:, step - 1]
    seen = numbers_of(values, samples.target_overlaps[:, step - 1])
    end = predicted.edge * (1 + DEFORMED_MARGIN)
    for spike, numbers in enumerate(predicted.numbers):
        margin = (predicted.edge, end) if numbers[0] <= end else None
        weak = bool(numbers[0] < _WEAK * predicted.edge)
        for j, number in enumerate(numbers.tolist()):
            yield PathRow(
                step, "squared overlap" if j else "singular value", spike, j or None, number,
                float(predicted.errors[spike, j]), **mean(seen[:, spike, j], labels), weak=weak,
                margin=margin,
            )  # fmt: skip
    threshold = predicted.edge * (1 + RESUMMED_MARGIN)
    near = np.abs(predicted.singular_values / threshold - 1) < _DOUBTFUL
    counted = np.count_nonzero(values > threshold, axis=1).astype(np.float64)
    yield PathRow(
        step, "number of outliers", None, None,
        float(np.count_nonzero(predicted.singular_values > threshold)), 0.0, **plain_mean(counted),
        doubtful=int(near.sum()),
    )  # fmt: skip
