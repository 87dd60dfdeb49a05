"""The features of simulated networks, and ridge regression on them, taken literally.

Nothing here knows of the theory: fresh inputs go through the weights after every stage, a readout
is fitted to them, and its error is measured on inputs that it has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from rmt.blas import one_blas_thread
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.status import InvalidInputError
from validation.simulation.draws import fresh_batch
from validation.simulation.feature_plan import FeatureObservation, FeaturePlan, FeatureSamples
from validation.simulation.forward import (
    features_of,
    label_variance,
    noiseless_labels,
    on_cpu,
)
from validation.simulation.simulate import Sample, simulate_planned
from validation.simulation.triplets import leading_triplets

__all__ = ["observe_features", "run_features"]


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
    observed = partial(_observed, plan, threads if executor is None else 1)
    apply = map if executor is None else executor.map
    found: Iterable[FeatureObservation] = apply(observed, plan.indices)
    return FeatureSamples.collect(plan, found)


def _observed(plan: FeaturePlan, threads: int | None, index: int) -> FeatureObservation:
    return observe_features(plan, simulate_planned(plan, index, threads))


def observe_features(plan: FeaturePlan, sample: Sample) -> FeatureObservation:
    """Features of one network at every stage, and the readouts that ridge regression fits to them.

    The readout ``c`` minimises ``(1/m) |y - F c / sqrt(N)|^2 + lambda |c|^2`` on the fresh samples
    (`fresh_batch`, of streams of their own), by a Cholesky decomposition of
    ``F^T F / (m N) + lambda``.

    Parameters
    ----------
    plan : FeaturePlan
    sample : Sample
        Of the same problem; weights on another device are brought to the CPU.

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
    clean, noise = noiseless_labels(problem, test.inputs), label_variance(problem, test.inputs)
    errors = np.empty((2, len(sample.weights), len(plan.inputs), len(plan.regularisations)))
    with one_blas_thread():
        for stage, weights in enumerate(map(on_cpu, sample.weights)):
            features = features_of(problem, weights, train.inputs)
            unseen = features_of(problem, weights, test.inputs)
            for i, m in enumerate(plan.inputs):
                f, y = features[:m], train.labels[:m].astype(np.float64)
                scale = math.sqrt(problem.width)
                gram = (f.T @ f).astype(np.float64) / (m * problem.width)
                right = (f.T @ train.labels[:m]).astype(np.float64) / (m * scale)
                for j, ridge in enumerate(plan.regularisations):
                    shifted = gram + ridge * np.eye(problem.width)
                    c = cho_solve(cho_factor(shifted, overwrite_a=True), right)
                    fitted, guessed = f @ c / scale, unseen @ c / scale
                    errors[0, stage, i, j] = np.mean((clean - guessed) ** 2) + noise
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
