"""One network of finite size: its weights, and the gradient steps, taken literally.

Nothing here knows of the theory: this is the experiment that the theory is held against.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from rmt.arguments import integer, precision
from rmt.blas import one_blas_thread
from rmt.display import InNotebooks
from rmt.problem import Problem
from rmt.status import ConvergenceError, Status
from validation.simulation.activation import value_and_slope
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

__all__ = ["Sample", "numbers_kept", "simulate", "simulate_planned"]

# A floating array of NumPy, or of the library of the device that the simulation runs on.
Array: TypeAlias = Any
T = TypeVar("T")

# Rows of the pre-activations, and of the gradient, that a thread takes at a time: enough for
# efficient products. Fixed, since the partition decides how sums are rounded.
_SAMPLES, _NEURONS = 1024, 512
_ON_ACCELERATOR = 8192
# Samples whose pre-activations are held at once, at least; more while that is little memory.
_SLAB_ROWS = 2048


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
            f"{len(self.weights) - 1} step(s), {self.problem.batch_text} batch, "
            f"{self.readout.dtype}"
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

    With ``h(x) = s a^T sigma(W x)``, ``a_i = g_i / sqrt(N)``, the output scale ``s`` (by default
    ``N^{-1/2}``) and the residuals ``rho_j = -dl/dh(h(x_j), y_j)`` of the current weights,

    .. math::
       W_k &= (1 - \eta_k \lambda_k) W_{k-1} + \eta_k G_k, \\
       G_k &= -\frac1s\, \nabla_W \frac1n \sum_j l(h(x_j), y_j)
       = \frac{1}{n} \left[(a \rho^T) \circ \sigma'(W X^T)\right] X,

    both at ``W = W_{k-1}``; for the squared loss ``rho = y - h(X)``. The output ``h_0`` of the
    untrained network is part of the first residuals.

    Parameters
    ----------
    problem : Problem
        Network, data and schedule.
    seed, index : int
        Not negative. Every sample index of every seed of every problem has random streams of its
        own (for the weights, the readout, and the inputs and the noise or labels of each batch), so
        a sample does not depend on which others are drawn, in what order, or by which worker or
        thread.
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
        For a negative seed or index, another dtype, or a ``readout_sum`` that readouts cannot be
        drawn with (see `sample_readout`).
    ConvergenceError
        When weights overflow, or their squares (a target or schedule beyond floating point);
        ``best`` holds the sample up to the last weights before that.

    Notes
    -----
    The target directions are the first ``r`` coordinate axes. That loses no generality: inputs and
    both initialisations are rotation invariant, so every rotated choice has the same law for all
    singular values and overlaps.

    Antisymmetric: the second half of the rows is drawn as the first, and is never drawn again; both
    halves are trained. Where ``readout_sum`` is given, readouts are conditioned on it.

    Memory, in numbers of the chosen precision: ``(steps + 1) N d + n_1 d`` that the sample keeps
    (``+ n_2 d`` with independent batches), and a quarter of that for pre-activations (but 2048 rows
    of them at least, and all at most), with ``512 d`` for every thread. At ``N = d = 8000,
    n = 16000`` in float64: 2.6 GB kept with a reused batch, 3.6 GB with independent ones, and 0.7
    to 0.9 GB more at work. On a GPU there are some arrays of ``8192 N`` beside.

    For given versions of NumPy and its BLAS the result is reproducible bit for bit. Source:
    docs/theory.md, section 1; docs/losses.md, setting.

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
    limit = float(np.sqrt(np.finfo(kind).max))
    n_threads = available_cores() if threads is None else integer("threads", threads) or 1

    with one_blas_thread(), rows_in_parallel(n_threads) as map_rows:
        readout = place.asarray(sample_readout(problem, seed, index).astype(kind))
        weights = [place.asarray(initial_weights(problem, entropy, kind, map_rows))]
        batches: list[DataSet] = []
        drawn: dict[int, DataSet] = {}
        # One for all steps: new memory is cleared by the system page by page, which takes time.
        slab = place.empty((_slab_rows(problem), problem.width), kind)
        for step in range(problem.n_steps):
            number = problem.schedule[step]
            if number not in drawn:
                drawn[number] = step_batch(problem, number, entropy, kind, place, map_rows)
            batches.append(drawn[number])
            update, largest = _step(
                problem, step, weights[-1], readout, batches[-1], slab, place, map_rows
            )
            if not largest < limit:
                label = float(xp.max(xp.abs(batches[-1].labels)))
                raise ConvergenceError(
                    f"the weights after step {step + 1} are not finite, or too large to square: "
                    f"learning rate {problem.learning_rates[step]:g}, largest label {label:g}",
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


def numbers_kept(problem: Problem) -> int:
    """Entries of the inputs and weights of a sample.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=30, dim=20, samples=50, steps=[Step(1, 0.25)])
    >>> numbers_kept(problem)
    2200
    """
    drawn = problem.samples[: len(set(problem.schedule))]
    return (sum(drawn) + (len(problem.steps) + 1) * problem.width) * problem.dim


def _slab_rows(problem: Problem) -> int:
    """Samples to hold pre-activations of at once: a quarter of what the sample keeps."""
    quarter = numbers_kept(problem) // (4 * problem.width)
    return min(max(problem.samples), max(_SLAB_ROWS, quarter))


def _residual(problem: Problem, xp: Any) -> Callable[[Array, Array], Array]:
    """The residuals, of ``<g, sigma> / N``, which is the output over its gain, and the labels."""
    gain, loss = problem.output_gain, problem.loss
    if loss.text == "squared":  # without a program, which takes time to call
        return lambda h, y: y - gain * h
    return lambda h, y: loss.residual(gain * h, y, xp=xp)


def _step(
    problem: Problem,
    step: int,
    weights: Array,
    readout: Array,
    data: DataSet,
    slab: Array,
    place: Device,
    map_rows: MapRows,
) -> tuple[Array, float]:
    """``(1 - eta lambda) W + eta G``, a new array (N, d), and its largest entry, nan if one is.

    The samples pass in slabs, in two stages that are cut into pieces of their own: the
    pre-activations ``X W^T`` of some samples turn in place, bit by bit in cache, into
    ``diag(rho) sigma'(X W^T)``; and of some neurons, their products with ``X`` are added to the sum
    over slabs. Which thread takes which piece never matters.
    """
    xp = place.xp
    kind = np.dtype(str(weights.dtype).rpartition(".")[2])
    n, (width, dim) = data.inputs.shape[0], weights.shape
    samples, neurons = _SAMPLES, _NEURONS
    if place.accelerator:  # it is parallel by itself, and memory for several pieces may be short
        samples = neurons = _ON_ACCELERATOR
        map_rows = map
    function, residual = value_and_slope(problem.activation), _residual(problem, xp)
    rate, kept = problem.learning_rates[step], problem.steps[step].kept(width)
    total = place.empty((width, dim), kind)
    factors = (readout * (rate / (n * float(np.sqrt(width)))))[:, None]
    spare: deque[Array] = deque()

    def weigh(row: int) -> None:
        rows = slice(row, min(row + samples, stop))
        pre, labels = slab[row - start : rows.stop - start, :], data.labels[rows]
        place.product(data.inputs[rows, :], weights.T, out=pre)
        for some in in_cache(rows.stop - row, width):
            z = pre[some, :]
            value, slope = function(z) if xp is np else function.on(xp, z)
            rho = residual(xp.vecdot(value, readout) / width, labels[some])
            place.scaled(slope, rho[:, None], out=z)
            del value, slope  # the next piece finds their memory in cache

    def gather(row: int) -> float:
        rows = slice(row, min(row + neurons, width))
        sums, weighed = total[rows, :], slab[: stop - start, rows]
        if start == 0:
            place.product(weighed.T, data.inputs[:stop, :], out=sums)
        else:
            scratch = spare.pop() if spare else place.empty((min(neurons, width), dim), kind)
            product = scratch[: rows.stop - row, :]
            place.product(weighed.T, data.inputs[start:stop, :], out=product)
            sums += product
            spare.append(scratch)
        if stop < n:
            return 0.0
        largest = []
        for some in in_cache(rows.stop - row, dim):
            new = sums[some, :]
            new *= factors[rows, :][some, :]
            before = weights[rows, :][some, :]
            new += before if kept == 1.0 else kept * before
            largest.append(float(xp.max(xp.abs(new))))
        return float(np.max(largest))

    def in_cache(count: int, length: int) -> Iterator[slice]:
        """Rows of this length, as many at a time as stay in a core's cache."""
        some = count if place.accelerator else max(1, CACHE_ELEMENTS // length)
        return (slice(first, min(first + some, count)) for first in range(0, count, some))

    def quiet(task: Callable[[int], T]) -> Callable[[int], T]:
        """Each thread has its own error state; an overflow is found in the weights."""

        def run(row: int) -> T:
            with np.errstate(over="ignore", invalid="ignore"):
                return task(row)

        return run

    largest = 0.0
    for start in range(0, n, slab.shape[0]):
        stop = min(start + slab.shape[0], n)
        for _ in map_rows(quiet(weigh), range(start, stop, samples)):
            pass
        largest = float(np.max(list(map_rows(quiet(gather), range(0, width, neurons)))))
    return total, largest
