"""The problem: network, data and training, checked once and frozen.

`problem` has `Problem` and `Step`; `arguments` reads what is given for their fields, `functions`
says which activations and targets are allowed. Theory and simulation share this and nothing else.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
