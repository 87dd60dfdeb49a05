"""The axes of a sweep, and the problem at each point of their grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array
from rmt.frames import rows_of
from rmt.functions import ScalarFunction
from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from rmt.vocabulary import NUMBERS, TEXTS

__all__ = ["Grid", "Over", "actual_value", "grid", "parameters", "problem_at"]

Over: TypeAlias = Mapping[str | tuple[str, ...], Any]

_OF_STEP_2 = ("alpha_2", "scale_2", "samples_per_dim_1", "samples_per_dim_2")


@dataclass(frozen=True, slots=True)
class Grid:
    """Axes of a sweep.

    Attributes
    ----------
    dims : tuple of tuples of str
        The names that vary along each dimension of the grid; several where axes are zipped.
    axes : dict of str to array of shape (n,)
        The values of each name: floats, or texts (dtype object).
    """

    dims: tuple[tuple[str, ...], ...]
    axes: dict[str, NDArray[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""
        return tuple(self.axes[names[0]].size for names in self.dims)

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """The values of each name at every point, in arrays of the grid's shape."""
        at = np.indices(self.shape)
        return {
            name: self.axes[name][index]
            for names, index in zip(self.dims, at, strict=True)
            for name in names
        }

    def points(self) -> list[dict[str, Any]]:
        """The values at every point, the last dimension fastest; one point without any axis."""
        return rows_of(self.coordinates()) if self.dims else [{}]


def parameters(problem: Problem) -> tuple[str, ...]:
    """The names that a sweep of a problem may run over."""
    one_step = len(problem.steps) == 1
    return tuple(n for n in NUMBERS + TEXTS if not (one_step and n in _OF_STEP_2))


def grid(problem: Problem, over: Over) -> Grid:
    """Check the axes of a sweep.

    Raises
    ------
    InvalidInputError
        For an unknown name, a name given twice, or values that are not one-dimensional and of the
        right kind. Values out of range are left to the point that has them.
    """
    if not isinstance(over, Mapping) or not over:
        raise InvalidInputError(
            "over must map names of parameters to one-dimensional arrays, such as "
            f"{{'alpha_2': [0.1, 0.2]}}; got {over!r}"
        )
    allowed = parameters(problem)
    dims: list[tuple[str, ...]] = []
    axes: dict[str, NDArray[Any]] = {}
    for key, given in over.items():
        names = key if isinstance(key, tuple) else (key,)
        for name in names:
            if name not in allowed:
                step = " of a problem with one step" if len(problem.steps) == 1 else ""
                raise InvalidInputError(
                    f"over: unknown parameter {name!r}; the parameters{step} are "
                    f"{', '.join(allowed)}"
                )
            if name in axes or names.count(name) > 1:
                raise InvalidInputError(f"over: the parameter {name} is given twice")
        columns = given if isinstance(key, tuple) else (given,)
        if not names or not isinstance(columns, Sequence | np.ndarray) or isinstance(columns, str):
            raise InvalidInputError(
                f"over: zipped parameters {key!r} take one array each, got {given!r}"
            )
        if len(columns) != len(names):
            raise InvalidInputError(
                f"over: the zipped parameters {', '.join(names)} take {len(names)} arrays, "
                f"got {len(columns)}"
            )
        for name, column in zip(names, columns, strict=True):
            axes[name] = _texts(name, column) if name in TEXTS else _numbers(name, column)
        if len({axes[name].size for name in names}) > 1:
            sizes = ", ".join(str(axes[name].size) for name in names)
            raise InvalidInputError(
                f"over: the zipped parameters {', '.join(names)} need arrays of one length, "
                f"got {sizes}"
            )
        dims.append(names)
    if "samples_per_dim" in axes and {"samples_per_dim_1", "samples_per_dim_2"} & set(axes):
        raise InvalidInputError(
            "over: samples_per_dim sets both batches; give either it or samples_per_dim_1 and "
            "samples_per_dim_2"
        )
    return Grid(tuple(dims), axes)


def _numbers(name: str, values: Any) -> Array:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiuO":
            raise ValueError
        numbers = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(())
    if numbers.ndim != 1 or numbers.size == 0:
        raise InvalidInputError(
            f"over: {name} takes a one-dimensional array of real numbers, got {values!r}"
        )
    numbers = numbers.copy()
    numbers.flags.writeable = False
    return numbers


def _texts(name: str, values: Any) -> NDArray[Any]:
    few = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
    if not few or len(values) == 0:
        raise InvalidInputError(f"over: {name} takes a list of texts, got {values!r}")
    texts = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        functions = name in ("activation", "target")
        if functions and not isinstance(value, str):
            value = ScalarFunction.parse(value).text
        if not isinstance(value, str):
            kind = "a text or a function" if functions else "a text"
            raise InvalidInputError(f"over: each {name} must be {kind}, got {type(value).__name__}")
        texts[i] = str(value)
    texts.flags.writeable = False
    return texts


def problem_at(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """A problem with some parameters changed.

    A width is rounded to an integer. What it leaves open keeps its ratio: ``d`` follows ``N`` at
    the same (or the given) ``N/d``, and ``n`` follows ``d`` at the same (or the given) ``n/d``,
    each rounded to the nearest integer.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 300, 200, 500, [(1, 0.25), (1, 0.3)])
    >>> big = problem_at(p, {"width": 999.6, "alpha_2": 0.45})
    >>> big.width, big.dim, big.samples, big.steps[1].exponent
    (1000, 667, (1668, 1668), 0.45)
    """
    changes: dict[str, Any] = {name: values[name] for name in TEXTS if name in values}
    if "noise_std" in values:
        changes["noise_std"] = values["noise_std"]
    changes["steps"] = [
        Step(values.get(f"scale_{s}", step.scale), values.get(f"alpha_{s}", step.exponent))
        for s, step in enumerate(problem.steps, 1)
    ]
    width, dim = problem.width, problem.dim
    if "width" in values:
        width = round(_positive("width", values["width"]))
    if "width" in values or "aspect_ratio" in values:
        aspect_ratio = Fraction(problem.width, problem.dim)
        if "aspect_ratio" in values:
            aspect_ratio = _positive("aspect_ratio", values["aspect_ratio"])
        dim = max(1, round(width / aspect_ratio))
    samples = []
    for s, n in enumerate(problem.samples, 1):
        ratio = Fraction(n, problem.dim)
        for name in ("samples_per_dim", f"samples_per_dim_{s}"):
            if name in values:
                ratio = _positive(name, values[name])
        samples.append(max(1, round(ratio * dim)))
    return problem.replace(width=width, dim=dim, samples=samples, **changes)


def _positive(name: str, value: float) -> Fraction:
    if not 0 < value < math.inf:
        raise InvalidInputError(f"{name} must be positive and finite, got {value!r}")
    return Fraction(value)


def actual_value(problem: Problem, name: str) -> Any:
    """The value of a parameter, as rounding has left it.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 300, 200, (500, 800), [(1, 0.25), (1, 0.3)])
    >>> [actual_value(p, name) for name in ("width", "aspect_ratio", "samples_per_dim_2")]
    [300.0, 1.5, 4.0]
    """
    if name in ("activation", "target"):
        return getattr(problem, name).text
    if name == "readout":
        return problem.readout if isinstance(problem.readout, str) else "given"
    if name == "batch":
        return problem.batch
    if name in ("noise_std", "width", "aspect_ratio"):
        return float(getattr(problem, name))
    kind, _, step = name.rpartition("_")
    s = int(step) - 1 if step in ("1", "2") else 0
    if kind in ("alpha", "scale"):
        return float(problem.steps[s].exponent if kind == "alpha" else problem.steps[s].scale)
    return problem.samples[s] / problem.dim
