"""The frozen description of a network, its data and its training schedule."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from numpy.typing import ArrayLike

from rmt.arguments import checked_choice, checked_real, checked_size, is_sequence
from rmt.arrays import Array
from rmt.display import Formula, InNotebooks, Part, Table, equation
from rmt.functions import FunctionLike, ScalarFunction
from rmt.problem.arguments import (
    check_decay,
    checked_batch,
    checked_counts,
    checked_function,
    checked_initialisation,
    checked_output_scale,
    checked_readout,
    checked_readout_sum,
)
from rmt.problem.functions import check_activation, check_labels, check_target, has_signs
from rmt.problem.labels import Bernoulli, Channel, Law, Poisson, SignOf, label_law_from
from rmt.problem.losses import Loss
from rmt.status import InvalidInputError
from rmt.vocabulary import Batch, Init, Initialisation, ReadoutLaw

__all__ = ["Batch", "FunctionLike", "Init", "Problem", "ReadoutLaw", "Step"]

MAX_STEPS = 1000
_LATER = {
    "loss": "squared",
    "output_scale": None,
    "readout_sum": None,
    "initialisation": "independent",
}
"""Fields that the first problems did not have, with what they were."""


@dataclass(frozen=True, slots=True)
class Step:
    """One full-batch gradient step of size ``eta = scale * N**exponent``.

    Parameters
    ----------
    scale : float
        ``c > 0``.
    exponent : float
        ``alpha`` in [0, 1/2]. At 1/2 (*giant* steps) the updates are as large as the initial rows.
    weight_decay : float
        ``lambda >= 0``: before the gradient is added the weights are multiplied by
        ``1 - eta lambda``, which must be positive.

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
    weight_decay: float = 0.0

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
        decay = checked_real("Step.weight_decay", self.weight_decay)
        object.__setattr__(self, "weight_decay", decay)
        if decay < 0:
            raise InvalidInputError(f"Step.weight_decay must not be negative, got {decay!r}")

    def __repr__(self) -> str:
        decay = f", weight_decay={self.weight_decay!r}" if self.weight_decay else ""
        return f"Step(scale={self.scale!r}, exponent={self.exponent!r}{decay})"

    def size(self, width: int) -> float:
        """The learning rate ``eta`` of the step at a given width ``N``."""
        return float(self.scale * width**self.exponent)

    def kept(self, width: int) -> float:
        """``1 - eta lambda``: what the step leaves of the weights before it."""
        return 1.0 - self.size(width) * self.weight_decay

    def to_list(self) -> list[float]:
        """Its numbers, without a weight decay of nothing."""
        numbers = [self.scale, self.exponent, self.weight_decay]
        return numbers if self.weight_decay else numbers[:2]


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Problem(InNotebooks):
    r"""A two-layer network, its data, and full-batch gradient steps on its first layer.

    With ``a_i = g_i / sqrt(N)``, inputs ``x ~ N(0, I_d)`` and labels ``y = f(z) + eps``,
    ``z = U_*^T x`` for ``r`` orthonormal directions, network and step ``s`` are

    .. math::
       h(x) = N^{-1/2} \sum_i a_i\, \sigma(\langle w_i, x \rangle), \qquad
       W_s = W_{s-1} + \eta_s G_s, \qquad
       G_s = -\sqrt{N}\, \nabla_W \frac{1}{2n} |y - h(X)|^2.

    Labels may have any other law given ``z``; with another loss ``l(h, y)`` and output scale ``s``,
    and with weight decay ``lambda_k`` of step ``k``,

    .. math::
       h(x) = s \sum_i a_i\, \sigma(\langle w_i, x \rangle), \qquad
       W_k = (1 - \eta_k \lambda_k) W_{k-1} + \eta_k G_k, \qquad
       G_k = -\frac{1}{s}\, \nabla_W \frac{1}{n} \sum_j l(h(x_j), y_j).

    Parameters
    ----------
    activation : str, sympy expression, ScalarFunction or Python function
        ``sigma(z)``; continuous and not constant. Python functions are recognised by name
        (``np.tanh``, ``torch.nn.GELU()``, ``jax.nn.silu``) or sampled, see `ScalarFunction`.
    target : str, sympy expression, ScalarFunction, Python function, or the law of labels
        ``f(z)``, or of two or three index directions ``f(z1, z2[, z3])``; or the law of ``y`` given
        ``z``: `rmt.Bernoulli`, `rmt.SignOf`, `rmt.Poisson`, `rmt.Channel`.
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
    loss : str or Loss
        ``squared``, ``correlation``, ``logistic``, ``huber(1/2)``, ``squared_hinge``, ``poisson``,
        or a text in ``h`` and ``y``; see `rmt.Loss`.
    output_scale : float or None
        ``s``; None is ``N**-1/2``, at which the untrained output vanishes.
    readout_sum : float or None
        ``sum_i a_i``, on which predictions with an ``output_scale`` are conditional; None: 0 for a
        law of the readout, and what it is where the readout is given.
    initialisation : {"independent", "antisymmetric"}
        Of the neurons; antisymmetric: neuron ``i + N/2`` has the weights of neuron ``i``, and the
        opposite readout, so that the untrained output is zero.

    Attributes
    ----------
    target : ScalarFunction
        ``E[y | z]``, whatever the law of the labels.
    labels : the law of labels, or None
        As it was given; None for a function.

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
    loss: Loss
    output_scale: float | None
    readout_sum: float | None
    initialisation: Initialisation
    labels: Law | None = field(init=False)
    content_hash: str = field(init=False)

    def __init__(
        self,
        activation: FunctionLike,
        target: FunctionLike | Law,
        width: int,
        dim: int,
        samples: int | Sequence[int],
        steps: Step | Sequence[Step | tuple[float, ...]],
        batch: Batch | Sequence[int] = "independent",
        readout: ReadoutLaw | ArrayLike = "gaussian",
        noise_std: float = 0.0,
        init: Init = "sphere",
        loss: str | Loss = "squared",
        output_scale: float | None = None,
        readout_sum: float | None = None,
        initialisation: Initialisation = "independent",
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
        law: Any = label_law_from(target) if isinstance(target, Mapping) else target
        if isinstance(law, Bernoulli | SignOf | Poisson | Channel):
            if self.noise_std:
                raise InvalidInputError(
                    f"noise_std belongs to a target that is a function, got {self.noise_std!r} "
                    f"with {law.text}: its labels have their own law"
                )
            put(self, "labels", law)
            put(self, "target", law.mean)
        else:
            put(self, "labels", None)
            put(self, "target", checked_function("target", law))
            check_target(self.target)
        check_activation(self.activation)
        put(self, "loss", Loss(loss))
        check_labels(self.loss, self.labels, self.target, self.noise_std)
        put(self, "output_scale", checked_output_scale(output_scale))
        put(
            self, "initialisation", checked_initialisation(initialisation, self.readout, self.width)
        )
        put(self, "readout_sum", checked_readout_sum(readout_sum, self.readout, initialisation))
        check_decay(self.steps, self.width)
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
        return (self.labels or self.target).n_variables

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """``eta_s = c_s N**alpha_s`` of each step."""
        return tuple(step.size(self.width) for step in self.steps)

    @property
    def output_gain(self) -> float:
        """``kappa = s sqrt(N)``: the output, relative to that at the scale where it vanishes."""
        return 1.0 if self.output_scale is None else self.output_scale * math.sqrt(self.width)

    @property
    def sum_of_readout(self) -> float:
        """``sum_i a_i`` as far as it is given: by ``readout_sum``, by the readout; otherwise 0."""
        if self.readout_sum is not None:
            return self.readout_sum
        if isinstance(self.readout, str):
            return 0.0
        return float(self.readout.sum()) / math.sqrt(self.width)

    @property
    def starts_at_zero(self) -> bool:
        """Whether the untrained output is zero, or vanishes."""
        return self.output_scale is None or self.initialisation == "antisymmetric"

    @property
    def label_text(self) -> str:
        """The law of the labels, or the target, as one writes it."""
        return self.target.text if self.labels is None else self.labels.text

    @property
    def has_signs(self) -> bool:
        """Whether all labels are +1 or -1, so that a network may misclassify them.

        Examples
        --------
        >>> sizes = 40, 40, 80, [(2, 0.3)]
        >>> [Problem("tanh(z)", target, *sizes).has_signs for target in ("sign(z)", "z")]
        [True, False]
        """
        if self.labels is not None:
            return self.labels.kind == "signs"
        return self.noise_std == 0 and has_signs(self.target)

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
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return found if self.labels is None else {**found, "target": self.labels}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the problem back exactly."""
        readout = self.readout if isinstance(self.readout, str) else self.readout.tolist()
        found = {
            **self._arguments(),
            "activation": self.activation.text,
            "target": self.target.text if self.labels is None else self.labels.to_dict(),
            "samples": list(self.samples),
            "batch": self.batch if isinstance(self.batch, str) else list(self.batch),
            "steps": [step.to_list() for step in self.steps],
            "readout": readout,
            "loss": self.loss.text,
        }
        # What came later is left out where nothing is special about it: texts stay as they were.
        return {k: v for k, v in found.items() if k not in _LATER or v != _LATER[k]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Problem:
        """Inverse of `to_dict`; unknown or missing keys are errors."""
        if not isinstance(data, Mapping):
            raise InvalidInputError(f"a problem must be a mapping, got {type(data).__name__}")
        required = {"activation", "target", "width", "dim", "samples", "steps"}
        optional = {"batch", "readout", "noise_std", "init", *_LATER}
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
        target: str | Formula = Formula(self.target.short, equation("f", self.target))
        if self.labels is not None:
            target = self.labels.text
        rows: list[list[str | Formula]] = [
            ["activation", Formula(self.activation.short, equation(r"\sigma", self.activation))],
            ["target", target],
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
        if any(step.weight_decay for step in self.steps):
            rows.append(["weight decay", ", ".join(f"{s.weight_decay:g}" for s in self.steps)])
        if self.loss.text != "squared":
            rows.append(["loss", self.loss.text])
        if self.output_scale is not None:
            rows.append(["output scale", f"{self.output_scale:g}"])
        if self.readout_sum is not None:
            rows.append(["sum of the readout", f"{self.readout_sum:g}"])
        if self.initialisation != "independent":
            rows.append(["initialisation", self.initialisation])
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

    def __repr__(self) -> str:
        shown = [one.name for one in fields(self) if one.init]
        shown = [k for k in shown if k not in _LATER or k in self.to_dict()]
        shown += ["labels"] if self.labels is not None else []
        values = {k: getattr(self, k) for k in (*shown, "content_hash")}
        if not isinstance(self.readout, str):
            values["readout"] = f"<{self.width} numbers>"
        return f"Problem({', '.join(f'{k}={value!r}' for k, value in values.items())})"

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
            if not (is_sequence(step) and len(step) in (2, 3)):
                raise InvalidInputError(
                    "steps must hold Step objects, or (scale, exponent) or (scale, exponent, "
                    f"weight_decay), got {step!r}"
                )
            step = Step(*step)
        made.append(step)
    return tuple(made)
