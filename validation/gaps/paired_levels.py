"""Predictions of several levels of theory for the readouts of simulated networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from functools import partial

import numpy as np

from rmt.arrays import Array
from rmt.predict import predict
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from validation.comparison.conditional import own_problems
from validation.gaps.paired_gaps import PairedLevel, ranked
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
    at_law = {method: ranked(law, count) for method, law in of_law.items()}
    problem = samples.problem
    if not paired:
        none = np.empty((0, count, 1 + problem.n_directions))
        return {method: PairedLevel(numbers, none) for method, numbers in at_law.items()}
    problems = own_problems(samples)

    def level(method: Method, stand_in: PairedLevel | None = None) -> PairedLevel:
        chosen = problems if stand_in is None else problems[:n_own]
        own_of = partial(_own, method, forms, count)
        own = map(own_of, chosen) if executor is None else executor.map(own_of, chosen)
        if method not in at_law:
            at_law[method] = ranked(predict(problem, method, max_seconds=None), count)
        shape = len(chosen), *at_law[method].shape
        return PairedLevel(at_law[method], np.array([*own]).reshape(shape), stand_in)

    found: dict[Method, PairedLevel] = {}
    for method in sorted(of_law, key="deformed".__eq__):
        if method == "deformed":
            found[method] = level(method, found.get("resummed") or level("resummed"))
        else:
            found[method] = level(method)
    return found


def _own(method: Method, forms: Forms, count: int, problem: Problem) -> Array:
    """The prediction for a given readout; small enough to be sent between processes."""
    return ranked(predictions_at(problem, [method], forms)[method], count)
