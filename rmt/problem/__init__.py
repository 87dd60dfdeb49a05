"""The problem: network, data and training, checked once and frozen.

`problem` has `Problem` and `Step`; `arguments` reads what is given for their fields, `functions`
says which activations and targets are allowed. `labels` are laws of labels, `losses` the losses;
`effective` has what the first step sees of both (`effective_residual`, `effective_moments`).
`supported` is the one table of what has a prediction. Theory and simulation share this and nothing
else.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
