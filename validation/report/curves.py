"""Predicted curves at points dense enough to draw them, and few enough to hand around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.regression import ridge
from rmt.spectra.laws.law import SpectralLaw
from rmt.spikes.path import TrainingPath
from validation.drawing import points_between
from validation.simulation.feature_plan import FeaturePlan

__all__ = ["DensityCurve", "ErrorCurves", "LearningCurves"]

_POINTS = 161
_LEARNING_POINTS = 41
_BEYOND = 1.3  # how far, as a factor, curves go beyond the numbers of inputs that were simulated


@dataclass(frozen=True, slots=True, eq=False)
class DensityCurve:
    """The density of a predicted bulk at points dense enough to draw it.

    Attributes
    ----------
    edges : tuple of pairs of float
        The intervals of the support, in increasing order.
    points, density : array (m,)

    Examples
    --------
    >>> curve = DensityCurve(((0.0, 2.0),), np.array([0.0, 2.0]), np.array([0.5, 0.0]))
    >>> curve.pdf([1.0, 3.0])
    array([0.25, 0.  ])
    """

    edges: tuple[tuple[float, float], ...]
    points: Array
    density: Array

    @classmethod
    def of(cls, law: SpectralLaw) -> DensityCurve:
        """Of points that are closest at the ends of each interval."""
        edges = tuple((float(low), float(high)) for low, high in law.edges)
        points = np.concatenate([points_between(low, high, _POINTS) for low, high in edges])
        return cls(edges, points, np.asarray(law.pdf(points), dtype=np.float64))

    def pdf(self, x: ArrayLike) -> Array:
        """The density, interpolated."""
        return np.asarray(np.interp(np.asarray(x), self.points, self.density, left=0.0, right=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurves:
    """Predicted test errors against the number of inputs that the readout is trained on.

    Attributes
    ----------
    stages : tuple of str
    inputs : array (P,)
        ``m``.
    test_error : array (n_stages, n_regularisations, P)
        For the plan's regularisations.
    """

    stages: tuple[str, ...]
    inputs: Array
    test_error: Array

    @classmethod
    def of(cls, plan: FeaturePlan) -> LearningCurves:
        """The curves through the points of a plan.

        Examples
        --------
        >>> from rmt import Problem, Step
        >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
        >>> LearningCurves.of(FeaturePlan(problem, 3, (40, 120), (1e-2,))).test_error.shape
        (2, 1, 41)
        """
        m = np.geomspace(min(plan.inputs) / _BEYOND, max(plan.inputs) * _BEYOND, _LEARNING_POINTS)
        found = ridge(plan.problem, m, np.array(plan.regularisations)[:, None], max_seconds=None)
        return cls(found.stages, m, found.test_error)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurves:
    """Predicted errors before training and after every step.

    Attributes
    ----------
    training_error, test_error : array (T + 1,)
        As in `rmt.spikes.path.PathPoint`.
    """

    training_error: Array
    test_error: Array

    @classmethod
    def of(cls, path: TrainingPath) -> ErrorCurves:
        """Of all points of a path.

        Examples
        --------
        >>> import rmt
        >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [(2, 0.5)], readout="rademacher")
        >>> ErrorCurves.of(rmt.training_path(problem)).test_error.shape
        (2,)
        """
        return cls(
            np.array([point.training_error for point in path.points]),
            np.array([point.test_error for point in path.points]),
        )
