"""The problem: network, data and training, checked once and frozen.

`problem` has `Problem` and `Step`; `arguments` reads what is given for their fields, `functions`
says which activations and targets are allowed. Theory and simulation share this and nothing else.
"""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.problem.problem import Batch, Init, Problem, ReadoutLaw, Step

__all__ = ["Batch", "Init", "Problem", "ReadoutLaw", "Step"]

load_on_demand(
    __name__,
    {
        "rmt.problem.problem": "Batch Init Problem ReadoutLaw Step",
    },
)
