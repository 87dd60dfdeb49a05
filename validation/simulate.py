"""One network of finite size: its data, its weights, and the gradient steps, taken literally.

Nothing here knows of the theory: this is the experiment that the theory is held against.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rmt.functions import ScalarFunction
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["DataSet", "Sample", "available_cores", "simulate"]

Array: TypeAlias = NDArray[np.floating[Any]]
MapRows: TypeAlias = Callable[[Callable[[int], None], Iterable[int]], None]

# The random streams of a sample. A number once given to a stream stays with it: changing one
# would change every sample ever drawn.
_WEIGHTS, _READOUT = 0, 1
_INPUTS = (2, 3)
_NOISE = (4, 5)

# Rows drawn from one random stream. Fixed, so that who draws which rows never matters.
_STREAM_ROWS = 256
# Elements of a piece of the pre-activations that stays in a core's cache while it is worked on.
_CACHE_ELEMENTS = 1 << 15
# Samples whose pre-activations are held at once: at least _SLAB_ROWS, so that the products stay
# efficient, more while they fit _SLAB_ELEMENTS numbers.
_SLAB_ROWS = 1024
_SLAB_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """One batch of training data.

    Attributes
    ----------
    inputs : array (n, d)
        ``X``, iid standard normal.
    labels : array (n,)
        ``y_j = f(x_j1, .., x_jr) + eps_j``.
    """

    inputs: Array
    labels: Array

    def __str__(self) -> str:
        return f"DataSet of {self.inputs.shape[0]} samples in dimension {self.inputs.shape[1]}"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
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
) -> Sample:
    """Draw one network with its data and take the problem's gradient steps.

    With ``h(x) = N^{-1/2} a^T sigma(W x)``, ``a_i = g_i / sqrt(N)`` and the residual
    ``r = y - h(X)`` of the current weights,

        W_s = W_{s-1} + eta_s G_s,
        G_s = -sqrt(N) grad_W (1/2n) |y - h(X)|^2 = (1/n) [(a r^T) o sigma'(W X^T)] X,

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
        Threads that share the element-wise work; by default every core this process may use. The
        threads of the matrix products are those of NumPy's BLAS and are left alone here.

    Returns
    -------
    Sample

    Raises
    ------
    InvalidInputError
        For a negative seed or index, or another dtype.
    ConvergenceError
        When weights overflow (a target or schedule beyond floating point); ``best`` holds the
        sample up to the last finite weights.

    Notes
    -----
    The target directions are the first ``r`` coordinate axes. That loses no generality: inputs and
    both initialisations are rotation invariant, so every rotated choice has the same law for all
    singular values and overlaps.

    Memory, in numbers of the chosen precision: ``(steps + 1) N d + n_1 d`` that the sample keeps
    (``+ n_2 d`` with independent batches), and while a step runs a slab of pre-activations of
    ``min(n, max(1024, 2**22 / N)) N``, plus ``N d`` when more than one slab is needed. At
    ``N = d = 1000, n = 2000`` in float64: 40 MB kept with a reused batch, 56 MB with independent
    ones, 16 MB at work.

    For given versions of NumPy and its BLAS the result is reproducible bit for bit. Source:
    theory.md, section 1.

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
    kind = _precision(dtype)
    entropy = _entropy(problem, _natural("seed", seed), _natural("index", index))
    n_threads = available_cores() if threads is None else _natural("threads", threads) or 1

    with _rows_in_parallel(n_threads) as map_rows:
        weights = [_initial_weights(problem, entropy, kind, map_rows)]
        readout = _draw_readout(problem, entropy).astype(kind)
        batches: list[DataSet] = []
        for step, rate in enumerate(problem.learning_rates):
            if step == 0 or problem.batch == "independent":
                batches.append(_draw_batch(problem, step, entropy, kind, map_rows))
            else:
                batches.append(batches[-1])
            with np.errstate(over="ignore", invalid="ignore"):
                update = _gradient(
                    problem.activation, weights[-1], readout, batches[-1], map_rows, scale=rate
                )
                update += weights[-1]
                finite = np.isfinite(update).all()
            if not finite:
                raise ConvergenceError(
                    f"the weights after step {step + 1} are not finite: learning rate {rate:g}, "
                    f"largest label {np.abs(batches[-1].labels).max():g}",
                    Status.NOT_FINITE,
                    Sample(problem, seed, index, tuple(weights), readout, tuple(batches)),
                )
            weights.append(update)
    return Sample(problem, int(seed), int(index), tuple(weights), readout, tuple(batches))


def _gradient(
    activation: ScalarFunction,
    weights: Array,
    readout: Array,
    data: DataSet,
    map_rows: MapRows,
    scale: float,
) -> Array:
    """``scale * G``, a new array (N, d).

    The samples pass in slabs. A slab's pre-activations ``X W^T`` turn in place, piece by piece in
    cache, into ``diag(r) sigma'(X W^T)``; the product with ``X`` is summed over slabs, and the
    readout scales the rows of the sum.
    """
    inputs, labels = data.inputs, data.labels
    n, width = inputs.shape[0], weights.shape[0]
    slab_rows = min(n, max(_SLAB_ROWS, _SLAB_ELEMENTS // width))
    piece_rows = max(1, _CACHE_ELEMENTS // width)
    slab = np.empty((slab_rows, width), weights.dtype)
    total = np.empty_like(weights)
    partial = np.empty_like(weights) if slab_rows < n else total

    for start in range(0, n, slab_rows):
        x, y = inputs[start : start + slab_rows], labels[start : start + slab_rows]
        pre = slab[: x.shape[0]]
        np.matmul(x, weights.T, out=pre)

        def weigh(row: int, pre: Array = pre, y: Array = y) -> None:
            piece = pre[row : row + piece_rows]
            # Each thread has its own error state. An overflow is found in the weights.
            with np.errstate(over="ignore", invalid="ignore"):
                value, slope = activation.value_and_derivative(piece)
                # Not by BLAS: several threads are here at once, and einsum sums in a fixed order.
                output = np.einsum("ji,i->j", value, readout) / width
                np.multiply(slope, (y[row : row + piece_rows] - output)[:, None], out=piece)

        map_rows(weigh, range(0, x.shape[0], piece_rows))
        if start == 0:
            np.matmul(pre.T, x, out=total)
        else:
            np.matmul(pre.T, x, out=partial)
            total += partial
    total *= (readout * (scale / (n * np.sqrt(width)))).astype(total.dtype)[:, None]
    return total


def _initial_weights(problem: Problem, entropy: int, kind: np.dtype[Any], run: MapRows) -> Array:
    """``W_0``: rows uniform on the unit sphere, or ``N(0, I_d / d)``."""
    weights = np.empty((problem.width, problem.dim), kind)

    def shape(rows: NDArray[np.float64]) -> None:
        if problem.init == "sphere":
            rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        else:
            rows /= np.sqrt(problem.dim)

    _fill_with_normals(weights, entropy, _WEIGHTS, run, shape)
    return weights


def _draw_readout(problem: Problem, entropy: int) -> Array:
    """The values ``g_i``, of mean 0 and variance 1, or those that the problem gives."""
    if not isinstance(problem.readout, str):
        return np.array(problem.readout, dtype=np.float64)
    rng = _generator(entropy, _READOUT)
    if problem.readout == "gaussian":
        return rng.standard_normal(problem.width)
    if problem.readout == "rademacher":
        return 2.0 * rng.integers(0, 2, problem.width) - 1.0
    return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), problem.width)


def _draw_batch(
    problem: Problem, step: int, entropy: int, kind: np.dtype[Any], run: MapRows
) -> DataSet:
    """Fresh inputs and their labels; the targets' directions are the first coordinate axes."""
    n = problem.samples[step]
    inputs = np.empty((n, problem.dim), kind)
    _fill_with_normals(inputs, entropy, _INPUTS[step], run)
    columns = np.array(inputs[:, : problem.n_directions].T, dtype=np.float64, order="C")
    labels = np.array(problem.target(*columns), dtype=np.float64)
    if problem.noise_std > 0:
        noise = _generator(entropy, _NOISE[step]).standard_normal(n)
        labels += problem.noise_std * noise
    return DataSet(inputs, labels.astype(kind))


def _fill_with_normals(
    out: Array,
    entropy: int,
    stream: int,
    run: MapRows,
    shape: Callable[[NDArray[np.float64]], None] | None = None,
) -> None:
    """Independent standard normals, every ``_STREAM_ROWS`` rows from a stream of their own.

    ``shape`` transforms these rows in place before they are rounded to the precision of ``out``.
    """

    piece_rows = max(1, _CACHE_ELEMENTS // out.shape[1])

    def fill(start: int) -> None:
        rng = _generator(entropy, stream, start // _STREAM_ROWS)
        stop = min(start + _STREAM_ROWS, out.shape[0])
        scratch = np.empty((piece_rows, out.shape[1]))
        for row in range(start, stop, piece_rows):
            target = out[row : min(row + piece_rows, stop)]
            rows = scratch[: target.shape[0]]
            rng.standard_normal(out=rows)
            if shape is not None:
                shape(rows)
            target[...] = rows

    run(fill, range(0, out.shape[0], _STREAM_ROWS))


def _entropy(problem: Problem, seed: int, index: int) -> int:
    """One number for (problem, seed, index); a hash, so that no two triples run together."""
    key = f"{problem.content_hash}/{seed}/{index}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")


def _generator(entropy: int, *stream: int) -> np.random.Generator:
    sequence = np.random.SeedSequence(entropy, spawn_key=stream)
    return np.random.Generator(np.random.SFC64(sequence))


@contextmanager
def _rows_in_parallel(threads: int) -> Iterator[MapRows]:
    """A function that runs ``task(row)`` for all rows, on this many threads."""
    if threads == 1:

        def one_by_one(task: Callable[[int], None], rows: Iterable[int]) -> None:
            for row in rows:
                task(row)

        yield one_by_one
        return
    with ThreadPoolExecutor(threads) as pool:

        def together(task: Callable[[int], None], rows: Iterable[int]) -> None:
            for _ in pool.map(task, rows):
                pass

        yield together


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _precision(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InvalidInputError(f"dtype must be float64 or float32, got {dtype!r}") from error
    if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise InvalidInputError(f"dtype must be float64 or float32, got {kind}")
    return kind


def _natural(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise InvalidInputError(f"{name} must be a non-negative integer, got {value!r}")
    return int(value)
