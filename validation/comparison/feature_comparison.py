"""What the theory says of features and ridge errors, held against simulated networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np

from rmt.arguments import checked_type
from rmt.arrays import Array
from rmt.display import InPapers, Part, Table, as_text, paragraph
from rmt.features import FeatureSpikes, feature_spikes
from rmt.features.polynomial import hermite_name
from rmt.problem import Problem
from rmt.regression import RidgeErrors, ridge
from rmt.status import InvalidInputError
from validation.comparison.rows import (
    DERIVED,
    FeatureQuantity,
    FeatureRow,
    mean_of,
    paper_table,
)
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict, worst
from validation.json_form import InJson, fields
from validation.simulation.feature_plan import FeaturePlan, FeatureSamples

__all__ = ["FeatureComparison", "compare_features", "predicted_features"]


_CLEAR = 1.05  # of the bulk's edge: from here on an outlier stands clear of it
_NEIGHBOURS = 0.9  # of the next larger singular value: from here on the two mix in some networks


@dataclass(frozen=True, slots=True)
class FeatureComparison(InJson, InPapers):
    """Features and ridge errors against samples; prints as a table with verdicts.

    Attributes
    ----------
    problem : Problem
        What was predicted and simulated.
    n_samples, seed : int
        Which samples.
    n_inputs : int
        ``m`` of the outliers' rows.
    rows : tuple of FeatureRow
        Errors at every stage, then singular values of the outliers that are clear of the bulk,
        then squared overlaps of their left singular vectors.
    bulk_edge : float
        Predicted upper edge of the bulk of the features' singular values.
    learned : tuple of str
        The functions of the spike coordinates that all predicted outliers have learned.

    Examples
    --------
    >>> from rmt import Step
    >>> problem = Problem("tanh(z)", "z", width=100, dim=100, samples=200, steps=[Step(2, 0.3)])
    >>> row = FeatureRow("test error", "step 1", 0.2, 0.0, 0.202, 0.001, 12)
    >>> found = FeatureComparison(problem, 12, 0, 300, (row,), 30.0, ("0.98 k0",))
    >>> found.agrees(), [str(verdict) for verdict in found.verdicts()]
    (True, ['agrees'])
    """

    _FORMAT: ClassVar[int] = 1
    _WRITTEN: ClassVar[tuple[str, ...]] = (
        *("problem", "n_samples", "seed", "n_inputs", "bulk_edge", "learned", "rows"),
    )
    _DERIVED: ClassVar[Mapping[str, tuple[str, ...]]] = {"rows": DERIVED}
    _READ: ClassVar[Any] = {
        "problem": Problem.from_dict,
        "rows": lambda rows: tuple(FeatureRow(**fields(row)) for row in rows),
    }

    problem: Problem
    n_samples: int
    seed: int
    n_inputs: int
    rows: tuple[FeatureRow, ...]
    bulk_edge: float
    learned: tuple[str, ...]

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

    def table(self, criteria: Criteria = DEFAULT_CRITERIA, n_tests: int | None = None) -> str:
        """Everything compared, each with its verdict, and the criteria below."""
        return as_text(self._table(criteria, n_tests))

    def _table(self, criteria: Criteria, n_tests: int | None) -> list[Part]:
        p = self.problem
        lines = [
            f"features of N = {p.width}, d = {p.dim}, n = {', '.join(map(str, p.samples))}, "
            f"{p.batch} batch: {self.n_samples} samples, seed {self.seed}",
            *(f"outlier {i}: {text}" for i, text in enumerate(self.learned)),
        ]
        header = ["quantity", "predicted", "simulated", "std. error", "difference", "sigma"]
        judged = zip(self.rows, self.verdicts(criteria, n_tests), strict=True)
        rows = [[*row.cells, str(verdict)] for row, verdict in judged]
        said = criteria.describe(self.n_samples, self.n_tests if n_tests is None else n_tests)
        table = Table("lrrrrrl", [*header, "verdict"], rows)
        return [*lines, table, paragraph(said)]

    def _parts(self) -> list[Part]:
        return self._table(DEFAULT_CRITERIA, None)

    def _for_paper(self) -> list[Part]:
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        return [*lines, paper_table({}, self.rows, self.verdicts())]


def predicted_features(plan: FeaturePlan) -> tuple[FeatureSpikes, RidgeErrors]:
    """Outliers at the plan's largest ``m``, and errors at all its ``m`` and ``lambda``.

    What `compare_features` holds against the samples of the same plan.

    Parameters
    ----------
    plan : FeaturePlan
        Its problem, numbers of inputs and regularisations.

    Returns
    -------
    FeatureSpikes
        Of `rmt.feature_spikes`, at the largest ``m``.
    RidgeErrors
        Of `rmt.ridge`; the arrays have the shape ``(n_stages, n_inputs, n_regularisations)``.

    Raises
    ------
    ConvergenceError
        When the spikes of the weights have not converged.

    Notes
    -----
    docs/theory.md, sections 6 and 7; docs/validation.md.

    Examples
    --------
    >>> from rmt import Problem
    >>> from validation import FeaturePlan
    >>> problem = Problem("tanh(z)", "z", width=80, dim=80, samples=160, steps=[(2, 0.4)])
    >>> plan = FeaturePlan(problem, 4, inputs=(100, 200), regularisations=(1e-2,))
    >>> spikes, errors = predicted_features(plan)
    >>> spikes.samples, errors.test_error.shape
    (200, (2, 2, 1))
    """
    return (
        feature_spikes(plan.problem, max(plan.inputs), max_seconds=None),
        ridge(
            plan.problem,
            np.array(plan.inputs)[:, None],
            np.array(plan.regularisations),
            max_seconds=None,
        ),
    )


def compare_features(
    spikes: FeatureSpikes, errors: RidgeErrors, samples: FeatureSamples
) -> FeatureComparison:
    """Hold predicted features and ridge errors against simulated networks of the same problem.

    Outliers are matched by rank. Those that lie within 10 percent of each other trade places from
    network to network and mix their left singular vectors (the constant and the first direction
    often do): of such a group the overlaps are summed, which leaves what its span has learned.
    Outliers within 5 percent of the bulk's edge are not compared.

    Parameters
    ----------
    spikes : FeatureSpikes
        Of `predicted_features` for the samples' plan.
    errors : RidgeErrors
        Of the same.
    samples : FeatureSamples
        At least two.

    Returns
    -------
    FeatureComparison

    Raises
    ------
    InvalidInputError
        When the problems or sizes differ, or the samples are too few or observe too few triplets.

    Notes
    -----
    docs/validation.md, comparison and verdicts; docs/theory.md, sections 6 and 7.

    Examples
    --------
    >>> from rmt import Step
    >>> from validation import FeaturePlan, run_features
    >>> problem = Problem("tanh(z)", "z", width=80, dim=80, samples=160, steps=[Step(2, 0.4)])
    >>> plan = FeaturePlan(problem, 4, inputs=(200,), regularisations=(1e-2,))
    >>> compared = compare_features(*predicted_features(plan), run_features(plan))
    >>> [row.label for row in compared.rows][:2]
    ['test error, untrained, m = 200, lambda = 0.01', 'test error, step 1, m = 200, ...]
    """
    checked_type("spikes", spikes, FeatureSpikes, "rmt.feature_spikes")
    checked_type("errors", errors, RidgeErrors, "rmt.ridge")
    checked_type("samples", samples, FeatureSamples, "validation.run_features")
    plan = samples.plan
    if not plan.problem == spikes.problem == errors.problem:
        raise InvalidInputError("predictions and samples must be of the same problem")
    shape = (plan.n_stages, len(plan.inputs), len(plan.regularisations))
    if spikes.samples != max(plan.inputs) or errors.test_error.shape != shape:
        raise InvalidInputError(
            "predictions must be of the plan's inputs and regularisations (predicted_features)"
        )
    if samples.n_samples < 2:
        raise InvalidInputError("samples must be at least two, to have a standard error; got one")
    clear = [s for s in spikes.outliers if s.singular_value > _CLEAR * spikes.bulk_edge]
    if len(clear) > samples.singular_values.shape[1]:
        raise InvalidInputError(
            f"samples must observe at least the {len(clear)} predicted outliers, got "
            f"{samples.singular_values.shape[1]} triplets"
        )
    values = [spike.singular_value for spike in clear]
    rows = [*_error_rows(errors, samples)]
    for i, spike in enumerate(clear):
        own = spike.error * spike.singular_value
        mean = mean_of(samples.singular_values[:, i], spike.singular_value, own)
        rows.append(FeatureRow("singular value", f"outlier {i}", **mean))
    for group in neighbours(values):
        which = f"outlier{'s' * (len(group) > 1)} {' and '.join(map(str, group))}"
        for k, beta in enumerate(plan.monomials):
            mean = mean_of(
                samples.overlaps[:, list(group), k].sum(axis=1),
                sum(clear[i].target_overlaps[beta] for i in group),
                sum(clear[i].error for i in group),
            )
            of = f"{which} with {hermite_name(beta, 'z', 1)}"
            rows.append(FeatureRow("squared overlap", of, **mean))
    return FeatureComparison(
        plan.problem,
        samples.n_samples,
        plan.seed,
        spikes.samples,
        tuple(rows),
        spikes.bulk_edge,
        tuple(str(spike.learned) for spike in spikes.outliers),
    )


def neighbours(values: Sequence[float]) -> list[tuple[int, ...]]:
    """Ranks of singular values in decreasing order, those that may trade places together.

    Examples
    --------
    >>> neighbours([627.0, 606.0, 90.0])
    [(0, 1), (2,)]
    """
    groups: list[tuple[int, ...]] = []
    for i in range(len(values)):
        if i and values[i] >= _NEIGHBOURS * values[i - 1]:
            groups[-1] = (*groups[-1], i)
        else:
            groups.append((i,))
    return groups


def _error_rows(errors: RidgeErrors, samples: FeatureSamples) -> Iterator[FeatureRow]:
    plan = samples.plan
    kinds: tuple[tuple[FeatureQuantity, Array, Array], ...] = (
        ("test error", errors.test_error, samples.test_error),
        ("training error", errors.training_error, samples.training_error),
    )
    for quantity, predicted, simulated in kinds:
        for (i, m), (j, lam), (stage, name) in product(
            enumerate(plan.inputs), enumerate(plan.regularisations), enumerate(errors.stages)
        ):
            number = predicted[stage, i, j]
            mean = mean_of(simulated[:, stage, i, j], number, errors.error[stage, i, j] * number)
            yield FeatureRow(quantity, f"{name}, m = {m}, lambda = {lam:g}", **mean)
