"""The frozen description of a network, its data and its training schedule."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.display import Formula, InNotebooks, Part, Table, equation
from rmt.functions import ExpressionError, ScalarFunction
from rmt.functions.gaussian import negligible_beyond
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    import sympy

__all__ = ["Batch", "FunctionLike", "Init", "Problem", "ReadoutLaw", "Step"]

FunctionLike: TypeAlias = "str | sympy.Expr | ScalarFunction"
Batch: TypeAlias = Literal["reused", "independent"]
ReadoutLaw: TypeAlias = Literal["gaussian", "rademacher", "uniform"]
Init: TypeAlias = Literal["sphere", "gaussian"]

MAX_STEPS = 2
LARGEST_SIZE = 10**100  # far beyond any limit of interest, and products of sizes do not overflow


@dataclass(frozen=True, slots=True)
class Step:
    """One full-batch gradient step of size ``eta = scale * N**exponent``.

    Parameters
    ----------
    scale : float
        ``c > 0``.
    exponent : float
        ``alpha`` in [0, 1/2).

    Raises
    ------
    InvalidInputError
        When a value is outside its range.

    Examples
    --------
    >>> Step(4, 0.5 - 0.25).size(10_000)
    40.0
    """

    scale: float
    exponent: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _real("Step.scale", self.scale))
        object.__setattr__(self, "exponent", _real("Step.exponent", self.exponent))
        if self.scale <= 0:
            raise InvalidInputError(f"Step.scale must be positive, got {self.scale!r}")
        if not 0 <= self.exponent < 0.5:
            raise InvalidInputError(
                f"Step.exponent must lie in [0, 1/2), got {self.exponent!r}: larger steps leave "
                "the regime in which the updates act as spikes"
            )

    def size(self, width: int) -> float:
        """The learning rate ``eta`` of the step at a given width ``N``."""
        return float(self.scale * width**self.exponent)


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Problem(InNotebooks):
    r"""A two-layer network, its data, and one or two full-batch gradient steps on its first layer.

    With ``a_i = g_i / sqrt(N)``, inputs ``x ~ N(0, I_d)`` and labels ``y = f(z) + eps``,
    ``z = U_*^T x`` for ``r`` orthonormal directions, network and step ``s`` are

    .. math::
       h(x) = N^{-1/2} \sum_i a_i\, \sigma(\langle w_i, x \rangle), \qquad
       W_s = W_{s-1} + \eta_s G_s, \qquad
       G_s = -\sqrt{N}\, \nabla_W \frac{1}{2n} |y - h(X)|^2.

    Parameters
    ----------
    activation : str, sympy expression or ScalarFunction
        ``sigma(z)``; continuous and not constant.
    target : str, sympy expression or ScalarFunction
        ``f(z)``, or of two or three index directions ``f(z1, z2[, z3])``.
    width, dim : int
        ``N`` and ``d``.
    samples : int or sequence of int
        ``n`` of every step's batch, or ``(n_1, n_2)``.
    steps : Step or sequence of Step
        One or two; a pair ``(scale, exponent)`` stands for a `Step`.
    batch : {"reused", "independent"}
        Whether the second step sees the first batch again or fresh samples.
    readout : {"gaussian", "rademacher", "uniform"} or array of shape (width,)
        Law of the ``g_i`` (mean 0, variance 1), or the values ``g_i`` themselves
        (``a_i = g_i / sqrt(N)``), on which every prediction is then conditional.
    noise_std : float
        Standard deviation of the label noise ``eps``.
    init : {"sphere", "gaussian"}
        Initial rows uniform on the unit sphere, or ``N(0, I_d / d)``: the same limit.

    Raises
    ------
    InvalidInputError
        Names the argument, what was given and what is allowed.

    Notes
    -----
    Immutable and hashable; equality is equality of `content_hash`. Source: docs/theory.md, section
    1.

    Examples
    --------
    >>> problem = Problem(
    ...     activation="tanh(z + 7/10)",
    ...     target="He3(z)/sqrt(6)",
    ...     width=2000,
    ...     dim=1000,
    ...     samples=4000,
    ...     steps=[Step(4, 0.3), Step(4, 0.4)],
    ... )
    >>> problem.width / problem.dim, problem.samples, problem.batch
    (2.0, (4000, 4000), 'independent')
    >>> Problem.from_json(problem.to_json()) == problem
    True
    """

    activation: ScalarFunction
    target: ScalarFunction
    width: int
    dim: int
    samples: tuple[int, ...]
    steps: tuple[Step, ...]
    batch: Batch
    readout: ReadoutLaw | NDArray[np.float64]
    noise_std: float
    init: Init
    content_hash: str

    def __init__(
        self,
        activation: FunctionLike,
        target: FunctionLike,
        width: int,
        dim: int,
        samples: int | Sequence[int],
        steps: Step | Sequence[Step | tuple[float, float]],
        batch: Batch = "independent",
        readout: ReadoutLaw | ArrayLike = "gaussian",
        noise_std: float = 0.0,
        init: Init = "sphere",
    ) -> None:
        put = object.__setattr__
        put(self, "width", _positive_integer("width", width))
        put(self, "dim", _positive_integer("dim", dim))
        put(self, "steps", _steps(steps))
        put(self, "batch", _choice("batch", batch, ("reused", "independent")))
        put(self, "samples", _samples(samples, len(self.steps), self.batch))
        put(self, "readout", _readout(readout, self.width))
        put(self, "noise_std", _real("noise_std", noise_std))
        if not 0 <= self.noise_std <= 1e100:
            raise InvalidInputError(
                f"noise_std must lie between 0 and 1e100, got {self.noise_std!r}"
            )
        put(self, "init", _choice("init", init, ("sphere", "gaussian")))
        put(self, "activation", _function("activation", activation))
        put(self, "target", _function("target", target))
        _check_activation(self.activation)
        _check_target(self.target)
        if self.n_directions > self.dim:
            raise InvalidInputError(
                f"dim must be at least the number of target directions {self.n_directions}, "
                f"got {self.dim}"
            )
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        put(self, "content_hash", hashlib.sha256(canonical.encode()).hexdigest())

    @property
    def n_directions(self) -> int:
        """``r``, the number of index directions of the target."""
        return self.target.n_variables

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """``eta_s = c_s N**alpha_s`` of each step."""
        return tuple(step.size(self.width) for step in self.steps)

    @property
    def aspect_ratio(self) -> float:
        """``gamma = N / d``."""
        return self.width / self.dim

    @property
    def sample_ratios(self) -> tuple[float, ...]:
        """``phi_b = d / n_b`` of each step's batch."""
        return tuple(self.dim / n for n in self.samples)

    def replace(self, **changes: Any) -> Problem:
        """A new problem with some arguments changed.

        Examples
        --------
        >>> p = Problem("tanh(z + 1)", "z", 100, 100, 200, Step(1, 0.25))
        >>> p.replace(width=300).aspect_ratio
        3.0
        """
        return Problem(**{**self._arguments(), **changes})

    def _arguments(self) -> dict[str, Any]:
        return {
            "activation": self.activation,
            "target": self.target,
            "width": self.width,
            "dim": self.dim,
            "samples": self.samples,
            "steps": self.steps,
            "batch": self.batch,
            "readout": self.readout,
            "noise_std": self.noise_std,
            "init": self.init,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the problem back exactly."""
        readout = self.readout if isinstance(self.readout, str) else self.readout.tolist()
        return {
            **self._arguments(),
            "activation": self.activation.text,
            "target": self.target.text,
            "samples": list(self.samples),
            "steps": [[step.scale, step.exponent] for step in self.steps],
            "readout": readout,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Problem:
        """Inverse of `to_dict`; unknown or missing keys are errors."""
        if not isinstance(data, Mapping):
            raise InvalidInputError(f"a problem must be a mapping, got {type(data).__name__}")
        required = {"activation", "target", "width", "dim", "samples", "steps"}
        optional = {"batch", "readout", "noise_std", "init"}
        unknown, missing = set(data) - required - optional, required - set(data)
        if unknown or missing:
            raise InvalidInputError(
                f"a problem has the keys {sorted(required)} and optionally {sorted(optional)}; "
                f"unknown: {sorted(map(str, unknown))}, missing: {sorted(missing)}"
            )
        return cls(**data)

    def _parts(self) -> list[Part]:
        """The arguments, and what follows from them, for notebooks."""
        rates = ", ".join(f"{rate:.5g}" for rate in self.learning_rates)
        law = self.readout if isinstance(self.readout, str) else f"given, {self.width} numbers"
        steps = ", ".join(f"{step.scale:g} N^{step.exponent:g}" for step in self.steps)
        powers = ", ".join(f"{step.scale:g}\\,N^{{{step.exponent:g}}}" for step in self.steps)
        rows: list[list[str | Formula]] = [
            ["activation", Formula(self.activation.text, equation(r"\sigma", self.activation))],
            ["target", Formula(self.target.text, equation("f", self.target))],
            ["width N", str(self.width)],
            ["dimension d", str(self.dim)],
            ["samples n", ", ".join(map(str, self.samples))],
            ["steps", Formula(steps, (powers,))],
            ["learning rates", rates],
            ["batch", self.batch],
            ["readout", law],
            ["noise", f"{self.noise_std:g}"],
            ["initial rows", self.init],
        ]
        return [Table("ll", [], rows)]

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Problem:
        """Inverse of `to_json`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"a problem must be a JSON object: {error}") from error
        return cls.from_dict(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)


def _real(name: str, value: Any) -> float:
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value) + 0.0  # no negative zero: equal problems have equal hashes
        except OverflowError:  # an integer beyond the range of floats
            number = math.inf
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be a finite real number, got {value!r}")
    return number


def _positive_integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InvalidInputError(f"{name} must be a positive integer, got {value!r}")
    if int(value) > LARGEST_SIZE:
        raise InvalidInputError(f"{name} must be at most {LARGEST_SIZE:.0e}, got {value!r}")
    return int(value)


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInputError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return value


def _steps(value: Any) -> tuple[Step, ...]:
    steps = (value,) if isinstance(value, Step) else tuple(value) if _is_sequence(value) else ()
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidInputError(f"steps must hold one or two Step(scale, exponent), got {value!r}")
    made = []
    for step in steps:
        if not isinstance(step, Step):
            if not (_is_sequence(step) and len(step) == 2):
                raise InvalidInputError(
                    f"steps must hold Step objects or pairs (scale, exponent), got {step!r}"
                )
            step = Step(*step)
        made.append(step)
    return tuple(made)


def _samples(value: Any, n_steps: int, batch: str) -> tuple[int, ...]:
    if not _is_sequence(value):
        return (_positive_integer("samples", value),) * n_steps
    counts = tuple(_positive_integer("samples", n) for n in value)
    if len(counts) != n_steps:
        raise InvalidInputError(
            f"samples must be one number or one for each of the {n_steps} steps, got {value!r}"
        )
    if batch == "reused" and len(set(counts)) > 1:
        raise InvalidInputError(
            f"samples must be the same for both steps when the batch is reused, got {value!r}; "
            "with batch='independent' they may differ"
        )
    return counts


def _readout(value: Any, width: int) -> str | NDArray[np.float64]:
    if isinstance(value, str):
        return _choice("readout", value, ("gaussian", "rademacher", "uniform"))
    try:
        numbers = np.asarray(value)
    except (TypeError, ValueError):  # ragged
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "fiu":  # no text, no complex numbers
        raise InvalidInputError(
            "readout must be gaussian, rademacher, uniform or a vector of real numbers, "
            f"got {type(value).__name__}"
        )
    vector = np.array(numbers, dtype=np.float64)
    if vector.shape != (width,):
        raise InvalidInputError(
            f"readout must be a vector of length width = {width}, got shape {vector.shape}"
        )
    if not np.all(np.isfinite(vector)):
        raise InvalidInputError("readout must be finite, got infinite or undefined entries")
    if np.ptp(vector) <= 1e-12 * np.abs(vector).max():
        raise InvalidInputError(
            f"readout must have a positive variance, got a vector of {width} equal entries"
        )
    vector.flags.writeable = False
    return vector


def _function(name: str, value: Any) -> ScalarFunction:
    try:
        return ScalarFunction.parse(value)
    except ExpressionError as error:
        raise ExpressionError(f"{name}: {error.reason}", error.text, error.position) from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error


def _is_sequence(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Set)


@lru_cache(maxsize=256)
def _check_activation(sigma: ScalarFunction) -> None:
    if sigma.n_variables != 1:
        raise InvalidInputError(f"activation must be a function of z alone, got {sigma.text}")
    _check_second_moment("activation", sigma)
    if sigma.jumps:
        raise InvalidInputError(
            f"activation must be continuous, got {sigma.text} with a jump at z = "
            f"{', '.join(f'{x:g}' for x in sigma.jumps)}: gradient steps do not see a jump"
        )
    if _diverges(lambda z: sigma.value_and_derivative(z)[1], sigma.kinks):
        raise InvalidInputError(
            "activation must have a slope of finite second moment under the standard normal law, "
            f"got {sigma.text}"
        )
    grid = np.linspace(-8.0, 8.0, 1601)
    if np.ptp(sigma(grid)) <= 1e-12 * np.abs(sigma(grid)).max():
        raise InvalidInputError(f"activation must not be constant, got {sigma.text}")


@lru_cache(maxsize=256)
def _check_target(target: ScalarFunction) -> None:
    if target.n_variables > 3:
        raise InvalidInputError(f"target must have at most three variables, got {target.text}")
    _check_second_moment("target", target)
    axis = np.linspace(-6.0, 6.0, 49)
    if target.n_variables == 1:  # no piece between two kinks is overlooked
        ends = np.union1d(axis, [kink for kink in target.kinks if abs(kink) < 6.0])
        axis = np.union1d(axis, (ends[1:] + ends[:-1]) / 2.0)
    grids = np.meshgrid(*([axis] * target.n_variables))
    if not np.any(target(*grids)):
        raise InvalidInputError(
            f"target must have a second moment E[f(z)^2] > 0, got {target.text}, which is zero"
        )


def _check_second_moment(name: str, function: ScalarFunction) -> None:
    radius = negligible_beyond(function, function.n_variables)
    if math.isnan(radius):
        raise InvalidInputError(
            f"{name} must be finite and real on the whole real line, got {function.text}"
        )
    if math.isinf(radius) or (function.n_variables == 1 and _diverges(function, function.kinks)):
        raise InvalidInputError(
            f"{name} must have a finite second moment under the standard normal law, got "
            f"{function.text}: its square has a pole, or grows about as fast as exp(z^2/2) (or "
            "beyond double precision)"
        )


def _diverges(function: Callable[[Any], Any], kinks: Sequence[float]) -> bool:
    """Whether ``f^2`` cannot be integrated next to a kink: ``|f| ~ distance^{-p}``, p >= 1/2."""
    near, far = 1e-9, 1e-6
    for kink in kinks:
        for side in (-1.0, 1.0):
            values = np.abs(function(kink + side * np.array([near, far])))
            if values[0] > 0 and not values[0] ** 2 * near < 0.5 * values[1] ** 2 * far:
                return True
    return False
