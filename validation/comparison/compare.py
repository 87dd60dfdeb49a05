"""A prediction held against simulated samples: differences, standard errors, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rmt.arguments import checked_type, not_negative
from rmt.arrays import Array
from rmt.problem import Problem
from rmt.problem.supported import supported, two_steps
from rmt.status import InvalidInputError
from validation.comparison.bulk_distance import BulkDistance, bulk_distance, bulk_values
from validation.comparison.comparison import Comparison
from validation.comparison.rows import BeyondBulk, ComparisonRow, Quantity, mean_of
from validation.simulation.samples import Samples, stacked, standard_error

if TYPE_CHECKING:
    from rmt.prediction import Prediction
    from rmt.vocabulary import Forms, Method

__all__ = [
    "DEFORMED_MARGIN",
    "RESUMMED_MARGIN",
    "PredictedOutliers",
    "best_level",
    "compare",
    "comparison_with",
    "level",
    "numbers_of",
]


# How far beyond the predicted edge, relative to it, the bulk of a network reaches. Training widens
# the bulk. The resummed level leaves that out; the deformed level predicts it, and what is left is
# how far the largest values of the bulk reach at N = 500 to 1000.
RESUMMED_MARGIN, DEFORMED_MARGIN = 0.5, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class PredictedOutliers:
    """What a comparison reads of one prediction, outliers in decreasing order.

    Attributes
    ----------
    numbers, errors : array (k, 1 + r)
        Of the outliers, as `numbers_of` gives them, and the theory's estimates of their errors.
    edge : float
        Upper edge of the bulk.
    initial, initial_errors : array (k,) or None
        Squared overlaps with the direction of the untrained network's own output, and their error
        estimates, where that output is of order one.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "tanh(z)", "z", width=100, dim=100, samples=800, steps=[rmt.Step(12, 0.3)]
    ... )
    >>> outliers = PredictedOutliers.of(rmt.predict(problem))
    >>> outliers.singular_values.shape, outliers.overlaps.shape, round(outliers.edge, 2)
    ((1,), (1, 1), 2.4)
    """

    numbers: Array
    errors: Array
    edge: float
    initial: Array | None = None
    initial_errors: Array | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> PredictedOutliers:
        """Read a prediction."""
        outliers = sorted(prediction.outliers, key=lambda spike: -spike.singular_value)
        numbers = [(one.singular_value, *one.target_overlaps) for one in outliers]
        errors = [(one.error.singular_value, *one.error.target_overlaps) for one in outliers]
        shape = len(outliers), 1 + prediction.problem.n_directions
        return cls(
            np.array(numbers, dtype=np.float64).reshape(shape),
            np.array(errors, dtype=np.float64).reshape(shape),
            float(max(upper for _, upper in prediction.bulk.edges)),
            stacked([one.initial_output_overlap for one in outliers]),
            stacked([one.error.initial_output_overlap for one in outliers]),
        )

    @property
    def singular_values(self) -> Array:
        """Shape (k,)."""
        return self.numbers[:, 0]

    @property
    def overlaps(self) -> Array:
        """Squared, with each target direction, shape (k, r)."""
        return self.numbers[:, 1:]


def numbers_of(singular_values: Array, overlaps: Array) -> Array:
    """One array (..., k, 1 + r) of all that is compared of outliers.

    Parameters
    ----------
    singular_values : array (..., k)
    overlaps : array (..., k, r)
        The column ``j`` of the result, from 1, is of target direction ``j``.
    """
    return np.concatenate([singular_values[..., None], overlaps], axis=-1)


def compare(
    prediction: Prediction, samples: Samples, *, edge_margin: float = RESUMMED_MARGIN
) -> Comparison:
    """Hold a prediction against simulated samples of the same problem.

    Outliers are matched by rank: the ``i``-th largest predicted singular value belongs to the
    ``i``-th largest observed one. Overlaps are squared, so signs do not matter; those with
    ``W_0^T a`` are compared too where the untrained output is of order one. Each row holds the
    difference ``(1/n) sum_i (simulated_i - predicted)`` with the standard error of this mean.

    Parameters
    ----------
    prediction : Prediction
        Of `rmt.predict`, at any level.
    samples : Samples
        At least two, with at least as many triplets observed as outliers are predicted. Where they
        hold whole spectra, the bulk is compared too.
    edge_margin : float
        Where outliers are counted, relative to the upper edge of the predicted bulk. At finite
        width the rest of the gradients widens the bulk (docs/theory.md, section 4), of which the
        resummed level has the lengths of rows alone: by up to 40 percent at ``N = 1000`` with
        samples for each dimension, and by more with fewer, hence the default of 0.5. The deformed
        level predicts the wider bulk, and 0.1 will do for it, as in the demo and the reports.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidInputError
        When the problems differ, or the samples are too few or observe too few triplets.

    Notes
    -----
    The prediction is a limit, the simulation has finite size: the verdicts state the allowance for
    that apart from the noise (see `Criteria`). Where two outliers lie within each other's
    fluctuations, matching by rank mixes their overlaps.

    Examples
    --------
    >>> import rmt
    >>> from validation import run_samples
    >>> problem = rmt.Problem(
    ...     "tanh(z)", "z", width=200, dim=200, samples=800, steps=[rmt.Step(8, 0.3)]
    ... )
    >>> comparison = compare(rmt.predict(problem), run_samples(problem, 6, n_outliers=2))
    >>> [row.label for row in comparison.rows], comparison.agrees()
    (['singular value', 'squared overlap with e_1'], True)
    """
    checked_type("samples", samples, Samples, "validation.run_samples")
    if prediction.problem != samples.problem:
        raise InvalidInputError(
            "prediction and samples must be of the same problem, got content hashes "
            f"{prediction.problem.content_hash[:12]} and {samples.problem.content_hash[:12]}"
        )
    values = bulk_values(samples)
    bulk = None
    if values is not None:
        bulk = bulk_distance(prediction.bulk.cdf, values, samples.problem.aspect_ratio)
    outliers = PredictedOutliers.of(prediction)
    return comparison_with(
        [outliers],
        samples,
        edge_margin,
        n_rows=outliers.singular_values.size,
        method=level(prediction),
        bulk=bulk,
    )


def comparison_with(
    predicted: Sequence[PredictedOutliers],
    samples: Samples,
    edge_margin: float,
    *,
    n_rows: int,
    method: str,
    bulk: BulkDistance | None = None,
    conditional: bool = False,
    n_dropped: int = 0,
) -> Comparison:
    """The comparison of samples with a prediction for all, or with one for each.

    Parameters
    ----------
    predicted : sequence of PredictedOutliers
        One, or one for each sample.
    samples, edge_margin
        As in `compare`.
    n_rows : int
        How many outliers, from the largest on, to compare: every prediction has them.
    method, bulk, conditional, n_dropped
        As in `Comparison`.

    Raises
    ------
    InvalidInputError
        For a bad margin, or samples that are too few or observe too few triplets.
    """
    n = samples.n_samples
    edge_margin = not_negative("edge_margin", edge_margin)
    if n < 2:
        raise InvalidInputError("samples must be at least two, to have a standard error; got one")
    if n_rows > samples.n_observed:
        raise InvalidInputError(
            f"samples must observe at least the {n_rows} predicted outliers, got "
            f"{samples.n_observed} triplets: run_samples(..., n_outliers={n_rows})"
        )

    counted = _count(predicted, samples, edge_margin)
    numbers = np.array([each.numbers[:n_rows] for each in predicted])
    errors = np.array([each.errors[:n_rows] for each in predicted])
    initial, initial_errors = (
        stacked([None if one is None else one[:n_rows] for one in found])
        for found in (
            [each.initial for each in predicted],
            [each.initial_errors for each in predicted],
        )
    )
    along = samples.initial_output_overlap
    seen = numbers_of(samples.singular_values, samples.target_overlaps)
    rows: list[ComparisonRow] = []
    for i in range(n_rows):
        in_margin = numbers[:, i, 0].mean() <= counted.threshold
        margin = (counted.edge, counted.threshold) if in_margin else None
        for j in range(1 + samples.problem.n_directions):
            mean = mean_of(seen[:, i, j], numbers[:, i, j], errors[:, i, j])
            quantity: Quantity = "squared overlap" if j else "singular value"
            rows.append(ComparisonRow(i, quantity, j or None, **mean, margin=margin))
        if initial is not None and initial_errors is not None and along is not None:
            mean = mean_of(along[:, i], initial[:, i], initial_errors[:, i])
            quantity = "squared overlap with the initial output"
            rows.append(ComparisonRow(i, quantity, None, **mean, margin=margin))
    return Comparison(
        samples.problem, n, samples.seed, tuple(rows), counted, method, bulk, conditional, n_dropped
    )


def best_level(problem: Problem) -> tuple[Method, Forms | None]:
    """The level that knows most of the weights after a problem's steps, with its forms.

    ``deformed``, by linked forms or else by simple ones, which alone predicts the bulk at finite
    width; ``resummed`` where it has no prediction, and for more than two steps, or giant ones.

    Examples
    --------
    >>> problem = Problem("tanh(z)", "z", width=100, dim=100, samples=800, steps=[(12, 0.3)])
    >>> best_level(problem), best_level(problem.replace(output_scale=1))
    (('deformed', 'linked'), ('deformed', 'simple'))
    >>> best_level(problem.replace(steps=[(12, 0.5)]))
    ('resummed', None)
    """
    found = supported(problem)
    choices: tuple[Forms, ...] = ("linked", "simple") if two_steps(problem) else ()
    for forms in choices:
        if found.of("deformed", forms).ok:
            return "deformed", forms
    return "resummed", None


def level(prediction: Prediction) -> str:
    """The level of a prediction in words, with the forms of a deformed one.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z)", "z", width=100, dim=100, samples=800, steps=[(12, 0.3)])
    >>> level(rmt.predict(problem))
    'resummed'
    """
    forms = f" ({prediction.forms} forms)" if prediction.forms else ""
    return f"{prediction.method}{forms}"


def _count(
    predicted: Sequence[PredictedOutliers], samples: Samples, edge_margin: float
) -> BeyondBulk:
    edge = float(np.mean([each.edge for each in predicted]))
    threshold = edge * (1 + edge_margin)
    simulated = samples.count_beyond(threshold).astype(np.float64)
    expected = [np.count_nonzero(each.singular_values > threshold) for each in predicted]
    return BeyondBulk(
        edge,
        edge_margin,
        tuple(tuple(each.singular_values.tolist()) for each in predicted),
        float(simulated.mean()),
        float(standard_error(simulated - np.minimum(expected, samples.n_observed))),
        samples.n_samples,
        samples.n_observed,
    )
