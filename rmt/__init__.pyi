from rmt.cache import (
    Cache as Cache,
    cache as cache,
)
from rmt.caching import caches as caches
from rmt.explorer import (
    Explorer as Explorer,
    explore as explore,
)
from rmt.features import (
    FeatureExponent as FeatureExponent,
    FeatureSpike as FeatureSpike,
    FeatureSpikes as FeatureSpikes,
    feature_exponents as feature_exponents,
    feature_spikes as feature_spikes,
)
from rmt.functions import (
    ExpressionError as ExpressionError,
    ScalarFunction as ScalarFunction,
    remove_hermite as remove_hermite,
)
from rmt.grids import (
    PhaseDiagram as PhaseDiagram,
    RidgeSweep as RidgeSweep,
    Sweep as Sweep,
    SweepError as SweepError,
    phase_diagram as phase_diagram,
    sweep as sweep,
    sweep_ridge as sweep_ridge,
)
from rmt.hermite import (
    HermiteExpansion as HermiteExpansion,
    TensorHermiteExpansion as TensorHermiteExpansion,
    generative_exponent as generative_exponent,
    hermite_expansion as hermite_expansion,
    information_exponent as information_exponent,
    reuse_exponent as reuse_exponent,
    staircase as staircase,
    tensor_hermite_expansion as tensor_hermite_expansion,
)
from rmt.predict import (
    predict as predict,
    training_path as training_path,
)
from rmt.prediction import (
    PathPoint as PathPoint,
    Prediction as Prediction,
    Spike as Spike,
    SpikeError as SpikeError,
    TrainingPath as TrainingPath,
)
from rmt.problem import (
    Bernoulli as Bernoulli,
    Channel as Channel,
    Loss as Loss,
    Poisson as Poisson,
    Problem as Problem,
    SignOf as SignOf,
    Step as Step,
)
from rmt.problem.supported import (
    Support as Support,
    Supported as Supported,
    supported as supported,
)
from rmt.regression import (
    RidgeErrors as RidgeErrors,
    ridge as ridge,
)
from rmt.spectra import (
    ConjugateKernel as ConjugateKernel,
    DensityLaw as DensityLaw,
    DiscreteLaw as DiscreteLaw,
    FreeCompression as FreeCompression,
    FreeConvolution as FreeConvolution,
    GeneralisedMarchenkoPastur as GeneralisedMarchenkoPastur,
    MarchenkoPastur as MarchenkoPastur,
    MarchenkoPasturBulk as MarchenkoPasturBulk,
    Outliers as Outliers,
    Population as Population,
    Semicircle as Semicircle,
    SpectralLaw as SpectralLaw,
    TracyWidom as TracyWidom,
    rectangular_outliers as rectangular_outliers,
)
from rmt.spikes.scaling import (
    LearnedRegion as LearnedRegion,
    Scaling as Scaling,
    ScalingSpike as ScalingSpike,
    StepsDirection as StepsDirection,
    StepsScaling as StepsScaling,
    StepsSpike as StepsSpike,
    learned_region as learned_region,
    scaling as scaling,
)
from rmt.status import (
    ConvergenceError as ConvergenceError,
    InvalidInputError as InvalidInputError,
    RmtError as RmtError,
    Status as Status,
    UnsupportedProblemError as UnsupportedProblemError,
)

__version__: str
