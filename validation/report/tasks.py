"""The pieces of work behind evidence: predict and compare one case, or the gaps of one section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from rmt.features import FeatureSpikes
from rmt.predict import predict
from rmt.prediction import Prediction, TrainingPath
from rmt.regression import RidgeErrors
from rmt.status import RmtError
from validation.comparison.compare import (
    DEFORMED_MARGIN,
    RESUMMED_MARGIN,
    best_level,
    compare,
)
from validation.comparison.comparison import Comparison
from validation.comparison.feature_comparison import (
    FeatureComparison,
    compare_features,
    predicted_features,
)
from validation.comparison.path_comparison import (
    PathComparison,
    compare_path,
    predicted_path,
)
from validation.gaps.finite_size import finite_size
from validation.gaps.gap_curves import FiniteSize
from validation.report.curves import DensityCurve, ErrorCurves, LearningCurves
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.observe import Observation
from validation.simulation.path_plan import PathPlan
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.store.kinds import AnyPlan
from validation.store.store import SampleStore
from validation.suites import Section

__all__ = ["THEORIES", "AnyComparison", "CompareCase", "FindGaps", "Held", "Width", "stored_widths"]

AnyComparison: TypeAlias = Comparison | FeatureComparison | PathComparison


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Samples that were held against a prediction.

    Attributes
    ----------
    comparison : Comparison, FeatureComparison or PathComparison
    prediction : dict
        Of `Prediction.to_dict`; of features ``features`` and ``ridge``, of `FeatureSpikes.to_dict`
        and `RidgeErrors.to_dict`; of a path of `TrainingPath.to_dict`.
    curves : DensityCurve, LearningCurves or ErrorCurves
        The predicted bulk, or predicted errors against the number of inputs or of steps.
    """

    comparison: Any
    prediction: dict[str, Any]
    curves: Any


@dataclass(frozen=True, slots=True)
class Theory:
    """How what one kind of plan observes is predicted, and held against it.

    Attributes
    ----------
    predict : callable
        What is predicted for a plan: a tuple of results, each of which prints.
    compare : callable
        These results and samples of the plan as a comparison.
    to_dict : callable
        The results in plain form.
    curves : callable
        What a report draws, of a plan and its results.
    """

    predict: Callable[[Any], tuple[Any, ...]]
    compare: Callable[..., AnyComparison]
    to_dict: Callable[..., dict[str, Any]]
    curves: Callable[..., DensityCurve | LearningCurves | ErrorCurves]


def _predicted(plan: Plan) -> tuple[Prediction]:
    """The deformed level with linked forms, where there is one (`best_level`)."""
    method, forms = best_level(plan.problem)
    return (predict(plan.problem, method, forms=forms, max_seconds=None),)


def _compared(prediction: Prediction, samples: Samples) -> Comparison:
    knows_bulk = prediction.method == "deformed"
    margin = DEFORMED_MARGIN if knows_bulk else RESUMMED_MARGIN
    return compare(prediction, samples, edge_margin=margin)


def _features_to_dict(spikes: FeatureSpikes, errors: RidgeErrors) -> dict[str, Any]:
    return {"features": spikes.to_dict(), "ridge": errors.to_dict()}


# By the type of plan: one for every kind that a store knows (`validation.store.kinds`).
THEORIES: dict[type[AnyPlan], Theory] = {
    Plan: Theory(
        _predicted,
        _compared,
        Prediction.to_dict,
        lambda plan, prediction: DensityCurve.of(prediction.bulk),
    ),
    FeaturePlan: Theory(
        predicted_features,
        compare_features,
        _features_to_dict,
        lambda plan, *results: LearningCurves.of(plan),
    ),
    PathPlan: Theory(
        lambda plan: (predicted_path(plan),),
        compare_path,
        TrainingPath.to_dict,
        lambda plan, path: ErrorCurves.of(path),
    ),
}

# A width's plan and the observations of its first networks.
Width: TypeAlias = tuple[Plan, tuple[Observation, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class CompareCase:
    """Predict and compare one case, wherever this is called."""

    plan: AnyPlan
    samples: Any

    def __call__(self) -> Held | str:
        theory = THEORIES[type(self.plan)]
        try:
            results = theory.predict(self.plan)
            comparison = theory.compare(*results, self.samples)
            curves = theory.curves(self.plan, *results)
        except RmtError as error:
            return " ".join(str(error).split())
        return Held(comparison, theory.to_dict(*results), curves)


@dataclass(frozen=True, slots=True, eq=False)
class FindGaps:
    """Gaps against the width, of networks that are handed over."""

    widths: tuple[Width, ...]

    def __call__(self) -> FiniteSize | str:
        first = self.widths[0][0]
        with SampleStore() as store:
            for plan, observations in self.widths:
                for index, seen in enumerate(observations):
                    store.put(plan, index, seen)
            try:
                return finite_size(
                    first.problem,
                    [plan.problem.width for plan, _ in self.widths],
                    [len(seen) for _, seen in self.widths],
                    first.seed,
                    n_spectra=first.n_spectra if first.n_spectra > 1 else 0,
                    dtype=first.dtype,
                    store=store,
                    workers=1,
                )
            except RmtError as error:
                return " ".join(str(error).split())


def stored_widths(section: Section, store: SampleStore, device: str) -> list[Width]:
    """The networks up to the first one missing, of every width that has two of them."""
    found: list[Width] = []
    for entry in section.entries:
        assert isinstance(entry.plan, Plan), "widths observe the weights at the end"
        leading: list[Observation] = []
        for index, seen in store.observations(entry.plan, device):
            if index != len(leading):
                break
            leading.append(seen)
        if len(leading) >= 2:
            found.append((entry.plan, tuple(leading)))
    return found
