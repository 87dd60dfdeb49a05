"""Weights that a user brings: read, checked, and brought to one form."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.status import InvalidInputError

__all__ = ["GivenWeights", "RealArray", "WeightsLike", "checked_problem", "given_weights"]

RealArray: TypeAlias = NDArray[np.floating[Any]]
# An array, several of them, or a file.
WeightsLike: TypeAlias = "ArrayLike | Sequence[ArrayLike] | str | os.PathLike[str]"

# Between 1/N and 1: which of the two a mean square is nearer to tells a_i from g_i, unless N is
# so small that both look alike.
_TELLING_WIDTH = 16
_ORTHONORMAL = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class GivenWeights:
    """First-layer weights of ``k`` networks, with what is known of each.

    Attributes
    ----------
    matrices : tuple of k arrays (N, d)
        Finite, float64 or float32.
    readouts : array (k, N) or None
        The values ``g_i = sqrt(N) a_i`` of each network.
    directions : array (r, d) or None
        Orthonormal target directions in rows; None for the first ``r`` axes.
    """

    matrices: tuple[RealArray, ...]
    readouts: Array | None
    directions: Array | None

    def overlaps(self, right: RealArray, n_directions: int) -> Array:
        """Squared overlaps (m, r) of ``m`` right singular vectors, in columns, with the targets."""
        return np.square(self.along(right, n_directions).T)

    def along(self, right: RealArray, n_directions: int) -> Array:
        """Components (r,) or (r, m) of a vector, or of vectors in columns, along the targets."""
        vectors = np.asarray(right, dtype=np.float64)
        return vectors[:n_directions] if self.directions is None else self.directions @ vectors


def given_weights(
    problem: Problem,
    weights: WeightsLike,
    readout: ArrayLike | str | os.PathLike[str] | None = None,
    directions: ArrayLike | str | os.PathLike[str] | None = None,
) -> GivenWeights:
    """Read and check a user's weights.

    Parameters
    ----------
    problem : Problem
        What the networks were trained on.
    weights : array (N, d) or (k, N, d), list of arrays (N, d), or path
        A ``.npy`` file holds such an array. A ``.npz`` file holds it as ``weights``, or as its
        only array, and the readouts as ``readout`` if it has them. Pickled objects are not read.
    readout : array (N,) or (k, N), or path of a ``.npy`` file, optional
        The second layer ``a_i = g_i / sqrt(N)`` of each network; one for several networks is that
        of all.
    directions : array (r, d), or path of a ``.npy`` file, optional

    Raises
    ------
    InvalidInputError
        For anything else; the message names what was given and what is allowed.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem("tanh(z)", "z", width=3, dim=2, samples=50, steps=[Step(1, 0.25)])
    >>> given_weights(problem, np.ones((2, 3)))
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: weights must have the shape (width, dim) = (3, 2), got (2, 3):
    transpose them
    """
    checked_problem(problem)
    if isinstance(weights, str | os.PathLike):
        found = _read(Path(weights))
        weights, stored = found["weights"], found.get("readout")
        if stored is not None:
            if readout is not None:
                raise InvalidInputError(
                    "readout was given twice: as an argument, and as `readout` in the file of the "
                    "weights"
                )
            readout = stored
    if isinstance(readout, str | os.PathLike):
        readout = _read(Path(readout))["weights"]
    if isinstance(directions, str | os.PathLike):
        directions = _read(Path(directions))["weights"]
    matrices = _matrices(problem, weights)
    return GivenWeights(
        matrices,
        None if readout is None else _readouts(problem, readout, len(matrices)),
        None if directions is None else _directions(problem, directions),
    )


def checked_problem(problem: Problem) -> Problem:
    """The problem, if it is one."""
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    return problem


def _read(path: Path) -> Mapping[str, Any]:
    """Arrays of a file; the only one, or that of a ``.npy`` file, is called ``weights``."""
    try:
        # Opened here, so that it is closed whatever numpy makes of it.
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                return {"weights": loaded}
            names = list(loaded.files)
            if len(names) == 1:
                return {"weights": loaded[names[0]]}
            if "weights" not in names:
                raise InvalidInputError(
                    f"{path} must hold an array called weights, or a single array; it holds "
                    f"{', '.join(names) or 'none'}"
                )
            return {name: loaded[name] for name in ("weights", "readout") if name in names}
    except InvalidInputError:
        raise
    except FileNotFoundError as error:
        raise InvalidInputError(f"there is no file {path}") from error
    except OSError as error:
        reason = error.strerror or error
        raise InvalidInputError(f"{path} cannot be read: {reason}") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        raise InvalidInputError(
            f"{path} is not a complete .npy or .npz file of plain numbers (pickled objects are "
            "not read)"
        ) from error


def _matrices(problem: Problem, weights: Any) -> tuple[RealArray, ...]:
    shape = (problem.width, problem.dim)
    # A list of matrices may hold them in different types; an array is one or a stack of them.
    several = isinstance(weights, list | tuple) and len(weights) > 0 and np.ndim(weights[0]) == 2
    if several:
        stack = [_numbers("weights", one) for one in weights]
    else:
        array = _numbers("weights", weights)
        stack = list(array) if array.ndim == 3 else [array]
    if not stack:
        raise InvalidInputError("weights must hold at least one matrix, got none")
    for number, matrix in enumerate(stack):
        which = f"matrix {number} of the weights" if len(stack) > 1 else "weights"
        if matrix.shape != shape:
            advice = ": transpose them" if matrix.shape == shape[::-1] else ""
            raise InvalidInputError(
                f"{which} must have the shape (width, dim) = {shape}, got {matrix.shape}{advice}"
            )
        _check_entries(which, matrix)
    _check_different(stack)
    return tuple(stack)


def _check_entries(name: str, array: RealArray) -> None:
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise InvalidInputError(
            f"{name} must be finite, got {bad} infinite or undefined entries of {array.size}"
        )
    if not array.any():
        raise InvalidInputError(f"{name} must not be zero everywhere")


def _check_different(stack: Sequence[RealArray]) -> None:
    """A network given twice would pretend that networks do not scatter."""
    first: dict[bytes, int] = {}
    for number, matrix in enumerate(stack):
        other = first.setdefault(matrix[0].tobytes(), number)
        if other != number and np.array_equal(matrix, stack[other]):
            raise InvalidInputError(
                f"weights must be of different networks: matrices {other} and {number} are the same"
            )


def _readouts(problem: Problem, readout: Any, n_networks: int) -> Array:
    width = problem.width
    a = np.asarray(_numbers("readout", readout), dtype=np.float64)
    if a.shape == (1, width) or a.shape == (width,):
        a = np.broadcast_to(a.reshape(width), (n_networks, width))
    if a.shape != (n_networks, width):
        wanted = f"({width},)" if n_networks == 1 else f"({n_networks}, {width}) or ({width},)"
        raise InvalidInputError(
            f"readout must have the shape {wanted} for {n_networks} "
            f"{'matrix' if n_networks == 1 else 'matrices'} of weights, got {a.shape}"
        )
    _check_entries("readout", a)
    mean_square = float(np.mean(a**2))
    if width >= _TELLING_WIDTH and mean_square > 1 / math.sqrt(width):
        raise InvalidInputError(
            "readout must be the second layer a_i = g_i / sqrt(N), of mean square about 1/N = "
            f"{1 / width:.2g}; got mean square {mean_square:.2g}, which looks like g_i: divide it "
            "by sqrt(N)"
        )
    return np.asarray(a * math.sqrt(width))


def _directions(problem: Problem, directions: Any) -> Array:
    shape = (problem.n_directions, problem.dim)
    rows = np.atleast_2d(np.asarray(_numbers("directions", directions), dtype=np.float64))
    if rows.shape != shape:
        raise InvalidInputError(
            f"directions must have the shape (r, dim) = {shape}, a target direction in each row, "
            f"got {np.shape(directions)}"
        )
    _check_entries("directions", rows)
    off = float(np.abs(rows @ rows.T - np.eye(shape[0])).max())
    if off > _ORTHONORMAL:
        raise InvalidInputError(
            "directions must be orthonormal rows: their inner products differ from those of unit "
            f"vectors at right angles by up to {off:.2g}"
        )
    return rows


def _detached(value: Any) -> Any:
    """A tensor of PyTorch in main memory, without its gradient; anything else as it is."""
    return value.detach().cpu() if hasattr(value, "detach") else value


def _numbers(name: str, value: Any) -> RealArray:
    """Real numbers, in float64 unless they are float32."""
    try:
        array = np.asarray(_detached(value))
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InvalidInputError(f"{name} must be an array of numbers: {text}") from error
    if array.dtype.kind not in "fiu":
        kind = {"O": "objects", "c": "complex numbers", "b": "truth values"}.get(
            array.dtype.kind, str(array.dtype)
        )
        raise InvalidInputError(f"{name} must be an array of real numbers, got {kind}")
    if array.size == 0:
        raise InvalidInputError(f"{name} must not be empty, got shape {array.shape}")
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
