"""Finite-size simulation of a `rmt.Problem`, and its comparison with a prediction.

`simulate` draws one network and takes the gradient steps, `observe` reads the leading singular
triplets off its weights, `run_samples` repeats both, and `compare` holds a prediction against the
result. Only `compare` knows of the theory.
"""

from validation.compare import Comparison, ComparisonRow, compare
from validation.observe import Histogram, Observation, observe
from validation.samples import Samples, run_samples
from validation.simulate import DataSet, Sample, simulate

__all__ = [
    "Comparison",
    "ComparisonRow",
    "DataSet",
    "Histogram",
    "Observation",
    "Sample",
    "Samples",
    "compare",
    "observe",
    "run_samples",
    "simulate",
]
