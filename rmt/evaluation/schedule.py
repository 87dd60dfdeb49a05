"""The order of the operations of a graph, and the few slots of memory that they write to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rmt.evaluation.graph import Graph, NodeId
from rmt.evaluation.operations import OPERATIONS

__all__ = ["Schedule", "schedule"]


@dataclass(slots=True)
class Schedule:
    """Slots by number.

    Attributes
    ----------
    is_boolean : list of bool
        Of each slot, whether it holds truth values.
    constants : list of (slot, number)
    inputs : list of (slot, index of the variable)
    outputs : list of int
        The slot of each output.
    steps : list of (operation, its payload, slots of the arguments, slot of the result)
    """

    is_boolean: list[bool] = field(default_factory=list)
    constants: list[tuple[int, float]] = field(default_factory=list)
    inputs: list[tuple[int, int]] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    steps: list[tuple[str, Any, tuple[int, ...], int]] = field(default_factory=list)

    def new_slot(self, boolean: bool = False) -> int:
        """One slot more."""
        self.is_boolean.append(boolean)
        return len(self.is_boolean) - 1

    def buffers(self) -> list[int]:
        """The slots that hold nothing but intermediate values."""
        fixed = {*self.outputs, *(s for s, _ in self.constants), *(s for s, _ in self.inputs)}
        return [slot for slot in range(len(self.is_boolean)) if slot not in fixed]


def schedule(graph: Graph, outputs: list[NodeId]) -> Schedule:
    """Order the operations and give every node a slot; slots are reused after the last use."""
    order = graph.ancestors(outputs)
    last_use: dict[NodeId, int] = {}
    for step, node in enumerate(order):
        for argument in graph.arguments[node]:
            last_use[argument] = step
    plan = Schedule()
    slot_of: dict[NodeId, int] = {}
    for output in outputs:
        slot = plan.new_slot()
        plan.outputs.append(slot)
        if graph.operations[output] not in ("const", "var"):
            slot_of.setdefault(output, slot)
    kept = set(slot_of.values())
    free: dict[bool, list[int]] = {True: [], False: []}
    for step, node in enumerate(order):
        operation, payload = graph.operations[node], graph.payloads[node]
        if operation in ("const", "var"):
            slot = slot_of[node] = plan.new_slot()
            kept.add(slot)
            if operation == "const":
                plan.constants.append((slot, graph.double(node)))
            else:
                plan.inputs.append((slot, payload))
            continue
        arguments = graph.arguments[node]
        boolean = OPERATIONS[operation].boolean
        released = {slot_of[a] for a in arguments if last_use[a] == step} - kept
        if node not in slot_of:
            # The slot of an argument that is not needed any more is written in place.
            reusable = [s for s in released if plan.is_boolean[s] == boolean]
            if reusable:
                slot_of[node] = reusable[0]
            elif free[boolean]:
                slot_of[node] = free[boolean].pop()
            else:
                slot_of[node] = plan.new_slot(boolean)
        for slot in released - {slot_of[node]}:
            free[plan.is_boolean[slot]].append(slot)
        plan.steps.append((operation, payload, tuple(slot_of[a] for a in arguments), slot_of[node]))
    for output, slot in zip(outputs, plan.outputs, strict=True):
        if slot_of[output] != slot:
            plan.steps.append(("copy", None, (slot_of[output],), slot))
    return plan
