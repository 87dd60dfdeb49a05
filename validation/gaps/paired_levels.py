"""Predictions of several levels of theory for the readouts of simulated networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from rmt.predict import predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from validation.gaps.paired_gaps import PairedLevel, RankedOutliers
from validation.simulation.draws import sample_readout
from validation.simulation.samples import Samples

__all__ = ["paired_levels", "predictions_at"]


def predictions_at(
    problem: Problem, methods: Iterable[Method], forms: Forms
) -> dict[Method, Prediction]:
    """Of each level for one problem; an error says which level and width it came from."""
    found: dict[Method, Prediction] = {}
    for method in methods:
        try:
            own = forms if method == "deformed" else None
            found[method] = predict(problem, method, forms=own, max_seconds=None)
        except ArithmeticError as error:
            error.add_note(f"at the level {method} and width {problem.width}")
            raise
    return found


def paired_levels(
    samples: Samples,
    of_law: Mapping[Method, Prediction],
    forms: Forms,
    count: int,
    paired: bool,
    n_own: int,
    executor: Executor | None,
) -> dict[Method, PairedLevel]:
    """What all levels predict for the networks of one width.

    The resummed level stands in for the deformed one, which takes seconds.

    Parameters
    ----------
    samples : Samples
    of_law : mapping of level to Prediction
        For the law of the readout.
    forms
        Of the deformed level.
    count : int
        Ranks to read off each prediction.
    paired : bool
        Whether to predict for the networks' own readouts at all.
    n_own : int
        For how many of them at the deformed level.
    executor : concurrent.futures.Executor or None
        What runs the predictions.
    """
    at_law = {method: RankedOutliers.of(law, count) for method, law in of_law.items()}
    if not paired:
        return {method: PairedLevel(ranked) for method, ranked in at_law.items()}
    problem = samples.problem
    problems = [
        problem.replace(readout=sample_readout(problem, samples.seed, index))
        for index in samples.indices.tolist()
    ]

    def level(method: Method, stand_in: PairedLevel | None = None) -> PairedLevel:
        chosen = problems if stand_in is None else problems[:n_own]
        tasks = [_Task(one, method, forms, count) for one in chosen]
        own = map(_own, tasks) if executor is None else executor.map(_own, tasks)
        law = at_law.get(method) or RankedOutliers.of(
            predict(problem, method, max_seconds=None), count
        )
        return PairedLevel(law, tuple(own), stand_in)

    found: dict[Method, PairedLevel] = {}
    for method in sorted(of_law, key="deformed".__eq__):
        if method == "deformed":
            found[method] = level(method, found.get("resummed") or level("resummed"))
        else:
            found[method] = level(method)
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    problem: Problem
    method: Method
    forms: Forms
    count: int


def _own(task: _Task) -> RankedOutliers:
    """The prediction for a given readout; small enough to be sent between processes."""
    prediction = predictions_at(task.problem, [task.method], task.forms)[task.method]
    return RankedOutliers.of(prediction, task.count)
