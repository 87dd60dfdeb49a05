"""How others write a two-layer network and its steps, and what `rmt.Problem` writes for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arguments import checked_real, checked_size, is_sequence, positive_number
from rmt.display import Part, Shown, Table
from rmt.functions import FunctionLike, ScalarFunction
from rmt.lazy import sympy
from rmt.problem import Loss, Problem, Step
from rmt.problem.labels import Law
from rmt.status import InvalidInputError
from validation.own.losses import loss_of

__all__ = ["NAMES", "Convention", "convention", "turned"]

# Relative difference of two numbers that are the same but for rounding.
_ROUNDING = 1e-12
# Squares of factors whose text is a root have denominators up to this.
_DENOMINATOR = 64


@dataclass(frozen=True, slots=True)
class Convention(Shown):
    r"""A two-layer network and its gradient steps as somebody writes them.

    With weights ``V``, a second layer ``u``, the mean loss ``l`` of a batch, and a learning rate
    ``epsilon`` with weight decay ``w``,

    .. math::
       h(x) = m \sum_i u_i\, \sigma(s \langle v_i, x \rangle), \qquad
       V \leftarrow (1 - \epsilon w)\, V - \epsilon k\, \nabla_V l.

    Initial rows have the length ``R``, and entries of the second layer the root mean square ``v``.
    Then this is the `rmt.Problem` with

    .. math::
       W = V/R, \quad g_i = u_i/v, \quad a_i = g_i/\sqrt N, \quad \sigma(z) \to \sigma(s R z),
       \quad S = m v \sqrt N, \quad \eta = k S \epsilon/R^2, \quad \lambda = w R^2/(k S),

    ``S`` being its output scale (``output_scale=None`` where that is ``N^{-1/2}``). All methods are
    pure functions of numbers and arrays, whatever library these are of.

    Parameters
    ----------
    name : str
        For messages.
    width, dim : int
        ``N`` and ``d``.
    row_length : float
        ``R``: root mean square of the lengths of the initial rows of ``V``.
    input_scale : float
        ``s``, applied to pre-activations: ``d**-0.5`` where it stands outside of the weights.
    readout_std : float
        ``v``: root mean square of the entries of ``u``.
    output_scale : float
        ``m``.
    gradient_scale : float
        ``k``: 1 for a descent of the mean loss.
    transposed : bool
        Whether their weights are ``V^T``, of shape (d, N).

    Raises
    ------
    InvalidInputError
        For numbers that are not positive.

    Notes
    -----
    docs/losses.md, conversions, of which it is several at once; docs/howto/own_network.md has a
    table.

    Examples
    --------
    >>> theirs = Convention("rows of length 2", 300, 200, row_length=2.0, readout_std=300**-0.5)
    >>> theirs.activation("tanh(z)").text, theirs.problem_scale, theirs.rate(0.8)
    ('tanh(2*z)', 1.0, 0.2)
    """

    name: str
    width: int
    dim: int
    row_length: float = 1.0
    input_scale: float = 1.0
    readout_std: float = 1.0
    output_scale: float = 1.0
    gradient_scale: float = 1.0
    transposed: bool = False

    def __post_init__(self) -> None:
        for size in ("width", "dim"):
            object.__setattr__(self, size, checked_size(size, getattr(self, size)))
        for number in (
            *("row_length", "input_scale", "readout_std", "output_scale", "gradient_scale"),
        ):
            object.__setattr__(self, number, positive_number(number, getattr(self, number)))

    # From theirs to a problem's

    @property
    def scale(self) -> float:
        """``S = m v sqrt(N)``."""
        scale = self.output_scale * self.readout_std * math.sqrt(self.width)
        nice = (1.0, self.width**-0.5)
        return next((one for one in nice if abs(scale / one - 1) < _ROUNDING), scale)

    @property
    def problem_scale(self) -> float | None:
        """`Problem.output_scale`: ``S``, or None where that is ``N**-0.5``."""
        return None if self.scale == self.width**-0.5 else self.scale

    def weights(self, theirs: Any) -> Any:
        """``W``, of shape (N, d), of their weights."""
        _check_shape("weights", theirs, self._their_shape)
        return (theirs.T if self.transposed else theirs) / self.row_length

    def readout(self, theirs: Any) -> Any:
        """``a_i = g_i / sqrt(N)`` of their second layer, of shape (N,)."""
        _check_shape("readout", theirs, (self.width,))
        return theirs / (self.readout_std * math.sqrt(self.width))

    def activation(self, theirs: FunctionLike) -> ScalarFunction:
        """``sigma(s R z)`` of their ``sigma``."""
        return stretched(theirs, self.input_scale * self.row_length)

    def rate(self, theirs: float) -> float:
        """``eta`` of their learning rate."""
        return theirs * self._rate

    def decay(self, theirs: float) -> float:
        """``lambda`` of their weight decay."""
        return theirs / self._rate

    def step(self, rate: float, weight_decay: float = 0.0, exponent: float = 0.0) -> Step:
        """The step of their learning rate and weight decay, ``eta = c N**exponent``."""
        eta = self.rate(positive_number("rate", rate))
        decay = self.decay(checked_real("weight_decay", weight_decay))
        return Step(eta / self.width**exponent, exponent, decay)

    def problem(
        self,
        activation: FunctionLike,
        target: FunctionLike | Law,
        samples: int | Sequence[int],
        rates: float | Sequence[float],
        *,
        loss: str | Loss | Any = "squared",
        weight_decay: float = 0.0,
        exponent: float = 0.0,
        **others: Any,
    ) -> Problem:
        """The problem of their network, trained with their learning rates.

        Parameters
        ----------
        activation : as for Problem
            ``sigma``, before ``s``.
        target, samples
            As for `Problem`.
        rates : float or sequence of float
            ``epsilon`` of the one step, or of every step.
        loss : str, rmt.Loss or module of torch.nn
            ``l``; one of PyTorch with its factor, see `loss_of`.
        weight_decay : float
            ``w`` of every step, as ``torch.optim.SGD`` has it.
        exponent : float
            How rates are written, ``c N**exponent``: for sweeps of the width, and the level
            ``scaling``.
        **others
            Further arguments of `Problem`: ``batch``, ``noise_std``, ``readout``, ...

        Returns
        -------
        Problem

        Raises
        ------
        InvalidInputError
            As `Problem` and `loss_of` raise it.
        """
        named, steps = self.steps(rates, samples, loss, weight_decay, exponent)
        return Problem(
            self.activation(activation),
            target,
            self.width,
            self.dim,
            samples,
            steps,
            loss=named,
            output_scale=self.problem_scale,
            **others,
        )

    def steps(
        self,
        rates: float | Sequence[float],
        samples: int | Sequence[int],
        loss: str | Loss | Any = "squared",
        weight_decay: float = 0.0,
        exponent: float = 0.0,
    ) -> tuple[Loss, tuple[Step, ...]]:
        """The loss, and the steps of their learning rates; arguments as for `problem`."""
        named, factor = loss_of(loss, None if is_sequence(samples) else samples)  # type: ignore[arg-type]
        whole = replace(self, gradient_scale=self.gradient_scale * factor)
        several: Sequence[Any] = rates if is_sequence(rates) else [rates]  # type: ignore[assignment]
        return named, tuple(whole.step(rate, weight_decay, exponent) for rate in several)

    # And back

    def their_weights(self, weights: Any) -> Any:
        """Inverse of `weights`."""
        _check_shape("weights", weights, (self.width, self.dim))
        return (weights.T if self.transposed else weights) * self.row_length

    def their_readout(self, readout: Any) -> Any:
        """Inverse of `readout`."""
        _check_shape("readout", readout, (self.width,))
        return readout * (self.readout_std * math.sqrt(self.width))

    def their_activation(self, activation: FunctionLike) -> ScalarFunction:
        """Inverse of `activation`."""
        return stretched(activation, 1 / (self.input_scale * self.row_length))

    def their_rate(self, eta: float) -> float:
        """Inverse of `rate`."""
        return eta / self._rate

    def their_decay(self, decay: float) -> float:
        """Inverse of `decay`."""
        return decay * self._rate

    @property
    def _rate(self) -> float:
        """``eta`` over their learning rate."""
        return self.gradient_scale * self.scale / self.row_length**2

    @property
    def _their_shape(self) -> tuple[int, int]:
        return (self.dim, self.width) if self.transposed else (self.width, self.dim)

    def _parts(self) -> list[Part]:
        rows = [
            ["length of initial rows, R", f"{self.row_length:.6g}"],
            ["scale of pre-activations, s", f"{self.input_scale:.6g}"],
            ["root mean square of the second layer, v", f"{self.readout_std:.6g}"],
            ["scale of the output, m", f"{self.output_scale:.6g}"],
            ["gradient of k times the mean loss, k", f"{self.gradient_scale:.6g}"],
            ["output_scale of the problem, S", f"{self.scale:.6g}"],
            ["eta of a learning rate 1", f"{self._rate:.6g}"],
        ]
        sizes = f"N = {self.width}, d = {self.dim}"
        shape = ", weights transposed" if self.transposed else ""
        return [f"{self.name}: {sizes}{shape}", Table("lr", [], rows)]


# Numbers of a convention at N and d; what is not said is 1.
_TABLE: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "rmt": lambda N, d: {
        "readout_std": N**-0.5, "output_scale": N**-0.5, "gradient_scale": N**0.5,
    },
    "2205.01445": lambda N, d: {
        "readout_std": N**-0.5, "output_scale": N**-0.5, "gradient_scale": N**0.5,
        "transposed": True,
    },
    "2310.07891": lambda N, d: {"readout_std": N**-0.5},
    "2402.04980": lambda N, d: {
        "readout_std": N**-0.5, "output_scale": N**-0.5, "gradient_scale": N**0.5,
    },
    "2305.18270": lambda N, d: {"readout_std": N**-0.5, "output_scale": N**-0.5},
    "torch": lambda N, d: {"row_length": 3**-0.5, "readout_std": (3 * N) ** -0.5},
    "ntk": lambda N, d: {"row_length": d**0.5, "input_scale": d**-0.5, "output_scale": N**-0.5},
    "mean-field": lambda N, d: {
        "row_length": d**0.5, "input_scale": d**-0.5, "output_scale": 1 / N,
    },
}  # fmt: skip
NAMES = tuple(_TABLE)
"""Of conventions: this package's, papers' by their numbers on arXiv, and others."""


def convention(name: str, width: int, dim: int) -> Convention:
    """A convention that has a name, at a width and dimension.

    Parameters
    ----------
    name : str
        ``"rmt"``: that of `rmt.Problem`, whose rates are ``eta``. ``"2205.01445"`` (Ba et al.),
        ``"2310.07891"`` (Moniri et al.), ``"2402.04980"`` (Cui et al.), ``"2305.18270"`` (Dandi
        et al.): papers, by their numbers on arXiv. ``"torch"``: two ``torch.nn.Linear`` without
        bias as they are initialised, uniform in ``[-1/sqrt(d), 1/sqrt(d)]`` and ``[-1/sqrt(N),
        1/sqrt(N)]``. ``"ntk"``, ``"mean-field"``: standard normal parameters, with ``1/sqrt(d)``
        outside, and ``1/sqrt(N)`` or ``1/N``.
    width, dim : int
        ``N`` and ``d``.

    Returns
    -------
    Convention
        Of plain gradient descent of the mean loss, but where the paper's rate is of something else.

    Raises
    ------
    InvalidInputError
        For another name.

    Notes
    -----
    Sources: docs/notation.md, conventions of other papers.

    Examples
    --------
    >>> print(convention("torch", 300, 100))
    torch: N = 300, d = 100
    length of initial rows, R                0.57735
    scale of pre-activations, s              1
    root mean square of the second layer, v  0.0333333
    scale of the output, m                   1
    gradient of k times the mean loss, k     1
    output_scale of the problem, S           0.57735
    eta of a learning rate 1                 1.73205
    """
    known = str(name).removeprefix("arXiv:")
    if known not in _TABLE:
        raise InvalidInputError(f"convention must be one of {', '.join(NAMES)}, got {name!r}")
    width, dim = checked_size("width", width), checked_size("dim", dim)
    return Convention(known, width, dim, **_TABLE[known](width, dim))


def turned(weights: NDArray[Any], readout: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every second neuron turned round, ``(-w_i, -a_i)``: the same network, if ``sigma`` is odd.

    For second layers whose entries are all equal, of which the theory has no prediction: turned,
    they are those of ``readout="rademacher"``.

    Examples
    --------
    >>> turned(np.ones((2, 3)), np.array([0.5, 0.5]))[1]
    array([ 0.5, -0.5])
    """
    signs = np.where(np.arange(len(readout)) % 2, -1.0, 1.0)
    return signs[:, None] * weights, signs * readout


def stretched(function: FunctionLike, factor: float) -> ScalarFunction:
    """``f(factor z)``; of a root the exact text.

    Examples
    --------
    >>> stretched("tanh(z)", 3**-0.5).text
    'tanh(sqrt(3)*z/3)'
    """
    parsed = ScalarFunction.parse(function)
    if abs(factor - 1) < _ROUNDING:
        return parsed
    square = Fraction(factor**2).limit_denominator(_DENOMINATOR)
    exact: Any = sympy.Float(factor)
    if square and abs(math.sqrt(square) / factor - 1) < _ROUNDING:
        exact = sympy.sqrt(sympy.Rational(square.numerator, square.denominator))
    (z,) = parsed.symbols
    return ScalarFunction.parse(parsed.expression.subs(z, exact * z))


def _check_shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise InvalidInputError(f"{name} must have the shape {shape}, got {tuple(array.shape)}")
