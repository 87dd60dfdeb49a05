"""Random-matrix theory of feature learning in two-layer networks of linear width."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.features import (
        FeatureExponent,
        FeatureSpike,
        FeatureSpikes,
        feature_exponents,
        feature_spikes,
    )
    from rmt.functions import ExpressionError, ScalarFunction, remove_hermite
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
    from rmt.phase_diagram import PhaseDiagram, phase_diagram
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
    from rmt.sweep import RidgeSweep, Sweep, SweepError, sweep, sweep_ridge

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
        "features": "FeatureExponent FeatureSpike FeatureSpikes feature_exponents feature_spikes",
        "functions": "ExpressionError ScalarFunction remove_hermite",
        "hermite": "HermiteExpansion TensorHermiteExpansion generative_exponent hermite_expansion "
        "information_exponent reuse_exponent staircase tensor_hermite_expansion",
        "phase_diagram": "PhaseDiagram phase_diagram",
        "predict": "predict",
        "prediction": "Prediction Spike SpikeError",
        "problem": "Problem Step",
        "regression": "RidgeErrors ridge",
        "spectra": "ConjugateKernel GeneralisedMarchenkoPastur MarchenkoPastur MarchenkoPasturBulk "
        "Outliers Population SpectralLaw TracyWidom rectangular_outliers",
        "spikes.scaling": "LearnedRegion Scaling ScalingSpike learned_region scaling",
        "status": "ConvergenceError InvalidInputError RmtError Status",
        "sweep": "RidgeSweep Sweep SweepError sweep sweep_ridge",
    },
)
