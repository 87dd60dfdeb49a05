"""Simulated networks on their way: what each looks like after every step, taken literally.

Nothing here knows of the theory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.status import InvalidInputError
from validation.simulation.draws import DataSet, fresh_batch
from validation.simulation.forward import (
    label_variance,
    loss_and_misclassified,
    noiseless_labels,
    on_cpu,
    outputs_of,
)
from validation.simulation.observe import observe
from validation.simulation.path_plan import (
    PathObservation,
    PathPlan,
    PathSamples,
    n_batches,
)
from validation.simulation.simulate import Sample, simulate_planned

__all__ = ["observe_path", "run_paths"]


def run_paths(plan: PathPlan, *, threads: int | None = None) -> PathSamples:
    """Simulate the networks of a plan, one after the other, and observe each after every step.

    Parameters
    ----------
    plan : PathPlan
        Which networks, and what to observe of them.
    threads : int, optional
        As in `validation.simulate`.

    Returns
    -------
    PathSamples
        In the order of the plan's sample indices.

    Raises
    ------
    ConvergenceError
        When the weights of a network overflow.

    Notes
    -----
    docs/validation.md, along the path. `run_campaign` does the same on several processes, and
    keeps what is done.

    Examples
    --------
    >>> from rmt import Problem
    >>> problem = Problem("tanh(z)", "z", 40, 40, 80, [(2, 0.3)] * 3, batch="reused")
    >>> samples = run_paths(PathPlan(problem, 4, n_outliers=2, n_test=200))
    >>> bool((np.diff(samples.training_error.mean(axis=0)) < 0).all())
    True
    """
    seen = [observe_path(plan, simulate_planned(plan, index, threads)) for index in plan.indices]
    return PathSamples.collect(plan, seen)


def observe_path(plan: PathPlan, sample: Sample) -> PathObservation:
    r"""The errors of one network and its leading triplets, before training and after every step.

    With ``h_k(x) = s a^T sigma(W_k x)``, the network's own output after ``k`` steps with the
    readout that it has from the start and the problem's output scale ``s``,

    .. math::
       \text{error}_k = \frac{1}{n} \sum_j (y_j - h_k(x_j))^2, \qquad k = 0, .., T,

    over *all* ``n_b`` samples of each batch ``b`` of the schedule, those with which the network is
    or was trained and those it will meet; and over the plan's ``n_test`` fresh samples, which come
    from the streams of `fresh_batch` for tests: no step and no batch shares them, they are the
    same ones after every step, and asking for them changes no other number of the sample. On the
    fresh samples ``y`` is ``E[y | z]``, the target without noise, and its mean variance given ``z``
    is added: that of the noise, or of the law of the labels.

    Where the loss is not the squared one, or labels have a law, also the mean of the loss
    ``l(h_k, y)`` over the same samples, and of labels +1 and -1 the share with ``sign(h_k) != y``;
    on the fresh samples at the labels that they have with their noise, or on the mean over the law
    of the labels at every sample.

    Parameters
    ----------
    plan : PathPlan
    sample : Sample
        Of the same problem; weights on another device are brought to the CPU.

    Returns
    -------
    PathObservation

    Raises
    ------
    InvalidInputError
        When the sample is of another problem.

    Notes
    -----
    It costs a product ``X W^T`` for each batch and each step beside those of training, and is done
    after it: a simulation of which nothing is observed on the way does nothing of this.
    docs/validation.md, along the path.

    Examples
    --------
    >>> from rmt import Problem
    >>> from validation import PathPlan, simulate
    >>> problem = Problem("tanh(z)", "z", 40, 40, 80, [(2, 0.3)] * 2)
    >>> seen = observe_path(PathPlan(problem, 1, n_test=100), simulate(problem))
    >>> seen.batch_errors.shape, seen.test_error.shape, seen.label_squares.shape
    ((3, 2), (3,), (3,))
    """
    problem = plan.problem
    if sample.problem != problem:
        raise InvalidInputError("sample and plan must be of the same problem")
    test = fresh_batch(problem, sample.seed, sample.index, plan.n_test, "test", plan.dtype)
    weights, readout = [on_cpu(one) for one in sample.weights], on_cpu(sample.readout)
    batches = [sample.batches[problem.schedule.index(b)] for b in range(n_batches(problem))]
    data = [*(DataSet(on_cpu(one.inputs), on_cpu(one.labels)) for one in batches), test]
    labels = [one.labels.astype(np.float64) for one in data]
    labels[-1] = noiseless_labels(problem, test.inputs)
    with one_blas_thread():
        outputs = [[outputs_of(problem, w, readout, one.inputs) for one in data] for w in weights]
    errors = np.array(
        [[np.mean((y - h) ** 2) for h, y in zip(row, labels, strict=True)] for row in outputs]
    )
    squares = np.array([np.mean(y**2) for y in labels])
    noise = label_variance(problem, test.inputs)
    errors[:, -1] += noise
    squares[-1] += noise
    seen = [
        observe(one, plan.n_outliers, n_directions=problem.n_directions)
        for one in sample.weights[1:]
    ]
    return PathObservation(
        np.array([one.singular_values for one in seen]),
        np.array([one.target_overlaps for one in seen]),
        np.ascontiguousarray(errors[:, :-1]),
        errors[:, -1].copy(),
        squares,
        max(one.residual for one in seen),
        **(_losses(plan, outputs, data) if plan.observes_loss else {}),
    )


def _losses(plan: PathPlan, outputs: list[list[Array]], data: list[DataSet]) -> dict[str, Array]:
    """Losses and shares of misclassified samples, of the batches and of the test samples."""
    problem = plan.problem
    signs = problem.has_signs
    found = np.empty((2, len(outputs), len(data)))
    for stage, row in enumerate(outputs):
        for k, (h, one) in enumerate(zip(row, data, strict=True)):
            fresh = k == len(data) - 1
            found[:, stage, k] = loss_and_misclassified(
                problem, h, one, averaged=fresh, signs=signs
            )
    if problem.initialisation == "antisymmetric":
        found[1, 0] = np.nan  # the sign of what rounding leaves of zero means nothing
    kinds: Any = zip(("loss", "misclassified"), found, strict=True)
    return {
        name: values
        for kind, both in kinds
        for name, values in (
            (f"batch_{kind}", np.ascontiguousarray(both[:, :-1])),
            (f"test_{kind}", both[:, -1].copy()),
        )
    }
