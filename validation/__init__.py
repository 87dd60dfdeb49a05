"""Finite-size simulation of a `rmt.Problem`, and its comparison with a prediction.

`simulate` draws one network and takes the gradient steps, `observe` reads the leading singular
triplets off its weights, `run_samples` repeats both, and `compare` holds a prediction against the
result; `compare_conditional` holds every network against the prediction for its own readout. Only
these two know of the theory.
"""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from validation.campaign import CampaignError, run_campaign
    from validation.comparison.bulk_distance import BulkDistance
    from validation.comparison.compare import compare
    from validation.comparison.comparison import Comparison
    from validation.comparison.conditional import compare_conditional
    from validation.comparison.feature_comparison import (
        FeatureComparison,
        compare_features,
        predicted_features,
    )
    from validation.comparison.rows import BeyondBulk, ComparisonRow
    from validation.comparison.verdict import Criteria, Verdict, Verdicts
    from validation.executors import connect_dask, worker_processes
    from validation.gaps.finite_size import finite_size
    from validation.gaps.gap_curves import FiniteSize, GapCurve
    from validation.gaps.power_law import PowerLaw, fit_power_law
    from validation.simulation.draws import DataSet
    from validation.simulation.feature_plan import FeaturePlan, FeatureSamples
    from validation.simulation.features import run_features
    from validation.simulation.observe import Histogram, Observation, observe
    from validation.simulation.plan import Plan
    from validation.simulation.samples import Samples
    from validation.simulation.simulate import Sample, simulate
    from validation.simulation.weights import run_samples
    from validation.store.store import SampleStore
    from validation.weights.check import check
    from validation.weights.weight_check import WeightCheck

__all__ = [
    "BeyondBulk",
    "BulkDistance",
    "CampaignError",
    "Comparison",
    "ComparisonRow",
    "Criteria",
    "DataSet",
    "FeatureComparison",
    "FeaturePlan",
    "FeatureSamples",
    "FiniteSize",
    "GapCurve",
    "Histogram",
    "Observation",
    "Plan",
    "PowerLaw",
    "Sample",
    "SampleStore",
    "Samples",
    "Verdict",
    "Verdicts",
    "WeightCheck",
    "check",
    "compare",
    "compare_conditional",
    "compare_features",
    "connect_dask",
    "finite_size",
    "fit_power_law",
    "observe",
    "predicted_features",
    "run_campaign",
    "run_features",
    "run_samples",
    "simulate",
    "worker_processes",
]

load_on_demand(
    __name__,
    {
        "validation.campaign": "CampaignError run_campaign",
        "validation.comparison.bulk_distance": "BulkDistance",
        "validation.comparison.compare": "compare",
        "validation.comparison.conditional": "compare_conditional",
        "validation.comparison.feature_comparison": "FeatureComparison compare_features "
        "predicted_features",
        "validation.comparison.comparison": "Comparison",
        "validation.comparison.rows": "BeyondBulk ComparisonRow",
        "validation.comparison.verdict": "Criteria Verdict Verdicts",
        "validation.executors": "connect_dask worker_processes",
        "validation.gaps.finite_size": "finite_size",
        "validation.gaps.power_law": "PowerLaw fit_power_law",
        "validation.gaps.gap_curves": "FiniteSize GapCurve",
        "validation.simulation.draws": "DataSet",
        "validation.simulation.feature_plan": "FeaturePlan FeatureSamples",
        "validation.simulation.features": "run_features",
        "validation.simulation.observe": "Histogram Observation observe",
        "validation.simulation.plan": "Plan",
        "validation.simulation.samples": "Samples",
        "validation.simulation.simulate": "Sample simulate",
        "validation.simulation.weights": "run_samples",
        "validation.store.store": "SampleStore",
        "validation.weights.check": "check",
        "validation.weights.weight_check": "WeightCheck",
    },
)
