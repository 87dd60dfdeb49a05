"""The frozen description of a network, its data and its training schedule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from numpy.typing import ArrayLike

from rmt.arguments import checked_choice, checked_real, checked_size, is_sequence
from rmt.arrays import Array
from rmt.display import Formula, InNotebooks, Part, Table, equation
from rmt.functions import FunctionLike, ScalarFunction
from rmt.problem.arguments import checked_batch, checked_counts, checked_function, checked_readout
from rmt.problem.functions import check_activation, check_target
from rmt.status import InvalidInputError
from rmt.vocabulary import Batch, Init, ReadoutLaw

__all__ = ["Batch", "FunctionLike", "Init", "Problem", "ReadoutLaw", "Step"]

MAX_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One full-batch gradient step of size ``eta = scale * N**exponent``.

    Parameters
    ----------
    scale : float
        ``c > 0``.
    exponent : float
        ``alpha`` in [0, 1/2]. At 1/2 (*giant* steps) the updates are as large as the initial rows.

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
        object.__setattr__(self, "scale", checked_real("Step.scale", self.scale))
        object.__setattr__(self, "exponent", checked_real("Step.exponent", self.exponent))
        if self.scale <= 0:
            raise InvalidInputError(f"Step.scale must be positive, got {self.scale!r}")
        if not 0 <= self.exponent <= 0.5:
            raise InvalidInputError(
                f"Step.exponent must lie in [0, 1/2], got {self.exponent!r}: larger steps leave "
                "the regime in which the updates act as spikes"
            )

    def size(self, width: int) -> float:
        """The learning rate ``eta`` of the step at a given width ``N``."""
        return float(self.scale * width**self.exponent)


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Problem(InNotebooks):
    r"""A two-layer network, its data, and full-batch gradient steps on its first layer.

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
    width : int
        ``N``, the number of neurons.
    dim : int
        ``d``, the dimension of the inputs.
    samples : int or sequence of int
        ``n`` of every step's batch, or one number for each step; with a schedule, for each batch.
    steps : Step or sequence of Step
        Any number; a pair ``(scale, exponent)`` stands for a `Step`.
    batch : {"reused", "independent"} or sequence of int
        Whether all steps see one batch or each step fresh samples; or which batch each step uses:
        ``(0, 0, 1)`` for two steps on one batch and one on another.
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
    batch: Batch | tuple[int, ...]
    readout: ReadoutLaw | Array
    noise_std: float
    init: Init
    content_hash: str = field(init=False)

    def __init__(
        self,
        activation: FunctionLike,
        target: FunctionLike,
        width: int,
        dim: int,
        samples: int | Sequence[int],
        steps: Step | Sequence[Step | tuple[float, float]],
        batch: Batch | Sequence[int] = "independent",
        readout: ReadoutLaw | ArrayLike = "gaussian",
        noise_std: float = 0.0,
        init: Init = "sphere",
    ) -> None:
        put = object.__setattr__
        put(self, "width", checked_size("width", width))
        put(self, "dim", checked_size("dim", dim))
        put(self, "steps", _steps(steps))
        put(self, "batch", checked_batch(batch, len(self.steps)))
        put(self, "samples", checked_counts(samples, len(self.steps), self.batch))
        put(self, "readout", checked_readout(readout, self.width))
        put(self, "noise_std", checked_real("noise_std", noise_std))
        if not 0 <= self.noise_std <= 1e100:
            raise InvalidInputError(
                f"noise_std must lie between 0 and 1e100, got {self.noise_std!r}"
            )
        put(self, "init", checked_choice("init", init, get_args(Init)))
        put(self, "activation", checked_function("activation", activation))
        put(self, "target", checked_function("target", target))
        check_activation(self.activation)
        check_target(self.target)
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
    def n_steps(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """``eta_s = c_s N**alpha_s`` of each step."""
        return tuple(step.size(self.width) for step in self.steps)

    @property
    def aspect_ratio(self) -> float:
        """``gamma = N / d``."""
        return self.width / self.dim

    @property
    def schedule(self) -> tuple[int, ...]:
        """Which batch each step uses, counted from 0 in the order of their first use."""
        if isinstance(self.batch, str):
            return tuple(0 if self.batch == "reused" else s for s in range(len(self.steps)))
        return self.batch

    @property
    def batch_text(self) -> str:
        """The word of the schedule, or its letters: ``"AAB"`` for ``(0, 0, 1)``."""
        if isinstance(self.batch, str):
            return self.batch
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        return "".join(letters[b] if b < 26 else f"({b})" for b in self.batch)

    @property
    def sample_ratios(self) -> tuple[float, ...]:
        """``phi_b = d / n_b`` of each step's batch."""
        return tuple(self.dim / self.samples[b] for b in self.schedule)

    def replace(self, **changes: Any) -> Problem:
        """A new problem with some arguments changed.

        Where steps or batches change and all batches are of one size, they keep it.

        Examples
        --------
        >>> p = Problem("tanh(z + 1)", "z", 100, 100, 200, Step(1, 0.25))
        >>> p.replace(width=300).aspect_ratio
        3.0
        >>> p.replace(steps=[Step(1, 0.25)] * 3).samples
        (200, 200, 200)
        """
        if {"steps", "batch"} & set(changes) and len(set(self.samples)) == 1:
            changes = {"samples": self.samples[0]} | changes
        return Problem(**{**self._arguments(), **changes})

    def with_n_steps(self, n_steps: int) -> Problem:
        """The problem with another number of steps: its first ones, or more that are all alike.

        A batch keeps its size. Beyond the steps that there are, the schedule goes on only where it
        says how: with equal steps, ``batch`` one of its words, and batches of one size.

        Parameters
        ----------
        n_steps : int
            At least 1.

        Raises
        ------
        InvalidInputError
            For more steps than there are where the schedule does not say what comes next.

        Examples
        --------
        >>> p = Problem("erf(z)", "z", 90, 90, (200, 300), [(1, 0.2)] * 3, batch=(0, 0, 1))
        >>> p.with_n_steps(2).batch, p.with_n_steps(2).samples
        ('reused', (200, 200))
        >>> Problem("erf(z)", "z", 90, 90, 200, Step(1, 0.2)).with_n_steps(3).n_steps
        3
        """
        n = checked_size("n_steps", n_steps)
        if n > self.n_steps:
            self._check_goes_on(n)
            return self.replace(steps=self.steps[:1] * n)
        schedule = self.schedule[:n]
        batch: Any = self.batch if isinstance(self.batch, str) else schedule
        named = isinstance(checked_batch(batch, n), str)
        samples = [self.samples[b] for b in (schedule if named else dict.fromkeys(schedule))]
        return self.replace(steps=self.steps[:n], batch=batch, samples=samples)

    def _check_goes_on(self, n: int) -> None:
        """Raise unless the schedule says what a step after its last one is like."""
        which = None
        if len(set(self.steps)) > 1:
            which = "steps of several sizes"
        elif not isinstance(self.batch, str):
            which = f"the schedule {self.batch}"
        elif len(set(self.samples)) > 1:
            which = "batches of several sizes"
        if which is not None:
            raise InvalidInputError(
                f"n_steps must lie between 1 and {self.n_steps} for a problem with {which}, got "
                f"{n}: what a further step is like must be said, by steps=, batch= and samples="
            )

    def _arguments(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the problem back exactly."""
        readout = self.readout if isinstance(self.readout, str) else self.readout.tolist()
        return {
            **self._arguments(),
            "activation": self.activation.text,
            "target": self.target.text,
            "samples": list(self.samples),
            "batch": self.batch if isinstance(self.batch, str) else list(self.batch),
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
            ["batch", self.batch_text],
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


def _steps(value: Any) -> tuple[Step, ...]:
    steps = (value,) if isinstance(value, Step) else tuple(value) if is_sequence(value) else ()
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidInputError(
            f"steps must hold between 1 and {MAX_STEPS} Step(scale, exponent), got {value!r}"
        )
    made = []
    for step in steps:
        if not isinstance(step, Step):
            if not (is_sequence(step) and len(step) == 2):
                raise InvalidInputError(
                    f"steps must hold Step objects or pairs (scale, exponent), got {step!r}"
                )
            step = Step(*step)
        made.append(step)
    return tuple(made)
