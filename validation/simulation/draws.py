"""What is random about a network: its initial weights, readout and data, each of its own stream."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rmt.arguments import integer, precision
from rmt.display import InNotebooks
from rmt.problem import Problem
from rmt.problem.labels import Law
from rmt.status import InvalidInputError
from validation.simulation.devices import CPU, Device
from validation.simulation.threads import CACHE_ELEMENTS, MapRows

__all__ = [
    "DataSet",
    "check_drawable",
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
        ``y_j = f(x_j1, .., x_jr) + eps_j``, or drawn from the problem's law of labels given these.

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
    """``W_0``: rows uniform on the unit sphere, or ``N(0, I_d / d)``; antisymmetric: half of them.

    The other half then is the same again.
    """
    weights = np.empty((problem.width, problem.dim), kind)

    def shape(rows: NDArray[np.float64]) -> None:
        if problem.init == "sphere":
            rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        else:
            rows /= np.sqrt(problem.dim)

    drawn = _drawn_neurons(problem)
    _fill_with_normals(weights[:drawn], entropy, _WEIGHTS, run, shape)
    weights[drawn:] = weights[: problem.width - drawn]
    return weights


def _drawn_neurons(problem: Problem) -> int:
    """The neurons that nothing else decides: all of them, or one of each antisymmetric pair."""
    return problem.width // 2 if problem.initialisation == "antisymmetric" else problem.width


def sample_readout(problem: Problem, seed: int = 0, index: int = 0) -> NDArray[np.float64]:
    r"""The values ``g_i`` of one sample's readout, without simulating the rest of it.

    Parameters
    ----------
    problem, seed, index
        As in `simulate`.

    Returns
    -------
    array (N,)
        Of mean 0 and variance 1 in law; or the values that the problem gives. Antisymmetric: the
        second half is minus the first. Where ``readout_sum`` is given, from the law conditioned on
        ``sum_i a_i = A`` exactly (to rounding): for the Gaussian law that is

        .. math:: g_i = \hat g_i - \frac1N \sum_j \hat g_j + \frac{A}{\sqrt N}

        with independent standard normal ``\hat g``, for the Rademacher law ``(N + A \sqrt N) / 2``
        ones at random places.

    Raises
    ------
    InvalidInputError
        For a ``readout_sum`` that the law's readouts cannot have, or not be drawn with exactly; for
        a negative seed or index.

    Notes
    -----
    docs/losses.md, output of order one: predictions are conditional on ``A``. Without
    ``readout_sum`` every network has one of its own.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", width=30, dim=20, samples=50, steps=[Step(1, 0.25)])
    >>> bool((sample_readout(problem, seed=1) == simulate(problem, seed=1).readout).all())
    True
    >>> g = sample_readout(problem.replace(output_scale=1, readout_sum=0.5))
    >>> round(float(g.sum()) / 30**0.5, 12)
    0.5
    """
    if not isinstance(problem.readout, str):
        given: NDArray[np.float64] = np.array(problem.readout, dtype=np.float64)
        return given
    check_drawable(problem)
    rng, width = _generator(entropy_of(problem, seed, index), _READOUT), problem.width
    total = problem.readout_sum
    if total is not None and problem.readout == "rademacher":
        ones = round(_ones(problem, total))
        return rng.permuted(np.repeat([1.0, -1.0], [ones, width - ones]))
    draws: dict[str, Callable[[int], NDArray[np.float64]]] = {
        "gaussian": rng.standard_normal,
        "rademacher": lambda n: np.asarray(2.0 * rng.integers(0, 2, n) - 1.0),
        "uniform": lambda n: rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), n),
    }
    drawn = draws[problem.readout](_drawn_neurons(problem))
    if drawn.size < width:
        return np.concatenate([drawn, -drawn])
    return drawn if total is None else drawn - drawn.mean() + total / math.sqrt(width)


def check_drawable(problem: Problem) -> None:
    """Raise unless readouts of the problem's ``readout_sum``, if it has one, can be drawn exactly.

    Raises
    ------
    InvalidInputError
        Says what sums there are.

    Examples
    --------
    >>> from rmt import Problem
    >>> p = Problem("erf(z)", "z", 20, 20, 50, [(1, 0)], output_scale=1, readout_sum=0.5)
    >>> check_drawable(p)
    >>> check_drawable(p.replace(readout="uniform"))
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: readout_sum: networks of a given sum of the readout are drawn for
    readout='gaussian' and 'rademacher', got 'uniform'; without it every network has its own sum
    """
    total = problem.readout_sum
    if total is None or problem.readout == "gaussian":
        return
    if problem.readout == "uniform":
        raise InvalidInputError(
            "readout_sum: networks of a given sum of the readout are drawn for readout='gaussian' "
            "and 'rademacher', got 'uniform'; without it every network has its own sum"
        )
    ones = _ones(problem, total)
    if abs(ones - round(ones)) > 1e-6 or not 0 <= round(ones) <= problem.width:
        root = math.sqrt(problem.width)
        nearest = [min(max(n, 0), problem.width) for n in (math.floor(ones), math.ceil(ones))]
        sums = " and ".join(
            f"{(2 * n - problem.width) / root:.10g}" for n in dict.fromkeys(nearest)
        )
        raise InvalidInputError(
            f"readout_sum: {problem.width} values +1 and -1 over sqrt(width) do not add up to "
            f"{total:g}; the nearest sums are {sums}"
        )


def _ones(problem: Problem, total: float) -> float:
    """How many of the readouts +1 and -1 are +1."""
    return (problem.width + total * math.sqrt(problem.width)) / 2.0


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
    if problem.labels is not None:
        labels = _drawn_labels(problem.labels, columns, entropy, streams[1])
    else:
        labels = np.array(problem.target(*columns), dtype=np.float64)
        if problem.noise_std > 0:
            noise = _generator(entropy, streams[1]).standard_normal(n)
            labels += problem.noise_std * noise
    return DataSet(place.asarray(inputs), place.asarray(labels.astype(kind)))


def _drawn_labels(
    law: Law, z: NDArray[np.float64], entropy: int, stream: int
) -> NDArray[np.float64]:
    """Labels of a law at points of shape (r, n), every ``_STREAM_ROWS`` from a stream of their own.

    A law may draw several arrays one after the other. So that a smaller batch has the first labels
    of a larger one nonetheless, all pieces are drawn in full, the last one beyond its end.
    """
    labels = np.empty(z.shape[1])
    for start in range(0, labels.size, _STREAM_ROWS):
        piece = z[:, start : start + _STREAM_ROWS]
        count = piece.shape[1]
        whole = np.pad(piece, ((0, 0), (0, _STREAM_ROWS - count)), mode="edge")
        rng = _generator(entropy, stream, start // _STREAM_ROWS)
        labels[start : start + count] = law.draw(whole, rng)[:count]
    return labels


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
