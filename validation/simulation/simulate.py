"""One network of finite size: its weights, and the gradient steps, taken literally.

Nothing here knows of the theory: this is the experiment that the theory is held against.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from rmt.arguments import integer, precision
from rmt.blas import one_blas_thread
from rmt.display import InNotebooks
from rmt.functions import ScalarFunction
from rmt.problem import Problem
from rmt.status import ConvergenceError, Status
from validation.simulation.devices import Device, find_device
from validation.simulation.draws import (
    DataSet,
    entropy_of,
    initial_weights,
    sample_readout,
    step_batch,
)
from validation.simulation.planned import PlanOf
from validation.simulation.threads import (
    CACHE_ELEMENTS,
    MapRows,
    available_cores,
    rows_in_parallel,
)

__all__ = ["Sample", "simulate", "simulate_planned"]

# A floating array of NumPy, or of the library of the device that the simulation runs on.
Array: TypeAlias = Any

# Samples whose pre-activations a thread holds at once: enough for efficient products. Fixed, since
# the partition decides how the sum over samples is rounded.
_SLAB_ROWS = 512
_ACCELERATOR_SLAB_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Sample(InNotebooks):
    """One simulated network and everything that went into it.

    Attributes
    ----------
    problem : Problem
        What was simulated.
    seed, index : int
        Which sample of it.
    weights : tuple of array (N, d)
        ``W_0, W_1[, W_2]``: at initialisation and after each step.
    readout : array (N,)
        The values ``g_i``; the network's readout is ``a_i = g_i / sqrt(N)``.
    batches : tuple of DataSet
        The batch of each step; a reused batch is the same object twice.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> sample = simulate(problem, seed=1, index=3)
    >>> [w.shape for w in sample.weights], sample.readout.shape, len(sample.batches)
    ([(40, 40), (40, 40)], (40,), 1)
    """

    problem: Problem
    seed: int
    index: int
    weights: tuple[Array, ...]
    readout: Array
    batches: tuple[DataSet, ...]

    def __str__(self) -> str:
        width, dim = self.weights[0].shape
        return (
            f"Sample {self.index} of seed {self.seed}: N = {width}, d = {dim}, "
            f"{len(self.weights) - 1} step(s), {self.problem.batch} batch, {self.readout.dtype}"
        )


def simulate(
    problem: Problem,
    seed: int = 0,
    index: int = 0,
    dtype: DTypeLike = np.float64,
    *,
    threads: int | None = None,
    device: str | Device = "cpu",
) -> Sample:
    r"""Draw one network with its data and take the problem's gradient steps.

    With ``h(x) = N^{-1/2} a^T sigma(W x)``, ``a_i = g_i / sqrt(N)`` and the residual
    ``r = y - h(X)`` of the current weights,

    .. math::
       W_s &= W_{s-1} + \eta_s G_s, \\
       G_s &= -\sqrt{N}\, \nabla_W \frac{1}{2n} |y - h(X)|^2
       = \frac{1}{n} \left[(a r^T) \circ \sigma'(W X^T)\right] X,

    both at ``W = W_{s-1}``; the output ``h_0`` of the untrained network is part of the first
    residual.

    Parameters
    ----------
    problem : Problem
        Network, data and schedule.
    seed, index : int
        Not negative. Every sample index of every seed of every problem has random streams of its
        own (one for the weights, the readout, and the inputs and noise of each batch), so a sample
        does not depend on which others are drawn, in what order, or by which worker or thread.
    dtype : float64 or float32
        Precision of all arrays. Random numbers are drawn in float64 in either case, so the two
        precisions simulate the same network.
    threads : int, optional
        Threads that share the work, by default every core this process may use. Each takes whole
        pieces of it with a BLAS of one thread, so their number does not change a single bit.
    device : str or Device
        ``"cpu"``, ``"cuda"``, or what else `find_device` knows. The arrays of the sample then are
        those of that device's library. Random numbers are drawn by NumPy in every case, so all
        devices simulate the same network.

    Returns
    -------
    Sample

    Raises
    ------
    InvalidInputError
        For a negative seed or index, or another dtype.
    ConvergenceError
        When weights overflow, or their squares (a target or schedule beyond floating point);
        ``best`` holds the sample up to the last weights before that.

    Notes
    -----
    The target directions are the first ``r`` coordinate axes. That loses no generality: inputs and
    both initialisations are rotation invariant, so every rotated choice has the same law for all
    singular values and overlaps.

    Memory, in numbers of the chosen precision: ``(steps + 1) N d + n_1 d`` that the sample keeps
    (``+ n_2 d`` with independent batches), and while a step runs ``512 N + N d`` for every thread
    and one more (on a GPU ``8192 N + N d``). At ``N = d = 1000, n = 2000`` in float64: 40 MB kept
    with a reused batch, 56 MB with independent ones, 24 MB at work on one thread.

    For given versions of NumPy and its BLAS the result is reproducible bit for bit. Source:
    docs/theory.md, section 1.

    Examples
    --------
    >>> import numpy as np
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=30, dim=20, samples=50, steps=[Step(1, 0.25)])
    >>> sample = simulate(problem, seed=1)
    >>> [w.shape for w in sample.weights], sample.batches[0].inputs.shape
    ([(30, 20), (30, 20)], (50, 20))
    >>> bool(np.array_equal(sample.weights[1], simulate(problem, seed=1).weights[1]))
    True
    """
    kind = np.dtype(precision(dtype))
    place = find_device(device)
    xp = place.xp
    entropy = entropy_of(problem, seed, index)
    # Beyond this the pre-activations' squares overflow, and nothing that follows means anything.
    largest = float(np.sqrt(np.finfo(kind).max))
    n_threads = available_cores() if threads is None else integer("threads", threads) or 1

    with one_blas_thread(), rows_in_parallel(n_threads) as map_rows:
        weights = [place.asarray(initial_weights(problem, entropy, kind, map_rows))]
        readout = place.asarray(sample_readout(problem, seed, index).astype(kind))
        batches: list[DataSet] = []
        drawn: dict[int, DataSet] = {}
        for step, rate in enumerate(problem.learning_rates):
            number = problem.schedule[step]
            if number in drawn:
                batches.append(drawn[number])
            else:
                batches.append(step_batch(problem, number, entropy, kind, place, map_rows))
                drawn[number] = batches[-1]
            with np.errstate(over="ignore", invalid="ignore"):
                update = _gradient(
                    problem.activation, weights[-1], readout, batches[-1], rate, place, map_rows
                )
                update += weights[-1]
                usable = bool(xp.all(xp.abs(update) < largest))
            if not usable:
                label = float(xp.max(xp.abs(batches[-1].labels)))
                raise ConvergenceError(
                    f"the weights after step {step + 1} are not finite, or too large to square: "
                    f"learning rate {rate:g}, largest label {label:g}",
                    Status.NOT_FINITE,
                    Sample(problem, seed, index, tuple(weights), readout, tuple(batches)),
                )
            weights.append(update)
    return Sample(problem, int(seed), int(index), tuple(weights), readout, tuple(batches))


def simulate_planned(
    plan: PlanOf[Any, Any], index: int, threads: int | None, device: str = "cpu"
) -> Sample:
    """Sample ``index`` of a plan; arguments as in `simulate`.

    Raises
    ------
    ConvergenceError
        When the weights overflow; a note says which sample it was.
    """
    try:
        return simulate(plan.problem, plan.seed, index, plan.dtype, threads=threads, device=device)
    except ArithmeticError as error:
        error.add_note(f"in sample {index} of seed {plan.seed}")
        raise


def _gradient(
    activation: ScalarFunction,
    weights: Array,
    readout: Array,
    data: DataSet,
    scale: float,
    place: Device,
    map_rows: MapRows,
) -> Array:
    """``scale * G``, a new array (N, d).

    The samples pass in slabs. A slab's pre-activations ``X W^T`` turn in place, piece by piece in
    cache, into ``diag(r) sigma'(X W^T)``; its product with ``X`` is added to the sum over slabs, in
    their order, and the readout scales the rows of the sum.
    """
    xp = place.xp
    inputs, labels = data.inputs, data.labels
    n, width = inputs.shape[0], weights.shape[0]
    slab_rows = min(n, _ACCELERATOR_SLAB_ROWS if place.accelerator else _SLAB_ROWS)
    piece_rows = slab_rows if place.accelerator else max(1, CACHE_ELEMENTS // width)
    kind = np.dtype(str(weights.dtype).rpartition(".")[2])
    spare: deque[tuple[Array, Array]] = deque()

    def slab_sum(start: int) -> tuple[Array, Array]:
        stop = min(start + slab_rows, n)
        x, y = inputs[start:stop, :], labels[start:stop]
        try:
            slab, product = spare.pop()
        except IndexError:
            slab = place.empty((slab_rows, width), kind)
            product = place.empty(tuple(weights.shape), kind)
        pre = slab[: stop - start, :]
        place.product(x, weights.T, out=pre)
        # Each thread has its own error state. An overflow is found in the weights.
        with np.errstate(over="ignore", invalid="ignore"):
            for row in range(0, stop - start, piece_rows):
                rows = slice(row, min(row + piece_rows, stop - start))
                value, slope = activation.value_and_derivative(pre[rows, :], xp=xp)
                residual = y[rows] - xp.vecdot(value, readout) / width
                pre[rows, :] = slope * residual[:, None]
        place.product(pre.T, x, out=product)
        return slab, product

    total = xp.zeros_like(weights)
    for slab, product in map_rows(slab_sum, range(0, n, slab_rows)):
        total += product
        spare.append((slab, product))
    total *= (readout * (scale / (n * float(np.sqrt(width)))))[:, None]
    return total
