"""What the numbers of a sample depend on, and what computed them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
from threadpoolctl import threadpool_info

from rmt.caching import cached
from validation.store.kinds import AnyPlan, kind_of

__all__ = ["SIMULATION_VERSION", "made_with", "recipe"]

# Raised with every change of the random streams, the gradient steps or the observations that
# changes the numbers of a sample beyond rounding: samples of another version are not used.
SIMULATION_VERSION = 1


def recipe(plan: AnyPlan, index: int, device: str = "cpu") -> str:
    """All that the numbers of a sample depend on, beside its problem, seed and index.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import FeaturePlan, Plan
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> recipe(Plan(problem, n_samples=12, n_spectra=1), 0, "cuda:1")
    'v1 float64 cuda 4 triplets, spectrum'
    >>> recipe(FeaturePlan(problem, 12, inputs=(40, 120), regularisations=(1e-3,)), 0)
    'v1 float32 cpu 5 triplets, features v1 m=40,120 lambda=0.001 test=10000'
    """
    details = kind_of(plan).details(plan, index)
    return f"v{SIMULATION_VERSION} {plan.dtype} {device.partition(':')[0]} {details}"


@cached(1)
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
