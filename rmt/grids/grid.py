"""The axes of a sweep, and the problem at each point of their grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rmt.arguments import checked_choice, is_sequence
from rmt.frames import rows_of
from rmt.functions import ScalarFunction
from rmt.problem import Bernoulli, Channel, Loss, Poisson, Problem, SignOf, Step
from rmt.problem.law_texts import is_law, law_text, read_law
from rmt.status import InvalidInputError
from rmt.vocabulary import TEXTS, Batch, Init, Initialisation, ReadoutLaw

__all__ = ["Grid", "Over", "actual_value", "grid", "parameters", "problem_at", "schedule_text"]

Over: TypeAlias = Mapping[str | tuple[str, ...], Any]

_OF_STEPS = ("alpha", "scale", "weight_decay")
_OF_BATCHES = ("samples", "samples_per_dim")
# Numbers that may be None; an axis with one is no line, and has ticks with labels.
_OR_NONE = ("output_scale", "readout_sum")
_OF_ALL = ("noise_std", "width", "dim", "aspect_ratio", *_OF_BATCHES, *_OR_NONE)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Grid:
    """Axes of a sweep.

    Attributes
    ----------
    dims : tuple of tuples of str
        The names that vary along each dimension of the grid; several where axes are zipped.
    axes : dict of str to array of shape (n,)
        The values of each name: floats, or texts (dtype object); floats and None in an axis of
        numbers that may be None.
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
    (('alpha_1', 'scale_1', 'weight_decay_1', 'noise_std'),
     ('alpha_1', 'alpha_2', 'alpha_3', 'scale_1'))
    """
    of_steps = [f"{kind}_{s + 1}" for kind in _OF_STEPS for s in range(problem.n_steps)]
    batches = len(problem.samples) if problem.n_steps > 1 else 0
    of_batches = [f"{kind}_{b + 1}" for kind in _OF_BATCHES for b in range(batches)]
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
                    f"over: unknown parameter {name!r}{_meant(name, allowed)}; the parameters"
                    f"{step} are {_listed(allowed)}"
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
    _check_sizes(list(axes))
    return Grid(tuple(dims), axes)


# What papers call them.
_SYMBOLS = {"n": "samples", "d": "dim", "N": "width", "lr": "scale_1", "eta": "scale_1"}


def _meant(name: Any, allowed: Sequence[str]) -> str:
    """A question, where one of the names is like it."""
    given = str(name)
    begun = [one for one in allowed if one.startswith(given)]
    found = [_SYMBOLS[given]] if given in _SYMBOLS else begun
    found = found or get_close_matches(given, allowed, 1, cutoff=0.75)
    return f" (did you mean {found[0]}?)" if len(found) == 1 else ""


def _check_sizes(names: Sequence[str]) -> None:
    """Raise where two of the names say the same."""
    if "dim" in names and "aspect_ratio" in names:
        raise InvalidInputError(
            "over: at a given width dim and aspect_ratio are the same; give either of them"
        )
    of_samples = [one for one in names if one.startswith("samples") and one not in _OF_BATCHES]
    of_all = [name for name in _OF_BATCHES if name in names]
    if of_all and len(of_all) + len(of_samples) > 1:
        other = of_all[1] if len(of_all) > 1 else " and ".join(of_samples)
        raise InvalidInputError(f"over: {of_all[0]} sets all batches; give either it or {other}")
    batches = [one.rpartition("_")[2] for one in of_samples]
    if len(set(batches)) < len(batches):
        raise InvalidInputError(f"over: of {' and '.join(of_samples)} give one for each batch")


def _numbers(name: str, values: Any) -> NDArray[Any]:
    several = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
    has_none = several and any(value is None for value in values)
    if has_none and name in _OR_NONE:
        given = [value for value in values if value is not None]
        if given:  # which must be numbers
            _numbers(name, given)
        return _texts_of([None if value is None else float(value) for value in values])
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiuO" or has_none:
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
    return _texts_of([_text(name, value) for value in values])


# What a problem refuses whatever else it is: said before anything is computed.
_CHOICES: dict[str, tuple[str, ...]] = {
    "batch": get_args(Batch),
    "readout": get_args(ReadoutLaw),
    "init": get_args(Init),
    "initialisation": get_args(Initialisation),
}


def _texts_of(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    array.flags.writeable = False
    return array


def _text(name: str, value: Any) -> str:
    """A value of an axis of texts; the problem that it is for reads it, and may refuse it."""
    if name == "steps":
        return schedule_text(value)
    if isinstance(value, str):
        text = batches_text(value) if name == "batch" else str(value)
        if name in _CHOICES and not (name == "batch" and _batches(text) != text):
            checked_choice(f"over: each {name}", text, _CHOICES[name])
        return text
    expected = "a text"
    if name in ("activation", "target"):
        if isinstance(value, Bernoulli | Channel | Poisson | SignOf) and name == "target":
            return law_text(value)
        try:
            return ScalarFunction.parse(value).text
        except InvalidInputError:
            expected = "a text or a function"
    if name == "loss":
        expected = "a text or a Loss"
        if isinstance(value, Loss):
            return value.text
    if name == "batch":
        expected = "a text or the number of the batch of each step"
        if is_sequence(value):
            return batches_text(value)
    raise InvalidInputError(f"over: each {name} must be {expected}, got {type(value).__name__}")


def batches_text(schedule: Any) -> str:
    """Which batch each step uses, as letters; a word stays as it is.

    Examples
    --------
    >>> batches_text((0, 0, 1)), batches_text("0, 0, 1"), batches_text("reused")
    ('AAB', 'AAB', 'reused')
    """
    if isinstance(schedule, str) and "," not in schedule:
        return schedule
    parts = schedule.split(",") if isinstance(schedule, str) else schedule
    try:
        numbers = [int(part) for part in parts]
        if min(numbers) < 0 or any(a != b for a, b in zip(numbers, map(float, parts), strict=True)):
            raise ValueError
    except (TypeError, ValueError):
        raise InvalidInputError(
            "over: each batch must be one of the words reused and independent, or the number of "
            f"the batch that each step uses, such as (0, 0, 1); got {schedule!r}"
        ) from None
    if max(numbers) < len(_LETTERS):
        return "".join(_LETTERS[b] for b in numbers)
    return ",".join(map(str, numbers))


def _batches(text: str) -> str | tuple[int, ...]:
    """What a `Problem` takes."""
    if "," in text:
        return tuple(int(part) for part in text.split(","))
    if text and set(text) <= set(_LETTERS):
        return tuple(_LETTERS.index(letter) for letter in text)
    return text


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
    """The problem with the steps and batches that ``steps``, ``batch`` and ``n_steps`` name."""
    changes: dict[str, Any] = {}
    if "steps" in values:
        changes["steps"] = [Step(*map(float, p.split(","))) for p in values["steps"].split()]
    if "batch" in values:
        changes["batch"] = _batches(values["batch"])
    if changes:
        problem = problem.replace(**changes)
    if "n_steps" in values:
        n = values["n_steps"]
        problem = problem.with_n_steps(int(n) if n == n // 1 else n)
    return problem


def problem_at(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """A problem with some parameters changed.

    Sizes are rounded to integers. ``dim`` and ``samples`` are the fields of these names, and leave
    the others as they are. What is left open by a ``width`` or a ratio keeps its ratio: ``d``
    follows ``N`` at the same (or the given) ``N/d``, and ``n`` follows ``d`` at the same (or the
    given) ``n/d``. Steps, their number and their batches are set first.

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
    >>> other = problem_at(p, {"dim": 400, "loss": "huber(1)"})
    >>> other.width, other.dim, other.samples, other.loss.text
    (300, 400, (500, 500), 'huber(1)')
    """
    problem = _with_schedule(problem, values)
    for name in values:
        kind, _, number = name.rpartition("_")
        of_batches = kind in _OF_BATCHES
        most = len(problem.samples) if of_batches else problem.n_steps
        if number.isdigit() and int(number) > most:
            what = "batches" if of_batches else "steps"
            raise InvalidInputError(f"{name} is given for a problem with {most} {what}")
    changes = {name: values[name] for name in _AS_THEY_ARE if name in values}
    if is_law(str(changes.get("target", ""))):
        changes["target"] = read_law(changes["target"])
    changes["steps"] = [
        Step(
            values.get(f"scale_{s}", step.scale),
            values.get(f"alpha_{s}", step.exponent),
            values.get(f"weight_decay_{s}", step.weight_decay),
        )
        for s, step in enumerate(problem.steps, 1)
    ]
    width, dim = _width_and_dim(problem, values)
    samples = _samples(problem, values, dim)
    return problem.replace(width=width, dim=dim, samples=samples, **changes)


# Texts and numbers that a `Problem` takes under their own names.
_AS_THEY_ARE = (
    *("activation", "target", "readout", "init", "loss", "initialisation"),
    *("noise_std", *_OR_NONE),
)


def _width_and_dim(problem: Problem, values: Mapping[str, Any]) -> tuple[int, int]:
    width, dim = problem.width, problem.dim
    if "width" in values:
        width = round(_positive("width", values["width"]))
    if "dim" in values:
        return width, round(_positive("dim", values["dim"]))
    if "width" in values or "aspect_ratio" in values:
        aspect_ratio = Fraction(problem.width, problem.dim)
        if "aspect_ratio" in values:
            aspect_ratio = _positive("aspect_ratio", values["aspect_ratio"])
        dim = max(1, round(width / aspect_ratio))
    return width, dim


def _samples(problem: Problem, values: Mapping[str, Any], dim: int) -> list[int]:
    """Of each batch."""
    keeps_ratio = "width" in values or "aspect_ratio" in values
    samples = []
    for b, n in enumerate(problem.samples, 1):
        count = max(1, round(Fraction(n, problem.dim) * dim)) if keeps_ratio else n
        for name in ("samples_per_dim", f"samples_per_dim_{b}"):
            if name in values:
                count = max(1, round(_positive(name, values[name]) * dim))
        for name in ("samples", f"samples_{b}"):
            if name in values:
                count = round(_positive(name, values[name]))
        samples.append(count)
    return samples


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
    if name == "target" and problem.labels is not None:
        return law_text(problem.labels)
    if name in ("activation", "target", "loss"):
        return getattr(problem, name).text
    if name == "readout":
        return problem.readout if isinstance(problem.readout, str) else "given"
    if name == "batch":
        return problem.batch_text
    if name == "steps":
        return schedule_text(problem.steps)
    if name in ("init", "initialisation"):
        return getattr(problem, name)
    if name in ("n_steps", "noise_std", "width", "dim", "aspect_ratio", *_OR_NONE):
        value = getattr(problem, name)
        return math.nan if value is None else float(value)
    kind, _, number = name.rpartition("_")
    at = int(number) - 1 if number.isdigit() else 0
    kind = kind if number.isdigit() else name
    if at >= (problem.n_steps if kind in _OF_STEPS else len(problem.samples)):
        return math.nan  # where the number of steps varies
    if kind in _OF_STEPS:
        field = {"alpha": "exponent"}.get(kind, kind)
        return float(getattr(problem.steps[at], field))
    return float(problem.samples[at]) / (problem.dim if kind == "samples_per_dim" else 1)
