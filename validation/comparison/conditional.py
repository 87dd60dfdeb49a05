"""Every simulated network held against the prediction for its own readout."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from typing import TypeAlias

import numpy as np

from rmt.arguments import checked_type
from rmt.arrays import Array, Integers
from rmt.predict import predict
from rmt.prediction import Method
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from validation.comparison.bulk_distance import bulk_distance, bulk_values
from validation.comparison.compare import RESUMMED_MARGIN, PredictedOutliers, comparison_with, level
from validation.comparison.comparison import Comparison
from validation.simulation.draws import sample_readout
from validation.simulation.samples import Samples

__all__ = ["compare_conditional", "own_problems"]

# The outliers of a prediction, its level, and where it is wanted its bulk's distribution function.
_Found: TypeAlias = tuple[PredictedOutliers, str, Array | None]


def compare_conditional(
    samples: Samples,
    *,
    method: Method = "resummed",
    forms: Forms | None = None,
    edge_margin: float = RESUMMED_MARGIN,
    executor: Executor | None = None,
) -> Comparison:
    r"""Hold each sample against the prediction for the readout that it has drawn.

    The readouts of finite networks fluctuate, and with them the outliers. Given its readout
    ``g^(i)``, sample ``i`` is predicted on its own, and the mean of the paired differences

    .. math::
       d_i = \text{simulated}_i - \text{predicted}(g^{(i)}), \qquad
       \text{standard error} = \operatorname{std}(d) / \sqrt{n},

    has lost that part of the noise, and of the finite-size gap the part that is due to the
    readout's law being sampled. What remains is the noise of weights, inputs and labels.

    Parameters
    ----------
    samples : Samples
        At least two, simulated from the problem by `validation.simulate`. Where they hold whole
        spectra, the predicted bulk is the mean of the laws for these samples' readouts.
    method, forms
        Level of theory, as in `rmt.predict`.
    edge_margin : float
        As in `validation.compare`; relative to the mean edge of the predicted bulks.
    executor : concurrent.futures.Executor, optional
        What runs the predictions, one for each sample and one for the readout's law; by default
        they run here, one after the other.

    Returns
    -------
    Comparison
        With ``conditional=True``. Its rows are the outliers, by rank, that the prediction for the
        readout's law has and every conditional one too; `Comparison.n_dropped` says how many
        fewer these are than the most that one of them has.

    Raises
    ------
    InvalidInputError
        As `validation.compare`.
    ConvergenceError
        When a prediction fails; a note says for which sample.

    Notes
    -----
    How much noise goes depends on how much the other draws make. With a Gaussian readout at
    ``N = d = 1000, n = 2000`` (the cases of the demo, 40 samples) the standard errors of singular
    values shrink by factors of 1.05 to 1.4, those of overlaps not at all; with one step on 16 to 32
    times as many data as neurons, so that labels hardly fluctuate, by 2.7 to 5. A readout that the
    problem gives is every sample's own: both comparisons are the same.

    docs/validation.md, comparison and verdicts.

    Examples
    --------
    >>> import rmt
    >>> from validation import compare, run_samples
    >>> problem = rmt.Problem(
    ...     "tanh(z)", "z", width=100, dim=100, samples=800, steps=[rmt.Step(12, 0.3)]
    ... )
    >>> samples = run_samples(problem, 8, n_outliers=2)
    >>> plain, conditional = compare(rmt.predict(problem), samples), compare_conditional(samples)
    >>> conditional.row(0).standard_error < plain.row(0).standard_error
    True
    """
    checked_type("samples", samples, Samples, "validation.run_samples")
    problem = samples.problem
    given = not isinstance(problem.readout, str)
    values = bulk_values(samples)
    points = None if values is None else np.sort(values, axis=None)
    n_spectra = 0 if values is None else len(values)

    problems = [problem] if given else [problem, *own_problems(samples)]
    # Whole spectra are kept of the first samples.
    wanted = [given, *(position < n_spectra for position in range(len(problems) - 1))]
    at = [points if one else None for one in wanted]
    predicted = partial(_predicted, method, forms)
    results = iter((map if executor is None else executor.map)(predicted, problems, at))
    outliers, levels, laws = zip(*_in_order(results, samples.indices, len(problems)), strict=True)

    bulk = None
    if values is not None:
        # The sorted values are the points at which the workers have evaluated their laws.
        mean_law = np.mean([law for law in laws if law is not None], axis=0)
        bulk = bulk_distance(lambda _: mean_law, values, problem.aspect_ratio)
    counts = [each.singular_values.size for each in outliers]
    return comparison_with(
        outliers[1:] or outliers,
        samples,
        edge_margin,
        n_rows=min(counts),
        method=levels[0],
        bulk=bulk,
        conditional=True,
        n_dropped=max(counts) - min(counts),
    )


def own_problems(samples: Samples) -> list[Problem]:
    """The problem of each sample, with the readout that it has drawn."""
    problem, seed = samples.problem, samples.seed
    readouts = (sample_readout(problem, seed, index) for index in samples.indices.tolist())
    return [problem.replace(readout=readout, readout_sum=None) for readout in readouts]


def _in_order(results: Iterator[_Found], indices: Integers, count: int) -> Iterator[_Found]:
    """The law's prediction, then those for the samples; an error says which it came from."""
    for position in range(count):
        try:
            yield next(results)
        except ArithmeticError as error:
            if position:
                error.add_note(f"for the readout of sample {indices[position - 1]}")
            raise


def _predicted(
    method: Method, forms: Forms | None, problem: Problem, points: Array | None
) -> _Found:
    """What is needed of a prediction, small enough to be sent between processes."""
    prediction = predict(problem, method, forms=forms, max_seconds=None)
    law = None if points is None else np.asarray(prediction.bulk.cdf(points), dtype=np.float64)
    return PredictedOutliers.of(prediction), level(prediction), law
