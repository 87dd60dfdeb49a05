"""Random-matrix theory of feature learning in two-layer networks of linear width."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.caching import caches
    from rmt.features import (
        FeatureExponent,
        FeatureSpike,
        FeatureSpikes,
        feature_exponents,
        feature_spikes,
    )
    from rmt.functions import ExpressionError, ScalarFunction, remove_hermite
    from rmt.grids import (
        PhaseDiagram,
        RidgeSweep,
        Sweep,
        SweepError,
        phase_diagram,
        sweep,
        sweep_ridge,
    )
    from rmt.hermite import (
        HermiteExpansion,
        TensorHermiteExpansion,
        generative_exponent,
        hermite_expansion,
        information_exponent,
        reuse_exponent,
        staircase,
        tensor_hermite_expansion,
    )
    from rmt.predict import predict
    from rmt.prediction import Prediction, Spike, SpikeError
    from rmt.problem import Problem, Step
    from rmt.regression import RidgeErrors, ridge
    from rmt.spectra import (
        ConjugateKernel,
        GeneralisedMarchenkoPastur,
        MarchenkoPastur,
        MarchenkoPasturBulk,
        Outliers,
        Population,
        SpectralLaw,
        TracyWidom,
        rectangular_outliers,
    )
    from rmt.spikes.scaling import LearnedRegion, Scaling, ScalingSpike, learned_region, scaling
    from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status

__version__ = "0.1.0"

__all__ = [
    "ConjugateKernel",
    "ConvergenceError",
    "ExpressionError",
    "FeatureExponent",
    "FeatureSpike",
    "FeatureSpikes",
    "GeneralisedMarchenkoPastur",
    "HermiteExpansion",
    "InvalidInputError",
    "LearnedRegion",
    "MarchenkoPastur",
    "MarchenkoPasturBulk",
    "Outliers",
    "PhaseDiagram",
    "Population",
    "Prediction",
    "Problem",
    "RidgeErrors",
    "RidgeSweep",
    "RmtError",
    "ScalarFunction",
    "Scaling",
    "ScalingSpike",
    "SpectralLaw",
    "Spike",
    "SpikeError",
    "Status",
    "Step",
    "Sweep",
    "SweepError",
    "TensorHermiteExpansion",
    "TracyWidom",
    "caches",
    "feature_exponents",
    "feature_spikes",
    "generative_exponent",
    "hermite_expansion",
    "information_exponent",
    "learned_region",
    "phase_diagram",
    "predict",
    "rectangular_outliers",
    "remove_hermite",
    "reuse_exponent",
    "ridge",
    "scaling",
    "staircase",
    "sweep",
    "sweep_ridge",
    "tensor_hermite_expansion",
]

load_on_demand(
    __name__,
    {
        "rmt.caching": "caches",
        "rmt.features": "FeatureExponent FeatureSpike FeatureSpikes feature_exponents "
        "feature_spikes",
        "rmt.functions": "ExpressionError ScalarFunction remove_hermite",
        "rmt.grids": "PhaseDiagram RidgeSweep Sweep SweepError phase_diagram sweep sweep_ridge",
        "rmt.hermite": "HermiteExpansion TensorHermiteExpansion generative_exponent "
        "hermite_expansion information_exponent reuse_exponent staircase "
        "tensor_hermite_expansion",
        "rmt.predict": "predict",
        "rmt.prediction": "Prediction Spike SpikeError",
        "rmt.problem": "Problem Step",
        "rmt.regression": "RidgeErrors ridge",
        "rmt.spectra": "ConjugateKernel GeneralisedMarchenkoPastur MarchenkoPastur "
        "MarchenkoPasturBulk Outliers Population SpectralLaw TracyWidom "
        "rectangular_outliers",
        "rmt.spikes.scaling": "LearnedRegion Scaling ScalingSpike learned_region scaling",
        "rmt.status": "ConvergenceError InvalidInputError RmtError Status",
    },
)
