"""Finite-size simulation of a `rmt.Problem`, and its comparison with a prediction.

`simulate` draws one network and takes the gradient steps, `observe` reads the leading singular
triplets off its weights, `run_samples` repeats both, and `compare` holds a prediction against the
result; `compare_conditional` holds every network against the prediction for its own readout. Only
these two know of the theory.
"""

from validation.bulk_distance import BulkDistance
from validation.campaign import CampaignError, run_campaign
from validation.check import check
from validation.compare import compare
from validation.comparison import Comparison
from validation.conditional import compare_conditional
from validation.executors import connect_dask, worker_processes
from validation.feature_comparison import FeatureComparison, compare_features, predicted_features
from validation.feature_plan import FeaturePlan
from validation.features import FeatureSamples, run_features
from validation.finite_size import finite_size
from validation.gaps import FiniteSize, GapCurve
from validation.observe import Histogram, Observation, observe
from validation.plan import Plan
from validation.power_law import PowerLaw, fit_power_law
from validation.rows import BeyondBulk, ComparisonRow
from validation.samples import Samples, run_samples
from validation.simulate import DataSet, Sample, simulate
from validation.store import SampleStore
from validation.verdict import Criteria, Verdict, Verdicts
from validation.weight_check import WeightCheck

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
