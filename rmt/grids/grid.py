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
from rmt.vocabulary import TEXTS

__all__ = ["Grid", "Over", "actual_value", "grid", "parameters", "problem_at", "schedule_text"]

Over: TypeAlias = Mapping[str | tuple[str, ...], Any]

_OF_ALL = ("noise_std", "width", "aspect_ratio", "samples_per_dim")


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
    """The names that a sweep of a problem may run over.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 300, 200, 500, [(1, 0.25)])
    >>> parameters(p)[:4], parameters(p.with_n_steps(3))[:4]
    (('alpha_1', 'scale_1', 'noise_std', 'width'), ('alpha_1', 'alpha_2', 'alpha_3', 'scale_1'))
    """
    of_steps = [f"{kind}_{s + 1}" for kind in ("alpha", "scale") for s in range(problem.n_steps)]
    batches = len(problem.samples) if problem.n_steps > 1 else 0
    of_batches = [f"samples_per_dim_{b + 1}" for b in range(batches)]
    return (*of_steps, *_OF_ALL, *of_batches, "n_steps", *TEXTS)


def _listed(names: Sequence[str]) -> str:
    """The names between commas, without those of the steps between the second and the last."""
    shown = []
    for name, following in zip(names, [*names[1:], ""], strict=True):
        kind, _, step = name.rpartition("_")
        if not (step.isdigit() and int(step) > 2):
            shown.append(name)
        elif not following.startswith(f"{kind}_"):
            shown += [".."] * (int(step) > 3) + [name]
    return ", ".join(shown)


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
                    f"over: unknown parameter {name!r}; the parameters{step} are {_listed(allowed)}"
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
    of_one = [name for name in axes if name.startswith("samples_per_dim_")]
    if "samples_per_dim" in axes and of_one:
        raise InvalidInputError(
            f"over: samples_per_dim sets all batches; give either it or {' and '.join(of_one)}"
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
        kind = "schedules" if name == "steps" else "texts"
        raise InvalidInputError(f"over: {name} takes a list of {kind}, got {values!r}")
    texts = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        if name == "steps":
            texts[i] = schedule_text(value)
            continue
        functions = name in ("activation", "target")
        if functions and not isinstance(value, str):
            value = ScalarFunction.parse(value).text
        if not isinstance(value, str):
            kind = "a text or a function" if functions else "a text"
            raise InvalidInputError(f"over: each {name} must be {kind}, got {type(value).__name__}")
        texts[i] = str(value)
    texts.flags.writeable = False
    return texts


def schedule_text(schedule: Any) -> str:
    """The steps of a schedule as a text: ``"SCALE,EXPONENT[,DECAY]"`` of each, between spaces.

    Parameters
    ----------
    schedule : str, Step or sequence of Step or of two or three numbers

    Raises
    ------
    InvalidInputError
        For anything else. Numbers out of range are left to the problem.

    Examples
    --------
    >>> schedule_text([Step(2, 0.3), (4, 0.25)]), schedule_text("2.0,0.3  4,.25")
    ('2,0.3 4,0.25', '2,0.3 4,0.25')
    """
    try:
        if isinstance(schedule, str):
            parts: list[Any] = [part.split(",") for part in schedule.split()]
        else:
            steps = [schedule] if isinstance(schedule, Step) else list(schedule)
            parts = [s.to_list() if isinstance(s, Step) else tuple(s) for s in steps]
        numbers = [tuple(map(float, part)) for part in parts]
        numbers = numbers if all(len(one) in (2, 3) for one in numbers) else []
    except (TypeError, ValueError):
        numbers = []
    if not numbers:
        raise InvalidInputError(
            "over: each of steps must be a schedule, such as [(2, 0.3), (2, 0.3)] or the text "
            f"'2,0.3 2,0.3'; got {schedule!r}"
        )
    return " ".join(",".join(repr(x).removesuffix(".0") for x in one) for one in numbers)


def _with_schedule(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """The problem with the steps that ``steps`` and ``n_steps`` name."""
    if "steps" in values:
        steps = [Step(*map(float, pair.split(","))) for pair in values["steps"].split()]
        problem = problem.replace(steps=steps)
    if "n_steps" in values:
        n = values["n_steps"]
        problem = problem.with_n_steps(int(n) if n == n // 1 else n)
    return problem


def problem_at(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """A problem with some parameters changed.

    A width is rounded to an integer. What it leaves open keeps its ratio: ``d`` follows ``N`` at
    the same (or the given) ``N/d``, and ``n`` follows ``d`` at the same (or the given) ``n/d``,
    each rounded to the nearest integer. Steps and their number are set first.

    Raises
    ------
    InvalidInputError
        For values out of range, and for those of a step or batch that the problem then has not.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 300, 200, 500, [(1, 0.25), (1, 0.3)])
    >>> big = problem_at(p, {"width": 999.6, "alpha_2": 0.45})
    >>> big.width, big.dim, big.samples, big.steps[1].exponent
    (1000, 667, (1668, 1668), 0.45)
    """
    texts = (name for name in TEXTS if name in values and name != "steps")
    changes: dict[str, Any] = {name: values[name] for name in texts}
    problem = _with_schedule(problem, values)
    for name in values:
        kind, _, number = name.rpartition("_")
        most = len(problem.samples) if kind == "samples_per_dim" else problem.n_steps
        if number.isdigit() and int(number) > most:
            what = "batches" if kind == "samples_per_dim" else "steps"
            raise InvalidInputError(f"{name} is given for a problem with {most} {what}")
    if "noise_std" in values:
        changes["noise_std"] = values["noise_std"]
    changes["steps"] = [
        Step(
            values.get(f"scale_{s}", step.scale),
            values.get(f"alpha_{s}", step.exponent),
            step.weight_decay,
        )
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
        return problem.batch_text
    if name == "steps":
        return schedule_text(problem.steps)
    if name == "n_steps":
        return float(problem.n_steps)
    if name in ("noise_std", "width", "aspect_ratio"):
        return float(getattr(problem, name))
    kind, _, step = name.rpartition("_")
    s = int(step) - 1 if step.isdigit() else 0
    if s >= (problem.n_steps if kind in ("alpha", "scale") else len(problem.samples)):
        return math.nan  # where the number of steps varies
    if kind in ("alpha", "scale"):
        return float(problem.steps[s].exponent if kind == "alpha" else problem.steps[s].scale)
    return problem.samples[s] / problem.dim
