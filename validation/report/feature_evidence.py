"""The stored features of a case held against the theory: what a report shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.regression import ridge
from rmt.status import RmtError
from validation.comparison.feature_comparison import (
    FeatureComparison,
    compare_features,
    predicted_features,
)
from validation.simulation.feature_plan import FeaturePlan, FeatureSamples
from validation.suites import Entry

__all__ = ["CompareFeatures", "FeatureEvidence", "HeldFeatures", "LearningCurves"]

_CURVE_POINTS = 41
_BEYOND = 1.3  # how far, as a factor, curves go beyond the numbers of inputs that were simulated


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
        m = np.geomspace(min(plan.inputs) / _BEYOND, max(plan.inputs) * _BEYOND, _CURVE_POINTS)
        found = ridge(plan.problem, m, np.array(plan.regularisations)[:, None], max_seconds=None)
        return cls(found.stages, m, found.test_error)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureEvidence:
    """What is known of the features of one case.

    Attributes
    ----------
    entry : Entry
        The case and the networks that its suite asks for.
    samples : FeatureSamples or None
        Those that are stored; None with fewer than two.
    comparison : FeatureComparison or None
        Where there are samples and the prediction succeeded.
    prediction : dict or None
        ``features`` and ``ridge``, of `FeatureSpikes.to_dict` and `RidgeErrors.to_dict`.
    curves : LearningCurves or None
    failure : str or None
        Why there is no comparison of the samples.
    """

    entry: Entry
    samples: FeatureSamples | None = None
    comparison: FeatureComparison | None = None
    prediction: dict[str, Any] | None = None
    curves: LearningCurves | None = None
    failure: str | None = None


HeldFeatures: TypeAlias = tuple[FeatureComparison, dict[str, Any], LearningCurves]


@dataclass(frozen=True, slots=True, eq=False)
class CompareFeatures:
    """Predict and compare the features of one case, wherever this is called."""

    samples: FeatureSamples

    def __call__(self) -> HeldFeatures | str:
        plan = self.samples.plan
        try:
            spikes, errors = predicted_features(plan)
            compared = compare_features(spikes, errors, self.samples)
            curves = LearningCurves.of(plan)
        except RmtError as error:
            return " ".join(str(error).split())
        return compared, {"features": spikes.to_dict(), "ridge": errors.to_dict()}, curves
