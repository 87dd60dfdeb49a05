from validation.campaign import (
    CampaignError as CampaignError,
    run_campaign as run_campaign,
)
from validation.comparison.bulk_distance import BulkDistance as BulkDistance
from validation.comparison.compare import compare as compare
from validation.comparison.comparison import Comparison as Comparison
from validation.comparison.conditional import compare_conditional as compare_conditional
from validation.comparison.feature_comparison import (
    FeatureComparison as FeatureComparison,
    compare_features as compare_features,
    predicted_features as predicted_features,
)
from validation.comparison.path_comparison import (
    PathComparison as PathComparison,
    compare_path as compare_path,
    predicted_path as predicted_path,
)
from validation.comparison.path_rows import PathRow as PathRow
from validation.comparison.rows import (
    BeyondBulk as BeyondBulk,
    ComparisonRow as ComparisonRow,
)
from validation.comparison.verdict import (
    Criteria as Criteria,
    Verdict as Verdict,
    Verdicts as Verdicts,
)
from validation.executors import (
    connect_dask as connect_dask,
    worker_processes as worker_processes,
)
from validation.gaps.finite_size import finite_size as finite_size
from validation.gaps.gap_curves import (
    FiniteSize as FiniteSize,
    GapCurve as GapCurve,
)
from validation.gaps.power_law import (
    PowerLaw as PowerLaw,
    fit_power_law as fit_power_law,
)
from validation.simulation.draws import DataSet as DataSet
from validation.simulation.feature_plan import (
    FeaturePlan as FeaturePlan,
    FeatureSamples as FeatureSamples,
)
from validation.simulation.features import run_features as run_features
from validation.simulation.observe import (
    Histogram as Histogram,
    Observation as Observation,
    observe as observe,
)
from validation.simulation.path_plan import (
    PathPlan as PathPlan,
    PathSamples as PathSamples,
)
from validation.simulation.paths import (
    observe_path as observe_path,
    run_paths as run_paths,
)
from validation.simulation.plan import Plan as Plan
from validation.simulation.samples import Samples as Samples
from validation.simulation.simulate import (
    Sample as Sample,
    simulate as simulate,
)
from validation.simulation.weights import run_samples as run_samples
from validation.store.store import SampleStore as SampleStore
from validation.studies.result import (
    ErrorCurve as ErrorCurve,
    Study as Study,
    StudyFailure as StudyFailure,
)
from validation.studies.study import study as study
from validation.weights.check import check as check
from validation.weights.weight_check import WeightCheck as WeightCheck
