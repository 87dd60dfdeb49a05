"""The weights of simulated networks, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from rmt.arguments import integer, precision
from rmt.blas import one_blas_thread
from rmt.problem import Problem
from validation.simulation.bar import bar_of
from validation.simulation.forward import on_cpu
from validation.simulation.observe import Observation, observe
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.simulation.simulate import Sample, simulate_planned

__all__ = ["observe_weights", "run_samples"]


def run_samples(
    problem: Problem,
    n_samples: int,
    seed: int = 0,
    *,
    n_outliers: int = 4,
    n_spectra: int = 0,
    dtype: DTypeLike = np.float64,
    threads: int | None = None,
    progress: bool | str = False,
) -> Samples:
    """Simulate several networks of a problem, one after the other, and observe each.

    Parameters
    ----------
    problem, n_samples, seed, n_outliers, n_spectra, dtype
        As in `Plan`.
    threads : int, optional
        Threads that share the work on each network, by default every core.
    progress : bool or str
        Whether to show a progress bar on standard error; a string is its label.

    Returns
    -------
    Samples

    Raises
    ------
    InvalidInputError
        For counts out of range.
    ConvergenceError
        When the weights of a sample overflow; a note says which sample it was.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> samples = run_samples(problem, 5, n_outliers=2)
    >>> samples.singular_values.shape, samples.target_overlaps.shape
    ((5, 2), (5, 2, 1))
    """
    plan = Plan(problem, n_samples, seed, n_outliers, n_spectra, precision(dtype))
    if threads is not None:
        integer("threads", threads, 1)
    indices: Iterable[int] = plan.indices
    if progress is not False:
        label = progress if isinstance(progress, str) else None
        indices = bar_of(indices, desc=label, unit="network", dynamic_ncols=True)
    return Samples.collect(
        problem,
        plan.seed,
        (observe_weights(plan, simulate_planned(plan, index, threads)) for index in indices),
    )


def observe_weights(plan: Plan, sample: Sample) -> Observation:
    """What a plan observes in the last weights of one of its networks.

    Of a network whose untrained output is of order one also the overlaps with ``W_0^T a``, the
    direction along which that output is linear (docs/losses.md, output of order one).

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> observe_weights(Plan(problem, 5, n_outliers=2), simulate(problem, 0, 3)).residual < 1e-6
    True
    """
    initial_output = None
    if plan.observes_initial_output:
        with one_blas_thread():
            initial_output = on_cpu(sample.weights[0]).T @ on_cpu(sample.readout)
    return observe(
        sample.weights[-1],
        plan.n_outliers,
        n_directions=plan.problem.n_directions,
        spectrum=plan.keeps_spectrum(sample.index),
        initial_output=initial_output,
    )
