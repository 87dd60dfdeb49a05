"""A network that was found in somebody's model, in the normalisation of `rmt.Problem`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.display import Part, Shown, Table, paragraph
from rmt.functions import FunctionLike, ScalarFunction
from rmt.problem import Loss, Problem
from rmt.problem.labels import Law
from rmt.status import InvalidInputError
from validation.own.conventions import Convention, turned

__all__ = ["OwnNetwork"]

# Two activations are the same when they differ by less than this, relative to their size.
_SAME = 1e-6
# What a second layer may be off by from the problem's scale before it is another convention.
_OFF = 2.0
# Lengths that rows have by common initialisations: 1, of torch.nn.Linear, of He et al.
USUAL_LENGTHS = (1.0, 3**-0.5, 2**0.5)


@dataclass(frozen=True, slots=True, eq=False)
class OwnNetwork(Shown):
    r"""Weights of a two-layer network that is somebody else's; see `from_torch`.

    .. math:: h(x) = \sum_i c_i\, \sigma(\langle w_i, x \rangle), \qquad c_i = S a_i,

    with initial rows of length one, if that is known of them.

    Attributes
    ----------
    weights : array (N, d)
        ``W``, as the model is now.
    coefficients : array (N,)
        ``c_i``, all that stands before the activations.
    activation : ScalarFunction
        ``sigma``, of pre-activations of variance 1.
    convention : Convention
        How the model has them: ``W = V/R`` and the rest.
    initial : array (N, d) or None
        ``W_0``, where it was given.
    names : tuple of two str
        The layers' names in the model.
    lengths_known : bool
        Whether ``R`` is known: given, read off the initial weights, or off untrained ones.
    notes : tuple of str
        What could not be seen.

    Notes
    -----
    docs/howto/own_network.md says what `validation.check` needs of it.

    Examples
    --------
    >>> from validation.own import convention
    >>> network = OwnNetwork(
    ...     weights=np.eye(3),
    ...     coefficients=np.array([0.1, -0.2, 0.2]),
    ...     activation=ScalarFunction("tanh(z)"),
    ...     convention=convention("2310.07891", 3, 3),
    ...     initial=None,
    ...     names=("fc1.weight", "fc2.weight"),
    ...     lengths_known=True,
    ...     notes=(),
    ... )
    >>> network.problem("z", 9, rates=0.5).output_scale
    1.0
    """

    weights: Array
    coefficients: Array
    activation: ScalarFunction
    convention: Convention
    initial: Array | None
    names: tuple[str, str]
    lengths_known: bool
    notes: tuple[str, ...]

    def problem(
        self,
        target: FunctionLike | Law,
        samples: int | Sequence[int],
        rates: float | Sequence[float],
        *,
        loss: str | Loss | Any = "squared",
        weight_decay: float = 0.0,
        exponent: float = 0.0,
        **others: Any,
    ) -> Problem:
        """The problem that it is trained on, by plain gradient descent with these learning rates.

        As `Convention.problem`, where the arguments are described, but for the activation, which is
        the network's own, and the readout: its values, unless a law is given. Neurons that start in
        antisymmetric pairs are seen.

        Raises
        ------
        InvalidInputError
            As `Problem` and `loss_of` raise it; where the initial lengths of the rows are not known
            (give ``initial=`` to `from_torch`).
        """
        if not self.lengths_known:
            raise InvalidInputError(
                "initial: the lengths of the rows before training are not known, and learning "
                "rates are relative to them; give the initial weights, from_torch(model, initial), "
                "or row_length="
            )
        named, steps = self.convention.steps(rates, samples, loss, weight_decay, exponent)
        given: dict[str, Any] = {"readout": self.readout} if np.ptp(self.readout) > 0 else {}
        if self._starts_antisymmetric():
            given["initialisation"] = "antisymmetric"
        width, dim = self.weights.shape
        return Problem(
            self.activation,
            target,
            width,
            dim,
            samples,
            steps,
            loss=named,
            output_scale=self.convention.problem_scale,
            **{**given, **others},
        )

    @property
    def readout(self) -> Array:
        """``g_i``, as `Problem.readout` has it: ``c_i sqrt(N) / S``."""
        return self.coefficients * (math.sqrt(len(self.coefficients)) / self.convention.scale)

    def for_problem(self, problem: Problem) -> tuple[Array, Array]:
        """``W`` (N, d) and ``a`` (N,) for a problem of its own, as `validation.check` takes them.

        Raises
        ------
        InvalidInputError
            Where it is not a network of this problem: of another activation, output scale or size;
            the message says what to write.
        """
        shape, wanted = self.weights.shape, (problem.width, problem.dim)
        if shape != wanted:
            raise InvalidInputError(
                f"problem: the model has {shape[0]} neurons and inputs of dimension {shape[1]}, "
                f"the problem width={wanted[0]}, dim={wanted[1]}"
            )
        length, factor = self._match(problem)
        weights, c = self.weights / length, self.coefficients * factor
        if np.ptp(c) <= _SAME * np.abs(c).max():
            if problem.activation.parity != -1:
                raise InvalidInputError(
                    "readout: all entries of the second layer are equal, of which there is no "
                    "prediction unless the activation is odd; draw them at random, as "
                    "readout='rademacher'"
                )
            weights, c = turned(weights, c)
        root = math.sqrt(problem.width)
        a = c * (root / problem.output_gain)
        wanted_size = 1.0
        if not isinstance(problem.readout, str):
            wanted_size = float(np.sqrt(np.mean(problem.readout**2)))
        size = float(np.sqrt(np.mean(a**2))) * root / wanted_size
        if not 1 / _OFF < size < _OFF:
            found = size * problem.output_gain / root
            raise InvalidInputError(
                f"problem: the model's output is {size:.3g} times as large as the problem's; in "
                f"the problem write output_scale={found:.6g}, which changes its learning rates "
                "too: network.problem(target, samples, rates) writes all of it"
            )
        return weights, a

    def _starts_antisymmetric(self) -> bool:
        """Whether neurons come in pairs of the same weights and the opposite coefficient."""
        W, c = self.weights if self.initial is None else self.initial, self.coefficients
        half = len(c) // 2
        paired = len(c) == 2 * half and np.array_equal(c[half:], -c[:half])
        return paired and np.array_equal(W[:half], W[half:])

    def _match(self, problem: Problem) -> tuple[float, float]:
        """What to divide the weights by, and the coefficients to multiply with."""
        z = np.linspace(-5.0, 5.0, 201)
        wanted = problem.activation(z)
        for length in (1.0,) if self.lengths_known else USUAL_LENGTHS:
            found = self.activation(length * z)
            factor = float(found @ wanted / (wanted @ wanted))
            if np.abs(found - factor * wanted).max() <= _SAME * np.abs(found).max():
                return length, factor
        given = "" if self.lengths_known else ", if its rows are of length 1 before training"
        raise InvalidInputError(
            f"activation: the model computes {self.activation.short} of pre-activations of "
            f"variance 1{given}, and the problem has {problem.activation.short}; "
            "network.problem(target, samples, rates) writes the problem of the model, and "
            "from_torch(model, row_length=..) says how long rows are"
        )

    def _parts(self) -> list[Part]:
        width, dim = self.weights.shape
        lengths = np.sqrt(np.mean(np.sum(np.square(self.weights), axis=1)))
        known = "" if self.lengths_known else ": supposed; the weights are trained, give initial="
        rows = [
            ["layers", f"{self.names[0]}, {self.names[1]}"],
            ["activation", self.activation.short],
            ["length of initial rows, R", f"{self.convention.row_length:.6g}{known}"],
            ["scale of pre-activations, s", f"{self.convention.input_scale:.6g}"],
            ["scale of the output, m", f"{self.convention.output_scale:.6g}"],
            ["output_scale of the problem, S", f"{self.convention.scale:.6g}"],
            ["length of rows of W now", f"{lengths:.6g}"],
        ]
        head = f"network of a model: N = {width}, d = {dim}"
        return [head, Table("ll", [], rows), *(paragraph(f"note: {one}") for one in self.notes)]
