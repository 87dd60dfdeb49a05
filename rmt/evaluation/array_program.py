"""Graphs evaluated on arrays of any library that follows the Python array API standard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS

__all__ = ["run_on", "to_numpy"]


def run_on(
    xp: Any, graph: Graph, outputs: Sequence[NodeId], arrays: Sequence[Any]
) -> tuple[Any, ...]:
    """The outputs of a graph, operation by operation, without repair of overflows.

    Parameters
    ----------
    xp : namespace
        Of the arrays, following the Python array API standard.
    graph, outputs
        What to compute.
    arrays : sequence of array
        One for each variable, all of one shape, dtype and device.
    """
    first = arrays[0]
    values: dict[NodeId, Any] = {}
    for node in graph.ancestors(list(outputs)):
        operation = graph.operations[node]
        if operation == "const":
            number = graph.double(node)
            values[node] = xp.asarray(number, dtype=first.dtype, device=first.device)
        elif operation == "var":
            values[node] = arrays[graph.payloads[node]]
        else:
            inputs = [values[argument] for argument in graph.arguments[node]]
            function = _function(xp, operation, first.dtype, graph.payloads[node])
            values[node] = function(*inputs)
    return tuple(_of_shape(xp, values[node], first.shape) for node in outputs)


def _of_shape(xp: Any, value: Any, shape: tuple[int, ...]) -> Any:
    """A constant as a whole array: not as a view of one number, which could not be written to."""
    if value.shape == shape:
        return value
    return xp.asarray(xp.broadcast_to(value, shape), copy=True)


def to_numpy(array: Any) -> NDArray[Any]:
    """An array of another library, wherever it lies, as a NumPy array."""
    if isinstance(array, np.ndarray):
        return array
    # PyTorch's way to the main memory, CuPy's, and the standard's for what lies there already.
    for method in ("cpu", "get"):
        if hasattr(array, method):
            array = getattr(array, method)()
    return np.array(array) if isinstance(array, np.ndarray) else np.from_dlpack(array)


def _function(xp: Any, operation: str, dtype: Any, payload: Any) -> Callable[..., Any]:
    if operation == "table":
        return partial(_table, xp, payload)
    if operation == "copy":  # a truth value becomes 0 or 1
        return lambda x: xp.astype(x, dtype)
    record = OPERATIONS[operation]
    return _special_function(xp, operation) if record.special else record.on(xp)


def _table(xp: Any, payload: Any, u: Any) -> Any:
    """Through main memory, where the panels of the points are looked up."""
    table, order = payload
    values = table.values(to_numpy(u), order)
    return xp.asarray(values, dtype=u.dtype, device=u.device)


def _special_function(xp: Any, name: str) -> Callable[..., Any]:
    """The library's own special function, on its device, or else SciPy's in main memory."""
    if "torch" in xp.__name__:
        return getattr(import_module("torch.special"), name)  # type: ignore[no-any-return]
    if "cupy" in xp.__name__:
        return getattr(import_module("cupyx.scipy.special"), name)  # type: ignore[no-any-return]

    def through_numpy(x: Any) -> Any:
        return xp.asarray(getattr(scipy.special, name)(to_numpy(x)), device=x.device)

    return through_numpy
