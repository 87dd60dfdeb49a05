"""Where a simulation runs: NumPy on the CPU, or another array library and device."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.status import InvalidInputError, RmtError

__all__ = ["CPU", "Device", "find_device", "namespace_of"]


@dataclass(frozen=True, slots=True)
class Device:
    """An array library and one of its devices.

    Attributes
    ----------
    name : str
        What it is called in options, and in the keys of stored samples.
    xp : namespace
        The library's functions, as the Python array API standard names them.
    handle : object
        The device as the library knows it; None for its default.
    accelerator : bool
        Whether it wants few large pieces of work, rather than pieces that fit a core's cache.
    """

    name: str
    xp: Any
    handle: Any = None
    accelerator: bool = False

    def asarray(self, array: NDArray[Any]) -> Any:
        """A NumPy array on this device; NumPy's own is handed through."""
        return array if self.xp is np else self.xp.asarray(array, device=self.handle)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array without contents."""
        return self.xp.empty(shape, dtype=getattr(self.xp, dtype.name), device=self.handle)

    def product(self, a: Any, b: Any, out: Any) -> None:
        """``a b`` into existing memory, where the library can."""
        self._into(out, self.xp.matmul, a, b)

    def scaled(self, a: Any, factors: Any, out: Any) -> None:
        """The entries of ``a`` times the factors, into existing memory, where the library can."""
        self._into(out, self.xp.multiply, a, factors)

    def _into(self, out: Any, function: Any, *arguments: Any) -> None:
        if self.xp.__name__ == "array_api_strict":
            out[...] = function(*arguments)
        else:
            function(*arguments, out=out)

    def __str__(self) -> str:
        return self.name


CPU = Device("cpu", np)


def find_device(device: str | Device) -> Device:
    """The device of this name.

    Parameters
    ----------
    device : str or Device
        ``"cpu"``: NumPy. ``"cuda"`` or ``"cuda:1"``: a GPU, by PyTorch or else CuPy.
        ``"torch"``: PyTorch on the CPU. A `Device` is handed through.

    Raises
    ------
    InvalidInputError
        For an unknown name, or when there is no such GPU.
    RmtError
        When the library for it is not installed; names the extra.

    Examples
    --------
    >>> find_device("cpu").name
    'cpu'
    >>> find_device("tpu")
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: device must be 'cpu', 'cuda', 'cuda:K' or 'torch', got 'tpu'
    """
    if isinstance(device, Device):
        return device
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if device == "cpu":
        return CPU
    if device == "torch":
        return Device("torch", _namespace("torch"))
    if kind == "cuda" and (number.isdecimal() or device == "cuda"):
        return _gpu(device, int(number or 0))
    raise InvalidInputError(f"device must be 'cpu', 'cuda', 'cuda:K' or 'torch', got {device!r}")


def namespace_of(array: Any) -> Any:
    """The array API namespace that an array belongs to: NumPy's for whatever NumPy converts.

    Examples
    --------
    >>> namespace_of([[1.0, 2.0]]).__name__
    'numpy'
    """
    if isinstance(array, np.ndarray | list | tuple):
        return np
    if find_spec("array_api_compat") is not None:
        compat = import_module("array_api_compat")
        return compat.array_namespace(array) if compat.is_array_api_obj(array) else np
    return array.__array_namespace__() if hasattr(array, "__array_namespace__") else np


def _gpu(name: str, number: int) -> Device:
    if find_spec("torch") is not None:
        cuda = import_module("torch").cuda
        count = cuda.device_count() if cuda.is_available() else 0
        handle: Any = f"cuda:{number}"
        library = "torch"
    elif find_spec("cupy") is not None:
        cupy = import_module("cupy")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:
            count = 0
        library = "cupy"
        handle = cupy.cuda.Device(number) if number < count else None
    else:
        raise RmtError("a GPU needs PyTorch or CuPy (the extra 'gpu' of this package)")
    if number >= count:
        found = f"{count} found" if count else "none found"
        raise InvalidInputError(f"device {name!r} must be a GPU that {library} can use: {found}")
    return Device(name, _namespace(library), handle, accelerator=True)


def _namespace(library: str) -> Any:
    for module in (library, "array_api_compat"):
        if find_spec(module) is None:
            raise RmtError(f"this device needs {module} (the extra 'gpu' of this package)")
    return import_module(f"array_api_compat.{library}")
