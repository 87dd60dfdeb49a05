"""The features of simulated networks, and ridge regression on them, taken literally.

Nothing here knows of the theory: fresh inputs go through the weights after every stage, a readout
is fitted to them, and its error is measured on inputs that it has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.display import Part, Shown, Table
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.simulation.draws import fresh_batch
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.samples import standard_error
from validation.simulation.simulate import Sample, simulate
from validation.simulation.triplets import leading_triplets

__all__ = [
    "FeatureObservation",
    "FeatureSamples",
    "observe_feature_sample",
    "observe_features",
    "run_features",
]


_ROWS = 1024  # inputs that pass through the network at a time


@dataclass(frozen=True, slots=True, eq=False)
class FeatureObservation:
    """What was seen in the features of one network.

    Attributes
    ----------
    singular_values : array (k,)
        Largest singular values of the features after the last step, at the largest ``m``.
    overlaps : array (k, n_monomials)
        Squared overlaps of the left singular vectors with the normalised samples of the monomials.
    test_error, training_error : array (n_stages, n_inputs, n_regularisations)
        Mean squares; the test error's share of label noise is the noise variance itself.
    """

    singular_values: Array
    overlaps: Array
    test_error: Array
    training_error: Array


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSamples(Shown):
    """Observations of several networks, the network first in every array.

    Attributes
    ----------
    plan : FeaturePlan
    singular_values : array (n, k)
    overlaps : array (n, k, n_monomials)
    test_error, training_error : array (n, n_stages, n_inputs, n_regularisations)

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import FeaturePlan, run_features
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> plan = FeaturePlan(problem, 3, inputs=(60, 120), regularisations=(1e-2,), n_spikes=2)
    >>> samples = run_features(plan)
    >>> samples.n_samples, samples.singular_values.shape, samples.test_error.shape
    (3, (3, 2), (3, 2, 2, 1))
    """

    plan: FeaturePlan
    singular_values: Array
    overlaps: Array
    test_error: Array
    training_error: Array

    @property
    def n_samples(self) -> int:
        """How many networks were observed."""
        return len(self.singular_values)

    @classmethod
    def collect(cls, plan: FeaturePlan, seen: Iterable[FeatureObservation]) -> FeatureSamples:
        """Put the observations of a plan's networks together, in the order given."""
        every = list(seen)
        return cls(
            plan,
            np.array([one.singular_values for one in every]),
            np.array([one.overlaps for one in every]),
            np.array([one.test_error for one in every]),
            np.array([one.training_error for one in every]),
        )

    def _parts(self) -> list[Part]:
        p, n = self.plan.problem, len(self.singular_values)
        test, error = self.test_error.mean(axis=0), standard_error(self.test_error)
        head = (
            f"features of {n} networks, N = {p.width}, d = {p.dim}, seed {self.plan.seed}: leading "
            f"singular values {', '.join(f'{s:.2f}' for s in self.singular_values.mean(axis=0))}"
        )
        rows = []
        for stage, i, j in np.ndindex(test.shape):
            at = [f"{stage}", f"{self.plan.inputs[i]}", f"{self.plan.regularisations[j]:.3g}"]
            rows.append([*at, f"{test[stage, i, j]:.5f} ({error[stage, i, j]:.5f})"])
        header = ["stage", "m", "lambda", "test error (standard error)"]
        return [head, Table("rrrl", header, rows)]


def run_features(
    plan: FeaturePlan, *, executor: Executor | None = None, threads: int | None = None
) -> FeatureSamples:
    """Simulate the networks of a plan and observe their features.

    Parameters
    ----------
    plan : FeaturePlan
        Which networks, and what to observe of their features.
    executor : concurrent.futures.Executor, optional
        Observes the networks in parallel; without one they come one after the other, each on
        ``threads`` threads. The result does not depend on it.
    threads : int, optional
        As in `validation.simulate`.

    Returns
    -------
    FeatureSamples
        In the order of the plan's sample indices.

    Raises
    ------
    ConvergenceError
        When the weights of a network overflow.

    Notes
    -----
    ``F = sigma(X W_s^T)`` on fresh inputs, and ridge regression on it, as in docs/theory.md,
    sections 6 and 7.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import FeaturePlan
    >>> problem = Problem("tanh(z)", "z", width=40, dim=30, samples=80, steps=[Step(2, 0.3)])
    >>> plan = FeaturePlan(problem, 3, inputs=(60, 120), regularisations=(1e-2,), n_spikes=2)
    >>> run_features(plan).test_error.shape
    (3, 2, 2, 1)
    """
    if executor is None:
        return FeatureSamples.collect(
            plan,
            (observe_feature_sample(plan, index, threads=threads) for index in plan.indices),
        )
    found = executor.map(observe_feature_sample, [plan] * plan.n_samples, plan.indices)
    return FeatureSamples.collect(plan, found)


def observe_feature_sample(
    plan: FeaturePlan, index: int, *, threads: int | None = 1, device: str = "cpu"
) -> FeatureObservation:
    """Simulate one network of a plan and observe its features.

    Parameters
    ----------
    plan : FeaturePlan
    index : int
        Which sample.
    threads, device
        As in `simulate`; the features of weights from another device are computed on the CPU.

    Raises
    ------
    ConvergenceError
        When the weights overflow; a note says which sample it was.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import FeaturePlan
    >>> problem = Problem("tanh(z)", "z", width=40, dim=30, samples=80, steps=[Step(2, 0.3)])
    >>> plan = FeaturePlan(problem, 3, inputs=(60, 120), regularisations=(1e-2,), n_spikes=2)
    >>> observe_feature_sample(plan, 2).overlaps.shape
    (2, 3)
    """
    try:
        sample = simulate(
            plan.problem, plan.seed, index, plan.dtype, threads=threads, device=device
        )
    except ArithmeticError as error:
        error.add_note(f"in sample {index} of seed {plan.seed}")
        raise
    return observe_features(replace(sample, weights=tuple(map(_on_cpu, sample.weights))), plan)


def observe_features(sample: Sample, plan: FeaturePlan) -> FeatureObservation:
    """Features of one network at every stage, and the readouts that ridge regression fits to them.

    The readout ``c`` minimises ``(1/m) |y - F c / sqrt(N)|^2 + lambda |c|^2`` on the fresh samples
    (`fresh_batch`, of streams of their own), by a Cholesky decomposition of
    ``F^T F / (m N) + lambda``.

    Parameters
    ----------
    sample : Sample
        On the CPU.
    plan : FeaturePlan
        Of the same problem.

    Raises
    ------
    InvalidInputError
        When the sample is of another problem.
    """
    problem = plan.problem
    if sample.problem != problem:
        raise InvalidInputError("sample and plan must be of the same problem")
    train = fresh_batch(problem, sample.seed, sample.index, max(plan.inputs), "train", plan.dtype)
    test = fresh_batch(problem, sample.seed, sample.index, plan.n_test, "test", plan.dtype)
    clean = _targets(problem, test.inputs)
    errors = np.empty((2, len(sample.weights), len(plan.inputs), len(plan.regularisations)))
    with one_blas_thread():
        for stage, weights in enumerate(sample.weights):
            features = _features(problem, weights, train.inputs)
            unseen = _features(problem, weights, test.inputs)
            for i, m in enumerate(plan.inputs):
                f, y = features[:m], train.labels[:m].astype(np.float64)
                scale = math.sqrt(problem.width)
                gram = (f.T @ f).astype(np.float64) / (m * problem.width)
                right = (f.T @ train.labels[:m]).astype(np.float64) / (m * scale)
                for j, ridge in enumerate(plan.regularisations):
                    shifted = gram + ridge * np.eye(problem.width)
                    c = cho_solve(cho_factor(shifted, overwrite_a=True), right)
                    fitted, guessed = f @ c / scale, unseen @ c / scale
                    errors[0, stage, i, j] = np.mean((clean - guessed) ** 2) + problem.noise_std**2
                    errors[1, stage, i, j] = np.mean((y - fitted) ** 2)
        triplets = leading_triplets(features, min(plan.n_spikes, *features.shape))
    z = train.inputs[:, : problem.n_directions].astype(np.float64).T
    overlaps = np.empty((triplets.values.size, len(plan.monomials)))
    for k, beta in enumerate(plan.monomials):
        h = np.prod(
            [orthonormal_hermite(row, b + 1)[b] for row, b in zip(z, beta, strict=True)], axis=0
        )
        overlaps[:, k] = (h @ triplets.left / np.linalg.norm(h)) ** 2
    return FeatureObservation(triplets.values, overlaps, errors[0], errors[1])


def _on_cpu(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return array
    return np.asarray(import_module("array_api_compat").to_device(array, "cpu"))


def _features(problem: Problem, weights: Any, inputs: Any) -> Any:
    features = np.empty((len(inputs), len(weights)), weights.dtype)
    for start in range(0, len(inputs), _ROWS):
        rows = slice(start, start + _ROWS)
        features[rows] = problem.activation(inputs[rows] @ weights.T)
    return features


def _targets(problem: Problem, inputs: Any) -> Array:
    columns = np.array(inputs[:, : problem.n_directions].T, dtype=np.float64)
    return np.asarray(problem.target(*columns))
