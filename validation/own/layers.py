"""Which tensors of a model are its two layers, by shape, and what makes it another network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rmt.status import InvalidInputError

__all__ = ["Found", "Layers", "find_layers", "found_tensors"]

# Kinds of layers that are no part of a two-layer network, by the beginning of their class's name.
_FOREIGN = {
    "BatchNorm": "normalises over the batch",
    "LayerNorm": "normalises every input",
    "GroupNorm": "normalises every input",
    "InstanceNorm": "normalises every input",
    "RMSNorm": "normalises every input",
    "Conv": "is a convolution",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A tensor of a model.

    Attributes
    ----------
    name : str
        As in ``named_parameters()``; of a plain attribute the same way.
    tensor : torch.Tensor
    kind : {"parameter", "buffer", "attribute"}
    """

    name: str
    tensor: Any
    kind: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Without sides of length one."""
        return tuple(side for side in self.tensor.shape if side != 1)

    @property
    def said(self) -> str:
        """Name and shape."""
        return f"{self.name} {tuple(self.tensor.shape)}"


@dataclass(frozen=True, slots=True)
class Layers:
    """The two layers of a model.

    Attributes
    ----------
    first, second : str
        Names.
    weights, readout : torch.Tensor
        ``weights`` (N, d), or (d, N) where `may_transpose`; ``readout`` with N entries.
    orientations : tuple of bool
        Whether the weights are to be transposed: what the shapes leave open.
    trainable : bool
        Whether it is one that training may move.
    """

    first: str
    second: str
    weights: Any
    readout: Any
    orientations: tuple[bool, ...]
    trainable: bool


def found_tensors(model: Any) -> list[Found]:
    """Parameters, buffers, and tensors that are plain attributes; real ones, each once."""
    torch: Any = sys.modules["torch"]
    found = [Found(name, one, "parameter") for name, one in model.named_parameters()]
    found += [Found(name, one, "buffer") for name, one in model.named_buffers()]
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                found.append(Found(f"{path}.{key}".lstrip("."), value, "attribute"))
    return [one for one in found if one.tensor.is_floating_point()]


def find_layers(model: Any, first: str | None = None, second: str | None = None) -> Layers:
    """The layers of a model.

    Raises
    ------
    InvalidInputError
        Where it is no two-layer network without biases, or it is not clear which tensors they are.
    """
    torch: Any = sys.modules["torch"]
    for name, module in model.named_modules():
        _check_kind(name or "the model", type(module).__name__, module)
    for name, one in model.named_parameters():
        if torch.nn.parameter.is_lazy(one):
            raise InvalidInputError(
                f"model: {name} has no shape before the first call; call the model once"
            )
    tensors = found_tensors(model)
    biases = _bias_names(model)
    W = _first(tensors, first)
    a = _second([one for one in tensors if one is not W and one.name not in biases], W, second)
    _check_rest(tensors, W, a, biases)
    N = a.tensor.numel()
    sides = W.tensor.shape
    orientations = tuple(flip for flip in (False, True) if sides[int(flip)] == N)
    return Layers(
        first=W.name,
        second=a.name,
        weights=W.tensor,
        readout=a.tensor,
        orientations=orientations,
        trainable=a.kind == "parameter" and a.tensor.requires_grad,
    )


def _check_kind(name: str, kind: str, module: Any) -> None:
    for beginning, what in _FOREIGN.items():
        if kind.startswith(beginning):
            raise InvalidInputError(
                f"model: {name} ({kind}) {what}, and the network is h(x) = sum_i a_i "
                "sigma(<w_i, x>) without; leave it out"
            )
    if kind.endswith("Dropout") and module.training and module.p > 0:
        raise InvalidInputError(
            f"model: {name} ({kind}) drops neurons at random, which the problem's steps do not; "
            "train without it, or call model.eval() if it was"
        )


def _bias_names(model: Any) -> set[str]:
    """Parameters that modules call their bias."""
    names = (name for name, _ in model.named_parameters())
    return {name for name in names if name.rpartition(".")[2].startswith("bias")}


def _first(tensors: Sequence[Found], name: str | None) -> Found:
    if name is not None:
        return _named("first_layer", tensors, name, 2)
    # Training moves parameters, so the first layer is one where there is one.
    for kind in ("parameter", "buffer", "attribute"):
        of_kind = [one for one in tensors if one.kind == kind]
        deep = [one for one in of_kind if len(one.shape) > 2]
        matrices = [one for one in of_kind if len(one.shape) == 2]
        if deep:
            raise InvalidInputError(
                f"model: {deep[0].said} is no matrix; the network has one matrix and a vector"
            )
        if len(matrices) > 1:
            listed = ", ".join(one.said for one in matrices)
            raise InvalidInputError(
                f"model must have one matrix, the first layer, and a second layer of one output; "
                f"it has {listed}: deeper networks and several outputs have no prediction; where "
                "one of them is no layer, say which is, first_layer=.."
            )
        if matrices:
            return matrices[0]
    raise InvalidInputError(f"model must have a matrix, the first layer; it has {_listed(tensors)}")


def _second(tensors: Sequence[Found], W: Found, name: str | None) -> Found:
    if name is not None:
        return _named("second_layer", tensors, name, 1)
    for kind in ("parameter", "buffer", "attribute"):
        vectors = [
            one
            for one in tensors
            if one.kind == kind and len(one.shape) == 1 and one.shape[0] in W.shape
        ]
        if len(vectors) > 1:
            listed = ", ".join(one.said for one in vectors)
            raise InvalidInputError(
                f"model: the second layer may be any of {listed}; say which, second_layer=.. (a "
                "bias is none)"
            )
        if vectors:
            return vectors[0]
    sides = " or ".join(str(side) for side in W.shape)
    raise InvalidInputError(
        f"model must have a second layer, a vector of {sides} numbers beside {W.said}; it has "
        f"{_listed(tensors)}"
    )


def _named(argument: str, tensors: Sequence[Found], name: str, ndim: int) -> Found:
    found = [one for one in tensors if one.name == name]
    if not found or len(found[0].shape) != ndim:
        what = "a matrix" if ndim == 2 else "a vector"
        raise InvalidInputError(
            f"{argument} must be the name of {what} among {_listed(tensors)}; got {name!r}"
        )
    return found[0]


def _check_rest(tensors: Sequence[Found], W: Found, a: Found, biases: set[str]) -> None:
    """Raise for parameters that are neither layer, but for frozen zeros."""
    for one in tensors:
        if one is W or one is a or one.kind != "parameter":
            continue
        zero = not bool(one.tensor.any())
        a_scale = one.tensor.numel() == 1 and one.name not in biases
        if (zero or a_scale) and not one.tensor.requires_grad:
            continue
        if one.name in biases:
            raise InvalidInputError(
                f"model: {one.said} is a bias; the theory has none, as neurons with biases of "
                "their own, drawn or trained, follow other laws: make the layers with bias=False; "
                "one number for all neurons is part of the activation, such as 'tanh(z + 7/10)'"
            )
        raise InvalidInputError(
            f"model: {one.said} is a parameter beside first and second layer, {W.name} and "
            f"{a.name}; the problem's steps train the first layer alone: leave it out, or freeze "
            "it, requires_grad_(False), if it is a fixed scale"
        )


def _listed(tensors: Sequence[Found]) -> str:
    return ", ".join(one.said for one in tensors) or "no tensors"
