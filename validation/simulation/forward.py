"""What passes through simulated networks: inputs forward to features and outputs."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from validation.simulation.draws import DataSet

__all__ = [
    "features_of",
    "label_variance",
    "loss_and_misclassified",
    "noiseless_labels",
    "on_cpu",
    "outputs_of",
]

_ROWS = 1024  # inputs that pass through the network at a time


def on_cpu(array: Any) -> Any:
    """An array of any device as one of NumPy."""
    if isinstance(array, np.ndarray):
        return array
    return np.asarray(import_module("array_api_compat").to_device(array, "cpu"))


def features_of(problem: Problem, weights: Any, inputs: Any) -> Any:
    """``sigma(X W^T)``, shape (n, N), in the precision of the weights."""
    features = np.empty((len(inputs), len(weights)), weights.dtype)
    for start in range(0, len(inputs), _ROWS):
        rows = slice(start, start + _ROWS)
        features[rows] = problem.activation(inputs[rows] @ weights.T)
    return features


def outputs_of(problem: Problem, weights: Any, readout: Any, inputs: Any) -> Array:
    """``h(x) = s sum_i a_i sigma(<w_i, x>)`` for every input, shape (n,); ``a_i = g_i / sqrt(N)``.

    Examples
    --------
    >>> from rmt import Step
    >>> problem = Problem("tanh(z)", "z", width=2, dim=2, samples=50, steps=[Step(1, 0.25)])
    >>> outputs_of(problem, np.eye(2), np.array([1.0, -1.0]), np.array([[0.5, 0.5]]))
    array([0.])
    """
    values = np.empty(len(inputs))
    for start in range(0, len(inputs), _ROWS):
        rows = slice(start, start + _ROWS)
        values[rows] = problem.activation(inputs[rows] @ weights.T) @ readout
    return problem.output_gain * (values / problem.width)


def noiseless_labels(problem: Problem, inputs: Any) -> Array:
    """``E[y | z]`` at the inputs, whose first coordinates are the target's directions."""
    return np.asarray(problem.target(*_directions(problem, inputs)))


def label_variance(problem: Problem, inputs: Any) -> float:
    """Mean over the inputs of ``Var[y | z]``: of the label noise, or of the law of the labels."""
    if problem.labels is None:
        return problem.noise_std**2
    total = 0.0
    for start in range(0, len(inputs), _ROWS):
        y, p = problem.labels.at(_directions(problem, inputs[start : start + _ROWS]))
        total += float(np.sum(p * (y - np.sum(p * y, axis=0)) ** 2))
    return total / len(inputs)


def loss_and_misclassified(
    problem: Problem, outputs: Array, data: DataSet, *, averaged: bool, signs: bool
) -> tuple[float, float]:
    """Means over samples of the loss ``l(h, y)``, and of ``sign(h) != y``.

    Parameters
    ----------
    problem : Problem
    outputs : array (n,)
        The network's at the inputs.
    data : DataSet
        Inputs, and the labels that were drawn.
    averaged : bool
        Whether, with a law of labels, to take the mean over the law at every input, which has the
        same mean and less noise, rather than the labels that were drawn.
    signs : bool
        Whether labels are +1 or -1; the second number is nan where they are not.

    Examples
    --------
    >>> problem = Problem("tanh(z)", "sign(z)", 2, 2, 50, [(1, 0.25)], loss="logistic")
    >>> data = DataSet(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, -1.0]))
    >>> h = np.array([0.0, 2.0])
    >>> loss, wrong = loss_and_misclassified(problem, h, data, averaged=True, signs=True)
    >>> round(loss, 9), wrong
    (1.410037596, 1.0)
    """
    sums = np.zeros(2)
    for start in range(0, len(outputs), _ROWS):
        rows = slice(start, start + _ROWS)
        h = outputs[rows]
        if averaged and problem.labels is not None:
            y, p = problem.labels.at(_directions(problem, data.inputs[rows]))
        else:
            y = on_cpu(data.labels)[rows].astype(np.float64)[None]
            p = np.ones_like(y)
        loss = problem.loss.value(np.broadcast_to(h, y.shape), y)
        sums += np.sum(p * loss), np.sum(p * (np.sign(h) != y))
    mean, wrong = (sums / len(outputs)).tolist()
    return mean, wrong if signs else math.nan


def _directions(problem: Problem, inputs: Any) -> Array:
    return np.array(inputs[:, : problem.n_directions].T, dtype=np.float64)
