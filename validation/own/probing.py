"""What a model computes: called on random inputs, and explained by one of a few formulas."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.functions import ScalarFunction
from rmt.functions.known import text_of
from rmt.status import InvalidInputError
from validation.own.layers import Layers

__all__ = ["Fit", "fitted"]

# Inputs that the model is called on, and the relative difference that its output may have from the
# formula: scales of single precision inside of the forward pass are off by 1e-7.
_INPUTS = 64
_TOLERANCE = 2e-5


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The formula that a model is: ``m sum_i u_i sigma(s <v_i, x>)``.

    Attributes
    ----------
    weights : array (N, d)
        ``V``.
    readout : array (N,)
        ``u``, with the sign of ``m``.
    activation : ScalarFunction
    input_scale, output_scale : float
        ``s``, and the absolute value of ``m``.
    transposed : bool
        Whether the model has ``V^T``.
    negative : bool
        Whether ``m`` is negative.
    """

    weights: Array
    readout: Array
    activation: ScalarFunction
    input_scale: float
    output_scale: float
    transposed: bool
    negative: bool

    def oriented(self, tensor: Any) -> Array:
        """A first layer as `weights` has it."""
        return _oriented(tensor, self.transposed)

    def signed(self, tensor: Any) -> Array:
        """A second layer as `readout` has it."""
        u = _numbers(tensor).reshape(-1)
        return -u if self.negative else u


def fitted(
    model: Any,
    layers: Layers,
    functions: Sequence[ScalarFunction],
    others: bool,
    input_scale: float | None,
) -> Fit:
    """The formula of a model.

    Parameters
    ----------
    model : torch.nn.Module
    layers : Layers
    functions : sequence of ScalarFunction
        Those that may be the activation.
    others : bool
        Whether those of the model's modules and calls may be it too.
    input_scale : float or None
        ``s``, if it is given.

    Raises
    ------
    InvalidInputError
        When no formula gives the model's output.
    """
    readout = _numbers(layers.readout).reshape(-1)
    if not (np.isfinite(readout).all() and np.isfinite(_numbers(layers.weights)).all()):
        raise InvalidInputError(
            f"model: {layers.first} and {layers.second} must be finite; training may have diverged"
        )
    if not readout.any() or not bool(layers.weights.any()):
        raise InvalidInputError(
            f"model: {layers.first} and {layers.second} must not be zero everywhere, as nothing is "
            "learned through a zero second layer, nor by neurons that are all alike"
        )
    reasons: list[str] = []
    tried: dict[str, None] = {}
    for transposed in layers.orientations:
        V = _oriented(layers.weights, transposed)
        try:
            probe = _probe(model, layers, V, readout, transposed)
        except _CannotCall as error:
            reasons.append(str(error))
            continue
        possible = list(functions)
        if others:
            possible += [*_of_modules(model), *probe.called, ScalarFunction.parse("z")]
        tried |= {one.short: None for one in possible}
        found = _explained(probe, possible, input_scale)
        if found is not None:
            activation, s, m = found
            return Fit(V, readout * (1 if m > 0 else -1), activation, s, abs(m), transposed, m < 0)
    if len(reasons) == len(layers.orientations):
        raise InvalidInputError(
            f"model must take inputs (n, d) and give outputs (n,) or (n, 1): {reasons[0]}"
        )
    scales = "1 or d**-0.5" if input_scale is None else f"{input_scale:g}"
    raise InvalidInputError(
        "model: its output is not m sum_i u_i sigma(s <v_i, x>) with the layers "
        f"{layers.first}, {layers.second}, s = {scales}, and sigma any of {', '.join(tried)}; say "
        "what its activation is, activation='tanh(z + 7/10)', and input_scale= if that is another; "
        "anything else that it does to its input, between the layers or to its output is no part "
        "of a problem"
    )


class _CannotCall(Exception):
    """The model does not take these inputs, or gives something else than one number each."""


@dataclass(frozen=True, slots=True, eq=False)
class _Probe:
    """Inputs (n, d) and outputs (n,) of a model of weights (N, d) and readout (N,).

    ``called`` are the functions that it calls, ``length`` is that of the rows of its own weights.
    """

    inputs: Array
    outputs: Array
    weights: Array
    readout: Array
    called: tuple[ScalarFunction, ...]
    length: float


def _probe(model: Any, layers: Layers, V: Array, u: Array, transposed: bool) -> _Probe:
    """Call a model, with random layers in the place of those that are parameters or buffers.

    Its own may hide what it computes: the output of an antisymmetric one is zero.
    """
    torch: Any = sys.modules["torch"]
    rng = np.random.default_rng(0)
    N, d = V.shape
    length = math.sqrt(float(np.sum(np.square(V))) / N)
    inputs = rng.standard_normal((_INPUTS, d))
    changed: dict[str, Array] = {}
    names = {name for name, _ in [*model.named_parameters(), *model.named_buffers()]}
    if layers.first in names:
        V = rng.standard_normal((N, d)) * (length / math.sqrt(d))
        changed[layers.first] = V.T if transposed else V
    if layers.second in names:
        u = rng.standard_normal((N,)) / math.sqrt(N)
        changed[layers.second] = u
    calls: list[Callable[..., Any]] = []
    try:
        outputs = _called(model, torch.float64, inputs, changed, calls)
    except _CannotCall:  # tensors that are plain attributes stay in single precision
        calls.clear()
        outputs = _called(model, layers.weights.dtype, inputs, changed, calls)
    return _Probe(inputs, outputs, V, u, tuple(_recognised(calls)), length)


def _called(
    model: Any,
    dtype: Any,
    inputs: Array,
    changed: Mapping[str, Array],
    calls: list[Callable[..., Any]],
) -> Array:
    """Output of a model in a precision, with other parameters; what it calls is added to a list."""
    torch: Any = sys.modules["torch"]
    state = {}
    for name, one in [*model.named_parameters(), *model.named_buffers()]:
        state[name] = one.detach()
        if one.is_floating_point():
            state[name] = state[name].to(dtype)
        if name in changed:
            array = np.ascontiguousarray(changed[name])
            state[name] = torch.as_tensor(array, dtype=dtype, device=one.device).reshape(one.shape)
    places = [one.device for one in state.values()] or ["cpu"]

    class Listening(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(_with_parameters(function, args, kwargs or {}))
            return function(*args, **(kwargs or {}))

    given = torch.as_tensor(inputs, dtype=dtype, device=places[0])
    try:
        with torch.no_grad(), Listening():
            output = torch.func.functional_call(model, state, (given,))
    except Exception as error:  # whatever the forward pass raises
        text = " ".join(str(error).split())[:200]
        raise _CannotCall(
            f"called on inputs {inputs.shape} of {dtype} it raises {type(error).__name__}: {text}"
        ) from error
    shape = tuple(getattr(output, "shape", ())) or type(output).__name__
    if shape not in ((_INPUTS,), (_INPUTS, 1)):
        raise _CannotCall(f"on inputs {inputs.shape} it gives {shape}")
    outputs = _numbers(output).reshape(-1)
    if not np.isfinite(outputs).all():
        raise _CannotCall("its output is not finite")
    return outputs


def _explained(
    probe: _Probe, functions: Sequence[ScalarFunction], input_scale: float | None
) -> tuple[ScalarFunction, float, float] | None:
    """Activation and scales that give the output, or None.

    Of an activation that is homogeneous several do: the one with pre-activations nearest to
    variance 1.
    """
    N, d = probe.weights.shape
    scales = [1.0, d**-0.5] if input_scale is None else [input_scale]
    if probe.length > 0:
        scales.sort(key=lambda s: abs(math.log(s * probe.length)))
    pre, y = probe.inputs @ probe.weights.T, probe.outputs
    for function in functions:
        for s in scales:
            with np.errstate(all="ignore"):
                explained = function(s * pre) @ probe.readout
            square = float(explained @ explained)
            if not 0 < square < math.inf:
                continue
            m = float(y @ explained) / square
            off = float(np.linalg.norm(y - m * explained))
            if m != 0 and off <= _TOLERANCE * float(np.linalg.norm(y)):
                return function, s, _usual(m, N)
    return None


def _usual(m: float, width: int) -> float:
    """The number, or the usual one that it is to rounding."""
    for usual in (1.0, width**-0.5, 1.0 / width):
        if abs(abs(m) / usual - 1) < _TOLERANCE:
            return math.copysign(usual, m)
    return m


def _with_parameters(function: Any, args: Any, kwargs: Any) -> Callable[..., Any]:
    """A function with the numbers that it is called with beside its input."""
    given = {key: value for key, value in kwargs.items() if _is_plain(value)}
    if len(args) > 1:
        try:
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):  # built in: what its arguments are called is not known
            return partial(function, *args[1:])
        given = {key: value for key, value in bound.items() if _is_plain(value)}
    given.pop("inplace", None)
    return partial(function, **given) if given else function


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _of_modules(model: Any) -> Iterator[ScalarFunction]:
    """Activations among a model's modules."""
    leaves = [one for one in model.modules() if not list(one.children())]
    return _recognised(leaves)


def _recognised(functions: Sequence[Any]) -> Iterator[ScalarFunction]:
    """Those that have a text, each once."""
    seen = set()
    for one in functions:
        try:
            text = text_of(one)
        except InvalidInputError:
            continue
        if text is not None and text not in seen:
            seen.add(text)
            yield ScalarFunction.parse(text)


def _oriented(tensor: Any, transposed: bool) -> Array:
    V = _numbers(tensor)
    V = V.reshape([side for side in V.shape if side != 1])
    return np.ascontiguousarray(V.T) if transposed else V


def _numbers(tensor: Any) -> Array:
    """A tensor of PyTorch as a copy in main memory."""
    return np.array(tensor.detach().cpu().double().numpy())
