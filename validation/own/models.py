"""The two layers of a model of PyTorch: found, and held against what the model computes."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from rmt.arguments import positive_number
from rmt.arrays import Array
from rmt.functions import FunctionLike, ScalarFunction
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.own.conventions import Convention
from validation.own.layers import Layers, find_layers, found_tensors
from validation.own.network import USUAL_LENGTHS, OwnNetwork
from validation.own.probing import Fit, fitted

__all__ = ["for_check", "from_torch", "is_model"]

Initial: TypeAlias = "Any | Mapping[str, Any] | OwnNetwork"

# Relative change of the second layer that is none.
_STILL = 1e-6
# Standard errors within which a measured length is a usual one.
_SURE = 5.0
# Steps of a power iteration, which ends below the largest singular value, and how far beyond the
# edge of the bulk that is an outlier.
_POWERS, _BEYOND = 30, 1.1


def is_model(thing: Any) -> bool:
    """Whether it is a model of PyTorch, which is not imported for the question.

    Examples
    --------
    >>> is_model(np.ones(3))
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)


def from_torch(
    model: Any,
    initial: Initial | None = None,
    *,
    activation: FunctionLike | None = None,
    input_scale: float | None = None,
    row_length: float | None = None,
    first_layer: str | None = None,
    second_layer: str | None = None,
) -> OwnNetwork:
    r"""The two-layer network that a model of PyTorch is, in the normalisation of a problem.

    .. math:: h(x) = m \sum_i u_i\, \sigma(s \langle v_i, x \rangle)

    Layers are found by the shapes of parameters, buffers and attributes, whatever their names; the
    activation by modules and functions that the model calls. Then the model is called on random
    inputs, with another second layer where that can be, and must give the formula's output to
    rounding: with ``s`` one of 1 and ``d**-0.5``, and any ``m``. So scales inside of the forward
    pass are found, and whatever else a model does is refused.

    Parameters
    ----------
    model : torch.nn.Module
        Of inputs (n, d) and outputs (n,) or (n, 1). It is not changed; the arrays are copies.
    initial : torch.nn.Module, state dict, or OwnNetwork, optional
        The same before training: a copy, ``copy.deepcopy(model)``, or ``from_torch(model)`` then.
        It tells the lengths of initial rows, which learning rates are relative to, and that the
        second layer has not moved. `validation.check` does without.
    activation : str, ScalarFunction or function, optional
        ``sigma``, where it is not found: one that is written out in the forward pass.
    input_scale : float, optional
        ``s``, where it is neither 1 nor ``d**-0.5``.
    row_length : float, optional
        ``R``, root mean square of the lengths of initial rows ``v_i``. Left out: measured on
        ``initial``, and rounded to a usual one that it is within errors (``s R`` of 1,
        ``1/sqrt(3)`` as in ``torch.nn.Linear``, ``sqrt(2)``). Without ``initial``: on the weights
        themselves, unless an outlier shows that they are trained; then ``1/s``, and
        `OwnNetwork.lengths_known` is False.
    first_layer, second_layer : str, optional
        Names of the tensors, ``"fc1.weight"``, where several might be meant.

    Returns
    -------
    OwnNetwork

    Raises
    ------
    InvalidInputError
        For what is no such network, each with what to do: biases, other numbers of layers, layers
        of normalisation, several outputs, an activation that is not known or is not the model's, a
        second layer that has moved.

    Notes
    -----
    The model is called with copies of its parameters, in the mode that it is in, in double
    precision where that can be. docs/howto/own_network.md; docs/notation.md, conventions of other
    papers.

    Examples
    --------
    With PyTorch:

    >>> import torch  # doctest: +SKIP
    >>> W, a = (
    ...     torch.nn.Linear(80, 60, bias=False),
    ...     torch.nn.Linear(60, 1, bias=False),
    ... )  # doctest: +SKIP
    >>> network = from_torch(torch.nn.Sequential(W, torch.nn.Tanh(), a))  # doctest: +SKIP
    >>> network.names, network.activation.text  # doctest: +SKIP
    (('0.weight', '2.weight'), 'tanh(sqrt(3)*z/3)')
    >>> problem = network.problem("z", 200, rates=2.0, loss=torch.nn.MSELoss())  # doctest: +SKIP
    >>> problem.output_scale, problem.learning_rates  # doctest: +SKIP
    (0.577350269189625..., (6.92820323027...,))

    Without, and for what is no model of it:

    >>> from_torch([[1.0]])
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: model must be a torch.nn.Module, got list; arrays go to
    validation.check as they are, and validation.own.convention converts them
    """
    if not is_model(model):
        raise InvalidInputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}; arrays go to "
            "validation.check as they are, and validation.own.convention converts them"
        )
    known = None if activation is None else ScalarFunction.parse(activation)
    return network_of(
        model,
        initial,
        functions=() if known is None else (known,),
        others=known is None,
        input_scale=None if input_scale is None else positive_number("input_scale", input_scale),
        row_length=None if row_length is None else positive_number("row_length", row_length),
        names=(first_layer, second_layer),
    )


def network_of(
    model: Any,
    initial: Initial | None = None,
    *,
    functions: tuple[ScalarFunction, ...],
    others: bool = True,
    input_scale: float | None = None,
    row_length: float | None = None,
    names: tuple[str | None, str | None] = (None, None),
) -> OwnNetwork:
    """`from_torch` with functions that may be the activation, and perhaps those that are found."""
    layers = find_layers(model, *names)
    fit = fitted(model, layers, functions, others, input_scale)
    before = None if initial is None else _layers_before(initial, model, layers, fit)
    V, u = fit.weights, fit.readout
    if before is not None:
        _check_moved(before, V, u, layers)
    untrained = before[0] if before is not None else V if _looks_untrained(V) else None
    length = row_length
    if length is None and untrained is not None:
        length = _length(untrained, fit.input_scale)
    width, dim = V.shape
    convention = Convention(
        name=type(model).__name__,
        width=width,
        dim=dim,
        row_length=length or 1 / fit.input_scale,
        input_scale=fit.input_scale,
        readout_std=_readout_size(u, fit.output_scale),
        output_scale=fit.output_scale,
    )
    unseen = (
        f"the second layer, {layers.second}, is a trainable parameter, and whether it has moved is "
        "not seen of the trained model. from_torch(model, initial) decides. See "
        "docs/howto/own_network.md#what-is-needed"
    )
    return OwnNetwork(
        weights=convention.weights(V),
        coefficients=u * fit.output_scale,
        activation=convention.activation(fit.activation),
        convention=convention,
        initial=None if before is None else convention.weights(before[0]),
        names=(layers.first, layers.second),
        lengths_known=length is not None,
        notes=(unseen,) if layers.trainable and before is None else (),
    )


def for_check(problem: Problem, weights: Any, readout: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """Weights and second layers of models among the weights, and what could not be seen of them.

    Arrays are handed through.

    Raises
    ------
    InvalidInputError
        As `from_torch` and `OwnNetwork.for_problem` raise it; for a readout beside a model, and
        models among arrays.
    """
    several = list(weights) if isinstance(weights, list | tuple) else [weights]
    models = [isinstance(one, OwnNetwork) or is_model(one) for one in several]
    if not any(models):
        return weights, readout, ()
    if readout is not None:
        raise InvalidInputError("readout must be left out with a model, whose second layer it is")
    if not all(models):
        raise InvalidInputError("weights must be all models or all arrays, got some of both")
    networks = [
        one if isinstance(one, OwnNetwork) else network_of(one, functions=(problem.activation,))
        for one in several
    ]
    pairs = [one.for_problem(problem) for one in networks]
    notes = dict.fromkeys(note for one in networks for note in one.notes)
    return [W for W, _ in pairs], np.array([a for _, a in pairs]), tuple(notes)


def _layers_before(initial: Any, model: Any, layers: Layers, fit: Fit) -> tuple[Array, Array]:
    """Both layers before training, as the fit has them."""
    if isinstance(initial, OwnNetwork):
        convention = initial.convention
        V = convention.their_weights(initial.weights)
        u = initial.coefficients / convention.output_scale
    elif is_model(initial) or isinstance(initial, Mapping):
        if isinstance(initial, Mapping):
            if layers.first not in initial:
                raise InvalidInputError(
                    f"initial must hold {layers.first}, as a copy of model.state_dict() does; it "
                    f"holds {', '.join(map(str, initial)) or 'nothing'}"
                )
            tensors = initial
        else:
            tensors = {one.name: one.tensor for one in found_tensors(initial)}
        V, u = fit.oriented(tensors[layers.first]), fit.readout
        if layers.second in tensors:
            u = fit.signed(tensors[layers.second])
    else:
        raise InvalidInputError(
            "initial must be a model, its state_dict(), or what from_torch made of it, got "
            f"{type(initial).__name__}"
        )
    if V.shape != fit.weights.shape or u.shape != fit.readout.shape:
        raise InvalidInputError(
            f"initial must have layers of the shapes {fit.weights.shape} and {fit.readout.shape}, "
            f"got {V.shape} and {u.shape}"
        )
    return V, u


def _check_moved(before: tuple[Array, Array], V: Array, u: Array, layers: Layers) -> None:
    """Raise unless the first layer has moved, and the second has not."""
    moved = float(np.abs(u - before[1]).max() / np.abs(before[1]).max())
    if moved > _STILL:
        raise InvalidInputError(
            f"readout: the second layer, {layers.second}, has moved in training, by up to "
            f"{moved:.2g} of its size; the theory trains the first layer alone: freeze it, "
            "requires_grad_(False), or leave it out of the optimiser"
        )
    if np.array_equal(before[0], V):
        raise InvalidInputError(
            "initial: its first layer is that of the model; state_dict() and model are no copies "
            "but follow the training: keep copy.deepcopy(model), or from_torch(model), before it"
        )


def _size(array: Array, *, rows: bool = False) -> float:
    """Root mean square of the entries, or of the lengths of rows."""
    square = np.mean(np.square(array))
    return math.sqrt(float(square) * (array.shape[1] if rows else 1))


def _length(V: Array, input_scale: float) -> float:
    """Root mean square of the lengths of rows, or the usual one that it is within errors."""
    measured = _size(V, rows=True)
    nearest = min((one / input_scale for one in USUAL_LENGTHS), key=lambda R: abs(measured / R - 1))
    error = 1 / math.sqrt(2 * V.size)
    return nearest if abs(measured / nearest - 1) < _SURE * error else measured


def _looks_untrained(V: Array) -> bool:
    """Whether no singular value is beyond the bulk of independent entries, by power iteration.

    Of rows that come in pairs, as those of an antisymmetric start do, each once.
    """
    half = len(V) // 2
    if len(V) == 2 * half and np.array_equal(V[:half], V[half:]):
        V = V[:half]
    x = np.random.default_rng(0).standard_normal((V.shape[1],))
    for _ in range(_POWERS):
        x = V.T @ (V @ (x / np.linalg.norm(x)))
    largest = math.sqrt(float(np.linalg.norm(x)))
    return largest < _BEYOND * _size(V) * (math.sqrt(V.shape[0]) + math.sqrt(V.shape[1]))


def _readout_size(u: Array, output_scale: float) -> float:
    """Root mean square of the second layer: such that ``S`` is a usual one, if it may be."""
    measured, root = _size(u), math.sqrt(u.size)
    error = float(np.std(u**2)) / (2 * measured**2 * root)
    usual = [scale / (output_scale * root) for scale in (1.0, 3**-0.5, 1 / root)]
    nearest = min(usual, key=lambda one: abs(measured / one - 1))
    return nearest if abs(measured / nearest - 1) < _SURE * error + _STILL else measured
