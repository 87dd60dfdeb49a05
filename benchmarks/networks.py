"""What a prediction stands in for: one simulated network and its singular values."""

from __future__ import annotations

from itertools import count

import numpy as np

from rmt.problem import Problem
from validation.simulation.simulate import simulate


class OneNetwork:
    """Trains a new network at every call, on one thread, and keeps its largest singular values."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.seen: list[float] = []
        self._index = count()

    def __call__(self) -> None:
        network = simulate(self.problem, seed=0, index=next(self._index), threads=1)
        values = np.linalg.svd(network.weights[-1], compute_uv=False)
        self.seen.append(float(values[0]))

    def errors(self, predicted: float) -> tuple[float, float]:
        """Relative: of the prediction from the networks' mean, and of one network from it."""
        mean = np.mean(self.seen)
        return abs(predicted / mean - 1), float(np.std(self.seen, ddof=1) / mean)
