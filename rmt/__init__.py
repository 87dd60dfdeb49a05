"""Random-matrix theory of feature learning in two-layer networks of linear width."""

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
from rmt.predict import predict
from rmt.prediction import Prediction, Spike, SpikeError
from rmt.problem import Problem, Step
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
from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status

__version__ = "0.1.0.dev0"

__all__ = [
    "ConjugateKernel",
    "ConvergenceError",
    "ExpressionError",
    "GeneralisedMarchenkoPastur",
    "HermiteExpansion",
    "InvalidInputError",
    "MarchenkoPastur",
    "MarchenkoPasturBulk",
    "Outliers",
    "Population",
    "Prediction",
    "Problem",
    "RmtError",
    "ScalarFunction",
    "SpectralLaw",
    "Spike",
    "SpikeError",
    "Status",
    "Step",
    "TensorHermiteExpansion",
    "TracyWidom",
    "generative_exponent",
    "hermite_expansion",
    "information_exponent",
    "predict",
    "rectangular_outliers",
    "remove_hermite",
    "reuse_exponent",
    "staircase",
    "tensor_hermite_expansion",
]
