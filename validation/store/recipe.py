"""What the numbers of a sample depend on, and what computed them."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from threadpoolctl import threadpool_info

from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.plan import Plan

__all__ = ["FEATURES_VERSION", "SIMULATION_VERSION", "made_with", "recipe"]

# Raised with every change of the random streams, the gradient steps or the observations that
# changes the numbers of a sample beyond rounding: samples of another version are not used.
SIMULATION_VERSION = 1
# The same for what is observed in features alone.
FEATURES_VERSION = 1


def recipe(plan: Plan | FeaturePlan, index: int, device: str = "cpu") -> str:
    """All that the numbers of a sample depend on, beside its problem, seed and index.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> recipe(Plan(problem, n_samples=12, n_spectra=1), 0, "cuda:1")
    'v1 float64 cuda 4 triplets, spectrum'
    >>> recipe(FeaturePlan(problem, 12, inputs=(40, 120), regularisations=(1e-3,)), 0)
    'v1 float32 cpu 5 triplets, features v1 m=40,120 lambda=0.001 test=10000'
    """
    kind = device.partition(":")[0]
    if isinstance(plan, FeaturePlan):
        return (
            f"v{SIMULATION_VERSION} {plan.dtype} {kind} {plan.n_spikes} triplets, "
            f"features v{FEATURES_VERSION} m={','.join(map(str, plan.inputs))} "
            f"lambda={','.join(map(repr, plan.regularisations))} test={plan.n_test}"
        )
    spectrum = ", spectrum" if plan.keeps_spectrum(index) else ""
    return f"v{SIMULATION_VERSION} {plan.dtype} {kind} {plan.n_outliers} triplets{spectrum}"


@lru_cache(maxsize=1)
def made_with() -> str:
    """Versions of what computes here, down to the kernel of BLAS, which rounds in its own way."""
    try:
        ours = version("rmt")
    except PackageNotFoundError:  # run from a folder of sources
        ours = "of unknown version"
    blas = {
        " ".join(
            filter(None, (found.get(key) for key in ("internal_api", "version", "architecture")))
        )
        for found in threadpool_info()
        if found["user_api"] == "blas"
    }
    return ", ".join([f"rmt {ours}", f"numpy {np.__version__}", *sorted(blas)])
