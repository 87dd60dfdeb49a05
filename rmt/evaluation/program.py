"""Graphs as NumPy programs: blocked, with reused buffers, and an arbitrary-precision fallback."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Bools, Indices
from rmt.budget import count_work
from rmt.evaluation.array_program import run_on, to_numpy
from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.numeric_form import always_finite, numeric_form
from rmt.evaluation.operations import OPERATIONS
from rmt.evaluation.overflow import enclosures
from rmt.evaluation.precise import precise_values
from rmt.evaluation.schedule import schedule
from rmt.evaluation.terms import Functions, Term
from rmt.lazy import mpmath

__all__ = ["Program"]

FloatArray = NDArray[Any]

# Elements evaluated at a time: the buffers of one block stay in the cache of a core, and an
# operation on it takes long enough for several threads not to wait for the interpreter.
BLOCK = 32768
_WORK = 3.0  # of a step for an element, in simple array operations

# Decimal digits of the fallback; it stops when two precisions agree.
FIRST_DIGITS = 40
MAX_DIGITS = 3000


class Program:
    """NumPy code for some nodes of a graph.

    Calling it with one array per variable (all of one shape) returns one array per output, in
    float32 when every input is float32 and in float64 otherwise. Points where an intermediate
    overflow made the result infinite or nan are looked at again, so that a value that is a number
    comes out as that number; where the function is not real, nan. With ``repair=False`` that is
    left out.

    What it costs beyond one pass of NumPy, for ``n`` points that are not finite: float32 once more
    in float64; bounds on their logarithms, tens of passes, a few microseconds a point, which settle
    whatever truly overflows; and for the points that are left mpmath, some hundredths of a
    millisecond for each node of the graph, at 40 and at 120 digits, which is nearly always enough:
    in all some ``n/10`` milliseconds. Only where sums cancel a hundred digits are more taken, up to
    3240, where an exponential takes 3 milliseconds, of the largest doubles 70: the worst is
    ``n/10`` seconds for each exponential.
    """

    def __init__(self, graph: Graph, outputs: Sequence[NodeId], *, repair: bool = True) -> None:
        self.graph = graph
        self.outputs = tuple(outputs)
        self._numeric, self._numeric_outputs = numeric_form(graph, outputs)
        self._schedule = schedule(self._numeric, self._numeric_outputs)
        self._steps = [
            (OPERATIONS[name].on_numpy(payload), inputs, out)
            for name, payload, inputs, out in self._schedule.steps
        ]
        self._repairs = repair and not all(always_finite(graph, node) for node in outputs)

    # Evaluation

    def __call__(self, *arrays: Any) -> tuple[FloatArray, ...]:
        converted = [np.asarray(a) for a in arrays]
        single = all(a.dtype == np.float32 for a in converted)
        dtype = np.dtype(np.float32 if single else np.float64)
        shape = np.broadcast_shapes(*(a.shape for a in converted))
        flat = [
            np.ascontiguousarray(np.broadcast_to(a, shape), dtype=dtype).reshape(-1)
            for a in converted
        ]
        # One allocation: two large ones would go back to the system, and be paged in, every time.
        results = tuple(np.empty((len(self.outputs), flat[0].size), dtype))
        with np.errstate(all="ignore"):
            bad = self._run(flat, results, dtype)
            for start in range(0, bad.size, BLOCK):
                self._repair(flat, results, bad[start : start + BLOCK])
        # Numbers in, numbers out, as NumPy's own functions do.
        return tuple(result.reshape(shape)[()] for result in results)

    def on(self, xp: Any, *arrays: Any) -> tuple[Any, ...]:
        """The outputs on arrays of another library with the array API namespace ``xp``.

        All of one shape, floating dtype and device, which the outputs share.
        """
        # For libraries that compute with NumPy, and warn as it does.
        with np.errstate(all="ignore"):
            results = run_on(xp, self._numeric, self._numeric_outputs, arrays)
        if not self._repairs or any(getattr(array, "requires_grad", False) for array in arrays):
            return results  # what is differentiated cannot go through NumPy
        if all(bool(xp.all(xp.isfinite(result))) for result in results):
            return results
        # Rare: let NumPy's route find and repair what overflowed.
        repaired = self(*map(to_numpy, arrays))
        first = arrays[0]
        return tuple(xp.asarray(r, dtype=first.dtype, device=first.device) for r in repaired)

    def _run(
        self, flat: list[FloatArray], results: tuple[FloatArray, ...], dtype: np.dtype[Any]
    ) -> Indices:
        """Fill the results; returns where one of them is not finite, if that is to be repaired."""
        size = flat[0].size
        block = min(BLOCK, max(size, 1))
        plan = self._schedule
        buffers = plan.buffers()
        slots: list[Any] = [None] * len(plan.is_boolean)
        for i in buffers:
            slots[i] = np.empty(block, np.bool_ if plan.is_boolean[i] else dtype)
        for slot, value in plan.constants:
            slots[slot] = dtype.type(value)
        bad: list[Indices] = []
        for start in range(0, size, block):
            stop = min(start + block, size)
            count_work(_WORK * len(self._steps) * (stop - start))
            if stop - start < block:
                for i in buffers:
                    slots[i] = slots[i][: stop - start]
            for slot, index in plan.inputs:
                slots[slot] = flat[index][start:stop]
            for slot, result in zip(plan.outputs, results, strict=True):
                slots[slot] = result[start:stop]
            for function, inputs, out in self._steps:
                function(*[slots[i] for i in inputs], out=slots[out])
            if self._repairs:
                finite = np.logical_and.reduce([np.isfinite(slots[slot]) for slot in plan.outputs])
                if not finite.all():
                    bad.append(np.flatnonzero(~finite) + start)
        return np.concatenate([np.empty(0, np.intp), *bad])

    def _repair(
        self, flat: list[FloatArray], results: tuple[FloatArray, ...], bad: Indices
    ) -> None:
        """Evaluate again, with unbounded exponents, the points whose result is not finite."""
        points = np.stack([a[bad] for a in flat], axis=1).astype(np.float64)
        usable = np.isfinite(points).all(axis=1) & self._in_domain(points)
        bad, points = bad[usable], points[usable]
        if not bad.size:
            return
        wrong = np.stack([~np.isfinite(result[bad]) for result in results], axis=1)
        if results[0].dtype == np.float32:
            values = np.stack(self(*points.T), axis=1)
        else:
            values = self._beyond_doubles(points, wrong)
        for k, result in enumerate(results):
            result[bad[wrong[:, k]]] = values[wrong[:, k], k]

    def _beyond_doubles(self, points: FloatArray, wrong: Bools) -> FloatArray:
        """The outputs that went wrong: infinite where that is certain, else by many digits."""
        enclosed = enclosures(self._numeric, self._numeric_outputs, list(points.T))
        overflow = np.stack([bounds.certain_overflow() for bounds in enclosed], axis=1)
        values = np.where(overflow, np.copysign(np.inf, overflow), np.nan)
        unsure = np.flatnonzero((wrong & (overflow == 0)).any(axis=1))
        if unsure.size:
            unique, inverse = np.unique(points[unsure], axis=0, return_inverse=True)
            repaired = np.array([self._repaired(point) for point in unique])
            values[unsure] = repaired[inverse.reshape(-1)]
        return values

    def _in_domain(self, points: FloatArray) -> Bools:
        """False where a root, a logarithm or an arc certainly has an argument out of its domain."""
        inside = np.ones(len(points), np.bool_)
        for limit in self._limits(*points.T) if self._limits.outputs else ():
            inside &= ~(limit < 0)
        return inside

    @cached_property
    def _limits(self) -> Program:
        """What is negative where the function is certainly not real."""
        used = self.graph.ancestors(list(self.outputs))
        operations = [self.graph.operations[node] for node in used]
        limits: list[Callable[..., Any]] = []
        limited: list[NodeId] = []
        for operation, node in zip(operations, used, strict=True):
            limit = OPERATIONS[operation].limit if operation in OPERATIONS else None
            if operation == "table" and "where" not in operations:
                table, _ = self.graph.payloads[node]
                if table.known_to < math.inf:
                    limits.append(partial(_beyond, table.parity, table.beyond, table.edges))
                    limited.append(self.graph.arguments[node][0])
            # Inside a branch that is not taken, an argument out of the domain means nothing.
            if limit is not None and "where" not in operations:
                limits.append(limit)
                limited.append(self.graph.arguments[node][0])
        # On a graph of its own: that of the function may be in use by another thread.
        graph, arguments = numeric_form(self.graph, limited)
        terms = [Term(graph, argument) for argument in arguments]
        found = [limit(Functions(graph), u).node for limit, u in zip(limits, terms, strict=True)]
        return Program(graph, found, repair=False)

    def _repaired(self, point: FloatArray) -> list[float]:
        """The outputs at a point, once two precisions agree."""
        at = [float(x) for x in point]
        digits, previous = FIRST_DIGITS, None
        while True:
            current = precise_values(self.graph, self.outputs, at, digits, self._inexact_sums)
            agree = previous is not None and all(map(_agree, previous, current))
            if agree or digits >= MAX_DIGITS:
                return [_rounded(value) for value in current]
            previous, digits = current, 3 * digits

    @cached_property
    def _inexact_sums(self) -> frozenset[NodeId]:
        """Those of rounded numbers."""
        graph, exact, sums = self.graph, set[NodeId](), set[NodeId]()
        for node in graph.ancestors(list(self.outputs)):
            operation = graph.operations[node]
            rounds = operation in OPERATIONS and not OPERATIONS[operation].exact
            if not rounds and exact.issuperset(graph.arguments[node]):
                exact.add(node)
            elif operation in ("add", "sub"):
                sums.add(node)
        return frozenset(sums)

    def evaluate(self, point: Sequence[Any], digits: int) -> list[Any]:
        """The outputs at one point in mpmath numbers, computed with this many digits.

        A value that is not real, or not a number, is mpmath's nan.
        """
        return precise_values(self.graph, self.outputs, point, digits)


def _beyond(
    parity: int, beyond: tuple[bool, bool], edges: tuple[float, ...], m: Any, u: Any
) -> Any:
    """Negative where a sampled function has no value: many digits would find none either."""
    if parity:
        return edges[-1] - abs(u)
    above, below = edges[-1] - u, u - edges[0]
    return above if beyond[0] else below if beyond[1] else m.min(above, below)


def _agree(a: Any, b: Any) -> bool:
    if mpmath.isnan(a) or mpmath.isnan(b):
        return bool(mpmath.isnan(a) and mpmath.isnan(b))
    # What is no double, with all its errors, is zero.
    return bool(
        a == b or abs(a - b) <= abs(b) * mpmath.mpf("1e-20") or abs(b) < mpmath.mpf("1e-330")
    )


def _rounded(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
