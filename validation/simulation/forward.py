"""What passes through simulated networks: inputs forward to features and outputs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem

__all__ = ["features_of", "noiseless_labels", "on_cpu", "outputs_of"]

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
    """The target at the inputs, whose first coordinates are its directions."""
    columns = np.array(inputs[:, : problem.n_directions].T, dtype=np.float64)
    return np.asarray(problem.target(*columns))
