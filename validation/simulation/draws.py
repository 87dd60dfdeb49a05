"""What is random about a network: its initial weights, readout and data, each of its own stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rmt.arguments import integer, precision
from rmt.display import InNotebooks
from rmt.problem import Problem
from validation.simulation.devices import CPU, Device
from validation.simulation.threads import CACHE_ELEMENTS, MapRows

__all__ = [
    "DataSet",
    "entropy_of",
    "fresh_batch",
    "initial_weights",
    "sample_readout",
    "step_batch",
]

# A floating array of NumPy, or of the library of the device that the simulation runs on.
DeviceArray: TypeAlias = Any

# The random streams of a sample. A number once given to a stream stays with it: changing one
# would change every sample ever drawn.
_WEIGHTS, _READOUT = 0, 1
_INPUTS = (2, 3)
_NOISE = (4, 5)
_LATER = 10  # inputs and noise of the third batch, and two more for each after it
_FRESH = {"train": (6, 7), "test": (8, 9)}

# Rows drawn from one random stream. Fixed, so that who draws which rows never matters.
_STREAM_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class DataSet(InNotebooks):
    """One batch of training data.

    Attributes
    ----------
    inputs : array (n, d)
        ``X``, iid standard normal.
    labels : array (n,)
        ``y_j = f(x_j1, .., x_jr) + eps_j``.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> batch = simulate(problem).batches[0]
    >>> batch.inputs.shape, batch.labels.shape, bool((batch.labels == batch.inputs[:, 0]).all())
    ((80, 40), (80,), True)
    """

    inputs: DeviceArray
    labels: DeviceArray

    def __str__(self) -> str:
        return f"DataSet of {self.inputs.shape[0]} samples in dimension {self.inputs.shape[1]}"


def initial_weights(
    problem: Problem, entropy: int, kind: np.dtype[Any], run: MapRows
) -> DeviceArray:
    """``W_0``: rows uniform on the unit sphere, or ``N(0, I_d / d)``."""
    weights = np.empty((problem.width, problem.dim), kind)

    def shape(rows: NDArray[np.float64]) -> None:
        if problem.init == "sphere":
            rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        else:
            rows /= np.sqrt(problem.dim)

    _fill_with_normals(weights, entropy, _WEIGHTS, run, shape)
    return weights


def sample_readout(problem: Problem, seed: int = 0, index: int = 0) -> NDArray[np.float64]:
    """The values ``g_i`` of one sample's readout, without simulating the rest of it.

    Parameters
    ----------
    problem, seed, index
        As in `simulate`.

    Returns
    -------
    array (N,)
        Of mean 0 and variance 1 in law; or the values that the problem gives.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", width=30, dim=20, samples=50, steps=[Step(1, 0.25)])
    >>> bool((sample_readout(problem, seed=1) == simulate(problem, seed=1).readout).all())
    True
    """
    if not isinstance(problem.readout, str):
        given: NDArray[np.float64] = np.array(problem.readout, dtype=np.float64)
        return given
    entropy = entropy_of(problem, seed, index)
    rng = _generator(entropy, _READOUT)
    draws: dict[str, Callable[[int], NDArray[np.float64]]] = {
        "gaussian": rng.standard_normal,
        "rademacher": lambda n: np.asarray(2.0 * rng.integers(0, 2, n) - 1.0),
        "uniform": lambda n: rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), n),
    }
    return draws[problem.readout](problem.width)


def fresh_batch(
    problem: Problem,
    seed: int,
    index: int,
    size: int,
    purpose: Literal["train", "test"],
    dtype: DTypeLike = np.float64,
) -> DataSet:
    """Data that the steps of a sample have not seen, from random streams of its own.

    Parameters
    ----------
    problem, seed, index, dtype
        As in `simulate`.
    size : int
        How many samples; a smaller batch holds the first of a larger one.
    purpose : {"train", "test"}
        Two batches that are independent of each other.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=30, dim=20, samples=50, steps=[Step(1, 0.25)])
    >>> fresh_batch(problem, 0, 0, 70, "train").inputs.shape
    (70, 20)
    """
    entropy = entropy_of(problem, seed, index)
    streams, kind = _FRESH[purpose], np.dtype(precision(dtype))
    return _draw_batch(problem, integer("size", size), streams, entropy, kind, CPU, map)


def step_batch(
    problem: Problem, batch: int, entropy: int, kind: np.dtype[Any], place: Device, run: MapRows
) -> DataSet:
    """A batch of the schedule, counted from 0."""
    later = _LATER + 2 * (batch - len(_INPUTS))
    streams = (_INPUTS[batch], _NOISE[batch]) if batch < len(_INPUTS) else (later, later + 1)
    return _draw_batch(problem, problem.samples[batch], streams, entropy, kind, place, run)


def _draw_batch(
    problem: Problem,
    n: int,
    streams: tuple[int, int],
    entropy: int,
    kind: np.dtype[Any],
    place: Device,
    run: MapRows,
) -> DataSet:
    """Fresh inputs and their labels; the targets' directions are the first coordinate axes."""
    inputs = np.empty((n, problem.dim), kind)
    _fill_with_normals(inputs, entropy, streams[0], run)
    columns = np.array(inputs[:, : problem.n_directions].T, dtype=np.float64, order="C")
    labels = np.array(problem.target(*columns), dtype=np.float64)
    if problem.noise_std > 0:
        noise = _generator(entropy, streams[1]).standard_normal(n)
        labels += problem.noise_std * noise
    return DataSet(place.asarray(inputs), place.asarray(labels.astype(kind)))


def _fill_with_normals(
    out: DeviceArray,
    entropy: int,
    stream: int,
    run: MapRows,
    shape: Callable[[NDArray[np.float64]], None] | None = None,
) -> None:
    """Independent standard normals, every ``_STREAM_ROWS`` rows from a stream of their own.

    ``shape`` transforms these rows in place before they are rounded to the precision of ``out``.
    """
    piece_rows = max(1, CACHE_ELEMENTS // out.shape[1])

    def fill(start: int) -> None:
        rng = _generator(entropy, stream, start // _STREAM_ROWS)
        stop = min(start + _STREAM_ROWS, out.shape[0])
        rounded = out.dtype != np.float64
        scratch = np.empty((piece_rows, out.shape[1])) if rounded else out
        for row in range(start, stop, piece_rows):
            target = out[row : min(row + piece_rows, stop)]
            rows = scratch[: target.shape[0]] if rounded else target
            rng.standard_normal(out=rows)
            if shape is not None:
                shape(rows)
            if rounded:
                target[...] = rows

    for _ in run(fill, range(0, out.shape[0], _STREAM_ROWS)):
        pass


def entropy_of(problem: Problem, seed: int, index: int) -> int:
    """One number for (problem, seed, index); a hash, so that no two triples run together.

    Raises
    ------
    InvalidInputError
        For a negative seed or index.
    """
    seed, index = integer("seed", seed), integer("index", index)
    key = f"{problem.content_hash}/{seed}/{index}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")


def _generator(entropy: int, *stream: int) -> np.random.Generator:
    sequence = np.random.SeedSequence(entropy, spawn_key=stream)
    return np.random.Generator(np.random.SFC64(sequence))
