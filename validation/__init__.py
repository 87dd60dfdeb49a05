"""Finite-size simulation of a `rmt.Problem`, and its comparison with a prediction.

`simulate` draws one network and takes the gradient steps, `observe` reads the leading singular
triplets off its weights, `run_samples` repeats both, and `compare` holds a prediction against the
result; `compare_conditional` holds every network against the prediction for its own readout. Only
these two know of the theory.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
